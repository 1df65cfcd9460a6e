"""A leaderboard as JSON; scores, differences and rates are of 0 to 1. No query and no pair is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from medsearch.evaluation.stress import StressCard
from medsearch.evaluation.task_means import task_weights
from medsearch.evaluation.verdicts import comparison_record
from medsearch.workbench.board.findings import Findings
from medsearch.workbench.board.leaderboard import Row, Score
from medsearch.workbench.board.leaked_scores import LeakedScore
from medsearch.workbench.board.pareto import PRICED_BY, Pareto, pareto
from medsearch.workbench.board.size_classes import SizeLine

_OF_MODELS = ("models", "declared_query_prompts", "fusion")


def leaderboard_record(findings: Findings) -> dict[str, Any]:
    """Everything that `medsearch leaderboard` knows of one folder, ready for JSON."""
    board = findings.board
    return {
        "folder": findings.folder.name,
        "measure": board.terms.measure,
        "baseline": board.baseline,
        "alpha": board.terms.procedure.alpha,
        "comparisons": board.comparisons,
        "mean_over": list(board.mean_over),
        "weights": task_weights(board.mean_over),
        "tasks": dict(board.tasks),
        "retrievers": {row.retriever: _row(row, findings.cards.get(row.retriever)) for row in board.rows},
        "sizes": {
            table.title: {
                "comparisons": table.comparisons,
                "lines": [_size_line(line) for line in table.lines],
            }
            for table in findings.sizes.tables
        },
        "pareto": {figure: _pareto(pareto(board, figure)) for figure in PRICED_BY},
        "contamination": {
            "reports": [asdict(report) for report in findings.contamination],
            "comparisons": findings.leaked.comparisons,
            "scores": [_leaked(score) for score in findings.leaked.scores],
            "clean": list(findings.leaked.clean),
            "unreported": list(findings.leaked.unreported),
            "uncovered": {name: list(tasks) for name, tasks in findings.leaked.uncovered.items()},
        },
        "warnings": [*findings.warnings, *findings.sizes.without_base],
    }


def _row(row: Row, card: StressCard | None) -> dict[str, Any]:
    settings = next(iter(row.results.values())).settings
    return {
        "mean": None if row.mean is None else _score(row.mean),
        "no_mean": row.no_mean,
        "tasks": {
            task: {
                **_score(score),
                "documents": row.results[task].documents,
                "cost": dict(row.results[task].cost),
                "created": row.results[task].created,
                "git_revision": row.results[task].git_revision,
                "settings": {
                    key: value for key, value in row.results[task].settings.items() if key not in _OF_MODELS
                },
            }
            for task, score in row.scores.items()
        },
        "cost": None if row.price is None else {**row.price.figures, "tasks": row.price.tasks},
        "family": row.background.family,
        "stress": None if card is None else _stress(card),
        "notes": list(row.notes),
        **{key: settings.get(key) for key in _OF_MODELS},
    }


def _score(score: Score) -> dict[str, Any]:
    return {
        "score": score.mean,
        "interval": list(score.interval),
        "queries": score.queries,
        "beside_baseline": None if score.judged is None else comparison_record(score.judged),
        "not_compared": score.reason,
        "marks": list(score.marks),
        "candidates": score.standing.candidates,
        "looks": score.standing.looks,
    }


def _stress(card: StressCard) -> dict[str, Any]:
    rates = {"all": card.all, **card.categories}
    return {
        name: {
            "pairs": rate.pairs,
            "passed": rate.passed,
            "rate": rate.rate,
            "interval": [rate.low, rate.high],
        }
        for name, rate in rates.items()
    }


def _size_line(line: SizeLine) -> dict[str, Any]:
    judged: Mapping[str, Any] = {
        task: comparison_record(found) for task, found in line.versus.judged.items() if task in line.tasks
    }
    mean = line.versus.judged.get(line.mean)
    return {
        "model": line.model,
        "base": line.base,
        "complete": line.complete,
        "mean": None if mean is None else comparison_record(mean),
        "tasks": judged,
        "counts": {outcome.value: count for outcome, count in line.versus.counts.items()},
        "not_compared": dict(line.versus.reasons),
    }


def _pareto(found: Pareto) -> dict[str, Any]:
    return {
        "points": [
            {
                "retriever": point.retriever,
                "cost": point.cost,
                "score": point.score.mean,
                "front": point.on_front,
            }
            for point in found.points
        ],
        "left_out": dict(found.left_out),
        "no_front": found.no_front,
    }


def _leaked(score: LeakedScore) -> dict[str, Any]:
    return {
        "retriever": score.retriever,
        "task": score.task,
        "leaked_queries": score.leaked,
        "full": score.full.mean,
        "without": score.without,
        "interval": None if score.interval is None else list(score.interval),
        "beside_baseline": None if score.judged is None else comparison_record(score.judged),
        "not_compared": score.reason,
    }
