"""From pairs to triplets: what is known of all rows first, then the negatives of some rows at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from medsearch.types import Vectors
from pipeline.mining.candidates import Asked, Candidate, Finder
from pipeline.mining.guards import Guards, RightAnswers, Rule, make_pool, right_answers
from pipeline.mining.judgements import JUDGED, Judgements, judgements
from pipeline.mining.questions import question_of_each
from pipeline.mining.sides import Material, Sides, share_out
from pipeline.pool_search import PoolSearch
from pipeline.recipe import MineTable
from pipeline.records import DroppedRow, JudgedRow, PairRow, Split, TripletRow

NOT_IN_POOL = "right passage is not in the pool"
LEAKS = "would carry a dev question or document into train"
NONE_LEFT = "no negative left"


@dataclass(frozen=True, slots=True)
class Mined:
    """What came of one row: a triplet, or why there is none; `rejected` counts its candidates by guard."""

    triplet: TripletRow | None
    unmined: DroppedRow | None
    looked_at: int = 0
    rejected: Counter[Rule] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Miner:
    """All that the rows' negatives are chosen by. Use `prepare` to get one.

    `places`, `sides` and `questions` run in parallel with `rows`; a row without a side gets no negatives.
    Passages that people judged not relevant come first in line, and no score keeps them out.
    """

    rows: Sequence[PairRow]
    places: Sequence[int | None]
    sides: Sequence[Split | None]
    questions: Sequence[int]
    asking: Mapping[int, Sequence[int]]
    search: PoolSearch
    finder: Finder
    guards: Guards
    judged: Judgements
    largest: int

    def mine(self, numbers: Sequence[int]) -> list[Mined]:
        """What comes of the rows of these numbers, in their order; equal calls give equal results."""
        vectors = self.search.query_vectors([self.rows[number].query for number in numbers])
        vector_of = dict(zip(numbers, vectors, strict=True))
        candidates = self._candidates(vector_of)
        return [self._row(number, vector_of[number], candidates.get(number, [])) for number in numbers]

    def _candidates(self, vector_of: Mapping[int, Vectors]) -> dict[int, list[Candidate]]:
        found: dict[int, list[Candidate]] = {}
        for side in Split:
            own = [number for number in vector_of if self.sides[number] is side]
            if own:
                rows = [self.rows[number] for number in own]
                vectors = np.stack([vector_of[number] for number in own])
                asked = Asked([row.row_id for row in rows], [row.query for row in rows], vectors, side)
                found |= zip(own, self.finder.find(asked), strict=True)
        return found

    def _row(self, number: int, vector: Vectors, candidates: Sequence[Candidate]) -> Mined:
        row, place, side = self.rows[number], self.places[number], self.sides[number]
        if place is None:
            return Mined(None, _unmined(row, NOT_IN_POOL, f"there is no passage {row.positive_id}"))
        if side is None:
            return Mined(None, _unmined(row, LEAKS, "it shares one, or nearly its words, with the dev side"))
        [positive_score] = self.search.scores(vector, [place])
        scored = self._scored(vector, candidates)
        judged = self._judged(number, side, vector)
        known = {each.number for each, _ in judged}
        scored = judged + [each for each in scored if each[0].number not in known]
        taken, looked_at, rejected = self._choose(scored, self._right(number), place, positive_score)
        if not taken:
            detail = "; ".join(f"{count} {rule}" for rule, count in sorted(rejected.items()))
            unmined = _unmined(
                row, NONE_LEFT, f"looked at {looked_at}: {detail}" if detail else "nothing was found"
            )
            return Mined(None, unmined, looked_at, rejected)
        return Mined(self._triplet(row, side, positive_score, taken), None, looked_at, rejected)

    def _scored(self, vector: Vectors, candidates: Sequence[Candidate]) -> list[tuple[Candidate, float]]:
        scores = self.search.scores(vector, [each.number for each in candidates])
        return list(zip(candidates, scores, strict=True))

    def _judged(self, number: int, side: Split, vector: Vectors) -> list[tuple[Candidate, float]]:
        """The passages of the row's side that were judged not relevant to its question, hardest first."""
        wrong = sorted(self.judged.wrong.get(self.questions[number], ()))
        own = np.intersect1d(wrong, self.finder.members[side]).astype(np.int64)
        return self._hardest(self._scored(vector, [Candidate(int(each), JUDGED) for each in own]))

    def _hardest(self, scored: Sequence[tuple[Candidate, float]]) -> list[tuple[Candidate, float]]:
        passages = self.search.passages
        return sorted(scored, key=lambda each: (each[1], passages[each[0].number].passage_id), reverse=True)

    def _choose(
        self,
        scored: Sequence[tuple[Candidate, float]],
        right: RightAnswers,
        place: int,
        positive_score: float,
    ) -> tuple[list[tuple[Candidate, float]], int, Counter[Rule]]:
        """The first that every guard lets through, how many were looked at, and what stopped the others."""
        taken: list[tuple[Candidate, float]] = []
        rejected: Counter[Rule] = Counter()
        looked_at = 0
        for candidate, score in scored:
            if len(taken) == self.finder.table.negatives:
                break
            if candidate.number == place:
                continue
            looked_at += 1
            rule = (
                self.guards.rejects(candidate.number, right)
                or (candidate.found_by != JUDGED and self.guards.scores_too_high(score, positive_score))
                or self.guards.repeats(candidate.number, [other.number for other, _ in taken])
            )
            if rule:
                rejected[rule] += 1
            else:
                taken.append((candidate, score))
        return taken, looked_at, rejected

    def _right(self, number: int) -> RightAnswers:
        question = self.questions[number]
        asking = [(self.rows[each], self.places[each]) for each in self.asking[question]]
        return right_answers(asking, self.guards.pool, self.judged.partly.get(question, frozenset()))

    def _triplet(
        self, row: PairRow, side: Split, positive_score: float, taken: list[tuple[Candidate, float]]
    ) -> TripletRow:
        hardest = self._hardest(taken)
        chosen = [self.search.passages[candidate.number] for candidate, _ in hardest]
        return TripletRow(
            row_id=row.row_id,
            query_id=row.query_id,
            query=row.query,
            positive=row.positive,
            negatives=tuple(each.text for each in chosen),
            kind=row.kind,
            split=side,
            positive_id=row.positive_id,
            positive_score=positive_score,
            negative_ids=tuple(each.passage_id for each in chosen),
            negative_scores=tuple(score for _, score in hardest),
            found_by=tuple(candidate.found_by for candidate, _ in hardest),
            source=row.source,
            llm=row.llm,
        )


