"""Ages over 89, which HIPAA's Safe Harbor counts as identifiers; younger ages stay."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.masking.kinds import Kind, Span
from pipeline.masking.rules import Rule, find, rule

_OLD = r"(?:9\d|1[01]\d|12[0-5])"
_WORDS = r"""(?:ninety(?:[-\s]?(?:one|two|three|four|five|six|seven|eight|nine))?
    |(?:a|one)?\s?hundred(?:[-\s](?:and[-\s])?(?:one|two|three|four|five|six|seven|eight|nine|ten))?)"""

_RELATIVES = "mother|father|mum|mom|dad|wife|husband|grandmother|grandfather|brother|sister"

_RULES: tuple[Rule, ...] = (
    rule(
        Kind.AGE,
        rf"""(?<![\w.,/\-])(?P<x>{_OLD}|{_WORDS})(?:[\s\-]*(?:years?|yrs?)[\s\-]*(?:old|of\s+age)\b
            |[\s\-]*(?:y[\s./\-]{{0,2}}o\b|y\.o\.|yr[\s\-]?old|yo[mf]\b)|[\s\-]+years?[\s\-]+(?:man|woman|male|female|lady|gentleman|patient))""",
    ),
    rule(
        Kind.AGE,
        rf"\bage[ds]?\s*(?:[:=]|is|was|of|at)?\s*(?P<x>{_OLD}|{_WORDS})(?!\w|[.,]\d|\s*(?:%|days?|weeks?|months?|hours?))",
    ),
    rule(
        Kind.AGE,
        rf"(?<![\w.,/\-])(?P<x>{_OLD})\s?[MFmf](?=\s+(?:with|who|presents?|presenting|admitted|c/o|s/p|h/o)\b)",
    ),
    rule(
        Kind.AGE,
        rf"""(?:\b(?:he|she|patient|pt|{_RELATIVES})|\[NAME\])(?:\s+(?:is|was)|['\u2019]s)\s+
            (?:now\s+|almost\s+|nearly\s+)?(?P<x>{_OLD}|{_WORDS})
            (?=\s*(?:[;!?)\n]|[.,](?!\d)|$|years?\b(?!\s+(?:after|post|since|from|out)))|\s+(?:and|but|now|today)\b)""",
    ),
    rule(Kind.AGE, rf"\bturn(?:s|ed|ing)\s+(?P<x>{_OLD})\b(?!\s*(?:degrees|°))"),
)


def find_ages(text: str) -> Iterator[Span]:
    """Every stated age of 90 or more: the number, not the words around it."""
    return find(_RULES, text)
