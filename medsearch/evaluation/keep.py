"""Keeps an evaluation in a folder: the result as JSON, the runs and the judgements as TREC files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medsearch.evaluation.evaluate import Evaluation
from medsearch.evaluation.trec import check_ids, write_qrels, write_run


def keep(record: Mapping[str, Any], evaluations: Sequence[Evaluation], folder: Path) -> None:
    """Write `CORPUS.SPLIT.json`, `.qrels` and a `.RETRIEVER.run` each; the judgements are those scored by.

    Raises:
        MedsearchError: if an id is empty or holds white space, which TREC files cannot carry; nothing is
            written then.
    """
    qrels = evaluations[0].qrels
    check_ids([*qrels, *(doc_id for grades in qrels.values() for doc_id in grades)])
    for evaluation in evaluations:
        check_ids([*evaluation.run, *(doc_id for scores in evaluation.run.values() for doc_id in scores)])
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{record['corpus'].replace('/', '--')}.{record['split']}"
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    (folder / f"{stem}.json").write_text(text, encoding="utf-8")
    write_qrels(qrels, folder / f"{stem}.qrels")
    for evaluation in evaluations:
        tag = "-".join(evaluation.retriever.replace(":", " ").split())
        write_run(evaluation.run, folder / f"{stem}.{tag}.run", tag=tag)
