"""The contamination ledger: planted leaks, what is no leak, what is counted, and the cleaned file."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from contamination_material import CLEAN_ROWS, PLANTED, SUITE, write_corpus, write_lines
from fakes import Heard
from overlap_material import CLEAN, PASSAGES, QUESTIONS

from medsearch.corpora.catalogue import find_corpus
from medsearch.corpora.rejects import Rejects
from medsearch.errors import UsageError
from medsearch.settings import Settings
from medsearch.workbench.comparison.leaked_queries import leaked_queries, read_leak_reports
from medsearch.workbench.hub import bench as hub_bench
from medsearch.workbench.hub import tasks as hub_tasks
from medsearch.workbench.ledger import contamination
from medsearch.workbench.ledger.clean_training import check_clean_target, write_clean
from medsearch.workbench.ledger.contamination import ContaminationRequest, Ledger, check_contamination
from medsearch.workbench.ledger.fields import Role
from medsearch.workbench.ledger.record import contamination_record, keep_record
from medsearch.workbench.suites import SuiteTask


@pytest.fixture
def place(tmp_path: Path) -> Settings:
    """Settings whose data folder has the tiny corpus."""
    write_corpus(tmp_path / "data")
    return Settings.from_environment({"MEDSEARCH_DATA": str(tmp_path / "data")})


def check(place: Settings, *train: Path, **changes: Any) -> Ledger:
    request = replace(ContaminationRequest(train=train, suite=SUITE), **changes)
    return check_contamination(request, place, Heard())


@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_leak_is_found_where_it_stands(plant: str, place: Settings, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "train.jsonl", [*CLEAN_ROWS, PLANTED[plant]])
    ledger = check(place, file)
    assert ledger.leaks == 1
    [pair] = ledger.pairs
    passage = "passage" in plant
    assert (pair.file, pair.found_in.row) == (file, 3)
    assert (pair.owner.task, pair.owner.text_id) == ("tiny:test", "d0" if passage else "q0")
    assert pair.found_in.role is (
        Role.NEGATIVE if "negative" in plant else Role.POSITIVE if passage else Role.QUERY
    )
    # The passage answers both queries of the split, so that neither is asked of an unknowing model.
    assert ledger.tasks["tiny:test"].leaked == ({"q0", "q1"} if passage else {"q0"})


def test_a_clean_training_set_gives_none(place: Settings, tmp_path: Path) -> None:
    ledger = check(place, write_lines(tmp_path / "train.jsonl", CLEAN_ROWS))
    record = contamination_record(ledger)
    assert (record["leaks"], record["pairs"]) == (0, [])
    assert record["train"][0]["texts"] == 6
    assert record["by_benchmark"]["tiny:test"] == {
        "leaks": 0,
        "queries": 0,
        "relevant": 0,
        "documents": 0,
        "queries_checked": 2,
        "relevant_checked": 1,
        "documents_checked": 2,
        "kinds": {
            part: {"exact": 0, "containment": 0, "near": 0} for part in ("query", "relevant", "document")
        },
        "leaked_queries": [],
        "leaked_share": 0.0,
    }


def test_the_train_split_of_a_corpus_is_no_leak_and_its_documents_are_counted(
    place: Settings, tmp_path: Path
) -> None:
    rows = [{"query": QUESTIONS[2], "positive": PASSAGES[1], "negatives": [PASSAGES[2]]}]
    found = contamination_record(check(place, write_lines(tmp_path / "train.jsonl", rows)))
    task = found["by_benchmark"]["tiny:test"]
    assert (found["leaks"], task["documents"], task["kinds"]["document"]["exact"]) == (0, 2, 2)
    both = replace(SUITE, tasks=(*SUITE.tasks, SuiteTask("tiny", "train")))
    found = contamination_record(check(place, tmp_path / "train.jsonl", suite=both))
    assert found["leaks"] == 2
    assert found["by_benchmark"]["tiny:train"]["leaked_queries"] == ["q2"]
    assert found["by_benchmark"]["tiny:test"]["leaked_queries"] == []


def test_a_title_counts_as_part_of_a_document_and_a_short_text_is_known_without_it(
    place: Settings, tmp_path: Path
) -> None:
    corpus = tmp_path / "data" / "tiny"
    text = "Lower the dose by a third in old age."
    write_lines(corpus / "corpus.jsonl", [{"_id": "d0", "title": "Digoxin", "text": text}])
    for row in ({"text": text}, {"title": "Digoxin", "text": text}, {"positive": f"DIGOXIN: {text}"}):
        ledger = check(place, write_lines(tmp_path / "train.jsonl", [row]))
        assert [(pair.owner.text_id, pair.kind.value) for pair in ledger.pairs] == [("d0", "exact")]


def test_a_corpus_whose_documents_are_elsewhere_is_checked_by_its_queries(
    place: Settings, tmp_path: Path
) -> None:
    (tmp_path / "data" / "tiny" / "corpus.jsonl").unlink()
    ledger = check(place, write_lines(tmp_path / "train.jsonl", PLANTED.values()))
    assert {pair.owner.text_id for pair in ledger.pairs} == {"q0"}
    assert ledger.leaks == sum("query" in plant for plant in PLANTED)
    assert ledger.remarks == ["tiny:test: its documents are not here, so only its queries are checked"]


@pytest.mark.parametrize("retrieval", [True, False])
def test_a_task_of_the_hub_is_checked_if_it_has_documents_and_said_to_be_unchecked_if_not(
    retrieval: bool, place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = SimpleNamespace(metadata=SimpleNamespace(type="Clustering"))
    hub = SimpleNamespace(retrieval=retrieval, task=kind)
    here = find_corpus("tiny", place.data)
    monkeypatch.setattr(hub_tasks, "load_hub_task", lambda name, split: hub if name == "Tiny" else None)
    monkeypatch.setattr(hub_bench, "hub_location", lambda found, settings: here if found is hub else None)
    suite = replace(SUITE, tasks=(SuiteTask("mteb:Tiny", "test"),))
    file = write_lines(tmp_path / "train.jsonl", [PLANTED["exact query"]])
    record = contamination_record(check(place, file, suite=suite))
    assert list(record["by_benchmark"]) == (["mteb:Tiny:test"] if retrieval else [])
    assert record["leaks"] == int(retrieval)
    unchecked = {"mteb:Tiny:test": "a task of Clustering, without queries and documents"}
    assert record["unchecked"] == ({} if retrieval else unchecked)


def test_a_benchmark_without_words_overlaps_nothing(place: Settings, tmp_path: Path) -> None:
    write_lines(tmp_path / "data" / "tiny" / "corpus.jsonl", [{"_id": "d0", "text": "…"}])
    write_lines(tmp_path / "data" / "tiny" / "queries.jsonl", [{"_id": "q0", "text": "?"}])
    assert check(place, write_lines(tmp_path / "train.jsonl", PLANTED.values())).leaks == 0


def test_every_pair_counts_though_only_the_first_are_listed(
    place: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contamination, "LISTED", 2)
    monkeypatch.setattr(contamination, "_TEXTS_AT_ONCE", 3)
    file = write_lines(tmp_path / "train.jsonl", [*CLEAN_ROWS, *PLANTED.values()])
    ledger = check(place, file)
    assert (ledger.leaks, len(ledger.pairs)) == (len(PLANTED), 2)
    assert ledger.train[0].leaking == set(range(3, 3 + len(PLANTED)))
    assert contamination_record(ledger)["pairs_not_listed"] == len(PLANTED) - 2
    queries = sum("query" in plant for plant in PLANTED)
    assert ledger.roles == {"query": queries, "positive": len(PLANTED) - queries - 1, "negative": 1}


def test_the_cleaned_file_has_every_other_row_as_it_was_and_no_leak(place: Settings, tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    lines = [json.dumps(row).encode() for row in (CLEAN_ROWS[0], *PLANTED.values(), CLEAN_ROWS[1])]
    odd = b'  {"query" :  "Is  \\u00fcber a word?"}\r'
    file.write_bytes(b"\n".join([lines[0], b"not json", odd, *lines[1:]]))
    ledger = check(place, file)
    for name in ("clean.jsonl", "clean.jsonl.gz"):
        made = write_clean(ledger.train[0], (), tmp_path / name)
        assert (made.kept, made.leaking, made.unreadable) == (3, len(PLANTED), 1)
        written = (tmp_path / name).read_bytes()
        written = gzip.decompress(written) if name.endswith(".gz") else written
        assert written == b"\n".join([lines[0], odd, lines[-1], b""])
        assert check(place, tmp_path / name).leaks == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "clean.jsonl",
        "clean.jsonl.gz",
        "data",
        "train.jsonl",
    ]


def test_a_target_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "train.jsonl", CLEAN_ROWS)
    for train, target, said in (
        ((file,), file, "it is the training file itself"),
        ((file,), tmp_path / "clean.txt", r"must be \.jsonl"),
        ((file,), tmp_path / "no" / "clean.jsonl", "no such folder"),
        ((file, file), tmp_path / "clean.jsonl", "goes with one --train file"),
        ((tmp_path,), tmp_path / "clean.jsonl", "goes with one --train file"),
    ):
        with pytest.raises(UsageError, match=said):
            check_clean_target(train, target)


def test_a_kept_report_is_what_comparisons_read(place: Settings, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "train.jsonl", PLANTED.values())
    ledger = check(place, file)
    [kept] = keep_record(contamination_record(ledger, ["mine/small"]), tmp_path / "results")
    assert kept.parent == tmp_path / "results" / "contamination"
    assert re.fullmatch(r"mine--small\.small\.[0-9a-f]{8}\.json", kept.name)
    [report] = read_leak_reports(tmp_path / "results")
    assert (report.leaks, report.models) == (len(PLANTED), {"mine/small"})
    assert leaked_queries([report], "tiny:test") == {"q0", "q1"}


def test_a_check_of_other_rows_tasks_or_fields_adds_a_report_and_the_same_replaces_it(
    place: Settings, tmp_path: Path
) -> None:
    leaking = write_lines(tmp_path / "train.jsonl", PLANTED.values())
    clean = write_lines(tmp_path / "clean.jsonl", CLEAN_ROWS)
    train = replace(SUITE, tasks=(SuiteTask("tiny", "train"),))
    checks = [check(place, leaking), check(place, clean), check(place, leaking, suite=train)]
    checks.append(check(place, leaking, fields=("positive",)))
    for ledger in [*checks, checks[0]]:
        keep_record(contamination_record(ledger, ["mine", "other"]), tmp_path / "results")
    reports = read_leak_reports(tmp_path / "results")
    assert sorted(sorted(report.models) for report in reports) == [["mine"]] * 4 + [["other"]] * 4
    assert leaked_queries([one for one in reports if "mine" in one.models], "tiny:test") == {"q0", "q1"}


def test_no_words_of_a_text_are_kept_unless_asked_for(place: Settings, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "train.jsonl", PLANTED.values())
    assert "loop diuretics" not in json.dumps(contamination_record(check(place, file))).lower()
    shown = contamination_record(check(place, file, show_text=True))["pairs"]
    assert {pair["benchmark_text"] for pair in shown} == {QUESTIONS[0], PASSAGES[0]}
    assert shown[1]["train_text"] == QUESTIONS[0].upper()


@pytest.mark.slow
def test_planted_leaks_in_a_real_suite(real_data: Path, tmp_path: Path) -> None:
    """Every way of planting, among rows of our own, against a corpus of 16,000 documents."""
    from medsearch.corpora.catalogue import load_collection

    place = Settings.from_environment({"MEDSEARCH_DATA": str(real_data)})
    suite = replace(SUITE, tasks=(SuiteTask("medquad", "dev"),))
    collection = load_collection(find_corpus("medquad", place.data), "dev", Rejects())
    judged = {name for grades in collection.qrels.values() for name, grade in grades.items() if grade > 0}
    passages = [one.text for one in collection.documents if one.doc_id in judged and len(one.text) > 600][
        :200
    ]
    queries = [query.text for query in collection.queries][:200]
    rows = [{"query": CLEAN[0], "positive": text[: len(text) // 2]} for text in passages]
    rows += [{"query": CLEAN[0], "positive": text.replace(" the ", " otherwise ", 1)} for text in passages]
    rows += [{"query": text.upper(), "positive": CLEAN[3]} for text in queries]
    ledger = check(place, write_lines(tmp_path / "train.jsonl", [*CLEAN_ROWS, *rows]), suite=suite)
    assert ledger.train[0].leaking == set(range(3, 3 + len(rows)))
