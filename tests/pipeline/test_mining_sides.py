"""Train and dev share no question, document, group or text, whatever ties rows together."""

from __future__ import annotations

from hashlib import sha256
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pool_material import pair, passage

from pipeline.mining.guards import make_pool
from pipeline.mining.questions import question_of_each
from pipeline.mining.sides import Material, Sides, share_out
from pipeline.mining.texts import jaccard, normalised
from pipeline.pool import PoolPassage
from pipeline.recipe import MineTable
from pipeline.records import PairRow, Split

TEXTS = [f"{a} {b} {c} of the {d}" for a, b, c, d in zip("abcdef", "ghijkl", "mnopqr", "stuvwx", strict=True)]
HALF = MineTable(dev_share=0.5)


def share(rows: list[PairRow], passages: list[PoolPassage], table: MineTable = HALF) -> Sides:
    pool = make_pool(passages)
    places = {each.passage_id: number for number, each in enumerate(passages)}
    questions = question_of_each(rows, table.duplicate_jaccard)
    material = Material(rows, questions, [places[r.positive_id] for r in rows], passages, pool.shingles)
    return share_out(material, table)


def distinct(count: int) -> list[PoolPassage]:
    return [passage(f"p{n}", f"passage {n} says {n * n} and {n + 7} only") for n in range(count)]


passages_drawn = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(["", "g1", "g2", "g3"]), st.integers(0, 30)),
    min_size=2,
    max_size=14,
)
rows_drawn = st.lists(
    st.tuples(st.integers(0, 13), st.integers(0, 9), st.integers(0, 9), st.sampled_from([None, *Split])),
    min_size=1,
    max_size=14,
)


@settings(deadline=None, max_examples=200)
@given(drawn=passages_drawn, asked=rows_drawn, seed=st.integers(0, 5))
def test_nothing_is_on_both_sides(drawn: list, asked: list, seed: int) -> None:
    texts = TEXTS + [f"number {n} stands alone {n * n}" for n in range(31)]
    passages = [passage(f"p{n}", texts[t], f"d{d}", g) for n, (d, g, t) in enumerate(drawn)]
    rows = [
        pair(f"r{n}", f"What about {texts[q]}?", passages[p % len(passages)], query_id=f"q{i}", split=split)
        for n, (p, q, i, split) in enumerate(asked)
    ]
    sides = share(rows, passages, MineTable(dev_share=0.5, seed=seed))
    used = [(row, side) for row, side in zip(rows, sides.of_row, strict=True) if side]
    at = {each.passage_id: side for each, side in zip(passages, sides.of_passage, strict=True)}
    for row, side in used:
        assert at[row.positive_id] is side
        assert row.split in (None, side)
    for (a, on), (b, other) in combinations(used, 2):
        if on is not other:
            assert a.query_id != b.query_id
            assert normalised(a.query) != normalised(b.query)
    shingles = make_pool(passages).shingles
    for a, b in combinations(range(len(passages)), 2):
        if {sides.of_passage[a], sides.of_passage[b]} == set(Split):
            assert passages[a].source.doc_id != passages[b].source.doc_id
            assert not passages[a].source.group or passages[a].source.group != passages[b].source.group
            groups = {passages[a].source.group, passages[b].source.group}
            assert jaccard(shingles[a], shingles[b]) < (0.8 if "" in groups else 0.98)
    assert all(side or row.split is not Split.DEV for row, side in zip(rows, sides.of_row, strict=True))


def test_about_the_share_asked_for_goes_to_dev_and_more_rows_move_none() -> None:
    passages = distinct(2000)
    rows = [pair(f"r{n}", f"what is {n} {n}?", each) for n, each in enumerate(passages)]
    table = MineTable(dev_share=0.1)
    sides = share(rows, passages, table)
    # Binomial: 2,000 draws at 0.1 have a standard deviation of 13.4; this is within 4 of them.
    assert sides.of_row.count(Split.DEV) == pytest.approx(200, abs=54)
    fewer = share(rows[:500], passages[:500], table)
    assert sides.of_row[:500] == fewer.of_row
    other = share(rows, passages, MineTable(dev_share=0.1, seed=14))
    assert other.of_row != sides.of_row
    assert share(rows, passages, MineTable(dev_share=0)).of_row.count(Split.DEV) == 0


def test_a_rows_own_split_takes_along_all_that_hangs_on_it() -> None:
    passages = [
        passage(f"p{n}", f"text {n} on {n * n} things", f"d{n}", "g" if n < 3 else "") for n in range(5)
    ]
    rows = [
        pair("r0", "what is one?", passages[0], split=Split.DEV),
        pair("r1", "what is two?", passages[1]),  # its group is that of r0
        pair("r2", "What is TWO", passages[3]),  # the question of r1
        pair("r3", "what is four?", passages[4], split=Split.TRAIN),
    ]
    sides = share(rows, passages, MineTable(dev_share=0))
    assert sides.of_row == (Split.DEV, Split.DEV, Split.DEV, Split.TRAIN)
    assert sides.of_passage == (Split.DEV,) * 4 + (Split.TRAIN,)
    assert sides.largest == 3


def test_only_the_train_rows_that_touch_dev_are_left_out() -> None:
    passages = distinct(4)
    rows = [
        pair("dev", "what is one?", passages[0], query_id="a", split=Split.DEV),
        pair("leaks", "what is two?", passages[0], query_id="b", split=Split.TRAIN),
        pair("also", "what is one?", passages[1], query_id="c", split=Split.TRAIN),
        pair("kept", "what is three?", passages[1], query_id="d", split=Split.TRAIN),
    ]
    sides = share(rows, passages)
    assert sides.of_row == (Split.DEV, None, None, Split.TRAIN)
    assert sides.of_passage[:2] == (Split.DEV, Split.TRAIN)


