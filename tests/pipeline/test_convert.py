from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import convert_material
import pytest
from convert_material import Judgements, Record, rows_of
from fakes import Heard

from medsearch.corpora.catalogue import find_corpus
from medsearch.errors import CorpusError, MedsearchError, UsageError
from pipeline.convert import ConvertRequest, convert_corpus
from pipeline.journal import Journal, PlanChangedError, read_rows
from pipeline.pool import read_pool
from pipeline.records import JudgedRow, QueryKind, Split
from pipeline.run_folder import RunFolder, open_run

DOCUMENTS: list[Record] = [
    {"_id": "a", "title": "Asthma", "text": "Inhaled steroids prevent attacks.", "metadata": {"group": "g1"}},
    {"_id": "b", "text": "Salbutamol opens the airways.", "metadata": {"licence": "CC0", "url": "u"}},
    {"_id": "c", "text": "Insulin lowers glucose.", "metadata": {"group": "g2"}},
    {"_id": "both", "text": "Statins lower cholesterol."},
    {"_id": "grouped", "text": "Metformin is taken with meals.", "metadata": {"group": "g9"}},
    {"_id": "echo", "text": "Rest, ice & compression!"},
    {"_id": "blank", "title": " ", "text": "  "},
    {"_id": "asked", "text": "what  is ECZEMA"},
    {"_id": "t1", "text": "Held for the test.", "metadata": {"group": "g9"}},
    {"_id": "t2", "text": "Rest ice compression"},
    {"_id": "unjudged", "text": "Nobody looked at this one."},
]
QUERIES: list[Record] = [
    {"_id": "q1", "text": "What prevents asthma attacks?"},
    {"_id": "q2", "text": "what prevents asthma attacks"},
    {"_id": "q3", "text": "What is eczema?"},
    {"_id": "q4", "text": "How is gout treated?"},
    {"_id": "q5", "text": "How is sugar lowered?"},
    {"_id": "qt", "text": "how is GOUT treated"},
]
TRAIN = [
    ("q1", "a", 1), ("q1", "b", 1), ("q1", "c", 0), ("q2", "a", 1), ("q3", "asked", 1), ("q4", "c", 1),
    ("q5", "both", 1), ("q5", "grouped", 1), ("q5", "echo", 1), ("q5", "blank", 1), ("q5", "gone", 1),
    ("q5", "c", 1), ("nobody", "c", 1),
]  # fmt: skip
TEST = [("qt", "t1", 1), ("qt", "both", 0), ("qt", "t2", 1)]


def write_corpus(folder: Path, qrels: Mapping[str, Judgements]) -> Path:
    return convert_material.write_corpus(folder, qrels, DOCUMENTS, QUERIES)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "leaky", {"train": TRAIN, "test": TEST})


def request(folder: Path, split: str = "train", **changes: object) -> ConvertRequest:
    location = find_corpus(folder.name, [folder.parent])
    return ConvertRequest(location, split, **changes)  # type: ignore[arg-type]  # a test's own table of fields


def files_of(run: RunFolder) -> tuple[bytes, ...]:
    return run.pool_file.read_bytes(), run.pairs.read_bytes(), run.judged.read_bytes()


def judged_of(run: RunFolder) -> list[tuple[str, str, int]]:
    return [(row.query_id, row.passage_id, row.grade) for row in read_rows(run.judged, JudgedRow)]


def test_what_other_splits_hold_is_neither_in_the_pool_nor_in_a_pair(corpus: Path, tmp_path: Path) -> None:
    run = open_run("x", tmp_path / "runs")
    total = convert_corpus(request(corpus), run, Heard())
    # Left out: judged in test (both, t1, t2), a test document's group (grouped) or words (echo), no text.
    assert [passage.passage_id for passage in read_pool(run)] == ["a", "b", "c", "asked", "unjudged"]
    assert [(row.query_id, row.positive_id) for row in rows_of(run)] == [
        ("q1", "a"),
        ("q1", "b"),
        ("q5", "c"),
    ]
    assert (total.taken, total.kept) == (len(TRAIN), 3)
    assert total.dropped == {
        "judged not relevant (grade below 1)": 1,
        "the same pair under another query id": 1,
        "the document is the query itself": 1,
        "the query's text is in another split": 1,
        "the document: judged in another split": 1,
        "the document: its group is in another split": 1,
        "the document: its text is in another split": 1,
        "no such document in the corpus": 2,
        "no such query in the corpus": 1,
    }
    assert total.kept + total.dropped.total() == total.taken
    assert judged_of(run) == [("q1", "c", 0)]
    assert total.seen["judgements below the relevant grade, for mining"] == 1
    assert total.seen["documents in the pool"] == 5
    assert total.seen["records of the corpus set aside"] == 1  # the one without text
    assert total.seen["documents left out of the pool: judged in another split"] == 3


