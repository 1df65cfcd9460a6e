"""One file over a line that breaks: what was fetched is kept, what is wrong thrown away."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_server import Answer, FaultyServer, strong_etag

from medsearch.corpora.digests import Algorithm, Digest, digest_file
from medsearch.corpora.fetch import Remote, fetch
from medsearch.corpora.web import FetchError, http_client

BODY = bytes(range(256)) * 40
SHA256 = Digest(Algorithm.SHA256, hashlib.sha256(BODY).hexdigest())


class OneFile(FaultyServer):
    body = BODY
    headers: dict[str, str] = {}  # noqa: RUF012 - set on the instance by a test

    def answer(self, path: str) -> Answer:
        return Answer(self.body, 200, self.headers) if path == "/file" else Answer(status=404)


@pytest.fixture
def server() -> Iterator[OneFile]:
    with OneFile() as running:
        yield running


def get(server: OneFile, target: Path, **known: object) -> None:
    with http_client() as client:
        fetch(
            Remote(url=f"{server.endpoint}/file", name="file", **known),
            target,
            client=client,
            progress=ignore,
        )


def ignore(what: str, done: int, total: int) -> None:
    pass


def test_a_cut_connection_goes_on_where_it_was(server: OneFile, tmp_path: Path) -> None:
    server.faults.cut_after, server.faults.cuts = 4000, 2
    get(server, tmp_path / "file", size=len(BODY), digest=SHA256)
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.ranges_asked("/file") == ["", "bytes=4000-", "bytes=8000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_run_that_was_stopped_goes_on_in_the_next_one(server: OneFile, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(BODY[:5000])
    get(server, tmp_path / "file", size=len(BODY), digest=SHA256)
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.ranges_asked("/file") == ["bytes=5000-"]


def test_without_a_checksum_the_etag_guards_the_first_half(server: OneFile, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(BODY[:5000])
    (tmp_path / "file.part.etag").write_text(strong_etag(BODY))
    get(server, tmp_path / "file")
    assert server.ranges_asked("/file") == ["bytes=5000-"]
    assert server.requests[0].headers["if-range"] == strong_etag(BODY)
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("etag", ['"of other bytes"', 'W/"weak"', ""])
def test_a_first_half_of_other_bytes_is_not_kept(server: OneFile, tmp_path: Path, etag: str) -> None:
    (tmp_path / "file.part").write_bytes(b"x" * 5000)
    (tmp_path / "file.part.etag").write_text(etag)
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_stale_first_half_is_found_by_the_checksum_and_fetched_anew(
    server: OneFile, tmp_path: Path
) -> None:
    (tmp_path / "file.part").write_bytes(b"x" * 5000)
    get(server, tmp_path / "file", size=len(BODY), digest=SHA256)
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.ranges_asked("/file") == ["bytes=5000-", ""]


def test_a_first_half_longer_than_the_file_is_fetched_anew(server: OneFile, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(b"x" * (len(BODY) + 1))
    get(server, tmp_path / "file", digest=SHA256)
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_server_without_ranges_is_read_from_the_start(server: OneFile, tmp_path: Path) -> None:
    server.faults.ignores_ranges = True
    (tmp_path / "file.part").write_bytes(BODY[:5000])
    get(server, tmp_path / "file", size=len(BODY), digest=SHA256)
    assert (tmp_path / "file").read_bytes() == BODY


def test_wrong_bytes_are_refused_and_leave_nothing(server: OneFile, tmp_path: Path) -> None:
    server.faults.wrong_bytes = True
    promised = SHA256.value[:12]
    with pytest.raises(FetchError, match=rf"the bytes have sha256 \w+… where {promised}… was promised"):
        get(server, tmp_path / "file", size=len(BODY), digest=SHA256)
    assert not (tmp_path / "file").exists()
    assert not (tmp_path / "file.part").exists()


def test_a_file_of_another_length_is_refused(server: OneFile, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="10240 bytes came where 100 were promised"):
        get(server, tmp_path / "file", size=100)


def test_a_busy_server_is_asked_again(server: OneFile, tmp_path: Path) -> None:
    server.faults.busy = 2
    get(server, tmp_path / "file", digest=SHA256)
    assert (tmp_path / "file").read_bytes() == BODY
    assert len(server.requests) == 3


def test_a_server_that_stays_busy_is_given_up(server: OneFile, tmp_path: Path) -> None:
    server.faults.busy = 99
    with pytest.raises(FetchError, match="it answered HTTP 503"):
        get(server, tmp_path / "file")
    assert len(server.requests) == 4


def test_what_is_there_and_right_is_not_fetched(server: OneFile, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(BODY)
    get(server, tmp_path / "file", digest=SHA256)
    assert server.requests == []


def test_what_is_there_and_wrong_is_fetched(server: OneFile, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"other")
    get(server, tmp_path / "file", digest=SHA256)
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_refused_connection_is_said_within_seconds(tmp_path: Path) -> None:
    started = time.monotonic()
    with http_client() as client, pytest.raises(FetchError, match="refused"):
        fetch(
            Remote(url=f"http://127.0.0.1:{unused_port()}/file", name="file"),
            tmp_path / "file",
            client=client,
            progress=ignore,
        )
    assert time.monotonic() - started < 5


def test_progress_counts_from_where_the_first_half_ended(server: OneFile, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(BODY[:5000])
    seen: list[tuple[str, int, int]] = []
    remote = Remote(f"{server.endpoint}/file", "file", len(BODY), SHA256)
    with http_client() as client:
        fetch(remote, tmp_path / "file", client=client, progress=lambda *now: seen.append(now))
    assert seen[0][1] > 5000
    assert seen[-1] == ("file", len(BODY), len(BODY))


def test_digests_are_those_of_the_usual_tools(tmp_path: Path) -> None:
    (tmp_path / "hello").write_bytes(b"hello\n")
    # printf 'hello\n' | sha256sum, md5sum, git hash-object --stdin
    assert {one: digest_file(tmp_path / "hello", one) for one in Algorithm} == {
        Algorithm.SHA256: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        Algorithm.MD5: "b1946ac92492d2347c6235b4d2611184",
        Algorithm.GIT_SHA1: "ce013625030ba8dba906f756967f9e9ca394464a",
    }


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
