"""Cuts a document's sentences into windows: the passages that queries are made about."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from pipeline.cropping.documents import Sentence
from pipeline.recipe import CropTable

Window = tuple[Sentence, ...]


def windows_of(sentences: Sequence[Sentence], table: CropTable, chance: Random) -> list[Window]:
    """At most `table.windows` windows that share no sentence, in the document's order.

    One number of sentences is drawn for the document. A window has fewer where the words would be too many
    or the document ends; one below the least number of sentences is not made.
    """
    least, most = table.sentences
    size = chance.randint(least, most)
    windows = []
    start = 0
    while start < len(sentences):
        end = _end(sentences, start, size, table.max_words)
        if end - start >= least:
            windows.append(tuple(sentences[start:end]))
        start = max(end, start + 1)
    if len(windows) <= table.windows:
        return windows
    return [windows[number] for number in sorted(chance.sample(range(len(windows)), table.windows))]


def _end(sentences: Sequence[Sentence], start: int, size: int, max_words: int) -> int:
    """Where a window from `start` ends: before the sentence that is one too many, or too long for it."""
    words = 0
    for number in range(start, min(start + size, len(sentences))):
        words += len(sentences[number].text.split())
        if words > max_words:
            return number
    return min(start + size, len(sentences))
