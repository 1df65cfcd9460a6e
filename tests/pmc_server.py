"""The PMC Cloud Service on 127.0.0.1, as documented: version folders, records with MD5s, a listing."""

from __future__ import annotations

import hashlib
import json
import re
from urllib.parse import parse_qs, urlsplit

from faulty_server import Answer, FaultyServer

_LISTING = '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{}</ListBucketResult>'


class PmcServer(FaultyServer):
    """`articles` maps "PMC123.2" to its XML; `records` holds what differs from an ordinary record."""

    def __init__(self, articles: dict[str, bytes]) -> None:
        super().__init__()
        self.articles = articles
        self.records: dict[str, dict[str, object]] = {}
        self.packages: dict[str, bytes] = {}

    def answer(self, path: str) -> Answer:
        url = urlsplit(path)
        if url.path == "/":
            return self._listing(parse_qs(url.query)["prefix"][0])
        if url.path in self.packages:
            return Answer(self.packages[url.path])
        if match := re.fullmatch(r"/metadata/(PMC\d+\.\d+)\.json", url.path):
            return self._record(match[1])
        match = re.fullmatch(r"/(PMC\d+\.\d+)/\1\.xml", url.path)
        return Answer(self.articles[match[1]]) if match and match[1] in self.articles else Answer(status=404)

    def _listing(self, prefix: str) -> Answer:
        found = sorted(name for name in self.articles if name.startswith(prefix))
        return Answer(
            _LISTING.format(
                "".join(f"<CommonPrefixes><Prefix>{name}/</Prefix></CommonPrefixes>" for name in found)
            ).encode()
        )

    def _record(self, name: str) -> Answer:
        if name not in self.articles:
            return Answer(status=404)
        md5 = hashlib.md5(self.articles[name], usedforsecurity=False).hexdigest()
        record: dict[str, object] = {
            "pmcid": name.partition(".")[0],
            "version": int(name.partition(".")[2]),
            "is_pmc_openaccess": True,
            "is_retracted": False,
            "license_code": "CC BY",
            "xml_url": f"s3://pmc-oa-opendata/{name}/{name}.xml?md5={md5}",
        }
        return Answer(json.dumps(record | self.records.get(name, {})).encode())
