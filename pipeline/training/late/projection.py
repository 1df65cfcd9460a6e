"""The projection's first weights, so that training begins with a model that ranks as its base does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.training.job import TrainingExample, TrainingJob
from pipeline.training.late.model import late_table
from pipeline.training.late_table import Projection
from pipeline.training.processes import first_says
from pipeline.training.running.checkpoints import complete_checkpoints
from pipeline.training.weights.averaging import read_tensors, write_tensors

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

Weights = NDArray[np.float32]
"""Of the projection, shape (dim, the base's dim)."""

TENSOR = "linear.weight"
"""What the library calls the projection's weights, in its own file too."""

_ROWS = 512
"""Rows looked at: tens of thousands of tokens, for a few hundred directions."""

_BATCH = 32


def start_file(job: TrainingJob) -> Path:
    """The projection as training began, which candidates are mixed with as they are with the base."""
    return job.folder.path / "projection.safetensors"


def begin_projection(job: TrainingJob, model: MultiVectorEncoder) -> None:
    """Give the model its projection's first weights; a training that goes on reads them again."""
    import torch

    weights = first_says(lambda: _start(job, model))
    layer = _projection(model).linear
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights))


def principal_directions(vectors: Iterator[Weights], dim: int) -> tuple[Weights, float]:
    """The `dim` directions that keep most of the vectors' squared length, as rows, and the share kept.

    Vectors come in blocks of shape (n, their dim) and count by their direction alone. They are not centred:
    of all projections to `dim` dimensions this one keeps their inner products best (Eckart & Young, 1936).
    """
    moment: NDArray[np.float64] | None = None
    for block in vectors:
        unit = block.astype(np.float64)
        unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
        moment = unit.T @ unit + (0 if moment is None else moment)
    assert moment is not None, "a training has texts"
    lengths, directions = np.linalg.eigh(moment)
    best = directions[:, ::-1][:, :dim].T
    # An eigenvector's sign is any: the largest number of each is made positive.
    signs = np.sign(best[np.arange(len(best)), np.abs(best).argmax(axis=1)])
    return np.ascontiguousarray(best * signs[:, None], dtype=np.float32), float(
        lengths[::-1][:dim].sum() / lengths.sum()
    )


def _start(job: TrainingJob, model: MultiVectorEncoder) -> Weights:
    file = start_file(job)
    if file.is_file() and complete_checkpoints(job.folder.checkpoints):
        return np.asarray(read_tensors(file)[TENSOR])
    layer = _projection(model).linear
    weights: Weights = layer.weight.detach().cpu().numpy()
    if late_table(job.recipe).projection is Projection.PCA:
        rows = _some_rows(job)
        with job.progress.stage("choosing the projection", len(rows)) as advance:
            weights, kept = principal_directions(_token_vectors(job, model, rows, advance), len(weights))
        job.progress.say(
            f"projection: {len(weights)} of {layer.in_features} directions keep {100 * kept:.1f} % of the "
            "base's token vectors"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_tensors({TENSOR: weights}, file)
    return weights


def _projection(model: MultiVectorEncoder) -> Any:
    """The library's `Dense`, which types know as a module only."""
    from sentence_transformers.base.modules import Dense

    [projection] = [module for module in model if isinstance(module, Dense)]
    return projection


def _some_rows(job: TrainingJob) -> list[TrainingExample]:
    """Rows drawn by the recipe's seed, each source by its weight; one may come twice."""
    chance = np.random.default_rng([job.recipe.train.seed, 2])
    rows = [row for source in job.sources for row in source.rows]
    shares = np.concatenate(
        [np.full(len(source.rows), source.weight / len(source.rows)) for source in job.sources]
    )
    drawn = chance.choice(len(rows), size=min(_ROWS, len(rows)), p=shares / shares.sum())
    return [rows[number] for number in drawn]


def _token_vectors(
    job: TrainingJob, model: MultiVectorEncoder, rows: Sequence[TrainingExample], advance: Any
) -> Iterator[Weights]:
    """The base's vectors of all tokens that are scored, in queries and in what answers them."""
    import torch
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    train = job.recipe.train
    first: Any = model[0]
    [mask] = [module for module in model if isinstance(module, MultiVectorMask)]
    model.eval()
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        for kind, texts, tokens in (
            ("query", [row.query for row in part], train.query_tokens),
            ("document", [row.positive for row in part], train.document_tokens),
        ):
            features = model.preprocess(
                texts, prompt=model.prompts.get(kind) or None, task=kind, max_length=tokens
            )
            with torch.inference_mode():
                found = mask(first({name: _on(model, value) for name, value in features.items()}), task=kind)
            scored = found["attention_mask"].bool()
            yield found["token_embeddings"][scored].float().cpu().numpy()
        advance(len(part))


def _on(model: MultiVectorEncoder, value: Any) -> Any:
    """A tensor on the model's device; anything else as it is."""
    import torch

    return value.to(model.device) if isinstance(value, torch.Tensor) else value
