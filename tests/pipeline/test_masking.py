"""Masking on planted identifiers, and on what looks like them and must stay."""

from __future__ import annotations

import builtins
import logging
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from masking_material import CLINICAL, PLANTED

from medsearch.errors import MedsearchError
from pipeline import masking
from pipeline.masking import Kind, Masker, UnmaskableError, masking_version
from pipeline.masking import masker as versioned

ROOT = Path(masking.__file__).parents[2]

CARRIERS = (
    "{}",
    "Follow-up visit.\n{}\nPlan: continue ramipril 5 mg daily.",
    "Chest pain settled overnight; {}. Troponin 12 ng/L, BP 120/80.",
    "Assessment: stable ({}), review in 2-3 weeks.",
)


@pytest.fixture(scope="module")
def masker() -> Masker:
    return Masker()


@pytest.mark.parametrize(("says", "secret", "kind"), PLANTED, ids=[says for says, _, _ in PLANTED])
def test_a_planted_identifier_never_survives(masker: Masker, says: str, secret: str, kind: Kind) -> None:
    for carrier in CARRIERS:
        masked = masker.mask(carrier.format(says))
        assert secret not in masked.text
        assert masked.found.get(kind, 0) >= 1, (masked.text, masked.found)


@pytest.mark.parametrize("words", CLINICAL)
def test_clinical_wording_survives(masker: Masker, words: str) -> None:
    for carrier in CARRIERS:
        note = carrier.format(words)
        assert masker.mask(note).text == note


def test_a_whole_letter_keeps_its_medicine_and_loses_its_people(masker: Masker) -> None:
    letter = (
        "Re: Eleanor Whitcombe, DOB 04/05/1931, MRN 88231904\nDear Dr. Okafor,\n"
        "I saw Mrs Whitcombe, a 91-year-old woman with Parkinson's disease, on 3 June 2022. Her daughter "
        "Susan (tel 07700 900456) reports 2-3 falls a week. Whitcombe takes co-careldopa 25/100.\n"
        "Dr. Imran Siddiqui"
    )
    assert masker.mask(letter).text == (
        "Re: [NAME], DOB [DATE], MRN [ID]\nDear Dr. [NAME],\n"
        "I saw Mrs [NAME], a [AGE]-year-old woman with Parkinson's disease, on [DATE]. Her daughter [NAME] "
        "(tel [PHONE]) reports 2-3 falls a week. [NAME] takes co-careldopa 25/100.\nDr. [NAME]"
    )


def test_a_heading_on_the_next_line_is_no_part_of_a_name(masker: Masker) -> None:
    note = (
        "Seen by Dr. Y.\nPAST MEDICAL HISTORY: none.\nDR. JAMES\nPLAN: rest.\nDr. Okafor\nAssessment: well."
    )
    assert masker.mask(note).text == (
        "Seen by Dr. [NAME].\nPAST MEDICAL HISTORY: none.\n"
        "DR. [NAME]\nPLAN: rest.\nDr. [NAME]\nAssessment: well."
    )


def test_an_eponym_stays_where_only_the_eponym_is_meant(masker: Masker) -> None:
    note = "Mr. Brown has a Brown tendon and brown stool. Young patients do well."
    assert masker.mask(note).text == "Mr. [NAME] has a Brown tendon and brown stool. Young patients do well."
    assert masker.mask("Brown was mentioned, and Wilson too.").text == "Brown was mentioned, and Wilson too."


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("\uff22\uff30\u3000\uff11\uff12\uff10", "BP 120"),
        ("pro\u200bpran\u00adolol", "propranolol"),
        ("Sjo\u0308gren", "Sjögren"),
        ("5\u202fmg\r\nrest", "5 mg\nrest"),
        ("β\u2011blocker", "β-blocker"),
        ("\U0001d401\U0001d40f", "BP"),
        ("½ of 1.73 m² ≥ 5 µg ℃ ™", "½ of 1.73 m² ≥ 5 µg ℃ ™"),
    ],
)
def test_characters_come_back_plain_and_units_as_they_were(masker: Masker, written: str, plain: str) -> None:
    assert masker.mask(written).text == plain


