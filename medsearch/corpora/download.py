"""`medsearch corpora get`: a public corpus, downloaded, checked and laid out as this project reads it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from medsearch.corpora.fetch import Progress, Remote, fetch
from medsearch.corpora.hub import find_tables, hub_endpoint, list_hub_files
from medsearch.corpora.hub_to_beir import Tables, convert
from medsearch.corpora.pmc_oa import get_articles
from medsearch.corpora.provenance import (
    SOURCE_FILE,
    GetReport,
    compare_counts,
    digest_folder,
    intact_report,
    write_source_file,
)
from medsearch.corpora.sources import Layout, Source
from medsearch.corpora.web import FetchError, http_client
from medsearch.errors import CorpusError, UsageError


def get_corpus(
    source: Source,
    target: Path,
    *,
    selection: str = "",
    progress: Progress = lambda *_: None,
    environment: Mapping[str, str] | None = None,
) -> GetReport:
    """Download a corpus into `target/<its name>`; a run that was stopped goes on where it was.

    The folder appears only when whole; where it is there and intact, nothing is fetched. `selection`
    is for PMC only: a file of PMCIDs, or a `.tar.gz` package (see `pmc_oa.get_articles`).
    `environment` (the process's own by default) may hold HF_ENDPOINT, HF_TOKEN, MEDSEARCH_PMC_ENDPOINT.

    Raises:
        UsageError: `selection` is missing for PMC, or given for another source.
        CorpusError: unreachable, not the promised bytes, unreadable, or the folder is not ours to replace.
    """
    variables = os.environ if environment is None else environment
    if (source.layout is Layout.PMC) != bool(selection):
        needs = "needs a file of PMCIDs or a package" if not selection else "is got whole; name no articles"
        raise UsageError(f"{source.name} {needs}")
    with _only_one(source, target):
        try:
            if source.layout is Layout.PMC:
                return get_articles(source, target / source.name, selection, progress, variables)
            return _get_from_hub(source, target, progress, variables)
        except OSError as error:
            raise CorpusError(
                f"cannot write {error.filename or target}: {error.strerror or error}"
            ) from error


def _get_from_hub(
    source: Source, target: Path, progress: Progress, variables: Mapping[str, str]
) -> GetReport:
    folder = target / source.name
    if (report := intact_report(source, folder)) is not None:
        return report
    if folder.exists() and not (folder / SOURCE_FILE).exists():
        raise CorpusError(
            f"{folder} was not made by `medsearch corpora get`; move it away to download {source.name}"
        )
    work = folder.with_name(f".{folder.name}.part")
    endpoint = hub_endpoint(variables)
    try:
        remotes = find_tables(source, list_hub_files(source, endpoint))
        tables = _fetch_tables(remotes, work / "fetched", progress)
    except FetchError as error:
        raise CorpusError(_unreachable(source, endpoint, str(error), folder)) from error
    fresh = work / "beir"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    counts = convert(source, tables, fresh, progress)
    remarks = compare_counts(counts, source.expected)
    report = GetReport(source.name, fresh, counts, digest_folder(fresh), remarks, fetched=True)
    write_source_file(source, report, [_origin(remote) for files in remotes.values() for remote in files])
    _switch(fresh, folder)
    shutil.rmtree(work)
    return GetReport(source.name, folder, counts, report.files, remarks, fetched=True)


def _fetch_tables(tables: Mapping[str, tuple[Remote, ...]], folder: Path, progress: Progress) -> Tables:
    remotes = {remote.name: remote for files in tables.values() for remote in files}
    with http_client() as client:
        for name, remote in remotes.items():
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise FetchError(f"it names a file outside the data set: {name!r}")
            try:
                fetch(remote, folder / name, client=client, progress=progress)
            except FetchError as error:
                raise FetchError(f"{name}: {error}") from error
    return {table: [folder / remote.name for remote in files] for table, files in tables.items()}


def _origin(remote: Remote) -> dict[str, object]:
    digest = remote.digest
    checksum = {digest.algorithm.value: digest.value} if digest else {}
    return {"file": remote.name, "bytes": remote.size, **checksum}


def _switch(fresh: Path, folder: Path) -> None:
    """Put the new folder in the old one's place; a folder cannot be replaced in one step unless empty."""
    old = fresh.with_name("old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)


def _unreachable(source: Source, endpoint: str, reason: str, folder: Path) -> str:
    return (
        f"cannot get {source.location} ({source.title}) from {endpoint}: {reason}; run the command again "
        f"when connected, set HF_ENDPOINT to a mirror, or put the BEIR files in {folder}"
    )


@contextmanager
def _only_one(source: Source, target: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = (target / source.name).with_name(f".{Path(source.name).name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=0):
            yield
    except Timeout as error:
        raise CorpusError(f"{source.name} is being downloaded by another process ({lock})") from error
    except OSError as error:
        raise CorpusError(f"cannot write {error.filename or target}: {error.strerror or error}") from error
