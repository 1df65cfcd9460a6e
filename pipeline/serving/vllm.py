"""The command that serves a recipe's language model with vLLM, on this machine only."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from medsearch.errors import MedsearchError, UsageError
from pipeline.recipe import Recipe, ServeTable

GGUF = ("package:", "gguf:")


@dataclass(frozen=True, slots=True)
class Server:
    """How the server is started: its Python, the model's weights, and the variables it runs under."""

    python: Path
    command: tuple[str, ...]
    environment: Mapping[str, str]


def server_of(recipe: Recipe, python: Path, cache: Path) -> Server:
    """The server for a recipe's model, at the port of the recipe's first server.

    vLLM's own entry point is called as a module: the `vllm` command of its CPU build stops at start-up,
    because it looks for the version of a package by another name. Prompts are never logged, and nothing is
    reported to anyone: usage statistics are off, and the model hub is not asked for weights that are here.

    Raises:
        UsageError: the recipe's first server has no port of this machine.
        MedsearchError: the server's virtual environment is missing, or the weights cannot be converted.
    """
    if not python.is_file():
        raise MedsearchError(
            f"{python} is not there: `make llm` installs vLLM into a virtual environment of its own; another "
            "one's Python can be named in MEDSEARCH_LLM_PYTHON"
        )
    host, port = _address(recipe.llm.servers[0])
    weights = _weights(recipe.serve.weights or recipe.llm.model, python, cache)
    command = [str(python), "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", weights, "--served-model-name", recipe.llm.model]
    command += ["--host", host, "--port", str(port), *_options(recipe.serve)]
    return Server(python, tuple(command), _environment(recipe.serve, offline=Path(weights).is_dir()))


def _address(server: str) -> tuple[str, int]:
    try:
        address = urlsplit(server)
        host, port = address.hostname, address.port
    except ValueError:
        host, port = None, None
    if host not in ("127.0.0.1", "localhost", "::1") or not port:
        raise UsageError(f"{server} is not a port of this machine: it cannot be served from here")
    return ("::1" if host == "::1" else "127.0.0.1"), port


def _options(serve: ServeTable) -> list[str]:
    structured = {"backend": "xgrammar", "disable_any_whitespace": True}
    options = ["--max-model-len", str(serve.max_model_len), "--max-num-seqs", str(serve.max_num_seqs)]
    options += ["--dtype", serve.dtype, "--enable-prefix-caching"]
    # Set on the engine: asked for in a request, models fill their answer with white space up to the limit.
    options += ["--structured-outputs-config", json.dumps(structured, separators=(",", ":"))]
    if serve.tensor_parallel > 1:
        options += ["--tensor-parallel-size", str(serve.tensor_parallel)]
    return [*options, "--enforce-eager"] if serve.eager else options


def _environment(serve: ServeTable, *, offline: bool) -> dict[str, str]:
    variables = dict(os.environ)
    variables.update(VLLM_NO_USAGE_STATS="1", DO_NOT_TRACK="1", HF_HUB_DISABLE_TELEMETRY="1")
    variables.setdefault("VLLM_CPU_KVCACHE_SPACE", str(serve.cpu_cache_gib))
    if offline:
        variables["HF_HUB_OFFLINE"] = "1"
    return variables


def _weights(source: str, python: Path, cache: Path) -> str:
    """A folder or hub name that vLLM takes; GGUF weights are turned into a folder of the cache first."""
    if not source.startswith(GGUF):
        return source
    folder = cache / "llm" / _folder_name(source)
    script = Path(__file__).with_name("gguf_folder.py")
    done = subprocess.run(
        [str(python), str(script), source.removeprefix("gguf:"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"},
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise MedsearchError(f"the weights {source} cannot be turned into a folder for vLLM: {last[0]}")
    return str(folder)


def _folder_name(source: str) -> str:
    """A name that no other weights have: a package's is its own, a file's is its place, size and time."""
    kind, _, name = source.partition(":")
    if kind == "package":
        return name
    file = Path(name).resolve()
    found = file.stat() if file.is_file() else None
    key = f"{file}:{found.st_size}:{found.st_mtime_ns}" if found else str(file)
    return f"{file.name}-{sha256(key.encode()).hexdigest()[:12]}"
