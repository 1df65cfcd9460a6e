"""How far stronger filters raise the share of answerable queries, by hand verdicts on generated rows.

    python -m benchmarks.filter_strength RUN VERDICTS [--keep NAME]

RUN is the name or the folder of a run that `python -m pipeline filter` has been through with `measure_all`;
VERDICTS is a file of JSON lines {"row_id": "…", "verdict": "answerable"} or "not"; others stop the script. No
row is filtered again: each set of thresholds is applied to the checks that the stage kept. What counts as a
duplicate therefore stays as the run's own recipe had it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.record import keep
from medsearch.errors import MedsearchError
from pipeline.cli.stage import existing_run
from pipeline.filters.checked_row import CheckedRow
from pipeline.filters.rules import RULES, failures
from pipeline.journal import digest, read_rows
from pipeline.recipe import FilterTable, RoundTripSearch
from pipeline.run_folder import RunFolder
from pipeline.settings import PipelineSettings

_OFF: dict[str, Any] = {
    "min_relevance": 1,
    "max_copy": 1.0,
    "max_example_similarity": 1.0,
    "min_lexical_support": 0.0,
    "max_ungrounded": 1.0,
    "min_dense_support": -1.0,
    "round_trip_searches": [],
    "round_trip_margin": None,
}
"""Every rule off whose strength is studied; what is left takes out broken queries and duplicates."""

ALONE: dict[str, tuple[Any, ...]] = {
    "min_relevance": (2, 3, 4, 5),
    "max_copy": (0.9, 0.8, 0.7, 0.6, 0.5),
    "max_example_similarity": (0.7, 0.6, 0.5, 0.4),
    "min_lexical_support": (0.25, 0.34, 0.5, 0.67, 0.8),
    "max_ungrounded": (0.67, 0.5, 0.34, 0.0),
    "min_dense_support": (0.3, 0.4, 0.5, 0.6, 0.7),
    "round_trip_margin": (-0.1, -0.05, 0.0, 0.05, 0.1),
}
TOGETHER: dict[str, tuple[Any, ...]] = {
    "round_trip_k": (1, 3, 10),
    "round_trip_margin": (None, -0.05, 0.0, 0.05),
    "min_lexical_support": (0.0, 0.34, 0.5, 0.67),
    "max_ungrounded": (1.0, 0.5, 0.0),
    "min_dense_support": (-1.0, 0.4, 0.5, 0.6),
    "max_copy": (0.8, 0.6),
}
_FEWEST = 20
"""Judged rows that a combination must keep to be chosen: below that, the best of many is the luckiest."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A row's checks, and whether its passage answers its query; `None` where nobody has looked."""

    row_id: str
    checks: Mapping[str, float]
    answerable: bool | None


def strength(rows: Sequence[Judged], table: FilterTable) -> dict[str, Any]:
    """What thresholds keep of all rows, and how many of the judged ones kept are answerable.

    `low` and `high` are the Wilson score interval at 95 %.
    """
    kept = [row for row in rows if not failures(row.checks, table)]
    judged = [row for row in kept if row.answerable is not None]
    good = sum(bool(row.answerable) for row in judged)
    low, high = wilson(good, len(judged))
    return {
        "kept": len(kept),
        "share_kept": round(len(kept) / len(rows), 4) if rows else 0.0,
        "judged": len(judged),
        "answerable": good,
        "share": round(good / len(judged), 4) if judged else None,
        "low": low,
        "high": high,
    }


def wilson(good: int, of: int) -> tuple[float, float]:
    """Wilson's score interval at 95 % of a share; 0 to 1 where nothing was judged (Wilson, JASA 1927)."""
    from scipy.stats import binomtest

    if not of:
        return 0.0, 1.0
    interval = binomtest(good, of).proportion_ci(0.95, method="wilson")
    return round(float(interval.low), 4), round(float(interval.high), 4)


def alone(rows: Sequence[Judged]) -> list[dict[str, Any]]:
    """Each rule at each of its thresholds, the others off."""
    settings: list[dict[str, Any]] = [{}]
    settings += [{name: value} for name, values in ALONE.items() for value in values]
    settings += [
        {"round_trip_searches": [str(search)], "round_trip_k": k}
        for search in RoundTripSearch
        for k in (1, 3, 5, 10, 20, 50)
    ]
    return [{"thresholds": each, **strength(rows, _table(each))} for each in settings]


def together(rows: Sequence[Judged], best: int = 10) -> list[dict[str, Any]]:
    """The combinations that look best on one half of the judged rows, with what the other half says of them.

    Among so many combinations the best is partly luck: only the second half's figures mean something.
    """
    first = [row for row in rows if row.answerable is not None and _half(row.row_id) == 0]
    second = [row for row in rows if row.answerable is not None and _half(row.row_id) == 1]
    tried = []
    for values in product(*TOGETHER.values()):
        asked = {**dict(zip(TOGETHER, values, strict=True)), "round_trip_searches": ["hybrid"]}
        chosen_by = strength(first, _table(asked))
        if chosen_by["judged"] >= _FEWEST:
            tried.append((chosen_by["low"], chosen_by["kept"], asked))
    tried.sort(key=lambda each: each[:2], reverse=True)
    return [
        {
            "thresholds": asked,
            "chosen_on": strength(first, _table(asked)),
            "held_out": strength(second, _table(asked)),
            "share_of_all_kept": strength(rows, _table(asked))["share_kept"],
        }
        for _, _, asked in tried[:best]
    ]


