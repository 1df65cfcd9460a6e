"""What a slow model said about texts, kept on disk: after a kill nothing is asked again.

A file is a row of blocks: a line of JSON (count, digest), then the keys, then the values. A block is what was
asked for at once; one that a kill cut short is forgotten as a whole, so that it is asked for as the first
time and gives the same numbers to the last bit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Key = tuple[str, ...]
Values = NDArray[np.float32]

_KEY_BYTES = 16


class Remembered:
    """Values of `dim` float32 by texts; `identity` says all that they depend on, beside the texts.

    Each process writes to a `part` of its own, and reads what all had written when it began.
    """

    def __init__(self, folder: Path, identity: str, dim: int, *, part: int = 0) -> None:
        own = folder / hashlib.sha256(f"{identity} {dim}".encode()).hexdigest()[:16]
        own.mkdir(parents=True, exist_ok=True)
        self._file, self._dim = own / f"{part}.blocks", dim
        self._known: dict[bytes, Values] = {}
        for file in sorted(own.glob("*.blocks")):
            whole = self._read(file)
            if file == self._file:
                with file.open("ab") as stream:
                    stream.truncate(whole)

    def of(self, keys: Sequence[Key], ask: Callable[[Sequence[Key]], Values]) -> Values:
        """The values of keys, shape (keys, dim); `ask` is called for those not known yet, all at once."""
        hashes = [_hash(key) for key in keys]
        missing = {name: key for name, key in zip(hashes, keys, strict=True) if name not in self._known}
        if missing:
            found = np.ascontiguousarray(ask(list(missing.values())), dtype=np.float32)
            self._keep(list(missing), found)
        return np.stack([self._known[name] for name in hashes])

    def _keep(self, names: list[bytes], values: Values) -> None:
        body = b"".join(names) + values.tobytes()
        head = json.dumps({"count": len(names), "sha256": hashlib.sha256(body).hexdigest()}).encode() + b"\n"
        with self._file.open("ab") as stream:
            stream.write(head + body)
        self._known.update(zip(names, values, strict=True))

    def _read(self, file: Path) -> int:
        """Take in the whole blocks of a file; returns their size in bytes."""
        whole = 0
        with file.open("rb") as stream:
            while head := stream.readline():
                try:
                    said = json.loads(head)
                    count, digest = int(said["count"]), said["sha256"]
                except (ValueError, KeyError, TypeError):
                    break
                body = stream.read(count * (_KEY_BYTES + 4 * self._dim))
                if hashlib.sha256(body).hexdigest() != digest:
                    break
                names, rest = body[: count * _KEY_BYTES], body[count * _KEY_BYTES :]
                values = np.frombuffer(rest, dtype=np.float32).reshape(count, self._dim)
                for place in range(count):
                    self._known[names[place * _KEY_BYTES : (place + 1) * _KEY_BYTES]] = values[place]
                whole = stream.tell()
        return whole


def _hash(key: Key) -> bytes:
    return hashlib.sha256(json.dumps(key).encode()).digest()[:_KEY_BYTES]
