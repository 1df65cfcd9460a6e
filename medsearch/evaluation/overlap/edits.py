"""Near-duplicates among short texts, such as questions, where runs of words break at the first edit.

Found are texts of up to `LONGEST` words that are one word apart (swapped, added or dropped), that differ in
function words only, or of which one is the other cut off. One word can also make another question of a
template: "What are the symptoms of gout?" is no copy of the one on asthma. Two rules keep such apart:

- where two benchmark texts differ in that one word only, its place is a slot, and filling it otherwise is
  no copy;
- the word that differs may not carry more than a share of what the text is about, counted by inverse
  document frequency over the benchmark (Spärck Jones, 1972). In texts under `SHORT` words it may be no
  number, and must stand in place of another: juvenile Huntington disease is not all of Huntington disease.
  In texts under `MIDDLE` words neither may a name go on that the other ends: lupus is not lupus nephritis.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Self

import numpy as np

from medsearch.evaluation.overlap.found import Found
from medsearch.evaluation.overlap.hash_table import HashTable
from medsearch.evaluation.overlap.weights import WordWeights
from medsearch.evaluation.overlap.words import Hashes, Rows, Words

LONGEST = 24
"""Of longer texts half of the runs of eight words survive one edit, so that `containment` finds them."""

SHORT = 8
MIDDLE = 12
LEAST = 4
"""Texts of fewer words are found only where they are the same, or differ in function words alone."""

LEAST_SAME = 3
"""Texts of so few words, or with one content word, may differ in articles and forms of "to be" alone."""

WORD_SHARE = 0.5
WORD_SHARE_OF_SHORT = 1 / 3
"""How much of a text's weight the word that differs may carry, and how much in texts under `SHORT` words."""

NAME_SHARE = 1 / 5
"""How much a word may carry that one of two texts under `MIDDLE` words has more, beside a content word."""

CUT_SHARE = 0.5
"""How many of a text's words, and how much of its weight, must be left for it to count as cut off."""


