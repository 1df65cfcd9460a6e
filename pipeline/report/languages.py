"""In which languages the sampled passages are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

_CHARACTERS = 600
"""As much of a passage as is looked at."""

_LEAST_SHARE = 0.05
"""A language of fewer passages is more often a mistake of the detector."""


def languages_of(texts: Iterable[str]) -> dict[str, float]:
    """Two-letter codes and their shares of the texts, the commonest first, as py3langid tells them."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found = Counter(str(identifier.classify(text[:_CHARACTERS])[0]) for text in texts if text.strip())
    total = found.total()
    return {code: n / total for code, n in found.most_common() if n / total >= _LEAST_SHARE}
