"""The loss of late interaction is the library's own: same values and gradients, whatever the chunks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from late_training_material import ROWS, Material, batch_of, late_job, make_material
from sentence_transformers.multi_vector_encoder.losses import MultiVectorMultipleNegativesRankingLoss
from sentence_transformers.multi_vector_encoder.scoring import mean_colbert_scores
from sentence_transformers.util import cat_padded_token_embeddings
from sentence_transformers.util.similarity import maxsim

from pipeline.training.batching import same_question
from pipeline.training.dense.objective import Distil
from pipeline.training.late import objective as late_objective
from pipeline.training.late import train as late
from pipeline.training.late.train import late_learner

TASKS = ("query", "document", "document", "document")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(tmp_path_factory.mktemp("late"))


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: each.grad for name, each in model.named_parameters() if each.grad is not None}


def alike(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert left.keys() == right.keys()
    for name, gradient in left.items():
        torch.testing.assert_close(gradient, right[name], atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize("expansion", ["true", "false"])
@pytest.mark.parametrize("kind", ["ranking", "cached_ranking"])
def test_loss_and_gradients_are_the_librarys(
    tmp_path: Path, material: Material, kind: str, expansion: str
) -> None:
    """Whatever is encoded at once, and though texts come in another order."""
    tables = f'[loss]\nkind = "{kind}"\nnegatives = 2\n[late]\nexpansion = {expansion}'
    job = late_job(tmp_path / "run", material, tables, "mini_batch = 3")
    model, loss_of = late_learner(job)
    model.eval()
    value = loss_of(batch_of(model, job.recipe))
    value.backward()
    ours = gradients(model)
    model.zero_grad()
    theirs = MultiVectorMultipleNegativesRankingLoss(model, scale=20, similarity_fct=mean_colbert_scores)
    columns = [[row.query for row in ROWS], [row.positive for row in ROWS]]
    columns += [[row.negatives[place] for row in ROWS] for place in range(2)]
    wanted = theirs(
        [
            model.preprocess(texts, prompt=model.prompts[task], task=task, max_length=length)
            for texts, task, length in zip(columns, TASKS, (16, 24, 24, 24), strict=True)
        ]
    )
    wanted.backward()
    assert value.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert any("linear" in name for name in ours)
    alike(ours, gradients(model))


@pytest.mark.parametrize("kind", ["ranking", "cached_ranking"])
@pytest.mark.parametrize("in_batch", [True, False])
def test_a_teacher_is_followed_by_maxsim(
    tmp_path: Path, material: Material, kind: str, in_batch: bool
) -> None:
    """The part that it adds is what the dense term gives for the library's scores, and so are gradients."""
    told = f"weight = 0.7\ntemperature = 0.1\nteacher_temperature = 0.3\nin_batch = {str(in_batch).lower()}"
    loss_table = f'[loss]\nkind = "{kind}"\nnegatives = 2'
    tables = f'{loss_table}\n[distill]\nteacher = "bm25"\n{told}'
    job = late_job(tmp_path / "taught", material, tables, "mini_batch = 3")
    plain = late_job(tmp_path / "plain", material, loss_table, "mini_batch = 3")
    rows, texts = len(ROWS), 3 * len(ROWS) if in_batch else 3
    labels = torch.rand(rows * texts, generator=torch.Generator().manual_seed(3))
    model, loss_of = late_learner(job)
    _, alone = late_learner(plain)
    columns = batch_of(model.eval(), job.recipe)
    value = loss_of(columns, labels)
    value.backward()
    ours = gradients(model)
    model.zero_grad()
    alone.model = model  # the same weights, so that gradients add up
    (ranked := alone(batch_of(model, job.recipe))).backward()
    encoded = [model(dict(column), task=task) for column, task in zip(columns, TASKS[:2], strict=True)]
    (queries, of_queries), (documents, of_documents) = (
        (each["token_embeddings"], each["attention_mask"].bool()) for each in encoded
    )
    scores = maxsim(queries, documents, a_mask=of_queries, b_mask=of_documents, length_normalize=True)
    own = torch.arange(rows)
    if not in_batch:
        scores = torch.stack([scores[row, row::rows] for row in range(rows)])
        own = torch.zeros(rows, dtype=torch.long)
    added = Distil(0.7, 0.1, in_batch, margins=False, of_teacher=0.3).apart(
        scores, labels.view(rows, -1), own
    )
    added.backward()
    assert value.item() == pytest.approx(ranked.item() + added.item(), rel=1e-4)
    alike(ours, gradients(model))


