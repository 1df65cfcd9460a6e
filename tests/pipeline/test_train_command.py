"""`python -m pipeline train`: what it calls in turn, what it refuses, and training on two devices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import Heard
from training_material import (
    dev_task,
    make_learner,
    recipe_text,
    tiny_registry,
    training_rows,
    write_rows,
)

from medsearch.errors import MedsearchError
from pipeline.cli.main import main
from pipeline.evaluated import Evaluated
from pipeline.settings import PipelineSettings
from pipeline.train import TrainRequest, train_run
from pipeline.training.folder import TrainingFolder
from pipeline.training.job import Trained, TrainingJob
from pipeline.training.recipe import parse_train_recipe
from pipeline.training.running.checkpoints import complete_checkpoints
from pipeline.training.running.history import History

SHORT = "steps = 4\nevaluate_every = 2"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command")
    tiny_registry(folder, make_learner(folder / "tiny"))
    write_rows(folder / "rows.jsonl", training_rows())
    return folder


@pytest.fixture(autouse=True)
def elsewhere(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs lie in the test's folder; choosing and publishing have tests of their own."""
    monkeypatch.setenv("MEDSEARCH_MODELS", str(place / "models.toml"))
    monkeypatch.setenv("MEDSEARCH_CACHE", str(place / "cache"))
    monkeypatch.setenv("MEDSEARCH_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("MEDSEARCH_TRAINING", raising=False)
    monkeypatch.setattr("pipeline.training.panel.build.build_panel", lambda *_, **__: (dev_task(),))
    called: list[str] = []

    def published(job: TrainingJob, trained: Trained) -> Path:
        called.append(f"{job.folder.name} {trained.steps} {len(job.panel)}")
        return job.folder.model

    monkeypatch.setattr("pipeline.train.published", published)
    return called


def recipe_file(folder: Path, place: Path, **changes: str) -> Path:
    file = folder / "my.toml"
    file.write_text(recipe_text(place / "rows.jsonl", **{"train": SHORT, **changes}), encoding="utf-8")
    return file


def test_a_recipe_becomes_a_model(
    place: Path, tmp_path: Path, elsewhere: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(recipe_file(tmp_path, place)), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    folder = TrainingFolder(tmp_path / "training" / "tiny-tuned")
    assert elsewhere == ["tiny-tuned 4 1"]
    assert told["folder"] == str(folder.path)
    assert told["steps"] == 4
    assert told["model"] == str(folder.model)
    assert folder.curve.is_file()
    assert len(complete_checkpoints(folder.checkpoints)) == 2
    before = folder.history.read_bytes()
    assert main(["train", str(recipe_file(tmp_path, place))]) == 0
    assert "loss last" in capsys.readouterr().out
    assert folder.history.read_bytes() == before
    # What is chosen by may change without training anew.
    assert main(["train", str(recipe_file(tmp_path, place, tables="[select]\nqueries = 5"))]) == 0
    assert json.loads(folder.recipe.read_text("utf-8"))["recipe"]["select"]["queries"] == 5
    assert folder.history.read_bytes() == before


def test_another_recipe_needs_a_restart_or_another_run(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(recipe_file(tmp_path, place))]) == 0
    for changes, told in (
        ({"tables": "[lora]\nrank = 4"}, "was begun with lora = None, now it is {'rank': 4"),
        ({"tables": "[loss]\nnegatives = 0"}, "was begun with loss.negatives = 1, now it is 0"),
        ({"train": f"{SHORT}\nbatch = 4"}, "was begun with train.batch = 8, now it is 4"),
    ):
        changed = str(recipe_file(tmp_path, place, **changes))
        capsys.readouterr()
        assert main(["train", changed]) == 1
        said = capsys.readouterr().err.splitlines()[-1]
        assert told in said
        assert "give --restart to train anew, or another --run" in said
    assert main(["train", changed, "--run", "second"]) == 0
    assert main(["train", changed, "--restart"]) == 0
    left, right = (tmp_path / "training" / name / "history.jsonl" for name in ("second", "tiny-tuned"))
    losses = [[row.get("loss") for row in History(file).rows()] for file in (left, right)]
    assert losses[0] == losses[1]


def begun_otherwise(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a run was begun with, as another version or another registry would have it."""
    kept = json.loads(file.read_text("utf-8"))
    change(kept)
    file.write_text(json.dumps(kept), encoding="utf-8")


def test_a_run_begun_before_a_key_was_known_goes_on(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, folder = str(recipe_file(tmp_path, place)), TrainingFolder(tmp_path / "training" / "tiny-tuned")
    assert main(["train", recipe]) == 0
    begun = json.loads(folder.recipe.read_text("utf-8"))["plan"]

    def older(kept: dict[str, Any]) -> None:
        for part in (kept["plan"], kept["recipe"]):
            del part["train"]["topic_window"], part["late"], part["data"][0]["together"]
        kept["plan"]["base weights"] = kept["plan"]["base weights"][0]

    begun_otherwise(folder.recipe, older)
    assert main(["train", recipe]) == 0
    assert json.loads(folder.recipe.read_text("utf-8"))["plan"] == begun
    # Not so where the key that it did not know is set now, …
    begun_otherwise(folder.recipe, older)
    changed = str(recipe_file(tmp_path, place, train=f"{SHORT}\ntopic_window = 32"))
    capsys.readouterr()
    assert main(["train", changed]) == 1
    assert "was begun with train.topic_window = 0, now it is 32" in capsys.readouterr().err
    # … and where it had one that is not known now.
    assert main(["train", str(recipe_file(tmp_path, place))]) == 0
    begun_otherwise(folder.recipe, lambda kept: kept["plan"]["train"].update(gone=1))
    capsys.readouterr()
    assert main(["train", recipe]) == 1
    assert "was begun with train.gone = 1, now it is None" in capsys.readouterr().err


def test_another_base_under_the_same_name_is_seen(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base of the hub may have no SHA-256 in the registry: its commit says which it is."""
    recipe, folder = str(recipe_file(tmp_path, place)), TrainingFolder(tmp_path / "training" / "tiny-tuned")
    assert main(["train", recipe]) == 0
    monkeypatch.setattr("pipeline.train.weights_key", lambda *_, **__: ("another commit",))
    capsys.readouterr()
    assert main(["train", recipe]) == 1
    assert "was begun with other base weights" in capsys.readouterr().err
    # An older run of such a base had nothing written down: it goes on, and has from now on.
    begun_otherwise(folder.recipe, lambda kept: kept["plan"].update({"base weights": ""}))
    assert main(["train", recipe]) == 0
    assert json.loads(folder.recipe.read_text("utf-8"))["plan"]["base weights"] == ["another commit"]


def test_other_data_in_the_same_file_is_seen(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path / "rows.jsonl", training_rows(60))
    recipe_file(tmp_path, tmp_path)
    assert main(["train", str(tmp_path / "my.toml")]) == 0
    write_rows(tmp_path / "rows.jsonl", training_rows(61))
    assert main(["train", str(tmp_path / "my.toml")]) == 1
    assert "was begun with other texts.rows.jsonl" in capsys.readouterr().err


def test_rows_that_cannot_be_used_are_listed_or_stop_it(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_rows(tmp_path / "rows.jsonl", training_rows(40))
    with file.open("a", encoding="utf-8") as stream:
        stream.write("{}\n")
    recipe_file(tmp_path, tmp_path)
    assert main(["train", str(tmp_path / "my.toml"), "--strict"]) == 1
    assert "rows.jsonl:41 cannot be used" in capsys.readouterr().err
    assert main(["train", str(tmp_path / "my.toml")]) == 0
    rejects = TrainingFolder(tmp_path / "training" / "tiny-tuned").rejects.read_text("utf-8").splitlines()
    assert [json.loads(line)["line"] for line in rejects] == [41]


def test_wrong_calls_end_in_one_line(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, code, told in (
        (["train", "huge"], 2, "no training recipe called 'huge'"),
        (["train", str(recipe_file(tmp_path, place)), "--run", "../up"], 2, "is no name for a run"),
        (["train", "minilm"], 2, "no run called 'medquad-train'"),
    ):
        assert main(arguments) == code
        said = capsys.readouterr().err.strip().splitlines()
        assert told in said[-1]
        assert not any("Traceback" in line for line in said)


def test_a_folder_is_for_one_process_at_a_time(place: Path, tmp_path: Path) -> None:
    settings = replace(PipelineSettings.from_environment(), trained=tmp_path / "own")
    recipe = parse_train_recipe(recipe_text(place / "rows.jsonl", train=SHORT), "test")
    held = TrainingFolder(tmp_path / "own" / "run")
    with held.held(), pytest.raises(MedsearchError, match="is being used by another process"):
        train_run(TrainRequest(recipe, "run"), settings, Heard())


def test_training_lies_where_the_environment_says(tmp_path: Path) -> None:
    named = PipelineSettings.from_environment({"MEDSEARCH_TRAINING": "/x", "MEDSEARCH_RUNS": "/a/runs"})
    assert named.training == Path("/x")
    assert PipelineSettings.from_environment({"MEDSEARCH_RUNS": "/a/runs"}).training == Path("/a/training")


CHILD = """
import sys
from pathlib import Path
import pipeline.training.panel.build, pipeline.train
from training_material import dev_task
pipeline.training.panel.build.build_panel = lambda *_, **__: (dev_task(),)
pipeline.train.published = lambda job, trained: job.folder.model
from pipeline.cli.main import main
from pipeline.cli.train import named
raise SystemExit(main(["train", *sys.argv[1:]]))
"""


@pytest.mark.slow
def test_two_devices_train_one_model(place: Path, tmp_path: Path) -> None:
    """With torchrun on the CPU (gloo): negatives are gathered, as on one device with twice the batch."""
    script = tmp_path / "child.py"
    script.write_text(CHILD, encoding="utf-8")
    roots = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": roots, "OMP_NUM_THREADS": "1"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    train, tables = f"{SHORT}\ntopic_window = 32", "[loss]\nstay_near_base = 0.1\nsame_question = 0.98"
    # A source smaller than a batch, whose batches are smaller too.
    few = write_rows(tmp_path / "few.jsonl", training_rows(206)[200:])
    tables += f'\n[[data]]\nfile = "{few}"'
    half = recipe_file(tmp_path, place, train=f"{train}\nbatch = 4", tables=tables)
    done = subprocess.run(
        [*torchrun, str(script), str(half), "--restart"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    both = TrainingFolder(tmp_path / "training" / "tiny-tuned")
    assert len(complete_checkpoints(both.checkpoints)) == 2
    assert json.loads(both.finished.read_text("utf-8"))["devices"] == 2
    whole = recipe_file(tmp_path, place, train=train, tables=tables)
    assert main(["train", str(whole), "--run", "one"]) == 0
    rows = [History(tmp_path / "training" / name / "history.jsonl").rows() for name in ("tiny-tuned", "one")]
    two, one = ([row["loss"] for row in found if "loss" in row] for found in rows)
    assert len(two) == 4
    assert two == pytest.approx(one, rel=2e-3)
    facts = [
        json.loads((tmp_path / "training" / name / "finished.json").read_text("utf-8"))
        for name in ("tiny-tuned", "one")
    ]
    assert [source["batches"] > 0 for source in facts[0]["sources"]] == [True, True]
    assert [source["rows_seen"] for source in facts[0]["sources"]] == [
        source["rows_seen"] for source in facts[1]["sources"]
    ]
    assert facts[0]["same_question_share"] == facts[1]["same_question_share"] > 0


@pytest.mark.parametrize("leaks", [0, 2])
def test_leaks_are_an_exit_code_and_json_stands_alone_on_standard_output(
    leaks: int,
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.cli.train.evaluate_made", lambda *_: Evaluated(tmp_path / "card.md", leaks))
    recipe = str(recipe_file(tmp_path, place))
    assert main(["train", recipe, "--evaluate", "medical-dev", "--json"]) == bool(leaks)
    told = json.loads(capsys.readouterr().out)
    assert (told["leaks"], told["card"], told["steps"]) == (leaks, str(tmp_path / "card.md"), 4)


def test_results_without_a_suite_and_an_unknown_suite_are_refused_before_training(
    place: Path, tmp_path: Path, elsewhere: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(recipe_text(place / "rows.jsonl", train=SHORT))
    assert main(["train", str(recipe), "--results", "r"]) == 2
    assert "--results goes with --evaluate SUITE" in capsys.readouterr().err
    assert main(["train", str(recipe), "--evaluate", "medical-locale"]) == 2
    assert "no suite called 'medical-locale'" in capsys.readouterr().err
    assert elsewhere == []
