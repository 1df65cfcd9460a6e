"""What the environment says to the pipeline. Read in entry points only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medsearch.settings import Settings
from pipeline.recipe import Recipe


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """`search` is what the library reads; `servers` and `model`, where given, stand for the recipe's.

    `trained` is the folder of trainings, where one is named; see `training`.
    """

    search: Settings
    runs: Path
    servers: tuple[str, ...]
    model: str
    api_key: str
    allow_remote: bool
    trained: Path | None = None

    @property
    def training(self) -> Path:
        """Where training runs lie: a folder each."""
        return self.trained or self.runs.parent / "training"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> PipelineSettings:
        """Read MEDSEARCH_RUNS, _TRAINING, _LLM_SERVERS (commas between), _LLM_MODEL, _LLM_KEY and so on."""
        variables = os.environ if environment is None else environment
        search = Settings.from_environment(variables)
        trained = variables.get("MEDSEARCH_TRAINING", "")
        servers = [part.strip() for part in variables.get("MEDSEARCH_LLM_SERVERS", "").split(",")]
        return cls(
            search=search,
            runs=Path(variables.get("MEDSEARCH_RUNS") or search.data[-1] / "interim"),
            servers=tuple(part for part in servers if part),
            model=variables.get("MEDSEARCH_LLM_MODEL", ""),
            api_key=variables.get("MEDSEARCH_LLM_KEY", ""),
            allow_remote=variables.get("MEDSEARCH_ALLOW_REMOTE_LLM", "") == "1",
            trained=Path(trained) if trained else None,
        )

    def over(self, recipe: Recipe) -> Recipe:
        """The recipe with the servers and the model of the environment, where it names any.

        Another model than the recipe's is not served from the recipe's weights: its name says what is.
        """
        model = self.model or recipe.llm.model
        changes = {"model": model, "servers": self.servers or recipe.llm.servers}
        weights = recipe.serve.weights if model == recipe.llm.model else ""
        return recipe.model_copy(
            update={
                "llm": recipe.llm.model_copy(update=changes),
                "serve": recipe.serve.model_copy(update={"weights": weights}),
            }
        )
