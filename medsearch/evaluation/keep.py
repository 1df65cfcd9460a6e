"""Keeps an evaluation in a folder: the result as JSON, the runs and the judgements as TREC files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from medsearch.evaluation.evaluate import Evaluation
from medsearch.evaluation.trec import check_ids, write_qrels, write_run


def keep(record: Mapping[str, Any], evaluations: Sequence[Evaluation], folder: Path) -> None:
    """Write `CORPUS.SPLIT.json`, `.qrels` and a `.RETRIEVER.run` each; the judgements are those scored by.

    The same evaluation replaces its own files; where the name is taken by one of other retrievers or
    settings, a number is added to it.

    Raises:
        MedsearchError: if an id is empty or holds white space, which TREC files cannot carry; nothing is
            written then.
    """
    qrels = evaluations[0].qrels
    check_ids([*qrels, *(doc_id for grades in qrels.values() for doc_id in grades)])
    for evaluation in evaluations:
        check_ids([*evaluation.run, *(doc_id for scores in evaluation.run.values() for doc_id in scores)])
    folder.mkdir(parents=True, exist_ok=True)
    stem = _free_stem(folder, f"{record['corpus'].replace('/', '--')}.{record['split']}", record)
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    (folder / f"{stem}.json").write_text(text, encoding="utf-8")
    write_qrels(qrels, folder / f"{stem}.qrels")
    for evaluation in evaluations:
        tag = "-".join(evaluation.retriever.replace(":", " ").split())
        write_run(evaluation.run, folder / f"{stem}.{tag}.run", tag=tag)


def _free_stem(folder: Path, stem: str, record: Mapping[str, Any]) -> str:
    """The first of STEM, STEM.2, STEM.3 … that is free or holds this very evaluation."""
    for number in count(1):
        candidate = stem if number == 1 else f"{stem}.{number}"
        file = folder / f"{candidate}.json"
        if not file.exists() or _what_was_evaluated(file) == _identity(record):
            return candidate
    raise AssertionError("count() does not end")


def _what_was_evaluated(file: Path) -> object:
    try:
        return _identity(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError):
        return None


def _identity(record: Mapping[str, Any]) -> object:
    settings = record["settings"]
    how = {key: settings.get(key) for key in ("passages", "search", "run", "qrels", "ignore_identical_ids")}
    return json.loads(json.dumps([sorted(record["models"]), how]))
