"""A training that was killed ends with the same weights, to the last bit, as one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from fakes import Heard
from safetensors.torch import load_file
from training_material import make_learner, recipe_text, tiny_job, tiny_registry, training_rows, write_rows

from medsearch.settings import Settings
from pipeline.training.choosing.tried import recipe_key
from pipeline.training.dense.train import train_dense
from pipeline.training.job import TrainingJob
from pipeline.training.running import loop
from pipeline.training.running.checkpoints import clear_away, complete_checkpoints, mark_complete
from pipeline.training.running.history import History

# Dropout draws random numbers at every step: they too must go on where they were.
TRAIN = "steps = 14\nevaluate_every = 5\ndropout = 0.2"
KINDS = {
    "full": "[loss]\nstay_near_base = 0.1\nmatryoshka = [32, 16]",
    "lora": "[lora]\nrank = 4\ndropout = 0.1",
    "topics": "[loss]\nsame_question = 0.98\n[lora]\nrank = 4",
    "all at once, taught": '[loss]\nkind = "ranking"\n[distill]\nteacher = "bm25"\nin_batch = true',
    "bf16": "",
}
TRAINED = {"topics": "\ntopic_window = 40", "bf16": '\nprecision = "bf16"'}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path]:
    folder = tmp_path_factory.mktemp("resume")
    return tiny_registry(folder, make_learner(folder / "tiny")), write_rows(
        folder / "rows.jsonl", training_rows()
    )


class Stopping(Heard):
    """Progress that stops the training at a step, as Ctrl-C does."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    @contextmanager
    def stage(self, title: str, total: int | None, /) -> Iterator[Callable[[int], None]]:
        with super().stage(title, total) as advance:

            def step(steps: int) -> None:
                advance(steps)
                if title.startswith("training") and self.stages[title] >= self.at:
                    raise KeyboardInterrupt

            yield step


def job_of(folder: Path, material: tuple[Settings, Path], kind: str) -> TrainingJob:
    settings, data = material
    train = TRAIN + TRAINED.get(kind, "")
    return tiny_job(folder, settings, recipe_text(data, tables=KINDS[kind], train=train))


def stopped_at(job: TrainingJob, step: int) -> None:
    stopping = TrainingJob(job.recipe, job.folder, job.settings, job.sources, job.panel, Stopping(step))
    with pytest.raises(KeyboardInterrupt):
        train_dense(stopping)


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    found = [*checkpoint.glob("*.safetensors")]
    assert len(found) == 1
    return load_file(found[0])


def same(left: Path, right: Path) -> None:
    a, b = weights(left), weights(right)
    assert set(a) == set(b)
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("kind", KINDS)
def test_stopped_twice_it_ends_the_same(tmp_path: Path, material: tuple[Settings, Path], kind: str) -> None:
    straight = job_of(tmp_path / "straight", material, kind)
    wanted = train_dense(straight)
    broken = job_of(tmp_path / "broken", material, kind)
    stopped_at(broken, 3)  # before the first checkpoint
    stopped_at(broken, 8)
    assert [path.name for path in complete_checkpoints(broken.folder.checkpoints)] == ["checkpoint-5"]
    stopped_at(broken, 13)
    found = train_dense(broken)
    assert [path.name for path in found.checkpoints] == [path.name for path in wanted.checkpoints]
    for left, right in zip(found.checkpoints, wanted.checkpoints, strict=True):
        same(left, right)
    told = [History(job.folder.history).rows() for job in (broken, straight)]
    for row in (*told[0], *told[1]):
        row.pop("seconds", None)
        row.pop("memory_mib", None)
    assert told[0] == told[1]
    assert "going on after step 10 of 14" in broken.progress.lines  # type: ignore[attr-defined]  # it is `Heard`


def test_it_goes_on_from_between_two_points_of_the_curve(
    tmp_path: Path, material: tuple[Settings, Path]
) -> None:
    settings, data = material
    text = recipe_text(data, train="steps = 14\nevaluate_every = 6\nkeep_checkpoints = 2\ndropout = 0.2")
    wanted = train_dense(tiny_job(tmp_path / "straight", settings, text))
    often = text.replace("evaluate_every = 6", "evaluate_every = 6\nsave_every = 2")
    broken = tiny_job(tmp_path / "broken", settings, often)
    stopped_at(broken, 11)
    names = [path.name for path in complete_checkpoints(broken.folder.checkpoints)]
    assert names == ["checkpoint-6", "checkpoint-10"]
    found = train_dense(broken)
    assert "going on after step 10 of 14" in broken.progress.lines  # type: ignore[attr-defined]  # it is `Heard`
    assert [path.name for path in found.checkpoints] == ["checkpoint-12", "checkpoint-14"]
    for left, right in zip(found.checkpoints, wanted.checkpoints, strict=True):
        same(left, right)


