"""What is cut out of a text: sentences taken once, windows within their limits, queries of its own words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from crop_material import pool_passage, sentence, source_run
from hypothesis import given
from hypothesis import strategies as st

from medsearch.encoders.registry import load_registry
from pipeline.cropping.documents import REPEATED, CropDocument, Sentence, read_crop_documents, sentences_of
from pipeline.cropping.queries import COMMON_WORDS, FEW_WORDS, Asker, document_frequencies
from pipeline.cropping.windows import windows_of
from pipeline.filters.words import Words
from pipeline.recipe import CropTable, parse_recipe
from pipeline.records import SourceDocument

WORDS = Words(load_registry(None)["bm25"])
SOURCE = SourceDocument(corpus="tiny", doc_id="d")


def document(*texts: str) -> CropDocument:
    return CropDocument(SOURCE, tuple((f"d#{number}", text) for number, text in enumerate(texts)))


def test_a_sentence_that_two_passages_share_is_taken_once() -> None:
    texts = [sentence(0, number) for number in range(5)]
    found = sentences_of(document(" ".join(texts[:3]), " ".join(texts[1:4]), texts[4]))
    assert [each.text for each in found] == texts
    assert [each.passage_id for each in found] == ["d#0", "d#0", "d#0", "d#1", "d#2"]


def test_a_title_before_each_passage_does_not_hide_that_they_overlap() -> None:
    texts = [sentence(0, number) for number in range(4)]
    found = sentences_of(document(f"Ward round {' '.join(texts[:3])}", f"Ward round {' '.join(texts[2:])}"))
    assert [each.text for each in found] == [f"Ward round {texts[0]}", *texts[1:]]


def test_a_document_is_read_once_whatever_run_or_name_it_has(tmp_path: Path) -> None:
    one = source_run(
        tmp_path, "one", [pool_passage("1", "Fever and cough.", "a"), pool_passage("2", "Pain.", "b")]
    )
    two = source_run(
        tmp_path,
        "two",
        [
            pool_passage("1", "Another text altogether.", "a", corpus="other"),
            pool_passage("3", "fever, and COUGH", "c"),
            pool_passage("9", "Pain in a later version.", "b"),
        ],
    )
    documents, left_out = read_crop_documents([one, two])
    assert [each.passages[0][0] for each in documents] == ["1", "2", "other:1"]
    assert left_out == {REPEATED: 2}


@given(
    lengths=st.lists(st.integers(1, 60), max_size=40),
    windows=st.integers(1, 5),
    least=st.integers(1, 3),
    more=st.integers(0, 6),
    seed=st.integers(0, 99),
)
def test_windows_keep_to_their_limits(
    lengths: list[int], windows: int, least: int, more: int, seed: int
) -> None:
    table = CropTable(windows=windows, sentences=(least, least + more), max_words=100)
    sentences = [Sentence("p", f"s{n} " + "word " * (length - 1)) for n, length in enumerate(lengths)]
    found = windows_of(sentences, table, Random(seed))
    assert len(found) <= windows
    places = [[sentences.index(each) for each in window] for window in found]
    flat = [place for window in places for place in window]
    assert flat == sorted(set(flat))
    for window in places:
        assert window == list(range(window[0], window[-1] + 1))
        assert least <= len(window) <= least + more
        assert sum(lengths[place] for place in window) <= 100


def test_of_many_windows_some_are_drawn_from_the_whole_document() -> None:
    sentences = [Sentence("p", sentence(0, number)) for number in range(60)]
    table = CropTable(sentences=(2, 2))
    drawn = {
        tuple(sentences.index(window[0]) for window in windows_of(sentences, table, Random(n)))
        for n in range(20)
    }
    assert all(len(starts) == 4 for starts in drawn)
    assert len(drawn) > 10
    assert max(starts[-1] for starts in drawn) > 50


def asker(**changes: object) -> Asker:
    table = CropTable.model_validate({"common_share": 1.0, **changes})
    texts = ["the fever and the cough", "fever at night", "fever with pruritus", "cough of a child"]
    return Asker(table, WORDS, document_frequencies(texts, WORDS), len(texts))


def window_of(*texts: str) -> tuple[Sentence, ...]:
    return tuple(Sentence("p", text) for text in texts)


LONG = tuple(
    f"In case{number} the left kidney{number} was seen{number}, and then again{number} on [DATE] by [NAME], "
    f"after a long walk{number} through the snow{number} of that winter."
    for number in range(5)
)


def test_a_span_is_consecutive_words_without_masks() -> None:
    asks, window = asker(span_share=1.0), window_of(*LONG)
    taken_out = Counter[bool]()
    for seed in range(300):
        found = asks.ask(window, Random(seed))
        assert found.span
        assert 8 <= len(found.query.split()) <= 15
        assert "[" not in found.query
        home = next(
            each
            for each in LONG
            if found.query in " ".join(each.replace("[DATE]", "").replace("[NAME],", "").split())
        )
        assert (Sentence("p", home) in found.window) is not found.taken_out
        assert len(found.window) == 5 - found.taken_out
        taken_out[found.taken_out] += 1
    # 0.7 of 300 is 210; the binomial's standard deviation is 7.9.
    assert abs(taken_out[True] - 210) < 32


def test_a_sentence_stays_where_fewer_than_three_would_be_left() -> None:
    asks = asker(span_share=1.0, keep_sentence=0.0)
    for seed in range(30):
        assert not asks.ask(window_of(*LONG[:3]), Random(seed)).taken_out
        assert asks.ask(window_of(*LONG[:4]), Random(seed)).taken_out


def test_a_short_sentence_is_a_span_as_a_whole() -> None:
    found = asker(span_share=1.0).ask(window_of("- Fever and cough at night."), Random(0))
    assert found.query == "Fever and cough at night"


def test_rare_words_stand_in_the_order_of_the_sentence() -> None:
    asks = asker(span_share=0.0, words=(2, 2))
    found = asks.ask(window_of("The pruritus of 37 patients came with fever, cough and erythema."), Random(0))
    # Of the frequencies above only "patients", "came" and "erythema" have none; the first two come first.
    assert (found.query, found.span, found.fault) == ("patients came", False, "")
    found = asks.ask(window_of("Fever, then cough, then pruritus, [NAME] said."), Random(0))
    assert found.query == "pruritus said"


def test_queries_that_say_nothing_are_named() -> None:
    assert asker(span_share=0.0).ask(window_of("It was 37 and the 38."), Random(0)).fault == FEW_WORDS
    assert (
        asker(span_share=1.0).ask(window_of("[NAME] was there. Fever, fever."), Random(0)).fault == FEW_WORDS
    )
    common = asker(span_share=0.0, common_share=0.3)
    assert common.ask(window_of("Fever and cough."), Random(0)).fault == COMMON_WORDS
    assert common.ask(window_of("Fever and pruritus."), Random(0)).fault == ""


@pytest.mark.parametrize("line", ["sentences = [3, 2]", "words = [0, 2]", "windows = 0", "sorts = 1"])
def test_a_table_that_cannot_be_is_refused(line: str) -> None:
    key = line.split()[0]
    with pytest.raises(Exception, match=rf"recipe r: crop\.{key}"):
        parse_recipe(f'description = "d"\n[llm]\nmodel = "m"\n[crop]\n{line}\n', "r")
