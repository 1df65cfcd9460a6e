"""Mining a slice of a real corpus with MiniLM: no judged answer is a negative, a stop changes no byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import Heard
from pool_material import pair, passage, write_run

from medsearch.corpora.catalogue import find_corpus, load_collection
from medsearch.corpora.passages import document_text
from medsearch.corpora.rejects import Rejects
from medsearch.settings import Settings
from pipeline.journal import Journal, read_rows
from pipeline.mine import mine_run
from pipeline.recipe import LlmTable, MineTable, Recipe
from pipeline.records import TripletRow
from pipeline.run_folder import RunFolder

QUERIES = 12
RECIPE = Recipe(description="", llm=LlmTable(model="none"), mine=MineTable(negatives=3, dev_share=0))


def slice_of(real_data: Path, folder: Path) -> tuple[RunFolder, dict[str, set[str]]]:
    """The first questions of mediqa2019_qa's dev split, and their judged answers up to 1,200 characters."""
    collection = load_collection(find_corpus("mediqa2019_qa", (real_data,)), "dev", Rejects())
    asked = [query for query in collection.queries if query.query_id in collection.qrels][:QUERIES]
    judged = {name for query in asked for name in collection.qrels[query.query_id]}
    texts = {d.doc_id: document_text(d) for d in collection.documents if d.doc_id in judged}
    passages = {name: passage(name, text) for name, text in texts.items() if len(text) <= 1200}
    right = {
        query.query_id: {
            n for n, grade in collection.qrels[query.query_id].items() if grade and n in passages
        }
        for query in asked
    }
    pairs = [
        pair(f"{query.query_id}-{name}", query.text, passages[name], query.query_id)
        for query in asked
        for name in sorted(right[query.query_id])
    ]
    return write_run(folder, passages.values(), pairs), right


@pytest.mark.slow
def test_a_real_slice(
    real_data: Path, model_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.mine.UNIT", 8)
    settings = Settings(data=(real_data,), index=tmp_path / "index", cache=model_cache, models=None)
    whole, right = slice_of(real_data, tmp_path / "whole" / "slice")
    counted = mine_run(whole, RECIPE, settings, Heard())
    rows = list(read_rows(whole.triplets, TripletRow))
    assert len(rows) == counted.kept > 20
    for row in rows:
        assert right[row.query_id].isdisjoint(row.negative_ids)
        assert max(row.negative_scores) <= row.positive_score - 0.05 * abs(row.positive_score) + 1e-6
    assert {source for row in rows for source in row.found_by} >= {"dense+bm25"}

    cut, _ = slice_of(real_data, tmp_path / "cut" / "slice")
    commit, commits = Journal.commit, iter((True, True, False))

    def stopped(self: Journal, *unit: object) -> None:
        if not next(commits):
            raise KeyboardInterrupt
        commit(self, *unit)  # type: ignore[arg-type]  # passed on as they came

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "commit", stopped)
        with pytest.raises(KeyboardInterrupt):
            mine_run(cut, RECIPE, settings, Heard())
    mine_run(cut, RECIPE, settings, Heard())
    assert cut.triplets.read_bytes() == whole.triplets.read_bytes()
