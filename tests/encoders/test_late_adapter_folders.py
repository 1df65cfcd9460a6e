"""A late-interaction adapter that is not whole, leads outside or says otherwise is refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from late_adapter_material import a_copy, late_adapter, make_late_adapter, said

from medsearch.cli.models import on_this_machine
from medsearch.encoders.merged import ready_weights
from medsearch.types import ModelKind, Pooling


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_late_adapter(tmp_path_factory.mktemp("made"))


@pytest.fixture
def models(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil, with a registry file."""
    return a_copy(made, tmp_path / "models")


def edit(file: Path, change: Callable[[list[dict[str, object]]], object]) -> None:
    content = json.loads(file.read_text("utf-8"))
    change(content)
    file.write_text(json.dumps(content), encoding="utf-8")


def moved(number: int, path: str) -> Callable[[Path], None]:
    """Puts a module elsewhere."""
    return lambda adapter: edit(adapter / "modules.json", lambda modules: modules[number].update(path=path))


def linked(name: str) -> Callable[[Path], None]:
    """Puts a file or a folder beside the adapter's, and a link to it in its place."""

    def link(adapter: Path) -> None:
        (adapter / name).rename(adapter.parent / "elsewhere")
        (adapter / name).symlink_to(adapter.parent / "elsewhere")

    return link


def of_a_dense_model(adapter: Path) -> None:
    edit(adapter / "modules.json", lambda modules: modules.pop(1))
    (adapter / "config_sentence_transformers.json").write_text('{"model_type": "SentenceTransformer"}')


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no module": (
        lambda adapter: shutil.rmtree(adapter / "1_Dense"),
        "/adapter has no 1_Dense/config.json, and",
    ),
    "no weights": (
        lambda adapter: (adapter / "1_Dense" / "model.safetensors").unlink(),
        "/adapter has no 1_Dense/model.safetensors, and an adapter of late interaction needs its",
    ),
    "no list": (
        lambda adapter: (adapter / "modules.json").unlink(),
        "/adapter has no modules.json, and an adapter",
    ),
    "no lengths": (
        lambda adapter: (adapter / "sentence_bert_config.json").unlink(),
        "has no sentence_bert_config",
    ),
    "above": (
        moved(1, "../1_Dense"),
        "modules.json puts module 1 into '../1_Dense', and its transformer must be",
    ),
    "within and above": (moved(1, "x/../../1_Dense"), "puts module 1 into 'x/../../1_Dense'"),
    "absolute": (
        moved(2, "/etc"),
        "modules.json puts module 2 into '/etc', and its transformer must be first",
    ),
    "a drive": (moved(2, "C:\\x"), r"modules.json puts module 2 into 'C:\\x'"),
    "many lines": (moved(2, "a\nb"), r"modules.json puts module 2 into 'a\nb'"),
    "nowhere": (moved(1, ""), "modules.json puts module 1 into '', and its transformer must be first"),
    "below": (
        moved(0, "0_Transformer"),
        "modules.json puts module 0 into '0_Transformer', and its transformer",
    ),
    "linked file": (
        linked("1_Dense/model.safetensors"),
        "/adapter/1_Dense/model.safetensors is a link, or lies",
    ),
    "linked folder": (linked("1_Dense"), "/adapter/1_Dense/config.json is a link, or lies behind one"),
    "linked settings": (linked("modules.json"), "/adapter/modules.json is a link, or lies behind one"),
    "damaged": (
        lambda adapter: (adapter / "modules.json").write_text("["),
        "/modules.json is damaged (Expecting",
    ),
    "others' code": (
        lambda adapter: edit(adapter / "modules.json", lambda modules: modules[2].update(type="evil.Mask")),
        "/adapter has a module evil.Mask; only Transformer, Dense, MultiVectorMask, Normalize can be run",
    ),
    "dense": (
        of_a_dense_model,
        "formats are not read); copy the whole folder of one that is of late interaction, or",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_folder_that_is_not_whole_or_leads_outside_is_one_clear_line(models: Path, wrong: str) -> None:
    spoil_it, message = WRONG[wrong]
    pinned = late_adapter(models)
    spoil_it(models / "adapter")
    assert not on_this_machine(late_adapter(models))
    for spec in (late_adapter(models), pinned):
        assert message in said(partial(ready_weights, spec, cache=models / "cache"))
    assert not (models / "cache" / "adapters").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"dim": 16},
            "dim (of the last projection) is 8 in {}, but 16 in the registry; correct the registry's",
        ),
        ({"max_tokens": 25}, "max_tokens (document_length) is 24 in {}, but 25 in the registry"),
        ({"query_prompt": ""}, "query_prompt (prompts.query) is '[Q] ' in {}, but '' in the registry"),
        ({"document_prompt": "x"}, "document_prompt (prompts.document) is '[D] ' in {}, but 'x' in the"),
        (
            {"kind": ModelKind.DENSE, "pooling": Pooling.MEAN},
            "modules.json: type is also Dense, MultiVectorMask in {}",
        ),
    ],
)
def test_an_entry_that_says_otherwise_is_named(
    models: Path, changes: dict[str, object], message: str
) -> None:
    spec = replace(late_adapter(models), **changes)  # type: ignore[arg-type]  # fields of several types
    where = models / "adapter"
    assert f"model 'late': {message.format(where)}" in said(
        lambda: ready_weights(spec, cache=models / "cache")
    )


def test_an_adapter_of_another_base_is_refused(models: Path) -> None:
    (models / "adapter" / "provenance.json").write_text('{"base": "other"}')
    assert "its adapter was made for other (" in said(
        lambda: ready_weights(late_adapter(models), cache=models / "cache")
    )
