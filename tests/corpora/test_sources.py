"""`data/sources.toml`: complete, agreeing with mteb, and refused with a reason where wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from medsearch.corpora.sources import Layout, Source, find_sources, load_sources, select_sources
from medsearch.errors import CorpusError, UsageError

ENTRY = """
[tiny]
title = "Tiny"
layout = "beir"
location = "mteb/tiny"
revision = "0123456789abcdef0123456789abcdef01234567"
licence = "cc0-1.0"
home = "https://example.org"
citation = "Nobody"
expected = { documents = 3, queries = "unknown", qrels = { test = 2 } }
"""
TASKS = {
    "nfcorpus": "NFCorpus",
    "trec_covid": "TRECCOVID",
    "arguana": "ArguAna",
    "scifact": "SciFact",
    "medical_qa": "MedicalQARetrieval",
}
LANGUAGES = ("arabic", "chinese", "english", "french", "korean", "russian", "spanish", "vietnamese")


@pytest.fixture(scope="module")
def sources(root: Path) -> Mapping[str, Source]:
    return load_sources(root / "data" / "sources.toml")


def load_text(tmp_path: Path, text: str) -> Mapping[str, Source]:
    (tmp_path / "sources.toml").write_text(text, encoding="utf-8")
    return load_sources(tmp_path / "sources.toml")


def test_every_corpus_of_the_mission_is_named(sources: Mapping[str, Source]) -> None:
    languages = {f"publichealth_qa/{language}" for language in LANGUAGES}
    assert set(sources) == {*TASKS, *languages, "pmc_oa", "pmc_patients"}


def test_an_unknown_count_is_none_and_usual_file_names_are_tried(tmp_path: Path) -> None:
    tiny = load_text(tmp_path, ENTRY)["tiny"]
    assert (tiny.expected.documents, tiny.expected.queries, tiny.expected.qrels) == (3, None, {"test": 2})
    assert tiny.files["corpus"][0] == "corpus.jsonl"
    assert tiny.files["qrels/test"][0] == "qrels/test.jsonl"


def test_a_subset_takes_what_it_does_not_say_itself_from_its_parent(sources: Mapping[str, Source]) -> None:
    korean = sources["publichealth_qa/korean"]
    assert korean.layout is Layout.PAIRS
    assert korean.location == "xhluca/publichealth-qa"
    assert korean.files == {"pairs": ("data/korean.csv",)}
    assert korean.expected.documents == 77


def test_a_family_is_selected_whole_and_a_wrong_name_lists_the_right_ones(
    sources: Mapping[str, Source],
) -> None:
    assert [one.name for one in select_sources(sources, "publichealth_qa")] == [
        f"publichealth_qa/{language}" for language in LANGUAGES
    ]
    assert select_sources(sources, "scifact") == (sources["scifact"],)
    with pytest.raises(
        UsageError, match=r"no public corpus is named 'publichealth'; there are: nfcorpus, .*"
    ):
        select_sources(sources, "publichealth")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("licence =", "license =", r"\[tiny\]: unknown key 'license'; known are title, .*"),
        ('home = "https://example.org"\n', "", r"\[tiny\]: the key 'home' is missing"),
        ('"beir"', '"bier"', r"\[tiny\]: 'layout' is 'bier', not one of beir, pairs, pmc"),
        ("0123456789abcdef", "", r"\[tiny\]: 'revision' must be a whole commit hash"),
        ("documents = 3", 'documents = "3"', r"'expected.documents' must be a count or \"unknown\""),
        ("test = 2", "test = -2", r"'expected.qrels.test' must be a count"),
        ("documents = 3, ", "", r"'expected' must have documents, queries and a table qrels"),
        ('"Nobody"', "7", r"\[tiny\]: 'citation' must be a string"),
        ("[tiny]", "[Tiny]", r"\[Tiny\]: an entry is a table named in a-z"),
        ("[tiny]", "[tiny", r"not valid TOML"),
    ],
)
def test_a_wrong_entry_is_refused_with_file_and_key(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert old in ENTRY
    with pytest.raises(CorpusError, match=rf"sources\.toml: .*{complaint}"):
        load_text(tmp_path, ENTRY.replace(old, new, 1))


def test_the_list_is_found_in_the_first_folder_that_has_it(tmp_path: Path, root: Path) -> None:
    assert find_sources((tmp_path, root / "data")) == root / "data" / "sources.toml"
    with pytest.raises(CorpusError, match=r"no sources\.toml in .*; name its folder in MEDSEARCH_DATA"):
        find_sources((tmp_path,))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "task_name"), TASKS.items())
def test_revisions_and_counts_are_mtebs(sources: Mapping[str, Source], name: str, task_name: str) -> None:
    mteb = pytest.importorskip("mteb")
    task = mteb.get_task(task_name)
    statistics = task.metadata.descriptive_stats["test"]
    source = sources[name]
    assert (source.location, source.revision) == (
        task.metadata.dataset["path"],
        task.metadata.dataset["revision"],
    )
    assert source.expected.documents == statistics["num_documents"]
    if set(source.expected.qrels) == {"test"}:
        assert source.expected.queries == statistics["num_queries"]
    if name != "trec_covid":  # mteb counts its relevant pairs, the file has the grades 0 too
        assert source.expected.qrels["test"] == statistics["relevant_docs_statistics"]["num_relevant_docs"]


@pytest.mark.slow
def test_the_languages_of_public_health_qa_are_mtebs(sources: Mapping[str, Source]) -> None:
    mteb = pytest.importorskip("mteb")
    task = mteb.get_task("PublicHealthQA")
    by_language = task.metadata.descriptive_stats["test"]["hf_subset_descriptive_stats"]
    assert set(task.metadata.eval_langs) == set(LANGUAGES) == set(by_language)
    for language, statistics in by_language.items():
        expected = sources[f"publichealth_qa/{language}"].expected
        assert expected.qrels["test"] == statistics["relevant_docs_statistics"]["num_relevant_docs"]
        assert (expected.documents or 0) + (expected.queries or 0) == statistics["num_samples"]
