"""Builds, interrupted builds, extensions and refusals, with an encoder whose vectors mean something."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import BM25_SPEC, Heard, TopicEncoder, topic_spec

from medsearch.errors import IndexRefusedError, ModelUnavailableError
from medsearch.index.assemble import Source
from medsearch.index.build import CutReport, Material, build_index
from medsearch.index.manifest import Plan, read_manifest
from medsearch.index.reader import open_index
from medsearch.types import Filter, Passage, PassageSettings

CHUNK = 16
"""Smaller than the real one, so that many interruptions are quick to try."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medsearch.index.vectors.CHUNK", CHUNK)


WORDS = ("angina pectoris", "chronic cough", "insulin dose", "itchy rash")
PASSAGES = [
    Passage(
        doc_id=f"d{number // 2}",
        number=number % 2,
        title=f"About {WORDS[number % 4]}",
        text=f"Text {number} on {WORDS[number % 4]}.",
        section="Methods > Patients" if number % 2 else "",
        start=0,
        end=20,
        metadata={
            "year": 2000 + number % 20,
            "kind": "note" if number % 3 else "article",
            "tags": ("a", "b"),
        },
    )
    for number in range(3 * CHUNK + 17)
]
PLAN = Plan(
    corpus="tiny",
    corpus_hash="f" * 64,
    passages=PassageSettings(),
    models={"topics": topic_spec(), "bm25": BM25_SPEC},
    cutting=1,
)


def material(encoder: TopicEncoder | None = None) -> Material:
    used = encoder or TopicEncoder()
    return Material(
        passages=lambda: iter(PASSAGES),
        documents=lambda: None,
        cut=lambda: CutReport(rejects=3, long_passages=1, remarks=("one article has no body",)),
        text=lambda passage: f"{passage.title} {passage.text}",
        encoder=lambda name: used,
        source=Source(path="", stamp="stamp"),
    )


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


@pytest.mark.parametrize("stop_after", [0, CHUNK, 2 * CHUNK + 1, 3 * CHUNK])
def test_an_interrupted_build_goes_on_and_ends_the_same(tmp_path: Path, stop_after: int) -> None:
    whole = build_index(tmp_path / "whole", PLAN, material(), Heard())
    first = TopicEncoder(stop_after=stop_after)
    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path / "cut", PLAN, material(first), Heard())
    second, heard = TopicEncoder(), Heard()
    resumed = build_index(tmp_path / "cut", PLAN, material(second), heard)
    assert resumed.content == whole.content
    assert resumed.counts == whole.counts
    assert len(first.documents) + len(second.documents) == len(PASSAGES)
    assert "going on with the unfinished index" in heard.lines


def _build_slowly(folder: Path) -> None:
    class Slow(TopicEncoder):
        def encode_documents(self, texts, /):  # type: ignore[no-untyped-def]  # as its base
            time.sleep(0.15)
            return super().encode_documents(texts)

    build_index(folder, PLAN, material(Slow()), Heard())


def test_kill_9_loses_nothing_that_was_encoded(tmp_path: Path) -> None:
    whole = build_index(tmp_path / "whole", PLAN, material(), Heard())
    process = multiprocessing.get_context("fork").Process(target=_build_slowly, args=(tmp_path / "cut",))
    process.start()
    vectors = tmp_path / "cut" / "building" / "vectors" / "topics"
    deadline = time.monotonic() + 30
    while not (vectors / "00000001.npy").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    with pytest.raises(IndexRefusedError, match="no index at"):
        open_index(tmp_path / "cut")
    encoder = TopicEncoder()
    resumed = build_index(tmp_path / "cut", PLAN, material(encoder), Heard())
    assert resumed.content == whole.content
    assert len(encoder.documents) <= len(PASSAGES) - 2 * CHUNK


