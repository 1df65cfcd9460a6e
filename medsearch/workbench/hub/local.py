"""For those who use mteb from Python: our corpora as its tasks, our retrievers as its models.

>>> mteb.evaluate(local_mteb_model("hybrid:minilm"), local_mteb_task("sample"))
>>> mteb.evaluate(mteb.get_model("BAAI/bge-small-en-v1.5"), local_mteb_task("my_corpus", "dev"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from medsearch.corpora.catalogue import find_corpus, load_collection
from medsearch.corpora.rejects import Rejects
from medsearch.encoders.registry import load_encoder, load_registry
from medsearch.index.reader import open_index
from medsearch.protocols import Retriever
from medsearch.search.conditions import retriever_conditions
from medsearch.search.evaluation_index import evaluation_index
from medsearch.search.identical_ids import ignores_identical_ids
from medsearch.search.indexing import IndexRequest
from medsearch.search.names import RetrieverName, parse_retriever
from medsearch.search.reranking import assemble
from medsearch.search.retrievers import PointRetriever
from medsearch.search.searcher import Searcher
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, Document, ModelKind, ModelSpec
from medsearch.workbench.hub.bench import told_of
from medsearch.workbench.hub.corpora import write_documents

if TYPE_CHECKING:
    from mteb.abstasks import AbsTaskRetrieval

    from medsearch.evaluation.mteb_models import MtebEncoder, MtebRetriever


def local_mteb_task(corpus: str, split: str = "test", settings: Settings | None = None) -> AbsTaskRetrieval:
    """One of our corpora, by name or folder, as an mteb retrieval task; settings are the environment's.

    Raises:
        UsageError: if there is no such corpus or split.
    """
    from medsearch.evaluation.mteb_tasks import TaskFacts, local_task

    here = settings or Settings.from_environment()
    location = find_corpus(corpus, here.data)
    collection = load_collection(location, split, Rejects())
    ignore = ignores_identical_ids(location, here, Unheard())
    return local_task(collection, TaskFacts(ignore_identical_ids=ignore))


def local_mteb_model(name: str, settings: Settings | None = None) -> MtebEncoder | MtebRetriever:
    """A retriever of ours as an mteb model: dense ones for all of its tasks, others for retrieval.

    Raises:
        UsageError: if the registry has no such model.
        ModelUnavailableError: if its weights are not on this machine.
    """
    from medsearch.evaluation.mteb_models import MtebEncoder, MtebRetriever, model_meta

    here = settings or Settings.from_environment()
    registry = load_registry(here.models, cache=here.cache)
    asked = parse_retriever(name, registry)
    meta = model_meta(name, asked.models, told_of(asked, retriever_conditions(asked, registry)))
    if not asked.hybrid and asked.models[0].kind is ModelKind.DENSE:
        return MtebEncoder(load_encoder(asked.models[0], cache=here.cache), meta)
    return MtebRetriever(lambda task, documents: _open(asked, task, documents, here), meta)


class Unheard:
    """Progress that nobody listens to: mteb shows its own."""

    @contextmanager
    def stage(self, _title: str, _total: int | None, /) -> Iterator[Callable[[int], None]]:
        """Begin a stage; steps go nowhere."""
        yield lambda _: None

    def say(self, _line: str, /) -> None:
        """Nothing."""


def _open(asked: RetrieverName, task: str, documents: Sequence[Document], settings: Settings) -> Retriever:
    """The retriever over whole documents, compared exactly; its indices are kept."""
    location = write_documents(task, documents, settings.cache)
    registry = load_registry(settings.models, cache=settings.cache)

    def part(spec: ModelSpec) -> PointRetriever:
        wanted = IndexRequest(location, (spec,), WHOLE_DOCUMENTS)
        folder, _ = evaluation_index(wanted, settings, registry, Unheard())
        searcher = Searcher(location.name, open_index(folder), registry, settings.cache)
        return searcher.retriever(RetrieverName(spec.name, (spec,)), exact=True)

    return assemble(asked, part)
