"""Token vectors as multivectors of the index: written, read, searched, extended, and resumed after a stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import Heard, TopicEncoder
from index_material import CHUNK, PASSAGES, PLAN, material
from late_fakes import WordEncoder, maxsim, word_spec

from medsearch.errors import IndexRefusedError, UsageError
from medsearch.index.build import Material, build_index
from medsearch.index.manifest import Plan
from medsearch.index.reader import IndexReader, open_index
from medsearch.index.token_store import TokenStore
from medsearch.types import Filter

LATE = word_spec()
BOTH = replace(PLAN, models={**PLAN.models, "words": LATE})
ONLY = replace(PLAN, models={"words": LATE})
TEXTS = [f"{passage.title} {passage.text}" for passage in PASSAGES]
QUERY = "heart pain angina and a cough"


def late_material(late: WordEncoder | None = None) -> Material:
    used = {"words": late or WordEncoder(), "topics": TopicEncoder()}
    return replace(material(), encoder=lambda name: used[name])


def build(folder: Path, plan: Plan = BOTH, late: WordEncoder | None = None) -> IndexReader:
    build_index(folder, plan, late_material(late), Heard())
    return open_index(folder)


def expected() -> dict[int, float]:
    [query] = WordEncoder().encode_queries([QUERY])
    documents = WordEncoder().encode_documents(TEXTS)
    return {number: maxsim(query, document) for number, document in enumerate(documents)}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> IndexReader:
    return build(tmp_path_factory.mktemp("index"))


def test_scores_are_maxsim_and_every_passage_has_one(reader: IndexReader) -> None:
    [query] = WordEncoder().encode_queries([QUERY])
    found = reader.search_tokens(LATE, query, k=len(PASSAGES))
    wanted = expected()
    assert {point.number: point.score for point in found} == pytest.approx(wanted, abs=5e-3)
    assert len({round(score, 3) for score in wanted.values()}) > 4, "else any order would do"
    assert [point.score for point in found] == sorted((point.score for point in found), reverse=True)


def test_only_the_named_passages_are_looked_at(reader: IndexReader) -> None:
    [query] = WordEncoder().encode_queries([QUERY])
    found = reader.search_tokens(LATE, query, k=10, among=[3, 7, 40])
    wanted = expected()
    assert {point.number: point.score for point in found} == pytest.approx(
        {number: wanted[number] for number in (3, 7, 40)}, abs=5e-3
    )
    assert [point.doc_id for point in found] == [PASSAGES[point.number].doc_id for point in found]
    assert reader.search_tokens(LATE, query, k=10, among=[]) == []


def test_filters_count(reader: IndexReader) -> None:
    [query] = WordEncoder().encode_queries([QUERY])
    where = Filter(year_from=2004, year_to=2006)
    found = reader.search_tokens(LATE, query, k=len(PASSAGES), where=where)
    years = {number: passage.metadata["year"] for number, passage in enumerate(PASSAGES)}
    assert {point.number for point in found} == {
        n for n, year in years.items() if 2004 <= int(str(year)) <= 2006
    }
    among = reader.search_tokens(LATE, query, k=9, where=where, among=[4, 5, 19])
    assert {point.number for point in among} == {4, 5}


def test_dense_and_bm25_beside_it_are_as_without_it(reader: IndexReader, tmp_path: Path) -> None:
    build_index(tmp_path, PLAN, material(), Heard())
    alone = open_index(tmp_path)
    [vector] = TopicEncoder().encode_queries([QUERY])
    dense, bm25 = PLAN.models["topics"], PLAN.models["bm25"]
    every = len(PASSAGES)
    both = (reader, alone)
    found, wanted = (set(one.search_dense(dense, vector, k=every, exact=True)) for one in both)
    assert len(found) == every
    assert found == wanted
    found, wanted = (set(one.search_bm25(bm25, QUERY, k=every)) for one in both)
    assert found == wanted
    assert found


def test_vectors_come_back_in_half_precision(reader: IndexReader) -> None:
    found = [rows for chunk in reader.vectors("words") for rows in chunk]
    wanted = WordEncoder().encode_documents(TEXTS)
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs.astype(np.float16).astype(np.float32))


def test_an_index_that_gets_another_model_keeps_its_token_vectors(tmp_path: Path) -> None:
    whole = build(tmp_path / "whole").manifest.content
    build(tmp_path / "grown", ONLY)
    late = WordEncoder()
    grown = build(tmp_path / "grown", BOTH, late).manifest
    assert late.documents == []
    assert grown.content == whole


@pytest.mark.parametrize("stop_after", [0, CHUNK, 2 * CHUNK + 1, 3 * CHUNK])
def test_an_interrupted_build_goes_on_and_ends_the_same(tmp_path: Path, stop_after: int) -> None:
    whole = build(tmp_path / "whole", ONLY).manifest
    first = WordEncoder(stop_after=stop_after)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "cut", ONLY, first)
    with pytest.raises(IndexRefusedError, match="no index at"):
        open_index(tmp_path / "cut")
    second = WordEncoder()
    assert build(tmp_path / "cut", ONLY, second).manifest.content == whole.content
    assert first.documents + second.documents == TEXTS


def test_a_changed_pooling_is_another_model(tmp_path: Path) -> None:
    build(tmp_path, ONLY)
    other = replace(ONLY, models={"words": word_spec(parameters={"token_pooling": 2.0})})
    with pytest.raises(IndexRefusedError, match=r"words.parameters is \{\} in the index"):
        build(tmp_path, other)


def test_an_index_without_token_vectors_says_how_to_get_them(tmp_path: Path) -> None:
    build_index(tmp_path, PLAN, material(), Heard())
    [query] = WordEncoder().encode_queries([QUERY])
    with pytest.raises(UsageError, match=r"has no vectors of words .* --models words"):
        open_index(tmp_path).search_tokens(LATE, query, k=1)


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


def of_another_type(file: Path) -> None:
    np.savez(file, lengths=np.array([1]), vectors=np.zeros((1, LATE.dim), dtype=np.float64))


def without_lengths(file: Path) -> None:
    np.savez(file, vectors=np.zeros((1, LATE.dim), dtype=np.float16))


def of_other_lengths(file: Path) -> None:
    np.savez(file, lengths=np.array([2, 2]), vectors=np.zeros((1, LATE.dim), dtype=np.float16))


@pytest.mark.parametrize("damage", [cut_short, of_another_type, without_lengths, of_other_lengths])
def test_a_damaged_chunk_is_dropped_and_whole_ones_stay(tmp_path: Path, damage: object) -> None:
    store = TokenStore(tmp_path)
    texts = TEXTS[: CHUNK + 3]
    for number, part in enumerate((texts[:CHUNK], texts[CHUNK:])):
        store.append(number, WordEncoder().encode_documents(part))
    assert callable(damage)
    damage(tmp_path / "00000001.npz")
    store.drop_damaged(len(texts), LATE.dim)
    assert (store.has(0), store.has(1)) == (True, False)
    assert not store.is_whole(len(texts))
    with pytest.raises(OSError, match=r"00000001.npz is missing or damaged"):
        list(store.read(len(texts)))
    store.drop_damaged(len(texts), LATE.dim + 1)
    assert not store.has(0), "of another model"