def test_stopping_while_the_shard_is_written_leaves_the_old_index_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build_index(tmp_path, PLAN, material(), Heard())
    other = replace(PLAN, corpus_hash="e" * 64)

    def killed(*_: object) -> None:
        (tmp_path / "shard-halfway").mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("medsearch.index.assemble.write_shard", killed)
        with pytest.raises(KeyboardInterrupt):
            build_index(tmp_path, other, material(), Heard(), rebuild=True)
    assert open_index(tmp_path).manifest == before
    encoder = TopicEncoder()
    after = build_index(tmp_path, other, material(encoder), Heard(), rebuild=True)
    assert encoder.documents == []
    assert sorted(p.name for p in tmp_path.glob("shard-*")) == [after.shard]


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=_build_slowly, args=(tmp_path,))
    process.start()
    try:
        while not (tmp_path / "building").exists():
            time.sleep(0.01)
        with pytest.raises(IndexRefusedError, match="is being written by another process"):
            build_index(tmp_path, PLAN, material(), Heard())
    finally:
        process.join()
    assert open_index(tmp_path).manifest.counts.passages == len(PASSAGES)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (replace(PLAN, corpus_hash="e" * 64), "corpus hash is 'ffffffffffff' in the index"),
        (replace(PLAN, passages=PassageSettings(max_tokens=128)), "passages.max_tokens is 200"),
        (replace(PLAN, models={"topics": topic_spec(revision="2")}), "topics.revision is '1'"),
        (replace(PLAN, models={"topics": topic_spec(query_prompt="query: ")}), "topics.query_prompt is ''"),
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


def test_an_unfinished_index_with_other_settings_is_dropped_and_said(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path, PLAN, material(TopicEncoder(stop_after=CHUNK)), Heard())
    heard, encoder = Heard(), TopicEncoder()
    build_index(tmp_path, replace(PLAN, corpus_hash="e" * 64), material(encoder), heard)
    assert len(encoder.documents) == len(PASSAGES)
    assert heard.lines[0].startswith("an unfinished index with other settings is dropped: corpus hash")


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


def damage_nothing(building: Path) -> None:
    pass


def cut_passages(building: Path) -> None:
    lines = (building / "passages.jsonl").read_text("utf-8").splitlines(keepends=True)
    (building / "passages.jsonl").write_text("".join(lines[:20]), encoding="utf-8")


def garbage_counts(building: Path) -> None:
    (building / "counts.json").write_text("{", encoding="utf-8")


def cut_vectors(building: Path) -> None:
    file = building / "vectors" / "topics" / "00000000.npy"
    file.write_bytes(file.read_bytes()[:200])


def empty_vectors(building: Path) -> None:
    (building / "vectors" / "topics" / "00000001.npy").write_bytes(b"")


def short_vectors(building: Path) -> None:
    np.save(building / "vectors" / "topics" / "00000000.npy", np.ones((5, 5), dtype=np.float32))


def other_dimension(building: Path) -> None:
    np.save(building / "vectors" / "topics" / "00000001.npy", np.ones((CHUNK, 3), dtype=np.float32))


@pytest.mark.parametrize(
    ("damage", "encoded_again"),
    [
        (damage_nothing, len(PASSAGES) - 2 * CHUNK),
        (cut_passages, len(PASSAGES)),
        (garbage_counts, len(PASSAGES)),
        (cut_vectors, len(PASSAGES) - CHUNK),
        (empty_vectors, len(PASSAGES) - CHUNK),
        (short_vectors, len(PASSAGES) - CHUNK),
        (other_dimension, len(PASSAGES) - CHUNK),
    ],
)
def test_damaged_parts_are_made_again_and_only_they(
    tmp_path: Path, damage: Callable[[Path], None], encoded_again: int
) -> None:
    whole = build_index(tmp_path / "whole", PLAN, material(), Heard())
    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path / "cut", PLAN, material(TopicEncoder(stop_after=2 * CHUNK)), Heard())
    damage(tmp_path / "cut" / "building")
    encoder = TopicEncoder()
    resumed = build_index(tmp_path / "cut", PLAN, material(encoder), Heard())
    assert resumed.content == whole.content
    assert len(encoder.documents) == encoded_again


