"""What a result kept of its model counts before what lies beside the weights when it is compared."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from compare_material import (
    MINI,
    TASKS,
    change,
    read,
    record_of,
    settings_of,
    some_scores,
    write_record,
    write_result,
)
from late_fakes import word_spec

from medsearch.cli import card
from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.evaluate import query_keys
from medsearch.evaluation.looks import Look, read_looks
from medsearch.evaluation.provenance import OF_MODELS, Provenance, Selection, SelectionTask, write_provenance
from medsearch.evaluation.results import TaskResult
from medsearch.search.names import RetrieverName, parse_retriever
from medsearch.settings import Settings
from medsearch.types import Collection, ModelSpec, Query
from medsearch.workbench.comparison.standing import background_of
from medsearch.workbench.hub.local import local_mteb_model
from medsearch.workbench.looks import note_look
from medsearch.workbench.selection import marks_of
from medsearch.workbench.suites import Suite, SuiteRole, SuiteTask

OLD, NEW = "a" * 64, "b" * 64
KEYS = query_keys(
    Collection("x", "test", (), tuple(Query(f"q{n}", f"question {n}") for n in range(40)), {}),
    {f"q{n}" for n in range(40)},
)


def provenance(sha256: str, candidates: int, *keys: str) -> Provenance:
    task = SelectionTask(corpus="x", split="dev", query_keys=keys)
    chosen = Selection(
        suite="medical-dev", tasks=(task,), candidates=candidates, measure="nDCG@10", rule="highest"
    )
    return Provenance(
        model="ours", base="mini", family="mini", recipe="r", data=(), selection=chosen, git_revision="",
        created=datetime(2026, 1, 2, tzinfo=UTC), weights_sha256=sha256,
    )  # fmt: skip


def kept(tmp_path: Path, *, own_copy: bool) -> TaskResult:
    """A result of the model as it was first trained, under judgements that another task has too."""
    ours = replace(MINI, name="ours", source=f"path:{tmp_path}", sha256=OLD)
    file = write_result(tmp_path / "out", TASKS[0], ours, some_scores(1))
    change(file, "query_keys", to=dict(KEYS))
    if own_copy:
        change(file, "provenance", "ours", to=provenance(OLD, 3).summary())
    return read(file)


def test_a_model_trained_later_into_the_folder_changes_nothing_of_what_was_measured(tmp_path: Path) -> None:
    result = kept(tmp_path, own_copy=True)
    write_provenance(provenance(NEW, 50, *KEYS.values()), tmp_path)
    found = background_of([result], None)
    assert (found.family, found.candidates, found.trained) == ("mini", 3, True)
    assert found.marks == {TASKS[0]: ()}
    without_copy = background_of([kept(tmp_path, own_copy=False)], None)
    assert without_copy.candidates is None, "what lies there is of other weights, so nobody knows"


def test_an_old_result_takes_its_standing_from_the_folder_and_is_marked_by_shared_questions(
    tmp_path: Path,
) -> None:
    result = kept(tmp_path, own_copy=False)
    shared = list(KEYS.values())
    write_provenance(provenance(OLD, 12, *shared[:20]), tmp_path)
    found = background_of([result], None)
    assert (found.family, found.candidates) == ("mini", 12)
    assert found.marks == {TASKS[0]: ("20 of 40 questions also in what it was chosen on",)}
    write_provenance(provenance(OLD, 12, *shared[:21]), tmp_path)
    assert background_of([result], None).marks == {TASKS[0]: ("used to choose this model",)}


def test_looks_at_a_copy_of_the_task_count(tmp_path: Path) -> None:
    result = kept(tmp_path, own_copy=True)
    look = Look(
        when=datetime(2026, 1, 2, tzinfo=UTC), task="copy:test", retriever="ours", family="mini",
        revision="1", suite="s", git_revision="", queries=40, qrels_hash=result.settings["qrels_hash"],
    )  # fmt: skip
    other = look.model_copy(update={"qrels_hash": "other"})
    assert background_of([result], [look, other]).looks == {TASKS[0]: 1}


def late_over_ours(tmp_path: Path) -> RetrieverName:
    """A reranker both of whose models were trained here."""
    ours = replace(MINI, name="ours", source=f"path:{tmp_path / 'ours'}", sha256=OLD)
    late = word_spec(source=f"path:{tmp_path / 'late'}", sha256=NEW, family="colbert")
    for folder in ("ours", "late"):
        (tmp_path / folder).mkdir()
    return parse_retriever("rerank:words:ours", {"ours": ours, "words": late})


def test_both_models_of_a_reranker_count(tmp_path: Path) -> None:
    name = late_over_ours(tmp_path)
    write_provenance(provenance(OLD, 12, *[*KEYS.values()][:20]), tmp_path / "ours")
    write_provenance(provenance(NEW, 5), tmp_path / "late")
    settings = settings_of(TASKS[0], *name.models)
    file = write_record(tmp_path / "out", record_of(TASKS[0], name.name, some_scores(1), settings))
    change(file, "query_keys", to=dict(KEYS))
    look = Look(
        when=datetime(2026, 1, 2, tzinfo=UTC), task=TASKS[0], retriever="ours", family="mini",
        revision="1", suite="s", git_revision="", queries=40,
    )  # fmt: skip
    found = background_of([read(file)], [look, look])
    assert (found.family, found.candidates, found.looks) == ("colbert", 12, {TASKS[0]: 2})
    assert found.marks == {TASKS[0]: ("20 of 40 questions also in what it was chosen on",)}
    # What a result kept of each is found again by its name, whatever lies in the folders now.
    kept = {"ours": provenance(OLD, 7).summary(), "words": provenance(NEW, 3).summary()}
    change(file, "provenance", name.name, to={**kept["words"], OF_MODELS: kept})
    write_provenance(provenance("c" * 64, 50, *KEYS.values()), tmp_path / "ours")
    found = background_of([read(file)], None)
    assert (found.candidates, found.marks) == (7, {TASKS[0]: ()})


def test_a_task_that_chose_what_is_reranked_is_no_test_of_the_reranker(tmp_path: Path) -> None:
    name = late_over_ours(tmp_path)
    write_provenance(provenance(NEW, 5), tmp_path / "late")
    write_provenance(provenance(OLD, 5, *KEYS.values()), tmp_path / "ours")
    task = SelectionTask(corpus="y", split="test", query_keys=tuple(KEYS.values()))
    with pytest.raises(MedsearchError, match="y:test is no test of ours: 40 of its 40 questions are also in"):
        marks_of(task, name, choosing=False, force=False)
    assert marks_of(task, name, choosing=False, force=True) == ("forced: took part in choosing this model",)


def test_a_look_with_a_reranker_is_one_by_either_family(tmp_path: Path) -> None:
    name = late_over_ours(tmp_path)
    settings = Settings((), tmp_path, tmp_path, None, tmp_path / "looks.jsonl")
    task = SuiteTask("x", "test")
    note_look(task, name, Suite("s", SuiteRole.REPORT, "", (task,)), 40, settings)
    looks = read_looks(tmp_path / "looks.jsonl").looks
    assert {(look.family, look.revision) for look in looks} == {("colbert", "1"), ("ours", MINI.revision)}
    assert {look.retriever for look in looks} == {"rerank:words:ours"}


def make_card(folder: Path) -> None:
    card.run(Namespace(model="mine", results=folder, out=None, measure="MAP", json=False))


def open_for_mteb(_: Path) -> None:
    pytest.importorskip("mteb", reason="mteb: pip install medsearch[train]")
    local_mteb_model("mine")


@pytest.mark.parametrize("work", [make_card, pytest.param(open_for_mteb, marks=pytest.mark.slow)])
def test_models_in_folders_are_pinned_wherever_results_are_made_or_read(
    work: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a cache the registry would not look at the weights (see `load_registry`)."""
    caches: list[Path | None] = []

    def registry(_: Path | None = None, *, cache: Path | None = None) -> dict[str, ModelSpec]:
        caches.append(cache)
        return {}

    monkeypatch.setenv("MEDSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("medsearch.cli.card.load_registry", registry)
    monkeypatch.setattr("medsearch.workbench.hub.local.load_registry", registry)
    with pytest.raises(UsageError, match="unknown model 'mine'"):
        work(tmp_path)
    assert caches == [tmp_path / "cache"]
