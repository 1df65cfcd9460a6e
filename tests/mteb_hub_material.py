"""A hub with tiny data in the layouts of mteb's medical tasks, for mteb's own loaders.

Layouts as of the revisions that mteb pins: JSON lines with the configs named in the card (`mteb/nfcorpus`,
`mteb/arguana`, …), Parquet as mteb itself uploads it (`mteb/TRECCOVID-PL`, …), one CSV a language
(`xhluca/publichealth-qa`), one folder a discipline (`clinia/CUREv1`), lists of texts and labels (clustering).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from faulty_server import Answer
from hub_server import HubServer

DOCUMENTS = [
    ("heart", "Angina", "Chest pain from the heart on exertion."),
    ("lung", "", "Asthma gives a cough and short breath."),
    ("sugar", "Diabetes", "Insulin lowers high glucose."),
    ("skin", "Eczema", "An itchy rash of the skin."),
    ("infarct", "Heart attack", "Chest pain at rest, and aspirin at once."),
]
QUERIES = [
    ("q1", "chest pain"),
    ("q2", "cough and breath"),
    ("q3", "glucose"),
    ("q4", "aspirin for the heart"),
]
QRELS = [
    ("q1", "heart", 1),
    ("q1", "infarct", 2),
    ("q2", "lung", 1),
    ("q3", "sugar", 1),
    ("q3", "skin", 1),
    ("q4", "skin", 0),
]
"""The fourth query is judged to have nothing relevant, so that mteb's mean is ours times 3 / 4."""

ARGUMENT = ("infarct", "Heart attack: chest pain at rest, and aspirin at once.")
"""A query of ArguAna that is a document of it; its counterpart is `heart`."""

JSONL_TASKS = {
    "mteb/arguana": "c22ab2a51041ffd869aaddef7af8d8215647e41a",
    "mteb/nfcorpus": "ec0fa4fe99da2ff19ca1214b7966684033a58814",
    "mteb/trec-covid": "bb9466bac8153a0349341eb1b22e06409e78ef4e",
    "mteb/scifact": "d56462d0e63a25450459c4f213e49ffdb866f7f9",
}
PARQUET_TASKS = {
    "mteb/TRECCOVID-PL": "1e710582482d4199ff690e5dd2491a70627523f5",
    "mteb/SciFact-PL": "d9707265734052a21d5892b6300ca11028fa067b",
    "mteb/CmedqaRetrieval": "c476f85bf03d6642ec66bf54b9a551c88108bbb4",
}
RERANKING = ("mteb/CMedQAv2-reranking", "01399b6956a4c6bf9edc5b6b90e176aeeb399686")
MEDICAL_QA = ("mteb/medical_qa", "ae763399273d8b20506b80cf6f6f9a31a6a2b238")
CURE = ("clinia/CUREv1", "3bcf51c91e04d04a8a3329dfbe988b964c5cbe83")
CLUSTERING = {
    "mteb/medrxiv-clustering-p2p": "e7a26af6f3ae46b30dde8737f02c07b1505bcc73",
    "mteb/medrxiv-clustering-s2s": "35191c8c0dca72d8ff3efcd72aa802307d469663",
}
PUBLIC_HEALTH = ("xhluca/publichealth-qa", "1074afe90566e34f88ee5889a1a2627f9922fb1e")
LANGUAGES = ("arabic", "chinese", "english", "french", "korean", "russian", "spanish", "vietnamese")
DISCIPLINES = (
    "dentistry_and_oral_health",
    "dermatology",
    "gastroenterology",
    "genetics",
    "neuroscience_and_neurology",
    "orthopedic_surgery",
    "otorhinolaryngology",
    "plastic_surgery",
    "psychiatry_and_psychology",
    "pulmonology",
)

_LISTING = re.compile(
    r"(?P<repo>/api/datasets/[^/]+/[^/]+)/(?P<what>tree|paths-info)/(?P<rev>[^/]+)(/(?P<folder>.+))?"
)

Config = tuple[str, Mapping[str, str]]
"""A config's name and the file of each of its splits."""


class MtebHub(HubServer):
    """A hub that also answers the POST requests of `datasets`, and lists a folder of a repository."""

    def answer(self, path: str) -> Answer:
        where, asked = unquote(urlsplit(path).path), parse_qs(urlsplit(path).query)
        match = _LISTING.fullmatch(where)
        if match is None:
            return super().answer(path)
        whole = super().answer(f"{match['repo']}/tree/{match['rev']}")
        if whole.status != 200:
            return whole
        entries = {entry["path"]: entry for entry in json.loads(whole.body)}
        folders = {str(folder) for name in entries for folder in PurePosixPath(name).parents} - {"."}
        entries |= {name: {"type": "directory", "path": name, "size": 0, "oid": "0" * 40} for name in folders}
        if match["what"] == "paths-info":
            found = [entries[name] for name in asked.get("paths", []) if name in entries]
        else:
            inside = match["folder"] or "."
            found = [entry for name, entry in entries.items() if str(PurePosixPath(name).parent) == inside]
        return Answer(json.dumps(found).encode(), 200, {"Content-Type": "application/json"})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self
        basic: Any = super()._handler()

        class Handler(basic):
            def do_POST(self) -> None:  # noqa: N802 - the name that the standard library calls
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                paths = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body).get("paths", [])
                query = "&".join(f"paths={path}" for path in paths)
                self.path = f"{self.path}?{query}"
                outer._serve(self)

        return Handler


