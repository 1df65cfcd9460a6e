"""`medsearch ui`: serve the page on this machine only."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec

from medsearch.cli.terminal import show_json
from medsearch.errors import MedsearchError, UsageError

ADDRESS = "127.0.0.1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ui`."""
    parser.add_argument("--port", type=int, default=8501, help="default: 8501")


def run(arguments: argparse.Namespace) -> int:
    """Hand over to the page's own process; with --json, say how it would be started."""
    if not 1 <= arguments.port <= 65535:
        raise UsageError(f"--port {arguments.port}: a port is a number from 1 to 65535")
    if find_spec("streamlit") is None or find_spec("ui") is None:
        raise MedsearchError("the page needs Streamlit: install it with `pip install 'medsearch[ui]'`")
    command = [sys.executable, "-m", "ui.serve", "--port", str(arguments.port)]
    if arguments.json:
        show_json({"address": f"http://{ADDRESS}:{arguments.port}", "command": command})
        return 0
    print(f"medsearch is at http://{ADDRESS}:{arguments.port} (Ctrl-C stops it)", flush=True)
    return subprocess.run(command, check=False).returncode
