"""A record's own metadata, flattened to what an index payload can hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

from medsearch.types import Metadata, MetadataValue

_YEAR = re.compile(r"(1[5-9]\d\d|20\d\d)(?!\d)")
_LARGEST_INT = 2**63 - 1
_NAMES = frozenset({"kind", "source"})


def flatten_metadata(raw: Mapping[str, object], *, source: str) -> Metadata:
    """Make every value a scalar or a tuple of strings, and what is filtered by one kind of value.

    `kind` and `source` become a string or a tuple of strings, `source` by default the one given; `year`
    becomes an int, taken from `date` where there is none that can be read. Nested objects become JSON
    text. A year that cannot be read stays as it was.
    """
    flat: dict[str, MetadataValue] = {str(key): _flatten(value) for key, value in raw.items()}
    year = parse_year(flat.get("year")) or parse_year(flat.get("date"))
    if year is not None:
        flat["year"] = year
    for key in _NAMES & flat.keys():
        flat[key] = _names(raw[key])
    if not flat.get("source"):
        flat["source"] = source
    return flat


def parse_year(value: MetadataValue) -> int | None:
    """The year that `value` is or starts with, between 1500 and 2099."""
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(int(value)) if isinstance(value, float) else str(value).strip()
    match = _YEAR.match(text)
    return int(match.group()) if match else None


def _flatten(value: object) -> MetadataValue:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST_INT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return tuple(str(item) for item in value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _names(value: object) -> str | tuple[str, ...] | None:
    """What can be filtered by: one name or several; `None` where nothing is named."""
    if isinstance(value, list):
        names = tuple(name for item in value if (name := _name(item)))
        return names or None
    return _name(value) or None


def _name(value: object) -> str:
    flat = _flatten(value)
    if flat is None or isinstance(flat, str):
        return (flat or "").strip()
    return json.dumps(flat)
