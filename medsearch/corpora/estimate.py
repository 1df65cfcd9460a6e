"""How many documents a corpus holds, roughly and quickly, so that progress can say how long it will take."""

from __future__ import annotations

from medsearch.corpora.jats.files import is_xml
from medsearch.corpora.lines import read_lines
from medsearch.corpora.locations import CorpusFormat, CorpusLocation, document_files
from medsearch.corpora.rejects import Rejects


def estimate_documents(location: CorpusLocation) -> int | None:
    """Lines of the corpus's files, or articles; `None` for packed articles, which must be read to be counted.

    Bad records and line breaks inside quoted CSV fields count too, so it may be too high.
    """
    files = document_files(location)
    if location.format is CorpusFormat.JATS:
        return len(files) if all(is_xml(file.name) for file in files) else None
    return sum(sum(1 for _ in read_lines(file, Rejects())) for file in files)
