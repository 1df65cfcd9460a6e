"""`medsearch export --whole`: an adapter becomes a folder that other software loads as it would any model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from late_adapter_material import late_adapter, make_late_adapter, write_entries
from tiny_adapter import make_tiny_adapter
from tiny_bert import DIM, make_tiny_bert

from medsearch.cli.main import main
from medsearch.encoders.registry import Backend, load_encoder, load_registry
from medsearch.encoders.token_vectors import load_token_encoder

TEXTS = ["chest pain after eating", "fever", "the dose of a drug in a child with high blood pressure, " * 9]
TOKENS = 24
PROMPT = "represent this : "


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny adapter and its registry, which the command reads."""
    folder = tmp_path / "models"
    make_tiny_bert(folder / "base", pooling="mean")
    make_tiny_adapter(folder / "base", folder / "adapter")
    lines = f'revision = "1"\nkind = "dense"\nmax_tokens = {TOKENS}\ndim = {DIM}\nlicence = "mit"\n'
    (folder / "models.toml").write_text(
        f'[base]\nsource = "path:{folder / "base"}"\npooling = "mean"\n{lines}'
        f'[tuned]\nsource = "adapter:{folder / "adapter"}@base"\npooling = "cls"\n'
        f'query_prompt = "{PROMPT}"\n{lines}',
        encoding="utf-8",
    )
    monkeypatch.setenv("MEDSEARCH_MODELS", str(folder / "models.toml"))
    monkeypatch.setenv("MEDSEARCH_CACHE", str(folder / "cache"))
    return folder


@pytest.mark.slow
def test_sentence_transformers_and_fastembed_load_a_dense_one(models: Path, tmp_path: Path) -> None:
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType
    from sentence_transformers import SentenceTransformer

    whole = tmp_path / "whole"
    assert main(["export", "tuned", "--whole", str(whole)]) == 0
    spec = load_registry(models / "models.toml", cache=models / "cache")["tuned"]
    ours = load_encoder(spec, cache=models / "cache", backend=Backend.TRANSFORMER)
    theirs = SentenceTransformer(str(whole), local_files_only=True, device="cpu")
    assert theirs.max_seq_length == TOKENS
    queries = ours.encode_queries(TEXTS)
    np.testing.assert_allclose(theirs.encode_query(TEXTS), queries, atol=1e-5)
    np.testing.assert_allclose(theirs.encode_document(TEXTS), ours.encode_documents(TEXTS), atol=1e-5)
    base = load_encoder(load_registry(models / "models.toml")["base"], cache=models / "cache")
    assert np.abs(queries - base.encode_queries(TEXTS)).max() > 0.01

    TextEmbedding.add_custom_model(
        model="tests/whole", pooling=PoolingType.CLS, normalization=True, dim=DIM,
        sources=ModelSource(url="https://example.invalid/x"), model_file="onnx/model.onnx",
    )  # fmt: skip
    fast = TextEmbedding("tests/whole", specific_model_path=str(whole))
    found = np.array(list(fast.embed([PROMPT + text for text in TEXTS])))
    np.testing.assert_allclose(found, queries, atol=1e-4)
    for file in whole.rglob("*.json"):
        assert str(tmp_path) not in file.read_text("utf-8"), "it names a place on this machine"


def test_the_library_loads_one_of_late_interaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sentence_transformers import MultiVectorEncoder

    folder, whole = make_late_adapter(tmp_path / "models"), tmp_path / "whole"
    write_entries(folder)
    monkeypatch.setenv("MEDSEARCH_MODELS", str(folder / "models.toml"))
    monkeypatch.setenv("MEDSEARCH_CACHE", str(folder / "cache"))
    assert main(["export", "late", "--whole", str(whole)]) == 0
    assert capsys.readouterr().out == f"late is exported to {whole}\n"
    ours = load_token_encoder(late_adapter(folder), cache=folder / "cache", backend=Backend.TRANSFORMER)
    theirs = MultiVectorEncoder(str(whole), local_files_only=True, device="cpu")
    for found, wanted in zip(
        theirs.encode_document(TEXTS, normalize_embeddings=True), ours.encode_documents(TEXTS), strict=True
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_nothing_is_overwritten_and_one_without_weights_is_refused(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there").mkdir()
    assert main(["export", "tuned", "--whole", str(tmp_path / "there")]) == 2
    assert "there exists: name a new folder" in capsys.readouterr().err
    assert main(["export", "bm25", "--whole", str(tmp_path / "whole")]) == 2
    assert "bm25 is sparse: it has no weights to write" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["export", "tuned", "--whole", "a", "--out", "b"])
    (models / "adapter" / "adapter_model.safetensors").write_bytes(b"x")
    assert main(["export", "tuned", "--whole", str(tmp_path / "whole")]) == 1
    assert not (tmp_path / "whole").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "there"], "no draft is left"
