"""A result whose fields are there but say nothing is no fairer than one that lacks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from compare_material import BM25, MINI, TUNED, change, read, some_scores, write_result

from medsearch.evaluation.completeness import first_lack
from medsearch.evaluation.fairness import fairness_of
from medsearch.evaluation.guards import Allowed, UnfairError, is_known

TASK = "covid_faq/en:test"
OF_MINI = ("settings", "models", "mini")


def both(folder: Path, *path: str, to: Any) -> tuple[Path, Path]:
    """Two results that say the same of a field."""
    files = tuple(write_result(folder, TASK, spec, some_scores(1)) for spec in (MINI, TUNED))
    for file in files:
        change(file, *path, to=to)
    return files[0], files[1]


def test_what_evaluate_keeps_says_all(tmp_path: Path) -> None:
    for spec in (MINI, TUNED, BM25):
        assert is_known(read(write_result(tmp_path, TASK, spec, some_scores(1))))


@pytest.mark.parametrize("value", [None, "", " ", 5, []])
@pytest.mark.parametrize(
    "field", ["corpus_hash", "queries_hash", "qrels_hash", "engine", "search", "backend"]
)
def test_a_field_that_says_nothing_on_both_sides_is_refused(
    tmp_path: Path, field: str, value: object
) -> None:
    a, b = both(tmp_path, "settings", field, to=value)
    with pytest.raises(UnfairError) as caught:
        fairness_of([(read(a), read(b))], Allowed())
    message = str(caught.value)
    assert message.startswith(f"{TASK}: the result of mini says {field} as ")
    assert f", which is not a text that is not empty ({a}), so fairness cannot be checked: " in message
    assert not fairness_of([(read(a), read(b))], Allowed(unchecked=True)).checked


@pytest.mark.parametrize(
    ("path", "value", "field", "due"),
    [
        (("settings", "models"), {}, "models", "a table that is not empty"),
        (OF_MINI, {}, "model mini", "a table that is not empty"),
        (OF_MINI, "x", "model mini", "a table that is not empty"),
        ((*OF_MINI, "revision"), "", "revision of mini", "a text that is not empty"),
        ((*OF_MINI, "pooling"), None, "pooling of mini", "a text that is not empty"),
        ((*OF_MINI, "max_tokens"), 0, "max_tokens of mini", "a whole number above 0"),
        ((*OF_MINI, "max_tokens"), True, "max_tokens of mini", "a whole number above 0"),
        ((*OF_MINI, "query_prompt"), None, "query_prompt of mini", "a text"),
        (("settings", "declared_query_prompts"), {}, "declared_query_prompts of mini", ""),
        (("settings", "declared_query_prompts", "mini"), 5, "declared_query_prompts of mini", "a text"),
        (("settings", "ignore_identical_ids"), "no", "ignore_identical_ids", "true or false"),
        (("settings", "depth"), "1000", "depth", "a whole number above 0"),
        (("settings", "passages"), {}, "passages", "a text or a table that is not empty"),
    ],
)
def test_each_field_must_have_a_value_of_its_kind(
    tmp_path: Path, path: tuple[str, ...], value: object, field: str, due: str
) -> None:
    file = change(write_result(tmp_path, TASK, MINI, some_scores(1)), *path, to=value)
    lack = first_lack(read(file))
    assert lack is not None
    assert lack.field == field
    assert lack.absent or lack.due == due
    other = write_result(tmp_path, TASK, TUNED, some_scores(1))
    with pytest.raises(UnfairError, match=rf"^{TASK}: the result of mini .*{field}.*mini\.json"):
        fairness_of([(read(other), read(file))], Allowed())


@pytest.mark.parametrize("field", ["revision", "pooling", "max_tokens", "query_prompt", "source"])
def test_a_spec_that_lacks_a_field_is_refused(tmp_path: Path, field: str) -> None:
    file = change(write_result(tmp_path, TASK, MINI, some_scores(1)), *OF_MINI, field, to=...)
    lack = first_lack(read(file))
    assert lack is not None
    assert (lack.field, lack.absent) == (f"{field} of mini", True)


@pytest.mark.parametrize("score", [700, 1.01, -0.1, float("nan"), float("inf")])
def test_a_score_that_can_be_none_is_refused_whatever_is_allowed(tmp_path: Path, score: float) -> None:
    a, b = both(tmp_path, "created", to="x")
    change(b, "per_query", "tuned", "q3", "nDCG@10", to=score)
    for allowed in (Allowed(), Allowed(unchecked=True)):
        with pytest.raises(UnfairError) as caught:
            fairness_of([(read(a), read(b))], allowed)
        assert str(caught.value) == (
            f"{TASK}: the result of tuned gives query 'q3' a nDCG@10 of {score:g}, which is not a number "
            f"from 0 to 1 ({b}): evaluate it again"
        )
    change(b, "per_query", "tuned", "q3", "nDCG@10", to=1 + 1e-12)  # as sums of fractions come out
    assert fairness_of([(read(a), read(b))], Allowed()).checked
