"""Shares rows and documents out to train and dev, so that no question, document or subject is in both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from pipeline.mining.questions import components
from pipeline.mining.texts import Shingles, near_duplicates
from pipeline.pool import PoolPassage
from pipeline.recipe import MineTable
from pipeline.records import PairRow, SourceDocument, Split

DocumentKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Material:
    """What is shared out: rows, the question that each asks (a number), the pool, and its shingles.

    `positives` says where in the pool each row's right passage is.
    """

    rows: Sequence[PairRow]
    questions: Sequence[int]
    positives: Sequence[int]
    passages: Sequence[PoolPassage]
    shingles: Sequence[Shingles]


@dataclass(frozen=True, slots=True)
class Sides:
    """The side of every row and passage. A row without one is a train row that would give dev away.

    `largest` is how many rows hang together at most, through what they share.
    """

    of_row: tuple[Split | None, ...]
    of_passage: tuple[Split, ...]
    largest: int


def share_out(material: Material, table: MineTable) -> Sides:
    """The side of each row and passage.

    Documents of one group, or with nearly the same passage, are one subject; rows tie questions to subjects.
    What hangs together goes to one side: that of its rows' own split where they have one, else to dev by
    a hash of its first document. Where splits conflict dev wins, and the train rows concerned get no side.
    """
    subject_of = _subjects(material, table.duplicate_jaccard)
    subjects = max(subject_of.values(), default=-1) + 1
    touched = _touched(material, subject_of, subjects)
    leaking = _train_rows_at_dev(material.rows, touched)
    edges = [(min(each), node) for row, each in enumerate(touched) if row not in leaking for node in each]
    labels = components(subjects + max(material.questions, default=-1) + 1, edges)
    label_of_row = [labels[min(each)] for each in touched]
    side = _by_hash({key: labels[subject] for key, subject in subject_of.items()}, table)
    for wanted in (Split.TRAIN, Split.DEV):  # in this order, for dev to win
        for row, (pair, label) in enumerate(zip(material.rows, label_of_row, strict=True)):
            if pair.split is wanted and row not in leaking:
                side[label] = wanted
    of_row = [
        None if row in leaking or (pair.split is Split.TRAIN and side[label] is Split.DEV) else side[label]
        for row, (pair, label) in enumerate(zip(material.rows, label_of_row, strict=True))
    ]
    of_passage = tuple(side[labels[subject_of[_key(each.source)]]] for each in material.passages)
    return Sides(tuple(of_row), of_passage, max(Counter(label_of_row).values(), default=0))


def _key(source: SourceDocument) -> DocumentKey:
    return source.corpus, source.doc_id


def _subjects(material: Material, threshold: float) -> dict[DocumentKey, int]:
    """Each document's subject, by number."""
    sources = [each.source for each in material.passages] + [row.source for row in material.rows]
    documents: dict[DocumentKey, int] = {}
    groups: dict[str, int] = {}
    edges = []
    for source in sources:
        document = documents.setdefault(_key(source), len(documents))
        if source.group:
            edges.append((groups.setdefault(source.group, document), document))
    numbers = [documents[_key(each.source)] for each in material.passages]
    edges += [(numbers[a], numbers[b]) for a, b in near_duplicates(material.shingles, threshold)]
    labels = components(len(documents), edges)
    return {key: labels[document] for key, document in documents.items()}


def _touched(material: Material, subject_of: dict[DocumentKey, int], subjects: int) -> list[frozenset[int]]:
    """The nodes that each row ties together: its subjects, and its question, numbered after them."""
    return [
        frozenset(
            (
                subject_of[_key(row.source)],
                subject_of[_key(material.passages[positive].source)],
                subjects + question,
            )
        )
        for row, question, positive in zip(material.rows, material.questions, material.positives, strict=True)
    ]


def _train_rows_at_dev(rows: Sequence[PairRow], touched: Sequence[frozenset[int]]) -> set[int]:
    """Rows of the corpus's own train split whose question or subject is also one of its dev split."""
    dev: set[int] = set()
    for row, nodes in zip(rows, touched, strict=True):
        if row.split is Split.DEV:
            dev |= nodes
    return {
        number
        for number, (row, nodes) in enumerate(zip(rows, touched, strict=True))
        if row.split is Split.TRAIN and not dev.isdisjoint(nodes)
    }


def _by_hash(label_of: dict[DocumentKey, int], table: MineTable) -> dict[int, Split]:
    """A side for each component, by a hash of its first document: rows that come later change no other's."""
    first: dict[int, DocumentKey] = {}
    for key, label in label_of.items():
        first[label] = min(key, first.get(label, key))
    sides = {}
    for label, (corpus, doc_id) in first.items():
        hashed = sha256(f"{table.seed}\0{corpus}\0{doc_id}".encode()).digest()
        share = int.from_bytes(hashed[:8]) / 2**64
        sides[label] = Split.DEV if share < table.dev_share else Split.TRAIN
    return sides
