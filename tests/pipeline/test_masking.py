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

from medsearch.errors import MedsearchError
from pipeline.masking import Kind, Masker

CARRIERS = (
    "{}",
    "Follow-up visit.\n{}\nPlan: continue ramipril 5 mg daily.",
    "Chest pain settled overnight; {}. Troponin 12 ng/L, BP 120/80.",
    "Assessment: stable ({}), review in 2-3 weeks.",
)

# (what the note says, the part that must not survive, its kind)
PLANTED = [
    # names
    ("Mr. Pemberton was comfortable", "Pemberton", Kind.NAME),
    ("Mrs Eleanor Whitcombe was comfortable", "Whitcombe", Kind.NAME),
    ("seen with Dr. Chidi Okonkwo today", "Okonkwo", Kind.NAME),
    ("discussed with Prof. A. B. Vandersloot", "Vandersloot", Kind.NAME),
    ("reviewed by Dr van der Berg", "Berg", Kind.NAME),
    ("Mr. and Mrs. Featherstone attended", "Featherstone", Kind.NAME),
    ("MR. PEMBERTON was comfortable", "PEMBERTON", Kind.NAME),
    ("MRS SMITH was comfortable", "SMITH", Kind.NAME),
    ("nurse Betty Clark phoned", "Betty Clark", Kind.NAME),
    ("Patient name: Aoife O'Brien", "Aoife O'Brien", Kind.NAME),
    ("Patient Name: QUARTERMAINE, ALLAN", "QUARTERMAINE", Kind.NAME),
    ("Name: Jean-Luc Picard", "Picard", Kind.NAME),
    ("Surname: Xanthopoulos", "Xanthopoulos", Kind.NAME),
    ("Dear Mrs Patel, thank you", "Patel", Kind.NAME),
    ("dictated by Karen Wu, MD", "Karen Wu", Kind.NAME),
    ("Electronically signed by: Tomasz Kowalski", "Kowalski", Kind.NAME),
    ("dictated by: Danuše Navrátil", "Navrátil", Kind.NAME),
    ("Patient: Gergely Szűcs", "Szűcs", Kind.NAME),
    ("Autumn Mitchell is well", "Autumn", Kind.NAME),
    ("cc: Peter Johnson", "Peter Johnson", Kind.NAME),
    ("Re: John Smith", "John Smith", Kind.NAME),
    ("SMITH, John was admitted", "SMITH, John", Kind.NAME),
    ("spoke to J. Hernandez", "Hernandez", Kind.NAME),
    ("spoke to J.R. Hernandez", "Hernandez", Kind.NAME),
    ("John A. Smith was admitted", "John A. Smith", Kind.NAME),
    ("María García was admitted", "García", Kind.NAME),
    ("José Álvarez was admitted", "Álvarez", Kind.NAME),
    ("his wife Theresa helps", "Theresa", Kind.NAME),
    ("a boy named Thorsteinn with asthma", "Thorsteinn", Kind.NAME),
    ("hi, donna, how are you", "donna", Kind.NAME),
    ("thank you dr. smith", "smith", Kind.NAME),
    ("Mr. John\nPemberton was comfortable", "Pemberton", Kind.NAME),
    ("Mr. Pemberton came; later Pemberton left", "Pemberton left", Kind.NAME),
    # dates
    ("seen on 12/03/2021", "12/03", Kind.DATE),
    ("seen on 3/4/21 at 14:30", "3/4", Kind.DATE),
    ("seen 2021-03-12", "03-12", Kind.DATE),
    ("seen 2021-03-12T10:15:00Z", "10:15", Kind.DATE),
    ("seen 12.03.2021", "12.03", Kind.DATE),
    ("seen March 12, 2021", "March 12", Kind.DATE),
    ("seen on the 12th of March 2021", "12th", Kind.DATE),
    ("seen 12 Mar '21", "12 Mar", Kind.DATE),
    ("seen 12-Mar-2021", "Mar", Kind.DATE),
    ("seen 12MAR2021", "12MAR", Kind.DATE),
    ("biopsied 03/2021", "03/2021", Kind.DATE),
    ("seen Mon 12 March", "12 March", Kind.DATE),
    ("seen July 4th", "July", Kind.DATE),
    ("admitted from 12 to 14 March 2021", "14 March", Kind.DATE),
    ("well since March", "March", Kind.DATE),
    ("worse in early May", "May", Kind.DATE),
    ("operated in May 2010", "May", Kind.DATE),
    ("seen jan 5, 2020", "jan 5", Kind.DATE),
    ("admitted on 3/12 with sepsis", "3/12", Kind.DATE),
    ("DOB: 3/4/56", "3/4", Kind.DATE),
    ("date of birth 030456", "030456", Kind.DATE),
    # ages
    ("a 92-year-old woman", "92", Kind.AGE),
    ("aged 94, frail", "94", Kind.AGE),
    ("a 101 y/o man", "101", Kind.AGE),
    ("a ninety-two year old man", "ninety", Kind.AGE),
    # contacts
    ("reach her on (617) 555-0142", "555", Kind.PHONE),
    ("reach her on 617-555-0142", "0142", Kind.PHONE),
    ("reach her on 617.555.0142", "0142", Kind.PHONE),
    ("reach her on +1 617 555 0142", "0142", Kind.PHONE),
    ("reach her on 617-555-\n0142", "0142", Kind.PHONE),
    ("reach her on +44 20 7946 0958", "7946", Kind.PHONE),
    ("reach her on 020 7946 0958", "7946", Kind.PHONE),
    ("reach her on 07700 900123", "900123", Kind.PHONE),
    ("phone: 555-0142", "0142", Kind.PHONE),
    ("fax 617 555 0143", "0143", Kind.PHONE),
    ("pager 4471", "4471", Kind.PHONE),
    ("write to j.pemberton@ward.hospital.internal", "pemberton", Kind.EMAIL),
    ("see http://example.org/a?b=1", "example", Kind.WEB),
    ("see www.example.com/records", "example", Kind.WEB),
    ("logged from 192.168.10.4", "192.168", Kind.WEB),
    ("sent to 12 Oak Street, Springfield, IL 62704", "Oak", Kind.ADDRESS),
    ("sent to 221B Baker Street", "Baker", Kind.ADDRESS),
    ("sent to Springfield, IL 62704-1234", "62704", Kind.ADDRESS),
    ("sent to SW1A 1AA", "SW1A", Kind.ADDRESS),
    ("sent to M13 0FH", "M13", Kind.ADDRESS),
    ("sent to P.O. Box 1234", "1234", Kind.ADDRESS),
    ("lives in Shelbyville with a dog", "Shelbyville", Kind.ADDRESS),
    # numbers
    ("MRN 1234567", "1234567", Kind.RECORD_NUMBER),
    ("MRN: A-123456", "123456", Kind.RECORD_NUMBER),
    ("Hospital No. H123456", "H123456", Kind.RECORD_NUMBER),
    ("account number 00123456", "00123456", Kind.RECORD_NUMBER),
    ("Policy no. ABC12345", "ABC12345", Kind.RECORD_NUMBER),
    ("pacemaker serial number SN-48213X", "48213", Kind.RECORD_NUMBER),
    ("card 4111 1111 1111 1111", "4111", Kind.RECORD_NUMBER),
    ("record 20934817", "20934817", Kind.RECORD_NUMBER),
    ("NHS number 943 476 5919", "476", Kind.NATIONAL_NUMBER),
    ("known as 943-476-5919", "476", Kind.NATIONAL_NUMBER),
    ("known as 536-22-8726", "8726", Kind.NATIONAL_NUMBER),
    ("NI QQ 12 34 56 C", "34 56", Kind.NATIONAL_NUMBER),
    ("Medicare 1EG4-TE5-MK73", "TE5", Kind.NATIONAL_NUMBER),
]

