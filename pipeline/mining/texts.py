"""Which texts are the same, or nearly: word shingles, compared exactly and not by a sketch that can miss."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Places = NDArray[np.int64]

Shingles = NDArray[np.uint64]
"""The distinct runs of three words of a text, sorted, each as one number."""

_WORD = re.compile(r"[^\W_]+")
_BITS = np.uint64(21)
_ROWS_AT_ONCE = 200
_PAIRS_AT_ONCE = 50_000
_ROUNDING = 1e-9


def normalised(text: str) -> str:
    """The text's words in lower case with one space between: case, punctuation and layout do not count."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_WORD.findall(plain) or plain.split())


class Shingler:
    """Makes shingles of texts; those of one shingler can be compared with each other."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, text: str) -> Shingles:
        """The shingles of a text; one of fewer than three words has a single one."""
        words = [self._numbers.setdefault(word, len(self._numbers) + 1) for word in normalised(text).split()]
        # Beyond two million different words numbers repeat; a text has three of them wrong at once never.
        ids = np.asarray(words, dtype=np.uint64) % (np.uint64(1) << _BITS)
        if len(ids) < 3:
            ids = np.pad(ids, (0, 3 - len(ids)))
        return np.unique((ids[:-2] << (_BITS + _BITS)) | (ids[1:-1] << _BITS) | ids[2:])


def jaccard(a: Shingles, b: Shingles) -> float:
    """Shared shingles as a share of all, from 0 to 1."""
    shared = np.intersect1d(a, b, assume_unique=True).size
    return float(shared / (a.size + b.size - shared))


def near_duplicates(texts: Sequence[Shingles], threshold: float) -> list[tuple[int, int]]:
    """Pairs of texts whose Jaccard similarity reaches the threshold; of equal texts each with the first.

    Exact, by prefix filtering: two such texts share one of their rarest shingles.
    Source: Bayardo, Ma & Srikant, "Scaling up all pairs similarity search", WWW 2007.
    """
    first: dict[bytes, int] = {}
    same = []
    for number, shingles in enumerate(texts):
        head = first.setdefault(shingles.tobytes(), number)
        if head != number:
            same.append((head, number))
    distinct = list(first.values())
    near = _near([texts[number] for number in distinct], threshold) if len(distinct) > 1 else []
    return same + [(distinct[a], distinct[b]) for a, b in near]


def _near(texts: Sequence[Shingles], threshold: float) -> Iterable[tuple[int, int]]:
    from scipy.sparse import csr_array

    sizes = np.asarray([len(shingles) for shingles in texts])
    rows = np.repeat(np.arange(len(texts)), sizes)
    _, columns, counts = np.unique(np.concatenate(texts), return_inverse=True, return_counts=True)
    rarest_first = np.argsort(np.argsort(counts, kind="stable"))[columns]
    order = np.lexsort((rarest_first, rows))
    place = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    prefix = sizes - np.ceil(threshold * sizes - _ROUNDING).astype(np.int64) + 1
    chosen = order[(place < prefix[rows]) & (counts[columns[order]] > 1)]
    shape = (len(texts), len(counts))
    rare = csr_array((np.ones(len(chosen), dtype=np.int32), (rows[chosen], columns[chosen])), shape=shape)
    whole = csr_array((np.ones(len(rows), dtype=np.int32), (rows, columns)), shape=shape)
    by_shingle = rare.T.tocsr()
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        a, b = (rare[start : start + _ROWS_AT_ONCE] @ by_shingle).nonzero()
        a = a + start
        # Of texts too unlike in length one cannot hold enough of the other.
        alike = np.minimum(sizes[a], sizes[b]) >= threshold * np.maximum(sizes[a], sizes[b]) - _ROUNDING
        able = (a < b) & alike
        yield from _similar(whole, sizes, (a[able], b[able]), threshold)


def _similar(
    whole: csr_array, sizes: NDArray[np.int64], pairs: tuple[Places, Places], threshold: float
) -> Iterable[tuple[int, int]]:
    for start in range(0, len(pairs[0]), _PAIRS_AT_ONCE):
        a, b = (side[start : start + _PAIRS_AT_ONCE] for side in pairs)
        shared = np.asarray(whole[a].multiply(whole[b]).sum(axis=1)).ravel()
        similar = shared / (sizes[a] + sizes[b] - shared) >= threshold - _ROUNDING
        yield from zip(a[similar].tolist(), b[similar].tolist(), strict=True)
