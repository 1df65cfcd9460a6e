"""The whole product in a real browser: type a question, read the results, narrow them, compare two ways."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, expect, sync_playwright

pytestmark = pytest.mark.slow

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RIGHT_ANSWER = "Gastroscopy with throat spray and no sedation"
"""The one document that the sample corpus's judges gave full marks for the first query asked here."""

HOSTILE = {
    "_id": "hostile",
    "title": "Zebra stripes <img src=x onerror=\"document.title='broken in'\">",
    "text": "Zebra disease <script>document.title='broken in'</script> **bold** [x](javascript:alert(1))",
    "metadata": {
        "year": 2001,
        "kind": "note",
        "url": "javascript:alert(1)",
        "note": "Written for demonstration.",
    },
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, model_cache: Path, root: Path) -> Iterator[str]:
    """The real page over the sample corpus and one hostile document, on a free port of this machine."""
    folder = tmp_path_factory.mktemp("e2e")
    shutil.copytree(root / "data" / "sample", folder / "data" / "sample")
    with (folder / "data" / "sample" / "corpus.jsonl").open("a", encoding="utf-8") as corpus:
        corpus.write(json.dumps(HOSTILE) + "\n")
    environment = {
        **os.environ,
        "MEDSEARCH_DATA": str(folder / "data"),
        "MEDSEARCH_INDEX": str(folder / "index"),
        "MEDSEARCH_CACHE": str(model_cache),
    }
    index = [sys.executable, "-m", "medsearch.cli.main", "index", "sample"]
    subprocess.run(index, check=True, env=environment, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "ui.serve", "--port", str(port)]
    server = subprocess.Popen(command, env=environment, cwd=root, stdout=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture(scope="module")
def hosts() -> set[str]:
    """Every host that the browser asked for anything."""
    return set()


@pytest.fixture(scope="module")
def browser_page(address: str, hosts: set[str]) -> Iterator[Page]:
    assert Path(CHROMIUM).exists(), "the browser test needs Debian's chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname or ""))
        page.goto(address)
        yield page
        browser.close()


def ask(page: Page, query: str) -> None:
    box = page.get_by_label("Your question")
    box.fill(query)
    box.press("Enter")


def test_search_narrow_and_compare(browser_page: Page, hosts: set[str]) -> None:
    page = browser_page
    expect(page.get_by_text("Not a medical device.")).to_be_visible()

    ask(page, "stomach camera awake drive home")
    first = page.locator(".ms-results .ms-card").first
    expect(first.locator("h2")).to_have_text(RIGHT_ANSWER)
    expect(page.locator(".ms-results .ms-card")).to_have_count(10)
    expect(first.locator("mark").first).to_be_visible()

    kinds = page.get_by_test_id("stSidebar").get_by_role("combobox").first
    kinds.click()
    page.get_by_role("option", name="Public health").click()
    kinds.press("Escape")
    expect(page.locator(".ms-results .ms-card").first.locator(".ms-fact-kind")).to_contain_text(
        "Public health"
    )
    page.get_by_role("button", name="Clear filters").click()
    # While the page runs again, Streamlit keeps the old list beside the new one for a moment.
    expect(page.get_by_role("button", name="Clear filters")).to_have_count(0)
    expect(page.locator(".ms-results")).to_have_count(1)
    expect(first.locator("h2")).to_have_text(RIGHT_ANSWER)

    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("heading", name="Compare")).to_be_visible()
    ask(page, "chest pain after eating")
    left, right = page.locator(".ms-left > li"), page.locator(".ms-right > li")
    expect(left).to_have_count(10)
    expect(right).to_have_count(10)
    expect(page.get_by_role("status").first).to_contain_text("in common")
    # Both are read in one go: between two reads the page may replace its lists.
    page.wait_for_function(
        """() => {
            const card = document.querySelector(".ms-left .ms-card:has(.ms-there)");
            const link = card && card.querySelector(".ms-there").getAttribute("href");
            const other = link && document.querySelector(link);
            return other && other.querySelector("h2").innerText === card.querySelector("h2").innerText;
        }"""
    )
    expect(page.locator(".ms-only-here").first).to_be_visible()
    assert hosts == {"127.0.0.1"}
    assert "chest" not in page.url


def test_text_of_a_document_is_shown_and_never_run(browser_page: Page, address: str, hosts: set[str]) -> None:
    page = browser_page
    page.goto(address)
    ask(page, "zebra disease stripes")
    card = page.locator(".ms-results .ms-card").first
    expect(card).to_contain_text(
        "<script>document.title='broken in'</script> **bold** [x](javascript:alert(1))"
    )
    expect(card.locator("h2")).to_contain_text("<img src=x onerror=")
    assert page.locator(".ms-card script, .ms-card img, .ms-card a[href^='javascript']").count() == 0
    assert "broken in" not in page.title()
    assert hosts == {"127.0.0.1"}


def test_a_narrow_window_shows_both_sides_one_above_the_other(browser_page: Page, address: str) -> None:
    page = browser_page
    page.set_viewport_size({"width": 420, "height": 900})
    page.goto(f"{address}/compare")
    ask(page, "chest pain after eating")
    expect(page.locator(".ms-right > li").last).to_be_visible()
    left, right = (page.locator(f".ms-{side}").bounding_box() for side in ("left", "right"))
    assert left is not None
    assert right is not None
    assert left["y"] + left["height"] <= right["y"]
    assert right["x"] + right["width"] <= 420
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= 420


def _wait_for(health: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "the page's server stopped by itself"
        try:
            with urlopen(health, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise AssertionError("the page did not come up within a minute")