def test_a_note_over_the_time_limit_is_refused_by_itself(
    masker: Masker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.masking.rules._SECONDS", 0.000001)
    with pytest.raises(UnmaskableError, match=r"took longer than .* split the note") as raised:
        masker.mask("Pemberton of 12/03/2021 " * 2000)
    assert "Pemberton" not in str(raised.value)
    monkeypatch.undo()
    assert masker.mask("Mr. Pemberton").text == "Mr. [NAME]"


def test_the_version_changes_with_the_words_the_rules_and_the_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "masking"
    shutil.copytree(Path(masking.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(versioned, "files", lambda _: copy)
    seen = [masking_version()]
    for name in ("words.toml", "dates.py"):
        with (copy / name).open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        seen.append(masking_version())
    monkeypatch.setattr(versioned, "version", lambda _: "0.0")
    seen.append(masking_version())
    assert len(set(seen)) == 4
    assert all(re.fullmatch("[0-9a-f]{12}", each) for each in seen)
    assert masking_version() == seen[-1]


def test_the_version_is_told_without_loading_presidio_or_faker() -> None:
    told = "import sys; from pipeline.masking import masking_version; masking_version(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert "pipeline.masking.masker" in loaded
    assert not {"presidio_analyzer", "faker"} & set(loaded)


def test_found_counts_what_was_masked_and_holds_no_text(masker: Masker) -> None:
    masked = masker.mask("Mr. Pemberton and Mrs. Whitcombe, seen 12/03/2021.")
    assert masked.found == {"name": 2, "date": 1}
    assert masker.mask("Stable. Continue aspirin.").found == {}


@pytest.mark.parametrize("text", ["", " ", "\n\n", "[NAME] and [DATE]", "日本語のメモ", "😀", "\x00"])
def test_what_holds_no_identifier_stays_as_it_is(masker: Masker, text: str) -> None:
    assert masker.mask(text).text == text


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.sampled_from([s for s, _, _ in PLANTED] + CLINICAL), max_size=6),
    glue=st.sampled_from([" ", ". ", "\n", ", ", "; ", "/", ""]),
)
def test_masking_twice_is_masking_once(masker: Masker, parts: list[str], glue: str) -> None:
    once = masker.mask(glue.join(parts)).text
    again = masker.mask(once)
    assert again.text == once
    assert again.found == {}


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_masked_without_error_and_only_once(masker: Masker, text: str) -> None:
    once = masker.mask(text).text
    assert masker.mask(once).text == once


@pytest.mark.parametrize(
    "unit", ["Dr ", "a. A. ", "1-", "12/", "Mr. A ", "(0", "+1 ", "A", "7", "x@", "[NAME", "Anna ", "Aa-Bb-"]
)
def test_a_very_long_repetitive_note_is_masked(masker: Masker, unit: str) -> None:
    masked = masker.mask(unit * 800 + "\nSeen by Mr. Pemberton on 12/03/2021.")
    assert "Pemberton" not in masked.text
    assert "12/03" not in masked.text


def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("masking opened a socket")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    masked = Masker().mask("a.pemberton@example.org, 617-555-0142, http://example.org, Mr. Pemberton")
    assert masked.text == "[EMAIL], [PHONE], [WEB], Mr. [NAME]"


def test_nothing_of_a_note_is_logged(masker: Masker, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        masker.mask("Mr. Pemberton, MRN 1234567")
    assert "Pemberton" not in caplog.text
    assert "1234567" not in caplog.text


@pytest.mark.parametrize("package", ["presidio_analyzer", "faker"])
def test_a_missing_package_is_one_line_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in (package, "pipeline")]:
        if name.startswith(package) or name == "pipeline.masking.libraries":
            monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> ModuleType:
        if name.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named '{package}'", name=package)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MedsearchError) as raised:
        Masker()
    assert str(raised.value) == f"masking needs the package {package}: pip install 'medsearch[generate]'"
