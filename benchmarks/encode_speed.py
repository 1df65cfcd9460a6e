"""Documents a second: the serving encoder (ONNX) against sentence-transformers' own `encode`, in turns.

python -m benchmarks.encode_speed [CORPUS]
"""

from __future__ import annotations

import sys
from itertools import islice
from time import perf_counter

from benchmarks.record import keep, summary
from medsearch.corpora.catalogue import find_corpus, read_documents
from medsearch.corpora.passages import document_text
from medsearch.corpora.rejects import Rejects
from medsearch.encoders.registry import Backend, find_model, load_encoder, load_registry
from medsearch.settings import Settings

DOCUMENTS = 256
ROUNDS = 3


def main(corpus: str = "sample") -> None:
    """Measure both encoders on the same texts, alternating, after one warm-up each."""
    settings = Settings.from_environment()
    spec = find_model("minilm", load_registry(settings.models, cache=settings.cache))
    location = find_corpus(corpus, settings.data)
    texts = [document_text(d) for d in islice(read_documents(location, Rejects()), DOCUMENTS)]
    ours = load_encoder(spec, cache=settings.cache, backend=Backend.ONNX)
    peer = load_encoder(spec, cache=settings.cache, backend=Backend.TRANSFORMER)
    seconds: dict[str, list[float]] = {"onnx": [], "sentence-transformers": []}
    for encoder in (ours, peer):
        encoder.encode_documents(texts[:32])
    for _ in range(ROUNDS):
        for name, encoder in (("onnx", ours), ("sentence-transformers", peer)):
            started = perf_counter()
            encoder.encode_documents(texts)
            seconds[name].append(perf_counter() - started)
    timings = {name: summary(values) for name, values in seconds.items()}
    keep(
        "encode_speed",
        {
            "what": f"encoding {len(texts)} documents of {corpus} with minilm at 256 tokens",
            "seconds": timings,
            "documents_a_second": {name: round(len(texts) / t["median"], 1) for name, t in timings.items()},
            "ratio_onnx_to_peer": round(
                timings["sentence-transformers"]["median"] / timings["onnx"]["median"], 2
            ),
        },
    )


if __name__ == "__main__":
    main(*sys.argv[1:2])
