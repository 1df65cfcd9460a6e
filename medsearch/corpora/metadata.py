"""A record's own metadata, flattened to what an index payload can hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

from medsearch.types import Metadata, MetadataValue

_YEAR = re.compile(r"(1[5-9]\d\d|20\d\d)(?!\d)")
_LARGEST_INT = 2**63 - 1


def flatten_metadata(raw: Mapping[str, object], *, source: str) -> Metadata:
    """Make every value a scalar or a tuple of strings, `year` an int, and default `source`.

    Nested objects become JSON text. A record without `year` takes it from its `date`, where that starts
    with one. A year that cannot be read stays as it was.
    """
    flat: dict[str, MetadataValue] = {str(key): _flatten(value) for key, value in raw.items()}
    year = parse_year(flat.get("year", flat.get("date")))
    if year is not None:
        flat["year"] = year
    if not flat.get("source"):
        flat["source"] = source
    return flat


def parse_year(value: MetadataValue) -> int | None:
    """The year that `value` is or starts with, between 1500 and 2099."""
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
