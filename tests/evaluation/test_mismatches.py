"""A run of another corpus is refused; a run, judgements and corpus that differ in part are told of."""

from __future__ import annotations

import pytest

from medsearch.errors import MedsearchError
from medsearch.evaluation.mismatches import check_shared_queries, query_mismatches, unknown_documents

QRELS = {"q1": {"a": 1}, "q2": {"b": 1}, "zeros": {"a": 0}}


@pytest.mark.parametrize("run", [{}, {"x1": {"a": 1.0}}, {"zeros": {"a": 1.0}}])
def test_a_run_without_a_query_that_can_be_scored_is_refused(run: dict[str, dict[str, float]]) -> None:
    with pytest.raises(MedsearchError, match=r"^my\.run: none of its queries .* 2 \(q1, q2\)") as caught:
        check_shared_queries(run, QRELS, "my.run")
    assert caught.value.exit_code == 1


def test_one_shared_query_is_enough() -> None:
    check_shared_queries({"q2": {"z": 1.0}}, QRELS, "my.run")


def test_queries_of_one_side_only_are_counted_with_examples() -> None:
    run = {"q1": {"a": 1.0}, "zeros": {}, **{f"x{number}": {"a": 1.0} for number in range(5)}}
    assert query_mismatches(run, QRELS) == [
        "queries of the run without a judgement, left out: 5 (x0, x1, x2, …)",
        "judged queries that the run lacks, each scored 0: 1 (q2)",
    ]
    assert query_mismatches({"q1": {}, "q2": {}}, QRELS) == []


def test_documents_that_the_corpus_lacks_are_counted_once() -> None:
    assert unknown_documents({"q1": {"z": 1, "a": 1}, "q2": {"z": 1}}, {"a"}, "the run") == [
        "documents of the run that are not in the corpus: 1 (z)"
    ]
    assert unknown_documents(QRELS, {"a", "b"}, "the judgements") == []
