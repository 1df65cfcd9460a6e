"""Hub tasks through mteb: a hub of our own with tiny data in the real tasks' layout, and numbers by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from math import log2
from pathlib import Path
from typing import Any

import pytest
from fakes import Heard
from mteb_hub_material import DOCUMENTS, QRELS, QUERIES, MtebHub, add_mteb_tasks

from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.evaluation.results import read_results
from medsearch.search.benchmark import BenchmarkRequest, open_bench
from medsearch.search.names import parse_retriever
from medsearch.settings import Settings
from medsearch.types import Collection, Document, Query
from medsearch.workbench.hub.bench import complete_mteb, hub_location, open_hub_bench, write_mteb_result
from medsearch.workbench.hub.tasks import HubTask

pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:9"
TESTS = Path(__file__).resolve().parent.parent

CHEST_PAIN = (1 + 2 / log2(3)) / (2 + 1 / log2(3))
"""nDCG of the first query by BM25: grade 1 in the shorter document, then grade 2."""
GLUCOSE = 1 / (1 + 1 / log2(3))
"""nDCG of the third: one of two relevant documents shares a word with it."""


SERVED = (
    "ArguAna:test:bm25",
    "MedicalQARetrieval:test:bm25",
    "NFCorpus:test:bm25,topics,hybrid:topics",
    "PublicHealthQA/english:test:bm25",
    "TRECCOVID:test:bm25",
    "NFCorpus:test:topics",
    "PublicHealthQA/french:test:bm25",
    "SciFact:test:topics",
    "SciFact-PL:test:topics",
    "TRECCOVID-PL:test:topics",
    "CmedqaRetrieval:dev:topics",
    "CUREv1/es:all:topics",
    "MedrxivClusteringP2P.v2:test:topics",
    "MedrxivClusteringS2S.v2:test:topics",
    "CMedQAv2-reranking:test:topics",
    "CMedQAv2-reranking:test:hybrid:topics",
)
"""Every task of both hub suites, all in one process: mteb takes seconds to import."""

Rows = dict[str, list[dict[str, Any]]]


def run_tasks(folder: Path, asked: tuple[str, ...], **variables: str) -> Rows:
    """What `mteb_hub_child` prints of each task; its own caches are in the folder."""
    environment = {
        **os.environ,
        "HF_HOME": str(folder / "hf"),
        "MTEB_CACHE": str(folder / "mteb"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(TESTS),
        **variables,
    }
    command = [sys.executable, str(TESTS / "mteb_hub_child.py"), str(folder / "run"), *asked]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows: Rows = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        rows.setdefault(row["asked"], []).append(row)
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mteb", reason="mteb: pip install medsearch[train]")
    return tmp_path_factory.mktemp("mteb_hub")


@pytest.fixture(scope="module")
def rows(folder: Path) -> Rows:
    with MtebHub(folder / "served") as server:
        add_mteb_tasks(server)
        return run_tasks(folder, SERVED, HF_ENDPOINT=server.endpoint)


def mteb_scores(file: str, split: str = "test") -> dict[str, float]:
    """Subset -> main score of mteb's own result file."""
    from mteb.results import TaskResult

    result = TaskResult.from_disk(Path(file), load_historic_data=False)
    return {row["hf_subset"]: row["main_score"] for row in result.scores[split]}


@pytest.mark.parametrize(
    ("task", "scores", "judged"),
    [
        ("NFCorpus:test:bm25,topics,hybrid:topics", [CHEST_PAIN, 1, GLUCOSE], 4),
        ("TRECCOVID:test:bm25", [CHEST_PAIN, 1, GLUCOSE], 4),
        ("MedicalQARetrieval:test:bm25", [CHEST_PAIN, 1, GLUCOSE], 4),
        ("PublicHealthQA/english:test:bm25", [1, 1, GLUCOSE], 3),  # pairs have no grades
        ("ArguAna:test:bm25", [CHEST_PAIN, 1, GLUCOSE, 1], 5),  # the fourth would find itself first
    ],
)
def test_numbers_of_medembed_5_are_those_worked_out_by_hand_and_mtebs(
    rows: Rows, task: str, scores: list[float], judged: int
) -> None:
    record, file = rows[task][0]["record"], rows[task][0]["file"]
    found = sorted(one["nDCG@10"] for one in record["per_query"]["bm25"].values())
    assert found == pytest.approx(sorted(scores), abs=1e-6)
    assert (record["queries"], record["queries_judged"], record["documents"]) == (len(scores), judged, 5)
    assert record["warnings"] == []
    assert Path(file).stem == task.split(":")[0].split("/")[0]
    # mteb's means are over all that are judged, and rounded to five places.
    subset = task.split(":")[0].partition("/")[2] or "default"
    assert mteb_scores(file)[subset] == pytest.approx(sum(scores) / judged, abs=6e-6)


