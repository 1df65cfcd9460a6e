"""Which splits of a judged corpus may be trained on, and which grades count as relevant."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from medsearch.errors import UsageError
from medsearch.types import Qrels
from pipeline.records import Split

_SPLITS = {
    **dict.fromkeys(("train", "training"), Split.TRAIN),
    **dict.fromkeys(("dev", "development", "val", "valid", "validation"), Split.DEV),
}

_LONG_SCALE = 3
"""Where grades reach 3, 1 is "related" and 2 the first that answers (MEDIQA 2019, TREC DL 2019)."""


def training_split(asked: str, corpus: str, known: Collection[str]) -> tuple[str, Split]:
    """The corpus's own name of the split asked for, letter case apart, and what it is for.

    Only the usual names of training and development splits are let through: whatever else a split is
    called, it may be what results are reported on.

    Raises:
        UsageError: it is a test split, one of an unknown name, or one that the corpus does not have.
    """
    wanted = asked.strip().casefold()
    if wanted not in _SPLITS:
        kind = "a test split is" if "test" in wanted else "a split of that name may be"
        raise UsageError(
            f"--split {asked}: {kind} for reporting results only, never for training or tuning on; "
            f"use one of {', '.join(_SPLITS)}"
        )
    names = [asked] if asked in known else sorted(name for name in known if name.casefold() == wanted)
    if not names:
        there_is = f"it has {', '.join(known)}" if known else "it has no judgements (qrels/SPLIT.tsv) at all"
        raise UsageError(f"corpus {corpus} has no split {asked.strip()!r}; {there_is}")
    return names[0], _SPLITS[wanted]


def lowest_relevant(asked: int | None, qrels: Iterable[Qrels]) -> int:
    """The lowest grade that counts as relevant: what is asked for, else 2 where grades reach 3, else 1.

    Raises:
        UsageError: the one asked for is not positive: grade 0 says "judged, and not relevant".
    """
    if asked is not None:
        if asked < 1:
            raise UsageError(f"--min-grade {asked}: must be 1 or more, as grade 0 says 'not relevant'")
        return asked
    grades = (grade for split in qrels for of_query in split.values() for grade in of_query.values())
    return 2 if max(grades, default=0) >= _LONG_SCALE else 1
