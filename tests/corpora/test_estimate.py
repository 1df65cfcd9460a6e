"""Estimates are near enough for a progress bar, on real corpora of each format."""

from __future__ import annotations

from pathlib import Path

import pytest

from medsearch.corpora.catalogue import find_corpus
from medsearch.corpora.estimate import estimate_documents


@pytest.mark.parametrize(
    ("corpus", "documents"),
    [("cystic_fibrosis", 1239), ("pmc_jats", 200), ("clinical_notes/mtsamples", 909), ("covid_faq/en", 303)],
)
def test_real_corpora(corpus: str, documents: int, real_data: Path) -> None:
    assert estimate_documents(find_corpus(corpus, [real_data])) == documents