def test_an_incomplete_shard_is_never_switched_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_some(*arguments: object) -> int:
        return len(PASSAGES) - 1

    monkeypatch.setattr("medsearch.index.assemble.write_shard", lose_some)
    with pytest.raises(IndexRefusedError, match="holds 64 passages of 65 written"):
        build_index(tmp_path, PLAN, material(), Heard())
    assert not (tmp_path / "manifest.json").exists()


def test_a_stop_right_after_the_switch_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(folder: Path, *, ignore_errors: bool = False) -> None:
        if folder.name == "building":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("medsearch.index.build.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            build_index(tmp_path, PLAN, material(), Heard())
    assert (tmp_path / "building").exists()
    heard = Heard()
    build_index(tmp_path, PLAN, material(), heard)
    assert "up to date" in heard.lines[-1]
    assert not (tmp_path / "building").exists()


def test_parts_of_an_unfinished_extension_survive_a_look_at_the_finished_index(tmp_path: Path) -> None:
    build_index(tmp_path, PLAN, material(), Heard())
    wider = replace(PLAN, models={**PLAN.models, "more": topic_spec("more")})
    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path, wider, material(TopicEncoder(stop_after=CHUNK)), Heard())
    build_index(tmp_path, PLAN, material(), Heard())
    encoder = TopicEncoder()
    build_index(tmp_path, wider, material(encoder), Heard())
    assert len(encoder.documents) == len(PASSAGES) - CHUNK


def test_shards_of_failed_tries_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"shard-left{number}").mkdir()
    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path, PLAN, material(TopicEncoder(stop_after=0)), Heard())
    assert list(tmp_path.glob("shard-*")) == []


def test_too_little_room_is_said_before_the_engine_dies_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medsearch.index.assemble.disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    encoder = TopicEncoder()
    with pytest.raises(IndexRefusedError, match="has 1 MB free and about 64 MB are needed"):
        build_index(tmp_path, PLAN, material(encoder), Heard())
    assert encoder.documents == []


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


def test_a_narrower_build_keeps_what_a_wider_unfinished_one_encoded(tmp_path: Path) -> None:
    wide = replace(PLAN, models={**PLAN.models, "more": topic_spec("more")})
    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path, wide, material(TopicEncoder(stop_after=len(PASSAGES) + CHUNK)), Heard())
    encoder = TopicEncoder()
    build_index(tmp_path, replace(PLAN, models={"bm25": BM25_SPEC}), material(encoder), Heard())
    extended = build_index(tmp_path, wide, material(encoder), Heard())
    assert len(encoder.documents) == len(PASSAGES) - CHUNK
    assert extended.content == build_index(tmp_path / "one", wide, material(), Heard()).content
    assert not (tmp_path / "building").exists()


def test_a_changed_prompt_costs_only_that_models_vectors(tmp_path: Path) -> None:
    wide = replace(PLAN, models={"topics": topic_spec(), "more": topic_spec("more")})
    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path, wide, material(TopicEncoder(stop_after=len(PASSAGES) + CHUNK)), Heard())
    changed = replace(wide, models={"topics": topic_spec(), "more": topic_spec("more", query_prompt="q: ")})
    heard, encoder = Heard(), TopicEncoder()
    build_index(tmp_path, changed, material(encoder), heard)
    assert len(encoder.documents) == len(PASSAGES)
    assert any(
        line.startswith("unfinished vectors of more are dropped: more.query_prompt") for line in heard.lines
    )


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


def test_an_unreadable_plan_is_dropped_and_said(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path, PLAN, material(TopicEncoder(stop_after=CHUNK)), Heard())
    (tmp_path / "building" / "plan.json").write_text("{}", encoding="utf-8")
    heard = Heard()
    build_index(tmp_path, PLAN, material(), heard)
    assert heard.lines[0].startswith("an unfinished index that cannot be read is dropped")
