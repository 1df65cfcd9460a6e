"""`python -m pipeline`: what a user types, and the one line that follows a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_llm_server import FakeLlmServer
from generate_material import good_answer, write_notes

from pipeline.cli.main import STAGES, main
from pipeline.journal import read_rows
from pipeline.records import GeneratedRow


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDSEARCH_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("MEDSEARCH_DATA", str(tmp_path))
    for name in ("SERVERS", "MODEL", "KEY", "PYTHON"):
        monkeypatch.delenv(f"MEDSEARCH_LLM_{name}", raising=False)
    monkeypatch.delenv("MEDSEARCH_ALLOW_REMOTE_LLM", raising=False)
    write_notes(tmp_path, 8)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "own.toml"
    file.write_text('description = "d"\n[llm]\nmodel = "fake"\n[generate]\nlicences = ["CC BY"]\n')
    return file


def test_generate_from_start_to_yield_table_and_on_from_there(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeLlmServer(good_answer) as server:
        monkeypatch.setenv("MEDSEARCH_LLM_SERVERS", server.base_url)
        assert main(["generate", "notes", "--notes", "3", "--recipe", str(recipe)]) == 0
        shown = capsys.readouterr().out
        assert "notes that can be used" in shown
        assert "queries kept" in shown
        assert "18  100.0 %" in shown
        # The run remembers its recipe; more notes go on from there.
        assert main(["generate", "notes", "--notes", "5", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["kept"] == 30
        assert sum("max_tokens" in body for body in server.bodies) == 5
    rows = list(read_rows(tmp_path / "runs" / "notes" / "generated.jsonl", GeneratedRow))
    assert len(rows) == 30


def test_notes_are_prepared_without_a_server_and_generation_goes_on_from_there(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "notes", "--recipe", str(recipe)]) == 0
    assert "notes that can be used" in capsys.readouterr().out
    pool = tmp_path / "runs" / "notes" / "pool" / "corpus.jsonl"
    prepared = pool.read_bytes()
    assert prepared.count(b"\n") >= 8
    with FakeLlmServer(good_answer) as server:
        monkeypatch.setenv("MEDSEARCH_LLM_SERVERS", server.base_url)
        assert main(["generate", "notes", "--notes", "1"]) == 0
    assert pool.read_bytes() == prepared


def test_planted_identifiers_never_leave_the_process(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = [
        "Margaret Holloway",
        "Holloway",
        "4471902",
        "14/03/2021",
        "020 7946 0958",
        "m.holloway@example.org",
    ]
    corpus = tmp_path / "notes" / "corpus.jsonl"
    letter = (
        f"Patient name: {planted[0]}. MRN: {planted[2]}. Seen on {planted[3]} by Dr. Holloway with a painful "
        f"knee. Telephone {planted[4]}, e-mail {planted[5]}. It was treated with ice and rest for 10 days."
    )
    record = {
        "_id": "letter",
        "title": "",
        "text": letter,
        "metadata": {"licence": "CC BY", "language": "en"},
    }
    corpus.write_text(corpus.read_text() + json.dumps(record) + "\n")
    with FakeLlmServer(lambda body: "no answer") as server:
        monkeypatch.setenv("MEDSEARCH_LLM_SERVERS", server.base_url)
        assert main(["generate", "notes", "--recipe", str(recipe)]) == 0
        received = json.dumps(server.bodies, ensure_ascii=False)
    assert "treated with ice and rest for 10 days" in received
    kept = "".join(
        file.read_text()
        for file in (tmp_path / "runs").rglob("*")
        if file.is_file() and file.suffix != ".lock"
    )
    for identifier in planted:
        assert identifier not in received
        assert identifier not in kept


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["generate", "nowhere"], 2, "no corpus called 'nowhere'"),
        (["generate", "notes", "--recipe", "none"], 2, "no data recipe called 'none'"),
        (["generate", "notes", "--notes", "0"], 2, "not a whole number"),
        (["generate", "notes", "--run", "../up"], 2, "no name for a run"),
        (["filter", "--run", "none"], 2, "no run called 'none'"),
        (["mine", "--run", "none"], 2, "there is none yet: `generate` or `convert` begins one"),
        (["report", "--run", "none"], 2, "no run called 'none'"),
        (["filter"], 2, "--run"),
        (["convert", "notes", "--split", "test"], 2, "test split"),
        (["convert", "notes", "--split", "train"], 2, "train"),
        (["llm", "--recipe", "none"], 2, "no data recipe called 'none'"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        got = main(arguments)
    except SystemExit as stop:
        got = int(stop.code or 0)
    error = capsys.readouterr().err
    assert got == code
    assert words in error
    assert len([line for line in error.strip().splitlines() if not line.startswith("usage")]) == 1
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "server", ["http://example.org/v1", "http://10.0.0.5:8000/v1", "https://127.0.0.1.example.org"]
)
def test_a_server_elsewhere_is_refused_before_a_note_is_read(
    server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDSEARCH_LLM_SERVERS", server)
    assert main(["generate", "notes"]) == 2
    error = capsys.readouterr().err
    assert "MEDSEARCH_ALLOW_REMOTE_LLM=1" in error
    assert "Masking" not in error


def test_without_a_server_the_line_says_how_to_start_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDSEARCH_LLM_SERVERS", "http://127.0.0.1:9/v1")
    assert main(["generate", "notes"]) == 1
    assert "make llm" in capsys.readouterr().err


def test_llm_without_its_environment_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDSEARCH_LLM_PYTHON", str(tmp_path / "none"))
    assert main(["llm"]) == 1
    assert "make llm" in capsys.readouterr().err


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_every_stage_has_help(stage: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([stage, "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: pipeline {stage}")
