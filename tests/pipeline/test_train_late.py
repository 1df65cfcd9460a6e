"""Late-interaction training learns, goes on after a kill, and its loss is what the library's own is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import Heard
from safetensors.torch import load_file
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.losses import MultiVectorMultipleNegativesRankingLoss
from sentence_transformers.multi_vector_encoder.scoring import mean_colbert_scores
from sentence_transformers.util import cat_padded_token_embeddings
from sentence_transformers.util.similarity import maxsim
from tiny_adapter import make_tiny_adapter
from training_material import make_learner, recipe_text, tiny_job, tiny_registry, training_rows, write_rows

from medsearch.encoders.merged import ready_weights
from medsearch.encoders.registry import find_model, load_registry
from medsearch.errors import MedsearchError, UsageError
from medsearch.settings import Settings
from medsearch.types import ModelKind
from pipeline.train import _keep_plan as keep_plan
from pipeline.training import late, late_objective, same_question
from pipeline.training.candidates import Candidate, open_maker
from pipeline.training.dense import Collate
from pipeline.training.history import History
from pipeline.training.job import TrainingExample, TrainingJob
from pipeline.training.late import late_learner, train_late
from pipeline.training.late_model import check_late
from pipeline.training.late_projection import TENSOR, principal_directions, start_file
from pipeline.training.loop import planned
from pipeline.training.objective import Distil
from pipeline.training.recipe import TrainRecipe, load_train_recipe, parse_train_recipe

Material = tuple[Settings, Path]


def _row(number: int, row: dict[str, Any]) -> TrainingExample:
    """Of another length than its neighbours."""
    return TrainingExample(
        row["query"] + " a" * (number % 3),
        row["positive"] + " b" * (2 * number % 5),
        tuple(text + " c" * (3 * number % 4) for text in row["negatives"]),
    )


ROWS = [_row(number, row) for number, row in enumerate(training_rows(7))]
TASKS = ("query", "document", "document", "document")

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


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("late")
    settings = tiny_registry(folder, make_learner(folder / "tiny"), prompt="represent this : ")
    return settings, write_rows(folder / "rows.jsonl", training_rows())


def late_text(data: Path, tables: str = "", train: str = "", *, dim: int = 16) -> str:
    tables = tables if "[late]" in tables else f"{tables}\n[late]"
    text = recipe_text(data, tables=tables, train=f"query_tokens = 16\n{train}")
    return text.replace("[[data]]", f'kind = "late_interaction"\ndim = {dim}\nmax_tokens = 32\n[[data]]', 1)


def late_job(
    folder: Path, material: Material, tables: str = "", train: str = "", *, panel: bool = True
) -> TrainingJob:
    settings, data = material
    return tiny_job(folder, settings, late_text(data, tables, train), panel=panel)


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


def batch_of(
    model: MultiVectorEncoder, asked: TrainRecipe, rows: Sequence[TrainingExample] = ROWS
) -> list[dict[str, Any]]:
    batch = Collate(model, asked)(rows)
    return [
        {
            key.removeprefix(f"{column}_"): value
            for key, value in batch.items()
            if key.startswith(f"{column}_")
        }
        for column in ("query", "document")
    ]


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
    told = f"weight = 0.7\ntemperature = 0.1\nin_batch = {str(in_batch).lower()}"
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
    added = Distil(0.7, 0.1, in_batch, margins=False).apart(scores, labels.view(rows, -1), own)
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


def test_a_killed_training_ends_with_the_same_weights_to_the_last_bit(
    tmp_path: Path, material: Material
) -> None:
    tables = "[lora]\nrank = 4\ndropout = 0.1\n[late]\nexpansion = true"
    train = "steps = 7\nevaluate_every = 3\ndropout = 0.2"
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
    assert told[0] == told[1]
    assert broken.progress.lines[0].startswith("going on after step 3 of 7")  # type: ignore[attr-defined]


def test_the_projection_keeps_the_directions_that_hold_most() -> None:
    """Vectors count by direction: three along one axis, two along another, one along a third."""
    axes = np.linalg.qr(np.random.default_rng(2).standard_normal((6, 6)))[0].astype(np.float32)
    blocks = [np.stack([7 * axes[0], axes[0], -axes[1]]), np.stack([axes[0], 0.1 * axes[1], axes[2]])]
    directions, kept = principal_directions(iter(blocks), 2)
    assert kept == pytest.approx(5 / 6)
    assert np.abs(directions @ axes[:2].T) == pytest.approx(np.eye(2), abs=1e-5)
    assert (directions[np.arange(2), np.abs(directions).argmax(axis=1)] > 0).all()


def test_the_projection_begins_where_the_base_is(tmp_path: Path, material: Material) -> None:
    """Of 24 in 32 dimensions hardly anything is lost; of 8 far less than torch's own first weights lose."""
    settings, data = material
    lost = {}
    for dim, projection in ((32, "pca"), (24, "pca"), (8, "pca"), (8, "random")):
        text = late_text(data, f'[late]\nprojection = "{projection}"\nskip_punctuation = false', dim=dim)
        job = tiny_job(tmp_path / f"{dim}{projection}", settings, text, panel=False)
        model = late_learner(job)[0].eval()
        features = model.preprocess([row.positive for row in ROWS], task="document")
        with torch.no_grad():
            whole = model[0](dict(features))["token_embeddings"]
            short = model(dict(features), task="document")["token_embeddings"]
        scored = features["attention_mask"].bool()
        unit = torch.nn.functional.normalize(whole[scored], dim=1)
        cosines = [vectors @ vectors.T for vectors in (unit, short[scored])]
        lost[dim, projection] = float((cosines[0] - cosines[1]).abs().mean())
    assert lost[32, "pca"] < 1e-5
    assert lost[24, "pca"] < lost[8, "pca"] / 3
    assert lost[8, "pca"] < lost[8, "random"] / 2


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


