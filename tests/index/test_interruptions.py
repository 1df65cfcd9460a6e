"""Builds stopped, killed and damaged at many points: nothing encoded is lost, and the end is the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import BM25_SPEC, Heard, TopicEncoder, topic_spec
from index_material import CHUNK, PASSAGES, PLAN, material

from medsearch.errors import IndexRefusedError
from medsearch.index.build import build_index
from medsearch.index.reader import open_index


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


def test_an_unfinished_index_with_other_settings_is_dropped_and_said(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path, PLAN, material(TopicEncoder(stop_after=CHUNK)), Heard())
    heard, encoder = Heard(), TopicEncoder()
    build_index(tmp_path, replace(PLAN, corpus_hash="e" * 64), material(encoder), heard)
    assert len(encoder.documents) == len(PASSAGES)
    assert heard.lines[0].startswith("an unfinished index with other settings is dropped: corpus hash")


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
    changed = replace(
        wide, models={"topics": topic_spec(), "more": topic_spec("more", document_prompt="d: ")}
    )
    heard, encoder = Heard(), TopicEncoder()
    build_index(tmp_path, changed, material(encoder), heard)
    assert len(encoder.documents) == len(PASSAGES)
    assert any(
        line.startswith("unfinished vectors of more are dropped: more.document_prompt")
        for line in heard.lines
    )


def test_an_unreadable_plan_is_dropped_and_said(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build_index(tmp_path, PLAN, material(TopicEncoder(stop_after=CHUNK)), Heard())
    (tmp_path / "building" / "plan.json").write_text("{}", encoding="utf-8")
    heard = Heard()
    build_index(tmp_path, PLAN, material(), heard)
    assert heard.lines[0].startswith("an unfinished index that cannot be read is dropped")
