"""Asks an LLM for queries about the notes of a run."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Protocol, Self, TypeVar

from medsearch.protocols import Progress
from pipeline.answers import Written, checker, schema_of
from pipeline.grounding import Grounded
from pipeline.journal import Journal, open_journal
from pipeline.llm.messages import ChatRequest
from pipeline.llm.outcome import Kept, Outcome, SetAside
from pipeline.notes import NoteRow
from pipeline.prompting import Prompt, conversation
from pipeline.questions import Question, passage_of, place_of, questions_about
from pipeline.recipe import Mode, Recipe
from pipeline.records import GeneratedRow, LlmCall, Row, SetAsideRow
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield

T = TypeVar("T")


class Asks(Protocol):
    """An LLM, or a stand-in."""

    async def ask(self, request: ChatRequest, check: Callable[[str], T]) -> Outcome[T]:
        """The checked answer, or why there is none."""
        ...


@dataclass(slots=True)
class NoteResult:
    """All that came of one note, written in one piece."""

    generated: list[GeneratedRow] = field(default_factory=list)
    set_aside: list[SetAsideRow] = field(default_factory=list)
    counted: Yield = field(default_factory=Yield)

    def rows(self) -> dict[str, Sequence[Row]]:
        """The rows by output file."""
        return {"generated": self.generated, "set_aside": self.set_aside}


@dataclass(frozen=True, slots=True)
class Generator:
    """Asks about notes under one recipe and prompt. Notes come out in the order they went in."""

    llm: Asks
    recipe: Recipe
    prompt: Prompt

    async def results(self, notes: Iterator[NoteRow]) -> AsyncGenerator[tuple[NoteRow, NoteResult], None]:
        """Yield each note with what came of it; enough notes are under way to keep the servers busy.

        Raises:
            LlmUnavailableError: no server answers any more.
        """
        under_way: deque[tuple[NoteRow, asyncio.Task[NoteResult]]] = deque()
        try:
            while True:
                for note in islice(notes, self._window() - len(under_way)):
                    under_way.append((note, asyncio.create_task(self._about(note))))
                if not under_way:
                    return
                note, task = under_way.popleft()
                yield note, await task
        finally:
            for _, task in under_way:
                task.cancel()
            await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)

    def _window(self) -> int:
        """Notes under way: twice the questions in flight keep servers busy, and a kill costs no more."""
        table = self.recipe.generate
        questions = 1 if table.mode is Mode.SIX else sum(table.queries.values())
        return 1 + ceil(2 * self.recipe.llm.in_flight / questions)

    async def _about(self, note: NoteRow) -> NoteResult:
        questions = questions_about(note, self.prompt, self.recipe.generate)
        outcomes = await asyncio.gather(*(self._ask(question) for question in questions))
        result = NoteResult()
        result.counted.seen["notes"] = 1
        for question, outcome in zip(questions, outcomes, strict=True):
            self._take(note, question, outcome, result)
        return result

    async def _ask(self, question: Question) -> Outcome[tuple[Written, ...]]:
        messages = conversation(self.prompt, question.text, question.kinds)
        request = ChatRequest(messages, schema_of(self.prompt, question.kinds), "queries")
        return await self.llm.ask(request, checker(self.prompt, question.kinds))

    def _take(
        self, note: NoteRow, question: Question, outcome: Outcome[tuple[Written, ...]], result: NoteResult
    ) -> None:
        counted, asked_for = result.counted, sum(question.kinds.values())
        counted.taken += asked_for
        counted.prompt_tokens += outcome.usage.prompt_tokens
        counted.completion_tokens += outcome.usage.completion_tokens
        counted.requests += outcome.usage.requests
        counted.seen["answers"] += 1
        if isinstance(outcome, SetAside):
            counted.dropped[outcome.reason.value] += asked_for
            detail, raw = outcome.detail, outcome.raw
            result.set_aside.append(_set_aside(note, result, outcome.reason.value, detail, raw))
            return
        counted.seen["answers that could be used"] += 1
        if outcome.usage.answers == 1:
            counted.seen["answers usable at the first try"] += 1
        for written in outcome.value:
            self._keep(note, question, written, outcome, result)

    def _keep(
        self,
        note: NoteRow,
        question: Question,
        written: Written,
        outcome: Kept[tuple[Written, ...]],
        result: NoteResult,
    ) -> None:
        place = place_of(question, written.passage, note, self.recipe.generate)
        if not isinstance(place, Grounded):
            result.counted.dropped[place] += 1
            result.set_aside.append(_set_aside(note, result, place, written.query, written.passage))
            return
        result.counted.kept += 1
        if question.evidence is None and place.alignment == 100:
            result.counted.seen["passages quoted word for word"] += 1
        row = GeneratedRow(
            row_id=_row_id(note, result),
            kind=written.kind,
            query=written.query,
            evidence=note.text[place.start : place.end],
            start=place.start,
            end=place.end,
            alignment=None if question.evidence else place.alignment,
            relevance=written.relevance,
            passage_id=passage_of(note, place),
            source=note.source,
            llm=self._call(outcome),
        )
        result.generated.append(row)

    def _call(self, outcome: Kept[tuple[Written, ...]]) -> LlmCall:
        return LlmCall(
            model=outcome.model,
            server=outcome.server,
            temperature=self.recipe.llm.temperature,
            seed=self.recipe.llm.seed,
            prompt=self.prompt.name,
            prompt_version=self.prompt.version,
        )


def _row_id(note: NoteRow, result: NoteResult) -> str:
    return f"{note.source.doc_id}/{len(result.generated) + len(result.set_aside)}"


def _set_aside(note: NoteRow, result: NoteResult, reason: str, detail: str, raw: str) -> SetAsideRow:
    row_id = _row_id(note, result)
    return SetAsideRow(row_id=row_id, reason=reason, detail=detail, raw=raw, source=note.source)


def generation_plan(recipe: Recipe, prompt: Prompt, pool_digest: str) -> dict[str, object]:
    """What must not change while a run is generated; servers, patience and the number of notes may."""
    return {
        "llm": recipe.llm.model_dump(
            mode="json", include={"model", "temperature", "max_tokens", "seed", "structured"}
        ),
        "generate": recipe.generate.model_dump(mode="json"),
        "prompt": prompt.model_dump(mode="json"),
        "notes": pool_digest,
    }


@dataclass(frozen=True, slots=True)
class NoteOrder:
    """The notes of a run, shuffled by a hash of id and seed: the first N of them are a random sample.

    Only their places in the file are held, not the notes.
    """

    file: Path
    places: tuple[int, ...]

    @classmethod
    def of(cls, file: Path, seed: int) -> Self:
        """Read the file once for the order of its notes."""
        keyed: list[tuple[bytes, int]] = []
        with file.open("rb") as lines:
            place = 0
            for line in lines:
                doc_id = json.loads(line)["source"]["doc_id"]
                keyed.append((sha256(f"{seed}:{doc_id}".encode()).digest(), place))
                place += len(line)
        return cls(file, tuple(place for _, place in sorted(keyed)))

    def read(self, start: int, end: int) -> Iterator[NoteRow]:
        """The notes numbered `start` to `end` (exclusive) in this order."""
        with self.file.open("rb") as lines:
            for place in self.places[start:end]:
                lines.seek(place)
                yield NoteRow.model_validate_json(lines.readline())


async def generate(
    run: RunFolder,
    generator: Generator,
    plan: dict[str, object],
    limit: int,
    progress: Progress,
    *,
    restart: bool = False,
) -> Yield:
    """Ask about the first `limit` notes of a run, going on where an earlier sitting stopped.

    Raises:
        PlanChangedError: the run was begun with another prompt, model or notes.
        LlmUnavailableError: no server answers; what is done is kept.
    """
    order = NoteOrder.of(run.notes, generator.recipe.generate.order_seed)
    wanted = min(limit, len(order.places))
    outputs = {"generated": run.generated, "set_aside": run.set_aside}
    with open_journal(run.path, "generate", outputs, plan, restart=restart) as journal:
        done = len(journal.units)
        if done >= wanted:
            progress.say(f"{done:,} notes were asked about already: nothing to do")
            return journal.total
        with progress.stage("Writing queries", wanted) as advance:
            advance(done)
            await _ask_and_commit(generator, order.read(done, wanted), journal, advance)
        return journal.total


async def _ask_and_commit(
    generator: Generator, notes: Iterator[NoteRow], journal: Journal, advance: Callable[[int], None]
) -> None:
    results = generator.results(notes)
    try:
        async for note, result in results:
            journal.commit(note.source.doc_id, result.rows(), result.counted)
            advance(1)
    finally:
        await results.aclose()
