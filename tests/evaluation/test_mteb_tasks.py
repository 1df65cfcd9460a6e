"""Our corpora as mteb tasks: an mteb user gets our numbers, query by query."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fakes import TOPICS, Heard, TopicEncoder, topic_spec
from hypothesis import given, settings
from hypothesis import strategies as st
from late_fakes import DIM, WordEncoder

from medsearch.corpora.catalogue import find_corpus, load_collection
from medsearch.corpora.passages import document_text
from medsearch.corpora.rejects import Rejects
from medsearch.encoders.registry import load_registry
from medsearch.encoders.weights import locate_weights
from medsearch.errors import MedsearchError
from medsearch.evaluation.evaluate import Evaluation, evaluate
from medsearch.evaluation.measures import MEASURES, judged_queries
from medsearch.search.benchmark import BenchmarkRequest, open_bench
from medsearch.search.names import parse_retriever
from medsearch.settings import Settings
from medsearch.types import Collection, Document, Filter, ModelSpec, Query, Run
from medsearch.workbench.hub.corpora import write_collection
from medsearch.workbench.hub.local import local_mteb_model, local_mteb_task

pytest.importorskip("mteb", reason="mteb: pip install medsearch[train]")
pytestmark = pytest.mark.slow

WORDS = [word for topic in TOPICS for word in topic]
MTEB = {"nDCG@10": "ndcg_cut_10", "Recall@100": "recall_100", "MAP": "map_cut_1000", "P@10": "P_10"}
PUBLISHED = {
    "nDCG@10": "ndcg_at_10",
    "Recall@100": "recall_at_100",
    "MRR@10": "mrr_at_10",
    "MAP": "map_at_1000",
    "P@10": "precision_at_10",
}


@dataclass(frozen=True)
class Exact:
    """Ranks a collection by an encoder's dot products, without an index."""

    encoder: TopicEncoder
    documents: tuple[Document, ...]

    def retrieve(self, queries: list[Query], *, k: int, where: Filter | None = None) -> Run:
        vectors = self.encoder.encode_documents([document_text(document) for document in self.documents])
        scores = self.encoder.encode_queries([query.text for query in queries]) @ vectors.T
        ids = [document.doc_id for document in self.documents]
        ranked = [sorted(zip(row.tolist(), ids, strict=True), reverse=True)[:k] for row in scores]
        return {q.query_id: {i: s for s, i in best} for q, best in zip(queries, ranked, strict=True)}


def collection(seed: int, documents: int = 60, queries: int = 25) -> Collection:
    """Random texts of topic words, some titles empty, some queries judged to have nothing relevant."""
    chance = random.Random(seed)

    def text(most: int) -> str:
        return " ".join(chance.choices(WORDS, k=chance.randint(1, most)))

    made = [Document(f"d{n}", chance.choice(["", text(3)]), text(12)) for n in range(documents)]
    asked = [Query(f"q{n}", text(4)) for n in range(queries)]
    qrels = {}
    for query in asked:
        near = [one for one in made if set(one.text.split()) & set(query.text.split())] or made
        judged = [*chance.sample(near, min(5, len(near))), *chance.sample(made, 3)]
        qrels[query.query_id] = {one.doc_id: chance.choice([0, 1, 2]) for one in judged}
    nothing = {"q0": dict.fromkeys(qrels["q0"], 0)}
    return Collection("tiny/random", "test", tuple(made), tuple(asked), qrels | nothing)


def asked_of_mteb(model: Any, task: Any) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """mteb's scores of each query, which it does not round, and those that it publishes."""
    from medsearch.evaluation.mteb_results import evaluate_with_mteb

    each: dict[str, dict[str, float]] = {}

    def remember(scores: Mapping[str, dict[str, float]], *_: Any, **__: Any) -> dict[str, float]:
        each.update({query_id: dict(of_query) for query_id, of_query in scores.items()})
        return {}

    task.task_specific_scores = remember
    result = evaluate_with_mteb(task, model)
    [published] = result.scores[task.eval_splits[0]]
    return each, dict(published)


def assert_same(
    ours: Evaluation, each: Mapping[str, Mapping[str, float]], published: Mapping[str, Any]
) -> None:
    """Every measure of every query, and every published mean, which mteb rounds to five places."""
    assert set(each) == set(ours.scores)
    for query_id, scores in ours.scores.items():
        theirs = {measure: each[query_id][name] for measure, name in MTEB.items()}
        assert theirs == pytest.approx({measure: scores[measure] for measure in MTEB}, abs=1e-6), query_id
    means = {measure: sum(one[name] for one in each.values()) / len(each) for measure, name in MTEB.items()}
    means["MRR@10"] = published["mrr_at_10"]  # the one mean that mteb does not round
    assert means == pytest.approx(ours.means, abs=1e-6)
    rounded = {measure: published[PUBLISHED[measure]] for measure in MEASURES}
    assert rounded == pytest.approx(ours.means, abs=6e-6)
    assert published["main_score"] == published["ndcg_at_10"]


