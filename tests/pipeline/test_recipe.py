"""Data recipes: those that come with medsearch are valid, and mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from medsearch.errors import UsageError
from pipeline.prompting import load_prompt
from pipeline.recipe import load_recipe, parse_recipe
from pipeline.run_folder import RunFolder, open_run
from pipeline.settings import PipelineSettings

GOOD = 'description = "d"\n[llm]\nmodel = "m"\n'


@pytest.mark.parametrize("name", ["smollm2", "sample", "smollm2_six", "smollm2_one", "llama70b"])
def test_a_shipped_recipe_is_valid_and_its_prompt_is_for_its_mode(name: str) -> None:
    recipe = load_recipe(name)
    prompt = load_prompt(recipe.generate.prompt)
    assert prompt.mode is recipe.generate.mode
    assert set(recipe.generate.queries) <= set(prompt.kinds)
    assert (recipe.llm.structured == "none") == (prompt.answer == "text")
    assert all(licence.startswith("CC BY") and "NC" not in licence for licence in recipe.generate.licences)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("description = 'd'\n", "recipe r: llm: field required"),
        (GOOD + "modell = 1\n", r"recipe r: llm\.modell: extra inputs are not permitted"),
        (GOOD + "temperature = -1\n", r"llm\.temperature: input should be greater than or equal to 0"),
        (GOOD + "[filter]\nround_trip_k = 0\n", r"filter\.round_trip_k"),
        (GOOD + "[generate]\nmode = 'seven'\n", r"generate\.mode: input should be 'six' or 'one'"),
        (GOOD + "[mine]\nsource = 'magic'\n", r"mine\.source"),
        (GOOD + "temperature = inf\n", r"llm\.temperature"),
        (GOOD + "[generate]\nqueries = {}\n", r"generate\.queries"),
        (GOOD + "[generate]\nqueries = {keyword = 0}\n", r"generate\.queries\.keyword"),
        (GOOD + "[generate]\nmin_characters = 9\nmax_characters = 8\n", "min_characters is above"),
        (GOOD + "[passages]\nmax_tokens = 10\noverlap_tokens = 10\n", "overlap_tokens is not below"),
        ("= 1", "recipe r is not TOML"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        parse_recipe(text, "r")
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="no data recipe called 'x'; there is llama70b, sample, smollm2, smollm2_one"
    ):
        load_recipe("x")
    with pytest.raises(UsageError, match="there is no recipe file"):
        load_recipe(str(tmp_path / "x.toml"))


def test_a_run_keeps_the_recipe_it_was_begun_with(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert run.recipe(None).generate.prompt == "one_text"
    run.keep_first(run.recipe("llama70b"))
    assert run.recipe("smollm2").generate.prompt == "one_text"
    assert run.recipe(None).generate.prompt == "six"  # looking at another recipe changes nothing
    run.keep_first(run.recipe("smollm2"))
    assert run.recipe(None).generate.prompt == "six"


def test_a_later_stage_takes_its_own_table_from_another_recipe_and_nothing_else(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.keep(load_recipe("llama70b"))
    file = tmp_path / "own.toml"
    file.write_text(GOOD + "[filter]\nround_trip_k = 3\n[mine]\nnegatives = 9\n")
    changed = run.recipe_with("filter", str(file))
    assert (changed.filter.round_trip_k, changed.mine.negatives, changed.llm) == (
        3,
        load_recipe("llama70b").mine.negatives,
        load_recipe("llama70b").llm,
    )
    assert run.recipe_with("mine", None) == changed


def test_a_damaged_recipe_of_a_run_is_one_line(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.keep(load_recipe("smollm2"))
    (run.path / "recipe.json").write_text('{"llm": ')
    with pytest.raises(UsageError, match=r"recipe\.json is damaged: name the run's recipe with --recipe"):
        run.recipe(None)


@pytest.mark.parametrize("name", ["..", "a b", "", "/etc", ".hidden"])
def test_a_name_that_leaves_the_folder_of_runs_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no name for a run"):
        open_run(name, tmp_path)


def test_a_corpus_in_a_folder_gives_a_flat_name(tmp_path: Path) -> None:
    assert open_run("covid_faq/en", tmp_path).path == tmp_path / "covid_faq-en"


def test_the_environment_may_name_servers_and_model() -> None:
    settings = PipelineSettings.from_environment(
        {
            "MEDSEARCH_LLM_SERVERS": "http://127.0.0.1:1/v1, http://127.0.0.1:2/v1",
            "MEDSEARCH_LLM_MODEL": "other",
        }
    )
    recipe = settings.over(load_recipe("smollm2"))
    assert recipe.llm.servers == ("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1")
    assert recipe.llm.model == "other"
    assert not settings.allow_remote
    assert PipelineSettings.from_environment({"MEDSEARCH_ALLOW_REMOTE_LLM": "1"}).allow_remote
    assert PipelineSettings.from_environment({}).over(load_recipe("smollm2")) == load_recipe("smollm2")
