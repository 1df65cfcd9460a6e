"""Checksums, as the services that publish corpora give them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_BLOCK = 1 << 20


class Algorithm(StrEnum):
    """The checksums that the services publish."""

    SHA256 = "sha256"
    MD5 = "md5"
    GIT_SHA1 = "git-sha1"
    """SHA-1 of a git blob, header included: what the hub gives for files outside Git LFS."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A checksum in hexadecimal."""

    algorithm: Algorithm
    value: str


def digest_file(path: Path, algorithm: Algorithm) -> str:
    """The checksum of the bytes on disk, in hexadecimal."""
    if algorithm is Algorithm.GIT_SHA1:
        state = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    else:
        state = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            state.update(block)
    return state.hexdigest()
