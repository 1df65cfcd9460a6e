"""`python -m pipeline ablate`: variants are trained once, stopped or not, and stand beside the base."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ablation_material import STEPS, AblationPlace, ablation_place
from fakes import Heard

from medsearch.encoders.registry import find_model, load_registry
from medsearch.encoders.transformer import TransformerEncoder
from medsearch.errors import MedsearchError, UsageError
from medsearch.settings import Settings
from medsearch.workbench.ledger.contamination import ContaminationRequest, check_contamination
from pipeline.ablate import AblateRequest, ablate
from pipeline.ablation.page import BEGIN, END, Page, refuse_target, write_page
from pipeline.cli.main import main
from pipeline.training.choosing.tried import TriedLedger
from pipeline.training.data import clean
from pipeline.training.panel.build import build_panel
from pipeline.training.panel.scores import encode_panel, scores_of_vectors
from pipeline.training.recipe import load_train_recipe
from pipeline.training.running.history import History

Made = tuple[Page, "Listed", "Counted"]

TASKS = ["first:dev", "more/second:dev"]


class Counted:
    """What was searched for leaks: the files of each call of the ledger."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, request: ContaminationRequest, settings: Settings, progress: Heard) -> object:
        self.calls.append([file.name for file in request.train])
        return check_contamination(request, settings, progress)


class Listed(Heard):
    """Progress that remembers every stage in turn, one that begins again too."""

    def __init__(self) -> None:
        super().__init__()
        self.began: list[str] = []

    @contextmanager
    def stage(self, title: str, total: int | None, /) -> Iterator[Callable[[int], None]]:
        self.began.append(title)
        with super().stage(title, total) as advance:
            yield advance


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> AblationPlace:
    return ablation_place(tmp_path_factory.mktemp("ablation"))


@pytest.fixture(scope="module")
def made(place: AblationPlace) -> Made:
    """The ablation, run once by all tests of this file."""
    heard, counted = Listed(), Counted()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clean, "check_contamination", counted)
        page = ablate(AblateRequest(str(place.file)), place.settings, heard)
    return page, heard, counted


def untimed(page: Page) -> dict[str, Any]:
    record = page.record()
    return record | {"rows": [row | {"training_seconds": 0} for row in record["rows"]]}


def trainings(heard: Heard) -> dict[str, int]:
    return {title: steps for title, steps in heard.stages.items() if title.startswith("training ")}


def test_every_variant_is_a_row_below_the_base(made: Made) -> None:
    page, heard, _ = made
    assert [(row.name, sum(row.rows.values()), list(row.beside)) for row in page.rows] == [
        ("tiny-base", 0, []),
        ("few rows", 24, ["base"]),
        ("many rows", 48, ["base", "few rows"]),
        ("+ averaging", 48, ["base", "many rows"]),
    ]
    assert all(list(row.means) == TASKS for row in page.rows)
    assert trainings(heard) == {"training tiny-few-rows": STEPS, "training tiny-many-rows": STEPS}
    assert heard.stages["ablation tiny"] == 3
    assert page.settings["steps"] == "4"
    assert page.settings["seed"] == "13"


def test_scores_are_those_of_the_weights_and_differences_are_paired(place: AblationPlace, made: Made) -> None:
    """The base scored again from its registry entry; differences against plain means over its queries."""
    page, _, _ = made
    search = place.settings.search
    base = find_model("tiny-base", load_registry(search.models, cache=search.cache))
    table = load_train_recipe(str(place.root / "recipe.toml")).select
    panel = build_panel(table, "tiny-base", search, Heard())
    encoder = TransformerEncoder(base, cache=search.cache)
    again = scores_of_vectors(panel, encode_panel(panel, encoder.encode_queries, encoder.encode_documents))
    for task, scores in again.items():
        assert page.rows[0].means[task] == pytest.approx(sum(scores.values()) / len(scores))
    assert page.queries == {task: len(scores) for task, scores in again.items()}
    for row in page.rows[1:]:
        compared = row.beside["base"].comparison
        assert row.mean == pytest.approx(sum(row.means.values()) / len(TASKS))
        assert compared.difference == pytest.approx(row.mean - page.rows[0].mean)
        assert compared.ci[0] <= compared.difference <= compared.ci[1]
    assert page.rows[2].mean != page.rows[1].mean


