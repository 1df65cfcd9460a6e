"""Keeps an evaluation in a folder: the result as JSON, the run and the judgements as TREC files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any

from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.evaluate import Evaluation
from medsearch.evaluation.trec import check_ids, read_qrels, read_run, write_qrels, write_run

_BY_RETRIEVER = ("models", "per_query", "seconds", "cost", "marks", "provenance")
_HOW = ("passages", "search", "run", "qrels", "ignore_identical_ids")


def ready_folder(folder: Path) -> None:
    """Make the folder and try a file in it, so that hours of work are not lost for want of a place.

    Raises:
        UsageError: it is a file, or nothing can be written there.
    """
    trial = _partial(folder / "trial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise UsageError(
            f"{folder}: results cannot be kept there: {error.strerror or error}; name another folder"
        ) from None


def keep(record: Mapping[str, Any], evaluations: Sequence[Evaluation], folder: Path) -> list[Path]:
    """Write `CORPUS.SPLIT.RETRIEVER.json`, `.run` and `.qrels` for each; judgements are those scored by.

    The same evaluation replaces its own files; where the name is taken by one of other settings, a number is
    added to it. Each file comes at once and the JSON file last, so that it stands for a whole result. Returns
    the JSON files.

    Raises:
        UsageError: if nothing can be written in the folder.
        MedsearchError: if an id is empty or holds white space, which TREC files cannot carry; nothing is
            written then.
    """
    qrels = evaluations[0].qrels
    check_ids([*qrels, *(doc_id for grades in qrels.values() for doc_id in grades)])
    for evaluation in evaluations:
        check_ids([*evaluation.run, *(doc_id for scores in evaluation.run.values() for doc_id in scores)])
    ready_folder(folder)
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


def add_cost(file: Path, retriever: str, cost: Mapping[str, Any]) -> None:
    """Put what a retriever costs into its kept result."""
    _write({**_read(file), "cost": {retriever: dict(cost)}}, file)


def set_marks(file: Path, retriever: str, marks: Sequence[str]) -> None:
    """Put the marks that a kept result must carry now in the place of those that it has."""
    _write({**_read(file), "marks": {retriever: list(marks)}}, file)


def kept_evaluation(file: Path, retriever: str) -> Evaluation:
    """A kept result as the evaluation that it was.

    Raises:
        MedsearchError: the run or the judgements beside it are gone or cannot be read.
    """
    record = _read(file)
    return Evaluation(
        retriever,
        read_run(file.with_suffix(".run")),
        read_qrels(file.with_suffix(".qrels")),
        record["per_query"][retriever],
        float(record["seconds"][retriever]),
    )


def _keep_one(record: Mapping[str, Any], evaluation: Evaluation, folder: Path) -> Path:
    stem = result_stem(record["corpus"], record["split"], evaluation.retriever)
    file = _free_file(folder, stem, record)
    tag = "-".join(evaluation.retriever.replace(":", " ").split())
    judgements, run = file.with_suffix(".qrels"), file.with_suffix(".run")
    with _switched_in(judgements) as partial:
        write_qrels(evaluation.qrels, partial)
    with _switched_in(run) as partial:
        write_run(evaluation.run, partial, tag=tag)
    _write(record, file)
    return file


def _read(file: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return record


def _write(record: Mapping[str, Any], file: Path) -> None:
    with _switched_in(file) as partial:
        partial.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def _switched_in(file: Path) -> Iterator[Path]:
    """A file of this process alone to write; it takes the place of `file` when it is whole.

    Raises:
        MedsearchError: it cannot be written (a full disk).
    """
    partial = _partial(file)
    try:
        yield partial
        partial.replace(file)
    except OSError as error:
        raise MedsearchError(f"{file}: cannot be written: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)


def _partial(file: Path) -> Path:
    return file.with_name(f"{file.name}.{token_hex(4)}.partial")


def _free_file(folder: Path, stem: str, record: Mapping[str, Any]) -> Path:
    """The first of STEM, STEM.2, STEM.3 … that is free or holds this very evaluation."""
    for number in count(1):
        file = folder / (f"{stem}.json" if number == 1 else f"{stem}.{number}.json")
        if not file.exists() or _what_was_evaluated(file) == _identity(record):
            return file
    raise AssertionError("count() does not end")


def _what_was_evaluated(file: Path) -> object:
    try:
        return _identity(_read(file))
    except (ValueError, KeyError, TypeError):
        return None


def _identity(record: Mapping[str, Any]) -> object:
    """Also corpus and split: "a/b" and "a--b" are one name to the file system."""
    settings = record["settings"]
    how = {key: settings.get(key) for key in _HOW}
    return json.loads(json.dumps([record["corpus"], record["split"], sorted(record["models"]), how]))
