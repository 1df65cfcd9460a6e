"""What other splits hold stays out even where their files are damaged, and where it is only nearly said."""

from __future__ import annotations

from pathlib import Path

import pytest
from convert_material import Record, convert, pool_of, rows_of, write_corpus
from hypothesis import given
from hypothesis import strategies as st

from medsearch.errors import CorpusError
from pipeline.near_texts import NearTexts, hashed_shingles

LONG = "In children with asthma inhaled steroids prevent attacks and spare them visits to the ward at night"
DOCUMENTS: list[Record] = [
    {"_id": "a", "text": "Allopurinol lowers urate.", "metadata": {"group": "gout"}},
    {"_id": "b", "text": "Colchicine stops attacks of gout."},
    {"_id": "t", "text": LONG, "metadata": {"group": "asthma"}},
]
QUERIES: list[Record] = [
    {"_id": "q", "text": "How is gout treated?"},
    {"_id": "qt", "text": "What prevents asthma attacks?"},
]
QRELS = {"train": [("q", "a", 1), ("q", "b", 1)], "test": [("qt", "t", 1)]}


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("qt\tb\t1.0", "grade '1.0' is not an integer"),
        ("qt b 1", "1 tab-separated columns where query id, document id and grade are wanted"),
        ("qt\t \t1", "query id or document id is empty"),
        ("qt\tt\t0", "are judged twice, 1 and 0"),
    ],
)
def test_a_judgement_of_another_split_that_cannot_be_read_stops_it_all(
    tmp_path: Path, line: str, what: str
) -> None:
    corpus = write_corpus(tmp_path / "x", QRELS, DOCUMENTS, QUERIES)
    with (corpus / "qrels" / "test.tsv").open("a", encoding="utf-8") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(CorpusError) as error:
        convert(corpus, tmp_path / "runs")
    assert what in str(error.value)
    assert f"{corpus / 'qrels' / 'test.tsv'}:3: " in str(error.value)
    assert "what split 'test' judges must be known in full" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "runs").exists()


