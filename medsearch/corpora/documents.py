"""The documents of any corpus, one at a time."""

from __future__ import annotations

from collections.abc import Iterator

from medsearch.corpora.beir import read_beir_documents
from medsearch.corpora.jats.reader import read_jats
from medsearch.corpora.locations import CorpusFormat, CorpusLocation, document_files
from medsearch.corpora.notes import read_notes
from medsearch.corpora.rejects import Rejects
from medsearch.errors import CorpusError
from medsearch.types import Document


def read_documents(location: CorpusLocation, rejects: Rejects) -> Iterator[Document]:
    """Yield the good documents in the order of the files; bad ones go to `rejects`. Ids are unique.

    Raises:
        CorpusError: the corpus has no documents at all, or the first bad record where `rejects` is strict.
    """
    files = document_files(location)
    if not files:
        raise CorpusError(
            f"{location.name} has no documents: there is no corpus.jsonl[.gz] in {location.path}"
        )
    if location.format is CorpusFormat.BEIR:
        yield from read_beir_documents(files[0], location.name, rejects)
    elif location.format is CorpusFormat.JATS:
        yield from read_jats(location.path, location.name, rejects)
    else:
        yield from read_notes(files, location.name, rejects)
