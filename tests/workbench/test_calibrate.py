"""Calibrating by name: who calibrates and who measures, what is counted as a look, what an index keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from calibration_material import QUESTIONS, CalibrationBench, write_both, write_corpus
from fakes import Heard, topic_spec
from late_fakes import WordEncoder, word_spec

from medsearch.corpora.catalogue import find_corpus, load_collection
from medsearch.corpora.rejects import Rejects
from medsearch.errors import IndexRefusedError, UsageError
from medsearch.search.abstention import FILE, abstention_notice, answerability, judged_by, read_thresholds
from medsearch.search.names import parse_retriever
from medsearch.settings import Settings
from medsearch.workbench.calibrate import calibrate, default_split
from medsearch.workbench.outside_queries import SAMPLE, find_others, outside_queries


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CalibrationBench:
    write_both(tmp_path / "data")
    folders = (tmp_path / "data",), tmp_path / "index", tmp_path / "cache", None, tmp_path / "looks.jsonl"
    made = CalibrationBench(Settings(*folders))
    monkeypatch.setattr("medsearch.search.searcher.load_encoder", made.load)
    monkeypatch.setattr("medsearch.search.indexing.load_encoder", made.load)
    return made


def test_questions_from_outside_are_refused_and_answered_ones_are_not(bench: CalibrationBench) -> None:
    found = calibrate(bench.request("topics,bm25,hybrid:topics"), bench.settings, bench.registry, Heard())
    dense, bm25, hybrid = found
    assert [each.retriever for each in found] == ["topics", "bm25", "hybrid:topics"]
    for each in found:
        assert (each.calibrated, each.false.asked, each.error) == (QUESTIONS // 2, QUESTIONS // 2, 0.05)
        assert each.false.share <= 0.2
        assert each.all_outside.asked == QUESTIONS
        assert each.all_outside.share == 1.0
        assert each.separation == 1.0
    assert dense.statistic == "cosine of the best hit"
    assert bm25.statistic == "share of the best possible score"
    assert (hybrid.model, hybrid.threshold, hybrid.outside) == ("topics", dense.threshold, dense.outside)
    assert dense.settings["search"] == "exact"
    assert dense.settings["passages"] == "whole documents"
    assert hybrid.settings["fusion"] is not None


def test_one_half_calibrates_the_other_measures_and_the_same_ones_each_time(bench: CalibrationBench) -> None:
    [first] = calibrate(bench.request(), bench.settings, bench.registry, Heard())
    asked = set(bench.encoders[-1].queries)
    [second] = calibrate(bench.request(), bench.settings, bench.registry, Heard())
    assert replace(second, created=first.created) == first
    assert first.calibrated_on == "half of dev"
    assert first.measured_on == "the other half of dev"
    dev = {f"q{number}" for number in range(QUESTIONS)}
    clinic = load_collection(find_corpus("clinic", bench.settings.data), "dev", Rejects())
    assert {query.query_id for query in clinic.queries} == dev
    assert {query.text for query in clinic.queries} < asked
    assert len(asked) == 2 * QUESTIONS
    assert bench.encoders[-1].queries == []  # vectors of queries are kept


def test_report_calibrates_on_all_of_dev_and_measures_on_test(bench: CalibrationBench) -> None:
    [found] = calibrate(bench.request(report=True), bench.settings, bench.registry, Heard())
    assert (found.calibrated, found.calibrated_on) == (QUESTIONS, "dev")
    assert (found.false.asked, found.measured_on) == (QUESTIONS, "test")
    assert not (bench.settings.looks or Path()).exists()  # no suite reports on this corpus
    on_test = replace(bench.request(report=True), split="test")
    with pytest.raises(UsageError, match="--report measures on the test split: calibrate on another one"):
        calibrate(on_test, bench.settings, bench.registry, Heard())


def test_a_look_at_a_split_that_a_suite_reports_on_is_noted(bench: CalibrationBench) -> None:
    write_both(bench.settings.data[0] / "again", "medquad")
    (bench.settings.data[0] / "again" / "medquad").rename(bench.settings.data[0] / "medquad")
    calibrate(bench.request(corpus="medquad"), bench.settings, bench.registry, Heard())
    ledger = bench.settings.looks or Path()
    assert not ledger.exists()
    calibrate(bench.request(corpus="medquad", report=True), bench.settings, bench.registry, Heard())
    [look] = [json.loads(line) for line in ledger.read_text("utf-8").splitlines()]
    named = {key: look[key] for key in ("task", "retriever", "suite", "queries")}
    assert named == {
        "task": "medquad:test",
        "retriever": "topics",
        "suite": "calibrate",
        "queries": QUESTIONS,
    }


def test_too_few_questions_refuse_nothing(bench: CalibrationBench) -> None:
    request = replace(bench.request(), error=0.01)
    [found] = calibrate(request, bench.settings, bench.registry, Heard())
    assert found.threshold is None
    assert (found.false.abstained, found.all_outside.abstained) == (0, 0)


def test_fewer_than_two_answerable_questions_cannot_be_halved(bench: CalibrationBench) -> None:
    file = bench.settings.data[0] / "clinic" / "qrels" / "dev.tsv"
    file.write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td1\t0\n")
    with pytest.raises(UsageError, match="clinic:dev has one query with a relevant document: at least two"):
        calibrate(bench.request(), bench.settings, bench.registry, Heard())


def test_the_split_is_dev_or_the_only_one_that_no_suite_reports_on(bench: CalibrationBench) -> None:
    data = bench.settings.data[0]
    for name in ("single", "cystic_fibrosis"):
        write_corpus(data / name, {"d0": "cough"}, {"q0": "cough"}, {"test": ["q0"]})
    locations = {name: find_corpus(name, (data,)) for name in ("clinic", "single", "cystic_fibrosis")}
    assert default_split(locations["clinic"]) == "dev"
    assert default_split(locations["single"]) == "test"
    with pytest.raises(UsageError, match=r"has no split 'dev'; it has test: name one with --split .*counted"):
        default_split(locations["cystic_fibrosis"])
    (data / "single" / "qrels" / "test.tsv").unlink()
    with pytest.raises(UsageError, match="single has no judged queries"):
        default_split(locations["single"])


def test_a_question_that_the_corpus_has_too_is_not_one_from_outside(bench: CalibrationBench) -> None:
    clinic = find_corpus("clinic", bench.settings.data)
    questions = {
        "q0": "What about COUGH in asthma, number 2?",
        "q1": "angina of the heart, note 0 on a patient",
    }
    questions |= {f"q{n}": f"a tooth, number {n}" for n in range(2, SAMPLE + 50)}
    here = bench.settings.data[0] / "mixed"
    write_corpus(here, {"d0": "tooth"}, questions, {"test": ["q0", "q1", *list(questions)[2:12]]})
    inside = load_collection(clinic, "dev", Rejects())
    mixed = find_others(["mixed"], clinic, bench.settings)
    found = outside_queries(inside, clinic, mixed, heard := Heard())
    assert {query.query_id for query in found.all} == {f"q{n}" for n in range(2, 12)}
    assert found.shared == 2
    assert heard.lines == ["2 questions of other corpora left out: they are in clinic too"]
    (here / "qrels" / "test.tsv").write_text("".join(f"q{n}\td0\t1\n" for n in range(2, SAMPLE + 50)))
    assert len(outside_queries(inside, clinic, mixed, Heard()).queries["mixed"]) == SAMPLE
    (here / "qrels" / "test.tsv").write_text("q0\td0\t1\n")
    with pytest.raises(UsageError, match="every question of the other corpora is in clinic too"):
        outside_queries(inside, clinic, mixed, Heard())


def test_others_that_cannot_serve_are_refused(bench: CalibrationBench) -> None:
    clinic = find_corpus("clinic", bench.settings.data)
    (bench.settings.data[0] / "mute").mkdir()
    (bench.settings.data[0] / "mute" / "corpus.jsonl").write_text('{"_id": "a", "text": "b"}\n')
    for name, told in (
        ("clinic", "--others clinic: its questions are answered here"),
        ("mute", "--others mute: it has no judged questions"),
        ("nowhere", "no corpus called 'nowhere'"),
    ):
        with pytest.raises(UsageError, match=told):
            find_others(["other", name], clinic, bench.settings)
    with pytest.raises(UsageError, match="name corpora that have questions with --others A,B"):
        find_others([], clinic, bench.settings)  # none of the suite's is here
    (bench.settings.data[0] / "other").rename(bench.settings.data[0] / "bioasq")
    assert [each.name for each in find_others([], clinic, bench.settings)] == ["bioasq"]
    bioasq = find_corpus("bioasq", bench.settings.data)
    with pytest.raises(UsageError, match="no questions from outside bioasq"):
        find_others([], bioasq, bench.settings)


def test_an_index_keeps_its_thresholds_and_search_says_when_nothing_answers(bench: CalibrationBench) -> None:
    searcher = bench.make_index()
    assert abstention_notice(searcher, "topics", "a broken wrist") is None  # not calibrated yet
    found = calibrate(
        bench.request("bm25,hybrid:topics", index=True), bench.settings, bench.registry, Heard()
    )
    assert found[0].settings["search"] == "approximate"
    assert found[0].settings["passages"]["max_tokens"] == 16
    kept = read_thresholds(searcher.reader.folder)
    assert {name: each.threshold for name, each in kept.items()} == {
        "bm25": found[0].threshold,
        "topics": found[1].threshold,
    }
    for retriever in ("topics", "bm25", "hybrid:topics"):
        answered = [f"what about cough in asthma number {n}" for n in range(2, QUESTIONS, 4)]
        notices = [abstention_notice(searcher, retriever, text) for text in answered]
        assert notices.count(None) >= len(answered) - 2
        notice = abstention_notice(searcher, retriever, "a broken wrist in a cast")
        assert notice is not None
        assert notice.startswith("Nothing in clinic seems to answer this: the ")
        assert notice.endswith(
            "set so that about 5 % of questions like those it was calibrated on would wrongly be refused."
        )
    judged = answerability(searcher, "hybrid:topics", "a broken wrist in a cast")
    assert judged is not None
    assert judged.abstains
    close = replace(judged, score=0.44951, threshold=0.44957)
    assert "is 0.4495, below 0.4496, which" in close.notice
    assert "is 0.100, below 0.450, which" in replace(close, score=0.1).notice


def test_a_reranker_is_judged_as_what_it_reranks_and_late_interaction_alone_is_not(
    bench: CalibrationBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.registry["words"] = word_spec()
    for module in ("searcher", "indexing"):
        monkeypatch.setattr(
            f"medsearch.search.{module}.load_token_encoder", lambda spec, *, cache: WordEncoder(spec)
        )
    searcher = bench.make_index(extra=("words",))
    asked = bench.request("bm25,rerank:words:bm25,rerank:words:hybrid:topics", index=True)
    bm25, over_bm25, over_hybrid = calibrate(asked, bench.settings, bench.registry, Heard())
    assert (over_bm25.model, over_bm25.threshold, over_bm25.statistic) == (
        "bm25",
        bm25.threshold,
        bm25.statistic,
    )
    assert (over_hybrid.model, over_hybrid.statistic) == ("topics", "cosine of the best hit")
    assert over_bm25.settings["rerank"]["first"] == "bm25"
    assert set(read_thresholds(searcher.reader.folder)) == {"bm25", "topics"}
    notices = {
        name: abstention_notice(searcher, name, "a broken wrist in a cast")
        for name in ("bm25", "rerank:words:bm25", "rerank:words:hybrid:topics", "words")
    }
    assert notices["rerank:words:bm25"] == notices["bm25"] is not None
    assert "the cosine of the best hit is" in (notices["rerank:words:hybrid:topics"] or "")
    assert notices["words"] is None
    with pytest.raises(
        UsageError, match="words: late interaction alone has no score that could be judged"
    ) as told:
        calibrate(bench.request("bm25,words"), bench.settings, bench.registry, Heard())
    assert str(told.value).endswith("calibrate what it reranks, such as rerank:words:bm25")


def test_a_reranker_without_its_prompts_leaves_the_threshold_of_the_model_alone(
    bench: CalibrationBench,
) -> None:
    bench.registry |= {"topics": topic_spec(query_prompt="seek: "), "words": word_spec()}
    name = parse_retriever("rerank:words:hybrid:topics@no-prompt", bench.registry)
    judged = judged_by(name)
    assert (judged.name, judged.models[0].query_prompt) == ("topics@no-prompt", "")
    assert judged_by(parse_retriever("rerank:words:topics", bench.registry)).name == "topics"


def test_a_score_that_tells_nothing_serves_no_threshold_and_an_older_one_is_forgotten(
    bench: CalibrationBench,
) -> None:
    """The other corpus asks what this one answers, in its very words, so that they score no worse."""
    searcher = bench.make_index()
    calibrate(bench.request("topics,bm25", index=True), bench.settings, bench.registry, Heard())
    assert abstention_notice(searcher, "bm25", "a broken wrist in a cast") is not None
    texts = {f"q{n}": f"angina of the heart, note {n}" for n in range(0, 24, 4)}
    write_corpus(bench.settings.data[0] / "echo", {"d0": "tooth"}, texts, {"test": list(texts)})
    others = find_others(["echo"], find_corpus("clinic", bench.settings.data), bench.settings)
    request = replace(bench.request("bm25", index=True), others=others)
    [found] = calibrate(request, bench.settings, bench.registry, Heard())
    assert found.separation <= 0.5
    assert not found.separates
    assert found.threshold is not None  # the table shows it, searches do not use it
    kept = read_thresholds(searcher.reader.folder)
    assert kept["bm25"].threshold is None
    assert kept["topics"].threshold is not None
    assert abstention_notice(searcher, "bm25", "a broken wrist in a cast") is None


def test_thresholds_of_other_retrievers_stay_and_those_without_a_number_say_nothing(
    bench: CalibrationBench,
) -> None:
    searcher = bench.make_index()
    calibrate(bench.request("bm25", index=True), bench.settings, bench.registry, Heard())
    before = read_thresholds(searcher.reader.folder)["bm25"]
    strict = replace(bench.request("topics", index=True), error=0.01)
    calibrate(strict, bench.settings, bench.registry, Heard())
    kept = read_thresholds(searcher.reader.folder)
    assert (kept["bm25"], kept["topics"].threshold) == (before, None)
    assert abstention_notice(searcher, "topics", "a broken wrist in a cast") is None


@pytest.mark.parametrize("changed", ["corpus", "model"])
def test_a_threshold_of_another_corpus_or_model_is_refused(bench: CalibrationBench, changed: str) -> None:
    bench.make_index()
    calibrate(bench.request(index=True), bench.settings, bench.registry, Heard())
    if changed == "corpus":
        with (bench.settings.data[0] / "clinic" / "corpus.jsonl").open("a") as stream:
            stream.write('{"_id": "new", "text": "a broken wrist"}\n')
        told = r"the passages have changed since topics was calibrated"
    else:
        bench.registry["topics"] = topic_spec(query_prompt="query: ")
        told = r"the model topics has changed since topics was calibrated"
    searcher = bench.make_index()
    with pytest.raises(IndexRefusedError, match=told):
        answerability(searcher, "topics", "a broken wrist in a cast")
    notice = abstention_notice(searcher, "topics", "cough")
    assert notice is not None
    assert notice.endswith("calibrate again with `medsearch calibrate clinic --models topics --index`")
    calibrate(bench.request(index=True), bench.settings, bench.registry, Heard())
    assert answerability(searcher, "topics", "cough") is not None


def test_adding_a_model_to_an_index_leaves_the_thresholds_of_the_others_in_force(
    bench: CalibrationBench,
) -> None:
    bench.make_index()
    calibrate(bench.request(index=True), bench.settings, bench.registry, Heard())
    bench.registry["more"] = topic_spec("more")
    searcher = bench.make_index(extra=("more",))
    assert set(searcher.reader.manifest.plan.models) == {"topics", "bm25", "more"}
    assert answerability(searcher, "topics", "cough") is not None


def test_damaged_thresholds_are_told_of_and_made_again(bench: CalibrationBench) -> None:
    searcher = bench.make_index()
    (searcher.reader.folder / FILE).write_text('{"topics": {"threshold": "high"}}')
    notice = abstention_notice(searcher, "topics", "cough")
    assert notice is not None
    assert "not readable as thresholds: make them again with `medsearch calibrate" in notice
    [found] = calibrate(bench.request(index=True), bench.settings, bench.registry, Heard())
    assert read_thresholds(searcher.reader.folder)["topics"].threshold == found.threshold
