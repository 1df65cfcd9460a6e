"""The 200 real articles: title, year and ids as their manifest says, and no body lost."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from medsearch.corpora.jats.article import read_article
from medsearch.corpora.jats.files import find_xml_files, read_xml_file
from medsearch.corpora.jats.reader import read_jats
from medsearch.corpora.jats.safe_xml import parse_xml
from medsearch.corpora.rejects import Rejects
from medsearch.types import Document

pytestmark = pytest.mark.slow

NOT_TEXT = frozenset(
    ["table", "disp-formula", "inline-formula", "math", "tex-math", "ref-list", "xref", "label", "object-id"]
)
"""Cells, formulas, references, marks and labels: what is left out of the comparison with the raw body."""


@pytest.fixture(scope="module")
def documents(real_data: Path) -> dict[str, Document]:
    return {
        document.doc_id: document
        for document in read_jats(real_data / "pmc_jats", "pmc_jats", Rejects(strict=True))
    }


@pytest.fixture(scope="module")
def manifest(real_data: Path) -> list[dict[str, str]]:
    with (real_data / "pmc_jats" / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_every_article_has_the_facts_of_the_manifest(
    documents: dict[str, Document], manifest: list[dict[str, str]]
) -> None:
    assert len(documents) == len(manifest) == 200
    for row in manifest:
        document = documents[row["pmcid"] or row["doi"]]
        assert document.title == " ".join(row["title"].split())
        facts = document.metadata
        assert facts["year"] == int(row["year"])
        assert facts["kind"] == row["article_type"]
        assert (facts.get("pmcid", ""), facts.get("pmid", ""), facts.get("doi", "")) == (
            row["pmcid"],
            row["pmid"],
            row["doi"],
        )
        assert facts["journal"] == row["journal"] or not row["journal"]
        assert facts["licence"]
        assert facts["authors"]
        assert str(facts["url"]).startswith("https://")


def test_licences_are_those_of_the_manifest(
    documents: dict[str, Document], manifest: list[dict[str, str]]
) -> None:
    # Its "(text)" and missing versions are about its own reading; and it takes one CC BY NC ND for CC BY.
    for row in manifest:
        stated = row["licence"].removesuffix(" (text)")
        found = str(documents[row["pmcid"] or row["doi"]].metadata["licence"])
        if stated == "CC0/public domain":
            assert found in ("CC0 1.0", "public domain")
        elif row["pmcid"] == "PMC6317580":
            assert found == "CC BY-NC-ND 4.0"
        else:
            assert re.sub(r" \d\.\d$", "", found) == re.sub(r" \d\.\d$", "", stated)


def test_no_article_loses_its_body(real_data: Path) -> None:
    for file in find_xml_files(real_data / "pmc_jats"):
        _, stem, data = next(read_xml_file(file, Rejects()))
        root = parse_xml(data)
        document, remark = read_article(root, fallback_id=stem, source="pmc_jats")
        wanted = words("".join(part for body in root.iterfind("body") for part in raw_text(body)))
        headings = " ".join({name for section in document.sections for name in section.heading.split(" > ")})
        found = words(document.text + " " + headings)
        kept = 1 - sum((wanted - found).values()) / sum(wanted.values())
        assert kept >= 0.99, (
            f"{document.doc_id}: {kept:.3f} of the body, missing {(wanted - found).most_common(9)}"
        )
        assert remark == ""


def test_spans_are_in_order_and_cover_the_text(documents: dict[str, Document]) -> None:
    for document in documents.values():
        assert (
            "\n\n".join(document.text[section.start : section.end] for section in document.sections)
            == document.text
        )
        assert all(section.heading and section.start < section.end for section in document.sections)
        assert not re.search(r"[\x00-\x08]| {2}|\[\s*[,;\u2013-]*\s*\]", document.text)


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"[^\W\d_]{2,}", re.sub("[\u200b\u00ad]", "", text)))


def raw_text(element: etree._Element) -> Iterator[str]:
    """All characters of an element, a blank in place of what is left out and around blocks."""
    if element.tag in NOT_TEXT:
        yield " "
        return
    yield element.text or ""
    for child in element:
        yield from raw_text(child)
        yield " " if child.tag in ("p", "title", "break") else ""
        yield child.tail or ""
