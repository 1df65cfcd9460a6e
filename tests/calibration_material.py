"""Corpora for calibrating: one on heart and lung, one whose questions it does not answer, and a bench."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fakes import Heard, TopicEncoder, topic_spec

from medsearch.corpora.catalogue import find_corpus
from medsearch.encoders.registry import load_registry
from medsearch.search.indexing import IndexRequest, index_corpus
from medsearch.search.names import models_of
from medsearch.search.searcher import Searcher, open_searcher
from medsearch.settings import Settings
from medsearch.types import ModelSpec, PassageSettings
from medsearch.workbench.calibrate import CalibrationRequest
from medsearch.workbench.outside_queries import find_others

QUESTIONS = 60
"""A split; half of them calibrate, which is enough for 5 %."""

_HERE = ("angina of the heart", "chest pain and cardiac enzymes", "cough in asthma", "short of breath, lung")
_ELSEWHERE = ("itch and rash of eczema", "a broken wrist in a cast", "insulin for diabetes", "sore tooth")


def write_corpus(
    folder: Path, texts: Mapping[str, str], queries: Mapping[str, str], splits: Mapping[str, Sequence[str]]
) -> None:
    """A BEIR folder; each query of a split has the document that its number names as relevant."""
    (folder / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", texts), ("queries", queries)):
        lines = [json.dumps({"_id": key, "text": text}) + "\n" for key, text in rows.items()]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    documents = list(texts)
    for split, ids in splits.items():
        lines = [f"{query}\t{documents[int(query[1:]) % len(documents)]}\t1\n" for query in ids]
        (folder / "qrels" / f"{split}.tsv").write_text("".join(["query-id\tcorpus-id\tscore\n", *lines]))


def write_both(data: Path, name: str = "clinic") -> None:
    """The corpus `name` with splits dev and test, and `other`, whose questions it does not answer."""
    for corpus, kinds in ((name, _HERE), ("other", _ELSEWHERE)):
        texts = {f"d{n}": f"{kinds[n % 4]}, note {n} on a patient" for n in range(24)}
        queries = {f"q{n}": f"what about {kinds[n % 4]} number {n}" for n in range(2 * QUESTIONS)}
        ids = list(queries)
        write_corpus(data / corpus, texts, queries, {"dev": ids[:QUESTIONS], "test": ids[QUESTIONS:]})


@dataclass
class CalibrationBench:
    """Settings, a registry with the stand-in encoder, and each encoder that was loaded."""

    settings: Settings
    registry: dict[str, ModelSpec] = field(
        default_factory=lambda: {**load_registry(), "topics": topic_spec()}
    )
    encoders: list[TopicEncoder] = field(default_factory=list)

    def load(self, spec: ModelSpec, *, cache: Path) -> TopicEncoder:
        """In place of `load_encoder`."""
        self.encoders.append(TopicEncoder(spec))
        return self.encoders[-1]

    def request(
        self, models: str = "topics", corpus: str = "clinic", *, report: bool = False, index: bool = False
    ) -> CalibrationRequest:
        """Calibrate on `dev` with questions of `other`."""
        location = find_corpus(corpus, self.settings.data)
        names, _ = models_of(models, self.registry)
        others = find_others(["other"], location, self.settings)
        return CalibrationRequest(location, tuple(names), others, "dev", report=report, index=index)

    def make_index(self, corpus: str = "clinic", *, extra: tuple[str, ...] = ()) -> Searcher:
        """The page's own index, with the stand-in model, BM25 and what else is asked for."""
        models = [self.registry[name] for name in ("topics", "bm25", *extra)]
        location = find_corpus(corpus, self.settings.data)
        request = IndexRequest(location, models, PassageSettings(16, 0), rebuild=True)
        index_corpus(request, self.settings.index / corpus, self.settings, self.registry, Heard())
        return open_searcher(corpus, self.settings, self.registry)
