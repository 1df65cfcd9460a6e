"""Token counts are those of the model's tokenizer, whatever its file says of truncation and padding."""

from __future__ import annotations

from pathlib import Path

import pytest

from medsearch.encoders.registry import load_registry
from medsearch.encoders.tokens import token_counter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tokenizer that splits on spaces, saved as some published ones are: cutting and padding to 4."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(
        models.WordLevel({"[CLS]": 0, "[SEP]": 1, "[UNK]": 2, "[PAD]": 3}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 1), ("[CLS]", 0))
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=4, pad_id=3)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_words_are_counted_and_nothing_else(folder: Path) -> None:
    assert token_counter(folder)(["", "fever", "one two three four five six seven", " "]) == [0, 1, 7, 0]


def test_any_number_of_texts_is_counted_in_order(folder: Path) -> None:
    texts = ["word " * (number % 7) for number in range(2500)]
    assert token_counter(folder)(texts) == [number % 7 for number in range(2500)]
    assert token_counter(folder)([]) == []


def test_a_model_of_the_registry_counts_word_pieces() -> None:
    # Word pieces of BERT's uncased vocabulary: chest | pain; hyper ##tension; and one a punctuation mark.
    count = token_counter(load_registry()["minilm"])
    assert count(["Chest pain", "chest pain?", "word " * 1000]) == [2, 3, 1000]
