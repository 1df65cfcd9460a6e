from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from medsearch.corpora.jats.article import read_article
from medsearch.corpora.jats.reader import read_jats
from medsearch.corpora.jats.safe_xml import BadXmlError, parse_xml
from medsearch.corpora.rejects import Rejects
from medsearch.types import Document

TITLE = "<title-group><article-title>T</article-title></title-group>"


def article(body: str = "", meta: str = TITLE, rest: str = "", attributes: str = "") -> bytes:
    front = f"<front><article-meta>{meta}</article-meta></front>"
    start = f'<article xmlns:xlink="http://www.w3.org/1999/xlink" {attributes}>'
    return f"{start}{front}<body>{body}</body>{rest}</article>".encode()


def document_of(data: bytes) -> Document:
    return read_article(parse_xml(data), fallback_id="file", source="corpus")[0]


def sections_of(document: Document) -> list[tuple[str, str]]:
    return [(section.heading, document.text[section.start : section.end]) for section in document.sections]


def text_of(body: str) -> str:
    return document_of(article(body)).text


def test_sections_are_headed_nested_and_span_the_text() -> None:
    document = document_of(
        article(
            """<p>Before any heading.</p>
            <sec sec-type="methods"><label>2</label><title>Methods<xref ref-type="fn">*</xref>.</title>
              <p>First.</p>
              <sec><title><italic>Patients</italic></title><p>Adults.</p><p>No children.</p></sec>
              <sec sec-type="ethics"><p>Approved.</p></sec>
            </sec>
            <sec><title>Results</title><p>None.</p></sec>""",
            meta=TITLE
            + "<abstract><p>Plain.</p></abstract><abstract><sec><title>Aim:</title><p>To see.</p></sec>"
            '</abstract><abstract abstract-type="toc"><p>Short.</p></abstract>'
            '<trans-abstract xml:lang="es"><p>Corto.</p></trans-abstract>',
        )
    )
    assert sections_of(document) == [
        ("Abstract", "Plain."),
        ("Abstract > Aim", "To see."),
        ("Abstract (toc)", "Short."),
        ("Main text", "Before any heading."),
        ("Methods", "First."),
        ("Methods > Patients", "Adults.\n\nNo children."),
        ("Methods > Ethics", "Approved."),
        ("Results", "None."),
    ]
    assert document.text == "\n\n".join(text for _, text in sections_of(document))


