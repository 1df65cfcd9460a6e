"""Which rows ask the same question, so that the right answers of one are right for the other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.mining.texts import Shingler, near_duplicates, normalised
from pipeline.records import PairRow

_TELLING = re.compile(r"\w*\d\w*|(?=[ivx])x{0,3}(?:ix|iv|v?i{0,3})|[b-hj-ru-z]")
"""Words that tell kinds of one disease apart: with digits, Roman numerals to 39, single letters.

Not the article, nor what an apostrophe leaves: "a", "s", "t".
"""


def question_of_each(rows: Sequence[PairRow], threshold: float) -> list[int]:
    """A number for each row: equal for one query id, for one wording, and for wordings nearly the same.

    `threshold` is the Jaccard similarity from which two wordings are nearly the same. They are not where
    numbers, Roman numerals or single letters differ (type I and type III), nor where all their rows are of
    known groups and none of one has a group of the other.
    """
    ids: dict[str, int] = {}
    wordings: dict[str, int] = {}
    groups: dict[int, set[str]] = {}
    asked = []
    for row in rows:
        wording = wordings.setdefault(normalised(row.query), len(wordings))
        groups.setdefault(wording, set()).add(row.source.group)
        asked.append((wording, ids.setdefault(row.query_id, len(ids))))
    telling = [_telling(wording) for wording in wordings]
    shingler = Shingler()
    near = [
        (a, b)
        for a, b in near_duplicates([shingler(wording) for wording in wordings], threshold)
        if telling[a] == telling[b] and ("" in groups[a] | groups[b] or groups[a] & groups[b])
    ]
    edges = [(wording, len(wordings) + query_id) for wording, query_id in asked]
    labels = components(len(wordings) + len(ids), edges + near)
    return [labels[wording] for wording, _ in asked]


def _telling(wording: str) -> list[str]:
    return [word for word in wording.split() if _TELLING.fullmatch(word)]


def components(nodes: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    """The connected component of each node, by number."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.asarray(list(edges), dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(nodes, nodes))
    _, labels = connected_components(graph.tocsr(), directed=False)
    return [int(label) for label in labels]
