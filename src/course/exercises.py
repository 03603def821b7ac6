"""Exercises: the solutions are the source, and the students' notebooks are made from them.

``notebooks/solutions/NN_name.py`` holds questions, starters and solutions in nbgrader's format. Its
pair ``.ipynb`` has the outputs of the solutions, and ``notebooks/exercises/NN_name.ipynb`` is the
same without the solutions. A chapter without a file of solutions has no exercises.
"""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode, v4

from course.catalogue import NOTEBOOKS, Chapter
from course.errors import CourseError
from course.notebooks.digests import cells_digest
from course.notebooks.files import code_cells, read_notebook, write_notebook
from course.notebooks.pairing import KEEP

STUBS = {"code": "pass  # your answer here", "markdown": "*Your answer here.*"}
SOLUTION = ("### BEGIN SOLUTION", "### END SOLUTION")
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")
SECONDS = 600  # that one cell of a solution may take
_CHECKED = re.compile(r'check\("(\d+\.\d+)"')


def solutions_source(chapter: Chapter) -> Path:
    """Return the ``.py`` of a chapter's solutions, whether or not it exists."""
    return NOTEBOOKS / "solutions" / chapter.source.name


def solutions_notebook(chapter: Chapter) -> Path:
    """Return the ``.ipynb`` of a chapter's solutions."""
    return NOTEBOOKS / "solutions" / chapter.notebook.name


def students_notebook(chapter: Chapter) -> Path:
    """Return the notebook that a student opens."""
    return NOTEBOOKS / "exercises" / chapter.notebook.name


def has_exercises(chapter: Chapter) -> bool:
    """Return whether a chapter has exercises."""
    return solutions_source(chapter).is_file()


def _without(text: str, marks: tuple[str, str], stub: str | None, where: str) -> str:
    """Return a cell's text without what stands between two marks.

    Args:
        text: the source of a cell.
        marks: the lines that begin and end a part that goes.
        stub: what takes its place, at the same indentation; None for nothing.
        where: the cell, for an error.

    Raises:
        CourseError: a mark has no partner.
    """
    kept, inside = [], False
    for line in text.split("\n"):
        if line.strip() == marks[0] and not inside:
            inside = True
            if stub is not None:
                kept.append(line.replace(marks[0], stub))
        elif line.strip() == marks[1] and inside:
            inside = False
        elif line.strip() in marks:
            raise CourseError(f"{where}: the line {line.strip()} has no partner.")
        elif not inside:
            kept.append(line)
    if inside:
        raise CourseError(f"{where}: {marks[0]} is never closed; add the line {marks[1]}.")
    return "\n".join(kept).strip("\n")


def _nbgrader(cell: NotebookNode, number: int) -> dict[str, Any]:
    """Return nbgrader's metadata of a cell, which follow from the marks in it."""
    solves, tests = SOLUTION[0] in cell.source, HIDDEN[0] in cell.source
    if not solves and not tests:
        return {}
    found = _CHECKED.search(cell.source)
    name = f"check-{found[1].replace('.', '-')}" if tests and found else f"answer-{number:03d}"
    graded = tests or cell.cell_type == "markdown"
    facts = {"grade": graded, "grade_id": name, "locked": tests, "schema_version": 3}
    facts |= {"solution": solves, "task": False}
    return {"nbgrader": facts | ({"points": 1} if graded else {})}


def read_solutions(chapter: Chapter) -> NotebookNode:
    """Return the notebook of solutions that the ``.py`` describes, without outputs.

    Raises:
        CourseError: the file cannot be read, or a mark in it has no partner.
    """
    path = solutions_source(chapter)
    where = f"notebooks/solutions/{path.name}"
    try:
        notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py")
    except (OSError, ValueError) as error:
        raise CourseError(f"{where} cannot be read: {error}.") from error
    pairing = {
        key: value
        for key, value in notebook.metadata.get("jupytext", {}).items()
        if key != "text_representation"
    }
    notebook.metadata = NotebookNode({**copy.deepcopy(KEEP), "jupytext": pairing})
    for number, cell in enumerate(notebook.cells):
        for marks in (SOLUTION, HIDDEN):
            _without(cell.source, marks, None, f"{where}, cell {number}")
        tags = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        cell.metadata = NotebookNode({**tags, **_nbgrader(cell, number)})
        cell["id"] = f"cell-{number:03d}"
    return notebook