@pytest.mark.parametrize("devices", [1, 2])
def test_texts_of_the_same_question_are_no_negatives(
    tmp_path: Path, material: Material, devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 0 and 3 ask the same: the loss is the cross-entropy without one another's texts."""
    job = late_job(tmp_path / "run", material, "[loss]\nsame_question = 0.9", "mini_batch = 2")
    monkeypatch.setattr(late, "world_size", lambda: devices)
    model, loss_of = late_learner(job)
    columns = batch_of(model.eval(), job.recipe)
    rows = len(ROWS)
    vectors = torch.eye(rows)
    vectors[3] = vectors[0]
    encoded = [model(dict(column), task=task) for column, task in zip(columns, TASKS[:2], strict=True)]
    scores = maxsim(*(each["token_embeddings"] for each in encoded), length_normalize=True, **masks(encoded))
    left_out = torch.zeros(rows, rows, dtype=torch.bool)
    left_out[0, 3] = left_out[3, 0] = True
    blocks = [left_out] * 3  # positives, and two negatives of each row
    first = 0
    if devices == 2:  # the other device has the same batch: its rows 0 and 3 ask the same too
        first = 3 * rows
        blocks = [left_out | torch.eye(rows, dtype=torch.bool)] * 3 + blocks
        scores = torch.cat([scores, scores], dim=1)
        monkeypatch.setattr(
            late_objective, "all_gather_padded", lambda a, m, **_: (a.repeat(2, 1, 1), m.repeat(2, 1))
        )
        monkeypatch.setattr(late_objective, "get_rank", lambda: 1)
        monkeypatch.setattr(same_question, "all_gather", lambda a: torch.cat([a, a]))
        monkeypatch.setattr(same_question, "rank", lambda: 1)
    kept = scores.masked_fill(torch.cat(blocks, dim=1), -torch.inf)
    wanted = torch.nn.functional.cross_entropy(kept * 20, first + torch.arange(rows))
    columns[0]["base_vectors"] = vectors
    assert loss_of(columns).item() == pytest.approx(wanted.item(), rel=1e-5)


def masks(encoded: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {
        name: each["attention_mask"].bool() for name, each in zip(("a_mask", "b_mask"), encoded, strict=True)
    }


def test_documents_of_all_devices_are_negatives(
    tmp_path: Path, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of two devices has half of a batch: their losses' mean is that of the whole batch on one."""
    job = late_job(tmp_path / "run", material, "", "mini_batch = 2")
    model, loss_of = late_learner(job)
    model.eval()
    whole = loss_of(batch_of(model, job.recipe, ROWS[:6])).item()
    halves = [batch_of(model, job.recipe, rows) for rows in (ROWS[:3], ROWS[3:6])]
    loss_of.gather_across_devices = True
    for place, half in enumerate(halves):
        encoded = model(dict(halves[1 - place][1]), task="document")
        other = (encoded["token_embeddings"].detach(), encoded["attention_mask"].bool())

        def gathered(
            vectors: torch.Tensor,
            mask: torch.Tensor,
            with_grad: bool,
            other: tuple[torch.Tensor, torch.Tensor] = other,
            place: int = place,
        ) -> tuple[torch.Tensor, torch.Tensor]:
            assert with_grad
            both = [(vectors, mask), other] if place == 0 else [other, (vectors, mask)]
            return cat_padded_token_embeddings(*map(list, zip(*both, strict=True)))

        monkeypatch.setattr(late_objective, "all_gather_padded", gathered)
        monkeypatch.setattr(late_objective, "get_rank", lambda place=place: place)
        whole -= loss_of([dict(column) for column in half]).item() / 2
    assert whole == pytest.approx(0, abs=1e-5)