def test_captions_stand_behind_the_paragraphs_of_their_section() -> None:
    document = document_of(
        article(
            """<sec><title>Results</title>
            <p>See <xref ref-type="fig" rid="f1">Fig. 1</xref>.<fig id="f1"><label>Fig. 1.</label><caption>
              <title>Survival</title><p>Solid: treated.</p></caption><graphic xlink:href="f"/></fig> It
              rose.</p>
            <table-wrap><label>Table 2</label><caption><p>Doses (mg)</p></caption>
              <table><tr><td>7</td><td>cell</td></tr></table>
              <table-wrap-foot><fn><label>a</label><p>Twice daily.</p></fn></table-wrap-foot></table-wrap>
            <p>Last.</p></sec>
            <boxed-text><caption><title>Key points</title></caption><p>Point.</p>
              <sec><title>More</title><p>Here.</p></sec></boxed-text>
            <supplementary-material><caption><p>Click here for additional data file.</p></caption>
            </supplementary-material>""",
            rest="<floats-group><fig><caption><p>At the end.</p></caption></fig></floats-group>",
        )
    )
    assert sections_of(document) == [
        ("Results", "See Fig. 1. It rose.\n\nLast."),
        ("Results > Fig. 1", "Survival. Solid: treated."),
        ("Results > Table 2", "Doses (mg)\n\na Twice daily."),
        ("Box: Key points", "Point."),
        ("Box: Key points > More", "Here."),
        ("Figure", "At the end."),
    ]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p>pain<xref ref-type='bibr'>1</xref>.</p>", "pain."),
        ("<p>pain <sup>[<xref ref-type='bibr'>1</xref>,<xref ref-type='bibr'>3</xref>]</sup>.</p>", "pain."),
        ("<p>pain [<xref ref-type='bibr'>1</xref>\u2013<xref ref-type='bibr'>3</xref>] and</p>", "pain and"),
        ("<p>pain [<xref ref-type='bibr'>4</xref>, 5] and</p>", "pain and"),
        ("<p>pain (<xref ref-type='bibr'>12a</xref>), and</p>", "pain, and"),
        ("<p>pain <xref ref-type='bibr'>[7]</xref> and</p>", "pain and"),
        ("<p>as shown by [<xref ref-type='bibr'>4</xref>, <xref ref-type='bibr'>5</xref>].</p>",
         "as shown by [4, 5]."),
        ("<p>by Roe et al. [<xref ref-type='bibr'>5</xref>]. (<xref ref-type='bibr'>6</xref> and others)</p>",
         "by Roe et al. (and others)"),
        ("<p>by Roe (<xref ref-type='bibr'>2010</xref>)</p>", "by Roe (2010)"),
        ("<p>(<xref ref-type='bibr'>Roe et al., 2010</xref>)</p>", "(Roe et al., 2010)"),
        ("<p>a<xref ref-type='table-fn'>*</xref> b (<xref ref-type='table'>Table 1</xref>)</p>",
         "a b (Table 1)"),
        ("<p>10<sup>5</sup> CFU, 10<sup>\u22123</sup></p>", "10^5 CFU, 10^\u22123"),
        ("<p>CD4<sup>+</sup>, Ca<sup>2+</sup>, m<sup>2</sup>, CO<sub>2</sub>, <sup>18</sup>F</p>",
         "CD4+, Ca2+, m2, CO2, 18F"),
        ("<p>end.<sup>12</sup> Next</p>", "end. 12 Next"),
        ("<p>one<break/>two\n   three\u2009mg\u200b</p>", "one two three mg"),
        ("<p>x<!-- no -->y<?page 3?>z</p>", "xyz"),
        ("<p>A <bold>b</bold>, <italic>c</italic><fn><p>A note.</p></fn> d.</p>", "A b, c (A note.) d."),
        ("<p>Do:<list><list-item><p>rest</p></list-item><list-item><p>drink</p><p>water</p></list-item></list>"
         "Then go.</p>",
         "Do:\n\n- rest\n- drink\nwater\n\nThen go."),
        ("<list list-type='order'><list-item><label>1.</label><p>rest</p></list-item></list>", "1. rest"),
        ("<list><list-item><p>a</p><list><list-item><p>b</p></list-item></list></list-item></list>",
         "- a\n- b"),
        ("<def-list><def-item><term>BP</term><def><p>blood pressure</p></def></def-item></def-list>",
         "BP: blood pressure"),
        ("<p>Said:<disp-quote><p>No.</p></disp-quote>So.</p>", "Said:\n\nNo.\n\nSo."),
        ("<p>if <inline-formula><m:math xmlns:m='http://www.w3.org/1998/Math/MathML'><m:mi>p</m:mi><m:mo>&lt;"
         "</m:mo><m:mn>0.05</m:mn></m:math></inline-formula> then <disp-formula><tex-math>1</tex-math>"
         "</disp-formula> holds</p>",
         "if p<0.05 then [formula] holds"),
        ("<p>where<inline-formula><tex-math>x</tex-math></inline-formula>is (<disp-formula/>), "
         "<disp-formula/>.</p>",
         "where [formula] is ([formula]), [formula]."),
        ("<p>see <ext-link xlink:href='x'>x.org</ext-link> and <named-content>n</named-content></p>",
         "see x.org and n"),
        ("<p>a</p><ref-list><ref><mixed-citation>Gone 2001</mixed-citation></ref></ref-list>", "a"),
        ("Loose words<p>a</p>between", "Loose words\n\na\n\nbetween"),
        ("<sec><p>Unknown <made-up>tags <deeper>keep</deeper></made-up> their words.</p></sec>",
         "Unknown tags keep their words."),
    ],
)  # fmt: skip
def test_text_reads_well(body: str, text: str) -> None:
    assert text_of(body) == text


def test_namespaces_and_article_sets_are_seen_through(tmp_path: Path) -> None:
    one = article("<p>One.</p>", meta='<article-id pub-id-type="pmc">PMC1</article-id>' + TITLE)
    two = article("<p>Two.</p>")
    path = tmp_path / "set.xml"
    path.write_bytes(
        b'<pmc-articleset xmlns="https://jats.nlm.nih.gov/ns/archiving/1.3/">'
        + one
        + two
        + b"</pmc-articleset>"
    )
    documents = list(read_jats(path, "corpus", Rejects(strict=True)))
    assert [(document.doc_id, document.text) for document in documents] == [
        ("PMC1", "One."),
        ("set-2", "Two."),
    ]


def test_reviews_and_replies_inside_an_article_are_not_its_body() -> None:
    review = "<sub-article><front-stub/><body><p>A review.</p></body></sub-article>"
    reply = "<response><body><p>A reply.</p></body></response>"
    assert document_of(article("<p>Its own.</p>", rest=review + reply)).text == "Its own."


def test_what_is_missing_is_said_and_nothing_at_all_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(article("<p>Whole.</p>"))
    (tmp_path / "b.xml").write_bytes(article("<table-wrap><table><tr><td>1</td></tr></table></table-wrap>"))
    (tmp_path / "c.nxml").write_bytes(article().replace(b"<body></body>", b""))
    (tmp_path / "d.xml").write_bytes(article(meta=""))
    (tmp_path / "e.xml").write_bytes(b"<html>\n<p>Not an article</p></html>")
    (tmp_path / "f.xml").write_bytes(b"<article>\n<body>\n</article>")
    (tmp_path / ".g.xml").write_bytes(b"hidden")
    (tmp_path / "h.txt").write_bytes(b"no XML")
    rejects = Rejects()
    assert [document.doc_id for document in read_jats(tmp_path, "corpus", rejects)] == ["a", "b", "c"]
    left = "what can be searched is its title and abstract"
    assert rejects.warnings == [
        f"{tmp_path / 'b.xml'}: b has no running text in its body; {left}",
        f"{tmp_path / 'c.nxml'}: c has no body; {left}",
    ]
    assert rejects.examples[:2] == [
        f"{tmp_path / 'd.xml'}:1: the article has neither title nor text",
        f"{tmp_path / 'e.xml'}: no <article> in it; the outermost element is <html>",
    ]
    assert rejects.examples[2].startswith(
        f"{tmp_path / 'f.xml'}:3: invalid XML: Opening and ending tag mismatch"
    )
    assert rejects.count == 3


