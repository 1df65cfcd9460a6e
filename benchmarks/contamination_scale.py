"""`medsearch contamination` over a million training texts: time, peak memory, and planted leaks found.

    python -m benchmarks.contamination_scale [--suite medical-local] [--texts 1000000]

The training texts are made by a Markov chain over the words of the suite's own documents: every pair of
neighbouring words is one that the benchmark has, far more than in real training texts, but runs of eight
hardly ever are. Every `PLANT_EVERY`th row is a leak: a relevant document as one of `PLANTS`. How many are
found of short texts is measured beside it: queries and relevant documents of the suite by their length in
words, each made a leak in every way of `WAYS`. The peer is what most pipelines use, a plain
`datasketch.MinHashLSH` of runs of three words, measured in the same run on the same benchmark with a slice of
the same training texts. Each part is a process of its own: a small one starts them all, since a child's peak
memory counts from its parent's.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.record import keep
from medsearch.corpora.catalogue import find_corpus, read_documents, read_queries
from medsearch.corpora.collection import read_judgements
from medsearch.corpora.passages import document_text
from medsearch.corpora.rejects import Rejects
from medsearch.evaluation.overlap.normalise import normalised_words
from medsearch.settings import Settings
from medsearch.workbench.suites import load_suite

QUERY_WORDS, PASSAGE_WORDS, TEXTS_A_ROW = 12, 120, 4
PLANT_EVERY = 500
BLOCK = 5_000
LEAST_PLANT_WORDS = 40
PEER_TEXTS = 8_000
LENGTHS = {"4 to 7 words": (4, 7), "8 to 11 words": (8, 11), "40 words and more": (40, 10**9)}
TEXTS_OF_A_LENGTH = 100
SMALL, FULL, RECALL = "small.jsonl", "full.jsonl", "recall.jsonl"


def _middle(text: str, word: str) -> str:
    words = text.split()
    return " ".join([*words[: len(words) // 2], *word.split(), *words[len(words) // 2 + 1 :]])


WAYS: dict[str, Callable[[str], str]] = {
    "exact": str,
    "capitals": str.upper,
    "soft hyphens": lambda text: re.sub(r"(\w{3})(?=\w)", "\\1\u00ad", text),
    "entities and tags": lambda text: "<p>" + html.escape(text).replace(" ", "&nbsp;<br/>") + "</p>",
    "prompt before it": lambda text: f"Represent this sentence for searching relevant passages: {text}",
    "in a chat": lambda text: f"<s>[INST] {text} [/INST]</s>",
    "inside a longer text": lambda text: f"I have been wondering for weeks. {text} Nobody could tell me.",
    "one word swapped": lambda text: _middle(text, "otherwise"),
    "one word dropped": lambda text: _middle(text, ""),
    "last word dropped": lambda text: text.rpartition(" ")[0],
    "cut in half": lambda text: " ".join(text.split()[: len(text.split()) // 2]),
}
PLANTS = ("exact", "capitals", "one word swapped", "cut in half", "soft hyphens", "entities and tags")


def documents_of(suite: str) -> tuple[list[str], list[str]]:
    """The texts of the suite's documents, and of those among them that are long and relevant to a query."""
    settings, nothing = Settings.from_environment(), Rejects()
    everything, answers = [], []
    for task in load_suite(suite).tasks:
        location = find_corpus(task.corpus, settings.data)
        judgements = read_judgements(location, task.split, nothing).values()
        relevant = {name for grades in judgements for name, grade in grades.items() if grade > 0}
        for document in read_documents(location, nothing):
            everything.append(document_text(document))
            if document.doc_id in relevant and len(normalised_words(document.text)) >= LEAST_PLANT_WORDS:
                answers.append(everything[-1])
    return everything, answers


def queries_of(suite: str) -> list[str]:
    """The texts of the suite's judged queries."""
    settings, nothing, found = Settings.from_environment(), Rejects(), []
    for task in load_suite(suite).tasks:
        location = find_corpus(task.corpus, settings.data)
        judged = read_judgements(location, task.split, nothing)
        found += [query.text for query in read_queries(location, nothing) if query.query_id in judged]
    return found


