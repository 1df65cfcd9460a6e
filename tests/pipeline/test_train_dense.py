"""Dense training learns what it should, with every kind of recipe, and leaves what others read."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np
import pytest
from fakes import Heard
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainingArguments
from training_material import (
    make_learner,
    pair_row,
    recipe_text,
    tiny_job,
    tiny_registry,
    training_rows,
    triplet_row,
    write_rows,
)

from medsearch.errors import MedsearchError
from medsearch.settings import Settings
from pipeline.training.dense.train import train_dense
from pipeline.training.job import Trained, TrainingJob
from pipeline.training.recipe import parse_train_recipe
from pipeline.training.running import checkpoints
from pipeline.training.running.history import History
from pipeline.training.running.loop import keep_to_one_device, training_arguments

KINDS = {
    "full": ("", ""),
    "lora": ("[lora]\nrank = 8\nalpha = 16", "learning_rate = 1e-2"),
    "matryoshka, in-batch negatives only": ("[loss]\nnegatives = 0\nmatryoshka = [32, 16]", ""),
    "plain loss, two negatives, near the base": (
        '[loss]\nkind = "ranking"\nnegatives = 2\nstay_near_base = 0.2',
        "",
    ),
    "lora near the base, matryoshka": (
        "[loss]\nstay_near_base = 0.2\nmatryoshka = [32, 16]\n[lora]\nrank = 8",
        "learning_rate = 1e-2",
    ),
    "by topic, near-equal questions apart": ("[loss]\nsame_question = 0.98", "topic_window = 32"),
    "bf16": ("", 'precision = "bf16"'),
    "bm25 teaches": ('[distill]\nteacher = "bm25"\ntemperature = 2.0\nin_batch = true', ""),
}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path]:
    folder = tmp_path_factory.mktemp("dense")
    return tiny_registry(folder, make_learner(folder / "tiny")), write_rows(
        folder / "rows.jsonl", training_rows()
    )


def trained(
    tmp_path: Path, material: tuple[Settings, Path], tables: str = "", train: str = ""
) -> tuple[TrainingJob, Trained]:
    settings, data = material
    job = tiny_job(tmp_path / "run", settings, recipe_text(data, tables=tables, train=train))
    return job, train_dense(job)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_falls_and_dev_rises(tmp_path: Path, material: tuple[Settings, Path], kind: str) -> None:
    tables, train = KINDS[kind]
    job, result = trained(tmp_path, material, tables, train)
    rows = History(job.folder.history).rows()
    losses = [row["loss"] for row in rows if "loss" in row]
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:5])
    dev = {row["step"]: row["mean"] for row in rows if "dev" in row}
    assert list(dev) == [0, 20, 40]
    assert dev[0] < 0.35
    assert dev[40] > 0.6
    assert [path.name for path in result.checkpoints] == ["checkpoint-20", "checkpoint-40"]


def test_what_is_measured_is_kept(tmp_path: Path, material: tuple[Settings, Path]) -> None:
    job, result = trained(tmp_path, material, train="steps = 6\nevaluate_every = 4")
    rows = [row for row in History(job.folder.history).rows() if "loss" in row]
    noted = {"step", "loss", "learning_rate", "seconds", "padding_share", "memory_mib"}
    assert [set(row) for row in rows] == [noted] * 6
    # A warm-up of 5 % of 6 steps is one step; then a cosine from the full rate to nothing.
    rates = [row["learning_rate"] for row in rows]
    assert rates[1] == max(rates) == pytest.approx(2e-3)
    assert rates == sorted(rates[:1]) + sorted(rates[1:], reverse=True)
    assert all(0 <= row["padding_share"] < 0.3 for row in rows)
    facts = json.loads(job.folder.finished.read_text("utf-8"))
    assert facts == result.facts
    assert facts["steps"] == 6
    assert facts["rows"] == 48
    (source,) = job.sources
    assert facts["sources"] == [
        {
            "name": "rows.jsonl",
            "sha256": source.sha256,
            "weight": 1.0,
            "used": 200,
            "rows_seen": 48,
            "left_out": 0,
            "batches": 6,
            "grouping": "length",
        }
    ]
    assert facts["rows_a_second"] == pytest.approx(48 / sum(row["seconds"] for row in rows), rel=0.02)
    assert "step 6 of 6: loss" in job.progress.lines[-1]  # type: ignore[attr-defined]  # it is `Heard`
    assert job.progress.stages["training tiny-tuned"] == 6  # type: ignore[attr-defined]


def test_what_each_way_of_saving_padding_saves(tmp_path: Path, material: tuple[Settings, Path]) -> None:
    """Rows of like length in a batch are one, texts sorted by length within it the other."""
    chance = np.random.default_rng(0)
    texts = [[f"pain {n} " + "a " * chance.integers(20) for _ in range(3)] for n in range(90)]
    rows = [triplet_row(n, f"chest {n}", first, rest) for n, (first, *rest) in enumerate(texts)]
    data = write_rows(tmp_path / "rows.jsonl", rows)
    facts = train_dense(
        tiny_job(tmp_path / "run", material[0], recipe_text(data, train="steps = 2\nmini_batch = 4"))
    ).facts
    shares = [facts[f"padding_share{name}"] for name in ("", "_without_grouping", "_ungrouped")]
    assert all(isinstance(share, float) for share in shares)
    assert shares == sorted(set(shares))  # type: ignore[type-var]  # floats


def test_memory_is_the_most_of_all_sittings(
    tmp_path: Path, material: tuple[Settings, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first sitting that held much is stopped at step 4; the second holds less."""
    settings, data = material
    text = recipe_text(data, train="steps = 6\nevaluate_every = 2")
    mark = checkpoints.mark_complete

    def stopped(folder: Path) -> None:
        mark(folder)
        if folder.name == "checkpoint-4":
            raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.training.running.watch.mark_complete", stopped)
    monkeypatch.setattr("pipeline.training.running.watch.peak_memory", lambda: 900_000)
    with pytest.raises(KeyboardInterrupt):
        train_dense(tiny_job(tmp_path, settings, text))
    monkeypatch.setattr("pipeline.training.running.watch.mark_complete", mark)
    monkeypatch.setattr("pipeline.training.running.watch.peak_memory", lambda: 7)
    assert train_dense(tiny_job(tmp_path, settings, text)).facts["peak_memory_mib"] == 900_000


