"""Pooling, prompts, truncation and shapes of both encoders, against BERT's hidden states computed by hand."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hub_server import REVISION, HubServer
from tiny_bert import DIM, make_tiny_bert

from medsearch.encoders.export import export_model
from medsearch.encoders.onnx_cache import export_key, ready_export
from medsearch.encoders.registry import Backend, load_encoder
from medsearch.errors import ModelUnavailableError
from medsearch.protocols import Encoder
from medsearch.types import ModelKind, ModelSpec, Pooling, Vectors

PROMPT = "Represent this sentence for searching relevant passages: "
MAX_TOKENS = 24
TEXTS = [
    "chest pain after eating",
    "fever",
    "",
    "the dose of a drug in a child with high blood pressure, " * 9,
    "what are the symptoms of heart attack?",
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bert(tmp_path_factory.mktemp("tiny") / "weights")


@pytest.fixture(scope="module")
def spec(weights: Path) -> ModelSpec:
    """A model of the BGE kind that may read fewer tokens than its folder allows."""
    return ModelSpec(
        name="Tiny BGE",
        source=f"path:{weights}",
        revision="1",
        kind=ModelKind.DENSE,
        pooling=Pooling.CLS,
        max_tokens=MAX_TOKENS,
        dim=DIM,
        licence="mit",
        query_prompt=PROMPT,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, weights: Path, spec: ModelSpec) -> Path:
    """A cache with the model's export, made in this process to save a second import of torch.

    That a process of its own makes it is for the slow tests.
    """
    folder = tmp_path_factory.mktemp("cache")
    export_model(weights, folder / "onnx" / export_key(spec, cache=folder), MAX_TOKENS)
    return folder


@pytest.fixture(scope="module", params=list(Backend))
def encoder(request: pytest.FixtureRequest, spec: ModelSpec, cache: Path) -> Encoder:
    return load_encoder(spec, cache=cache, backend=request.param)


def by_hand(weights: Path, text: str, pooling: Pooling = Pooling.CLS) -> Vectors:
    """One text alone, no batch, no padding: its ids cut by hand, BERT's last hidden states pooled by hand."""
    import torch
    from tokenizers import Tokenizer
    from transformers import BertModel

    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    start, *body, end = tokenizer.encode(text).ids
    ids = torch.tensor([[start, *body[: MAX_TOKENS - 2], end]])
    with torch.inference_mode():
        states = BertModel.from_pretrained(weights).eval()(ids).last_hidden_state[0].numpy()
    vector = states[0] if pooling is Pooling.CLS else states.mean(axis=0)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def test_a_query_is_the_cls_state_of_prompt_and_text(encoder: Encoder, weights: Path) -> None:
    expected = np.stack([by_hand(weights, PROMPT + text) for text in TEXTS])
    np.testing.assert_allclose(encoder.encode_queries(TEXTS), expected, atol=1e-5)


def test_a_document_is_the_cls_state_of_its_text_alone(encoder: Encoder, weights: Path) -> None:
    expected = np.stack([by_hand(weights, text) for text in TEXTS])
    np.testing.assert_allclose(encoder.encode_documents(TEXTS), expected, atol=1e-5)


def test_the_prompt_and_the_pooling_matter_to_this_model(weights: Path) -> None:
    """Else the tests above could not fail."""
    for text in TEXTS:
        document = by_hand(weights, text)
        assert document @ by_hand(weights, PROMPT + text) < 0.99
        assert document @ by_hand(weights, text, Pooling.MEAN) < 0.99


def test_words_beyond_the_limit_change_nothing_and_words_within_it_do(encoder: Encoder) -> None:
    within = "pain " * (MAX_TOKENS - 2)
    cut, longer, other = encoder.encode_documents([within, within + "fever cough", "fever " + within])
    np.testing.assert_allclose(cut, longer, atol=1e-6)
    assert cut @ other < 0.999


