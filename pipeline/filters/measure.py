"""All checks of a block of generated rows, save those that depend on which rows were kept before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from medsearch.encoders.registry import find_model, load_registry
from medsearch.errors import MedsearchError
from medsearch.search.names import BM25
from medsearch.settings import Settings
from pipeline.filters.copying import copied_share, example_similarity
from pipeline.filters.form import form
from pipeline.filters.language import LanguageCheck
from pipeline.filters.round_trip import round_trips
from pipeline.filters.rules import failures
from pipeline.filters.support import Rarity, support
from pipeline.filters.words import Text, Words
from pipeline.pool_search import PoolSearch
from pipeline.recipe import Recipe
from pipeline.records import GeneratedRow

_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Measured:
    """A generated row, the row of the pool that holds its answer, its query taken apart, and its checks."""

    row: GeneratedRow
    number: int
    query: Text
    checks: dict[str, float]


@dataclass(frozen=True, slots=True)
class Gauge:
    """What the checks of a run need: the pool, the prompt's examples, the languages, the rare words."""

    recipe: Recipe
    search: PoolSearch
    words: Words
    examples: tuple[Text, ...]
    language: LanguageCheck
    rarity: Rarity

    @classmethod
    def of(cls, recipe: Recipe, search: PoolSearch, examples: Sequence[str], settings: Settings) -> Self:
        """Read the pool's words once.

        Raises:
            UsageError: a wanted language is not known.
        """
        words = Words(find_model(BM25, load_registry(settings.models)))
        texts = (words.read(passage.text) for passage in search.passages)
        return cls(
            recipe=recipe,
            search=search,
            words=words,
            examples=tuple(words.read(example) for example in examples),
            language=LanguageCheck.of(recipe.generate.languages),
            rarity=Rarity.of(texts, recipe.filter.rare_share),
        )

    def measure(self, rows: Sequence[GeneratedRow]) -> list[Measured]:
        """Cheap checks of every row; the costly ones of those that could be kept, or of all if so set.

        Raises:
            MedsearchError: a row's passage is not in the pool.
        """
        table = self.recipe.filter
        block = [self._cheap(row) for row in rows]
        chosen = [each for each in block if table.measure_all or not failures(each.checks, table)]
        if chosen:
            found = round_trips(self.search, [c.row.query for c in chosen], [c.number for c in chosen])
            for each, more in zip(chosen, found, strict=True):
                each.checks.update(more)
        return block

    def _cheap(self, row: GeneratedRow) -> Measured:
        table = self.recipe.filter
        number = self.search.number_of.get(row.passage_id)
        if number is None:
            raise MedsearchError(
                f"row {row.row_id} is about passage {row.passage_id}, which the pool lacks: "
                "run `python -m pipeline generate` for this run anew"
            )
        text = self.search.passages[number].text
        query, passage = self.words.read(row.query), self.words.read(text)
        checks: dict[str, float] = {
            **form(row.query, query, table.boilerplate),
            "relevance": row.relevance,
            "language": self.language.confidence(row.query),
            "passage_language": self.language.confidence(text),
            "copied": copied_share(query, passage, min_words=table.min_copy_words),
            "example_similarity": example_similarity(query, passage, self.examples),
            **support(query, passage, self.rarity),
        }
        rounded = {name: round(float(value), _DECIMALS) for name, value in checks.items()}
        return Measured(row, number, query, rounded)
