"""`get_corpus` against a local hub: whole, resumed, refused, offline, and killed in the middle."""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hub_server import REVISION, HubServer

from medsearch.corpora.download import get_corpus
from medsearch.corpora.sources import Expected, Layout, Source, load_sources
from medsearch.errors import CorpusError, UsageError

DOCUMENTS = [
    {"_id": f"MED-{n}", "title": f"Statins {n}", "text": f"Statins and the risk of fracture, part {n}. " * 9}
    for n in range(40)
]
QUERIES = [{"_id": "PLAIN-1", "text": "Do statins harm bones?"}, {"_id": "PLAIN-2", "text": "fracture risk"}]
FILES = {
    ".gitattributes": b"*.parquet filter=lfs",
    "README.md": b"# tiny NFCorpus",
    "corpus.jsonl": "\n".join(json.dumps(document) for document in DOCUMENTS).encode(),
    "queries.jsonl": "\n".join(json.dumps(query) for query in QUERIES).encode(),
    "qrels/train.jsonl": b'{"query-id": "PLAIN-2", "corpus-id": "MED-3", "score": 2.0}\n',
    "qrels/test.jsonl": b'{"query-id": "PLAIN-1", "corpus-id": "MED-1", "score": 1.0}\n'
    b'{"query-id": "PLAIN-1", "corpus-id": "MED-2", "score": 0.0}\n',
}


@pytest.fixture
def source(root: Path) -> Source:
    """The real NFCorpus entry, its address and counts those of the tiny one."""
    real = load_sources(root / "data" / "sources.toml")["nfcorpus"]
    expected = Expected(documents=40, queries=2, qrels={"train": 1, "test": 2})
    files = {table: globs for table, globs in real.files.items() if table != "qrels/dev"}
    return replace(real, location="mteb/tiny", revision=REVISION, expected=expected, files=files)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub") as server:
        server.add("datasets", "mteb/tiny", REVISION, FILES)
        yield server


def lines(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode().splitlines()]


def test_a_corpus_is_fetched_whole_and_says_where_it_is_from(
    hub: HubServer, source: Source, tmp_path: Path
) -> None:
    report = get_corpus(source, tmp_path / "raw", environment={"HF_ENDPOINT": hub.endpoint})
    folder = tmp_path / "raw" / "nfcorpus"
    assert lines(folder / "corpus.jsonl.gz") == DOCUMENTS
    assert lines(folder / "queries.jsonl.gz") == QUERIES
    assert (folder / "qrels" / "test.tsv").read_text() == (
        "query-id\tcorpus-id\tscore\nPLAIN-1\tMED-1\t1\nPLAIN-1\tMED-2\t0\n"
    )
    assert report.counts.qrels == {"train": 1, "test": 2}
    assert report.remarks == ()
    said = json.loads((folder / "SOURCE.json").read_text())
    assert (said["revision"], said["licence"]) == (REVISION, "not specified")
    assert said["files"] == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("corpus.jsonl.gz", "qrels/test.tsv", "qrels/train.tsv", "queries.jsonl.gz")
    }
    corpus = next(one for one in said["fetched"] if one["file"] == "corpus.jsonl")
    assert corpus["sha256"] == hashlib.sha256(FILES["corpus.jsonl"]).hexdigest()
    assert [path.name for path in (tmp_path / "raw").iterdir() if not path.name.endswith(".lock")] == [
        "nfcorpus"
    ]


def test_a_corpus_that_is_there_is_not_fetched_again_but_a_damaged_one_is(
    hub: HubServer, source: Source, tmp_path: Path
) -> None:
    environment = {"HF_ENDPOINT": hub.endpoint}
    first = get_corpus(source, tmp_path, environment=environment)
    hub.requests.clear()
    again = get_corpus(source, tmp_path, environment=environment)
    assert (hub.requests, again.fetched, again.files) == ([], False, first.files)
    assert again.counts == first.counts
    (tmp_path / "nfcorpus" / "corpus.jsonl.gz").write_bytes(b"damaged")
    repaired = get_corpus(source, tmp_path, environment=environment)
    assert (repaired.fetched, repaired.files) == (True, first.files)


def test_a_cut_connection_goes_on_where_it_was(hub: HubServer, source: Source, tmp_path: Path) -> None:
    hub.faults.path, hub.faults.cut_after, hub.faults.cuts = "/cdn/", 3000, 1
    report = get_corpus(source, tmp_path, environment={"HF_ENDPOINT": hub.endpoint})
    assert hub.ranges_asked("/cdn/") == ["", "bytes=3000-"]
    assert lines(tmp_path / "nfcorpus" / "corpus.jsonl.gz") == DOCUMENTS
    assert report.counts.documents == 40


def test_bytes_that_are_not_the_promised_ones_are_refused(
    hub: HubServer, source: Source, tmp_path: Path
) -> None:
    hub.faults.path, hub.faults.wrong_bytes = "/cdn/", True
    with pytest.raises(
        CorpusError, match=r"corpus\.jsonl: the bytes have sha256 \w+… where \w+… was promised"
    ):
        get_corpus(source, tmp_path, environment={"HF_ENDPOINT": hub.endpoint})
    assert not (tmp_path / "nfcorpus").exists()
    hub.faults.path = "queries.jsonl"  # too small for LFS: checked by its git blob id
    with pytest.raises(CorpusError, match=r"queries\.jsonl: the bytes have git-sha1"):
        get_corpus(source, tmp_path, environment={"HF_ENDPOINT": hub.endpoint})


