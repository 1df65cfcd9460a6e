"""The loss against sentence-transformers' own: same values, same gradients, whatever the chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)
from training_material import make_learner, recipe_text, tiny_registry, training_rows

from medsearch.settings import Settings
from pipeline.training.base_model import add_lora, dense_base
from pipeline.training.dense.losses import dense_loss
from pipeline.training.dense.objective import (
    CachedRanking,
    Distil,
    NearBase,
    Objective,
    PlainRanking,
    Ranking,
    Term,
    encode,
)
from pipeline.training.job import TrainingExample
from pipeline.training.recipe import LoraTable, TrainRecipe, parse_train_recipe
from pipeline.training.running.collate import Collate, columns

ROWS = [TrainingExample(str(r["query"]), str(r["positive"]), tuple(r["negatives"])) for r in training_rows(7)]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("objective")
    return tiny_registry(folder, make_learner(folder / "tiny"), prompt="represent this : ")


def recipe(tables: str = "", train: str = "") -> TrainRecipe:
    return parse_train_recipe(recipe_text("rows.jsonl", tables=tables, train=train), "test")


def ours(
    settings: Settings, asked: TrainRecipe, rows: Sequence[TrainingExample] = ROWS
) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of a batch, as a recipe has them."""
    model = dense_base(asked, settings)
    frozen = dense_base(asked, settings).eval() if asked.loss.stay_near_base else None
    loss_of = dense_loss(model, frozen, asked)
    value = loss_of(_features(Collate(model, asked)(rows)))
    value.backward()
    return value.item(), _gradients(model)


def _features(batch: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            key.removeprefix(f"{column}_"): value
            for key, value in batch.items()
            if key.startswith(f"{column}_")
        }
        for column in ("query", "document")
    ]


def _gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def theirs(settings: Settings, asked: TrainRecipe) -> tuple[float, dict[str, torch.Tensor]]:
    """The library's loss on plain columns, texts cut and prompted by hand."""
    model = dense_base(asked, settings)
    loss_of: torch.nn.Module = MultipleNegativesRankingLoss(model, scale=1 / asked.loss.temperature)
    if asked.loss.matryoshka:
        shares = [1 / len(asked.loss.matryoshka)] * len(asked.loss.matryoshka)
        loss_of = MatryoshkaLoss(model, loss_of, list(asked.loss.matryoshka), shares)
    texts = [
        [f"represent this : {row.query}" for row in ROWS],
        [row.positive for row in ROWS],
        *([row.negatives[place] for row in ROWS] for place in range(2)),
    ]
    value = loss_of([model.preprocess(column) for column in texts], None)
    value.backward()
    return value.item(), _gradients(model)


@pytest.mark.parametrize("kind", ["cached_ranking", "ranking"])
@pytest.mark.parametrize("matryoshka", ["[]", "[32, 16, 8]"])
@pytest.mark.parametrize("chunk", [2, 8])
def test_the_loss_is_the_librarys_whatever_the_chunks(
    settings: Settings, kind: str, matryoshka: str, chunk: int
) -> None:
    asked = recipe(
        f'[loss]\nkind = "{kind}"\nnegatives = 2\nmatryoshka = {matryoshka}',
        f"mini_batch = {chunk}\nquery_tokens = 60\ndocument_tokens = 60",
    )
    value, gradients = ours(settings, asked)
    wanted, wanted_gradients = theirs(settings, asked)
    assert value == pytest.approx(wanted, rel=1e-5)
    assert set(gradients) == set(wanted_gradients)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, wanted_gradients[name], rtol=1e-3, atol=1e-5)


class Moved:
    """A term that depends on the first whole vectors alone."""

    def __call__(self, queries: torch.Tensor, documents: torch.Tensor, labels: object, /) -> torch.Tensor:
        return 3 * queries[0, 0] + documents[0, 1]


