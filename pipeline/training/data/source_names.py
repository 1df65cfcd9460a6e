"""Names of sources, each its own: files are written and facts are kept under them."""

from __future__ import annotations

from collections.abc import Iterable

_ENDINGS = (".jsonl.gz", ".jsonl", ".json.gz", ".json")


def bare(name: str) -> str:
    """A source's name without the ending of a file of rows."""
    return next((name.removesuffix(end) for end in _ENDINGS if name.endswith(end)), name)


def numbered(names: Iterable[str]) -> list[str]:
    """The names; one that comes again, with whatever ending, gets a number before its ending."""
    taken: set[str] = set()
    found = []
    for name in names:
        start, number = bare(name), 1
        own = start
        while own in taken:
            number += 1
            own = f"{start}-{number}"
        taken.add(own)
        found.append(own + name.removeprefix(start))
    return found
