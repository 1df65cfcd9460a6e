"""Mining killed with SIGKILL between and within its writes: going on gives the bytes of one sitting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import Heard, TopicEncoder
from pool_material import TOPIC_MODEL, many_pairs, many_passages, topic_settings, write_run

from pipeline.journal import read_rows
from pipeline.mine import mine_run
from pipeline.recipe import LlmTable, MineTable, Recipe
from pipeline.records import DroppedRow, TripletRow
from pipeline.run_folder import RunFolder

UNIT = 8
PASSAGES = many_passages(60)
# Three of the rows point nowhere, so that both files are written to.
PAIRS = [
    each.model_copy(update={"positive_id": "nowhere"}) if number % 13 == 5 else each
    for number, each in enumerate(many_pairs(PASSAGES))
]
RECIPE = Recipe(
    description="",
    llm=LlmTable(model="none"),
    mine=MineTable(base_model=TOPIC_MODEL, negatives=3, last_rank=30, dev_share=0.3),
)
WRITES_A_UNIT = 3
"""Triplets, rows without one, and the journal's line."""

KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import pipeline.journal, pipeline.mine, pipeline.pool_search
from fakes import Heard, TopicEncoder
from test_mining_kill import RECIPE, UNIT
from pool_material import topic_settings
from pipeline.run_folder import RunFolder

folder, last, share = Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
whole, calls = pipeline.journal.append, 0

def append(path, data):
    global calls
    calls += 1
    if calls > last:
        with path.open("ab", buffering=0) as stream:
            stream.write(data[: int(share * len(data))])
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(path, data)

pipeline.journal.append = append
pipeline.mine.UNIT = UNIT
pipeline.pool_search.load_encoder = lambda spec, cache: TopicEncoder()
pipeline.mine.mine_run(RunFolder(folder / "run"), RECIPE, topic_settings(folder), Heard())
"""


@pytest.fixture(autouse=True)
def _small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.mine.UNIT", UNIT)
    monkeypatch.setattr("pipeline.pool_search.load_encoder", lambda spec, cache: TopicEncoder())


def begin_and_die(folder: Path, last: int, share: float) -> int:
    """Mine in a process of its own that is killed after `last` writes and a share of the next one."""
    tests = Path(__file__).resolve().parent
    search_path = os.pathsep.join((str(tests), str(tests.parent.parent)))
    return subprocess.run(
        [sys.executable, "-c", KILLED, str(tests.parent), str(folder), str(last), str(share)],
        env={**os.environ, "PYTHONPATH": search_path},
        check=False,
    ).returncode


def outputs(run: RunFolder) -> list[bytes]:
    return [run.triplets.read_bytes(), run.unmined.read_bytes()]


@pytest.mark.parametrize(
    ("last", "share"),
    [
        (1, 0.5),  # a torn row in the first triplets
        (2, 1.0),  # rows of a unit that the journal does not know of
        (2 * WRITES_A_UNIT, 0.7),  # a torn line of the journal
        (5 * WRITES_A_UNIT + 1, 0.0),  # all rows are there, the journal is not finished
    ],
)
def test_kill_9_and_going_on_gives_the_bytes_of_one_sitting(tmp_path: Path, last: int, share: float) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        write_run(folder / "run", PASSAGES, PAIRS)
    expected = mine_run(RunFolder(whole / "run"), RECIPE, topic_settings(whole), Heard())
    assert begin_and_die(cut, last, share) == -signal.SIGKILL
    run = RunFolder(cut / "run")
    assert outputs(run) != outputs(RunFolder(whole / "run")) or last > 5 * WRITES_A_UNIT
    resumed = mine_run(run, RECIPE, topic_settings(cut), Heard())
    assert outputs(run) == outputs(RunFolder(whole / "run"))
    assert (resumed.taken, resumed.kept, resumed.dropped, resumed.seen) == (
        expected.taken,
        expected.kept,
        expected.dropped,
        expected.seen,
    )
    ids = [row.row_id for row in read_rows(run.triplets, TripletRow)]
    ids += [row.row_id for row in read_rows(run.unmined, DroppedRow)]
    assert sorted(ids) == sorted(each.row_id for each in PAIRS)


def test_killed_again_and_again_it_still_ends_the_same(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        write_run(folder / "run", PASSAGES, PAIRS)
    mine_run(RunFolder(whole / "run"), RECIPE, topic_settings(whole), Heard())
    for last, share in ((WRITES_A_UNIT + 1, 0.3), (WRITES_A_UNIT, 0.9), (WRITES_A_UNIT + 2, 0.1)):
        assert begin_and_die(cut, last, share) == -signal.SIGKILL
    heard = Heard()
    mine_run(RunFolder(cut / "run"), RECIPE, topic_settings(cut), heard)
    assert outputs(RunFolder(cut / "run")) == outputs(RunFolder(whole / "run"))
    assert not any("anew" in line for line in heard.lines)


def test_the_work_is_worth_killing() -> None:
    """The kill points above need five units and rows in both files."""
    assert 4 * UNIT < len(PAIRS) <= 5 * UNIT
    assert 0 < sum(each.positive_id == "nowhere" for each in PAIRS) < 5
