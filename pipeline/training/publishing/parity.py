"""How near a model's ONNX files are to torch, in vectors and in what they find."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from medsearch.encoders.onnx import FolderEncoder
from medsearch.encoders.transformer import TransformerEncoder
from medsearch.evaluation.training_facts import ExportFacts, LengthFacts
from medsearch.types import ModelSpec
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
        encoder = FolderEncoder(spec, folder, file=file)
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
