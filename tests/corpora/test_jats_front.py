from __future__ import annotations

import pytest
from lxml import etree

from medsearch.corpora.jats.article import read_article
from medsearch.corpora.jats.safe_xml import parse_xml
from medsearch.types import Document, Metadata

JOURNAL = "<journal-meta><journal-title>Acta &amp; Co</journal-title></journal-meta>"
XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:ali="http://www.niso.org/schemas/ali/1.0/"'


def read(meta: str, *, title: str = "T", journal: str = "", attributes: str = "") -> Document:
    titles = f"<title-group><article-title>{title}</article-title></title-group>"
    front = f"<front>{journal}<article-meta>{meta}{titles}</article-meta></front>"
    data = f"<article {XLINK} {attributes}>{front}<body><p>Text.</p></body></article>"
    return read_article(parse_xml(data.encode()), fallback_id="file-name", source="corpus")[0]


def metadata(meta: str, **named: str) -> Metadata:
    return read(meta, **named).metadata


def test_everything_the_front_says_becomes_metadata() -> None:
    document = read(
        """<article-id pub-id-type="pmid">123</article-id><article-id pub-id-type="pmc">456</article-id>
        <article-id pub-id-type="doi">https://doi.org/10.1/x</article-id>
        <contrib-group>
          <contrib contrib-type="author"><name><surname>Gómez</surname><given-names>Ana M</given-names>
            <suffix>Jr</suffix></name><xref ref-type="aff">1</xref></contrib>
          <contrib contrib-type="author"><collab>The Trial Group<contrib-group><contrib><name>
            <surname>Hidden</surname></name></contrib></contrib-group></collab></contrib>
          <contrib><string-name>Li Wei</string-name></contrib>
          <contrib contrib-type="author"><anonymous/></contrib>
          <contrib contrib-type="editor"><name><surname>Editor</surname></name></contrib>
        </contrib-group>
        <pub-date pub-type="epub"/><pub-date pub-type="pmc-release"><year>2018</year></pub-date>
        <pub-date pub-type="collection"><year>2017</year></pub-date>
        <pub-date pub-type="epub"><year>2016</year></pub-date>
        <kwd-group><title>Keywords</title><kwd>asthma</kwd><kwd><italic>E. coli</italic></kwd>
        <kwd>asthma</kwd></kwd-group>
        <kwd-group kwd-group-type="abbreviations"><kwd>BP, blood pressure</kwd></kwd-group>""",
        title="A <italic>study</italic> of\n H<sub>2</sub>O",
        journal=JOURNAL,
        attributes='article-type="case-report"',
    )
    assert (document.doc_id, document.title) == ("PMC456", "A study of H2O")
    assert document.metadata == {
        "year": 2017,
        "kind": "case-report",
        "journal": "Acta & Co",
        "pmid": "123",
        "pmcid": "PMC456",
        "doi": "10.1/x",
        "url": "https://pmc.ncbi.nlm.nih.gov/articles/PMC456/",
        "authors": ("Ana M Gómez Jr", "The Trial Group", "Li Wei", "Anonymous"),
        "keywords": ("asthma", "E. coli"),
        "source": "PMC",
    }


@pytest.mark.parametrize(
    ("ids", "doc_id", "url", "source"),
    [
        ('<article-id pub-id-type="pmcid">PMC9.2</article-id>', "PMC9",
         "https://pmc.ncbi.nlm.nih.gov/articles/PMC9/", "PMC"),
        ('<article-id pub-id-type="doi">10.1/y</article-id>', "10.1/y", "https://doi.org/10.1/y", "corpus"),
        ('<article-id pub-id-type="pmid">77</article-id>', "file-name", None, "corpus"),
        ('<article-id pub-id-type="pmc">not a number</article-id>', "file-name", None, "corpus"),
    ],
)  # fmt: skip
def test_the_id_is_the_pmcid_else_the_doi_else_the_file(
    ids: str, doc_id: str, url: str | None, source: str
) -> None:
    document = read(ids)
    assert (document.doc_id, document.metadata.get("url"), document.metadata["source"]) == (
        doc_id,
        url,
        source,
    )


@pytest.mark.parametrize(
    ("dates", "year"),
    [
        ("", None),
        ("<pub-date><season>Spring</season></pub-date>", None),
        ('<pub-date pub-type="pmc-release"><year>2020</year></pub-date>', 2020),
        ('<pub-date date-type="pub" iso-8601-date="2021-05-04"/>', 2021),
        ("<pub-date><year>c. 1998</year></pub-date>", 1998),
    ],
)
def test_year(dates: str, year: int | None) -> None:
    assert metadata(dates).get("year") == year


