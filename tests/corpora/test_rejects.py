from __future__ import annotations

import json
from pathlib import Path

import pytest

from medsearch.corpora.rejects import EXAMPLES_KEPT, RAW_CHARACTERS, Rejects
from medsearch.errors import CorpusError


def test_bad_records_are_counted_and_written_one_line_each(tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "rejects.jsonl"
    rejects = Rejects(file)
    rejects.set_aside("corpus.jsonl:3", "no id", '{"text": "“x”\n"}')
    rejects.set_aside("corpus.jsonl:9", "invalid JSON")

    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert rows == [
        {"where": "corpus.jsonl:3", "reason": "no id", "raw": '{"text": "“x”\n"}'},
        {"where": "corpus.jsonl:9", "reason": "invalid JSON", "raw": ""},
    ]
    assert rejects.count == 2
    assert rejects.examples == ["corpus.jsonl:3: no id", "corpus.jsonl:9: invalid JSON"]


def test_no_file_is_made_without_a_reject(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "rejects.jsonl")
    rejects.warn("corpus.jsonl", "odd, but read")
    assert list(tmp_path.iterdir()) == []
    assert rejects.count == 0
    assert rejects.warnings == ["corpus.jsonl: odd, but read"]


def test_a_second_run_does_not_add_to_the_first(tmp_path: Path) -> None:
    file = tmp_path / "rejects.jsonl"
    for _ in range(2):
        Rejects(file).set_aside("corpus.jsonl:1", "no id")
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1
    Rejects(file)
    assert not file.exists()


def test_strict_stops_at_the_first(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "rejects.jsonl", strict=True)
    rejects.warn("corpus.jsonl", "odd, but read")
    with pytest.raises(CorpusError, match=r"^corpus\.jsonl:7: no id$"):
        rejects.set_aside("corpus.jsonl:7", "no id", "{}")


def test_only_the_first_few_and_the_start_of_long_ones_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "rejects.jsonl"
    rejects = Rejects(file)
    for number in range(50):
        rejects.set_aside(f"corpus.jsonl:{number}", "no id", "x" * 100_000)
    assert rejects.count == 50
    assert len(rejects.examples) == EXAMPLES_KEPT
    assert all(len(json.loads(line)["raw"]) == RAW_CHARACTERS for line in file.read_text().splitlines())