def test_candidates_are_counted_beside_all_trainings(place: AblationPlace, made: Made) -> None:
    rows = TriedLedger(place.settings.training / "candidates.jsonl").rows()
    assert [(row.model, row.candidate) for row in rows] == [
        ("tiny-few-rows", "checkpoint-4"),
        ("tiny-many-rows", "checkpoint-4"),
        ("tiny-with-averaging", "checkpoint-4-base-0.5"),
    ]
    means = {row.name: row.mean for row in made[0].rows}
    assert [row.mean for row in rows] == pytest.approx(
        [means[name] for name in ("few rows", "many rows", "+ averaging")], abs=1e-6
    )


def test_leaks_are_searched_once_and_one_panel_is_made(place: AblationPlace, made: Made) -> None:
    assert made[2].calls == [["few.jsonl", "more.jsonl"]]
    root = place.settings.training / "ablations" / "tiny"
    folders = sorted(path.name for path in root.iterdir() if path.is_dir())
    assert folders == ["data", "few-rows-seed-13", "many-rows-seed-13", "panel"]
    assert (root / "many-rows-seed-13" / "data" / "clean.json").is_file()
    assert not any(root.glob("*/panel"))
    assert not any(root.glob("*/candidates/weights"))
    scored = [title for title in made[1].began if title.startswith("Scoring")]
    assert scored == [
        "Scoring tiny-base", "Scoring checkpoint-4", "Scoring checkpoint-4", "Scoring checkpoint-4-base-0.5",
    ]  # fmt: skip


