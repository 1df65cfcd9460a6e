"""Chooses the notes of a corpus, masks them, and cuts them into the pool of passages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Protocol

from pydantic import Field

from medsearch.corpora.catalogue import CorpusLocation, fingerprint, read_documents
from medsearch.corpora.estimate import estimate_documents
from medsearch.corpora.passages import CUTTING, TokenCounter, passage_text, split_document
from medsearch.corpora.rejects import Rejects
from medsearch.corpora.sentences import language_of
from medsearch.protocols import Progress
from medsearch.types import Document, PassageSettings
from pipeline.journal import Journal, open_journal
from pipeline.masking.kinds import UnmaskableError
from pipeline.pool import PoolPassage, PoolRow
from pipeline.recipe import GenerateTable, Recipe
from pipeline.records import Row, SourceDocument
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield

BLOCK = 64
"""Notes that are masked between two commits: about a second's work."""


class NotePassage(Row):
    """Where a passage of the pool lies in its note: characters `start` to `end`."""

    passage_id: str
    start: int
    end: int


class NoteRow(Row):
    """A masked note, and where its passages lie."""

    title: str
    text: str
    language: str
    passages: tuple[NotePassage, ...] = Field(min_length=1)
    source: SourceDocument


class Masked(Protocol):
    """What masking gives back: the text, and how many identifiers of each kind were found."""

    @property
    def text(self) -> str:
        """The text without identifiers."""
        ...

    @property
    def found(self) -> Mapping[str, int]:
        """Counts by kind."""
        ...


class Masks(Protocol):
    """Takes personal identifiers out of a text."""

    def mask(self, text: str, /) -> Masked:
        """The masked text and what was found."""
        ...


@dataclass(frozen=True, slots=True)
class NoteTools:
    """What notes are prepared with."""

    masker: Masks
    count_tokens: TokenCounter
    masking: str
    """Which rules the masker has: a change of them begins the notes anew."""


def prepare_notes(
    location: CorpusLocation,
    run: RunFolder,
    recipe: Recipe,
    tools: NoteTools,
    progress: Progress,
    *,
    restart: bool = False,
) -> Yield:
    """Write `notes.jsonl` and the pool; does nothing where that is done already.

    All notes that the recipe admits are prepared, not only those that will be asked about: the others are
    where negatives and the round trip's rivals come from, and they must look alike, masks included.

    Raises:
        PlanChangedError: the run was begun with another corpus, another recipe or other rules of masking
            or cutting, and `restart` is not set.
    """
    return _Preparation(location, run, recipe, tools, progress).sitting(restart=restart)


@dataclass(frozen=True, slots=True)
class _Preparation:
    location: CorpusLocation
    run: RunFolder
    recipe: Recipe
    tools: NoteTools
    progress: Progress

    def sitting(self, *, restart: bool) -> Yield:
        self.run.pool.mkdir(parents=True, exist_ok=True)
        outputs = {"notes": self.run.notes, "pool": self.run.pool_file}
        with open_journal(self.run.path, "prepare", outputs, self._plan(), restart=restart) as journal:
            if not journal.finished:
                self._prepare(journal)
                journal.finish()
            return journal.total

    def _plan(self) -> dict[str, object]:
        chosen = {"licences", "languages", "min_characters", "max_characters", "hide_ids"}
        return {
            "corpus": self.location.name,
            "corpus_hash": fingerprint(self.location),
            "notes": self.recipe.generate.model_dump(mode="json", include=chosen),
            "passages": self.recipe.passages.model_dump(mode="json"),
            "cutting": CUTTING,
            "masking": self.tools.masking,
        }

    def _prepare(self, journal: Journal) -> None:
        rejects = Rejects(self.run.path / "rejects.jsonl")
        documents = read_documents(self.location, rejects)
        total = estimate_documents(self.location)
        with self.progress.stage("Masking and cutting notes", total) as advance:
            for number, block in enumerate(_blocks(documents)):
                if number >= len(journal.units):
                    rows, counted = _prepared(block, self.location.name, self.recipe, self.tools)
                    journal.commit(str(number), rows, counted)
                advance(len(block))
        if rejects.count:
            where = f"{rejects.file}, each with its place and reason"
            self.progress.say(f"{rejects.count:,} bad records set aside in {where}")


