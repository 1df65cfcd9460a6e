"""Retrievers over stress pairs: one corpus of all passages, no favour to either passage, ties counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import Heard, TopicEncoder, topic_spec
from late_fakes import WordEncoder, word_spec
from stress_material import PAIRS, write_stress

from medsearch.corpora.catalogue import list_corpora
from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.evaluation.stress import Outcome, StressCard
from medsearch.evaluation.stress_pairs import StressPair, StressSet, find_stress_folder, read_stress_set
from medsearch.search.names import models_of
from medsearch.settings import Settings
from medsearch.types import ModelSpec
from medsearch.workbench.stress import run_stress

P, F, T = Outcome.PASSED, Outcome.FAILED, Outcome.TIED


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> list[TopicEncoder]:
    """The stand-in encoder in place of every dense model; those that were loaded."""
    made: list[TopicEncoder] = []

    def load(spec: ModelSpec, *, cache: Path) -> TopicEncoder:
        made.append(TopicEncoder(spec))
        return made[-1]

    monkeypatch.setattr("medsearch.search.searcher.load_encoder", load)
    monkeypatch.setattr("medsearch.search.indexing.load_encoder", load)
    for module in ("searcher", "indexing"):
        monkeypatch.setattr(
            f"medsearch.search.{module}.load_token_encoder", lambda spec, *, cache: WordEncoder(spec)
        )
    return made


def cards(folder: Path, cache: Path, models: str, categories: tuple[str, ...] = ()) -> dict[str, StressCard]:
    settings = Settings((folder.parent,), cache / "index", cache, None)
    registry = {**load_registry(), "topics": topic_spec(), "words": word_spec()}
    registry["prompted"] = topic_spec("prompted", query_prompt="seek: ")
    names, _ = models_of(models, registry)
    made = run_stress(read_stress_set(folder), names, settings, registry, Heard(), categories)
    return {card.retriever: card for card in made}


def test_the_stand_in_model_passes_fails_and_bm25_ties(tmp_path: Path, encoders: list[TopicEncoder]) -> None:
    found = cards(write_stress(tmp_path / "stress"), tmp_path / "cache", "topics,bm25")
    assert found["topics"].outcomes["organ"] == {"organ-1": P, "organ-2": F}
    # "no" is a stop word, and "denies" and "reports" are not asked for: BM25 sees no difference. Nor does
    # any word of organ-1's query stand in its passages.
    assert found["bm25"].outcomes == {"negation": {"negation-1": T}, "organ": {"organ-1": T, "organ-2": P}}
    assert (found["bm25"].all.passed, found["bm25"].all.tied) == (1, 2)
    settings = found["topics"].settings
    assert (settings["documents"], settings["search"], settings["fusion"]) == (6, "exact", None)
    assert settings["models"]["topics"]["revision"] == "1"
    assert len(settings["data_hash"]) == 64


def test_every_passage_is_indexed_once_and_again_never(tmp_path: Path, encoders: list[TopicEncoder]) -> None:
    folder = write_stress(tmp_path / "stress")
    first = cards(folder, tmp_path / "cache", "topics,hybrid:topics")
    again = cards(folder, tmp_path / "cache", "topics", ("organ",))
    texts = sorted(text for rows in PAIRS.values() for row in rows for text in row[2:])
    assert sorted(text for encoder in encoders for text in encoder.documents) == texts
    assert again["topics"].outcomes == {"organ": first["topics"].outcomes["organ"]}
    assert again["topics"].settings["documents"] == 6


def test_where_bm25_ties_what_is_fused_favours_neither_passage(tmp_path: Path) -> None:
    """Equal scores are ordered by document id before ranks are fused: the ids must not tell right from wrong,
    as "…-right" and "…-wrong", the texts themselves or their places in the file would."""
    rows = [
        (f"n-{n}", f"heart {n}", f"Finding {n} heart angina.", f"Finding {n} heart fluids.")
        for n in range(40)
    ]
    found = cards(write_stress(tmp_path / "stress", {"n": rows}), tmp_path / "cache", "bm25")
    assert set(found["bm25"].outcomes["n"].values()) == {T}
    [corpus] = (tmp_path / "cache" / "stress").glob("*/corpus.jsonl")
    lines = [json.loads(line) for line in corpus.read_text("utf-8").splitlines()]
    ids = {line["text"]: line["_id"] for line in lines}
    right_first = sum(ids[right] > ids[wrong] for _, _, right, wrong in rows)
    assert 8 <= right_first <= 32


def test_a_pair_outside_what_a_hybrid_fuses_is_a_tie(tmp_path: Path, encoders: list[TopicEncoder]) -> None:
    near = [(f"near-{n}", "insulin", f"Insulin {n}.", f"Insulin {n} glucose.") for n in range(60)]
    far = [("far-1", "insulin", "The rash may itch.", "The rash may not itch at all.")]
    folder = write_stress(tmp_path / "stress", {"near": near, "far": far})
    found = cards(folder, tmp_path / "cache", "topics,hybrid:topics")
    assert found["topics"].outcomes["far"]["far-1"] in (P, F)
    assert found["hybrid:topics"].outcomes["far"] == {"far-1": T}
    assert found["hybrid:topics"].settings["fusion"] == {"method": "rrf", "k": 60, "depth": 100}


def test_a_model_without_its_prompt_is_another_retriever_over_the_same_index(
    tmp_path: Path, encoders: list[TopicEncoder]
) -> None:
    folder = write_stress(tmp_path / "stress")
    found = cards(folder, tmp_path / "cache", "prompted,prompted@no-prompt")
    declared = [card.settings["declared_query_prompts"] for card in found.values()]
    assert declared == [{"prompted": "seek: "}, {"prompted": "seek: "}]
    used = [card.settings["models"]["prompted"]["query_prompt"] for card in found.values()]
    assert used == ["seek: ", ""]
    assert len([text for encoder in encoders for text in encoder.documents]) == 6
    assert {encoder.spec.query_prompt for encoder in encoders if encoder.queries} == {"seek: ", ""}


def test_a_reranker_is_judged_by_maxsim_of_what_the_first_found(
    tmp_path: Path, encoders: list[TopicEncoder]
) -> None:
    rows = [
        ("n-1", "chest pain", "Chest pain it was.", "Angina it was."),  # both of one topic
        ("n-2", "angina", "Angina it was.", "Chest pain it was."),
        ("n-3", "itchy rash", "Insulin, the rash.", "Chest pain it was."),
    ]
    found = cards(
        write_stress(tmp_path / "stress", {"n": rows}), tmp_path / "cache", "words,rerank:words:bm25"
    )
    assert found["words"].outcomes["n"] == {"n-1": P, "n-2": P, "n-3": P}
    # BM25 finds one passage for "angina", so the other of n-2 is nowhere; what it misses is not reranked.
    assert found["rerank:words:bm25"].outcomes["n"] == {"n-1": P, "n-2": P, "n-3": P}
    settings = found["rerank:words:bm25"].settings
    assert (settings["rerank"]["first"], settings["rerank"]["depth"]) == ("bm25", 100)
    assert list(settings["models"]) == ["words", "bm25"]
    lost = [("n-4", "zebra", "Chest pain it was.", "Angina it was.")]
    card = cards(write_stress(tmp_path / "other", {"n": lost}), tmp_path / "cache", "words,rerank:words:bm25")
    assert card["words"].outcomes["n"]["n-4"] in (P, F)
    assert card["rerank:words:bm25"].outcomes["n"] == {"n-4": T}, "else it is late interaction alone"


def test_a_category_that_is_not_there_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no category sides: there is negation, organ"):
        cards(write_stress(tmp_path / "stress"), tmp_path / "cache", "bm25", ("sides",))
    assert not (tmp_path / "cache").exists()


def test_a_text_that_two_pairs_share_is_one_document(tmp_path: Path, encoders: list[TopicEncoder]) -> None:
    one, other = "The left lung.", "The left heart."
    rows = [("a-1", "lung", one, other), ("a-2", "heart", other, one)]
    found = cards(write_stress(tmp_path / "stress", {"a": rows}), tmp_path / "cache", "topics,bm25")
    assert found["topics"].outcomes["a"] == {"a-1": P, "a-2": P} == found["bm25"].outcomes["a"]
    assert found["topics"].settings["documents"] == 2


def test_the_pairs_are_not_listed_as_a_corpus_of_notes(tmp_path: Path) -> None:
    write_stress(tmp_path / "stress")
    assert list_corpora([tmp_path]) == []


@pytest.mark.slow
def test_bundled_pairs_with_the_real_models(root: Path, tmp_path: Path, model_cache: Path) -> None:
    """Four pairs a category. Cosines of a real model tie on none; BM25 ties where the difference is in no
    word of the query."""
    bundled = read_stress_set(find_stress_folder((root / "data",)))
    few = [pair for name in bundled.categories for pair in _first(bundled, name, 4)]
    stress = replace(bundled, pairs=tuple(few))
    settings = Settings((root / "data",), tmp_path / "index", model_cache, None)
    names, _ = models_of("bm25,minilm,hybrid:minilm", load_registry())
    bm25, minilm, hybrid = run_stress(stress, names, settings, load_registry(), Heard())
    assert [card.all.pairs for card in (bm25, minilm, hybrid)] == [len(few)] * 3
    assert (minilm.all.tied, bm25.all.tied > 0) == (0, True)
    assert all(0 < card.all.passed < len(few) for card in (bm25, minilm, hybrid))
    assert list(hybrid.settings["models"]) == ["minilm", "bm25"]
    assert minilm.settings["models"]["minilm"]["source"].startswith("package:")


def _first(stress: StressSet, category: str, count: int) -> list[StressPair]:
    return [pair for pair in stress.pairs if pair.category == category][:count]