def by_length(texts: Sequence[str]) -> dict[str, list[str]]:
    """Some texts of each of `LENGTHS`, drawn from all."""
    drawn = list(dict.fromkeys(texts))
    random.Random(0).shuffle(drawn)
    sized = [(len(normalised_words(text)), text) for text in drawn]
    return {
        name: [text for size, text in sized if least <= size <= most][:TEXTS_OF_A_LENGTH]
        for name, (least, most) in LENGTHS.items()
    }


class Babble:
    """Texts of which every two neighbouring words are neighbours in the documents too."""

    def __init__(self, documents: Sequence[str]) -> None:
        words = [word for text in documents for word in normalised_words(text)]
        self._vocabulary, numbers = np.unique(words, return_inverse=True)
        order = np.argsort(numbers[:-1], kind="stable")
        self._next = numbers[1:][order]
        self._starts = np.searchsorted(numbers[:-1][order], np.arange(len(self._vocabulary) + 1))
        self._random = np.random.default_rng(0)

    def texts(self, count: int, length: int) -> list[str]:
        """So many texts of so many words."""
        words = np.empty((length, count), dtype=np.int64)
        words[0] = self._next[self._random.integers(0, len(self._next), count)]
        for place in range(1, length):
            first, last = self._starts[words[place - 1]], self._starts[words[place - 1] + 1]
            choice = first + (self._random.random(count) * np.maximum(last - first, 1)).astype(np.int64)
            words[place] = self._next[np.minimum(choice, len(self._next) - 1)]
        return [" ".join(row) for row in self._vocabulary[words.T].tolist()]


def planted(text: str, number: int) -> str:
    """A document made a leak, one of `PLANTS` in turn."""
    return WAYS[PLANTS[number % len(PLANTS)]](text)


