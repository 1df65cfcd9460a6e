"""The page's server: for this machine only, silent, and without torch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ui.serve import command

ROOT = Path(__file__).resolve().parents[2]

WITHOUT_TORCH = """
import sys
import ui.app, ui.serve, ui.views.compare, ui.views.search
from streamlit.testing.v1 import AppTest

at = AppTest.from_file("ui/app.py", default_timeout=60).run()
at.text_input(key="query").set_value("asthma")
next(button for button in at.button if button.label == "Search").click().run()
assert not at.exception and not at.error, (at.exception, at.error)
assert any("Asthma" in part.value for part in at.get("html"))
print(*sorted({"torch", "sentence_transformers", "transformers", "onnxruntime"} & set(sys.modules)))
"""


def test_the_command_serves_this_machine_only_and_sends_nothing_away() -> None:
    python, *arguments = command(8765)
    assert python == sys.executable
    assert arguments[:3] == ["-m", "streamlit", "run"]
    assert Path(arguments[3]) == ROOT / "ui" / "app.py"
    flags = arguments[4:]
    assert {
        "--server.address=127.0.0.1",
        "--server.port=8765",
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
        "--client.showErrorDetails=none",
    } <= set(flags)
    allowed = [flag.split("=")[1] for flag in flags if flag.startswith("--server.allowedHosts=")]
    assert allowed == ["127.0.0.1", "localhost"]


def test_opening_the_page_and_searching_words_imports_no_torch(words_home: Path) -> None:
    places = {f"MEDSEARCH_{name.upper()}": str(words_home / name) for name in ("data", "index", "cache")}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH],
        cwd=ROOT,
        env={**os.environ, **places},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == ""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A port on which the page is being served."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = int(free.getsockname()[1])
    server = subprocess.Popen(command(number), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(number, server)
        yield number
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the page was not served within a minute")


def _first_line(port: int, headers: dict[str, str]) -> str:
    lines = ["GET /_stcore/stream HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection.recv(200).decode("latin-1").splitlines()[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8 as this machine")
def test_only_the_loopback_address_answers(port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)


def test_another_site_cannot_open_the_pages_connection(port: int) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    own = {"Host": f"127.0.0.1:{port}", "Origin": f"http://127.0.0.1:{port}", **upgrade}
    assert " 101 " in _first_line(port, own)
    assert " 101 " not in _first_line(port, {**own, "Origin": "http://evil.example"})
    assert " 101 " not in _first_line(port, {**own, "Host": f"evil.example:{port}"})
