"""Where a run, judgements and a corpus do not speak of the same queries and documents."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from medsearch.errors import MedsearchError
from medsearch.evaluation.measures import judged_queries
from medsearch.types import Qrels, Run

_EXAMPLES = 3


def check_shared_queries(run: Run, qrels: Qrels, where: str) -> None:
    """Make sure that at least one query of the run can be scored.

    Raises:
        MedsearchError: if none has a relevant document in the judgements; `where` names the run.
    """
    judged = judged_queries(qrels)
    if judged and not set(judged) & set(run):
        raise MedsearchError(
            f"{where}: none of its queries ({_some(run)}) has a relevant document in the judgements, "
            f"whose queries are {_some(judged)}: is it a run of another corpus or split?"
        )


def query_mismatches(run: Run, qrels: Qrels) -> list[str]:
    """A line each for the run's queries that have no judgement, and the scored ones that the run lacks."""
    judged = judged_queries(qrels)
    unjudged = [query_id for query_id in run if query_id not in qrels]
    absent = [query_id for query_id in judged if query_id not in run]
    lines = []
    if unjudged:
        lines.append(f"queries of the run without a judgement, left out: {_some(unjudged)}")
    if absent:
        lines.append(f"judged queries that the run lacks, each scored 0: {_some(absent)}")
    return lines


def unknown_documents(rows: Run | Qrels, known: Collection[str], what: str) -> list[str]:
    """At most one line: how many documents of these rows ("the run", "the judgements") the corpus lacks."""
    unknown = sorted({doc_id for documents in rows.values() for doc_id in documents if doc_id not in known})
    return [f"documents of {what} that are not in the corpus: {_some(unknown)}"] if unknown else []


def _some(ids: Iterable[str]) -> str:
    names = list(ids)
    return f"{len(names):,} ({', '.join(names[:_EXAMPLES])}{', …' if len(names) > _EXAMPLES else ''})"
