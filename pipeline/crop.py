"""The stage `crop`: training pairs without any language model, cut out of the pools of other runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from random import Random

from medsearch.corpora.passages import CUTTING
from medsearch.encoders.registry import find_model, load_registry
from medsearch.errors import MedsearchError, UsageError
from medsearch.protocols import Progress
from medsearch.search.names import BM25
from medsearch.settings import Settings
from pipeline.cropping.documents import CropDocument, read_crop_documents, sentences_of
from pipeline.cropping.queries import Asker, Cropped, document_frequencies
from pipeline.cropping.windows import windows_of
from pipeline.filters.words import Words
from pipeline.journal import Journal, digest, open_journal
from pipeline.pool import PoolPassage, PoolRow
from pipeline.recipe import CropTable, Recipe
from pipeline.records import PairRow, QueryKind, Row, SourceDocument, Split
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield

STAGE = "crop"
UNIT = 256
"""Documents a unit: less than a second's work, which is all that a kill can cost."""

_RULES = 1
"""Version of the way pairs are made; raised when the same pools give others."""


def crop_runs(
    run: RunFolder,
    of: Sequence[RunFolder],
    recipe: Recipe,
    settings: Settings,
    progress: Progress,
    *,
    restart: bool = False,
) -> Yield:
    """Write `run.pairs` and the run's own pool, the windows, from the pools of the runs `of`.

    The rows of one document stand one after the other: they are each other's hard negatives where training
    puts them into one batch. A document goes to dev by a hash of its group or id, so none is on both sides;
    without a group it is the side that `mine` gives a document that hangs together with no other, by an
    equal seed and share. Going on after a stop gives the very bytes that one sitting would have.

    Raises:
        UsageError: `of` names no run, one twice or `run` itself, or `run` was made by another stage.
        PlanChangedError: the run was begun with other pools or settings, and `restart` is not set.
        MedsearchError: a pool is missing or damaged, or no document gives a pair.
    """
    _check(run, of, restart=restart)
    plan = {
        "of": [each.name for each in of],
        "pools": {each.name: digest(each.pool_file) for each in of},
        "crop": recipe.crop.model_dump(mode="json"),
        "cutting": CUTTING,
        "rules": _RULES,
        "unit": UNIT,
    }
    documents, left_out = read_crop_documents(of)
    run.pool.mkdir(parents=True, exist_ok=True)
    outputs = {"pairs": run.pairs, "pool": run.pool_file}
    with open_journal(run.path, STAGE, outputs, plan, restart=restart) as journal:
        if not journal.finished:
            _work(journal, documents, _asker(documents, recipe.crop, settings, progress), left_out, progress)
        total = journal.total
    if not total.kept:
        why = ", ".join(f"{count:,} {reason}" for reason, count in (total.dropped + total.seen).items())
        raise MedsearchError(
            f"{', '.join(each.name for each in of)}: no pair came of it ({why or 'no text'})"
        )
    return total


def _check(run: RunFolder, of: Sequence[RunFolder], *, restart: bool) -> None:
    names = [each.name for each in of]
    if not names or len(set(names)) < len(names) or run.name in names:
        raise UsageError(f"--of names one or more other runs than {run.name}, each once")
    others = [file for file in (run.notes, run.generated, run.judged, run.dropped) if file.exists()]
    if not restart and not (run.path / f"{STAGE}.journal.jsonl").exists():
        others += [file for file in (run.pairs, run.pool_file) if file.exists()]
    if others:
        raise UsageError(
            f"run {run.name} was not made by crop (it has {others[0].name}): name another with --run"
        )


def _asker(
    documents: Sequence[CropDocument], table: CropTable, settings: Settings, progress: Progress
) -> Asker:
    words = Words(find_model(BM25, load_registry(settings.models)))
    texts = (" ".join(text for _, text in document.passages) for document in documents)
    with progress.stage("Counting words", len(documents)) as advance:
        frequencies = document_frequencies(texts, words)
        advance(len(documents))
    return Asker(table, words, frequencies, len(documents))


def _work(
    journal: Journal,
    documents: Sequence[CropDocument],
    asker: Asker,
    left_out: Counter[str],
    progress: Progress,
) -> None:
    with progress.stage("Cutting pairs", len(documents)) as advance:
        for number, start in enumerate(range(0, len(documents), UNIT)):
            block = documents[start : start + UNIT]
            if number >= len(journal.units):
                counted = Yield(seen=Counter(left_out) if not number else Counter())
                journal.commit(str(number), _cropped(block, asker, counted), counted)
            advance(len(block))
    journal.finish()


def _cropped(block: Sequence[CropDocument], asker: Asker, counted: Yield) -> dict[str, Sequence[Row]]:
    pairs: list[Row] = []
    pool: list[Row] = []
    for document in block:
        source = document.source
        chance = Random(f"{asker.table.seed}\0{source.corpus}\0{source.doc_id}")  # noqa: S311 - no secret
        split = side_of(source, asker.table)
        windows = windows_of(sentences_of(document), asker.table, chance)
        counted.seen["documents"] += 1
        counted.seen["documents too short for a window"] += not windows
        for number, window in enumerate(windows):
            found = asker.ask(window, chance)
            counted.taken += 1
            if found.fault:
                counted.dropped[found.fault] += 1
                continue
            row = _pair(found, f"{window[0].passage_id}/w{number}", source, split)
            pairs.append(row)
            pool.append(PoolRow.of(PoolPassage(row.positive_id, row.positive, source)))
            _count(found, split, counted)
    return {"pairs": pairs, "pool": pool}


def _pair(found: Cropped, name: str, source: SourceDocument, split: Split) -> PairRow:
    return PairRow(
        row_id=name,
        query_id=name,
        query=found.query,
        kind=QueryKind.CROP,
        positive_id=name,
        positive=" ".join(sentence.text for sentence in found.window),
        split=split,
        checks={"span": float(found.span), "taken_out": float(found.taken_out)},
        source=source,
    )


def _count(found: Cropped, split: Split, counted: Yield) -> None:
    counted.kept += 1
    counted.seen[f"rows in {split}"] += 1
    counted.seen["queries that are a span" if found.span else "queries of rare words"] += 1
    counted.seen["spans whose sentence was taken out"] += found.taken_out


def side_of(source: SourceDocument, table: CropTable) -> Split:
    """Train or dev, by a hash of the document's group, or of its corpus and id where it has none."""
    subject = source.group or f"{source.corpus}\0{source.doc_id}"
    hashed = sha256(f"{table.seed}\0{subject}".encode()).digest()
    return Split.DEV if int.from_bytes(hashed[:8]) / 2**64 < table.dev_share else Split.TRAIN
