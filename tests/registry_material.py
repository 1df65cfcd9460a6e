"""Entries of a registry, and files of one entry."""

from __future__ import annotations

from pathlib import Path

GOOD = {
    "source": '"path:models/mine"',
    "revision": '"1"',
    "kind": '"dense"',
    "pooling": '"cls"',
    "max_tokens": "128",
    "dim": "32",
    "licence": '"mit"',
}
LATE = {"kind": '"late_interaction"', "pooling": '"none"'}
SPARSE = {"kind": '"sparse"', "pooling": '"none"'}


def written(folder: Path, entry: dict[str, str], name: str = "mine") -> Path:
    file = folder / "models.toml"
    file.write_text(f"[{name}]\n" + "\n".join(f"{key} = {value}" for key, value in entry.items()))
    return file
