"""`filter` from end to end: planted faults fall to their rule, good rows stay, all is accounted for."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import Heard, TopicEncoder
from filter_material import GOOD, PLANTED, TEXTS, filter_folder, filtered, generated, planted_rows, recipe
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pool_material import topic_settings

from medsearch.errors import MedsearchError, UsageError
from pipeline.filter import filter_run
from pipeline.filters.checked_row import CheckedRow
from pipeline.filters.rules import RULES
from pipeline.journal import read_rows
from pipeline.pool_search import Found, PoolSearch
from pipeline.records import DroppedRow, PairRow, QueryKind
from pipeline.run_folder import RunFolder


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> TopicEncoder:
    fake = TopicEncoder()
    monkeypatch.setattr("pipeline.pool_search.load_encoder", lambda spec, cache: fake)
    return fake


def dropped(run: RunFolder) -> dict[str, str]:
    return {row.row_id: row.rule for row in read_rows(run.dropped, DroppedRow)}


def kept(run: RunFolder) -> list[str]:
    return [row.row_id for row in read_rows(run.pairs, PairRow)]


def test_every_planted_fault_falls_to_its_rule_and_every_good_row_stays(tmp_path: Path) -> None:
    run = filter_folder(tmp_path / "run", planted_rows())
    counted = filtered(run)
    assert dropped(run) == {**{row[0]: row[4] for row in PLANTED}, "weak": "low relevance"}
    assert kept(run) == [row[0] for row in GOOD]
    assert counted.taken == len(GOOD) + len(PLANTED) + 1 == counted.kept + counted.dropped.total()
    assert counted.dropped == Counter(dropped(run).values())


def test_a_pair_holds_the_passage_and_all_that_was_measured(tmp_path: Path) -> None:
    run = filter_folder(tmp_path / "run", planted_rows())
    filtered(run)
    first = next(read_rows(run.pairs, PairRow))
    assert (first.row_id, first.query_id, first.positive_id) == ("good-1", "good-1", "heart")
    assert first.positive == TEXTS["heart"]
    assert first.evidence == TEXTS["heart"][:40]
    assert first.llm is not None
    assert set(first.checks) >= {rule.check for rule in RULES}
    assert first.checks["hybrid_rank"] == 1.0
    assert first.checks["lexical_support"] == 1.0


def test_a_dropped_row_says_what_was_measured_and_what_was_wanted(tmp_path: Path) -> None:
    run = filter_folder(tmp_path / "run", planted_rows())
    filtered(run)
    details = {row.row_id: row.detail for row in read_rows(run.dropped, DroppedRow)}
    assert details["short"] == "words 1, at least 2 wanted"
    assert details["long"] == "words 49, at most 40 allowed"
    assert details["weak"] == "relevance 2, at least 3 wanted"


def test_the_checks_of_every_row_are_kept_in_the_order_of_the_input(tmp_path: Path) -> None:
    rows = planted_rows()
    run = filter_folder(tmp_path / "run", rows)
    counted = filtered(run)
    checked = list(read_rows(run.checks, CheckedRow))
    assert [row.row_id for row in checked] == [row.row_id for row in rows]
    assert {row.row_id: row.failed[0] for row in checked if row.failed} == dropped(run)
    assert all("hybrid_rank" in row.checks for row in checked)
    alone = Counter(f"would fail alone: {rule}" for row in checked for rule in row.failed)
    assert counted.seen == alone
    assert alone["would fail alone: length"] == 2


def test_rows_that_a_cheap_rule_drops_are_not_searched_for_unless_asked(
    tmp_path: Path, encoder: TopicEncoder
) -> None:
    run = filter_folder(tmp_path / "run", planted_rows())
    filtered(run, recipe(measure_all=False))
    assert dropped(run) == {**{row[0]: row[4] for row in PLANTED}, "weak": "low relevance"}
    measured = {row.row_id for row in read_rows(run.checks, CheckedRow) if "hybrid_rank" in row.checks}
    # Duplicates are known only when the rows before them are decided on: by then they are measured.
    assert measured == {*kept(run), "again", "nearly", "wrong"}
    assert len(TEXTS["asthma"]) not in {len(query) for query in encoder.queries}


def test_a_query_too_general_for_one_note_is_kept_at_most_once(tmp_path: Path) -> None:
    rows = [
        generated(f"g-{name}", QueryKind.QUESTION, "What treatment was given to the patient?", name)
        for name in ("heart", "asthma", "gout")
    ]
    run = filter_folder(tmp_path / "run", rows)
    filtered(run, recipe(round_trip_k=100))
    assert kept(run) == ["g-heart"]
    assert set(dropped(run).values()) == {"exact duplicate"}


def test_a_dropped_query_does_not_make_a_later_one_its_duplicate(tmp_path: Path) -> None:
    rows = [
        generated("wrong", QueryKind.KEYWORD, "ureter stone removal", "migraine"),
        generated("right", QueryKind.KEYWORD, "ureter stone removal", "stone"),
    ]
    run = filter_folder(tmp_path / "run", rows)
    filtered(run)
    assert (kept(run), dropped(run)) == (["right"], {"wrong": "round trip, hybrid"})


def test_the_same_words_typed_and_asked_are_two_queries(tmp_path: Path) -> None:
    rows = [
        generated("typed", QueryKind.KEYWORD, "eczema baby hydrocortisone", "eczema"),
        generated("asked", QueryKind.QUESTION, "Does a baby with eczema need hydrocortisone?", "eczema"),
        generated(
            "other", QueryKind.MANAGEMENT, "Does a baby with eczema need the hydrocortisone?", "eczema"
        ),
    ]
    run = filter_folder(tmp_path / "run", rows)
    filtered(run, recipe(duplicate_jaccard=0.7))
    assert kept(run) == ["typed", "asked"]
    assert dropped(run) == {"other": "near duplicate"}


def test_a_finished_stage_has_nothing_to_do(tmp_path: Path, encoder: TopicEncoder) -> None:
    run = filter_folder(tmp_path / "run", planted_rows())
    first = filtered(run)
    encoder.queries.clear()
    heard = Heard()
    again = filtered(run, heard=heard)
    assert replace(again, seconds=0) == replace(first, seconds=0)
    assert encoder.queries == []
    assert heard.lines == ["the queries of run are filtered already: there is nothing to do"]


@pytest.mark.parametrize("change", ["recipe", "queries", "pool"])
def test_what_changed_is_said_and_all_is_filtered_anew(tmp_path: Path, change: str) -> None:
    run = filter_folder(tmp_path / "run", planted_rows())
    filtered(run)
    asked, heard = recipe(), Heard()
    if change == "recipe":
        asked = recipe(max_words=60)
    elif change == "queries":
        run.generated.write_bytes(run.generated.read_bytes().splitlines(keepends=True)[0])
    else:
        run.pool_file.write_text(run.pool_file.read_text("utf-8").replace("sumatriptan", "x"), "utf-8")
        with run.pool_file.open("ab") as stream:
            stream.write(
                run.pool_file.read_bytes().splitlines(keepends=True)[0].replace(b'"heart"', b'"new"')
            )
    counted = filtered(run, asked, heard)
    said = {
        "recipe": "filter.max_words = 40, now it is 60",
        "queries": "the generated queries = ",
        "pool": "the pool = ",
    }
    assert said[change] in heard.lines[0]
    assert heard.lines[0].endswith("; all queries are filtered anew")
    assert counted.taken == (1 if change == "queries" else len(planted_rows()))
    assert len(list(read_rows(run.checks, CheckedRow))) == counted.taken


def test_another_build_of_a_model_is_another_filter(tmp_path: Path) -> None:
    run = filter_folder(tmp_path / "run", planted_rows())
    filtered(run)
    models = topic_settings(tmp_path / "filter-settings").models
    assert models is not None
    changed = models.read_text("utf-8").replace('revision = "1"', 'revision = "2"')
    models.write_text(changed, "utf-8")
    heard = Heard()
    settings = replace(topic_settings(tmp_path / "other"), models=models)
    filter_run(run, recipe(), settings, heard)
    assert heard.lines[0].endswith("was begun with another models.topics; all queries are filtered anew")
    journal = (run.path / "filter.journal.jsonl").read_text("utf-8").splitlines()
    assert json.loads(journal[0])["plan"]["models"]["bm25"]["parameters"]["k1"] == 1.2


def test_each_query_is_encoded_and_looked_up_once(
    tmp_path: Path, encoder: TopicEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    by_words = PoolSearch._by_words

    def counted(search: PoolSearch, query: str, k: int) -> list[Found]:
        asked.append(query)
        return by_words(search, query, k)

    monkeypatch.setattr(PoolSearch, "_by_words", counted)
    rows = planted_rows()
    filtered(filter_folder(tmp_path / "run", rows))
    assert sorted(asked) == sorted(encoder.queries) == sorted(row.query for row in rows)


def test_a_row_whose_evidence_was_given_is_filtered_like_any_other(tmp_path: Path) -> None:
    rows = [row.model_copy(update={"alignment": None}) for row in planted_rows()]
    run = filter_folder(tmp_path / "run", rows)
    filtered(run)
    assert kept(run) == [row[0] for row in GOOD]


def test_a_passage_that_the_pool_lacks_is_named(tmp_path: Path) -> None:
    rows = [generated("r1", QueryKind.KEYWORD, "chest pain", "heart")]
    run = filter_folder(tmp_path / "run", rows)
    record = json.loads(run.generated.read_text("utf-8")) | {"passage_id": "lost"}
    run.generated.write_text(json.dumps(record) + "\n", "utf-8")
    with pytest.raises(MedsearchError, match="row r1 is about passage lost, which the pool lacks: run"):
        filtered(run)


def test_a_run_without_queries_is_refused(tmp_path: Path) -> None:
    run = filter_folder(tmp_path / "run", [])
    run.generated.unlink()
    with pytest.raises(MedsearchError, match=r"generated.jsonl is not there: run the stage that writes it"):
        filtered(run)


def test_no_queries_at_all_are_filtered_to_none(tmp_path: Path) -> None:
    run = filter_folder(tmp_path / "run", [])
    counted = filtered(run)
    assert (counted.taken, counted.kept) == (0, 0)
    assert run.pairs.read_bytes() == run.dropped.read_bytes() == run.checks.read_bytes() == b""


def test_an_unknown_language_is_refused(tmp_path: Path) -> None:
    run = filter_folder(tmp_path / "run", planted_rows())
    asked = recipe()
    strange = asked.model_copy(update={"generate": asked.generate.model_copy(update={"languages": ("xx",)})})
    with pytest.raises(UsageError, match="languages: xx cannot be told apart"):
        filtered(run, strange)


@hypothesis_settings(
    deadline=None, max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(range(len(planted_rows()))), block=st.integers(1, 9))
def test_files_keep_the_order_of_the_input_whatever_it_is(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, order: list[int], block: int
) -> None:
    rows = [planted_rows()[number] for number in order]
    run = filter_folder(tmp_path_factory.mktemp("order") / "run", rows)
    monkeypatch.setattr("pipeline.filter.BLOCK", block)
    counted = filtered(run)
    place = {row.row_id: number for number, row in enumerate(rows)}
    for names in (kept(run), list(dropped(run))):
        assert [place[name] for name in names] == sorted(place[name] for name in names)
    assert sorted([*kept(run), *dropped(run)]) == sorted(place)
    assert counted.kept + counted.dropped.total() == counted.taken == len(rows)