@pytest.mark.parametrize("seed", range(4))
def test_mtebs_own_search_gives_our_numbers(seed: int) -> None:
    from medsearch.evaluation.mteb_models import MtebEncoder, model_meta
    from medsearch.evaluation.mteb_tasks import local_task

    corpus = collection(seed)
    ours = evaluate("topics", Exact(TopicEncoder(), corpus.documents), corpus)
    assert len(ours.scores) < len(corpus.queries)
    assert 0.02 < ours.means["nDCG@10"] < 0.98
    model = MtebEncoder(TopicEncoder(), model_meta("topics", (topic_spec(),)))
    assert_same(ours, *asked_of_mteb(model, local_task(corpus)))


def test_a_query_passes_over_its_own_document_as_ours_does() -> None:
    from medsearch.evaluation.mteb_models import MtebEncoder, model_meta
    from medsearch.evaluation.mteb_tasks import TaskFacts, local_task

    plain = collection(7)
    own = tuple(Document(query.query_id, "", query.text) for query in plain.queries)
    corpus = replace(plain, documents=plain.documents + own)
    retriever = Exact(TopicEncoder(), corpus.documents)
    ours = evaluate("topics", retriever, corpus, ignore_identical_ids=True)
    model = MtebEncoder(TopicEncoder(), model_meta("topics", (topic_spec(),)))
    found = asked_of_mteb(model, local_task(corpus, TaskFacts(ignore_identical_ids=True)))
    assert_same(ours, *found)
    _, with_itself = asked_of_mteb(model, local_task(corpus))
    assert with_itself["ndcg_at_10"] < found[1]["ndcg_at_10"]


