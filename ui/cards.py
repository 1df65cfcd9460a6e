"""Result cards. Everything that comes from a document is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from medsearch.types import Metadata, MetadataValue, Passage, PassageHit
from ui.components import tooltip
from ui.labels import Method, score_meaning, score_text, value_label
from ui.markup import EXCERPT, Marker, escaped, marked, marked_excerpt, safe_link

_NOTICE_NAMES = {
    "retraction": "Retraction",
    "correction": "Correction",
    "concern": "Expression of concern",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What all cards of one list share; `prefix` keeps the ids of two lists on a page apart."""

    marker: Marker
    method: Method
    prefix: str = "hit"


def result_list(hits: Sequence[PassageHit], look: Look) -> str:
    """HTML: the hits as a numbered list of cards, best first."""
    items = "".join(f"<li>{card(hit, rank, look)}</li>" for rank, hit in enumerate(hits, start=1))
    return f'<ol class="ms-results" aria-label="Results, best first">{items}</ol>'


def card(hit: PassageHit, rank: int, look: Look) -> str:
    """HTML: one hit with its facts, an excerpt, why it was found, and the whole passage to open."""
    passage = hit.passage
    anchor = f"{look.prefix}-{rank}"
    return (
        f'<article class="ms-card" id="{anchor}" aria-labelledby="{anchor}-title">'
        f'<header><span class="ms-rank"><span class="ms-unseen">Result </span>{rank}</span>'
        f"{title(passage, look.marker, anchor)}</header>"
        f"{notice(passage.metadata)}{facts(passage)}{excerpt(passage, look.marker)}"
        f"<footer>{why(passage, look.marker)}{score(hit, look.method, anchor)}</footer>"
        f"{whole_passage(passage, look.marker)}{demonstration(passage.metadata)}</article>"
    )


def title(passage: Passage, marker: Marker, anchor: str) -> str:
    """HTML: the title with the shared words marked; a document without one goes by its id."""
    text = passage.title.strip() or f"Document {passage.doc_id}"
    return f'<h2 id="{anchor}-title" dir="auto">{marked(text, marker.spans(text))}</h2>'


def notice(metadata: Metadata) -> str:
    """HTML: a retraction, correction or expression of concern, before anything else is read."""
    text = _joined(metadata.get("notice"))
    if not text:
        return ""
    kind, _, rest = text.partition(":")
    known = _NOTICE_NAMES.get(kind.strip().lower())
    grave = "retract" in text.lower() or "withdrawn" in text.lower()
    name, said = "Retraction" if grave else "Notice", text
    if known and rest.strip():
        name, said = known, rest.strip()
    return (
        f'<p class="ms-notice{" ms-grave" if grave else ""}" role="note" dir="auto">'
        f"<strong>{name}.</strong> {escaped(said[:1].upper() + said[1:])}</p>"
    )


def facts(passage: Passage) -> str:
    """HTML: kind, year, specialty, evidence, section, source and link, where the document has them."""
    data = passage.metadata
    pieces = [
        ("Kind", value_label(data["kind"]) if data.get("kind") else ""),
        ("Year", value_label(data["year"]) if data.get("year") else ""),
        ("Specialty", value_label(data["specialty"]) if data.get("specialty") else ""),
        ("Evidence", f"Evidence: {value_label(data['evidence']).lower()}" if data.get("evidence") else ""),
        ("Section", passage.section),
        ("Source", _joined(data.get("journal") or data.get("source"))),
    ]
    items = "".join(_fact(name, text) for name, text in pieces if text)
    return f'<ul class="ms-facts">{items}{_link(data)}</ul>'


def _fact(name: str, text: str) -> str:
    unseen = f'<span class="ms-unseen">{name}: </span>'
    return f'<li class="ms-fact-{name.lower()}" dir="auto">{unseen}{escaped(text)}</li>'


def _link(metadata: Metadata) -> str:
    address = safe_link(metadata.get("url"))
    if address is None:
        return ""
    host = urlsplit(address).hostname or ""
    return (
        f'<li><a href="{escaped(address)}" target="_blank" rel="noopener noreferrer">'
        f'Open at {escaped(host)}<span aria-hidden="true"> ↗</span>'
        '<span class="ms-unseen"> (new tab)</span></a></li>'
    )


def excerpt(passage: Passage, marker: Marker) -> str:
    """HTML: the most telling part of the passage."""
    return f'<p class="ms-excerpt" dir="auto">{marked_excerpt(passage.text, marker.spans(passage.text))}</p>'


def why(passage: Passage, marker: Marker) -> str:
    """HTML: which words of the query the passage has; also says for the ear what marking says for the eye."""
    if marker.spec is None:
        return "<span></span>"
    words = marker.shared_words(passage.title, passage.text)
    if not words:
        return '<span class="ms-why">No words in common: found by its meaning</span>'
    return f'<span class="ms-why" dir="auto">Words in common: {escaped(", ".join(words))}</span>'


def score(hit: PassageHit, method: Method, anchor: str) -> str:
    """HTML: the score with what it means."""
    return tooltip(f"Score {score_text(hit.score, method)}", score_meaning(method), f"{anchor}-score")


def whole_passage(passage: Passage, marker: Marker) -> str:
    """HTML: the whole passage, opened by click or Enter, with its place in the document."""
    cut = len(passage.text) > EXCERPT
    place = [f"Passage {passage.number + 1} of document {passage.doc_id}"]
    place += [f"section “{passage.section}”"] if passage.section else []
    place += [f"characters {passage.start + 1:,} to {passage.end:,} of its text"]
    text = marked(passage.text, marker.spans(passage.text))
    body = f'<p class="ms-whole" dir="auto">{text}</p>' if cut else ""
    return (
        f"<details><summary>{'Whole passage and its place' if cut else 'Its place in the document'}</summary>"
        f'{body}<p class="ms-quiet" dir="auto">{escaped(", ".join(place))}.</p></details>'
    )


def demonstration(metadata: Metadata) -> str:
    """HTML: the document's own note that it was written for demonstration."""
    note = _joined(metadata.get("note"))
    return f'<p class="ms-demo" dir="auto">{escaped(note)}</p>' if "demonstration" in note.lower() else ""


def _joined(value: MetadataValue) -> str:
    """A value as it is written, several joined by commas; empty for none."""
    return (", ".join(value) if isinstance(value, tuple) else str(value or "")).strip()
