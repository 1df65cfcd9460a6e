"""The local hub is a hub to the real client: what other tests build on it holds only if this does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hub_server import REVISION, HubServer, git_sha1
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import RemoteEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
from safetensors.numpy import load_file, save


def test_a_tiny_model_is_fetched_at_its_pinned_revision(tmp_path: Path) -> None:
    weights = {"embeddings.weight": np.arange(2000, dtype=np.float32).reshape(50, 40)}
    files = {
        "config.json": b'{"hidden_size": 40}',
        "model.safetensors": save(weights),
        "1_Pooling/config.json": b"{}",
    }
    with HubServer(tmp_path / "hub") as server:
        server.add("models", "tiny/bert", REVISION, files)
        server.add("models", "tiny/bert", "f" * 40, {"config.json": b"another revision"})
        folder = snapshot_download(
            "tiny/bert", revision=REVISION, endpoint=server.endpoint, cache_dir=tmp_path / "cache"
        )
        assert any("/cdn/" in one.path for one in server.requests), "the weights should come as LFS files do"
    fetched = {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()
    }
    assert fetched == files
    loaded = load_file(Path(folder) / "model.safetensors")
    np.testing.assert_array_equal(loaded["embeddings.weight"], weights["embeddings.weight"])


def test_the_hub_client_goes_on_after_a_cut_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client keeps whole chunks of 10 MB only; a smaller chunk, so that a small file has some to keep.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10_000)
    body = bytes(range(256)) * 400
    with HubServer(tmp_path / "hub") as server:
        server.add("models", "tiny/bert", REVISION, {"model.bin": body})
        server.faults.path, server.faults.cut_after, server.faults.cuts = "/cdn/", 30_000, 1
        path = hf_hub_download(
            "tiny/bert",
            "model.bin",
            revision=REVISION,
            endpoint=server.endpoint,
            cache_dir=tmp_path / "cache",
        )
        assert Path(path).read_bytes() == body
        first, second = server.ranges_asked("/cdn/")
        assert first == ""
        assert second == "bytes=30000-"


def test_what_is_not_there_is_said_as_the_hub_says_it(tmp_path: Path) -> None:
    with HubServer(tmp_path / "hub") as server:
        server.add("datasets", "tiny/data", REVISION, {"corpus.jsonl": b"{}"})
        api = HfApi(endpoint=server.endpoint)
        assert api.dataset_info("tiny/data").sha == REVISION
        with pytest.raises(RepositoryNotFoundError):
            api.dataset_info("tiny/none")
        with pytest.raises(RevisionNotFoundError):
            api.dataset_info("tiny/data", revision="e" * 40)
        with pytest.raises(RemoteEntryNotFoundError):
            hf_hub_download(
                "tiny/data",
                "no.txt",
                repo_type="dataset",
                endpoint=server.endpoint,
                cache_dir=tmp_path / "cache",
            )


def test_git_sha1_is_gits() -> None:
    # `printf 'hello\n' | git hash-object --stdin`
    assert git_sha1(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"
