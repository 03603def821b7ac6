"""The machinery of exercises: solutions, the students' notebooks, and what is refused."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat import NotebookNode

from course import exercises
from course.catalogue import Chapter, chapters
from course.errors import CourseError
from course.notebooks.files import code_cells, read_notebook
from helpers.places import ROOT

EXERCISED = [chapter for chapter in chapters().values() if exercises.has_exercises(chapter)]


def printed(notebook: NotebookNode) -> str:
    return "".join(
        output.get("text", "") for cell in code_cells(notebook) for output in cell.outputs
    )


@pytest.mark.parametrize("chapter", EXERCISED, ids=lambda chapter: chapter.number)
def test_every_solution_passes_its_check(chapter: Chapter) -> None:
    said = printed(exercises.run(exercises.read_solutions(chapter)))
    assert said.count("Right:") == len(exercises_of(chapter))
    assert "Not yet" not in said


@pytest.mark.parametrize("chapter", EXERCISED, ids=lambda chapter: chapter.number)
def test_every_untouched_starter_is_told_not_yet(chapter: Chapter) -> None:
    said = printed(exercises.run(read_notebook(exercises.students_notebook(chapter))))
    assert said.count("Not yet:") == len(exercises_of(chapter))
    assert "Right" not in said


def exercises_of(chapter: Chapter) -> dict[str, object]:
    module = importlib.import_module(f"helpers.answers_{chapter.number}")
    return dict(module.EXERCISES)


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


def test_a_solution_that_is_never_closed_is_named(copied: Chapter) -> None:
    path = exercises.solutions_source(copied)
    text = path.read_text(encoding="utf-8").replace("### END SOLUTION\n", "\n", 1)
    path.write_text(text, encoding="utf-8")
    [fault] = exercises.faults(copied)
    assert "cell 3: ### BEGIN SOLUTION is never closed; add the line ### END SOLUTION" in fault


def test_a_changed_question_makes_both_notebooks_stale_until_they_are_made_again(
    copied: Chapter,
) -> None:
    path = exercises.solutions_source(copied)
    text = path.read_text(encoding="utf-8").replace("Choose a 3x3 kernel", "Find a 3x3 kernel")
    path.write_text(text, encoding="utf-8")
    assert len(exercises.faults(copied)) == 2
    exercises.sync(copied)
    assert exercises.faults(copied) == []


def test_changed_code_needs_another_run(copied: Chapter) -> None:
    path = exercises.solutions_source(copied)
    text = path.read_text(encoding="utf-8").replace("valid = (224 - 7)", "valid = (225 - 7)")
    path.write_text(text, encoding="utf-8")
    exercises.sync(copied)
    assert any("its outputs don't belong to its code" in f for f in exercises.faults(copied))


def test_a_solution_that_fails_its_own_check_is_named(copied: Chapter) -> None:
    path = exercises.solutions_notebook(copied)
    text = path.read_text(encoding="utf-8").replace("Right: you can size", "Not yet: you can size")
    path.write_text(text, encoding="utf-8")
    [fault] = exercises.faults(copied)
    assert "the solution fails its own check (Not yet: you can size" in fault


def test_a_cell_that_raises_is_named(copied: Chapter) -> None:
    notebook = exercises.read_solutions(copied)
    notebook.cells = [notebook.cells[0], code_cells(notebook)[0]]
    notebook.cells[1].source = "1 / 0"
    with pytest.raises(CourseError, match="cell 1 raises ZeroDivisionError: division by zero"):
        exercises.run(notebook)


def test_the_page_of_the_book_folds_every_solution(copied: Chapter) -> None:
    page = exercises.page(copied)
    text = "\n".join(cell.source for cell in page.cells)
    assert "SOLUTION" not in text
    folded = [cell for cell in page.cells if "hide-cell" in cell.metadata.get("tags", [])]
    assert len(folded) == 2 * len(exercises_of(copied))
    assert any("Right:" in output.get("text", "") for cell in folded for output in cell.outputs)


@pytest.mark.timeout(900)
@pytest.mark.skipif(
    importlib.util.find_spec("nbgrader") is None, reason="nbgrader is not installed"
)
def test_nbgrader_makes_and_grades_the_assignment(tmp_path: Path) -> None:
    chapter = EXERCISED[0]
    source = tmp_path / "source" / "ch01"
    source.mkdir(parents=True)
    shutil.copy(exercises.solutions_notebook(chapter), source)
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
        ("solved", exercises.solutions_notebook(chapter)),
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
    assert points == {"solved": len(exercises_of(chapter)), "lazy": 0}
