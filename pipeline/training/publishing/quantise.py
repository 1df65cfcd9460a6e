"""ONNX files of float32, and of 8-bit integers for a quarter of the size."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from medsearch.encoders.export import export_model
from medsearch.errors import MedsearchError
from medsearch.types import ModelSpec
from pipeline.training.silence import silent

FOLDER = "onnx"
FLOAT32, INT8 = f"{FOLDER}/model.onnx", f"{FOLDER}/model_int8.onnx"


def write_exports(spec: ModelSpec, folder: Path) -> None:
    """Write both files into `folder`/onnx; the dense model in `folder` is exported at the length of `spec`.

    Raises:
        MedsearchError: the export computes something else than the model.
    """
    draft = folder / f"{FOLDER}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        with silent():
            export_model(folder, draft, spec.max_tokens)
    except ValueError as error:
        raise MedsearchError(f"{spec.name} cannot be exported to ONNX: {error}") from None
    (folder / FOLDER).mkdir(exist_ok=True)
    (draft / "model.onnx").replace(folder / FLOAT32)
    shutil.rmtree(draft)
    quantise(folder / FLOAT32, folder / INT8)


def quantise(source: Path, target: Path) -> None:
    """Write `source` with weights of 8 bits, and activations that are rounded to 8 bits as they come.

    A scale a channel, symmetric weights: the nearest to float32 of what onnxruntime offers (MiniLM, 160
    texts: mean cosine 0.994, with one scale a tensor 0.85 to 0.96). Weights take 7 of the 8 bits, which
    costs 0.001 of that: with 8, sums overflow on processors that have no VNNI instructions.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns on the root logger of a step that changes nothing here
    try:
        quantize_dynamic(
            source,
            target,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            extra_options={"WeightSymmetric": True, "MatMulConstBOnly": True},
        )
    finally:
        logger.setLevel(level)
