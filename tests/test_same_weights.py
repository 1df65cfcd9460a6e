"""Which specs are of the same weights, under whatever name."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from fakes import topic_spec

from medsearch.same_weights import same_weights

HUB = {"source": "hub:Someone/Mini", "revision": "1" * 40, "sha256": ""}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"source": "hub:someone/mini"}, True),
        ({"revision": "2" * 40}, False),
        ({"source": "hub:someone/other"}, False),
        ({"source": "path:Someone/Mini"}, False),
        ({"name": "x", "max_tokens": 9, "query_prompt": "q"}, True),
        ({"sha256": "a" * 64}, True),  # the other names none, so that the revision decides
    ],
)
def test_of_the_hub_repository_and_revision_decide(change: dict[str, object], same: bool) -> None:
    assert same_weights(HUB, HUB | change) is same
    assert same_weights(HUB | change, HUB) is same


def test_a_folder_is_one_model_however_it_is_spelt_unless_its_weights_are_known_to_differ() -> None:
    one = {"source": "path:models/mine", "revision": "1"}
    two = {"source": "path:models/../models/./mine/", "revision": "2"}
    assert same_weights(one, two)
    assert not same_weights(one, two | {"source": "path:models/other"})
    assert not same_weights(one | {"sha256": "a" * 64}, two | {"sha256": "b" * 64})
    copied = {"source": "path:elsewhere", "revision": "1", "sha256": "a" * 64}
    assert same_weights(one | {"sha256": "a" * 64}, copied)


def test_specs_that_say_nothing_are_never_the_same() -> None:
    assert not same_weights({}, {})
    assert not same_weights({"source": None}, {"source": ""})
    assert same_weights(asdict(topic_spec()), asdict(topic_spec("other", query_prompt="q")))


BASE = {"base_source": "hub:someone/mini", "base_revision": "1" * 40, "base_sha256": "b" * 64}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"base_source": "path:copy/of/mini", "base_revision": "1"}, True),
        ({"base_sha256": "c" * 64}, False),
        ({"base_sha256": ""}, True),
        ({"base_sha256": "", "base_source": "hub:Someone/Mini"}, True),
        ({"base_sha256": "", "base_revision": "2" * 40}, False),
        ({"base_sha256": "", "base_source": "path:copy/of/mini"}, False),
    ],
)
def test_an_adapter_is_the_same_on_the_same_base_wherever_that_lies(
    change: dict[str, str], same: bool
) -> None:
    one = {"source": "adapter:x@mini", "sha256": "a" * 64, "parameters": BASE}
    other = {"source": "adapter:y@own", "sha256": "a" * 64, "parameters": BASE | change}
    assert same_weights(one, other) is same
    assert same_weights(other, one) is same
    assert not same_weights(one, {**one, "parameters": {}})
