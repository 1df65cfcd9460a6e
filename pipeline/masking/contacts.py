"""Phone and fax numbers, web addresses, postal addresses."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.masking.kinds import Kind, Span
from pipeline.masking.rules import Rule, find, rule

_STATES = """A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]
    |UT|V[AIT]|PR|GU|A[AEP]
    |W[AIVY]""".replace("\n", "").replace(" ", "")
_STREET = r"""(?:Street|Road|Avenue|Lane|Drive|Court|Boulevard|Way|Close|Crescent|Terrace|Place|Square
    |Gardens|Grove|Mews
    |Row|Highway|Parkway|Circle|Trail|Turnpike|Alley|Loop|Rise|Vale|Wharf|Crossing|Hill|Walk|St\b\.?|Rd\b\.?|Ave?\b\.?|Ln\b\.?|Blvd\b\.?|Ct\b\.?
    |Pkwy\b\.?|Hwy\b\.?|Cres\b\.?
    |Dr\b\.?(?=\s*(?:[,;)\n]|$|Apt|Unit)))"""
_CITY = r"\p{Lu}\p{Ll}+(?:[ -]\p{Lu}\p{Ll}+){0,2}"
_GAP = r"[ \t]*[\n]?[ \t]*"
_ROMANCE_STREET = r"""(?:rue|avenue|boulevard|place(?=[ ]d)|impasse|all[ée]e|chemin|quai|calle|via|viale|rua
    |piazza|corso|avenida|plaza|paseo)"""
_SMALL_WORD = r"""(?:d[eu]s?|d['\u2019]|de[ ]l['\u2019]|l['\u2019]|la|les?|del(?:la|le)?|dell['\u2019]
    |dos?|das?|el|los|las)"""
_POSTCODE = rf"(?:,?{_GAP}\d{{4,5}}\b(?:[ ]{_CITY})?)?"
_PHONE_LABEL = r"""(?:tel(?:ephone)?|phone|ph|mob(?:ile)?|cell(?:\s?phone)?|fax|pager|beeper|bleep
    |ext(?:ension)?|call(?:ed)?
    |contact(?:ed)?|reach(?:ed|able)?|voicemail|text(?:ed)?|whatsapp|home|work|landline)"""

_RULES: tuple[Rule, ...] = (
    rule(Kind.WEB, r"\b(?:https?|ftp)\s?://[^\s<>\"'\]]*[^\s<>\"'\].,;:!?)]"),
    rule(
        Kind.WEB,
        r"""(?<![@\w.\-])(?:www\.[a-z0-9\-]+(?:\.[a-z0-9\-]+)+|[a-z0-9][a-z0-9\-]*(?:\.[a-z0-9\-]+){0,3}
            \.(?:com|org|net|gov|edu|nhs\.uk|co\.uk|org\.uk|ac\.uk|info
            |io))\b(?:/[^\s<>\"'\]]*[^\s<>\"'\].,;:!?)])?""",
    ),
    # shapes first: a number that no exchange gave out may still be someone's mistyped one
    rule(
        Kind.PHONE,
        rf"""(?<![\w.\-/])(?:\+?1[-. ]?)?(?:\(\d{{3}}\){_GAP}|\d{{3}}[-.]{_GAP}
        |\d{{3}}[ ])\d{{3}}(?:[-.]{_GAP}|[ ])\d{{4}}
            (?:\s*(?:x|ext\.?|extension)\s*\d{{1,6}})?(?![\w\-])""",
    ),
    rule(Kind.PHONE, r"(?<![\w.])(?=(?:\D{0,2}\d){8})(?:\+|00)\d{1,3}(?:[-. \n]*\(?\d{1,5}\)?){2,6}(?![\w])"),
    rule(Kind.PHONE, r"(?<![\w.\-/,])\(?0\d{2,4}\)?[- \n]?\d{3,4}[- \n]?\d{3,4}(?![\w/]|[.,]\d)"),
    rule(Kind.PHONE, r"(?<![\w.\-/,])\(?0\d{4}\)?[- \n]\d{5,6}(?![\w/]|[.,]\d)"),
    rule(
        Kind.PHONE,
        rf"""\b{_PHONE_LABEL}\b\.?(?:\s*(?:number|no|\#)\.?)?(?:\s+(?:on|at|is|was|me|him|her|us
        |the\s+clinic))*\s*[:\#]?\s*
            (?P<x>\(?\+?\d(?:[\s().\-]{{0,2}}\d){{5,14}})(?!\w|/\d)""",
    ),
    rule(
        Kind.PHONE,
        r"""\b(?:call(?:ed|ing)?|phoned?|ring|rang|text(?:ed)?|contact(?:ed)?|reach(?:ed)?|whatsapp)\s+[^\n\d]{1,40}?
            \b(?:on|at)\s+(?P<x>\(?\+?\d(?:[ ().\-]{0,2}\d){6,14})(?!\w|/\d)""",
    ),
    rule(Kind.PHONE, r"(?<![\w.,/\-])[6-9]\d{4}[ ]\d{5}(?![\w/\-]|[.,]\d)"),
    rule(
        Kind.PHONE,
        r"\b(?:ext(?:ension)?|pager|beeper|bleep)\b\.?\s*(?:no\.?|number|\#)?\s*[:\#]?\s*(?P<x>\d{3,6})\b",
    ),
    rule(
        Kind.ADDRESS,
        rf"""(?<![\w/.,])\d{{1,5}}[A-Za-z]?(?:[-/]\d{{1,4}})?,?[ ](?:(?:[NSEW]|North|South|East|West)\.?[ ])?
            (?:(?:\p{{Lu}}[\p{{L}}'\u2019.\-]*|\d{{1,3}}(?:st|nd|rd|th))[ ]){{1,4}}{_STREET}
            (?:\b|(?<=\.))(?:,?{_GAP}(?i:apt|apartment|flat|unit|suite|room|\#)\.?\s*\w{{1,5}}\b)?
            (?:,?{_GAP}{_CITY})?(?:,?{_GAP}(?:{_STATES})\b)?(?:{_GAP}\d{{5}}(?:-\d{{4}})?\b)?""",
        any_case=False,
    ),
    rule(
        Kind.ADDRESS,
        rf"""(?<![\w/.,\-])\d{{1,4}}(?:[ ]?(?:bis|ter))?,?[ ](?i:{_ROMANCE_STREET})[ ]
            (?:{_SMALL_WORD}[ ]?){{0,2}}{_CITY}{_POSTCODE}""",
        any_case=False,
    ),
    rule(
        Kind.ADDRESS,
        rf"""\b(?:Calle|Via|Rua|Viale|Corso|Piazza|Avenida|Plaza|ulica|ul\.)[ ]
            (?:{_SMALL_WORD}[ ]?){{0,2}}{_CITY},?[ ](?:n\.?[°º]?[ ]?)?\d{{1,4}}\b
            (?![.,]\d|[ ]?(?:mg|ml|mm|cm|%)){_POSTCODE}""",
        any_case=False,
    ),
    rule(
        Kind.ADDRESS,
        rf"""\b\p{{Lu}}[\p{{L}}\-]+(?:stra(?:ß|ss)e|str\.|allee|gasse|platz|straat|laan|plein|gatan|vägen|gade|vej)
            [ ]\d{{1,4}}[ ]?[a-zA-Z]?\b(?![.,]\d|[ ]?(?:mg|ml|mm|cm|%)){_POSTCODE}""",
        any_case=False,
    ),
    rule(Kind.ADDRESS, rf"\b{_CITY},?{_GAP}(?:{_STATES})[ \n]+\d{{5}}(?:-\d{{4}})?\b", any_case=False),
    rule(
        Kind.ADDRESS,
        r"\b(?:zip|post|postal)\s?(?:code)?\s*[:\#]?\s*(?P<x>\d{5}(?:-\d{4})?|[A-Z]\d[A-Z][ ]?\d[A-Z]\d)\b",
    ),
    rule(Kind.ADDRESS, r"\bP\.?\s?O\.?\s*Box\s*\#?\s*\d+\b"),
    rule(Kind.ADDRESS, r"\b(?:flat|apt|apartment)\.?\s+(?:no\.?\s*)?\d{1,4}[A-Z]?\b"),
    rule(Kind.ADDRESS, r"\b(?:home\s+|postal\s+|mailing\s+)?address\s*:[ \t]*(?P<x>[^\n]*?\d[^\n.;]*)"),
    rule(
        Kind.ADDRESS,
        rf"""\b(?i:lives?|living|resid(?:es|ing|ent)|raised)\s+(?:alone\s+)?(?:in|at|of|near)\s+
            (?P<x>(?:{_CITY},[ ](?:{_STATES})\b|(?!(?:The|A|An|Family|Nursing|Assisted|Group
            |Hospice)\b){_CITY}))""",
        any_case=False,
    ),
    rule(
        Kind.ADDRESS,
        r"""(?<![\w\-/.])(?:GIR[ ]?0AA|[A-PR-UWYZ](?:\d[\dA-HJKSTUW]?|[A-HK-Y]\d[\dABEHMNPRV-Y]?)
            (?:[ ]|\n)?(?!1ST|2ND|3RD|[4-9]TH)\d[ABD-HJLNP-UW-Z]{2})(?![\w\-])""",
        any_case=False,
    ),
)


def find_contacts(text: str) -> Iterator[Span]:
    """Every way to reach a person: by phone, on the web, or at an address."""
    return find(_RULES, text)