def test_a_run_made_before_is_not_lost_to_such_an_error(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "x", QRELS, DOCUMENTS, QUERIES)
    run, _ = convert(corpus, tmp_path / "runs")
    before = run.pairs.read_bytes()
    (corpus / "qrels" / "test_.tsv").write_text("qt\tb\t1.0\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"test_\.tsv:1: grade '1.0'"):
        convert(corpus, tmp_path / "runs")
    assert run.pairs.read_bytes() == before != b""


def test_a_judgement_of_the_split_itself_is_only_set_aside(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "x", QRELS, DOCUMENTS, QUERIES)
    with (corpus / "qrels" / "train.tsv").open("a", encoding="utf-8") as stream:
        stream.write("q\tt\t1.0\n")
    _, total = convert(corpus, tmp_path / "runs")
    assert (total.kept, total.seen["records of the corpus set aside"]) == (2, 1)


@pytest.mark.parametrize(
    "bad",
    [
        {"_id": "qt", "text": 7, "metadata": {"group": "gout"}},  # its text is no text, its group is
        {"_id": "qt", "text": "", "metadata": {"focus": "gout"}},
    ],
)
def test_a_bad_query_of_another_split_holds_out_its_group(tmp_path: Path, bad: Record) -> None:
    corpus = write_corpus(tmp_path / "x", QRELS, DOCUMENTS, [QUERIES[0], bad])
    run, _ = convert(corpus, tmp_path / "runs")
    assert pool_of(run) == ["b"]


def test_a_second_document_under_a_held_out_id_is_held_out_too(tmp_path: Path) -> None:
    repeated = {"_id": "t", "text": "colchicine stops attacks of gout"}
    corpus = write_corpus(tmp_path / "x", QRELS, [*DOCUMENTS, repeated], QUERIES)
    run, total = convert(corpus, tmp_path / "runs")
    assert [row.positive_id for row in rows_of(run)] == ["a"]
    assert total.dropped["the document: its text is in another split"] == 1


@pytest.mark.parametrize(("file", "name"), [("corpus", "t"), ("queries", "qt")])
def test_a_record_that_may_be_a_held_out_one_and_cannot_be_read_stops_it(
    tmp_path: Path, file: str, name: str
) -> None:
    documents = [record for record in DOCUMENTS if record["_id"] != name]
    queries = [record for record in QUERIES if record["_id"] != name]
    corpus = write_corpus(tmp_path / "x", QRELS, documents, queries)
    run, _ = convert(corpus, tmp_path / "fine")  # it is only missing: nothing of it can get in
    assert pool_of(run)[:2] == ["a", "b"]
    with (corpus / f"{file}.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"_id": "' + name + '", "text": "cut off he\n')
    with pytest.raises(CorpusError) as error:
        convert(corpus, tmp_path / "runs")
    assert f"{file}.jsonl:{3 if file == 'corpus' else 2}: invalid JSON" in str(error.value)
    assert f"it may be '{name}', which another split judges" in str(error.value)
    assert "cut off" not in str(error.value)


TYPED_OVER = LONG.replace("the ward", "the wards").upper()


@pytest.mark.parametrize(
    ("text", "group", "kept"),
    [
        (TYPED_OVER, "", False),  # 39 triples are shared of 45
        (f"{LONG} again.", "", False),
        (f"{LONG} again.", "another disease", True),  # a template of two subjects may differ so little
        (LONG.replace("asthma", "eczema").replace("inhaled", "topical"), "", True),
    ],
)
def test_near_copies_of_held_out_documents_stay_out(
    tmp_path: Path, text: str, group: str, kept: bool
) -> None:
    longer = " ".join([text, *(f"sentence {n} is the same in both of them" for n in range(3))])
    held = " ".join([LONG, *(f"sentence {n} is the same in both of them" for n in range(3))])
    documents: list[Record] = [
        {"_id": "a", "text": "Allopurinol lowers urate."},
        {"_id": "b", "text": longer, "metadata": {"group": group}},
        {"_id": "t", "text": held, "metadata": {"group": "asthma"}},
    ]
    run, total = convert(write_corpus(tmp_path / "x", QRELS, documents, QUERIES), tmp_path / "runs")
    assert pool_of(run) == (["a", "b"] if kept else ["a"])
    near = "nearly the text of one of another split"
    assert total.seen[f"documents left out of the pool: {near}"] == (not kept)
    assert total.dropped[f"the document: {near}"] == (not kept)


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "g"]), min_size=1, max_size=14).map(" ".join)


@given(
    st.lists(st.tuples(WORDS, st.sampled_from(["", "g", "h"])), max_size=12),
    WORDS,
    st.sampled_from(["", "g"]),
    st.integers(0, 40),
)
def test_the_index_finds_what_comparing_all_finds(
    known: list[tuple[str, str]], text: str, group: str, cut: int
) -> None:
    if known:  # one that is near more often than chance has it
        text = " ".join([*known[0][0].split()[: cut % 14], *text.split()[: cut % 3]]) or text
    near = NearTexts.of([each for each, _ in known], [each for _, each in known])
    expected = any(
        similarity(text, other) >= (0.98 if group and own not in ("", group) else 0.8) for other, own in known
    )
    assert near.has_near(text, group) == expected


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of word triples, by sets of tuples."""

    def triples(text: str) -> set[tuple[str, ...]]:
        words = text.split() + [""] * max(0, 3 - len(text.split()))
        return {tuple(words[n : n + 3]) for n in range(len(words) - 2)}

    a, b = triples(one), triples(other)
    return len(a & b) / len(a | b)


def test_a_text_is_compared_whatever_its_case_and_punctuation() -> None:
    one, other = hashed_shingles("Rest, ICE & compression!"), hashed_shingles("rest ice compression")
    assert one.tolist() == other.tolist()
