"""Generated queries filtered by another rule: by the stage itself, into a run of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import Heard, TopicEncoder
from filter_material import GOOD, filter_folder, filtered, planted_rows, recipe
from pool_material import topic_settings

from medsearch.errors import MedsearchError, UsageError
from pipeline.ablation.refilter import MARK, refilter
from pipeline.ablation.table import RefilterTable
from pipeline.journal import read_rows
from pipeline.records import DroppedRow, PairRow
from pipeline.run_folder import RunFolder
from pipeline.settings import PipelineSettings

NO_ROUND_TRIP = RefilterTable.model_validate(
    {"run": "loose", "of": "strict", "filter": {"round_trip_searches": [], "round_trip_margin": -2.0}}
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PipelineSettings:
    """A run called `strict`, filtered."""
    encoder = TopicEncoder()
    monkeypatch.setattr("pipeline.pool_search.load_encoder", lambda spec, cache: encoder)
    run = filter_folder(tmp_path / "runs" / "strict", planted_rows())
    run.keep(recipe())
    filtered(run)
    search = topic_settings(tmp_path / "filter-settings")
    return PipelineSettings(search, tmp_path / "runs", (), "", "", False)


def kept(run: RunFolder) -> list[str]:
    return [row.row_id for row in read_rows(run.pairs, PairRow)]


def test_what_only_the_round_trip_dropped_is_kept(place: PipelineSettings) -> None:
    strict, loose = RunFolder(place.runs / "strict"), RunFolder(place.runs / "loose")
    before = {file.name: file.read_bytes() for file in strict.path.iterdir() if file.is_file()}
    counted = refilter(NO_ROUND_TRIP, place, Heard())
    lost = [row.row_id for row in read_rows(strict.dropped, DroppedRow) if "round trip" in row.rule]
    assert lost == ["wrong"]
    assert sorted(kept(loose)) == sorted([*(row[0] for row in GOOD), *lost])
    assert counted.kept == len(kept(strict)) + 1
    rules = {row.row_id: row.rule for row in read_rows(strict.dropped, DroppedRow) if row.row_id not in lost}
    assert {row.row_id: row.rule for row in read_rows(loose.dropped, DroppedRow)} == rules
    assert {file.name: file.read_bytes() for file in strict.path.iterdir() if file.is_file()} == before
    assert loose.recipe(None).filter.round_trip_searches == ()
    assert loose.recipe(None).filter.round_trip_k == 2


def test_it_is_filtered_once_and_again_when_queries_change(place: PipelineSettings) -> None:
    refilter(NO_ROUND_TRIP, place, Heard())
    heard = Heard()
    refilter(NO_ROUND_TRIP, place, heard)
    assert heard.lines == ["the queries of loose are filtered already: there is nothing to do"]
    strict = RunFolder(place.runs / "strict")
    lines = strict.generated.read_bytes().splitlines(keepends=True)
    strict.generated.write_bytes(b"".join(line for line in lines if b'"wrong"' not in line))
    refilter(NO_ROUND_TRIP, place, Heard())
    assert "wrong" not in kept(RunFolder(place.runs / "loose"))


def test_a_run_that_is_not_ours_is_left_alone(place: PipelineSettings) -> None:
    (place.runs / "loose").mkdir()
    (place.runs / "loose" / "pairs.jsonl").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=r"loose is there and was not made of the queries of strict: give"):
        refilter(NO_ROUND_TRIP, place, Heard())
    assert [file.name for file in (place.runs / "loose").iterdir()] == ["pairs.jsonl"]
    nothing = NO_ROUND_TRIP.model_copy(update={"of": "none"})
    with pytest.raises(
        UsageError, match=r"run 'none' in .* has no generated queries: `python -m pipeline gen"
    ):
        refilter(nothing, place, Heard())


def test_a_kill_before_the_mark_strands_no_folder(
    place: PipelineSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose = RunFolder(place.runs / "loose")

    def killed(file: Path, content: bytes) -> None:
        file.with_name(f"{file.name}.partial").write_bytes(content[:3])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.ablation.refilter.replace_file", killed)
        with pytest.raises(KeyboardInterrupt):
            refilter(NO_ROUND_TRIP, place, Heard())
    assert (loose.path / f"{MARK}.partial").is_file()
    assert not (loose.path / MARK).exists()
    refilter(NO_ROUND_TRIP, place, Heard())
    assert "wrong" in kept(loose)


def test_a_run_that_another_process_has_is_not_claimed(place: PipelineSettings) -> None:
    loose = RunFolder(place.runs / "loose")
    with loose.held(), pytest.raises(MedsearchError, match="loose is being used by another process"):
        refilter(NO_ROUND_TRIP, place, Heard())
    assert not (loose.path / MARK).exists()


def test_a_run_without_its_pool_is_named(place: PipelineSettings) -> None:
    RunFolder(place.runs / "strict").pool_file.unlink()
    with pytest.raises(UsageError, match=r"run 'strict': .*corpus\.jsonl is not there, the passages") as told:
        refilter(NO_ROUND_TRIP, place, Heard())
    assert "\n" not in str(told.value)
    assert not (place.runs / "loose").exists()