def _blocks(documents: Iterator[Document]) -> Iterator[list[Document]]:
    while block := list(islice(documents, BLOCK)):
        yield block


def _prepared(
    block: Sequence[Document], corpus: str, recipe: Recipe, tools: NoteTools
) -> tuple[dict[str, list[Row]], Yield]:
    counted = Yield(taken=len(block))
    notes: list[Row] = []
    pool: list[Row] = []
    settings = PassageSettings(**recipe.passages.model_dump())
    for document in block:
        if reason := _unfit(document, recipe.generate):
            counted.dropped[reason] += 1
            continue
        try:
            masked, found = _masked(document, tools.masker)
        except UnmaskableError:
            counted.dropped["could not be masked in time"] += 1
            continue
        counted.seen.update({f"masked: {kind}": count for kind, count in found.items()})
        source = _source(document, corpus, hide_ids=recipe.generate.hide_ids)
        note, passages = _cut(masked, source, settings, tools.count_tokens)
        notes.append(note)
        pool.extend(PoolRow.of(passage) for passage in passages)
        counted.kept += 1
    counted.seen["passages"] += len(pool)
    return {"notes": notes, "pool": pool}, counted


def _unfit(document: Document, table: GenerateTable) -> str:
    """Why a note is not used; empty for one that is."""
    licence = str(document.metadata.get("licence") or "not stated")
    if table.licences and licence not in table.licences:
        return f"licence {licence}"
    language = language_of(document.metadata)
    if table.languages and language not in table.languages:
        return f"language {language}"
    if len(document.text) < table.min_characters:
        return "shorter than the recipe's limit"
    if len(document.text) > table.max_characters:
        return "longer than the recipe's limit"
    return ""


_BETWEEN = "\n\n"


def _masked(document: Document, masker: Masks) -> tuple[Document, Mapping[str, int]]:
    """The document without identifiers; its sections are given up, since masking moves their places.

    Title and text are masked as one, so that a name that one of them introduces is known in the other.
    """
    title = " ".join(document.title.split())
    masked = masker.mask(f"{title}{_BETWEEN}{document.text}" if title else document.text)
    head, _, text = masked.text.partition(_BETWEEN) if title else ("", "", masked.text)
    return Document(document.doc_id, head, text, document.metadata), masked.found


def _source(document: Document, corpus: str, *, hide_ids: bool) -> SourceDocument:
    metadata = document.metadata
    group = str(metadata.get("group") or "")
    return SourceDocument(
        corpus=corpus,
        doc_id=_hidden(document.doc_id) if hide_ids else document.doc_id,
        licence=str(metadata.get("licence") or ""),
        url="" if hide_ids else str(metadata.get("url") or ""),
        group=_hidden(group) if hide_ids and group else group,
    )


def _hidden(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:16]


def _cut(
    document: Document, source: SourceDocument, settings: PassageSettings, count_tokens: TokenCounter
) -> tuple[NoteRow, list[PoolPassage]]:
    cut = split_document(document, settings, count_tokens)
    ids = [f"{source.doc_id}#{passage.number}" for passage in cut]
    pool = [PoolPassage(name, passage_text(passage), source) for name, passage in zip(ids, cut, strict=True)]
    places = tuple(
        NotePassage(passage_id=name, start=passage.start, end=passage.end)
        for name, passage in zip(ids, cut, strict=True)
    )
    language = language_of(document.metadata)
    note = NoteRow(
        title=document.title, text=document.text, language=language, passages=places, source=source
    )
    return note, pool
