"""Finished builds, extensions and refusals, with an encoder whose vectors mean something."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import BM25_SPEC, Heard, TopicEncoder, topic_spec
from index_material import PASSAGES, PLAN, material

from medsearch.errors import IndexRefusedError, ModelUnavailableError
from medsearch.index.assemble import Source
from medsearch.index.build import build_index
from medsearch.index.manifest import Plan, read_manifest
from medsearch.index.reader import open_index
from medsearch.types import Filter, Passage, PassageSettings


def test_a_finished_index_gives_back_every_passage_and_vector(tmp_path: Path) -> None:
    manifest = build_index(tmp_path, PLAN, material(), Heard())
    counts = manifest.counts
    assert (counts.documents, counts.passages, counts.rejects) == (33, len(PASSAGES), 3)
    assert read_manifest(tmp_path) == manifest
    reader = open_index(tmp_path)
    expected = TopicEncoder().encode_documents([f"{p.title} {p.text}" for p in PASSAGES])
    assert np.array_equal(np.concatenate(list(reader.vectors("topics"))), expected)
    hits = reader.search_dense(PLAN.models["topics"], expected[5], k=len(PASSAGES), exact=True)
    assert reader.passages(sorted(h.number for h in hits)) == PASSAGES
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
    assert not (tmp_path / "building").exists()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (replace(PLAN, corpus_hash="e" * 64), "corpus hash is 'ffffffffffff' in the index"),
        (replace(PLAN, passages=PassageSettings(max_tokens=128)), "passages.max_tokens is 200"),
        (replace(PLAN, models={"topics": topic_spec(revision="2")}), "topics.revision is '1'"),
        (
            replace(PLAN, models={"topics": topic_spec(document_prompt="query: ")}),
            "topics.document_prompt is ''",
        ),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path: Path, changed: Plan, named: str) -> None:
    build_index(tmp_path, PLAN, material(), Heard())
    with pytest.raises(IndexRefusedError, match=named):
        build_index(tmp_path, changed, material(), Heard())
    rebuilt = build_index(tmp_path, changed, material(), Heard(), rebuild=True)
    assert rebuilt.plan == changed


def test_searching_with_another_revision_is_refused(tmp_path: Path) -> None:
    build_index(tmp_path, PLAN, material(), Heard())
    vector = np.ones(5, dtype=np.float32)
    with pytest.raises(IndexRefusedError, match=r"topics\.revision is '1' in the index, '2' is asked for"):
        open_index(tmp_path).search_dense(topic_spec(revision="2"), vector, k=3)


def test_a_model_is_added_without_encoding_the_others_again(tmp_path: Path) -> None:
    build_index(tmp_path / "two", replace(PLAN, models={"topics": topic_spec()}), material(), Heard())
    added = TopicEncoder(topic_spec("more"))
    more = replace(PLAN, models={"more": topic_spec("more"), "bm25": BM25_SPEC})
    extended = build_index(tmp_path / "two", more, material(added), Heard())
    assert len(added.documents) == len(PASSAGES)
    both = replace(PLAN, models={"topics": topic_spec(), **more.models})
    assert extended.content == build_index(tmp_path / "one", both, material(), Heard()).content


def test_filters_restrict_and_facets_count(tmp_path: Path) -> None:
    build_index(tmp_path, PLAN, material(), Heard())
    reader = open_index(tmp_path)
    where = Filter(year_from=2003, year_to=2005, kinds=("note",), sections=("Methods",))
    hits = reader.search_bm25(BM25_SPEC, "insulin cough angina rash", k=1000, where=where)
    expected = [
        p
        for p in PASSAGES
        if 2003 <= int(str(p.metadata["year"])) <= 2005 and p.metadata["kind"] == "note" and p.number == 1
    ]
    assert reader.passages(sorted(h.number for h in hits)) == expected
    counted = {"note": 0, "article": 0}
    for passage in PASSAGES:
        counted[str(passage.metadata["kind"])] += 1
    assert dict(reader.facet("metadata.kind")) == counted


def test_two_readers_at_once_and_a_rebuild_under_them(tmp_path: Path) -> None:
    build_index(tmp_path, PLAN, material(), Heard())
    first, second = open_index(tmp_path), open_index(tmp_path)
    build_index(tmp_path, replace(PLAN, corpus_hash="e" * 64), material(), Heard(), rebuild=True)
    for reader in (first, second, open_index(tmp_path)):
        [best] = reader.search_bm25(BM25_SPEC, "insulin", k=1)
        assert reader.passages([best.number])[0].title == "About insulin dose"


def test_a_corpus_without_documents_is_refused(tmp_path: Path) -> None:
    def nothing() -> Iterator[Passage]:
        return iter(())

    with pytest.raises(IndexRefusedError, match=r"tiny has no document to index \(3 records set aside\)"):
        build_index(tmp_path, PLAN, replace(material(), passages=nothing), Heard())


def test_a_damaged_manifest_and_a_damaged_shard_say_what_to_do(tmp_path: Path) -> None:
    manifest = build_index(tmp_path, PLAN, material(), Heard())
    for file in (tmp_path / manifest.shard).rglob("*.json"):
        file.write_text("{")
    with pytest.raises(
        IndexRefusedError,
        match=r"cannot be opened .* `medsearch index tiny --models topics,bm25 .*--rebuild`",
    ):
        open_index(tmp_path)
    (tmp_path / "manifest.json").write_text('{"plan": 3}')
    with pytest.raises(IndexRefusedError, match="not a readable manifest"):
        open_index(tmp_path)


def test_a_model_that_cannot_be_loaded_fails_before_anything_is_cut(tmp_path: Path) -> None:
    def missing(name: str) -> TopicEncoder:
        raise ModelUnavailableError(f"no {name} here")

    heard = Heard()
    with pytest.raises(ModelUnavailableError, match="no topics here"):
        build_index(tmp_path, PLAN, replace(material(), encoder=missing), heard)
    assert heard.stages == {}
    assert build_index(tmp_path, PLAN, material(), Heard()).counts.passages == len(PASSAGES)


def test_an_index_that_is_gone_is_not_up_to_date(tmp_path: Path) -> None:
    manifest = build_index(tmp_path, PLAN, material(), Heard())
    shutil.rmtree(tmp_path / manifest.shard)
    with pytest.raises(IndexRefusedError, match="cannot be opened"):
        build_index(tmp_path, PLAN, material(), Heard())
    assert build_index(tmp_path, PLAN, material(), Heard(), rebuild=True).content == manifest.content


def test_rebuilding_without_a_model_says_so_and_remarks_are_heard(tmp_path: Path) -> None:
    build_index(tmp_path, PLAN, material(), Heard())
    heard = Heard()
    build_index(tmp_path, replace(PLAN, models={"bm25": BM25_SPEC}), material(), heard, rebuild=True)
    assert "the new index will not have topics, which the present one has" in heard.lines
    assert "note: one article has no body" in heard.lines


def test_two_bm25_models_keep_to_their_own_weights(tmp_path: Path) -> None:
    plain = replace(BM25_SPEC, name="bm25-plain", parameters={"k1": 0.0, "b": 0.0, "language": "english"})
    build_index(tmp_path, replace(PLAN, models={"bm25": BM25_SPEC, "bm25-plain": plain}), material(), Heard())
    reader = open_index(tmp_path)
    [first] = reader.search_bm25(BM25_SPEC, "insulin dose", k=1)
    [second] = reader.search_bm25(plain, "insulin dose", k=1)
    assert first.score > 1.3 * second.score


def test_an_index_that_cannot_be_written_to_says_what_the_engine_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = build_index(tmp_path, PLAN, material(), Heard())
    for file in (tmp_path / manifest.shard).rglob("*.json"):
        file.write_text("{")
    monkeypatch.setattr("medsearch.index.reader.os.access", lambda *_: False)
    with pytest.raises(IndexRefusedError, match="the engine must be able to write there, even to search"):
        open_index(tmp_path)


def test_an_unreadable_manifest_gives_way_to_a_rebuild_only(tmp_path: Path) -> None:
    before = build_index(tmp_path, PLAN, material(), Heard())
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(IndexRefusedError, match="not a readable manifest"):
        build_index(tmp_path, PLAN, material(), Heard())
    after = build_index(tmp_path, PLAN, material(), Heard(), rebuild=True)
    assert after.content == before.content
    assert [shard.name for shard in tmp_path.glob("shard-*")] == [after.shard]


def test_an_index_is_not_extended_over_other_passages(tmp_path: Path) -> None:
    before = build_index(tmp_path, PLAN, material(), Heard())
    moved = [replace(passage, text=passage.text + " More.") for passage in PASSAGES]
    wider = replace(PLAN, models={"more": topic_spec("more")})
    with pytest.raises(
        IndexRefusedError, match=r"cut into other passages now .*--models topics,bm25,more .*--rebuild"
    ):
        build_index(tmp_path, wider, replace(material(), passages=lambda: iter(moved)), Heard())
    assert open_index(tmp_path).manifest == before


def test_a_touched_or_moved_corpus_is_remembered(tmp_path: Path) -> None:
    before = build_index(tmp_path, PLAN, material(), Heard())
    moved = replace(material(), source=Source(path="elsewhere", stamp="later"))
    after = build_index(tmp_path, PLAN, moved, Heard())
    assert after == replace(before, path="elsewhere", stamp="later") == read_manifest(tmp_path)
