"""Suites: what comes with medsearch, what a file may say, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from medsearch.errors import UsageError
from medsearch.workbench.suites import (
    SuiteRole,
    SuiteTask,
    load_suite,
    names_a_suite,
    parse_suite,
    reported_tasks,
    suite_names,
)

GOOD = 'role = "choose"\ntasks = ["covid_faq/en:test", "mteb:NFCorpus:test"]\n'


def test_the_local_suites_never_share_a_task_and_have_their_roles() -> None:
    dev, local = load_suite("medical-dev"), load_suite("medical-local")
    assert (dev.role, local.role) == (SuiteRole.CHOOSE, SuiteRole.REPORT)
    assert not set(dev.tasks) & set(local.tasks)
    assert {task.name for task in local.tasks} <= reported_tasks()
    assert not {task.name for task in dev.tasks} & reported_tasks()
    assert {task.split for task in dev.tasks if task.corpus in {one.corpus for one in local.tasks}} == {"dev"}


def test_medembeds_suite_is_its_five_tasks() -> None:
    names = {task.hub_task for task in load_suite("medembed-5").tasks}
    assert names == {"ArguAna", "MedicalQARetrieval", "NFCorpus", "PublicHealthQA/english", "TRECCOVID"}


@pytest.mark.slow
def test_mtebs_medical_suite_is_its_benchmark_down_to_language_and_split() -> None:
    mteb = pytest.importorskip("mteb")
    wanted = {
        (task.metadata.name, subset, split)
        for task in mteb.get_benchmark("MTEB(Medical, v1)").tasks
        for subset in task.hf_subsets
        for split in task.eval_splits
    }
    ours = set()
    for task in load_suite("mteb-medical").tasks:
        name, _, subset = (task.hub_task or "").partition("/")
        ours.add((name, subset or "default", task.split))
    assert ours == wanted


def test_every_suite_that_comes_with_medsearch_loads() -> None:
    assert {"medical-dev", "medical-local", "medembed-5", "mteb-medical"} <= set(suite_names())
    for name in suite_names():
        assert load_suite(name).tasks


def test_a_file_of_ones_own_is_a_suite_called_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(GOOD, encoding="utf-8")
    assert names_a_suite(str(file))
    suite = load_suite(str(file))
    assert (suite.name, suite.role) == ("mine", SuiteRole.CHOOSE)
    assert suite.tasks == (SuiteTask("covid_faq/en", "test"), SuiteTask("mteb:NFCorpus", "test"))
    assert [task.hub_task for task in suite.tasks] == [None, "NFCorpus"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tasks = [", "mine.toml: not valid TOML"),
        (GOOD + "colour = 1\n", "mine.toml: colour: unknown key"),
        (GOOD.replace("choose", "test"), 'mine.toml: role: must be "choose" or "report", not \'test\''),
        ('role = "report"\n', "mine.toml: tasks: must be a list"),
        ('role = "report"\ntasks = []\n', "mine.toml: tasks: must be a list"),
        ('role = "report"\ntasks = ["medquad"]\n', "'medquad' is not \"CORPUS:SPLIT\""),
        ('role = "report"\ntasks = ["mteb:NFCorpus"]\n', "'mteb:NFCorpus' is not \"CORPUS:SPLIT\""),
        ('role = "report"\ntasks = ["a:test", "a:test"]\n', "'a:test' is there twice"),
        ('role = "report"\ntasks = [7]\n', "7 is not"),
        (GOOD + "description = 3\n", "description: must be a string"),
    ],
)
def test_a_wrong_suite_is_refused_naming_file_and_key(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_suite(text, name="mine", file="mine.toml")
    assert complaint in str(refused.value)


def test_an_unknown_suite_names_those_that_are_alike() -> None:
    with pytest.raises(UsageError, match="no suite called 'medical-lokal'; there are medical-local"):
        load_suite("medical-lokal")
    with pytest.raises(UsageError, match="cannot be read"):
        load_suite("nowhere.toml")