@pytest.mark.parametrize(
    ("licence", "name"),
    [
        ('<license xlink:href="http://creativecommons.org/licenses/by/4.0/"/>', "CC BY 4.0"),
        ('<license xlink:href="https://creativecommons.org/licenses/by-nc-nd/3.0/igo/"/>', "CC BY-NC-ND 3.0"),
        ("<ali:license_ref>http://creativecommons.org/licenses/by-sa/4.0/</ali:license_ref>", "CC BY-SA 4.0"),
        ('<license><p><ext-link xlink:href="https://creativecommons.org/publicdomain/zero/1.0/">x</ext-link></p>'
         "</license>", "CC0 1.0"),
        ('<license xlink:href="http://creativecommons.org/licenses/CC BY-NC/4.0"><p>Creative Commons '
         "Attribution-NonCommercial 4.0 International License (CC BY-NC 4.0)</p></license>", "CC BY-NC 4.0"),
        ("<license><p>Creative Commons License Deed CC BY NC ND 4.0</p></license>", "CC BY-NC-ND 4.0"),
        ("<license><p>the Creative Commons Attribution License, which permits use</p></license>", "CC BY"),
        ("<license><p>Creative Commons Attribution Non\u2010Commercial Share Alike</p></license>",
         "CC BY-NC-SA"),
        ("<license><p>This is in the Public Domain.</p></license>", "public domain"),
        ("<license><p>All rights reserved.</p></license>", "All rights reserved."),
        ("<copyright-year>2001</copyright-year>", None),
    ],
)  # fmt: skip
def test_licence(licence: str, name: str | None) -> None:
    assert metadata(f"<permissions>{licence}</permissions>").get("licence") == name


def related(kind: str) -> str:
    return f'<related-article related-article-type="{kind}" xlink:href="10.1/z"/>'


@pytest.mark.parametrize(
    ("meta", "title", "kind", "notice"),
    [
        ("", "Aspirin", "research-article", None),
        ("", "Correction of anaemia in children", "research-article", None),
        ("", "Retraction force in brain surgery", "research-article", None),
        (related("companion"), "Aspirin", "research-article", None),
        ("", "Aspirin", "retraction", "retraction: this is a retraction notice"),
        (related("retracted-article"), "Notice", "retraction",
         "retraction: this is a retraction notice (10.1/z)"),
        (related("retraction-forward"), "Aspirin", "research-article",
         "retraction: this article has been retracted (10.1/z)"),
        (related("correction-forward"), "Aspirin", "research-article",
         "correction: this article has been corrected (10.1/z)"),
        (related("corrected-article"), "Erratum", "correction",
         "correction: this is a correction notice (10.1/z)"),
        (related("correction-forward") + related("retraction-forward"), "Aspirin", "research-article",
         "retraction: this article has been retracted (10.1/z)"),
        (related("object-of-concern"), "x", "expression-of-concern",
         "concern: this is an expression of concern (10.1/z)"),
        ("", "RETRACTED: Aspirin", "research-article", "retraction: this article has been retracted"),
        ("", "[Retracted Article] Aspirin", "research-article",
         "retraction: this article has been retracted"),
        ("", "Retraction: Aspirin", "other", "retraction: this is a retraction notice"),
        ("", "Erratum to: Aspirin", "other", "correction: this is a correction notice"),
        ("", "Author Correction: Aspirin", "other", "correction: this is a correction notice"),
        ("", "Expression of Concern: Aspirin", "other", "concern: this is an expression of concern"),
    ],
)  # fmt: skip
def test_notice(meta: str, title: str, kind: str, notice: str | None) -> None:
    assert metadata(meta, title=title, attributes=f'article-type="{kind}"').get("notice") == notice


def test_titles_keep_their_marks_and_the_subtitle_is_beside_them() -> None:
    data = f"""<article {XLINK}><front><article-meta><title-group>
      <article-title>On X<xref ref-type="fn">*</xref> </article-title><subtitle>a trial</subtitle>
      </title-group></article-meta></front></article>"""
    document, _ = read_article(etree.fromstring(data), fallback_id="f", source="s")
    assert (document.title, document.metadata["subtitle"]) == ("On X*", "a trial")
