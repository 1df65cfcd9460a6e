"""Our results in mteb's own format: where mteb looks for them, and with the numbers that it would give."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import BM25_SPEC, topic_spec

from medsearch.encoders.registry import load_registry
from medsearch.errors import MedsearchError
from medsearch.evaluation.evaluate import Evaluation
from medsearch.evaluation.measures import per_query_scores
from medsearch.search.conditions import retriever_conditions
from medsearch.search.names import RetrieverName, parse_retriever
from medsearch.types import Collection, Document, ModelKind, Pooling, Query

pytest.importorskip("mteb", reason="mteb: pip install medsearch[train]")
pytestmark = pytest.mark.slow

DOCUMENTS = tuple(Document(name, "", name) for name in ("a", "b", "c"))
CORPUS = Collection(
    "tiny/faq",
    "test",
    DOCUMENTS,
    (Query("q1", "x"), Query("q2", "y"), Query("q3", "z")),
    {"q1": {"a": 1, "b": 2}, "q2": {"c": 1}, "q3": {"a": 0}},
)
RUN = {"q1": {"a": 3.0, "c": 2.0, "b": 1.0}, "q2": {}}
"""nDCG of the first query (1 + 2 / log2(4)) / (2 + 1 / log2(3)) = 0.760188; the second finds nothing."""


def evaluation(corpus: Collection = CORPUS, run: dict[str, dict[str, float]] = RUN) -> Evaluation:
    return Evaluation("topics", run, corpus.qrels, per_query_scores(corpus.qrels, run), 1.5)


def write(folder: Path, corpus: Collection = CORPUS, **settings: Any) -> Path:
    from medsearch.evaluation.mteb_results import write_local_result

    return write_local_result(folder, corpus, evaluation(corpus), specs=(topic_spec(),), settings=settings)


def test_a_result_is_where_mteb_looks_and_says_what_we_found(tmp_path: Path) -> None:
    from mteb.results import TaskResult

    file = write(tmp_path)
    assert file == tmp_path / "results" / "medsearch__topics" / "1" / "medsearch-tiny-faq-test.json"
    result = TaskResult.from_disk(file, load_historic_data=False)
    [scores] = result.scores["test"]
    assert scores["main_score"] == pytest.approx(0.760188 / 2, abs=6e-6)
    means = evaluation().means
    published = {
        "map_at_1000": "MAP",
        "mrr_at_10": "MRR@10",
        "recall_at_100": "Recall@100",
        "precision_at_10": "P@10",
    }
    for theirs, ours in published.items():
        assert scores[theirs] == pytest.approx(means[ours], abs=6e-6)
    assert (scores["hf_subset"], scores["languages"], result.evaluation_time) == (
        "default",
        ["eng-Latn"],
        1.5,
    )
    meta = json.loads((file.parent / "model_meta.json").read_text("utf-8"))
    assert (meta["name"], meta["revision"], meta["embed_dim"]) == ("medsearch/topics", "1", 5)


def test_mteb_loads_the_folder(tmp_path: Path) -> None:
    import mteb

    write(tmp_path)
    [model] = mteb.ResultCache(tmp_path).load_results().model_results
    assert (model.model_name, model.model_revision) == ("medsearch/topics", "1")
    assert [result.task_name for result in model.task_results] == ["medsearch-tiny-faq-test"]


def test_another_evaluation_of_the_same_replaces_it(tmp_path: Path) -> None:
    from mteb.results import TaskResult

    assert write(tmp_path) == write(tmp_path)
    again = TaskResult.from_disk(write(tmp_path), load_historic_data=False)
    assert (list(again.scores), len(again.scores["test"]), again.evaluation_time) == (["test"], 1, 1.5)


def test_splits_of_the_same_data_share_a_file_and_other_data_do_not(tmp_path: Path) -> None:
    from mteb.results import TaskResult

    from medsearch.evaluation.mteb_models import model_meta
    from medsearch.evaluation.mteb_results import save_result

    def saved(split: str, revision: str) -> list[str]:
        scores = {split: [{"main_score": 0.5, "hf_subset": "default", "languages": ["eng-Latn"]}]}
        result = TaskResult(
            dataset_revision=revision, task_name="T", mteb_version="2.0.0", scores=scores, evaluation_time=1.0
        )
        file = save_result(tmp_path, result, model_meta("topics", (topic_spec(),)))
        return sorted(TaskResult.from_disk(file, load_historic_data=False).scores)

    assert saved("dev", "1") == ["dev"]
    assert saved("test", "1") == ["dev", "test"]
    assert saved("test", "2") == ["test"]


def test_two_splits_of_a_local_corpus_are_two_tasks(tmp_path: Path) -> None:
    files = [write(tmp_path), write(tmp_path, replace(CORPUS, split="dev"))]
    assert [file.name for file in files] == ["medsearch-tiny-faq-test.json", "medsearch-tiny-faq-dev.json"]
    assert all(file.is_file() for file in files)


def test_a_run_other_than_the_models_own_is_an_experiment_to_mteb(tmp_path: Path) -> None:
    import mteb

    own = write(tmp_path)
    no_prompt = write(tmp_path, declared_query_prompts={"topics": "query: "})
    passages = write(tmp_path, passages={"max_tokens": 200, "overlap_tokens": 40}, search="approximate")
    assert no_prompt.parts[-3:-1] == ("experiments", "topics_query_prompt_none")
    assert passages.parts[-3:-1] == ("experiments", "passages_200-40__search_approximate")
    [model] = mteb.ResultCache(tmp_path).load_results().model_results
    assert len(model.task_results) == 1
    assert len({own, no_prompt, passages}) == 3


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.write_text("{", encoding="utf-8")
    with pytest.raises(
        MedsearchError, match=r"medsearch-tiny-faq-test\.json: not a result of mteb .*remove it"
    ):
        write(tmp_path)


@pytest.mark.parametrize(
    "name", [n for n, s in load_registry().items() if s.kind is not ModelKind.LATE_INTERACTION]
)
def test_mteb_accepts_what_is_said_of_every_model(name: str) -> None:
    from medsearch.evaluation.mteb_models import model_meta

    spec = load_registry()[name]
    meta = model_meta(name, (spec,))
    hub = spec.source.startswith("hub:")
    assert meta.name == (spec.source.removeprefix("hub:") if hub else f"medsearch/{name}")
    assert (meta.revision, meta.license, meta.experiment_name) == (spec.revision, spec.licence, None)
    assert meta.use_instructions is bool(spec.query_prompt)
    assert json.loads(json.dumps(meta.to_dict(), default=str))["open_weights"] is True


def test_what_mteb_knows_of_a_hub_model_is_kept() -> None:
    from medsearch.evaluation.mteb_models import model_meta

    registry = load_registry()
    name = parse_retriever("medembed-small", registry)
    meta = model_meta(name.name, name.models, retriever_conditions(name, registry))
    assert {
        "NFCorpus",
        "TRECCOVID",
        "PublicHealthQA",
        "ArguAna",
        "MedicalQARetrieval",
    } <= meta.training_datasets
    assert meta.n_parameters == 33_360_000


def test_a_hybrid_and_a_model_without_its_prompt_have_names_of_their_own() -> None:
    from medsearch.evaluation.mteb_models import model_meta

    hybrid = model_meta("hybrid:topics", (topic_spec(), BM25_SPEC))
    assert (hybrid.name, hybrid.revision, hybrid.model_type) == ("medsearch/hybrid-topics", "1+1", ["hybrid"])
    registry = load_registry()
    name = parse_retriever("bge-small@no-prompt", registry)
    bare = model_meta(name.name, name.models, retriever_conditions(name, registry))
    assert bare.name == "BAAI/bge-small-en-v1.5"
    assert bare.experiment_name == "bge-small_query_prompt_none"


def test_an_entry_of_ones_own_never_shares_a_place_with_what_it_was_before(tmp_path: Path) -> None:
    from medsearch.evaluation.mteb_models import model_meta
    from medsearch.evaluation.mteb_names import is_there
    from medsearch.evaluation.mteb_results import result_file
    from medsearch.workbench.hub.bench import told_of

    def place(**changes: Any) -> Path:
        spec = topic_spec(**changes)
        name = RetrieverName("topics", (spec,))
        told = told_of(name, retriever_conditions(name, {"topics": spec}))
        file = result_file(tmp_path, "T", model_meta("topics", (spec,), told))
        assert not is_there(tmp_path, "T", "topics", (spec,), told)
        file.parent.mkdir(parents=True)
        file.touch()
        assert is_there(tmp_path, "T", "topics", (spec,), told)
        return file

    changes: list[dict[str, Any]] = [
        {}, {"sha256": "a" * 64}, {"sha256": "b" * 64}, {"document_prompt": "d: "}, {"query_prompt": "q: "},
        {"pooling": Pooling.CLS}, {"max_tokens": 32}, {"revision": "1+files.0123456789ab"},
    ]  # fmt: skip
    hub: dict[str, Any] = {"source": "hub:BAAI/bge-small-en-v1.5", "revision": "5" * 40}
    files = [place(**{**where, **change}) for where in ({}, hub) for change in changes[:-1]]
    files.append(place(**changes[-1]))
    assert len(set(files)) == len(files)
    assert all("experiments" in file.parts for file in files[len(changes) - 1 : -1]), (
        "never the hub model's own"
    )


def test_what_mteb_kept_is_taken_only_for_the_same_data_split_and_subset(tmp_path: Path) -> None:
    from mteb.results import TaskResult

    from medsearch.evaluation.mteb_models import model_meta
    from medsearch.evaluation.mteb_results import has_result
    from medsearch.evaluation.mteb_tasks import local_task

    task, meta = local_task(CORPUS), model_meta("topics", (topic_spec(),))
    assert not has_result(tmp_path, task, meta)
    file = write(tmp_path)
    assert has_result(tmp_path, task, meta)
    other = replace(CORPUS, documents=(*DOCUMENTS, Document("d", "", "d")))
    assert not has_result(tmp_path, local_task(other), meta)
    kept = TaskResult.from_disk(file)
    kept.scores["dev"] = kept.scores.pop("test")
    kept.to_disk(file)
    assert not has_result(tmp_path, task, meta)
