"""Text as HTML and Markdown: nothing of a document survives as markup, and nothing of its text is lost."""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_reader import literal

from ui.markup import EXCERPT, Span, best_window, escaped, markdown_literal, marked, marked_excerpt, safe_link

HOSTILE = st.text(alphabet=st.sampled_from("<>&\"'/ a\u202e\u0000é=;mrk#x3c"), max_size=60)
TEXTS = HOSTILE | st.text(max_size=80)
WORDS = st.lists(st.sampled_from(["pain", "Chest", "of", "a<b", "x" * 30, "Ünïcode"]), max_size=250)
MARKS = re.compile(r"<mark>(.*?)</mark>", re.DOTALL)


@st.composite
def spanned(draw: st.DrawFn, texts: st.SearchStrategy[str] = TEXTS) -> tuple[str, list[Span]]:
    """A text with spans in order that do not overlap."""
    text = draw(texts)
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    return text, list(zip(cuts[::2], cuts[1::2], strict=False))


@st.composite
def long_texts(draw: st.DrawFn) -> tuple[str, list[Span]]:
    """Sentences of words, some of whose words are marked."""
    ends = draw(st.sampled_from([" ", ". "]))
    text = ends.join(draw(WORDS))
    words = [word.span() for word in re.finditer(r"\w+", text)]
    chosen = draw(st.sets(st.sampled_from(words), max_size=12)) if words else set()
    return text, sorted(chosen)


def browser_text(body: str) -> str:
    return html.unescape(body.replace("<mark>", "").replace("</mark>", ""))


@given(spanned())
def test_marked_text_reads_as_it_was_and_has_no_other_markup(case: tuple[str, list[Span]]) -> None:
    text, spans = case
    shown = marked(text, spans)
    assert browser_text(shown) == text
    assert not {"<", ">", '"', "'"} & set(shown.replace("<mark>", "").replace("</mark>", ""))
    assert [html.unescape(inside) for inside in MARKS.findall(shown)] == [text[a:b] for a, b in spans]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert('x')</script>", "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;"),
        ('" onload="x', "&quot; onload=&quot;x"),
        ("&lt;", "&amp;lt;"),
        ("a\ud800b", "a?b"),
        (7, "7"),
    ],
)
def test_escaped_is_safe_inside_elements_and_attributes(text: object, shown: str) -> None:
    assert escaped(text) == shown


@given(long_texts(), st.integers(200, 500))
def test_the_window_lies_inside_the_text_and_holds_what_it_was_chosen_for(
    case: tuple[str, list[Span]], length: int
) -> None:
    text, spans = case
    begin, end = best_window(text, spans, length)
    assert 0 <= begin <= end <= len(text)
    assert end - begin <= length
    if len(text) <= length:
        assert (begin, end) == (0, len(text))
    else:
        assert end - begin >= length // 2 - 1
    assert not spans or any(begin <= a and b <= end for a, b in spans)


def test_the_window_goes_where_most_different_words_are() -> None:
    text = (
        "Pain, pain and pain. "
        + "Filler words stand here. " * 40
        + "Chest pain after a meal. "
        + "End. " * 80
    )
    spans = [found.span() for found in re.finditer("(?i)pain|chest|meal", text)]
    begin, end = best_window(text, spans, EXCERPT)
    assert text[begin:end].startswith("Chest pain after a meal. ")
    assert best_window(text, [], EXCERPT)[0] == 0


@given(long_texts())
def test_an_excerpt_is_a_piece_of_the_text_with_its_cuts_shown(case: tuple[str, list[Span]]) -> None:
    text, spans = case
    begin, end = best_window(text, spans, EXCERPT)
    before, after = "… " if begin > 0 else "", " …" if end < len(text) else ""
    excerpt = marked_excerpt(text, spans)
    assert browser_text(excerpt) == before + text[begin:end] + after
    inside = [text[a:b] for a, b in spans if begin <= a and b <= end]
    assert [html.unescape(word) for word in MARKS.findall(excerpt)] == inside


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org",
        "https://www.ncbi.nlm.nih.gov/pmc/articles/PMC1/?a=b&c=d#e",
        "HTTPS://EXAMPLE.ORG/",
        "https://[::1]:8080/x",
        "https://münchen.example/ä",
    ],
)
def test_web_addresses_are_kept_as_they_are(address: str) -> None:
    assert safe_link(address) == address


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//example.org/x",
        "/relative",
        "example.org",
        "http:example.org",
        "https://",
        "https:///path",
        "https://user:secret@example.org",
        "https://example.org@evil.example",
        "https://example.org/\u202egpj.exe",
        'https://example.org/" onclick="x',
        "https://example.org\\@evil.example",
        "https://exam\u200bple.org",
        "http://[",
        "",
        None,
        7,
        ("https://example.org",),
    ],
)
def test_anything_else_is_no_link(value: object) -> None:
    assert safe_link(value) is None


@given(
    st.text()
    | st.builds(
        lambda *parts: "".join(parts), st.sampled_from(["http://", "HTTPS:", "javascript:", "//"]), st.text()
    )
)
def test_a_link_is_always_the_value_itself_with_a_web_scheme_and_a_host(value: str) -> None:
    link = safe_link(value)
    if link is not None:
        assert link == value
        assert re.match(r"(?i)https?://[^/?#]", link)
        assert urlsplit(link).hostname
        assert not re.search(r"[\s\"'<>`\\\x00-\x1f]", link)


@given(TEXTS.filter(lambda text: "`" not in text))
def test_markdown_shows_text_letter_by_letter(text: str) -> None:
    shown = markdown_literal(text)
    sent = text.encode("utf-8", "replace").decode("utf-8").replace("\u2060", "")
    assert literal(shown) == " ".join(sent.split())
    # Every special letter has its backslash: what is left without the pairs is plain.
    plain = re.sub(r"\\[!-/:-@\[-`{-~]", "", shown)
    assert not re.search(r"[!-/:-@\[-`{-~]", plain)


@pytest.mark.parametrize(
    "hostile",
    [
        "**b**",
        "[x](javascript:alert(1))",
        "![x](http://e/x.png)",
        "$x$",
        ":material/home:",
        ":red[x]",
        "<b>",
        "a -> b",
    ],
)
def test_markdown_of_streamlit_is_not_obeyed(hostile: str) -> None:
    shown = markdown_literal(hostile)
    assert literal(shown) == hostile
    assert not re.search(r"(?<!\\)[*\[\]()!$:<>_]", shown)
    assert not re.search(r"\\[:<>-](?!\u2060)", shown)


def test_code_in_an_error_stays_code_with_the_space_around_it() -> None:
    said = "tiny has no index: make it with `medsearch index tiny --rebuild`, then reload."
    shown = markdown_literal(said)
    assert shown.split("`")[1] == "medsearch index tiny --rebuild"
    assert literal(shown) == said


@pytest.mark.parametrize(
    "hostile", ["`` ` ![i](http://e/x.png)`", "`a\n\n![i](http://e/x.png)`", "a ` ![i](http://e/x.png)"]
)
def test_backticks_do_not_let_markup_out(hostile: str) -> None:
    shown = markdown_literal(hostile)
    outside = re.sub(r"(?<![`\\])`[^`\n]+`(?!`)", "", shown)
    assert "![" not in outside
