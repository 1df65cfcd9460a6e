"""Batches of neighbours and of whole documents: hard, exact, and the same each time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from medsearch.errors import MedsearchError
from medsearch.types import Vectors
from pipeline.training.batching.batches import Batch, BatchPlan, BatchRules, Grouping, plan_batches
from pipeline.training.batching.together import by_document
from pipeline.training.job import TrainingExample, TrainingSource

SUBJECTS = 100


def rules(*, batch: int = 8, steps: int = 50, window: int = 200, seed: int = 13) -> BatchRules:
    return BatchRules(
        batch=batch,
        devices=1,
        steps=steps,
        epochs=0.0,
        negatives=0,
        group=True,
        seed=seed,
        topic_window=window,
    )


def source(rows: list[TrainingExample], *, together: bool = False) -> TrainingSource:
    return TrainingSource("made", 1.0, tuple(rows), Path("rows.jsonl"), "0", together=together)


def planned(made: TrainingSource, asked: BatchRules, topics: Vectors | None = None) -> BatchPlan:
    lengths = np.asarray([len(row.positive) for row in made.rows])
    return plan_batches([made], lengths, asked, {} if topics is None else {0: topics})


def unit(vectors: np.ndarray) -> Vectors:  # type: ignore[type-arg]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def on_subjects(count: int = 1600) -> tuple[TrainingSource, Vectors, Vectors]:
    """Rows on subjects in turn, and a base's vectors: subject, a little of a row's own, and noise."""
    chance = np.random.default_rng(3)
    subjects, own = chance.normal(size=(SUBJECTS, 64)), 0.25 * chance.normal(size=(count, 64))
    both = subjects[np.arange(count) % SUBJECTS] + own
    noisy = both + 0.15 * chance.normal(size=(count, 64))
    rows = [TrainingExample(f"q{n}", f"p{n}", (), query_id=f"id{n}") for n in range(count)]
    return source(rows), unit(both), unit(noisy)


def loss(batch: Batch, queries: Vectors, documents: Vectors) -> float:
    """What the base would be told by a batch: InfoNCE at temperature 0.05."""
    scores = queries[list(batch.rows)] @ documents[list(batch.rows)].T / 0.05
    return float(np.mean(np.log(np.exp(scores).sum(axis=1)) - np.diag(scores)))


def test_random_batches_leave_nothing_to_learn_and_topics_do() -> None:
    made, queries, documents = on_subjects()
    random, topics = (planned(made, rules(window=window), queries) for window in (0, 800))
    easy, hard = (
        np.mean([loss(batch, queries, documents) for batch in plan.batches]) for plan in (random, topics)
    )
    assert easy < 0.02
    assert hard > 10 * easy
    same = [len({number % SUBJECTS for number in batch.rows}) for batch in topics.batches]
    assert np.mean(same) < 3
    assert np.mean([len({number % SUBJECTS for number in batch.rows}) for batch in random.batches]) > 6


@pytest.mark.parametrize("window", [16, 100, 5000])
def test_every_row_comes_once_in_a_pass(window: int) -> None:
    made, queries, _ = on_subjects(403)
    plan = planned(made, rules(steps=150, window=window), queries)
    used = Counter(number for batch in plan.batches for number in batch.rows)
    assert len(used) == 403
    assert max(used.values()) - min(used.values()) <= 1
    first = [number for batch in plan.batches[:50] for number in batch.rows]
    assert len(first) == len(set(first)) == 400
    assert all(len(batch.rows) == 8 for batch in plan.batches)


def test_the_plan_depends_on_seed_and_vectors_alone() -> None:
    made, queries, documents = on_subjects()
    plan = planned(made, rules(), queries)
    assert planned(made, rules(), queries.copy()) == plan
    assert planned(made, rules(seed=14), queries).batches != plan.batches
    assert planned(made, rules(), documents).batches != plan.batches
    assert planned(made, rules(steps=300), queries).batches[:50] == plan.batches
    # The second pass meets other neighbours: its windows are others.
    later = [frozenset(batch.rows) for batch in planned(made, rules(steps=400), queries).batches]
    assert set(later[:200]).isdisjoint(later[200:])


def test_a_batch_is_the_first_row_left_and_its_nearest() -> None:
    """By hand, in one dimension of angle: windows of all 6 rows, so the order is the pass's alone."""
    angles = np.radians([0, 80, 10, 90, 5, 85])
    rows = [TrainingExample(f"q{n}", f"p{n}", ()) for n in range(6)]
    vectors = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    plan = planned(source(rows), rules(batch=3, steps=2, window=6), vectors)
    assert {frozenset(batch.rows) for batch in plan.batches} == {frozenset({0, 2, 4}), frozenset({1, 3, 5})}


