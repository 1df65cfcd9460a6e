"""The part of a training recipe that says what a teacher adds."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from pipeline.toml_tables import Table


class DistillLoss(StrEnum):
    """How scores are compared: KL divergence of teacher's and model's softmax, or margins' squared error."""

    KL = "kl"
    MARGIN = "margin"


class DistillTable(Table):
    """A teacher whose scores the model learns too.

    `teacher` is a dense model of the registry, `bm25`, `hybrid:<dense model>` or `cross-encoder:<folder>`.
    It scores each row's positive and negatives; with `in_batch`, every text of the batch for every query.
    In the KL divergence `temperature` divides the model's scores, and the teacher's too, unless
    `teacher_temperature` is above 0. `dense_share` is the weight of the cosine in a hybrid's score.
    """

    teacher: str = Field(min_length=1)
    weight: float = Field(default=0.5, gt=0)
    temperature: float = Field(default=0.05, gt=0)
    teacher_temperature: float = Field(default=0.0, ge=0)
    dense_share: float = Field(default=0.5, gt=0, lt=1)
    loss: DistillLoss = DistillLoss.KL
    in_batch: bool = False

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.teacher_temperature and self.loss is DistillLoss.MARGIN:
            raise ValueError("teacher_temperature is for the loss kl: margins are compared as they are")
        if self.dense_share != 0.5 and not self.teacher.startswith("hybrid:"):
            raise ValueError("dense_share is for a teacher that is a hybrid")
        return self
