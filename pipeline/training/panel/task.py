"""One task of the dev panel or of the guard set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medsearch.types import Qrels


@dataclass(frozen=True, slots=True)
class PanelTask:
    """One task of the panel: ids to texts as a model reads them (prompts not yet before them).

    With `ignore_identical_ids` a document with its query's own id is passed over.
    """

    name: str
    queries: Mapping[str, str]
    documents: Mapping[str, str]
    qrels: Qrels
    ignore_identical_ids: bool = False
