"""A tiny BEIR corpus whose documents try to be more than text, and a second dense model to compare with."""

from __future__ import annotations

import json
from pathlib import Path

from fakes import TopicEncoder
from late_fakes import DIM

from medsearch.types import Passage, Vectors

SCRIPT = '<script>alert("now")</script>'
IMAGE = "<img src=x onerror=alert(1)>"
MARKDOWN = "**bold** [x](javascript:alert(1)) $\\LaTeX$ :material/home: :red[alarm] `code`"
BIDI = "\u202egnitirw desrever\u202c \u2066isolated\u2069"
ADDRESS = "https://example.org/a?b=1&c=2"
NOTE = "Written for demonstration; not medical advice."

DOCUMENTS = (
    {
        "_id": "twice",
        "title": f"Chest pain {SCRIPT}",
        "text": f"Chest pain, and chest pain again. {IMAGE} {MARKDOWN} {BIDI}",
        "metadata": {"year": 2020, "kind": "drug_leaflet", "source": "Ward <b>5</b>", "url": ADDRESS},
    },
    {
        "_id": "once",
        "title": MARKDOWN,
        "text": "Pain that comes from the heart and its angina, felt in one place only, seldom moves on.",
        "metadata": {"year": 2015, "kind": "note", "url": "javascript:alert(1)", "note": NOTE},
    },
    {
        "_id": "retracted",
        "title": "Asthma and cough",
        "text": "The lung hurts: pain with every cough and every breath.",
        "metadata": {"year": 2010, "kind": "note", "notice": f"retraction: see 10.1/x {IMAGE}"},
    },
    {"_id": "un<i>titled</i>", "title": "", "text": f"An itchy rash of the skin. {SCRIPT}"},
    {
        "_id": "long",
        "title": "Insulin",
        "text": "Sugar is counted daily. " * 30 + "Then insulin lowers glucose.",
        "metadata": {"year": 2010, "kind": "note"},
    },
)

OTHER_REVISION = "sha256.0123456789abcdef0123"
REGISTRY = f"""
[topics]
source = "path:nowhere"
revision = "1"
kind = "dense"
pooling = "mean"
max_tokens = 64
dim = 5
licence = "none"

[contrary]
source = "path:nowhere/else"
revision = "{OTHER_REVISION}"
kind = "dense"
pooling = "cls"
max_tokens = 128
dim = 5
licence = "none"
query_prompt = "find <u>this</u>: "

[late]
source = "path:nowhere/late"
revision = "3"
kind = "late_interaction"
max_tokens = 96
dim = {DIM}
licence = "none"
query_prompt = "[Q] "
parameters = {{ token_pooling = 2 }}
"""

SECTIONED = tuple(
    Passage(
        doc_id=kind,
        number=number,
        title=f"About {kind}",
        text="A pain." if number == 0 else "Another pain, a little longer.",
        section=section,
        start=10 * number,
        end=10 * number + 7,
        metadata={"kind": kind, "source": "letters"},
    )
    for kind in ("case_note", "case note")
    for number, section in enumerate(("Methods > Patients", "Results & <b>more</b>"))
)
"""Passages of two documents whose kinds differ by an underscore only."""


class ContraryEncoder(TopicEncoder):
    """Puts what is nearest last: the opposite vectors for queries."""

    def encode_queries(self, texts: list[str], /) -> Vectors:  # type: ignore[override]  # as it is called
        return -super().encode_queries(texts)


def write_corpus(folder: Path, documents: tuple[dict[str, object], ...] = DOCUMENTS) -> None:
    """Write `corpus.jsonl` of a BEIR folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(document) + "\n" for document in documents)
    (folder / "corpus.jsonl").write_text(lines, encoding="utf-8")
