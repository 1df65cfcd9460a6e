"""Which addresses are this machine."""

from __future__ import annotations

import socket
import sys

import pytest

from medsearch.errors import MedsearchError, UsageError
from pipeline.llm.loopback import endpoint, require_local

ELSEWHERE = [
    "http://127.0.0.1.evil.com/v1",
    "http://127.0.0.1%2eevil.com/v1",
    "http://localhost.evil.com/v1",
    "http://localhost./v1",
    "http://llm.localhost/v1",
    "http://0.0.0.0:8000/v1",
    "http://[::]:8000/v1",
    "http://10.0.0.7:8000/v1",
    "http://169.254.169.254/v1",
    "http://128.0.0.1/v1",
    "http://[::ffff:8.8.8.8]/v1",
    "http://[::ffff:127.0.0.1]/v1",
    "http://[::1%25eth0]/v1",
    "http://[fe80::1]/v1",
    "http://2130706433/v1",
    "http://0x7f000001/v1",
    "http://127.1/v1",
    "https://api.openai.com/v1",
]
NO_ADDRESS = [
    "",
    "127.0.0.1:8000",
    "localhost:8000",
    "//127.0.0.1/v1",
    "http://",
    "http:///v1",
    "http://127.0.0.1:99999/v1",
    "http://127.0.0.1:0/v1",
    "http://127.0.0.1:80:90/v1",
    "http://0177.0.0.1/v1",
    "http://127.0.0.1\\.evil.com/v1",
    "http://127.0.0.1\t.evil.com/v1",
    "http://127.0.0.1 .evil.com/v1",
    "http://127.0.0.1\n/v1",
    "http://127.0.0.1/v1#x",
    "http://127.0.0.1/v1?x=1",
    "http://\uff11\uff12\uff17.0.0.1/v1",
    "http://127\u30020.0.1/v1",
    "unix:///run/llm.sock",
    "http+unix://%2Frun%2Fllm.sock/v1",
    "ftp://127.0.0.1/v1",
    "file:///v1",
]
HERE = [
    "http://127.0.0.1:8000/v1",
    "http://127.0.0.1",
    "https://127.8.9.10:8443/v1",
    "HTTP://127.0.0.1:8000/v1",
    "http://[::1]:8000/v1",
    "http://localhost:8000/v1",
    "http://LOCALHOST:8000/v1",
]


@pytest.fixture(autouse=True)
def localhost_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without IPv6, or with another hosts file, has the same tests."""
    _resolve_to(monkeypatch, "127.0.0.1", "::1")


def _resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: entries)


@pytest.mark.parametrize("url", HERE)
def test_this_machine_is_accepted(url: str) -> None:
    require_local(url, allow_remote=False)


@pytest.mark.parametrize("url", ELSEWHERE)
def test_elsewhere_is_refused_with_the_way_to_allow_it(url: str) -> None:
    with pytest.raises(UsageError, match="MEDSEARCH_ALLOW_REMOTE_LLM=1") as caught:
        require_local(url, allow_remote=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ELSEWHERE)
def test_elsewhere_is_accepted_when_allowed(url: str) -> None:
    require_local(url, allow_remote=True)


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("url", NO_ADDRESS)
def test_what_is_no_web_address_is_never_accepted(url: str, allowed: bool) -> None:
    with pytest.raises(UsageError, match="is not the address of an LLM server") as caught:
        require_local(url, allow_remote=allowed)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1@evil.com/v1",
        "http://127.0.0.1\\@evil.com/v1",
        "http://127.0.0.1#@evil.com/v1",
        "http://me:hunter2@127.0.0.1:8000/v1",
    ],
)
def test_credentials_are_refused_and_not_repeated(url: str, allowed: bool) -> None:
    with pytest.raises(UsageError, match="MEDSEARCH_LLM_KEY") as caught:
        require_local(url, allow_remote=allowed)
    assert "hunter2" not in str(caught.value)


def test_localhost_that_is_also_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolve_to(monkeypatch, "127.0.0.1", "10.0.0.7")
    with pytest.raises(UsageError, match="MEDSEARCH_ALLOW_REMOTE_LLM=1"):
        require_local("http://localhost:8000/v1", allow_remote=False)


def test_localhost_that_does_not_resolve_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise socket.gaierror("unknown")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(UsageError, match="MEDSEARCH_ALLOW_REMOTE_LLM=1"):
        require_local("http://localhost:8000/v1", allow_remote=False)


def test_a_missing_extra_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MedsearchError, match=r"pip install 'medsearch\[generate\]'"):
        require_local("http://127.0.0.1:8000/v1", allow_remote=False)


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
        ("http://127.0.0.1:8000/llm/v1/", "http://127.0.0.1:8000/llm/v1/"),
    ],
)
def test_a_server_without_a_path_is_asked_under_v1(named: str, asked: str) -> None:
    assert endpoint(named) == asked
