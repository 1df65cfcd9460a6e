"""The command line: shapes of its JSON, exit codes, and errors of one line that say what to do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medsearch.cli.main import COMMANDS, main

DOCUMENTS = [
    {
        "_id": "a",
        "title": "Reflux",
        "text": "Heartburn after a meal.",
        "metadata": {"year": 2020, "kind": "note"},
    },
    {
        "_id": "b",
        "title": "Angina",
        "text": "Chest pain on effort.",
        "metadata": {"year": 2010, "kind": "drug"},
    },
    {"_id": "c", "title": "", "text": "A rash that itches. \u001b[31mred\u0007"},
]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny BEIR corpus called `tiny` with two bad records, and settings that look for it."""
    folder = tmp_path / "data" / "tiny"
    (folder / "qrels").mkdir(parents=True)
    lines = [json.dumps(document) for document in DOCUMENTS]
    lines[1:1] = ['{"_id": "bad"', json.dumps({"_id": "a", "text": "again"})]
    (folder / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    queries = [{"_id": "q1", "text": "pain on effort"}, {"_id": "q2", "text": "unjudged"}]
    (folder / "queries.jsonl").write_text("".join(json.dumps(q) + "\n" for q in queries), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tb\t1\n")
    monkeypatch.setenv("MEDSEARCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MEDSEARCH_INDEX", str(tmp_path / "index"))
    monkeypatch.setenv("MEDSEARCH_CACHE", str(tmp_path / "cache"))
    return folder


def test_index_then_search_in_the_promised_shape(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "tiny", "--models", "bm25", "--json"]) == 0
    indexed = json.loads(capsys.readouterr().out)
    assert (indexed["documents"], indexed["passages"], indexed["rejects"]) == (3, 3, 2)
    assert main(["search", "chest pain", "--corpus", "tiny", "--model", "bm25", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {key: found[key] for key in ("query", "corpus", "model")} == {
        "query": "chest pain",
        "corpus": "tiny",
        "model": "bm25",
    }
    [hit] = found["hits"]
    assert {key: hit[key] for key in ("rank", "doc_id", "title", "text")} == {
        "rank": 1,
        "doc_id": "b",
        "title": "Angina",
        "text": "Chest pain on effort.",
    }
    assert hit["metadata"]["year"] == 2010
    assert hit["score"] > 0


def test_bad_records_are_named_by_file_and_line_and_set_aside(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["index", "tiny", "--models", "bm25"]) == 0
    shown = capsys.readouterr()
    assert "2 bad records set aside" in shown.out
    assert f"{corpus / 'corpus.jsonl'}:2: " in shown.err
    assert f"{corpus / 'corpus.jsonl'}:3: " in shown.err
    kept = (tmp_path / "index" / "tiny" / "rejects.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["where"].rsplit(":", 1)[1] for line in kept] == ["2", "3"]


def test_strict_stops_at_the_first_bad_record(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "tiny", "--models", "bm25", "--strict"]) == 1
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("medsearch:")]
    assert f"{corpus / 'corpus.jsonl'}:2: " in line
    assert main(["search", "x", "--corpus", "tiny"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "required: COMMAND"),
        (["serach"], 2, "invalid choice: 'serach'"),
        (["search"], 2, "required: QUERY"),
        (["search", "x", "--corpus", "nowhere"], 2, "nowhere"),
        (["search", "x", "--corpus", "tiny"], 1, "tiny has no index in .*medsearch index tiny"),
        (["index", "nowhere"], 2, "nowhere"),
        (["index", "tiny", "--models", "minilmm"], 2, "minilm"),
        (["index", "tiny", "--models", ","], 2, "name at least one retriever"),
        (["index", "tiny", "--passage-tokens", "10", "--overlap-tokens", "10"], 2, "the overlap smaller"),
        (["index", "tiny", "--passage-tokens", "many"], 2, "invalid int value: 'many'"),
        (["evaluate", "tiny", "--split", "dev", "--models", "bm25"], 2, "test"),
        (
            ["evaluate", "tiny", "--models", "colbert"],
            1,
            "format of Stanford's ColBERT, which is not read: s",
        ),
        (
            ["evaluate", "tiny", "--models", "rerank:colbert:bm25"],
            1,
            r"source = .path:FOLDER. of an entry of",
        ),
        (["evaluate", "tiny", "--models", "hybrid:bm25"], 2, "hybrid needs a dense model"),
        (["export", "bm25"], 2, "only dense models are exported"),
        (["search", "x", "-k", "0"], 2, "'0' is not a whole number from 1 to 10,000"),
        (["search", "x", "--year-from", "99999"], 2, "'99999' is not a whole number from 1 to 9,999"),
        (["ui", "--port", "0"], 2, "a port is a number from 1 to 65535"),
        (["corpora", "get", "nowhere"], 2, "no public corpus is named 'nowhere'"),
        (["corpora", "list", "tiny"], 2, "go with `medsearch corpora get NAME`"),
    ],
)
def test_wrong_usage_and_failures_are_one_line(
    corpus: Path, arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        returned = main(arguments)
    except SystemExit as stopped:  # argparse
        returned = int(stopped.code or 0)
    shown = capsys.readouterr()
    [line] = [line for line in shown.err.splitlines() if line.startswith("medsearch")]
    assert returned == code
    assert re.search(said, line), line
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_wrong_search_options_name_what_is_wrong(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["index", "tiny", "--models", "bm25"])
    capsys.readouterr()
    for arguments, said in (
        (["search", "  ", "--corpus", "tiny"], "the query is empty"),
        (["search", "x", "--corpus", "tiny", "--model", "minilm"], "has no vectors of minilm (it has bm25)"),
    ):
        assert main(arguments) == 2
        assert said in capsys.readouterr().err


def test_a_changed_corpus_is_refused_until_it_is_indexed_again(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["index", "tiny", "--models", "bm25"])
    with (corpus / "corpus.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"_id": "new", "text": "Chest drain."}) + "\n")
    capsys.readouterr()
    assert main(["search", "chest", "--corpus", "tiny"]) == 1
    assert "tiny has changed since its index was made" in capsys.readouterr().err
    assert main(["index", "tiny", "--models", "bm25"]) == 1
    assert "corpus hash is" in capsys.readouterr().err
    assert main(["index", "tiny", "--models", "bm25", "--rebuild"]) == 0
    capsys.readouterr()
    assert main(["search", "chest", "--corpus", "tiny", "--json"]) == 0
    assert "new" in {hit["doc_id"] for hit in json.loads(capsys.readouterr().out)["hits"]}


def test_a_corpus_is_searched_by_the_path_it_was_indexed_by_and_checked_there(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = shutil.copytree(corpus, tmp_path / "elsewhere" / "mine")
    assert main(["index", str(elsewhere), "--models", "bm25"]) == 0
    capsys.readouterr()
    for name in (str(elsewhere), "mine"):
        assert main(["search", "chest pain", "--corpus", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["corpus"] == "mine"
    with (elsewhere / "corpus.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"_id": "new", "text": "Chest drain."}) + "\n")
    assert main(["search", "chest", "--corpus", "mine"]) == 1
    assert "mine has changed since its index was made" in capsys.readouterr().err
    shutil.rmtree(elsewhere)
    assert main(["search", "chest", "--corpus", "mine"]) == 0


def test_names_with_slashes_and_dashes_never_share_an_index(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a/b", "a--b", "a%2Fb"):
        shutil.copytree(corpus, tmp_path / "data" / name)
        assert main(["index", name, "--models", "bm25"]) == 0
    capsys.readouterr()
    main(["corpora", "--json"])
    listed = {entry["name"]: entry["indexed"] for entry in json.loads(capsys.readouterr().out)["corpora"]}
    assert {name: listed[name] for name in ("a/b", "a--b", "a%2Fb", "tiny")} == {
        "a/b": True,
        "a--b": True,
        "a%2Fb": True,
        "tiny": False,
    }


def test_filters_and_plain_output_without_terminal_codes(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["index", "tiny", "--models", "bm25"])
    capsys.readouterr()
    assert main(["search", "pain meal rash", "--corpus", "tiny", "--year-to", "2015"]) == 0
    shown = capsys.readouterr()
    assert "Angina" in shown.out
    assert "Reflux" not in shown.out
    assert "Not a medical device" in shown.err
    main(["search", "rash", "--corpus", "tiny"])
    assert "\x1b" not in capsys.readouterr().out
    main(["search", "zebra", "--corpus", "tiny"])
    assert "Nothing found" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["corpora", "models", "doctor"])
def test_listings_speak_json(corpus: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    offline = ["--offline"] if command == "doctor" else []
    assert main([command, "--json", *offline]) == 0
    record = json.loads(capsys.readouterr().out)
    if command == "corpora":
        by_name = {entry["name"]: entry for entry in record["corpora"]}
        assert (by_name["tiny"]["documents"], by_name["tiny"]["queries"], by_name["tiny"]["rejects"]) == (
            3,
            2,
            2,
        )
        assert by_name["sample"]["documents"] >= 300
        assert {"nfcorpus", "trec_covid", "arguana", "scifact", "pmc_oa"} <= set(record["public"])
    elif command == "models":
        here = {entry["name"]: entry["on_this_machine"] for entry in record["models"]}
        assert here["bm25"] is True
        assert {"minilm", "bge-small", "medembed-large"} <= set(here)
    else:
        assert record["ok"] is True
        assert {"Python", "packages to serve", "model bm25"} <= {check["what"] for check in record["checks"]}


def test_every_command_is_listed_with_a_summary() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "medsearch.cli.main", "--help"], capture_output=True, text=True, check=True
    ).stdout
    words = " ".join(shown.split())
    assert [name for name, summary in COMMANDS.items() if f" {name} {summary}" not in words] == []


LATE_ENTRY = """
[mine]
source = "path:nowhere"
revision = "1"
kind = "late_interaction"
max_tokens = 64
dim = 12
licence = "none"
query_prompt = "[Q] "
parameters = { token_pooling = 2 }
"""


def test_models_shows_late_interaction_as_what_it_is(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models.toml").write_text(LATE_ENTRY)
    monkeypatch.setenv("MEDSEARCH_MODELS", str(tmp_path / "models.toml"))
    assert main(["models", "--details"]) == 0
    shown = capsys.readouterr().out
    for name, dim in (("mine", "12 a token"), ("colbert", "128 a token")):
        [row] = [line for line in shown.splitlines() if line.startswith(name) and line != name]
        assert dim in row
        assert row.rstrip().endswith(" no"), "nothing of it can be run here"
    details = shown.partition("\nmine\n")[2]
    assert "token pooling    about one vector for 2 tokens of a document" in details
    assert "search with      mine or rerank:mine:FIRST, such as FIRST = bm25" in details
    assert "token pooling" not in shown.partition("\nminilm\n")[2].partition("\n\n")[0]
