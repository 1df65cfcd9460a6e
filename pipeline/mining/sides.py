"""Shares rows and documents out to train and dev, so that no question, document or subject is in both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from pipeline.mining.joining import Joining, label_array, own_sides
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
    """The side of every row and passage; what has none would give dev away to train, and is not used.

    `largest` is how many rows hang together at most, through what they share; zero where there is nothing
    to divide.
    """

    of_row: tuple[Split | None, ...]
    of_passage: tuple[Split | None, ...]
    largest: int


def share_out(material: Material, table: MineTable) -> Sides:
    """The side of each row and passage.

    Where all rows come with the same split, everything goes there. Else documents of one group are one
    subject, and rows tie questions to subjects; what hangs together so, or through nearly the same texts,
    goes to one side: that of its rows' own split where they have one, else to dev by a hash of its first
    document. Where splits conflict dev wins, and the train rows concerned get no side. Texts never join
    train to dev: a train row gives dev away by its text only where its passage is itself nearly a dev one.
    """
    own_splits = {row.split for row in material.rows}
    if len(own_splits) == 1 and (only := own_splits.pop()):
        return Sides((only,) * len(material.rows), (only,) * len(material.passages), 0)
    subject_of = _subjects(material)
    subjects = max(subject_of.values(), default=-1) + 1
    touched = _touched(material, subject_of, subjects)
    leaking = _train_rows_at_dev(material.rows, touched)
    joining = _joining(material, subject_of, touched, leaking)
    groups = [each.source.group for each in material.passages]
    for a, b in near_duplicates(material.shingles, table.duplicate_jaccard, groups, joining.same):
        joining.join(a, b)
    withheld = joining.withheld()
    label_of = {key: int(joining.labels[subject]) for key, subject in subject_of.items()}
    side = _by_hash(label_of, table) | joining.sides
    label_of_row = [int(joining.labels[min(nodes)]) for nodes in touched]
    of_passage = [side[label_of[_key(each.source)]] for each in material.passages]
    return Sides(
        tuple(
            None
            if row in leaking
            or material.positives[row] in withheld
            or (pair.split is Split.TRAIN and side[label] is Split.DEV)
            else side[label]
            for row, (pair, label) in enumerate(zip(material.rows, label_of_row, strict=True))
        ),
        tuple(None if n in withheld else own for n, own in enumerate(of_passage)),
        max(Counter(label_of_row).values(), default=0),
    )


def _joining(
    material: Material,
    subject_of: dict[DocumentKey, int],
    touched: Sequence[frozenset[int]],
    leaking: set[int],
) -> Joining:
    """What hangs together by subject and question alone."""
    used = [row for row in range(len(touched)) if row not in leaking]
    texts: dict[bytes, int] = {}
    copies = [texts.setdefault(each.tobytes(), len(texts)) for each in material.shingles]
    nodes = 1 + max(max(subject_of.values(), default=0), *(max(each) for each in touched), 0)
    labels = components(nodes, ((min(touched[row]), node) for row in used for node in touched[row]))
    return Joining(
        labels=label_array(labels),
        nodes=label_array([subject_of[_key(each.source)] for each in material.passages]),
        copies=label_array(copies),
        sides=own_sides([(labels[min(touched[row])], material.rows[row].split) for row in used]),
        asked_for=frozenset(copies[material.positives[row]] for row in used),
    )


def _key(source: SourceDocument) -> DocumentKey:
    return source.corpus, source.doc_id


def _subjects(material: Material) -> dict[DocumentKey, int]:
    """Each document's subject, by number: documents of one group are about one."""
    sources = [each.source for each in material.passages] + [row.source for row in material.rows]
    documents: dict[DocumentKey, int] = {}
    groups: dict[str, int] = {}
    edges = []
    for source in sources:
        document = documents.setdefault(_key(source), len(documents))
        if source.group:
            edges.append((groups.setdefault(source.group, document), document))
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
