"""The report opened from disk in a real browser: it fetches nothing, and fits a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from leaderboard_material import full_folder
from playwright.sync_api import Browser, expect, sync_playwright

from medsearch.cli.main import main

pytestmark = pytest.mark.slow

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    full_folder(folder / "results")
    assert main(["leaderboard", str(folder / "results"), "--html", str(folder / "report.html")]) == 0
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert Path(CHROMIUM).exists(), "the browser test needs Debian's chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_opens_from_disk_and_fits(browser: Browser, report: Path, width: int, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        offline=True,
    )
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(report.as_uri())
    assert asked == [report.as_uri()], "one file, and nothing else was asked for"
    assert complaints == [], "the policy of the page blocked something, or it is broken"
    expect(page.get_by_text("Not a medical device.")).to_be_visible()
    expect(page.get_by_role("img", name="nDCG@10 of 12 retrievers on 3 tasks")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "only tables may scroll sideways"

    ink, paper = page.evaluate(
        "[getComputedStyle(document.querySelector('svg text[fill=\"var(--ink)\"]')).fill,"
        " getComputedStyle(document.querySelector('section')).backgroundColor]"
    )
    assert contrast(ink, paper) > 7, "the plots follow the page into the dark"
    page.get_by_role("link", name="What the numbers mean").click()
    expect(page.get_by_text("How far the mean may be off")).to_be_in_viewport()
    context.close()


def contrast(one: str, other: str) -> float:
    """The ratio of two CSS colours by WCAG 2, 1 to 21."""
    lights = sorted(_luminance(colour) for colour in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(part) / 255 for part in colour[4:-1].split(",")]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
