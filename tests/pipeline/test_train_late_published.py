"""From triplets to a late-interaction model in the registry that reranks better than its base finds."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from fakes import Heard
from selection_material import write_suite
from sentence_transformers import MultiVectorEncoder
from training_material import (
    dev_task,
    make_learner,
    recipe_text,
    tiny_job,
    tiny_registry,
    training_rows,
    write_rows,
)

from medsearch.encoders.export import export_model
from medsearch.encoders.merged import ready_weights
from medsearch.encoders.onnx_cache import export_key
from medsearch.encoders.registry import load_registry
from medsearch.encoders.token_cache import token_export_key
from medsearch.encoders.token_folder import verify_token_model
from medsearch.errors import ModelUnavailableError
from medsearch.evaluation.provenance import provenance_of
from medsearch.evaluation.training_facts import training_facts_of
from medsearch.search.names import parse_retriever
from medsearch.settings import Settings
from medsearch.workbench.suite_run import SuiteRequest, open_suite
from medsearch.workbench.suites import load_suite
from pipeline.training.choosing.select import select
from pipeline.training.late.train import train_late
from pipeline.training.panel.late import max_sim
from pipeline.training.publishing.publish import publish
from pipeline.training.publishing.quantise import FLOAT32, INT8

pytestmark = pytest.mark.slow  # the export to ONNX takes seconds

MODEL = "tiny-tuned"
RECIPE = """
[lora]
rank = 8
alpha = 16
[late]
expansion = false
[select]
suite = "{suite}"
guard = false
checkpoints = 2
base_shares = [0.0, 0.5]
"""


@dataclass(frozen=True)
class Made:
    """The published folder, and settings whose registry has it beside its base."""

    folder: Path
    settings: Settings
    suite: Path


def write_dev_corpus(data: Path) -> None:
    """The dev task as a corpus called `topics`."""
    task, corpus = dev_task(), data / "topics"
    (corpus / "qrels").mkdir(parents=True)
    for name, texts in (("corpus", task.documents), ("queries", task.queries)):
        rows = [json.dumps({"_id": key, "title": "", "text": text}) + "\n" for key, text in texts.items()]
        (corpus / f"{name}.jsonl").write_text("".join(rows), encoding="utf-8")
    judged = [f"{query}\t{found}\t{grade}" for query, of in task.qrels.items() for found, grade in of.items()]
    text = "\n".join(["query-id\tcorpus-id\tscore", *judged]) + "\n"
    (corpus / "qrels" / "dev.tsv").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("published")
    settings = replace(tiny_registry(root, make_learner(root / "tiny")), data=(root / "data",))
    write_dev_corpus(root / "data")
    suite = write_suite(root / "tiny-dev.toml", "topics:dev")
    rows = write_rows(root / "rows.jsonl", training_rows())
    text = recipe_text(rows, train="learning_rate = 1e-2", tables=RECIPE.format(suite=suite))
    text = text.replace("[[data]]", 'kind = "late_interaction"\ndim = 16\n[[data]]', 1)
    job = tiny_job(root / "run", settings, text)
    trained = train_late(job)
    folder = publish(job, trained, select(job, trained))
    both = root / "both.toml"
    entry = (folder / "registry.toml").read_text("utf-8")
    both.write_text((root / "models.toml").read_text("utf-8") + entry, encoding="utf-8")
    here = replace(settings, models=both)
    registry, exports = load_registry(both, cache=here.cache), here.cache / "onnx"
    # What the registry would export at the first use, in processes that import torch once more.
    shutil.copytree(folder / "onnx", exports / token_export_key(registry[MODEL], cache=here.cache))
    base = registry["tiny"]
    export_model(root / "tiny", exports / export_key(base, cache=here.cache), base.max_tokens)
    return Made(folder, here, suite)


def test_the_folder_is_whole_and_names_no_place_on_this_machine(made: Made) -> None:
    found = {file.relative_to(made.folder).as_posix() for file in made.folder.rglob("*") if file.is_file()}
    assert found == {
        "1_Dense/config.json", "1_Dense/model.safetensors", "2_MultiVectorMask/config.json",
        "3_Normalize/config.json", "README.md", "adapter/1_Dense/config.json",
        "adapter/1_Dense/model.safetensors", "adapter/2_MultiVectorMask/config.json",
        "adapter/3_Normalize/config.json", "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors", "adapter/config_sentence_transformers.json",
        "adapter/modules.json", "adapter/provenance.json", "adapter/registry.toml",
        "adapter/sentence_bert_config.json", "config.json",
        "config_sentence_transformers.json", "model.safetensors", "modules.json", "onnx/model.onnx",
        "onnx/model_int8.onnx", "onnx/token_vectors.json", "onnx/tokenizer.json", "provenance.json",
        "registry.toml", "sentence_bert_config.json", "tokenizer.json", "tokenizer_config.json",
        "training.json",
    }  # fmt: skip
    root = str(made.folder.parents[1])
    for name in found - {"registry.toml", "adapter/registry.toml", "training.json"}:
        assert root.encode() not in (made.folder / name).read_bytes(), name


def test_medsearch_reranks_with_it_better_than_its_base_finds(made: Made, tmp_path: Path) -> None:
    registry = load_registry(made.settings.models, cache=made.settings.cache)
    suite = load_suite(str(made.suite))
    names = tuple(parse_retriever(name, registry) for name in ("tiny", f"rerank:{MODEL}:tiny", MODEL))
    request = SuiteRequest(suite, names, tmp_path / "out", cost=False)
    base, reranked, alone = open_suite(request, made.settings, registry).results(Heard())
    assert reranked.means["nDCG@10"] > base.means["nDCG@10"] + 0.3
    # The first search gives all of the 60 documents, so that both rank the same ones.
    assert reranked.means["nDCG@10"] == pytest.approx(alone.means["nDCG@10"], abs=1e-6)
    used = "used to choose this model"
    assert (used in base.marks, used in reranked.marks) == (False, True)
    facts = training_facts_of(registry[MODEL])
    assert facts is not None
    assert facts.selection.taken.dev_mean == pytest.approx(alone.means["nDCG@10"], abs=1e-3)


def test_what_was_measured_and_chosen_is_written_down(made: Made) -> None:
    spec = load_registry(made.settings.models, cache=made.settings.cache)[MODEL]
    facts, provenance = training_facts_of(spec), provenance_of(spec)
    assert facts is not None
    assert provenance is not None
    assert (provenance.base, provenance.selection.candidates) == ("tiny", 6)
    assert facts.kind == "late_interaction"
    assert facts.selection.taken.dev_mean > facts.selection.base.dev_mean + 0.3
    assert [each.file for each in facts.exports] == [FLOAT32, INT8]
    whole, small = facts.exports
    assert whole.cosine_min > 1 - 1e-5
    assert whole.dev == pytest.approx(facts.selection.taken.dev, abs=1e-3)
    assert 0.99 < small.cosine_min < small.cosine_mean < 1
    assert small.bytes < whole.bytes
    assert small.dev == pytest.approx(whole.dev, abs=0.02)
    card = (made.folder / "README.md").read_text("utf-8")
    assert "**Not a medical device.**" in card
    assert FLOAT32 in card
    assert INT8 in card


def test_another_projection_is_refused(made: Made, tmp_path: Path) -> None:
    """The weights' SHA-256 does not cover it: the entry's revision does."""
    other = tmp_path / "other"
    shutil.copytree(made.folder, other)
    spec = load_registry(made.settings.models, cache=made.settings.cache)[MODEL]
    moved = replace(spec, source=f"path:{other}")
    verify_token_model(moved, other, cache=tmp_path)
    file = other / "1_Dense" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelUnavailableError, match=r"a projection in .* is not the pinned one"):
        verify_token_model(moved, other, cache=tmp_path)


def test_the_library_loads_it_as_any_other(made: Made) -> None:
    model = MultiVectorEncoder(str(made.folder), local_files_only=True)
    [query] = model.encode_query(["what is fever g h"], convert_to_numpy=True)
    found = model.encode_document(["i j fever is in this", "k l cough is in this"], convert_to_numpy=True)
    right, wrong = max_sim([query], found)[0]
    assert right > wrong
    assert np.linalg.norm(query, axis=1) == pytest.approx(np.ones(len(query)), abs=1e-5)


def test_its_adapter_alone_gives_the_same_vectors(made: Made, tmp_path: Path) -> None:
    entry = (made.folder / "adapter" / "registry.toml").read_text("utf-8")
    alone = tmp_path / "alone.toml"
    tiny = (made.folder.parents[1] / "models.toml").read_text("utf-8")
    alone.write_text(tiny + entry, encoding="utf-8")
    spec = load_registry(alone, cache=made.settings.cache)[MODEL]
    assert spec.source == f"adapter:{made.folder / 'adapter'}@tiny"
    merged = ready_weights(spec, cache=made.settings.cache)
    one, other = (MultiVectorEncoder(str(folder), local_files_only=True) for folder in (merged, made.folder))
    texts = ["what is fever g h", "i j fever, cough is in this. " * 20]
    for side in ("encode_query", "encode_document"):
        pairs = zip(
            *(getattr(each, side)(texts, convert_to_numpy=True) for each in (one, other)), strict=True
        )
        for ours, theirs in pairs:
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert provenance_of(spec) is not None
