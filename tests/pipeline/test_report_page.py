from __future__ import annotations

import re
from pathlib import Path

import lxml.html
import pytest
from fakes import Heard
from report_material import LLM, generated_run, pair_of, passages, triplet, write_run

from pipeline.records import QueryKind, Split, TripletRow
from pipeline.report.page import FOLD, shown
from pipeline.report.write import write_report
from pipeline.run_folder import RunFolder

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\" onmouseover='alert(3)' {{ 7 * 7 }} "
    "\u202eevil\u2066"
)


def page_of(run: RunFolder, folder: Path) -> str:
    write_report([run], folder, Heard())
    return (folder / "sample.html").read_text(encoding="utf-8")


def row(**changes: object) -> tuple[TripletRow, list]:  # type: ignore[type-arg]
    pool = passages("tiny", "MIT", 5)
    return triplet(2, pool, kind=QueryKind.QUESTION, split=Split.TRAIN).model_copy(update=changes), pool


def test_hostile_text_is_shown_and_never_markup(tmp_path: Path) -> None:
    base, pool = row()
    source = base.source.model_copy(
        update={
            "corpus": HOSTILE,
            "doc_id": HOSTILE,
            "licence": HOSTILE,
            "url": "javascript:alert(4)",
            "group": HOSTILE,
        }
    )
    hostile = base.model_copy(
        update={
            "row_id": HOSTILE,
            "query": HOSTILE,
            "positive": f"before {HOSTILE} after",
            "negatives": (HOSTILE,) * 3,
            "found_by": (HOSTILE,) * 3,
            "source": source,
            "llm": LLM.model_copy(update={"model": HOSTILE, "prompt": HOSTILE}),
        }
    )
    run = write_run(tmp_path / "run", pool, [hostile], [pair_of(hostile, HOSTILE)])
    plain = page_of(
        write_run(tmp_path / "plain", pool, [base], [pair_of(base, base.positive[:20])]), tmp_path / "a"
    )
    page = page_of(run, tmp_path / "b")
    tree = lxml.html.fromstring(page)
    # The very tags and attributes that a harmless row has: nothing of the text became either.
    assert {tag(element) for element in tree.iter()} <= {
        tag(element) for element in lxml.html.fromstring(plain).iter()
    }
    assert not tree.xpath("//script | //img | //a | //iframe | //link | //@*[starts-with(name(), 'on')]")
    seen = HOSTILE.replace("\u202e", "⟨U+202E⟩").replace("\u2066", "⟨U+2066⟩")
    assert tree.xpath("//h2")[0].text_content() == seen
    assert tree.xpath("//mark")[-1].text_content() == seen
    assert tree.text_content().count("{{ 7 * 7 }}") >= 8
    assert not set("\u202e\u2066") & set(page)


def tag(element: lxml.html.HtmlElement) -> tuple[str, tuple[str, ...]]:
    return str(element.tag), tuple(sorted(element.attrib))


def test_the_page_can_reach_nothing_and_needs_no_script(tmp_path: Path) -> None:
    page = page_of(generated_run(tmp_path / "made"), tmp_path / "set")
    assert "default-src 'none'" in page
    assert not re.search(r"https?:|url\(|@import|<script|<link|\bsrc=|\bhref=", page)


def test_it_shows_each_triplet_with_evidence_scores_margins_and_origin(tmp_path: Path) -> None:
    base, pool = row(url="")
    run = write_run(tmp_path / "run", pool, [base], [pair_of(base, "a   patient\ncame with wheeze")])
    tree = lxml.html.fromstring(page_of(run, tmp_path / "set"))
    (article,) = tree.xpath("//article")
    assert article.xpath(".//h2")[0].text_content() == base.query
    assert [mark.text_content() for mark in article.xpath(".//mark")] == ["a patient came with wheeze"]
    labels = [" ".join(label.text_content().split()) for label in article.xpath(".//p[@class='label']")]
    assert labels[0] == "Positive score 0.750"
    assert labels[1] == "1 score 0.720 margin +0.030 found by dense+bm25 tiny-p3 answers it too"
    assert article.xpath(".//*[@class='near']")[0].text_content() == "+0.030"
    assert labels[3] == "3 score 0.520 margin +0.230 found by bm25 tiny-p0 answers it too"
    texts = [text.text_content() for text in article.xpath(".//*[@class='text']")]
    assert texts == [base.positive, *base.negatives]
    origin = " ".join(article.xpath(".//*[@class='origin']")[0].text_content().split())
    assert "document tiny-d2 licence MIT" in origin
    assert "written by tiny-writer, prompt six version 3, temperature 0.7" in origin


def test_every_control_has_its_own_name_and_a_label(tmp_path: Path) -> None:
    tree = lxml.html.fromstring(page_of(generated_run(tmp_path / "made"), tmp_path / "set"))
    assert len(tree.xpath("//article")) == 60
    names = tree.xpath("//input[@type='checkbox']/@name")
    assert len(names) == len(set(names)) > 60
    assert len(set(tree.xpath("//input[@type='radio']/@name"))) == 60
    assert not tree.xpath("//input[not(ancestor::label)]")
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("pairs", [True, False])
def test_evidence_that_is_not_in_the_passage_is_shown_apart_and_lost_pairs_do_no_harm(
    tmp_path: Path, pairs: bool
) -> None:
    base, pool = row()
    run = write_run(tmp_path / "run", pool, [base], [pair_of(base, "words from elsewhere")])
    if not pairs:
        run.pairs.unlink()
    tree = lxml.html.fromstring(page_of(run, tmp_path / "set"))
    assert ("Evidence, not word for word in the passage" in tree.text_content()) is pairs
    assert [mark.text_content() for mark in tree.xpath("//article//mark")] == ["words from elsewhere"] * pairs


def test_a_long_passage_is_folded_after_its_evidence_and_loses_no_word() -> None:
    text = " ".join(f"word{n}" for n in range(2_000))
    folded = shown(text)
    assert len(folded.pieces[0][1]) - FOLD < 10
    assert f"{folded.pieces[0][1]} {folded.rest}" == text
    late = shown(text, "word1200 word1201")
    assert [piece for is_evidence, piece in late.pieces if is_evidence] == ["word1200 word1201"]
    assert "".join(piece for _, piece in late.pieces).endswith("word1201")
    assert shown(text[: FOLD + 100]).rest == ""


def test_how_rows_were_chosen_is_said_only_where_there_was_a_choice(tmp_path: Path) -> None:
    base, pool = row()
    one = page_of(write_run(tmp_path / "run", pool, [base]), tmp_path / "one")
    assert "Chosen by the seed 13 from 1 rows.\nDoes the positive" in one
    assert "kinds of query and source" not in one
    several = page_of(generated_run(tmp_path / "made"), tmp_path / "several")
    assert "from 100 rows: from each of 3 kinds of query and source as many as there are or fit" in several
