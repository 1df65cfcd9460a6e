"""What an index can be filtered by: the years, kinds, sources and sections that its passages have."""

from __future__ import annotations

from dataclasses import dataclass

from medsearch.index.reader import IndexReader

_YEARS = 1000
_VALUES = 200

Counted = tuple[tuple[str, int], ...]
"""Values with how many passages have each, most frequent first."""


@dataclass(frozen=True, slots=True)
class Facets:
    """The choices that a corpus offers; an empty tuple where there is nothing to choose between."""

    years: tuple[int, ...]
    undated: int
    kinds: Counted
    sources: Counted
    sections: Counted


def read_facets(reader: IndexReader) -> Facets:
    """Count the values of an index; the 200 most frequent of a field."""
    dated = [(int(year), count) for year, count in reader.facet("metadata.year", limit=_YEARS)]
    passages = reader.manifest.counts.passages
    return Facets(
        years=tuple(sorted(year for year, _ in dated)),
        undated=passages - sum(count for _, count in dated),
        kinds=_choices(reader, "metadata.kind"),
        sources=_choices(reader, "metadata.source"),
        sections=_choices(reader, "top_section"),
    )


def _choices(reader: IndexReader, key: str) -> Counted:
    """None where all passages have one and the same value: there is nothing to choose."""
    values = tuple((value, count) for value, count in reader.facet(key, limit=_VALUES) if value.strip())
    whole = len(values) == 1 and values[0][1] == reader.manifest.counts.passages
    return () if whole else values
