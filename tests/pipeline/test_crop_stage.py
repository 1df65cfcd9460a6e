"""The stage `crop`: what it writes, that stops cost nothing, and that later stages work on it."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

import pytest
from crop_material import TABLE, passages, pool_passage, recipe, source_run
from fakes import Heard, TopicEncoder
from pool_material import TOPIC_MODEL, topic_settings

from medsearch.errors import MedsearchError, UsageError
from medsearch.settings import Settings
from pipeline.cli.main import main
from pipeline.crop import crop_runs, side_of
from pipeline.journal import PlanChangedError, read_rows
from pipeline.mine import mine_run
from pipeline.pool import read_pool
from pipeline.recipe import MineTable
from pipeline.records import PairRow, QueryKind, SourceDocument, Split, TripletRow
from pipeline.report.write import write_report
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield

UNIT = 4


@pytest.fixture(autouse=True)
def _small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.crop.UNIT", UNIT)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return topic_settings(tmp_path / "settings")


@pytest.fixture
def of(tmp_path: Path) -> list[RunFolder]:
    short = pool_passage("s", "Nothing but one sentence.", "s")
    return [
        source_run(tmp_path, "one", [*passages(17), short]),
        source_run(tmp_path, "two", [*passages(5, corpus="second"), *passages(3, first=40, corpus="second")]),
    ]


def crop(run: RunFolder, of: list[RunFolder], settings: Settings, *, restart: bool = False) -> Yield:
    # The real registry has BM25, whose stop words are needed.
    plain = Settings((), settings.index, settings.cache, None)
    return crop_runs(run, of, recipe(), plain, Heard(), restart=restart)


def test_pairs_and_their_windows(tmp_path: Path, of: list[RunFolder], settings: Settings) -> None:
    run = RunFolder(tmp_path / "crops")
    total = crop(run, of, settings)
    rows = list(read_rows(run.pairs, PairRow))
    assert total.kept == len(rows) > 30
    assert total.taken == total.kept + total.dropped.total()
    assert total.seen["documents"] == 21
    assert total.seen["documents too short for a window"] == 1
    assert total.seen["documents left out: another has the same id or words"] == 5
    assert total.seen["rows in train"] + total.seen["rows in dev"] == total.kept
    assert {row.kind for row in rows} == {QueryKind.CROP}
    assert {row.source.licence for row in rows} == {"CC BY 4.0"}
    assert all(row.row_id == row.query_id == row.positive_id for row in rows)
    assert len({row.row_id for row in rows}) == len(rows)
    assert [(each.passage_id, each.text) for each in read_pool(run)] == [
        (row.positive_id, row.positive) for row in rows
    ]
    originals = {each.passage_id for each in (*read_pool(of[0]), *read_pool(of[1]))}
    assert {row.positive_id.rpartition("/w")[0] for row in rows} <= originals


def test_rows_of_a_document_are_neighbours_on_one_side(
    tmp_path: Path, of: list[RunFolder], settings: Settings
) -> None:
    run = RunFolder(tmp_path / "crops")
    crop(run, of, settings)
    rows = list(read_rows(run.pairs, PairRow))
    runs_of_rows = [(doc_id, [*own]) for doc_id, own in groupby(rows, key=lambda row: row.source.doc_id)]
    assert len({doc_id for doc_id, _ in runs_of_rows}) == len(runs_of_rows)
    assert max(len(own) for _, own in runs_of_rows) > 1
    assert all(len({row.split for row in own}) == 1 for _, own in runs_of_rows)
    assert {row.split for row in rows} == {Split.TRAIN, Split.DEV}


def test_documents_of_a_group_share_a_side() -> None:
    def side(doc_id: str, group: str) -> Split:
        return side_of(SourceDocument(corpus="c", doc_id=doc_id, group=group), TABLE)

    assert len({side(f"d{number}", "g") for number in range(50)}) == 1
    alone = [side(f"d{number}", "") for number in range(1_000)]
    # 0.3 of 1,000; the binomial's standard deviation is 14.5.
    assert abs(alone.count(Split.DEV) - 300) < 58


class Stopped(BaseException):
    """As if the process were killed."""


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("writes", [1, 2, 3, 4, 7, 9])
def test_stopped_within_any_write_it_ends_with_the_same_bytes(
    tmp_path: Path,
    of: list[RunFolder],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    writes: int,
    share: float,
) -> None:
    straight, broken = RunFolder(tmp_path / "straight"), RunFolder(tmp_path / "broken")
    total = crop(straight, of, settings)
    left = [writes]

    def stopping(path: Path, data: bytes) -> int:
        left[0] -= 1
        with path.open("ab") as stream:
            stream.write(data if left[0] >= 0 else data[: int(share * len(data))])
            if left[0] < 0:
                raise Stopped
            return stream.tell()

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.journal.append", stopping)
        with pytest.raises(Stopped):
            crop(broken, of, settings)
    again = crop(broken, of, settings)
    assert broken.pairs.read_bytes() == straight.pairs.read_bytes()
    assert broken.pool_file.read_bytes() == straight.pool_file.read_bytes()
    assert (again.taken, again.kept, again.dropped, again.seen) == (
        total.taken, total.kept, total.dropped, total.seen
    )  # fmt: skip


def test_done_once_it_is_not_done_again_and_a_change_is_named(
    tmp_path: Path, of: list[RunFolder], settings: Settings
) -> None:
    run = RunFolder(tmp_path / "crops")
    crop(run, of, settings)
    journal = run.path / "crop.journal.jsonl"
    before = journal.read_bytes()
    crop(run, of, settings)
    assert journal.read_bytes() == before
    source_run(tmp_path, "two", passages(6, first=40, corpus="second"))
    with pytest.raises(PlanChangedError, match=r"was begun with another pools\.two: .*give --restart"):
        crop(run, of, settings)
    assert crop(run, of, settings, restart=True).seen["documents"] == 24


def test_wrong_runs_are_named(tmp_path: Path, of: list[RunFolder], settings: Settings) -> None:
    run = RunFolder(tmp_path / "crops")
    for wrong in ([], [of[0], of[0]], [of[0], run]):
        with pytest.raises(UsageError, match="--of names one or more other runs than crops, each once"):
            crop(run, wrong, settings)
    with pytest.raises(UsageError, match=r"run one was not made by crop \(it has corpus\.jsonl\)"):
        crop(of[0], [of[1]], settings)
    with pytest.raises(MedsearchError, match=r"nowhere.*is not there: run `python -m pipeline generate`"):
        crop(run, [RunFolder(tmp_path / "nowhere")], settings)
    short = source_run(tmp_path, "short", [pool_passage("s", "One sentence.", "s")])
    with pytest.raises(MedsearchError, match=r"short: no pair came of it \(1 documents, 1 documents too"):
        crop(run, [short], settings)


def test_mine_and_report_work_on_it(
    tmp_path: Path, of: list[RunFolder], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.pool_search.load_encoder", lambda spec, cache: TopicEncoder())
    run = RunFolder(tmp_path / "crops")
    crop(run, of, settings)
    table = MineTable(base_model=TOPIC_MODEL, source="dense", negatives=2, last_rank=30)  # type: ignore[arg-type]  # as in TOML
    mine_run(run, recipe().model_copy(update={"mine": table}), settings, Heard())
    sides = {row.row_id: row.split for row in read_rows(run.pairs, PairRow)}
    triplets = list(read_rows(run.triplets, TripletRow))
    assert triplets
    for row in triplets:
        assert row.split is sides[row.row_id]
        own = row.positive_id.partition("#")[0]
        assert all(not name.startswith(f"{own}#") for name in row.negative_ids)
    run.keep(recipe())
    write_report([run], run.report, Heard())
    card = (run.report / "README.md").read_text("utf-8")
    assert "words of the very texts that they are to find" in card
    assert "written by a language model" not in card
    assert "python -m pipeline crop --of one,two --run crops" in card


def test_the_command(
    tmp_path: Path, of: list[RunFolder], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDSEARCH_RUNS", str(tmp_path))
    file = tmp_path / "own.toml"
    file.write_text('description = ""\n[llm]\nmodel = "none"\n[crop]\ncommon_share = 1.0\nwindows = 1\n')
    assert main(["crop", "--run", "crops", "--of", "one, two", "--recipe", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["stage"], told["taken"]) == ("crop", 20)
    assert main(["crop", "--run", "crops", "--of", "one,two"]) == 0  # by the recipe that the run keeps
    assert "queries that are a span" in capsys.readouterr().out
    assert main(["crop", "--run", "crops", "--of", "three"]) == 2
    assert "no run called 'three'" in capsys.readouterr().err
