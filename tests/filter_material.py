"""A run of generated queries, good ones and planted faults, for tests of `filter`.

    python tests/filter_material.py FOLDER WRITES

filters the run in FOLDER and kills itself, as `kill -9` would, amid its WRITES-th write to a file.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from fakes import Heard, TopicEncoder
from pool_material import TOPIC_MODEL, passage, topic_settings, write_run

import pipeline.filter
import pipeline.journal
import pipeline.pool_search
from pipeline.filter import filter_run
from pipeline.journal import lines_of
from pipeline.recipe import FilterTable, GenerateTable, LlmTable, Mode, Recipe
from pipeline.records import GeneratedRow, QueryKind
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield

TEXTS = {
    "heart": (
        "A man of 61 years had chest pain on exertion for three months. Coronary angiography showed a "
        "narrowed left anterior descending artery and a stent was placed. He took clopidogrel for one year."
    ),
    "asthma": (
        "A girl of 9 years with asthma woke at night with cough and wheeze. Budesonide was inhaled twice a "
        "day, and after six weeks she slept through without symptoms."
    ),
    "diabetes": (
        "A woman with type 2 diabetes had glucose above 15 mmol/l in spite of metformin. Basal insulin was "
        "started at 10 units in the evening and raised every three days."
    ),
    "eczema": (
        "A baby had an itching rash in the folds of both elbows. Eczema was diagnosed; hydrocortisone "
        "ointment and an emollient cleared the skin in ten days."
    ),
    "stone": (
        "Severe pain in the right flank was caused by a stone of 7 mm in the ureter. Tamsulosin was given, "
        "and as the stone did not pass, it was removed by ureteroscopy."
    ),
    "gout": (
        "The big toe was red and swollen overnight. Urate crystals were seen in the aspirate; colchicine was "
        "given for the attack and allopurinol started four weeks later."
    ),
    "migraine": (
        "Throbbing headache on one side with vomiting came twice a month. Sumatriptan nasal spray stopped "
        "the attacks, and propranolol made them rarer."
    ),
    "thyroid": (
        "Weight loss, tremor and a fast pulse led to the finding of Graves disease. Carbimazole was begun, "
        "and radioiodine followed after a relapse."
    ),
    "spanish": (
        "Paciente de 45 años con dolor abdominal intenso desde hace dos días. Se realizó una ecografía que "
        "mostró apendicitis aguda y fue operado el mismo día."
    ),
    "sibling": (
        "At follow-up the man with the stent walked five kilometres without chest pain, and clopidogrel was "
        "stopped after one year."
    ),
}
"""The passages of the pool by their ids; `sibling` is of the same note as `heart`."""

GOOD = (
    ("good-1", QueryKind.KEYWORD, "chest pain coronary stent", "heart"),
    ("good-2", QueryKind.QUESTION, "Which inhaler helps a child with asthma who coughs at night?", "asthma"),
    ("good-3", QueryKind.MANAGEMENT, "How is insulin started when metformin fails in diabetes?", "diabetes"),
    ("good-4", QueryKind.QUESTION, "What clears eczema on the skin of a baby?", "eczema"),
    ("good-5", QueryKind.KEYWORD, "ureter stone tamsulosin ureteroscopy", "stone"),
    ("good-6", QueryKind.MANAGEMENT, "When is allopurinol begun after an attack of gout?", "gout"),
    ("good-7", QueryKind.KEYWORD, "sumatriptan propranolol headache", "migraine"),
    (
        "good-8",
        QueryKind.QUESTION,
        "What is done when Graves disease comes back after carbimazole?",
        "thyroid",
    ),
)

PLANTED = (
    ("short", QueryKind.KEYWORD, "asthma", "asthma", "length"),
    ("long", QueryKind.QUESTION, " ".join(["why does this child with asthma cough"] * 7), "asthma", "length"),
    ("empty", QueryKind.QUESTION, "What is it about and why?", "gout", "no content"),
    ("masked", QueryKind.QUESTION, "[NAME] [DATE] stent", "heart", "masks"),
    ("loop", QueryKind.KEYWORD, "gout gout gout gout toe", "gout", "repeated words"),
    ("talk", QueryKind.QUESTION, "Which drug for gout is mentioned in the note?", "gout", "boilerplate"),
    ("spanish", QueryKind.QUESTION, "¿Cuál es el tratamiento del cálculo en el uréter?", "stone",
     "language of the query"),
    ("foreign", QueryKind.KEYWORD, "acute appendicitis surgery", "spanish", "language of the passage"),
    ("copy", QueryKind.QUESTION, "Tamsulosin was given, and as the stone did not pass?", "stone",
     "copy of the passage"),
    ("example", QueryKind.QUESTION, "Can sertraline cause low sodium?", "gout", "from the prompt's examples"),
    ("again", QueryKind.KEYWORD, "Chest pain: coronary STENT", "heart", "exact duplicate"),
    ("nearly", QueryKind.QUESTION, "What cleared the eczema on a baby's skin?", "eczema", "near duplicate"),
    ("wrong", QueryKind.QUESTION, "How is a stone in the ureter removed?", "migraine", "round trip, hybrid"),
)  # fmt: skip
"""Faults by name: what was asked about which passage, and the rule that has to catch it."""


def recipe(**filters: object) -> Recipe:
    """The recipe of these tests; `filters` replace its thresholds."""
    table = FilterTable.model_validate({"base_model": TOPIC_MODEL, "round_trip_k": 2, **filters})
    return Recipe(
        description="test",
        llm=LlmTable(model="none"),
        generate=GenerateTable(mode=Mode.ONE, prompt="one_text"),
        filter=table,
    )


def generated(row_id: str, kind: QueryKind, query: str, passage_id: str, relevance: int = 4) -> GeneratedRow:
    """A row as `generate` writes it."""
    text = TEXTS[passage_id]
    return GeneratedRow.model_validate(
        {
            "row_id": row_id,
            "kind": kind,
            "query": query,
            "evidence": text[:40],
            "start": 0,
            "end": 40,
            "alignment": 100,
            "relevance": relevance,
            "passage_id": passage_id,
            "source": {"corpus": "tiny", "doc_id": note_of(passage_id), "licence": "none"},
            "llm": {"model": "none", "server": "", "temperature": 0, "seed": None, "prompt": "one_text",
                    "prompt_version": 1},
        }
    )  # fmt: skip


def note_of(passage_id: str) -> str:
    """The note that a passage is part of."""
    return "note-heart" if passage_id == "sibling" else f"note-{passage_id}"


def planted_rows() -> list[GeneratedRow]:
    """All good rows with the planted faults among them; each fault comes after what it repeats."""
    faults = [generated(*row[:4]) for row in PLANTED]
    faults.append(generated("weak", QueryKind.KEYWORD, "Graves disease radioiodine", "thyroid", relevance=2))
    rows = [generated(*row) for row in GOOD]
    return [*rows[:4], *faults[:6], *rows[4:6], *faults[6:], *rows[6:]]


def filter_folder(folder: Path, rows: list[GeneratedRow]) -> RunFolder:
    """A run folder that holds these rows and the pool."""
    run = write_run(folder, [passage(name, text, note_of(name)) for name, text in TEXTS.items()])
    run.generated.write_bytes(lines_of(rows))
    return run


def filtered(run: RunFolder, asked: Recipe | None = None, heard: Heard | None = None) -> Yield:
    """Run the stage; the encoder must have been replaced by the stand-in. Tests share what it caches."""
    settings = topic_settings(run.path.parent.parent / "filter-settings")
    return filter_run(run, asked or recipe(), settings, heard or Heard())


def cut_write(number: int, die: Callable[[], None]) -> Callable[[Path, bytes], int]:
    """A stand-in for the journal's `append`: one write is half done, and then `die` is called."""
    whole, writes = pipeline.journal.append, 0

    def append(path: Path, data: bytes) -> int:
        nonlocal writes
        writes += 1
        if writes == number:
            whole(path, data[: len(data) // 2])
            die()
        return whole(path, data)

    return append


def _main(folder: Path, number: int) -> None:
    pipeline.filter.BLOCK = 3
    pipeline.pool_search.load_encoder = lambda *_, **__: TopicEncoder()
    pipeline.journal.append = cut_write(number, lambda: os.kill(os.getpid(), signal.SIGKILL))
    filtered(RunFolder(folder))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]))
