"""A late-interaction folder that we cannot run, or that is not what the registry says, is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from late_material import late_spec, make_late
from tiny_bert import make_tiny_bert

from medsearch.cli.main import main
from medsearch.encoders.token_folder import verify_token_model
from medsearch.encoders.verify import weights_digest
from medsearch.errors import ModelUnavailableError
from medsearch.types import ModelSpec


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_late(tmp_path_factory.mktemp("made") / "late")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "late"))


def check(spec: ModelSpec, tmp_path: Path) -> None:
    verify_token_model(spec, Path(spec.source.removeprefix("path:")), cache=tmp_path / "cache")


def edit(file: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(file.read_text("utf-8"))
    change(content)
    file.write_text(json.dumps(content), encoding="utf-8")


def test_what_the_library_saved_is_taken(folder: Path, tmp_path: Path) -> None:
    spec = late_spec(folder)
    check(spec, tmp_path)
    check(replace(spec, sha256=weights_digest(folder, cache=tmp_path / "cache")), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 16}, r"dim \(of the last projection\) is 8 in .*, but 16 in the registry"),
        ({"max_tokens": 25}, r"max_tokens \(document_length\) is 24 in .*, but 25 in the registry"),
        ({"query_prompt": ""}, r"query_prompt \(prompts.query\) is '\[Q\] ' in .*, but '' in the registry"),
        ({"document_prompt": "x"}, r"document_prompt \(prompts.document\) is '\[D\] ' in .*, but 'x' in"),
        ({"sha256": "0" * 64}, r"model.safetensors is not the pinned file"),
        (
            {"revision": "1+files.0123456789ab"},
            r"the tokenizer, a setting or a projection in .* is not the pinned one",
        ),
    ],
)
def test_an_entry_that_says_otherwise_is_named(
    folder: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelUnavailableError, match=message) as error:
        check(late_spec(folder, **changes), tmp_path)
    assert "\n" not in str(error.value)


def stanford(folder: Path) -> None:
    """Its form: config, weights with the projection in them, and `artifact.metadata`; no modules."""
    for name in ("modules.json", "config_sentence_transformers.json"):
        (folder / name).unlink()
    (folder / "artifact.metadata").write_text("{}", encoding="utf-8")
    edit(folder / "config.json", lambda config: config.update(architectures=["HF_ColBERT"]))


def pylate(folder: Path) -> None:
    edit(folder / "config_sentence_transformers.json", lambda config: config.update(model_type="ColBERT"))


def baked_pooling(folder: Path) -> None:
    path = "sentence_transformers.multi_vector_encoder.modules.token_pooling.HierarchicalTokenPooling"
    edit(folder / "modules.json", lambda modules: modules.append({"idx": 4, "path": "4_P", "type": path}))


def no_normalisation(folder: Path) -> None:
    edit(folder / "modules.json", lambda modules: modules.pop())


def no_projection(folder: Path) -> None:
    (folder / "1_Dense" / "model.safetensors").unlink()


def images_only(folder: Path) -> None:
    edit(folder / "2_MultiVectorMask" / "config.json", lambda mask: mask.update(keep_only_token_ids=[7]))


def others_code(folder: Path) -> None:
    """A class of somebody else's that the library would import, under a name that we know."""
    edit(folder / "modules.json", lambda modules: modules[1].update(type="evil.Dense"))


def cut_short(folder: Path) -> None:
    file = folder / "modules.json"
    file.write_text(file.read_text("utf-8")[:40], encoding="utf-8")


def no_type(folder: Path) -> None:
    edit(folder / "modules.json", lambda modules: modules[2].pop("type"))


def no_dense_config(folder: Path) -> None:
    (folder / "1_Dense" / "config.json").unlink()


def no_text(folder: Path) -> None:
    (folder / "config_sentence_transformers.json").write_bytes(b"\xff\xfe\x00")


def odd_prompts(folder: Path) -> None:
    edit(folder / "config_sentence_transformers.json", lambda config: config.update(prompts=["[Q] "]))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (stanford, r"was not saved by sentence_transformers.MultiVectorEncoder .*; load it with"),
        (pylate, r"was not saved by sentence_transformers.MultiVectorEncoder .*; load it with"),
        (baked_pooling, "has a module HierarchicalTokenPooling; only Transformer, Dense, Multi"),
        (no_normalisation, "has no module Normalize, without which it cannot be run"),
        (no_projection, "has no 1_Dense/model.safetensors; copy the whole folder"),
        (others_code, r"has a module evil\.Dense; only Transformer, Dense, Multi"),
        (cut_short, r"late/modules\.json is damaged \(.*\); copy the whole folder"),
        (no_type, r"late/modules\.json is damaged \(a list of modules with type and path is due\)"),
        (no_dense_config, r"late/1_Dense/config\.json is damaged \(it is missing, or has no number out_feat"),
        (no_text, r"late/config_sentence_transformers\.json is damaged \("),
        (odd_prompts, r"late/config_sentence_transformers\.json is damaged \(prompts must be an object\)"),
        (images_only, r"keep_only_token_ids \(of the mask\) is set in"),
    ],
)
def test_a_folder_of_another_form_is_one_clear_line(
    folder: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(folder)
    with pytest.raises(ModelUnavailableError, match=message) as error:
        check(late_spec(folder), tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", [cut_short, no_type, no_dense_config, no_text, others_code])
def test_a_damaged_folder_does_not_hide_the_other_models(
    folder: Path, tmp_path: Path, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    damage(folder)
    entry = (
        f'[tiny-late]\nsource = "path:{folder}"\nrevision = "1"\n'
        'kind = "late_interaction"\npooling = "none"\n'
        f'max_tokens = 24\ndim = 8\nlicence = "mit"\nquery_prompt = "[Q] "\ndocument_prompt = "[D] "\n'
        "[tiny-late.parameters]\ntoken_pooling = 2.0\n"
    )
    (tmp_path / "models.toml").write_text(entry, encoding="utf-8")
    monkeypatch.setenv("MEDSEARCH_MODELS", str(tmp_path / "models.toml"))
    monkeypatch.setenv("MEDSEARCH_CACHE", str(tmp_path / "cache"))
    assert main(["models", "--json"]) == 0
    there = {row["name"]: row["on_this_machine"] for row in json.loads(capsys.readouterr().out)["models"]}
    assert (there["tiny-late"], there["bm25"]) == (False, True)
    assert main(["models", "--details"]) == 0
    assert "about one vector for 2 tokens of a document" in capsys.readouterr().out


def test_a_dense_models_folder_is_no_late_one(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="other ColBERT formats are not read"):
        check(late_spec(make_tiny_bert(tmp_path / "dense")), tmp_path)
