"""What is retrieved, which queries count, and what is kept of an evaluation."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from medsearch.errors import UsageError
from medsearch.evaluation.evaluate import (
    DEPTH,
    evaluate,
    git_revision,
    result_record,
    without_identical_ids,
)
from medsearch.types import Collection, Document, Filter, Query, Run

QRELS = {"q1": {"a": 2, "b": 0}, "q2": {"b": 1}, "zeros": {"a": 0, "b": 0}, "lost": {"a": 1}}
COLLECTION = Collection(
    name="tiny",
    split="dev",
    documents=tuple(Document(doc_id, "", f"Text of {doc_id}.") for doc_id in "abc"),
    queries=tuple(Query(query_id, f"about {query_id}") for query_id in ("q1", "q2", "zeros", "unjudged")),
    qrels=QRELS,
)


class Scripted:
    """Answers from a table and remembers what it was asked, and for how many documents."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.asked: list[str] = []
        self.depths: set[int] = set()

    def retrieve(self, queries: Sequence[Query], *, k: int, where: Filter | None = None) -> Run:
        self.asked.extend(query.query_id for query in queries)
        self.depths.add(k)
        return {query.query_id: dict(list(self.run.get(query.query_id, {}).items())[:k]) for query in queries}


def test_only_queries_with_a_relevant_document_are_asked_to_the_usual_depth() -> None:
    retriever = Scripted({"q1": {"a": 2.0, "b": 1.0}, "q2": {"c": 2.0, "b": 1.0}})
    steps: list[int] = []
    scored = evaluate("scripted", retriever, COLLECTION, advance=steps.append)
    assert retriever.asked == ["q1", "q2"]
    assert retriever.depths == {DEPTH} == {1000}
    assert sum(steps) == 2
    assert set(scored.scores) == {"q1", "q2", "lost"}
    assert scored.scores["lost"]["MRR@10"] == 0.0
    assert scored.means["MRR@10"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert scored.qrels is QRELS


def test_a_query_that_is_a_document_does_not_find_itself_and_still_gets_the_whole_depth() -> None:
    own = {"q": 9.0} | {f"d{number:04}": 5.0 - number / 1000 for number in range(DEPTH + 5)}
    collection = Collection("own", "test", (), (Query("q", "itself"),), {"q": {"d0000": 1}})
    with_itself = evaluate("r", Scripted({"q": own}), collection)
    without = evaluate("r", Scripted({"q": own}), collection, ignore_identical_ids=True)
    assert with_itself.means["MRR@10"] == pytest.approx(1 / 2)
    assert without.means["MRR@10"] == 1.0
    assert "q" not in without.run["q"]
    assert list(without.run["q"]) == [f"d{number:04}" for number in range(DEPTH)]
    assert len(without_identical_ids({"other": own})["other"]) == DEPTH


def test_the_record_says_what_was_scored_with_what_and_how() -> None:
    scored = evaluate("scripted", Scripted({"q1": {"a": 1.0}, "q2": {"b": 1.0}}), COLLECTION)
    record = result_record(COLLECTION, [scored], {"search": "exact"}, ["2 document ids are judged but …"])
    assert (record["corpus"], record["split"], record["documents"]) == ("tiny", "dev", 3)
    assert (record["queries"], record["queries_judged"]) == (3, 4)
    assert record["models"] == {"scripted": scored.means}
    assert record["per_query"]["scripted"]["q1"]["nDCG@10"] == 1.0
    assert record["settings"] == {"search": "exact"}
    assert record["warnings"] == ["2 document ids are judged but …"]
    assert record["seconds"]["scripted"] >= 0
    age = datetime.now(UTC) - datetime.fromisoformat(record["created"])
    assert 0 <= age.total_seconds() < 60
    assert record["git_revision"] == git_revision()


def test_nothing_relevant_is_an_error() -> None:
    collection = Collection("none", "test", (), (Query("q", "x"),), {"q": {"a": 0}})
    with pytest.raises(UsageError, match="the judgements name no relevant document"):
        evaluate("r", Scripted({}), collection)


def test_git_revision_is_the_commit_of_a_tracked_folder_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    checkout = tmp_path / "checkout"
    package = checkout / "package"
    installed = checkout / ".venv"
    for folder in (package, installed):
        folder.mkdir(parents=True)
        (folder / "module.py").write_text("one = 1\n")

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=T", "-c", "user.email=t@example.org")
        done = subprocess.run(
            ["git", "-C", str(checkout), *who, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert git_revision(package) == ""
    git("init", "-q")
    git("add", "package")
    git("commit", "-q", "-m", "first")
    assert git_revision(package) == git("rev-parse", "HEAD")
    assert git_revision(installed) == ""
    (package / "module.py").write_text("one = 2\n")
    assert git_revision(package) == git("rev-parse", "HEAD") + "+changes"