EXAMPLES = st.builds(
    TrainingExample,
    query=st.sampled_from([f"q{n}" for n in range(12)]),
    positive=st.sampled_from([f"p{n}" for n in range(12)]),
    negatives=st.just(()),
    query_id=st.sampled_from(["", *(f"id{n}" for n in range(8))]),
    document=st.sampled_from(["", *(f"d{n}" for n in range(6))]),
)


@given(
    rows=st.lists(EXAMPLES, min_size=4, max_size=60),
    window=st.integers(1, 70),
    together=st.booleans(),
    seed=st.integers(0, 5),
)
@settings(max_examples=80, deadline=None)
def test_no_batch_has_a_text_or_a_question_twice(
    rows: list[TrainingExample], window: int, together: bool, seed: int
) -> None:
    vectors = unit(np.random.default_rng(seed).normal(size=(len(rows), 4)))
    try:
        plan = planned(source(rows, together=together), rules(batch=3, steps=12, window=window), vectors)
    except MedsearchError:  # no two rows differ in all texts
        reject()
    for batch in plan.batches:
        chosen = [rows[number] for number in batch.rows]
        for texts in ([row.query for row in chosen], [row.positive for row in chosen]):
            assert len(texts) == len(set(texts))
        asked = [row.query_id for row in chosen if row.query_id]
        assert len(asked) == len(set(asked))
        assert 2 <= len(chosen) <= 3


def of_documents(sizes: list[int]) -> list[TrainingExample]:
    return [
        TrainingExample(f"q{d}.{n}", f"p{d}.{n}", (), query_id=f"{d}.{n}", document=f"made/{d}")
        for d, size in enumerate(sizes)
        for n in range(size)
    ]


def test_rows_of_one_document_meet_in_one_batch() -> None:
    rows = of_documents([int(size) for size in np.random.default_rng(1).integers(1, 5, size=300)])
    made = source(rows, together=True)
    plan = planned(made, rules(batch=16, steps=40))
    assert plan == planned(made, rules(batch=16, steps=40))
    size = Counter(row.document for row in rows)
    whole = cut = 0
    for batch in plan.batches:
        assert len(batch.rows) == 16
        for document, count in Counter(rows[number].document for number in batch.rows).items():
            whole += count == size[document]
            cut += count < size[document]
    assert whole > 30 * max(1, cut)
    used = Counter(number for batch in plan.batches for number in batch.rows)
    assert max(used.values()) == 1


def test_a_document_longer_than_a_batch_is_cut_and_all_of_it_used() -> None:
    rows = of_documents([11, 3, 5])
    assert by_document(range(19), rows, 4) == [11, 12, 13, *range(11), *range(14, 19)]
    used = Counter(
        n
        for batch in planned(source(rows, together=True), rules(batch=4, steps=4)).batches
        for n in batch.rows
    )
    assert set(used.values()) == {1}
    assert len(used) == 16
    bare = [replace(row, document="") for row in rows]
    assert by_document([3, 1, 2], bare, 2) == [3, 1, 2]


def test_what_belongs_together_wins_over_topic_and_topic_over_length() -> None:
    made = source(of_documents([1] * 20))
    assert rules().grouping(replace(made, together=True)) is Grouping.DOCUMENT
    assert rules().grouping(made) is Grouping.TOPIC
    assert rules(window=0).grouping(made) is Grouping.LENGTH
    assert replace(rules(window=0), group=False).grouping(made) is Grouping.NONE