@pytest.fixture(scope="module")
def faq(real_data: Path, tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Settings:
    """Where `faq/test` is: the first hundred answers of `covid_faq/en` and their questions."""
    folder = tmp_path_factory.mktemp("faq")
    whole = load_collection(find_corpus("covid_faq/en", (real_data,)), "test", Rejects())
    documents = whole.documents[:100]
    there = {document.doc_id for document in documents}
    qrels = {query_id: grades for query_id, grades in whole.qrels.items() if set(grades) <= there}
    queries = tuple(query for query in whole.queries if query.query_id in qrels)
    write_collection(Collection("faq", "test", documents, queries, qrels), "faq", folder)
    return Settings((folder / "mteb",), folder / "index", model_cache, None)


def our_evaluation(name: str, here: Settings, corpus: str = "faq/test") -> Evaluation:
    registry = load_registry(here.models)
    retriever = parse_retriever(name, registry)
    request = BenchmarkRequest(find_corpus(corpus, here.data), "test", (retriever,))
    return open_bench(request, here, registry, Heard()).score(retriever, Heard())


@pytest.mark.parametrize("name", ["minilm", "bm25"])
def test_a_real_corpus_gives_the_same_numbers_through_mteb_and_through_ours(faq: Settings, name: str) -> None:
    ours = our_evaluation(name, faq)
    assert ours.means["nDCG@10"] > 0.5
    assert_same(ours, *asked_of_mteb(local_mteb_model(name, faq), local_mteb_task("faq/test", "test", faq)))


@pytest.mark.parametrize("name", ["hybrid:topics", "words", "rerank:words:topics"])
def test_what_has_several_parts_gives_the_same_numbers_through_mteb(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stand_in(spec: ModelSpec, *, cache: Path) -> TopicEncoder:
        return TopicEncoder(spec)

    monkeypatch.setattr("medsearch.search.searcher.load_encoder", stand_in)
    monkeypatch.setattr("medsearch.search.indexing.load_encoder", stand_in)
    late: list[WordEncoder] = []

    def late_stand_in(spec: ModelSpec, *, cache: Path) -> WordEncoder:
        late.append(WordEncoder(spec))
        return late[-1]

    for module in ("searcher", "indexing"):
        monkeypatch.setattr(f"medsearch.search.{module}.load_token_encoder", late_stand_in)
    models = tmp_path / "models.toml"
    models.write_text(
        '[topics]\nsource = "path:nowhere"\nrevision = "1"\nkind = "dense"\npooling = "mean"\n'
        'max_tokens = 64\ndim = 5\nlicence = "none"\n'
        '[words]\nsource = "path:nowhere/else"\nrevision = "1"\nkind = "late_interaction"\n'
        f'max_tokens = 64\ndim = {DIM}\nlicence = "none"\n'
    )
    here = Settings((tmp_path / "mteb",), tmp_path / "index", tmp_path, models)
    write_collection(replace(collection(3), name="tiny"), "tiny", tmp_path)
    ours = our_evaluation(name, here, "tiny/test")
    task = local_mteb_task("tiny/test", "test", here)
    model = local_mteb_model(name, here)
    assert_same(ours, *asked_of_mteb(model, task))
    assert bool([text for encoder in late for text in encoder.queries]) == ("words" in name)
    kind = "late-interaction" if name == "words" else "hybrid"
    assert model.mteb_model_meta.model_type == [kind]
    assert (model.mteb_model_meta.similarity_fn_name == "MaxSim") == (name == "words")


def test_mtebs_own_wrapper_of_the_same_weights_comes_to_the_same(faq: Settings) -> None:
    from sentence_transformers import SentenceTransformer

    ours = our_evaluation("minilm", faq)
    spec = load_registry()["minilm"]
    model = SentenceTransformer(str(locate_weights(spec)))
    model.max_seq_length = spec.max_tokens
    each, published = asked_of_mteb(model, local_mteb_task("faq/test", "test", faq))
    # Torch's vectors differ from ONNX Runtime's in the last digits, which may swap two documents.
    assert published["ndcg_at_10"] == pytest.approx(ours.means["nDCG@10"], abs=1e-4)
    same = [abs(each[q]["ndcg_cut_10"] - one["nDCG@10"]) < 1e-6 for q, one in ours.scores.items()]
    assert sum(same) >= len(same) - 2


TEXTS = st.text(alphabet=st.sampled_from("ab \n\t\u00a0é-"), max_size=6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_mteb_joins_title_and_text_as_we_do(parts: list[tuple[str, str]]) -> None:
    from mteb._create_dataloaders import create_dataloader
    from mteb.types import PromptType

    from medsearch.evaluation.mteb_tasks import local_task

    documents = tuple(Document(f"d{n}", title, text) for n, (title, text) in enumerate(parts))
    task = local_task(Collection("t", "test", documents, (Query("q", "a"),), {"q": {"d0": 1}}))
    task.load_data()
    corpus = task.dataset["default"]["test"]["corpus"]
    loader = create_dataloader(
        corpus, task_metadata=task.metadata, prompt_type=PromptType.document, batch_size=9
    )
    [batch] = loader
    assert batch["text"] == [document_text(document) for document in documents]


def test_prompts_are_ours_by_what_mteb_encodes() -> None:
    from mteb.types import PromptType

    from medsearch.evaluation.mteb_models import MtebEncoder, model_meta

    encoder = TopicEncoder()
    model = MtebEncoder(encoder, model_meta("topics", (topic_spec(),)))
    model.encode([{"text": ["heart"]}, {"text": ["lung"]}], prompt_type=PromptType.query, task_metadata=None)
    model.encode([{"text": ["skin"]}], prompt_type=PromptType.document)
    model.encode([{"text": ["rash"]}])  # of a symmetric task, such as clustering
    assert (encoder.queries, encoder.documents) == (["heart", "lung"], ["skin", "rash"])


def test_a_collection_survives_being_a_task() -> None:
    from medsearch.evaluation.mteb_tasks import collection_of, local_task

    corpus = collection(1)
    task = local_task(corpus)
    task.load_data()
    back = collection_of(task, corpus.name, "default", "test")
    judged = set(judged_queries(corpus.qrels))
    assert back.documents == corpus.documents
    assert back.queries == tuple(query for query in corpus.queries if query.query_id in judged)
    assert back.qrels == {query_id: corpus.qrels[query_id] for query_id in judged}
    task.unload_data()
    task.load_data()
    assert len(task.dataset["default"]["test"]["queries"]) == len(judged)


def test_a_tasks_revision_is_its_content() -> None:
    from medsearch.evaluation.mteb_tasks import local_task

    corpus = collection(1)
    same, other = (
        local_task(collection(1)).metadata,
        local_task(replace(corpus, qrels={"q1": {"d1": 1}})).metadata,
    )
    assert local_task(corpus).metadata.revision == same.revision != other.revision
    assert (same.name, same.eval_splits, same.is_filled()) == ("medsearch-tiny-random-test", ["test"], False)
    assert same.domains == ["Medical", "Written"]


def test_what_a_retriever_cannot_do_for_mteb_is_refused(tmp_path: Path) -> None:
    from datasets import Dataset

    here = Settings((tmp_path,), tmp_path / "index", tmp_path / "cache", None)
    model = local_mteb_model("bm25", here)
    queries = Dataset.from_dict({"id": ["q"], "text": ["a"]})
    with pytest.raises(MedsearchError, match="medsearch/bm25 ranks whole corpora: reranking tasks"):
        model.search(queries, top_k=1, top_ranked={"q": ["d"]})
    with pytest.raises(MedsearchError, match="queries with instructions"):
        model.search(queries.add_column("instruction", ["b"]), top_k=1)
    with pytest.raises(MedsearchError, match="has to be indexed before"):
        model.search(queries, top_k=1)


def test_a_dense_model_of_ours_is_an_encoder_to_mteb(faq: Settings) -> None:
    from mteb.models import EncoderProtocol, SearchProtocol

    dense, sparse = local_mteb_model("minilm", faq), local_mteb_model("bm25", faq)
    assert isinstance(dense, EncoderProtocol)
    assert isinstance(sparse, SearchProtocol)
    assert not isinstance(dense, SearchProtocol)
