"""Token counts of texts, as a model's own tokenizer sees them; no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from medsearch.encoders.adapters import base_of
from medsearch.encoders.weights import locate_weights
from medsearch.types import ModelSpec

_BATCH = 1024


def token_counter(source: Path | ModelSpec) -> Callable[[Sequence[str]], list[int]]:
    """Make a function that counts each text's tokens: no special tokens, no truncation, no padding.

    Args:
        source: A folder with `tokenizer.json` (of weights, or of an export), or a model of the registry.

    Raises:
        ModelUnavailableError: The model's weights, which hold its tokenizer, are not on this machine.
    """
    from tokenizers import Tokenizer

    # An adapter reads its base's tokens.
    folder = locate_weights(base_of(source) or source) if isinstance(source, ModelSpec) else source
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts: Sequence[str]) -> list[int]:
        counts: list[int] = []
        for start in range(0, len(texts), _BATCH):
            batch = list(texts[start : start + _BATCH])
            encodings = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            counts.extend(len(encoding) for encoding in encodings)
        return counts

    return count
