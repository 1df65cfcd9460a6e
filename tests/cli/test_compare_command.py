"""`medsearch compare`: what it prints, its JSON, its exit codes, and that no name can steer the terminal."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from compare_material import (
    BM25,
    MINI,
    PROMPTED,
    TASKS,
    change,
    record_of,
    settings_of,
    some_scores,
    write_record,
    write_result,
)

from medsearch.cli.program import Program, run_program

PROGRAM = Program("medsearch", "Compares.", "medsearch.cli", {"compare": "compare two retrievers"})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """On the first task `prompted` is better than `mini` by 10 points everywhere, on the second it is it."""
    monkeypatch.setenv("MEDSEARCH_LOOKS", str(tmp_path / "looks.jsonl"))
    out = tmp_path / "results"
    for number, (task, shift) in enumerate(zip(TASKS, (0.1, 0.0), strict=True)):
        write_result(out, task, MINI, some_scores(number))
        write_result(out, task, PROMPTED, some_scores(number, shift=shift))
    return out


def run(folder: Path, *arguments: str, a: str = "mini", b: str = "prompted") -> int:
    return run_program(PROGRAM, ["compare", str(folder), "--a", a, "--b", b, *arguments])


def test_tables_and_sentences_say_what_json_says_in_numbers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(folder, "own:dev", MINI, some_scores(3))
    assert run(folder, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert run(folder) == 0
    out = capsys.readouterr().out
    row = record["tasks"][TASKS[0]]
    assert f"{100 * row['a']:.1f}  {100 * row['b']:.1f}    +10.0  +10.0 to +10.0" in out
    assert (
        "covid_faq/en:test: prompted is better than mini by 10.0 points (95 % interval of the difference "
        "10.0 to 10.0, corrected p < 0.0001, 40 queries)."
    ) in out
    assert (
        "meqsum:dev: prompted and mini are not distinguishable with 40 queries; they score the same on every "
        "query."
    ) in out
    assert (
        "p (Holm) is corrected for the 3 comparisons of this table, and what B is goes by it; the 95 % "
        "intervals are not corrected."
    ) in out
    assert re.search(r"95 % interval +d_z +p +p \(Holm\)", out)
    assert "left out: own:dev, which only mini has" in out
    assert re.search(r"query_prompt +'' +'query: '\n", out)
    assert "Equal on every task: passages whole documents, search exact, depth 1000" in out


def test_tasks_left_out_by_request_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--tasks", TASKS[1]) == 0
    out = capsys.readouterr().out
    assert f"left out by request (--tasks): {TASKS[0]}; the correction covers only what is shown here" in out
    assert run(folder) == 0
    assert "by request" not in capsys.readouterr().out


def test_parts_of_an_mteb_task_are_said_to_share_a_weight(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for subset in ("en", "fr"):
        for spec in (MINI, PROMPTED):
            write_result(folder, f"mteb:N/{subset}:all", spec, some_scores(7))
    assert run(folder) == 0
    out = capsys.readouterr().out
    assert "Note: in the mean, parts of one mteb task share one weight: the 2 parts of mteb:N." in out
    assert "160 queries, 120 of them different" in out


def test_a_revision_that_differs_on_the_second_task_is_noted_and_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder / "meqsum.dev.mini.json", "git_revision", to="f" * 40)
    assert run(folder) == 0
    out = capsys.readouterr().out
    assert "note: made by different revisions of medsearch (" in out
    assert f"abc (covid_faq/en:test); {'f' * 40} (meqsum:dev)" in out


def test_a_prompt_left_out_under_a_second_name_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = replace(PROMPTED, name="mine-np", query_prompt="")
    write_result(folder, TASKS[0], bare, some_scores(0))
    assert run(folder, a="mine-np", b="prompted") == 1
    assert "mine-np was run without its query prompt" in capsys.readouterr().err
    models = folder.parent / "models.toml"
    models.write_text(
        f'[asked]\nsource = "{bare.source}"\nrevision = "{bare.revision}"\nkind = "dense"\npooling = "mean"\n'
        'max_tokens = 64\ndim = 5\nlicence = "mit"\nquery_prompt = "ask: "\n'
    )
    monkeypatch.setenv("MEDSEARCH_MODELS", str(models))
    assert run(folder, b="mine-np") == 1
    assert (
        "its query prompt 'ask: ' (query_prompt of asked, which is the same model)" in capsys.readouterr().err
    )


def test_a_forced_score_is_marked_in_every_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forced = "forced: took part in choosing this model"
    change(folder / "meqsum.dev.mini.json", "marks", "mini", to=[forced])
    assert run(folder) == 0
    [verdicts, beside] = capsys.readouterr().out.split("Beside every score:")
    for table, rows in ((verdicts, 1), (beside, 2)):
        lines = [
            line for line in table.splitlines() if line.startswith(("meqsum:dev  ", "mean over tasks  "))
        ]
        assert len(lines) == 2 * rows
        assert sum(forced in line for line in lines) == 2
    assert f"they score the same on every query. [A: {forced}]" in verdicts


def test_price_looks_and_candidates_stand_beside_every_score(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    price = {"documents_per_second": 1234.5, "query_ms_p50": 0.25, "machine": "one"}
    change(folder / "meqsum.dev.mini.json", "cost", "mini", to=price)
    change(folder / "covid_faq--en.test.mini.json", "cost", "mini", to={"machine": "other"})
    assert run(folder) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.split("Beside every score:")[1].splitlines()]
    assert ["task", "retriever", "score", "candidates", "looks", "documents/s", "ms", "p50"] in lines
    [row] = [line for line in lines if line[:2] == ["meqsum:dev", "mini"]]
    assert row[3:] == ["?", "0", "1,234", "0.25"]
    assert "speed and memory are of different machines (one; other)" in out


def test_the_worth_of_a_prompt_and_the_queries_seen_in_training_have_tables_of_their_own(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_of(TASKS[0], replace(PROMPTED, query_prompt=""))
    settings["declared_query_prompts"]["prompted"] = "query: "
    write_record(folder, record_of(TASKS[0], "prompted@no-prompt", some_scores(0), settings))
    (folder / "contamination").mkdir()
    leaks = {"leaks": 1, "by_benchmark": {TASKS[0]: {"leaked_queries": ["q7"]}}}
    (folder / "contamination" / "prompted.json").write_text(json.dumps(leaks))
    assert run(folder, "--with-and-without-prompt") == 0
    out = capsys.readouterr().out
    assert "prompted with its prompt is better than prompted without its prompt by 10.0 points" in out
    assert "--models prompted@no-prompt --out" in out
    assert "(for meqsum:dev)" in out
    assert "Without the queries that were seen in training (covid_faq/en:test: 1; by prompted.json):" in out
    assert "corrected p < 0.0001, 39 queries)" in out
    assert "meqsum:dev: a contamination report (prompted.json) does not cover it" in out
    assert run(folder, "--with-and-without-prompt", a="mini", b="mini2") == 2


def test_no_declared_prompt_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_result(folder, TASKS[0], BM25, some_scores(5))
    assert run(folder, "--with-and-without-prompt", b="bm25") == 0
    assert "Neither A nor B declares a query prompt." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--measure", "nDCG@5"], 2, "argument --measure: invalid choice: 'nDCG@5'"),
        (["--tasks", " , "], 2, "--tasks names none: leave it out"),
        (["--tasks", "meqsum:dve"], 2, "no result on the task 'meqsum:dve'; did you mean meqsum:dev?"),
        (["--b", "promted"], 2, "did you mean prompted?"),
        (["--b", "mini"], 2, "both sides are 'mini'"),
        (["--b", "unfair"], 1, "meqsum:dev: mini and unfair differ in corpus_hash ("),
        (["--b", "apart"], 1, "mini and apart have no task in common"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_an_exit_code(
    folder: Path, arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    unfair = write_result(folder, TASKS[1], replace(MINI, name="unfair"), some_scores(4))
    change(unfair, "settings", "corpus_hash", to="another")
    write_result(folder, "own:dev", replace(MINI, name="apart"), some_scores(4))
    try:
        returned = run(folder, *arguments)
    except SystemExit as stopped:  # as argparse ends
        returned = stopped.code
    assert returned == code
    shown = capsys.readouterr()
    [line] = shown.err.splitlines()
    assert said in line
    assert shown.out == ""


@pytest.mark.parametrize("content", ["{", "\x00", '{"per_query": {"mini": {}}}', '{"per_query": 5}'])
def test_a_corrupt_result_is_named_on_one_line(
    folder: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad.json").write_text(content)
    assert run(folder) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "bad.json: not" in line


def test_names_and_settings_cannot_steer_the_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[31mred\n\u202e<b>"
    spec = replace(MINI, name=evil, source=f"hub:{evil}", licence=evil, family=evil, max_tokens=9)
    task = f"own {evil}:dev"
    for one in (spec, replace(MINI, family=evil)):
        record = record_of(task, one.name, some_scores(3), settings_of(task, one))
        file = folder / f"{len(list(folder.glob('*.json')))}.json"
        file.write_text(json.dumps({**record, "warnings": [evil], "marks": {one.name: [evil]}}))
    for arguments in ([], ["--json"]):
        assert run(folder, *arguments, b=evil) == 0
        out = capsys.readouterr().out
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", out)
        assert "red" in out
        assert "both are of the family" in out
    assert run(folder, b=f"{evil}?") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "\x1b" not in line
