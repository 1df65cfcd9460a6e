"""In which languages the sampled passages are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

_CHARACTERS = 600
"""As much of a passage as is looked at."""

_LEAST_SHARE = 0.05
"""A language of fewer passages is more often a mistake of the detector."""


def languages_of(texts: Iterable[str]) -> dict[str, float]:
    """Two-letter codes and their shares of the texts, the commonest first, as lingua tells them."""
    from lingua import LanguageDetectorBuilder

    detector = LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()
    found: Counter[str] = Counter()
    for text in texts:
        if language := detector.detect_language_of(text[:_CHARACTERS]):
            found[language.iso_code_639_1.name.lower()] += 1
    total = found.total()
    return {code: n / total for code, n in found.most_common() if n / total >= _LEAST_SHARE}
