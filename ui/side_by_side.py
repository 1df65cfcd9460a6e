"""Two rankings as HTML: cards of one height on both sides, and lines between the ranks of one document."""

from __future__ import annotations

from collections.abc import Sequence

from medsearch.types import Passage
from ui.cards import Look, demonstration, excerpt, facts, notice, score, title
from ui.labels import counted
from ui.markup import escaped, marked
from ui.pairs import Comparison, Placed

SIDES = ("left", "right")


def comparison(pairs: Comparison, looks: tuple[Look, Look], names: tuple[str, str]) -> str:
    """HTML: both lists with the lines between them; hovering over or tabbing to a card lights up its pair."""
    lists = [
        _side(hits, look, name, side)
        for hits, look, name, side in zip((pairs.left, pairs.right), looks, names, SIDES, strict=True)
    ]
    return f'<div class="ms-compare">{lists[0]}{lines(pairs)}{lists[1]}</div>'


def summary(pairs: Comparison) -> str:
    """What the two lists share, in a sentence; numbers only, no words from documents."""
    if not pairs.left and not pairs.right:
        return "Neither side found anything."
    if pairs.same_order:
        return f"Both sides found the same {counted(len(pairs.left), 'document')} in the same order."
    longest = max(len(pairs.left), len(pairs.right))
    only_left, only_right = len(pairs.left) - pairs.shared, len(pairs.right) - pairs.shared
    sides = f"{only_left} only on the left, {only_right} only on the right"
    return f"{pairs.shared} of {longest} in common, {sides}."


def lines(pairs: Comparison) -> str:
    """HTML: one line a shared document, from its rank on the left to its rank on the right.

    The style sheet draws each from rank `--from` to rank `--to` of `--rows`, because Streamlit removes SVG.
    They are for the eye only: each card says its other rank.
    """
    rows = max(len(pairs.left), len(pairs.right), 1)
    drawn = "".join(
        f'<div class="ms-pair-{placed.pair}" style="--from:{placed.here};--to:{placed.there}"></div>'
        for placed in pairs.left
        if placed.there is not None
    )
    return f'<div class="ms-lines" style="--rows:{rows}" aria-hidden="true">{drawn}</div>'


def _side(hits: Sequence[Placed], look: Look, name: str, side: str) -> str:
    cards = "".join(f"<li>{_card(placed, look, side)}</li>" for placed in hits)
    found = cards or '<li class="ms-none">Nothing found on this side.</li>'
    return (
        f'<section class="ms-side" aria-labelledby="{side}-name">'
        f'<h2 class="ms-side-name" id="{side}-name">{side.capitalize()}: {escaped(name)}</h2>'
        f'<ol class="ms-{side}">{found}</ol></section>'
    )


def _card(placed: Placed, look: Look, side: str) -> str:
    passage, marker = placed.hit.passage, look.marker
    anchor = f"{side}-{placed.here}"
    paired = f"ms-pair-{placed.pair}" if placed.pair else "ms-only"
    foot = _other_rank(placed, side) + score(placed.hit, look.method, anchor) + _text(passage, look)
    return (
        f'<article class="ms-card ms-small {paired}" id="{anchor}" aria-labelledby="{anchor}-title"'
        ' tabindex="-1">'
        f'<header><span class="ms-rank"><span class="ms-unseen">Rank </span>{placed.here}</span>'
        f"{title(passage, marker, anchor)}</header>"
        f"{notice(passage.metadata)}{facts(passage)}{excerpt(passage, marker)}"
        f"<footer>{foot}</footer></article>"
    )


def _other_rank(placed: Placed, side: str) -> str:
    """HTML: "3 here, 1 there ▲2" as a link to the same document's card on the other side."""
    if placed.there is None:
        return '<strong class="ms-only-here">only here</strong>'
    other = SIDES[1 - SIDES.index(side)]
    climb = placed.here - placed.there
    step, said = ("▲", "higher") if climb > 0 else ("▼", "lower")
    moved = (
        f' <span aria-hidden="true">{step}{abs(climb)}</span>'
        f'<span class="ms-unseen">, {abs(climb)} {said} there</span>'
        if climb
        else '<span class="ms-unseen">, the same rank</span>'
    )
    return (
        f'<a class="ms-there" href="#{other}-{placed.there}">'
        f"{placed.here} here, {placed.there} there{moved}</a>"
    )


def _text(passage: Passage, look: Look) -> str:
    """HTML: the passage and its facts in full, opening over the cards below so that the lines stay true."""
    text = marked(passage.text, look.marker.spans(passage.text))
    return (
        '<details class="ms-over"><summary>Whole passage</summary><div class="ms-panel">'
        f'{notice(passage.metadata)}<p class="ms-whole" dir="auto">{text}</p>{facts(passage)}'
        f"{demonstration(passage.metadata)}</div></details>"
    )
