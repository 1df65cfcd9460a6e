"""The serving encoder gives the reference's vectors, on real text with the real model."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from medsearch.encoders.registry import Backend, load_encoder, load_registry
from medsearch.encoders.tokens import token_counter

SHORT = ["", "a", "Fever?", "chest pain after eating"]


def real_passages(real_data: Path, count: int) -> list[str]:
    """Texts evenly spread over MedQuAD's answers, which are from one sentence to several pages long."""
    with gzip.open(real_data / "medquad" / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    return [texts[number] for number in np.linspace(0, len(texts) - 1, count, dtype=int)]


@pytest.mark.slow
def test_both_encoders_agree_on_200_real_passages(real_data: Path, tmp_path: Path) -> None:
    spec = load_registry()["minilm"]
    texts = SHORT + real_passages(real_data, 200)
    lengths = np.array(token_counter(spec)(texts))
    assert (lengths > spec.max_tokens).sum() > 30
    assert (lengths < 64).sum() > 30

    serving = load_encoder(spec, cache=tmp_path)
    reference = load_encoder(spec, cache=tmp_path, backend=Backend.TRANSFORMER)
    for encode, expected in (
        (serving.encode_documents, reference.encode_documents(texts)),
        (serving.encode_queries, reference.encode_queries(texts)),
    ):
        cosines = (encode(texts) * expected).sum(axis=1)
        assert cosines.min() >= 0.9999
    # Not because all vectors are alike: two passages of the corpus are far apart on average.
    assert np.median(expected @ expected.T) < 0.5
