"""The real thing from the shell: MiniLM, real corpora, a killed process, and no torch when searching."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

GOLDEN = {"cystic_fibrosis": 52.0, "trec_covid_mini": 47.6}
"""nDCG@10 times 100 of all-MiniLM-L6-v2 (title + text, 256 tokens, exact search) by an independent
implementation, as published with the corpora; ours must agree within 0.3."""


@pytest.fixture(scope="module")
def environment(
    tmp_path_factory: pytest.TempPathFactory, model_cache: Path, real_data: Path
) -> dict[str, str]:
    return {
        **os.environ,
        "MEDSEARCH_DATA": str(real_data),
        "MEDSEARCH_INDEX": str(tmp_path_factory.mktemp("index")),
        "MEDSEARCH_CACHE": str(model_cache),
    }


def medsearch(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medsearch.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=dict(environment),
    )


def test_search_of_the_sample_corpus_finds_reflux_without_importing_torch(
    environment: dict[str, str],
) -> None:
    indexed = medsearch("index", "sample", "--json", environment=environment)
    assert indexed.returncode == 0, indexed.stderr
    program = """
import sys
from medsearch.cli.main import main
code = main(["search", "chest pain after eating", "--corpus", "sample", "--json"])
loaded = sorted({"torch", "sentence_transformers", "transformers", "streamlit"} & set(sys.modules))
print(loaded, file=sys.stderr)
sys.exit(code)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stderr.splitlines()[-1] == "[]"
    found = json.loads(done.stdout)
    assert found["model"] == "hybrid:minilm"
    assert any("gerd" in hit["doc_id"] for hit in found["hits"][:5])


@pytest.mark.parametrize("corpus", sorted(GOLDEN))
def test_minilm_scores_as_an_independent_implementation_says(
    corpus: str, environment: dict[str, str]
) -> None:
    done = medsearch("evaluate", corpus, "--models", "minilm", "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert 100 * record["models"]["minilm"]["nDCG@10"] == pytest.approx(GOLDEN[corpus], abs=0.3)
    assert record["settings"]["search"] == "exact"
    assert record["settings"]["models"]["minilm"]["max_tokens"] == 256


def test_a_killed_index_goes_on_and_ends_the_same(environment: dict[str, str], tmp_path: Path) -> None:
    whole = {**environment, "MEDSEARCH_INDEX": str(tmp_path / "whole")}
    cut = {**environment, "MEDSEARCH_INDEX": str(tmp_path / "cut")}
    expected = json.loads(medsearch("index", "trec_covid_mini", "--json", environment=whole).stdout)
    process = subprocess.Popen(
        [sys.executable, "-m", "medsearch.cli.main", "index", "trec_covid_mini"],
        env=cut,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    vectors = tmp_path / "cut" / "trec_covid_mini" / "building" / "vectors" / "minilm"
    deadline = time.monotonic() + 120
    while not (vectors / "00000000.npy").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    refused = medsearch("search", "masks", "--corpus", "trec_covid_mini", environment=cut)
    assert refused.returncode == 1
    assert "has no index in" in refused.stderr
    resumed = medsearch("index", "trec_covid_mini", "--json", environment=cut)
    assert "going on with the unfinished index" in resumed.stderr
    assert json.loads(resumed.stdout)["content"] == expected["content"]


def test_a_model_that_is_not_here_is_one_line_with_the_ways_to_get_it(environment: dict[str, str]) -> None:
    offline = {**environment, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_CACHE": "nowhere"}
    done = medsearch("evaluate", "trec_covid_mini", "--models", "bge-small", environment=offline)
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("medsearch:")]
    assert "HF_ENDPOINT" in line
    assert "Traceback" not in done.stderr
