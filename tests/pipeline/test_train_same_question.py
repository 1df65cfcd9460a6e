"""Rows that ask the same are no negatives of one another, to the last digit of a softmax written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import Heard
from training_material import make_learner, recipe_text, tiny_job, tiny_registry, training_rows, write_rows

from medsearch.settings import Settings
from pipeline.training.base_model import dense_base
from pipeline.training.batching.questions import QuestionVectors, question_vectors
from pipeline.training.batching.same_question import BASE_VECTORS, SameQuestion
from pipeline.training.dense.losses import dense_loss
from pipeline.training.dense.train import train_dense
from pipeline.training.job import TrainingExample, TrainingJob
from pipeline.training.running.collate import Collate
from pipeline.training.running.history import History

ROWS = [TrainingExample(str(r["query"]), str(r["positive"]), tuple(r["negatives"])) for r in training_rows(9)]  # type: ignore[arg-type]
ABOVE = 0.955
"""A cosine that about a third of these queries' pairs have for the tiny base."""


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path]:
    folder = tmp_path_factory.mktemp("same")
    data = write_rows(folder / "rows.jsonl", training_rows())
    return tiny_registry(folder, make_learner(folder / "tiny")), data


def job_of(folder: Path, material: tuple[Settings, Path], tables: str, train: str = "") -> TrainingJob:
    settings, data = material
    return tiny_job(folder, settings, recipe_text(data, tables=tables, train=train), panel=False)


def features(batch: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            name.removeprefix(f"{column}_"): value
            for name, value in batch.items()
            if name.startswith(f"{column}_")
        }
        for column in ("query", "document")
    ]


def by_hand(job: TrainingJob, lengths: list[int]) -> tuple[torch.Tensor, dict[str, torch.Tensor], int]:
    """Loss and gradients, and how many of the scores are left out: one softmax a row and length."""
    model = dense_base(job.recipe, job.settings)
    base = QuestionVectors(job).of([row.query for row in ROWS])
    documents = [[row.positive, *row.negatives] for row in ROWS]
    texts = [row.query for row in ROWS] + [text for own in documents for text in own]
    found = model(model.preprocess(texts))["sentence_embedding"]
    losses, left_out = [], 0
    for length in lengths:
        vectors = torch.nn.functional.normalize(found[:, :length], dim=1)
        queries, answers = vectors[: len(ROWS)], vectors[len(ROWS) :].view(len(ROWS), 3, length)
        for row in range(len(ROWS)):
            others = []
            for other in range(len(ROWS)):
                if other != row and float(base[row] @ base[other]) > ABOVE:
                    left_out += 3
                    continue
                others += [queries[row] @ answers[other, place] / 0.05 for place in range(3)]
            losses.append(-(queries[row] @ answers[row, 0] / 0.05 - torch.logsumexp(torch.stack(others), 0)))
    value = torch.stack(losses).mean()
    value.backward()  # type: ignore[no-untyped-call]
    return value.detach(), gradients(model), left_out


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", ["cached_ranking", "ranking"])
@pytest.mark.parametrize("lengths", [[32], [32, 16, 8]])
@pytest.mark.parametrize("chunk", [2, 8])
def test_the_loss_is_that_written_by_hand(
    tmp_path: Path, material: tuple[Settings, Path], kind: str, lengths: list[int], chunk: int
) -> None:
    matryoshka = f"matryoshka = {lengths}\n" if len(lengths) > 1 else ""
    tables = f'[loss]\nkind = "{kind}"\nnegatives = 2\n{matryoshka}'
    long = f"mini_batch = {chunk}\nquery_tokens = 60\ndocument_tokens = 60"
    job = job_of(tmp_path, material, f"{tables}same_question = {ABOVE}", long)
    model = dense_base(job.recipe, job.settings)
    batch = Collate(model, job.recipe, None, question_vectors(job))(ROWS)
    value = dense_loss(model, None, job.recipe)(features(batch))
    value.backward()
    wanted, wanted_gradients, left_out = by_hand(job, lengths)
    assert left_out >= 3 * 10 * len(lengths)
    assert value.item() == pytest.approx(wanted.item(), rel=1e-5)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, wanted_gradients[name], rtol=1e-3, atol=1e-5)
    every = job_of(tmp_path, material, tables, long).recipe
    other = dense_loss(model, None, every)(features(Collate(model, every)(ROWS)))
    assert other.item() > value.item() + 0.1 * len(lengths)


