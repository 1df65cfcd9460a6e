"""The row in which `filter` leaves all that it measured."""

from __future__ import annotations

from pydantic import Field

from pipeline.records import Row


class CheckedRow(Row):
    """What was measured of one generated row, kept or not: a line for each, in the order of the input.

    `failed` names every rule that the row fails under the recipe, in the order of the rules; the first of
    them is the one that it was dropped by. Empty means kept.
    """

    row_id: str
    failed: tuple[str, ...] = ()
    checks: dict[str, float] = Field(default_factory=dict)
