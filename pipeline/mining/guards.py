"""What keeps a passage that answers the query from being taken for a negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.mining.texts import Shingler, Shingles, jaccard
from pipeline.pool import PoolPassage
from pipeline.recipe import MineTable
from pipeline.records import PairRow

_DECIMALS = 6


class Rule(StrEnum):
    """Why a candidate is not taken; the first that holds is counted."""

    RIGHT = "right answer to the same question"
    DOCUMENT = "same document as a right answer"
    GROUP = "same group as a right answer"
    SAME_TEXT = "same text as a right answer"
    NEAR_TEXT = "nearly the text of a right answer"
    RATIO = "scores too near the right answer"
    MARGIN = "margin to the right answer too small"
    REPEATED = "nearly the text of another negative"


@dataclass(frozen=True, slots=True)
class RightAnswers:
    """All that is known to answer one question: places in the pool, documents, groups and texts."""

    numbers: frozenset[int]
    documents: frozenset[tuple[str, str]]
    groups: frozenset[str]
    texts: tuple[Shingles, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """The passages of a run with the shingles of each; `shingler` makes more that can be compared."""

    passages: Sequence[PoolPassage]
    shingles: Sequence[Shingles]
    shingler: Shingler


def make_pool(passages: Sequence[PoolPassage]) -> Pool:
    """The passages with their shingles."""
    shingler = Shingler()
    return Pool(passages, [shingler(each.text) for each in passages], shingler)


def right_answers(rows: Sequence[tuple[PairRow, int | None]], pool: Pool) -> RightAnswers:
    """What rows that ask one question know to be right; each comes with its passage's place in the pool.

    A passage that is not in the pool (`None`) still tells its document, its group and its text.
    """
    numbers = frozenset(number for _, number in rows if number is not None)
    sources = [row.source for row, _ in rows] + [pool.passages[number].source for number in numbers]
    known = {pool.passages[number].text for number in numbers}
    others = {row.positive for row, _ in rows} - known
    return RightAnswers(
        numbers=numbers,
        documents=frozenset((source.corpus, source.doc_id) for source in sources),
        groups=frozenset(source.group for source in sources if source.group),
        texts=(
            *(pool.shingles[number] for number in sorted(numbers)),
            *(pool.shingler(text) for text in sorted(others)),
        ),
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
        if (source.corpus, source.doc_id) in right.documents:
            return Rule.DOCUMENT
        if source.group in right.groups:
            return Rule.GROUP
        closest = max(jaccard(self.pool.shingles[number], text) for text in right.texts)
        if closest >= 1.0:
            return Rule.SAME_TEXT
        return Rule.NEAR_TEXT if closest >= self.table.duplicate_jaccard else None

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
        shingles = self.pool.shingles
        same = any(jaccard(shingles[number], shingles[n]) >= self.table.duplicate_jaccard for n in taken)
        return Rule.REPEATED if same else None