def rows(babble: Babble, answers: Sequence[str], texts: int) -> Iterator[dict[str, Any]]:
    """Training rows of a query, a positive and two negatives, with leaks among the positives."""
    for start in range(0, texts // TEXTS_A_ROW, BLOCK):
        count = min(BLOCK, texts // TEXTS_A_ROW - start)
        queries = babble.texts(count, QUERY_WORDS)
        passages = babble.texts(3 * count, PASSAGE_WORDS)
        for place in range(count):
            row = start + place
            plant = row // PLANT_EVERY
            leak = row % PLANT_EVERY == 0
            positive = planted(answers[plant * 7919 % len(answers)], plant) if leak else passages[3 * place]
            negatives = passages[3 * place + 1 : 3 * place + 3]
            yield {"query": queries[place], "positive": positive, "negatives": negatives}


def make(folder: Path, suite: str, texts: int) -> dict[str, Any]:
    """Write two training files, of so many texts and of the first tenth of them, and one of leaks alone."""
    documents, answers = documents_of(suite)
    lengths = by_length([*queries_of(suite), *answers])
    with (folder / RECALL).open("w") as stream:
        for name, way in product(lengths, WAYS):
            for text in lengths[name]:
                stream.write(json.dumps({"length": name, "way": way, "query": WAYS[way](text)}) + "\n")
    made = rows(Babble(documents), answers, texts)
    with (folder / SMALL).open("w") as small, (folder / FULL).open("w") as full:
        for number, row in enumerate(made):
            line = json.dumps(row) + "\n"
            full.write(line)
            if number < texts // 10 // TEXTS_A_ROW:
                small.write(line)
    return {"documents": len(documents)}


def run(arguments: Sequence[str]) -> tuple[dict[str, Any], float, float]:
    """Run `python -m ARGUMENTS`; its JSON, the seconds, and its peak memory in MiB."""
    started = perf_counter()
    with subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return json.loads(output), perf_counter() - started, usage.ru_maxrss / 1024


def measure(file: Path, suite: str, texts: int) -> dict[str, Any]:
    """The command over the file, and how many of the planted rows it names."""
    options = ["contamination", "--train", str(file), "--suite", suite, "--json"]
    record, seconds, peak = run(["medsearch.cli.main", *options])
    named = {int(pair["train"].rpartition(":")[2]) for pair in record["pairs"]}
    plants = range(1, texts // TEXTS_A_ROW + 1, PLANT_EVERY)
    return {
        "texts": texts,
        "seconds": round(seconds, 1),
        "peak_mib": round(peak),
        "file_mib": round(file.stat().st_size / 2**20),
        "planted": len(plants),
        "planted_found": sum(row in named for row in plants),
        "rows_found_that_were_not_planted": len(named - set(plants)),
    }


def recall(file: Path, suite: str) -> dict[str, dict[str, float]]:
    """Of the leaks of each length and way the share that the command finds."""
    made = [json.loads(line) for line in file.open(encoding="utf-8")]
    options = ["contamination", "--train", str(file), "--fields", "query", "--suite", suite, "--json"]
    record, _, _ = run(["medsearch.cli.main", *options])
    assert not record["pairs_not_listed"]
    named = {int(pair["train"].rpartition(":")[2]) for pair in record["pairs"]}
    tried = Counter((row["length"], row["way"]) for row in made)
    found = Counter((made[number - 1]["length"], made[number - 1]["way"]) for number in named)
    return {
        length: {way: round(found[length, way] / tried[length, way], 3) for way in WAYS if tried[length, way]}
        for length in LENGTHS
    }


def peer(file: Path, suite: str) -> dict[str, Any]:
    """A plain MinHashLSH over the benchmark's documents, asked for the first texts of the file."""
    from datasketch import MinHash, MinHashLSH

    def sketch(text: str) -> MinHash:
        words = normalised_words(text)
        runs = {" ".join(words[place : place + 3]).encode() for place in range(max(1, len(words) - 2))}
        made = MinHash(num_perm=128)
        made.update_batch(runs)
        return made

    started = perf_counter()
    index = MinHashLSH(threshold=0.5, num_perm=128)
    for number, text in enumerate(documents_of(suite)[0]):
        index.insert(number, sketch(text))
    built = perf_counter() - started
    started = perf_counter()
    asked = 0
    with file.open(encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            for text in (row["query"], row["positive"], *row["negatives"]):
                index.query(sketch(text))
                asked += 1
            if asked >= PEER_TEXTS:
                break
    seconds = perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"index_seconds": built, "texts": asked, "texts_a_second": asked / seconds, "peak_mib": peak}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both, keep and print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contamination_scale")
    parser.add_argument("--suite", default="medical-local")
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.peer or options.make:
        done = peer(options.peer, options.suite) if options.peer else None
        print(json.dumps(done or make(options.make, options.suite, options.texts)))
        return
    this = ["benchmarks.contamination_scale", "--suite", options.suite, "--texts", str(options.texts)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made, _, _ = run([*this, "--make", name])
        small = measure(folder / SMALL, options.suite, options.texts // 10)
        full = measure(folder / FULL, options.suite, options.texts)
        of_leaks = recall(folder / RECALL, options.suite)
        plain, _, _ = run([*this, "--peer", str(folder / SMALL)])
    each = (full["seconds"] - small["seconds"]) / (full["texts"] - small["texts"])
    keep(
        "contamination_scale",
        {
            "what": "medsearch contamination over made-up training texts with planted leaks",
            "suite": options.suite,
            "benchmark_documents": made["documents"],
            "small": small,
            "full": full,
            "share_found_by_length_and_way": of_leaks,
            "texts_a_second": round(1 / each),
            "memory_of_ten_times_the_texts": round(full["peak_mib"] / small["peak_mib"], 3),
            "peer": {name: round(value, 1) for name, value in plain.items()},
            "times_the_peers_speed": round(1 / each / plain["texts_a_second"], 1),
            "share_of_the_peers_memory": round(full["peak_mib"] / plain["peak_mib"], 2),
        },
    )


if __name__ == "__main__":
    main()
