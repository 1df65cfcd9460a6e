"""Late-interaction training learns, and goes on after a kill with the same weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import Heard
from late_training_material import Material, late_job, make_material
from safetensors.torch import load_file
from sentence_transformers import MultiVectorEncoder
from training_material import recipe_text, tiny_job

from medsearch.errors import MedsearchError
from pipeline.train import _keep_plan as keep_plan
from pipeline.training.choosing.candidates import Candidate, open_maker
from pipeline.training.late.projection import TENSOR, start_file
from pipeline.training.late.train import train_late
from pipeline.training.running.history import History

KINDS = {
    "full": "",
    "lora": "[lora]\nrank = 8\nalpha = 16",
    "all at once, two negatives, expansion, random start": (
        '[loss]\nkind = "ranking"\nnegatives = 2\n[late]\nexpansion = true\nprojection = "random"'
    ),
    "by topic": "[loss]\nsame_question = 0.98",
    "bm25 teaches": '[distill]\nteacher = "bm25"\ntemperature = 2.0\nin_batch = true',
}

TRAIN = {"lora": "learning_rate = 1e-2", "by topic": "topic_window = 32"}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("late"))


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


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_falls_and_dev_rises(tmp_path: Path, material: Material, kind: str) -> None:
    job = late_job(tmp_path / "run", material, KINDS[kind], TRAIN.get(kind, ""))
    result = train_late(job)
    rows = History(job.folder.history).rows()
    losses = [row["loss"] for row in rows if "loss" in row]
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    dev = {row["step"]: row["mean"] for row in rows if "dev" in row}
    assert list(dev) == [0, 20, 40]
    assert dev[0] < 0.4
    assert dev[40] > 0.65
    assert [path.name for path in result.checkpoints] == ["checkpoint-20", "checkpoint-40"]
    projections = [load_file(path / "1_Dense" / "model.safetensors")[TENSOR] for path in result.checkpoints]
    start = load_file(start_file(job))[TENSOR]
    assert all((each - start).abs().max() > 1e-3 for each in projections)  # with LoRA it is trained too


def test_a_checkpoint_is_the_librarys_own_model(tmp_path: Path, material: Material) -> None:
    tables = "[late]\nexpansion = true\n[lora]\nrank = 4"
    job = late_job(tmp_path / "run", material, tables, "steps = 2\nevaluate_every = 2", panel=False)
    [checkpoint] = train_late(job).checkpoints
    model = MultiVectorEncoder(str(checkpoint), local_files_only=True)
    assert model.prompts == {"query": "represent this : ", "document": ""}
    assert [vectors.shape for vectors in model.encode_query(["fever", "what is a low dose"])] == [
        (16, 16)
    ] * 2
    # [CLS], four words, [SEP]: the comma has no vector; a long document is cut.
    short, long = model.encode_document(["fever, cough and pain", "pain " * 60])
    assert (short.shape, long.shape) == ((6, 16), (32, 16))
    assert np.linalg.norm(long, axis=1) == pytest.approx(np.ones(32), abs=1e-5)


@pytest.mark.parametrize(
    ("tables", "train"),
    [
        ("[lora]\nrank = 4\ndropout = 0.1\n[late]\nexpansion = true", ""),
        (  # as the shipped recipe
            '[loss]\nkind = "ranking"\nsame_question = 0.98\n[lora]\nrank = 4\n'
            '[distill]\nteacher = "bm25"\nweight = 1.0\nin_batch = true',
            "topic_window = 32",
        ),
    ],
    ids=["lora, expansion", "by topic, taught"],
)
def test_a_killed_training_ends_with_the_same_weights_to_the_last_bit(
    tmp_path: Path, material: Material, tables: str, train: str
) -> None:
    train = f"steps = 7\nevaluate_every = 3\ndropout = 0.2\n{train}"
    straight, broken = (late_job(tmp_path / name, material, tables, train) for name in ("straight", "broken"))
    wanted = train_late(straight)
    for at in (2, 5):
        with pytest.raises(KeyboardInterrupt):
            train_late(replace(broken, progress=Stopping(at)))
    found = train_late(broken)
    assert [path.name for path in found.checkpoints] == [path.name for path in wanted.checkpoints]
    for left, right in zip(found.checkpoints, wanted.checkpoints, strict=True):
        files = sorted(path.relative_to(left) for path in left.rglob("*.safetensors"))
        assert [str(path) for path in files] == ["1_Dense/model.safetensors", "adapter_model.safetensors"]
        for file in files:
            assert (left / file).read_bytes() == (right / file).read_bytes()
    told = [History(job.folder.history).rows() for job in (broken, straight)]
    for row in (*told[0], *told[1]):
        row.pop("seconds", None)
        row.pop("memory_mib", None)
    assert told[0] == told[1]
    assert broken.progress.lines[0].startswith("going on after step 3 of 7")  # type: ignore[attr-defined]


def test_a_share_of_the_base_is_one_of_its_projection_too(tmp_path: Path, material: Material) -> None:
    job = late_job(tmp_path / "run", material, "", "steps = 4\nevaluate_every = 2", panel=False)
    checkpoints = train_late(job).checkpoints
    maker = open_maker(job)
    folder = tmp_path / "candidate"
    spec = maker.write(Candidate("mean", checkpoints, 0.25), folder)
    inside = "1_Dense/model.safetensors"
    tuned = torch.stack([load_file(path / inside)[TENSOR] for path in checkpoints]).mean(dim=0)
    wanted = 0.75 * tuned + 0.25 * load_file(start_file(job))[TENSOR]
    torch.testing.assert_close(load_file(folder / inside)[TENSOR], wanted)
    assert (spec.dim, spec.max_tokens, spec.query_prompt) == (16, 32, "represent this : ")
    assert MultiVectorEncoder(str(folder), local_files_only=True).encode_document(["fever"])[0].shape == (
        3,
        16,
    )


def test_a_run_that_began_before_the_table_was_known_goes_on(tmp_path: Path, material: Material) -> None:
    settings, data = material
    job = tiny_job(tmp_path / "run", settings, recipe_text(data), panel=False)
    keep_plan(job)
    kept = json.loads(job.folder.recipe.read_text("utf-8"))
    del kept["plan"]["late"]
    job.folder.recipe.write_text(json.dumps(kept), encoding="utf-8")
    keep_plan(job)
    changed = replace(job, recipe=late_job(tmp_path / "run", material, "[late]\nexpansion = true").recipe)
    with pytest.raises(MedsearchError, match=r"was begun with dim = 0, now it is 16"):
        keep_plan(changed)