def cleared(solutions: NotebookNode) -> NotebookNode:
    """Return a student's notebook: no solutions, hidden tests, outputs or marks for grading."""
    notebook = copy.deepcopy(solutions)
    notebook.metadata = NotebookNode(copy.deepcopy(KEEP))
    for cell in notebook.cells:
        cell.source = _without(cell.source, SOLUTION, STUBS[cell.cell_type], "solutions")
        cell.source = _without(cell.source, HIDDEN, None, "solutions")
        cell.metadata = NotebookNode({})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def sync(chapter: Chapter) -> None:
    """Make both notebooks of a chapter's exercises from the ``.py``; outputs stay if code does.

    Raises:
        CourseError: the ``.py`` cannot be read, or a notebook cannot be written.
    """
    notebook = read_solutions(chapter)
    path = solutions_notebook(chapter)
    old = read_notebook(path) if path.exists() else None
    if old is not None and _code(old) == _code(notebook):
        for cell, before in zip(code_cells(notebook), code_cells(old), strict=True):
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
        if "course" in old.metadata:
            notebook.metadata["course"] = old.metadata["course"]
    write_notebook(notebook, path)
    students_notebook(chapter).parent.mkdir(exist_ok=True)
    write_notebook(cleared(notebook), students_notebook(chapter))


def _code(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in code_cells(notebook)]


def run(notebook: NotebookNode) -> NotebookNode:
    """Execute a notebook of exercises in a kernel of its own.

    Raises:
        CourseError: a cell raises; the sentence names the cell and the error.
    """
    NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        allow_errors=True,
    ).execute()
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                raise CourseError(f"cell {number} raises {output.ename}: {output.evalue}")
            output.pop("transient", None)
        cell.metadata.pop("execution", None)
    return notebook


def store(chapter: Chapter) -> None:
    """Run a chapter's solutions, and store their outputs and the student's notebook.

    Raises:
        CourseError: a solution raises, or fails its own check.
    """
    where = f"notebooks/solutions/{chapter.source.name}"
    try:
        notebook = run(read_solutions(chapter))
    except (CourseError, CellExecutionError) as error:
        raise CourseError(f"{where}: {error}") from error
    notebook.metadata["course"] = {"cells": cells_digest(notebook.cells)}
    if failed := list(_failed_checks(notebook)):
        raise CourseError(f"{where}: {failed[0]}")
    write_notebook(notebook, solutions_notebook(chapter))
    sync(chapter)


def _failed_checks(notebook: NotebookNode) -> Iterator[str]:
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                yield f"cell {number} raises {output.ename}: {output.evalue}."
            elif output.get("text", "").startswith("Not yet"):
                said = " ".join(output.text.split())
                yield f"cell {number}: the solution fails its own check ({said})"


def faults(chapter: Chapter) -> list[str]:
    """Return what is wrong with a chapter's exercises, one sentence each."""
    if not has_exercises(chapter):
        return []
    where = f"notebooks/solutions/{chapter.notebook.name}"
    renew = f"run `course exercises {chapter.number}`"
    try:
        wanted = read_solutions(chapter)
        stored = read_notebook(solutions_notebook(chapter))
        student = read_notebook(students_notebook(chapter))
    except CourseError as error:
        return [str(error).replace("`course sync` to make it from its .py", f"`{renew[5:-1]}`")]
    found = []
    if [cell.source for cell in stored.cells] != [cell.source for cell in wanted.cells]:
        found.append(f"{where} isn't what its .py describes: {renew}.")
    elif stored.metadata.get("course", {}).get("cells") != cells_digest(stored.cells):
        found.append(f"{where}: its outputs don't belong to its code: {renew}.")
    found += [f"{where}, {fault}" for fault in _failed_checks(stored)]
    if student != cleared(wanted):
        found.append(f"notebooks/exercises/{chapter.notebook.name} is out of date: {renew}.")
    return found


def page(chapter: Chapter) -> NotebookNode:
    """Return the page of the book: starters in the open, solutions and checks behind a fold."""
    stored = read_notebook(solutions_notebook(chapter))
    cells = []
    for number, cell in enumerate(stored.cells):
        solved = SOLUTION[0] in cell.source
        if cell.cell_type == "markdown":
            text = cell.source
            if solved:
                text = "\n".join(x for x in text.split("\n") if x.strip() not in SOLUTION)
                text = f"<details><summary>Solution</summary>\n\n{text}\n\n</details>"
            cells.append(v4.new_markdown_cell(text, id=f"text-{number:03d}"))
            continue
        shown = copy.deepcopy(cell)
        shown.metadata = NotebookNode({})
        if solved:
            starter = _without(cell.source, SOLUTION, "...", "solutions")
            fenced = f"```python\n{starter}\n```"
            cells.append(v4.new_markdown_cell(fenced, id=f"starter-{number:03d}"))
            lines = [x for x in cell.source.split("\n") if x.strip() not in SOLUTION]
            shown.source = "\n".join(lines)
        shown.source = _without(shown.source, HIDDEN, None, "solutions")
        if solved or HIDDEN[0] in cell.source:
            shown.metadata["tags"] = ["hide-cell"]
        cells.append(shown)
    made = copy.deepcopy(stored)
    made.cells = cells
    made.metadata = NotebookNode(copy.deepcopy(KEEP))
    return made
