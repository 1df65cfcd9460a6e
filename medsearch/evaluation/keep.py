"""Keeps an evaluation in a folder: the result as JSON, the run and the judgements as TREC files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from medsearch.evaluation.evaluate import Evaluation
from medsearch.evaluation.trec import check_ids, write_qrels, write_run

_BY_RETRIEVER = ("models", "per_query", "seconds", "cost", "marks", "provenance")
_HOW = ("passages", "search", "run", "qrels", "ignore_identical_ids")


def keep(record: Mapping[str, Any], evaluations: Sequence[Evaluation], folder: Path) -> list[Path]:
    """Write `CORPUS.SPLIT.RETRIEVER.json`, `.run` and `.qrels` for each; judgements are those scored by.

    The same evaluation replaces its own files; where the name is taken by one of other settings, a number is
    added to it. The JSON file comes last and at once, so that it stands for a whole result. Returns the JSON
    files.

    Raises:
        MedsearchError: if an id is empty or holds white space, which TREC files cannot carry; nothing is
            written then.
    """
    qrels = evaluations[0].qrels
    check_ids([*qrels, *(doc_id for grades in qrels.values() for doc_id in grades)])
    for evaluation in evaluations:
        check_ids([*evaluation.run, *(doc_id for scores in evaluation.run.values() for doc_id in scores)])
    folder.mkdir(parents=True, exist_ok=True)
    return [_keep_one(single(record, one.retriever), one, folder) for one in evaluations]


def single(record: Mapping[str, Any], retriever: str) -> dict[str, Any]:
    """The part of a record that is about one of its retrievers, with only that one's models and fusion."""
    mine = {
        key: {name: value for name, value in part.items() if name == retriever}
        if key in _BY_RETRIEVER
        else part
        for key, part in record.items()
    }
    settings = dict(record["settings"])
    return {**mine, "settings": settings | settings.pop("retrievers", {}).get(retriever, {})}


def result_stem(corpus: str, split: str, retriever: str) -> str:
    """How the files of a result are called, such as "covid_faq--en.test.hybrid-minilm"."""
    return f"{file_name(corpus)}.{file_name(split)}.{file_name(retriever)}"


def file_name(name: str) -> str:
    """A corpus's or retriever's name as part of a file's name."""
    return "-".join(name.replace("/", "--").replace(":", " ").split()) or "_"


def _keep_one(record: Mapping[str, Any], evaluation: Evaluation, folder: Path) -> Path:
    stem = result_stem(record["corpus"], record["split"], evaluation.retriever)
    file = _free_file(folder, stem, record)
    write_qrels(evaluation.qrels, file.with_suffix(".qrels"))
    tag = "-".join(evaluation.retriever.replace(":", " ").split())
    write_run(evaluation.run, file.with_suffix(".run"), tag=tag)
    _write(record, file)
    return file


def add_cost(file: Path, retriever: str, cost: Mapping[str, Any]) -> None:
    """Put what a retriever costs into its kept result."""
    record = json.loads(file.read_text(encoding="utf-8"))
    _write({**record, "cost": {retriever: dict(cost)}}, file)


def _write(record: Mapping[str, Any], file: Path) -> None:
    partial = file.with_name(file.name + ".partial")
    partial.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(file)


def _free_file(folder: Path, stem: str, record: Mapping[str, Any]) -> Path:
    """The first of STEM, STEM.2, STEM.3 … that is free or holds this very evaluation."""
    for number in count(1):
        file = folder / (f"{stem}.json" if number == 1 else f"{stem}.{number}.json")
        if not file.exists() or _what_was_evaluated(file) == _identity(record):
            return file
    raise AssertionError("count() does not end")


def _what_was_evaluated(file: Path) -> object:
    try:
        return _identity(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError):
        return None


def _identity(record: Mapping[str, Any]) -> object:
    settings = record["settings"]
    return json.loads(json.dumps([sorted(record["models"]), {key: settings.get(key) for key in _HOW}]))
