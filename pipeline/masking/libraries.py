"""Presidio's recognisers, as far as they need no model and no network."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from presidio_analyzer import PatternRecognizer
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    EmailRecognizer,
    IbanRecognizer,
    IpRecognizer,
    MacAddressRecognizer,
    NhsRecognizer,
    PhoneRecognizer,
    UkNinoRecognizer,
    UsMbiRecognizer,
    UsSsnRecognizer,
)

from pipeline.masking.kinds import Kind, Span

_ENOUGH = 0.3
"""Presidio scores lower what needs the words around it to be sure; our own rules look at those words."""


class _OfflineEmailRecognizer(EmailRecognizer):
    """Presidio's own asks tldextract about the domain, which goes online; here any domain will do."""

    def validate_result(self, pattern_text: str) -> bool:
        return "@" in pattern_text


def presidio_finder() -> Callable[[str], Iterator[Span]]:
    """A function that finds what Presidio's recognisers find."""
    recognizers: tuple[tuple[Kind, PatternRecognizer | PhoneRecognizer], ...] = (
        (Kind.NATIONAL_NUMBER, NhsRecognizer()),
        (Kind.NATIONAL_NUMBER, UsSsnRecognizer()),
        (Kind.NATIONAL_NUMBER, UkNinoRecognizer()),
        (Kind.NATIONAL_NUMBER, UsMbiRecognizer()),
        (Kind.RECORD_NUMBER, CreditCardRecognizer()),
        (Kind.RECORD_NUMBER, IbanRecognizer()),
        (Kind.RECORD_NUMBER, MacAddressRecognizer()),
        (Kind.WEB, IpRecognizer()),
        (Kind.EMAIL, _OfflineEmailRecognizer()),
        (Kind.PHONE, PhoneRecognizer(supported_regions=("US", "GB"))),
    )

    def find(text: str) -> Iterator[Span]:
        for kind, recognizer in recognizers:
            for result in recognizer.analyze(text, recognizer.supported_entities):
                if result.score >= _ENOUGH:
                    yield Span(result.start, result.end, kind)

    return find
