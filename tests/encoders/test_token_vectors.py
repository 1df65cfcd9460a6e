"""The ONNX late-interaction encoder gives what MultiVectorEncoder gives: as many vectors, and the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from late_material import DOCUMENT_TOKENS, EXPANSIONS, PROMPTS, QUERY_TOKENS, TOKEN_DIM, late_spec, make_late

from medsearch.encoders import token_export
from medsearch.encoders.registry import Backend
from medsearch.encoders.token_cache import token_export_key
from medsearch.encoders.token_export import export_token_model
from medsearch.encoders.token_graph import GRAPH, SETTINGS
from medsearch.encoders.token_vectors import load_token_encoder
from medsearch.encoders.verify import pinned_revision, weights_digest
from medsearch.errors import ModelUnavailableError, UsageError
from medsearch.protocols import TokenEncoder
from medsearch.types import ModelKind, ModelSpec, Pooling, Vectors

TEXTS = [
    "chest pain after eating",
    "fever",
    "",
    "the dose of a drug in a child with high blood pressure, " * 9,
    "what are the symptoms of heart attack?",
    "- - . fever, cough.",
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One model of the same weights for each kind of query expansion."""
    here = tmp_path_factory.mktemp("late")
    return {name: make_late(here / name, expansion=name) for name in EXPANSIONS}


def load(folder: Path, cache: Path, backend: Backend = Backend.ONNX, **changes: object) -> TokenEncoder:
    """With the graph exported once, in this process: the weights are the same, only settings are others."""
    from sentence_transformers import MultiVectorEncoder

    spec = late_spec(folder, **changes)
    exported = cache / "onnx" / token_export_key(spec, cache=cache)
    if not exported.exists():
        if not (cache / "first").exists():
            export_token_model(folder, cache / "first", spec.max_tokens)
        shutil.copytree(cache / "first", exported)
        model = MultiVectorEncoder(str(folder), local_files_only=True)
        token_export._write(token_export._settings(model, spec.max_tokens), exported / SETTINGS)
    return load_token_encoder(spec, cache=cache, backend=backend)


def reference(folder: Path, side: str, texts: list[str], document_tokens: int) -> list[Vectors]:
    """One text at a time: no batch, no padding but that of the expansion."""
    from sentence_transformers import MultiVectorEncoder

    model = MultiVectorEncoder(str(folder), local_files_only=True, device="cpu")
    model[0].document_length = document_tokens
    encode = model.encode_query if side == "query" else model.encode_document
    return [encode([text], convert_to_numpy=True, show_progress_bar=False)[0] for text in texts]


