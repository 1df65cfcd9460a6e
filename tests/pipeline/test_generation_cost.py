"""The cost of generating: numbers by hand, and wrong usage said on one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.generation_cost import Hardware, Tokens, estimate, main


def test_tokens_and_hours_by_hand() -> None:
    # A model of 1e9 parameters on one GPU of 2e12 operations/s and 1e12 bytes/s, half of which is reached:
    # 500 prompt tokens/s; 10 readings/s of 2e9 bytes at a batch of 1: 250 answer tokens/s.
    server = Hardware("tiny", 1, 2e12, 1e12, 1e9, 2, 1)
    cost = estimate(Tokens(prompt=300, repeated=200, answer=50), 9_000, server, 0.5)
    assert (cost["prompt_tokens"], cost["prompt_tokens_computed"], cost["answer_tokens"]) == (
        2_700_000,
        900_000,
        450_000,
    )
    assert cost["hours"] == cost["gpu_hours"] == round((900_000 / 500 + 450_000 / 250) / 3600, 2) == 1.0


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (["--notes", "abc"], "--notes abc: 'abc' is not a whole number from 1 on; write 5000,1000000"),
        (["--notes", "5000,,1"], "--notes 5000,,1: '' is not a whole number from 1 on; write 5000,1000000"),
        (["--notes", "0"], "--notes 0: '0' is not a whole number from 1 on; write 5000,1000000"),
        (["--use", "0"], "--use 0: must be a share of the peak, above 0 and at most 1"),
        (["--use", "nan"], "--use nan: must be a share of the peak, above 0 and at most 1"),
        (["--use", "half"], "--use half: must be a share of the peak, above 0 and at most 1"),
        ([], "no run called 'none' in RUNS; there is none yet: `generate` or `convert` begins one"),
    ],
)
def test_wrong_usage_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    what: str,
) -> None:
    monkeypatch.setenv("MEDSEARCH_RUNS", str(tmp_path / "runs"))
    with pytest.raises(SystemExit) as ended:
        main(["none", *given])
    assert ended.value.code == 2
    said = capsys.readouterr().err.replace(str(tmp_path / "runs"), "RUNS")
    assert said.partition(": ")[2] == f"{what}\n"
