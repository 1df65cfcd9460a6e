"""A comparison from a folder of results: what is paired, judged, refused, and what a prompt is worth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from compare_material import (
    BM25,
    MINI,
    PROMPTED,
    TASKS,
    TUNED,
    change,
    compared,
    kept_scores,
    record_of,
    settings_of,
    some_scores,
    two_tasks,
    write_record,
    write_result,
)

from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.guards import UnfairError
from medsearch.evaluation.significance import holm
from medsearch.evaluation.verdicts import compare_means, compare_scores
from medsearch.workbench.comparison.record import compare_record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return two_tasks(tmp_path / "results")


def test_the_record_has_the_promised_shape_and_the_statistics_numbers(folder: Path) -> None:
    record = json.loads(json.dumps(compare_record(compared(folder))))
    assert list(record["tasks"]) == list(TASKS)
    scores = {task: [kept_scores(folder, task, name) for name in ("mini", "bm25")] for task in TASKS}
    alone = {task: compare_scores(a, b) for task, (a, b) in scores.items()}
    mean = compare_means({task: (a, b) for task, (a, b) in scores.items()})
    corrected = holm({**{task: found.p for task, found in alone.items()}, "mean": mean.p})
    for task, found in alone.items():
        row = record["tasks"][task]
        assert set(row) == {
            "a", "b", "difference", "ci", "p", "p_holm", "wins", "ties", "losses", "verdict", "queries",
            "distinct_queries", "effect_size", "smallest_detectable", "marks",
        }  # fmt: skip
        assert row["a"] == pytest.approx(sum(scores[task][0].values()) / 40)
        assert (row["difference"], row["p"]) == (found.difference, found.p)
        assert (row["ci"], row["p_holm"]) == (list(found.ci), corrected[task])
        assert row["marks"] == {"a": [], "b": []}
    assert record["tasks"][TASKS[0]]["verdict"] == "better"
    assert record["tasks"][TASKS[1]]["verdict"] == "not distinguishable with 40 queries"
    assert record["mean"]["p_holm"] == corrected["mean"]
    assert record["mean"]["difference"] == pytest.approx(sum(f.difference for f in alone.values()) / 2)
    assert (record["a"], record["b"], record["measure"], record["comparisons"]) == (
        "mini",
        "bm25",
        "nDCG@10",
        3,
    )
    assert set(record["fairness"]) == {"checked", "equal", "shown", "notes"}
    assert record["fairness"]["shown"]["revision"] == {"a": "1" * 40, "b": "1"}
    nothing = ("looks", "stress", "contamination", "prompts")
    assert {key: record[key] for key in nothing} == {
        "looks": {"a": None, "b": None}, "stress": None, "contamination": None, "prompts": None,
    }  # fmt: skip


def test_the_other_way_round_everything_is_mirrored(folder: Path) -> None:
    there, back = (
        compare_record(compared(folder, a, b))["tasks"][TASKS[0]]
        for a, b in (("mini", "bm25"), ("bm25", "mini"))
    )
    assert back["difference"] == -there["difference"]
    assert (back["wins"], back["losses"]) == (there["losses"], there["wins"])
    assert (there["verdict"], back["verdict"]) == ("better", "worse")


def test_of_one_task_the_mean_is_that_task_and_is_not_corrected_for(folder: Path) -> None:
    record = compare_record(compared(folder, tasks=(TASKS[0],)))
    assert record["comparisons"] == 1
    assert record["mean"] == record["tasks"][TASKS[0]]
    assert record["mean"]["p_holm"] == record["mean"]["p"]


def test_tasks_that_only_one_has_are_named_as_left_out(folder: Path) -> None:
    write_result(folder, "own:dev", MINI, some_scores(5))
    write_result(folder, "x:dev", BM25, some_scores(5))
    found = compared(folder)
    assert found.paired.left_out == {"own:dev": "mini", "x:dev": "bm25"}
    assert list(found.judged.tasks) == list(TASKS)
    # Those who name their tasks have left the others out themselves, and that is said too.
    assert found.paired.by_request == ()
    asked = compared(folder, tasks=(TASKS[1],))
    assert asked.paired.left_out == {}
    assert asked.paired.by_request == (TASKS[0], "own:dev", "x:dev")
    assert compare_record(asked)["left_out_by_request"] == [TASKS[0], "own:dev", "x:dev"]


def test_a_prompt_left_out_under_another_name_is_refused_by_the_registry(folder: Path) -> None:
    bare = replace(PROMPTED, name="mine-np", query_prompt="")
    write_result(folder, TASKS[0], bare, some_scores(0))
    assert compared(folder, b="mine-np").fairness.checked
    with pytest.raises(
        UnfairError, match=r"mine-np was run without its query prompt 'query: ' \(query_prompt of pro"
    ):
        compared(folder, b="mine-np", registry=(PROMPTED,))
    write_result(folder, TASKS[0], PROMPTED, some_scores(0))
    with pytest.raises(UnfairError, match="compare prompted; --with-and-without-prompt shows"):
        compared(folder, a="mine-np", b="prompted")


def test_queries_that_two_tasks_ask_are_counted_once_in_the_mean(folder: Path) -> None:
    before = compare_record(compared(folder))
    for file in folder.glob("*.json"):
        change(file, "query_keys", to={f"q{n}": f"words {n}" for n in range(40)})
    after = compare_record(compared(folder))
    assert after["tasks"] == {task: row | {"p_holm": row["p_holm"]} for task, row in before["tasks"].items()}
    assert (before["mean"]["queries"], before["mean"]["distinct_queries"]) == (80, 80)
    assert (after["mean"]["queries"], after["mean"]["distinct_queries"]) == (80, 40)
    keys = {task: {f"q{n}": f"words {n}" for n in range(40)} for task in TASKS}
    scores = {task: (kept_scores(folder, task, "mini"), kept_scores(folder, task, "bm25")) for task in TASKS}
    assert after["mean"]["ci"] == list(compare_means(scores, keys=keys).ci) != before["mean"]["ci"]


def test_parts_of_an_mteb_task_weigh_as_one_task(folder: Path) -> None:
    for subset, shift in (("en", 0.1), ("fr", 0.3)):
        for spec, more in ((MINI, 0.0), (BM25, shift)):
            write_result(folder, f"mteb:N/{subset}:all", spec, dict.fromkeys(("q1", "q2"), 0.2 + more))
    record = compare_record(compared(folder))
    differences = {task: row["difference"] for task, row in record["tasks"].items()}
    own = sum(differences[task] for task in TASKS)
    assert record["mean"]["difference"] == pytest.approx((own + (0.1 + 0.3) / 2) / 3)
    assert sum(record["weights"].values()) == pytest.approx(1)
    assert record["weights"]["mteb:N/fr:all"] == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"b": "bm52"}, UsageError, "no result of 'bm52' in .*; did you mean bm25"),
        ({"b": "zzz"}, UsageError, "no result of 'zzz' in .*; there are bm25, mini"),
        ({"b": "mini"}, UsageError, "both sides are 'mini': name two different"),
        ({"measure": "nDCG@5"}, UsageError, "unknown measure 'nDCG@5'; there are nDCG@10"),
        (
            {"tasks": ("meqsum:test",)},
            UsageError,
            "no result on the task 'meqsum:test'; did you mean meqsum:dev",
        ),
        ({"tasks": ("zzz",)}, UsageError, "no result on the task 'zzz'; there are covid_faq/en:test, m"),
        (
            {"tasks": ("own:dev",)},
            UsageError,
            "bm25 has no result on own:dev: leave the task out, or evaluate",
        ),
    ],
)
def test_what_is_not_there_is_said(
    folder: Path, changes: dict[str, Any], error: type[MedsearchError], said: str
) -> None:
    write_result(folder, "own:dev", MINI, some_scores(5))
    with pytest.raises(error, match=said):
        compared(folder, **changes)


def test_a_folder_that_is_not_there_or_has_no_results_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: no such folder; make one with `medsearch evaluate"):
        compared(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="has no results: make some with"):
        compared(tmp_path)


def test_retrievers_without_a_task_in_common_fail(folder: Path) -> None:
    write_result(folder, "own:dev", TUNED, some_scores(5))
    with pytest.raises(MedsearchError) as caught:
        compared(folder, b="tuned")
    assert str(caught.value) == (
        "mini and tuned have no task in common: mini has covid_faq/en:test, meqsum:dev; tuned has own:dev"
    )
    assert caught.value.exit_code == 1


def test_a_file_that_is_no_result_is_named(folder: Path) -> None:
    (folder / "broken.json").write_text('{"per_query": ')
    with pytest.raises(MedsearchError, match=r"broken\.json: not readable as a result"):
        compared(folder)
    (folder / "broken.json").unlink()
    change(folder / "meqsum.dev.mini.json", "per_query", "mini", "q3", "nDCG@10", to=float("nan"))
    with pytest.raises(MedsearchError, match=r"meqsum.*'?q3'?"):
        compared(folder)


def test_two_results_of_other_settings_are_refused_with_their_files(folder: Path) -> None:
    record = record_of(TASKS[1], "mini", some_scores(5), settings_of(TASKS[1], MINI))
    change(write_record(folder, record, number=2), "settings", "passages", to={"max_tokens": 200})
    with pytest.raises(UnfairError, match=r"differ in passages .*meqsum.dev.mini.2.json.* keep one"):
        compared(folder)


def test_unchecked_lets_a_run_from_elsewhere_pass_and_marks_it(folder: Path) -> None:
    settings = {"run": "their.run", "qrels": "of the corpus", "ignore_identical_ids": False, "rejects": 0}
    write_record(folder, record_of(TASKS[0], "their", some_scores(0, shift=0.1), settings))
    with pytest.raises(UnfairError, match="it was made from a run file"):
        compared(folder, b="their")
    record = compare_record(compared(folder, b="their", unchecked=True))
    assert record["tasks"][TASKS[0]]["verdict"] == "better"
    assert record["tasks"][TASKS[0]]["marks"] == {"a": [], "b": ["fairness not checked"]}
    assert record["mean"]["marks"]["b"] == ["fairness not checked"]
    assert record["fairness"]["checked"] is False


def without_prompt(folder: Path, task: str, scores: Mapping[str, float]) -> None:
    settings = settings_of(task, replace(PROMPTED, query_prompt=""))
    settings["declared_query_prompts"]["prompted"] = PROMPTED.query_prompt
    file = write_record(folder, record_of(task, "prompted@no-prompt", scores, settings))
    change(file, "marks", "prompted@no-prompt", to=["no query prompt"])


def test_the_worth_of_a_prompt_is_shown_for_the_model_that_declares_one(folder: Path) -> None:
    for number, task in enumerate(TASKS):
        write_result(folder, task, PROMPTED, some_scores(number, shift=0.1))
        without_prompt(folder, task, some_scores(number))
    assert compared(folder, b="prompted").prompts is None
    [worth] = compare_record(compared(folder, b="prompted", prompts=True))["prompts"]
    assert worth["retriever"] == "prompted"
    assert worth["missing"] == {}
    assert worth["commands"] == []
    for row in (*worth["tasks"].values(), worth["mean"]):
        assert row["difference"] == pytest.approx(0.1)
        assert row["verdict"] == "better"
    assert compare_record(compared(folder, prompts=True))["prompts"] == []


def test_a_prompt_whose_worth_is_not_known_comes_with_the_command_to_learn_it(folder: Path) -> None:
    for number, task in enumerate(TASKS):
        write_result(folder, task, PROMPTED, some_scores(number, shift=0.1))
    [worth] = compare_record(compared(folder, b="prompted", prompts=True))["prompts"]
    assert (worth["tasks"], worth["mean"]) == ({}, None)
    assert worth["commands"] == [
        f"`medsearch evaluate SUITE --models prompted@no-prompt --out {folder}` (for {', '.join(TASKS)})"
    ]
    without_prompt(folder, TASKS[0], some_scores(0))
    [worth] = compare_record(compared(folder, b="prompted", prompts=True))["prompts"]
    assert list(worth["tasks"]) == [TASKS[0]]
    assert worth["missing"] == {"prompted@no-prompt": [TASKS[1]]}


def test_a_retriever_without_its_prompt_is_compared_only_to_show_what_it_is_worth(folder: Path) -> None:
    without_prompt(folder, TASKS[0], some_scores(0))
    with pytest.raises(UnfairError, match="prompted was run without its query prompt 'query: '"):
        compared(folder, b="prompted@no-prompt")
    record = compare_record(compared(folder, b="prompted@no-prompt", prompts=True))
    assert record["tasks"][TASKS[0]]["marks"]["b"] == ["no query prompt"]
    assert record["prompts"][0]["missing"] == {"prompted": [TASKS[0]]}


def test_a_prompt_left_out_under_the_plain_name_is_refused_whatever_is_asked(folder: Path) -> None:
    file = write_result(folder, TASKS[0], PROMPTED, some_scores(0))
    change(file, "settings", "models", "prompted", "query_prompt", to="")
    for prompts in (False, True):
        with pytest.raises(UnfairError, match="prompted was run without its query prompt"):
            compared(folder, b="prompted", prompts=prompts)


def test_with_and_without_a_prompt_must_differ_in_nothing_else(folder: Path) -> None:
    write_result(folder, TASKS[0], PROMPTED, some_scores(0))
    without_prompt(folder, TASKS[0], some_scores(0))
    change(
        folder / "covid_faq--en.test.prompted@no-prompt.json",
        "settings", "models", "prompted", "max_tokens", to=9,
    )  # fmt: skip
    with pytest.raises(UnfairError, match="prompted@no-prompt and prompted differ in max_tokens of prompted"):
        compared(folder, b="prompted", prompts=True)
