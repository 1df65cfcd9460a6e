"""What comes from documents and file names can neither steer a terminal nor forge its lines."""

from __future__ import annotations

import argparse
import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medsearch.cli.terminal import TerminalProgress, clean, positive_int, show_json, show_table

STEERING = "\x1b\x07\x9b\r\u200e\u200f\u061c\u2028\u2029\u202e\u2066\ud800\x00"


@pytest.mark.parametrize("character", [*STEERING, "\n", "\t"])
def test_no_character_can_steer_or_forge_a_line(character: str) -> None:
    assert clean(f"a{character}b") == "a b"


def test_paragraphs_keep_their_line_breaks_and_words_their_letters() -> None:
    assert clean("a\tb\nc\u2028d", one_line=False) == "a\tb\nc d"
    assert clean("β₂-agonist für 5 µg, “ok”") == "β₂-agonist für 5 µg, “ok”"


def test_a_table_row_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([["real\nforged\tcell", "1"]], ["corpus", "documents"])
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_what_is_said_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    TerminalProgress().say("reading x\nmedsearch: all is well\x1b[2J")
    assert capsys.readouterr().err == "reading x medsearch: all is well [2J\n"


def test_what_is_said_stands_above_a_running_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    progress = TerminalProgress()
    with progress.stage("training", 3) as advance:
        advance(1)
        progress.say("step 1\nof 3\x1b[2J")
        advance(2)
    lines = capsys.readouterr().err.split("\n")
    (said,) = (line for line in lines if "step 1" in line)
    # What is left of the bar on this line was wiped before: the sentence stands alone.
    assert said.split("\r")[-1] == "step 1 of 3 [2J"
    assert not said.split("\r")[-2].strip()
    assert "3/3" in lines[-2]


def test_a_note_stands_behind_the_bar_that_runs(capsys: pytest.CaptureFixture[str]) -> None:
    progress = TerminalProgress()
    progress.note("nobody hears this")
    with progress.stage("training", 2) as advance:
        progress.note("loss 0.123\x1b[2J")
        advance(2)
    progress.note("nor this")
    told = capsys.readouterr().err
    assert "2/2" in told
    assert "loss 0.123 [2J" in told
    assert "this" not in told


@given(st.text(st.characters(exclude_categories=[]), max_size=30))
def test_json_keeps_every_character_and_steers_nothing(text: str) -> None:
    shown = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", shown)
        show_json({"text": text})
    assert json.loads(shown.getvalue())["text"] == text
    assert not set(shown.getvalue()) & set(STEERING)


def test_json_on_a_terminal_without_unicode_is_still_json(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    show_json({"text": "β 😀"})
    sys.stdout.flush()
    assert json.loads(raw.getvalue()) == {"text": "β 😀"}


def test_positive_int_has_a_limit() -> None:
    parse = positive_int(limit=100)
    assert (parse("1"), parse("+7"), parse("100")) == (1, 7, 100)
    for wrong in ("0", "101", "-1", "1e2", "ten", "", "9" * 20, "9" * 5000, "٣"):
        with pytest.raises(argparse.ArgumentTypeError, match=r"is not a whole number from 1 to 100$"):
            parse(wrong)
