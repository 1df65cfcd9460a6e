"""Which language a text is in, told offline by py3langid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

from medsearch.errors import UsageError
from pipeline.filters.words import without_masks

_RIVALS = ("de", "en", "es", "eu", "fr", "it", "nl", "pl", "pt", "sv")
"""Languages a note may be in. Among all 97 of the model, medical terms are often taken for a rare one."""


@dataclass(frozen=True, slots=True)
class LanguageCheck:
    """How likely a text is to be in one of the wanted languages."""

    wanted: frozenset[str]
    _identifier: Any = field(repr=False, compare=False)

    @classmethod
    def of(cls, languages: Iterable[str]) -> Self:
        """Load the model for these languages (ISO 639-1 codes).

        Raises:
            UsageError: the model does not know one of them.
        """
        wanted = frozenset(languages)
        return cls(wanted, _identifier(wanted))

    def confidence(self, text: str) -> float:
        """Probability (0 to 1) that the text is in a wanted language, against the likeliest others.

        One without letters is in every language.
        """
        bare = without_masks(text)
        if not any(character.isalpha() for character in bare):
            return 1.0
        shares = [share for language, share in self._identifier.rank(bare) if language in self.wanted]
        return min(float(sum(shares)), 1.0)


@lru_cache(maxsize=1)
def _identifier(wanted: frozenset[str]) -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    if unknown := sorted(wanted - set(identifier.labels)):
        raise UsageError(
            f"languages: {', '.join(unknown)} cannot be told apart from others; "
            "use codes of two letters such as en"
        )
    identifier.set_languages(sorted(wanted.union(_RIVALS)))
    return identifier
