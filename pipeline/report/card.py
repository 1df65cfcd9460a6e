"""The data set's card: Markdown with the header that the Hugging Face hub and `datasets` read."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from pipeline.records import Split
from pipeline.report.facts import Facts, RunFacts
from pipeline.report.faults import faults_of, warnings_of
from pipeline.report.lengths import QUARTILES
from pipeline.report.licences import freedom_of, hub_name
from pipeline.report.recipes import OWN_RECIPE
from pipeline.report.rendering import render
from pipeline.report.stages import StageRecord
from pipeline.report.visible import markdown_table

_EXAMPLES = 5
_EXAMPLE_CHARACTERS = 600
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGEST = "1M<n<10M"


def card(facts: Facts) -> str:
    """The card's text; every number in it is counted from the rows, the pools and the journals."""
    from medsearch.evaluation.evaluate import git_revision

    tally, sources = facts.tally, facts.sources
    documents, groups = sources.in_both()
    context = {
        "name": facts.name,
        "languages": list(facts.languages),
        "licences": sorted({hub_name(licence) for licence in sources.licences()}),
        "size": next((name for limit, name in _SIZES if tally.total < limit), _LARGEST),
        "splits": [str(split) for split in Split if tally.rows[split]],
        "rows": [(str(split), tally.rows[split]) for split in Split],
        "total": tally.total,
        "llm_rows": tally.llms.total(),
        "version": version("medsearch"),
        "revision": git_revision(),
        "warnings": warnings_of(facts),
        "faults": faults_of(facts),
        "shared": {"queries": tally.queries_in_both(), "documents": documents, "groups": groups},
        "servers": len(tally.servers),
        "found_by": ", ".join(f"{how} {count:,}" for how, count in tally.found_by.most_common()),
        "runs": [_run(run) for run in facts.runs],
        "sample": facts.sample,
        "seed": facts.seed,
        "examples": list(_examples(facts)),
        "commands": list(_commands(facts)),
        "own_recipe": OWN_RECIPE if any(OWN_RECIPE in run.recipes.values() for run in facts.runs) else "",
        **_tables(facts),
    }
    return render("card.md.j2", context)


def _tables(facts: Facts) -> dict[str, str]:
    tally, sources = facts.tally, facts.sources
    kinds: list[tuple[str | int, ...]] = [
        (corpus, str(kind), str(split), count) for (corpus, kind, split), count in sorted(tally.kinds.items())
    ]
    lengths: list[tuple[str | int, ...]] = [
        (name, lengths.counts.total(), *lengths.quartiles())
        for name, lengths in (
            ("query", tally.query_lengths),
            ("positive", tally.positive_lengths),
            ("negative", tally.negative_lengths),
        )
    ]
    assert len(QUARTILES) == 5
    licences: list[tuple[str | int, ...]] = [
        (
            corpus,
            licence or "not known",
            str(freedom_of(licence)),
            len(documents),
            sources.passages[corpus, licence],
        )
        for (corpus, licence), documents in sorted(sources.documents.items())
    ]
    llms: list[tuple[str | int, ...]] = [
        (model, prompt, number, str(temperature), seed, count)
        for (model, prompt, number, temperature, seed), count in sorted(tally.llms.items())
    ]
    return {
        "kinds": markdown_table(["corpus", "kind", "split", "rows"], kinds),
        "lengths": markdown_table(
            ["", "texts", "least", "lower quartile", "median", "upper quartile", "most"], lengths
        ),
        "negatives": markdown_table(["negatives a row", "rows"], sorted(tally.negatives.items())),
        "licence_table": markdown_table(["corpus", "licence", "", "documents", "passages"], licences),
        "llms": markdown_table(["model", "prompt", "version", "temperature", "seed", "rows"], llms)
        if llms
        else "",
    }


def _run(run: RunFacts) -> dict[str, Any]:
    yields: list[tuple[str | int | float, ...]] = [
        (
            record.stage,
            record.total.taken,
            record.total.kept,
            record.total.dropped.total(),
            record.total.requests,
            record.total.prompt_tokens,
            record.total.completion_tokens,
            float(record.total.seconds),
        )
        for record in run.stages
    ]
    headers = ["stage", "in", "kept", "dropped", "requests", "prompt tokens", "answer tokens", "seconds"]
    return {
        "name": run.name,
        "yields": markdown_table(headers, yields),
        "stages": [_stage(record) for record in run.stages],
    }


def _stage(record: StageRecord) -> dict[str, str]:
    total = record.total
    # Notes in and queries out are not shares of one another.
    of = total.taken if total.kept <= total.taken else 0
    counts = [("in", total.taken, ""), ("kept", total.kept, _share(total.kept, of))]
    counts += [(f"dropped: {why}", n, _share(n, of)) for why, n in total.dropped.most_common()]
    counts += [(what, n, "") for what, n in sorted(total.seen.items())]
    return {
        "stage": record.stage,
        "counts": markdown_table(["", "count", "share of what went in"], counts),
        "told": ", ".join(f"{name} = {value}" for name, value in record.told()) or "nothing",
    }


def _share(count: int, of: int) -> str:
    return f"{100 * count / of:.1f} %" if of else ""


def _examples(facts: Facts) -> Iterator[dict[str, str]]:
    strata: set[tuple[str, str]] = set()
    for sampled in facts.sample:
        if sampled.stratum in strata or len(strata) == _EXAMPLES:
            continue
        strata.add(sampled.stratum)
        row = sampled.row
        yield {
            "kind": str(row.kind),
            "corpus": row.source.corpus,
            "query": _begin(row.query),
            "positive": _begin(row.positive),
            "negative": _begin(row.negatives[0]) if row.negatives else "none",
        }


def _begin(text: str) -> str:
    return text if len(text) <= _EXAMPLE_CHARACTERS else text[:_EXAMPLE_CHARACTERS].rstrip() + " …"


def _commands(facts: Facts) -> Iterator[str]:
    for run in facts.runs:
        corpus = next((name for record in run.stages if (name := record.plan.get("corpus"))), "CORPUS")
        for record in run.stages:
            if record.stage != "prepare":  # a part of the command `generate`
                recipe = run.recipes.get(record.stage)
                told = ["--recipe", recipe] if recipe else []
                yield shlex.join([*_command(run.name, record, str(corpus)), *told])
    names = [part for run in facts.runs for part in ("--run", run.name)]
    into = ["--into", facts.into] if facts.into else []
    yield shlex.join(["python", "-m", "pipeline", "report", *names, *into, "--seed", str(facts.seed)])


def _command(run: str, record: StageRecord, corpus: str) -> list[str]:
    command = ["python", "-m", "pipeline", record.stage]
    if record.stage == "convert":
        command.append(corpus)
        for option in ("split", "min_grade", "licence"):
            if value := record.plan.get(option):
                command += [f"--{option.replace('_', '-')}", str(value)]
    elif record.stage == "crop":
        command += ["--of", ",".join(record.plan.get("of", ()))]
    elif record.stage == "generate":
        command += [corpus, "--notes", str(record.total.seen["notes"])]
    return [*command, "--run", run]
