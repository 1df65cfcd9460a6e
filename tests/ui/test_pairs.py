"""Which documents two rankings share: properties over any two rankings, and what the page says of them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from medsearch.types import Passage, PassageHit
from ui.pairs import compare_hits
from ui.side_by_side import summary

RANKINGS = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)


def hits(doc_ids: list[str]) -> list[PassageHit]:
    passage = Passage("", 0, "", "text", "", 0, 4)
    return [PassageHit(replace(passage, doc_id=doc_id), 1.0 / rank) for rank, doc_id in enumerate(doc_ids, 1)]


@given(RANKINGS, RANKINGS)
def test_ranks_and_pairs_agree_from_both_sides(left: list[str], right: list[str]) -> None:
    pairs = compare_hits(hits(left), hits(right))
    shared = set(left) & set(right)
    assert pairs.shared == len(shared)
    numbers = {}
    for side, own, other in ((pairs.left, left, right), (pairs.right, right, left)):
        assert [placed.hit.passage.doc_id for placed in side] == own
        for placed in side:
            doc_id = placed.hit.passage.doc_id
            assert placed.here == own.index(doc_id) + 1
            assert placed.there == (other.index(doc_id) + 1 if doc_id in shared else None)
            assert (placed.pair is None) == (doc_id not in shared)
            assert numbers.setdefault(doc_id, placed.pair) == placed.pair
    in_left_order = [placed.pair for placed in pairs.left if placed.pair]
    assert in_left_order == list(range(1, len(shared) + 1))


@given(RANKINGS, RANKINGS)
def test_swapping_the_sides_swaps_the_comparison(left: list[str], right: list[str]) -> None:
    there, back = compare_hits(hits(left), hits(right)), compare_hits(hits(right), hits(left))
    assert there.shared == back.shared
    assert there.same_order == back.same_order == (left == right)
    assert [(p.here, p.there) for p in there.left] == [(p.here, p.there) for p in back.right]


@given(RANKINGS, RANKINGS)
def test_the_summary_counts_every_document_once(left: list[str], right: list[str]) -> None:
    said = summary(compare_hits(hits(left), hits(right)))
    if not left and not right:
        assert said == "Neither side found anything."
    elif left == right:
        assert (
            said
            == f"Both sides found the same {len(left)} document{'s' * (len(left) > 1)} in the same order."
        )
    else:
        shared = len(set(left) & set(right))
        assert said.startswith(f"{shared} of {max(len(left), len(right))} in common, ")
        assert f"{len(left) - shared} only on the left, {len(right) - shared} only on the right" in said
