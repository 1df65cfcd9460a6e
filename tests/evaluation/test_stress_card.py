"""The stress card: what a pass is, intervals against published ones, and files that are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stress_material import row, write_stress

from medsearch.errors import MedsearchError, UsageError
from medsearch.evaluation.stress import (
    Outcome,
    StressCard,
    compare_cards,
    judge,
    judge_all,
    pass_rate,
    shown,
    summary,
)
from medsearch.evaluation.stress_cards import card_file, card_record, read_cards, write_card
from medsearch.evaluation.stress_pairs import check_categories, find_stress_folder, read_stress_set

P, F, T = Outcome.PASSED, Outcome.FAILED, Outcome.TIED


def card(name: str, outcomes: str, category: str = "negation") -> StressCard:
    """A card with one outcome a letter: p, f or t."""
    letters = {"p": P, "f": F, "t": T}
    pairs = {f"{category}-{number}": letters[letter] for number, letter in enumerate(outcomes)}
    return StressCard(name, {category: pairs}, {"data_hash": "abc"}, "deadbeef", "2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("right", "wrong", "outcome"),
    [
        (2.0, 1.0, P),
        (1.0, 2.0, F),
        (1.0, 1.0, T),
        (-0.1, -0.2, P),
        (-0.1, None, P),
        (None, -0.1, F),
        (None, 0.1, F),
        (None, None, T),
    ],
)
def test_only_a_strictly_higher_score_is_a_pass(
    right: float | None, wrong: float | None, outcome: Outcome
) -> None:
    assert judge(right, wrong) is outcome


@given(
    st.floats(allow_nan=False, allow_infinity=False) | st.none(),
    st.floats(allow_nan=False, allow_infinity=False) | st.none(),
)
def test_swapping_the_passages_turns_a_pass_into_a_fail_and_leaves_a_tie(
    right: float | None, wrong: float | None
) -> None:
    assert judge(wrong, right) is {P: F, F: P, T: T}[judge(right, wrong)]


@pytest.mark.parametrize(
    ("passed", "pairs", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (Wilson's score interval).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_those_of_newcombe(passed: int, pairs: int, low: float, high: float) -> None:
    rate = pass_rate([P] * passed + [F] * (pairs - passed))
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=5e-5)
    assert rate.rate == passed / pairs


def test_ties_are_not_passes_and_are_counted() -> None:
    tied, failed = pass_rate([P, T, T, F]), pass_rate([P, F, F, F])
    assert (tied.pairs, tied.passed, tied.tied, failed.tied) == (4, 1, 2, 0)
    assert (tied.rate, tied.low, tied.high) == (failed.rate, failed.low, failed.high)


def test_a_summary_fits_beside_a_name() -> None:
    made = card("minilm", "p" * 81 + "f" * 182)
    assert summary(made) == "stress 31 % [26\N{EN DASH}37]"
    assert shown(made.categories["negation"]) == "31 % [26\N{EN DASH}37]"


def test_a_comparison_counts_pairs_that_only_one_passed_and_tests_them_exactly() -> None:
    # Two-sided binomial of 1 in 6 by hand: 2 * (1 + 6) / 2**6.
    found = compare_cards(card("a", "pfffffppft"), card("b", "fpppppppff"))
    assert (found.only_first, found.only_second) == (1, 5)
    assert found.p == pytest.approx(0.21875)
    assert compare_cards(card("a", "ppt"), card("b", "ppf")).p == 1.0
    assert compare_cards(card("a", "pp"), card("b", "ff", "laterality")).only_first == 0
    assert compare_cards(card("a", "pp"), card("b", "ff"), "laterality").only_first == 0


def test_a_card_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    made = [card("hybrid:minilm", "ptf"), card("team/model", "ppp")]
    files = [write_card(each, tmp_path) for each in made]
    assert [file.name for file in files] == ["hybrid-minilm.json", "team--model.json"]
    assert files[0] == card_file(tmp_path, "hybrid:minilm")
    assert read_cards(tmp_path) == {each.retriever: each for each in made}
    assert read_cards(tmp_path / "elsewhere") == {}


def test_the_record_of_a_card_names_every_pair_that_was_not_passed() -> None:
    record = card_record(card("minilm", "ptf"))
    assert list(record) == [
        *("retriever", "all", "categories", "chance", "failed", "tied", "outcomes"),
        *("settings", "git_revision", "created"),
    ]
    assert record["failed"] == {"negation": ["negation-2"]}
    assert record["tied"] == {"negation": ["negation-1"]}
    counts = {key: record["all"][key] for key in ("pairs", "passed", "failed", "tied", "rate")}
    assert counts == {"pairs": 3, "passed": 1, "failed": 1, "tied": 1, "rate": 1 / 3}
    assert record["all"] == record["categories"]["negation"]
    json.dumps(record)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", r"x\.json: not a stress card .*make it again with `medsearch stress`"),
        ("{}", r"x\.json: not a stress card \(retriever: "),
        (json.dumps(card_record(card("x", "p"))).replace('"passed"}', '"won"}'), r"outcomes\.negation"),
        (json.dumps({**card_record(card("x", "p")), "outcomes": {}}), r"x\.json: the stress card lacks"),
        (json.dumps({**card_record(card("x", "p")), "outcomes": {"negation": {}}}), r"the stress card lacks"),
    ],
)
def test_a_file_that_is_no_card_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "stress").mkdir()
    (tmp_path / "stress" / "x.json").write_text(content, encoding="utf-8")
    with pytest.raises(MedsearchError, match=said):
        read_cards(tmp_path)


def test_pairs_are_read_by_category_and_line(tmp_path: Path) -> None:
    stress = read_stress_set(write_stress(tmp_path))
    assert stress.categories == ("negation", "organ")
    assert [pair.pair_id for pair in stress.pairs] == ["negation-1", "organ-1", "organ-2"]
    assert (stress.pairs[0].query, stress.pairs[0].checked) == ("no chest pain", "yes")
    assert stress.data_hash == read_stress_set(write_stress(tmp_path / "copy")).data_hash
    (tmp_path / "organ.jsonl").rename(tmp_path / "part.jsonl")
    assert read_stress_set(tmp_path).data_hash != stress.data_hash


def test_outcomes_are_kept_by_category(tmp_path: Path) -> None:
    stress = read_stress_set(write_stress(tmp_path))
    scores = {"negation-1": (1.0, 1.0), "organ-1": (1.0, None), "organ-2": (0.1, 0.2)}
    assert judge_all(stress.pairs, scores) == {
        "negation": {"negation-1": T},
        "organ": {"organ-1": P, "organ-2": F},
    }


GOOD = row("x-1", "Which side?", "The left knee.", "The right knee.")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", r"bad\.jsonl:2: Invalid JSON"),
        ("[]", r"bad\.jsonl:2: Input should be an object"),
        (json.dumps({**GOOD, "id": 7}), r"bad\.jsonl:2: id: Input should be a valid string"),
        (json.dumps({key: GOOD[key] for key in GOOD if key != "right"}), r"bad\.jsonl:2: right: Field req"),
        (json.dumps({**GOOD, "wrong": " "}), r"bad\.jsonl:2: wrong is empty"),
        (json.dumps({**GOOD, "wrong": "The  left knee. "}), r"bad\.jsonl:2: right and wrong are the same"),
        (
            json.dumps(GOOD) + "\n" + json.dumps(GOOD),
            r"bad\.jsonl:3: the id 'x-1' came before, in bad\.jsonl",
        ),
    ],
)
def test_a_pair_that_cannot_be_used_is_named_by_file_and_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "bad.jsonl").write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(MedsearchError, match=said):
        read_stress_set(tmp_path)


def test_where_there_are_no_pairs_it_is_said_where_they_were_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(f"looked for stress/CATEGORY.jsonl in {tmp_path}")):
        find_stress_folder([tmp_path])
    (tmp_path / "stress").mkdir()
    with pytest.raises(UsageError, match=r"no CATEGORY\.jsonl is in it"):
        read_stress_set(tmp_path / "stress")
    (tmp_path / "stress" / "a.jsonl").write_text("\n")
    with pytest.raises(UsageError, match="its files are empty"):
        read_stress_set(tmp_path / "stress")
    other = tmp_path / "other"
    write_stress(other / "stress")
    (tmp_path / "stress" / "a.jsonl").unlink()
    assert find_stress_folder([tmp_path, other]) == other / "stress"


def test_an_unknown_category_is_named_with_those_there_are(tmp_path: Path) -> None:
    stress = read_stress_set(write_stress(tmp_path))
    with pytest.raises(UsageError, match="no category sides: there is negation, organ"):
        check_categories(["organ", "sides"], stress)
