"""The machinery of exercises: solutions, the students' notebooks, and what is refused."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from course import exercises
from course.catalogue import Chapter, chapters
from course.errors import CourseError
from course.notebooks.files import code_cells, read_notebook
from helpers.exercises import exercises_of
from helpers.places import ROOT

EXERCISED = [chapter for chapter in chapters().values() if exercises.has_exercises(chapter)]


def printed(notebook: NotebookNode) -> str:
    return "".join(
        output.get("text", "") for cell in code_cells(notebook) for output in cell.outputs
    )


def errors(notebook: NotebookNode) -> list[str]:
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return [output.evalue for output in outputs if output.output_type == "error"]


@pytest.mark.parametrize("chapter", EXERCISED, ids=lambda chapter: chapter.number)
def test_every_untouched_starter_is_told_not_yet_and_every_solution_passes(
    chapter: Chapter,
) -> None:
    # One kernel for both: to import Keras takes longer than most exercises.
    both = read_notebook(exercises.students_notebook(chapter))
    untouched = len(both.cells)
    both.cells.append(nbformat.v4.new_code_cell("%reset -f"))
    both.cells += exercises.read_solutions(chapter).cells
    exercises.run(both)
    assert errors(both) == []
    expected = len(exercises_of(chapter.number))
    for cells, verdicts in (
        (both.cells[:untouched], {"Not yet:": expected, "Right:": 0}),
        (both.cells[untouched:], {"Not yet:": 0, "Right:": expected}),
    ):
        said = printed(nbformat.v4.new_notebook(cells=cells))
        assert {verdict: said.count(verdict) for verdict in verdicts} == verdicts


@pytest.mark.parametrize("chapter", EXERCISED, ids=lambda chapter: chapter.number)
def test_a_students_notebook_holds_no_solution(chapter: Chapter) -> None:
    notebook = read_notebook(exercises.students_notebook(chapter))
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "SOLUTION" not in text
    assert "HIDDEN" not in text
    assert "assert passed" not in text
    assert not printed(notebook)


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chapter:
    """The first chapter's exercises in a folder of their own."""
    for name in ("solutions", "exercises"):
        shutil.copytree(ROOT / "notebooks" / name, tmp_path / name)
    monkeypatch.setattr(exercises, "NOTEBOOKS", tmp_path)
    assert exercises.faults(EXERCISED[0]) == []
    return EXERCISED[0]


def edit(chapter: Chapter, old: str, new: str) -> None:
    path = exercises.solutions_source(chapter)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def line_of(chapter: Chapter, wanted: str) -> int:
    text = exercises.solutions_source(chapter).read_text(encoding="utf-8")
    return text.split("\n").index(wanted) + 1


@pytest.mark.parametrize("name", ["SOLUTION", "HIDDEN TESTS"])
def test_a_block_that_is_never_closed_is_named_by_its_line(copied: Chapter, name: str) -> None:
    edit(copied, f"### END {name}\n", "\n")
    [fault] = exercises.faults(copied)
    line = line_of(copied, f"### BEGIN {name}")
    assert f"line {line}: ### BEGIN {name} is never closed; add the line ### END {name}" in fault
    assert fault.startswith("notebooks/solutions/01_convnet_basics.py, ")


@pytest.mark.parametrize("line", ["# {}", "pass  {}", "{}!"])
def test_a_mark_that_would_hide_nothing_is_named_by_its_line(copied: Chapter, line: str) -> None:
    mark = "### BEGIN SOLUTION"
    edit(copied, f"    {mark}\n", f"    {line.format(mark)}\n")
    said = "\n".join(exercises.faults(copied))
    assert "a mark must stand alone in its line" in said
    assert f"line {line_of(copied, '    ' + line.format(mark))}: " in said


def test_a_block_in_words_that_is_never_closed_is_named_by_its_line(copied: Chapter) -> None:
    edit(copied, "# ### END SOLUTION\n", "#\n")
    [fault] = exercises.faults(copied)
    assert f"line {line_of(copied, '# ### BEGIN SOLUTION')}: ### BEGIN SOLUTION is never" in fault


def test_a_block_that_was_never_begun_is_named_by_its_line(copied: Chapter) -> None:
    edit(copied, "### BEGIN SOLUTION\n", "\n")
    [fault] = exercises.faults(copied)
    assert f"line {line_of(copied, '### END SOLUTION')}: ### END SOLUTION closes nothing" in fault