def test_results_are_like_those_of_any_other_corpus(folder: Path, rows: Rows) -> None:
    results = {result.task: result for result in read_results(folder / "run" / "out")}
    for task in ("mteb:NFCorpus:test", "mteb:PublicHealthQA/english:test", "mteb:CUREv1/es:all"):
        result = results[task]
        assert result.run_file.is_file()
        assert {len(result.settings[f"{part}_hash"]) for part in ("corpus", "queries", "qrels")} == {64}
        assert result.settings["passages"] == "whole documents"
    settings = results["mteb:NFCorpus:test"].settings
    assert settings["dataset"] == "mteb/nfcorpus"
    assert settings["dataset_revision"] == "ec0fa4fe99da2ff19ca1214b7966684033a58814"
    assert settings["ignore_identical_ids"] is False
    assert results["mteb:ArguAna:test"].settings["ignore_identical_ids"] is True
    [english] = rows["PublicHealthQA/english:test:bm25"]
    assert english["kept"] == "mteb-PublicHealthQA--english.test.bm25.json"


def test_every_retrieval_task_of_mteb_medical_loads_and_runs(rows: Rows) -> None:
    for task in SERVED:
        name, split, _ = task.split(":", 2)
        for row in rows[task]:
            if "record" in row:
                record = row["record"]
                assert f"{record['corpus']}:{record['split']}" == f"mteb:{name}:{split}"
                assert record["documents"] == 5
                assert record["warnings"] == []
    done = {task.split(":")[0].split("/")[0] for task in SERVED}
    import mteb

    assert {task.metadata.name for task in mteb.get_benchmark("MTEB(Medical, v1)").tasks} <= done


def test_other_tasks_are_scored_by_mteb_with_a_dense_model_only(rows: Rows) -> None:
    # Topics are the labels. Of the candidates heart, lung and sugar each query finds its own first,
    # which is half of what is relevant for two of the four.
    expected = {
        "MedrxivClusteringP2P.v2:test:topics": ("v_measure", 1.0),
        "MedrxivClusteringS2S.v2:test:topics": ("v_measure", 1.0),
        "CMedQAv2-reranking:test:topics": ("map_at_1000", 0.5),
    }
    assert {task: (rows[task][0]["measure"], rows[task][0]["score"]) for task in expected} == expected
    for task, (_, score) in expected.items():
        assert mteb_scores(rows[task][0]["file"]) == {"default": score}
    [refused] = rows["CMedQAv2-reranking:test:hybrid:topics"]
    assert refused["error"] == (
        "mteb:CMedQAv2-reranking: Reranking needs one dense model; hybrid:topics is none"
    )


def test_one_bench_serves_every_retriever_and_encodes_once(rows: Rows) -> None:
    _, dense, hybrid = rows["NFCorpus:test:bm25,topics,hybrid:topics"]
    [again] = rows["NFCorpus:test:topics"]
    assert any(stage.startswith("Encoding") for stage in dense["stages"])
    assert not any(stage.startswith("Encoding") for stage in again["stages"])
    assert dense["record"]["per_query"] == again["record"]["per_query"]
    assert hybrid["record"]["settings"]["retrievers"]["hybrid:topics"]["fusion"]["method"] == "rrf"
    assert Path(hybrid["file"]).parts[-3] == "medsearch__hybrid-topics"


def test_subsets_share_one_file_of_mtebs(rows: Rows) -> None:
    [french], [english] = rows["PublicHealthQA/french:test:bm25"], rows["PublicHealthQA/english:test:bm25"]
    assert french["file"] == english["file"]
    assert set(mteb_scores(english["file"])) == {"english", "french"}


