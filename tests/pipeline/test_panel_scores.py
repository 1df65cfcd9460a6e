"""Scores on a panel: trec_eval's, with its ties, of vectors, of shorter vectors and of token vectors."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import TopicEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from late_material import make_late

from medsearch.evaluation.measures import per_query_scores
from pipeline.training.panel.build import PanelTask, score_panel, score_panel_late
from pipeline.training.panel.late import max_sim
from pipeline.training.panel.scores import PanelVectors, mean_over_tasks, scores_of_vectors

DOCUMENTS = {
    "a": "angina of the heart", "b": "asthma, a cough of the lung", "c": "insulin and glucose",
    "d": "an itchy rash", "e": "cardiac chest pain", "f": "diabetes of the heart",
}  # fmt: skip
QUERIES = {"q1": "chest pain of the heart", "q2": "glucose", "q3": "skin rash and cough"}
QRELS = {"q1": {"a": 1, "f": 2}, "q2": {"c": 1, "f": 1}, "q3": {"d": 1, "b": 0}}
TASK = PanelTask("topics", QUERIES, DOCUMENTS, QRELS)


def reference(task: PanelTask, vectors: PanelVectors) -> float:
    """The whole ranking given to trec_eval."""
    scores = vectors.queries @ vectors.documents.T
    run = {
        query: dict(zip(task.documents, row.tolist(), strict=True))
        for query, row in zip(task.queries, scores, strict=True)
    }
    found = per_query_scores(task.qrels, run)
    return sum(each["nDCG@10"] for each in found.values()) / len(found)


def test_scores_are_those_of_the_whole_ranking() -> None:
    encoder = TopicEncoder()
    [(name, score)] = score_panel([TASK], encoder.encode_queries, encoder.encode_documents).items()
    vectors = PanelVectors(
        encoder.encode_queries(list(QUERIES.values())), encoder.encode_documents(list(DOCUMENTS.values()))
    )
    assert name == "topics"
    assert score == pytest.approx(reference(TASK, vectors))
    assert 0.3 < score < 1.0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_cutting_the_ranking_after_ten_loses_nothing(seed: int, documents: int) -> None:
    """With many ties: scores are whole numbers."""
    chance = np.random.default_rng(seed)
    ids = [f"d{n}" for n in range(documents)]
    task = PanelTask(
        "t", {"q": "x"}, dict.fromkeys(ids, ""), {"q": {i: int(chance.integers(0, 3)) for i in ids}}
    )
    task.qrels["q"][ids[0]] = 1  # type: ignore[index]  # a dict in truth
    vectors = PanelVectors(
        np.ones((1, 1), dtype=np.float32), chance.integers(0, 4, (documents, 1)).astype(np.float32)
    )
    [found] = scores_of_vectors([task], [vectors]).values()
    assert found["q"] == pytest.approx(reference(task, vectors))


def test_ties_break_as_in_trec_eval() -> None:
    """Of equal scores the greater id comes first: the only right one, the least, stands eleventh."""
    ids = [f"d{n:02}" for n in range(11)]
    vectors = PanelVectors(np.ones((1, 1), dtype=np.float32), np.ones((11, 1), dtype=np.float32))
    scored = [
        scores_of_vectors([PanelTask("t", {"q": "x"}, dict.fromkeys(ids, ""), {"q": {right: 1}})], [vectors])
        for right in (ids[0], ids[-1])
    ]
    assert [each["t"]["q"] for each in scored] == [0.0, 1.0]


def test_a_document_with_the_querys_own_id_is_passed_over() -> None:
    encoder = TopicEncoder()
    documents = {"q1": QUERIES["q1"], **DOCUMENTS}
    plain = PanelTask("t", {"q1": QUERIES["q1"]}, documents, {"q1": {"e": 1}})
    passed = PanelTask("t", plain.queries, documents, plain.qrels, ignore_identical_ids=True)
    scores = [
        score_panel([task], encoder.encode_queries, encoder.encode_documents)["t"] for task in (plain, passed)
    ]
    assert scores[0] < scores[1]


def test_shorter_vectors_are_the_first_numbers_normalised_again() -> None:
    long = PanelVectors(
        np.array([[0.6, 0.0, 0.8]], dtype=np.float32),
        np.array([[0.1, 0.0, 0.995], [0.8, 0.6, 0.0]], dtype=np.float32),
    )
    task = PanelTask("t", {"q": "x"}, {"a": "", "b": ""}, {"q": {"b": 1}})
    whole, cut = (scores_of_vectors([task], [long], dim=dim)["t"]["q"] for dim in (0, 2))
    # Whole: 0.856 and 0.48. Cut to two and normalised: cosines of (1, 0) with (1, 0) and (0.8, 0.6).
    assert whole == pytest.approx(0.6309, abs=1e-4)
    assert cut == pytest.approx(0.6309, abs=1e-4)
    other = PanelTask("t", {"q": "x"}, {"a": "", "b": ""}, {"q": {"a": 1}})
    assert scores_of_vectors([other], [long], dim=2)["t"]["q"] == 1.0
    assert scores_of_vectors([other], [long], dim=3) == scores_of_vectors([other], [long])


def test_each_task_counts_once() -> None:
    assert mean_over_tasks({"a": 0.2, "b": 0.6}) == pytest.approx(0.4)
    assert mean_over_tasks({}) == 0.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_max_sim_is_the_sum_of_each_tokens_best(seed: int) -> None:
    chance = np.random.default_rng(seed)
    queries, documents = (
        [chance.standard_normal((tokens, 4)).astype(np.float32) for tokens in chance.integers(0, 5, count)]
        for count in (3, 5)
    )
    found = max_sim(queries, documents)
    for row, query in enumerate(queries):
        for column, document in enumerate(documents):
            wanted = sum(max((float(q @ d) for d in document), default=0.0) for q in query)
            assert found[row, column] == pytest.approx(wanted, abs=1e-4)


def test_a_late_model_ranks_as_its_own_library_scores(tmp_path_factory: pytest.TempPathFactory) -> None:
    from sentence_transformers import MultiVectorEncoder

    model = MultiVectorEncoder(str(make_late(tmp_path_factory.mktemp("late") / "model")))
    scores = model.similarity(
        model.encode_query(list(QUERIES.values())), model.encode_document(list(DOCUMENTS.values()))
    )
    run = {
        query: dict(zip(DOCUMENTS, row.tolist(), strict=True))
        for query, row in zip(QUERIES, scores, strict=True)
    }
    wanted = {query: each["nDCG@10"] for query, each in per_query_scores(QRELS, run).items()}
    found = score_panel_late([TASK], model)["topics"]
    assert found == pytest.approx(sum(wanted.values()) / len(wanted))
