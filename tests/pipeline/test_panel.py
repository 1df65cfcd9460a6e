"""The dev panel: what stands in it, that it stays the same, and that it is never a test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fakes import Heard, TopicEncoder
from selection_material import write_corpus, write_suite

from medsearch.corpora.catalogue import find_corpus
from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError
from medsearch.ranking import ranked
from medsearch.search.benchmark import BenchmarkRequest, open_bench
from medsearch.search.names import parse_retriever
from medsearch.settings import Settings
from pipeline.training.panel.build import PanelTask, build_panel
from pipeline.training.recipe import DistractorSource, SelectTable

REGISTRY = (
    '[topics]\nsource = "path:nowhere"\nrevision = "1"\nkind = "dense"\npooling = "mean"\n'
    'max_tokens = 64\ndim = 5\nlicence = "none"\n'
)


@pytest.fixture
def here(settings: Settings, tmp_path: Path) -> Settings:
    write_corpus(tmp_path / "data", "first")
    write_suite(tmp_path / "dev.toml", "first:dev")
    (tmp_path / "models.toml").write_text(REGISTRY, encoding="utf-8")
    return replace(settings, data=(tmp_path / "data",), models=tmp_path / "models.toml")


def table_of(tmp_path: Path, **changes: object) -> SelectTable:
    small = {"queries": 5, "distractors": 2, "random_documents": 4}
    return SelectTable.model_validate({"suite": str(tmp_path / "dev.toml"), **small, **changes})


def built(here: Settings, table: SelectTable, keep: Path | None = None) -> PanelTask:
    [task] = build_panel(table, "topics", here, Heard(), keep=keep)
    return task


def best_of(retriever: str, here: Settings, queries: dict[str, str], k: int) -> dict[str, list[str]]:
    """query_id -> the best documents of the whole corpus, as `medsearch evaluate` finds them."""
    registry = load_registry(here.models)
    location = find_corpus("first", here.data)
    name = parse_retriever(retriever, registry)
    bench = open_bench(BenchmarkRequest(location, "dev", (name,)), here, registry, Heard())
    run = bench.score(name, Heard()).run
    return {query_id: [doc_id for doc_id, _ in ranked(run[query_id])[:k]] for query_id in queries}


def test_it_holds_the_judged_documents_the_distractors_and_some_more(here: Settings, tmp_path: Path) -> None:
    task = built(here, table_of(tmp_path))
    assert task.name == "first:dev"
    assert len(task.queries) == 5
    assert set(task.qrels) == set(task.queries)
    judged = {doc_id for grades in task.qrels.values() for doc_id in grades}
    found = {doc_id for best in best_of("bm25", here, dict(task.queries), 2).values() for doc_id in best}
    assert judged | found <= set(task.documents)
    assert len(task.documents) == len(judged | found) + 4
    assert not task.ignore_identical_ids


def test_texts_are_those_that_a_model_is_evaluated_on(here: Settings, tmp_path: Path) -> None:
    text = '{"_id": "d000", "title": "A title", "text": "and its text"}\n'
    corpus = tmp_path / "data" / "first" / "corpus.jsonl"
    corpus.write_text(text + "".join(corpus.read_text("utf-8").splitlines(True)[1:]), encoding="utf-8")
    task = built(here, table_of(tmp_path, queries=100))
    assert task.documents["d000"] == "A title and its text"


def test_the_base_finds_distractors_too_where_asked(
    here: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> TopicEncoder:
        return TopicEncoder(load_registry(here.models)["topics"])

    monkeypatch.setattr("medsearch.search.searcher.load_encoder", load)
    monkeypatch.setattr("medsearch.search.indexing.load_encoder", load)
    both = table_of(tmp_path, distractors_from=["bm25", "base"], random_documents=0)
    task = built(here, both)
    wanted = {doc_id for best in best_of("topics", here, dict(task.queries), 2).values() for doc_id in best}
    assert wanted <= set(task.documents)
    alone = built(here, both.model_copy(update={"distractors_from": (DistractorSource.BM25,)}))
    assert not wanted <= set(alone.documents)


def test_the_same_settings_give_the_same_panel_and_another_seed_another(
    here: Settings, tmp_path: Path
) -> None:
    first, second = (built(here, table_of(tmp_path)) for _ in range(2))
    assert first == second
    assert list(first.documents) == list(second.documents)
    other = built(here, table_of(tmp_path, seed=14))
    assert set(other.queries) != set(first.queries)


def test_a_small_corpus_is_there_whole(here: Settings, tmp_path: Path) -> None:
    task = built(here, table_of(tmp_path, random_documents=100))
    assert len(task.documents) == 60


def test_it_is_kept_and_made_again_only_for_other_settings_or_another_corpus(
    here: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, table = tmp_path / "panel", table_of(tmp_path)
    first = built(here, table, keep)
    again: list[str] = []
    from pipeline.training.panel import build as panel

    make = panel.panel_slice
    monkeypatch.setattr(panel, "panel_slice", lambda *args: again.append("made") or make(*args))
    assert built(here, table, keep) == first
    assert built(here, table.model_copy(update={"base_shares": (0.5,)}), keep) == first
    assert again == []
    built(here, table.model_copy(update={"queries": 4}), keep)
    assert again == ["made"]
    [file] = keep.glob("*.json")
    file.write_text(file.read_text("utf-8")[:50], encoding="utf-8")
    assert built(here, table, keep) == first
    qrels = tmp_path / "data" / "first" / "qrels" / "dev.tsv"
    qrels.write_text(qrels.read_text("utf-8") + "q02\td050\t1\n", encoding="utf-8")
    built(here, table, keep)
    assert again == ["made"] * 3


def test_a_test_is_never_chosen_on(here: Settings, tmp_path: Path) -> None:
    write_suite(tmp_path / "dev.toml", "first:dev", role="report")
    with pytest.raises(UsageError, match=r"is one to report on: choose on a suite of role \"choose\""):
        built(here, table_of(tmp_path))
    with pytest.raises(UsageError, match="suite medical-local is one to report on"):
        built(here, table_of(tmp_path, suite="medical-local"))
    write_suite(tmp_path / "dev.toml", "first:dev", "medquad:test")
    with pytest.raises(UsageError, match=r"medquad:test is a test that is reported on .*: leave it out"):
        built(here, table_of(tmp_path))
    write_suite(tmp_path / "dev.toml", "mteb:NFCorpus:dev")
    with pytest.raises(UsageError, match="mteb:NFCorpus:dev is a task of the hub"):
        built(here, table_of(tmp_path))


def test_a_copy_of_a_test_under_another_name_is_found(here: Settings, tmp_path: Path) -> None:
    reported = write_corpus(tmp_path / "data", "medquad")
    (reported / "qrels" / "dev.tsv").rename(reported / "qrels" / "test.tsv")
    with pytest.raises(UsageError, match=r"first:dev is a test that is reported on \(medquad:test\)"):
        build_panel(table_of(tmp_path), "topics", here, Heard())


def test_queries_with_no_right_answer_are_left_out(here: Settings, tmp_path: Path) -> None:
    qrels = tmp_path / "data" / "first" / "qrels" / "dev.tsv"
    qrels.write_text("q00\td000\t1\nq01\td001\t0\nlost\td002\t1\n", encoding="utf-8")
    task = built(here, table_of(tmp_path))
    assert list(task.queries) == ["q00"]
