"""A run whose base is an adapter itself: what is published is one adapter of the model under both."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from selection_material import BASE, MODEL, TOKENS, TinyRun, tiny_guard, tiny_run
from tiny_adapter import make_tiny_adapter
from tiny_bert import DIM

from medsearch.encoders.adapter_files import WEIGHTS
from medsearch.encoders.merge import merge_adapter
from medsearch.encoders.registry import Backend, load_encoder, load_registry
from medsearch.errors import ModelUnavailableError
from medsearch.evaluation.provenance import (
    Provenance,
    Selection,
    TrainingData,
    read_provenance,
    write_provenance,
)
from medsearch.types import Vectors
from pipeline.journal import digest
from pipeline.training.choosing import select as selecting
from pipeline.training.choosing.candidates import candidates_of, open_maker
from pipeline.training.choosing.select import select
from pipeline.training.guard.build import Guard
from pipeline.training.publishing import publish as publishing
from pipeline.training.publishing import training_record
from pipeline.training.publishing.publish import publish

UNDER, SHARE, BEGUN = "tiny-under", 0.4, "0123abc"
QUERIES = ["chest pain after eating", "fever", "what is a low dose?"]


@dataclass(frozen=True)
class Stacked:
    """The run, its published folder, and the base's own adapter and that adapter's provenance."""

    run: TinyRun
    folder: Path
    under: Path
    of_under: Provenance

    @property
    def over(self) -> Path:
        """The adapter that was trained, on the base that is one."""
        return self.run.trained.checkpoints[-1]


def provenance_of_under(weights: Path) -> Provenance:
    return Provenance(
        model=UNDER, base=BASE, family=BASE, recipe="under", git_revision="abc",
        data=(TrainingData(name="old", file="old.jsonl", sha256="a" * 64, rows=3),),
        selection=Selection(suite="s", tasks=(), candidates=4, measure="nDCG@10", rule="highest mean"),
        created=datetime(2026, 1, 2, tzinfo=UTC), weights_sha256=digest(weights),
    )  # fmt: skip


def on_an_adapter(root: Path, *, pin: str = "") -> tuple[TinyRun, Path, Provenance]:
    """A tiny run whose recipe begins with an adapter; `pin` is the SHA-256 of the model under it."""
    run = tiny_run(root, lora=True, checkpoints=1, base_shares=[SHARE])
    under = make_tiny_adapter(run.base, root / "under", seed=7, r=3, lora_alpha=5)
    of_under = provenance_of_under(under / WEIGHTS)
    write_provenance(of_under, under)
    registry = run.job.settings.models
    assert registry is not None
    lowest = registry.read_text("utf-8") + (f'sha256 = "{pin}"\n' if pin else "")
    registry.write_text(
        f'{lowest}\n[{UNDER}]\nsource = "adapter:{under}@{BASE}"\nrevision = "1"\nkind = "dense"\n'
        f'pooling = "mean"\nmax_tokens = {TOKENS}\ndim = {DIM}\nlicence = "mit"\nsize = "small"\n',
        encoding="utf-8",
    )
    recipe = run.job.recipe.model_copy(update={"base": UNDER})
    trained = replace(run.trained, facts={"git_revision": BEGUN})
    return replace(run, job=replace(run.job, recipe=recipe), trained=trained), under, of_under


@pytest.fixture(scope="module")
def stacked(tmp_path_factory: pytest.TempPathFactory) -> Stacked:
    """Published without ONNX files, whose making takes seconds."""
    run, under, of_under = on_an_adapter(tmp_path_factory.mktemp("on-adapter"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selecting, "guard_set", lambda: Guard(tiny_guard(), {"tiny": "1.0"}))
        patch.setattr(publishing, "write_exports", lambda *_: None)
        patch.setattr(publishing, "export_facts", lambda *_: ((), ()))
        folder = publish(run.job, run.trained, select(run.job, run.trained))
    return Stacked(run, folder, under, of_under)


def test_the_weights_are_the_base_all_of_the_lower_adapter_and_a_share_of_the_upper(
    stacked: Stacked, tmp_path: Path
) -> None:
    base = load_file(stacked.run.base / "model.safetensors")
    deltas = []
    for adapter in (stacked.under, stacked.over):
        merge_adapter(stacked.run.base, adapter, tmp_path / "one.safetensors")
        one = load_file(tmp_path / "one.safetensors")
        deltas.append({name: one[name] - tensor for name, tensor in base.items()})
    under, over = deltas
    found = load_file(stacked.folder / "model.safetensors")
    assert found.keys() == base.keys()
    for name, tensor in found.items():
        wanted = base[name] + under[name] + (1 - SHARE) * over[name]
        np.testing.assert_allclose(tensor, wanted, atol=2e-3)
    for delta in deltas:
        largest = max(float(np.abs(tensor).max()) for tensor in delta.values())
        assert SHARE * largest > 5 * 2e-3, "leaving either out would be seen"


def test_the_adapter_is_one_of_the_lowest_model(stacked: Stacked) -> None:
    entry = (stacked.folder / "adapter" / "registry.toml").read_text("utf-8")
    assert f'source = "adapter:{stacked.folder}/adapter@{BASE}"' in entry
    whole, adapter = read_provenance(stacked.folder), read_provenance(stacked.folder / "adapter")
    assert whole is not None
    assert adapter is not None
    assert (whole.base, adapter.base) == (UNDER, BASE)
    assert whole.of_base == adapter.of_base == stacked.of_under
    assert adapter.weights_sha256 == digest(stacked.folder / "adapter" / WEIGHTS)


def test_alone_it_gives_the_vectors_of_the_whole_model(stacked: Stacked, tmp_path: Path) -> None:
    settings = stacked.run.job.settings
    assert settings.models is not None
    vectors: list[Vectors] = []
    for number, folder in enumerate((stacked.folder, stacked.folder / "adapter", None)):
        registry = tmp_path / f"{number}.toml"
        made = (folder / "registry.toml").read_text("utf-8") if folder else ""
        registry.write_text(settings.models.read_text("utf-8") + made)
        spec = load_registry(registry, cache=settings.cache)[MODEL if folder else UNDER]
        encoder = load_encoder(spec, cache=settings.cache, backend=Backend.TRANSFORMER)
        vectors.append(encoder.encode_queries(QUERIES))
    whole, alone, under = vectors
    np.testing.assert_allclose(alone, whole, atol=1e-6)
    assert np.abs(whole - under).max() > 1e-2, "training has moved it"


def test_provenance_names_the_revision_that_training_began_at(stacked: Stacked) -> None:
    for folder in (stacked.folder, stacked.folder / "adapter"):
        found = read_provenance(folder)
        assert found is not None
        assert found.git_revision == BEGUN


def test_an_older_run_has_the_revision_of_now(stacked: Stacked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_record, "git_revision", lambda: "now")
    monkeypatch.setattr(selecting, "guard_set", lambda: Guard(tiny_guard(), {"tiny": "1.0"}))
    run = stacked.run
    selected = select(run.job, run.trained)
    for facts, revision in (({}, "now"), ({"git_revision": ""}, ""), ({"git_revision": "then"}, "then")):
        trained = replace(run.trained, facts=facts)
        record = training_record.provenance_record(run.job, trained, selected, weights_sha256="a" * 64)
        assert record.git_revision == revision


def test_a_model_under_the_base_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    """Also where the base was merged before: its folder in the cache needs no look at what is under it."""
    pin = digest(on_an_adapter(tmp_path / "same")[0].base / "model.safetensors")  # it is made from a seed
    run, _, _ = on_an_adapter(tmp_path / "run", pin=pin)
    [candidate] = candidates_of(run.job, run.trained)
    open_maker(run.job).write(candidate, tmp_path / "good")
    shutil.copyfile(tmp_path / "good" / "model.safetensors", run.base / "model.safetensors")
    with pytest.raises(ModelUnavailableError, match=r"model\.safetensors is not the pinned file"):
        open_maker(run.job).write(candidate, tmp_path / "bad")
