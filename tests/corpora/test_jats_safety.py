from __future__ import annotations

import gzip
import resource
import time
from pathlib import Path

import pytest

from medsearch.corpora.jats import safe_xml
from medsearch.corpora.jats.reader import read_jats
from medsearch.corpora.jats.safe_xml import BadXmlError, parse_xml
from medsearch.corpora.rejects import Rejects


def article(doctype: str, text: str) -> bytes:
    return (
        f"<!DOCTYPE article {doctype}><article><front><article-meta><title-group>"
        "<article-title>T</article-title></title-group></article-meta></front>"
        f"<body><p>{text}</p></body></article>"
    ).encode()


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 15))
BOMBS = {
    "billion laughs": article(f'[<!ENTITY l0 "lol">{LAUGHS}]', "&l14;"),
    "billion laughs in an attribute": article(f'[<!ENTITY l0 "lol">{LAUGHS}]', '<ext-link a="&l14;"/>'),
    "small, nested": article(f'[<!ENTITY l0 "lol">{LAUGHS}]', "&l1;"),
    "quadratic": article(f'[<!ENTITY a "{"x" * 100_000}">]', "&a;" * 100_000),
    "just under the library's own limit": article(f'[<!ENTITY a "{"x" * 1000}">]', "&a;" * 4),
    "loop": article('[<!ENTITY a "&#38;b;"><!ENTITY b "&#38;a;">]', "&a;"),
    "markup in an entity": article('[<!ENTITY a "<p>x</p>">]', "&a;"),
    "too deep": b"<article>" + b"<sec>" * 100_000 + b"</sec>" * 100_000 + b"</article>",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_at_once_and_never_expanded(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.xml"
    path.write_bytes(BOMBS[name])
    rejects = Rejects()
    memory, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    assert list(read_jats(tmp_path, "corpus", rejects)) == []
    assert time.perf_counter() - start < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 50 * 1024  # KiB
    assert rejects.count == 1
    assert rejects.examples[0].startswith(str(path))
    assert any(word in rejects.examples[0] for word in ("bomb", "entity reference loop"))


def test_other_files_are_never_read(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("SECRET")
    (tmp_path / "secret.dtd").write_text('<!ENTITY leak "SECRET">')
    secret, dtd = (tmp_path / "secret.txt").as_uri(), (tmp_path / "secret.dtd").as_uri()
    with pytest.raises(BadXmlError, match="entity 'x' would read another file"):
        parse_xml(article(f'[<!ENTITY x SYSTEM "{secret}">]', "&x;"))
    for doctype in (
        f'SYSTEM "{dtd}"',
        f'[<!ENTITY % d SYSTEM "{dtd}"> %d;]',
        f'[<!ENTITY % d SYSTEM "{dtd}"> %d;]',
    ):
        text = "".join(map(str, parse_xml(article(doctype, "a &leak; b")).itertext()))
        assert text == "Ta &leak; b", "an entity that is not known stays visible"
    include = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{secret}" parse="text"/>'
    assert "SECRET" not in "".join(map(str, parse_xml(article("", include)).itertext()))


@pytest.mark.parametrize(
    "doctype",
    ['PUBLIC "-//NLM//DTD JATS v1.0//EN" "JATS-archivearticle1.dtd"', '[<!ENTITY own "&#8482;">]'],
)
def test_characters_named_by_the_dtd_are_not_lost(doctype: str) -> None:
    text = parse_xml(article(doctype, "&alpha;-<i>&beta;</i>&minus;1 &lt; &ndash;&thinsp;&nosuch; end")).find(
        "body/p"
    )
    assert text is not None
    assert "".join(map(str, text.itertext())) == "\u03b1-β\u22121 < \u2013\u2009&nosuch; end"


def test_named_characters_without_any_doctype() -> None:
    root = parse_xml(
        "<article><body><p>&beta;-blocker &amp; 5&nbsp;&micro;g &nosuch;ç</p></body></article>".encode()
    )
    assert "".join(map(str, root.itertext())) == "β-blocker & 5\xa0µg &nosuch;ç"


def test_an_own_symbol_and_unparsed_entities_do_no_harm() -> None:
    doctype = '[<!NOTATION gif SYSTEM "gif"><!ENTITY f1 SYSTEM "f1.gif" NDATA gif><!ENTITY tm "&#8482;">]'
    assert "".join(map(str, parse_xml(article(doctype, "X&tm;")).itertext())) == "TX™"


def test_size_is_bounded_before_parsing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_xml, "MAX_XML_BYTES", 10_000)
    with pytest.raises(BadXmlError, match=r"^more than 10,000 bytes of XML$"):
        parse_xml(article("", "x" * 10_000))


def test_a_gzip_bomb_is_not_unpacked_beyond_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xml.gz"
    path.write_bytes(gzip.compress(b"<article>" + b" " * (200 * 2**20), compresslevel=1))
    rejects = Rejects()
    assert list(read_jats(path, "corpus", rejects)) == []
    assert rejects.examples == [f"{path}: more than {64 * 2**20:,} bytes of XML"]
