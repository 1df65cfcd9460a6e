"""Which files a hub data set has at its pinned revision, with the checksums the hub promises for them."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from medsearch.corpora.digests import Algorithm, Digest
from medsearch.corpora.fetch import Remote
from medsearch.corpora.sources import Source
from medsearch.corpora.web import TIMEOUT_SECONDS, FetchError, try_again
from medsearch.errors import CorpusError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import DatasetInfo, RepoSibling

_HUB = "https://huggingface.co"


def hub_endpoint(environment: Mapping[str, str]) -> str:
    """The hub's address: `HF_ENDPOINT`, read now and not when `huggingface_hub` was first imported."""
    return (environment.get("HF_ENDPOINT") or _HUB).rstrip("/")


def list_hub_files(source: Source, endpoint: str) -> tuple[Remote, ...]:
    """All files of the data set at the source's revision.

    Raises:
        FetchError: the hub is unreachable, refuses, or does not answer as a hub does.
    """
    from huggingface_hub import get_token

    information = try_again(lambda: _ask(source, endpoint))
    token = get_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return tuple(_remote(file, source, endpoint, headers) for file in information.siblings or ())


def find_tables(source: Source, files: tuple[Remote, ...]) -> dict[str, tuple[Remote, ...]]:
    """Table name -> its files, by the source's globs.

    Raises:
        CorpusError: a table has no file.
    """
    tables: dict[str, tuple[Remote, ...]] = {}
    for table, globs in source.files.items():
        matches = (tuple(file for file in files if fnmatchcase(file.name, glob)) for glob in globs)
        found = next((match for match in matches if match), ())
        if not found:
            raise CorpusError(
                f"{source.location} at {source.revision[:8]} has no file for {table} (looked for "
                f"{', '.join(globs)}; it has {', '.join(file.name for file in files) or 'none'}); "
                f"correct 'files' of [{source.name}] in sources.toml"
            )
        tables[table] = found
    return tables


def _ask(source: Source, endpoint: str) -> DatasetInfo:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError

    try:
        return HfApi(endpoint=endpoint, library_name="medsearch").dataset_info(
            source.location, revision=source.revision, files_metadata=True, timeout=TIMEOUT_SECONDS
        )
    except OfflineModeIsEnabled as error:
        raise FetchError("HF_HUB_OFFLINE is set") from error
    except RepositoryNotFoundError as error:  # a data set behind terms to accept is one of these too
        raise FetchError(
            "it has no such data set, or wants HF_TOKEN (and its terms accepted) for it"
        ) from error
    except RevisionNotFoundError as error:
        raise FetchError(f"it has no revision {source.revision[:8]} of it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FetchError("it does not answer as a hub does (a login page or a proxy?)") from error


def _remote(file: RepoSibling, source: Source, endpoint: str, headers: dict[str, str]) -> Remote:
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(
        source.location, file.rfilename, repo_type="dataset", revision=source.revision, endpoint=endpoint
    )
    digest = None
    if file.lfs is not None:
        digest = Digest(Algorithm.SHA256, file.lfs.sha256)
    elif file.blob_id is not None:
        digest = Digest(Algorithm.GIT_SHA1, file.blob_id)
    return Remote(url=url, name=file.rfilename, size=file.size, digest=digest, headers=headers)
