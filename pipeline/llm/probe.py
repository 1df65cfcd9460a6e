"""Finds out by a trivial question, which holds nothing of a note, whose fault a failure is."""

from __future__ import annotations

import asyncio

from medsearch.errors import MedsearchError
from pipeline.llm.connection import Connections, PassingError, RefusedError
from pipeline.llm.messages import ChatRequest, Message

_TRIVIAL = (Message("user", "Reply with the word yes."),)


class Probe:
    """Asks the servers one by one, and one trivial question at a time, on top of what is in flight."""

    def __init__(self, connections: Connections, servers: tuple[str, ...]) -> None:
        self._connections = connections
        self._servers = servers
        self._lock = asyncio.Lock()
        self._settings_work = False

    async def anyone_answers(self) -> bool:
        """Whether a server answers.

        That it lists its models would say little: vLLM's web server may outlive its engine.

        Raises:
            MedsearchError: as `Connections.complete`.
        """
        trivial = ChatRequest(_TRIVIAL, schema=None, schema_name="")
        async with self._lock:
            for server in self._servers:
                try:
                    await self._connections.complete(server, trivial, trivial.messages)
                except (PassingError, RefusedError):
                    continue
                return True
        return False

    async def vet(self, request: ChatRequest) -> None:
        """Stop the run when servers refuse a trivial question that is asked in the way of `request`.

        Raises:
            MedsearchError: they do, so every request would be refused; or as `Connections.complete`.
        """
        trivial = ChatRequest(_TRIVIAL, request.schema, request.schema_name, request.stop)
        async with self._lock:
            for server in () if self._settings_work else self._servers:
                try:
                    await self._connections.complete(server, trivial, trivial.messages)
                except PassingError:
                    continue
                except RefusedError as refusal:
                    raise MedsearchError(
                        f"the LLM server {server} refuses even a trivial question ({refusal}): check "
                        f"`structured`, `max_tokens` and `temperature` in the recipe"
                    ) from None
                self._settings_work = True