def test_a_block_in_a_block_is_refused(copied: Chapter) -> None:
    edit(copied, "### BEGIN SOLUTION\n", "### BEGIN SOLUTION\n### BEGIN SOLUTION\n")
    [fault] = exercises.faults(copied)
    assert "### BEGIN SOLUTION is never closed" in fault


def test_an_exercise_without_answers_is_named(copied: Chapter) -> None:
    edit(copied, "## Exercise 01.8:", "## Exercise 01.9:")
    assert "01.7, 01.9, but helpers.answers_01 has 01.1" in "\n".join(exercises.faults(copied))


def test_a_line_too_long_for_the_book_is_named(copied: Chapter) -> None:
    edit(copied, "kernel = ...\n", "kernel = ...  # " + 80 * "x" + "\n")
    assert "exercise 01.1: a line of code has 96 columns" in "\n".join(exercises.faults(copied))


def test_a_changed_question_makes_both_notebooks_stale_until_they_are_made_again(
    copied: Chapter,
) -> None:
    edit(copied, "Choose a 3x3 kernel", "Find a 3x3 kernel")
    assert len(exercises.faults(copied)) == 2
    exercises.sync(copied)
    assert exercises.faults(copied) == []


def test_changed_code_needs_another_run(copied: Chapter) -> None:
    edit(copied, "valid = (224 - 7)", "valid = (225 - 7)")
    exercises.sync(copied)
    assert any("made by different code" in fault for fault in exercises.faults(copied))