def test_what_was_loaded_before_needs_no_hub(folder: Path, rows: Rows) -> None:
    asked = ("TRECCOVID:test:bm25", "SCIDOCS:test:bm25")
    offline = run_tasks(folder, asked, HF_ENDPOINT=NOWHERE, HF_HUB_OFFLINE="1")
    [row], [absent] = (offline[task] for task in asked)
    assert row["record"]["per_query"] == rows["TRECCOVID:test:bm25"][0]["record"]["per_query"]
    assert absent["error"].startswith(
        f"mteb:SCIDOCS: its data set mteb/scidocs cannot be had from {NOWHERE}: "
    )
    assert len(absent["error"]) < 400


@pytest.fixture
def local(tmp_path: Path) -> HubTask:
    """A task as if from the hub: a collection in memory, as mteb's own kind of task."""
    from medsearch.evaluation.mteb_tasks import local_task

    documents = tuple(Document(doc_id, title, text) for doc_id, title, text in DOCUMENTS)
    queries = tuple(Query(query_id, text) for query_id, text in QUERIES)
    qrels = {query_id: {d: grade for q, d, grade in QRELS if q == query_id} for query_id, _ in QUERIES}
    return HubTask(
        "Tiny", "default", "test", local_task(Collection("x", "test", documents, queries, qrels)), "1"
    )


def test_a_main_score_of_mtebs_that_is_not_ours_is_a_warning_in_the_record(
    local: HubTask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medsearch.evaluation import mteb_results

    registry = load_registry()
    name = parse_retriever("bm25", registry)
    bench = open_hub_bench(local, settings, registry, Heard())
    assert bench.record([bench.score(name, Heard())], [name])["warnings"] == []
    real = mteb_results.evaluate_with_mteb

    def odd(task: Any, model: Any) -> Any:
        result = real(task, model)
        result.scores["test"][0]["main_score"] += 1e-4
        return result

    monkeypatch.setattr(mteb_results, "evaluate_with_mteb", odd)
    [line] = bench.record([bench.score(name, Heard())], [name])["warnings"]
    assert line == "mteb's main score of bm25 is 0.82439, ours over its queries 0.82429"


def test_a_task_that_is_not_retrieval_has_no_bench(settings: Settings) -> None:
    import mteb

    task = mteb.get_task("MedrxivClusteringS2S.v2")
    hub = HubTask("MedrxivClusteringS2S.v2", "default", "test", task, "1")
    with pytest.raises(
        UsageError, match=r"mteb:MedrxivClusteringS2S\.v2 is a task of Clustering, not of retrieval"
    ):
        open_hub_bench(hub, settings, load_registry(), Heard())


def test_a_local_result_is_written_in_mtebs_format_from_its_bench(
    local: HubTask, settings: Settings, tmp_path: Path
) -> None:
    registry = load_registry()
    name = parse_retriever("bm25", registry)
    location = replace(hub_location(local, settings), name="tiny/own")
    bench = open_bench(BenchmarkRequest(location, "test", (name,)), settings, registry, Heard())
    file = write_mteb_result(tmp_path, bench, bench.score(name, Heard()), name)
    assert file == tmp_path / "results" / "medsearch__bm25" / "1" / "medsearch-tiny-own-test.json"
    assert mteb_scores(str(file))["default"] == pytest.approx((CHEST_PAIN + 1 + GLUCOSE) / 3, abs=6e-6)


def test_a_kept_result_without_mtebs_gets_it_from_its_run(
    local: HubTask, settings: Settings, tmp_path: Path
) -> None:
    registry = load_registry()
    name = parse_retriever("bm25", registry)
    location = replace(hub_location(local, settings), name="tiny/own")
    plain = open_bench(BenchmarkRequest(location, "test", (name,)), settings, registry, Heard())
    for bench in (plain, open_hub_bench(local, settings, registry, Heard())):
        evaluation = bench.score(name, Heard())
        folder = tmp_path / type(bench).__name__
        file = complete_mteb(folder, bench, name, lambda made=evaluation: made)  # type: ignore[misc]  # bound now
        assert file is not None
        # A task of the hub also asks what is judged to have nothing relevant.
        total = CHEST_PAIN + 1 + GLUCOSE
        assert mteb_scores(str(file))["default"] == pytest.approx(total / 3, abs=6e-6)
        assert complete_mteb(folder, bench, name, lambda: pytest.fail("it is there")) is None
