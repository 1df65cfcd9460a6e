"""Cuts documents into passages of a set token length that never cut a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from medsearch.corpora.sentences import language_of, sentence_spans
from medsearch.errors import UsageError
from medsearch.types import WHOLE_DOCUMENTS, Document, Passage, PassageSettings, Section

TokenCounter = Callable[[Sequence[str]], list[int]]
"""Token counts of texts, special tokens not counted."""

Span = tuple[int, int]

CUTTING = 1
"""Version of the rules that documents are cut by, sentences included; raised when a boundary moves."""


def check_settings(settings: PassageSettings) -> None:
    """Refuse settings that cannot be met.

    Raises:
        UsageError: if the overlap is not smaller than the passage length, or a length is not positive.
    """
    impossible = settings.max_tokens < 1 or not 0 <= settings.overlap_tokens < settings.max_tokens
    if settings != WHOLE_DOCUMENTS and impossible:
        raise UsageError(
            f"passages of {settings.max_tokens} tokens with an overlap of {settings.overlap_tokens}: "
            "the length must be positive and the overlap smaller than it"
        )


def split_documents(
    documents: Iterable[Document], settings: PassageSettings, count_tokens: TokenCounter
) -> Iterator[Passage]:
    """The passages of each document, in order, numbered from 0 within a document.

    Raises:
        UsageError: if the settings cannot be met.
    """
    check_settings(settings)
    for document in documents:
        yield from split_document(document, settings, count_tokens)


def split_document(
    document: Document, settings: PassageSettings, count_tokens: TokenCounter
) -> list[Passage]:
    """Pack whole sentences of one section into passages of at most `settings.max_tokens`.

    A sentence longer than that stands alone and whole. A document with a title only is one empty passage,
    so that it can still be found by its title.
    """
    spans: list[tuple[str, Span]] = []
    for section in _covering_sections(document) if settings.max_tokens else ():
        sentences = [
            (section.start + start, section.start + end)
            for start, end in sentence_spans(
                document.text[section.start : section.end], language_of(document.metadata)
            )
        ]
        counts = count_tokens([document.text[start:end] for start, end in sentences]) if sentences else []
        spans.extend((section.heading, span) for span in _pack(sentences, counts, settings))
    if not spans:
        spans = [("", (0, len(document.text) if not settings.max_tokens else 0))]
    return [
        Passage(
            doc_id=document.doc_id,
            number=number,
            title=document.title,
            text=document.text[start:end],
            section=heading,
            start=start,
            end=end,
            metadata=document.metadata,
        )
        for number, (heading, (start, end)) in enumerate(spans)
    ]


def passage_text(passage: Passage) -> str:
    """What is encoded for a passage: its document's title, then its text."""
    return f"{passage.title} {passage.text}".strip()


def document_text(document: Document) -> str:
    """What is encoded for a whole document, as mteb does it: title, a space, text."""
    return f"{document.title} {document.text}".strip()


def _pack(sentences: Sequence[Span], counts: Sequence[int], settings: PassageSettings) -> Iterator[Span]:
    first = 0
    while first < len(sentences):
        last, total = first, counts[first]
        while last + 1 < len(sentences) and total + counts[last + 1] <= settings.max_tokens:
            last += 1
            total += counts[last]
        yield sentences[first][0], sentences[last][1]
        if last + 1 == len(sentences):
            return
        first = _next_first(counts, first, last, settings)


def _next_first(counts: Sequence[int], first: int, last: int, settings: PassageSettings) -> int:
    """Where the next passage begins: back over the overlap, but so that its new sentence still fits."""
    room = min(settings.overlap_tokens, settings.max_tokens - counts[last + 1])
    start = last + 1
    while start - 1 > first and counts[start - 1] <= room:
        start -= 1
        room -= counts[start]
    return start


def _covering_sections(document: Document) -> Iterator[Section]:
    """The document's sections with the text that none covers, so that nothing is left out."""
    at = 0
    for section in document.sections:
        if section.start > at:
            yield Section("", at, section.start)
        yield section
        at = section.end
    if at < len(document.text):
        yield Section("", at, len(document.text))
