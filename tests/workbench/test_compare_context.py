"""What is shown beside a comparison: leaked queries, looks, candidates, marks, stress cards and price."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from compare_material import (
    BM25,
    MINI,
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

from medsearch.errors import MedsearchError
from medsearch.evaluation.looks import Look, record_looks
from medsearch.evaluation.provenance import (
    Provenance,
    Selection,
    SelectionTask,
    TrainingData,
    write_provenance,
)
from medsearch.evaluation.selection_leak import FORCED
from medsearch.evaluation.stress import Outcome, StressCard
from medsearch.evaluation.stress_cards import write_card
from medsearch.evaluation.verdicts import compare_scores
from medsearch.types import ModelSpec
from medsearch.workbench.comparison.record import compare_record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return two_tasks(tmp_path / "results")


def leak_report(folder: Path, name: str, queries: Mapping[str, Sequence[str]], **more: Any) -> Path:
    file = folder / "contamination" / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    by_benchmark = {task: {"queries": 40, "leaked_queries": list(ids)} for task, ids in queries.items()}
    leaks = sum(map(len, queries.values()))
    file.write_text(json.dumps({"leaks": leaks, "by_benchmark": by_benchmark, "pairs": [], **more}))
    return file


def test_leaked_queries_are_left_out_of_both_in_a_second_comparison(folder: Path) -> None:
    leaked = [f"q{number}" for number in range(5)]
    leak_report(folder, "mini", {TASKS[0]: [*leaked, "of another corpus"], TASKS[1]: []})
    leak_report(folder, "somebody", {TASKS[0]: ["q9"]})
    record = compare_record(compared(folder))
    found = record["contamination"]
    assert [report["models"] for report in found["reports"]] == [["mini"]]
    assert found["removed"] == {TASKS[0]: 5, TASKS[1]: 0}
    scores = [kept_scores(folder, TASKS[0], name) for name in ("mini", "bm25")]
    clean = compare_scores(*({q: s for q, s in of_one.items() if q not in leaked} for of_one in scores))
    assert found["without"]["tasks"][TASKS[0]]["queries"] == 35
    assert found["without"]["tasks"][TASKS[0]]["difference"] == pytest.approx(clean.difference)
    assert record["tasks"][TASKS[0]]["queries"] == 40
    without = dict(found["without"]["tasks"][TASKS[1]])
    assert without == {key: record["tasks"][TASKS[1]][key] for key in without}


def test_reports_on_either_side_or_on_a_part_of_a_hybrid_count(folder: Path) -> None:
    leak_report(folder, "one", {TASKS[0]: ["q1"], TASKS[1]: []}, models=["mini"])
    leak_report(folder, "two", {TASKS[0]: ["q1", "q2"]}, models=["bm25", "other"])
    found = compare_record(compared(folder))["contamination"]
    assert (found["removed"], found["uncovered"]) == ({TASKS[0]: 2, TASKS[1]: 0}, [TASKS[1]])
    write_record(
        folder, record_of(TASKS[0], "hybrid:mini", some_scores(3), settings_of(TASKS[0], MINI, BM25))
    )
    write_result(folder, TASKS[0], TUNED, some_scores(4))
    found = compare_record(compared(folder, "hybrid:mini", "tuned"))["contamination"]
    assert found["removed"] == {TASKS[0]: 2}


def test_a_task_whose_every_query_leaked_is_named_and_no_leak_needs_no_second_table(folder: Path) -> None:
    leak_report(folder, "mini", {TASKS[0]: list(some_scores(0)), TASKS[1]: []})
    found = compare_record(compared(folder))["contamination"]
    assert found["emptied"] == [TASKS[0]]
    assert list(found["without"]["tasks"]) == [TASKS[1]]
    leak_report(folder, "mini", {TASKS[0]: [], TASKS[1]: []})
    assert compare_record(compared(folder))["contamination"]["without"] is None


@pytest.mark.parametrize(
    "content",
    ["", "[]", "null", "{}", '{"leaks": 1}', '{"leaks": 1, "by_benchmark": {"x": {}}}',
     '{"leaks": 1, "by_benchmark": {"x": {"leaked_queries": "q1"}}}', '{"leaks": "no", "by_benchmark": {}}',
     '{"leaks": 1, "by_benchmark": {}, "models": "mini"}'],
)  # fmt: skip
def test_a_broken_contamination_report_is_named(folder: Path, content: str) -> None:
    leak_report(folder, "mini", {}).write_text(content)
    with pytest.raises(MedsearchError, match=r"mini\.json: not a contamination report \(.*\); make it again"):
        compared(folder)


def trained(folder: Path, spec: ModelSpec, *chosen_on: str) -> ModelSpec:
    """A model of one's own, with its provenance, in `folder`."""
    folder.mkdir(parents=True)
    tasks = (task.rpartition(":") for task in chosen_on)
    write_provenance(
        Provenance(
            model=spec.name,
            base="mini",
            family="mini",
            recipe="r",
            data=(TrainingData(name="t", file="t.jsonl", sha256="a" * 64, rows=1),),
            selection=Selection(
                suite="own",
                tasks=tuple(SelectionTask(corpus=corpus, split=split) for corpus, _, split in tasks),
                candidates=12,
                measure="nDCG@10",
                rule="best",
            ),
            git_revision="abc",
            created=datetime(2026, 1, 2, tzinfo=UTC),
        ),
        folder,
    )
    return replace(spec, source=f"path:{folder}", family="mini")


