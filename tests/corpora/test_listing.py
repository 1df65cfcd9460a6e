"""What cannot be read, leads in circles or holds programs hides no corpus and becomes none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medsearch.corpora import listing, locations
from medsearch.corpora.catalogue import find_corpus, list_corpora, read_documents
from medsearch.corpora.jats.files import find_xml_files
from medsearch.corpora.rejects import Rejects
from medsearch.errors import CorpusError, UsageError

ARTICLE = (
    "<article><front><article-meta><title-group><article-title>T</article-title></title-group></article-meta>"
    "</front><body><p>Words.</p></body></article>"
)


def corpus(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(json.dumps({"_id": "a", "text": "Cough."}) + "\n")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    corpus(tmp_path / "data" / "open")
    return tmp_path / "data"


def forbid(monkeypatch: pytest.MonkeyPatch, locked: Path, method: str) -> None:
    """What the system does without permission; as root, it would let us in."""
    real: Callable[..., Any] = getattr(Path, method)

    def refuse(self: Path, *arguments: Any, **named: Any) -> Any:
        if self == locked or (method == "stat" and locked in self.parents):
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *arguments, **named)

    monkeypatch.setattr(Path, method, refuse)


def names(folders: list[Path], rejects: Rejects | None = None) -> list[str]:
    return [location.name for location in list_corpora(folders, rejects)]


@pytest.mark.parametrize("method", ["iterdir", "stat"])
def test_a_folder_that_cannot_be_read_is_a_remark(
    data: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    locked = corpus(data / "locked") if method == "stat" else data / "locked"
    locked.mkdir(exist_ok=True)
    forbid(monkeypatch, locked, method)
    rejects = Rejects()
    assert names([data], rejects) == ["open"]
    assert rejects.warnings == [f"{locked}: cannot be read: Permission denied"]
    with pytest.raises(UsageError) as raised:
        find_corpus("opne", [data])
    assert str(raised.value) == (
        f"no corpus called 'opne'; did you mean open? (looked in {data}); "
        f"{locked}: cannot be read: Permission denied"
    )


def test_a_file_of_notes_that_cannot_be_read_is_a_remark(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "ward.jsonl").write_text('{"id": 1, "note": "Cough."}\n')
    assert names([data]) == ["open", "ward"]
    forbid(monkeypatch, data / "ward.jsonl", "open")
    rejects = Rejects()
    assert names([data], rejects) == ["open"]
    assert rejects.warnings == [f"{data / 'ward.jsonl'}: cannot be read: Permission denied"]


def test_a_whole_data_folder_may_be_missing_locked_or_a_file(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing, locked, file = tmp_path / "datta", tmp_path / "locked", tmp_path / "file"
    locked.mkdir()
    file.write_text("")
    forbid(monkeypatch, locked, "iterdir")
    rejects = Rejects()
    folders = [missing, locked, file, data]
    assert names(folders, rejects) == ["open"]
    assert rejects.warnings == [
        f"{missing}: no such folder",
        f"{locked}: cannot be read: Permission denied",
        f"{file}: is not a folder",
    ]
    assert find_corpus("open", folders).path == data / "open"
    with pytest.raises(UsageError) as raised:
        find_corpus("zzzz", folders)
    assert f"(looked in {missing} (no such folder), {locked}, {file} (is not a folder), {data})" in str(
        raised.value
    )


def test_a_path_that_cannot_be_read_says_so(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(monkeypatch, data / "open", "stat")
    with pytest.raises(CorpusError, match=r"open: cannot be read: Permission denied$"):
        find_corpus(str(data / "open"), [])


def test_links_that_lead_back_are_not_followed(data: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.xml").write_text(ARTICLE)
    (data / "up").symlink_to("..")
    (data / "self").symlink_to(".")
    (data / "knot").symlink_to("knot")
    (data / "group").mkdir()
    corpus(data / "group" / "inner")
    (data / "group" / "back").symlink_to(data)
    rejects = Rejects()
    assert names([data], rejects) == ["group/inner", "open"]
    assert sorted(rejects.warnings) == sorted(
        f"{data / link}: a link to a folder that it lies in; not followed"
        for link in ("up", "self", "group/back")
    )


def test_a_link_to_a_corpus_elsewhere_is_that_corpus(data: Path, tmp_path: Path) -> None:
    (data / "linked").symlink_to(corpus(tmp_path / "elsewhere"))
    rejects = Rejects()
    assert names([data], rejects) == ["linked", "open"]
    assert rejects.warnings == []


def test_articles_are_not_looked_for_among_programs_or_behind_links(tmp_path: Path) -> None:
    articles = tmp_path / "articles"
    outside = tmp_path / "outside"
    for folder in (
        articles / "2020", articles / ".git", articles / ".venv", outside,
        articles / "lib/site-packages/x", articles / "node_modules", articles / "2020/__pycache__",
    ):  # fmt: skip
        folder.mkdir(parents=True)
        (folder / "a.xml").write_text(ARTICLE)
    (articles / "2020" / ".b.xml").write_text(ARTICLE)
    (articles / "loop").symlink_to(articles)
    (articles / "out").symlink_to(outside)
    assert find_xml_files(articles) == [articles / "2020" / "a.xml"]
    assert locations.document_files(find_corpus(str(articles), [])) == [articles / "2020" / "a.xml"]


def test_a_folder_of_articles_that_cannot_be_read_is_a_reject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    articles = tmp_path / "articles"
    (articles / "locked").mkdir(parents=True)
    (articles / "a.xml").write_text(ARTICLE)
    real = listing.find_xml_files.__globals__["os"].scandir

    def scandir(folder: Any) -> Any:
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr("os.scandir", scandir)
    rejects = Rejects()
    assert len(list(read_documents(find_corpus(str(articles), []), rejects))) == 1
    assert rejects.examples == [f"{articles / 'locked'}: folder cannot be read: Permission denied"]