@dataclass(frozen=True, slots=True)
class EditSearch:
    """Short benchmark texts by what is left of them after an edit."""

    texts: Words
    weights: WordWeights
    whole: HashTable
    dropped: HashTable
    heads: HashTable
    content: HashTable

    @classmethod
    def of(cls, texts: Words) -> Self:
        """The search over these benchmark texts; what two of them have in common after an edit is a slot."""
        short = np.flatnonzero((texts.sizes >= 2) & (texts.sizes <= LONGEST))
        chosen = texts.chosen(short)
        weights = WordWeights.of(texts)
        heads, of_head = _cut_off(chosen)
        less, of_less = chosen.with_one_dropped()
        content, of_content = _content(chosen, weights)
        return cls(
            texts,
            weights,
            HashTable.of(chosen.whole(), short, listed=1),
            HashTable.of(less, short[of_less], listed=1),
            HashTable.of(heads, short[of_head], listed=1),
            HashTable.of(content, short[of_content], listed=len(texts)),
        )

    def find(self, asked: Words, /) -> Found:
        """Pairs that are one small edit apart; similarity is the share of words in common."""
        short = np.flatnonzero((asked.sizes >= 2) & (asked.sizes <= LONGEST + 1))
        chosen = asked.chosen(short)
        whole, rows = chosen.whole(), np.arange(len(chosen))
        less, of_less = chosen.with_one_dropped()
        kept: set[tuple[int, int]] = set()
        for table, hashes, of_row, judge in (
            (self.dropped, less, of_less, self._one_word_apart),
            (self.dropped, whole, rows, self._one_word_apart),
            (self.whole, less, of_less, self._one_word_apart),
            (self.heads, whole, rows, self._cut_off),
            (self.content, *_content(chosen, self.weights), self._same_content),
        ):
            mine, theirs = table.texts_of(hashes, of_row)
            for row, text in set(zip(short[mine].tolist(), theirs.tolist(), strict=True)) - kept:
                if judge(asked.text(row), self.texts.text(text)):
                    kept.add((row, text))
        return Found.of([(r, t, _shared(asked.text(r), self.texts.text(t))) for r, t in sorted(kept)])

    def _one_word_apart(self, mine: Hashes, theirs: Hashes) -> bool:
        """Whether the word that differs is neither the subject nor, in a short text, a number."""
        if min(len(mine), len(theirs)) < LEAST:
            return False
        swapped, added = _less(theirs, mine), _less(mine, theirs)
        differs, text = (swapped, theirs) if len(swapped) else (added, mine)
        if len(differs) != 1 or len(added) > 1:
            return False  # equal, or a word stands elsewhere: "X after Y" is not "Y after X"
        if len(theirs) >= SHORT:
            part = NAME_SHARE if len(mine) != len(theirs) and self._makes_a_name(mine, theirs) else WORD_SHARE
            return self.weights.total(differs) <= part * self.weights.total(text)
        if len(mine) != len(theirs) or self.weights.has_number(differs):
            return False
        return self.weights.total(differs) <= WORD_SHARE_OF_SHORT * self.weights.total(text)

    def _cut_off(self, mine: Hashes, theirs: Hashes) -> bool:
        """Whether enough is left of the benchmark's text for it to be recognised."""
        left = self.weights.total(mine) >= CUT_SHARE * self.weights.total(theirs)
        whole = len(theirs) < MIDDLE and not self.weights.is_function_word(mine[-1:]).any()
        return left and np.array_equal(mine, theirs[: len(mine)]) and not whole

    def _makes_a_name(self, mine: Hashes, theirs: Hashes) -> bool:
        """Whether the word more of the longer text, if under `MIDDLE` words, stands beside a content word."""
        less, more = sorted((mine, theirs), key=len)
        place = int(np.argmin(np.append(less == more[: len(less)], False)))
        beside = np.delete(more, place)[max(0, place - 1) : place + 1]
        return len(more) < MIDDLE and not bool(self.weights.is_function_word(beside).all())

    def _same_content(self, mine: Hashes, theirs: Hashes) -> bool:
        if min(len(mine), len(theirs)) < LEAST_SAME:
            return False  # a heading such as "Cystic fibrosis" is in no question on it
        a, b = (text[~self.weights.is_function_word(text)] for text in (mine, theirs))
        few = len(a) == 1 or min(len(mine), len(theirs)) < LEAST
        differ = np.append(_less(mine, theirs), _less(theirs, mine))
        return np.array_equal(a, b) and (not few or bool(np.isin(differ, self.weights.empty_words).all()))


def _cut_off(texts: Words) -> tuple[Hashes, Rows]:
    """Hashes of the beginnings that are worth finding, and the number of their text."""
    heads, rows = texts.heads()
    sizes, whole = np.arange(len(rows)) - texts.starts[rows] + 1, texts.sizes[rows]
    worth = (sizes < whole) & (sizes >= LEAST) & (sizes >= CUT_SHARE * whole)
    return heads[worth], rows[worth]


def _content(texts: Words, weights: WordWeights) -> tuple[Hashes, Rows]:
    """A hash of the content words, in order, of each text that has some."""
    content = texts.without(weights.is_function_word(texts.hashes))
    rows = np.flatnonzero((content.sizes >= 1) & (texts.sizes >= LEAST_SAME))
    return content.chosen(rows).whole(), rows


def _less(a: Hashes, b: Hashes) -> Hashes:
    """The words of `a` that `b` lacks, each as often as it is missing there."""
    missing = Counter(a.tolist()) - Counter(b.tolist())
    return np.fromiter(missing.elements(), dtype=np.uint64)


def _shared(a: Hashes, b: Hashes) -> float:
    return float((len(a) - len(_less(a, b))) / max(len(a), len(b)))
