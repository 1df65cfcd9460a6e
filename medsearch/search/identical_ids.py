"""Whether the queries of a corpus are documents of it, so that each would find itself first."""

from __future__ import annotations

from medsearch.corpora.catalogue import CorpusLocation
from medsearch.corpora.sources import find_sources, load_sources
from medsearch.errors import CorpusError
from medsearch.protocols import Progress
from medsearch.settings import Settings


def ignores_identical_ids(location: CorpusLocation, settings: Settings, progress: Progress) -> bool:
    """Whether `sources.toml` says `ignore_identical_ids` of the public corpus of this name.

    The corpus may lie in a folder, such as `raw/arguana`. Where it is so, `progress` hears why.

    Raises:
        CorpusError: if `sources.toml` is there but cannot be read.
    """
    try:
        file = find_sources(settings.data)
    except CorpusError:  # an installed package has no list of public corpora beside it
        return False
    for source in load_sources(file).values():
        if source.ignore_identical_ids and f"/{location.name}".endswith(f"/{source.name}"):
            progress.say(
                f"{location.name}: a document with its query's own id is passed over, since queries are "
                f"documents here (mteb's class {source.title} has ignore_identical_ids = True)"
            )
            return True
    return False
