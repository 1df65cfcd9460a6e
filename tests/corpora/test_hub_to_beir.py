"""Table files in, BEIR files out: nothing lost, nothing renumbered, and a bad row named."""

from __future__ import annotations

import csv
import gzip
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsearch.corpora.hub_to_beir import Counts, convert
from medsearch.corpora.sources import Layout, Source, load_sources
from medsearch.corpora.tables import read_rows
from medsearch.errors import CorpusError

PAIRS = [
    ("¿Qué es la COVID-19?", "Una enfermedad."),
    ("How does it spread?", "By droplets,\nand by air."),
    ("A question without an answer", ""),
    ("", "An answer without a question"),
    ("Does it spread by air?", "By droplets,\nand by air."),
    ("How does it spread?", "By droplets,\nand by air."),
]


@pytest.fixture(scope="module")
def sources(root: Path) -> dict[str, Source]:
    return load_sources(root / "data" / "sources.toml")


def write_jsonl(file: Path, rows: list[dict[str, object]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode().splitlines()]


def ignore(what: str, done: int, total: int) -> None:
    pass


def beir_tables(folder: Path, **other: list[dict[str, object]]) -> dict[str, list[Path]]:
    rows: dict[str, list[dict[str, object]]] = {
        "corpus": [{"_id": "1", "title": "", "text": "Aspirin"}],
        "queries": [{"_id": "q", "text": "pain"}],
        "qrels": [{"query-id": "q", "corpus-id": "1", "score": 1}],
    }
    files = {table: write_jsonl(folder / f"{table}.jsonl", own) for table, own in (rows | other).items()}
    return {"corpus": [files["corpus"]], "queries": [files["queries"]], "qrels/test": [files["qrels"]]}


@given(
    texts=st.lists(st.tuples(st.text(), st.text(), st.text(min_size=1).filter(str.strip)), max_size=20),
)
def test_any_text_comes_through_unchanged(
    sources: dict[str, Source], texts: list[tuple[str, str, str]]
) -> None:
    documents = [
        {"_id": f"{name}-{n}", "title": title, "text": text} for n, (title, text, name) in enumerate(texts)
    ]
    with tempfile.TemporaryDirectory() as folder:
        tables = beir_tables(Path(folder), corpus=list(documents))
        counts = convert(sources["nfcorpus"], tables, Path(folder), ignore)
        with gzip.open(Path(folder) / "corpus.jsonl.gz", "rt", encoding="utf-8", newline="\n") as file:
            assert [json.loads(line) for line in file] == documents
        assert counts.documents == len(documents)


def test_a_lone_surrogate_in_the_source_stays_what_it_was(sources: dict[str, Source], tmp_path: Path) -> None:
    tables = beir_tables(tmp_path, corpus=[{"_id": "1", "text": "broken \ud83d emoji"}])
    convert(sources["nfcorpus"], tables, tmp_path, ignore)
    assert lines(tmp_path / "corpus.jsonl.gz")[0]["text"] == "broken \ud83d emoji"


def test_the_same_rows_give_the_same_bytes(sources: dict[str, Source], tmp_path: Path) -> None:
    packed = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        convert(sources["nfcorpus"], beir_tables(folder), folder, ignore)
        packed.append((folder / "corpus.jsonl.gz").read_bytes())
    assert packed[0] == packed[1]


def test_parquet_and_numeric_ids_are_read(sources: dict[str, Source], tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    tables = beir_tables(tmp_path, qrels=[{"query-id": "q", "corpus-id": 7, "score": 2.0}])
    column = pyarrow.table({"id": [7, 8], "title": ["T", None], "text": ["Aspirin", "Statins"]})
    parquet.write_table(column, tmp_path / "corpus-0.parquet")
    counts = convert(
        sources["nfcorpus"], tables | {"corpus": [tmp_path / "corpus-0.parquet"]}, tmp_path, ignore
    )
    assert lines(tmp_path / "corpus.jsonl.gz") == [
        {"_id": "7", "title": "T", "text": "Aspirin"},
        {"_id": "8", "title": "", "text": "Statins"},
    ]
    assert (tmp_path / "qrels" / "test.tsv").read_text() == "query-id\tcorpus-id\tscore\nq\t7\t2\n"
    assert counts == Counts(documents=2, queries=1, qrels={"test": 1})


def test_without_pyarrow_the_extra_to_install_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(
        CorpusError, match=r"c\.parquet: reading Parquet needs pyarrow; .*'medsearch\[train\]'"
    ):
        list(read_rows(tmp_path / "c.parquet"))


def test_a_table_in_several_files_and_qrels_as_tsv(sources: dict[str, Source], tmp_path: Path) -> None:
    tables = beir_tables(tmp_path)
    (tmp_path / "qrels_test.tsv").write_text('query-id\tcorpus-id\tscore\n7665777-1\t"32320506\t1\n')
    with gzip.open(tmp_path / "more.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write('{"_id": "dev-1", "text": "a boy of 3"}\n')
    tables |= {"queries": [*tables["queries"], tmp_path / "more.jsonl.gz"]}
    counts = convert(
        sources["pmc_patients"], tables | {"qrels/test": [tmp_path / "qrels_test.tsv"]}, tmp_path, ignore
    )
    assert counts.queries == 2
    assert (tmp_path / "qrels" / "test.tsv").read_text().splitlines()[1] == '7665777-1\t"32320506\t1'


@pytest.mark.parametrize(
    ("table", "row", "complaint"),
    [
        ("corpus", {"title": "no id", "text": "t"}, "corpus.jsonl: row 2: the column 'id' is missing"),
        ("corpus", {"_id": " ", "text": "t"}, "corpus.jsonl: row 2: the id is empty"),
        ("queries", {"_id": "q2"}, "queries.jsonl: row 2: the column 'text' is missing"),
        (
            "qrels",
            {"query-id": "q", "corpus-id": "1", "score": 0.5},
            "row 2: the score 0.5 is not a whole number",
        ),
        ("qrels", {"query-id": "q", "corpus-id": "1", "score": None}, "row 2: float"),
    ],
)
def test_a_bad_row_is_named(
    sources: dict[str, Source], tmp_path: Path, table: str, row: dict[str, object], complaint: str
) -> None:
    good: dict[str, object] = {"_id": "1", "text": "t", "query-id": "q", "corpus-id": "1", "score": 1}
    with pytest.raises(CorpusError, match=complaint):
        convert(sources["nfcorpus"], beir_tables(tmp_path, **{table: [good, row]}), tmp_path, ignore)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.jsonl", b'{"_id": 1}\n{"_id": \n', r"a\.jsonl:2: not JSON"),
        ("a.jsonl", b"[1]\n", r"a\.jsonl:1: not a JSON object"),
        ("a.jsonl", b'{"_id": "\xff"}\n', r"a\.jsonl: not UTF-8"),
        (
            "a.jsonl.gz",
            gzip.compress(b'{"_id": "1"}\n' * 99, mtime=0)[:-12],
            r"a\.jsonl\.gz: cannot be read to its end",
        ),
        ("a.parquet", b"PAR1 and not much more", r"a\.parquet: not Parquet"),
        ("a.xlsx", b"", r"a\.xlsx: a table is one of \.jsonl, \.csv"),
    ],
)
def test_an_unreadable_table_is_named(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=complaint):
        list(read_rows(tmp_path / name))


def write_pairs(file: Path) -> Path:
    with file.open("w", encoding="utf-8", newline="") as cells:
        csv.writer(cells).writerows([("question", "answer"), *PAIRS])
    return file


def test_questions_and_answers_become_queries_and_documents(
    sources: dict[str, Source], tmp_path: Path
) -> None:
    source = sources["publichealth_qa/spanish"]
    counts = convert(source, {"pairs": [write_pairs(tmp_path / "spanish.csv")]}, tmp_path, ignore)
    assert counts == Counts(documents=2, queries=3, qrels={"test": 3})
    assert lines(tmp_path / "corpus.jsonl.gz") == [
        {"_id": "D0", "title": "", "text": "Una enfermedad."},
        {"_id": "D1", "title": "", "text": "By droplets,\nand by air."},
    ]
    assert lines(tmp_path / "queries.jsonl.gz")[2] == {"_id": "Q3", "text": "Does it spread by air?"}
    assert (tmp_path / "qrels" / "test.tsv").read_text().splitlines()[1:] == [
        "Q0\tD0\t1",
        "Q1\tD1\t1",
        "Q3\tD1\t1",
    ]


def test_a_pairs_file_with_other_columns_is_refused(sources: dict[str, Source], tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("frage,antwort\na,b\n")
    source = replace(sources["publichealth_qa/french"], layout=Layout.PAIRS)
    with pytest.raises(CorpusError, match=r"p\.csv: no row has both a question and an answer"):
        convert(source, {"pairs": [tmp_path / "p.csv"]}, tmp_path, ignore)


@pytest.mark.slow
def test_pairs_are_numbered_as_mteb_numbers_them(
    sources: dict[str, Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    module = pytest.importorskip("mteb.tasks.retrieval.multilingual.public_health_qa_retrieval")
    file = write_pairs(tmp_path / "spanish.csv")
    loaded = datasets.load_dataset(
        "csv", data_files=str(file), split="train", cache_dir=str(tmp_path / "cache")
    )
    monkeypatch.setattr(module.datasets, "load_dataset", lambda *_, **__: loaded)
    monkeypatch.setattr(module.datasets, "DatasetDict", dict)
    corpus, queries, relevant = module._load_publichealthqa_data("x", ["spanish"], "test")
    convert(sources["publichealth_qa/spanish"], {"pairs": [file]}, tmp_path, ignore)
    ours = {row["_id"]: {"text": row["text"]} for row in lines(tmp_path / "corpus.jsonl.gz")}
    asked = {row["_id"]: row["text"] for row in lines(tmp_path / "queries.jsonl.gz")}
    judged: dict[str, dict[str, int]] = {}
    for line in (tmp_path / "qrels" / "test.tsv").read_text().splitlines()[1:]:
        query, document, score = line.split("\t")
        judged.setdefault(query, {})[document] = int(score)
    assert (ours, asked, judged) == (
        corpus["spanish"]["test"],
        queries["spanish"]["test"],
        relevant["spanish"]["test"],
    )
