"""`medsearch disagreements`: where two retrievers rank differently, query by query, and what moved."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medsearch.cli.terminal import TerminalProgress, clean, positive_int, show_json, show_table
from medsearch.evaluation.query_traits import RARE_SHARE
from medsearch.evaluation.rank_overlap import PERSISTENCE
from medsearch.evaluation.results import PRIMARY, read_results
from medsearch.evaluation.stress import summary
from medsearch.evaluation.stress_cards import read_cards
from medsearch.settings import Settings
from medsearch.types import Document
from medsearch.workbench.disagreement import (
    Disagreement,
    Disagreements,
    Moved,
    QueryGroup,
    Split,
    disagreements,
)
from medsearch.workbench.result_pairs import collection_of, find_pair

RULE = (
    f"RBO: rank-biased overlap (extrapolated, p = {PERSISTENCE}), 1 for the same ranking, 0 where nothing is "
    "shared. Queries of rarer words: their words, function words aside, are in fewer documents than those of "
    "the middle query (mean inverse document frequency, above its median). Under a query, rare is a word "
    f"that at most {100 * RARE_SHARE:g} % of the documents have, or one of them. Groups are for looking at, "
    "not for verdicts: their intervals (95 %, bootstrap) are corrected for nothing."
)
_WIDTH = 100
_TEXT = 300
_WORDS = 8

Documents = dict[str, Document]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `disagreements`."""
    parser.epilog = RULE
    parser.add_argument("results", type=Path, metavar="DIR", help="what `medsearch evaluate --out DIR` kept")
    parser.add_argument("--a", required=True, metavar="X", help="one retriever, such as bm25")
    parser.add_argument("--b", required=True, metavar="Y", help="the other")
    parser.add_argument("--task", metavar="CORPUS:SPLIT", help="which task, where they share several")
    parser.add_argument("--first", type=positive_int(), default=20, help="how many queries (default: 20)")
    parser.add_argument("--by", choices=[str(split) for split in Split], help="list queries group by group")
    parser.add_argument("--texts", action="store_true", help="show the text of what moved, too")


def run(arguments: argparse.Namespace) -> int:
    """Compare the two runs and print."""
    pair = find_pair(read_results(arguments.results), arguments.a, arguments.b, arguments.task)
    collection = collection_of(pair, Settings.from_environment(), TerminalProgress())
    found = disagreements(*pair, collection)
    stress = _stress_of(found, arguments.results)
    documents = {document.doc_id: document for document in collection.documents} if arguments.texts else {}
    splits = [Split(arguments.by)] if arguments.by else list(Split)
    if arguments.json:
        show_json({**_record(found, splits, arguments.first, documents), "stress": stress})
        return 0
    _print_groups(found, splits, stress)
    if arguments.by is None:
        _print_queries(found, found.queries[: arguments.first], documents)
        return 0
    for name, queries in found.grouped(splits[0]).items():
        print(f"\n=== {clean(name)}: {_counted(len(queries))}")
        _print_queries(found, queries[: arguments.first], documents)
    return 0


def _stress_of(found: Disagreements, folder: Path) -> dict[str, str]:
    """Retriever -> its pass rate on the stress pairs, of those that have a card in the folder."""
    cards = read_cards(folder)
    return {name: summary(cards[name]) for name in (found.a, found.b) if name in cards}


def _record(
    found: Disagreements, splits: Sequence[Split], first: int, documents: Documents
) -> dict[str, Any]:
    return {
        "task": found.task,
        "a": found.a,
        "b": found.b,
        "marks": {name: list(marks) for name, marks in found.marks.items()},
        "measure": PRIMARY,
        "rule": RULE,
        "queries": len(found.queries),
        "groups": {str(split): [asdict(group) for group in found.groups(split)] for split in splits},
        "disagreements": [_query_record(one, documents) for one in found.queries[:first]],
    }


