"""A server on 127.0.0.1 that serves bytes as real ones do (ranges, ETags), and fails on demand."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass
class Faults:
    """What goes wrong, for paths that contain `path`."""

    path: str = ""
    cut_after: int | None = None
    """Send this many bytes of a body, then close the connection …"""
    cuts: int = 0
    """… for so many requests."""
    busy: int = 0
    """Answer so many requests with 503."""
    wrong_bytes: bool = False
    """Serve a body of the right length whose first byte is another."""
    ignores_ranges: bool = False


@dataclass(frozen=True)
class Answer:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]


class FaultyServer:
    """Serves `answer(path)` in a thread while in a `with` block; `requests` are all it was asked."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.requests: list[Request] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str) -> Answer:
        raise NotImplementedError

    def ranges_asked(self, part_of_path: str) -> list[str]:
        """The Range headers of the GET requests for a path, "" for one without, in order."""
        gets = (one for one in self.requests if one.method == "GET" and part_of_path in one.path)
        return [one.headers.get("range", "") for one in gets]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._serve(self)

            do_HEAD = do_GET  # noqa: N815 - the same

            def log_message(self, *_: object) -> None:
                """Say nothing on stderr."""

        return Handler

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        asked = {key.lower(): value for key, value in handler.headers.items()}
        self.requests.append(Request(handler.command, handler.path, asked))
        faults = self.faults if self.faults.path in handler.path else Faults()
        if faults.busy > 0:
            faults.busy -= 1
            self._send(handler, Answer(b"busy", 503, {"Retry-After": "0"}), None)
            return
        answer = self.answer(handler.path)
        if answer.status == 200:
            if faults.wrong_bytes and answer.body:
                answer = Answer(bytes([answer.body[0] ^ 1]) + answer.body[1:], 200, answer.headers)
            answer = _ranged(answer, asked, ignore=faults.ignores_ranges)
        cut = faults.cut_after if faults.cuts > 0 and handler.command == "GET" else None
        faults.cuts -= cut is not None
        self._send(handler, answer, cut)

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer, cut: int | None) -> None:
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        handler.wfile.write(answer.body if cut is None else answer.body[:cut])
        if cut is not None:
            handler.wfile.flush()
            handler.close_connection = True


def strong_etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def _ranged(answer: Answer, asked: dict[str, str], *, ignore: bool) -> Answer:
    """RFC 9110: 206 for a range, the whole for an outdated If-Range, 416 for a range past the end."""
    size = len(answer.body)
    headers = {"ETag": strong_etag(answer.body), "Accept-Ranges": "bytes", **answer.headers}
    wanted = asked.get("range", "").removeprefix("bytes=").rstrip("-")
    if ignore or not wanted.isdigit() or asked.get("if-range", headers["ETag"]) != headers["ETag"]:
        return Answer(answer.body, 200, headers)
    start = int(wanted)
    if start >= size:
        return Answer(b"", 416, headers | {"Content-Range": f"bytes */{size}"})
    return Answer(answer.body[start:], 206, headers | {"Content-Range": f"bytes {start}-{size - 1}/{size}"})
