from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from fakes import Heard
from report_material import generated_run, judged_run, passages, triplet, write_journal, write_run

from medsearch.errors import MedsearchError, UsageError
from pipeline.journal import digest, read_rows
from pipeline.records import QueryKind, Split, TripletRow
from pipeline.report.sample import SAMPLE, Sampler
from pipeline.report.stages import read_stage, read_stages, read_yield
from pipeline.report.write import write_report
from pipeline.run_folder import RunFolder


@pytest.fixture
def runs(tmp_path: Path) -> list[RunFolder]:
    return [generated_run(tmp_path / "runs" / "made"), judged_run(tmp_path / "runs" / "asked")]


def opened(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The data set as its users open it, with nothing to reach but this machine's files."""
    import datasets

    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return datasets.load_dataset(str(folder), cache_dir=str(cache))


def test_datasets_opens_it_and_gives_back_every_row(
    runs: list[RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = write_report(runs, tmp_path / "set", Heard())
    found = opened(tmp_path / "set", tmp_path / "cache", monkeypatch)
    assert {split: len(rows) for split, rows in found.items()} == {"train": 120, "dev": 20}
    assert summary.rows == {Split.TRAIN: 120, Split.DEV: 20}
    assert found["train"].column_names[:3] == ["query", "positive", "negatives"]
    for split in Split:
        rows = [
            (run.name, row)
            for run in runs
            for row in read_rows(run.triplets, TripletRow)
            if row.split is split
        ]
        assert [rebuilt(record, split) for record in found[split]] == rows


def rebuilt(record: dict[str, Any], split: Split) -> tuple[str, TripletRow]:
    """A row of the parquet files as the triplet that it was: nothing may have got lost."""
    record = dict(record)
    run = record.pop("run")
    source = {name: record.pop(name) for name in ("corpus", "doc_id", "licence", "url", "group")}
    llm = {name: record.pop(f"llm_{name}") for name in ("model", "server", "temperature", "seed")}
    llm |= {name: record.pop(name) for name in ("prompt", "prompt_version")}
    row = {**record, "split": split, "source": source, "llm": llm if llm["model"] else None}
    return run, TripletRow.model_validate_json(json.dumps(row))


def test_a_split_without_rows_has_no_file_and_an_earlier_one_goes(
    runs: list[RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(runs, tmp_path / "set", Heard())
    write_report(runs[1:], tmp_path / "set", Heard())
    assert sorted(path.name for path in (tmp_path / "set" / "data").iterdir()) == ["train.parquet"]
    assert list(opened(tmp_path / "set", tmp_path / "cache", monkeypatch)) == ["train"]


def test_more_rows_than_a_block_come_out_whole_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyarrow import parquet

    monkeypatch.setattr("pipeline.report.parquet._BLOCK", 7)
    write_report([judged_run(tmp_path / "asked")], tmp_path / "set", Heard())
    file = parquet.ParquetFile(tmp_path / "set" / "data" / "train.parquet")
    assert file.num_row_groups == 6
    assert file.read().column("row_id").to_pylist() == [f"r{n}" for n in range(40)]


def test_equal_runs_and_seed_give_equal_files_and_another_seed_another_sample(
    runs: list[RunFolder], tmp_path: Path
) -> None:
    names = ("README.md", "sample.html", "data/train.parquet", "data/dev.parquet")
    for folder, seed in (("one", 13), ("two", 13), ("three", 14)):
        write_report(runs, tmp_path / folder, Heard(), seed=seed)
    one, two, three = (
        [(tmp_path / folder / name).read_bytes() for name in names] for folder in ("one", "two", "three")
    )
    assert one == two
    assert one[1] != three[1]
    assert one[2:] == three[2:]


def test_a_failure_leaves_the_earlier_data_set_as_it_was(runs: list[RunFolder], tmp_path: Path) -> None:
    write_report(runs, tmp_path / "set", Heard())
    before = {path: path.read_bytes() for path in (tmp_path / "set").rglob("*") if path.is_file()}
    with runs[1].triplets.open("a", encoding="utf-8") as stream:
        stream.write("{}\n")
    with pytest.raises(MedsearchError, match=r"triplets\.jsonl:41 is not a TripletRow: row_id"):
        write_report(runs, tmp_path / "set", Heard())
    assert {path: path.read_bytes() for path in (tmp_path / "set").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("empty", [False, True])
def test_a_run_without_triplets_names_the_command_to_run(tmp_path: Path, empty: bool) -> None:
    run = judged_run(tmp_path / "asked")
    run.triplets.unlink()
    if empty:
        run.triplets.touch()
    with pytest.raises(MedsearchError, match="run asked has no triplets") as error:
        write_report([run], tmp_path / "set", Heard())
    assert str(error.value).endswith("make them with `python -m pipeline mine --run asked`")
    assert not (tmp_path / "set").exists()


def test_runs_are_named_once_each(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "asked")
    for named in ([], [run, run]):
        with pytest.raises(UsageError, match="name one or more runs, each once"):
            write_report(named, tmp_path / "set", Heard())


def test_a_pool_that_does_not_fit_the_triplets_is_said(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "asked")
    lines = run.pool_file.read_bytes().splitlines(keepends=True)
    run.pool_file.write_bytes(b"".join(lines[1:]))
    with pytest.raises(MedsearchError, match=r"lacks 1 passages of triplets\.jsonl, as 'medquad-p0'"):
        write_report([run], tmp_path / "set", Heard())
    run.pool_file.unlink()
    with pytest.raises(MedsearchError, match=r"corpus\.jsonl is not there"):
        write_report([run], tmp_path / "set", Heard())


def mined(run: RunFolder) -> RunFolder:
    """The run with a journal of `mine` that read the files which are there."""
    plan = {"pairs": digest(run.pairs), "judged": digest(run.judged), "pool": digest(run.pool_file)}
    write_journal(run, "mine", plan, [{"taken": 40, "kept": 40}])
    return run


@pytest.mark.parametrize(
    ("file", "what"), [("pairs", "pairs"), ("judged", "judgements"), ("pool_file", "passages")]
)
def test_triplets_of_other_pairs_are_refused_before_anything_is_written(
    tmp_path: Path, file: str, what: str
) -> None:
    run = mined(judged_run(tmp_path / "asked"))
    write_report([run], tmp_path / "fine", Heard())
    with getattr(run, file).open("a", encoding="utf-8") as stream:
        stream.write("\n")
    with pytest.raises(MedsearchError) as error:
        write_report([run], tmp_path / "set", Heard())
    assert str(error.value) == (
        f"the triplets were mined from other {what} than run asked has now: run mine again "
        "(`python -m pipeline mine --run asked`)"
    )
    assert not (tmp_path / "set").exists()


def test_pairs_of_other_queries_are_refused_and_lost_files_are_not(tmp_path: Path) -> None:
    run = mined(generated_run(tmp_path / "made"))
    run.generated.write_text("as it was\n", encoding="utf-8")
    plan = {"the generated queries": digest(run.generated)[:16]}
    write_journal(run, "filter", plan, [{"taken": 400, "kept": 100}])
    write_report([run], tmp_path / "fine", Heard())
    run.generated.write_text("as it was, and one more\n", encoding="utf-8")
    with pytest.raises(MedsearchError, match="filtered from other queries than run made has now: run filter"):
        write_report([run], tmp_path / "set", Heard())
    run.generated.unlink()
    run.pairs.unlink()
    assert write_report([run], tmp_path / "set", Heard()).rows == {Split.TRAIN: 80, Split.DEV: 20}


def test_the_sample_has_every_source_and_kind_alike_whatever_the_order_of_reading() -> None:
    rare = [triplet(n, passages("rare", "", 9), kind=QueryKind.QUESTION, split=Split.TRAIN) for n in range(9)]
    pool = passages("common", "", 300)
    kinds = (QueryKind.KEYWORD, QueryKind.MANAGEMENT)
    common = [triplet(n, pool, kind=kinds[n % 2], split=Split.TRAIN) for n in range(300)]
    forwards, backwards = Sampler(13), Sampler(13)
    for row in [*rare, *common]:
        forwards.offer("run", row)
    for row in [*common, *rare][::-1]:
        backwards.offer("run", row)
    chosen = [sampled.row for sampled in forwards.rows()]
    assert chosen == [sampled.row for sampled in backwards.rows()]
    assert len({row.row_id + row.source.corpus for row in chosen}) == SAMPLE == 60
    counts = {kind: sum(row.kind is kind for row in chosen) for kind in (QueryKind.QUESTION, *kinds)}
    assert counts[QueryKind.QUESTION] == 9  # all there are; the others share the rest
    assert sorted((counts[QueryKind.KEYWORD], counts[QueryKind.MANAGEMENT])) == [25, 26]
    assert len({row.row_id for row in chosen if row.kind in kinds} - {f"r{n}" for n in range(60)}) > 20


def test_a_row_repeated_in_a_run_does_no_harm_to_the_sample(tmp_path: Path) -> None:
    pool = passages("tiny", "MIT", 5)
    row = triplet(0, pool, kind=QueryKind.JUDGED, split=Split.TRAIN)
    run = write_run(tmp_path / "twice", pool, [row] * 70)
    assert write_report([run], tmp_path / "set", Heard()).sampled == 60


def test_a_journal_is_read_while_its_stage_runs_and_after_a_kill(tmp_path: Path) -> None:
    run = generated_run(tmp_path / "made")
    assert [record.stage for record in read_stages(run)] == ["prepare", "generate", "filter", "mine"]
    file = run.path / "generate.journal.jsonl"
    whole = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(whole[:2]) + whole[2][:-20], encoding="utf-8")  # cut short
    record = read_stage(run, "generate")
    assert record is not None
    assert (record.total.taken, record.total.kept, record.finished) == (300, 250, False)
    assert record.told() == [
        ("generate.mode", "six"),
        ("generate.languages", "en"),
        ("prompt.name", "six"),
        ("prompt.version", "3"),
    ]
    assert read_yield(run, "convert") is None
    file.write_text("".join(whole[:1]) + "[]\n", encoding="utf-8")
    with pytest.raises(MedsearchError, match=r"generate\.journal\.jsonl:2 is damaged: do generate anew"):
        read_yield(run, "generate")
