"""Documents, queries and judgements that come from mteb as BEIR folders in our cache."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from medsearch.corpora.catalogue import CorpusFormat, CorpusLocation
from medsearch.index.manifest import replace_file
from medsearch.types import Collection, Document


def write_documents(task: str, documents: Sequence[Document], cache: Path) -> CorpusLocation:
    """A corpus without queries in `CACHE/mteb/TASK-HASH`; the same documents always in the same place."""
    content = _corpus(documents)
    folder = cache / "mteb" / f"{task}-{sha256(content).hexdigest()[:16]}"
    _write(folder / "corpus.jsonl", content)
    return CorpusLocation(f"mteb:{task}", folder, CorpusFormat.BEIR)


def write_collection(collection: Collection, task: str, cache: Path) -> CorpusLocation:
    """A test collection in `CACHE/mteb/NAME/SPLIT`, under the name "mteb:TASK".

    All subsets of a task go by one name, since they may share their documents and thereby an index.
    """
    folder = cache / "mteb" / collection.name.removeprefix("mteb:") / collection.split
    queries = ({"_id": query.query_id, "text": query.text} for query in collection.queries)
    judgements = [
        f"{query_id}\t{doc_id}\t{grade}\n"
        for query_id, grades in collection.qrels.items()
        for doc_id, grade in grades.items()
    ]
    header = "query-id\tcorpus-id\tscore\n"
    _write(folder / "corpus.jsonl", _corpus(collection.documents))
    _write(folder / "queries.jsonl", _lines(queries))
    _write(folder / "qrels" / f"{collection.split}.tsv", "".join([header, *judgements]).encode())
    return CorpusLocation(f"mteb:{task}", folder, CorpusFormat.BEIR)


def _corpus(documents: Iterable[Document]) -> bytes:
    return _lines({"_id": one.doc_id, "title": one.title, "text": one.text} for one in documents)


def _lines(rows: Iterable[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode("ascii")  # json escapes all else


def _write(file: Path, content: bytes) -> None:
    """Leave a file alone that is so already: its time stands for its content elsewhere."""
    if file.exists() and file.read_bytes() == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, content)
