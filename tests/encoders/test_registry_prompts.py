"""A model has one query prompt: no second entry of the same weights may have another."""

from __future__ import annotations

from pathlib import Path

import pytest
from registry_material import GOOD, written

from medsearch.encoders.registry import load_registry
from medsearch.errors import UsageError


def two_entries(folder: Path, first: dict[str, str], second: dict[str, str]) -> Path:
    both = written(folder, first, "mine").read_text() + "\n" + written(folder, second, "mine-np").read_text()
    file = folder / "models.toml"
    file.write_text(both)
    return file


def test_a_second_entry_of_the_same_weights_may_not_have_another_query_prompt(tmp_path: Path) -> None:
    prompted = GOOD | {"query_prompt": '"query: "'}
    for second in (GOOD | {"revision": '"2"'}, GOOD | {"source": '"path:models/./mine"'}):
        file = two_entries(tmp_path, prompted, second)
        with pytest.raises(UsageError) as caught:
            load_registry(file)
        assert str(caught.value) == (
            f"{file}: [mine]: query_prompt: 'query: ', but [mine-np] is the same model with '': keep one of "
            "them; mine@no-prompt runs it without its prompt"
        )
    file = two_entries(tmp_path, prompted, GOOD | {"query_prompt": '"other: "'})
    with pytest.raises(UsageError, match=r"is the same model with 'other: ': keep one of them$"):
        load_registry(file)
    same = load_registry(two_entries(tmp_path, prompted, prompted | {"max_tokens": "64"}))
    assert same["mine-np"].max_tokens == 64


def test_a_bundled_model_may_not_be_entered_again_without_its_prompt(tmp_path: Path) -> None:
    bge = load_registry()["bge-small"]
    again = GOOD | {"source": f'"{bge.source}"', "revision": f'"{bge.revision}"'}
    with pytest.raises(
        UsageError, match=r"\[mine\]: query_prompt: '', but \[bge-small\] is the same model with 'Rep"
    ):
        load_registry(written(tmp_path, again))
    assert "mine" in load_registry(written(tmp_path, again | {"query_prompt": f'"{bge.query_prompt}"'}))


def test_a_copy_of_the_weights_is_known_by_its_sum(tmp_path: Path) -> None:
    summed = GOOD | {"sha256": f'"{"a" * 64}"', "query_prompt": '"query: "'}
    copied = GOOD | {"sha256": f'"{"a" * 64}"', "source": '"path:copy"'}
    with pytest.raises(UsageError, match=r"\[mine-np\] is the same model with ''"):
        load_registry(two_entries(tmp_path, summed, copied))
