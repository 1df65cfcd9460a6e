"""`medsearch evaluate`: its JSON, what it keeps, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from medsearch.cli.main import main

BAD_RUNS = {
    "OTHER": b"q9 Q0 b 1 2.0 t\n",
    "EMPTY": b"",
    "TWICE": b"q1 Q0 b 1 2.0 t\nq1 Q0 b 2 1.0 t\n",
    "LATIN": b"q1 Q0 caf\xe9 1 2.0 t\n",
}


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny BEIR corpus called `tiny`, and settings that look for it."""
    folder = tmp_path / "data" / "tiny"
    (folder / "qrels").mkdir(parents=True)
    texts = {"a": "Heartburn after a meal.", "b": "Chest pain on effort.", "c": "A rash that itches."}
    queries = {"q1": "pain on effort", "q2": "unjudged"}
    for name, rows in (("corpus", texts), ("queries", queries)):
        lines = [json.dumps({"_id": key, "text": text}) + "\n" for key, text in rows.items()]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tb\t1\n")
    monkeypatch.setenv("MEDSEARCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MEDSEARCH_INDEX", str(tmp_path / "index"))
    monkeypatch.setenv("MEDSEARCH_CACHE", str(tmp_path / "cache"))
    return folder


def test_evaluate_in_the_promised_shape_and_trec_files_give_the_same_scores(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["evaluate", "tiny", "--models", "bm25", "--out", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["corpus"], record["split"], record["queries"]) == ("tiny", "test", 1)
    assert record["models"] == {
        "bm25": {"nDCG@10": 1.0, "Recall@100": 1.0, "MRR@10": 1.0, "MAP": 1.0, "P@10": 0.1}
    }
    run, qrels = str(out / "tiny.test.bm25.run"), str(out / "tiny.test.bm25.qrels")
    assert main(["evaluate", "tiny", "--run", run, "--qrels", qrels, "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["models"].values()) == list(record["models"].values())
    kept = json.loads((out / "tiny.test.bm25.json").read_text("utf-8"))
    assert kept["per_query"]["bm25"]["q1"]["nDCG@10"] == 1.0
    assert kept["settings"]["models"]["bm25"]["parameters"]["k1"] == 1.2
    assert len(kept["settings"]["corpus_hash"]) == 64


def test_a_scored_run_is_kept_with_the_judgements_of_its_file(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my.run").write_text("q1 Q0 a 1 2.0 t\n")
    (tmp_path / "my.qrels").write_text("q1 0 a 3\n")
    out = tmp_path / "out"
    arguments = ["--run", str(tmp_path / "my.run"), "--qrels", str(tmp_path / "my.qrels"), "--out", str(out)]
    assert main(["evaluate", "tiny", *arguments, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["queries"], record["models"]["my"]["nDCG@10"]) == (1, 1.0)
    assert (out / "tiny.test.my.qrels").read_text() == "q1 0 a 3\n"


def test_out_keeps_the_corpus_that_a_path_names_and_not_one_of_the_same_name(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere" / "tiny"
    shutil.copytree(corpus, elsewhere)
    (elsewhere / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq2\tc\t1\n")
    out = tmp_path / "out"
    assert main(["evaluate", str(elsewhere), "--models", "bm25", "--out", str(out)]) == 0
    assert (out / "tiny.test.bm25.qrels").read_text() == "q2 0 c 1\n"


def test_what_is_judged_but_not_in_the_corpus_is_said_and_in_the_json(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (corpus / "qrels" / "test.tsv").write_text("q1\tb\t1\nq1\tgone\t1\nq2\ta\t0\n")
    assert main(["evaluate", "tiny", "--models", "bm25", "--json"]) == 0
    shown = capsys.readouterr()
    record = json.loads(shown.out)
    [warning] = record["warnings"]
    assert "1 document id is judged but not in the corpus (gone)" in warning
    assert f"warning: {warning}" in shown.err.splitlines()
    assert (record["queries"], record["queries_judged"]) == (1, 2)


def test_identical_ids_are_ignored_when_asked(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (corpus / "queries.jsonl").write_text('{"_id": "a", "text": "heartburn after a meal, pain"}\n')
    (corpus / "qrels" / "test.tsv").write_text("a\tb\t1\n")
    scores: list[float] = []
    for option in ([], ["--ignore-identical-ids"]):
        assert main(["evaluate", "tiny", "--models", "bm25", "--json", *option]) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["settings"]["ignore_identical_ids"] is bool(option)
        scores.append(record["models"]["bm25"]["MRR@10"])
    assert scores == [0.5, 1.0]


@pytest.mark.parametrize("passages", [[], ["--passages"], ["--passages", "--approximate"]])
def test_evaluate_as_mteb_does_and_as_the_page_does(
    corpus: Path, passages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "tiny", "--models", "bm25", "--json", *passages]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["models"]["bm25"]["nDCG@10"] == 1.0
    assert record["settings"]["search"] == ("approximate" if "--approximate" in passages else "exact")
    assert (record["settings"]["passages"] == "whole documents") == (not passages)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--qrels", "x"], 2, "--qrels goes with --run FILE"),
        (["--passage-tokens", "100"], 2, "--overlap-tokens go with --passages"),
        (["--overlap-tokens", "0"], 2, "--overlap-tokens go with --passages"),
        (["--run", "x", "--approximate"], 2, "leave out --models, --passages"),
        (["--run", "nowhere.run"], 2, "nowhere.run: cannot be read: No such file"),
        (["--run", "OTHER"], 1, "other.run: none of its queries .* relevant document"),
        (["--run", "EMPTY"], 1, "empty.run: the file is empty"),
        (["--run", "TWICE"], 1, "twice.run:2: query 'q1' ranks document 'b' a second"),
        (["--run", "LATIN"], 1, "latin.run: not UTF-8 text"),
        (["--models", "bm25", "--out", "EMPTY"], 2, "empty.run: it is a file; name"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_on_one_line(
    corpus: Path, arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = {name: corpus.parent / f"{name.lower()}.run" for name in BAD_RUNS}
    for name, content in BAD_RUNS.items():
        runs[name].write_bytes(content)
    assert main(["evaluate", "tiny", *(str(runs.get(word, word)) for word in arguments)]) == code
    shown = capsys.readouterr()
    [line] = shown.err.splitlines()
    assert re.search(said, line), line
    assert shown.out == ""


def test_a_second_evaluation_never_overwrites_one_of_other_retrievers_or_settings(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for arguments in ([], [], ["--passages"], ["--run", str(out / "tiny.test.bm25.run")]):
        models = [] if "--run" in arguments else ["--models", "bm25"]
        assert main(["evaluate", "tiny", *models, *arguments, "--out", str(out)]) == 0
    assert sorted(file.name for file in out.glob("*.json")) == [
        "tiny.test.bm25.2.json",
        "tiny.test.bm25.json",
        "tiny.test.tiny.test.bm25.json",
    ]


def test_a_run_is_scored_by_own_judgements_where_the_corpus_has_none(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(corpus / "qrels")
    (tmp_path / "my.qrels").write_text("q1 0 b 1\n", encoding="utf-8")
    (tmp_path / "my.run").write_text("q1 Q0 b 1 2.0 x\nq1 Q0 a 2 1.0 x\n", encoding="utf-8")
    files = ["--run", str(tmp_path / "my.run"), "--qrels", str(tmp_path / "my.qrels")]
    assert main(["evaluate", "tiny", *files, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"]["my"]["nDCG@10"] == 1.0


@pytest.mark.slow
def test_a_suite_is_kept_judged_and_read_again(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "mine.toml"
    suite.write_text('role = "choose"\ntasks = ["tiny:test"]\n', encoding="utf-8")
    asked = ["evaluate", str(suite), "--models", "bm25", "--out", str(tmp_path / "out")]
    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert "mean nDCG@10 times 100 over 1 task" in shown
    assert "tiny:test" in shown
    assert "baseline" in shown
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "tiny.test.bm25.json", "tiny.test.bm25.qrels", "tiny.test.bm25.run", "mteb", "stress",
    }  # fmt: skip
    assert main([*asked, "--json"]) == 0
    told = capsys.readouterr()
    record = json.loads(told.out)
    [result] = record["results"]
    assert (result["task"], result["retriever"], result["scores"]["nDCG@10"]) == ("tiny:test", "bm25", 1.0)
    assert result["cost"]["query_ms_p50"] > 0
    assert "kept from" in told.err


def test_options_of_a_corpus_are_refused_for_a_suite(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "medical-dev", "--split", "dev"]) == 2
    assert "--split goes with a corpus; medical-dev is a suite" in capsys.readouterr().err
    assert main(["evaluate", "medical-def"]) == 2
    assert "suites: medembed-5, medical-dev" in capsys.readouterr().err
