"""After training: the model is scored beside its base, its data is checked, and its card is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import Heard
from selection_material import BASE, MODEL, TinyRun, tiny_guard, tiny_run, write_corpus, write_suite

from medsearch.errors import MedsearchError
from medsearch.evaluation.results import read_results
from pipeline.evaluated import EvaluateRequest, evaluate_made
from pipeline.training import select as selecting
from pipeline.training.guard import Guard
from pipeline.training.publish import publish
from pipeline.training.select import select


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyRun:
    """A published run, with the environment that its commands are given."""
    run = tiny_run(tmp_path, lora=True, checkpoints=1)
    monkeypatch.setattr(selecting, "guard_set", lambda: Guard(tiny_guard(), {"tiny": "1.0"}))
    publish(run.job, run.trained, select(run.job, run.trained))
    here = run.job.settings
    for name, value in {"DATA": here.data[0], "CACHE": here.cache, "LOOKS": here.looks}.items():
        monkeypatch.setenv(f"MEDSEARCH_{name}", str(value))
    return run


@pytest.mark.slow
def test_the_model_is_scored_beside_its_base_and_its_card_has_the_scores(
    made: TinyRun, tmp_path: Path
) -> None:
    write_corpus(tmp_path / "data", "third", documents=40, queries=9, seed=7)
    suite = write_suite(tmp_path / "tiny-report.toml", "third:dev", role="report")
    asked = EvaluateRequest(
        made.job.folder.model, (made.job.sources[0].file,), str(suite), tmp_path / "results"
    )
    card = evaluate_made(asked, made.job.settings, Heard())
    results = read_results(tmp_path / "results")
    assert {(result.task, result.retriever) for result in results} == {
        ("third:dev", MODEL), ("third:dev", BASE)
    }  # fmt: skip
    text = card.read_text("utf-8")
    assert "third:dev" in text
    assert f"beside {BASE}" in text
    [report] = (tmp_path / "results" / "contamination").glob("*.json")
    assert json.loads(report.read_text("utf-8"))["leaks"] == 0
    assert "tiny trivia" in text  # what was measured while training stays on the card
    looks = (tmp_path / "looks.jsonl").read_text("utf-8").splitlines()
    # A second time nothing is scored again, so nothing is looked at.
    evaluate_made(asked, made.job.settings, Heard())
    assert (tmp_path / "looks.jsonl").read_text("utf-8").splitlines() == looks


@pytest.mark.slow
def test_a_command_that_fails_is_named_and_the_way_on(made: TinyRun, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "tiny-report.toml", "nowhere:test", role="report")
    asked = EvaluateRequest(
        made.job.folder.model, (made.job.sources[0].file,), str(suite), tmp_path / "results"
    )
    with pytest.raises(MedsearchError, match=r"`medsearch evaluate .*` failed: .*not trained again"):
        evaluate_made(asked, made.job.settings, Heard())


def test_a_folder_that_training_did_not_make_is_refused(tmp_path: Path) -> None:
    run = tiny_run(tmp_path)
    with pytest.raises(MedsearchError, match="no provenance"):
        evaluate_made(EvaluateRequest(run.base, (), "medical-dev", tmp_path), run.job.settings, Heard())