def test_a_pair_has_the_whole_document_its_source_and_its_grade(corpus: Path, tmp_path: Path) -> None:
    run = open_run("x", tmp_path / "runs")
    heard = Heard()
    convert_corpus(request(corpus, licence="CC BY 4.0"), run, heard)
    first, second, _ = rows_of(run)
    assert (first.positive, first.kind, first.split) == (
        "Asthma Inhaled steroids prevent attacks.",
        QueryKind.JUDGED,
        Split.TRAIN,
    )
    assert (first.source.corpus, first.source.doc_id, first.source.group) == ("leaky", "a", "g1")
    assert first.source.licence == "CC BY 4.0"
    assert (second.source.licence, second.source.url) == ("CC0", "u")  # the document's own goes first
    assert first.checks == {"grade": 1.0}
    assert not any("licence" in line for line in heard.lines)


def test_an_unknown_licence_is_said_and_a_download_s_is_taken(corpus: Path, tmp_path: Path) -> None:
    heard = Heard()
    convert_corpus(request(corpus), open_run("x", tmp_path / "runs"), heard)
    assert any(line.startswith("no licence is known for 2 of 3 pairs") for line in heard.lines)
    (corpus / "SOURCE.json").write_text('{"licence": "mit"}', encoding="utf-8")
    run = open_run("y", tmp_path / "runs")
    convert_corpus(request(corpus), run, Heard())
    assert {row.source.licence for row in rows_of(run)} == {"mit", "CC0"}


@pytest.mark.parametrize("split", ["test", "TEST", " Test ", "testing", "test_2", "mini-test"])
def test_a_test_split_is_refused(corpus: Path, tmp_path: Path, split: str) -> None:
    run = open_run("x", tmp_path / "runs")
    with pytest.raises(UsageError, match="a test split is for reporting results only") as error:
        convert_corpus(request(corpus, split), run, Heard())
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)
    assert not run.path.exists()


@pytest.mark.parametrize("split", ["heldout", "eval", "", "../qrels/test", "train+dev"])
def test_a_split_of_an_unknown_name_is_refused(tmp_path: Path, split: str) -> None:
    folder = write_corpus(tmp_path / "odd", {"train": TRAIN, "heldout": TEST, "eval": TEST})
    with pytest.raises(UsageError, match="only, never for training or tuning on; use one of train"):
        convert_corpus(request(folder, split), open_run("x", tmp_path / "runs"), Heard())


@pytest.mark.parametrize(
    ("asked", "file", "split"),
    [
        ("TRAIN", "train", Split.TRAIN),
        ("train", "Training", None),
        ("Validation", "validation", Split.DEV),
        ("dev", "DEV", Split.DEV),
    ],
)
def test_a_split_is_found_by_its_name_letter_case_apart(
    tmp_path: Path, asked: str, file: str, split: Split | None
) -> None:
    folder = write_corpus(tmp_path / "cased", {file: TRAIN, "test": TEST})
    run = open_run("x", tmp_path / "runs")
    if split is None:
        with pytest.raises(UsageError, match="corpus cased has no split 'train'; it has Training, test"):
            convert_corpus(request(folder, asked), run, Heard())
        return
    convert_corpus(request(folder, asked), run, Heard())
    assert {row.split for row in rows_of(run)} == {split}


def test_a_test_set_under_the_name_of_train_gives_no_pair(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "disguised", {"train": TEST, "test": TEST})
    run = open_run("x", tmp_path / "runs")
    with pytest.raises(MedsearchError, match=r"disguised \(train\) gives no pair at all") as error:
        convert_corpus(request(folder), run, Heard())
    assert "the query's text is in another split: 3" in str(error.value)
    assert not run.pool_file.exists()


def test_a_corpus_without_judgements_is_a_usage_error(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "plain", {})
    with pytest.raises(UsageError, match="corpus plain has no split 'train'; it has no judgements"):
        convert_corpus(request(folder), open_run("x", tmp_path / "runs"), Heard())


GRADED = [("q1", "a", 3), ("q1", "b", 2), ("q1", "c", 1), ("q5", "c", 0)]


@pytest.mark.parametrize(
    ("qrels", "min_grade", "kept"),
    [
        (GRADED, None, 2),  # a scale up to 3: 2 is the first that answers
        (GRADED, 1, 3),
        (GRADED, 3, 1),
        ([(q, d, min(g, 2)) for q, d, g in GRADED], None, 3),  # a scale up to 2: 1 counts
    ],
)
def test_which_grades_are_relevant(
    tmp_path: Path, qrels: list[tuple[str, str, int]], min_grade: int | None, kept: int
) -> None:
    folder = write_corpus(tmp_path / "graded", {"train": qrels})
    total = convert_corpus(request(folder, min_grade=min_grade), open_run("x", tmp_path / "runs"), Heard())
    assert total.kept == kept
    assert sum(total.dropped.values()) == 4 - kept


