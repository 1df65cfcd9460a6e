"""PMC open-access articles, by PMCID or from a package, into a folder of JATS files that only grows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medsearch.corpora.fetch import Progress, Remote, fetch
from medsearch.corpora.hub_to_beir import Counts
from medsearch.corpora.pmc_cloud import PMCID, find_article
from medsearch.corpora.pmc_package import extract_articles
from medsearch.corpora.provenance import GetReport, digest_folder, write_source_file
from medsearch.corpora.sources import Source
from medsearch.corpora.web import FetchError, http_client
from medsearch.errors import CorpusError

_PACKAGES = (".tar.gz", ".tgz")


def get_articles(
    source: Source, folder: Path, selection: str, progress: Progress, environment: Mapping[str, str]
) -> GetReport:
    """Fetch articles into `folder/articles/PMC<number>.<version>.xml`, those already there left alone.

    `selection` is a file with a PMCID a line (`PMC123`, the newest version, or `PMC123.2`; `#` comments), or
    a `.tar.gz` package of articles: a local file, a URL, or a name below the service's address, which is
    the source's location or MEDSEARCH_PMC_ENDPOINT.

    Raises:
        CorpusError: unreachable, not the promised bytes, no such file, or not one article could be had.
    """
    base = (environment.get("MEDSEARCH_PMC_ENDPOINT") or source.location).rstrip("/")
    articles = folder / "articles"
    origin = _Origin(folder / ".origin.jsonl")
    before = len(origin.rows)
    try:
        take = _take_package if selection.endswith(_PACKAGES) else _take_ids
        remarks = take(selection, base, articles, origin, progress)
    except FetchError as error:
        raise CorpusError(
            f"cannot get PMC articles from {base}: {error}; {_count(articles)} are in {articles}; run the "
            "command again when connected, set MEDSEARCH_PMC_ENDPOINT to a mirror, or put JATS files there"
        ) from error
    count = _count(articles)
    if not count:
        raise CorpusError(
            f"not one article could be had: {'; '.join(remarks[:3]) or f'{selection} names none'}"
        )
    counts = Counts(documents=count, queries=0, qrels={})
    fetched = len(origin.rows) > before
    report = GetReport(source.name, folder, counts, digest_folder(folder), remarks, fetched)
    write_source_file(source, report, list(origin.rows.values()))
    return report


class _Origin:
    """What is known of each article fetched so far: one JSON line each, so that a killed run loses none."""

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        self.rows = {row["id"]: row for row in map(_row, lines) if row}

    def add(self, row: dict[str, Any]) -> None:
        self.rows[row["id"]] = row
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write("\n" + json.dumps(row))


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:  # the last line of a run that was killed while it wrote
        return None
    return row if isinstance(row, dict) and "id" in row and "file" in row else None


def _take_ids(
    selection: str, base: str, articles: Path, origin: _Origin, progress: Progress
) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(_read_ids(Path(selection))))
    remarks = []
    with http_client() as client:
        for number, pmcid in enumerate(wanted):
            progress("articles", number, len(wanted))
            if pmcid in origin.rows and (articles / origin.rows[pmcid]["file"]).is_file():
                continue
            article = find_article(pmcid, base, client)
            if article is None or not article.open_access:
                why = "the service has no XML of it" if article is None else "not in the open-access subset"
                remarks.append(f"{pmcid}: {why}; left out")
                continue
            fetched = articles.parent / ".fetched" / article.remote.name
            fetch(article.remote, fetched, client=client, progress=lambda *_: None)
            articles.mkdir(exist_ok=True)
            fetched.replace(articles / fetched.name)
            checksum = {"md5": article.remote.digest.value} if article.remote.digest else {}
            row = {"id": pmcid, "file": article.remote.name, "licence": article.licence}
            origin.add({**row, "retracted": article.retracted, "url": article.remote.url, **checksum})
    progress("articles", len(wanted), len(wanted))
    return tuple(remarks)


def _read_ids(file: Path) -> Iterator[str]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{file}: cannot read the list of PMCIDs: {error}") from error
    for number, line in enumerate(lines, start=1):
        first = re.split(r"[\s,;]", line.partition("#")[0].strip())[0].upper()
        if not first or (number == 1 and first == "PMCID"):
            continue
        pmcid = f"PMC{first}" if first.isdecimal() else first
        if not PMCID.fullmatch(pmcid):
            raise CorpusError(f"{file}:{number}: {first!r} is not a PMCID such as PMC1234567")
        yield pmcid


def _take_package(
    selection: str, base: str, articles: Path, origin: _Origin, progress: Progress
) -> tuple[str, ...]:
    if Path(selection).is_file():
        package, url = Path(selection), ""
    else:
        url = selection if "://" in selection else f"{base}/{selection.lstrip('/')}"
        package = articles.parent / ".fetched" / url.rpartition("/")[2]
        with http_client() as client:
            fetch(Remote(url=url, name=package.name), package, client=client, progress=progress)
    articles.mkdir(parents=True, exist_ok=True)
    try:
        names, remarks = extract_articles(package, articles)
    finally:
        if url:
            package.unlink()
    for name in names:
        origin.add({"id": name.removesuffix(".xml"), "file": name, "package": package.name, "url": url})
    return remarks


def _count(articles: Path) -> int:
    return sum(1 for file in articles.glob("*.xml") if not file.name.startswith("."))