def test_dev_wins_through_rows_without_a_split() -> None:
    passages = distinct(3)
    rows = [
        pair("dev", "what is one?", passages[0], query_id="a", split=Split.DEV),
        pair("free", "what is two?", passages[0], query_id="b"),
        pair("free2", "what is two?", passages[1], query_id="b"),
        pair("train", "what is four?", passages[1], query_id="c", split=Split.TRAIN),
    ]
    assert share(rows, passages).of_row == (Split.DEV, Split.DEV, Split.DEV, None)


TEMPLATE = "{} is inherited in an autosomal recessive pattern: both copies of the gene in each cell {}"


@pytest.mark.parametrize("split", Split)
@pytest.mark.parametrize("dev_share", [0, 0.05, 0.5])
def test_where_all_rows_are_of_one_split_so_is_every_passage(split: Split, dev_share: float) -> None:
    """By the hash a converted dev split would keep but a twentieth of its pool to mine from."""
    passages = distinct(60)
    rows = [pair(f"r{n}", f"what is {n}?", passages[n], split=split) for n in range(5)]
    sides = share(rows, passages, MineTable(dev_share=dev_share))
    assert set(sides.of_row) == set(sides.of_passage) == {split}
    assert sides.largest == 0
    mixed = [rows[0].model_copy(update={"split": None}), *rows[1:]]
    assert set(share(mixed, passages, HALF).of_passage) == set(Split)


def test_templates_of_other_diseases_do_not_tie_train_to_dev() -> None:
    passages = [
        passage(f"p{n}", TEMPLATE.format(f"disease{n}", "have mutations"), f"d{n}", f"g{n}") for n in range(9)
    ]
    rows = [
        pair(f"r{n}", f"how is disease{n} inherited?", each, split=Split.DEV if n < 3 else Split.TRAIN)
        for n, each in enumerate(passages)
    ]
    assert share(rows, passages).of_row == (Split.DEV,) * 3 + (Split.TRAIN,) * 6
    ungrouped = [passage(each.passage_id, each.text, each.source.doc_id) for each in passages]
    rows = [pair(r.row_id, r.query, p, split=r.split) for r, p in zip(rows, ungrouped, strict=True)]
    assert share(rows, ungrouped).of_row == (Split.DEV,) * 3 + (None,) * 6


def test_a_train_row_leaks_by_its_own_text_not_by_a_chain_of_texts() -> None:
    """Each text begins two words later: it shares 20 of 24 runs of words with the next, then 18 of 26."""
    words = [f"word{number}" for number in range(40)]
    texts = [" ".join(words[start : start + 24]) for start in range(0, 12, 2)]
    passages = [passage(f"p{n}", text) for n, text in enumerate(texts)]
    rows = [
        pair("dev", "what is one?", passages[0], split=Split.DEV),
        pair("leaks", "what is two?", passages[1], split=Split.TRAIN),
        pair("far", "what is four?", passages[3], split=Split.TRAIN),
    ]
    sides = share(rows, passages)
    assert sides.of_row == (Split.DEV, None, Split.TRAIN)
    assert sides.of_passage[0] is Split.DEV
    assert sides.of_passage[3] is Split.TRAIN
    # What no row asks for is on neither side, or on one only, but never beside a text of the other.
    for a, b in pairwise(sides.of_passage):
        assert {a, b} != set(Split)


def test_copies_of_what_is_withheld_are_withheld_too() -> None:
    passages = [passage(f"p{n}", "the very same words in every one of them") for n in range(5)]
    rows = [
        pair("train", "what is one?", passages[0], split=Split.TRAIN),
        pair("again", "what is two?", passages[2], split=Split.TRAIN),
        pair("dev", "what is three?", passages[3], split=Split.DEV),
    ]
    sides = share(rows, passages)
    assert sides.of_row == (None, None, Split.DEV)
    assert Split.TRAIN not in sides.of_passage


def asked(query: str, group: str = "", query_id: str = "") -> PairRow:
    number = sha256(f"{query}{group}".encode()).hexdigest()[:8]
    return pair(number, query, passage(number, query, group=group), query_id)


LEADING = "what are the early and the late signs and symptoms of glycogen storage disease"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (asked(LEADING + " in a child"), asked(LEADING + " in a child today"), True),
        (asked(LEADING + " in a child"), asked(LEADING + " in child"), True),
        (asked(LEADING + " type I"), asked(LEADING + " type III"), False),
        (asked(LEADING + " type 1"), asked(LEADING + " type 2"), False),
        (asked(LEADING + " type 1a"), asked(LEADING + " type 1b"), False),
        (asked(LEADING + " type B"), asked(LEADING + " type C"), False),
        (asked(LEADING), asked(LEADING + " VI"), False),
        (asked(LEADING + " in a child", "g1"), asked(LEADING + " in a child today", "g2"), False),
        (asked(LEADING + " in a child", "g1"), asked(LEADING + " in a child today", "g1"), True),
        (asked(LEADING + " in a child", "g1"), asked(LEADING + " in a child today"), True),
        (asked(LEADING, "g1"), asked(LEADING.title() + "?", "g2"), True),
        (asked(LEADING + " type I", "g1", "q"), asked(LEADING + " type II", "g2", "q"), True),
    ],
)
def test_questions_on_another_type_or_subject_are_others(one: PairRow, other: PairRow, same: bool) -> None:
    first, second = question_of_each([one, other], 0.8)
    assert (first == second) is same