def test_several_gpus_without_torchrun_are_not_used_silently(tmp_path: Path) -> None:
    """The library would wrap the model in nn.DataParallel, with other batches than the plan's."""
    recipe, heard = parse_train_recipe(recipe_text("rows.jsonl"), "test"), Heard()
    arguments = training_arguments(SentenceTransformerTrainingArguments, recipe, tmp_path, steps=2)
    keep_to_one_device(arguments, heard)
    assert heard.lines == []
    arguments._n_gpu = 4
    keep_to_one_device(arguments, heard)
    assert arguments.n_gpu == 1
    assert arguments.train_batch_size == recipe.train.batch
    [said] = heard.lines
    assert "training on one of 4 GPUs" in said
    assert "`torchrun --nproc-per-node 4 -m pipeline train" in said


@pytest.mark.parametrize("tables", ["", "[lora]\nrank = 4"])
def test_a_checkpoint_loads_as_any_model_does(
    tmp_path: Path, material: tuple[Settings, Path], tables: str
) -> None:
    _, result = trained(tmp_path, material, tables, "steps = 6\nevaluate_every = 3\nlearning_rate = 1e-2")
    first, last = (SentenceTransformer(str(path)) for path in result.checkpoints)
    texts = ["what is pain", "cough is in this"]
    a, b = (model.encode(texts, show_progress_bar=False) for model in (first, last))
    assert np.abs(a - b).max() > 1e-3
    assert np.allclose(np.linalg.norm(b, axis=1), 1, atol=1e-5)
    assert last.prompts == {"query": "", "document": ""}
    assert not (result.checkpoints[-1] / "README.md").exists()


def test_a_source_without_negatives_trains_and_is_spoken_of(
    tmp_path: Path, material: tuple[Settings, Path]
) -> None:
    settings, data = material
    pairs = write_rows(
        tmp_path / "pairs.jsonl", [pair_row(n, f"pain {'a ' * n}", f"chest {'b ' * n}") for n in range(30)]
    )
    text = recipe_text(data, train="steps = 12").replace("[train]", f'[[data]]\nfile = "{pairs}"\n[train]')
    job = tiny_job(tmp_path / "run", settings, text, panel=False)
    assert train_dense(job).steps == 12
    said = [line for line in job.progress.lines if "pairs.jsonl" in line]  # type: ignore[attr-defined]
    assert said == [
        "pairs.jsonl: loss.negatives is 1, but in some batches it is 0: rows there have no more, and learn "
        "from the others in their batch"
    ]


def test_a_loss_that_is_no_number_ends_it_with_advice(
    tmp_path: Path, material: tuple[Settings, Path]
) -> None:
    with pytest.raises(MedsearchError, match=r"the loss is nan at step \d+: lower train.learning_rate"):
        trained(tmp_path, material, train="learning_rate = 1e30\nmax_grad_norm = 1e30\nwarmup = 0.0")


def test_nothing_is_said_outside_and_nobody_is_called(
    tmp_path: Path,
    material: tuple[Settings, Path],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    trained(tmp_path, material, "[lora]\nrank = 4", "steps = 4\nevaluate_every = 2")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_a_teacher_that_knows_the_task_teaches_it(
    tmp_path: Path, material: tuple[Settings, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Distilled alone (a learning rate that ranking hardly moves is not needed: its temperature is huge)."""
    settings, data = material
    text = recipe_text(
        data,
        tables='[loss]\ntemperature = 1000.0\n[distill]\nteacher = "tiny"\nweight = 1.0\nin_batch = true',
    )
    job = tiny_job(tmp_path / "run", settings, text)

    class Knows:
        def scores(self, queries: list[str], documents: list[list[str]]) -> np.ndarray:  # type: ignore[type-arg]
            same = [
                [len(set(q.split()[2:3]) & set(d.split())) for d in own]
                for q, own in zip(queries, documents, strict=True)
            ]
            return np.asarray(same, dtype=np.float32)

    monkeypatch.setattr("pipeline.training.running.learner.load_teacher", lambda _: Knows())
    train_dense(job)
    dev = [row["mean"] for row in History(job.folder.history).rows() if "dev" in row]
    assert dev[-1] > dev[0] + 0.3


def test_the_end_is_not_trained_again(tmp_path: Path, material: tuple[Settings, Path]) -> None:
    job, result = trained(tmp_path, material, train="steps = 4\nevaluate_every = 2")
    before = job.folder.history.read_bytes()
    again = train_dense(job)
    assert (again.steps, again.checkpoints, again.facts) == (result.steps, result.checkpoints, result.facts)
    assert job.folder.history.read_bytes() == before
    assert isinstance(job.progress, Heard)