def assert_same(found: list[Vectors], wanted: list[Vectors]) -> None:
    assert [row.shape for row in found] == [row.shape for row in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
        assert (ours * theirs).sum(axis=1).min() >= 0.9999


@pytest.mark.parametrize("backend", list(Backend))
@pytest.mark.parametrize("expansion", list(EXPANSIONS))
def test_both_encoders_give_the_models_own_vectors(
    folders: dict[str, Path], cache: Path, expansion: str, backend: Backend
) -> None:
    folder = folders[expansion]
    encoder = load(folder, cache, backend)
    assert_same(encoder.encode_queries(TEXTS), reference(folder, "query", TEXTS, DOCUMENT_TOKENS))
    assert_same(encoder.encode_documents(TEXTS), reference(folder, "document", TEXTS, DOCUMENT_TOKENS))


def test_counts_are_those_of_the_folders_settings(folders: dict[str, Path], cache: Path) -> None:
    """Else the test above might compare nothing but special tokens."""
    counts = {
        name: [len(row) for row in load(folder, cache).encode_queries(TEXTS)]
        for name, folder in folders.items()
    }
    assert set(counts["fixed"]) == set(counts["attending"]) == {QUERY_TOKENS}
    assert max(counts["none"]) == max(counts["min"]) == QUERY_TOKENS
    prefix = 5  # [CLS] and [SEP], and "[Q]" in three pieces
    assert counts["none"][:3] == [4 + prefix, 1 + prefix, prefix]
    assert counts["min"][:3] == [4 + prefix, 1 + prefix, 6]
    documents = [len(row) for row in load(folders["none"], cache).encode_documents(TEXTS)]
    assert documents[3] == DOCUMENT_TOKENS - 1, "of the first 24 tokens, one comma is left out"
    assert documents[5] == 2 + prefix, "four signs are left out"


def test_expansion_and_what_the_transformer_reads_of_it_matter(folders: dict[str, Path], cache: Path) -> None:
    fixed, attending = (
        load(folders[name], cache).encode_queries(["fever"])[0] for name in ("fixed", "attending")
    )
    assert (fixed * attending).sum(axis=1).min() < 0.99


def test_a_shorter_document_length_of_the_registry_counts(folders: dict[str, Path], cache: Path) -> None:
    for backend in Backend:
        encoder = load(folders["none"], cache, backend, max_tokens=9)
        assert_same(encoder.encode_documents(TEXTS), reference(folders["none"], "document", TEXTS, 9))


def test_many_texts_come_back_in_order(folders: dict[str, Path], cache: Path) -> None:
    encoder = load(folders["fixed"], cache)
    texts = [("pain fever cough " * (number % 5) + f"{number}") for number in range(40)]
    together = encoder.encode_documents(texts)
    for text, found in zip(texts, together, strict=True):
        [alone] = encoder.encode_documents([text])
        np.testing.assert_allclose(found, alone, atol=1e-5)
    assert encoder.encode_documents([]) == []


def test_pooling_shrinks_documents_only(folders: dict[str, Path], cache: Path) -> None:
    plain = load(folders["none"], cache)
    for backend in Backend:
        pooled = load(folders["none"], cache, backend, parameters={"token_pooling": 2.0})
        counts = [len(row) for row in plain.encode_documents(TEXTS)]
        assert [len(row) for row in pooled.encode_documents(TEXTS)] == [1 + (n - 1) // 2 for n in counts]
        assert_same(pooled.encode_queries(TEXTS), plain.encode_queries(TEXTS))


def test_without_scipy_a_pooled_model_still_encodes_queries(
    folders: dict[str, Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only an index of its documents is made with scipy; whoever searches one needs none."""
    monkeypatch.setattr("medsearch.encoders.token_pooling.find_spec", lambda name: None)
    for backend in Backend:
        encoder = load(folders["none"], cache, backend, parameters={"token_pooling": 2.0})
        assert len(encoder.encode_queries(["fever"])) == 1
        with pytest.raises(ModelUnavailableError, match="token_pooling needs scipy"):
            encoder.encode_documents(["fever"])


@pytest.mark.parametrize("factor", [0.5, "two"])
def test_a_pooling_that_is_none_is_refused(
    folders: dict[str, Path], cache: Path, factor: float | str
) -> None:
    with pytest.raises(
        UsageError, match=r"parameters.token_pooling must be a number from 1 \(none\) on, not"
    ):
        load(folders["none"], cache, parameters={"token_pooling": factor})


def test_serving_from_a_ready_cache_imports_no_torch(folders: dict[str, Path], cache: Path) -> None:
    [wanted] = load(folders["fixed"], cache).encode_queries(["fever"])
    program = f"""
import sys
from pathlib import Path
from medsearch.encoders.token_vectors import load_token_encoder
from medsearch.types import ModelKind, ModelSpec, Pooling
heavy = {{"onnxruntime", "huggingface_hub", "tokenizers", "scipy"}} & set(sys.modules)
assert not heavy, f"importing the module imported {{heavy}}"
encoder = load_token_encoder(ModelSpec("tiny-late", "path:{folders["fixed"]}", "1",
    ModelKind.LATE_INTERACTION, Pooling.NONE, {DOCUMENT_TOKENS}, {TOKEN_DIM}, "mit",
    {PROMPTS["query"]!r}, {PROMPTS["document"]!r}), cache=Path({str(cache)!r}))
print(*encoder.encode_queries(["fever"])[0].ravel().tolist())
late = {{"torch", "transformers", "sentence_transformers"}} & set(sys.modules)
assert not late, f"encoding imported {{late}}"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = np.array([float(number) for number in done.stdout.split()]).reshape(wanted.shape)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_an_export_that_is_another_model_is_refused(
    folders: dict[str, Path], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph is that of a model whose projection has a bias, as a broken exporter would write it."""
    load(folders["none"], cache)
    monkeypatch.setattr(
        token_export, "_write_graph", lambda model, file, _: shutil.copyfile(cache / "first" / GRAPH, file)
    )
    other = make_late(tmp_path / "other", expansion="none", bias=True)
    with pytest.raises(
        ValueError, match=r"the export differs from the model by .* in the vectors of a query"
    ):
        export_token_model(other, tmp_path / "target", DOCUMENT_TOKENS)


def test_a_damaged_export_is_one_line(folders: dict[str, Path], cache: Path, tmp_path: Path) -> None:
    spec = late_spec(folders["none"])
    load(folders["none"], cache)
    damaged = tmp_path / "onnx" / token_export_key(spec, cache=tmp_path)
    damaged.mkdir(parents=True)
    for file in (cache / "onnx" / damaged.name).iterdir():
        content = file.read_bytes()
        (damaged / file.name).write_bytes(content[:1000] if file.suffix == ".onnx" else content)
    with pytest.raises(ModelUnavailableError, match=r"its export cannot be read .*; delete") as error:
        load_token_encoder(spec, cache=tmp_path)
    assert "\n" not in str(error.value)


def test_an_export_without_torch_names_the_extra(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "medsearch.encoders.onnx_cache.find_spec", lambda name: None if name == "torch" else object()
    )
    with pytest.raises(ModelUnavailableError, match=r"needs torch; run `pip install 'medsearch\[export\]'`"):
        load_token_encoder(late_spec(folders["none"]), cache=tmp_path)


def test_an_export_that_fails_is_no_export_and_says_why(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = tmp_path / "python"
    dying.write_text('#!/bin/sh\nmkdir "$4"; echo "a traceback\nno memory" >&2; exit 1\n')
    dying.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dying))
    for _ in range(2):
        with pytest.raises(ModelUnavailableError, match=r"the export to ONNX failed \(no memory\)"):
            load_token_encoder(late_spec(folders["none"]), cache=tmp_path / "cache")


def test_the_exports_name_changes_with_all_that_it_depends_on(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    spec = late_spec(folders["fixed"])
    before = token_export_key(spec, cache=tmp_path)
    others = [
        late_spec(folders["none"]),
        replace(spec, max_tokens=9),
        replace(spec, source="hub:a/b", revision="f" * 40),
        replace(spec, source="hub:a/b", revision="e" * 40),
    ]
    keys = {before, *(token_export_key(other, cache=tmp_path) for other in others)}
    assert len(keys) == 5
    assert (
        token_export_key(replace(spec, query_prompt="", parameters={"token_pooling": 3.0}), cache=tmp_path)
        == before
    )
    projection = folders["fixed"] / "1_Dense" / "model.safetensors"
    content = projection.read_bytes()
    try:
        projection.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert token_export_key(spec, cache=tmp_path) not in keys
    finally:
        projection.write_bytes(content)


@pytest.mark.parametrize("changed", ["model.safetensors", "1_Dense/model.safetensors"])
def test_a_model_trained_again_under_a_running_command_is_refused(
    folders: dict[str, Path], cache: Path, tmp_path: Path, changed: str
) -> None:
    """Else its query vectors would meet an index of document vectors of the model that was there before."""
    folder = Path(shutil.copytree(folders["none"], tmp_path / "late"))
    spec = _pinned(late_spec(folder), tmp_path)
    load(folder, cache, sha256=spec.sha256, revision=spec.revision)
    load_token_encoder(spec, cache=cache)
    content = (folder / changed).read_bytes()
    (folder / changed).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelUnavailableError, match="is not the pinned"):
        load_token_encoder(spec, cache=cache)


def _pinned(spec: ModelSpec, cache: Path) -> ModelSpec:
    """As the registry pins a folder when a command starts."""
    folder = Path(spec.source.removeprefix("path:"))
    revision = pinned_revision(spec.revision, folder)
    return replace(spec, sha256=weights_digest(folder, cache=cache), revision=revision)


def test_a_pinned_model_needs_none_of_its_files_once_it_was_exported(
    folders: dict[str, Path], cache: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders["none"], tmp_path / "late"))
    spec = _pinned(late_spec(folder), tmp_path)
    [wanted] = load(folder, cache, sha256=spec.sha256, revision=spec.revision).encode_queries(["fever"])
    shutil.rmtree(folder)
    np.testing.assert_array_equal(load_token_encoder(spec, cache=cache).encode_queries(["fever"])[0], wanted)
    with pytest.raises(ModelUnavailableError, match=r"has no config\.json"):
        load_token_encoder(replace(spec, sha256=""), cache=cache)


def test_a_dense_model_gives_no_token_vectors(tmp_path: Path) -> None:
    dense = late_spec(tmp_path, kind=ModelKind.DENSE, pooling=Pooling.CLS)
    with pytest.raises(UsageError, match="'tiny-late' is dense: it does not give one vector a token"):
        load_token_encoder(dense, cache=tmp_path)
