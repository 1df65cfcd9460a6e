"""The PMC Cloud Service, as documented since 2026: one folder an article version in a public bucket.

`PMC123.2/PMC123.2.xml` is the JATS article, `metadata/PMC123.2.json` its record, which gives the licence
and the article's MD5. The service is read over plain HTTPS (https://pmc.ncbi.nlm.nih.gov/tools/pmcaws/);
it replaced the FTP service and the OA web service (oa.fcgi), whose files went in August 2026.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

from medsearch.corpora.digests import Algorithm, Digest
from medsearch.corpora.fetch import Remote
from medsearch.corpora.web import FetchError, read_small

if TYPE_CHECKING:
    import httpx

PMCID = re.compile(r"PMC\d+(\.\d+)?")
_KEY = re.compile(r"/(PMC\d+\.\d+)/\1\.xml")
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class CloudArticle:
    """One version of an article: `version_id` is `PMC<number>.<version>`."""

    version_id: str
    licence: str
    retracted: bool
    open_access: bool
    remote: Remote


def find_article(pmcid: str, base: str, client: httpx.Client) -> CloudArticle | None:
    """The named version of an article, else its newest; `None` where the service has no XML of it.

    Raises:
        FetchError: unreachable, or the answer is not the service's.
    """
    version_id = pmcid if "." in pmcid else _newest_version(pmcid, base, client)
    if version_id is None:
        return None
    try:
        record = json.loads(read_small(f"{base}/metadata/{version_id}.json", client))
    except ValueError as error:
        raise FetchError(f"the record of {version_id} is not JSON") from error
    return _article(version_id, record, base)


def _newest_version(pmcid: str, base: str, client: httpx.Client) -> str | None:
    from lxml import etree

    listing = read_small(f"{base}/?list-type=2&delimiter=/&prefix={quote(pmcid)}.", client)
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(listing, parser)
    except etree.XMLSyntaxError as error:
        raise FetchError(
            "it does not answer as the PMC Cloud Service does (a login page or a proxy?)"
        ) from error
    prefixes = [(prefix.text or "").rstrip("/") for prefix in root.iterfind("{*}CommonPrefixes/{*}Prefix")]
    versions = [prefix for prefix in prefixes if PMCID.fullmatch(prefix) and "." in prefix]
    return max(versions, key=lambda version: int(version.rpartition(".")[2]), default=None)


def _article(version_id: str, record: Any, base: str) -> CloudArticle | None:
    if not isinstance(record, dict) or "xml_url" not in record:
        return None
    url = urlsplit(str(record["xml_url"] or ""))
    if not _KEY.fullmatch(url.path):
        return None
    md5 = parse_qs(url.query).get("md5", [""])[0].lower()
    digest = Digest(Algorithm.MD5, md5) if _MD5.fullmatch(md5) else None
    return CloudArticle(
        version_id=version_id,
        licence=str(record.get("license_code") or "not given"),
        retracted=record.get("is_retracted") is True,
        open_access=record.get("is_pmc_openaccess") is not False,
        remote=Remote(url=f"{base}{url.path}", name=f"{version_id}.xml", digest=digest),
    )
