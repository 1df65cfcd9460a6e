"""Dates in the forms that notes have; a year alone may stay (HIPAA Safe Harbor), a day or month may not."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.masking.kinds import Kind, Span
from pipeline.masking.rules import Rule, find, rule

_MONTH = r"""(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?
    |sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"""
_SPOKEN_DAY = r"""(?:(?:twenty|thirty)[\s-])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth
    |tenth|eleventh
    |twelfth|\w+teenth|twentieth|thirtieth)"""
_FULL_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_SHORT_MONTH = r"(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_DAYS = rf"{_DAY}(?:st|nd|rd|th)?(?:\s?(?:-|\u2013|/|,|&|\bto\b|\band\b)\s?{_DAY}(?:st|nd|rd|th)?)*"
_MONTH_NUMBER = r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:1[89]\d\d|20\d\d)"
_ANY_YEAR = rf"(?:{_YEAR}|['\u2019]?\d\d)"
_WEEKDAY = r"(?:\b(?:mon|tue(?:s)?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+(?:the\s+)?)?"
_TIME = r"""(?:(?:\s*,\s*|\s+at\s+|\s+|T)\d{1,2}[:.h]\d{2}(?::\d{2}(?:\.\d+)?)?
    (?:\s?[ap]\.?m\b\.?|\s?(?:hours|hrs|h)\b|Z\b|[+-]\d\d:?\d\d\b)?)?"""
_NO_UNIT = r"""(?!\s*(?:mg|mcg|µg|μg|ug|g|kg|ml|cc|l|mm|cm|m|mmhg|mmol|iu|units?|%|x|\u00d7|days?|weeks?
    |wks?|months?
    |years?|hours?|hrs?|h|minutes?|min|seconds?|patients?|cases|tablets?|times|copies|mice|percent)\b|\s*%)"""
_ON_A_DAY = r"""(?:removed|admitted|readmitted|discharged|seen|reviewed|operated|started|stopped
    |commenced|inserted|extubated|intubated|transferred|presented|died|born|scheduled|booked|completed
    |performed|arrived|returned|delivered|visit(?:ed)?|examined|biopsied)"""
_START = r"(?<![\w/.\-])"
_END = r"(?![\w/]|[.\-]\d)"

_RULES: tuple[Rule, ...] = (
    rule(Kind.DATE, rf"{_WEEKDAY}{_START}{_YEAR}(?P<s>[-/.]){_MONTH_NUMBER}(?P=s){_DAY}(?!\d){_TIME}"),
    rule(
        Kind.DATE,
        rf"""{_WEEKDAY}{_START}(?:{_DAY}(?P<s>[-/])\s?{_MONTH_NUMBER}|{_MONTH_NUMBER}(?P<s>[-/])\s?{_DAY})
            (?P=s)\s?{_ANY_YEAR}{_END}{_NO_UNIT}{_TIME}""",
    ),
    rule(
        Kind.DATE,
        rf"""{_WEEKDAY}{_START}(?:{_DAY}\.\s?{_MONTH_NUMBER}\.\s?{_YEAR}|[0-3]\d\.[01]\d\.\d\d)
            {_END}{_NO_UNIT}{_TIME}""",
    ),
    rule(
        Kind.DATE, rf"{_START}{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:T?\d{{4,6}})?{_END}{_NO_UNIT}"
    ),
    rule(Kind.DATE, rf"{_START}(?:0[1-9]|1[0-2])[-/]{_YEAR}{_END}{_NO_UNIT}"),
    # "1/2000" alone is a dilution or a frequency
    rule(Kind.DATE, rf"{_START}[1-9][-/](?!\d\d00){_YEAR}{_END}{_NO_UNIT}"),
    # day, month in words, year
    rule(
        Kind.DATE,
        rf"""{_WEEKDAY}{_START}{_DAYS}(?:\s+day)?[\s\-./,]*(?:of\s+)?{_MONTH}[\s\-./,]*{_ANY_YEAR}\b
            (?![/\d]){_NO_UNIT}{_TIME}""",
    ),
    rule(
        Kind.DATE,
        rf"""{_WEEKDAY}{_START}{_DAYS}(?:\s+|\s*-\s*)(?:[oO]f\s+)?(?:{_FULL_MONTH}
        |{_SHORT_MONTH})(?![\w]){_TIME}""",
        any_case=False,
    ),
    rule(Kind.DATE, rf"\b{_DAY}(?:st|nd|rd|th)\s+(?:of\s+)?{_MONTH}(?!\w){_TIME}"),
    # month in words, day, year
    rule(Kind.DATE, rf"{_WEEKDAY}\b{_MONTH}\s*{_DAYS}\s*,?\s+['\u2019]?{_YEAR}\b{_TIME}"),
    rule(Kind.DATE, rf"{_WEEKDAY}\b{_MONTH}\s*{_DAYS}\s*,?\s+['\u2019]\d\d\b{_TIME}"),
    rule(Kind.DATE, rf"{_WEEKDAY}\b{_MONTH}\s+(?:the\s+)?{_DAY}(?:st|nd|rd|th)\b{_TIME}"),
    rule(
        Kind.DATE,
        rf"""{_WEEKDAY}\b(?:{_FULL_MONTH}|{_SHORT_MONTH}|{_FULL_MONTH.upper()})\s+{_DAYS}
            (?![\w/%]|[.\-]\d|[ ]?[x\u00d7]){_NO_UNIT}{_TIME}""",
        any_case=False,
    ),
    # month in words, year; in lower case "may" and "march" are verbs
    rule(Kind.DATE, rf"\b{_MONTH}(?:\s+of)?[\s\-/,]*{_YEAR}\b{_NO_UNIT}"),
    rule(
        Kind.DATE,
        rf"\b(?:{_FULL_MONTH}|{_SHORT_MONTH})(?:\s+of)?[\s\-/,]*['\u2019]\d\d\b",
        any_case=False,
    ),
    rule(
        Kind.DATE,
        rf"""\b(?i:in|since|until|till|by|during|from|between|late|early|mid|last|this|next|of|through|to
        |before|after)
            (?:\s+(?:late|early|mid|the\s+end\s+of))?[\s\-]+(?P<x>{_FULL_MONTH})\b(?!['\u2019]s
            |[ -](?:fracture|hemoglobin|
            haemoglobin|Thurner|Hegglin|Gr(?:ü|u)nwald))""",
        any_case=False,
    ),
    rule(
        Kind.DATE,
        rf"""\b(?:in|since|until|till|by|during|from|late|early|mid|last|this|next|of|through|to|before
        |after|for|on)\s+
            (?P<x>(?:january|february|april|june|july|august|september|october|november|december)
            (?:\s+(?:the\s+)?{_SPOKEN_DAY})?(?:\s+(?:of\s+)?(?:twenty
            |two\s+thousand)(?:[\s-]+(?:and\s+)?\w+teen|[\s-]+twenty
            (?:[\s-]+(?:one|two|three|four|five|six|seven|eight|nine))?)?)?)\b""",
    ),
    rule(
        Kind.DATE,
        rf"""\b(?:january|february|march|april|may|june|july|august|september|october|november|december)
            \s+(?:the\s+)?{_SPOKEN_DAY}\b""",
    ),
    # day and month alone, only where the words before say that it is a date
    rule(
        Kind.DATE,
        rf"""\b(?:on|dated?|since|until|till|dos|dob|d\.o\.b\.?|scheduled\s+for|as\s+of|admi(?:tted|ssion)
        |discharged?
            |visit|seen|born|due|from|last\s+(?:seen|visit)|lmp|edd)\s*[:,]?\s+(?:on\s+)?
            (?P<x>{_DAY}[/\-]{_DAY})(?![\w/.%]\d|\w|\s*(?:strength|power|pain|in\s+(?:severity|intensity
            |strength)
            |scale|cm|mm|mg|ml|weeks?|days?|months?|hours?|of\b|on\s+the|for\s+pain|motor|muscle|reflex
            |murmur|patients?|cases))
            (?<!\b[0-5]/5)(?<!\b(?:10|[0-9])/10)""",
    ),
    # "5.3.21" may be a version, "15th" a rib: both need words that ask for a day
    rule(
        Kind.DATE,
        rf"""(?:\b(?:on|dated?|since|until|till|dob|lmp|edd|due|{_ON_A_DAY}))\s*:?\s*(?:on\s+)?
            (?P<x>{_DAY}\.{_MONTH_NUMBER}\.\d\d){_END}{_NO_UNIT}{_TIME}""",
    ),
    rule(
        Kind.DATE,
        rf"""\b{_ON_A_DAY}(?:\s+home)?\s+(?:on\s+)?(?:the\s+)?(?P<x>{_DAY}(?:st|nd|rd|th))
            (?=\s*(?:[.;!?)\n]|,(?!\s*\d)|$)|\s+(?:at|for|but|by|because)\b|\s+(?:and|with)\s+(?!\d))""",
    ),
    rule(
        Kind.DATE,
        r"""\b(?:dob|d\.o\.b\.?|date\s+of\s+(?:birth|death|admission|discharge|service|visit)|birth\s?date
        |born(?:\s+on)?)
            \s*[:#\-]*\s*(?P<x>\d[\d\s./\-]{4,12}\d)\b""",
    ),
)


def find_dates(text: str) -> Iterator[Span]:
    """Every date finer than a year, with the weekday and time of day beside it."""
    return find(_RULES, text)
