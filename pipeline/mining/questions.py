"""Which rows ask the same question, so that the right answers of one are right for the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.mining.texts import Shingler, near_duplicates, normalised
from pipeline.records import PairRow


def question_of_each(rows: Sequence[PairRow], threshold: float) -> list[int]:
    """A number for each row: equal for one query id, for one wording, and for wordings nearly the same.

    `threshold` is the Jaccard similarity from which two wordings are nearly the same.
    """
    ids: dict[str, int] = {}
    wordings: dict[str, int] = {}
    asked = [
        (
            ids.setdefault(row.query_id, len(ids)),
            wordings.setdefault(normalised(row.query), len(wordings)),
        )
        for row in rows
    ]
    shingler = Shingler()
    near = near_duplicates([shingler(wording) for wording in wordings], threshold)
    edges = [(wording, len(wordings) + query_id) for query_id, wording in asked]
    labels = components(len(wordings) + len(ids), edges + near)
    return [labels[wording] for _, wording in asked]


def components(nodes: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    """The connected component of each node, by number."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.asarray(list(edges), dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(nodes, nodes))
    _, labels = connected_components(graph.tocsr(), directed=False)
    return [int(label) for label in labels]
