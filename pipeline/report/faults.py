"""What is known to be wrong with a data set: only what applies to it, with its own numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pipeline.mining.judgements import JUDGED
from pipeline.records import QueryKind
from pipeline.report.facts import Facts
from pipeline.report.licences import Freedom, freedom_of

LONG_WORDS = 150
"""About 200 tokens of a medical text, from which on short models stop reading."""

_OPEN_ENDED = ("generate",)
"""More notes can always be asked about."""

_TEMPLATE_SHARE = 0.05
_SINGLE_NEGATIVES = 3

_OF_CORPUS = {
    "bioasq": "The documents of bioasq are the passages that experts marked for these very questions, put "
    "together: finding them is easier than finding an abstract.",
    "mediqa2019_qa": "The answers of mediqa2019_qa were found by a question answering system, and only those "
    "were graded; some are whole web pages.",
    "mediqa2019_rqe": "The positives of mediqa2019_rqe are questions, not answers: a model trained on them "
    "learns that two questions ask the same.",
}


def warnings_of(facts: Facts) -> list[str]:
    """What must be settled before anyone trains on the data or is given it; plain English, one line each."""
    found = []
    for licence, documents in facts.sources.not_free().items():
        unknown = freedom_of(licence) is Freedom.UNKNOWN
        named = f"the licence {licence!r}" if licence else "no known licence"
        does = "find out what they allow" if unknown else "it forbids commercial use or changes"
        found.append(f"{documents:,} documents have {named}: {does}.")
    documents, groups = facts.sources.in_both()
    shared = {"queries": facts.tally.queries_in_both(), "documents": documents, "groups": groups}
    if any(shared.values()):
        counts = ", ".join(f"{count:,} {what}" for what, count in shared.items())
        found.append(f"Train and dev share {counts}: scores on dev will flatter a model trained on train.")
    found += [
        f"The stage {record.stage} of run {run.name} has not come to its end."
        for run in facts.runs
        for record in run.stages
        if not record.finished and record.stage not in _OPEN_ENDED
    ]
    return found


def faults_of(facts: Facts) -> list[str]:
    """Known faults, in plain English, one line each."""
    return [*_of_queries(facts), *_of_texts(facts), *_of_negatives(facts)]


def _of_queries(facts: Facts) -> Iterator[str]:
    tally = facts.tally
    kinds: Counter[QueryKind] = Counter()
    for (_, kind, _), count in tally.kinds.items():
        kinds[kind] += count
    cut = kinds[QueryKind.CROP]
    if cut:
        yield (
            f"{cut:,} of {tally.total:,} queries are words of the very texts that they are to find, put "
            "together by chance: nobody asked them."
        )
    written = tally.total - kinds[QueryKind.JUDGED] - cut
    if written:
        yield (
            f"{written:,} of {tally.total:,} queries were written by a language model, not by people who "
            "looked for something; rules and searches filtered them, nobody read them all."
        )
    for corpus, openings in sorted(tally.openings.items()):
        opening, count = openings.most_common(1)[0]
        share = count / openings.total()
        if share >= _TEMPLATE_SHARE and count > 1:
            five = sum(number for _, number in openings.most_common(5)) / openings.total()
            yield (
                f"Many queries of {corpus} follow templates: {100 * share:.1f} % begin with “{opening}”, and "
                f"the five commonest beginnings make up {100 * five:.1f} %."
            )


def _of_texts(facts: Facts) -> Iterator[str]:
    masked = sum(run.masked() for run in facts.runs)
    if masked:
        yield (
            f"{masked:,} names, dates, numbers and the like were masked before the language model saw the "
            "notes. Diseases and signs named after people can be masked too, and no masking finds everything."
        )
    long = facts.tally.positive_lengths.share_above(LONG_WORDS)
    if long >= 0.01:
        yield (
            f"{100 * long:.1f} % of the positives have more than {LONG_WORDS} words: a model with a shorter "
            "limit reads only their beginning, which may not be what answers the query."
        )
    if facts.tally.ungrouped:
        yield (
            f"For {facts.tally.ungrouped:,} rows no subject (group) is known: two documents on one subject "
            "may stand on both sides of train and dev, or one as the other's negative."
        )
    for corpus in facts.sources.corpora():
        if note := _OF_CORPUS.get(corpus.rpartition("/")[2]):
            yield note


def _of_negatives(facts: Facts) -> Iterator[str]:
    negatives = facts.tally.found_by.total()
    judged = facts.tally.found_by[JUDGED]
    if judged < negatives:
        who = "nobody judged the negatives"
        if judged:
            who = (
                f"people judged {judged:,} of the {negatives:,} negatives, as not relevant; nobody the others"
            )
        yield (
            f"Relevance is incomplete: {who}. What nobody judged passed the guards named above, and some of "
            "it will answer the query all the same."
        )
    few = sum(count for number, count in facts.tally.negatives.items() if number < _SINGLE_NEGATIVES)
    if few:
        yield f"{few:,} rows have fewer than {_SINGLE_NEGATIVES} negatives."