def add_mteb_tasks(hub: HubServer) -> None:
    """Put every retrieval task of `medembed-5` and every task of MTEB(Medical, v1) on the hub."""
    for repo, revision in JSONL_TASKS.items():
        files = _jsonl_task("qrels/test.jsonl")
        hub.add("datasets", repo, revision, _with_argument(files) if repo.endswith("arguana") else files)
    hub.add("datasets", *MEDICAL_QA, _jsonl_task("default.jsonl"))
    for repo, revision in PARQUET_TASKS.items():
        hub.add("datasets", repo, revision, _parquet_task("dev" if "Cmedqa" in repo else "test"))
    ranked = [{"query-id": query_id, "corpus-ids": ["heart", "lung", "sugar"]} for query_id, _ in QUERIES]
    hub.add("datasets", *RERANKING, _parquet_task("test", top_ranked=ranked))
    hub.add("datasets", *PUBLIC_HEALTH, _public_health())
    hub.add("datasets", *CURE, _cure())
    for repo, revision in CLUSTERING.items():
        hub.add("datasets", repo, revision, _clustering())


def _jsonl_task(qrels: str) -> dict[str, bytes]:
    configs = [
        ("default", {"test": qrels}),
        ("corpus", {"corpus": "corpus.jsonl"}),
        ("queries", {"queries": "queries.jsonl"}),
    ]
    return {
        "README.md": _card(configs),
        "corpus.jsonl": _jsonl(_corpus()),
        "queries.jsonl": _jsonl(_queries()),
        qrels: _jsonl(_judgements()),
    }


def _with_argument(files: dict[str, bytes]) -> dict[str, bytes]:
    query_id, text = ARGUMENT
    query = _jsonl([{"_id": query_id, "text": text}])
    judgement = _jsonl([{"query-id": query_id, "corpus-id": "heart", "score": 1}])
    more = {"queries.jsonl": query, "qrels/test.jsonl": judgement}
    return {name: content + more.get(name, b"") for name, content in files.items()}


def _parquet_task(split: str, top_ranked: Sequence[Mapping[str, Any]] | None = None) -> dict[str, bytes]:
    tables = {"corpus": _corpus("id"), "queries": _queries("id"), "qrels": _judgements()}
    tables |= {"top_ranked": top_ranked} if top_ranked else {}
    files = {name: f"{name}/{split}-00000-of-00001.parquet" for name in tables}
    card = _card([(name, {split: file}) for name, file in files.items()])
    return {"README.md": card} | {files[name]: _parquet(rows) for name, rows in tables.items()}


def _public_health() -> dict[str, bytes]:
    texts = dict(QUERIES)
    answers = {doc_id: text for doc_id, _, text in DOCUMENTS}
    pairs = [(texts[query_id], answers[doc_id]) for query_id, doc_id, grade in QRELS if grade]
    files = {language: f"data/{language}.csv" for language in LANGUAGES}
    table = io.StringIO()
    csv.writer(table).writerows([("question", "answer"), *pairs, ("what is unanswered?", "")])
    card = _card([(language, {"test": file}) for language, file in files.items()])
    return {"README.md": card} | {file: table.getvalue().encode() for file in files.values()}


def _cure() -> dict[str, bytes]:
    names = {"corpus": "corpus", "qrels": "qrels"} | {
        f"queries-{one}": f"queries-{one}" for one in ("en", "es", "fr")
    }
    card = _card([(config, {d: f"{d}/{stem}.jsonl" for d in DISCIPLINES}) for config, stem in names.items()])
    contents = {"corpus": _corpus(), "qrels": _judgements()}
    files = {
        f"{discipline}/{stem}.jsonl": _jsonl(contents.get(stem, _queries()))
        for discipline in DISCIPLINES
        for stem in names.values()
    }
    return {"README.md": card} | files


def _clustering() -> dict[str, bytes]:
    labels = ["heart", "lung", "sugar", "skin", "heart"]
    rows = [
        {"sentences": [f"{title} {text} Case {n}." for _, title, text in DOCUMENTS], "labels": labels}
        for n in range(120)
    ]
    return {"README.md": _card([("default", {"test": "test.jsonl"})]), "test.jsonl": _jsonl(rows)}


def _corpus(key: str = "_id") -> list[dict[str, Any]]:
    return [{key: doc_id, "title": title, "text": text} for doc_id, title, text in DOCUMENTS]


def _queries(key: str = "_id") -> list[dict[str, Any]]:
    return [{key: query_id, "text": text} for query_id, text in QUERIES]


def _judgements() -> list[dict[str, Any]]:
    return [{"query-id": query_id, "corpus-id": doc_id, "score": grade} for query_id, doc_id, grade in QRELS]


def _card(configs: Sequence[Config]) -> bytes:
    lines = ["---", "configs:"]
    for config, files in configs:
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, file in files.items():
            lines += [f"  - split: {split}", f"    path: {file}"]
    return "\n".join([*lines, "---", "# Tiny", ""]).encode()


def _jsonl(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), sink)
    return sink.getvalue()
