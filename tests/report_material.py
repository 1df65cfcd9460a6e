"""A run with triplets of two kinds, as the stages leave it, for tests of the report."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.journal import lines_of
from pipeline.pool import PoolPassage, pool_line
from pipeline.records import LlmCall, PairRow, QueryKind, SourceDocument, Split, TripletRow
from pipeline.run_folder import RunFolder

LLM = LlmCall(
    model="tiny-writer",
    server="http://127.0.0.1:8000/v1",
    temperature=0.7,
    seed=None,
    prompt="six",
    prompt_version=3,
)
SIGNS = ("fever", "cough", "wheeze", "rash", "chest pain", "ankle swelling", "headache", "thirst")


def passages(corpus: str, licence: str, count: int) -> list[PoolPassage]:
    """Passages that differ in their sign, their length and their document."""
    return [
        PoolPassage(
            f"{corpus}-p{n}",
            f"Case {n}: a patient came with {SIGNS[n % len(SIGNS)]}. " + "It settled within days. " * (n % 5),
            SourceDocument(
                corpus=corpus, doc_id=f"{corpus}-d{n}", licence=licence, group=f"g{n % len(SIGNS)}" * (n % 2)
            ),
        )
        for n in range(count)
    ]


def triplet(number: int, pool: list[PoolPassage], *, kind: QueryKind, split: Split) -> TripletRow:
    """A row about one passage; one to three others are its negatives."""
    positive = pool[number]
    others = [pool[(number + step) % len(pool)] for step in range(1, 2 + number % 3)]
    return TripletRow(
        row_id=f"r{number}",
        query_id=f"q{number}",
        query=f"what helps against {SIGNS[number % len(SIGNS)]} in case {number}?",
        positive=positive.text,
        negatives=tuple(other.text for other in others),
        kind=kind,
        split=split,
        positive_id=positive.passage_id,
        positive_score=0.75,
        negative_ids=tuple(other.passage_id for other in others),
        negative_scores=tuple(0.72 - step / 10 for step in range(len(others))),
        found_by=("dense+bm25", "dense", "bm25")[: len(others)],
        source=positive.source,
        llm=None if kind is QueryKind.JUDGED else LLM,
    )


def pair_of(row: TripletRow, evidence: str = "") -> PairRow:
    """The pair that a triplet was mined from."""
    return PairRow(
        row_id=row.row_id,
        query_id=row.query_id,
        query=row.query,
        kind=row.kind,
        positive_id=row.positive_id,
        positive=row.positive,
        evidence=evidence,
        source=row.source,
        llm=row.llm,
    )


def write_run(
    folder: Path, pool: list[PoolPassage], rows: list[TripletRow], pairs: list[PairRow] | None = None
) -> RunFolder:
    """The files of a run; pairs not given are those of the rows, with the first sentence as evidence."""
    run = RunFolder(folder)
    run.pool.mkdir(parents=True)
    run.pool_file.write_bytes(b"".join(pool_line(passage) for passage in pool))
    run.triplets.write_bytes(lines_of(rows))
    if pairs is None:
        pairs = [pair_of(row, row.positive.split(". ")[0]) for row in rows if row.llm]
    run.pairs.write_bytes(lines_of(pairs))
    return run


def generated_run(folder: Path, *, corpus: str = "case_reports", licence: str = "CC BY 4.0") -> RunFolder:
    """100 rows of the three kinds that an LLM writes, 20 of them dev, and the journals of three stages."""
    pool = passages(corpus, licence, 100)
    kinds = (QueryKind.KEYWORD, QueryKind.QUESTION, QueryKind.MANAGEMENT)
    rows = [
        triplet(n, pool, kind=kinds[n % 3], split=Split.DEV if n % 5 == 0 else Split.TRAIN)
        for n in range(len(pool))
    ]
    run = write_run(folder, pool, rows)
    write_journal(
        run, "prepare", {"corpus": corpus}, [{"taken": 60, "kept": 50, "seen": {"masked: date": 12}}]
    )
    prompt = {"name": "six", "version": 3, "system": "Long words. " * 20, "examples": [{"note": "A note."}]}
    write_journal(
        run,
        "generate",
        {"generate": {"mode": "six", "languages": ["en"]}, "prompt": prompt, "notes": "ab" * 32},
        [
            {"taken": 300, "kept": 250, "seen": {"notes": 30}, "requests": 31, "prompt_tokens": 9000},
            {"taken": 200, "kept": 150, "seen": {"notes": 20}, "dropped": {"unfaithful": 7}, "seconds": 9.5},
        ],
        finished=False,
    )
    write_journal(
        run,
        "filter",
        {"filter": {"max_copy": 0.8, "round_trip_k": 10}},
        [{"taken": 400, "kept": 100, "dropped": {"round trip": 200, "copied": 100}, "seconds": 3.0}],
    )
    write_journal(
        run, "mine", {"mine": {"source": "mixed", "min_margin": 0.0}}, [{"taken": 100, "kept": 100}]
    )
    return run


def judged_run(folder: Path, *, corpus: str = "medquad", licence: str = "") -> RunFolder:
    """40 rows that people judged, all train, of a corpus with no licence known."""
    pool = passages(corpus, licence, 40)
    rows = [triplet(n, pool, kind=QueryKind.JUDGED, split=Split.TRAIN) for n in range(len(pool))]
    run = write_run(folder, pool, rows)
    plan = {"corpus": corpus, "split": "train", "min_grade": None, "licence": "", "queries": "0" * 64}
    write_journal(run, "convert", plan, [{"taken": 41, "kept": 40, "dropped": {"no such query": 1}}])
    return run


def write_journal(
    run: RunFolder, stage: str, plan: object, units: list[dict[str, object]], *, finished: bool = True
) -> None:
    """A stage's journal as `open_journal` writes it."""
    lines: list[dict[str, object]] = [{"plan": plan}]
    lines += [{"unit": str(number), "sizes": {}, **unit} for number, unit in enumerate(units)]
    lines += [{"finished": True}] * finished
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run.path / f"{stage}.journal.jsonl").write_text(text, encoding="utf-8")
