"""A tiny ablation: a base, dev corpora, training rows, a recipe, and variants of four steps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from selection_material import BASE, SUITE, tiny_settings
from training_material import recipe_text, training_rows, write_rows

from pipeline.settings import PipelineSettings

STEPS = 4
SELECT = """[select]
suite = "{suite}"
queries = 8
distractors = 2
random_documents = 5
"""
VARIANTS = """description = "A tiny ablation"
recipe = "{recipe}"
seeds = {seeds}

[common.train]
steps = 4
evaluate_every = 2

[common.select]
base_shares = [0.0]
guard = false

[[variant]]
name = "few rows"
description = "the first rows"
data = [{{ file = "{few}" }}]

[[variant]]
name = "many rows"
on = "few rows"
description = "three times as many"
data = [{{ file = "{few}" }}, {{ file = "{more}" }}]

[[variant]]
name = "+ averaging"
on = "many rows"
description = "half of the base"
select = {{ base_shares = [0.5] }}
"""


@dataclass(frozen=True)
class AblationPlace:
    """Where it lies; `file` is the ablation's."""

    root: Path
    settings: PipelineSettings
    file: Path

    def changed(self, old: str, new: str) -> str:
        """The ablation with one thing changed, under the same name in another folder."""
        text = self.file.read_text("utf-8")
        assert old in text
        folder = self.root / "changed"
        folder.mkdir(exist_ok=True)
        file = folder / self.file.name
        file.write_text(text.replace(old, new, 1), encoding="utf-8")
        return str(file)


def ablation_place(root: Path, *, seeds: str = "[13]") -> AblationPlace:
    """Everything that `ablate` reads; its rows are searched for leaks into the dev suite."""
    search = tiny_settings(root)
    few = write_rows(root / "few.jsonl", training_rows(24))
    more = write_rows(root / "more.jsonl", training_rows(48, seed=1)[24:])
    suite = root / f"{SUITE}.toml"
    text = recipe_text(few, train="batch = 4", tables=SELECT.format(suite=suite))
    text = text.replace('base = "tiny"', f'base = "{BASE}"').replace("[]", json.dumps([str(suite)]), 1)
    recipe = root / "recipe.toml"
    recipe.write_text(text, encoding="utf-8")
    file = root / "tiny.toml"
    file.write_text(VARIANTS.format(recipe=recipe, seeds=seeds, few=few, more=more), encoding="utf-8")
    settings = PipelineSettings(search, root / "runs", (), "", "", False, root / "training")
    return AblationPlace(root, settings, file)