def test_other_answers_need_another_run(
    copied: Chapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helpers = tmp_path / "src" / "helpers"
    helpers.mkdir(parents=True)
    for name in ("exercises.py", "answers_01.py"):
        shutil.copy(ROOT / "src" / "helpers" / name, helpers)
    monkeypatch.setattr(exercises, "ROOT", tmp_path)
    assert exercises.faults(copied) == []
    for name, old, new in (
        ("exercises.py", "CLOSE = 1e-4", "CLOSE = 1e-2"),
        ("answers_01.py", "(109.5, ", "(109.4, "),
    ):
        text = (helpers / name).read_text(encoding="utf-8")
        assert old in text
        (helpers / name).write_text(text.replace(old, new), encoding="utf-8")
        [fault] = exercises.faults(copied)
        assert "its outputs were made by different code" in fault
        (helpers / name).write_text(text, encoding="utf-8")


def test_a_solution_that_fails_its_own_check_is_named(copied: Chapter) -> None:
    path = exercises.solutions_notebook(copied)
    text = path.read_text(encoding="utf-8").replace("Right: you can size", "Not yet: you can size")
    path.write_text(text, encoding="utf-8")
    [fault] = exercises.faults(copied)
    assert "exercise 01.2: the solution fails its own check: Not yet: you can size" in fault


# An exercise that needs no data and no training, with a hole for its starter and its solution.
SMALL = """\
# %% [markdown]
# ## Exercise 01.1: A filter
#
# ★☆☆ · about 10 minutes

# %%
from helpers.exercises import check

kernel = {starter}
### BEGIN SOLUTION
kernel = {solution}
### END SOLUTION

# %%
passed = check("01.1", kernel)
### BEGIN HIDDEN TESTS
assert passed
### END HIDDEN TESTS
"""
RIGHT = "[[-1, -1, 2], [-1, 2, -1], [2, -1, -1]]"


@pytest.mark.parametrize(
    "starter, solution, said",
    [
        ("...", "[[-1, 0, 1]] * 3", "01.1: the solution fails its own check: Not yet: your kernel"),
        ("...", "1 / 0", "01.1: a cell raises ZeroDivisionError: division by zero"),
        ("missing", RIGHT, "01.1: a cell raises NameError: name 'missing' is not defined"),
        (RIGHT, RIGHT, "01.1: an untouched starter's check: Right: your kernel"),
    ],
)
def test_solutions_that_fail_and_starters_that_raise_are_named_and_nothing_is_stored(
    copied: Chapter, starter: str, solution: str, said: str
) -> None:
    before = exercises.solutions_notebook(copied).read_bytes()
    text = SMALL.format(starter=starter, solution=solution)
    exercises.solutions_source(copied).write_text(text, encoding="utf-8")
    with pytest.raises(CourseError) as refused:
        exercises.store(copied)
    assert said in str(refused.value)
    assert exercises.solutions_notebook(copied).read_bytes() == before


def test_each_check_has_as_many_points_as_its_exercise_has_stars(copied: Chapter) -> None:
    words = "\n# %% [markdown]\n# ### BEGIN SOLUTION\n# Because.\n# ### END SOLUTION\n"
    text = SMALL.format(starter="...", solution=RIGHT)
    text += text.replace("01.1", "01.2").replace("★☆☆", "★★☆") + words
    text += text[text.index("passed =") - 6 :].partition("\n# %% [markdown]")[0]
    exercises.solutions_source(copied).write_text(text, encoding="utf-8")
    graded = [
        cell.metadata["nbgrader"]
        for cell in exercises.read_solutions(copied).cells
        if "nbgrader" in cell.metadata
    ]
    assert [(each["grade_id"], each.get("points"), each["locked"]) for each in graded] == [
        ("exercise-01-1-answer", None, False),
        ("exercise-01-1-check", 1, True),
        ("exercise-01-2-answer", None, False),
        ("exercise-01-2-check", 2, True),
        ("exercise-01-2-words", 1, False),
        ("exercise-01-2-check-2", 2, True),
    ]
    assert [each["solution"] for each in graded] == [True, False, True, False, True, False]


def test_a_small_exercise_is_stored_with_points_for_its_stars(copied: Chapter) -> None:
    text = SMALL.format(starter="...", solution=RIGHT)
    exercises.solutions_source(copied).write_text(text, encoding="utf-8")
    exercises.store(copied)
    stored = read_notebook(exercises.solutions_notebook(copied))
    graded = [cell.metadata["nbgrader"] for cell in code_cells(stored)]
    assert [each["grade_id"] for each in graded] == ["exercise-01-1-answer", "exercise-01-1-check"]
    assert graded[1]["points"] == 1
    [fault] = exercises.faults(copied)
    assert "has the exercises 01.1, but helpers.answers_01 has" in fault


def test_the_page_of_the_book_folds_every_solution(copied: Chapter) -> None:
    page = exercises.page(copied)
    text = "\n".join(cell.source for cell in page.cells)
    assert "SOLUTION" not in text
    folded = [cell for cell in page.cells if "hide-cell" in cell.metadata.get("tags", [])]
    checks = [cell for cell in folded if "passed = check(" in cell.source]
    assert len(checks) == len(exercises_of(copied.number))
    solved = [cell for cell in page.cells if cell.source.startswith("```python")]
    assert len(folded) == len(checks) + len(solved)
    titles = [cell.metadata["mystnb"]["code_prompt_show"] for cell in folded]
    assert titles.count("Solution") == len(solved)
    assert any("Right:" in output.get("text", "") for cell in folded for output in cell.outputs)


@pytest.mark.timeout(900)
@pytest.mark.skipif(
    importlib.util.find_spec("nbgrader") is None, reason="nbgrader is not installed"
)
def test_nbgrader_makes_and_grades_the_assignment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nbgrader starts the program alembic by its name, as in an activated environment.
    scripts = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{scripts}{os.pathsep}{os.environ['PATH']}")
    chapter = EXERCISED[0]
    source = tmp_path / "source" / "ch01"
    source.mkdir(parents=True)
    # Two exercises are enough: the later ones train networks, which nbgrader doesn't notice.
    solutions = read_notebook(exercises.solutions_notebook(chapter))
    places = [cell.source.startswith("## Exercise 01.3") for cell in solutions.cells]
    del solutions.cells[places.index(True) :]
    nbformat.write(solutions, source / chapter.notebook.name)
    shutil.copy(ROOT / "notebooks" / "solutions" / "nbgrader_config.py", tmp_path)
    environment = {**os.environ, "JUPYTER_PLATFORM_DIRS": "1"}

    def nbgrader(*words: str) -> None:
        answer = subprocess.run(
            [sys.executable, "-m", "nbgrader", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert answer.returncode == 0, answer.stderr

    nbgrader("generate_assignment", "ch01")
    released = tmp_path / "release" / "ch01" / chapter.notebook.name
    text = released.read_text(encoding="utf-8")
    assert "BEGIN SOLUTION" not in text
    assert "assert passed" not in text
    for student, handed_in in (
        ("solved", source / chapter.notebook.name),
        ("lazy", released),
    ):
        folder = tmp_path / "submitted" / student / "ch01"
        folder.mkdir(parents=True)
        shutil.copy(handed_in, folder / chapter.notebook.name)
    nbgrader("autograde", "ch01")
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
        points = {
            student: sum(
                grade.auto_score or 0
                for grade in book.find_submission_notebook(chapter.name, "ch01", student).grades
            )
            for student in ("solved", "lazy")
        }
    checks = [each.metadata["nbgrader"] for each in code_cells(solutions) if grades(each)]
    assert points == {"solved": sum(check["points"] for check in checks), "lazy": 0}


def grades(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("grade"))
