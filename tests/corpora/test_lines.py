from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from medsearch.corpora import lines
from medsearch.corpora.lines import read_lines
from medsearch.corpora.rejects import Rejects


def numbered(count: int) -> list[bytes]:
    """Lines that gzip cannot shrink to one block, so that a cut falls between them."""
    return [b"%d %s" % (number, os.urandom(60).hex().encode()) for number in range(1, count + 1)]


def test_blank_lines_byte_order_mark_and_line_ends_are_not_content(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\n  \ntwo \xe2\x80\xa8 end\nthree")
    assert list(read_lines(path, Rejects())) == [(1, b"one"), (4, b"two \xe2\x80\xa8 end"), (5, b"three")]


def test_gzip_is_known_by_content_not_by_name(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.jsonl.gz", tmp_path / "packed.jsonl"
    plain.write_bytes(b"a\nb\n")
    packed.write_bytes(gzip.compress(b"a\nb\n"))
    assert list(read_lines(plain, Rejects())) == list(read_lines(packed, Rejects())) == [(1, b"a"), (2, b"b")]


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_all_before_the_cut_of_a_gzip_file_is_read(tmp_path: Path, kept: float) -> None:
    content = numbered(5000)
    packed = gzip.compress(b"\n".join(content) + b"\n")
    path = tmp_path / "corpus.jsonl.gz"
    path.write_bytes(packed[: int(len(packed) * kept)])
    rejects = Rejects()
    found = [line for _, line in read_lines(path, rejects)]
    assert found == content[: len(found)]
    assert len(found) > 5000 * (kept - 0.06), "more than a buffer's worth before the cut is missing"
    assert rejects.count == 1
    assert rejects.examples[0] == f"{path}:{len(found) + 1}: gzip file is cut off here; what followed is lost"


def test_damage_inside_gzip_is_reported_and_what_came_before_is_read(tmp_path: Path) -> None:
    content = numbered(5000)
    packed = bytearray(gzip.compress(b"\n".join(content)))
    packed[len(packed) // 2 : len(packed) // 2 + 40] = b"\0" * 40
    path = tmp_path / "corpus.jsonl.gz"
    path.write_bytes(packed)
    rejects = Rejects()
    found = [line for _, line in read_lines(path, rejects)]
    assert rejects.count == 1
    assert "gzip data is damaged" in rejects.examples[0]
    assert found[:2000] == content[:2000]


def test_an_absurdly_long_line_is_set_aside_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1000)
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b"a" * 1000 + b"\n" + b"b" * 300_000 + b"\nc\n")
    rejects = Rejects()
    assert [number for number, _ in read_lines(path, rejects)] == [3]
    assert rejects.count == 2
    assert rejects.examples[1] == f"{path}:2: line is longer than 1,000 bytes"


def test_the_longest_line_allowed_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1000)
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b"a" * 999 + b"\n" + b"b" * 1000)
    assert [len(line) for _, line in read_lines(path, Rejects())] == [999, 1000]


def test_a_missing_file_is_one_reject(tmp_path: Path) -> None:
    rejects = Rejects()
    assert list(read_lines(tmp_path / "none.jsonl", rejects)) == []
    assert rejects.examples == [f"{tmp_path / 'none.jsonl'}:1: cannot be read: No such file or directory"]
