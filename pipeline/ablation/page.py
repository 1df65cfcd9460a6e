"""The ablation's table for people, and the file that it stands in, between two marks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsearch.errors import UsageError
from medsearch.evaluation.verdicts import USUAL, JudgedComparison
from medsearch.index.manifest import replace_file
from medsearch.workbench.report.numbers import SYMBOLS, count, points, signed, signed_span
from medsearch.workbench.report.visible import markdown, markdown_table
from pipeline.ablation.comparison import Row
from pipeline.ablation.table import BASE

BEGIN, END = "<!-- ablation: made by `python -m pipeline ablate` -->", "<!-- end of ablation -->"
NONE = "\N{EN DASH}"

_CUT = (
    "The mean over tasks with vectors cut to their first numbers and normalised again: of variants that are "
    "trained for it (Matryoshka), of what they stand on, and of the base."
)


@dataclass(frozen=True, slots=True)
class Page:
    """A whole table with what it was made by: `settings` by name, `queries` and `documents` of the panel."""

    name: str
    description: str
    command: str
    base: str
    settings: Mapping[str, str]
    suite: str
    queries: Mapping[str, int]
    documents: Mapping[str, int]
    rows: tuple[Row, ...]
    git_revision: str

    def record(self) -> dict[str, Any]:
        """As JSON; all that the Markdown shows is in it."""
        return {
            "ablation": self.name,
            "description": self.description,
            "command": self.command,
            "base": self.base,
            "settings": dict(self.settings),
            "suite": self.suite,
            "queries": dict(self.queries),
            "documents": dict(self.documents),
            "measure": "nDCG@10",
            "rows": [row.record() for row in self.rows],
            "git_revision": self.git_revision,
        }

    def markdown(self) -> str:
        """The page: how it was made, scores, what each part adds, what the variants are."""
        parts = [
            f"# Ablation {markdown(self.name)}",
            markdown(self.description),
            f"Made by `{self.command}`. {self._about()}",
            markdown_table(self.headers(), self.cells()),
            self._how_to_read(),
        ]
        if added := self._added():
            headers = ["variant", "beside", "difference", "verdict"]
            parts += ["## What a part adds", markdown_table(headers, added)]
        if cut := [row for row in self.rows if row.cut]:
            parts += ["## Cut to fewer numbers", _CUT, _cut_table(cut)]
        parts += ["## The variants", "\n".join(self._described())]
        return "\n\n".join(parts)

    def headers(self) -> list[str]:
        """The titles of the table of scores."""
        return ["variant", "training rows", *self.rows[0].means, "mean", "beside the base", "verdict"]

    def cells(self) -> list[list[str]]:
        """The table of scores; the base has no difference to itself."""
        return [
            [
                row.name,
                count(sum(row.rows.values())) if row.rows else NONE,
                *(points(mean) for mean in row.means.values()),
                points(row.mean),
                *(_difference(row.beside[BASE]) if BASE in row.beside else (NONE, NONE)),
            ]
            for row in self.rows
        ]

    def _added(self) -> list[list[str]]:
        return [
            [row.name, row.on, *_difference(row.beside[row.on])] for row in self.rows if row.on in row.beside
        ]

    def _about(self) -> str:
        settings = "; ".join(f"{name}: {value}" for name, value in self.settings.items())
        queries, documents = sum(self.queries.values()), sum(self.documents.values())
        panel = f"{len(self.queries)} tasks, {queries:,} queries, {documents:,} documents"
        return (
            f"Base: {markdown(self.base)}; {markdown(settings)}. Scored on a panel of "
            f"{markdown(self.suite)}, which is there to choose on: {panel}."
        )

    def _how_to_read(self) -> str:
        compared = sum(len(row.beside) for row in self.rows)
        level = f"{100 * (1 - USUAL.alpha):g} %"
        return (
            "nDCG@10 times 100; the mean counts each task once. Differences of the mean have their paired "
            f"{level} interval (BCa bootstrap over queries, which does not see what another seed gives). "
            "Verdicts are by a paired randomisation test, Holm-corrected for all "
            f"{compared} comparisons of this page."
        )

    def _described(self) -> list[str]:
        lines = []
        for row in self.rows:
            rows = ", ".join(f"{name} {number:,}" for name, number in row.rows.items())
            seeds = (
                f" Means of its seeds: {', '.join(map(points, row.of_seeds))}."
                if len(row.of_seeds) > 1
                else ""
            )
            told = f" Rows: {markdown(rows)}." if rows else ""
            lines.append(f"- **{markdown(row.name)}**: {markdown(row.description.rstrip('.'))}.{told}{seeds}")
        return lines


def refuse_target(target: Path) -> None:
    """Refuse, before any training, a file that is not ours to write.

    Raises:
        UsageError: it is no Markdown file, or one without the marks.
    """
    if target.suffix != ".md" or target.is_dir() or not target.parent.is_dir():
        raise UsageError(f"--results {target}: name a .md file in a folder that is there")
    if target.is_file() and not _between(target.read_text("utf-8")):
        raise UsageError(
            f"--results {target}: it is not one that this command wrote: name another, or put the lines "
            f"`{BEGIN}` and `{END}` where the table is to stand"
        )


def write_page(page: Page, target: Path) -> None:
    """Write the Markdown between its marks (a new file has nothing else), and JSON beside it."""
    before, after = _between(target.read_text("utf-8")) if target.is_file() else ("", "\n")
    replace_file(target, f"{before}{BEGIN}\n\n{page.markdown()}\n\n{END}{after}".encode())
    text = json.dumps(page.record(), indent=1, ensure_ascii=False)
    replace_file(target.with_suffix(".json"), text.encode() + b"\n")


def _between(text: str) -> Sequence[str]:
    """What stands before and behind the marks; nothing where they are not there."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    return (before, after) if mark else ()


def _cut_table(rows: Sequence[Row]) -> str:
    lengths = list(rows[0].cut)
    cells = [[row.name, *(points(row.cut[length]) for length in lengths)] for row in rows]
    return markdown_table(["variant", *map(str, lengths)], cells)


def _difference(judged: JudgedComparison) -> tuple[str, str]:
    found = judged.comparison
    return (
        f"{signed(found.difference)} {signed_span(found.ci)}",
        f"{SYMBOLS[judged.outcome]} {judged.outcome}",
    )
