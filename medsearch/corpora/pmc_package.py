"""The articles of a `.tar.gz` package: regular XML files only, into one folder only, of sane size only."""

from __future__ import annotations

import re
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from medsearch.errors import CorpusError

_MOST_BYTES = 100 * 1024 * 1024
_ARTICLE = re.compile(r"PMC\d+(\.\d+)?")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def extract_articles(package: Path, folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Extract the `.xml` and `.nxml` members of a package; return (file names, remarks on what was left out).

    An article is named by its PMCID where its file or its folder in the package has one.

    Raises:
        CorpusError: the package is damaged or not a `.tar.gz`.
    """
    names: list[str] = []
    remarks: list[str] = []
    try:
        with tarfile.open(package, "r:gz") as members:
            for member in members:
                path = PurePosixPath(member.name)
                if path.suffix not in (".xml", ".nxml"):
                    continue
                if complaint := _complaint(member, path):
                    remarks.append(f"{package.name}: {member.name!r} {complaint}; left out")
                    continue
                names.append(_extract(members, member, folder / _file_name(path)))
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise CorpusError(f"{package}: not a whole .tar.gz package: {error}; fetch it again") from error
    return tuple(names), tuple(remarks)


def _complaint(member: tarfile.TarInfo, path: PurePosixPath) -> str:
    if not member.isfile():
        return "is a link or a device, not a file"
    if path.is_absolute() or ".." in path.parts:
        return "points outside the package"
    return "is over 100 MiB" if member.size > _MOST_BYTES else ""


def _file_name(path: PurePosixPath) -> str:
    for name in (path.stem, path.parent.name):
        if _ARTICLE.fullmatch(name):
            return f"{name}.xml"
    return f"{_UNSAFE.sub('_', path.stem).lstrip('.') or 'article'}.xml"


def _extract(members: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> str:
    content = members.extractfile(member)
    if content is None:
        raise tarfile.ReadError(f"{member.name!r} has no content")
    article = content.read()
    fresh = target.with_name(f".{target.name}")
    fresh.write_bytes(article)
    fresh.replace(target)
    return target.name