CLINICAL = [
    "BP 120/80",
    "10/12 strength",
    "5/5 power",
    "Hb 10.9 g/dl",
    "T2-3",
    "L4/5",
    "2-3 weeks",
    "cranial nerves II-XII",
    "on day 10/11",
    "1/7 bd",
    "T4 N1 M0",
    "CD4 200",
    "ICD-10 J45.9",
    "pH 7.35",
    "3.5 x 2.1 cm",
    "May-Thurner syndrome",
    "Baker cyst",
    "Parkinson's disease",
    "a 45-year-old man",
    "an 89-year-old woman",
    "March fracture",
    "He may walk 10 metres",
    "you may take 5 mg",
    "HLA-DR4",
    "MR Angiography showed stenosis",
    "MR imaging",
    "MS patients",
    "Ms Patients",
    "Mass General Hospital",
    "Crohn disease",
    "Hodgkin lymphoma",
    "Kaposi sarcoma",
    "Whipple procedure",
    "Billroth II",
    "Glasgow Coma Scale 15",
    "in 2019",
    "since 1998",
    "S. aureus",
    "E. Coli",
    "H. Pylori",
    "Vitamin D. Young patients",
    "5-10-15 mg",
    "1/2000 births",
    "platelets 250,000",
    "2345678 IU/mL",
    "c.68_69delAG",
    "EGFR T790M",
    "Foley catheter",
    "Jackson-Pratt drain",
    "Marcus Gunn pupil",
    "Austin Flint murmur",
    "Ann Arbor stage III",
    "pain was 3/10 on movement",
    "SpO2 98% on 2 L",
    "t(9;22)(q34;q11)",
    "q 4-6 h",
    "100 mg/day",
    "Sister Mary Joseph nodule",
    "Ramsay Hunt syndrome",
    "three times a day",
    "Kaplan-Meier curve",
    "Wilson disease",
    "Murphy's sign",
    "Graves disease",
    "McBurney point",
    "Apgar 9/10",
    "12-lead ECG",
    "90% stenosis",
    "at 95 degrees",
    "REASON FOR VISIT",
    "the ICA was patent",
    "seen by Pain Management",
    "patient: alert",
    "CC: Abdominal pain",
    "seen by Cardiology",
]


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
