"""Loads mteb's tasks from the model hub (`HF_ENDPOINT`), and says in one line why one cannot be had."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from medsearch.corpora.hub import hub_endpoint
from medsearch.corpora.web import TIMEOUT_SECONDS, FetchError, try_again
from medsearch.errors import CorpusError, MedsearchError, UsageError

if TYPE_CHECKING:
    from mteb.abstasks import AbsTask

_DEFAULT = "default"
_FIRST_SUBSETS = 8
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class HubTask:
    """A task of mteb with the data of one subset and split.

    `revision` is what mteb pins of its data set, a commit or a branch.
    """

    name: str
    subset: str
    split: str
    task: AbsTask
    revision: str

    @property
    def corpus(self) -> str:
        """What results call it: "mteb:NAME", with "/SUBSET" behind it where there are several."""
        return f"mteb:{self.name}" + (f"/{self.subset}" if self.task.metadata.is_multilingual else "")

    @property
    def retrieval(self) -> bool:
        """Whether whole corpora are searched; other tasks (reranking, clustering) only mteb can score."""
        return str(self.task.metadata.type) == "Retrieval"


def has_mteb() -> bool:
    """Whether mteb and what it runs models with are installed."""
    return all(find_spec(package) is not None for package in ("mteb", "datasets", "torch"))


def load_hub_task(name: str, split: str, environment: Mapping[str, str] | None = None) -> HubTask:
    """Load "NAME" or "NAME/SUBSET" as mteb does, such as "NFCorpus" or "PublicHealthQA/english".

    Raises:
        UsageError: if mteb knows no such task, subset or split; the message names those that there are.
        CorpusError: if the hub cannot be reached, or lacks the data; the message names task and hub.
        MedsearchError: if mteb is not installed.
    """
    variables = os.environ if environment is None else environment
    if not has_mteb():
        raise MedsearchError(f"mteb:{name}: mteb is not installed: run `pip install 'medsearch[train]'`")
    task, subset = _find(name, split)
    endpoint = hub_endpoint(variables)
    dataset = task.metadata.dataset
    where = f"mteb:{name}: its data set {dataset['path']} cannot be had from {endpoint}"
    if not _offline(variables):
        _check_hub(dataset["path"], dataset["revision"], endpoint, where)
    _load(task, where)
    return HubTask(task.metadata.name, subset, split, task, dataset["revision"])


def _find(name: str, split: str) -> tuple[AbsTask, str]:
    """The task, told to load nothing but this subset and split."""
    import mteb

    wanted, _, subset = name.partition("/")
    try:
        task = mteb.get_task(wanted)
    except KeyError as error:
        raise UsageError(f"mteb:{name}: {str(error.args[0]).removeprefix('KeyError: ')}") from None
    subsets = task.metadata.hf_subsets
    chosen = subset or _DEFAULT
    if chosen not in subsets:
        some = ", ".join(f"mteb:{wanted}/{one}" for one in subsets[:_FIRST_SUBSETS])
        hint = f"it has {some}" if task.metadata.is_multilingual else f"it is mteb:{wanted}, without a subset"
        what = f"the task has no subset {subset!r}" if subset else "name one of the task's subsets"
        raise UsageError(f"mteb:{name}: {what}; {hint}")
    if split not in task.eval_splits:
        raise UsageError(f"mteb:{name}: no split {split!r}; it has {', '.join(task.eval_splits)}")
    return mteb.get_task(wanted, hf_subsets=[chosen], eval_splits=[split]), chosen


def _offline(variables: Mapping[str, str]) -> bool:
    return variables.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}


def _check_hub(path: str, revision: str, endpoint: str, where: str) -> None:
    """Ask the hub for the data set before mteb does, whose loaders try an absent hub for minutes."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    def ask() -> None:
        api = HfApi(endpoint=endpoint, library_name="medsearch")
        try:
            api.dataset_info(path, revision=revision, timeout=TIMEOUT_SECONDS)
        except RepositoryNotFoundError as error:
            raise CorpusError(f"{where}: it has no such data set, or wants HF_TOKEN for it") from error
        except RevisionNotFoundError as error:
            raise CorpusError(f"{where}: it has no revision {revision[:8]} of it") from error
        except (ValueError, KeyError, TypeError) as error:
            raise CorpusError(
                f"{where}: it does not answer as a hub does (a login page or a proxy?)"
            ) from error

    try:
        try_again(ask)
    except FetchError as error:
        raise CorpusError(
            f"{where}: {error}; set HF_ENDPOINT to a hub, or HF_HUB_OFFLINE=1 where it was loaded before"
        ) from error


def _load(task: AbsTask, where: str) -> None:
    from datasets import disable_progress_bars  # type: ignore[import-untyped]  # it has no types

    disable_progress_bars()
    try:
        task.load_data()
    except Exception as error:  # each task has a loader of its own, over datasets, fsspec, pyarrow and httpx
        reason = (str(error).strip().splitlines() or [""])[0][:_LONGEST_REASON]
        raise CorpusError(f"{where}: {type(error).__name__}: {reason}") from error
