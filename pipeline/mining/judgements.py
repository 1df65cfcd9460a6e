"""What people judged of passages that made no pair: some answer a question in part, others not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.records import JudgedRow, PairRow

JUDGED = "judged"
"""What is said to have found a negative that people judged not relevant."""


@dataclass(frozen=True, slots=True)
class Judgements:
    """Places in the pool of judged passages, by the number of the question.

    `partly` are of grade 1 or more, though below what makes a right answer; `wrong` of a lower one, and
    partly right under no query that asks the same.
    """

    partly: Mapping[int, frozenset[int]]
    wrong: Mapping[int, frozenset[int]]


def judgements(
    judged: Sequence[JudgedRow],
    rows: Sequence[PairRow],
    questions: Sequence[int],
    number_of: Mapping[str, int],
) -> Judgements:
    """Judgements of the questions that rows ask, about passages of the pool; others tell nothing here."""
    asked = {row.query_id: question for row, question in zip(rows, questions, strict=True)}
    partly: dict[int, set[int]] = {}
    wrong: dict[int, set[int]] = {}
    for row in judged:
        question, number = asked.get(row.query_id), number_of.get(row.passage_id)
        if question is not None and number is not None:
            (partly if row.grade > 0 else wrong).setdefault(question, set()).add(number)
    return Judgements(
        {question: frozenset(numbers) for question, numbers in partly.items()},
        {question: frozenset(numbers - partly.get(question, set())) for question, numbers in wrong.items()},
    )
