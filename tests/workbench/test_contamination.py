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
from medsearch.errors import MedsearchError, UsageError
from medsearch.settings import Settings
from medsearch.workbench.comparison.leaked_queries import leaked_queries, read_leak_reports
from medsearch.workbench.hub import bench as hub_bench
from medsearch.workbench.hub import tasks as hub_tasks
from medsearch.workbench.ledger import contamination
from medsearch.workbench.ledger.clean_training import check_clean_target, write_clean
from medsearch.workbench.ledger.contamination import ContaminationRequest, Ledger, check_contamination
from medsearch.workbench.ledger.fields import Role, holds_no_text, role_of
from medsearch.workbench.ledger.record import contamination_record, keep_record
from medsearch.workbench.ledger.training_files import training_files
from medsearch.workbench.ledger.training_texts import Reading, read_training_texts
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


def test_a_bad_line_is_set_aside_and_the_others_are_checked(place: Settings, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "train.jsonl", [CLEAN_ROWS[0]])
    with file.open("ab") as stream:
        stream.write(b'{"query": \n[1]\n{"score": 0.5}\n\xff\n{"query": "  "}\n')
        stream.write(json.dumps(PLANTED["exact query"]).encode())
    ledger = check(place, file)
    assert (ledger.leaks, ledger.pairs[0].found_in.row, ledger.incomplete) == (1, 7, True)
    unreadable, without = ledger.reading.unreadable, ledger.reading.without_text
    assert (unreadable.count, without.count) == (3, 2)
    assert unreadable.examples[0] == f"{file}:2: not a line of JSON"
    assert without.examples[0] == f"{file}:4: no text; its fields are score: name some with --fields"


def test_a_named_file_without_any_text_is_refused_before_the_benchmark_is_read(tmp_path: Path) -> None:
    nowhere = Settings.from_environment({"MEDSEARCH_DATA": str(tmp_path / "nowhere")})
    short = write_lines(tmp_path / "other.jsonl", [{"body": "Gout"}])
    with pytest.raises(MedsearchError, match=r"no training text in it: .*:1: no text; its fields are body"):
        check(nowhere, short)
    (tmp_path / "array.json").write_text(json.dumps(list(PLANTED.values())))
    with pytest.raises(MedsearchError, match=r"array\.json:1: one object a line is due, not a JSON array"):
        check(nowhere, tmp_path / "array.json")
    with pytest.raises(UsageError, match=r"--fields quest: no training row has a field of this name"):
        check(nowhere, write_lines(tmp_path / "train.jsonl", CLEAN_ROWS), fields=("query", "quest"))


def test_named_fields_are_read_whatever_they_hold(place: Settings, tmp_path: Path) -> None:
    rows = [{"row_id": QUESTIONS[0], "part": {"body": PASSAGES[0]}, "query": QUESTIONS[1]}]
    file = write_lines(tmp_path / "train.jsonl", rows)
    for name, role in (
        ("row_id", Role.TEXT),
        ("part.body", Role.TEXT),
        ("part", Role.TEXT),
        ("query", Role.QUERY),
    ):
        [pair] = check(place, file, fields=(name,)).pairs
        assert (pair.found_in.field.startswith(name), pair.found_in.role) == (True, role)


ODD_FIELDS = {
    "positive_passages.text": {"positive_passages": [{"docid": "1", "title": "", "text": QUESTIONS[0]}]},
    "pos_doc": {"pos_doc": QUESTIONS[0]},
    "content": {"content": QUESTIONS[0]},
    "chunk": {"chunk": QUESTIONS[0]},
    "completion": {"prompt": CLEAN[0], "completion": QUESTIONS[0]},
    "output": {"instruction": CLEAN[0], "output": QUESTIONS[0]},
    "evidence": {"evidence": [[{"quotes": CLEAN[0]}], QUESTIONS[0]]},
    "queries": {"queries": [CLEAN[0], QUESTIONS[0]]},
    "questions": {"questions": [QUESTIONS[0]]},
    "query_text": {"query_text": QUESTIONS[0]},
    "title": {"title": QUESTIONS[0], "answer": CLEAN[3]},
    "messages.content": {"messages": [{"role": "user", "content": QUESTIONS[0]}]},
    "positive.content": {"positive": [{"content": QUESTIONS[0]}]},
    "positive": {"positive": [[QUESTIONS[0], 0.9], ["other", 0.1]]},
    "source": {"source": QUESTIONS[0], "target": CLEAN[3]},
}


@pytest.mark.parametrize("field", ODD_FIELDS)
def test_a_leak_is_found_in_whatever_field_it_stands(field: str, place: Settings, tmp_path: Path) -> None:
    row = {"row_id": "clean, but long enough", "n": 3, **ODD_FIELDS[field]}
    ledger = check(place, write_lines(tmp_path / "train.jsonl", [*CLEAN_ROWS, row]))
    assert [(pair.found_in.field, pair.owner.text_id) for pair in ledger.pairs] == [(field, "q0")]
    record = contamination_record(ledger)
    assert field in record["fields_read"]
    assert {"row_id", "n"} <= set(record["fields_not_read"])


def test_fields_are_counted_and_their_names_do_not_fill_the_memory(tmp_path: Path) -> None:
    rows = [{"query": "a b", "found_by": "words of a name", "scores": {f"d{n}": n}} for n in range(500)]
    reading = Reading()
    assert len(list(read_training_texts(write_lines(tmp_path / "t.jsonl", rows), reading))) == 500
    assert reading.fields.read == {"query": 500}
    not_read = reading.fields.never_read
    assert (not_read["found_by"], not_read["scores.d0"], len(not_read)) == (500, 1, 101)
    assert not_read["(others)"] == 1000 - 500 - 99


