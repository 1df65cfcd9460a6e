"""The vectors of a run's pool: encoded once for each pool and model, and kept in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import numpy as np
from filelock import FileLock, Timeout

from medsearch.errors import MedsearchError
from medsearch.index.vectors import VectorStore, encode_resumably
from medsearch.protocols import Encoder, Progress
from medsearch.types import ModelSpec, Vectors
from pipeline.journal import digest
from pipeline.pool import PoolPassage
from pipeline.run_folder import RunFolder


def pool_vectors(
    run: RunFolder, passages: Sequence[PoolPassage], encoder: Encoder, cache: Path, progress: Progress
) -> Vectors:
    """Vectors of the pool's passages in their order, shape (len(passages), dim).

    What an earlier call has encoded, even one that was killed, is read from the cache.

    Raises:
        MedsearchError: another process is encoding this pool.
    """
    store = VectorStore(vector_folder(run, encoder.spec, cache))
    store.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(store.folder / "writer.lock", timeout=0):
            store.drop_damaged(len(passages), encoder.spec.dim)
            if not store.is_whole(len(passages)):
                title = f"Encoding the pool of {run.name} with {encoder.spec.name}"
                with progress.stage(title, len(passages)) as advance:
                    texts = (passage.text for passage in passages)
                    encode_resumably(texts, encoder.encode_documents, store, advance)
            return np.concatenate(list(store.read(len(passages))))
    except Timeout:
        raise MedsearchError(
            f"the pool of {run.name} is being encoded by another process: wait for it, then try again"
        ) from None


def vector_folder(run: RunFolder, spec: ModelSpec, cache: Path) -> Path:
    """`CACHE/pools/RUN-MODEL-KEY`; the key is over the pool's bytes and all that determines a vector."""
    parts = (digest(run.pool_file), spec.of_vectors)
    key = sha256(repr(parts).encode()).hexdigest()[:12]
    return cache / "pools" / f"{quote(run.name, safe='')}-{spec.name}-{key}"
