"""Record, account, insurance and device numbers: by their label, or by being too long for a measurement."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.masking.kinds import Kind, Span
from pipeline.masking.rules import Rule, find, rule

_NUMBER_WORD = r"(?:\s*(?:numbers?|no|nos|num|nbr|code|id|identifier)\b\.?)"
_SEPARATOR = r"\s*(?:\#|:|=|is\b|was\b|[-\u2013]|\.)*\s*(?:\#\s*)?"
_VALUE = r"""(?P<x>(?=[A-Z0-9/\-]{0,8}\d)
    [A-Z0-9](?:[A-Z0-9]|[/\-](?=[A-Z0-9])|[ ](?=\d{2,}\b)){2,24}(?![A-Z0-9]))"""
_FOUR_DIGITS = r"(?=(?:[A-Z/\-]{0,8}\d){4})"
_LABELS = r"""(?:m\.?r\.?n\b\.?|(?:medical|patient|hospital|health|clinical|clinic)\s+records?|med\s+rec|chart
    |hosp(?:ital)?|patient|pt|subject|unit|accounts?|acct|a/c|accession|specimen|lab(?:oratory)?|encounter|episode|visit
    |referral|order|booking|case\s+file|file|member(?:ship)?|subscriber|beneficiary|polic(?:y|ies)|insurance
    |health\s+(?:plan|card|insurance)|medicare|medicaid|group|certificate|licen[cs]e|driv(?:er|ing)(?:['\u2019]?s)?\s+licen[cs]e
    |passport|vehicle|vin|(?:number|licen[cs]e|registration)\s*plate|registration|reg|serial|device|implant|pacemaker|pump
    |imei|udi|nhs|chi|h\s?&\s?c|social\s+security|national\s+insurance|ni|ssn?|dea|npi|gmc|nmc|tax|employee|staff|claim)"""

_LABELLED: tuple[Rule, ...] = (
    rule(Kind.RECORD_NUMBER, rf"\b{_LABELS}{_NUMBER_WORD}{_SEPARATOR}{_VALUE}"),
    rule(Kind.RECORD_NUMBER, rf"\b{_LABELS}\s*(?:\#|:\s*\#?)\s*(?=[A-Z\-]*\d[A-Z0-9\-/ ]*\d{{2}}){_VALUE}"),
    rule(
        Kind.RECORD_NUMBER,
        rf"(?<![\w\-])(?:m\.?r\.?n|ssn|chi|npi|imei|vin|s/n|dea|plates?|registration)\b\.?{_SEPARATOR}{_VALUE}",
    ),
    rule(
        Kind.RECORD_NUMBER,
        rf"(?<![\w\-])(?:id|ref|identification|reference)\b(?:\s*(?:no|number)\b\.?)?\s*[:\#]+\s*{_VALUE}",
    ),
    rule(Kind.RECORD_NUMBER, rf"(?<![\w\-])s\.?n\.?\s*[:\#]\s*{_FOUR_DIGITS}{_VALUE}"),
    rule(
        Kind.RECORD_NUMBER,
        rf"\b(?:case|incident|study)(?:\s*(?:number|no)\b\.?|\s*\#)\s*:?\s*{_FOUR_DIGITS}{_VALUE}",
    ),
    rule(
        Kind.RECORD_NUMBER,
        rf"""(?<!genbank\s)(?<!ncbi\s)\b(?:accession|passport|driv(?:er|ing)(?:['\u2019]?s)?\s+licen[cs]e){_SEPARATOR}
            {_FOUR_DIGITS}{_VALUE}""",
    ),
    rule(
        Kind.RECORD_NUMBER,
        r"""\b(?i:policy|member|subscriber|insurance|insured)\b[^\n\d.;]{0,20}?
            (?P<x>\b(?:[A-Z]{2,6}[ ])?[A-Z]{0,4}\d{3,}(?:-[A-Z0-9]{2,})+)""",
        any_case=False,
    ),
    rule(
        Kind.NATIONAL_NUMBER,
        r"\b(?:ssn?|social\s+security)\b[^\n\d]{0,20}(?P<x>(?:[\dx*]{3}[- ]?[\dx*]{2}[- ]?)?\d{4})\b",
    ),
    rule(Kind.NATIONAL_NUMBER, r"(?<![\w\-])\d{3}[- ]\d{2}[- ]\d{4}(?![\w\-])"),
    rule(Kind.NATIONAL_NUMBER, r"(?<!\w)[A-Z]{2}[ ]?\d{2}[ ]?\d{2}[ ]?\d{2}[ ]?[A-D](?!\w)", any_case=False),
)

# a place on a chromosome, and the numbers of a publication or a registered trial, are nobody's
_NOT_PUBLIC = r"(?<!\bchr[\dXYM]{1,2}:)(?<!\b(?:PMID|PMCID|NCT)[ ]?(?:no\.?|\#)?:?[ ]?)"

_LONG: tuple[Rule, ...] = (
    rule(Kind.RECORD_NUMBER, r"(?<![\w&])\#\s?(?P<x>[A-Z]{0,3}-?\d{5,}\b)"),
    rule(
        Kind.RECORD_NUMBER,
        rf"""{_NOT_PUBLIC}(?<![\w.,/\-])(?:\d{{7,}}
            |\d{{3,4}}(?P<s>[- ])\d{{3,4}}(?P=s)\d{{4}})(?![\w/]|[.,]\d|
            \s*(?:copies|iu|units?|u|cells|cfu|platelets|vp|ml|per|[x\u00d7/%]|bp\b|base))""",
    ),
    rule(Kind.RECORD_NUMBER, r"(?<![\w\-.])(?!NCT|PMC|PMID)[A-Z]{1,3}-?\d{6,10}(?![\w.])", any_case=False),
)


def find_labelled_numbers(text: str) -> Iterator[Span]:
    """Every number that its label or its form says to stand for a person, an account or a device."""
    return find(_LABELLED, text)


def find_long_numbers(text: str) -> Iterator[Span]:
    """Every number without a label that is too long for a measurement."""
    return find(_LONG, text)