def test_counts_that_are_not_the_published_ones_are_reported(
    hub: HubServer, source: Source, tmp_path: Path
) -> None:
    other = replace(
        source, expected=Expected(documents=3633, queries=None, qrels={"train": 1, "test": 12334})
    )
    report = get_corpus(other, tmp_path, environment={"HF_ENDPOINT": hub.endpoint})
    assert report.remarks == (
        "documents: 40, where 3,633 were expected",
        "qrels/test: 2, where 12,334 were expected",
    )


def test_offline_is_one_line_that_says_what_to_do(source: Source, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(CorpusError) as caught:
        get_corpus(source, tmp_path / "raw", environment={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert time.monotonic() - started < 10
    start, _, advice = str(caught.value).partition("refused; ")
    assert start.startswith("cannot get mteb/tiny (NFCorpus) from http://127.0.0.1:9: ")
    assert advice == (
        "run the command again when connected, set HF_ENDPOINT to a mirror, or put the BEIR files in "
        f"{tmp_path / 'raw' / 'nfcorpus'}"
    )


def test_the_hubs_own_offline_switch_is_named(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CorpusError, match=r"from https://huggingface\.co: HF_HUB_OFFLINE is set; run the"):
        get_corpus(source, tmp_path, environment={})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"location": "mteb/none"}, "cannot get mteb/none .*: it has no such data set, or wants HF_TOKEN"),
        ({"revision": "e" * 40}, "cannot get mteb/tiny .*: it has no revision eeeeeeee of it"),
        ({"files": {"corpus": ("c.parquet",)}}, r"no file for corpus \(looked for c.parquet; it has .gitatt"),
    ],
)
def test_what_the_hub_does_not_have_is_said(
    hub: HubServer, source: Source, tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    with pytest.raises(CorpusError, match=complaint) as caught:
        get_corpus(replace(source, **change), tmp_path, environment={"HF_ENDPOINT": hub.endpoint})
    assert "\n" not in str(caught.value)


def test_a_file_outside_the_data_set_is_refused(hub: HubServer, source: Source, tmp_path: Path) -> None:
    class Hostile(HubServer):
        def _sibling(self, name: str, content: bytes) -> dict[str, object]:
            return super()._sibling(name, content) | {"rfilename": f"../../{name}"}

    with Hostile(hub.folder) as hostile:
        files = {"corpus": ("*corpus.jsonl",)}
        with pytest.raises(CorpusError, match=r"it names a file outside the data set: '\.\./\.\./corpus"):
            get_corpus(replace(source, files=files), tmp_path, environment={"HF_ENDPOINT": hostile.endpoint})


def test_a_folder_that_someone_else_made_is_left_alone(
    hub: HubServer, source: Source, tmp_path: Path
) -> None:
    (tmp_path / "nfcorpus").mkdir()
    (tmp_path / "nfcorpus" / "corpus.jsonl").write_text("mine")
    with pytest.raises(CorpusError, match="nfcorpus was not made by `medsearch corpora get`; move it away"):
        get_corpus(source, tmp_path, environment={"HF_ENDPOINT": hub.endpoint})
    assert (tmp_path / "nfcorpus" / "corpus.jsonl").read_text() == "mine"


def test_only_pmc_takes_a_choice_of_articles(source: Source, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nfcorpus is got whole; name no articles"):
        get_corpus(source, tmp_path, selection="ids.txt")
    with pytest.raises(UsageError, match="needs a file of PMCIDs or a package"):
        get_corpus(replace(source, layout=Layout.PMC), tmp_path)


def test_a_second_download_of_the_same_corpus_is_refused(
    hub: HubServer, source: Source, tmp_path: Path
) -> None:
    def start_another(*_: object) -> None:
        with pytest.raises(CorpusError, match="nfcorpus is being downloaded by another process"):
            get_corpus(source, tmp_path, environment={"HF_ENDPOINT": hub.endpoint})
        started.append(True)

    started: list[bool] = []
    get_corpus(source, tmp_path, environment={"HF_ENDPOINT": hub.endpoint}, progress=start_another)
    assert started


@pytest.mark.parametrize("stage", ["corpus.jsonl", "corpus.jsonl.gz"], ids=["downloading", "converting"])
def test_a_killed_run_leaves_nothing_half_done_and_the_next_one_finishes(
    hub: HubServer, source: Source, tmp_path: Path, root: Path, stage: str
) -> None:
    program = f"""
        import os, signal
        from dataclasses import replace
        from pathlib import Path
        from medsearch.corpora.download import get_corpus
        from medsearch.corpora.sources import load_sources

        def die(what, done, total):
            if what == {stage!r}:
                os.kill(os.getpid(), signal.SIGKILL)

        real = load_sources(Path({str(root / "data" / "sources.toml")!r}))["nfcorpus"]
        files = {dict(source.files)!r}
        source = replace(real, location="mteb/tiny", revision={REVISION!r}, files=files)
        environment = {{"HF_ENDPOINT": {hub.endpoint!r}}}
        get_corpus(source, Path({str(tmp_path)!r}), progress=die, environment=environment)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, cwd=root)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "nfcorpus").exists()
    before = len(hub.ranges_asked("/cdn/"))
    report = get_corpus(source, tmp_path, environment={"HF_ENDPOINT": hub.endpoint})
    assert lines(tmp_path / "nfcorpus" / "corpus.jsonl.gz") == DOCUMENTS
    assert report.remarks == ()
    if stage == "corpus.jsonl.gz":
        assert len(hub.ranges_asked("/cdn/")) == before, (
            "what was fetched before the kill is not fetched again"
        )
