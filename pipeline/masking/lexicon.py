"""Given and family names from Faker's lists, and the words that look like names and are none."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files

import regex

_COMMON = "en_US en_GB"
_LOCALES = (
    f"{_COMMON} en en_IE en_IN en_PK en_KE en_NG en_NZ "
    "es_ES es_MX es_AR fr_FR fr_CH fr_DZ de_DE de_AT it_IT pl_PL nl_NL sv_SE tr_TR pt_BR pt_PT no_NO "
    "da_DK fi_FI cs_CZ sk_SK hu_HU hr_HR sl_SI ro_RO lt_LT id_ID vi_VN ig_NG yo_NG ha_NG sw tw_GH zu_ZA"
)

_MEDICAL_ENDING = regex.compile(
    r"(?:itis|omas?|osis|a?emia|pathy|uria|algia|ectomy|plasia|trophy|ism|ian|ese|ic|al|ous|ology)$"
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
        return (is_listed(low, self.given) or is_listed(low, self.family)) and low not in self.eponyms

    def is_given(self, word: str) -> bool:
        """Whether a word is a given name and nothing else that a note would say."""
        return is_listed(bare(word), self.given) and bare(word) not in self.eponyms

    def is_listed(self, word: str) -> bool:
        """Whether a word is in a list of names, even if it is an eponym too."""
        return is_listed(bare(word), self.given) or is_listed(bare(word), self.family)

    def is_strange(self, word: str) -> bool:
        """Whether a word, written as a name is, is in no list of other words and has no medical ending."""
        low = bare(word)
        others = (self.ordinary, self.stop, self.heads, self.eponyms)
        return (
            word[:1].isupper()
            and not word.isupper()
            and not (any(low in words for words in others) or _MEDICAL_ENDING.search(low))
        )


def is_listed(low: str, names: Collection[str]) -> bool:
    """Whether a name, or each part of a double name such as "josé-maría", is in a list."""
    return low in names or ("-" in low and all(part in names for part in low.split("-")))


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
    return frozenset(names | {_without_accents(name) for name in names})


def _without_accents(name: str) -> str:
    letters = unicodedata.normalize("NFD", name)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
