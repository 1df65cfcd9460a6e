"""`SOURCE.json`: where a downloaded corpus came from, under which licence, and its files' SHA-256."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medsearch.corpora.digests import Algorithm, digest_file
from medsearch.corpora.hub_to_beir import Counts
from medsearch.corpora.sources import Expected, Source

SOURCE_FILE = "SOURCE.json"


@dataclass(frozen=True, slots=True)
class GetReport:
    """What `get_corpus` did.

    `files` maps a path inside `folder` to its SHA-256. `remarks` are for people to read: each count
    that is not the published one, each article that could not be had. `fetched` is false where all of
    it was there already.
    """

    name: str
    folder: Path
    counts: Counts
    files: Mapping[str, str]
    remarks: tuple[str, ...]
    fetched: bool


def compare_counts(counts: Counts, expected: Expected) -> tuple[str, ...]:
    """One line for each count that is not the expected one; an unknown figure is not compared."""
    pairs: list[tuple[str, int, int | None]] = [
        ("documents", counts.documents, expected.documents),
        ("queries", counts.queries, expected.queries),
    ]
    pairs += [
        (f"qrels/{split}", counts.qrels.get(split, 0), known) for split, known in expected.qrels.items()
    ]
    return tuple(
        f"{what}: {count:,}, where {known:,} were expected"
        for what, count, known in pairs
        if known is not None and count != known
    )


def digest_folder(folder: Path) -> dict[str, str]:
    """Path inside the folder -> SHA-256, for all its files but `SOURCE.json` and hidden ones."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    inside = {path.relative_to(folder): path for path in files}
    return {
        where.as_posix(): digest_file(path, Algorithm.SHA256)
        for where, path in inside.items()
        if where.name != SOURCE_FILE and not any(part.startswith(".") for part in where.parts)
    }


def write_source_file(source: Source, report: GetReport, origin: Sequence[Mapping[str, Any]]) -> None:
    """Write `SOURCE.json` into the report's folder; `origin` says what was fetched, one mapping a file."""
    content = {
        "name": source.name,
        "title": source.title,
        "location": source.location,
        "revision": source.revision,
        "licence": source.licence,
        "home": source.home,
        "citation": source.citation,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "counts": asdict(report.counts),
        "remarks": report.remarks,
        "fetched": list(origin),
        "files": report.files,
    }
    target = report.folder / SOURCE_FILE
    fresh = target.with_name(f".{SOURCE_FILE}")
    fresh.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    fresh.replace(target)


def read_source_file(folder: Path) -> dict[str, Any] | None:
    """The content of the folder's `SOURCE.json`; `None` where there is none that can be read."""
    try:
        content = json.loads((folder / SOURCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def intact_report(source: Source, folder: Path) -> GetReport | None:
    """The report of an earlier download of this revision, where its files are still what they were."""
    content = read_source_file(folder)
    if content is None or content.get("revision") != source.revision:
        return None
    files = content.get("files")
    if not files or files != digest_folder(folder):
        return None
    counts = Counts(**content["counts"])
    return GetReport(source.name, folder, counts, files, tuple(content["remarks"]), fetched=False)
