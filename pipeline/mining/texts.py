"""Which texts are the same, or nearly: word shingles, compared exactly and not by a sketch that can miss."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Places = NDArray[np.int32]
Which = NDArray[np.bool_]
Joined = Callable[[Places, Places], Which]
"""Of pairs, given as two columns of numbers: which need not be looked at, being known to belong together."""

Shingles = NDArray[np.uint64]
"""The distinct runs of three words of a text, sorted, each as one number."""

_WORD = re.compile(r"[^\W_]+")
ALMOST_EQUAL = 0.98
"""From here on two texts count as the same whatever is known of their subjects."""

_BITS = np.uint64(21)
_ROWS_AT_ONCE = 64
_PAIRS_AT_ONCE = 20_000
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


def alike_from(threshold: float, group: str, other: str) -> float:
    """The Jaccard similarity from which two texts count as nearly the same.

    Texts of two subjects, known to be different, are often one template with another name in it. They
    answer different questions, however alike they are, unless they are almost equal.
    """
    return max(threshold, ALMOST_EQUAL) if group and other and group != other else threshold


def near_duplicates(
    texts: Sequence[Shingles], threshold: float, groups: Sequence[str] = (), joined: Joined | None = None
) -> Iterator[tuple[int, int]]:
    """Pairs of texts that are nearly the same by `alike_from`; of equal texts each with the first.

    Exact, by prefix filtering: two such texts share one of their rarest shingles. Texts of one known group
    are not compared: they belong together anyhow. Pairs are given one by one, and those that by then are
    `joined` are left out, so that memory does not grow with their number. The limit is time: documents of
    one long template are still paired with each other, and compared where their groups keep them from
    being joined. That is quadratic in their number, about ten seconds for 4,000.

    Source: Bayardo, Ma & Srikant, "Scaling up all pairs similarity search", WWW 2007.
    """
    known = _known(groups or [""] * len(texts))
    compared = np.asarray((yield from _copies(texts, known, joined)), dtype=np.int32)
    known = known[compared]

    def loose(a: Places, b: Places) -> Which:
        wanted: Which = ((a < b) | (known[b] > 0)) & apart(a, b)
        return wanted

    def strict(a: Places, b: Places) -> Which:
        wanted: Which = (a < b) & (known[b] > 0) & (known[a] != known[b]) & apart(a, b)
        return wanted

    def apart(a: Places, b: Places) -> Which:
        if joined is None:
            return np.ones(len(a), dtype=np.bool_)
        open_pairs: Which = np.logical_not(joined(compared[a], compared[b]))
        return open_pairs

    distinct = [texts[number] for number in compared]
    for left, at_least, wanted in (
        (known == 0, threshold, loose),
        (known > 0, max(threshold, ALMOST_EQUAL), strict),
    ):
        for a, b in _near(distinct, at_least, np.flatnonzero(left).astype(np.int32), wanted):
            yield int(compared[a]), int(compared[b])


def _known(groups: Sequence[str]) -> Places:
    """A number for each group, 0 for none."""
    names = {"": 0}
    return np.asarray([names.setdefault(group, len(names)) for group in groups], dtype=np.int32)


def _copies(
    texts: Sequence[Shingles], known: Places, joined: Joined | None
) -> Generator[tuple[int, int], None, list[int]]:
    """Each copy with the first of its text; returns the texts to compare, one of each text and group."""
    heads: dict[bytes, int] = {}
    distinct: dict[tuple[int, int], int] = {}
    own = []
    for number, (shingles, group) in enumerate(zip(texts, known.tolist(), strict=True)):
        head = heads.setdefault(shingles.tobytes(), number)
        if head != number:
            yield head, number
        # A copy that could not be joined to the first is on another side, and compared for itself.
        pair = np.asarray([head, number], dtype=np.int32)
        if joined and head != number and not joined(pair[:1], pair[1:])[0]:
            own.append(number)
        else:
            distinct.setdefault((head, group), number)
    return sorted((*distinct.values(), *own))


def _near(
    texts: Sequence[Shingles], threshold: float, left: Places, wanted: Joined
) -> Iterator[tuple[int, int]]:
    """Pairs of one of `left` and any other text; `wanted` is asked again and again as they are given."""
    from scipy.sparse import csr_array

    if len(texts) < 2 or not len(left):
        return
    sizes = np.asarray([len(shingles) for shingles in texts], dtype=np.int32)
    rows = np.repeat(np.arange(len(texts), dtype=np.int32), sizes)
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
    for start in range(0, len(left), _ROWS_AT_ONCE):
        some = left[start : start + _ROWS_AT_ONCE]
        a, b = (rare[some] @ by_shingle).nonzero()
        a = some[a]
        # Of texts too unlike in length one cannot hold enough of the other.
        able = np.minimum(sizes[a], sizes[b]) >= threshold * np.maximum(sizes[a], sizes[b]) - _ROUNDING
        yield from _similar(whole, sizes, (a[able], b[able]), threshold, wanted)


def _similar(
    whole: csr_array, sizes: Places, pairs: tuple[Places, Places], threshold: float, wanted: Joined
) -> Iterator[tuple[int, int]]:
    for start in range(0, len(pairs[0]), _PAIRS_AT_ONCE):
        a, b = (side[start : start + _PAIRS_AT_ONCE] for side in pairs)
        still = wanted(a, b)
        a, b = a[still], b[still]
        shared = np.asarray(whole[a].multiply(whole[b]).sum(axis=1)).ravel()
        similar = shared / (sizes[a] + sizes[b] - shared) >= threshold - _ROUNDING
        yield from zip(a[similar].tolist(), b[similar].tolist(), strict=True)
