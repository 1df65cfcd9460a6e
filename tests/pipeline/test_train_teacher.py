"""Teachers: what they score, what they remember, and what they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from pathlib import Path

import numpy as np
import pytest
from fakes import BM25_SPEC, TopicEncoder
from training_material import make_learner, recipe_text, tiny_job, tiny_registry, training_rows, write_rows

from medsearch.errors import ModelUnavailableError
from pipeline.training.dense.train import train_dense
from pipeline.training.remembered import Key, Remembered, Values
from pipeline.training.running.history import History
from pipeline.training.teaching.teacher import DenseTeacher, HybridTeacher, batch_scores, load_teacher
from pipeline.training.teaching.term_scores import TermScores

TEXTS = ["heart pain and chest pain", "lung cough", "diabetes and insulin", "heart failure of the heart"]


class Asked:
    """Answers with the lengths of texts, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[Key]] = []

    def __call__(self, keys: Sequence[Key]) -> Values:
        self.calls.append(list(keys))
        return np.asarray([[len(key[0]), len(key)] for key in keys], dtype=np.float32)


def test_nothing_is_asked_twice_not_even_after_a_restart(tmp_path: Path) -> None:
    asked = Asked()
    memory = Remembered(tmp_path, "model 1", 2)
    first = memory.of([("a",), ("bcd",), ("a",)], asked)
    assert first.tolist() == [[1, 1], [3, 1], [1, 1]]
    memory.of([("bcd",), ("ef",)], asked)
    again = Remembered(tmp_path, "model 1", 2)
    assert again.of([("ef",), ("a",)], asked).tolist() == [[2, 1], [1, 1]]
    assert asked.calls == [[("a",), ("bcd",)], [("ef",)]]
    # Another model, or another process beside this one.
    Remembered(tmp_path, "model 2", 2).of([("a",)], asked)
    assert asked.calls[-1] == [("a",)]
    assert Remembered(tmp_path, "model 1", 2, part=1).of([("ef",)], asked).tolist() == [[2, 1]]
    assert len(asked.calls) == 3


def test_keys_are_texts_apart_not_joined(tmp_path: Path) -> None:
    asked = Asked()
    memory = Remembered(tmp_path, "m", 2)
    memory.of([("a", "bc"), ("ab", "c")], asked)
    assert asked.calls == [[("a", "bc"), ("ab", "c")]]


@pytest.mark.parametrize("cut", range(1, 130, 8))
def test_a_block_cut_short_is_asked_for_as_a_whole(tmp_path: Path, cut: int) -> None:
    asked = Asked()
    memory = Remembered(tmp_path, "m", 2)
    memory.of([("first",)], asked)
    memory.of([("second",), ("third",)], asked)
    (file,) = tmp_path.rglob("*.blocks")
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    again = Remembered(tmp_path, "m", 2)
    found = again.of([("first",), ("second",), ("third",)], asked)
    assert found.tolist() == [[5, 1], [6, 1], [5, 1]]
    assert asked.calls[2:] == [[("second",), ("third",)]]
    assert file.read_bytes() == whole


def test_bm25_is_robertsons_formula() -> None:
    """By hand: texts of 4, 2, 2 and 3 words that count ("and", "of", "the" do not), 2.75 on average."""
    terms = TermScores(TEXTS, BM25_SPEC)

    def weight(count: int, length: int) -> float:
        return count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / 2.75))

    idf = {found: log(1 + (4 - found + 0.5) / (found + 0.5)) for found in (1, 2)}
    scores = terms.scores(["heart pain"], [TEXTS])
    wanted = [idf[2] * weight(1, 4) + idf[1] * weight(2, 4), 0, 0, idf[2] * weight(2, 3)]
    assert scores.tolist() == [pytest.approx(wanted, rel=1e-4)]
    assert terms.limits(["heart pain"])[0] == pytest.approx(2.2 * (idf[1] + idf[2]), rel=1e-5)
    assert terms.scores(["of the"], [TEXTS]).tolist() == [[0, 0, 0, 0]]


