"""Notes written for tests, and generating from them with a fake LLM; as a script, it can be killed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes import Heard
from llm_material import FakeTime

from medsearch.corpora.catalogue import CorpusLocation, find_corpus
from pipeline import journal as journal_module
from pipeline.generate import Generator, generate, generation_plan
from pipeline.journal import digest
from pipeline.llm.client import LlmClient
from pipeline.llm.server import ServerSettings, Structured
from pipeline.notes import NoteTools, prepare_notes
from pipeline.prompting import load_prompt
from pipeline.recipe import Recipe, parse_recipe
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield

DRUGS = ("aspirin", "insulin", "warfarin", "digoxin", "prednisolone", "lithium")
ORGANS = ("heart", "lung", "kidney", "liver", "skin", "thyroid")


def note_text(number: int) -> str:
    """A note of four sentences that no other number has."""
    organ, drug = ORGANS[number % 6], DRUGS[number // 6 % 6]
    return (
        f"Patient {number} was a farmer of {20 + number} years with pain near the {organ} for "
        f"{number + 2} weeks. "
        f"An ultrasound scan number {number} of the {organ} showed a cyst of {number + 1} millimetres. "
        f"He was treated with {drug} {10 * number + 5} mg daily for {number + 1} days. "
        f"After {number + 3} months of follow-up the {organ} was normal again on scan {number}."
    )


def write_notes(folder: Path, count: int) -> CorpusLocation:
    """A corpus `notes` of `count` documents."""
    (folder / "notes").mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps(
            {
                "_id": f"n{number:03d}",
                "title": "",
                "text": note_text(number),
                "metadata": {"licence": "CC BY", "language": "en", "url": f"https://example.org/{number}"},
            }
        )
        for number in range(count)
    ]
    (folder / "notes" / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    return find_corpus("notes", (folder,))


@dataclass
class Masked:
    text: str
    found: Mapping[str, int] = field(default_factory=dict)


class NameMasker:
    """Masks the one word that these notes have in place of a name."""

    def mask(self, text: str, /) -> Masked:
        masked, count = re.subn(r"Patient \d+", "[NAME]", text)
        return Masked(masked, {"name": count} if count else {})


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def recipe(mode: str, **llm: Any) -> Recipe:
    """A recipe for the fake LLM in a mode: six, one or one_text."""
    chosen = {"model": "fake", "structured": "none" if mode == "one_text" else "json_schema", **llm}
    table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in chosen.items())
    return parse_recipe(
        f'description = "test"\n[llm]\n{table}\n[generate]\nmode = "{"six" if mode == "six" else "one"}"\n'
        f'prompt = "{mode}"\n[passages]\nmax_tokens = 30\noverlap_tokens = 5\n',
        "test",
    )


def request_of(body: dict[str, Any]) -> str:
    """The last thing asked, complaints about an answer left out."""
    users = [message["content"] for message in body["messages"] if message["role"] == "user"]
    return [content for content in users if not content.startswith("That answer")][-1]


def sentences_of(body: dict[str, Any]) -> list[str]:
    """The sentences of the note in a request."""
    shown = request_of(body).split("Write th")[0]
    return re.findall(r"(?:\[NAME\]|An|He|After)[^.]+\.", shown)


def good_answer(body: dict[str, Any]) -> str:
    """What a good LLM says: queries that quote the note of the request."""
    request = request_of(body)
    if "\nWrite th" not in request:
        words = request.split("\n\n", 1)[1].split()
        return f"Query: what about {' '.join(words[-4:])}\nRelevance: 4"
    sentences = sentences_of(body)
    queries = [
        {
            "kind": kind,
            "query": f"{kind} about {s.split()[-2]} {s.split()[-3]} {n}",
            "passage": s,
            "relevance": 5,
        }
        for n, (kind, s) in enumerate(
            zip(
                ("keyword", "keyword", "question", "question", "management", "management"),
                sentences * 2,
                strict=False,
            )
        )
    ]
    if "Write these" in request:
        return json.dumps({"queries": queries})
    return json.dumps({key: queries[0][key] for key in ("query", "passage", "relevance")})


def run_all(folder: Path, url: str, mode: str, notes: int, limit: int) -> tuple[Yield, Yield]:
    """Prepare and generate in `folder`, as the command does."""
    chosen = recipe(mode, servers=[url], in_flight=4)
    run = RunFolder(folder / "run")
    heard = Heard()
    prepared = prepare_notes(
        write_notes(folder, notes), run, chosen, NoteTools(NameMasker(), count_words, "1"), heard
    )
    prompt = load_prompt(mode)
    servers = ServerSettings(
        (url,), "fake", 0.7, 300, in_flight=4, timeout_s=5, structured=Structured(chosen.llm.structured)
    )

    async def ask() -> Yield:
        async with LlmClient(servers, timing=FakeTime().timing()) as llm:
            plan = generation_plan(chosen, prompt, digest(run.notes))
            return await generate(run, Generator(llm, chosen, prompt), plan, limit, heard)

    return prepared, asyncio.run(ask())


def die_at_append(number: int, *, torn: bool) -> None:
    """Have this process killed at its n-th append, before it or, if `torn`, in the middle of it."""
    original, count = journal_module.append, 0

    def append(path: Path, data: bytes) -> int:
        nonlocal count
        count += 1
        if count == number:
            if torn:
                original(path, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return original(path, data)

    journal_module.append = append


if __name__ == "__main__":
    where, server, how, kill_at, half = sys.argv[1:]
    die_at_append(int(kill_at), torn=half == "torn")
    run_all(Path(where), server, how, notes=70, limit=12)
