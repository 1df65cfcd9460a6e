"""Looks, before a run, whether the servers are there and serve the model."""

from __future__ import annotations

from dataclasses import dataclass

from medsearch.errors import UsageError
from pipeline.llm.connection import Connections, PassingError, RefusedError
from pipeline.llm.loopback import require_local
from pipeline.llm.outcome import LlmUnavailableError
from pipeline.llm.server import ServerSettings


@dataclass(frozen=True, slots=True)
class ServerState:
    """What a server says of itself: its models, or else the `reason` why it cannot be asked now."""

    base_url: str
    models: tuple[str, ...]
    reason: str = ""

    @property
    def warning(self) -> str:
        """One line for the user; empty when all is well."""
        if not self.reason:
            return ""
        return f"the LLM server {self.base_url} cannot be asked now ({self.reason}); going on without it"


async def check_servers(settings: ServerSettings, *, allow_remote: bool = False) -> tuple[ServerState, ...]:
    """The state of every server, in the settings' order; a dead one among others is a warning.

    Raises:
        UsageError: a server is not on this machine, or does not serve the model.
        LlmUnavailableError: no server answers.
        MedsearchError: a server does not accept the key, or redirects.
    """
    for server in settings.base_urls:
        require_local(server, allow_remote=allow_remote)
    connections = Connections(settings)
    try:
        states = tuple([await _look(server, connections, settings.model) for server in settings.base_urls])
    finally:
        await connections.close()
    if all(state.reason for state in states):
        raise LlmUnavailableError.at(settings.base_urls, ", ".join(state.reason for state in states))
    return states


async def _look(server: str, connections: Connections, model: str) -> ServerState:
    try:
        models = await connections.models(server)
    except (PassingError, RefusedError) as error:
        return ServerState(server, (), str(error))
    if model not in models:
        served = ", ".join(models) or "none"
        raise UsageError(f"the LLM server {server} does not serve {model!r}; it serves {served}")
    return ServerState(server, models)
