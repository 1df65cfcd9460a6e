"""Runs hub tasks in a process of its own, whose `HF_ENDPOINT` is set before anything is imported.

Arguments: a folder, then tasks as "NAME:SPLIT:RETRIEVER,RETRIEVER". Prints a JSON line for each
retriever. "topics" is the stand-in encoder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from fakes import Heard, TopicEncoder, topic_spec

import medsearch.search.indexing
import medsearch.search.searcher
import medsearch.workbench.hub.other
from medsearch.encoders.registry import load_registry
from medsearch.errors import MedsearchError
from medsearch.evaluation.keep import keep
from medsearch.search.names import parse_retriever
from medsearch.settings import Settings
from medsearch.workbench.hub.bench import open_hub_bench
from medsearch.workbench.hub.other import OtherRequest, score_other_task
from medsearch.workbench.hub.tasks import load_hub_task


def load_stand_in(spec: object, *, cache: Path) -> TopicEncoder:
    return TopicEncoder(topic_spec())


for module in (medsearch.search.indexing, medsearch.search.searcher, medsearch.workbench.hub.other):
    module.load_encoder = load_stand_in  # type: ignore[assignment]  # the stand-in for every dense model


def run(task: str, split: str, retrievers: list[str], folder: Path) -> Iterator[dict[str, object]]:
    settings = Settings((folder,), folder / "index", folder / "cache", None)
    registry = {**load_registry(), "topics": topic_spec()}
    names = [parse_retriever(retriever, registry) for retriever in retrievers]
    hub = load_hub_task(task, split)
    out = folder / "out" / "mteb"
    if not hub.retrieval:
        for name in names:
            other = score_other_task(hub, name, settings, registry, OtherRequest(out))
            yield {"measure": other.measure, "score": other.score, "file": str(other.file)}
        return
    heard = Heard()
    bench = open_hub_bench(hub, settings, registry, heard)
    for name in names:
        heard.stages.clear()
        evaluation = bench.score(name, heard)
        record = bench.record([evaluation], [name])
        [kept] = keep(record, [evaluation], folder / "out")
        yield {
            "record": record,
            "kept": kept.name,
            "file": str(bench.save(name, out)),
            "stages": heard.stages,
        }


if __name__ == "__main__":
    where, *asked = sys.argv[1:]
    for one in asked:
        task, split, retrievers = one.split(":", 2)
        try:
            for row in run(task, split, retrievers.split(","), Path(where)):
                print(json.dumps({"asked": one, **row}), flush=True)
        except MedsearchError as error:
            print(json.dumps({"asked": one, "error": str(error)}), flush=True)