def prepare(
    rows: Sequence[PairRow], search: PoolSearch, table: MineTable, judged: Sequence[JudgedRow] = ()
) -> Miner:
    """Find out which rows ask the same, and share rows and passages out between train and dev."""
    pool = make_pool(search.passages)
    places = [search.number_of.get(row.positive_id) for row in rows]
    questions = question_of_each(rows, table.duplicate_jaccard)
    present = [(number, place) for number, place in enumerate(places) if place is not None]
    shared: Sides = share_out(
        Material(
            rows=[rows[number] for number, _ in present],
            questions=[questions[number] for number, _ in present],
            positives=[place for _, place in present],
            passages=pool.passages,
            shingles=pool.shingles,
        ),
        table,
    )
    side_of_row = {number: side for (number, _), side in zip(present, shared.of_row, strict=True)}
    asking: dict[int, list[int]] = {}
    for number, question in enumerate(questions):
        asking.setdefault(question, []).append(number)
    members = {
        side: np.asarray([n for n, own in enumerate(shared.of_passage) if own is side], dtype=np.int64)
        for side in Split
    }
    return Miner(
        rows=rows,
        places=places,
        sides=[side_of_row.get(number) for number in range(len(rows))],
        questions=questions,
        asking=asking,
        search=search,
        finder=Finder(search, table, members),
        guards=Guards(pool, table),
        judged=judgements(judged, rows, questions, search.number_of),
        largest=shared.largest,
    )


def _unmined(row: PairRow, rule: str, detail: str) -> DroppedRow:
    return DroppedRow(
        row_id=row.row_id, rule=rule, detail=detail, query=row.query, positive_id=row.positive_id
    )
