from __future__ import annotations

import gzip
import json
import os
import shutil
from pathlib import Path

import pytest

from medsearch.corpora.catalogue import (
    CorpusFormat,
    CorpusLocation,
    find_corpus,
    fingerprint,
    list_corpora,
    load_collection,
    quick_stamp,
    read_documents,
    read_queries,
    splits,
)
from medsearch.corpora.rejects import Rejects
from medsearch.errors import CorpusError, UsageError

ARTICLE = (
    b"<article><front><article-meta><title-group><article-title>T</article-title></title-group></article-meta></front>"
    b"<body><p>Words.</p></body></article>"
)


def write(path: Path, *records: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One corpus of every kind and what lies beside corpora."""
    data = tmp_path / "data"
    write(data / "asthma/corpus.jsonl", {"_id": "a", "text": "Inhaler."}, {"_id": "b", "text": "Spacer."})
    write(data / "asthma/queries.jsonl", {"_id": "q1", "text": "puffer"}, {"_id": "q2", "text": "tube"})
    write(data / "asthma/all_topics.jsonl", {"_id": "t", "text": "not documents"})
    (data / "asthma/qrels").mkdir()
    (data / "asthma/qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\ta\t2\nq1\tb\t0\n")
    (data / "asthma/qrels/dev.tsv").write_text("q2\tb\t1\nq9\ta\t1\nq2\tgone\t1\nq2\tlost\t1\n")
    write(data / "faq/en/corpus.jsonl.gz", {"_id": "e", "text": "Wash hands."})
    write(data / "faq/de/corpus.jsonl.gz", {"_id": "d", "text": "Hände waschen."})
    write(data / "notes/ward.jsonl.gz", {"id": 1, "note": "Cough."})
    (data / "notes/clinic.csv").write_text("id,text\n1,Rash.\n")
    (data / "articles_only/articles").mkdir(parents=True)
    (data / "articles_only/articles/PMC1.xml").write_bytes(ARTICLE)
    (data / "raw/pmc").mkdir(parents=True)
    (data / "raw/pmc/PMC2.nxml").write_bytes(ARTICLE)
    write(data / "judged_only/queries.jsonl", {"_id": "q", "text": "x"})
    write(data / "vocabulary/terms.jsonl", {"id": "DOID:1", "name": "a word"})
    write(data / "index/asthma/passages.jsonl", {"_id": "p", "text": "a passage of an index"})
    write(data / ".hidden/corpus.jsonl", {"_id": "h", "text": "hidden"})
    (data / "sources.toml").write_text("")
    return data


def test_every_corpus_is_listed_once_and_nothing_else(folder: Path) -> None:
    assert [(location.name, location.format.value) for location in list_corpora([folder])] == [
        ("articles_only", "jats"),
        ("asthma", "beir"),
        ("faq/de", "beir"),
        ("faq/en", "beir"),
        ("notes/clinic", "notes"),
        ("notes/ward", "notes"),
        ("pmc", "jats"),
    ]
    assert list_corpora([folder / "no such folder"]) == []


def test_every_listed_corpus_is_found_by_its_name_and_read(folder: Path) -> None:
    for location in list_corpora([folder]):
        assert find_corpus(location.name, [folder]) == location
        rejects = Rejects()
        documents = list(read_documents(location, rejects))
        assert documents, location
        assert rejects.count == 0
        assert {document.metadata["source"] for document in documents} == {location.name}


def test_earlier_folders_win(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "mine/asthma/corpus.jsonl", {"_id": "x", "text": "Mine."})
    assert find_corpus("asthma", [tmp_path / "mine", folder]).path == tmp_path / "mine/asthma"
    listed = {location.name: location.path for location in list_corpora([tmp_path / "mine", folder])}
    assert listed["asthma"] == tmp_path / "mine/asthma"
    assert listed["faq/en"] == folder / "faq/en"


def test_paths_are_corpora_too(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_corpus(str(folder / "faq/en"), [folder]).name == "faq/en"
    assert find_corpus(str(folder / "faq/en/corpus.jsonl.gz"), [folder]) == find_corpus("faq/en", [folder])
    outside = tmp_path / "elsewhere" / "letters.csv"
    outside.parent.mkdir()
    shutil.copy(folder / "notes/clinic.csv", outside)
    monkeypatch.chdir(tmp_path)
    for path in (str(outside), "elsewhere/letters.csv", "./elsewhere/letters.csv"):
        found = find_corpus(path, [folder])
        assert (found.name, found.format, found.path.resolve()) == ("letters", CorpusFormat.NOTES, outside)
    assert find_corpus("notes", [folder]) == CorpusLocation("notes", folder / "notes", CorpusFormat.NOTES)
    assert find_corpus("notes/clinic.csv", [folder]).name == "notes/clinic"
    article = find_corpus(str(folder / "articles_only/articles/PMC1.xml"), [folder])
    assert article.format is CorpusFormat.JATS
    assert [document.text for document in read_documents(article, Rejects())] == ["Words."]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("astma", " did you mean asthma?"),
        ("faq", " did you mean faq/de, faq/en?"),
        ("zzzzzz", ""),
        ("", ""),
        ("../asthma", " did you mean asthma?"),
    ],
)
def test_an_unknown_name_is_one_line_with_the_closest_and_where_it_looked(
    folder: Path, name: str, hint: str
) -> None:
    with pytest.raises(UsageError) as raised:
        find_corpus(name, [folder])
    message = str(raised.value)
    assert message == f"no corpus called {name!r}{';' if hint else ''}{hint} (looked in {folder})"


def test_a_path_that_is_no_corpus_says_what_was_looked_for(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"vocabulary is not a corpus: in it is no corpus\.jsonl"):
        find_corpus(str(folder / "vocabulary"), [])


def test_queries_without_documents_are_found_but_have_none(folder: Path) -> None:
    location = find_corpus("judged_only", [folder])
    assert [query.query_id for query in read_queries(location, Rejects())] == ["q"]
    with pytest.raises(
        CorpusError, match=r"^judged_only has no documents: there is no corpus\.jsonl\[\.gz\] in "
    ):
        list(read_documents(location, Rejects()))


def test_a_collection_has_the_queries_of_its_split(folder: Path) -> None:
    location = find_corpus("asthma", [folder])
    assert splits(location) == ("dev", "test")
    rejects = Rejects()
    collection = load_collection(location, "test", rejects)
    assert (collection.name, collection.split) == ("asthma", "test")
    assert [document.doc_id for document in collection.documents] == ["a", "b"]
    assert [query.query_id for query in collection.queries] == ["q1"]
    assert collection.qrels == {"q1": {"a": 2, "b": 0}}
    assert rejects.warnings == []


def test_unknown_ids_of_judgements_are_kept_and_warned_of_once(folder: Path) -> None:
    rejects = Rejects(strict=True)
    collection = load_collection(find_corpus("asthma", [folder]), "dev", rejects)
    assert collection.qrels["q2"] == {"b": 1, "gone": 1, "lost": 1}
    where = folder / "asthma/qrels/dev.tsv"
    assert rejects.warnings == [
        f"{where}: 1 query id is judged but not in the corpus (q9)",
        f"{where}: 2 document ids are judged but not in the corpus (gone, lost)",
    ]


def test_a_missing_split_names_those_that_there_are(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"^corpus asthma has no split 'train'; it has dev, test$"):
        load_collection(find_corpus("asthma", [folder]), "train", Rejects())
    for name in ("faq/en", "notes/ward", "articles_only"):
        with pytest.raises(UsageError, match="it has no judgements"):
            load_collection(find_corpus(name, [folder]), "test", Rejects())


@pytest.mark.parametrize("name", ["asthma", "notes", "articles_only"])
def test_stamps_follow_the_documents_and_nothing_else(folder: Path, tmp_path: Path, name: str) -> None:
    location = find_corpus(name, [folder])
    before, quick = fingerprint(location), quick_stamp(location)
    (folder / name / "README.md").write_text("not a document")
    assert (fingerprint(location), quick_stamp(location)) == (before, quick)
    moved = shutil.copytree(folder / name, tmp_path / "moved" / name)
    assert fingerprint(CorpusLocation("other", moved, location.format)) == before
    file = next(
        file for file in sorted(location.path.rglob("*")) if file.suffix in (".jsonl", ".csv", ".xml")
    )
    if name == "asthma":
        file = location.path / "corpus.jsonl"
    os.utime(file, ns=(1, 1))
    assert (fingerprint(location), quick_stamp(location) == quick) == (before, False)
    file.write_bytes(file.read_bytes().replace(b"a", b"e", 1))
    assert fingerprint(location) != before


def test_a_renamed_article_changes_the_fingerprint(folder: Path) -> None:
    location = find_corpus("articles_only", [folder])
    before = fingerprint(location)
    (location.path / "articles/PMC1.xml").rename(location.path / "articles/PMC3.xml")
    assert fingerprint(location) != before


def test_real_corpora_have_the_counts_of_their_readme(real_data: Path) -> None:
    counts = {
        "cystic_fibrosis": ("test", 1239, 99, 4812),
        "mediqa2019_qa": ("test", 1663, 146, 1067),
        "covid_faq/sv": ("test", 64, 64, 64),
        "trec_covid_mini": ("test", 309, 50, 1315),
    }
    for name, (split, documents, queries, judgements) in counts.items():
        rejects = Rejects(strict=True)
        collection = load_collection(find_corpus(name, [real_data]), split, rejects)
        assert len(collection.documents) == documents
        assert len(collection.queries) == queries
        assert sum(map(len, collection.qrels.values())) == judgements
        assert rejects.warnings == []


def test_nfcorpus_judgements_are_read_without_its_documents(real_data: Path) -> None:
    location = find_corpus("nfcorpus_queries", [real_data])
    assert splits(location) == ("dev", "test", "train")
    assert sum(1 for _ in read_queries(location, Rejects(strict=True))) == 3237
    assert "nfcorpus_queries" not in {found.name for found in list_corpora([real_data])}


@pytest.mark.slow
def test_every_real_corpus_is_read_without_a_reject(real_data: Path) -> None:
    counts = {}
    for location in list_corpora([real_data]):
        rejects = Rejects(strict=True)
        counts[location.name] = sum(1 for _ in read_documents(location, rejects))
    assert counts["medquad"] == 16_342
    assert counts["bioasq"] == 18_525
    assert counts["pmc_jats"] == 200
    assert len(counts) == 18


def test_a_fetched_corpus_goes_by_its_own_name(tmp_path: Path) -> None:
    folder = tmp_path / "raw" / "scifact"
    folder.mkdir(parents=True)
    (folder / "corpus.jsonl").write_text('{"_id": "a", "text": "Words."}\n', encoding="utf-8")
    found = find_corpus("scifact", [tmp_path])
    assert (found.name, found.path) == ("scifact", folder)
    assert [location.name for location in list_corpora([tmp_path])] == ["scifact"]
    assert find_corpus(str(folder), [tmp_path]).name == "scifact"
