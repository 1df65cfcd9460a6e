"""One file over HTTP: resumed where it was cut, in this run or an earlier one, and checked byte by byte.

`huggingface_hub` itself goes on only within one call (it deletes its half-done file when the call ends), so
the bytes of hub data sets come through here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medsearch.corpora.digests import Digest, digest_file
from medsearch.corpora.web import FetchError, try_again

if TYPE_CHECKING:
    import httpx

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and the total (0 where it is not known)."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to fetch; `size` in bytes and `digest` are `None` where the service does not say."""

    url: str
    name: str
    size: int | None = None
    digest: Digest | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def fetch(remote: Remote, target: Path, *, client: httpx.Client, progress: Progress) -> None:
    """Fetch `remote` to `target`, going on from `target.part` where an earlier try stopped.

    `target` appears only when whole and checked.

    Raises:
        FetchError: unreachable, refused, or not the promised bytes.
    """
    if target.is_file() and _is_promised(target, remote):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    from_before = part.exists()
    _fetch_part(remote, part, client, progress)
    if from_before and not _is_promised(part, remote):
        # The half from an earlier run may have been of other bytes: once more, from the start.
        part.unlink()
        _fetch_part(remote, part, client, progress)
    if not _is_promised(part, remote):
        reason = _mismatch(part, remote)
        part.unlink()
        _validator_file(part).unlink(missing_ok=True)
        raise FetchError(reason)
    part.replace(target)
    _validator_file(part).unlink(missing_ok=True)


def _fetch_part(remote: Remote, part: Path, client: httpx.Client, progress: Progress) -> None:
    def fetched() -> int:
        return part.stat().st_size if part.exists() else 0

    try_again(lambda: _go_on(remote, part, client, progress), done=fetched)


def _go_on(remote: Remote, part: Path, client: httpx.Client, progress: Progress) -> None:
    import httpx

    start = _start(remote, part)
    if start and start == remote.size:
        return
    headers = {**remote.headers, "Accept-Encoding": "identity", **_range(part, start)}
    with client.stream("GET", remote.url, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            raise httpx.RemoteProtocolError("the server has nothing after what was fetched before")
        response.raise_for_status()
        goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        done = start if goes_on else 0
        _validator_file(part).write_text(response.headers.get("ETag", ""), encoding="utf-8")
        with part.open("ab" if goes_on else "wb") as file:
            for block in response.iter_raw():
                file.write(block)
                done += len(block)
                progress(remote.name, done, remote.size or 0)
    if remote.size is not None and done < remote.size:
        raise httpx.RemoteProtocolError(f"the connection ended after {done} of {remote.size} bytes")


def _start(remote: Remote, part: Path) -> int:
    """Where to go on: only where a checksum or the server's ETag can tell that it is still the same file."""
    if not part.exists() or (remote.digest is None and not _validator(part)):
        return 0
    return part.stat().st_size


def _range(part: Path, start: int) -> dict[str, str]:
    if not start:
        return {}
    validator = _validator(part)
    return {"Range": f"bytes={start}-"} | ({"If-Range": validator} if validator else {})


def _validator_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _validator(part: Path) -> str:
    """The ETag that came with the first half; a weak one (`W/`) does not promise equal bytes (RFC 9110)."""
    file = _validator_file(part)
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return "" if text.startswith("W/") else text


def _is_promised(path: Path, remote: Remote) -> bool:
    if remote.size is not None and path.stat().st_size != remote.size:
        return False
    return remote.digest is None or digest_file(path, remote.digest.algorithm) == remote.digest.value


def _mismatch(path: Path, remote: Remote) -> str:
    size = path.stat().st_size
    if remote.digest is None or size != (remote.size or size):
        return f"{size} bytes came where {remote.size} were promised; they were thrown away"
    came = digest_file(path, remote.digest.algorithm)
    name, promised = remote.digest.algorithm, remote.digest.value
    return f"the bytes have {name} {came[:12]}… where {promised[:12]}… was promised; they were thrown away"
