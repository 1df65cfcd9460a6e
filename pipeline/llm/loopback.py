"""Keeps patient data on this machine: a server elsewhere is refused unless the user allowed it."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

from medsearch.errors import MedsearchError, UsageError

if TYPE_CHECKING:
    import httpx2

_EXAMPLE = "http://127.0.0.1:8000/v1"


def require_local(base_url: str, *, allow_remote: bool) -> None:
    """Refuse a server that is not this machine: 127.0.0.0/8, ::1, or a `localhost` that is only those.

    Other spellings of a loopback address (127.1, 2130706433, ::ffff:127.0.0.1) are refused too: whether
    such a one stays here depends on who reads it. The address is read by the parser of the client that will
    connect, so that the two cannot disagree.

    Raises:
        UsageError: it is elsewhere and `allow_remote` is not set, or is no address of a web server.
        MedsearchError: the packages of the `generate` extra are not installed.
    """
    url = _parse(base_url)
    if allow_remote or _is_loopback(url.host):
        return
    raise UsageError(
        f"the LLM server {shown(url)} is not on this machine (127.0.0.1, ::1 or localhost), and notes may "
        f"hold patient data; if they may leave this machine, set MEDSEARCH_ALLOW_REMOTE_LLM=1"
    )


def endpoint(base_url: str) -> str:
    """The base URL that the API's paths are joined to: `/v1` where the address has no path.

    Raises:
        UsageError: no address of a web server.
    """
    url = _parse(base_url)
    return str(url.copy_with(path="/v1")) if url.path in ("", "/") else str(url)


def shown(url: httpx2.URL) -> str:
    """The address as it may be shown: never a user name, a password or a query."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = f":{url.port}" if url.port is not None else ""
    return f"{url.scheme}://{host}{port}"


def _parse(base_url: str) -> httpx2.URL:
    try:
        import httpx2
    except ModuleNotFoundError as error:
        raise MedsearchError(
            f"asking an LLM needs {error.name}; run `pip install 'medsearch[generate]'`"
        ) from error
    if "@" in base_url:
        raise UsageError(
            "an LLM server's address must not hold a user name or password: set MEDSEARCH_LLM_KEY instead"
        )
    # A backslash is a slash to some parsers, and the other signs have no place in a base URL.
    odd = any(
        sign in "\\?#" or sign.isspace() or not sign.isascii() or not sign.isprintable() for sign in base_url
    )
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        url = httpx2.URL("")
    port = 80 if url.port is None else url.port
    if odd or url.scheme not in ("http", "https") or not url.host or not 0 < port < 65536:
        raise UsageError(f"{base_url!r} is not the address of an LLM server; one looks like {_EXAMPLE}")
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return _resolves_to_loopback(host)
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return "%" not in host and address.is_loopback and getattr(address, "ipv4_mapped", None) is None


def _resolves_to_loopback(name: str) -> bool:
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
    except OSError:
        return False
    return bool(found) and all(ip_address(one.partition("%")[0]).is_loopback for one in found)
