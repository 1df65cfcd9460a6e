"""The card of one model, filled from its results, provenance, stress card, contamination report and cost.

What was not made or not written down is said to be missing; nothing is filled in for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from medsearch.adapter_source import split_adapter
from medsearch.evaluation.keep import file_name
from medsearch.evaluation.provenance import Provenance, provenance_of
from medsearch.evaluation.results import of_retriever, read_results
from medsearch.evaluation.training_facts import TrainingFacts, training_facts_of
from medsearch.evaluation.verdicts import Outcome
from medsearch.search.names import BM25, RERANK
from medsearch.search.reranking import RERANK_DEPTH
from medsearch.types import ModelSpec
from medsearch.workbench.board.findings import Findings, FindingsRequest, findings_of
from medsearch.workbench.board.leaderboard import USUAL_BASELINE, Row
from medsearch.workbench.cards.header import card_header, named_source
from medsearch.workbench.cards.tables import card_tables
from medsearch.workbench.cards.training_tables import guard_limits, trained_from, training_context
from medsearch.workbench.comparison.sentences import sentence
from medsearch.workbench.comparison.versus import MEAN, Terms
from medsearch.workbench.ledger.facts import ContaminationFacts
from medsearch.workbench.report.rendering import render
from medsearch.workbench.report.reproduction import reproduction_of


@dataclass(frozen=True, slots=True)
class CardRequest:
    """The card of `spec`, from the results in `folder`; `looks` is the ledger's file.

    The results are those of `retriever`, whose main model it is ("": of the model alone).
    """

    spec: ModelSpec
    folder: Path
    registry: Mapping[str, ModelSpec]
    terms: Terms
    looks: Path | None = None
    retriever: str = ""

    @property
    def name(self) -> str:
        """Of the retriever whose results are shown."""
        return self.retriever or self.spec.name


def model_card(request: CardRequest) -> str:
    """The card as Markdown with the hub's header.

    Raises:
        UsageError: the folder has no result of the retriever.
        MedsearchError: a file of the folder, or the provenance, cannot be read.
    """
    spec = request.spec
    provenance, facts = provenance_of(spec), training_facts_of(spec)
    changed = provenance.base if provenance else spec.family
    base = trained_from(facts, changed)
    baseline = _baseline(request, base)
    retrievers = tuple(dict.fromkeys((request.name, baseline)))
    found = findings_of(
        request.folder, FindingsRequest(request.terms, baseline, retrievers, looks=request.looks)
    )
    row = found.board.row(request.name)
    assert row is not None
    reports = tuple(report for report in found.contamination if _is_on(report, request))
    context = {
        "header": card_header(spec, changed, list(row.results.values()), request.registry),
        "spec": spec,
        "retriever": request.name,
        "first": _reranked(request.name),
        "rerank_depth": RERANK_DEPTH,
        "source": named_source(spec.source),
        "is_adapter": split_adapter(spec.source) is not None,
        "base": base,
        "baseline": baseline,
        "provenance": provenance,
        "row": row,
        "board": found.board,
        "findings": found,
        "reports": reports,
        "training": training_rows(provenance),
        "trained": row.background.trained,
        "facts": facts,
        **(training_context(facts, spec) if facts else {}),
        "unjudged": [(task, score.reason) for task, score in row.scores.items() if score.reason],
        "machines": sorted(row.price.machines) if row.price else [],
        "sentences": list(_sentences(found, row)),
        "limits": [*_limits(found, row, provenance), *_of_training(facts, base)],
        "again": reproduction_of(replace(found, contamination=reports)),
        "version": version("medsearch"),
        **card_tables(found, row),
    }
    return render("card.md.j2", context)


def training_rows(provenance: Provenance | None) -> list[list[str]]:
    """Name, file, rows and SHA-256 of everything that it was trained on."""
    data = provenance.data if provenance else ()
    return [[each.name, each.file, f"{each.rows:,}", each.sha256] for each in data]


def _reranked(retriever: str) -> str:
    """What a retriever reranks, by name; "" for one that does not."""
    return retriever.removeprefix(RERANK).partition(":")[2] if retriever.startswith(RERANK) else ""


def _of_training(facts: TrainingFacts | None, base: str) -> list[str]:
    return guard_limits(facts, base) if facts else []


def _is_on(report: ContaminationFacts, request: CardRequest) -> bool:
    """Whether a report is about this model, or the retriever that it is a part of; named as a file is too."""
    names = {request.spec.name, request.name}
    return bool((names | {file_name(name) for name in names}) & set(report.models))


def _baseline(request: CardRequest, base: str) -> str:
    """Whom it is set beside: what it reranks, what it was made from, a usual one, or nobody but itself."""
    results = read_results(request.folder)
    of_retriever(results, request.name)  # says what is there where it is not
    there = {result.retriever for result in results}
    wanted = (_reranked(request.name), base, USUAL_BASELINE, BM25)
    return next((name for name in wanted if name in there and name != request.name), request.name)


def _sentences(found: Findings, row: Row) -> Iterator[str]:
    """What the comparison with the baseline shows: of the mean, then of each task."""
    board = found.board
    scores = {**({MEAN: row.mean} if row.mean and len(board.mean_over) > 1 else {}), **row.scores}
    for what, score in scores.items():
        if score.judged is not None:
            yield sentence(what, board.baseline, row.retriever, score.judged, board.terms.procedure)


def _limits(found: Findings, row: Row, provenance: Provenance | None) -> Iterator[str]:
    """What is known to be weak or not known, from the findings alone."""
    worse = [t for t, s in row.scores.items() if s.judged and s.judged.outcome is Outcome.WORSE]
    if worse:
        yield f"It is worse than {found.board.baseline} on {', '.join(worse)}."
    for mark in row.mean.marks if row.mean else dict.fromkeys(sum(row.background.marks.values(), ())):
        yield f"Its scores carry a mark: {mark}."
    card = found.cards.get(row.retriever)
    if card is not None:
        weak = [name.replace("_", " ") for name, rate in card.categories.items() if rate.low <= 0.5]
        if weak:
            yield f"On the stress card it cannot be told from chance, or is below it, in {', '.join(weak)}."
    if row.background.trained and provenance is None:
        yield "Nobody wrote down what it was trained and chosen on (no provenance.json beside its weights)."
    if row.retriever in found.leaked.unreported:
        yield "Nobody checked whether its training data holds queries or answers of these tasks."
    if row.no_mean:
        yield f"It has no mean: {row.no_mean}."
