"""The XML files of a JATS corpus: single files, folders searched in depth, and packages of articles."""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from medsearch.corpora.jats.safe_xml import MAX_XML_BYTES
from medsearch.corpora.lines import open_plain_or_gzip
from medsearch.corpora.rejects import Rejects

_XML_ENDINGS = (".xml", ".nxml", ".xml.gz", ".nxml.gz")
_PACKAGE_ENDINGS = (".tar.gz", ".tgz")
_NO_ARTICLES = frozenset({"site-packages", "node_modules", "__pycache__", "venv"})
"""Folders of programs: what XML they hold is no article."""


def is_xml(name: str) -> bool:
    """Whether a file name is that of an article, compressed or not."""
    return name.lower().endswith(_XML_ENDINGS)


def is_package(name: str) -> bool:
    """Whether a file name is that of a package, such as the PMC open-access service ships."""
    return name.lower().endswith(_PACKAGE_ENDINGS)


def find_xml_files(path: Path, unreadable: Callable[[OSError], object] | None = None) -> list[Path]:
    """The file itself, or a folder's articles and packages at any depth by name.

    Hidden files and folders, folders of programs and links to folders are passed over. `unreadable` hears
    of each folder that cannot be read.
    """
    if path.is_file():
        return [path]
    found: list[Path] = []
    for folder, subfolders, names in os.walk(path, onerror=unreadable):
        subfolders[:] = [name for name in subfolders if not _passed_over(name)]
        files = (Path(folder, name) for name in names if not _passed_over(name))
        found += [file for file in files if (is_xml(file.name) or is_package(file.name)) and file.is_file()]
    return sorted(found)


def read_xml_file(path: Path, rejects: Rejects) -> Iterator[tuple[str, str, bytes]]:
    """Yield (where, name without endings, XML) of a file, or of each article in a package.

    Damaged compression and files over the size limit are set aside. A package cut short gives the articles
    before the cut.
    """
    try:
        if is_package(path.name):
            yield from _package_members(path, rejects)
        else:
            with open_plain_or_gzip(path) as file:
                data = file.read(MAX_XML_BYTES + 1)
            yield str(path), _stem(path.name), data
    except EOFError:
        rejects.set_aside(str(path), "compressed file is cut off; what followed is lost")
    except (gzip.BadGzipFile, zlib.error, tarfile.TarError) as error:
        rejects.set_aside(str(path), f"compressed file is damaged ({error}); what followed is lost")
    except OSError as error:
        rejects.set_aside(str(path), f"cannot be read: {error.strerror or error}")


def _package_members(path: Path, rejects: Rejects) -> Iterator[tuple[str, str, bytes]]:
    with gzip.open(path, "rb") as data, tarfile.open(fileobj=data, mode="r|") as package:
        for member in package:
            if not member.isfile() or not is_xml(member.name):
                continue
            where = f"{path}!{member.name}"
            if member.size > MAX_XML_BYTES:
                rejects.set_aside(where, f"more than {MAX_XML_BYTES:,} bytes of XML")
                continue
            file = package.extractfile(member)
            if file is not None:
                yield where, _stem(Path(member.name).name), file.read()
        # tarfile takes a cut for the end; gzip notices it when read to its own end.
        while data.read(2**20):
            pass


def _stem(name: str) -> str:
    ending = next((ending for ending in reversed(_XML_ENDINGS) if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)]


def _passed_over(name: str) -> bool:
    return name.startswith(".") or name in _NO_ARTICLES
