"""Numbered lines of plain or gzip files that may be damaged: what can be read is read, the rest reported."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from medsearch.corpora.rejects import Rejects

MAX_LINE_BYTES = 16 * 2**20
"""The longest record read. A line beyond it is damage or an attack: a whole textbook is under 10 MiB."""

GZIP_MAGIC = b"\x1f\x8b"
UTF8_BOM = b"\xef\xbb\xbf"


def open_plain_or_gzip(path: Path) -> IO[bytes]:
    """Open for reading, decompressing when the content, whatever the name, is gzip."""
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == GZIP_MAGIC:
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def read_lines(path: Path, rejects: Rejects, *, as_is: bool = False) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line without its end) for every line that is not blank.

    With `as_is`, blank lines and line ends are kept. A line over `MAX_LINE_BYTES` is set aside without
    being held in memory. Where gzip data ends early or is damaged, everything readable before that is
    yielded and the rest reported as one reject; of a file that cannot be opened, that is all there is.
    """
    number = 0
    try:
        with open_plain_or_gzip(path) as file:
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    _skip_to_line_end(file, line)
                    start = line[:200].decode("utf-8", "replace")
                    rejects.set_aside(
                        f"{path}:{number}", f"line is longer than {MAX_LINE_BYTES:,} bytes", start
                    )
                    continue
                if number == 1:
                    line = line.removeprefix(UTF8_BOM)
                if as_is:
                    yield number, line
                elif stripped := line.strip(b" \t\r\n"):
                    yield number, stripped
    except EOFError:
        rejects.set_aside(f"{path}:{number + 1}", "gzip file is cut off here; what followed is lost")
    except (gzip.BadGzipFile, zlib.error) as error:
        rejects.set_aside(
            f"{path}:{number + 1}", f"gzip data is damaged here ({error}); what followed is lost"
        )
    except OSError as error:
        rejects.set_aside(f"{path}:{number + 1}", f"cannot be read: {error.strerror or error}")


def _skip_to_line_end(file: IO[bytes], part: bytes) -> None:
    while part and not part.endswith(b"\n"):
        part = file.readline(2**16)
