"""`python -m pipeline train`: what it calls in turn, what it refuses, and training on two devices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

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

from medsearch.errors import MedsearchError, UsageError
from pipeline.cli.main import main
from pipeline.cli.train import named
from pipeline.settings import PipelineSettings
from pipeline.train import TrainRequest, train_run
from pipeline.training.checkpoints import complete_checkpoints
from pipeline.training.folder import TrainingFolder
from pipeline.training.history import History
from pipeline.training.job import Trained, TrainingJob
from pipeline.training.recipe import parse_train_recipe

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
    monkeypatch.setattr("pipeline.training.panel.build_panel", lambda *_, **__: (dev_task(),))
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
import pipeline.training.panel, pipeline.train
from training_material import dev_task
pipeline.training.panel.build_panel = lambda *_, **__: (dev_task(),)
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
    assert facts[0]["same_question_share"] == facts[1]["same_question_share"] > 0


def test_a_model_never_gets_the_name_of_one_that_medsearch_comes_with(place: Path) -> None:
    recipe = parse_train_recipe(recipe_text(place / "rows.jsonl", train=SHORT), "r.toml")
    assert named(recipe, None).name == recipe.name
    taken = recipe.model_copy(update={"name": "minilm"})
    assert named(taken, None).name == "minilm-own"
    assert named(taken, "mine").name == "mine"
    with pytest.raises(UsageError, match="--name bm25: medsearch comes with a model of this name"):
        named(taken, "bm25")
    with pytest.raises(UsageError, match="'No good' is no name for a model"):
        named(taken, "No good")


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
