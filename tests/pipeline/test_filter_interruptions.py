"""`filter` killed at many points: what it ends with is, byte for byte, what an unbroken run ends with."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import filter_material
import pytest
from fakes import Heard, TopicEncoder
from filter_material import cut_write, filter_folder, filtered, planted_rows
from pool_material import topic_settings

from medsearch.errors import MedsearchError
from pipeline.filter import filter_run
from pipeline.journal import open_journal
from pipeline.run_folder import RunFolder

BLOCK = 3
COMMITS = -(-len(planted_rows()) // BLOCK)
WRITES = 1 + 4 * COMMITS + 1
"""The plan, three files and a journal line a block, and the end mark."""


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.pool_search.load_encoder", lambda spec, cache: TopicEncoder())
    monkeypatch.setattr("pipeline.filter.BLOCK", BLOCK)


def files(run: RunFolder) -> list[bytes]:
    return [path.read_bytes() for path in (run.pairs, run.dropped, run.checks)]


def unbroken(folder: Path) -> list[bytes]:
    run = filter_folder(folder.parent / f"{folder.name}-whole" / "run", planted_rows())
    filtered(run)
    return files(run)


@pytest.mark.parametrize(
    "write", [5, 18, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 4, 24, WRITES))]
)
def test_kill_9_and_again(tmp_path: Path, write: int) -> None:
    run = filter_folder(tmp_path / "run", planted_rows())
    command = [sys.executable, filter_material.__file__, str(run.path), str(write)]
    killed = subprocess.run(command, check=False, capture_output=True, env={"PYTHONPATH": str(_root())})
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    counted = filtered(run)
    assert files(run) == unbroken(tmp_path)
    assert counted.taken == counted.kept + counted.dropped.total() == len(planted_rows())


def _root() -> Path:
    return Path(filter_material.__file__).parent.parent


def test_stopped_time_and_again_it_ends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    run = filter_folder(tmp_path / "run", planted_rows())
    for write in range(1, 10):  # each of the four files of a block, in the first block and in later ones
        with monkeypatch.context() as patch:
            patch.setattr("pipeline.journal.append", cut_write(write, stop))
            with pytest.raises(KeyboardInterrupt):
                filtered(run)
    filtered(run)
    assert files(run) == unbroken(tmp_path)


def test_going_on_says_so_and_encodes_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    run = filter_folder(tmp_path / "run", planted_rows())
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.journal.append", cut_write(1 + 4 * 2 + 1, stop))
        with pytest.raises(KeyboardInterrupt):
            filtered(run)
    encoder, heard = TopicEncoder(), Heard()
    monkeypatch.setattr("pipeline.pool_search.load_encoder", lambda spec, cache: encoder)
    filtered(run, heard=heard)
    assert f"going on after {2 * BLOCK} of {len(planted_rows())} queries" in heard.lines
    assert heard.stages["Filtering queries"] == len(planted_rows())
    done = {row.query for row in planted_rows()[: 2 * BLOCK]}
    assert not done & set(encoder.queries)


def test_a_restart_forgets_what_was_done(tmp_path: Path) -> None:
    run = filter_folder(tmp_path / "run", planted_rows())
    filtered(run)
    run.pairs.write_text("", "utf-8")
    settings = topic_settings(tmp_path / "settings")
    filter_run(run, filter_material.recipe(), settings, Heard(), restart=True)
    assert files(run) == unbroken(tmp_path)


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    run = filter_folder(tmp_path / "run", planted_rows())
    with open_journal(run.path, "filter", {}, {}), pytest.raises(MedsearchError, match="by another process"):
        filtered(run)