def test_candidates_looks_and_marks_stand_beside_the_scores(folder: Path, tmp_path: Path) -> None:
    ours = trained(tmp_path / "ours", replace(MINI, name="ours"), TASKS[1])
    for number, task in enumerate(TASKS):
        write_result(folder, task, ours, some_scores(number, shift=0.1))
    change(folder / "covid_faq--en.test.mini.json", "marks", "mini", to=["forced: took part"])
    looks = tmp_path / "looks.jsonl"
    look = Look(
        when=datetime(2026, 1, 2, tzinfo=UTC), task=TASKS[0], retriever="mini", family="mini", revision="1",
        suite="s", git_revision="abc", queries=40,
    )  # fmt: skip
    record_looks(looks, [look, look, look.model_copy(update={"family": "bm25"})])
    with looks.open("a") as stream:
        stream.write("nonsense\n")
    found = compared(folder, b="ours", looks=looks)
    record = compare_record(found)
    assert record["candidates"] == {"a": None, "b": 12}
    assert record["families"] == {"a": "mini", "b": "mini"}
    assert record["looks"]["a"] == record["looks"]["b"] == {TASKS[0]: 2, TASKS[1]: 0}
    assert asdict(found.backgrounds[1].standing(TASKS)) == {"candidates": 12, "looks": 2}
    # What the provenance says of a result that was made before is a mark as well.
    assert record["tasks"][TASKS[0]]["marks"] == {"a": ["forced: took part"], "b": []}
    assert record["tasks"][TASKS[1]]["marks"] == {"a": [], "b": ["used to choose this model"]}
    assert record["mean"]["marks"] == {
        "a": [f"forced: took part ({TASKS[0]})"], "b": [f"used to choose this model ({TASKS[1]})"],
    }  # fmt: skip
    change(folder / "meqsum.dev.ours.json", "marks", "ours", to=[FORCED])
    again = compare_record(compared(folder, b="ours"))
    assert again["tasks"][TASKS[1]]["marks"]["b"] == [FORCED]
    assert any(f"{looks}:4: not a look" in line for line in record["warnings"])
    assert any("no contamination report on ours is here" in line for line in record["warnings"])


def card(retriever: str, *outcomes: Outcome, spec: ModelSpec, data: str = "d") -> StressCard:
    pairs = {f"p{number}": outcome for number, outcome in enumerate(outcomes)}
    settings = {"data_hash": data, "models": {spec.name: json.loads(json.dumps(asdict(spec)))}}
    return StressCard(retriever, {"negation": pairs}, settings, "abc", "2026-01-02T03:04:05+00:00")


def test_stress_cards_stand_beside_the_names_if_they_are_of_the_same_model(folder: Path) -> None:
    passed, failed = Outcome.PASSED, Outcome.FAILED
    write_card(card("mini", passed, failed, failed, passed, spec=MINI), folder)
    record = compare_record(compared(folder))
    assert record["stress"]["a"]["rate"] == 0.5
    assert record["stress"]["a"]["categories"]["negation"]["pairs"] == 4
    assert record["stress"]["b"] is None
    write_card(card("bm25", passed, passed, passed, failed, spec=BM25), folder)
    stress = compare_record(compared(folder))["stress"]
    assert (stress["only_a"], stress["only_b"], stress["p"]) == (1, 2, 1.0)
    write_card(card("bm25", passed, spec=replace(BM25, revision="2")), folder)
    record = compare_record(compared(folder))
    assert record["stress"]["b"] is None
    assert any("the stress card of bm25 is of another revision" in line for line in record["warnings"])
    write_card(card("bm25", passed, spec=BM25, data="other"), folder)
    assert any("stress cards are of different pairs" in line for line in compared(folder).warnings)


def test_price_and_warnings_are_in_the_record(folder: Path) -> None:
    file = folder / "meqsum.dev.mini.json"
    change(file, "cost", "mini", to={"query_ms_p50": 1.5, "machine": "m"})
    change(file, "warnings", to=["one document is gone"])
    record = compare_record(compared(folder))
    assert record["cost"][TASKS[1]] == {"a": {"query_ms_p50": 1.5, "machine": "m"}, "b": {}}
    assert record["warnings"] == ["meqsum:dev: one document is gone"]
