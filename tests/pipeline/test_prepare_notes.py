"""Notes are chosen by licence, language and length; what is left out is counted with its reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import Heard
from generate_material import Masked, NameMasker, count_words, note_text, recipe

from medsearch.corpora.catalogue import find_corpus
from medsearch.errors import MedsearchError
from medsearch.types import Document
from pipeline.journal import PlanChangedError, read_rows
from pipeline.masking.kinds import UnmaskableError
from pipeline.notes import NoteRow, NoteTools, _masked, prepare_notes
from pipeline.pool import read_pool
from pipeline.recipe import Recipe
from pipeline.run_folder import RunFolder
from pipeline.yields import Yield


def prepare(
    folder: Path, records: list[dict[str, object]], *, restart: bool = False, **generate: object
) -> tuple[Yield, RunFolder, Heard]:
    (folder / "notes").mkdir(exist_ok=True)
    (folder / "notes" / "corpus.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    chosen = recipe("one_text")
    table = chosen.generate.model_copy(update={"licences": ("CC BY",), "max_characters": 900, **generate})
    chosen = Recipe.model_validate({**chosen.model_dump(), "generate": table.model_dump()})
    run, heard = RunFolder(folder / "run"), Heard()
    tools = NoteTools(NameMasker(), count_words, "1")
    return (
        prepare_notes(find_corpus("notes", (folder,)), run, chosen, tools, heard, restart=restart),
        run,
        heard,
    )


def record(doc_id: str, text: str = note_text(1), **metadata: str) -> dict[str, object]:
    given = {"licence": "CC BY", "language": "en", **metadata}
    return {"_id": doc_id, "title": "", "text": text, "metadata": given}


def test_what_is_left_out_is_counted_with_its_reason(tmp_path: Path) -> None:
    records = [
        record("good"),
        record("nc", licence="CC BY-NC"),
        record("spanish", language="es"),
        record("short", "Too short."),
        record("long", note_text(1) * 4),
        {"_id": "none", "title": "", "text": note_text(2), "metadata": {}},
    ]
    total, run, _ = prepare(tmp_path, records)
    assert (total.taken, total.kept) == (6, 1)
    assert total.dropped == {
        "licence CC BY-NC": 1,
        "language es": 1,
        "shorter than the recipe's limit": 1,
        "longer than the recipe's limit": 1,
        "licence not stated": 1,
    }
    (note,) = read_rows(run.notes, NoteRow)
    assert note.source.doc_id == "good"
    assert note.text.startswith("[NAME] was a farmer")
    pool = read_pool(run)
    assert [passage.text for passage in pool] == [note.text[p.start : p.end] for p in note.passages]
    assert len(pool) > 1
    assert pool[0].source.licence == "CC BY"


def test_a_title_is_masked_and_stands_before_each_passage(tmp_path: Path) -> None:
    _, run, _ = prepare(tmp_path, [{**record("one"), "title": "Letter on Patient 12"}])
    assert all(passage.text.startswith("Letter on [NAME] ") for passage in read_pool(run))
    assert "Patient 12" not in run.notes.read_text()


def test_bad_records_are_set_aside_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    _, run, heard = prepare(tmp_path, [record("one"), {"_id": "no-text"}, record("one")])
    kept = (run.path / "rejects.jsonl").read_text()
    assert "corpus.jsonl:2" in kept
    assert "corpus.jsonl:3" in kept
    assert any("2 bad records set aside" in line for line in heard.lines)


def test_a_name_in_the_title_is_known_in_the_text_and_breaks_of_lines_do_not_part_them() -> None:
    class Whole:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def mask(self, text: str, /) -> Masked:
            self.seen.append(text)
            return Masked(text.replace("Smith", "[NAME]"), {"name": 2})

    masker = Whole()
    masked, found = _masked(Document("d", "Smith\n\nof York", "He saw Smith.\n\nHe left."), masker)
    assert (masked.title, masked.text) == ("[NAME] of York", "He saw [NAME].\n\nHe left.")
    assert found == {"name": 2}
    assert len(masker.seen) == 1


def test_a_note_that_cannot_be_masked_is_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = NameMasker.mask

    def mask(self: NameMasker, text: str, /) -> Masked:
        if "kidney" in text:
            raise UnmaskableError("took too long")
        return original(self, text)

    monkeypatch.setattr(NameMasker, "mask", mask)
    total, run, _ = prepare(tmp_path, [record("one"), record("two", note_text(2))])
    assert (total.kept, total.dropped) == (1, {"could not be masked in time": 1})
    assert "kidney" not in run.pool_file.read_text()


def test_ids_can_be_hidden(tmp_path: Path) -> None:
    given = {
        **record("MRN4471902"),
        "metadata": {"licence": "CC BY", "url": "https://h/4471902", "group": "ward"},
    }
    _, run, _ = prepare(tmp_path, [given], hide_ids=True)
    everything = "".join(file.read_text() for file in run.path.rglob("*.jsonl"))
    assert "4471902" not in everything
    assert '"ward"' not in everything
    (note,) = read_rows(run.notes, NoteRow)
    assert len(note.source.doc_id) == len(note.source.group) == 16


def test_a_second_time_nothing_is_done_and_another_corpus_is_refused(tmp_path: Path) -> None:
    first, run, _ = prepare(tmp_path, [record("one")])
    again, _, _ = prepare(tmp_path, [record("one")])
    assert again.record() == first.record()
    with pytest.raises(PlanChangedError, match="corpus_hash"):
        prepare(tmp_path, [record("one"), record("two")])
    with pytest.raises(PlanChangedError, match=r"notes\.licences"):
        prepare(tmp_path, [record("one")], licences=())
    assert len(list(read_rows(run.notes, NoteRow))) == 1
    changed, run, _ = prepare(tmp_path, [record("one"), record("two")], restart=True)
    assert (changed.kept, len(list(read_rows(run.notes, NoteRow)))) == (2, 2)


def test_a_pool_that_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    _, run, _ = prepare(tmp_path, [record("one")])
    run.pool_file.write_text(run.pool_file.read_text() + "{}\n")
    with pytest.raises(MedsearchError, match=r"corpus\.jsonl:\d+ is not a passage"):
        read_pool(run)
    run.pool_file.unlink()
    with pytest.raises(MedsearchError, match="run `python -m pipeline generate`, `convert` or `prepare`"):
        read_pool(run)