def test_what_is_finished_is_not_made_again(
    place: AblationPlace, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, heard = Counted(), Heard()
    monkeypatch.setattr(clean, "check_contamination", counted)
    ledger = (place.settings.training / "candidates.jsonl").read_bytes()
    again = ablate(AblateRequest(str(place.file)), place.settings, heard)
    assert again.record() == made[0].record()
    assert trainings(heard) == {}
    assert not [title for title in heard.stages if title.startswith("Scoring")]
    assert counted.calls == []
    assert (place.settings.training / "candidates.jsonl").read_bytes() == ledger


class Stopping(Heard):
    """Progress that stops the second training amid its steps, as Ctrl-C does."""

    @contextmanager
    def stage(self, title: str, total: int | None, /) -> Iterator[Callable[[int], None]]:
        with super().stage(title, total) as advance:

            def step(steps: int) -> None:
                advance(steps)
                if title == "training tiny-many-rows" and self.stages[title] == 3:
                    raise KeyboardInterrupt

            yield step


def test_stopped_amid_a_variant_it_ends_with_the_same_table(
    place: AblationPlace, made: Made, tmp_path: Path
) -> None:
    settings = replace(place.settings, trained=tmp_path / "training")
    with pytest.raises(KeyboardInterrupt):
        ablate(AblateRequest(str(place.file)), settings, Stopping())
    heard = Heard()
    assert untimed(ablate(AblateRequest(str(place.file)), settings, heard)) == untimed(made[0])
    assert "going on after step 2 of 4" in heard.lines
    assert list(trainings(heard)) == ["training tiny-many-rows"]


def test_a_variant_begun_otherwise_is_named_and_trained_anew_alone(
    place: AblationPlace, made: Made, tmp_path: Path
) -> None:
    changed = place.changed('description = "the first rows"', 'description = "x"\ntrain = { batch = 6 }')
    with pytest.raises(
        MedsearchError,
        match=r"variant 'few rows': .* was begun with train.batch = 4, now it is 6: give --restart",
    ) as caught:
        ablate(AblateRequest(changed, ("few rows",)), place.settings, Heard())
    assert "\n" not in str(caught.value)
    root = place.settings.training / "ablations" / "tiny"
    other = (root / "many-rows-seed-13" / "history.jsonl").read_bytes()
    heard = Heard()
    page = ablate(AblateRequest(changed, ("few-rows",), restart=True), place.settings, heard)
    assert trainings(heard) == {"training tiny-few-rows": STEPS}
    assert [row.name for row in page.rows] == ["tiny-base", "few rows"]
    assert (root / "many-rows-seed-13" / "history.jsonl").read_bytes() == other
    # As it was, for the other tests.
    ablate(AblateRequest(str(place.file), ("few rows",), restart=True), place.settings, Heard())
    rows = [row for row in History(root / "few-rows-seed-13" / "history.jsonl").rows() if "loss" in row]
    assert len(rows) == STEPS


def test_seeds_are_trained_each_and_averaged_by_query(tmp_path: Path) -> None:
    place = ablation_place(tmp_path, seeds="[1, 2]")
    page = ablate(AblateRequest(str(place.file), ("few rows",)), place.settings, Heard())
    row = page.rows[1]
    assert len(set(row.of_seeds)) == 2
    assert row.mean == pytest.approx(sum(row.of_seeds) / 2)
    assert row.beside["base"].comparison.queries == sum(page.queries.values())
    assert "Means of its seeds: " in page.markdown()
    assert page.settings["seed"] == "1 and 2"


def test_the_page_and_its_numbers_are_written_between_marks(
    place: AblationPlace, made: Made, tmp_path: Path
) -> None:
    page, target = made[0], tmp_path / "ablation.md"
    refuse_target(target)
    write_page(page, target)
    text = target.read_text("utf-8")
    assert text.startswith(
        f"{BEGIN}\n\n# Ablation tiny\n\nA tiny ablation\n\nMade by `python -m pipeline ablate tiny.toml`."
    )
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert [len(line.split("|")) for line in lines[:6]] == [9] * 6
    assert lines[3].split("|")[2].strip() == "24"
    assert f"{100 * page.rows[1].mean:.1f}" in lines[3]
    assert "steps: 4; batch: 4; learning rate: 0.002; seed: 13; precision: fp32" in text
    assert str(place.root) not in text + target.with_suffix(".json").read_text("utf-8")
    record = json.loads(target.with_suffix(".json").read_text("utf-8"))
    assert [row["training_rows"] for row in record["rows"]] == [0, 24, 48, 48]
    assert record["rows"][3]["beside"]["many rows"]["verdict"].startswith(("better", "worse", "not"))
    # What a person wrote around it stays; a file without the marks is not touched.
    target.write_text(f"mine\n{BEGIN}\nold\n{END}\nmore\n", encoding="utf-8")
    write_page(page, target)
    kept = target.read_text("utf-8")
    assert kept.startswith(f"mine\n{BEGIN}\n\n# Ablation")
    assert kept.endswith(f"{END}\nmore\n")
    assert "\nold\n" not in kept
    other = tmp_path / "notes.md"
    other.write_text("notes", encoding="utf-8")
    for file, told in (
        (other, "not one that this command wrote"),
        (tmp_path / "no" / "x.md", "that is there"),
    ):
        with pytest.raises(UsageError, match=told):
            refuse_target(file)


def test_the_command_shows_and_writes_it(
    place: AblationPlace,
    made: Made,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in (
        ("MODELS", place.settings.search.models),
        ("CACHE", place.settings.search.cache),
        ("DATA", place.root / "data"),
        ("RUNS", place.settings.runs),
        ("TRAINING", place.settings.training),
        ("INDEX", place.settings.search.index),
    ):
        monkeypatch.setenv(f"MEDSEARCH_{name}", str(value))
    monkeypatch.chdir(tmp_path)
    assert main(["ablate", str(place.file), "--results", "table.md"]) == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()[2:6]] == ["tiny-base", "few", "many", "+"]
    assert said.endswith("table: table.md\n")
    assert (tmp_path / "table.md").read_text("utf-8").count("| \\+ averaging ") == 2
    assert main(["ablate", str(place.file), "--only", "many rows", "--json"]) == 0
    assert [row["variant"] for row in json.loads(capsys.readouterr().out)["rows"]] == [
        "tiny-base",
        "many rows",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table.json", "table.md"]
