"""Models beside what they were made from: small, base, large, and each beside the next larger size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medsearch.evaluation.used_models import family_of, is_dense, main_model, models_of
from medsearch.types import ModelKind, SizeClass
from medsearch.workbench.board.leaderboard import Board, Row
from medsearch.workbench.comparison.versus import MEAN, Match, Versus, judge_matches

CROSS_SIZE = "cross-size"

Pairing = tuple[str, str]
"""A model, and the base that it stands beside."""


@dataclass(frozen=True, slots=True)
class SizeLine:
    """A model beside a base over the `tasks` that both have results on; see `Versus`.

    `complete` says whether these are all tasks that the leaderboard's means are over.
    """

    model: str
    base: str
    tasks: tuple[str, ...]
    complete: bool
    versus: Versus

    @property
    def mean(self) -> str:
        """Under which name of `versus` the mean is: of a single task, the task's."""
        return MEAN if len(self.tasks) > 1 else self.tasks[0]


@dataclass(frozen=True, slots=True)
class SizeTable:
    """One size, or `CROSS_SIZE`: its lines, and how many comparisons were corrected for together."""

    title: str
    lines: tuple[SizeLine, ...]
    comparisons: int


@dataclass(frozen=True, slots=True)
class SizeClasses:
    """The tables that have a line, and a note on each tuned model whose base has no result here."""

    tables: tuple[SizeTable, ...]
    without_base: tuple[str, ...]


def size_classes(board: Board) -> SizeClasses:
    """Compare every dense model of the board with its base, and with all bases of the next larger size."""
    sizes = {row.retriever: size for row in board.rows if (size := size_of(row)) is not None}
    tuned = {name: base for name in sizes if (base := _base_of(board, name))}
    asked: dict[str, list[Pairing]] = {title: [] for title in (*SizeClass, CROSS_SIZE)}
    without_base = []
    for name, base in tuned.items():
        if base in sizes:
            asked[sizes[name].value].append((name, base))
        else:
            without_base.append(f"{name} has no line, since its base {base} has no result in this folder")
        asked[CROSS_SIZE] += [
            (name, other) for other in sizes if other not in tuned and sizes[other] is _next(sizes[name])
        ]
    tables = (_table(title, pairings, board) for title, pairings in asked.items())
    return SizeClasses(tuple(table for table in tables if table.lines), tuple(without_base))


def size_of(row: Row) -> SizeClass | None:
    """The size of the dense model that a row is; `None` for all other rows and models of no stated size."""
    results = list(row.results.values())
    spec = main_model(results[0])
    size = spec.get("size")
    dense = is_dense(spec) and spec.get("kind") != ModelKind.LATE_INTERACTION
    alone = len(models_of(results[0])) == 1 and dense and row.retriever == spec.get("name")
    return SizeClass(size) if alone and size in set(SizeClass) else None


def _base_of(board: Board, name: str) -> str:
    """What a model was tuned from; "" for one that is no other's child."""
    row = board.row(name)
    assert row is not None
    family = family_of(main_model(next(iter(row.results.values()))))
    return "" if family == name else family


def _next(size: SizeClass) -> SizeClass | None:
    order = list(SizeClass)
    place = order.index(size) + 1
    return order[place] if place < len(order) else None


def _table(title: str, pairings: list[Pairing], board: Board) -> SizeTable:
    matches = dict(_matches(pairings, board))
    judged, comparisons = judge_matches(matches, board.terms)
    lines = [
        SizeLine(model, base, match.mean_over, set(match.mean_over) == set(board.mean_over), versus)
        for ((model, base), match), versus in zip(matches.items(), judged.values(), strict=True)
    ]
    return SizeTable(title, tuple(lines), comparisons)


def _matches(pairings: list[Pairing], board: Board) -> Iterator[tuple[Pairing, Match]]:
    rows: Mapping[str, Row] = {row.retriever: row for row in board.rows}
    for model, base in pairings:
        mine, theirs = rows[model].results, rows[base].results
        common = tuple(task for task in board.tasks if task in mine and task in theirs)
        if common:
            yield (model, base), Match({task: (theirs[task], mine[task]) for task in common}, common)