def test_rows_keep_their_order_over_many_batches(encoder: Encoder) -> None:
    """70 texts of mixed lengths are encoded longest first, in batches, and come back as they were given."""
    texts = [("pain fever cough " * (number % 5) + f"{number}") for number in range(70)]
    together = encoder.encode_documents(texts)
    alone = np.concatenate([encoder.encode_documents([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert len({row.tobytes() for row in np.round(together, 3)}) == 70


@pytest.mark.parametrize("count", [0, 1, 17])
def test_vectors_are_float32_unit_rows_whatever_their_number(encoder: Encoder, count: int) -> None:
    vectors = encoder.encode_documents(["fever"] * count)
    assert vectors.shape == (count, DIM)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), np.ones(count), atol=1e-6)


@pytest.mark.parametrize("backend", list(Backend))
def test_mean_pooling_leaves_padding_out(
    tmp_path: Path, weights: Path, spec: ModelSpec, cache: Path, backend: Backend
) -> None:
    (folder := tmp_path / "mean").mkdir()
    for file in weights.iterdir():
        if file.is_file() and file.name != "modules.json":
            (folder / file.name).write_bytes(file.read_bytes())
    mean = replace(spec, source=f"path:{folder}", pooling=Pooling.MEAN)
    if backend is Backend.ONNX:
        # The graph gives token vectors, so the export of the same weights serves any pooling.
        exported = cache / "onnx" / export_key(spec, cache=cache)
        (cache / "onnx" / export_key(mean, cache=cache)).symlink_to(exported)
    expected = np.stack([by_hand(weights, text, Pooling.MEAN) for text in TEXTS])
    found = load_encoder(mean, cache=cache, backend=backend).encode_documents(TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_document_prompt_goes_before_documents_only(weights: Path, spec: ModelSpec, cache: Path) -> None:
    encoder = load_encoder(replace(spec, document_prompt="passages : "), cache=cache)
    np.testing.assert_allclose(
        encoder.encode_documents(["fever"])[0], by_hand(weights, "passages : fever"), atol=1e-5
    )
    np.testing.assert_allclose(
        encoder.encode_queries(["fever"])[0], by_hand(weights, PROMPT + "fever"), atol=1e-5
    )


def test_serving_from_a_ready_cache_imports_no_torch(weights: Path, spec: ModelSpec, cache: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from medsearch.encoders.onnx import OnnxEncoder
from medsearch.types import ModelKind, ModelSpec, Pooling
heavy = {{"fastembed", "onnxruntime", "huggingface_hub", "tokenizers"}} & set(sys.modules)
assert not heavy, f"importing the module imported {{heavy}}"
encoder = OnnxEncoder(ModelSpec("Tiny BGE", "path:{weights}", "1", ModelKind.DENSE, Pooling.CLS,
    {MAX_TOKENS}, {DIM}, "mit", {PROMPT!r}), cache=Path({str(cache)!r}))
print(*encoder.encode_queries(["fever"])[0].tolist())
late = {{"torch", "transformers", "sentence_transformers"}} & set(sys.modules)
assert not late, f"encoding imported {{late}}"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = np.array([float(number) for number in done.stdout.split()])
    np.testing.assert_allclose(found, by_hand(weights, PROMPT + "fever"), atol=1e-5)


def test_an_export_without_torch_names_the_extra(
    tmp_path: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "medsearch.encoders.onnx_cache.find_spec", lambda name: None if name == "torch" else object()
    )
    with pytest.raises(
        ModelUnavailableError, match=r"which needs torch; run `pip install 'medsearch\[export\]'`"
    ):
        load_encoder(spec, cache=tmp_path)
    assert not list((tmp_path / "onnx").glob("*-*/"))


def test_an_export_that_fails_is_no_export_and_says_why(
    tmp_path: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process that exports is replaced by one that dies half-way."""
    dying = tmp_path / "python"
    dying.write_text(
        '#!/bin/sh\nmkdir "$4"; echo half > "$4/model.onnx"\necho "a traceback\nno memory" >&2; exit 1\n'
    )
    dying.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dying))
    for _ in range(2):
        with pytest.raises(ModelUnavailableError) as error:
            load_encoder(spec, cache=tmp_path / "cache")
        assert str(error.value) == "model 'Tiny BGE': the export to ONNX failed (no memory)"
    assert capsys.readouterr().err == "exporting Tiny BGE to ONNX, once; about 10 seconds ...\n" * 2


def test_a_damaged_export_is_one_line(spec: ModelSpec, cache: Path, tmp_path: Path) -> None:
    source = ready_export(spec, cache=cache)
    damaged = tmp_path / "onnx" / source.name
    damaged.mkdir(parents=True)
    for file in source.iterdir():
        (damaged / file.name).write_bytes(
            file.read_bytes()[:1000] if file.suffix == ".onnx" else file.read_bytes()
        )
    with pytest.raises(
        ModelUnavailableError, match=r"its export cannot be read .*; delete the folder"
    ) as error:
        load_encoder(spec, cache=tmp_path)
    assert "\n" not in str(error.value)


def test_the_exports_name_changes_with_all_that_it_depends_on(spec: ModelSpec, cache: Path) -> None:
    hub = replace(spec, source="hub:tiny/bert", revision=REVISION)
    others = [
        spec,
        replace(spec, max_tokens=23),
        hub,
        replace(hub, revision="f" * 40),
        replace(hub, sha256="0" * 64),
    ]
    keys = [export_key(other, cache=cache) for other in others]
    assert len(set(keys)) == len(keys)
    assert all(key.startswith("tiny-bge-") for key in keys)
    same = replace(spec, query_prompt="other", pooling=Pooling.MEAN, licence="apache-2.0")
    assert export_key(same, cache=cache) == keys[0], "the graph has neither prompt nor pooling"


def test_a_hub_model_is_fetched_and_encodes_as_its_folder_does(
    tmp_path: Path, weights: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    files = {p.relative_to(weights).as_posix(): p.read_bytes() for p in weights.rglob("*") if p.is_file()}
    with HubServer(tmp_path / "hub") as server:
        server.add("models", "tiny/bert", REVISION, files)
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        hub = replace(spec, source="hub:tiny/bert", revision=REVISION)
        encoder = load_encoder(hub, cache=tmp_path / "cache", backend=Backend.TRANSFORMER)
    np.testing.assert_allclose(
        encoder.encode_queries(["fever"])[0], by_hand(weights, PROMPT + "fever"), atol=1e-5
    )


@pytest.mark.slow
def test_two_processes_may_export_at_once(tmp_path: Path, weights: Path, spec: ModelSpec) -> None:
    program = f"""
from pathlib import Path
from medsearch.encoders.onnx import OnnxEncoder
from medsearch.types import ModelKind, ModelSpec, Pooling
OnnxEncoder(ModelSpec("Tiny BGE", "path:{weights}", "1", ModelKind.DENSE, Pooling.CLS,
    {MAX_TOKENS}, {DIM}, "mit"), cache=Path({str(tmp_path)!r}))
"""
    command = [sys.executable, "-c", program]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert sum("exporting Tiny BGE" in error for error in errors) == 1, "the second should have waited"
    encoder = load_encoder(spec, cache=tmp_path)
    np.testing.assert_allclose(
        encoder.encode_queries(["fever"])[0], by_hand(weights, PROMPT + "fever"), atol=1e-5
    )
