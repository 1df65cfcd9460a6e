"""The plan of batches: no text twice, one source, every row in its turn, like lengths together."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from medsearch.errors import MedsearchError
from pipeline.training.batching.batches import BatchPlan, BatchRules, plan_batches
from pipeline.training.batching.padding import Chunks, TokenLengths, padding_share
from pipeline.training.job import TrainingExample, TrainingSource
from pipeline.training.recipe import parse_train_recipe

RECIPE = """
description = "x"
name = "x"
base = "minilm"
licence = "x"
[[data]]
file = "x"
[train]
steps = 1
"""


def source(rows: list[TrainingExample], *, name: str = "made", weight: float = 1.0) -> TrainingSource:
    return TrainingSource(name, weight, tuple(rows), Path("rows.jsonl"), "0")


def distinct(count: int, negatives: int = 1, *, prefix: str = "") -> list[TrainingExample]:
    return [
        TrainingExample(
            f"{prefix}q{n}", f"{prefix}p{n}", tuple(f"{prefix}n{n}.{m}" for m in range(negatives))
        )
        for n in range(count)
    ]


def rules(**changes: int | float | bool) -> BatchRules:
    values: dict[str, int | float | bool] = {
        "batch": 4, "devices": 1, "steps": 30, "epochs": 0.0, "negatives": 1, "group": True, "seed": 13,
    }  # fmt: skip
    return BatchRules(**{**values, **changes})  # type: ignore[arg-type]  # a test's own table of fields


def planned(sources: list[TrainingSource], asked: BatchRules) -> BatchPlan:
    rows = [row for each in sources for row in each.rows]
    return plan_batches(sources, np.asarray([len(row.positive) for row in rows]), asked)


EXAMPLES = st.builds(
    TrainingExample,
    query=st.sampled_from([f"q{n}" for n in range(12)]),
    positive=st.sampled_from([f"p{n}" for n in range(12)]),
    negatives=st.lists(st.sampled_from([f"p{n}" for n in range(12)]), max_size=3, unique=True).map(tuple),
)


@given(
    rows=st.lists(EXAMPLES.filter(lambda row: row.positive not in row.negatives), min_size=4, max_size=60),
    negatives=st.integers(0, 3),
    devices=st.integers(1, 2),
    group=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_no_batch_has_a_text_twice(
    rows: list[TrainingExample], negatives: int, devices: int, group: bool
) -> None:
    asked = rules(batch=3, devices=devices, steps=12, negatives=negatives, group=group)
    try:
        plan = planned([source(rows)], asked)
    except MedsearchError:  # no two rows differ in all texts
        reject()
    assert len(plan.batches) == 12
    for batch in plan.batches:
        texts = [
            text
            for number in batch.rows
            for text in {
                rows[number].query,
                rows[number].positive,
                *rows[number].negatives[: batch.negatives],
            }
        ]
        assert len(texts) == len(set(texts))
        assert all(len(rows[number].negatives) >= batch.negatives for number in batch.rows)
        assert 2 * devices <= len(batch.rows) <= 3 * devices
        assert len(batch.rows) % devices == 0


def test_each_batch_is_of_one_source_and_sources_come_by_weight() -> None:
    many, few = source(distinct(400), weight=3.0), source(distinct(40, prefix="b"), name="few", weight=1.0)
    plan = planned([many, few], rules(steps=2000))
    drawn = Counter(batch.source for batch in plan.batches)
    assert drawn[0] / 2000 == pytest.approx(0.75, abs=0.03)
    for batch in plan.batches:
        assert {number >= 400 for number in batch.rows} == {batch.source == 1}


@pytest.mark.parametrize("group", [True, False])
def test_every_row_comes_once_in_a_pass(group: bool) -> None:
    plan = planned([source(distinct(103))], rules(steps=100, group=group))
    used = Counter(number for batch in plan.batches for number in batch.rows)
    assert len(used) == 103
    assert max(used.values()) - min(used.values()) <= 1
    first = [number for batch in plan.batches[:25] for number in batch.rows]
    assert len(first) == len(set(first))


def test_the_plan_depends_on_the_seed_alone() -> None:
    sources = [source(distinct(60)), source(distinct(60, prefix="b"), name="b")]
    assert planned(sources, rules()) == planned(sources, rules())
    assert planned(sources, rules(seed=14)).batches != planned(sources, rules()).batches
    # A longer training begins as a shorter one does.
    assert planned(sources, rules(steps=50)).batches[:30] == planned(sources, rules()).batches


def test_rows_with_fewer_negatives_make_batches_of_their_own() -> None:
    rows = [*distinct(20, 3), *distinct(9, 1, prefix="one"), *distinct(2, 0, prefix="none")]
    plan = planned([source(rows)], rules(steps=60, negatives=3))
    assert {batch.negatives for batch in plan.batches} == {3, 1}
    for batch in plan.batches:
        assert {min(len(rows[number].negatives), 3) for number in batch.rows} == {batch.negatives}
    assert plan.left_out == {"made": 2}


def test_few_rows_with_many_negatives_use_as_many_as_the_others_have() -> None:
    rows = [*distinct(3, 3), *distinct(9, 1, prefix="one")]
    plan = planned([source(rows)], rules(steps=30, negatives=3))
    assert {batch.negatives for batch in plan.batches} == {1}
    assert {number for batch in plan.batches for number in batch.rows} == set(range(12))
    assert plan.left_out == {"made": 0}


def test_a_source_smaller_than_a_batch_gives_what_it_has() -> None:
    plan = planned([source(distinct(7))], rules(batch=16, devices=2, steps=5))
    assert {len(batch.rows) for batch in plan.batches} == {6}
    same = [TrainingExample("q", f"p{n}", ()) for n in range(9)]
    with pytest.raises(MedsearchError, match="made has no two rows that could be in one batch"):
        planned([source(same)], rules(negatives=0))


@given(
    questions=st.lists(st.integers(1, 6), min_size=4, max_size=40),
    batch=st.integers(2, 12),
    how=st.sampled_from(["nothing", "length", "topic", "document"]),
    seed=st.integers(0, 3),
)
@settings(max_examples=120, deadline=None)
def test_every_row_is_used_however_often_its_question_is_asked(
    questions: list[int], batch: int, how: str, seed: int
) -> None:
    rows = [
        TrainingExample(f"q{n}", f"p{n}.{m}" + "!" * (7 * m % 5), (), f"id{n}", f"d{(n + m) % 7}")
        for n, times in enumerate(questions)
        for m in range(times)
    ]
    made = replace(source(rows), together=how == "document")
    vectors = np.random.default_rng(seed).normal(size=(len(questions), 4))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    of_rows = vectors[[int(row.query[1:]) for row in rows]]
    asked = rules(
        batch=batch, negatives=0, group=how == "length", seed=seed,
        topic_window=2 * batch if how == "topic" else 0, steps=1,
    )  # fmt: skip
    lengths = np.asarray([len(row.positive) for row in rows])
    passes = max(questions) + 1
    # A pass is as many batches as there can be at most.
    steps = passes * max(1, len(rows) // batch)
    plan = plan_batches([made], lengths, replace(asked, steps=steps), {0: of_rows})
    assert plan.rows_seen(0) == len(rows)


def test_a_source_that_cannot_fill_a_batch_gives_each_row_its_turn() -> None:
    """Like MEDIQA's answers: many to one question, fewer questions than a batch has rows."""
    rows = [TrainingExample(f"q{n}", f"p{n}.{m}", (), f"id{n}") for n in range(10) for m in range(1 + n % 5)]
    plan = planned([source(rows)], rules(batch=16, negatives=0, steps=20))
    assert {len(batch.rows) for batch in plan.batches} == {10}
    asked = Counter(row.query for row in rows)
    used = Counter(number for batch in plan.batches for number in batch.rows)
    for number, row in enumerate(rows):
        assert used[number] in (20 // asked[row.query], 20 // asked[row.query] + 1)
    assert planned([source(rows)], rules(batch=16, negatives=0, steps=5)).rows_seen(0) == len(rows)


def test_rows_of_which_none_fill_a_batch_have_their_turn_beside_those_that_do() -> None:
    one = [TrainingExample(f"few{n % 3}", f"p{n}", (), f"id{n % 3}") for n in range(12)]
    rows = [*distinct(16), *one]
    plan = planned([source(rows)], rules(steps=60))
    assert plan.rows_seen(0) == 28
    assert {len(batch.rows) for batch in plan.batches if not batch.negatives} == {3}


def test_epochs_are_rows_over_the_batch() -> None:
    assert len(planned([source(distinct(103))], rules(steps=0, epochs=2.0, batch=10)).batches) == 21
    assert (
        len(planned([source(distinct(103))], rules(steps=0, epochs=2.0, batch=10, devices=2)).batches) == 11
    )


def test_devices_share_a_batch_without_overlap() -> None:
    plan = planned([source(distinct(64))], rules(devices=2, steps=6))
    parts = list(plan.of_device())
    assert len(parts) == 12
    for batch, (left, right) in zip(plan.batches, zip(parts[::2], parts[1::2], strict=True), strict=True):
        assert [number for number, _ in left + right] == list(batch.rows)
        assert len(left) == len(right) == 4


def test_grouping_and_joint_chunks_save_padding() -> None:
    chance = np.random.default_rng(5)
    words = chance.integers(1, 60, size=(300, 3))
    rows = [
        TrainingExample(f"{n} " + "a " * q, f"{n} " + "b " * p, (f"{n} " + "c " * m,))
        for n, (q, p, m) in enumerate(words)
    ]
    lengths = TokenLengths(
        rows, lambda texts: [len(each.split()) for each in texts], parse_train_recipe(RECIPE, "t")
    )
    shares = {}
    for group in (True, False):
        plan = plan_batches([source(rows)], lengths.of_rows, rules(batch=32, steps=40, group=group))
        for joined in (True, False):
            shares[group, joined] = padding_share(plan, lengths, Chunks(8, joined))
    assert shares[True, True] < shares[False, True] < shares[False, False]
    assert shares[True, True] < shares[True, False] < shares[False, False]
    assert 0 < shares[True, True] < 0.2 < 0.4 < shares[False, False] < 0.6


def test_padding_is_counted_to_the_token() -> None:
    rows = [TrainingExample("a", "b b b", ()), TrainingExample("a a", "b", ())]
    text = RECIPE + "document_tokens = 4\n"
    lengths = TokenLengths(
        rows, lambda texts: [len(each.split()) for each in texts], parse_train_recipe(text, "t")
    )
    plan = plan_batches([source(rows)], lengths.of_rows, rules(batch=2, steps=1))
    # Two special tokens each: queries 3 and 4, documents 4 (cut) and 3; padded to 8 and 8.
    assert padding_share(plan, lengths, Chunks(2)) == pytest.approx(1 - 14 / 16)
    assert padding_share(plan, lengths, Chunks(1)) == 0
