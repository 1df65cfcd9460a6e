"""How near a model's ONNX files are to torch, in vectors and in what they find."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from medsearch.encoders.transformer import TransformerEncoder
from medsearch.evaluation.training_facts import ExportFacts, LengthFacts
from medsearch.types import ModelSpec, Pooling, Vectors
from pipeline.training.job import TrainingJob
from pipeline.training.panel.scores import (
    PanelVectors,
    encode_panel,
    means_by_task,
    scores_of_vectors,
    texts_in,
)
from pipeline.training.publishing.quantise import FLOAT32, INT8
from pipeline.training.silence import silent

TEXTS = 300
"""How many of the panel's texts are encoded both ways."""

_BATCH = 16


@dataclass(frozen=True, slots=True)
class FolderEncoder:
    """Runs one ONNX file of a model's folder by fastembed, as a user's own program would."""

    spec: ModelSpec
    model: Any

    def encode_queries(self, texts: Sequence[str], /) -> Vectors:
        """Each behind the spec's query prompt; shape (len(texts), dim)."""
        return self._encode([self.spec.query_prompt + text for text in texts])

    def encode_documents(self, texts: Sequence[str], /) -> Vectors:
        """Each behind the spec's document prompt; shape (len(texts), dim)."""
        return self._encode([self.spec.document_prompt + text for text in texts])

    def _encode(self, texts: list[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.spec.dim), dtype=np.float32)
        # Longest first: texts of one length share a batch, which is padded to its longest.
        order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        encoded = self.model.embed([texts[place] for place in order], batch_size=_BATCH)
        for place, vector in zip(order, encoded, strict=True):
            vectors[place] = vector
        return vectors


def load_onnx(spec: ModelSpec, folder: Path, file: str) -> FolderEncoder:
    """Load `file`, such as "onnx/model.onnx", of the model in `folder`."""
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    name = f"medsearch-training/{uuid4().hex}"  # fastembed keeps every name for as long as it runs
    TextEmbedding.add_custom_model(
        model=name,
        pooling=PoolingType.CLS if spec.pooling is Pooling.CLS else PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(
            url=folder.absolute().as_uri()
        ),  # required, and unused: the folder is given below
        dim=spec.dim,
        model_file=file,
    )
    model = TextEmbedding(name, specific_model_path=str(folder), providers=["CPUExecutionProvider"])
    return FolderEncoder(spec, model)


def export_facts(
    job: TrainingJob, spec: ModelSpec, folder: Path
) -> tuple[tuple[ExportFacts, ...], tuple[LengthFacts, ...]]:
    """Both files beside torch, and the panel's scores by the lengths that vectors may be cut to.

    Lengths are scored by the float32 file: there are none where the recipe trained for none.
    """
    texts = some_texts(job)
    with silent():
        reference = TransformerEncoder(spec, cache=job.settings.cache)
    wanted = reference.encode_documents(texts)
    exports, lengths = [], tuple[LengthFacts, ...]()
    for file in (FLOAT32, INT8):
        encoder = load_onnx(spec, folder, file)
        cosines = (encoder.encode_documents(texts) * wanted).sum(axis=1)
        with job.progress.stage(f"Scoring {file}", texts_in(job.panel)) as advance:
            vectors = encode_panel(job.panel, encoder.encode_queries, encoder.encode_documents, advance)
        exports.append(
            ExportFacts(
                file=file,
                bytes=(folder / file).stat().st_size,
                texts=len(texts),
                cosine_min=float(cosines.min()),
                cosine_mean=float(cosines.mean()),
                dev=means_by_task(scores_of_vectors(job.panel, vectors)),
            )
        )
        if file == FLOAT32:
            lengths = _by_length(job, spec, vectors)
    return tuple(exports), lengths


def _by_length(job: TrainingJob, spec: ModelSpec, vectors: Sequence[PanelVectors]) -> tuple[LengthFacts, ...]:
    trained = job.recipe.loss.matryoshka
    return tuple(
        LengthFacts(dim=dim, dev=means_by_task(scores_of_vectors(job.panel, vectors, dim=dim)))
        for dim in sorted({*trained, spec.dim} if trained else (), reverse=True)
    )


def some_texts(job: TrainingJob) -> list[str]:
    """Queries and documents of the panel, always the same of one panel."""
    texts = [text for task in job.panel for side in (task.queries, task.documents) for text in side.values()]
    distinct = list(dict.fromkeys(texts))
    draw = random.Random(job.recipe.select.seed)  # noqa: S311 - a sample, nothing secret
    return draw.sample(distinct, min(TEXTS, len(distinct)))
