"""The stage `mine` over a small run: what it writes, counts, says, and does again only where it must."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from fakes import Heard, TopicEncoder
from pool_material import (
    TOPIC_MODEL,
    many_pairs,
    many_passages,
    pair,
    passage,
    topic_search,
    topic_settings,
    write_run,
)

from medsearch.errors import MedsearchError
from pipeline.journal import lines_of, read_rows
from pipeline.mine import mine_run
from pipeline.mining.miner import LEAKS, NONE_LEFT, NOT_IN_POOL, prepare
from pipeline.recipe import LlmTable, MineTable, NegativeSource, Recipe
from pipeline.records import DroppedRow, JudgedRow, PairRow, Split, TripletRow
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield

PASSAGES = many_passages(60)
PAIRS = many_pairs(PASSAGES)
AT = {each.passage_id: each for each in PASSAGES}


class Loads:
    """Stands in for `load_encoder` and counts how often an encoder was asked for."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, spec: object, cache: object) -> TopicEncoder:
        self.count += 1
        return TopicEncoder()


@pytest.fixture(autouse=True)
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    counting = Loads()
    monkeypatch.setattr("pipeline.pool_search.load_encoder", counting)
    return counting


def recipe(**changes: object) -> Recipe:
    """Dense negatives by default: no test then waits for an index of words that it does not need."""
    values = {"base_model": TOPIC_MODEL, "source": "dense", "negatives": 3, "dev_share": 0.3, **changes}
    return Recipe(description="", llm=LlmTable(model="none"), mine=MineTable.model_validate(values))


def mine(run: RunFolder, wanted: Recipe, heard: Heard | None = None, *, restart: bool = False) -> Yield:
    return mine_run(run, wanted, topic_settings(run.path.parent), heard or Heard(), restart=restart)


def triplets(run: RunFolder) -> list[TripletRow]:
    return list(read_rows(run.triplets, TripletRow))


@pytest.mark.parametrize("source", NegativeSource)
def test_every_row_stays_on_its_side_with_its_negatives(tmp_path: Path, source: NegativeSource) -> None:
    run = write_run(tmp_path / "run", PASSAGES, PAIRS)
    mine(run, recipe(source=source))
    rows = triplets(run)
    assert {row.split for row in rows} == set(Split)
    sides: dict[str, set[Split]] = {}
    for row in rows:
        for each in (AT[row.positive_id], *(AT[name] for name in row.negative_ids)):
            for thing in (f"document {each.source.doc_id}", f"group {each.source.group}", each.text):
                sides.setdefault(thing, set()).add(row.split)
        sides.setdefault(f"query {row.query}", set()).add(row.split)
    assert [thing for thing, both in sides.items() if len(both) > 1] == []