def test_dense_and_hybrid_scores(tmp_path: Path) -> None:
    encoder = TopicEncoder()
    dense = DenseTeacher(encoder, *(Remembered(tmp_path / side, "topics", 5) for side in ("q", "d")))
    own = [[TEXTS[0], TEXTS[1]], [TEXTS[2], TEXTS[0]]]
    scores = dense.scores(["chest angina", "glucose"], own)
    assert scores[0, 0] > 0.9 > 0.3 > scores[0, 1]
    assert scores[1, 0] > 0.9 > 0.3 > scores[1, 1]
    dense.scores(["glucose"], [[TEXTS[1], TEXTS[3]]])
    assert encoder.documents == [TEXTS[0], TEXTS[1], TEXTS[2], TEXTS[3]]
    assert encoder.queries == ["chest angina", "glucose"]
    terms = TermScores(TEXTS, BM25_SPEC)
    hybrid = HybridTeacher(dense, terms).scores(["chest angina", "glucose"], own)
    share = terms.scores(["chest angina"], own[:1]) / terms.limits(["chest angina"])
    assert hybrid[0] == pytest.approx(((1 + scores[0]) / 2 + share[0]) / 2)
    assert ((hybrid >= 0) & (hybrid <= 1)).all()
    mostly = HybridTeacher(dense, terms, 0.75).scores(["chest angina", "glucose"], own)
    assert mostly[0] == pytest.approx(0.75 * (1 + scores[0]) / 2 + 0.25 * share[0])


def test_a_batchs_scores_are_laid_out_as_the_loss_has_them() -> None:
    class Names:
        def scores(self, queries: Sequence[str], documents: Sequence[Sequence[str]]) -> Values:
            return np.asarray(
                [
                    [float(query) * 100 + float(text) for text in own]
                    for query, own in zip(queries, documents, strict=True)
                ],
                dtype=np.float32,
            )

    documents = ["1", "2", "11", "12", "21", "22"]  # positives of both, then each column of negatives
    assert batch_scores(Names(), ["1", "2"], documents, in_batch=False).tolist() == [
        [101, 111, 121],
        [202, 212, 222],
    ]
    whole = batch_scores(Names(), ["1", "2"], documents, in_batch=True)
    assert whole.tolist() == [[101, 102, 111, 112, 121, 122], [201, 202, 211, 212, 221, 222]]


def test_a_folder_that_is_no_cross_encoder_is_refused_in_one_line(tmp_path: Path) -> None:
    settings = tiny_registry(tmp_path, make_learner(tmp_path / "tiny"))
    data = write_rows(tmp_path / "rows.jsonl", training_rows(20))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.safetensors").write_bytes(b"no weights")
    text = recipe_text(data, tables=f'[distill]\nteacher = "cross-encoder:{broken}"')
    job = tiny_job(tmp_path / "run", settings, text, panel=False)
    with pytest.raises(ModelUnavailableError, match="is no cross-encoder") as caught:
        load_teacher(job)
    assert "\n" not in str(caught.value)


def make_cross_encoder(folder: Path, *, labels: int = 1) -> Path:
    """A tiny BERT that reads pairs, with random weights."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    base = make_learner(folder.with_name(f"{folder.name}-base"))
    config = BertConfig.from_pretrained(base, num_labels=labels)
    BertForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


def test_a_cross_encoder_teaches_and_remembers_its_pairs(tmp_path: Path) -> None:
    settings = tiny_registry(tmp_path, make_learner(tmp_path / "tiny"))
    data = write_rows(tmp_path / "rows.jsonl", training_rows(20))
    folder = make_cross_encoder(tmp_path / "cross")
    text = recipe_text(data, train="steps = 3", tables=f'[distill]\nteacher = "cross-encoder:{folder}"')
    job = tiny_job(tmp_path / "run", settings, text, panel=False)
    teacher = load_teacher(job)
    pairs = [["cough", "fever"], ["dose", "cough"]]
    scores = teacher.scores(["pain", "drug"], pairs)
    assert scores.shape == (2, 2)
    alone = teacher.scores(["drug"], [["cough"]])
    assert alone[0, 0] == scores[1, 1]
    assert train_dense(job).steps == 3
    two = make_cross_encoder(tmp_path / "two", labels=2)
    wrong = tiny_job(tmp_path / "wrong", settings, text.replace(str(folder), str(two)), panel=False)
    with pytest.raises(ModelUnavailableError, match="gives 2 scores a pair"):
        load_teacher(wrong)


@pytest.mark.slow
def test_a_dense_teacher_of_the_registry_teaches(tmp_path: Path) -> None:
    """The ONNX encoder gives what the model gives: distilled from itself, the term begins at nothing."""
    settings = tiny_registry(tmp_path, make_learner(tmp_path / "tiny"))
    data = write_rows(tmp_path / "rows.jsonl", training_rows())
    losses = []
    for tables in ("", '[distill]\nteacher = "tiny"\nweight = 1.0\nin_batch = true'):
        text = recipe_text(data, tables=tables, train="steps = 10")
        job = tiny_job(tmp_path / f"run{len(losses)}", settings, text, panel=False)
        train_dense(job)
        losses.append([row["loss"] for row in History(job.folder.history).rows()])
    alone, taught = losses
    assert taught[0] == pytest.approx(alone[0], abs=1e-3)
    assert taught[-1] != pytest.approx(alone[-1], abs=1e-2)
