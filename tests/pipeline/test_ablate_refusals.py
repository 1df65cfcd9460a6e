"""What `python -m pipeline ablate` refuses, before it trains, and where its table goes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from ablation_material import AblationPlace, ablation_place
from fakes import Heard
from training_material import pair_row, training_rows, write_rows

from medsearch.errors import UsageError
from pipeline.ablate import AblateRequest, ablate
from pipeline.ablation.page import Page
from pipeline.cli.ablate import results_of
from pipeline.cli.main import main

WITH_NEGATIVES = "few rows"
PAIRS = [pair_row(number, f"query {number}", f"answer {number}") for number in range(3)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AblationPlace:
    """An ablation whose leaks are not searched for; the working directory is empty."""
    found = ablation_place(tmp_path / "place")
    monkeypatch.setattr("pipeline.training.data.clean.clean_sources", stop)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return found


class ReachedError(Exception):
    """What comes behind the refusals was begun."""


def stop(*_: object) -> None:
    raise ReachedError


def reading(place: AblationPlace, *runs: str) -> AblateRequest:
    """The first variant alone, reading these runs of pairs."""
    for run in runs:
        write_rows(place.settings.runs / run / "pairs.jsonl", PAIRS)
    data = ", ".join(f'{{ run = "{run}" }}' for run in runs)
    few = f'data = [{{ file = "{place.root / "few.jsonl"}" }}]\n\n'
    return AblateRequest(place.changed(few, f"data = [{data}]\n\n"), (WITH_NEGATIVES,))


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        (["bioasq-train"], "run `python -m pipeline mine --run bioasq-train` first, or set loss.negatives"),
        (["a", "b"], "run `python -m pipeline mine --run RUN` first, RUN being one of a, b, or set"),
    ],
)
def test_a_variant_of_negatives_that_nobody_mined_is_refused(
    place: AblationPlace, runs: list[str], told: str
) -> None:
    request = reading(place, *runs)
    with pytest.raises(UsageError) as caught:
        ablate(request, place.settings, Heard())
    assert str(caught.value).startswith("variant 'few rows': none of its sources has mined negatives: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    # Rows of another split are not trained on; one row of the split to train on is enough.
    mined: list[dict[str, Any]] = training_rows(2)
    file = place.settings.runs / runs[-1] / "triplets.jsonl"
    write_rows(file, [*(row | {"split": "dev"} for row in mined), mined[0] | {"negatives": []}])
    with pytest.raises(UsageError, match="none of its sources has mined negatives"):
        ablate(request, place.settings, Heard())
    write_rows(file, mined)
    with pytest.raises(ReachedError):
        ablate(request, place.settings, Heard())


def test_files_without_negatives_are_refused_unless_none_are_asked_for(place: AblationPlace) -> None:
    file = place.root / "few.jsonl"
    rows = training_rows(2)
    write_rows(file, PAIRS)
    with pytest.raises(UsageError, match="negatives: name a file of rows with negatives, or set loss"):
        ablate(AblateRequest(str(place.file), (WITH_NEGATIVES,)), place.settings, Heard())
    none = place.changed("[common.train]", "[common.loss]\nnegatives = 0\n\n[common.train]")
    with pytest.raises(ReachedError):
        ablate(AblateRequest(none, (WITH_NEGATIVES,)), place.settings, Heard())
    packed = place.root / "few.jsonl.gz"
    packed.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    asked = place.changed(str(file), str(packed))
    with pytest.raises(ReachedError):
        ablate(AblateRequest(asked, (WITH_NEGATIVES,)), place.settings, Heard())


def test_only_the_ablation_of_the_repository_goes_to_its_page(
    place: AblationPlace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert results_of("minilm") == Path("docs/ablation.md")
    assert results_of("my/minilm.toml") == Path("docs/ablation-minilm.md")
    Path("docs").mkdir()
    written: list[Path] = []
    page = Page("n", "d", "c", "b", {}, "s", {}, {}, (), "r")
    monkeypatch.setattr("pipeline.cli.ablate.ablate", lambda *_: page)
    monkeypatch.setattr("pipeline.cli.ablate.write_page", lambda _, target: written.append(target))
    for arguments in (
        ["minilm"], [str(place.file)], ["minilm", "--only", "x"], ["minilm", "--results", "own.md"],
    ):  # fmt: skip
        assert main(["ablate", *arguments, "--json"]) == 0
    assert written == [Path("docs/ablation.md"), Path("docs/ablation-tiny.md"), Path("own.md")]


def test_wrong_names_and_places_are_told_in_a_line(
    place: AblationPlace, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(place.file)
    for arguments, told in (
        (["huge", "--only", "x"], "no ablation called 'huge'; there is minilm"),
        ([file, "--only", "none"], "--only none: there is no variant of this name"),
        ([file, "--results", "no/x.md"], "--results no/x.md: name a .md file in a folder that is there"),
        ([file], "there is no folder docs here to write the table to: give --results FILE"),
        (["minilm"], "there is no folder docs here to write the table to: give --results FILE"),
        (["no.toml", "--only", "x"], "there is no ablation file"),
    ):
        assert main(["ablate", *arguments]) == 2
        assert told in capsys.readouterr().err.splitlines()[-1]