def test_a_row_carries_its_pair_and_its_negatives_hardest_first(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", PASSAGES, PAIRS)
    counted = mine(run, recipe(source="mixed", last_rank=8))
    pairs = {row.row_id: row for row in PAIRS}
    encoder = TopicEncoder()
    for row in triplets(run):
        asked = pairs[row.row_id]
        assert (row.query, row.query_id, row.positive, row.source) == (
            asked.query,
            asked.query_id,
            asked.positive,
            asked.source,
        )
        assert row.negatives == tuple(AT[name].text for name in row.negative_ids)
        assert list(row.negative_scores) == sorted(row.negative_scores, reverse=True)
        [query] = encoder.encode_queries([row.query])
        by_hand = encoder.encode_documents([row.positive, *row.negatives]) @ query
        assert (row.positive_score, *row.negative_scores) == pytest.approx(by_hand.tolist(), abs=2e-6)
        assert len(set(row.negative_ids)) == len(row.negatives) == len(row.found_by) <= 3
    found = Counter(source for row in triplets(run) for source in row.found_by)
    assert set(found) == {"dense", "bm25", "dense+bm25"}
    assert {name: counted.seen[f"negatives found by {name}"] for name in found} == found
    assert counted.taken == len(PAIRS) == counted.kept + sum(counted.dropped.values())
    assert [row.row_id for row in triplets(run)] == [r.row_id for r in PAIRS if r.row_id in found_ids(run)]


def found_ids(run: RunFolder) -> set[str]:
    return {row.row_id for row in triplets(run)}


def test_the_yield_counts_short_rows_sides_and_candidates(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", PASSAGES, PAIRS)
    counted = mine(run, recipe(negatives=12, last_rank=20))
    rows = triplets(run)
    assert (
        counted.seen["rows with fewer than 12 negatives"] == sum(len(row.negatives) < 12 for row in rows) > 0
    )
    assert counted.seen["rows in dev"] == sum(row.split is Split.DEV for row in rows) > 0
    left_out = sum(n for what, n in counted.seen.items() if what.startswith("candidates left out"))
    assert counted.seen["candidates looked at"] == left_out + sum(len(row.negatives) for row in rows)


def test_rows_without_negatives_are_kept_with_the_reason(tmp_path: Path) -> None:
    passages = [
        passage("p1", "Chest pain at rest.", "d1"),
        passage("p2", "Chest pain at night.", "d1"),
        passage("p3", "A rash that itches.", "d3"),
        passage("p4", "Insulin before meals.", "d4"),
    ]
    pairs = [
        pair("leaks", "what itches?", passages[2], split=Split.TRAIN),
        pair("gone", "what is gone?", passage("p9", "Nothing.")),
        pair("none", "chest pain?", passages[0], split=Split.DEV),
        pair("dev", "does it itch?", passages[2], split=Split.DEV),
    ]
    run = write_run(tmp_path / "run", passages, pairs)
    with pytest.raises(MedsearchError, match=r"none of 4 pairs: no negative left \(2\)"):
        mine(run, recipe(dev_share=0, max_score_ratio=0.0001, first_rank=1))
    unmined = {row.row_id: (row.rule, row.detail) for row in read_rows(run.unmined, DroppedRow)}
    assert unmined["leaks"][0] == LEAKS
    assert unmined["gone"] == (NOT_IN_POOL, "there is no passage p9")
    assert unmined["none"] == (
        NONE_LEFT,
        "looked at 2: 1 same document as a right answer; 1 scores too near the right answer",
    )


ANEW = (
    "mining run anew: its pairs, judgements, pool, recipe or model, or the rules of mining, have changed "
    "since last time"
)


@pytest.mark.parametrize("change", ["pairs", "judged", "pool", "recipe", "model", "restart"])
def test_what_has_changed_is_mined_anew_and_said_in_a_line(tmp_path: Path, change: str, loads: Loads) -> None:
    run = write_run(tmp_path / "run", PASSAGES, PAIRS)
    mine(run, recipe())
    before, wanted = run.triplets.read_bytes(), recipe()
    if change == "pairs":
        run.pairs.write_bytes(lines_of(PAIRS[1:]))
    elif change == "judged":
        first = triplets(run)[0]
        partly = JudgedRow(query_id=first.query_id, passage_id=first.negative_ids[0], grade=1)
        run.judged.write_bytes(lines_of([partly]))
    elif change == "pool":
        write_run(run.path, PASSAGES[20:], PAIRS)
    elif change == "recipe":
        wanted = recipe(seed=14)
    heard = Heard()
    if change == "model":
        settings = topic_settings(tmp_path)
        text = settings.models.read_text() if settings.models else ""
        (tmp_path / "models.toml").write_text(text.replace('revision = "1"', 'revision = "2"'))
        mine_run(run, wanted, settings, heard)
    else:
        mine(run, wanted, heard, restart=change == "restart")
    fresh = write_run(tmp_path / "fresh", [], ())
    for name in ("pool/corpus.jsonl", "pairs.jsonl", *(["judged.jsonl"] if change == "judged" else [])):
        (fresh.path / name).write_bytes((run.path / name).read_bytes())
    mine(fresh, wanted)
    assert run.triplets.read_bytes() == fresh.triplets.read_bytes()
    assert (before != run.triplets.read_bytes()) is (change not in ("restart", "model"))
    assert [line for line in heard.lines if "anew" in line] == ([] if change == "restart" else [ANEW])


def test_an_unfinished_mining_of_another_recipe_is_replaced_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run", PASSAGES, PAIRS)
    monkeypatch.setattr("pipeline.mine.UNIT", 16)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.journal.Journal.finish", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            mine(run, recipe())
    counted = mine(run, recipe(source="random"))
    assert counted.taken == len(PAIRS)
    assert {source for row in triplets(run) for source in row.found_by} == {"random"}


def test_a_finished_mining_is_not_done_again(tmp_path: Path, loads: Loads) -> None:
    run = write_run(tmp_path / "run", PASSAGES, PAIRS)
    first = mine(run, recipe())
    before = run.triplets.read_bytes()
    second = mine(run, recipe())
    assert second.record() == first.record()
    assert loads.count == 1
    assert run.triplets.read_bytes() == before


def test_rows_that_all_hang_together_are_reported(tmp_path: Path) -> None:
    passages = [passage(f"p{n}", f"text {n} of {n * 3} words", f"d{n}", "one group") for n in range(6)]
    pairs = [pair(f"r{n}", f"what is {n}?", each) for n, each in enumerate(passages)]
    heard = Heard()
    run = write_run(tmp_path / "run", passages, pairs)
    with pytest.raises(MedsearchError, match="kept none of 6 pairs: no negative left"):
        mine(run, recipe(), heard)
    assert any(line.startswith("warning: 6 of 6 rows hang together") for line in heard.lines)
    heard = Heard()
    mine(write_run(tmp_path / "spread", PASSAGES, PAIRS), recipe(), heard)
    assert not any("hang together" in line for line in heard.lines)


def test_missing_pairs_leave_what_was_mined_alone(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", PASSAGES, PAIRS)
    mine(run, recipe())
    before = run.triplets.read_bytes()
    run.pairs.unlink()
    with pytest.raises(MedsearchError, match=r"pairs.jsonl is not there: run the stage that writes it first"):
        mine(run, recipe())
    assert run.triplets.read_bytes() == before


def test_a_mining_that_keeps_nothing_is_an_error_and_says_the_commonest_reason(tmp_path: Path) -> None:
    gone = [pair(f"r{n}", f"what is {n}?", passage(f"gone{n}", "Nothing.")) for n in range(3)]
    alone = pair("alone", "chest pain?", PASSAGES[0])
    run = write_run(tmp_path / "run", PASSAGES[:1], [*gone, alone])
    message = r"mine kept none of 4 pairs: right passage is not in the pool \(3\); each is in .*unmined.jsonl"
    for _ in range(2):  # going on with what is finished says it again
        with pytest.raises(MedsearchError, match=message):
            mine(run, recipe())
        assert len(list(read_rows(run.unmined, DroppedRow))) == 4


def test_a_run_without_a_pair_says_what_to_do(tmp_path: Path, loads: Loads) -> None:
    run = write_run(tmp_path / "run", PASSAGES)
    run.pairs.touch()
    with pytest.raises(MedsearchError, match=r"pairs.jsonl holds no pair: see what `filter` or `convert`"):
        mine(run, recipe())
    assert loads.count == 0
    assert not run.triplets.exists()


HEARTS = [passage(f"h{n}", f"heart {'lung ' * n} {n} {n + 1}") for n in range(8)]
ASKING: PairRow = pair("r", "heart", HEARTS[0])


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [(1, 3, ["h1", "h2"]), (2, 3, ["h1", "h2"]), (3, 4, ["h2", "h3"]), (9, 9, [])],
)
def test_only_ranks_of_the_window_count(first: int, last: int, expected: list[str]) -> None:
    """h0 is right and ranks first; each further one has more of the wrong topic."""
    table = recipe(source="dense", first_rank=first, last_rank=last, negatives=9, dev_share=0).mine
    [mined] = prepare([ASKING], topic_search(HEARTS), table).mine([0])
    assert list(mined.triplet.negative_ids if mined.triplet else ()) == expected


def test_random_negatives_depend_on_the_row_and_the_seed_alone() -> None:
    search = topic_search(PASSAGES)

    def drawn(rows: list[PairRow], seed: int) -> list[tuple[str, ...]]:
        miner = prepare(rows, search, recipe(source="random", seed=seed, dev_share=0).mine)
        return [each.triplet.negative_ids for each in miner.mine(range(len(rows))) if each.triplet]

    assert drawn(PAIRS, 1) == drawn(PAIRS, 1)
    assert drawn(PAIRS, 1)[3] == drawn(PAIRS[3:4], 1)[0]
    assert drawn(PAIRS, 1) != drawn(PAIRS, 2)
    assert len(set(drawn(PAIRS, 1))) > len(PAIRS) // 2


def test_mixed_takes_turns_and_nothing_that_ranks_too_high_in_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By meaning h1 … come first, by words those that have 'spring'; each is named for what found it."""
    words = [passage(f"w{n}", f"spring {'day ' * n} glucose {n * 11} {n * 7}") for n in range(5)]
    run = write_run(tmp_path / "run", [*HEARTS, *words], [pair("r", "heart in spring", HEARTS[0])])
    mine(run, recipe(source="mixed", first_rank=2, last_rank=5, negatives=4, dev_share=0))
    [row] = triplets(run)
    found = dict(zip(row.negative_ids, row.found_by, strict=True))
    assert found == {"h1": "dense", "h2": "dense", "w1": "bm25", "w2": "bm25"}
    assert json.loads(run.triplets.read_text())["split"] == "train"
