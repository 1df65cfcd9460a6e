"""Generate: rows in order, everything accounted for, killed at any moment and gone on with."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import fake_llm_server as fake
import generate_material as material
import pytest
from fake_llm_server import FakeLlmServer

from medsearch.errors import MedsearchError
from pipeline.journal import PlanChangedError, read_rows
from pipeline.notes import NoteRow
from pipeline.pool import read_pool
from pipeline.records import GeneratedRow, QueryKind, SetAsideRow
from pipeline.run_folder import RunFolder

MODES = ["six", "one", "one_text"]


def generated(folder: Path) -> list[GeneratedRow]:
    return list(read_rows(RunFolder(folder / "run").generated, GeneratedRow))


def set_aside(folder: Path) -> list[SetAsideRow]:
    return list(read_rows(RunFolder(folder / "run").set_aside, SetAsideRow))


@pytest.mark.parametrize("mode", MODES)
def test_six_queries_a_note_each_with_its_place_kind_and_provenance(mode: str, tmp_path: Path) -> None:
    with FakeLlmServer(material.good_answer) as server:
        prepared, total = material.run_all(tmp_path, server.base_url, mode, notes=10, limit=10)
        assert len(server.bodies) == (10 if mode == "six" else 60)
        assert server.most_in_flight <= 4
    assert (prepared.taken, prepared.kept, prepared.seen["masked: name"]) == (10, 10, 10)
    rows = generated(tmp_path)
    assert (total.taken, total.kept, len(rows)) == (60, 60, 60)
    kinds = Counter((row.source.doc_id, row.kind) for row in rows)
    assert set(kinds.values()) == {2}
    assert {row.kind for row in rows} == {QueryKind.KEYWORD, QueryKind.QUESTION, QueryKind.MANAGEMENT}
    run = RunFolder(tmp_path / "run")
    notes = {note.source.doc_id: note for note in read_rows(run.notes, NoteRow)}
    pool = {passage.passage_id: passage for passage in read_pool(run)}
    for row in rows:
        assert notes[row.source.doc_id].text[row.start : row.end] == row.evidence
        assert pool[row.passage_id].source == row.source
        assert any(word in pool[row.passage_id].text for word in row.evidence.split())
        assert (row.llm.model, row.llm.prompt, row.llm.prompt_version) == ("fake", mode, 1)
        assert (row.llm.seed, row.llm.temperature) == (None, 0.7)
    assert all("seed" not in body for body in server.bodies)
    assert ("response_format" in server.bodies[0]) == (mode != "one_text")


def test_identifiers_never_reach_the_server(tmp_path: Path) -> None:
    with FakeLlmServer(material.good_answer) as server:
        material.run_all(tmp_path, server.base_url, "six", notes=10, limit=10)
        sent = json.dumps(server.bodies)
    assert "[NAME] was a farmer" in sent
    assert "Patient 3" not in sent
    assert "Patient" not in (RunFolder(tmp_path / "run").pool_file).read_text()


def test_what_is_not_in_the_note_is_dropped_and_counted_as_unfaithful(tmp_path: Path) -> None:
    def liar(body: fake.Body) -> str:
        answer = json.loads(material.good_answer(body))
        answer["queries"][1]["passage"] = "She was given penicillin and recovered within the hour."
        answer["queries"][2]["passage"] = "scan"
        return json.dumps(answer)

    with FakeLlmServer(liar) as server:
        _, total = material.run_all(tmp_path, server.base_url, "six", notes=5, limit=5)
    assert (total.taken, total.kept) == (30, 20)
    assert total.dropped == {"unfaithful": 5, "passage too short": 5}
    lost = set_aside(tmp_path)
    assert Counter(row.reason for row in lost) == {"unfaithful": 5, "passage too short": 5}
    assert all("penicillin" in row.raw for row in lost if row.reason == "unfaithful")
    ids = [row.row_id for row in generated(tmp_path)] + [row.row_id for row in lost]
    assert len(set(ids)) == 30


def test_every_trouble_ends_in_a_kept_row_or_a_reason(tmp_path: Path) -> None:
    first_reply = {
        0: fake.status(500),
        1: fake.status(429, retry_after="0"),
        2: fake.DROPPED,
        4: fake.text("no json"),
        5: fake.truncated('{"queries": ['),
    }

    def number_of(body: fake.Body) -> int:
        return int(re.findall(r"scan number (\d+) ", material.request_of(body))[-1])

    def behave(_: int, body: fake.Body) -> fake.Reply | None:
        return first_reply.pop(number_of(body), None)

    def hopeless(body: fake.Body) -> str:
        return "never any json" if number_of(body) == 3 else material.good_answer(body)

    with FakeLlmServer(hopeless, behave) as server:
        _, total = material.run_all(tmp_path, server.base_url, "six", notes=8, limit=8)
    assert not first_reply
    assert total.kept == 42
    assert total.dropped == {"invalid_answer": 6}
    assert (total.seen["answers"], total.seen["answers that could be used"]) == (8, 7)
    assert total.seen["answers usable at the first try"] == 5  # two more once they were told what was wrong
    (lost,) = set_aside(tmp_path)
    assert (lost.source.doc_id, lost.reason, lost.raw) == ("n003", "invalid_answer", "never any json")
    assert "not valid JSON" in lost.detail


def test_a_run_without_server_stops_and_goes_on_where_it_was(tmp_path: Path) -> None:
    with FakeLlmServer(material.good_answer) as server:
        port = int(server.base_url.split(":")[2].split("/")[0])
        material.run_all(tmp_path, server.base_url, "six", notes=9, limit=4)
    before = RunFolder(tmp_path / "run").generated.read_bytes()
    with pytest.raises(MedsearchError, match=r"no LLM server answers.*make llm"):
        material.run_all(tmp_path, server.base_url, "six", notes=9, limit=9)
    assert RunFolder(tmp_path / "run").generated.read_bytes() == before
    with FakeLlmServer(material.good_answer, port=port) as again:
        _, total = material.run_all(tmp_path, again.base_url, "six", notes=9, limit=9)
        assert len(again.bodies) == 5
    assert total.kept == 54
    assert RunFolder(tmp_path / "run").generated.read_bytes().startswith(before)


def test_a_changed_model_or_prompt_is_refused(tmp_path: Path) -> None:
    with FakeLlmServer(material.good_answer) as server:
        material.run_all(tmp_path, server.base_url, "six", notes=3, limit=3)
        with pytest.raises(PlanChangedError, match=r"generate\.mode = 'six', now it is 'one'"):
            material.run_all(tmp_path, server.base_url, "one", notes=3, limit=3)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    with FakeLlmServer(material.good_answer) as server:
        material.run_all(folder, server.base_url, "one_text", notes=70, limit=12)
    return folder / "run"


@pytest.mark.parametrize(
    ("kill_at", "half"), [(2, "torn"), (4, "whole"), (9, "torn"), (24, "whole"), (37, "torn")]
)
def test_kill_9_and_again_gives_the_same_files(
    kill_at: int, half: str, uninterrupted: Path, root: Path, tmp_path: Path
) -> None:
    server = FakeLlmServer(material.good_answer)
    script = str(Path(material.__file__))
    with server:
        killed = subprocess.run(
            [sys.executable, script, str(tmp_path), server.base_url, "one_text", str(kill_at), half],
            env={**os.environ, "PYTHONPATH": str(root)},
            capture_output=True,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
        material.run_all(tmp_path, server.base_url, "one_text", notes=70, limit=12)
    for name in ("notes.jsonl", "pool/corpus.jsonl", "generated.jsonl", "set_aside.jsonl"):
        ours = (tmp_path / "run" / name).read_text().replace(server.base_url, "URL")
        theirs = (uninterrupted / name).read_text()
        assert ours == _without_port(theirs), name


def _without_port(text: str) -> str:
    lines = []
    for line in text.splitlines(keepends=True):
        row = json.loads(line)
        if "llm" in row:
            line = line.replace(row["llm"]["server"], "URL")
        lines.append(line)
    return "".join(lines)
