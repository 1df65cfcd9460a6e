"""Token vectors of a test collection's queries, kept beside its evaluation index."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from medsearch.index.token_store import TokenStore
from medsearch.index.vectors import encode_resumably
from medsearch.protocols import Progress, TokenEncoder
from medsearch.types import ModelSpec, Vectors


@dataclass(frozen=True, slots=True)
class RememberedTokens:
    """A late-interaction encoder that already knows the vectors of some queries."""

    encoder: TokenEncoder
    known: Mapping[str, Vectors]

    @property
    def spec(self) -> ModelSpec:
        """That of the real encoder."""
        return self.encoder.spec

    def encode_queries(self, texts: Sequence[str], /) -> list[Vectors]:
        """(tokens, dim) for each text; remembered vectors where all texts are known."""
        if all(text in self.known for text in texts):
            return [self.known[text] for text in texts]
        return self.encoder.encode_queries(texts)

    def encode_documents(self, texts: Sequence[str], /) -> list[Vectors]:
        """(tokens, dim) for each text; never remembered."""
        return self.encoder.encode_documents(texts)


def remembering_tokens(
    encoder: TokenEncoder, texts: Sequence[str], folder: Path, progress: Progress
) -> TokenEncoder:
    """`encoder` with the vectors of these queries, read from `folder` or encoded now and kept there.

    They are found again by the texts and the query prompt; `folder` is that of one model and corpus.
    """
    distinct = list(dict.fromkeys(texts))
    key = sha256(json.dumps([encoder.spec.query_prompt, distinct]).encode()).hexdigest()[:16]
    # Not in half precision: a search encodes its query anew, and its scores must be the same.
    store = TokenStore(folder / f"{key}-tokens", np.float32)
    store.drop_damaged(len(distinct), encoder.spec.dim)
    if not store.is_whole(len(distinct)):
        with progress.stage(f"Encoding queries with {encoder.spec.name}", len(distinct)) as advance:
            encode_resumably(distinct, encoder.encode_queries, store, advance)
    vectors = [rows for chunk in store.read(len(distinct)) for rows in chunk]
    return RememberedTokens(encoder, dict(zip(distinct, vectors, strict=True)))
