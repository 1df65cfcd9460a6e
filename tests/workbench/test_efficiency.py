"""What a retriever costs is measured in a process of its own, kept, and measured again only when asked."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calibration_material import write_both
from fakes import BM25_SPEC, Heard
from late_material import late_spec, make_late

from medsearch.corpora.catalogue import find_corpus
from medsearch.encoders.registry import load_registry
from medsearch.encoders.token_cache import token_export_key
from medsearch.encoders.token_export import export_token_model
from medsearch.errors import MedsearchError, UsageError
from medsearch.index.manifest import read_manifest
from medsearch.search.evaluation_index import evaluation_folder, evaluation_index
from medsearch.search.indexing import IndexRequest
from medsearch.search.names import parse_retriever
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, PassageSettings
from medsearch.workbench.efficiency import (
    Cost,
    CostRequest,
    allocated_bytes,
    machine,
    measure_cost,
    run_probe,
)
from medsearch.workbench.efficiency_probe import Measured, ProbePart, ProbeRequest, peak_memory_mib

REGISTRY = load_registry()


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    write_both(tmp_path / "data")
    return Settings((tmp_path / "data",), tmp_path / "index", tmp_path / "cache", None)


def asked(settings: Settings, retriever: str = "bm25") -> CostRequest:
    return CostRequest(find_corpus("clinic", settings.data), parse_retriever(retriever, REGISTRY))


def test_bm25_is_measured_once_and_kept_until_it_is_asked_again(
    here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medsearch.workbench.efficiency._QUIET", 1.1)  # whatever else this machine does
    heard = Heard()
    first = measure_cost(asked(here), here, REGISTRY, heard)
    assert set(first) == set(Cost.__slots__)
    assert first["documents_per_second"] > 0
    assert 0 < first["query_ms_p50"] <= first["query_ms_p99"]
    assert first["queries_timed"] == 120
    assert 20 < first["peak_memory_mib"] < 2000
    assert "measuring speed and memory of bm25 on clinic" in heard.lines
    second = measure_cost(asked(here), here, REGISTRY, quiet := Heard())
    assert second == first
    assert not [line for line in quiet.lines if line.startswith("measuring")]
    measure_cost(replace(asked(here), again=True), here, REGISTRY, again := Heard())
    assert "measuring speed and memory of bm25 on clinic" in again.lines
    assert json.loads(json.dumps(first)) == first


def test_what_a_busy_machine_gave_is_told_and_not_kept(
    here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Measured(1.0, 2.0, 3.0, 4, 5.0, 0.4)
    monkeypatch.setattr("medsearch.workbench.efficiency.run_probe", lambda request, name: busy)
    for _ in range(2):
        found = measure_cost(asked(here), here, REGISTRY, heard := Heard())
        assert found["others_share"] == 0.4
        assert any("other work took 40 % of the machine" in line for line in heard.lines)
    monkeypatch.setattr(
        "medsearch.workbench.efficiency.run_probe", lambda request, name: replace(busy, others_share=0.05)
    )
    assert measure_cost(asked(here), here, REGISTRY, Heard())["others_share"] == 0.05


def test_bytes_are_those_allocated_for_the_index_of_a_document(here: Settings) -> None:
    found = measure_cost(asked(here), here, REGISTRY, Heard())
    request = IndexRequest(find_corpus("clinic", here.data), (REGISTRY["bm25"],), WHOLE_DOCUMENTS)
    folder = evaluation_folder(request, here, REGISTRY)
    shard = folder / read_manifest(folder).shard
    told = subprocess.run(["du", "-s", "--block-size=512", str(shard)], capture_output=True, check=True)
    folders = sum(each.stat().st_blocks for each in [shard, *shard.rglob("*")] if each.is_dir())
    assert found["index_bytes_per_document"] == round((int(told.stdout.split()[0]) - folders) * 512 / 24, 1)


def test_holes_in_files_take_no_room(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(50_000_000)
    (tmp_path / "full").write_bytes(b"x" * 10_000)
    assert 10_000 <= allocated_bytes(tmp_path) < 1_000_000


@pytest.mark.parametrize("changed", ["corpus", "passages", "approximate", "damaged"])
def test_what_it_depends_on_is_measured_anew_when_it_changes(here: Settings, changed: str) -> None:
    probes: list[ProbeRequest] = []

    def count(request: ProbeRequest, name: str) -> Measured:
        probes.append(request)
        return Measured(1.0, 2.0, 3.0, 4, 5.0, None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medsearch.workbench.efficiency.run_probe", count)
        request = asked(here)
        measure_cost(request, here, REGISTRY, Heard())
        measure_cost(request, here, REGISTRY, Heard())
        assert len(probes) == 1
        if changed == "corpus":
            with (here.data[0] / "clinic" / "corpus.jsonl").open("a") as stream:
                stream.write('{"_id": "new", "text": "A broken wrist."}\n')
        elif changed == "passages":
            request = replace(request, passages=PassageSettings(16, 0))
        elif changed == "approximate":
            request = replace(request, approximate=True)
        else:
            [file] = here.cache.glob("evaluation/*/costs/*.json")
            file.write_text('{"documents_per_second": 1')
        measure_cost(request, here, REGISTRY, Heard())
    assert len(probes) == 2
    assert probes[0].exact
    assert probes[1].exact is (changed != "approximate")


def test_a_busy_machine_is_told_of(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Measured(1.0, 2.0, 3.0, 4, 5.0, 0.42)
    monkeypatch.setattr("medsearch.workbench.efficiency.run_probe", lambda request, name: busy)
    found = measure_cost(asked(here), here, REGISTRY, heard := Heard())
    assert found["others_share"] == 0.42
    assert [line for line in heard.lines if line.startswith("warning: other work took 42 % of the machine")]


def test_a_corpus_without_queries_is_refused(here: Settings) -> None:
    (here.data[0] / "clinic" / "queries.jsonl").unlink()
    with pytest.raises(UsageError, match="corpus clinic has no queries, so the time of a query"):
        measure_cost(asked(here), here, REGISTRY, Heard())


def test_a_probe_that_fails_says_why_on_one_line(here: Settings, tmp_path: Path) -> None:
    request = ProbeRequest("clinic", (ProbePart(tmp_path / "gone", BM25_SPEC),), ("cough",), here.cache, True)
    told = r"^speed and memory of bm25 on clinic cannot be measured: no index at .*gone: run `medsearch index"
    with pytest.raises(MedsearchError, match=told):
        run_probe(request, "bm25")


def test_peak_memory_is_this_process_and_not_that_of_the_one_that_started_it() -> None:
    """A child's `ru_maxrss` begins with its parent's on Linux; what is reported must not."""
    code = (
        "import json; from medsearch.workbench.efficiency_probe import peak_memory_mib as peak; "
        "before = peak(); block = b'x' * 80_000_000; print(json.dumps([before, peak()]))"
    )
    big = np.ones(60_000_000)  # 480 MB, touched
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    before, after = json.loads(told)
    assert peak_memory_mib() > big.nbytes / 2**20
    assert before < 350
    assert 70 < after - before < 90


def test_the_machine_is_named_by_what_it_is_and_not_by_its_name() -> None:
    assert " cores, " in machine()
    assert platform.node() not in machine()


@pytest.mark.slow
def test_minilm_and_its_hybrid_are_measured_without_torch(
    here: Settings, tmp_path: Path, model_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(here, cache=model_cache)
    clinic = find_corpus("clinic", settings.data)
    minilm_only = IndexRequest(clinic, (REGISTRY["minilm"],), WHOLE_DOCUMENTS)
    evaluation_index(minilm_only, settings, REGISTRY, Heard())  # exports the model, which takes torch
    (tmp_path / "torch.py").write_text("raise RuntimeError('torch was imported')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = {
        name: measure_cost(asked(settings, name), settings, REGISTRY, Heard())
        for name in ("minilm", "bm25", "hybrid:minilm")
    }
    minilm, bm25, hybrid = found["minilm"], found["bm25"], found["hybrid:minilm"]
    assert minilm["documents_per_second"] < bm25["documents_per_second"] / 10
    assert bm25["query_ms_p50"] < minilm["query_ms_p50"]
    both = minilm["index_bytes_per_document"] + bm25["index_bytes_per_document"]
    assert hybrid["index_bytes_per_document"] == pytest.approx(both, abs=0.2)
    assert bm25["peak_memory_mib"] < minilm["peak_memory_mib"] < 2000


@pytest.mark.slow
def test_a_late_model_and_what_it_reranks_are_measured(here: Settings, tmp_path: Path) -> None:
    """In a process of its own, with a model of random weights."""
    late = late_spec(make_late(tmp_path / "late"))
    registry = {**REGISTRY, late.name: late}
    clinic = find_corpus("clinic", here.data)
    exported = here.cache / "onnx" / token_export_key(late, cache=here.cache)
    export_token_model(tmp_path / "late", exported, late.max_tokens)
    found = {
        name: measure_cost(CostRequest(clinic, parse_retriever(name, registry)), here, registry, Heard())
        for name in ("tiny-late", "rerank:tiny-late:bm25", "bm25")
    }
    late_alone, reranked, bm25 = found.values()
    both = late_alone["index_bytes_per_document"] + bm25["index_bytes_per_document"]
    assert reranked["index_bytes_per_document"] == pytest.approx(both, abs=0.2)
    assert 0 < reranked["documents_per_second"] < bm25["documents_per_second"]
    assert reranked["queries_timed"] == late_alone["queries_timed"] == 120


def test_what_is_asked_of_the_probe_is_the_retriever() -> None:
    parts = tuple(ProbePart(Path(), REGISTRY[name]) for name in ("bge-small", "minilm", "bm25"))
    name = ProbeRequest("clinic", parts, (), Path(), exact=True, rerank=True).name
    assert name.first is not None
    assert (name.models[0].name, [spec.name for spec in name.first.models]) == (
        "bge-small",
        ["minilm", "bm25"],
    )
    assert (name.hybrid, name.first.hybrid) == (False, True)
    assert ProbeRequest("clinic", parts[1:], (), Path(), exact=True).name.hybrid
