"""The command line on bad input, in this process: one sentence, exit code 2, and nothing is run."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace

import pytest

from course import catalogue, machine
from course.book.readme import BEGIN, END
from course.catalogue import parameters
from course.errors import CourseError
from course.running import plan, store
from tests.conftest import CHAPTER, TABLE, Answer, Little
from tests.support import make_attempt, statuses

Here = Callable[..., Answer]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "99"], 'There is no chapter "99": the course has 01.'),
        (["run", "²"], 'There is no chapter "²": the course has 01.'),
        (["run", "01.2"], 'There is no chapter "01.2": the course has 01.'),
        (["run", "--profile", "fast"], 'There is no profile "fast": use sample, quick, full.'),
        (["run", "--profile", "sample,fast"], 'There is no profile "fast": use sample, quick,'),
        (["run", "-p", "seed=-1"], "seed cannot be -1; it takes int from 0 to 100."),
        (["run", "--seeds", "-3"], 'expected a whole number of at least 1, not "-3"'),
        (["run", "--seeds", "102"], "--seeds 102 from 0 goes beyond the highest seed, 100."),
        (["run", "--seeds", "9" * 37], "goes beyond the highest seed, 100."),
        (["run", "--seeds", "2", "-p", "seed=1,2"], "either --seeds or several values"),
        (["run", "--scheduler", ""], "The address after --scheduler is empty: give one"),
        (["run", "--scheduler", "tcp://a:1", "--jobs", "2"], "--jobs is for this machine, and the"),
        (["run", "--resource", "GPU=1"], "--resource is for workers: add --scheduler."),
        (["run", "--resource", "GPU"], 'expected NAME=NUMBER, such as GPU=1, not "GPU"'),
        (["run", "--store", "--jobs", "2"], "--store runs one chapter at a time"),
        (
            ["run", "--store", "-p", "steps=2"],
            "--store keeps the outputs of the notebooks' defaults",
        ),
        (["run", "--copy-to", "copies"], "unrecognized arguments: --copy-to"),
        (["run", "--yes"], "unrecognized arguments: --yes"),
        (["run", "-p", "epoch=3"], 'has no parameter "epoch"; it has profile (sample or quick'),
        (["run", "-p", "steps=many"], "steps cannot be 'many'; it takes int from 1 to 10."),
        (["run", "-p", "steps=11"], "steps cannot be 11; it takes int from 1 to 10."),
        (["run", "-p", "steps=2.5"], "steps cannot be '2.5'; it takes int from 1 to 10."),
        (["run", "-p", "rate=nan"], "rate cannot be nan; it takes float from 0 to 1."),
        (["run", "-p", "steps"], '"steps"'),
        (["run", "--timeout", "-5"], 'expected a positive number of seconds, not "-5"'),
        (["run", "--timeout", "nan"], 'expected a positive number of seconds, not "nan"'),
        (["run", "--timeout", "0"], 'expected a positive number of seconds, not "0"'),
        (["run", "--jobs", "²"], 'expected a whole number of at least 1, not "²"'),
        (["runs", "list"], "There are no runs in runs"),
        (["runs", "prune", "--keep", "0"], 'expected a whole number of at least 1, not "0"'),
        (["report", "nowhere"], "There are no runs in nowhere"),
        (["data", "get", "mnits"], 'There is no data set "mnits": the course has mnist'),
    ],
)
def test_bad_input_is_one_sentence(
    little: Little, here: Here, words: list[str], sentence: str
) -> None:
    answer = here(*words)
    assert answer.returncode == 2
    assert sentence in answer.stderr
    assert not (little.root / "runs").exists()


@pytest.mark.parametrize("name", ["COURSE_CACHE", "COURSE_DATA", "COURSE_MIRROR"])
def test_a_relative_folder_means_the_same_to_a_kernel(
    little: Little, here: Here, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "mine")
    assert here("data", "list").returncode == 0
    assert os.environ[name] == str(little.root / "mine")
    monkeypatch.setenv(name, "https://mirror.example/course")
    here("data", "list")
    assert os.environ[name] == "https://mirror.example/course"
    monkeypatch.setenv(name, "~nobody-of-this-name/course")
    answer = here("data", "list")
    assert answer.returncode == 2
    assert f"course: {name} is ~nobody-of-this-name/course, but there is no" in answer.stderr


def test_an_unknown_run_is_named(little: Little, here: Here) -> None:
    make_attempt(little.root / "runs")
    answer = here("runs", "show", "02_little-sample")
    assert answer.returncode == 2
    assert 'There is no run "02_little-sample" in runs: `course runs list` shows' in answer.stderr


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("data/claims.toml", ["run", "--profile", "sample", "--dry-run"]),
        ("data/claims.toml", ["book", "readme"]),
        ("data/datasets.toml", ["data", "list"]),
        ("data/datasets.toml", ["run", "--dry-run"]),
        ("data/datasets.toml", ["check"]),
        ("notebooks/course.toml", ["run"]),
    ],
)
def test_a_broken_table_is_one_sentence(
    little: Little, here: Here, file: str, words: list[str]
) -> None:
    little.write('# %%\nfrom helpers import datasets\ndatasets.load("mnist", "quick")\n' + CHAPTER)
    assert here("sync").returncode == 0
    (little.root / "README.md").write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    listed = little.root / "notebooks" / "course.toml"
    text = listed.read_text(encoding="utf-8")
    listed.write_text(text.replace("data = []", 'data = ["mnist"]', 1), encoding="utf-8")
    (little.root / file).write_text("[good]\n[bad\n", encoding="utf-8")
    answer = here(*words)
    assert answer.returncode == 2, answer.stdout
    assert answer.stderr.splitlines()[-1].startswith(f"course: {file} cannot be read: ")
    assert "(at line 2, column 5)" in answer.stderr


@pytest.mark.parametrize("command", ["run", "check", "sync"])
@pytest.mark.parametrize("line", ["%matplotlib inline", "print("])
def test_a_chapter_that_is_no_python_is_one_sentence(
    little: Little, here: Here, command: str, line: str
) -> None:
    little.write(CHAPTER.replace('print("the end")', line))
    answer = here(command)
    assert answer.returncode == 2
    assert answer.stderr.startswith("course: notebooks/01_little.py")
    assert "line 39" in answer.stderr


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("steps: int = 3", "steps: int = len('abc')", "the parameter steps needs a plain value"),
        ("# 1 to 10:", "# 1.2.3 to 10:", "the parameter steps needs a plain value, and numbers"),
        ("seed: int", "seeds: int", "the parameters cell has no seed"),
    ],
)
def test_bad_parameters_are_one_sentence(
    little: Little, here: Here, before: str, after: str, sentence: str
) -> None:
    little.write(CHAPTER.replace(before, after))
    with pytest.raises(CourseError, match=sentence):
        parameters(catalogue.chapters()["01"])


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('notebook = "01_little"\n', "", "chapter 01: notebook is missing or isn't of type str"),
        ("budget.quick = {seconds = 30, ", "budget.quick = {", "budget.quick must give seconds"),
        ("data = []", "data = []\nmakes = 3", "makes must be a list of names"),
        ("data = []", 'data = []\nmakes = ["a"]\nuses = ["a"]', "chapter 01 needs a model that"),
        ("data = []", 'data = []\nuses = "thing"', "uses must be a list of names"),
        ("data = []", "data = []\ndata_options = 5", "data_options must give a list of tables"),
        ("data = []", "data = 3", "chapter 01: data is missing or isn't of type list"),
        ("chapters.01", "chapters.one", "chapter one: its number must consist of digits"),
        (TABLE, "chapters = 3", "has no chapters: begin each with"),
    ],
)
def test_an_incomplete_chapter_is_refused(
    before: str, after: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tomllib.loads(TABLE.replace(before, after))
    monkeypatch.setattr(catalogue, "read_table", lambda name: table)
    with pytest.raises(CourseError, match=sentence):
        catalogue.chapters()


def test_a_course_that_is_installed_as_a_copy_says_so(little: Little, here: Here) -> None:
    (little.root / "notebooks" / "course.toml").unlink()
    answer = here("run")
    assert answer.returncode == 2
    assert "installed as a copy, run `pip install --editable .`" in answer.stderr


def test_a_folder_of_an_older_format_is_refused(little: Little, here: Here) -> None:
    old = little.root / "runs" / "sample" / "01_little"
    old.mkdir(parents=True)
    (old / "run.json").write_text('{"status": "succeeded"}', encoding="utf-8")
    answer = here("run", "--profile", "sample")
    assert answer.returncode == 2
    assert "runs holds runs in format 1, but this course writes format 2: move" in answer.stderr
    assert [path.name for path in (little.root / "runs").iterdir()] == ["sample"]


def test_a_folder_that_cannot_be_written_is_named(little: Little, here: Here) -> None:
    (little.root / "taken").write_text("a file", encoding="utf-8")
    answer = here("run", "--profile", "sample", "--out", "taken/runs")
    assert answer.returncode == 2
    assert "Cannot write into taken/runs" in answer.stderr


def test_an_error_of_the_system_is_named_for_what_it_is(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "somewhere/else")

    monkeypatch.setattr("course.data.list_all", unreachable)
    answer = here("data", "list")
    assert answer.returncode == 2
    assert answer.stderr == "course: somewhere/else: Permission denied\n"


def test_a_reader_that_has_read_enough_is_no_error(little: Little) -> None:
    for seed in range(40):
        make_attempt(little.root / "runs", f"01_little-sample-seed={seed}", seed=seed)
    process = subprocess.Popen(
        little.command("runs", "list"),
        cwd=little.root,
        env=little.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), errors) == (141, "")


def test_a_console_without_a_character_is_no_error(little: Little) -> None:
    little.write(CHAPTER)
    table = (little.root / "data" / "datasets.toml").read_text(encoding="utf-8")
    table = table.replace('title = "', 'title = "漢 ', 1)
    (little.root / "data" / "datasets.toml").write_text(table, encoding="utf-8")
    answer = subprocess.run(
        [sys.executable, "-m", "course", "data", "list"],
        cwd=little.root,
        env={**little.environment, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        encoding="cp1252",
    )
    assert answer.returncode == 0, answer.stderr
    assert "\\u6f22" in answer.stdout


def test_attempts_are_listed_shown_and_pruned(little: Little, here: Here) -> None:
    runs = little.root / "runs"
    make_attempt(runs)
    for _ in range(2):
        folder = make_attempt(runs, status="running")
        run = store.read_run(folder)
        run.fail("failed", "ZeroDivisionError", "division by zero", 5)
        store.write_run(folder, run)
    answer = here("runs", "list")
    lines = answer.stdout.splitlines()
    assert [line.split()[1] for line in lines[:-1]] == ["succeeded", "failed", "failed"]
    assert lines[-1].endswith("MB in runs")
    shown = here("runs", "show", "01_little-sample").stdout
    assert "01_little-sample/003: failed" in shown
    assert "failed in cell 5: ZeroDivisionError: division by zero" in shown
    assert "little.test_accuracy = 0.9 fraction" in shown
    assert here("runs", "prune", "--keep", "1").stdout.startswith("1 attempt deleted")
    assert statuses(little) == {
        "01_little-sample/001": "succeeded",
        "01_little-sample/003": "failed",
    }


def test_a_plan_is_shown_and_nothing_is_run(little: Little, here: Here) -> None:
    little.add("02", CHAPTER, 'makes = ["thing"]')
    little.add("00", CHAPTER, 'uses = ["thing"]')
    words = ["--seeds", "2", "-p", "steps=1,2", "--profile", "sample,quick", "--dry-run"]
    answer = here("run", *words)
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert len(lines) == 3 * 2 * 2 * 2 + 1
    assert lines[-1].startswith("24 runs, ")
    names = [line.split()[1] for line in lines[:-1]]
    assert len(set(names)) == 24
    user = next(line for line in lines if "00_little-quick-seed=1-steps=2" in line)
    assert user.endswith("after 02_little-quick-seed=1-steps=2")
    assert names.index("02_little-quick-seed=1-steps=2") < names.index(user.split()[1])
    assert not (little.root / "runs").exists()


def test_another_backend_has_folders_of_its_own(
    little: Little, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = machine.environment()
    monkeypatch.setattr(machine, "environment", lambda: replace(usual, backend="jax"))
    answer = here("run", "--profile", "sample", "-p", "seed=1", "--dry-run")
    assert "01_little-sample-jax-seed=1 " in answer.stdout
    [planned] = plan.plan(catalogue.find(["01"]), ["sample"], [], None)
    assert planned.folder == "01_little-sample-jax"
    assert plan.has_usual_parameters(planned)


def test_a_batch_without_its_data_says_what_was_skipped(
    little: Little, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = little.root / "notebooks" / "course.toml"
    text = listed.read_text(encoding="utf-8").replace("data = []", 'data = ["mnist"]')
    listed.write_text(text, encoding="utf-8")
    monkeypatch.setenv("COURSE_MIRROR", str(little.root / "no_mirror"))
    answer = here("run")
    assert answer.returncode == 1
    assert answer.stdout.endswith("skipped: 01_little-quick\n")
    assert "course: chapter 01 skipped: The mirror" in answer.stderr


@pytest.mark.parametrize(
    ("profile", "asked", "seeds"),
    [
        ("quick", [], [0, 3, 6]),
        ("sample", [], [0, 1, 2]),
        ("quick", ["seeds=5", "seed=1"], [1, 6, 11]),
        ("quick", ["seeds=1,2"], [0, 2, 4, 0, 2, 4]),
    ],
)
def test_runs_with_several_seeds_share_no_training(
    profile: str, asked: list[str], seeds: list[int]
) -> None:
    """A chapter trains with seeds counted up from its own, as many as its parameter ``seeds``."""
    planned = plan.plan([catalogue.chapters()["01"]], [profile], asked, 3)
    assert [run.parameters.get("seed", 0) for run in planned] == seeds
