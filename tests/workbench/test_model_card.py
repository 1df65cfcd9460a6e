"""The model card: filled from what is there, honest about what is not, and readable by the hub."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from compare_material import some_scores
from fakes import topic_spec
from leaderboard_material import (
    MINILM,
    TASKS,
    cost_of,
    full_folder,
    put_all,
    put_card,
    put_contamination,
    write_trained,
)
from markdown_it import MarkdownIt

from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.keep import file_name
from medsearch.types import ModelKind, ModelSpec, SizeClass
from medsearch.workbench.board.findings import FindingsRequest, findings_of
from medsearch.workbench.board.size_classes import size_of
from medsearch.workbench.cards.model_card import CardRequest, model_card
from medsearch.workbench.comparison.versus import Terms


def card_of(spec: ModelSpec, folder: Path, *others: ModelSpec) -> str:
    registry = {each.name: each for each in (MINILM, spec, *others)}
    return model_card(CardRequest(spec, folder, registry, Terms()))


def split(card: str) -> tuple[dict[str, Any], str]:
    """The header that the hub reads, and what people read."""
    _, header, body = card.split("---\n", 2)
    return yaml.safe_load(header), body


def rows(body: str) -> list[list[str]]:
    """The cells of every line of every table."""
    lines = [line for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture(scope="module")
def trained_card(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = full_folder(tmp_path_factory.mktemp("card") / "my-results")
    trained = replace(
        MINILM, name="medsearch-minilm", source=f"path:{folder.parent / 'trained'}", family="minilm",
        licence="apache-2.0",
    )  # fmt: skip
    return card_of(trained, folder)


def test_the_header_is_what_the_hub_reads(trained_card: str) -> None:
    from huggingface_hub import ModelCard

    data = ModelCard(trained_card).data
    assert data.license == "apache-2.0"
    assert data.base_model == "someone/mini"
    assert data.metrics == ["ndcg_at_10", "recall_at_100", "mrr_at_10", "map", "p_at_10"]
    assert {"medical", "retrieval", "sentence-transformers"} <= set(data.tags)
    found = {result.dataset_name for result in data.eval_results}
    assert found == set(TASKS)
    values = {r.metric_value for r in data.eval_results if r.dataset_name == "beta:test"}
    scores = some_scores(1, queries=40, shift=0.05).values()
    assert values == {round(100 * sum(scores) / 40, 2)}, "each made-up measure has the same score"


def test_provenance_selection_and_history_are_told(trained_card: str) -> None:
    body = split(trained_card)[1]
    assert "Trained from minilm by the recipe minilm, 2026-01-02, at revision `abc` of medsearch." in body
    assert ["notes", "triplets.jsonl", "1,234", "a" * 64] in rows(body)
    assert "Chosen among 12 candidates by nDCG@10 on medical-dev (alpha/en:test): highest mean" in body
    assert "it is made from or reranks, whichever had more: 12." in body
    assert "Its scores carry a mark: used to choose this model (alpha/en:test)." in body


def test_scores_are_beside_the_model_it_was_made_from(trained_card: str) -> None:
    body = split(trained_card)[1]
    cells = next(row for row in rows(body) if row[0] == "beta:test")
    assert cells[1] == "40"
    assert re.fullmatch(r"52\.2 \[[\d.]+, [\d.]+\]", cells[2])
    assert cells[3:5] == ["+5.0 [+5.0, +5.0]", "better"]
    assert "Verdicts are beside minilm" in body
    assert "corrected (Holm) for\n4 comparisons." in body


def test_every_part_that_was_made_is_there_and_missing_ones_are_said_to_be(trained_card: str) -> None:
    body = split(trained_card)[1]
    assert ["negation", "40", "82 % [68\N{EN DASH}91]", "68 % [52\N{EN DASH}80]"] in rows(body)
    assert "3 leaks of medical-local in triplets.jsonl." in body
    assert "3 of 60" in body
    assert "Not covered: gamma_of_many_words:test." in body
    assert "Measured on Example CPU, 2 cores, Linux x86_64." in body
    assert "Missing: `medsearch calibrate` makes a threshold" in body
    assert "**Not a medical device.**" in body
    assert "it cannot be told from chance, or is below it, in dose and number." in body


def test_nothing_of_this_machine_is_in_it(trained_card: str, tmp_path: Path) -> None:
    assert "a folder called trained" in trained_card
    assert str(tmp_path.parent.parent) not in trained_card
    assert "/home/someone" not in trained_card
    assert "SECRET WORDS" not in trained_card


def test_a_model_of_others_says_what_is_missing(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    header, body = split(card_of(replace(MINILM, licence=""), tmp_path))
    assert "license" not in header
    assert "base_model" not in header
    assert "No comparison with another model was possible here." in body
    for missing in (
        "Missing: others made this model, and no provenance of it is here.",
        "Missing: speed and memory were not measured.",
        "Missing: `medsearch stress --models minilm --out DIR` makes it.",
        "Missing: whether its training data holds queries or answers",
        "| licence | missing |",
        "| SHA-256 of the weights | missing |",
    ):
        assert missing in body


def test_a_trained_model_without_provenance_says_so(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    spec = topic_spec("mine", source=f"path:{tmp_path / 'weights'}", family="minilm")
    put_all(tmp_path / "results", MINILM, 0.0)
    put_all(tmp_path / "results", spec, 0.1)
    header, body = split(card_of(spec, tmp_path / "results"))
    assert header["base_model"] == "someone/mini"
    assert header["license"] == "other"
    assert header["license_name"] == "none"
    assert "Missing: there is no `provenance.json` beside its weights" in body
    assert "Nobody wrote down what it was trained and chosen on" in body
    assert "Nobody checked whether its training data holds queries or answers" in body


def test_a_damaged_provenance_is_no_missing_one(tmp_path: Path) -> None:
    spec = write_trained(tmp_path / "trained", "mine")
    put_all(tmp_path / "results", spec, 0.0)
    (tmp_path / "trained" / "provenance.json").write_text("{}", encoding="utf-8")
    with pytest.raises(MedsearchError, match=r"provenance\.json: model: Field required"):
        card_of(spec, tmp_path / "results")


def test_a_folder_without_results_of_the_model_is_refused(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    with pytest.raises(UsageError, match=r"no result of 'minilm2' in .*; did you mean minilm\?"):
        card_of(topic_spec("minilm2"), tmp_path)


def test_no_name_becomes_markup(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script> [x](javascript:y) | `c`"
    spec = topic_spec(hostile, source="hub:x/y", licence=hostile, query_prompt=hostile, family=hostile)
    put_all(tmp_path, MINILM, 0.0, cost=cost_of(1.0, machine=hostile))
    put_all(tmp_path, spec, 0.1, cost=cost_of(1.0, machine=hostile), marks=(hostile,))
    put_card(tmp_path, MINILM, 3)
    put_contamination(tmp_path, "minilm", {})
    header, body = split(card_of(spec, tmp_path))
    assert header["license_name"] == hostile
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = [child for token in reader.parse(body) for child in (token.children or [token])]
    assert not [token for token in tokens if token.type in ("html_block", "html_inline", "link_open")]
    tables = reader.render(body).count("<table>")
    assert tables == 4, "about the model, scores, measures, price: no name broke one"


LATE = topic_spec(
    "mini-late",
    source="hub:someone/late",
    revision="5" * 40,
    kind=ModelKind.LATE_INTERACTION,
    family="minilm",
)
RERANKER = "rerank:mini-late:minilm"


@pytest.mark.parametrize("filed_under", ["mini-late", RERANKER])
def test_a_late_models_card_has_the_results_of_what_it_reranks(tmp_path: Path, filed_under: str) -> None:
    put_all(tmp_path, MINILM, 0.0)
    put_all(tmp_path, (LATE, MINILM), 0.05, name=RERANKER)
    put_contamination(tmp_path, file_name(filed_under), {"beta:test": ["q1", "q2"]})
    put_contamination(tmp_path, "minilm", {"beta:test": []})
    registry = {each.name: each for each in (MINILM, LATE)}
    card = model_card(CardRequest(LATE, tmp_path, registry, Terms(), retriever=RERANKER))
    header, body = split(card)
    assert header["base_model"] == "someone/mini"
    assert body.startswith("\n# mini-late\n")
    assert (
        "These are results of `rerank:mini-late:minilm`: the model puts the best 100 documents that minilm"
        in body
    )
    assert next(row for row in rows(body) if row[0] == "beta:test")[3:5] == ["+5.0 [+5.0, +5.0]", "better"]
    assert "Verdicts are beside minilm" in body
    assert "2 leaks of medical-local in triplets.jsonl." in body
    assert "2 of 40" in body
    assert body.count("medsearch contamination") == 1, "that of the model reranked is on its own card"
    assert f"medsearch index CORPUS --models {RERANKER}" in body
    with pytest.raises(UsageError, match="no result of 'mini-late'"):
        model_card(CardRequest(LATE, tmp_path, registry, Terms()))


def test_a_rerankers_card_sets_it_beside_what_it_reranks(tmp_path: Path) -> None:
    """Not beside the model that its family is named for, which is there too."""
    dense = replace(MINILM, name="tuned", revision="6" * 40)
    reranker = "rerank:mini-late:tuned"
    put_all(tmp_path, MINILM, 0.0)
    put_all(tmp_path, dense, 0.1)
    put_all(tmp_path, (LATE, dense), 0.15, name=reranker)
    registry = {each.name: each for each in (MINILM, dense, LATE)}
    _, body = split(model_card(CardRequest(LATE, tmp_path, registry, Terms(), retriever=reranker)))
    assert next(row for row in rows(body) if row[0] == "beta:test")[3:5] == ["+5.0 [+5.0, +5.0]", "better"]
    assert "Verdicts are beside tuned" in body


def test_a_late_model_alone_is_no_dense_model_of_its_size(tmp_path: Path) -> None:
    late = replace(LATE, size=SizeClass.SMALL)
    for spec, shift in ((MINILM, 0.0), (late, 0.05)):
        put_all(tmp_path, spec, shift)
    found = findings_of(tmp_path, FindingsRequest(Terms()))
    assert found.sizes.tables == ()
    row = found.board.row("mini-late")
    assert row is not None
    assert size_of(row) is None
