"""Doctor always answers: a check that fails is a line of its report and hides no other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medsearch.cli import doctor
from medsearch.cli.main import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with one corpus, and settings that look there."""
    (tmp_path / "data" / "tiny").mkdir(parents=True)
    (tmp_path / "data" / "tiny" / "corpus.jsonl").write_text('{"_id": "a", "text": "Cough."}\n')
    monkeypatch.setenv("MEDSEARCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MEDSEARCH_INDEX", str(tmp_path / "index"))
    monkeypatch.setenv("MEDSEARCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def checks(capsys: pytest.CaptureFixture[str], code: int) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(["doctor", "--offline", "--json"]) == code
    record = json.loads(capsys.readouterr().out)
    assert record["ok"] is (code == 0)
    found: list[dict[str, Any]] = record["checks"]
    return found


def named(found: list[dict[str, Any]], what: str) -> list[tuple[bool, str]]:
    return [(check["ok"], check["detail"]) for check in found if check["what"] == what]


def test_a_check_that_raises_is_a_failed_check(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(command: str) -> None:
        raise ValueError("the shell\nis odd")

    monkeypatch.setattr(doctor, "which", broken)
    found = checks(capsys, 0)
    assert named(found, "browser for tests") == [(False, "cannot be checked: the shell is odd (ValueError)")]
    assert named(found, "index folder") == [(True, str(here / "index"))]


def test_an_unreadable_corpus_is_a_remark_beside_the_others(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    locked = here / "data" / "locked"
    locked.mkdir()
    forbid(monkeypatch, locked)
    [first, second] = named(checks(capsys, 0), "corpora")
    assert first[0]
    assert "tiny" in first[1]
    assert second == (False, f"{locked}: cannot be read: Permission denied")


def test_a_data_folder_that_is_not_there_is_a_remark(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDSEARCH_DATA", f"{here / 'data'}:{here / 'datta'}")
    assert (False, f"{here / 'datta'}: no such folder") in named(checks(capsys, 0), "corpora")


@pytest.mark.parametrize("below", ["", "deeper"])
def test_an_index_folder_that_is_a_file_is_not_ok(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], below: str
) -> None:
    (here / "file").write_text("")
    monkeypatch.setenv("MEDSEARCH_INDEX", str(here / "file" / below))
    [(ok, detail)] = named(checks(capsys, 1), "index folder")
    assert not ok
    assert detail == f"{here / 'file'} is a file, where a folder is wanted"


def test_an_index_is_opened_and_not_only_read_about(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "tiny", "--models", "bm25"]) == 0
    assert [ok for ok, _ in named(checks(capsys, 0), "index of tiny")] == [True]
    index = here / "index" / "tiny"
    shard = index / json.loads((index / "manifest.json").read_text())["shard"]
    for file in shard.rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    [(ok, detail)] = named(checks(capsys, 0), "index of tiny")
    assert not ok
    assert "cannot be opened" in detail
    assert re.search("medsearch index tiny .*--rebuild", detail)


def test_a_missing_package_silences_no_other_check(here: Path) -> None:
    program = """
import sys
sys.modules["lxml"] = None
from medsearch.cli.main import main
sys.exit(main(["doctor", "--offline", "--json"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["checks"]
    [(ok, detail)] = named(found, "corpora")
    assert not ok
    assert "lxml" in detail
    assert named(found, "model bm25") == [(True, "on this machine")]


def forbid(monkeypatch: pytest.MonkeyPatch, locked: Path) -> None:
    """What the system does to a folder without permissions; as root, it would let us in."""
    real = Path.iterdir

    def iterdir(self: Path) -> Any:
        if self == locked:
            raise PermissionError(13, "Permission denied", str(self))
        return real(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