def test_an_adapted_model_is_a_base_too(tmp_path: Path) -> None:
    """A tuned dense model, as the registry has it: its base's weights with the adapter merged in."""
    base = make_learner(tmp_path / "tiny")
    settings = tiny_registry(tmp_path, base)
    assert settings.models is not None
    adapter = make_tiny_adapter(base, tmp_path / "adapter")
    entry = settings.models.read_text("utf-8").replace(f"path:{base}", f"adapter:{adapter}@tiny")
    with settings.models.open("a", encoding="utf-8") as stream:
        stream.write(entry.replace("[tiny]", "[tuned]"))
    data = write_rows(tmp_path / "rows.jsonl", training_rows(40))
    text = late_text(data, "[lora]\nrank = 4", "steps = 2\nevaluate_every = 2").replace('"tiny"', '"tuned"')
    job = tiny_job(tmp_path / "run", settings, text, panel=False)
    [checkpoint] = train_late(job).checkpoints
    merged = ready_weights(find_model("tuned", load_registry(settings.models)), cache=settings.cache)
    name = "encoder.layer.0.attention.self.query.weight"
    adapted, plain, made = (
        load_file(folder / "model.safetensors")[name]
        for folder in (merged, base, _written(job, checkpoint, tmp_path / "candidate"))
    )
    assert (adapted - plain).abs().max() > 1e-3
    torch.testing.assert_close(made, adapted, atol=1e-3, rtol=0.05)


def _written(job: TrainingJob, checkpoint: Path, folder: Path) -> Path:
    open_maker(job).write(Candidate("tuned", (checkpoint,), 0.999), folder)
    return folder


@pytest.mark.parametrize(
    ("tables", "dim", "told"),
    [
        ("[loss]\nmatryoshka = [16]", 16, r'loss.matryoshka is for kind = "dense"'),
        ("[loss]\nstay_near_base = 0.1", 16, r'loss.stay_near_base is for kind = "dense"'),
        (
            "[late]\nexpansion = true\nquery_tokens = 20",
            16,
            r"late.query_tokens: with late.expansion .* train.query_tokens, 16",
        ),
        ("[late]\nquery_tokens = 65", 16, r"late.query_tokens: 65 is above the 64 that tiny reads"),
        ("", 48, r'dim: 48 is above the 32 of tiny.*late.projection = "random"'),
        ("[lora]\ntargets = ['nothing']", 16, r"lora.targets: the base has no layer called 'nothing'"),
    ],
)
def test_what_late_interaction_cannot_do_is_refused(
    tmp_path: Path, material: Material, tables: str, dim: int, told: str
) -> None:
    settings, data = material
    job = tiny_job(tmp_path / "run", settings, late_text(data, tables, dim=dim), panel=False)
    with pytest.raises(UsageError, match=told):
        train_late(job)


def test_queries_are_longer_in_use_than_in_training(tmp_path: Path, material: Material) -> None:
    job = late_job(tmp_path / "run", material, "[late]\nquery_tokens = 20", panel=False)
    model, _ = late_learner(job)
    long = [replace(row, query="pain " * 60) for row in ROWS]
    assert batch_of(model, job.recipe, long)[0]["input_ids"].shape == (7, 16)
    assert model.encode_query(["pain " * 60])[0].shape == (20, 16)


def test_a_dense_recipe_has_no_late_table() -> None:
    with pytest.raises(UsageError, match=r'late is for kind = "late_interaction"'):
        parse_train_recipe(recipe_text("rows.jsonl", tables="[late]\nexpansion = true"), "test")


@pytest.mark.parametrize("name", ["colbert", "minilm-colbert"])
def test_the_shipped_recipes_fit_their_bases(name: str) -> None:
    recipe = load_train_recipe(name)
    spec = find_model(recipe.base, load_registry(None))
    assert recipe.kind is ModelKind.LATE_INTERACTION
    assert recipe.dim == 128
    assert recipe.query_prompt == ""
    assert recipe.max_tokens == recipe.train.document_tokens
    check_late(recipe, spec)


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


def test_queries_that_are_filled_up_are_no_padding(tmp_path: Path, material: Material) -> None:
    shares = []
    for expansion in ("true", "false"):
        job = late_job(tmp_path / expansion, material, f"[late]\nexpansion = {expansion}", panel=False)
        plan, lengths = planned(job)
        queries, *_ = lengths.columns(plan.batches[0])
        shares.append(set(queries.tolist()))
    assert shares[0] == {16}
    assert max(shares[1]) < 16