def test_duplicates_are_set_aside_across_files(tmp_path: Path) -> None:
    meta = '<article-id pub-id-type="pmcid">PMC7.1</article-id>' + TITLE
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "a.xml").write_bytes(article("<p>First.</p>", meta))
    (tmp_path / "deep/er/b.xml.gz").write_bytes(gzip.compress(article("<p>Second.</p>", meta)))
    rejects = Rejects()
    assert [document.text for document in read_jats(tmp_path, "corpus", rejects)] == ["First."]
    where = tmp_path / "deep/er/b.xml.gz"
    assert rejects.examples == [f"{where}: duplicate id 'PMC7'; the first article with it is kept"]


def package(path: Path, count: int) -> list[str]:
    with tarfile.open(path, "w:gz") as out:
        for number in range(count):
            for name, data in (
                (
                    f"PMC{number}/PMC{number}.nxml",
                    article(f"<p>{number} " + str(hash((number, 1))) * 60 + "</p>"),
                ),
                (f"PMC{number}/figure.jpg", b"\xff\xd8" * 500),
            ):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                out.addfile(member, io.BytesIO(data))
    return [f"PMC{number}" for number in range(count)]


def test_packages_are_read_and_a_cut_one_up_to_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "oa.tar.gz"
    ids = package(path, 60)
    assert [document.doc_id for document in read_jats(path, "corpus", Rejects(strict=True))] == ids
    whole = path.read_bytes()
    for kept in (9, len(whole) // 3, len(whole) // 2, len(whole) - 100, len(whole) - 1):
        path.write_bytes(whole[:kept])
        rejects = Rejects()
        found = [document.doc_id for document in read_jats(path, "corpus", rejects)]
        assert found == ids[: len(found)]
        assert len(found) >= 60 * kept / len(whole) - 25
        assert rejects.count == 1
        assert rejects.examples[0].startswith(f"{path}: compressed file is ")


def test_cut_gzip_and_broken_utf8_are_set_aside(tmp_path: Path) -> None:
    data = article("<p>" + "word " * 500 + "</p>")
    (tmp_path / "a.xml.gz").write_bytes(gzip.compress(data)[:-30])
    (tmp_path / "b.xml").write_bytes(data.replace(b"word", b"w\xf6rd", 1))
    (tmp_path / "c.xml").write_bytes(
        b'<?xml version="1.0" encoding="ISO-8859-1"?>' + data.replace(b"word", b"w\xf6rd")
    )
    rejects = Rejects()
    assert [document.text[:4] for document in read_jats(tmp_path, "corpus", rejects)] == ["wörd"]
    cut, broken = rejects.examples
    assert cut == f"{tmp_path / 'a.xml.gz'}: compressed file is cut off; what followed is lost"
    assert broken.startswith(f"{tmp_path / 'b.xml'}:1: invalid XML: ")
    assert rejects.count == 2


WORDS = st.lists(st.from_regex(r"[a-z]{1,9}[,.]?", fullmatch=True), min_size=1, max_size=12).map(" ".join)


@settings(max_examples=80, deadline=None)
@given(
    tree=st.recursive(
        WORDS, lambda inner: st.lists(st.tuples(WORDS, inner), min_size=1, max_size=3), max_leaves=8
    )
)
def test_any_nesting_of_sections_comes_out_in_order(tree: object) -> None:
    wanted: list[tuple[str, str]] = []

    def build(parent: etree._Element, node: object, path: tuple[str, ...]) -> None:
        if isinstance(node, str):
            etree.SubElement(parent, "p").text = node
            wanted.append((" > ".join(path) or "Main text", node))
            return
        for title, inner in node:  # type: ignore[attr-defined]
            section = etree.SubElement(parent, "sec")
            etree.SubElement(section, "title").text = title
            build(section, inner, (*path, title.strip(" .,")))

    body = etree.Element("body")
    build(body, tree, ())
    document = document_of(article().replace(b"<body></body>", etree.tostring(body)))
    assert [
        (heading, part) for heading, text in sections_of(document) for part in text.split("\n\n")
    ] == wanted


@settings(max_examples=200, deadline=None)
@given(data=st.data(), byte=st.integers(0, 255))
def test_one_wrong_byte_is_read_or_reported_but_never_raises(data: st.DataObject, byte: int) -> None:
    content = bytearray(article("<sec><title>M</title><p>One &amp; two&#8211;three.</p></sec>"))
    content[data.draw(st.integers(0, len(content) - 1))] = byte
    try:
        document = document_of(bytes(content))
    except BadXmlError:
        return
    for section in document.sections:
        assert document.text[section.start : section.end].strip()