@pytest.mark.parametrize("kind", [CachedRanking, PlainRanking])
def test_what_is_added_weighs_the_same_however_many_lengths_are_trained(
    settings: Settings, kind: type[CachedRanking] | type[PlainRanking]
) -> None:
    found = []
    for lengths in ((), (32,), (32, 16, 8)):
        both = []
        for terms in ((), (Moved(),)):
            model = dense_base(recipe(), settings).eval()
            ranking = Ranking(0.05, 4, False, 32, terms, lengths=max(1, len(lengths)))
            loss = Objective(kind(model, ranking), lengths, None)(_features(Collate(model, recipe())(ROWS)))
            loss.backward()
            both.append((loss.item(), _gradients(model)))
        (without, plain), (added, moved) = both
        found.append((added - without, {name: moved[name] - plain[name] for name in plain}))
    assert abs(found[0][0]) > 0.01
    for value, gradients in found[1:]:
        assert value == pytest.approx(found[0][0], rel=1e-3)
        for name, gradient in gradients.items():
            torch.testing.assert_close(gradient, found[0][1][name], rtol=1e-2, atol=1e-4)


def test_dropout_is_the_same_in_both_passes_of_the_cached_loss(settings: Settings) -> None:
    """Both kinds encode the same chunks in the same order, so from one seed they drop the same units."""
    found = []
    for kind in ("ranking", "cached_ranking"):
        asked = recipe(f'[loss]\nkind = "{kind}"\nnegatives = 2', "dropout = 0.3\nmini_batch = 3")
        torch.manual_seed(5)
        model = dense_base(asked, settings).train()
        loss = dense_loss(model, None, asked)(_features(Collate(model, asked)(ROWS)))
        loss.backward()
        found.append((loss.item(), _gradients(model)))
    (plain, wanted), (cached, gradients) = found
    assert cached == pytest.approx(plain, rel=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-3, atol=1e-5)
    assert ours(settings, recipe("[loss]\nnegatives = 2", "mini_batch = 3"))[0] != pytest.approx(
        plain, rel=1e-3
    )


def test_columns_are_queries_and_then_every_document() -> None:
    queries, documents = columns(ROWS[:2])
    assert queries == [ROWS[0].query, ROWS[1].query]
    a, b = ROWS[0], ROWS[1]
    assert documents == [
        a.positive,
        b.positive,
        a.negatives[0],
        b.negatives[0],
        a.negatives[1],
        b.negatives[1],
    ]
    assert columns([TrainingExample("q", "p", ())]) == (["q"], ["p"])


def test_prompts_stand_before_queries_and_columns_have_their_own_lengths(settings: Settings) -> None:
    asked = recipe("", "query_tokens = 9\ndocument_tokens = 7")
    model = dense_base(asked, settings)
    long = [TrainingExample("pain " * 30, "fever " * 30, ())]
    batch = Collate(model, asked)(long)
    assert batch["query_input_ids"].shape == (1, 9)
    assert batch["document_input_ids"].shape == (1, 7)
    words = model.tokenizer.convert_ids_to_tokens(batch["query_input_ids"][0])
    assert words == ["[CLS]", "represent", "this", ":", "pain", "pain", "pain", "pain", "[SEP]"]
    bare = dense_base(parse_train_recipe('query_prompt = ""\n' + recipe_text("rows.jsonl"), "test"), settings)
    assert bare.prompts["query"] == ""


