"""Chooses among the candidates of a training run, on dev tasks alone; stopped, it goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from medsearch.errors import MedsearchError
from medsearch.evaluation.training_facts import CandidateFacts, GuardFacts, SelectionFacts
from medsearch.index.manifest import replace_file
from medsearch.types import ModelSpec
from medsearch.workbench.suites import load_suite
from pipeline.training.choosing.candidates import Candidate, CandidateMaker, candidates_of, open_maker
from pipeline.training.choosing.choice import choose, guard_verdicts, rule_of
from pipeline.training.choosing.tried import TriedCandidate, TriedLedger, recipe_key
from pipeline.training.guard.build import Guard, guard_set
from pipeline.training.job import Trained, TrainingJob
from pipeline.training.panel.scoring import Panel, Scores, score_model

BASE = "base"
RULES = 1
"""Version of how candidates are scored; raised when the same weights and texts give other scores."""

_FOLDER = "candidates"
_WEIGHTS = "weights"


@dataclass(frozen=True, slots=True)
class Selected:
    """The chosen candidate with its weights in `folder`, and what it was chosen by.

    `spec` is the entry by which encoders load that folder.
    """

    candidate: Candidate
    folder: Path
    spec: ModelSpec
    base: ModelSpec
    facts: SelectionFacts
    guard: tuple[GuardFacts, ...]


def select(job: TrainingJob, trained: Trained) -> Selected:
    """Score every candidate and the base on the dev panel and the guard set, and take one by the rule.

    Scores are kept as they are made, in `candidates/` of the run's folder, and made again only for other
    weights, another panel or another guard set. `selection.json` has all of them, and the ledger of all runs
    has each from the moment that it is scored.

    Raises:
        MedsearchError: the panel is empty, or a checkpoint cannot be read.
        ModelUnavailableError: the base's weights are not on this machine.
    """
    if not job.panel:
        raise MedsearchError(f"{job.folder.path} has no dev panel: there is nothing to choose a model on")
    guard = guard_set() if job.recipe.select.guard else Guard((), {})
    chooser = _Chooser(job, open_maker(job), {"dev": job.panel, "guard": guard.tasks})
    base = chooser.scores_of_base()
    scored = {each: chooser.scores(each) for each in candidates_of(job, trained)}
    facts = _facts(job, guard, base, scored)
    taken = next(each for each in scored if each.name == facts.chosen)
    verdicts = guard_verdicts(base, scored[taken]) if guard.tasks else ()
    spec_of_base = chooser.maker.base
    compared = candidates_compared(job, spec_of_base.family or spec_of_base.name)
    _keep(job, facts, verdicts, compared)
    _say(job, facts)
    folder = job.folder.path / _FOLDER / _WEIGHTS
    spec = chooser.maker.write(taken, folder)
    return Selected(taken, folder, spec, spec_of_base, facts, verdicts)


def candidates_compared(job: TrainingJob, family: str) -> int:
    """How many candidates of a family were compared on the recipe's suite: in all runs here, and elsewhere.

    Raises:
        MedsearchError: the ledger is damaged.
    """
    table = job.recipe.select
    return table.tried_before + TriedLedger(job.folder.tried).count(family, load_suite(table.suite).name)


@dataclass(frozen=True, slots=True)
class _Chooser:
    job: TrainingJob
    maker: CandidateMaker
    panels: Mapping[str, Panel]

    def scores_of_base(self) -> Scores:
        """The base's, kept too."""
        spec = self.maker.base
        return self._kept(BASE, f"{spec.source} {spec.revision} {spec.sha256}", lambda: spec)

    def scores(self, candidate: Candidate) -> Scores:
        """A candidate's, from disk where its weights are the same."""

        def written() -> ModelSpec:
            spec = self.maker.write(candidate, self.job.folder.path / _FOLDER / _WEIGHTS)
            return replace(spec, name=candidate.name)

        scores = self._kept(candidate.name, self.maker.key(candidate), written)
        TriedLedger(self.job.folder.tried).add(self._tried(candidate, scores))
        return scores

    def _tried(self, candidate: Candidate, scores: Scores) -> TriedCandidate:
        means = _candidate(candidate.name, candidate.base_share, scores)
        return TriedCandidate(
            model=self.job.recipe.name,
            family=self.maker.base.family or self.maker.base.name,
            recipe=recipe_key(self.job),
            candidate=candidate.name,
            suite=load_suite(self.job.recipe.select.suite).name,
            mean=round(means.dev_mean, 6),
        )

    def _kept(self, name: str, weights: str, spec_of: Callable[[], ModelSpec]) -> Scores:
        file = self.job.folder.path / _FOLDER / f"{name}.json"
        key = sha256(f"{RULES} {weights} {self._texts()}".encode()).hexdigest()
        if (kept := _read(file)) is not None and kept.key == key:
            return kept
        spec = spec_of()
        found = score_model(spec, self.panels, self.job.settings, self.job.progress)
        scores = Scores(key=key, dev=found["dev"], guard=found["guard"], more=self.maker.facts.get(name, {}))
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, scores.model_dump_json().encode() + b"\n")
        return scores

    def _texts(self) -> str:
        """A hash of all that models are scored on."""
        state = sha256()
        for panel in self.panels.values():
            for task in panel:
                parts = [task.name, *map(dict, (task.queries, task.documents, task.qrels))]
                state.update(json.dumps([*parts, task.ignore_identical_ids]).encode())
        return state.hexdigest()


