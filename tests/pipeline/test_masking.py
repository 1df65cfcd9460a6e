"""Masking on planted identifiers, and on what looks like them and must stay."""

from __future__ import annotations

import builtins
import logging
import socket
import sys
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from masking_material import CLINICAL, PLANTED

from medsearch.errors import MedsearchError
from pipeline.masking import Kind, Masker

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


def test_found_counts_what_was_masked_and_holds_no_text(masker: Masker) -> None:
    masked = masker.mask("Mr. Pemberton and Mrs. Whitcombe, seen 12/03/2021.")
    assert masked.found == {"name": 2, "date": 1}
    assert masker.mask("Stable. Continue aspirin.").found == {}


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n", "[NAME] and [DATE]", "日本語のメモ", "😀\u200b", "\x00\ufeff"]
)
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
    "unit", ["Dr ", "a. A. ", "1-", "12/", "Mr. A ", "(0", "+1 ", "A", "7", "x@", "[NAME", "Anna "]
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
