"""Odd arguments, odd folders and odd documents: one line that says what is wrong, and the right exit code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from medsearch.cli import program as entry
from medsearch.cli.main import main
from medsearch.errors import MedsearchError

NO_BODY = """<article><front><article-meta><article-id pub-id-type="pmc">PMC1</article-id><title-group>
<article-title>Reflux</article-title></title-group></article-meta></front></article>"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with one corpus, and settings that look there."""
    folder = tmp_path / "data"
    (folder / "tiny").mkdir(parents=True)
    lines = [{"_id": "a", "text": "Cough."}, {"_id": "b", "text": "The option --debug helps."}]
    (folder / "tiny" / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setenv("MEDSEARCH_DATA", str(folder))
    monkeypatch.setenv("MEDSEARCH_INDEX", str(tmp_path / "index"))
    monkeypatch.setenv("MEDSEARCH_CACHE", str(tmp_path / "cache"))
    return folder


def failure(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and the one line on stderr."""
    capsys.readouterr()
    try:
        code = main(arguments)
    except SystemExit as stopped:  # argparse
        code = int(stopped.code or 0)
    [line] = capsys.readouterr().err.splitlines()
    return code, line


@pytest.mark.parametrize("where", ["before", "after", "both"])
def test_debug_is_an_option_of_every_command(data: Path, where: str) -> None:
    before = ["--debug"] if where != "after" else []
    after = ["--debug"] if where != "before" else []
    with pytest.raises(MedsearchError, match="nowhere"):
        main([*before, "search", "x", "--corpus", "nowhere", *after])


def test_debug_may_be_a_query(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["index", "tiny", "--models", "bm25"])
    capsys.readouterr()
    assert main(["search", "--corpus", "tiny", "--json", "--", "--debug"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["query"], [hit["doc_id"] for hit in found["hits"]]) == ("--debug", ["b"])
    code, line = failure(["search", "--corpus", "nowhere", "--", "--debug"], capsys)
    assert code in (1, 2)
    assert "nowhere" in line


def test_a_query_may_be_the_name_of_a_command(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["index", "tiny", "--models", "bm25"])
    for query in ("doctor", "index"):
        assert main(["search", query, "--corpus", "tiny"]) == 0


def test_broken_utf8_is_wrong_usage(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for query in ("caf\udce9", "caf\udce9" * 200, "\ud83d alone"):
        code, line = failure(["search", query, "--corpus", "tiny"], capsys)
        assert code == 2
        assert "is not valid UTF-8" in line


def test_a_folder_with_a_name_in_another_encoding_is_still_found(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(os.fsdecode(os.fsencode(data) + b"/caf\xe9"))
    folder.mkdir()
    code, line = failure(["index", str(folder)], capsys)
    assert code == 2
    assert "is not a corpus" in line


def test_a_name_longer_than_a_file_can_have_is_an_unknown_corpus(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("x" * 300, f"{data}/{'x' * 300}", f"./{'x' * 5000}"):
        code, line = failure(["index", name], capsys)
        assert code == 2
        assert line.startswith(f"medsearch: no corpus called '{name}' (looked in ")


def test_errors_cannot_forge_lines_or_steer_the_terminal(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, line = failure(["index", "x\nmedsearch: done\x1b[2J\u202e\x9b"], capsys)
    assert code == 2
    assert not set(line) & set("\x1b\u202e\x9b\u2028")
    code, line = failure(["index\x1b[2J\u2028"], capsys)
    assert code == 2
    assert not set(line) & set("\x1b\u2028")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(13, "Permission denied", "/some/file"), "medsearch: /some/file: Permission denied"),
        (OSError(28, "No space left on device"), "medsearch: No space left on device"),
        (KeyError("a\nb"), "medsearch: 'a\\nb' (KeyError; --debug shows where)"),
    ],
)
def test_what_the_system_refuses_is_said_with_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, line: str
) -> None:
    class Command:
        @staticmethod
        def add_arguments(parser: object) -> None: ...

        @staticmethod
        def run(arguments: object) -> int:
            raise error

    monkeypatch.setattr(entry, "import_module", lambda name: Command)
    assert failure(["models"], capsys) == (1, line)
    with pytest.raises(type(error)):
        main(["models", "--debug"])


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["corpora", "--json"]) == 0
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    return {**record, "by_name": {entry["name"]: entry for entry in record["corpora"]}}


def test_an_article_without_a_body_is_a_remark_of_the_listing(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "articles").mkdir()
    (data / "articles" / "PMC1.xml").write_text(NO_BODY)
    record = listed(capsys)["by_name"]
    assert (record["articles"]["documents"], record["articles"]["rejects"]) == (1, 0)
    assert record["articles"]["warnings"] == 1
    assert "PMC1 has no body" in record["articles"]["remarks"][0]
    assert (record["tiny"]["warnings"], record["tiny"]["remarks"]) == (0, [])
    assert main(["corpora"]) == 0
    shown = capsys.readouterr()
    [row] = [line.split() for line in shown.out.splitlines() if line.startswith("articles")]
    assert row == ["articles", "jats", "1", "0", "0", "1"]
    assert "remark on articles: " in shown.err


def test_a_corpus_that_fails_while_it_is_counted_costs_no_other(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from medsearch.cli import corpora

    real = corpora.read_documents

    def read(location: Any, rejects: Any) -> Any:
        if location.name == "tiny":
            raise PermissionError(13, "Permission denied", "/data/tiny")
        return real(location, rejects)

    monkeypatch.setattr(corpora, "read_documents", read)
    record = listed(capsys)["by_name"]
    assert record["tiny"]["remarks"] == ["/data/tiny: Permission denied"]
    assert record["sample"]["documents"] >= 300
