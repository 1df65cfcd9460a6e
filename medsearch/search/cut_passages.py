"""Counts the passages that are longer than a late-interaction model reads: it misses their ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from medsearch.encoders.tokens import token_counter
from medsearch.errors import ModelUnavailableError
from medsearch.protocols import Progress, TokenEncoder
from medsearch.types import ModelSpec, Vectors

_SPECIAL = 2
"""Tokens that a model puts around a text, [CLS] and [SEP]."""


class CutCounter:
    """An encoder that counts its documents, and those of which the model reads a part only."""

    def __init__(self, encoder: TokenEncoder, count: Callable[[Sequence[str]], list[int]]) -> None:
        self.spec = encoder.spec
        self.documents, self.cut = 0, 0
        self._encoder = encoder
        self._count = count

    def encode_queries(self, texts: Sequence[str], /) -> list[Vectors]:
        """As the encoder does; not counted."""
        return self._encoder.encode_queries(texts)

    def encode_documents(self, texts: Sequence[str], /) -> list[Vectors]:
        """As the encoder does."""
        found = self._encoder.encode_documents(texts)
        lengths = self._count([self.spec.document_prompt + text for text in texts])
        self.documents += len(texts)
        self.cut += sum(length + _SPECIAL > self.spec.max_tokens for length in lengths)
        return found

    def tell(self, progress: Progress) -> None:
        """One line, if any was longer."""
        if self.cut:
            progress.say(
                f"note: {self.cut:,} of {self.documents:,} passages are longer than the "
                f"{self.spec.max_tokens} tokens that {self.spec.name} reads: it does not see their ends; "
                "shorter passages (--passage-tokens) avoid that"
            )


def counting_cut(encoder: TokenEncoder) -> CutCounter | None:
    """The encoder with a count; `None` where its model's own tokenizer is not on this machine."""
    spec: ModelSpec = encoder.spec
    try:
        return CutCounter(encoder, token_counter(spec))
    except ModelUnavailableError:
        return None
