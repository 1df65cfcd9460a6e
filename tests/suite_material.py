"""Two tiny corpora on disk, to run suites on with a stand-in for dense models."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from fakes import Heard, TopicEncoder, topic_spec

from medsearch.encoders.registry import load_registry
from medsearch.evaluation.looks import read_looks
from medsearch.evaluation.provenance import Provenance, Selection, SelectionTask, write_provenance
from medsearch.evaluation.results import TaskResult
from medsearch.search.names import parse_retriever
from medsearch.settings import Settings
from medsearch.types import ModelSpec
from medsearch.workbench.suite_run import SuiteRequest, open_suite
from medsearch.workbench.suites import Suite, SuiteRole, SuiteTask

DOCUMENTS = {
    "heart": "Angina is chest pain from the heart.",
    "lung": "Asthma gives a cough and short breath.",
    "sugar": "Diabetes: glucose is high. Insulin lowers glucose.",
}
QUERIES = {"q1": "chest pain", "q2": "high glucose and insulin"}
SUITE = Suite("tiny-suite", SuiteRole.REPORT, "", (SuiteTask("one", "test"), SuiteTask("more/two", "test")))


@dataclass
class Bench:
    """Two corpora on disk, the stand-in encoder in place of dense models, and a ledger of looks."""

    settings: Settings
    registry: dict[str, ModelSpec]
    out: Path
    encoders: list[TopicEncoder] = field(default_factory=list)
    heard: Heard = field(default_factory=Heard)

    def run(self, models: str, **changes: object) -> list[TaskResult]:
        names = tuple(parse_retriever(name, self.registry) for name in models.split(","))
        asked = replace(SuiteRequest(SUITE, names, self.out, cost=False), **changes)  # type: ignore[arg-type]  # a test's own table of fields
        return open_suite(asked, self.settings, self.registry).results(self.heard)

    def looks(self) -> list[tuple[str, str, str]]:
        assert self.settings.looks is not None
        ledger = read_looks(self.settings.looks)
        return [(look.task, look.retriever, look.family) for look in ledger.looks]


def suite_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench in `tmp_path`, without mteb."""
    for name in ("one", "more/two"):
        corpus = tmp_path / "data" / name
        (corpus / "qrels").mkdir(parents=True)
        for part, texts in (("corpus", DOCUMENTS), ("queries", QUERIES)):
            rows = [json.dumps({"_id": key, "text": text}) + "\n" for key, text in texts.items()]
            (corpus / f"{part}.jsonl").write_text("".join(rows), encoding="utf-8")
        (corpus / "qrels" / "test.tsv").write_text("q1\theart\t1\nq2\tsugar\t1\n", encoding="utf-8")
    settings = Settings(
        (tmp_path / "data",), tmp_path / "index", tmp_path / "cache", None, tmp_path / "looks.jsonl"
    )
    trained = topic_spec("tuned", source=f"path:{tmp_path / 'tuned'}", family="topics", query_prompt="ask: ")
    registry = {**load_registry(), "topics": topic_spec(), "tuned": trained}
    made = Bench(settings, registry, tmp_path / "out")

    def load(spec: ModelSpec, *, cache: Path) -> TopicEncoder:
        made.encoders.append(TopicEncoder(spec))
        return made.encoders[-1]

    for module in ("suite_run", "suite_results"):
        monkeypatch.setattr(f"medsearch.workbench.{module}.has_mteb", lambda: False)
    monkeypatch.setattr("medsearch.search.searcher.load_encoder", load)
    monkeypatch.setattr("medsearch.search.indexing.load_encoder", load)
    return made


def provenance(folder: Path, *tasks: SelectionTask, weights_sha256: str = "") -> None:
    folder.mkdir(exist_ok=True)
    selection = Selection(
        suite="medical-dev", tasks=tasks, candidates=7, measure="nDCG@10", rule="highest mean over tasks"
    )
    write_provenance(
        Provenance(
            model="tuned", base="topics", family="topics", recipe="tiny", data=(), selection=selection,
            git_revision="", weights_sha256=weights_sha256,
            created="2026-01-01T00:00:00Z",  # type: ignore[arg-type]  # pydantic reads a time
        ),
        folder,
    )  # fmt: skip


def evaluated_keys(result: TaskResult) -> list[str]:
    """The keys of its queries."""
    return sorted(result.query_keys.values())