def _query_record(one: Disagreement, documents: Documents) -> dict[str, Any]:
    return {
        "query_id": one.query.query_id,
        "query": one.query.text,
        "rbo": one.rbo,
        "a": one.a,
        "b": one.b,
        "difference": one.difference,
        **asdict(one.traits),
        "length": one.traits.length,
        "moved": [_moved_record(moved, documents) for moved in one.moved],
    }


def _moved_record(moved: Moved, documents: Documents) -> dict[str, Any]:
    document = documents.get(moved.doc_id)
    shown = {} if document is None else {"title": document.title, "text": document.text}
    return {**asdict(moved), **shown}


def _print_groups(found: Disagreements, splits: Sequence[Split], stress: dict[str, str]) -> None:
    a, b = (_named(found, name, stress) for name in (found.a, found.b))
    print(f"{clean(found.task)}, {_counted(len(found.queries))}: {a} beside")
    print(f"{b}; {PRIMARY} times 100\n")
    rows = [_group_row(group) for split in splits for group in found.groups(split)]
    headers = ["split", "queries that are", "count", "RBO", found.a, found.b, "difference", "interval"]
    show_table(rows, [clean(header) for header in headers])
    print(f"\n{textwrap.fill(RULE, _WIDTH)}")
    print(
        f"\nUnder each query: what moved, from its rank with {clean(found.a)} to that with {clean(found.b)}"
    )


def _named(found: Disagreements, retriever: str, stress: dict[str, str]) -> str:
    """The name with what has to be said beside it: its marks, and how it does on the stress pairs."""
    marks = found.marks.get(retriever, ())
    marked = f"{retriever} [{', '.join(marks)}]" if marks else retriever
    return clean(f"{marked} ({stress[retriever]})" if retriever in stress else marked)


def _counted(queries: int) -> str:
    return "1 query" if queries == 1 else f"{queries:,} queries"


def _group_row(group: QueryGroup) -> list[str]:
    interval = "" if group.ci is None else f"{100 * group.ci[0]:+.1f} to {100 * group.ci[1]:+.1f}"
    scores = [f"{100 * group.a:.1f}", f"{100 * group.b:.1f}", f"{100 * group.difference:+.1f}"]
    return [str(group.split), group.name, f"{group.queries:,}", f"{group.rbo:.2f}", *scores, interval]


def _print_queries(found: Disagreements, queries: Sequence[Disagreement], documents: Documents) -> None:
    for number, one in enumerate(queries, start=1):
        scores = f"{clean(found.a)} {100 * one.a:.1f}, {clean(found.b)} {100 * one.b:.1f}"
        print(f"\n{number:>3}. {clean(one.query.query_id)}   RBO {one.rbo:.3f}   {scores}")
        print(textwrap.indent(textwrap.fill(clean(one.query.text), _WIDTH), "     "))
        print(f"     {_traits(one)}")
        for moved in one.moved:
            grade = "not judged" if moved.grade is None else f"grade {moved.grade}"
            print(
                f"     {_rank(moved.rank_a):>5} to {_rank(moved.rank_b):<5} {clean(moved.doc_id)} ({grade})"
            )
            if (document := documents.get(moved.doc_id)) is not None:
                text = textwrap.shorten(f"{document.title} {document.text}", _TEXT, placeholder=" …")
                print(textwrap.indent(textwrap.fill(clean(text), _WIDTH), " " * 20))


def _traits(one: Disagreement) -> str:
    traits = one.traits
    facts = [traits.kind, "1 word" if traits.words == 1 else f"{traits.words} words"]
    unshown = f" and {len(traits.rare) - _WORDS} more" if len(traits.rare) > _WORDS else ""
    facts += [f"rare: {', '.join(traits.rare[:_WORDS])}{unshown}"] if traits.rare else []
    facts += [f"negation: {', '.join(traits.negation)}"] if traits.negation else []
    return clean(" · ".join(facts))


def _rank(rank: int | None) -> str:
    return "none" if rank is None else str(rank)
