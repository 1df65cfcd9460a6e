"""The documents of other runs' pools, each once, with their passages put together again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from medsearch.corpora.sentences import sentence_spans
from pipeline.held_out import text_key
from pipeline.pool import PoolPassage, read_pool
from pipeline.records import SourceDocument
from pipeline.run_folder import RunFolder

REPEATED = "documents left out: another has the same id or words"


@dataclass(frozen=True, slots=True)
class CropDocument:
    """A document of a pool; `passages` are ids, each unique, and texts, which may overlap."""

    source: SourceDocument
    passages: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and the passage that it is from."""

    passage_id: str
    text: str


def read_crop_documents(runs: Sequence[RunFolder]) -> tuple[list[CropDocument], Counter[str]]:
    """All documents in the order of runs and pools, and how many were left out as repetitions.

    A passage whose id one of another corpus had first is called "CORPUS:ID".

    Raises:
        MedsearchError: a pool is missing or damaged.
    """
    documents: list[CropDocument] = []
    left_out: Counter[str] = Counter()
    ids: set[tuple[str, str]] = set()
    texts: set[bytes] = set()
    names: set[str] = set()
    for run in runs:
        for (corpus, doc_id), passages in _by_document(read_pool(run)).items():
            text = text_key("\n".join(passage.text for passage in passages))
            if (corpus, doc_id) in ids or text in texts:
                left_out[REPEATED] += 1
                continue
            ids.add((corpus, doc_id))
            texts.add(text)
            named = tuple((_name(passage, names), passage.text) for passage in passages)
            names.update(name for name, _ in named)
            documents.append(CropDocument(passages[0].source, named))
    return documents, left_out


def sentences_of(document: CropDocument) -> list[Sentence]:
    """The document's sentences; what a passage repeats of the end of the one before is taken once."""
    found: list[Sentence] = []
    for passage_id, text in document.passages:
        own = [text[start:end] for start, end in sentence_spans(text)]
        new = own[_repeated([each.text for each in found], own) :]
        found.extend(Sentence(passage_id, sentence) for sentence in new)
    return found


def _repeated(before: Sequence[str], own: Sequence[str]) -> int:
    """How many of the first sentences are the last ones of `before`.

    A passage may begin with its document's title, which no full stop divides from the first sentence.
    """
    for count in range(min(len(before), len(own)), 0, -1):
        last = before[-count:]
        if own[0].endswith(last[0]) and list(own[1:count]) == list(last[1:]):
            return count
    return 0


def _by_document(passages: Sequence[PoolPassage]) -> dict[tuple[str, str], list[PoolPassage]]:
    found: dict[tuple[str, str], list[PoolPassage]] = {}
    for passage in passages:
        found.setdefault((passage.source.corpus, passage.source.doc_id), []).append(passage)
    return found


def _name(passage: PoolPassage, names: set[str]) -> str:
    taken = passage.passage_id in names
    return f"{passage.source.corpus}:{passage.passage_id}" if taken else passage.passage_id