def test_encoding_in_chunks_keeps_the_order(settings: Settings) -> None:
    asked = recipe()
    model = dense_base(asked, settings).eval()
    texts = ["pain", "fever in the child after eating", "chest pain", "a"]
    with torch.no_grad():
        found = encode(model, model.preprocess(texts), 2)
    wanted = torch.from_numpy(model.encode(texts, show_progress_bar=False))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_staying_near_the_base_costs_nothing_at_first_and_pulls_back_later(settings: Settings) -> None:
    plain, near = recipe(), recipe("[loss]\nstay_near_base = 3.0")
    assert ours(settings, near)[0] == pytest.approx(ours(settings, plain)[0], rel=1e-5)
    base, moved = dense_base(near, settings), dense_base(near, settings)
    with torch.no_grad():
        for weights in moved.parameters():
            weights.add_(0.05 * torch.ones_like(weights).cumsum(-1).cos())
    texts = ["pain", "fever", "chest pain"]
    term = NearBase(moved, base, 3.0, 2)
    features = [moved.preprocess(texts[:1]), moved.preprocess(texts[1:])]
    term.look(features)
    a, b = (torch.from_numpy(model.encode(texts, show_progress_bar=False)) for model in (moved, base))
    value = term(a[:1], a[1:], None)
    assert value.item() == pytest.approx(3 * float((a - b).square().sum(1).mean()), rel=1e-4)
    assert value.item() > 0.01


def test_an_adapter_is_switched_off_to_ask_the_base(settings: Settings) -> None:
    asked = recipe("[lora]\nrank = 4")
    model, base = dense_base(asked, settings), dense_base(asked, settings)
    assert asked.lora is not None
    add_lora(model, asked.lora)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.normal_()
    model.train()
    term = NearBase(model, None, 1.0, 8)
    features = model.preprocess(["chest pain", "fever"])
    term.look([features])
    wanted = torch.from_numpy(base.encode(["chest pain", "fever"], show_progress_bar=False))
    torch.testing.assert_close(term._wanted[0], wanted, rtol=1e-4, atol=1e-5)
    assert model.training
    assert all(p.requires_grad == ("lora" in name) for name, p in model.named_parameters())
    tuned = torch.from_numpy(model.encode(["chest pain", "fever"], show_progress_bar=False))
    assert not torch.allclose(tuned, wanted, atol=0.05)


def test_distillation_is_nothing_where_the_teacher_says_the_same() -> None:
    vectors = torch.nn.functional.normalize(
        torch.randn(9, 5, generator=torch.Generator().manual_seed(1)), dim=1
    )
    queries, documents = vectors[:3], vectors[3:]
    everything = queries @ documents.T
    own = torch.stack([everything[n, [n, n + 3]] for n in range(3)])
    for margins in (False, True):
        for in_batch, labels in ((True, everything), (False, own)):
            term: Term = Distil(0.5, 0.1, in_batch, margins)
            assert term(queries, documents, labels.flatten()).item() == pytest.approx(0, abs=1e-6)
            assert term(queries, documents, labels.flip(1).flatten()).item() > 0.01
    # A margin knows no height: the teacher's scores may lie anywhere.
    assert Distil(1.0, 1.0, False, True)(queries, documents, own.flatten() + 7).item() == pytest.approx(
        0, abs=1e-5
    )


def test_distillation_of_one_row_by_hand() -> None:
    queries, documents = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8], [0.0, 1.0]])
    labels = torch.tensor([0.5, 0.3])
    # Margins: ours 0.6 - 0, theirs 0.2; the positive's own margin is 0 on both sides.
    assert Distil(2.0, 1.0, False, True)(queries, documents, labels).item() == pytest.approx(2 * 0.4**2 / 2)
    theirs, mine = torch.softmax(labels, 0), torch.softmax(torch.tensor([0.6, 0.0]), 0)
    wanted = float((theirs * (theirs / mine).log()).sum())
    assert Distil(1.0, 1.0, False, False)(queries, documents, labels).item() == pytest.approx(wanted)


def test_lora_trains_little_and_the_base_is_left_alone(settings: Settings) -> None:
    model: SentenceTransformer = dense_base(recipe(), settings)
    add_lora(model, LoraTable(rank=2, targets=("query", "value")))
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert len(trained) == 2 * 2 * 2  # layers, targets, A and B
    assert all("lora_" in name for name in trained)
