"""Training recipes: every number that decides what a model becomes. An unknown key is an error."""

from __future__ import annotations

from enum import StrEnum
from importlib.resources import files
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from medsearch.errors import UsageError
from medsearch.types import ModelKind
from pipeline.toml_tables import Table, parsed, toml_text
from pipeline.training.distill_table import DistillTable
from pipeline.training.late_table import LateTable


class Schedule(StrEnum):
    """How the learning rate goes after the warm-up."""

    COSINE = "cosine"
    LINEAR = "linear"
    CONSTANT = "constant"


class Precision(StrEnum):
    """What numbers are multiplied; `auto` is bf16 where the hardware multiplies it, else fp32."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"


class LossKind(StrEnum):
    """The contrastive loss: with gradients cached in mini-batches (Gao et al., 2021), or all at once."""

    CACHED_RANKING = "cached_ranking"
    RANKING = "ranking"


class DataTable(Table):
    """One source of examples: a run of the data pipeline, or a file of triplet or pair rows.

    `weight` is its share of the batches, relative to the others; of its rows at most `rows` are used
    (0: all), drawn by the recipe's seed. With `together` the rows of one document meet in one batch, where
    each is the others' hard negative, and `rows` draws whole documents.
    """

    run: str = ""
    file: str = ""
    weight: float = Field(default=1.0, gt=0)
    rows: int = Field(default=0, ge=0)
    together: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.run) == bool(self.file):
            raise ValueError("name either a run or a file")
        return self


NOT_OF_WEIGHTS: dict[str, Any] = {
    **dict.fromkeys(("description", "name", "licence", "select"), True),
    "train": {"save_every"},
}
"""Keys of a recipe that no weight depends on, as pydantic's `exclude` has them."""


class TrainTable(Table):
    """How long, how large and how fast. Lengths are in tokens, special ones counted; `steps` xor `epochs`.

    `mini_batch` is how many texts are encoded at once (0: 32 with the cached loss, else a batch's worth);
    `dropout` of `None` is the base's own. Every `save_every` steps there is a checkpoint to go on from after
    a kill (0: at the points of the dev curve alone, `evaluate_every`); the last `keep_checkpoints` of the
    curve's points are chosen from.

    What meets in a batch: rows of one document in a source that is `together`; else, with `topic_window`, of
    so many shuffled rows (0: off) those whose queries are nearest for the base, which makes batches hard;
    else, with `group_by_length`, rows of like length, which saves padding; else whatever comes.
    """

    steps: int = Field(default=0, ge=0)
    epochs: float = Field(default=0.0, ge=0)
    batch: int = Field(default=64, ge=2)
    mini_batch: int = Field(default=0, ge=0)
    query_tokens: int = Field(default=128, ge=3)
    document_tokens: int = Field(default=256, ge=3)
    learning_rate: float = Field(default=2e-5, gt=0)
    schedule: Schedule = Schedule.COSINE
    warmup: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    precision: Precision = Precision.AUTO
    group_by_length: bool = True
    topic_window: int = Field(default=0, ge=0)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    seed: int = Field(default=13, ge=0)
    evaluate_every: int = Field(default=100, ge=1)
    save_every: int = Field(default=0, ge=0)
    keep_checkpoints: int = Field(default=3, ge=1)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if bool(self.steps) == bool(self.epochs):
            raise ValueError("give either steps or epochs, above 0")
        if self.mini_batch > self.batch:
            raise ValueError(f"mini_batch {self.mini_batch} is above batch {self.batch}")
        if self.save_every and self.evaluate_every % self.save_every:
            raise ValueError(
                f"evaluate_every {self.evaluate_every} is no multiple of save_every {self.save_every}"
            )
        if 0 < self.topic_window < 2 * self.batch:
            raise ValueError(f"topic_window {self.topic_window} is below two batches of {self.batch} rows")
        return self


class LossTable(Table):
    """What is learnt. `negatives` a row at most, of those mined, beside the other rows' texts in the batch.

    `same_question` is a cosine of the base: where that of two queries is above it, neither's texts are
    negatives of the other (1.0: off). `matryoshka` are the lengths (most first) that a vector may be cut to.
    `stay_near_base` weighs the mean squared distance between the batch's vectors and those of the base. It
    and `distill.weight` stand beside the mean of the ranking loss over those lengths, however many.
    """

    kind: LossKind = LossKind.CACHED_RANKING
    temperature: float = Field(default=0.05, gt=0)
    negatives: int = Field(default=1, ge=0, le=50)
    same_question: float = Field(default=1.0, gt=0, le=1)
    matryoshka: tuple[Annotated[int, Field(ge=1)], ...] = ()
    stay_near_base: float = Field(default=0.0, ge=0)

    @field_validator("matryoshka")
    @classmethod
    def _falls(cls, dims: tuple[int, ...]) -> tuple[int, ...]:
        if list(dims) != sorted(set(dims), reverse=True):
            raise ValueError("must fall, each dimension once")
        return dims