def _facts(
    job: TrainingJob, guard: Guard, base: Scores, scored: Mapping[Candidate, Scores]
) -> SelectionFacts:
    table = job.recipe.select
    candidates = tuple(_candidate(each.name, each.base_share, found) for each, found in scored.items())
    of_base = _candidate(BASE, 1.0, base)
    return SelectionFacts(
        suite=table.suite,
        rule=rule_of(table),
        base=of_base,
        candidates=candidates,
        chosen=choose(of_base, candidates, table).name,
        queries={task.name: len(task.queries) for task in job.panel},
        documents={task.name: len(task.documents) for task in job.panel},
        guard_packages=dict(guard.versions),
    )


def _candidate(name: str, share: float, scores: Scores) -> CandidateFacts:
    return CandidateFacts(
        name=name, base_share=share, dev=scores.dev_means, guard=scores.guard_means, more=scores.more
    )


def _read(file: Path) -> Scores | None:
    """`None` where there are none, or the file is damaged."""
    try:
        return Scores.model_validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _keep(job: TrainingJob, facts: SelectionFacts, guard: tuple[GuardFacts, ...], compared: int) -> None:
    """Write `selection.json`: means and all."""
    record = facts.model_dump(mode="json")
    record |= {
        "candidates_compared": len(facts.candidates),
        "candidates_tried_before": compared - len(facts.candidates),
        "means": {each.name: [each.dev_mean, each.guard_mean] for each in (facts.base, *facts.candidates)},
        "guard_beside_base": [each.model_dump(mode="json") for each in guard],
    }
    replace_file(job.folder.selection, json.dumps(record, indent=1).encode() + b"\n")


def _say(job: TrainingJob, facts: SelectionFacts) -> None:
    taken, base = facts.taken, facts.base
    job.progress.say(
        f"chosen among {len(facts.candidates)}: {taken.name}, mean dev nDCG@10 {100 * taken.dev_mean:.1f} "
        f"(base {100 * base.dev_mean:.1f})"
    )
    if taken.dev_mean <= base.dev_mean:
        job.progress.say("warning: no candidate that the guard allows beats the base on the dev panel")
    if taken.guard_mean is not None and base.guard_mean is not None:
        lost = base.guard_mean - taken.guard_mean
        if lost > job.recipe.select.guard_tolerance:
            job.progress.say(
                f"warning: every candidate loses more than the recipe allows outside medicine; this one "
                f"{100 * lost:.1f} points"
            )
