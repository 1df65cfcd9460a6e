"""The part of a training recipe that only late-interaction models have."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from pipeline.toml_tables import Table


class Projection(StrEnum):
    """The first weights of the layer that makes token vectors short.

    `pca` keeps what it can of the base's own token vectors: the directions that hold most of their length on
    the training texts. `random` is what torch gives a layer, by the recipe's seed.
    """

    PCA = "pca"
    RANDOM = "random"


class LateTable(Table):
    """What a late-interaction model is beside its base.

    In use queries are cut at `query_tokens` (0: at `train.query_tokens`). With `expansion` every query is
    filled up with [MASK] to `train.query_tokens` and all of that is scored (Khattab & Zaharia, ColBERT, SIGIR
    2020): it helps once it is learnt, and costs the base's ranking until then. With `skip_punctuation` a
    document has no vectors of punctuation.
    """

    projection: Projection = Projection.PCA
    query_tokens: int = Field(default=0, ge=0)
    expansion: bool = False
    skip_punctuation: bool = True
