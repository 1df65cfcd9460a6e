"""Every candidate that was ever compared is counted once, those of a run that was begun anew too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from selection_material import BASE, MODEL, SUITE, TinyRun, tiny_guard, tiny_run

from medsearch.errors import MedsearchError
from medsearch.evaluation.provenance import Provenance
from pipeline.train import forget
from pipeline.training.choosing import select as selecting
from pipeline.training.choosing.select import select
from pipeline.training.choosing.tried import TriedCandidate, TriedLedger, recipe_key
from pipeline.training.folder import TrainingFolder
from pipeline.training.guard.build import Guard
from pipeline.training.publishing.training_record import provenance_record

DIGEST = "0" * 64


@pytest.fixture(autouse=True)
def small_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "guard_set", lambda: Guard(tiny_guard(), {"tiny": "1.0"}))


def tried(candidate: str = "checkpoint-10", *, mean: float = 0.5, **changes: str) -> TriedCandidate:
    line = {
        "model": MODEL,
        "family": BASE,
        "recipe": "r",
        "candidate": candidate,
        "suite": SUITE,
        "mean": mean,
    }
    return TriedCandidate.model_validate(line | changes)


def chosen(run: TinyRun) -> Provenance:
    selected = select(run.job, run.trained)
    return provenance_record(run.job, run.trained, selected, weights_sha256=DIGEST)


def learnt_otherwise(run: TinyRun) -> TinyRun:
    """The same run with another learning rate, which another recipe would have."""
    train = run.job.recipe.train.model_copy(update={"learning_rate": 1e-3})
    recipe = run.job.recipe.model_copy(update={"train": train})
    return replace(run, job=replace(run.job, recipe=recipe))


def test_a_restart_forgets_no_candidate(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, checkpoints=1, tried_before=5)
    ledger = TriedLedger(tmp_path / "training" / "candidates.jsonl")
    assert chosen(run).selection.candidates == 5 + 2
    assert chosen(run).selection.candidates == 5 + 2, "what is scored already is not counted again"
    panel, checkpoint = run.job.panel, run.trained.checkpoints[0]
    weights = (checkpoint / "model.safetensors").read_bytes()
    forget(run.job.folder)
    assert not run.job.folder.selection.exists()
    assert not checkpoint.exists()
    again = tiny_run(tmp_path / "again", checkpoints=1, tried_before=5)
    job = replace(run.job, panel=panel)
    # Trained anew to the same weights it is the same candidate …
    [made] = again.trained.checkpoints
    (made / "model.safetensors").write_bytes(weights)
    assert chosen(replace(run, job=job, trained=again.trained)).selection.candidates == 5 + 2
    # … and by another recipe it is another one, in this folder or in one beside it.
    beside = replace(learnt_otherwise(replace(run, job=job)), trained=again.trained)
    elsewhere = replace(beside.job, folder=TrainingFolder(tmp_path / "training" / "second"))
    assert chosen(replace(beside, job=elsewhere)).selection.candidates == 5 + 4
    record = json.loads(elsewhere.folder.selection.read_text("utf-8"))
    assert (record["candidates_compared"], record["candidates_tried_before"]) == (2, 7)
    assert {(row.model, row.family, row.suite) for row in ledger.rows()} == {(MODEL, BASE, SUITE)}
    assert [row.candidate for row in ledger.rows()] == ["checkpoint-10", "checkpoint-10-base-0.5"] * 2


def test_a_candidate_is_in_the_ledger_as_soon_as_it_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny_run(tmp_path, checkpoints=1)
    whole = selecting.score_model

    def until_killed(spec: object, *rest: object) -> object:
        if spec.name == "checkpoint-10-base-0.5":  # type: ignore[attr-defined]  # a spec
            raise KeyboardInterrupt
        return whole(spec, *rest)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(selecting, "score_model", until_killed)
    with pytest.raises(KeyboardInterrupt):
        select(run.job, run.trained)
    assert [row.candidate for row in TriedLedger(run.job.folder.tried).rows()] == ["checkpoint-10"]


def test_other_families_and_suites_do_not_count(tmp_path: Path) -> None:
    ledger = TriedLedger(tmp_path / "candidates.jsonl")
    assert ledger.count(BASE, SUITE) == 0
    for row in (
        tried(),
        tried(),
        tried(mean=0.6),
        tried(model="sister"),
        tried(suite="x"),
        tried(family="y"),
    ):
        ledger.add(row)
    assert len(ledger.file.read_text("utf-8").splitlines()) == 5
    assert ledger.count(BASE, SUITE) == 3
    assert ledger.count("y", SUITE) == ledger.count(BASE, "x") == 1


def test_a_damaged_line_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    ledger = TriedLedger(tmp_path / "candidates.jsonl")
    ledger.add(tried())
    with ledger.file.open("a", encoding="utf-8") as stream:
        stream.write('{"model": "half')
    before = ledger.file.read_bytes()
    with pytest.raises(MedsearchError, match=r"candidates\.jsonl:2 is no candidate: mend the line"):
        ledger.add(tried("other"))
    assert ledger.file.read_bytes() == before


def test_a_recipe_is_known_by_what_its_weights_depend_on(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, checkpoints=1)
    key, job = recipe_key(run.job), run.job
    named = job.recipe.model_copy(update={"description": "other words", "licence": "mit"})
    assert recipe_key(replace(job, recipe=named)) == key
    assert recipe_key(learnt_otherwise(run).job) != key
    assert recipe_key(replace(job, sources=(replace(job.sources[0], sha256=DIGEST),))) != key
