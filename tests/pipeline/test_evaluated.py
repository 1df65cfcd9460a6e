"""After training: the model is scored beside its base, its data is checked, and its card is written."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes import Heard
from leaderboard_material import write_trained
from selection_material import BASE, MODEL, TinyRun, tiny_guard, tiny_run, write_corpus, write_suite

from medsearch.encoders.registry import load_registry
from medsearch.errors import MedsearchError
from medsearch.evaluation.provenance import Provenance, Selection, write_provenance
from medsearch.evaluation.results import read_results
from medsearch.settings import Settings
from pipeline import evaluated as evaluating
from pipeline.evaluated import EvaluateRequest, evaluate_made, own_registry
from pipeline.training.choosing import select as selecting
from pipeline.training.choosing.select import select
from pipeline.training.guard.build import Guard
from pipeline.training.publishing.publish import publish


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
    evaluated = evaluate_made(asked, made.job.settings, Heard())
    card = evaluated.card
    assert evaluated.leaks == 0
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


Report = Mapping[str, object]


def finished_folder(root: Path) -> TinyRun:
    """A run whose model's folder has what `evaluate_made` reads, and no model."""
    run = tiny_run(root, checkpoints=1)
    model = run.job.folder.model
    model.mkdir(parents=True)
    chosen = Selection(suite="s", tasks=(), candidates=1, measure="nDCG@10", rule="highest")
    write_provenance(
        Provenance(
            model=MODEL, base=BASE, family=BASE, recipe="r", data=(), selection=chosen, git_revision="",
            created=datetime(2026, 1, 1, tzinfo=UTC),
        ),
        model,
    )  # fmt: skip
    entry = f'[{MODEL}]\nsource = "path:{run.trained.checkpoints[0]}"\nrevision = "1"\nkind = "dense"\n'
    (model / "registry.toml").write_text(
        f'{entry}pooling = "mean"\nmax_tokens = 48\ndim = 32\nlicence = "mit"\n', "utf-8"
    )
    return run


def answered(codes: Mapping[str, int], report: Report | None, results: Path) -> Callable[..., object]:
    """In place of `subprocess.run`: a command's exit code, and what `contamination` keeps."""

    def run(command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        name = command[3]
        if name == "contamination" and report is not None:
            (results / "contamination").mkdir(parents=True, exist_ok=True)
            (results / "contamination" / f"{MODEL}.x.json").write_text(json.dumps(report), encoding="utf-8")
        if name == "card":
            Path(command[-1]).write_text("the card", encoding="utf-8")
        return subprocess.CompletedProcess(list(command), codes.get(name, 0))

    return run


CLEAN: Report = {"leaks": 0, "incomplete": False, "set_aside": {"rows": 0}}


@pytest.mark.parametrize(
    ("report", "code", "leaks", "told"),
    [
        (CLEAN, 0, 0, ""),
        ({**CLEAN, "leaks": 1234}, 1, 1234, "WARNING: the training data LEAKS into medical-dev: 1,234 pairs"),
        ({**CLEAN, "incomplete": True, "set_aside": {"rows": 3}}, 1, 0, "warning: 3 rows of the training"),
    ],
)
def test_leaks_are_told_loudly_and_the_card_is_written(
    report: Report, code: int, leaks: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, heard, results = finished_folder(tmp_path), Heard(), tmp_path / "results"
    monkeypatch.setattr(subprocess, "run", answered({"contamination": code}, report, results))
    asked = EvaluateRequest(run.job.folder.model, (), "medical-dev", results)
    found = evaluate_made(asked, run.job.settings, heard)
    assert found.leaks == leaks
    assert found.card.read_text("utf-8") == "the card"
    assert [line for line in heard.lines if "arning" in line.lower()] == [
        line for line in heard.lines if told and line.startswith(told)
    ]
    assert bool(told) == any(line.startswith(told) for line in heard.lines[1:])


def test_a_check_that_failed_is_not_taken_for_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It exits with 1 as well, and an older report may lie there."""
    run, results = finished_folder(tmp_path), tmp_path / "results"
    asked = EvaluateRequest(run.job.folder.model, (), "medical-dev", results)
    monkeypatch.setattr(subprocess, "run", answered({}, CLEAN, results))
    evaluate_made(asked, run.job.settings, Heard())
    monkeypatch.setattr(subprocess, "run", answered({"contamination": 1}, None, results))
    with pytest.raises(MedsearchError, match=r"`medsearch contamination .*` failed: mend what it says"):
        evaluate_made(asked, run.job.settings, Heard())


def test_the_users_registry_is_joined_beside_the_models_folder(tmp_path: Path) -> None:
    run = finished_folder(tmp_path)
    model = run.job.folder.model
    before = sorted(model.iterdir())
    joined = own_registry(model, MODEL, run.job.settings)
    assert sorted(model.iterdir()) == before
    assert joined == run.job.folder.path / "registry.all.toml"
    assert {BASE, MODEL} <= load_registry(joined).keys()
    assert own_registry(model, MODEL, replace(run.job.settings, models=None)) == model / "registry.toml"


def test_the_commands_print_on_standard_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluating.sys, "executable", "/bin/echo")
    evaluating._run(["card", "x"], {})
    assert capfd.readouterr() == ("", "-m medsearch.cli.main card x\n")


def test_a_late_models_card_has_the_results_of_what_it_reranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its scores are those of reranking what its base finds, so that is what the commands are given."""
    model = tmp_path / "model"
    write_trained(model, "tiny-late")
    entry = (
        f'[tiny-late]\nsource = "path:{model}"\nrevision = "1"\nkind = "late_interaction"\npooling = "none"\n'
        'max_tokens = 24\ndim = 8\nlicence = "mit"\nquery_prompt = ""\ndocument_prompt = ""\n'
    )
    (model / "registry.toml").write_text(entry, encoding="utf-8")
    ran: list[list[str]] = []
    monkeypatch.setattr(evaluating, "_leaks", lambda *_: 0)
    monkeypatch.setattr(evaluating, "_run", lambda arguments, *_, **__: ran.append(list(arguments)))
    settings = Settings((tmp_path,), tmp_path / "index", tmp_path / "cache", None)
    asked = EvaluateRequest(model, (), "medical-dev", tmp_path / "results")
    card = evaluate_made(asked, settings, Heard()).card
    assert card == model / "README.md"
    reranker, results = "rerank:tiny-late:minilm", str(tmp_path / "results")
    assert [command[0] for command in ran] == ["evaluate", "card"]
    assert f"{reranker},minilm" in ran[0]
    assert ran[1] == ["card", reranker, "--results", results, "--out", str(card)]
