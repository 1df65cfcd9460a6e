"""All that a results folder holds, brought together: what the page, the card and the tables are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medsearch.errors import UsageError
from medsearch.evaluation.abstention import Calibration, read_calibrations
from medsearch.evaluation.looks import Ledger, read_looks
from medsearch.evaluation.results import TaskResult, of_retriever, read_results
from medsearch.evaluation.stress import StressCard
from medsearch.evaluation.stress_cards import read_cards
from medsearch.evaluation.used_models import same_revisions
from medsearch.workbench.board.leaderboard import Board, Row, leaderboard
from medsearch.workbench.board.leaked_scores import LeakedScores, leaked_scores
from medsearch.workbench.board.size_classes import SizeClasses, size_classes
from medsearch.workbench.comparison.leaked_queries import read_leak_reports
from medsearch.workbench.comparison.versus import Terms
from medsearch.workbench.ledger.facts import ContaminationFacts, read_contamination


@dataclass(frozen=True, slots=True)
class FindingsRequest:
    """What to bring together. `retrievers` restricts (empty: all); `looks` is the ledger's file."""

    terms: Terms
    baseline: str | None = None
    retrievers: tuple[str, ...] = ()
    looks: Path | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """One results folder. Parts that were never made are empty; `cards` is retriever -> its stress card."""

    folder: Path
    board: Board
    sizes: SizeClasses
    cards: Mapping[str, StressCard]
    leaked: LeakedScores
    contamination: tuple[ContaminationFacts, ...]
    calibrations: tuple[Calibration, ...]
    warnings: tuple[str, ...]


def result_folders(folder: Path) -> list[Path]:
    """The folder, if it has results, and the folders right inside it that have.

    Raises:
        UsageError: there is no such folder, or no result in any of them.
    """
    inside = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    found = [path for path in (folder, *inside) if _has_results(path)]
    if not found:
        read_results(folder)  # says what is wrong
    return found


def findings_of(folder: Path, request: FindingsRequest) -> Findings:
    """Read a results folder and judge all that is in it.

    Raises:
        UsageError: no result, or no such baseline.
        MedsearchError: a file of the folder cannot be read; it is named.
    """
    results = [_nameable(result, folder) for result in read_results(folder)]
    for name in request.retrievers:
        of_retriever(results, name)  # says what is there where it is not
    wanted = [r for r in results if not request.retrievers or r.retriever in request.retrievers]
    ledger = Ledger(()) if request.looks is None else read_looks(request.looks)
    looks = None if request.looks is None else ledger.looks
    board = leaderboard(wanted, looks, request.terms, request.baseline)
    cards, stale = _cards(folder, board.rows)
    calibrations, old = _calibrations(folder, board.rows)
    return Findings(
        folder=folder,
        board=board,
        sizes=size_classes(board),
        cards=cards,
        leaked=leaked_scores(board, read_leak_reports(folder)),
        contamination=tuple(read_contamination(folder)),
        calibrations=calibrations,
        warnings=(*board.faults, *_warned(wanted), *stale, *old, *ledger.warnings),
    )


def _nameable(result: TaskResult, folder: Path) -> TaskResult:
    """The result under a name that can stand in a report that is passed on: without the folders above."""
    return replace(result, file=Path(folder.resolve().name) / result.file.name)


def _has_results(folder: Path) -> bool:
    try:
        return bool(read_results(folder))
    except UsageError:
        return False


def _cards(folder: Path, rows: Sequence[Row]) -> tuple[dict[str, StressCard], list[str]]:
    """The stress cards of the models as they were evaluated, and a line on each of another revision."""
    known = read_cards(folder)
    cards = {}
    stale = []
    for row in rows:
        card = known.get(row.retriever)
        if card is None:
            continue
        if same_revisions(card.settings, _settings(row)):
            cards[row.retriever] = card
        else:
            stale.append(_stale("stress card", row.retriever, "medsearch stress"))
    if len({card.settings.get("data_hash") for card in cards.values()}) > 1:
        stale.append("the stress cards are of different pairs: run `medsearch stress` for all of them again")
    return cards, stale


def _calibrations(folder: Path, rows: Sequence[Row]) -> tuple[tuple[Calibration, ...], list[str]]:
    by_name = {row.retriever: row for row in rows}
    kept = []
    stale = []
    for found in read_calibrations(folder):
        if found.retriever not in by_name:
            continue
        if same_revisions(found.settings, _settings(by_name[found.retriever])):
            kept.append(found)
        else:
            stale.append(_stale(f"calibration on {found.corpus}", found.retriever, "medsearch calibrate"))
    return tuple(kept), stale


def _stale(what: str, retriever: str, command: str) -> str:
    return (
        f"the {what} of {retriever} is of another revision of the model, so it is left out: "
        f"run `{command}` again"
    )


def _settings(row: Row) -> Mapping[str, object]:
    return next(iter(row.results.values())).settings


def _warned(results: Sequence[TaskResult]) -> list[str]:
    """What the evaluations warned of, each once."""
    return list(dict.fromkeys(f"{result.task}: {line}" for result in results for line in result.warnings))
