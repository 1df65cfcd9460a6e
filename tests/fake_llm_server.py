"""An OpenAI-compatible LLM server on 127.0.0.1 that answers as it is told to, and misbehaves on demand.

    with FakeLlmServer(answer=lambda body: '{"query": "..."}') as server:
        settings = ServerSettings((server.base_url,), model="fake", temperature=0.0, max_tokens=100)

`answer(body)` gives the text of a good answer to a chat request's JSON body. `behave(number, body)` may give
another `Reply`, or `None` for the good one; `in_order(...)` makes one from replies in the order of arrival
(`number` counts chat requests from 1). `bodies` are all chat requests received, `most_in_flight` the most at
one time. By hand: `python tests/fake_llm_server.py --port 8000 --answer TEXT`.
"""

from __future__ import annotations

import argparse
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Body = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """A response: a completion of `text`, unless `payload` is given in its place.

    `text=None` is `answer(body)`. `cut_after` closes the connection after so many bytes of the payload, -1
    before the status line. `trickle` sends a byte each `delay_s`, which otherwise is waited once.
    """

    text: str | None = None
    finish_reason: str = "stop"
    status: int = 200
    payload: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut_after: int | None = None
    trickle: bool = False


GOOD = Reply()
DROPPED = Reply(cut_after=-1)
CUT = Reply(cut_after=20)
HTML = Reply(payload=b"<html>It works!</html>", headers={"Content-Type": "text/html"})
BROKEN_JSON = Reply(payload=b'{"choices": [')
NO_CHOICES = Reply(payload=b'{"object": "chat.completion", "choices": []}')

Behave = Callable[[int, Body], Reply | None]


def text(content: str) -> Reply:
    """A complete answer with this text."""
    return Reply(content)


def truncated(content: str) -> Reply:
    """An answer that was cut off at `max_tokens`."""
    return Reply(content, finish_reason="length")


def slow(seconds: float) -> Reply:
    """A good answer, later."""
    return Reply(delay_s=seconds)


def status(code: int, message: str = "no", *, retry_after: str | None = None) -> Reply:
    """An error as OpenAI's and vLLM's servers phrase theirs."""
    payload = json.dumps({"error": {"message": message, "type": "error", "param": None, "code": code}})
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Reply(status=code, payload=payload.encode(), headers=headers)


def redirect(to: str, code: int = 307) -> Reply:
    """Another address to ask at; 307 and 308 would carry the prompt there."""
    return Reply(status=code, payload=b"", headers={"Location": to})


def in_order(*replies: Reply) -> Behave:
    """One reply a request, in the order of arrival; good answers when they are used up."""
    return lambda number, _: replies[number - 1] if number <= len(replies) else None


def always(reply: Reply) -> Behave:
    """The same to every request."""
    return lambda *_: reply


def answer_ok(_: Body) -> str:
    """The good answer where a test gives none."""
    return '{"ok": true}'


class FakeLlmServer:
    """See the module's docstring. It serves in a `with` block; the port is free again after it."""

    def __init__(
        self,
        answer: Callable[[Body], str] = answer_ok,
        behave: Behave = lambda *_: None,
        *,
        models: tuple[str, ...] = ("fake",),
        models_reply: Reply | None = None,
        port: int = 0,
    ) -> None:
        self.answer = answer
        self.behave = behave
        self.models = models
        self.models_reply = models_reply
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), self._handler())

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def everything_received(self) -> str:
        """All bodies as one text: what must not hold an identifier."""
        return "\n".join(json.dumps(body, ensure_ascii=False) for body in self.bodies)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                outer._send(self, outer._list_models(self.path), {})

            def do_POST(self) -> None:
                received = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer._chat(self, json.loads(received))

            def log_message(self, *_: object) -> None:
                """Say nothing on stderr."""

        return Handler

    def _list_models(self, path: str) -> Reply:
        if path != "/v1/models":
            return status(404, "Not Found")
        listed = {"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]}
        return self.models_reply or Reply(payload=json.dumps(listed).encode())

    def _chat(self, handler: BaseHTTPRequestHandler, body: Body) -> None:
        with self._lock:
            self.bodies.append(body)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            number = len(self.bodies)
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            known = handler.path == "/v1/chat/completions"
            reply = self.behave(number, body) or GOOD if known else status(404, "Not Found")
            if not reply.trickle:
                self._closing.wait(reply.delay_s)
        finally:
            with self._lock:
                self._in_flight -= 1
        self._send(handler, reply, body)

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply, body: Body) -> None:
        if reply.cut_after == -1:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        payload = self._completion(reply, body) if reply.payload is None else reply.payload
        try:
            handler.send_response(reply.status)
            headers = {"Content-Type": "application/json", "Content-Length": str(len(payload))}
            for name, value in (headers | reply.headers).items():
                handler.send_header(name, value)
            handler.end_headers()
            self._write(handler, payload, reply)
        except OSError:
            handler.close_connection = True  # the client did not wait

    def _write(self, handler: BaseHTTPRequestHandler, payload: bytes, reply: Reply) -> None:
        if reply.trickle:
            for byte in payload:
                handler.wfile.write(bytes([byte]))
                if self._closing.wait(reply.delay_s):
                    return
            return
        handler.wfile.write(payload if reply.cut_after is None else payload[: reply.cut_after])
        if reply.cut_after is not None:
            handler.close_connection = True

    def _completion(self, reply: Reply, body: Body) -> bytes:
        content = self.answer(body) if reply.text is None else reply.text
        prompt_tokens = sum(len(str(message["content"]).split()) for message in body["messages"])
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": len(content.split())}
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": content},
            "finish_reason": reply.finish_reason,
        }
        completion = {"id": "1", "object": "chat.completion", "created": 0, "model": self.models[0]}
        return json.dumps(completion | {"choices": [choice], "usage": usage}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # more than any test has in flight: the default of 5 would refuse connections


def main() -> None:
    parser = argparse.ArgumentParser(description="A fake LLM server on 127.0.0.1, for trying things by hand")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--answer", default=answer_ok({}), help="the text of every answer")
    arguments = parser.parse_args()
    with FakeLlmServer(lambda _: arguments.answer, port=arguments.port) as server:
        print(server.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
