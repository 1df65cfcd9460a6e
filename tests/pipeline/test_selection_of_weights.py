"""Choosing weights: every candidate is scored and counted, on dev alone, by the rule, through any kill."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from selection_material import BASE, TinyRun, tiny_guard, tiny_run

from medsearch.encoders.transformer import TransformerEncoder
from medsearch.errors import MedsearchError
from medsearch.evaluation.training_facts import CandidateFacts
from medsearch.evaluation.verdicts import Outcome
from pipeline.training.choosing import select as selecting
from pipeline.training.choosing.candidates import candidates_of
from pipeline.training.choosing.choice import choose, guard_verdicts, rule_of
from pipeline.training.choosing.select import select
from pipeline.training.guard.build import Guard
from pipeline.training.job import Trained
from pipeline.training.panel.build import score_panel
from pipeline.training.panel.scoring import Scores
from pipeline.training.recipe import SelectTable


@pytest.fixture(autouse=True)
def small_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "guard_set", lambda: Guard(tiny_guard(), {"tiny": "1.0"}))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return tiny_run(tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return tiny_run(tmp_path_factory.mktemp("lora"), lora=True)


def facts(name: str, dev: float, guard: float | None = None, share: float = 0.0) -> CandidateFacts:
    outside = {} if guard is None else {"g": guard}
    return CandidateFacts(name=name, base_share=share, dev={"t": dev}, guard=outside)


def test_candidates_are_checkpoints_and_their_mean_with_each_share_of_the_base(run: TinyRun) -> None:
    names = [candidate.name for candidate in candidates_of(run.job, run.trained)]
    assert names == [
        "checkpoint-20", "checkpoint-20-base-0.5", "checkpoint-10", "checkpoint-10-base-0.5",
        "mean-of-2", "mean-of-2-base-0.5",
    ]  # fmt: skip
    table = run.job.recipe.select.model_copy(update={"average": False, "checkpoints": 1})
    job = replace(run.job, recipe=run.job.recipe.model_copy(update={"select": table}))
    assert len(candidates_of(job, run.trained)) == 2
    with pytest.raises(MedsearchError, match="has no whole checkpoint: train first"):
        candidates_of(job, Trained((), 0, {}))


@pytest.mark.parametrize("kind", ["run", "lora"])
def test_what_is_chosen_is_scored_as_it_is_written(kind: str, request: pytest.FixtureRequest) -> None:
    run: TinyRun = request.getfixturevalue(kind)
    selected = select(run.job, run.trained)
    assert len(selected.facts.candidates) == 6
    assert (
        selected.facts.chosen
        == choose(selected.facts.base, selected.facts.candidates, run.job.recipe.select).name
    )
    encoder = TransformerEncoder(selected.spec, cache=run.job.settings.cache)
    again = score_panel(run.job.panel, encoder.encode_queries, encoder.encode_documents)
    assert again == pytest.approx(selected.facts.taken.dev)
    assert selected.spec.query_prompt == "Represent this sentence: "
    assert {each.task for each in selected.guard} == {"tiny trivia"}
    assert not list(selected.folder.rglob("*.pt"))


def test_the_record_has_every_candidate_and_the_rule(run: TinyRun) -> None:
    selected = select(run.job, run.trained)
    record = json.loads(run.job.folder.selection.read_text("utf-8"))
    assert [each["name"] for each in record["candidates"]] == [e.name for e in selected.facts.candidates]
    assert record["candidates_compared"] == 6
    assert record["base"]["dev"].keys() == {"first:dev", "more/second:dev"}
    assert record["base"]["guard"].keys() == {"tiny trivia"}
    assert record["guard_packages"] == {"tiny": "1.0"}
    assert record["rule"] == rule_of(run.job.recipe.select)
    assert record["means"][selected.facts.chosen][0] == pytest.approx(selected.facts.taken.dev_mean)
    assert any(line.startswith("chosen among 6: ") for line in run.heard.lines)


def test_averages_in_the_folder_are_those_of_the_weights(run: TinyRun, tmp_path: Path) -> None:
    from pipeline.training.choosing.candidates import open_maker

    mean = next(each for each in candidates_of(run.job, run.trained) if each.name == "mean-of-2-base-0.5")
    open_maker(run.job).write(mean, tmp_path / "model")
    base, first, second, found = (
        load_file(folder / "model.safetensors")
        for folder in (run.base, *run.trained.checkpoints, tmp_path / "model")
    )
    for name, tensor in found.items():
        wanted = 0.5 * base[name] + 0.25 * first[name] + 0.25 * second[name]
        np.testing.assert_allclose(tensor, wanted, atol=1e-6)


def test_an_adapters_average_says_what_was_cut_off(lora: TinyRun) -> None:
    selected = select(lora.job, lora.trained)
    lost = {each.name: each.more.get("cut_off_by_averaging") for each in selected.facts.candidates}
    assert lost["checkpoint-20"] == 0.0
    assert lost["mean-of-2"] is not None
    assert lost["mean-of-2"] > 0.1


def test_a_kill_loses_no_scored_candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny_run(tmp_path)
    scored: list[str] = []
    whole = selecting.score_model

    def until_killed(spec: object, *rest: object) -> object:
        if len(scored) == 3:
            raise KeyboardInterrupt
        scored.append(spec.name)  # type: ignore[attr-defined]  # a spec
        return whole(spec, *rest)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(selecting, "score_model", until_killed)
    with pytest.raises(KeyboardInterrupt):
        select(run.job, run.trained)
    assert scored == [BASE, "checkpoint-20", "checkpoint-20-base-0.5"]
    before, scored[:] = list(scored), [""] * 10
    first = select(run.job, run.trained)
    assert set(scored[10:]) == {each.name for each in first.facts.candidates} - set(before)
    monkeypatch.setattr(selecting, "score_model", lambda *_: pytest.fail("nothing has changed"))
    assert select(run.job, run.trained).facts == first.facts


def test_other_weights_are_scored_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny_run(tmp_path, checkpoints=1, base_shares=[0.0])
    select(run.job, run.trained)
    [checkpoint] = run.trained.checkpoints
    other = tiny_run(tmp_path / "other", checkpoints=2).trained.checkpoints[-1]
    (checkpoint / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    scored: list[str] = []
    whole = selecting.score_model
    monkeypatch.setattr(
        selecting, "score_model", lambda spec, *rest: scored.append(spec.name) or whole(spec, *rest)
    )
    select(run.job, run.trained)
    assert scored == [checkpoint.name]


def test_without_a_panel_nothing_is_chosen(run: TinyRun) -> None:
    with pytest.raises(MedsearchError, match="has no dev panel: there is nothing to choose a model on"):
        select(replace(run.job, panel=()), run.trained)


def test_the_rule_takes_the_best_that_the_guard_allows() -> None:
    table, base = SelectTable(guard_tolerance=0.01), facts("base", 0.5, 0.7, 1.0)
    bold, shy = facts("bold", 0.60, 0.65), facts("shy", 0.55, 0.695, 0.5)
    assert choose(base, [bold, shy], table) == shy
    assert choose(base, [bold, shy], SelectTable(guard_tolerance=0.06)) == bold
    exactly = facts("exactly", 0.7, 0.69)
    assert choose(base, [bold, exactly], table) == exactly
    assert choose(base, [bold, facts("worse", 0.9, 0.6)], table) == bold
    without = [facts("a", 0.60), facts("b", 0.61)]
    assert choose(facts("base", 0.5), without, SelectTable(guard=False)) == without[1]


def test_of_equal_candidates_the_one_with_more_of_the_base_is_taken() -> None:
    equal = [facts("a", 0.6, 0.7, 0.0), facts("b", 0.6 + 1e-12, 0.7, 0.25), facts("c", 0.59, 0.7, 0.5)]
    assert choose(facts("base", 0.5, 0.7), equal, SelectTable()).name == "b"


def test_the_rule_in_words_says_what_is_tolerated() -> None:
    assert "lose no more than 0.01 of mean nDCG@10 on the guard set" in rule_of(SelectTable())
    assert "guard" not in rule_of(SelectTable(guard=False))


def test_guard_verdicts_are_paired_and_corrected() -> None:
    """One task worse on every query, one the same: by hand, the sign test's 2 / 2**12, times three."""
    queries = [f"q{n}" for n in range(12)]
    base = Scores(key="", dev={}, guard={"a": dict.fromkeys(queries, 0.8), "b": dict.fromkeys(queries, 0.5)})
    worse = {query: 0.6 + n / 1000 for n, query in enumerate(queries)}
    tuned = Scores(key="", dev={}, guard={"a": worse, "b": dict.fromkeys(queries, 0.5)})
    found = {each.task: each for each in guard_verdicts(base, tuned)}
    assert {task: each.outcome for task, each in found.items()} == {
        "a": Outcome.WORSE, "b": Outcome.NOT_DISTINGUISHABLE, "mean": Outcome.WORSE,
    }  # fmt: skip
    assert found["a"].p_holm == pytest.approx(3 * 2 / 2**12)
    assert (found["a"].base, found["b"].tuned, found["mean"].queries) == (pytest.approx(0.8), 0.5, 24)
