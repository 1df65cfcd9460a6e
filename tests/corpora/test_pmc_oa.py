"""PMC articles against a local Cloud Service: newest versions, MD5s, cut connections, hostile packages."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pmc_server import PmcServer

from medsearch.corpora.download import get_corpus
from medsearch.corpora.pmc_package import extract_articles
from medsearch.corpora.provenance import GetReport
from medsearch.corpora.sources import Source, load_sources
from medsearch.errors import CorpusError


def article(title: str) -> bytes:
    filler = "<p>Haemolysis was not seen.</p>" * 200
    return f"<article><front><title>{title}</title></front><body>{filler}</body></article>".encode()


ARTICLES = {
    "PMC12.1": article("Anaemia"),
    "PMC12.10": article("Anaemia, tenth version"),
    "PMC12.9": article("Anaemia, ninth version"),
    "PMC123.1": article("Sepsis"),
    "PMC7.1": article("A manuscript"),
}


@pytest.fixture
def server() -> Iterator[PmcServer]:
    with PmcServer(dict(ARTICLES)) as running:
        yield running


@pytest.fixture(scope="module")
def source(root: Path) -> Source:
    return load_sources(root / "data" / "sources.toml")["pmc_oa"]


def ids(tmp_path: Path, text: str) -> str:
    (tmp_path / "ids.txt").write_text(text, encoding="utf-8")
    return str(tmp_path / "ids.txt")


def get(source: Source, server: PmcServer, tmp_path: Path, selection: str) -> GetReport:
    environment = {"MEDSEARCH_PMC_ENDPOINT": server.endpoint}
    return get_corpus(source, tmp_path / "raw", selection=selection, environment=environment)


def texts(tmp_path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (tmp_path / "raw" / "pmc_oa" / "articles").glob("*")}


def package(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def test_the_newest_version_is_fetched_unless_one_is_named(
    source: Source, server: PmcServer, tmp_path: Path
) -> None:
    report = get(source, server, tmp_path, ids(tmp_path, "pmcid\nPMC12  # newest\n\n123\nPMC12.9,2019\n"))
    assert texts(tmp_path) == {f"{name}.xml": ARTICLES[name] for name in ("PMC12.10", "PMC12.9", "PMC123.1")}
    assert (report.counts.documents, report.remarks) == (3, ())
    said = json.loads((tmp_path / "raw" / "pmc_oa" / "SOURCE.json").read_text())
    assert said["fetched"][0]["licence"] == "CC BY"
    assert set(said["files"]) == {f"articles/{name}" for name in texts(tmp_path)}


def test_a_cut_connection_goes_on_where_it_was(source: Source, server: PmcServer, tmp_path: Path) -> None:
    server.faults.path, server.faults.cut_after, server.faults.cuts = "/PMC123.1/", 1000, 1
    get(source, server, tmp_path, ids(tmp_path, "PMC123"))
    assert server.ranges_asked("/PMC123.1/") == ["", "bytes=1000-"]
    assert texts(tmp_path) == {"PMC123.1.xml": ARTICLES["PMC123.1"]}


def test_a_run_that_failed_half_way_goes_on_with_what_is_missing(
    source: Source, server: PmcServer, tmp_path: Path
) -> None:
    server.faults.path, server.faults.busy = "/PMC123.1/", 99
    wanted = ids(tmp_path, "PMC12\nPMC123")
    with pytest.raises(
        CorpusError, match=r"cannot get PMC articles from http.*: it answered HTTP 503; 1 are in"
    ):
        get(source, server, tmp_path, wanted)
    server.faults.busy = 0
    server.requests.clear()
    get(source, server, tmp_path, wanted)
    assert set(texts(tmp_path)) == {"PMC12.10.xml", "PMC123.1.xml"}
    assert not server.ranges_asked("PMC12."), "an article that is there is not asked for again"
    server.requests.clear()
    assert not get(source, server, tmp_path, wanted).fetched
    assert server.requests == []


def test_bytes_that_are_not_the_promised_ones_are_refused(
    source: Source, server: PmcServer, tmp_path: Path
) -> None:
    server.faults.path, server.faults.wrong_bytes = "/PMC123.1/", True
    with pytest.raises(CorpusError, match=r"the bytes have md5 \w+… where \w+… was promised"):
        get(source, server, tmp_path, ids(tmp_path, "PMC123"))
    assert texts(tmp_path) == {}


def test_what_cannot_be_had_is_reported_and_the_rest_fetched(
    source: Source, server: PmcServer, tmp_path: Path
) -> None:
    server.records["PMC7.1"] = {"is_pmc_openaccess": False, "is_manuscript": True}
    server.records["PMC12.10"] = {"xml_url": None}
    report = get(source, server, tmp_path, ids(tmp_path, "PMC7\nPMC99\nPMC12\nPMC123"))
    assert report.remarks == (
        "PMC7: not in the open-access subset; left out",
        "PMC99: the service has no XML of it; left out",
        "PMC12: the service has no XML of it; left out",
    )
    assert set(texts(tmp_path)) == {"PMC123.1.xml"}


def test_nothing_at_all_is_an_error(source: Source, server: PmcServer, tmp_path: Path) -> None:
    with pytest.raises(
        CorpusError, match="not one article could be had: PMC99: the service has no XML of it"
    ):
        get(source, server, tmp_path, ids(tmp_path, "PMC99"))


@pytest.mark.parametrize("line", ["PMC12/../../x", "10.1000/xyz", "PMC"])
def test_a_line_that_is_no_pmcid_is_named(
    source: Source, server: PmcServer, tmp_path: Path, line: str
) -> None:
    with pytest.raises(CorpusError, match=r"ids\.txt:2: '.*' is not a PMCID such as PMC1234567"):
        get(source, server, tmp_path, ids(tmp_path, f"PMC12\n{line}\n"))
    assert server.requests == []


def test_a_record_that_points_elsewhere_is_not_followed(
    source: Source, server: PmcServer, tmp_path: Path
) -> None:
    server.records["PMC12.10"] = {"xml_url": "s3://pmc-oa-opendata/../../etc/passwd?md5=" + "0" * 32}
    report = get(source, server, tmp_path, ids(tmp_path, "PMC12\nPMC123"))
    assert report.remarks == ("PMC12: the service has no XML of it; left out",)


def test_offline_is_one_line_that_says_what_to_do(source: Source, tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        get_corpus(
            source,
            tmp_path,
            selection=ids(tmp_path, "PMC12"),
            environment={"MEDSEARCH_PMC_ENDPOINT": "http://127.0.0.1:9/"},
        )
    articles = tmp_path / "pmc_oa" / "articles"
    start, _, advice = str(caught.value).partition("refused; ")
    assert start.startswith("cannot get PMC articles from http://127.0.0.1:9: ")
    assert not articles.exists()
    assert advice == (
        f"0 are in {articles}; run the command again when connected, set MEDSEARCH_PMC_ENDPOINT to a mirror, "
        "or put JATS files there"
    )


def test_a_package_is_fetched_through_a_cut_connection_and_its_articles_extracted(
    source: Source, server: PmcServer, tmp_path: Path
) -> None:
    members = {
        "PMC000xxxxxx/PMC12.xml": ARTICLES["PMC12.1"],
        "PMC123/journal.nxml": ARTICLES["PMC123.1"],
        "PMC123/figure.jpg": b"not an article",
        "../../escaped.xml": b"<article/>",
        "/absolute.xml": b"<article/>",
    }
    server.packages["/bulk/a.tar.gz"] = package(members)
    server.faults.path, server.faults.cut_after, server.faults.cuts = "/bulk/", 100, 1
    report = get(source, server, tmp_path, "bulk/a.tar.gz")
    assert server.ranges_asked("/bulk/") == ["", "bytes=100-"]
    assert texts(tmp_path) == {"PMC12.xml": ARTICLES["PMC12.1"], "PMC123.xml": ARTICLES["PMC123.1"]}
    assert report.remarks == (
        "a.tar.gz: '../../escaped.xml' points outside the package; left out",
        "a.tar.gz: '/absolute.xml' points outside the package; left out",
    )
    assert not list(tmp_path.rglob("escaped.xml"))


def test_a_link_in_a_package_is_not_followed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "p.tar.gz", "w:gz") as tar:
        link = tarfile.TarInfo("PMC1.xml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    names, remarks = extract_articles(tmp_path / "p.tar.gz", tmp_path)
    assert names == ()
    assert remarks == ("p.tar.gz: 'PMC1.xml' is a link or a device, not a file; left out",)


@pytest.mark.parametrize("damage", [lambda whole: whole[:-40], lambda whole: b"<html>no such file</html>"])
def test_a_damaged_package_is_refused(
    source: Source, server: PmcServer, tmp_path: Path, damage: object
) -> None:
    assert callable(damage)
    (tmp_path / "p.tar.gz").write_bytes(damage(package({"PMC1.xml": ARTICLES["PMC12.1"] * 5})))
    with pytest.raises(CorpusError, match=r"p\.tar\.gz: not a whole \.tar\.gz package: .*; fetch it again"):
        get(source, server, tmp_path, str(tmp_path / "p.tar.gz"))
    assert texts(tmp_path) == {}
