"""A reranked retriever is compared openly, and never with one of its name that reranked otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from compare_material import (
    BM25,
    MINI,
    PROMPTED,
    TASKS,
    TUNED,
    change,
    read,
    record_of,
    settings_of,
    some_scores,
    write_record,
    write_result,
)
from late_fakes import word_spec

from medsearch.evaluation.fairness import fairness_of
from medsearch.evaluation.guards import Allowed, Pair, UnfairError, one_result
from medsearch.types import ModelSpec

TASK, OTHER = TASKS
PLAIN = Allowed()
WORDS = word_spec(source="hub:someone/words", revision="4" * 40, query_prompt="[Q] ")


def result(folder: Path, spec: ModelSpec, task: str = TASK) -> Path:
    return write_result(folder, task, spec, some_scores(1))


def refused(*pairs: Pair) -> str:
    with pytest.raises(UnfairError) as caught:
        fairness_of(pairs, PLAIN)
    return str(caught.value)


def reranked(folder: Path, first: str, *specs: ModelSpec, task: str = TASK, depth: int = 100) -> Path:
    settings = settings_of(task, WORDS, *specs)
    settings["fusion"] = settings["fusion"] if first.startswith("hybrid:") else None
    settings["rerank"] = {"method": "maxsim", "model": "words", "first": first, "depth": depth}
    return write_record(folder, record_of(task, f"rerank:words:{first}", some_scores(5), settings))


def test_how_a_retriever_reranks_is_shown_beside_one_that_does_not(tmp_path: Path) -> None:
    plain, after = read(result(tmp_path, MINI)), read(reranked(tmp_path, "mini", MINI))
    fairness = fairness_of([(plain, after)], PLAIN)
    nothing, how = fairness.shown["rerank"]
    assert nothing is None
    assert (how["first"], how["depth"]) == ("mini", 100)
    assert fairness.shown["name"] == ("mini", "words")
    assert fairness_of([(plain, read(result(tmp_path, BM25)))], PLAIN).shown["rerank"] == (None, None)
    other = change(
        reranked(tmp_path / "other", "mini", MINI), "settings", "models", "mini", "max_tokens", to=9
    )
    assert "differ in max_tokens of mini (64, 9)" in refused((plain, read(other)))


def test_two_rerankers_must_go_as_deep_but_may_rerank_different_rankings(tmp_path: Path) -> None:
    a, b = reranked(tmp_path, "mini", MINI), reranked(tmp_path, "hybrid:tuned", TUNED, BM25)
    fairness = fairness_of([(read(a), read(b))], PLAIN)
    assert [side["first"] for side in fairness.shown["rerank"]] == ["mini", "hybrid:tuned"]
    change(b, "settings", "rerank", "depth", to=50)
    assert refused((read(a), read(b))) == (
        f"{TASK}: rerank:words:mini and rerank:words:hybrid:tuned differ in depth of reranking (100, 50), so "
        "their scores cannot be compared: evaluate both alike"
    )


def test_results_of_one_reranker_that_reranked_otherwise_are_not_mixed(tmp_path: Path) -> None:
    pairs = [
        (reranked(tmp_path, "mini", MINI, task=task), result(tmp_path, MINI, task)) for task in (TASK, OTHER)
    ]
    assert fairness_of([(read(a), read(b)) for a, b in pairs], PLAIN).checked
    change(pairs[1][0], "settings", "rerank", "depth", to=50)
    message = refused(*((read(a), read(b)) for a, b in pairs))
    assert message.startswith(
        f"rerank:words:mini differs in depth of reranking between {TASK} (100) and {OTHER}"
    )
    second = reranked(tmp_path / "other", "mini", MINI, depth=50)
    with pytest.raises(UnfairError, match=r"two results that differ in depth of reranking \(100, 50\)"):
        one_result([read(pairs[0][0]), read(second)])


@pytest.mark.parametrize("without", [WORDS.name, PROMPTED.name])
def test_a_prompt_that_either_model_of_a_reranker_lacks_is_missed(tmp_path: Path, without: str) -> None:
    a, b = result(tmp_path, PROMPTED), reranked(tmp_path, "prompted", PROMPTED)
    assert fairness_of([(read(a), read(b))], PLAIN).checked
    change(b, "settings", "models", without, "query_prompt", to="")
    assert f"{without} was run without its query prompt" in refused((read(a), read(b)))


def test_the_type_of_stored_vectors_is_shown_where_one_side_has_it(tmp_path: Path) -> None:
    plain, file = read(result(tmp_path, MINI)), reranked(tmp_path, "mini", MINI)
    assert "stored_vectors" not in fairness_of([(plain, read(file))], PLAIN).shown
    change(file, "settings", "stored_vectors", to={"words": "float16"})
    shown = fairness_of([(plain, read(file))], PLAIN).shown
    assert shown["stored_vectors"] == (None, {"words": "float16"})
    assert shown["name"] == ("mini", "words")