def test_a_grade_that_says_not_relevant_is_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--min-grade 0: must be 1 or more"):
        convert_corpus(request(corpus, min_grade=0), open_run("x", tmp_path / "runs"), Heard())


def test_bad_records_are_set_aside_beside_the_run_or_fatal_when_strict(corpus: Path, tmp_path: Path) -> None:
    with (corpus / "corpus.jsonl").open("a", encoding="utf-8") as stream:
        stream.write("{broken\n")
    run = open_run("x", tmp_path / "runs")
    heard = Heard()
    total = convert_corpus(request(corpus), run, heard)
    assert total.seen["records of the corpus set aside"] == 2
    kept = [json.loads(line) for line in (run.path / "convert.rejects.jsonl").read_text().splitlines()]
    assert [record["where"].rpartition(":")[2] for record in kept] == ["7", str(len(DOCUMENTS) + 1)]
    assert any(line.startswith("2 bad records set aside") for line in heard.lines)
    with pytest.raises(CorpusError, match=r"corpus\.jsonl:7: text and title of 'blank' are both empty"):
        convert_corpus(request(corpus, strict=True), open_run("y", tmp_path / "runs"), Heard())


class Killed(Heard):
    """Stops as if killed while the pool is being written."""

    def stage(self, title: str, total: int | None, /):  # type: ignore[no-untyped-def]
        raise KeyboardInterrupt


def test_a_kill_at_any_moment_leaves_nothing_half_and_a_rerun_gives_the_same_bytes(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = open_run("whole", tmp_path / "runs")
    expected = convert_corpus(request(corpus), whole, Heard())
    run = open_run("killed", tmp_path / "runs")
    with pytest.raises(KeyboardInterrupt):
        convert_corpus(request(corpus), run, Killed())
    assert not run.pool_file.exists()
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "commit", interrupt)
        with pytest.raises(KeyboardInterrupt):
            convert_corpus(request(corpus), run, Heard())
    assert run.pairs.read_bytes() == b""
    total = convert_corpus(request(corpus), run, Heard())
    assert files_of(run) == files_of(whole)
    assert (total.taken, total.kept, total.dropped) == (expected.taken, expected.kept, expected.dropped)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_finished_run_is_left_alone_and_a_lost_pool_made_again(corpus: Path, tmp_path: Path) -> None:
    run = open_run("x", tmp_path / "runs")
    first = convert_corpus(request(corpus), run, Heard())
    before, stamp = files_of(run), run.pool_file.stat().st_mtime_ns
    heard = Heard()
    assert convert_corpus(request(corpus), run, heard).kept == first.kept
    assert run.pool_file.stat().st_mtime_ns == stamp
    assert heard.lines == [f"leaky (train) is already converted: {run.pairs}"]
    run.pool_file.unlink()
    assert convert_corpus(request(corpus), run, Heard()).kept == first.kept
    assert files_of(run) == before


def test_other_settings_need_another_run_or_a_restart(corpus: Path, tmp_path: Path) -> None:
    run = open_run("x", tmp_path / "runs")
    convert_corpus(request(corpus), run, Heard())
    with pytest.raises(PlanChangedError, match="licence = '', now it is 'mit'"):
        convert_corpus(request(corpus, licence="mit"), run, Heard())
    convert_corpus(request(corpus, licence="mit"), run, Heard(), restart=True)
    assert {row.source.licence for row in rows_of(run)} == {"mit", "CC0"}
    with (corpus / "qrels" / "train.tsv").open("a", encoding="utf-8") as stream:
        stream.write("q4\ta\t1\n")
    with pytest.raises(PlanChangedError, match=r"judgements\.train"):
        convert_corpus(request(corpus, licence="mit"), run, Heard())


@pytest.mark.parametrize("name", ["generated.jsonl", "pairs.jsonl"])
def test_the_pairs_of_another_stage_are_never_overwritten(corpus: Path, tmp_path: Path, name: str) -> None:
    run = open_run("x", tmp_path / "runs")
    run.path.mkdir(parents=True)
    (run.path / name).write_text("precious\n", encoding="utf-8")
    with pytest.raises(UsageError, match=f"run x was not made by convert \\(it has {name}\\)"):
        convert_corpus(request(corpus), run, Heard())
    assert (run.path / name).read_text(encoding="utf-8") == "precious\n"
