"""Planted false negatives: every one is caught, by the guard meant for it, whatever found it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import Heard, TopicEncoder
from hypothesis import given
from hypothesis import strategies as st
from pool_material import TOPIC_MODEL, pair, passage, topic_search, topic_settings, write_run

from pipeline.journal import lines_of, read_rows
from pipeline.mine import counted, mine_run
from pipeline.mining.guards import Guards, Rule, make_pool, right_answers
from pipeline.mining.miner import prepare
from pipeline.recipe import LlmTable, MineTable, NegativeSource, Recipe
from pipeline.records import JudgedRow, Split, TripletRow
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield

QUERY = (
    "which chest pain with angina and cough wants the breath of an old man listened to in the ward tonight"
)
RIGHT = (
    "Chest pain with angina, short breath and a cough: listen for crackles over both bases before "
    "the morning round, and write down what you hear."
)
POSITIVE = passage("positive", RIGHT, "d1", "angina")
PLANTED = {
    "same-document": passage("same-document", "Chest tightness wants rest.", "d1"),
    "same-group": passage("same-group", "Angina may come with a cough at rest.", "d2", "angina"),
    "same-text": passage("same-text", RIGHT.upper().replace(",", " -"), "d3"),
    "near-text": passage("near-text", RIGHT + " Sign it.", "d4"),
    "same-query-id": passage("same-query-id", "Cough and chest pain: pleurisy hurts with it.", "d5"),
    "same-query-text": passage("same-query-text", "A chest film shows the lung behind it.", "d6"),
    "near-query": passage("near-query", "Asthma and angina are told apart by wheeze.", "d7"),
    "its-document": passage("its-document", "On cough in those who smoke.", "d8"),
    "judged-partly": passage("judged-partly", "An old man with a cough wants his breath listened to.", "d10"),
    "partly-again": passage("partly-again", "An old man with a cough wants his breath, listened to!", "d11"),
    "too-high": passage("too-high", "A cardiac chest, angina, a cough and short breath.", "d9"),
}
NEGATIVES = {
    "heart": passage("heart", "Cardiac arrest: press on the chest, thirty to two.", "d20", "arrest"),
    "heart-again": passage("heart-again", "Cardiac arrest: press on the chest, thirty to two!", "d21"),
    "sugar": passage("sugar", "Insulin and an old man with glucose to watch in the ward.", "d22", "sugar"),
    "skin": passage("skin", "Eczema, a rash and an itch at night of an old man.", "d23"),
}
CAUGHT = {
    "same-document": Rule.DOCUMENT,
    "same-group": Rule.GROUP,
    "same-text": Rule.SAME_TEXT,
    "near-text": Rule.NEAR_TEXT,
    "same-query-id": Rule.RIGHT,
    "same-query-text": Rule.RIGHT,
    "near-query": Rule.RIGHT,
    "its-document": Rule.DOCUMENT,
    "judged-partly": Rule.PARTLY,
    "partly-again": Rule.PARTLY,
    "too-high": Rule.RATIO,
}
JUDGED = [JudgedRow(query_id="q4", passage_id="judged-partly", grade=1)]
"""Of another query that asks the same."""
KNOWN_RIGHT = {"positive", "same-query-id", "same-query-text", "near-query", "judged-partly"}
PAIRS = [
    pair("r1", QUERY, POSITIVE, "q1"),
    pair("r2", "quite another wording", PLANTED["same-query-id"], "q1"),
    pair("r3", QUERY.title() + "?", PLANTED["same-query-text"], "q3"),
    pair("r4", QUERY + " again", PLANTED["near-query"], "q4"),
    pair("r5", QUERY, passage("gone", "No longer in the pool.", "d8"), "q1"),
]


def mined(folder: Path, table: MineTable) -> tuple[RunFolder, Yield]:
    run = write_run(folder / "run", [POSITIVE, *PLANTED.values(), *NEGATIVES.values()], PAIRS)
    run.judged.write_bytes(lines_of(JUDGED))
    recipe = Recipe(description="", llm=LlmTable(model="none"), mine=table)
    return run, mine_run(run, recipe, topic_settings(folder), Heard())


def table_of(source: NegativeSource = NegativeSource.MIXED, **changes: float) -> MineTable:
    values = {"negatives": 20, "first_rank": 1, "dev_share": 0, **changes}
    return MineTable.model_validate({"source": source, "base_model": TOPIC_MODEL, **values})


@pytest.fixture(autouse=True)
def _encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.pool_search.load_encoder", lambda spec, cache: TopicEncoder())


@pytest.mark.parametrize("source", NegativeSource)
def test_no_planted_false_negative_gets_through(tmp_path: Path, source: NegativeSource) -> None:
    run, total = mined(tmp_path, table_of(source))
    rows = {row.row_id: row for row in read_rows(run.triplets, TripletRow)}
    assert set(rows["r1"].negative_ids) <= set(NEGATIVES)
    assert len({"heart", "heart-again"} & set(rows["r1"].negative_ids)) == 1
    assert {"sugar", "skin"} <= set(rows["r1"].negative_ids)
    for row in rows.values():
        assert not {"positive", "same-query-id", "same-query-text", "near-query", "judged-partly"} & set(
            row.negative_ids
        )
    # All candidates are seen where the whole pool is drawn: each guard then catches its own.
    if source in (NegativeSource.RANDOM, NegativeSource.DENSE):
        for rule in Rule:
            if rule is not Rule.MARGIN:
                assert total.seen[f"candidates left out: {rule}"] > 0, rule


@pytest.mark.parametrize("planted", CAUGHT)
def test_each_planted_passage_is_caught_by_its_own_guard(planted: str) -> None:
    hidden = [passage("judged-partly", PLANTED["judged-partly"].text, "d10")] * (planted == "partly-again")
    search = topic_search([POSITIVE, PLANTED[planted], NEGATIVES["skin"], *hidden])
    [mined] = prepare(PAIRS, search, table_of(NegativeSource.RANDOM), JUDGED).mine([0])
    assert mined.triplet is not None
    assert mined.triplet.negative_ids == ("skin",)
    assert mined.rejected == {CAUGHT[planted]: 1 + len(hidden)}
    assert mined.looked_at == 2 + len(hidden)


def test_only_its_score_keeps_the_high_passage_out() -> None:
    search = topic_search([POSITIVE, PLANTED["too-high"]])
    [mined] = prepare(PAIRS, search, table_of(NegativeSource.DENSE, max_score_ratio=50)).mine([0])
    assert mined.triplet is not None
    assert mined.triplet.negative_ids == ("too-high",)


def test_what_was_judged_wrong_comes_first_whatever_its_score() -> None:
    search = topic_search([POSITIVE, *PLANTED.values(), *NEGATIVES.values()])
    wrong = ["too-high", "skin", "heart", "heart-again", "same-group", "same-document", "near-text", "far"]
    judged = [*JUDGED, *(JudgedRow(query_id="q1", passage_id=name, grade=0) for name in wrong)]
    # The same is judged partly right under another query that asks the same: that counts.
    judged.append(JudgedRow(query_id="q3", passage_id="skin", grade=1))
    for limit, expected in ((1, {"too-high"}), (3, {"too-high", "heart-again", "sugar"})):
        table = table_of(NegativeSource.DENSE, negatives=limit)
        [mined] = prepare(PAIRS, search, table, judged).mine([0])
        assert mined.triplet is not None
        found = dict(zip(mined.triplet.negative_ids, mined.triplet.found_by, strict=True))
        assert set(found) == expected
        assert {name for name, by in found.items() if by == "judged"} == expected - {"sugar"}
        assert counted([mined], table).seen["negatives judged not relevant"] == len(expected - {"sugar"})
        assert counted([mined], table).seen["negatives found by judged"] == 0
    assert mined.rejected[Rule.PARTLY] > 0
    assert mined.rejected[Rule.REPEATED] == 1


def test_what_was_judged_wrong_but_is_on_the_other_side_is_not_taken() -> None:
    search = topic_search([POSITIVE, PLANTED["too-high"], NEGATIVES["skin"], NEGATIVES["sugar"]])
    rows = [
        PAIRS[0].model_copy(update={"split": Split.TRAIN}),
        pair("dev", "what itches?", PLANTED["too-high"], split=Split.DEV),
    ]
    judged = [JudgedRow(query_id="q1", passage_id="too-high", grade=0)]
    [mined] = prepare(rows, search, table_of(NegativeSource.DENSE), judged).mine([0])
    assert mined.triplet is not None
    assert set(mined.triplet.negative_ids) == {"skin", "sugar"}


TEMPLATE = (
    "{}: this condition is inherited in an autosomal recessive pattern, which means both copies of the gene "
    "in each cell have mutations. The parents each carry one copy of the mutated gene."
)


LONG = " ".join(f"finding{number}" for number in range(100))


@pytest.mark.parametrize(
    ("group", "right", "text", "rule"),
    [
        ("thorax", TEMPLATE.format("Heart angina"), TEMPLATE.format("Lung cough"), None),
        ("", TEMPLATE.format("Heart angina"), TEMPLATE.format("Lung cough"), Rule.NEAR_TEXT),
        ("heart", TEMPLATE.format("Heart angina"), TEMPLATE.format("Lung cough"), Rule.GROUP),
        ("thorax", TEMPLATE.format("Heart angina"), TEMPLATE.format("Heart, angina"), Rule.SAME_TEXT),
        ("thorax", LONG, LONG + " again", Rule.NEAR_TEXT),  # 98 of 99 shingles
        ("thorax", LONG, LONG + " again and again", None),  # 98 of 101
    ],
)
def test_a_template_of_another_known_group_is_not_a_copy(
    group: str, right: str, text: str, rule: Rule | None
) -> None:
    positive = passage("positive", right, "d1", "heart")
    pool = make_pool([positive, passage("other", text, "d2", group)])
    known = right_answers([(pair("r", "how is angina inherited?", positive), 0)], pool)
    guards = Guards(pool, table_of())
    assert guards.rejects(1, known) is rule
    assert guards.repeats(1, [0]) is (Rule.REPEATED if rule else None)
    gone = right_answers([(pair("r", "how is angina inherited?", positive), None)], pool)
    assert guards.rejects(1, gone) is rule


@pytest.mark.parametrize(
    ("score", "positive", "changes", "rule"),
    [
        (0.77, 0.8, {"max_score_ratio": 0.95}, Rule.RATIO),
        (0.76, 0.8, {"max_score_ratio": 0.95}, None),
        (0.7, 0.8, {"max_score_ratio": 2, "min_margin": 0.1}, None),
        (0.700001, 0.8, {"max_score_ratio": 2, "min_margin": 0.1}, Rule.MARGIN),
        (0.81, 0.8, {"max_score_ratio": 2, "min_margin": 0}, Rule.MARGIN),
        (0.8, 0.8, {"max_score_ratio": 2, "min_margin": 0}, None),
        # Below zero 0.95 times the score would be above it: -0.097 scores better than the right answer.
        (-0.097, -0.1, {"max_score_ratio": 0.95}, Rule.RATIO),
        (-0.104, -0.1, {"max_score_ratio": 0.95}, Rule.RATIO),
        (-0.105, -0.1, {"max_score_ratio": 0.95}, None),
        (0.000001, 0.0, {"max_score_ratio": 0.95}, Rule.RATIO),
        (0.0, 0.0, {"max_score_ratio": 0.95}, None),
    ],
)
def test_scores_at_the_edges(
    score: float, positive: float, changes: dict[str, float], rule: Rule | None
) -> None:
    assert Guards(make_pool([]), table_of(**changes)).scores_too_high(score, positive) is rule


scores = st.floats(-1, 1).map(lambda score: round(score, 6))


@given(score=scores, positive=scores, ratio=st.floats(0.01, 1.0), margin=st.floats(0, 0.5))
def test_what_passes_never_scores_above_the_right_answer(
    score: float, positive: float, ratio: float, margin: float
) -> None:
    guards = Guards(make_pool([]), table_of(max_score_ratio=ratio, min_margin=margin))
    if guards.scores_too_high(score, positive) is None:
        assert score <= positive
        assert positive - score >= margin - 2e-6
    elif score < positive:
        assert positive - score < max(margin, (1 - ratio) * abs(positive)) + 2e-6
