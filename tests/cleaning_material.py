"""What training data is cleaned of: a tiny corpus, suites over its splits, and rows of which some leak."""

from __future__ import annotations

from pathlib import Path

import pytest
from contamination_material import CLEAN_ROWS, PLANTED, SUITE_TOML, write_corpus, write_lines
from fakes import Heard
from overlap_material import CLEAN, PASSAGES, QUESTIONS

from medsearch.settings import Settings
from medsearch.workbench.ledger.contamination import ContaminationRequest, check_contamination
from pipeline.training.data import clean
from pipeline.training.data.clean import CleanFile, CleanRequest, clean_sources

DEV = 'role = "choose"\ntasks = ["tiny:train"]\n'
"""Over the split that has question 2, which passage 1 answers."""


class Place:
    """A folder with the tiny corpus, two suites over its splits, and files of training rows."""

    def __init__(self, folder: Path) -> None:
        write_corpus(folder / "data")
        self.settings = Settings.from_environment({"MEDSEARCH_DATA": str(folder / "data")})
        self.suites = (str(folder / "report.toml"), str(folder / "dev.toml"))
        for file, text in zip(self.suites, (SUITE_TOML, DEV), strict=True):
            Path(file).write_text(text, encoding="utf-8")
        self.folder = folder
        self.heard = Heard()

    def clean(self, *files: Path, strict: bool = False) -> dict[Path, CleanFile]:
        self.heard = Heard()
        request = CleanRequest(self.suites, self.folder / "run" / "data", strict=strict)
        return clean_sources({file: file.name for file in files}, request, self.settings, self.heard)


def leaking(folder: Path) -> Path:
    """Two clean rows, one with the question of each suite, and one with a document that answers nothing."""
    rows = [
        CLEAN_ROWS[0],
        PLANTED["query with one word swapped"],
        {"query": QUESTIONS[2], "positive": CLEAN[3]},
        {"query": CLEAN[0], "positive": PASSAGES[2]},
        CLEAN_ROWS[1],
    ]
    return write_lines(folder / "leaking.jsonl", rows)


def counted_checks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """The ledger's calls: suite and file names."""
    calls: list[tuple[str, list[str]]] = []

    def counting(request: ContaminationRequest, settings: Settings, progress: Heard) -> object:
        calls.append((request.suite.name, [file.name for file in request.train]))
        return check_contamination(request, settings, progress)

    monkeypatch.setattr(clean, "check_contamination", counting)
    return calls
