"""Given and family names from Faker's lists, and the words that look like names and are none."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files

_COMMON = "en_US en_GB"
_LOCALES = (
    f"{_COMMON} en en_IE en_IN en_PK en_KE en_NG en_NZ "
    "es_ES es_MX fr_FR de_DE it_IT pl_PL nl_NL sv_SE tr_TR pt_BR"
)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Lower-case words. `given` and `family` are names, without those in `ordinary`: words too.

    `common` are given names so usual that they are names wherever they stand; `surnames` and `forenames` are
    all the names listed.
    """

    given: frozenset[str]
    common: frozenset[str]
    surnames: frozenset[str]
    forenames: frozenset[str]
    family: frozenset[str]
    ordinary: frozenset[str]
    stop: frozenset[str]
    eponyms: frozenset[str]
    heads: frozenset[str]
    phrases: frozenset[str]

    def is_name(self, word: str) -> bool:
        """Whether a word is a name and nothing else that a note would say."""
        low = bare(word)
        return (low in self.given or low in self.family) and low not in self.eponyms

    def is_given(self, word: str) -> bool:
        """Whether a word is a given name and nothing else that a note would say."""
        return bare(word) in self.given and bare(word) not in self.eponyms


def bare(word: str) -> str:
    """A word in lower case, without a possessive ending or a full stop."""
    low = word.lower().replace("\u2019", "'").rstrip(".")
    return low.removesuffix("'s")


def load_lexicon() -> Lexicon:
    """The names and words, read from `words.toml` and from the installed Faker (takes about 0.1 s)."""
    table = tomllib.loads(files("pipeline.masking").joinpath("words.toml").read_text(encoding="utf-8"))
    lists = {key: frozenset(table[key].split()) for key in ("ordinary", "stop", "eponyms", "heads")}
    unlike = lists["ordinary"] | lists["stop"]
    forenames = _faker_names("first_name", _LOCALES)
    surnames = _faker_names("last_name", _LOCALES)
    return Lexicon(
        given=forenames - unlike,
        common=_faker_names("first_name", _COMMON) - unlike - lists["eponyms"],
        family=surnames - unlike,
        surnames=surnames,
        forenames=forenames,
        phrases=frozenset(phrase.lower() for phrase in table["phrases"]),
        **lists,
    )


def _faker_names(part: str, locales: str) -> frozenset[str]:
    names: set[str] = set()
    for locale in locales.split():
        provider = import_module(f"faker.providers.person.{locale}").Provider
        for key in dir(provider):
            listed = getattr(provider, key)
            if part in key and not callable(listed):
                names.update(name.lower() for name in listed if len(name) > 1)
    return frozenset(names)