def _half(row_id: str) -> int:
    return sha256(row_id.encode()).digest()[0] % 2


def _table(changes: Mapping[str, Any]) -> FilterTable:
    return FilterTable.model_validate({**_OFF, **changes})


def read_verdicts(file: Path) -> dict[str, bool]:
    """Row id -> whether its passage answers its query; blank lines do not count.

    Raises:
        MedsearchError: the file cannot be read, or a line is no verdict; the message has file and line.
    """
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise MedsearchError(f"{file} cannot be read: {reason}") from None
    said: dict[str, bool] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            row_id, verdict = _read_verdict(line, f"{file}:{number}")
            if said.setdefault(row_id, verdict) != verdict:
                raise MedsearchError(f"{file}:{number}: {row_id} has another verdict on a line before")
    return said


def _read_verdict(line: str, where: str) -> tuple[str, bool]:
    try:
        record = json.loads(line)
    except ValueError:
        raise MedsearchError(f"{where}: not a JSON object on one line") from None
    if not isinstance(record, dict) or not isinstance(record.get("row_id"), str):
        raise MedsearchError(f"{where}: no row_id")
    if record.get("verdict") not in ("answerable", "not"):
        raise MedsearchError(f'{where}: the verdict must be "answerable" or "not"')
    return record["row_id"], record["verdict"] == "answerable"


def find_run(given: str, settings: PipelineSettings) -> RunFolder:
    """The run in a folder, else that of a name.

    Raises:
        UsageError: there is neither.
    """
    folder = RunFolder(Path(given))
    return folder if folder.checks.is_file() else existing_run(given, settings)


def read_judged(run: RunFolder, verdicts: Path) -> list[Judged]:
    """All rows that were checked, with the verdicts that there are.

    Raises:
        MedsearchError: as `read_verdicts`; or a verdict is on a row that the run has not.
    """
    said = read_verdicts(verdicts)
    rows = [Judged(r.row_id, r.checks, said.get(r.row_id)) for r in read_rows(run.checks, CheckedRow)]
    if missing := sorted(set(said) - {row.row_id for row in rows}):
        raise MedsearchError(f"{verdicts}: {missing[0]} is no row of {run.checks}")
    if unmeasured := [row.row_id for row in rows if "hybrid_rank" not in row.checks]:
        raise MedsearchError(f"{unmeasured[0]} was not searched for: filter the run with measure_all = true")
    return rows


def _show(title: str, found: Iterable[Mapping[str, Any]], part: str = "") -> None:
    print(f"\n{title}")
    for each in found:
        s = each[part] if part else each
        share = "  none" if s["share"] is None else f"{100 * s['share']:4.0f} %"
        said = " ".join(f"{k}={v}" for k, v in each["thresholds"].items()) or "(none)"
        print(
            f"{s['kept']:6d} {100 * s['share_kept']:5.1f} % kept, {s['answerable']:3d} of {s['judged']:3d} "
            f"answerable {share} [{100 * s['low']:.0f} to {100 * s['high']:.0f}]  {said}"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every rule by itself, the run's own recipe, and the best combinations; keep them if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", help="name or folder of a filtered run")
    parser.add_argument("verdicts", type=Path)
    parser.add_argument("--keep", default="", metavar="NAME", help="write benchmarks/results/NAME.json")
    given = parser.parse_args(arguments)
    try:
        study(find_run(given.run, PipelineSettings.from_environment()), given.verdicts, given.keep)
    except MedsearchError as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")


def study(run: RunFolder, verdicts: Path, name: str) -> None:
    """Measure it all, print it, and keep it where a name is given.

    Raises:
        MedsearchError: as `read_judged`.
    """
    rows = read_judged(run, verdicts)
    own = run.recipe(None).filter
    measured: dict[str, Any] = {
        "what": "share of answerable queries among the judged ones kept, Wilson interval at 95 %",
        "run": run.name,
        "rows": len(rows),
        "judged": sum(row.answerable is not None for row in rows),
        "verdicts_sha256": digest(verdicts),
        "recipe": {"thresholds": own.model_dump(mode="json"), **strength(rows, own)},
        "alone": alone(rows),
        "together": together(rows),
        "rules": [rule.name for rule in RULES],
    }
    _show("The run's own recipe", [{**measured["recipe"], "thresholds": {}}])
    _show("Each rule alone", measured["alone"])
    _show("Chosen on one half of the verdicts, measured on the other", measured["together"], "held_out")
    if name:
        keep(name, measured)


if __name__ == "__main__":
    main()
