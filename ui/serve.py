"""Starts the page for this machine only: `python -m ui.serve --port 8501`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ADDRESS = "127.0.0.1"

_HOSTS = (ADDRESS, "localhost")
"""Other names are refused, so that no web page elsewhere can reach this one (DNS rebinding)."""

_FLAGS = {
    "server.address": ADDRESS,
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": "false",
    "browser.serverAddress": ADDRESS,
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "logger.hideWelcomeMessage": "true",
    "theme.base": "light",
    "theme.baseRadius": "6px",
    "theme.light.primaryColor": "#0d6472",
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f1f5f6",
    "theme.light.textColor": "#17262d",
    "theme.light.borderColor": "#d3dde0",
    "theme.dark.primaryColor": "#237f8e",
    "theme.dark.backgroundColor": "#11181c",
    "theme.dark.secondaryBackgroundColor": "#1a242a",
    "theme.dark.textColor": "#e4ecef",
    "theme.dark.borderColor": "#33424a",
}
"""No usage statistics, no links to sites that explain errors, no traceback in the browser."""


def command(port: int) -> list[str]:
    """The command line that serves the page at http://127.0.0.1:PORT until it is stopped."""
    flags = [f"--{name}={value}" for name, value in {**_FLAGS, "server.port": port}.items()]
    hosts = [f"--server.allowedHosts={host}" for host in _HOSTS]
    page = str(Path(__file__).with_name("app.py"))
    return [sys.executable, "-m", "streamlit", "run", page, *flags, *hosts]


def main() -> None:
    """Become the page's server."""
    parser = argparse.ArgumentParser(prog="python -m ui.serve", description=__doc__)
    parser.add_argument("--port", type=int, default=8501, help="default: 8501")
    started = command(parser.parse_args().port)
    os.execv(started[0], started)


if __name__ == "__main__":
    main()
