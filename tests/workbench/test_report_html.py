"""The report: one file that fetches nothing, that says what was found, and that no name can break out of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from compare_material import some_scores, write_record
from fakes import topic_spec
from leaderboard_material import (
    MINILM,
    TASKS,
    cost_of,
    full_folder,
    put,
    put_all,
    put_card,
    put_contamination,
)
from lxml import html

from medsearch.evaluation.verdicts import Outcome
from medsearch.workbench.board.findings import Findings, FindingsRequest, findings_of
from medsearch.workbench.comparison.versus import Terms
from medsearch.workbench.report.numbers import SYMBOLS, points, signed, signed_span, span
from medsearch.workbench.report.page import report_page
from medsearch.workbench.report.svg import embedded
from medsearch.workbench.report.visible import markdown, visible

LOADING = ("src", "srcset", "href", "action", "formaction", "data", "poster", "background", "xlink:href")
HOSTILE = "<script>alert('x')</script>"
DASH = "\N{EN DASH}"


def findings(folder: Path) -> Findings:
    return findings_of(folder, FindingsRequest(Terms()))


def parsed(*everything: Findings) -> html.HtmlElement:
    return html.document_fromstring(report_page(everything))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return findings(full_folder(tmp_path_factory.mktemp("full") / "my-results"))


@pytest.fixture(scope="module")
def text(full: Findings) -> str:
    return report_page([full])


@pytest.fixture(scope="module")
def page(text: str) -> html.HtmlElement:
    return html.document_fromstring(text)


def section(page: html.HtmlElement, name: str) -> html.HtmlElement:
    [found] = page.xpath(f"//section[@id='s1-{name}']")
    return found


def words(element: html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def rows_of(table: html.HtmlElement) -> Iterator[list[str]]:
    for row in table.xpath(".//tbody/tr"):
        yield [words(cell) for cell in row]


def test_nothing_is_loaded_from_anywhere(page: html.HtmlElement, text: str) -> None:
    loads = [
        value
        for element in page.iter()
        if isinstance(element.tag, str)
        for name, value in element.attrib.items()
        if name in LOADING
    ]
    assert loads, "the navigation has links"
    assert all(value.startswith("#") for value in loads)
    assert "http://" not in text
    assert "https://" not in text
    assert not re.search(r"@import|url\((?!#)", text)
    assert not page.xpath("//script | //iframe | //link | //object | //embed | //img")
    [policy] = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def test_it_can_be_read_by_those_who_hear_it(page: html.HtmlElement) -> None:
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    tables = page.xpath("//table")
    assert len(tables) >= 9
    for table in tables:
        assert words(table.find("caption"))
        assert table.xpath(".//thead//th/@scope")
        assert not table.xpath(".//th[not(@scope)]")
    for image in page.xpath("//svg"):
        assert image.get("role") == "img"
        named = image.get("aria-labelledby").split()
        assert [words(image.xpath(f"./*[@id='{name}']")[0]) != "" for name in named] == [True, True]
    levels = [int(heading.tag[1]) for heading in page.xpath("//h1 | //h2 | //h3 | //h4")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for link in page.xpath("//nav//a/@href"):
        assert page.xpath(f"//*[@id='{link[1:]}']")
    for box in page.xpath("//div[@class='scroll']"):
        assert (box.get("tabindex"), box.get("role")) == ("0", "region")
        assert box.get("aria-label")


def test_the_leaderboard_has_the_numbers_of_the_board(page: html.HtmlElement, full: Findings) -> None:
    [table] = section(page, "board").xpath(".//table")
    shown = {row[0].split()[0]: row for row in rows_of(table)}
    assert list(shown) == [row.retriever for row in full.board.rows]
    for row in full.board.rows:
        cells = shown[row.retriever]
        if row.mean is None:
            assert cells[1] == f"no mean: {row.no_mean}"
            continue
        assert cells[1].replace(" ", "") == f"{points(row.mean.mean)}{span(row.mean.interval)}".replace(
            " ", ""
        )
        judged = row.mean.judged
        if judged:
            found = judged.comparison
            assert signed(found.difference) in cells[2]
            assert signed_span(found.ci) in cells[2]
            assert cells[2].endswith(f"{SYMBOLS[judged.outcome]} {judged.outcome}")
    assert shown["minilm"][2:] == ["◆ baseline", "?", "?", "70", "6.2", "9.5", "2,000", "310"]
    assert shown["medsearch-minilm"][3] == "12"
    assert shown["prompted"][2] == "✕ not comparable"


def test_every_task_is_there_with_its_queries_and_what_they_detect(page: html.HtmlElement) -> None:
    [table] = section(page, "tasks").xpath(".//table")
    headers = [words(cell) for cell in table.xpath(".//thead//th")]
    assert len(headers) == 2 + len(TASKS)
    for header, (task, queries) in zip(headers[2:], TASKS.items(), strict=True):
        assert header.startswith(task)
        assert f"{queries} queries" in header
        assert "detects" in header
    shown = {row[0].split()[0]: row for row in rows_of(table)}
    assert shown["incomplete"][1:] == ["no mean", "no result", shown["incomplete"][3], "no result"]
    assert shown["incomplete"][3].endswith("▲ better")


def test_quality_is_never_without_stress_card_history_and_price(page: html.HtmlElement) -> None:
    for name in ("tasks", "sizes", "contamination"):
        for cell in section(page, name).xpath(".//th[contains(@class, 'who') and @scope='row']"):
            said = words(cell)
            assert re.search(rf"stress card (\d+ % \[\d+{DASH}\d+\]|not made)", said)
            assert re.search(r"candidates (\?|\d+), looks (\?|\d+)", said)
            assert re.search(r"[\d.]+ ms, [\d,]+ bytes/doc", said)


def test_marks_stand_in_every_table_and_plot(page: html.HtmlElement) -> None:
    for name in ("board", "tasks", "price", "sizes", "contamination", "scores"):
        assert "used to choose this model" in words(section(page, name)), name
    for name in ("board", "tasks", "scores"):
        assert "no query prompt" in words(section(page, name)), name
    plots = {image.get("aria-labelledby").split("-title")[0]: words(image) for image in page.xpath("//svg")}
    assert len(plots) == 3
    for name, plot in plots.items():
        assert "[used to choose this model]" in plot, name


def test_reasons_stand_in_place_of_verdicts(page: html.HtmlElement) -> None:
    said = words(section(page, "board"))
    assert "prompted: not comparable: alpha/en:test: prompted was run without its query prompt" in said
    assert "incomplete: incomplete: 1 of 3 tasks" in said


def test_sizes_stress_contamination_and_fairness_have_their_tables(page: html.HtmlElement) -> None:
    captions = [words(table.find("caption")) for table in section(page, "sizes").xpath(".//table")]
    assert [caption.split(":")[0] for caption in captions] == ["Small", "Base", "Large", "Cross-size"]
    [stress] = section(page, "stress").xpath(".//table")
    rates = [f"82 % [68{DASH}91]", f"68 % [52{DASH}80]", f"38 % [24{DASH}53]"]
    assert ["negation", "40", *rates] in list(rows_of(stress))
    ledger, twice = section(page, "contamination").xpath(".//table")
    assert next(rows_of(ledger)) == ["alpha/en:test", "3of 60", "0", "7", "3"]
    leaks = [tuple(row[1:3]) for row in rows_of(twice)]
    assert leaks == [("alpha/en:test", "3of 60"), ("mean over tasks", "3of 124")]
    models = {row[0]: row for row in rows_of(section(page, "fairness").xpath(".//table")[0])}
    assert models["bge-small"][6] == "“Represent this sentence: ”"
    assert models["prompted"][6] == "none declared, not used"
    assert "engine qdrant-edge-py 1" in words(section(page, "fairness"))


def test_it_says_how_to_make_it_again_and_names_no_folder_of_this_machine(
    page: html.HtmlElement, text: str, full: Findings
) -> None:
    commands = section(page, "again").xpath(".//pre")[0].text_content().splitlines()
    assert commands[-1] == "medsearch leaderboard results/my-results --baseline minilm --html report.html"
    assert "medsearch evaluate beta --split test --models incomplete --out results/my-results" in commands
    assert "medsearch stress --models medsearch-minilm,minilm,bm25 --out results/my-results" in commands
    assert str(full.folder.parent) not in text
    assert "/home/someone" not in text
    assert "SECRET WORDS" not in text


def test_a_plain_folder_says_what_was_not_made(tmp_path: Path) -> None:
    put_all(tmp_path, MINILM, 0.0)
    page = parsed(findings(tmp_path))
    assert "Speed and memory were not measured" in words(section(page, "board"))
    assert "so quality cannot be set beside price" in words(section(page, "price"))
    assert "no tuned model here" in words(section(page, "sizes"))
    assert "None was made." in words(section(page, "stress"))
    assert "No contamination report is in this folder." in words(section(page, "contamination"))


def test_several_folders_stand_in_one_page(tmp_path: Path) -> None:
    for name in ("first", "second"):
        put_all(tmp_path / name, MINILM, 0.0, cost=cost_of(1.0))
    page = parsed(*(findings(tmp_path / name) for name in ("first", "second")))
    assert [words(heading).split(":")[0] for heading in page.xpath("//h2")] == ["first", "second"]
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))


def test_no_name_breaks_out_of_the_page(tmp_path: Path) -> None:
    spec = topic_spec(HOSTILE, source="hub:x/y", revision=HOSTILE, query_prompt=HOSTILE, licence=HOSTILE)
    task = f'"><img src=x onerror="alert(1)">{HOSTILE}:test'
    folder = tmp_path / "<b>bold<b>"
    put(folder, task, MINILM, some_scores(1), cost=cost_of(1.0, machine=HOSTILE), engine=HOSTILE)
    marks = (HOSTILE, "turned \u202e round", "</style><b>")
    file = put(
        folder, task, spec, some_scores(2), cost=cost_of(2.0, machine=HOSTILE), engine=HOSTILE, marks=marks
    )
    put_card(folder, spec, 3)
    put_contamination(folder, "minilm", {task: ["q1"]})
    record = json.loads(file.read_text("utf-8"))
    write_record(folder, {**record, "warnings": [HOSTILE], "git_revision": HOSTILE})
    text = report_page([findings(folder)])
    page = html.document_fromstring(text)
    assert not page.xpath("//script | //img | //b")
    assert not [name for element in page.iter() for name in element.attrib if name.startswith("on")]
    assert text.count("<style>") == text.count("</style>") == 1
    assert "\u202e" not in text
    assert "turned ⟨U+202E⟩ round" in words(page)
    [names] = [
        cell
        for cell in page.xpath("//section[@id='s1-board']//th[@scope='row']//bdi")
        if HOSTILE in words(cell)
    ]
    assert words(names) == HOSTILE
    assert any(HOSTILE in words(label) for label in page.xpath("//svg//text"))


def test_of_a_chart_only_shapes_and_text_are_kept() -> None:
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="1">'
        '<defs><clipPath id="c0"><rect/></clipPath></defs><script>alert(1)</script>'
        '<a xlink:href="javascript:alert(1)"><text>in a link</text></a>'
        '<g clip-path="url(#c0)" onclick="x()" fill="url(//evil)"><text aria-label="x">kept &lt;b></text></g>'
        "<foreignObject><div/></foreignObject><image href='x.png'/></svg>"
    )
    kept = embedded(drawn, name="n", title="<t>", description="d & e")
    assert kept == (
        '<svg width="1" role="img" aria-labelledby="n-title n-description" focusable="false">'
        '<title id="n-title">&lt;t&gt;</title><desc id="n-description">d &amp; e</desc>'
        '<defs><clipPath id="n-c0"><rect/></clipPath></defs>'
        '<g clip-path="url(#n-c0)"><text>kept &lt;b&gt;</text></g></svg>'
    )


def test_numbers_are_written_alike_everywhere() -> None:
    assert (points(0.51994), signed(0.031), signed(-0.031)) == ("52.0", "+3.1", "\N{MINUS SIGN}3.1")
    assert span((0.461, 0.5794)) == "[46.1, 57.9]"
    assert signed_span((-0.01, 0.02)) == "[\N{MINUS SIGN}1.0, +2.0]"
    assert set(SYMBOLS) >= set(Outcome)
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)


def test_markdown_and_marks_of_direction_stay_words() -> None:
    assert visible("a\u202eb\x00") == "a⟨U+202E⟩b⟨U+0000⟩"
    assert markdown("[x](javascript:y) <b> `c` a|b\nnext") == (r"\[x\](javascript:y) \<b\> \`c\` a\|b next")
