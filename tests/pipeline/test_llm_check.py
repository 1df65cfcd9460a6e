"""What is found out before a run: impossible settings, missing servers, models that are not served."""

from __future__ import annotations

import asyncio
from typing import Any

import fake_llm_server as fake
import pytest
from fake_llm_server import FakeLlmServer, Reply
from llm_material import NOWHERE, settings

from medsearch.errors import MedsearchError, UsageError
from pipeline.llm.check import check_servers
from pipeline.llm.client import LlmClient
from pipeline.llm.outcome import LlmUnavailableError


def test_a_client_of_a_server_elsewhere_is_never_built() -> None:
    with pytest.raises(UsageError, match="MEDSEARCH_ALLOW_REMOTE_LLM=1"):
        LlmClient(settings("http://127.0.0.1:8000/v1", "http://llm.example.org/v1"))
    LlmClient(settings("http://llm.example.org/v1"), allow_remote=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_urls": ()}, "MEDSEARCH_LLM_SERVERS"),
        ({"base_urls": (NOWHERE, NOWHERE)}, "named twice"),
        ({"model": ""}, "MEDSEARCH_LLM_MODEL"),
        ({"in_flight": 0}, "above zero"),
        ({"timeout_s": 0.0}, "above zero"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        settings(NOWHERE, **changes)


def test_a_key_is_not_in_what_settings_print() -> None:
    assert "hunter2" not in repr(settings(NOWHERE, api_key="hunter2"))


def test_servers_that_are_there_are_found_with_their_models() -> None:
    with FakeLlmServer(models=("fake", "other")) as server:
        (state,) = asyncio.run(check_servers(settings(server)))
    assert (state.base_url, state.models, state.warning) == (server.base_url, ("fake", "other"), "")


def test_a_model_that_is_not_served_is_said_at_the_start_with_those_that_are() -> None:
    with (
        FakeLlmServer(models=("llama", "smol")) as server,
        pytest.raises(UsageError, match="does not serve 'fake'; it serves llama, smol"),
    ):
        asyncio.run(check_servers(settings(server)))


def test_one_dead_server_of_two_is_a_warning() -> None:
    with FakeLlmServer() as server:
        dead, alive = asyncio.run(check_servers(settings(NOWHERE, server)))
    assert (
        dead.warning == f"the LLM server {NOWHERE} cannot be asked now (no connection); going on without it"
    )
    assert alive.warning == ""


@pytest.mark.parametrize(
    "reply", [fake.HTML, Reply(payload=b'{"data": 1}'), fake.status(503), fake.status(400)]
)
def test_a_server_that_lists_no_models_cannot_be_used(reply: Reply) -> None:
    with FakeLlmServer(models_reply=reply) as server, pytest.raises(LlmUnavailableError, match="make llm"):
        asyncio.run(check_servers(settings(server)))


def test_the_wrong_key_is_said_at_the_start() -> None:
    reply = fake.status(401)
    with (
        FakeLlmServer(models_reply=reply) as server,
        pytest.raises(MedsearchError, match="MEDSEARCH_LLM_KEY"),
    ):
        asyncio.run(check_servers(settings(server)))


def test_checking_refuses_a_server_elsewhere_before_it_connects() -> None:
    with pytest.raises(UsageError, match="MEDSEARCH_ALLOW_REMOTE_LLM=1"):
        asyncio.run(check_servers(settings("http://llm.example.org/v1")))
