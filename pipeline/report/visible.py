"""Text of documents and LLMs for a page or a card: nothing in it can hide, turn round or become markup."""

from __future__ import annotations

from collections.abc import Sequence

from medsearch.workbench.report.visible import markdown, visible

__all__ = ["markdown", "markdown_table", "visible"]


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str | int | float]]) -> str:
    """A table of Markdown; whole numbers with separators of thousands, numbers to the right."""
    from tabulate import tabulate

    cells = [[markdown(cell) if isinstance(cell, str) else _number(cell) for cell in row] for row in rows]
    numeric = [
        bool(rows) and all(not isinstance(row[place], str) for row in rows) for place in range(len(headers))
    ]
    alignment = ["right" if is_number else "left" for is_number in numeric]
    return tabulate(cells, headers=headers, tablefmt="pipe", disable_numparse=True, colalign=alignment)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
