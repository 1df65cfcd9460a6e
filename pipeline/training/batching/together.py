"""An order in which the rows of one document stand together, and batches end where a document does."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

from pipeline.training.job import TrainingExample

_LOOKED_AT = 64
"""Documents among which one is looked for that fits into what is left of a batch."""


def by_document(
    order: Sequence[int], rows: Sequence[TrainingExample], size: int, before: int = 0
) -> list[int]:
    """Documents in the order of their first row, the rows of each as its source has them.

    Where the next document has more rows than the batch of `size` has room for, one of the following that
    fits comes before it; if none does, the document is cut. Rows whose document is not known stand alone.
    `before` rows fill batches already, the last of them maybe in part.
    """
    documents: dict[str | int, list[int]] = {}
    for row in order:
        documents.setdefault(rows[row].document or row, []).append(row)
    waiting = deque(sorted(own) for own in documents.values())
    found: list[int] = []
    room = size - before % size
    while waiting:
        fitting = (place for place, own in enumerate(islice(waiting, _LOOKED_AT)) if len(own) <= room)
        place = next(fitting, 0)
        found += waiting[place]
        room = (room - len(waiting[place]) - 1) % size + 1
        del waiting[place]
    return found
