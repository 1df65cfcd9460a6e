"""What a stated licence lets others do, and its identifier in the header of a data set card."""

from __future__ import annotations

import re
from enum import StrEnum

_UNSAID = ("", "unknown", "none", "none stated", "not specified", "unspecified", "n/a")
_RESTRICTED = re.compile(r"(?<![a-z])(?:nc|nd|noncommercial|non-commercial|no ?derivatives?)(?![a-z])")
_SHARE_ALIKE = re.compile(r"(?<![a-z])(?:sa|share-?alike|gpl|odbl)(?![a-z])")
_PERMISSIVE = re.compile(
    r"(?<![a-z])(?:cc ?0|cc[ -]by|public domain|us government work|mit|apache|bsd|odc-by|pddl)(?![a-z])"
)
_HUB_NAMES = re.compile(
    r"apache-2\.0|mit|cc0-1\.0|cc-by-(?:2\.0|2\.5|3\.0|4\.0)|cc-by-sa-(?:3\.0|4\.0)|cc-by-nc-(?:2\.0|3\.0|4\.0)"
    r"|cc-by-nc-sa-4\.0|cc-by-nc-nd-4\.0|cc-by-nd-4\.0|odc-by|pddl|odbl"
)


class Freedom(StrEnum):
    """How freely text under a licence may be used."""

    FREE = "free to use, naming the source where it asks for that"
    SHARE_ALIKE = "what is made from it must carry the same licence"
    RESTRICTED = "NOT FREE: no commercial use, or no changes"
    UNKNOWN = "NOT KNOWN: find out before use"


def freedom_of(licence: str) -> Freedom:
    """What a licence as stated by a source lets others do; whatever is not recognised is not known."""
    stated = " ".join(licence.lower().replace("_", "-").split())
    if stated in _UNSAID:
        return Freedom.UNKNOWN
    if _RESTRICTED.search(stated):
        return Freedom.RESTRICTED
    if _SHARE_ALIKE.search(stated):
        return Freedom.SHARE_ALIKE
    return Freedom.FREE if _PERMISSIVE.search(stated) else Freedom.UNKNOWN


def hub_name(licence: str) -> str:
    """The licence's identifier on the Hugging Face hub: `unknown` if not stated, `other` for the rest."""
    stated = "-".join(licence.lower().split())
    if licence.lower().strip() in _UNSAID:
        return "unknown"
    return stated if _HUB_NAMES.fullmatch(stated) else "other"
