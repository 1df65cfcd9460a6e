"""The ONNX files of a late-interaction model, and how near they are to torch."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from medsearch.encoders.token_export import export_token_model
from medsearch.encoders.token_graph import TokenGraph
from medsearch.errors import MedsearchError
from medsearch.evaluation.training_facts import ExportFacts
from medsearch.types import ModelSpec, Vectors
from pipeline.training.job import TrainingJob
from pipeline.training.panel.late import encoders_of, late_query_scores
from pipeline.training.panel.scores import means_by_task, texts_in
from pipeline.training.publishing.parity import some_texts
from pipeline.training.publishing.quantise import FLOAT32, FOLDER, INT8, quantise
from pipeline.training.silence import silent


def write_late_export(spec: ModelSpec, folder: Path) -> None:
    """Write `folder`/onnx: the graph in float32 and int8, tokenizer and settings, as `TokenGraph` reads them.

    Raises:
        MedsearchError: the export computes something else than the model.
    """
    target = folder / FOLDER
    shutil.rmtree(target, ignore_errors=True)
    try:
        with silent():
            export_token_model(folder, target, spec.max_tokens)
    except ValueError as error:
        raise MedsearchError(f"{spec.name} cannot be exported to ONNX: {error}") from None
    quantise(folder / FLOAT32, folder / INT8)


def late_export_facts(job: TrainingJob, spec: ModelSpec, folder: Path) -> tuple[ExportFacts, ...]:
    """Both files beside torch: cosines of all token vectors of some texts, and the panel's scores."""
    from sentence_transformers import MultiVectorEncoder

    texts = some_texts(job)
    with silent():
        _, reference = encoders_of(MultiVectorEncoder(str(folder), local_files_only=True))
        wanted = np.concatenate(reference(texts))
    exports = []
    for file in (FLOAT32, INT8):
        graph = TokenGraph(folder / FOLDER, graph=Path(file).name)
        found = np.concatenate(graph.documents([spec.document_prompt + text for text in texts]))
        cosines = (found * wanted).sum(axis=1)
        queries = _behind(spec.query_prompt, graph.queries)
        documents = _behind(spec.document_prompt, graph.documents)
        with job.progress.stage(f"Scoring {file}", texts_in(job.panel)) as advance:
            dev = means_by_task(late_query_scores(job.panel, queries, documents, advance))
        facts = ExportFacts(
            file=file,
            bytes=(folder / file).stat().st_size,
            texts=len(texts),
            cosine_min=float(cosines.min()),
            cosine_mean=float(cosines.mean()),
            dev=dev,
        )
        exports.append(facts)
    return tuple(exports)


def _behind(
    prompt: str, encode: Callable[[Sequence[str]], list[Vectors]]
) -> Callable[[Sequence[str]], list[Vectors]]:
    return lambda texts: encode([prompt + text for text in texts])
