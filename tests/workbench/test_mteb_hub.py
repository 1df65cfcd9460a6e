"""A hub task that cannot be had is said on one line: which, where from, why, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mteb_hub_material import MtebHub

from medsearch.errors import CorpusError, MedsearchError, UsageError
from medsearch.workbench.hub.tasks import load_hub_task

pytest.importorskip("mteb", reason="mteb: pip install medsearch[train]")
pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("name", "split", "message"),
    [
        (
            "PublicHealthQA",
            "test",
            "mteb:PublicHealthQA: name one of the task's subsets; it has mteb:PublicHealthQA/arabic, ",
        ),
        (
            "NFCorpus/english",
            "test",
            "mteb:NFCorpus/english: the task has no subset 'english'; it is mteb:NFCorpus, without a subset",
        ),
        ("Nfcorpus", "test", "mteb:Nfcorpus: 'Nfcorpus' not found. Did you mean: 'NFCorpus'?"),
        ("NFCorpus", "dev", "mteb:NFCorpus: no split 'dev'; it has test"),
    ],
)
def test_what_mteb_does_not_have_is_said_with_what_it_has(name: str, split: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        load_hub_task(name, split, {"HF_ENDPOINT": NOWHERE})


def test_a_hub_that_is_not_there_is_said_at_once_with_what_to_do() -> None:
    with pytest.raises(CorpusError) as caught:
        load_hub_task("SciFact", "test", {"HF_ENDPOINT": NOWHERE})
    line = str(caught.value)
    assert line.startswith(f"mteb:SciFact: its data set mteb/scifact cannot be had from {NOWHERE}: ")
    assert line.endswith("; set HF_ENDPOINT to a hub, or HF_HUB_OFFLINE=1 where it was loaded before")
    assert "\n" not in line


def test_a_hub_without_the_data_or_the_revision_is_named(tmp_path: Path) -> None:
    with MtebHub(tmp_path) as hub:
        where = {"HF_ENDPOINT": hub.endpoint}
        reason = f"cannot be had from {hub.endpoint}: it has no such data set, or wants HF_TOKEN for it"
        with pytest.raises(CorpusError, match=re.escape(reason)):
            load_hub_task("SciFact", "test", where)
        hub.add("datasets", "mteb/scifact", "e" * 40, {"README.md": b""})
        with pytest.raises(CorpusError, match="it has no revision d56462d0 of it"):
            load_hub_task("SciFact", "test", where)


def test_without_mteb_a_hub_task_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medsearch.workbench.hub.tasks.find_spec", lambda _: None)
    with pytest.raises(
        MedsearchError, match=r"mteb is not installed: run `pip install 'medsearch\[train\]'`"
    ):
        load_hub_task("SciFact", "test", {})
