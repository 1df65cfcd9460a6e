"""A model and data set hub on 127.0.0.1, in the layout that `huggingface_hub` 1.x asks for.

    with HubServer(folder) as server:
        server.add("datasets", "mteb/tiny", REVISION, {"corpus.jsonl": b"..."})
        snapshot_download("mteb/tiny", repo_type="dataset", revision=REVISION, endpoint=server.endpoint)

Repositories are folders `<folder>/<models|datasets>/<owner>/<name>/<revision>/...`. Files over
`lfs_over` bytes are "in Git LFS": redirected to another host name, as the hub's are to its CDN.
Any revision may be asked for by "main" too, where the repository has only one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from faulty_server import Answer, FaultyServer

REVISION = "0123456789abcdef0123456789abcdef01234567"

_API = re.compile(
    r"/api/(?P<kind>models|datasets)/(?P<repo>[^/]+/[^/]+)(/(?P<what>revision|tree)/(?P<rev>[^/]+))?"
)
_RESOLVE = re.compile(r"/(?P<kind>datasets/)?(?P<repo>[^/]+/[^/]+)/resolve/(?P<rev>[^/]+)/(?P<path>.+)")
_CDN = re.compile(r"/cdn/(?P<sha>[0-9a-f]{64})")


class HubServer(FaultyServer):
    """See the module's docstring; `faults`, `requests` and `ranges_asked` come from `FaultyServer`."""

    def __init__(self, folder: Path, *, lfs_over: int = 1000) -> None:
        super().__init__()
        self.folder = folder
        self.lfs_over = lfs_over

    def add(self, kind: str, repo: str, revision: str, files: Mapping[str, bytes]) -> None:
        """Put a repository's files where they are served from; `kind` is "models" or "datasets"."""
        for name, content in files.items():
            path = self.folder / kind / repo / revision / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def answer(self, path: str) -> Answer:
        where = unquote(urlsplit(path).path)
        if match := _API.fullmatch(where):
            return self._describe(match)
        if match := _CDN.fullmatch(where):
            return self._large_file(match["sha"])
        if match := _RESOLVE.fullmatch(where):
            return self._resolve(match)
        return Answer(b"", 404, {})

    def _snapshot(self, kind: str, match: re.Match[str]) -> Path | Answer:
        repo = self.folder / kind / match["repo"]
        if not repo.is_dir():
            return Answer(b'{"error":"Repository not found"}', 404, {"X-Error-Code": "RepoNotFound"})
        revisions = [one.name for one in repo.iterdir()]
        name = revisions[0] if match["rev"] in (None, "main") and len(revisions) == 1 else match["rev"]
        if name not in revisions:
            return Answer(b'{"error":"Invalid rev id"}', 404, {"X-Error-Code": "RevisionNotFound"})
        return repo / name

    def _describe(self, match: re.Match[str]) -> Answer:
        snapshot = self._snapshot(match["kind"], match)
        if isinstance(snapshot, Answer):
            return snapshot
        files = {file.relative_to(snapshot).as_posix(): file.read_bytes() for file in _files(snapshot)}
        if match["what"] == "tree":
            return _json([self._tree_entry(name, content) for name, content in files.items()])
        siblings = [self._sibling(name, content) for name, content in files.items()]
        return _json({"id": match["repo"], "sha": snapshot.name, "private": False, "siblings": siblings})

    def _tree_entry(self, name: str, content: bytes) -> dict[str, object]:
        entry = {"type": "file", "path": name, "size": len(content), "oid": git_sha1(content)}
        sha256 = hashlib.sha256(content).hexdigest()
        large = {"lfs": {"oid": sha256, "size": len(content), "pointerSize": 130}}
        return entry | (large if len(content) > self.lfs_over else {})

    def _sibling(self, name: str, content: bytes) -> dict[str, object]:
        entry = {"rfilename": name, "size": len(content), "blobId": git_sha1(content)}
        sha256 = hashlib.sha256(content).hexdigest()
        large = {"lfs": {"sha256": sha256, "size": len(content), "pointerSize": 130}}
        return entry | (large if len(content) > self.lfs_over else {})

    def _resolve(self, match: re.Match[str]) -> Answer:
        snapshot = self._snapshot("datasets" if match["kind"] else "models", match)
        if isinstance(snapshot, Answer):
            return snapshot
        file = snapshot / match["path"]
        commit = {"X-Repo-Commit": snapshot.name}
        if not file.is_file():
            return Answer(b"Entry not found", 404, commit | {"X-Error-Code": "EntryNotFound"})
        content = file.read_bytes()
        if len(content) <= self.lfs_over:
            return Answer(content, 200, commit | {"ETag": f'"{git_sha1(content)}"'})
        sha256 = hashlib.sha256(content).hexdigest()
        linked = {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(content))}
        elsewhere = self.endpoint.replace("127.0.0.1", "localhost")
        return Answer(b"", 302, commit | linked | {"Location": f"{elsewhere}/cdn/{sha256}"})

    def _large_file(self, sha256: str) -> Answer:
        for file in _files(self.folder):
            content = file.read_bytes()
            if hashlib.sha256(content).hexdigest() == sha256:
                return Answer(content)
        return Answer(b"", 404, {})


def git_sha1(content: bytes) -> str:
    """What `git hash-object` prints."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _json(content: object) -> Answer:
    return Answer(json.dumps(content).encode(), 200, {"Content-Type": "application/json"})
