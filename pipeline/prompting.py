"""Prompts: files with a version, and the conversations made from them."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from medsearch.errors import UsageError, first_fault
from pipeline.llm.messages import Message
from pipeline.recipe import Mode
from pipeline.records import QueryKind
from pipeline.toml_tables import Table


class KindTable(Table):
    """How one kind of query is asked for; `cues` are beginnings of words that mark a fitting sentence."""

    instruction: str
    cues: tuple[str, ...] = ()


class ExampleQuery(Table):
    """A query of an example note, as a good answer gives it."""

    kind: QueryKind
    query: str
    passage: str
    relevance: int = Field(ge=1, le=5)


class Example(Table):
    """A worked example: of a sentence that is given (`text`, `query`), or of a whole `note`."""

    kind: QueryKind | None = None
    text: str = ""
    query: str = ""
    relevance: int = 5
    note: str = ""
    queries: tuple[ExampleQuery, ...] = ()


class Prompt(Table):
    """One prompt file. `version` is raised with every change of words, and kept in every row made with it.

    With evidence "given" we choose the sentence and the LLM only writes the query that it answers; with
    "quoted" the LLM reads the whole note and copies the passage, which must then be found in it.
    """

    name: str
    version: int
    mode: Mode
    answer: Literal["json", "text"]
    evidence: Literal["quoted", "given"]
    system: str
    kinds: dict[QueryKind, KindTable]
    examples: tuple[Example, ...]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.answer == "text") != (self.evidence == "given"):
            raise ValueError("a plain-text answer goes with given evidence, and JSON with quoted evidence")
        if self.evidence == "given" and self.mode is Mode.SIX:
            raise ValueError("evidence is given for one query at a time")
        return self

    def example_texts(self) -> tuple[str, ...]:
        """All queries and passages of the examples: what an answer must not repeat."""
        texts = [text for example in self.examples for text in (example.text, example.query)]
        texts += [text for example in self.examples for q in example.queries for text in (q.query, q.passage)]
        return tuple(dict.fromkeys(text for text in texts if text))


def load_prompt(name: str) -> Prompt:
    """The prompt of a name, from the files that come with medsearch.

    Raises:
        UsageError: there is none, or its file is not valid.
    """
    shipped = files("pipeline") / "prompts"
    names = sorted(entry.name.removesuffix(".toml") for entry in shipped.iterdir() if ".toml" in entry.name)
    if name not in names:
        raise UsageError(f"no prompt called {name!r}; there is {', '.join(names)}")
    try:
        return Prompt.model_validate(tomllib.loads((shipped / f"{name}.toml").read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UsageError(f"prompt {name}: {first_fault(error)}") from None


def conversation(prompt: Prompt, text: str, kinds: dict[QueryKind, int]) -> tuple[Message, ...]:
    """What is sent: the system's words, each example as a question and its answer, then `text`.

    `kinds` says how many queries of which kind are wanted; in mode "one" it holds one kind, once.
    """
    messages = [Message("system", prompt.system.strip())]
    for example in prompt.examples:
        if prompt.evidence == "given":
            if example.kind in kinds:
                messages.append(Message("user", _request(prompt, example.text, kinds)))
                answer = f"Query: {example.query}\nRelevance: {example.relevance}"
                messages.append(Message("assistant", answer))
            continue
        if answer := _json_answer(prompt, example, kinds):
            shown = _kinds_of(example, kinds) if prompt.mode is Mode.SIX else kinds
            messages.append(Message("user", _request(prompt, example.note, shown)))
            messages.append(Message("assistant", answer))
    messages.append(Message("user", _request(prompt, text, kinds)))
    return tuple(messages)


def _request(prompt: Prompt, text: str, kinds: dict[QueryKind, int]) -> str:
    if prompt.evidence == "given":
        return f"{prompt.kinds[next(iter(kinds))].instruction}\n\n{text}"
    wanted = [f"- {count} of kind {kind}: {prompt.kinds[kind].instruction}" for kind, count in kinds.items()]
    how = "Write these queries as JSON:" if prompt.mode is Mode.SIX else "Write this query as JSON:"
    return "\n".join([f"Note:\n{text}\n", how, *wanted])


def _json_answer(prompt: Prompt, example: Example, kinds: dict[QueryKind, int]) -> str:
    fitting = [query for query in example.queries if query.kind in kinds]
    if not fitting:
        return ""
    if prompt.mode is Mode.ONE:
        return json.dumps(fitting[0].model_dump(mode="json", exclude={"kind"}), ensure_ascii=False)
    kept: list[ExampleQuery] = []
    for query in fitting:
        if sum(other.kind is query.kind for other in kept) < kinds[query.kind]:
            kept.append(query)
    return json.dumps({"queries": [query.model_dump(mode="json") for query in kept]}, ensure_ascii=False)


def _kinds_of(example: Example, kinds: dict[QueryKind, int]) -> dict[QueryKind, int]:
    """How many of each kind the example can show, so that request and answer agree."""
    there = {kind: sum(query.kind is kind for query in example.queries) for kind in kinds}
    return {kind: min(count, there[kind]) for kind, count in kinds.items() if there[kind]}
