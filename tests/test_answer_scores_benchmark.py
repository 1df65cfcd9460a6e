"""Which score tells best whether a corpus answers a question: the arithmetic, and a study of tiny corpora."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from calibration_material import CalibrationBench, write_corpus
from fakes import Heard

from benchmarks import answer_scores, record
from medsearch.corpora.catalogue import find_corpus
from medsearch.errors import UsageError
from medsearch.search.indexing import IndexRequest, index_corpus
from medsearch.search.names import models_of
from medsearch.search.retrievers import Bm25Retriever
from medsearch.search.searcher import Searcher, open_searcher
from medsearch.settings import Settings
from medsearch.types import WHOLE_DOCUMENTS, Query

HEART = ("angina of the heart", "chest pain and cardiac enzymes")
SKIN = ("itch and rash of eczema", "eczema of the skin in winter")
QUESTIONS = 120


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CalibrationBench:
    folders = (tmp_path / "data",), tmp_path / "index", tmp_path / "cache", None, tmp_path / "looks.jsonl"
    made = CalibrationBench(Settings(*folders))
    monkeypatch.setattr("medsearch.search.searcher.load_encoder", made.load)
    monkeypatch.setattr("medsearch.search.indexing.load_encoder", made.load)
    return made


def write(data: Path, corpus: str, kinds: tuple[str, str], questions: int) -> None:
    """Twelve notes, no word of which is in a question of other kinds; the test split says what it is."""
    texts = {f"d{n}": f"{kinds[n % 2]}, note r{n} on a patient" for n in range(12)}
    dev = {f"q{n}": f"what about {kinds[n % 2]} number {n}" for n in range(questions)}
    test = {f"q{n}": f"secret {kinds[n % 2]} number {n}" for n in range(1000, 1000 + questions)}
    write_corpus(data / corpus, texts, {**dev, **test}, {"dev": list(dev), "test": list(test)})


def study(bench: CalibrationBench, models: str) -> dict[str, object]:
    names, _ = models_of(models, bench.registry)
    return answer_scores.study(names, bench.settings, bench.registry, Heard())


def test_area_and_refusals_of_scores_counted_by_hand() -> None:
    inside = [float(score) for score in range(1, 41)]  # at 5 % the second smallest is the threshold
    outside = [0.5, 1.0, 2.0, 3.5]
    found = answer_scores.separated(("c", "r", "s"), inside, outside, in_use=False)
    assert found.refused == 2 / 4  # 2.0 is the threshold itself, not below it
    assert found.area == round((40 + 39.5 + 38.5 + 37) / (4 * 40), 4)


def test_a_missing_tenth_hit_counts_as_zero() -> None:
    ten = [10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.5]
    assert answer_scores.best_less_tenth(ten) == 8.5
    assert answer_scores.best_less_tenth(ten[:9]) == 10.0
    assert answer_scores.best_less_tenth([]) == 0.0


def test_averages_count_every_corpus_alike() -> None:
    rows = [
        answer_scores.Separation("a", "bm25", "s", 0.9, 0.2, True),
        answer_scores.Separation("b", "bm25", "s", 0.5, 0.4, True),
        answer_scores.Separation("b", "minilm", "s", 0.7, 0.1, False),
    ]
    assert answer_scores.averages(rows) == [
        answer_scores.Separation("mean of all", "bm25", "s", 0.7, 0.3, True),
        answer_scores.Separation("mean of all", "minilm", "s", 0.7, 0.1, False),
    ]


def test_candidates_follow_from_the_ranking(bench: CalibrationBench) -> None:
    write(bench.settings.data[0], "bioasq", HEART, 2)
    searcher = _index(bench)
    queries = [Query("a", "The angina, angina and a rash"), Query("b", "zzz"), Query("c", "the")]
    retriever = searcher.retriever(models_of("bm25", bench.registry)[0][0])
    assert isinstance(retriever, Bm25Retriever)
    found = answer_scores.candidate_scores(retriever, queries)
    [[first, *rest]] = retriever.points(["angina"], k=12)
    assert len(rest) == 5  # half of the notes have the word, and none has a rash
    assert found["best score"] == [pytest.approx(first.score), 0, 0]
    assert found["best score by word of the query"] == [pytest.approx(first.score / 2), 0, 0]
    assert found["best less tenth"] == found["best score"]
    assert 0 < found["share of the best possible score"][0] < 0.5
    dense = searcher.retriever(models_of("topics", bench.registry)[0][0], exact=True)
    found = answer_scores.candidate_scores(dense, queries)  # type: ignore[arg-type]  # one model, no hybrid
    for number, query in enumerate(queries):
        cosines = [point.score for point in dense.points([query.text], k=12)[0]]
        assert found["cosine of the best hit"][number] == pytest.approx(cosines[0])
        assert found["mean of the first ten"][number] == pytest.approx(sum(cosines[:10]) / 10)
        assert found["best less tenth"][number] == pytest.approx(cosines[0] - cosines[9], abs=1e-6)


def _index(bench: CalibrationBench) -> Searcher:
    models = [bench.registry[name] for name in ("topics", "bm25")]
    location = find_corpus("bioasq", bench.settings.data)
    request = IndexRequest(location, models, WHOLE_DOCUMENTS)
    index_corpus(request, bench.settings.index / "bioasq", bench.settings, bench.registry, Heard())
    return open_searcher("bioasq", bench.settings, bench.registry)


def test_large_corpora_are_studied_and_no_test_question_is_asked(
    bench: CalibrationBench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bench.settings.data[0]
    write(data, "medquad", HEART, QUESTIONS)
    write(data, "bioasq", SKIN, QUESTIONS)
    write(data, "mediqa2019_qa", ("broken wrist", "sore tooth"), 20)
    measured = study(bench, "topics,bm25")
    asked = [text for encoder in bench.encoders for text in encoder.queries]
    assert len(asked) == 2 * QUESTIONS + 2 * (100 + 20)
    assert not any("secret" in text for text in asked)
    assert bench.settings.looks is not None
    assert not bench.settings.looks.exists()
    monkeypatch.setattr(record, "RESULTS", data.parent / "results")
    record.keep("answer_scores", measured)
    text = (data.parent / "results" / "answer_scores.json").read_text("utf-8")
    assert str(data.parent) not in text
    kept = json.loads(text)
    assert list(kept["corpora"]) == ["medquad:dev", "bioasq:dev"]
    assert [each["questions"] for each in kept["corpora"].values()] == [120, 120]
    assert [each["outside"] for each in kept["corpora"].values()] == [120, 120]
    used = [row for row in kept["scores"] if row["in_use"]]
    assert [row["corpus"] for row in used] == ["medquad"] * 2 + ["bioasq"] * 2 + ["mean of all"] * 2
    assert {(row["area"], row["refused"]) for row in used} == {(1.0, 1.0)}
    assert len(kept["scores"]) == (3 + 4) * 3
    capsys.readouterr()
    answer_scores.show(kept)
    first = capsys.readouterr().out.splitlines()[2]
    cells = [cell.strip() for cell in first.split("  ") if cell.strip()]
    assert cells[:2] == ["medquad", "120 / 120"]
    assert cells[3:] == ["topics", "cosine of the best hit *", "1.000", "100.0 %"]


def test_without_a_large_corpus_it_says_so(bench: CalibrationBench) -> None:
    data = bench.settings.data[0]
    write(data, "medquad", HEART, 99)
    write(data, "bioasq", SKIN, 99)
    with pytest.raises(UsageError, match="no corpus of the suite medical-dev with 100 questions is on this"):
        study(bench, "bm25")