class LoraTable(Table):
    """Low-rank adapters in place of all weights (Hu et al., 2021); `targets` are names of linear layers."""

    rank: int = Field(default=32, ge=1)
    alpha: float = Field(default=32, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: tuple[str, ...] = Field(default=("query", "key", "value", "dense"), min_length=1)


class DistractorSource(StrEnum):
    """A search whose best documents stand in the dev panel beside the right ones."""

    BM25 = "bm25"
    BASE = "base"


class SelectTable(Table):
    """What is chosen from, and on what: candidates are checkpoints and their mean, each mixed with the base.

    The dev panel has at most `queries` of each task of `suite`, drawn by `seed`; its documents are the judged
    ones, the top `distractors` for each query of every search in `distractors_from`, and `random_documents`
    more. The base's search needs its vectors of whole corpora, which may take hours to make. With `guard`,
    candidates that lose more than `guard_tolerance` nDCG@10 outside medicine are not taken. `tried_before` is
    how many candidates were compared on the same suite elsewhere; those compared here count by themselves.
    """

    suite: str = "medical-dev"
    queries: int = Field(default=200, ge=1)
    distractors: int = Field(default=12, ge=0)
    distractors_from: tuple[DistractorSource, ...] = (DistractorSource.BM25,)
    random_documents: int = Field(default=600, ge=0)
    seed: int = Field(default=13, ge=0)
    checkpoints: int = Field(default=1, ge=1)
    average: bool = True
    base_shares: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = Field(default=(0.0,), min_length=1)
    guard: bool = True
    guard_tolerance: float = Field(default=0.01, ge=0, le=1)
    tried_before: int = Field(default=0, ge=0)


class TrainRecipe(Table):
    """A whole training recipe.

    `name` is the model's it makes, `base` the registry's model that it starts from. `query_prompt` and
    `max_tokens` are those of the made model in use (`None`: the base's); `dim` is a late-interaction token's
    length (0: the base's, which is all a dense model can have). Rows that leak into a suite of `clean_of` are
    left out of the data; with none nobody looks for leaks, and the card says so.
    """

    description: str
    kind: ModelKind = ModelKind.DENSE
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=80)
    base: str
    licence: str
    query_prompt: str | None = None
    max_tokens: int | None = Field(default=None, ge=3)
    dim: int = Field(default=0, ge=0)
    clean_of: tuple[str, ...] = ("medical-local", "medical-dev")
    data: tuple[DataTable, ...] = Field(min_length=1)
    train: TrainTable
    loss: LossTable = LossTable()
    lora: LoraTable | None = None
    distill: DistillTable | None = None
    late: LateTable | None = None
    select: SelectTable = SelectTable()

    @property
    def rows_at_once(self) -> int:
        """How many texts are encoded at once, padded to one length."""
        cached = self.loss.kind is LossKind.CACHED_RANKING
        return self.train.mini_batch or (min(32, self.train.batch) if cached else self.train.batch)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.kind is ModelKind.SPARSE:
            raise ValueError("kind: a sparse model has nothing to train; dense or late_interaction")
        if self.kind is ModelKind.DENSE and self.dim:
            raise ValueError("dim is for late_interaction: a dense model has its base's")
        if self.kind is ModelKind.DENSE and self.late:
            raise ValueError('late is for kind = "late_interaction"')
        if self.distill and not self.distill.in_batch and not self.loss.negatives:
            raise ValueError("distill compares a row's texts: give loss.negatives or distill.in_batch = true")
        if self.select.checkpoints > self.train.keep_checkpoints:
            raise ValueError(
                f"select.checkpoints {self.select.checkpoints} is above train.keep_checkpoints "
                f"{self.train.keep_checkpoints}"
            )
        return self


def load_train_recipe(name: str) -> TrainRecipe:
    """The recipe of a .toml file, or of a name that comes with medsearch.

    Raises:
        UsageError: there is none, or a key is unknown or its value impossible; the message names it.
    """
    return parse_train_recipe(toml_text(name, files("pipeline") / "recipes", "training recipe"), name)


def renamed(recipe: TrainRecipe, name: str) -> TrainRecipe:
    """The recipe of a model with another name.

    Raises:
        UsageError: a model cannot have that name.
    """
    try:
        return TrainRecipe.model_validate(recipe.model_dump() | {"name": name})
    except ValidationError:
        raise UsageError(
            f"{name!r} is no name for a model: a-z, 0-9, '.', '_' and '-', starting with a letter or digit"
        ) from None


def parse_train_recipe(text: str, name: str) -> TrainRecipe:
    """The recipe of a TOML text; `name` is for messages.

    Raises:
        UsageError: as `load_train_recipe`.
    """
    return parsed(TrainRecipe, text, f"recipe {name}")
