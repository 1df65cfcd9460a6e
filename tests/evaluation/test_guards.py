"""Two results are compared only where every field that must be equal is, and the message names the first."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from compare_material import (
    BM25,
    MINI,
    PROMPTED,
    TUNED,
    change,
    read,
    record_of,
    settings_of,
    some_scores,
    write_record,
    write_result,
)

from medsearch.evaluation.fairness import Fairness, fairness_of
from medsearch.evaluation.guards import Allowed, Pair, UnfairError, one_result
from medsearch.evaluation.results import TaskResult
from medsearch.types import ModelSpec

TASK = "covid_faq/en:test"
OTHER = "meqsum:dev"
PLAIN = Allowed()


def result(folder: Path, spec: ModelSpec, task: str = TASK, *, seed: int = 1) -> Path:
    return write_result(folder, task, spec, some_scores(seed))


def hybrid(folder: Path, spec: ModelSpec, bm25: ModelSpec = BM25) -> Path:
    record = record_of(TASK, f"hybrid:{spec.name}", some_scores(3), settings_of(TASK, spec, bm25))
    return write_record(folder, record)


def refused(*pairs: Pair, allowed: Allowed = PLAIN) -> str:
    with pytest.raises(UnfairError) as caught:
        fairness_of(pairs, allowed)
    assert caught.value.exit_code == 1
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("corpus_hash", "f" * 64, "'covid_faq/en:test documents', ffffffffffff"),
        ("queries_hash", "x", "'covid_faq/en:test queries', 'x'"),
        ("qrels_hash", "x", "'covid_faq/en:test judgements', 'x'"),
        ("ignore_identical_ids", True, "false, true"),
        ("passages", {"max_tokens": 200}, "'whole documents', {\"max_tokens\": 200}"),
        ("search", "approximate", "'exact', 'approximate'"),
        ("depth", 100, "1000, 100"),
        ("engine", "qdrant-edge-py 2", "'qdrant-edge-py 1', 'qdrant-edge-py 2'"),
        ("backend", "torch", "'onnx', 'torch'"),
        ("dtype", "int8", "'float32', 'int8'"),
    ],
)
def test_a_setting_that_differs_is_refused_by_its_name(
    tmp_path: Path, field: str, value: object, shown: str
) -> None:
    a, b = result(tmp_path, MINI), result(tmp_path, TUNED)
    assert fairness_of([(read(a), read(b))], PLAIN).checked
    change(b, "settings", field, to=value)
    assert refused((read(a), read(b))) == (
        f"{TASK}: mini and tuned differ in {field} ({shown}), so their scores cannot be compared: evaluate "
        "both alike"
    )
    # What is said by both and differs stays refused, whatever else the user lets pass.
    assert f"differ in {field} " in refused((read(b), read(a)), allowed=Allowed(unchecked=True))


def test_bm25_has_no_number_type_or_backend_to_share(tmp_path: Path) -> None:
    dense, sparse = result(tmp_path, MINI), result(tmp_path, BM25)
    change(sparse, "settings", "dtype", to="none")
    fairness = fairness_of([(read(dense), read(sparse))], PLAIN)
    assert fairness.shown["dtype"] == ("float32", "none")
    assert "dtype" not in fairness.equal
    change(sparse, "settings", "engine", to="another")
    assert "differ in engine" in refused((read(dense), read(sparse)))


def test_other_documents_or_queries_are_refused_even_under_equal_hashes(tmp_path: Path) -> None:
    a, b = result(tmp_path, MINI), result(tmp_path, TUNED)
    change(b, "documents", to=99)
    assert "differ in documents (100, 99)" in refused((read(a), read(b)))
    b = write_result(tmp_path, TASK, TUNED, some_scores(1, queries=41))
    assert "differ in queries (only one of them scored 'q40') (40, 41)" in refused((read(a), read(b)))


@pytest.mark.parametrize(
    ("path", "absent"),
    [
        (("settings", "models"), "models"),
        (("settings", "corpus_hash"), "corpus_hash"),
        (("settings", "declared_query_prompts"), "declared_query_prompts"),
        (("settings", "dtype"), "dtype"),
    ],
)
def test_a_result_that_does_not_say_how_it_was_made_needs_unchecked(
    tmp_path: Path, path: tuple[str, ...], absent: str
) -> None:
    a, b = result(tmp_path, MINI), change(result(tmp_path, TUNED), *path, to=...)
    assert refused((read(a), read(b))) == (
        f"{TASK}: the result of tuned does not say {absent} (it is of an older medsearch: {b}), so "
        "fairness cannot be checked: evaluate the model itself, or add --unchecked"
    )
    change(b, "settings", "run", to="my.run")
    assert "(it was made from a run file: " in refused((read(a), read(b)))
    assert not fairness_of([(read(a), read(b))], Allowed(unchecked=True)).checked


@pytest.mark.parametrize(
    ("used", "said"),
    [
        ("", "prompted was run without its query prompt 'query: ' (query_prompt): run `medsearch evaluate "),
        (
            "query:",
            "prompted was run behind 'query:' and not its query prompt 'query: ' (query_prompt): run ",
        ),
    ],
)
def test_a_declared_prompt_that_was_not_used_is_refused(tmp_path: Path, used: str, said: str) -> None:
    a, b = result(tmp_path, MINI), result(tmp_path, PROMPTED)
    assert fairness_of([(read(a), read(b))], PLAIN).shown["query_prompt"] == ("", "query: ")
    change(b, "settings", "models", "prompted", "query_prompt", to=used)
    for pair in ((read(a), read(b)), (read(b), read(a))):
        assert refused(pair, allowed=Allowed(unchecked=True)).startswith(f"{TASK}: {said}")
    assert f"--models prompted --out {tmp_path}` and compare prompted; --with" in refused((read(a), read(b)))


def test_a_hybrid_whose_model_lacks_its_prompt_is_refused_unless_it_says_so_by_name(tmp_path: Path) -> None:
    settings = settings_of(TASK, replace(PROMPTED, query_prompt=""), BM25)
    settings["declared_query_prompts"]["prompted"] = "query: "
    name = "hybrid:prompted@no-prompt"
    b = read(write_record(tmp_path, record_of(TASK, name, some_scores(2), settings)))
    a = read(hybrid(tmp_path, PROMPTED))
    assert "--models hybrid:prompted --out" in refused((a, b))
    assert fairness_of([(a, b)], Allowed(no_prompt=frozenset({name}))).checked
    assert "without its query prompt" in refused((a, b), allowed=Allowed(no_prompt=frozenset({"other"})))


@pytest.mark.parametrize(
    ("field", "value"), [("revision", "9" * 40), ("pooling", "cls"), ("max_tokens", 9), ("query_prompt", "q")]
)
def test_a_model_that_both_use_must_be_the_same(tmp_path: Path, field: str, value: object) -> None:
    a, b = result(tmp_path, MINI), hybrid(tmp_path, MINI)
    assert fairness_of([(read(a), read(b))], PLAIN).checked
    change(b, "settings", "models", "mini", field, to=value)
    assert f"mini and hybrid:mini differ in {field} of mini (" in refused((read(a), read(b)))


def test_hybrids_must_fuse_alike_and_share_their_bm25(tmp_path: Path) -> None:
    a, b = hybrid(tmp_path, MINI), hybrid(tmp_path, TUNED)
    assert fairness_of([(read(a), read(b))], PLAIN).equal["fusion"]["k"] == 60
    change(b, "settings", "fusion", "k", to=10)
    assert "differ in fusion (" in refused((read(a), read(b)))
    b = hybrid(tmp_path, TUNED, replace(BM25, parameters={"k1": 9.0}))
    assert "differ in parameters of bm25 (" in refused((read(a), read(b)))
    # Against a model alone the fusion is what is compared.
    fairness = fairness_of([(read(result(tmp_path, TUNED)), read(a))], PLAIN)
    assert fairness.shown["fusion"] == (None, {"method": "rrf", "k": 60, "depth": 100})


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("settings", "models", "mini", "revision"), "9" * 40, "revision of mini"),
        (("settings", "models", "mini", "pooling"), "cls", "pooling of mini"),
        (("settings", "models", "mini", "document_prompt"), "d", "document_prompt of mini"),
        (("settings", "models", "mini", "max_tokens"), 9, "max_tokens of mini"),
        (("settings", "dtype"), "float16", "dtype"),
        (("settings", "search"), "approximate", "search"),
    ],
)
def test_a_mean_over_two_states_of_one_model_is_refused(
    tmp_path: Path, path: tuple[str, ...], value: Any, field: str
) -> None:
    pairs = [(result(tmp_path, MINI, task), result(tmp_path, BM25, task)) for task in (TASK, OTHER)]
    assert fairness_of([(read(a), read(b)) for a, b in pairs], PLAIN).checked
    change(pairs[1][0], *path, to=value)
    if path[1] != "models":  # otherwise A and B of this task differ already
        change(pairs[1][1], *path, to=value)
    message = refused(*((read(a), read(b)) for a, b in pairs))
    assert message.startswith(f"mini differs in {field} between {TASK} (")
    assert f" and {OTHER} (" in message
    assert message.endswith("so these are not results of one model: evaluate one of the tasks again")


def test_what_is_a_tasks_own_or_changes_no_score_may_differ_between_tasks(tmp_path: Path) -> None:
    pairs = [(result(tmp_path, MINI, task), result(tmp_path, BM25, task)) for task in (TASK, OTHER)]
    for file in pairs[1]:
        change(file, "settings", "ignore_identical_ids", to=True)
    change(pairs[1][0], "settings", "models", "mini", "licence", to="mit")
    fairness = fairness_of([(read(a), read(b)) for a, b in pairs], PLAIN)
    assert fairness.equal["ignore_identical_ids"] == {TASK: False, OTHER: True}
    assert fairness.equal["queries"] == {TASK: 40, OTHER: 40}
    assert fairness.equal["search"] == "exact"


@pytest.mark.parametrize(
    ("spec", "noted"),
    [
        (TUNED, ["max_tokens (64, 128)", "query_prompt ('query: ', '')"]),
        (replace(TUNED, family="", name="base", max_tokens=64), ["query_prompt ('query: ', '')"]),
        (replace(TUNED, family="else"), []),
    ],
)
def test_within_a_family_what_explains_a_difference_without_training_is_noted(
    tmp_path: Path, spec: ModelSpec, noted: list[str]
) -> None:
    pair = read(result(tmp_path, PROMPTED)), read(result(tmp_path, spec))
    notes = fairness_of([pair], PLAIN).notes
    assert [note.split("differ in ")[1].split(":  ")[0].split("): ")[0] + ")" for note in notes] == noted
    assert all(note.startswith("both are of the family base but differ in") for note in notes)


def test_results_of_two_revisions_of_medsearch_are_noted(tmp_path: Path) -> None:
    a, b = result(tmp_path, MINI), change(result(tmp_path, BM25), "git_revision", to="0" * 40)
    [note] = fairness_of([(read(a), read(b))], PLAIN).notes
    assert note.startswith(
        "made by different revisions of medsearch ('abc', 000000000000): evaluate both again"
    )


def test_of_two_results_of_one_retriever_equal_copies_are_one_and_others_are_refused(tmp_path: Path) -> None:
    first = result(tmp_path, MINI)
    record = record_of(TASK, "mini", some_scores(1), settings_of(TASK, MINI))
    second = write_record(tmp_path, record, number=2)

    def both() -> list[TaskResult]:
        return [read(first), read(second)]

    assert one_result(both()).file == first
    change(second, "per_query", "mini", "q1", "nDCG@10", to=0.0)
    with pytest.raises(
        UnfairError, match="whose scores differ although their settings do not: covid_faq--en"
    ):
        one_result(both())
    change(second, "settings", "models", "mini", to=asdict(replace(MINI, revision="9" * 40)))
    with pytest.raises(UnfairError) as caught:
        one_result(both())
    assert str(caught.value) == (
        f"{TASK}: mini has two results that differ in revision of mini (111111111111, 999999999999): "
        f"covid_faq--en.test.mini.json and covid_faq--en.test.mini.2.json in {tmp_path}; keep one of them"
    )


@pytest.mark.parametrize("changed", [{}, {"source": "path:copy", "sha256": "a" * 64}])
def test_a_prompt_left_out_under_a_second_name_of_the_same_weights_is_refused(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    prompted = replace(PROMPTED, sha256="a" * 64) if changed else PROMPTED
    bare = replace(PROMPTED, name="mine-np", query_prompt="", **changed)
    a, b = read(result(tmp_path, bare)), read(result(tmp_path, prompted))
    for pair in ((a, b), (b, a)):  # what the other result says of these weights is enough
        assert refused(pair, allowed=Allowed(unchecked=True)) == (
            f"{TASK}: mine-np was run without its query prompt 'query: ' (query_prompt of prompted, which is "
            f"the same model): run `medsearch evaluate covid_faq/en --split test --models prompted --out "
            f"{tmp_path}` and compare prompted; --with-and-without-prompt shows what it is worth"
        )
    other = read(result(tmp_path, MINI))
    assert fairness_of([(other, a)], PLAIN).checked  # nothing says that there is a prompt
    assert "query_prompt of prompted" in refused((other, a), allowed=Allowed(registry=(prompted, MINI)))
    hybrid_bare = read(hybrid(tmp_path, bare))
    said = refused((other, hybrid_bare), allowed=Allowed(registry=(prompted,)))
    assert "--models hybrid:prompted --out" in said
    # A prompt of its own is not that of the entry either.
    own = read(result(tmp_path, replace(bare, query_prompt="q")))
    assert "mine-np was run behind 'q' and not its query prompt 'query: '" in refused((own, b))


def test_notes_and_shown_fields_are_of_all_tasks(tmp_path: Path) -> None:
    pairs = [(result(tmp_path, MINI, task), result(tmp_path, BM25, task)) for task in (TASK, OTHER)]

    def fairness() -> Fairness:
        return fairness_of([(read(a), read(b)) for a, b in pairs], PLAIN)

    assert fairness().notes == ()
    change(pairs[1][1], "git_revision", to="0" * 40)
    [note] = fairness().notes
    assert note == (
        f"made by different revisions of medsearch ('abc': A on {TASK}, A on {OTHER}, B on {TASK}; "
        f"000000000000: B on {OTHER}): evaluate both again if what changed between them could change scores"
    )
    assert fairness().shown["git_revision"] == ("abc", {TASK: "abc", OTHER: "0" * 40})
    change(pairs[1][0], "git_revision", to="0" * 40)  # A and B alike, but not over the tasks
    assert fairness().notes[0].startswith("made by different revisions of medsearch (")
    change(pairs[1][1], "settings", "models", "bm25", "licence", to="other")
    assert fairness().shown["licence"] == ("none", {TASK: "apache-2.0", OTHER: "other"})


def test_two_results_of_changed_code_are_noted_as_possibly_different_code(tmp_path: Path) -> None:
    a, b = result(tmp_path, MINI), result(tmp_path, BM25)
    for file in (a, b):
        change(file, "git_revision", to="0" * 40 + "+changes")
    [note] = fairness_of([(read(a), read(b))], PLAIN).notes
    assert note.startswith(
        "made by code that was changed and not committed (000000000000+changes): it may have"
    )
    change(a, "git_revision", to="0" * 40)
    [note] = fairness_of([(read(a), read(b))], PLAIN).notes
    assert "different revisions of medsearch (000000000000, 000000000000+changes)" in note


@pytest.mark.parametrize("nonsense", [None, 5, "x", [], {"mini": 5}, {"mini": {"query_prompt": 5}}])
def test_settings_of_no_sense_are_no_traceback(tmp_path: Path, nonsense: object) -> None:
    a, b = result(tmp_path, MINI), result(tmp_path, BM25)
    for key in ("models", "declared_query_prompts", "fusion", "passages"):
        for file in (a, b):
            change(file, "settings", key, to=nonsense)
        with suppress(UnfairError):
            fairness_of([(read(a), read(b))], PLAIN)
