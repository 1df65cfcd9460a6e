"""The final folder: complete, honest, of no machine, and loaded by everybody as any other model."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import yaml
from fakes import Heard
from markdown_it import MarkdownIt
from selection_material import BASE, MODEL, PROMPT, SECRET_WORDS, TinyRun, tiny_guard, tiny_run
from tiny_bert import DIM

from medsearch.encoders.export import export_model
from medsearch.encoders.onnx_cache import export_key
from medsearch.encoders.registry import Backend, load_encoder, load_registry
from medsearch.errors import ModelUnavailableError
from medsearch.evaluation.provenance import provenance_of, read_provenance
from medsearch.evaluation.training_facts import TrainingFacts, training_facts_of
from medsearch.search.names import parse_retriever
from medsearch.settings import Settings
from medsearch.types import Pooling, Vectors
from medsearch.workbench.suite_run import SuiteRequest, open_suite
from medsearch.workbench.suites import load_suite
from pipeline.training.choosing import select as selecting
from pipeline.training.choosing.select import select
from pipeline.training.guard.build import Guard
from pipeline.training.publishing import publish as publishing
from pipeline.training.publishing.publish import publish
from pipeline.training.publishing.quantise import FLOAT32, INT8

pytestmark = pytest.mark.slow  # each export to ONNX takes seconds

QUERIES = ["chest pain after eating", "fever", "what is a low dose?"]
TEXTS = ["the dose of a drug in a child", "heart attack, blood pressure high", "cough", "a " * 60]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """A run of an adapter, published: it has all that a folder can have."""
    run = tiny_run(tmp_path_factory.mktemp("publish"), lora=True, checkpoints=1, tried_before=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selecting, "guard_set", lambda: Guard(tiny_guard(), {"tiny": "1.0"}))
        assert publish(run.job, run.trained, select(run.job, run.trained)) == run.job.folder.model
    return run


@pytest.fixture(scope="module")
def folder(made: TinyRun) -> Path:
    return made.job.folder.model


@pytest.fixture(scope="module")
def here(made: TinyRun, folder: Path) -> Settings:
    """Settings under which the published model is in the registry, beside its base.

    In the cache is its export, made in this process to save a second import of torch.
    """
    both = made.job.folder.path / "both.toml"
    assert made.job.settings.models is not None
    both.write_text(
        made.job.settings.models.read_text("utf-8") + (folder / "registry.toml").read_text("utf-8")
    )
    here = replace(made.job.settings, models=both)
    spec = load_registry(both, cache=here.cache)[MODEL]
    export_model(folder, here.cache / "onnx" / export_key(spec, cache=here.cache), spec.max_tokens)
    return here


@pytest.fixture(scope="module")
def vectors(folder: Path, here: Settings) -> tuple[Vectors, Vectors]:
    """Of queries and texts, by our reference encoder."""
    spec = load_registry(here.models, cache=here.cache)[MODEL]
    encoder = load_encoder(spec, cache=here.cache, backend=Backend.TRANSFORMER)
    return encoder.encode_queries(QUERIES), encoder.encode_documents(TEXTS)


def facts_of(folder: Path) -> TrainingFacts:
    return TrainingFacts.model_validate_json((folder / "training.json").read_bytes())


def test_the_folder_is_whole_and_names_no_place_on_this_machine(made: TinyRun, folder: Path) -> None:
    found = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert found == {
        "README.md", "1_Pooling/config.json", "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors", "adapter/provenance.json", "adapter/registry.toml",
        "adapter/modules.json", "adapter/1_Pooling/config.json", "adapter/sentence_bert_config.json",
        "adapter/config_sentence_transformers.json", "config.json",
        "config_sentence_transformers.json", "model.safetensors", "modules.json", "onnx/model.onnx",
        "onnx/model_int8.onnx", "provenance.json", "registry.toml", "sentence_bert_config.json",
        "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "training.json", "vocab.txt",
    }  # fmt: skip
    assert [path.name for path in made.job.folder.path.iterdir() if path.name.startswith("model")] == [
        "model"
    ]
    root = str(made.base.parent)
    for name in found - {"registry.toml", "adapter/registry.toml", "training.json"}:
        assert root.encode() not in (folder / name).read_bytes(), name
        assert SECRET_WORDS.encode() not in (folder / name).read_bytes(), name


def test_provenance_speaks_of_these_weights_and_of_every_candidate(
    made: TinyRun, folder: Path, here: Settings
) -> None:
    spec = load_registry(here.models, cache=here.cache)[MODEL]
    provenance = provenance_of(spec)
    assert provenance is not None
    assert provenance.weights_sha256 == sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert provenance.selection.candidates == 5 + 2
    assert [task.name for task in provenance.selection.tasks] == ["first:dev", "more/second:dev"]
    assert all(task.qrels_hash and task.query_keys for task in provenance.selection.tasks)
    assert (provenance.base, provenance.family) == (BASE, BASE)
    [data] = provenance.data
    assert (data.name, data.file, data.rows) == ("notes", "triplets.jsonl", 1)
    assert data.sha256 == made.job.sources[0].sha256
    of_adapter = read_provenance(folder / "adapter")
    assert of_adapter is not None
    weights = (folder / "adapter" / "adapter_model.safetensors").read_bytes()
    assert of_adapter == provenance.model_copy(update={"weights_sha256": sha256(weights).hexdigest()})


def test_sentence_transformers_loads_it_as_any_other(folder: Path, vectors: tuple[Vectors, Vectors]) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), local_files_only=True)
    np.testing.assert_allclose(model.encode_query(QUERIES), vectors[0], atol=1e-5)
    np.testing.assert_allclose(model.encode_document(TEXTS), vectors[1], atol=1e-5)
    assert model.prompts["query"] == PROMPT
    assert model.max_seq_length == 48


def test_fastembed_loads_both_files_as_a_custom_model(folder: Path, vectors: tuple[Vectors, Vectors]) -> None:
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    for file in (FLOAT32, INT8):
        TextEmbedding.add_custom_model(
            model=f"tests/{file}-{folder.parent.parent.parent.name}", pooling=PoolingType.MEAN,
            normalization=True, sources=ModelSource(url="https://example.invalid/x"), dim=DIM,
            model_file=file,
        )  # fmt: skip
        model = TextEmbedding(
            f"tests/{file}-{folder.parent.parent.parent.name}", specific_model_path=str(folder)
        )
        found = np.array(list(model.embed([PROMPT + query for query in QUERIES])))
        cosines = (found * vectors[0]).sum(axis=1)
        assert cosines.min() > (1 - 1e-5 if file == FLOAT32 else 0.9), file


def test_the_adapter_alone_gives_the_same_vectors(
    made: TinyRun, folder: Path, here: Settings, vectors: tuple[Vectors, Vectors], tmp_path: Path
) -> None:
    entry = (folder / "adapter" / "registry.toml").read_text("utf-8")
    alone = tmp_path / "alone.toml"
    assert made.job.settings.models is not None
    alone.write_text(made.job.settings.models.read_text("utf-8") + entry)
    spec = load_registry(alone, cache=here.cache)[MODEL]
    assert spec.source == f"adapter:{folder}/adapter@{BASE}"
    assert spec.sha256 == sha256((folder / "adapter" / "adapter_model.safetensors").read_bytes()).hexdigest()
    assert load_registry(alone)[MODEL].revision == spec.revision, "its settings are pinned in the file"
    encoder = load_encoder(spec, cache=here.cache, backend=Backend.TRANSFORMER)
    np.testing.assert_allclose(encoder.encode_queries(QUERIES), vectors[0], atol=1e-6)
    assert provenance_of(spec) is not None
    for wrong, message in (
        ({"pooling": Pooling.CLS}, "pooling is mean in .*/adapter, but cls in the registry"),
        ({"max_tokens": 49}, r"max_tokens \(max_seq_length\) is 48 in .*/adapter, but 49 in the registry"),
        (
            {"query_prompt": ""},
            r"query_prompt \(prompts.query\) is 'Represent this sentence: ' in .*/adapter",
        ),
        (
            {"source": spec.source.replace(f"@{BASE}", "@other")},
            f"its adapter was made for {BASE} \\(.*provenance.json\\), and the entry's source names other",
        ),
    ):
        with pytest.raises(ModelUnavailableError, match=message):
            load_encoder(replace(spec, **wrong), cache=here.cache, backend=Backend.TRANSFORMER)


def test_medsearch_evaluates_it_by_its_registry_entry(folder: Path, here: Settings, tmp_path: Path) -> None:
    """The dev tasks are marked as those it was chosen on, and its score is that of its own vectors."""
    registry = load_registry(here.models, cache=here.cache)
    suite = load_suite(facts_of(folder).selection.suite)
    request = SuiteRequest(suite, (parse_retriever(MODEL, registry),), tmp_path / "out", cost=False)
    results = open_suite(request, here, registry).results(Heard())
    assert [result.marks for result in results] == [("used to choose this model",)] * 2
    assert all(0 < result.means["nDCG@10"] <= 1 for result in results)


def test_what_was_measured_is_written_down(folder: Path, here: Settings) -> None:
    facts = training_facts_of(load_registry(here.models, cache=here.cache)[MODEL])
    assert facts == facts_of(folder)
    assert facts is not None
    assert facts.training == {"seconds": 1.5}
    assert facts.data[0].licences == {"CC BY": 2, "": 1}
    assert [each.file for each in facts.exports] == [FLOAT32, INT8]
    whole, small = facts.exports
    assert whole.cosine_min > 1 - 1e-5
    assert whole.dev == pytest.approx(facts.selection.taken.dev, abs=1e-9)
    assert 0.9 < small.cosine_mean < 1
    assert small.bytes < whole.bytes
    assert [each.dim for each in facts.lengths] == [DIM, 8]
    assert facts.lengths[0].dev == pytest.approx(whole.dev)
    assert facts.lengths[1].dev != facts.lengths[0].dev
    assert facts.recipe["select"]["tried_before"] == 5


def test_the_first_card_is_honest_and_the_hub_reads_it(folder: Path) -> None:
    from huggingface_hub import ModelCard

    card = (folder / "README.md").read_text("utf-8")
    data = ModelCard(card).data
    assert (data.license, data.base_model) == ("apache-2.0", BASE)
    assert data.to_dict()["library_name"] == "sentence-transformers"
    assert not data.eval_results
    body = card.split("---\n", 2)[2]
    facts = facts_of(folder)
    before, after = (100 * each.dev_mean for each in (facts.selection.base, facts.selection.taken))
    dev = f"nDCG@10 {before:.1f} of {BASE} → {after:.1f}"
    for line in (
        "**Not a medical device.**", "Missing: it was not tested yet.", dev, "These scores flatter it.",
        "CC BY (2); not stated (1)", "Chosen among 7 candidates by nDCG@10 on tiny-dev",
        "Outside medicine, tiny trivia (3 queries):", "General texts that come with tiny 1.0",
        "## Shorter vectors", "onnx/model_int8.onnx",
    ):  # fmt: skip
        assert line in body, line
    assert yaml.safe_load(card.split("---\n", 2)[1])["tags"][0] == "medical"
    tables = MarkdownIt("commonmark", {"html": True}).enable("table").render(body).count("<table>")
    assert tables == 7, "model, data, licences, settings, candidates, lengths, files"


def test_a_second_publishing_replaces_the_first_and_a_failed_one_does_not(
    made: TinyRun, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "guard_set", lambda: Guard(tiny_guard(), {"tiny": "1.0"}))
    selected = select(made.job, made.trained)
    before = (folder / "provenance.json").read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "write_exports", killed)
        assert publish(made.job, made.trained, selected) == folder, "it is all there, and not made again"
        with pytest.raises(KeyboardInterrupt):
            publish(made.job, replace(made.trained, steps=11), selected)
    assert (folder / "provenance.json").read_bytes() == before
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "write_exports", lambda *_: None)
        patch.setattr(publishing, "export_facts", lambda *_: ((), ()))
        again = replace(
            made.job, folder=replace(made.job.folder, path=made.job.folder.path.parent / "second")
        )
        assert publish(again, made.trained, selected).parent.name == "second"
        (again.folder.model / "old").write_text("x")
        (again.folder.model / "training.json").write_text("{")
        publish(again, made.trained, selected)
        assert not (again.folder.model / "old").exists()


def test_mteb_gives_the_score_that_medsearch_gives(folder: Path, here: Settings, tmp_path: Path) -> None:
    """mteb's own sentence-transformers wrapper on the folder, on the very task that we evaluate."""
    mteb = pytest.importorskip("mteb", reason="mteb: pip install medsearch[train]")
    from sentence_transformers import SentenceTransformer

    from medsearch.workbench.hub.local import local_mteb_task

    registry = load_registry(here.models, cache=here.cache)
    suite = load_suite(facts_of(folder).selection.suite)
    request = SuiteRequest(suite, (parse_retriever(MODEL, registry),), tmp_path / "out", cost=False)
    ours, _ = open_suite(request, here, registry).results(Heard())
    task = local_mteb_task("first", "dev", here)
    model = SentenceTransformer(str(folder), local_files_only=True)
    [result] = mteb.evaluate(model, task, cache=None).task_results
    assert result.scores["dev"][0]["ndcg_at_10"] == pytest.approx(ours.means["nDCG@10"], abs=6e-6)
