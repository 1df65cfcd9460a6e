"""What a card says of training: candidates, guard, lengths, exports; before a test and after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from leaderboard_material import MINILM, full_folder
from markdown_it import MarkdownIt
from training_facts_material import some_facts

from medsearch.errors import MedsearchError
from medsearch.evaluation.provenance import read_provenance
from medsearch.evaluation.training_facts import (
    LEAKS_LEFT,
    ROWS_CHECKED,
    ROWS_WITH_LEAKS,
    DataFacts,
    TrainingFacts,
    read_training_facts,
    training_facts_of,
    write_training_facts,
)
from medsearch.types import ModelSpec
from medsearch.workbench.cards.first_card import FirstCard, first_card
from medsearch.workbench.cards.model_card import CardRequest, model_card
from medsearch.workbench.comparison.versus import Terms


@pytest.fixture
def trained(tmp_path: Path) -> ModelSpec:
    """A trained model with results, provenance and no facts yet."""
    folder = full_folder(tmp_path / "results")
    return replace(
        MINILM, name="medsearch-minilm", source=f"path:{folder.parent / 'trained'}", family="minilm",
        licence="apache-2.0",
    )  # fmt: skip


def card_of(spec: ModelSpec, tmp_path: Path) -> str:
    registry = {"minilm": MINILM, spec.name: spec}
    return model_card(CardRequest(spec, tmp_path / "results", registry, Terms()))


def rows(body: str) -> list[list[str]]:
    lines = [line for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_card_shows_what_was_measured_in_training(trained: ModelSpec, tmp_path: Path) -> None:
    before = card_of(trained, tmp_path)
    write_training_facts(some_facts(), tmp_path / "trained")
    body = card_of(trained, tmp_path)
    assert "- general questions (150 queries): 71.2 → 70.1, worse" in body
    assert "- mean of these (300 queries): 60.0 → 60.0, not distinguishable" in body
    assert "- Outside medicine it is worse than minilm on general questions." in body
    assert "General texts that come with chatterbot-corpus 1.3.3, numpy 2.4.6;" in body
    assert ["base", "100", "75.0", "71.2", ""] in rows(body)
    assert ["last", "0", "75.0", "60.0", ""] in rows(body)
    assert ["last-base-0.5", "50", "79.5", "70.1", "chosen"] in rows(body)
    assert ["384", "79.5", "100.0"] in rows(body)
    assert ["64", "75.0", "94.3"] in rows(body)
    assert ["onnx/model_int8.onnx", "23.0", "0.9943", "0.9877", "75.0"] in rows(body)
    assert "2 dev tasks (224 queries; a panel of 1937 of their documents" in body
    assert "## Outside medicine" not in before
    assert "Missing: there is no `training.json` of these weights beside them" in before
    said = {line for line in before.splitlines() if line and not line.startswith("Missing: there is no `tr")}
    assert said <= set(body.splitlines()), "nothing that a card said before is gone"
    assert "\n\n\n## " not in body


def test_what_was_not_measured_has_no_table(trained: ModelSpec, tmp_path: Path) -> None:
    write_training_facts(some_facts(guard=(), lengths=(), exports=()), tmp_path / "trained")
    body = card_of(trained, tmp_path)
    assert "Missing: what it lost or gained outside medicine was not measured." in body
    assert "## Shorter vectors" not in body
    assert "## ONNX files" not in body


def test_a_loss_on_the_mean_alone_is_a_limit_too(trained: ModelSpec, tmp_path: Path) -> None:
    facts = some_facts()
    [mean] = [each for each in facts.guard if each.task == "mean"]
    worse = mean.model_copy(update={"outcome": facts.guard[0].outcome})
    write_training_facts(some_facts(guard=(worse,)), tmp_path / "trained")
    assert "worse than minilm on the mean of the guard set." in card_of(trained, tmp_path)


@pytest.mark.parametrize(("allowed", "said"), [(0.01, True), (0.011, False), (None, False)])
def test_a_loss_beyond_what_the_rule_allows_is_a_limit(
    trained: ModelSpec, tmp_path: Path, allowed: float | None, said: bool
) -> None:
    """0.712 of the base, 0.701 of the chosen one."""
    facts = some_facts()
    recipe = {**facts.recipe, "select": {} if allowed is None else {"guard_tolerance": allowed}}
    write_training_facts(facts.model_copy(update={"recipe": recipe}), tmp_path / "trained")
    line = "- It loses 1.1 points outside medicine, where 1.0 were allowed: no candidate lost less."
    assert (line in card_of(trained, tmp_path)) is said


def test_a_late_models_base_is_no_share_of_its_weights(trained: ModelSpec, tmp_path: Path) -> None:
    late = {"late": {"projection": "pca"}}
    facts = some_facts(kind="late_interaction", recipe={**some_facts().recipe, **late})
    write_training_facts(facts, tmp_path / "trained")
    body = card_of(trained, tmp_path)
    assert ["base", "", "75.0", "71.2", ""] in rows(body)
    assert "The first row is minilm by itself, one vector a text" in body
    assert ["late.projection", "pca"] in rows(body)


def test_an_adapter_on_an_adapter_is_said_to_come_from_the_model_that_training_began_with(
    trained: ModelSpec, tmp_path: Path
) -> None:
    """Its provenance names the model that it changes, which lies below."""
    facts = some_facts()
    begun = facts.model_copy(update={"recipe": {**facts.recipe, "base": "tuned-before"}})
    write_training_facts(begun, tmp_path / "trained")
    body = card_of(trained, tmp_path)
    assert "made from tuned-before." in body
    assert "of tuned-before → " in body
    assert "worse than tuned-before on general questions." in body
    assert "base_model: someone/mini" in body


def cleaned(left: int = 2) -> TrainingFacts:
    """Facts of data that was searched for leaks."""
    source = {ROWS_CHECKED: 1_240, ROWS_WITH_LEAKS: 6, LEAKS_LEFT: left}
    facts = some_facts()
    recipe = {**facts.recipe, "clean_of": ["medical-local"]}
    return facts.model_copy(update={"recipe": recipe, "training": {"sources": [source]}})


def first_of(spec: ModelSpec, facts: TrainingFacts, tmp_path: Path) -> str:
    provenance = read_provenance(tmp_path / "trained")
    assert provenance is not None
    return first_card(FirstCard(spec, provenance, facts, {"minilm": MINILM}))


@pytest.mark.parametrize("facts", [some_facts(), cleaned()])
def test_what_the_first_card_said_stands_on_the_card_after_evaluation(
    trained: ModelSpec, tmp_path: Path, facts: TrainingFacts
) -> None:
    write_training_facts(facts, tmp_path / "trained")
    first = first_of(trained, facts, tmp_path).split("---\n", 2)[2].splitlines()
    body = card_of(trained, tmp_path).splitlines()
    about_itself = f"A {trained.kind} model for"
    said = [line for line in first if line and not line.startswith(("Missing", about_itself))]
    assert len(said) > 40
    assert [line for line in said if line not in body] == []


def test_a_card_says_what_was_searched_for_leaks_and_does_not_contradict_it(
    trained: ModelSpec, tmp_path: Path
) -> None:
    searched = first_of(trained, cleaned(), tmp_path)
    assert "Of 1,240 rows, 6 with a query or an answer of medical-local" in searched
    assert "was not checked" not in searched
    unsearched = first_of(trained, some_facts(), tmp_path)
    assert "Nobody searched the training data" in unsearched
    assert "Missing: whether its training data holds queries or answers" in unsearched


def test_facts_of_other_weights_are_not_shown(trained: ModelSpec, tmp_path: Path) -> None:
    spec = replace(trained, sha256="a" * 64)
    for stated, shown in (("a" * 64, True), ("", True), ("b" * 64, False)):
        write_training_facts(some_facts(weights_sha256=stated), tmp_path / "trained")
        assert (training_facts_of(spec) is not None) is shown
    write_training_facts(some_facts(weights_sha256="b" * 64), tmp_path / "trained")
    body = card_of(replace(trained, sha256="a" * 64), tmp_path)
    assert "Missing: there is no `training.json` of these weights beside them" in body
    assert "## Outside medicine" not in body


def test_only_an_adapter_has_its_facts_beside_its_folder(tmp_path: Path) -> None:
    write_training_facts(some_facts("mine", weights_sha256="a" * 64, adapter_sha256="b" * 64), tmp_path)
    plain = replace(MINILM, name="mine", source=f"path:{tmp_path / 'other'}")
    assert training_facts_of(plain) is None, "a folder beside it is another model's"
    adapter = replace(plain, source=f"adapter:{tmp_path / 'adapter'}@minilm", sha256="b" * 64)
    assert training_facts_of(adapter) is not None
    assert training_facts_of(replace(adapter, sha256="a" * 64)) is None


def test_facts_of_an_adapter_may_lie_beside_its_folder(tmp_path: Path) -> None:
    write_training_facts(some_facts("mine"), tmp_path)
    spec = replace(MINILM, name="mine", source=f"adapter:{tmp_path / 'adapter'}@minilm")
    assert training_facts_of(spec) == some_facts("mine")
    assert training_facts_of(replace(spec, name="other")) is None, "they are of another model"
    assert training_facts_of(MINILM) is None


def test_the_card_of_an_adapter_says_so_and_where_its_exports_are_not(
    trained: ModelSpec, tmp_path: Path
) -> None:
    elsewhere = "These are of the merged model, not in this folder."
    write_training_facts(some_facts(), tmp_path / "trained")
    whole = card_of(trained, tmp_path)
    assert ["source", "a folder called trained"] in rows(whole)
    assert elsewhere not in whole
    adapter = replace(trained, source=f"adapter:{tmp_path / 'trained'}@minilm")
    for card in (card_of(adapter, tmp_path), first_of(adapter, some_facts(), tmp_path)):
        assert ["source", "LoRA adapter on minilm, a folder called trained"] in rows(card)
        assert str(tmp_path) not in card
        assert elsewhere in card[card.index("## ONNX files") :]
    for each in some_facts().exports:
        (tmp_path / "trained" / each.file).parent.mkdir(exist_ok=True)
        (tmp_path / "trained" / each.file).touch()
    assert elsewhere not in card_of(adapter, tmp_path)
    write_training_facts(some_facts(exports=()), tmp_path / "trained")
    assert "## ONNX files" not in card_of(adapter, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "Invalid JSON"), ("{}", "model: Field required"), ('{"format": 2}', "format: Input should be 1")],
)
def test_damaged_facts_are_told(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "training.json").write_text(content, encoding="utf-8")
    with pytest.raises(MedsearchError, match=rf"training\.json: {said}.*restore it from the training run"):
        read_training_facts(tmp_path)


def test_no_name_becomes_markup(trained: ModelSpec, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script> [x](javascript:y) | `c`"
    facts = some_facts()
    selection = facts.selection.model_copy(update={"guard_packages": {hostile: hostile}})
    guard = (facts.guard[0].model_copy(update={"task": hostile}),)
    data = (facts.data[0].model_copy(update={"name": hostile, "licences": {hostile: 1}}),)
    recipe = {"train": {hostile: hostile}}
    changed = facts.model_copy(
        update={"selection": selection, "guard": guard, "data": data, "recipe": recipe}
    )
    write_training_facts(changed, tmp_path / "trained")
    provenance = read_provenance(tmp_path / "trained")
    assert provenance is not None
    first = first_card(FirstCard(trained, provenance, changed, {"minilm": MINILM}))
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    for card in (card_of(trained, tmp_path), first):
        body = card.split("---\n", 2)[2]
        tokens = [child for token in reader.parse(body) for child in (token.children or [token])]
        assert not [t for t in tokens if t.type in ("html_block", "html_inline", "link_open")]


def test_the_first_card_says_that_nothing_was_tested(trained: ModelSpec, tmp_path: Path) -> None:
    provenance = read_provenance(tmp_path / "trained")
    assert provenance is not None
    card = first_card(FirstCard(trained, provenance, some_facts(), {"minilm": MINILM}))
    header = yaml.safe_load(card.split("---\n", 2)[1])
    assert header["base_model"] == "someone/mini"
    assert "model-index" not in header
    body = card.split("---\n", 2)[2]
    for line in (
        "**Not a medical device.**",
        "- On the dev tasks that it was chosen on: nDCG@10 75.0 of minilm → 79.5. These scores flatter it.",
        "- Outside medicine, general questions (150 queries): 71.2 → 70.1, worse.",
        "Trained from minilm by the recipe minilm, 2026-01-02, at revision `abc` of medsearch.",
        "Chosen among 12 candidates by nDCG@10 on medical-dev (alpha/en:test): highest mean over tasks.",
        "Missing: it was not tested yet.",
        "Missing: whether its training data holds queries or answers of test collections was not checked.",
    ):
        assert line in body, line
    assert ["notes", "1,234", "2", "CC BY (1,200); not stated (34)"] in rows(body)
    assert ["data", "rows used", "weight", "licences of its file's rows"] in rows(body)
    assert "As all rows of each file state them, those that were not used too;" in body
    assert ["train.batch", "64"] in rows(body)
    assert ["loss.matryoshka", "384, 64"] in rows(body)


def test_a_card_says_what_is_told_of_a_shipped_adapter_later(trained: ModelSpec, tmp_path: Path) -> None:
    """How to have it whole and make it again, licences that were found later, and which revision is told."""
    adapter = replace(trained, source=trained.source.replace("path:", "adapter:") + "@minilm")
    data = (DataFacts(name="notes", rows=34, weight=1.0, licences={"": 34}, found_since="CC BY 2.5"),)
    write_training_facts(some_facts(data=data), tmp_path / "trained")
    body = card_of(adapter, tmp_path)
    assert "medsearch export medsearch-minilm --whole DIR" in body
    assert "python -m pipeline train minilm\n" in body
    assert "library_name" not in body, "an adapter's folder alone is no model of sentence-transformers"
    assert "That is where it was published: the revision that training began at was not kept." in body
    assert ["notes", "34", "1", "not stated (34); found out since: CC BY 2.5"] in rows(body)
    write_training_facts(some_facts(training={"git_revision": "abc"}), tmp_path / "trained")
    whole = card_of(trained, tmp_path)
    assert "--whole" not in whole
    assert "library_name: sentence-transformers" in whole
    assert "That is where it was published" not in whole
