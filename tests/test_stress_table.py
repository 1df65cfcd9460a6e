"""README's stress table is made from cards, and from cards of the same pairs only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import stress_table
from medsearch.errors import UsageError
from medsearch.evaluation.stress import Outcome, StressCard
from medsearch.evaluation.stress_cards import write_card

P, F, T = Outcome.PASSED, Outcome.FAILED, Outcome.TIED
README = f"before\n{stress_table.BEGIN}\nold\n{stress_table.END}\nafter\n"


def keep_card(folder: Path, name: str, outcomes: dict[str, Outcome], data_hash: str = "a") -> None:
    write_card(StressCard(name, {"acute_chronic": outcomes}, {"data_hash": data_hash}, "", ""), folder)


def test_the_table_replaces_what_stands_between_the_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stress_table, "SUMMARY", tmp_path / "stress.json")
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    for name, outcomes in {"a-model": {"x": P, "y": P}, "bm25": {"x": T, "y": P}}.items():
        keep_card(tmp_path, name, outcomes)
    stress_table.main(str(tmp_path), str(tmp_path / "README.md"))
    lines = (tmp_path / "README.md").read_text("utf-8").splitlines()
    assert (lines[0], lines[1], lines[-2], lines[-1]) == (
        "before",
        stress_table.BEGIN,
        stress_table.END,
        "after",
    )
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:-2]]
    assert cells[0] == ["what differs", "pairs", "bm25", "a-model"]
    half, whole = "50 % [9\N{EN DASH}91]", "100 % [34\N{EN DASH}100]"
    assert cells[2] == ["acute chronic", "2", half, whole]
    assert cells[3] == ["**all**", "2", half, whole]
    assert cells[4] == ["ties among them, not passed", "", "1", "0"]
    kept = json.loads((tmp_path / "stress.json").read_text("utf-8"))
    assert [record["all"]["passed"] for record in kept] == [1, 2]


def test_what_gives_no_table_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no stress cards: run `medsearch stress --out"):
        stress_table.cards_in(tmp_path)
    keep_card(tmp_path, "a", {"x": P})
    keep_card(tmp_path, "b", {"x": F}, data_hash="b")
    with pytest.raises(UsageError, match="are of different pairs"):
        stress_table.cards_in(tmp_path)
    with pytest.raises(UsageError, match=r"README\.md has no `<!-- stress: made by"):
        stress_table.put_in_readme("no marks", "")
