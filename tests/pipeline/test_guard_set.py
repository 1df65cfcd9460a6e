"""The guard set: outside medicine, from installed packages, the same each time, hard enough to lose on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from medsearch.encoders.registry import load_encoder, load_registry
from medsearch.errors import MedsearchError
from medsearch.types import Vectors
from pipeline.training.guard import questions as guard_questions
from pipeline.training.guard.build import Guard, guard_set
from pipeline.training.guard.documentation import DOCUMENTATION, documentation_pairs, split_docstring
from pipeline.training.guard.pairs import GuardPair, guard_task, outside_medicine, sample
from pipeline.training.panel.build import PanelTask, score_panel

DOCSTRING = """convolve(a, v, mode='full')

Returns the discrete, linear convolution of two one-dimensional sequences.

The convolution operator is often seen in signal processing, where it models
the effect of a :func:`linear <numpy.linear>` system on a signal.

.. versionadded:: 1.2

Parameters
----------
a : array
"""


@pytest.fixture(scope="module")
def guard() -> Guard:
    return guard_set()


def test_it_has_some_hundred_questions_and_says_where_they_come_from(guard: Guard) -> None:
    assert guard.tasks[0].name == DOCUMENTATION
    assert 300 <= sum(len(task.queries) for task in guard.tasks) <= 1_200
    assert guard.versions["numpy"] == version("numpy")
    for task in guard.tasks:
        assert set(task.qrels) == set(task.queries)
        assert all(doc_id in task.documents for grades in task.qrels.values() for doc_id in grades)


def test_it_is_the_same_each_time(guard: Guard) -> None:
    assert guard_set() == guard


def test_nothing_in_it_is_medical_and_no_answer_begins_with_its_question(guard: Guard) -> None:
    medical = re.compile(
        r"\b(patients?|disease|cancer|doctor|hospital|symptoms?|blood|drugs?)\b", re.IGNORECASE
    )
    for task in guard.tasks:
        for text in (*task.queries.values(), *task.documents.values()):
            assert not medical.search(text), text
    documentation = guard.tasks[0]
    for query_id, grades in documentation.qrels.items():
        for doc_id in grades:
            assert not documentation.documents[doc_id].startswith(documentation.queries[query_id])


def test_a_docstring_is_cut_into_what_it_says_first_and_the_rest() -> None:
    pair = split_docstring(DOCSTRING)
    assert pair == GuardPair(
        "Returns the discrete, linear convolution of two one-dimensional sequences.",
        "The convolution operator is often seen in signal processing, where it models the effect of a linear "
        "system on a signal.",
    )
    assert split_docstring("Too short.\n\n" + "word " * 40) is None
    assert split_docstring("A sentence of some words.\n\nFew words.") is None
    assert split_docstring("") is None


def test_equal_questions_and_equal_answers_are_one() -> None:
    pairs = [GuardPair("Who?", "Me."), GuardPair("who?", "You."), GuardPair("Which?", "me.")]
    task = guard_task("t", pairs)
    assert task.queries == {"q1": "Who?", "q2": "Which?"}
    assert task.documents == {"d1": "Me.", "d2": "You."}
    assert task.qrels == {"q1": {"d1": 1, "d2": 1}, "q2": {"d1": 1}}


def test_medical_pairs_are_left_out_and_samples_keep_their_order() -> None:
    kept = GuardPair("Who wrote it?", "A poet.")
    assert outside_medicine([kept, GuardPair("Who?", "A Doctor."), GuardPair("Which disease?", "x")]) == [
        kept
    ]
    many = [GuardPair(str(n), "") for n in range(50)]
    drawn = sample(many, 10, "name")
    assert drawn == sample(many, 10, "name") == sorted(drawn, key=lambda pair: int(pair.question))
    assert drawn != sample(many, 10, "other")
    assert sample(many, 50, "name") == many


def test_without_the_package_of_questions_there_is_documentation_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard_questions, "find_spec", lambda _: None)
    alone = guard_set()
    assert [task.name for task in alone.tasks] == [DOCUMENTATION]
    assert guard_questions.PACKAGE not in alone.versions


def test_another_form_of_the_questions_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(guard_questions, "find_spec", lambda _: Spec())
    with pytest.raises(MedsearchError, match=r"trivia\.yml: not the questions expected of chatterbot-corpus"):
        guard_questions.question_pairs()


def test_documentation_is_of_the_packages_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.training.guard import documentation as guard_documentation

    monkeypatch.setattr(guard_documentation, "_MODULES", {"numpy": ("numpy.fft",), "no-such": ("no_such",)})
    material = documentation_pairs()
    assert set(material.versions) == {"numpy"}
    assert len(material.pairs[DOCUMENTATION]) > 5


@pytest.mark.slow
def test_the_usual_base_scores_neither_all_nor_nothing(guard: Guard, model_cache: Path) -> None:
    """On questions whole and on the first hundred of the documentation.

    Measured on all with numpy 2.4, scipy 1.17, pandas 3.1, scikit-learn 1.9 and chatterbot-corpus 1.3:
    documentation 75.2, trivia 52.3.
    """
    documentation, *others = guard.tasks
    asked = dict(list(documentation.queries.items())[:100])
    qrels = {query_id: documentation.qrels[query_id] for query_id in asked}
    answers = {doc_id: documentation.documents[doc_id] for grades in qrels.values() for doc_id in grades}
    tasks = [PanelTask(documentation.name, asked, answers, qrels), *others]
    encoder = load_encoder(load_registry()["minilm"], cache=model_cache)
    scores = score_panel(tasks, encoder.encode_queries, encoder.encode_documents)
    assert 0.65 < scores[DOCUMENTATION] < 0.95
    assert all(0.4 < scores[task.name] < 0.85 for task in others)
    chance = np.random.default_rng(0)

    def blind(texts: Sequence[str]) -> Vectors:
        return chance.standard_normal((len(texts), 8)).astype(np.float32)

    assert all(score < 0.15 for score in score_panel(tasks, blind, blind).values())
