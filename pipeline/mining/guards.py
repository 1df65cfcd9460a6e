"""What keeps a passage that answers the query from being taken for a negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.mining.texts import Shingler, Shingles, alike_from, jaccard
from pipeline.pool import PoolPassage
from pipeline.recipe import MineTable
from pipeline.records import PairRow

_DECIMALS = 6


Text = tuple[Shingles, str]
"""A text with its group, which is empty where none is known."""


class Rule(StrEnum):
    """Why a candidate is not taken; the first that holds is counted."""

    RIGHT = "right answer to the same question"
    PARTLY = "judged partly right"
    DOCUMENT = "same document as a right answer"
    GROUP = "same group as a right answer"
    SAME_TEXT = "same text as a right answer"
    NEAR_TEXT = "nearly the text of a right answer"
    RATIO = "scores too near the right answer"
    MARGIN = "margin to the right answer too small"
    REPEATED = "nearly the text of another negative"


@dataclass(frozen=True, slots=True)
class RightAnswers:
    """All that is known to answer one question: places in the pool, documents, groups and texts.

    `texts` come with the group of each. `partly` are places of passages judged to answer it in part.
    """

    numbers: frozenset[int]
    documents: frozenset[tuple[str, str]]
    groups: frozenset[str]
    texts: tuple[Text, ...]
    partly: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Pool:
    """The passages of a run with the shingles of each; `shingler` makes more that can be compared."""

    passages: Sequence[PoolPassage]
    shingles: Sequence[Shingles]
    shingler: Shingler

    def text(self, number: int) -> Text:
        """What the passage at this place is compared by."""
        return self.shingles[number], self.passages[number].source.group


def make_pool(passages: Sequence[PoolPassage]) -> Pool:
    """The passages with their shingles."""
    shingler = Shingler()
    return Pool(passages, [shingler(each.text) for each in passages], shingler)


def right_answers(
    rows: Sequence[tuple[PairRow, int | None]], pool: Pool, partly: frozenset[int] = frozenset()
) -> RightAnswers:
    """What rows that ask one question know to be right; each comes with its passage's place in the pool.

    A passage that is not in the pool (`None`) still tells its document, its group and its text.
    """
    numbers = frozenset(number for _, number in rows if number is not None)
    sources = [row.source for row, _ in rows] + [pool.passages[number].source for number in numbers]
    known = {pool.passages[number].text for number in numbers}
    others = {(row.positive, row.source.group) for row, _ in rows if row.positive not in known}
    return RightAnswers(
        numbers=numbers,
        documents=frozenset((source.corpus, source.doc_id) for source in sources),
        groups=frozenset(source.group for source in sources if source.group),
        texts=(
            *(pool.text(number) for number in sorted(numbers)),
            *((pool.shingler(text), group) for text, group in sorted(others)),
        ),
        partly=partly,
    )


@dataclass(frozen=True, slots=True)
class Guards:
    """The guards with a recipe's thresholds, over one pool."""

    pool: Pool
    table: MineTable

    def rejects(self, number: int, right: RightAnswers) -> Rule | None:
        """Why this passage is or may be a right answer, by what is known of it; `None` where it is not."""
        source = self.pool.passages[number].source
        if number in right.numbers:
            return Rule.RIGHT
        if number in right.partly:
            return Rule.PARTLY
        if (source.corpus, source.doc_id) in right.documents:
            return Rule.DOCUMENT
        if source.group in right.groups:
            return Rule.GROUP
        text = self.pool.text(number)
        if any(jaccard(text[0], other) >= 1.0 for other, _ in right.texts):
            return Rule.SAME_TEXT
        if any(self._alike(text, other) for other in right.texts):
            return Rule.NEAR_TEXT
        return Rule.PARTLY if any(self._alike(text, self.pool.text(n)) for n in right.partly) else None

    def scores_too_high(self, score: float, positive_score: float) -> Rule | None:
        """Why this score is too near the right answer's.

        The fraction is of the distance from zero, so that under a right answer that scores below zero,
        too, a candidate must stay that much below it.
        """
        slack = (1.0 - self.table.max_score_ratio) * abs(positive_score)
        if score > round(positive_score - slack, _DECIMALS):
            return Rule.RATIO
        return Rule.MARGIN if round(positive_score - score, _DECIMALS) < self.table.min_margin else None

    def repeats(self, number: int, taken: Sequence[int]) -> Rule | None:
        """Whether this passage says nearly what one of the negatives already taken says."""
        text = self.pool.text(number)
        return Rule.REPEATED if any(self._alike(text, self.pool.text(n)) for n in taken) else None

    def _alike(self, one: Text, other: Text) -> bool:
        least = alike_from(self.table.duplicate_jaccard, one[1], other[1])
        return jaccard(one[0], other[0]) >= least
