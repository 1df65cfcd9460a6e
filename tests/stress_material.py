"""A small set of stress pairs that the stand-in encoder passes, fails and ties, one each."""

from __future__ import annotations

import json
from pathlib import Path

PAIRS = {
    "organ": [
        ("organ-1", "cardiac pain", "Angina is felt at night.", "Cough is felt at night."),
        ("organ-2", "heart", "A rash over the heart that does itch.", "Chest pain and angina."),
    ],
    "negation": [("negation-1", "no chest pain", "He denies chest pain now.", "He reports chest pain now.")],
}
"""category -> (id, query, right, wrong). With `TopicEncoder` organ-1 passes and organ-2 fails."""


def write_stress(folder: Path, pairs: dict[str, list[tuple[str, str, str, str]]] | None = None) -> Path:
    """Write the pairs as `CATEGORY.jsonl` files; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for category, rows in (PAIRS if pairs is None else pairs).items():
        lines = [json.dumps(row(*values)) + "\n" for values in rows]
        (folder / f"{category}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def row(pair_id: str, query: str, right: str, wrong: str) -> dict[str, str]:
    """One line of a file."""
    told = {"difference": "the organ", "source": "written for this test", "checked": "yes"}
    return {"id": pair_id, "query": query, "right": right, "wrong": wrong, **told}