def test_a_folder_of_a_run_is_checked_for_its_rows(place: Settings, tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_lines(run / "pairs.jsonl", [PLANTED["exact query"]])
    write_lines(run / "convert.journal.jsonl", [{"reason": f"was kept: {QUESTIONS[0]}"}])
    write_lines(run / "judged.jsonl", [{"query_id": "q1", "grade": 1}])
    (run / "dataset_info.json").write_text(json.dumps({"description": QUESTIONS[0]}, indent=1))
    (run / "settings.json").write_text(json.dumps({"base": "minilm"}, indent=1))
    ledger = check(place, run)
    assert (ledger.leaks, [tally.file.path.name for tally in ledger.train]) == (1, ["pairs.jsonl"])
    assert not ledger.incomplete
    assert sorted(ledger.remarks) == [
        "convert.journal.jsonl was left out: it says how the rows were made",
        "dataset_info.json was left out: it says how the rows were made",
        "judged.jsonl was left out: no training text in it",
        "settings.json was left out: no training text in it",
    ]
    (run / "more.json").write_text(json.dumps([PLANTED["exact query"]]))
    assert check(place, run).incomplete
    (run / "pairs.jsonl").unlink()
    (run / "more.json").unlink()
    with pytest.raises(MedsearchError, match="no training text in these folders: convert"):
        check(place, run)


def test_what_is_cut_off_makes_the_check_incomplete(place: Settings, tmp_path: Path) -> None:
    rows = "".join(
        json.dumps({"query": f"{number * 7919 % 9973} {CLEAN[0]}"}) + "\n" for number in range(999)
    )
    packed = gzip.compress(rows.encode())
    (tmp_path / "half.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    ledger = check(place, tmp_path / "half.jsonl.gz")
    record = contamination_record(ledger)
    assert 0 < ledger.train[0].rows < 999
    assert (record["leaks"], record["incomplete"], record["set_aside"]["rows"]) == (0, True, 1)
    assert "1 training row could not be read and may leak unseen" in record["remarks"]


def test_gzip_parquet_and_folders_hold_training_texts_too(place: Settings, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "dataset"
    (folder / "data").mkdir(parents=True)
    with gzip.open(folder / "a.jsonl.gz", "wt") as stream:
        stream.write(json.dumps(PLANTED["exact passage"]) + "\n")
    rows = [{"query": CLEAN[0], "positive": CLEAN[3], "negatives": [PASSAGES[0], CLEAN[4]]}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "data" / "b.parquet")
    ledger = check(place, folder)
    assert [(pair.file.name, pair.found_in.field) for pair in ledger.pairs] == [
        ("a.jsonl.gz", "positive"),
        ("b.parquet", "negatives"),
    ]
    (folder / "data" / "b.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(MedsearchError, match=r"b\.parquet: not readable as Parquet"):
        check(place, folder)


def test_what_cannot_be_read_is_said_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    for name, said in (
        ("gone.jsonl", "no such file or folder"),
        ("empty", "no .jsonl, .jsonl.gz or .parquet file in this folder"),
        ("notes.txt", "must be .jsonl, .jsonl.gz or .parquet"),
    ):
        with pytest.raises(UsageError, match=said):
            training_files([tmp_path / name])


@pytest.mark.parametrize(
    ("field", "role"),
    [
        ("query", Role.QUERY), ("Question", Role.QUERY), ("anchor", Role.QUERY), ("sentence1", Role.QUERY),
        ("positive", Role.POSITIVE), ("pos", Role.POSITIVE), ("passages", Role.POSITIVE),
        ("sentence2", Role.POSITIVE), ("text", Role.POSITIVE), ("answer_1", Role.POSITIVE),
        ("negatives", Role.NEGATIVE), ("negative_7", Role.NEGATIVE), ("hard_neg", Role.NEGATIVE),
        ("negative_ids", None), ("positive_id", None), ("query_id", None), ("positive_score", None),
        ("split", None), ("found_by", None), ("positive_passages", Role.POSITIVE), ("pos_doc", Role.POSITIVE),
        ("hard_negative_ctxs", Role.NEGATIVE), ("queries", Role.QUERY), ("query_text", Role.QUERY),
        ("content", None), ("title", None),
    ],
)  # fmt: skip
def test_the_role_of_a_field(field: str, role: Role | None) -> None:
    assert role_of(field) is role


@pytest.mark.parametrize(
    ("field", "no_text"),
    [
        ("_id", True), ("row_id", True), ("negative_ids", True), ("docid", True), ("docId", True),
        ("PMID", True),
        ("source_url", True), ("license", True), ("positive_score", True), ("sha256", True), ("split", True),
        ("title", False), ("idea", False), ("valid", False), ("paid", False), ("source", False),
        ("url_text", False),
        ("covid", False), ("profile", False), ("text", False),
    ],
)  # fmt: skip
def test_fields_named_after_ids_addresses_and_scores_hold_no_text(field: str, no_text: bool) -> None:
    assert holds_no_text(field) is no_text


def test_texts_may_be_objects_and_lists(tmp_path: Path) -> None:
    row = {
        "query": "a",
        "pos": [{"title": "T", "text": "b"}, "c", {"text": " "}, 3],
        "neg": None,
        "text": ["d"],
    }
    file = write_lines(tmp_path / "train.jsonl", [row])
    [(number, texts)] = read_training_texts(file, Reading())
    assert (number, [text.text for text in texts]) == (1, ["a", "T b", "b", "c", "d"])


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