def test_the_revision_is_that_of_the_first_step_that_counts(
    tmp_path: Path, material: tuple[Settings, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(tmp_path / "run", material, "lora")
    for revision, step in (("lost", 3), ("begun", 8)):
        monkeypatch.setattr(loop, "git_revision", lambda revision=revision: revision)
        stopped_at(job, step)
    monkeypatch.setattr(loop, "git_revision", lambda: "later")
    assert train_dense(job).facts["git_revision"] == "begun"
    assert json.loads(job.folder.finished.read_text("utf-8"))["git_revision"] == "begun"

    older = job_of(tmp_path / "older", material, "lora")
    stopped_at(older, 8)
    (older.folder.path / "begun.json").unlink()
    assert "git_revision" not in train_dense(older).facts, "nobody knows where an older run began"


def test_a_checkpoint_counts_only_when_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    for step in (5, 10, 15, 20):
        (folder / f"checkpoint-{step}").mkdir(parents=True)
        (folder / f"checkpoint-{step}" / "weights").write_bytes(b"w" * 100)
        if step < 20:
            mark_complete(folder / f"checkpoint-{step}")
    (folder / "checkpoint-15" / "weights").write_bytes(b"w" * 99)  # cut short behind our back
    (folder / "checkpoint-10" / "complete.json").write_text('{"files": ', encoding="utf-8")
    assert [path.name for path in complete_checkpoints(folder)] == ["checkpoint-5"]
    (folder / "other").mkdir()
    clear_away(folder, keep=2)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint-5", "other"]


def test_only_the_last_whole_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 100):
        (tmp_path / f"checkpoint-{step}").mkdir()
        mark_complete(tmp_path / f"checkpoint-{step}")
    clear_away(tmp_path, keep=2)
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["checkpoint-10", "checkpoint-100"]
    assert complete_checkpoints(tmp_path / "none") == ()


def test_between_two_points_of_the_curve_only_the_very_last_is_kept(tmp_path: Path) -> None:
    for step in (20, 40, 50, 60, 70):
        (tmp_path / f"checkpoint-{step}").mkdir()
        mark_complete(tmp_path / f"checkpoint-{step}")
    clear_away(tmp_path, keep=3, every=20)
    assert [path.name for path in complete_checkpoints(tmp_path)] == [
        f"checkpoint-{step}" for step in (40, 60, 70)
    ]


def test_history_forgets_steps_that_come_again(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.cut_back(3)
    assert history.rows() == []
    for step in range(6):
        history.add({"step": step})
    with history.file.open("a", encoding="utf-8") as stream:
        stream.write('{"step": 6')  # a kill in the middle of a line
    assert [row["step"] for row in history.rows()] == [0, 1, 2, 3, 4, 5]
    history.cut_back(3)
    assert [row["step"] for row in history.rows()] == [0, 1, 2, 3]


CHILD = """
import json, os, signal, sys
from pathlib import Path
from fakes import Heard
from medsearch.settings import Settings
from training_material import tiny_job
from pipeline.training.running import watch
from pipeline.training.choosing.tried import recipe_key
from pipeline.training.dense.train import train_dense

given = json.loads(sys.argv[1])
settings = Settings((), Path(given["index"]), Path(given["cache"]), Path(given["models"]))
job = tiny_job(Path(given["folder"]), settings, given["text"])
if given["at"]:
    def killed(checkpoint):
        if checkpoint.name == given["at"]:  # the files are there; that they are whole is not yet said
            os.kill(os.getpid(), signal.SIGKILL)
        mark(checkpoint)
    mark, watch.mark_complete = watch.mark_complete, killed
train_dense(job)
"""


@pytest.mark.slow
def test_killed_while_a_checkpoint_is_written_it_ends_the_same(
    tmp_path: Path, material: tuple[Settings, Path]
) -> None:
    settings, data = material
    text = recipe_text(data, tables=KINDS["topics"], train=TRAIN + TRAINED["topics"])

    def run(folder: str, *, at: str = "") -> int:
        given = {
            "folder": str(tmp_path / folder), "text": text, "at": at,
            "index": str(settings.index), "cache": str(settings.cache), "models": str(settings.models),
        }  # fmt: skip
        paths = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2])])
        environment = {**os.environ, "PYTHONPATH": paths}
        return subprocess.run(
            [sys.executable, "-c", CHILD, json.dumps(given)], env=environment, check=False
        ).returncode

    train_dense(tiny_job(tmp_path / "straight", settings, text))
    assert run("broken", at="checkpoint-14") == -signal.SIGKILL
    assert (tmp_path / "broken" / "checkpoints" / "checkpoint-14").is_dir()
    assert run("broken") == 0
    for name in ("checkpoint-10", "checkpoint-14"):
        same(*(tmp_path / folder / "checkpoints" / name for folder in ("straight", "broken")))


def test_how_often_one_may_go_on_makes_no_new_candidate(
    tmp_path: Path, material: tuple[Settings, Path]
) -> None:
    settings, data = material
    keys = {
        recipe_key(tiny_job(tmp_path / name, settings, recipe_text(data, train=train)))
        for name, train in (("a", ""), ("b", "save_every = 5"), ("c", "save_every = 10"))
    }
    assert len(keys) == 1
    assert recipe_key(tiny_job(tmp_path / "d", settings, recipe_text(data, train="seed = 3"))) not in keys