def test_a_batch_without_vectors_is_refused(tmp_path: Path, material: tuple[Settings, Path]) -> None:
    job = job_of(tmp_path, material, "[loss]\nsame_question = 0.9\nnegatives = 2")
    model = dense_base(job.recipe, job.settings)
    batch = Collate(model, job.recipe)(ROWS)
    assert f"query_{BASE_VECTORS}" not in batch
    with pytest.raises(ValueError, match="no vectors of its queries"):
        dense_loss(model, None, job.recipe)(features(batch))


def test_only_what_is_above_is_left_out_and_never_a_rows_own() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    same = SameQuestion(0.7, gather=False)
    same.look(vectors)
    documents = torch.eye(2).repeat(3, 1)
    scores = torch.cat([same(vectors[:2], documents), same(vectors[2:], documents)])
    left_out = [[False, True, False], [True, False, False], [False, False, False]]
    assert torch.equal(torch.isinf(scores), torch.tensor(left_out).repeat(1, 2))
    same.look(vectors[:1])
    assert not torch.isinf(same(vectors[:1], torch.eye(2)[:1])).any()


def test_queries_are_encoded_once_whatever_comes_between(
    tmp_path: Path, material: tuple[Settings, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(tmp_path / "a", material, "[loss]\nsame_question = 0.9", "topic_window = 32\nsteps = 3")
    first = QuestionVectors(job)
    texts = [row.query for row in job.sources[0].rows]
    first.prepare([*texts, *texts])
    assert job.progress.stages["comparing queries"] == 200  # type: ignore[attr-defined]  # it is `Heard`
    monkeypatch.setattr(
        "pipeline.training.batching.questions.load_encoder", lambda *_, **__: pytest.fail("asked again")
    )
    again = QuestionVectors(job)
    again.prepare(texts)
    assert (again.of(texts) == first.of(texts)).all()
    model = dense_base(job.recipe, job.settings)
    wanted = model.encode(texts[:5], show_progress_bar=False)
    assert first.of(texts[:5]) == pytest.approx(wanted, abs=1e-5)


def test_nothing_is_encoded_where_the_recipe_does_not_ask(
    tmp_path: Path, material: tuple[Settings, Path]
) -> None:
    assert question_vectors(job_of(tmp_path / "no", material, "")) is None
    assert question_vectors(job_of(tmp_path / "topic", material, "", "topic_window = 32")) is not None
    assert question_vectors(job_of(tmp_path / "same", material, "[loss]\nsame_question = 0.9")) is not None


def test_what_was_left_out_is_among_the_facts(tmp_path: Path, material: tuple[Settings, Path]) -> None:
    job = job_of(
        tmp_path / "run", material, "[loss]\nsame_question = 0.98", "steps = 6\ntopic_window = 32\nbatch = 4"
    )
    result = train_dense(job)
    share = result.facts["same_question_share"]
    assert isinstance(share, float)
    assert 0.02 < share < 0.9
    assert json.loads(job.folder.finished.read_text("utf-8"))["sources"][0]["grouping"] == "topic"
    assert {"padding_share", "padding_share_ungrouped"} <= set(result.facts)


def test_the_loss_stands_behind_the_bar(tmp_path: Path, material: tuple[Settings, Path]) -> None:
    class Noting(Heard):
        def __init__(self) -> None:
            super().__init__()
            self.notes: list[str] = []

        def note(self, text: str, /) -> None:
            self.notes.append(text)

    job = job_of(tmp_path / "run", material, "", "steps = 3\nevaluate_every = 3")
    noting = Noting()
    train_dense(TrainingJob(job.recipe, job.folder, job.settings, job.sources, (), noting))
    losses = [row["loss"] for row in History(job.folder.history).rows() if "loss" in row]
    assert noting.notes == [f"loss {sum(losses[:n]) / n:.3f}" for n in (1, 2, 3)]
