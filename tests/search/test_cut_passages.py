"""Passages that are longer than a late-interaction model reads are counted, and told in one line."""

from __future__ import annotations

from fakes import Heard
from late_fakes import WordEncoder, word_spec

from medsearch.search.cut_passages import CutCounter


def test_passages_that_a_late_model_cuts_are_counted_in_one_line() -> None:
    """Two signs around a text, the prompt before it, and the model's limit."""
    encoder = WordEncoder(word_spec(max_tokens=6, document_prompt="[D] "))
    counter = CutCounter(encoder, lambda texts: [len(text.split()) for text in texts])
    heard = Heard()
    counter.encode_documents(["heart pain cough", "one two three four"])
    counter.tell(heard)
    [line] = heard.lines
    assert "1 of 2 passages are longer than the 6 tokens that words reads" in line
    assert encoder.documents == ["heart pain cough", "one two three four"]
    quiet = Heard()
    CutCounter(encoder, lambda texts: [0] * len(texts)).tell(quiet)
    assert quiet.lines == []
