from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from fakes import Heard
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from report_material import (
    generated_run,
    judged_run,
    pair_of,
    passages,
    triplet,
    write_journal,
    write_run,
)

from pipeline.journal import read_rows
from pipeline.recipe import GenerateTable, load_recipe
from pipeline.records import QueryKind, Split, TripletRow
from pipeline.report.lengths import Lengths
from pipeline.report.licences import Freedom, freedom_of, hub_name
from pipeline.report.visible import markdown, markdown_table
from pipeline.report.write import write_report
from pipeline.run_folder import RunFolder


def card_of(runs: list[RunFolder], folder: Path) -> str:
    write_report(runs, folder, Heard())
    return (folder / "README.md").read_text(encoding="utf-8")


def cells(card: str, first: str) -> list[list[str]]:
    """The cells of the table rows that begin with `first`."""
    lines = [line for line in card.splitlines() if re.match(rf"\|\s*{re.escape(first)}\s*\|", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_number_is_that_of_the_rows(tmp_path: Path) -> None:
    runs = [generated_run(tmp_path / "made"), judged_run(tmp_path / "asked")]
    card = card_of(runs, tmp_path / "set")
    rows = [row for run in runs for row in read_rows(run.triplets, TripletRow)]
    for kind in QueryKind:
        for split in Split:
            count = sum(row.kind is kind and row.split is split for row in rows)
            of_kind = [line for line in card.splitlines() if re.search(rf"\| {kind} +\| {split} +\|", line)]
            assert [int(line.split("|")[-2]) for line in of_kind] == ([count] if count else [])
    texts = {
        "query": [row.query for row in rows],
        "positive": [row.positive for row in rows],
        "negative": [negative for row in rows for negative in row.negatives],
    }
    for name, all_of in texts.items():
        words = [len(text.split()) for text in all_of]
        expected = np.quantile(words, [0, 0.25, 0.5, 0.75, 1], method="inverted_cdf").astype(int)
        assert cells(card, name) == [[name, str(len(words)), *map(str, expected)]]
    for number in (1, 2, 3):
        assert cells(card, str(number)) == [
            [str(number), str(sum(len(row.negatives) == number for row in rows))]
        ]
    assert cells(card, "tiny-writer") == [["tiny-writer", "six", "3", "0.7", "none sent", "100"]]
    assert "The requests went to 1 server." in card
    assert cells(card, "train") == [["train", "120"]]


def test_each_stage_tells_what_went_in_what_was_dropped_and_by_which_threshold(tmp_path: Path) -> None:
    card = card_of([generated_run(tmp_path / "made")], tmp_path / "set")
    assert cells(card, "generate") == [["generate", "500", "400", "7", "31", "9,000", "0", "9.5"]]
    assert cells(card, "dropped: round trip") == [["dropped: round trip", "200", "50.0 %"]]
    assert cells(card, "dropped: unfaithful") == [["dropped: unfaithful", "7", "1.4 %"]]
    assert "filter.max_copy = 0.8, filter.round_trip_k = 10" in card
    assert "ab" * 32 not in card  # which bytes were read says nothing to a reader
    assert "Long words." not in card  # the prompt's own text has a name and a version
    assert "12 names, dates, numbers and the like were masked" in card


def test_the_header_is_yaml_that_names_files_licences_size_and_language(tmp_path: Path) -> None:
    card = card_of([generated_run(tmp_path / "made"), judged_run(tmp_path / "asked")], tmp_path / "set")
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["license"] == ["cc-by-4.0", "unknown"]
    assert header["language"] == ["en"]
    assert header["size_categories"] == ["n<1K"]
    assert header["configs"][0]["data_files"] == [
        {"split": "train", "path": "data/train.parquet"},
        {"split": "dev", "path": "data/dev.parquet"},
    ]


def test_licences_that_are_not_free_are_said_first_and_counted_over_negatives_too(tmp_path: Path) -> None:
    pool = passages("a", "CC BY 4.0", 3) + passages("b", "CC BY-NC 4.0", 2)
    rows = [triplet(2, pool, kind=QueryKind.JUDGED, split=Split.TRAIN)]  # its negatives: two of b, one of a
    summary = write_report([write_run(tmp_path / "run", pool, rows)], tmp_path / "set", Heard())
    assert rows[0].source.licence == "CC BY 4.0"
    assert any("have the licence 'CC BY-NC 4.0': it forbids" in line for line in summary.warnings)
    card = (tmp_path / "set" / "README.md").read_text(encoding="utf-8")
    assert card.index("CC BY-NC 4.0") < card.index("## What is in it")
    assert cells(card, "b") == [["b", "CC BY-NC 4.0", str(Freedom.RESTRICTED), "2", "2"]]
    assert cells(card, "a")[1:] == [["a", "CC BY 4.0", str(Freedom.FREE), "2", "2"]]


def test_what_train_and_dev_share_is_said(tmp_path: Path) -> None:
    pool = passages("a", "MIT", 8)
    train = triplet(0, pool, kind=QueryKind.JUDGED, split=Split.TRAIN)
    dev = train.model_copy(update={"split": Split.DEV, "query": train.query.upper(), "row_id": "again"})
    summary = write_report([write_run(tmp_path / "run", pool, [train, dev])], tmp_path / "set", Heard())
    assert summary.warnings == (
        "Train and dev share 1 queries, 2 documents, 1 groups: scores on dev will flatter a model trained on "
        "train.",
    )
    apart = triplet(4, pool, kind=QueryKind.JUDGED, split=Split.DEV)
    summary = write_report([write_run(tmp_path / "clean", pool, [train, apart])], tmp_path / "set", Heard())
    assert summary.warnings == ()


def test_only_faults_that_apply_are_named(tmp_path: Path) -> None:
    made = card_of([generated_run(tmp_path / "made")], tmp_path / "one")
    asked = card_of([judged_run(tmp_path / "asked")], tmp_path / "two")
    assert "100 of 100 queries were written by a language model" in made
    assert "written by a language model" not in asked
    assert "follow templates: 100.0 % begin with “what helps against”" in asked
    assert "follow templates" not in made
    assert "were masked" not in asked
    assert "nobody judged the negatives" in made
    assert "## The language model" not in asked


def test_an_unfinished_stage_is_a_warning(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "asked")
    write_journal(run, "mine", {}, [{"taken": 1}], finished=False)
    summary = write_report([run], tmp_path / "set", Heard())
    assert "The stage mine of run asked has not come to its end." in summary.warnings
    made = generated_run(tmp_path / "made")  # more notes can always be asked about: no warning of that
    assert not any(
        "come to its end" in line for line in write_report([made], tmp_path / "b", Heard()).warnings
    )


def test_commands_make_it_again(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "asked")
    write_journal(
        run, "convert", {"corpus": "my corpus", "split": "train", "min_grade": 2}, [{"taken": 1, "kept": 1}]
    )
    card = card_of([run, generated_run(tmp_path / "made")], tmp_path / "set")
    assert "python -m pipeline convert 'my corpus' --split train --min-grade 2 --run asked\n" in card
    assert (
        "python -m pipeline generate case_reports --notes 50 --run made\n"
        "python -m pipeline filter --run made\npython -m pipeline mine --run made\n"
        "python -m pipeline report --run asked --run made --seed 13\n"
    ) in card


def test_commands_name_the_folder_and_the_recipes_that_are_not_the_default(tmp_path: Path) -> None:
    made, asked = generated_run(tmp_path / "made"), judged_run(tmp_path / "asked")
    made.generated.touch()
    one = load_recipe("smollm2_one")
    other = one.mine.model_copy(update={"negatives": 7})
    made.keep(one.model_copy(update={"filter": load_recipe("smollm2").filter, "mine": other}))
    write_report([made, asked], tmp_path / "set", Heard(), into="my sets/one")
    card = (tmp_path / "set" / "README.md").read_text(encoding="utf-8")
    assert (
        "python -m pipeline generate case_reports --notes 50 --run made --recipe smollm2_one\n"
        "python -m pipeline filter --run made --recipe smollm2\n"
        "python -m pipeline mine --run made --recipe RECIPE.toml\n"
    ) in card
    assert "report --run made --run asked --into 'my sets/one' --seed 13\n" in card
    assert "`RECIPE.toml` stands for a\nrecipe file of your own" in card


def test_a_run_on_the_default_recipe_needs_none_named(tmp_path: Path) -> None:
    made = generated_run(tmp_path / "made")
    made.generated.touch()
    made.keep(load_recipe("smollm2"))
    card = card_of([made], tmp_path / "set")
    assert "--recipe" not in card
    assert "RECIPE.toml" not in card
    made.keep(load_recipe("smollm2").model_copy(update={"generate": GenerateTable(order_seed=99)}))
    card = card_of([made], tmp_path / "set")
    assert card.count("--recipe RECIPE.toml") == 1  # `filter` and `mine` take what the run keeps


def test_negatives_that_people_judged_are_counted_apart(tmp_path: Path) -> None:
    pool = passages("tiny", "MIT", 9)
    rows = [triplet(n, pool, kind=QueryKind.JUDGED, split=Split.TRAIN) for n in range(6)]
    some = [rows[0].model_copy(update={"found_by": ("judged",) * len(rows[0].negatives)}), *rows[1:]]
    card = card_of([write_run(tmp_path / "some", pool, some)], tmp_path / "a")
    assert "people judged 1 of the 12 negatives, as not relevant; nobody the others" in card
    assert "nobody judged the negatives" not in card
    every = [row.model_copy(update={"found_by": ("judged",) * len(row.negatives)}) for row in rows]
    card = card_of([write_run(tmp_path / "every", pool, every)], tmp_path / "b")
    assert "Relevance is incomplete" not in card
    assert "Found by: judged 12." in card


HOSTILE = (
    "# not a heading <script>alert(1)</script> [x](http://evil.example) ![i](http://evil.example/i.png) "
    "`code` **bold** _em_ ~~gone~~ a | b &lt; $x$ <http://evil.example> \u202eright to left\u202c\n\n- item"
)


def test_hostile_text_stays_words_in_the_card(tmp_path: Path) -> None:
    pool = passages("tiny", "MIT", 2)
    row = triplet(0, pool, kind=QueryKind.JUDGED, split=Split.TRAIN)
    row = row.model_copy(
        update={"query": HOSTILE, "source": row.source.model_copy(update={"corpus": "c|<b>x</b>"})}
    )
    run = write_run(tmp_path / "run", pool, [row], [pair_of(row)])
    card = card_of([run], tmp_path / "set")
    html = MarkdownIt("commonmark").enable("table").render(card.split("---\n", 2)[2])
    assert "evil.example" in html
    assert not re.search(r"<(?:script|a|img|b|em|del)\b", html)
    assert "\u202e" not in card
    assert "⟨U+202E⟩right to left" in html
    assert not re.search(r"<h1>not a heading", html)


@given(st.text())
def test_escaped_markdown_reads_as_the_text_itself(text: str) -> None:
    rendered = MarkdownIt("commonmark").parse("- a: " + markdown(text))
    inline = [token for token in rendered if token.type == "inline"]
    assert len(inline) == 1
    children = inline[0].children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    shown = "".join(child.content for child in children)
    assert shown.split() == ("a: " + re.sub(r"\s+", " ", reference_visible(text))).split()


def reference_visible(text: str) -> str:
    from pipeline.report.visible import visible

    return visible(text)


@given(st.text(alphabet="#-+=1.) ab>`*_", min_size=1))
def test_escaped_markdown_begins_no_block(text: str) -> None:
    rendered = MarkdownIt("commonmark").parse(markdown(text))
    assert {token.type for token in rendered} <= {"paragraph_open", "inline", "paragraph_close"}


def test_a_cell_cannot_break_its_table() -> None:
    table = markdown_table(["what", "n"], [("a | b\nc", 1_000)])
    html = MarkdownIt("commonmark").enable("table").render(table)
    assert html.count("<td") == 2
    assert "a | b c" in html
    assert "1,000" in html


@pytest.mark.parametrize(
    ("licence", "freedom", "name"),
    [
        ("CC BY 4.0", Freedom.FREE, "cc-by-4.0"),
        ("CC BY", Freedom.FREE, "other"),
        ("CC0", Freedom.FREE, "other"),
        ("cc-by-sa-4.0", Freedom.SHARE_ALIKE, "cc-by-sa-4.0"),
        ("CC BY-NC", Freedom.RESTRICTED, "other"),
        ("CC BY-NC-SA 4.0", Freedom.RESTRICTED, "cc-by-nc-sa-4.0"),
        ("CC BY-ND", Freedom.RESTRICTED, "other"),
        ("CC-BY-NONCOMMERCIAL", Freedom.RESTRICTED, "other"),
        ("", Freedom.UNKNOWN, "unknown"),
        ("not specified", Freedom.UNKNOWN, "unknown"),
        ("all rights reserved", Freedom.UNKNOWN, "other"),
        ("permitted for friends", Freedom.UNKNOWN, "other"),
        ("Apache-2.0", Freedom.FREE, "apache-2.0"),
    ],
)
def test_licences(licence: str, freedom: Freedom, name: str) -> None:
    assert freedom_of(licence) is freedom
    assert hub_name(licence) == name


@given(st.lists(st.integers(min_value=0, max_value=40), min_size=1))
def test_quartiles_are_those_of_numpy(words: list[int]) -> None:
    lengths = Lengths()
    for number in words:
        lengths.add("word " * number)
    expected = np.quantile(words, [0, 0.25, 0.5, 0.75, 1], method="inverted_cdf")
    assert lengths.quartiles() == expected.astype(int).tolist()
    assert lengths.share_above(20) == pytest.approx(np.mean(np.array(words) > 20))
