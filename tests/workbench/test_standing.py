"""What a result kept of its model counts before what lies beside the weights when it is compared."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from compare_material import MINI, TASKS, change, read, some_scores, write_result

from medsearch.cli import card
from medsearch.errors import UsageError
from medsearch.evaluation.evaluate import query_keys
from medsearch.evaluation.looks import Look
from medsearch.evaluation.provenance import Provenance, Selection, SelectionTask, write_provenance
from medsearch.evaluation.results import TaskResult
from medsearch.types import Collection, ModelSpec, Query
from medsearch.workbench.comparison.standing import background_of
from medsearch.workbench.hub.local import local_mteb_model

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
