from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import Heard

from medsearch.corpora.catalogue import find_corpus
from pipeline.convert import ConvertRequest, convert_corpus
from pipeline.held_out import text_key
from pipeline.journal import read_rows
from pipeline.mining.texts import Shingler, near_duplicates
from pipeline.pool import PoolPassage, read_pool
from pipeline.records import JudgedRow, PairRow
from pipeline.run_folder import RunFolder, open_run

CORPORA = ("mediqa2019_qa", "mediqa2019_rqe", "bioasq", "medquad")

Judged = dict[str, list[tuple[str, str, int]]]


def plain_judgements(folder: Path) -> Judged:
    """The judgements, read without medsearch."""
    found: Judged = {}
    for file in sorted((folder / "qrels").glob("*.tsv")):
        lines = file.read_text(encoding="utf-8").splitlines()[1:]
        found[file.stem] = [(q, d, int(g)) for q, d, g in (line.split("\t") for line in lines)]
    return found


def plain_records(file: Path) -> dict[str, dict[str, object]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return {record["_id"]: record for record in map(json.loads, lines)}


KEPT = {
    ("medquad", "train"): 10_989,  # 11,004 judged, 15 of them with nearly a document of dev or test
    ("medquad", "dev"): 738,
    ("bioasq", "train"): 11_305,  # 11,411 judged, 105 of them with documents of dev or test, 1 nearly so
    ("bioasq", "dev"): 2_489,
    ("mediqa2019_qa", "train"): 346,  # 405 of grade 2 or 3, 50 with documents of dev or test, 9 nearly so
    ("mediqa2019_qa", "dev"): 76,
    ("mediqa2019_rqe", "train"): 3_179,  # 4,637 relevant, 1,457 of them the question itself
    ("mediqa2019_rqe", "dev"): 116,
}
"""Pairs of the corpora as they were on 2026-11-22; the tests below count them again in another way."""


@pytest.mark.parametrize(
    ("name", "split"),
    [
        pytest.param(name, split, marks=[] if name.startswith("mediqa") else [pytest.mark.slow])
        for name in CORPORA
        for split in ("train", "dev")
    ],
)
def test_real_corpora_give_what_their_judgements_say_and_leak_nothing(
    real_data: Path, tmp_path: Path, name: str, split: str
) -> None:
    run = open_run("x", tmp_path)
    total = convert_corpus(ConvertRequest(find_corpus(name, [real_data]), split), run, Heard())
    pairs, pool = list(read_rows(run.pairs, PairRow)), read_pool(run)
    judged = plain_judgements(real_data / name)
    words = check_no_leak(real_data / name, judged, split, pool)
    held = {doc_id for other, rows in judged.items() if other != split for _, doc_id, _ in rows}
    queries = plain_records(real_data / name / "queries.jsonl.gz")
    lowest = 2 if name == "mediqa2019_qa" else 1
    relevant = {
        (q, d)
        for q, d, grade in judged[split]
        if grade >= lowest and d not in held and text_key(str(queries[q]["text"])) not in words
    }
    assert total.taken == len(judged[split])
    repeated = total.dropped["the document is the query itself"]
    near = total.dropped["the document: nearly the text of one of another split"]
    assert len(pairs) == total.kept == len(relevant) - repeated - near == KEPT[name, split]
    check_judged(run, judged[split], lowest)
    assert {tuple(json.loads(row.row_id)) for row in pairs} <= relevant
    assert {row.positive_id for row in pairs} <= {passage.passage_id for passage in pool}
    assert not {text_key(row.query) for row in pairs} & words
    assert len({row.row_id for row in pairs}) == len(pairs)


def check_no_leak(folder: Path, judged: Judged, split: str, pool: Sequence[PoolPassage]) -> set[bytes]:
    """Check the pool; returns the words of all queries and documents of the other splits."""
    documents = plain_records(folder / "corpus.jsonl.gz")
    queries = plain_records(folder / "queries.jsonl.gz")
    others = [row for other, rows in judged.items() if other != split for row in rows]
    groups = {
        str(record.get("metadata", {}).get("group"))  # type: ignore[attr-defined]  # JSON
        for q, d, _ in others
        for record in (queries[q], documents[d])
    } - {"None"}
    words = {text_key(str(queries[q]["text"])) for q, _, _ in others}
    words |= {text_key(f"{documents[d]['title']} {documents[d]['text']}") for _, d, _ in others}
    assert others
    assert not {d for _, d, _ in others} & {passage.passage_id for passage in pool}
    assert not groups & {passage.source.group for passage in pool}
    assert not words & {text_key(passage.text) for passage in pool}
    held = {doc_id: documents[doc_id] for _, doc_id, _ in others}
    texts = [f"{record['title']} {record['text']}" for record in held.values()]
    own = [str(record.get("metadata", {}).get("group") or "") for record in held.values()]  # type: ignore[attr-defined]  # JSON
    shingler = Shingler()
    shingles = [shingler(text) for text in (*texts, *(passage.text for passage in pool))]
    both = [*own, *(passage.source.group for passage in pool)]
    assert not [(a, b) for a, b in near_duplicates(shingles, 0.8, both) if a < len(texts) <= b]
    return words


def check_judged(run: RunFolder, judged: list[tuple[str, str, int]], lowest: int) -> None:
    """Every judgement below the relevant grade of a query with a pair and a passage of the pool is kept."""
    shared = {json.loads(row.row_id)[0]: row.query_id for row in read_rows(run.pairs, PairRow)}
    there = {passage.passage_id for passage in read_pool(run)}
    below = {(shared[q], d) for q, d, g in judged if g < lowest and q in shared and d in there}
    right = {(shared[q], d) for q, d, g in judged if g >= lowest and q in shared}
    found = [(row.query_id, row.passage_id) for row in read_rows(run.judged, JudgedRow)]
    assert len(set(found)) == len(found)
    assert below - right <= set(found)
    assert all(row.grade < lowest for row in read_rows(run.judged, JudgedRow))
