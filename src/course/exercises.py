"""Exercises: the solutions are the source, and the students' notebooks are made from them.

``notebooks/solutions/NN_name.py`` holds questions, starters and solutions in nbgrader's format. Its
pair ``.ipynb`` has the outputs of the solutions, and ``notebooks/exercises/NN_name.ipynb`` is the
same without the solutions. A chapter without a file of solutions has no exercises.
"""

import copy
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode, v4

from course.catalogue import NOTEBOOKS, Chapter
from course.errors import CourseError
from course.notebooks.alt_texts import renew
from course.notebooks.check import LONGEST_LINE
from course.notebooks.digests import cells_digest, digest_of
from course.notebooks.files import code_cells, read_notebook, without_outputs, write_notebook
from course.notebooks.kernel import execute
from course.notebooks.pairing import KEEP, paired_metadata, parsed
from helpers.digests import code_digest
from helpers.exercises import exercises_of
from helpers.places import ROOT

STUBS = {"code": "pass  # your code goes here", "markdown": "*Your answer goes here.*"}
SOLUTION = ("### BEGIN SOLUTION", "### END SOLUTION")
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")
SECONDS = 600  # that one cell of a solution may take
_CELL = re.compile(r"# %%(?: |$)")
_HEADING = re.compile(r"^## Exercise (\d+\.\d+):", re.MULTILINE)


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


def _mark_faults(text: str, where: str) -> Iterator[str]:
    """Yield one sentence for each mark in a ``.py`` that has no partner in its cell."""
    partners, marks = dict((SOLUTION, HIDDEN)), (*SOLUTION, *HIDDEN)
    begun, begun_at, words = "", 0, False
    for line, content in enumerate([*text.splitlines(), "# %%"], start=1):
        if _CELL.match(content):
            words = "[markdown]" in content
        mark = (content.removeprefix("# ") if words else content).strip()
        if mark not in marks and any(each in content for each in marks):
            yield (
                f"{where}, line {line}: a mark must stand alone in its line, or what it hides "
                f"stays in the students' notebook: {content.strip()}"
            )
        if begun and (_CELL.match(content) or mark in partners):
            yield (
                f"{where}, line {begun_at}: {begun} is never closed; add the line "
                f"{partners[begun]} in the same cell."
            )
            begun = ""
        if mark in partners:
            begun, begun_at = mark, line
        elif mark in partners.values():
            if partners.get(begun) != mark:
                yield f"{where}, line {line}: {mark} closes nothing that was opened in its cell."
            begun = ""


def _without(text: str, marks: tuple[str, str], stub: str | None) -> str:
    """Return a cell's text without what is between two marks, all of which have partners.

    Args:
        text: the source of a cell.
        marks: the lines that begin and end a part that goes.
        stub: what takes its place, at the same indentation; None for nothing.
    """
    kept, inside = [], False
    for line in text.split("\n"):
        if line.strip() == marks[0]:
            inside = True
            if stub is not None:
                kept.append(line.replace(marks[0], stub))
        elif line.strip() == marks[1]:
            inside = False
        elif not inside:
            kept.append(line)
    return "\n".join(kept).strip("\n")


def _places(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, str]]:
    """Yield each cell with the number of its exercise, "" before the first."""
    exercise = ""
    for cell in notebook.cells:
        if heading := _HEADING.search(cell.source):
            exercise = heading[1]
        yield cell, exercise


def _add_grading(notebook: NotebookNode) -> None:
    """Give the cells nbgrader's metadata, which follow from marks, headings and stars."""
    stars: dict[str, int] = {}
    used: Counter[str] = Counter()
    for cell, exercise in _places(notebook):
        stars.setdefault(exercise, cell.source.count("★"))
        solves, tests = SOLUTION[0] in cell.source, HIDDEN[0] in cell.source
        if not solves and not tests:
            continue
        words = cell.cell_type == "markdown"
        name = f"exercise-{exercise.replace('.', '-')}-"
        name += "check" if tests else "words" if words else "answer"
        used[name] += 1
        facts = {"grade": tests or words, "locked": tests, "schema_version": 3}
        facts |= {"solution": solves, "task": False}
        facts["grade_id"] = name if used[name] == 1 else f"{name}-{used[name]}"
        points = {"points": stars[exercise] if tests else 1} if facts["grade"] else {}
        cell.metadata["nbgrader"] = facts | points


def read_solutions(chapter: Chapter) -> NotebookNode:
    """Return the notebook of solutions that the ``.py`` describes, without outputs.

    Raises:
        CourseError: the file cannot be read, or a mark in it has no partner.
    """
    path = solutions_source(chapter)
    where = f"notebooks/solutions/{path.name}"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CourseError(f"{where} cannot be read: {error}.") from error
    notebook = parsed(text, where)
    if unpaired := list(_mark_faults(text, where)):
        raise CourseError("\n".join(unpaired))
    notebook.metadata = paired_metadata(notebook)
    for number, cell in enumerate(notebook.cells):
        tags = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        cell.metadata = NotebookNode(tags)
        cell["id"] = f"cell-{number:03d}"
    _add_grading(notebook)
    return notebook


def cleared(solutions: NotebookNode) -> NotebookNode:
    """Return a student's notebook: no solutions, hidden tests, outputs or marks for grading."""
    notebook = without_outputs(solutions)
    notebook.metadata = NotebookNode(copy.deepcopy(KEEP))
    for cell in notebook.cells:
        cell.source = _without(cell.source, SOLUTION, STUBS[cell.cell_type])
        cell.source = _without(cell.source, HIDDEN, None)
        cell.metadata = NotebookNode({})
    return notebook


def sync(chapter: Chapter) -> None:
    """Make both notebooks of a chapter's exercises from the ``.py``; outputs stay if code does.

    Raises:
        CourseError: the ``.py`` cannot be read, or a notebook cannot be written.
    """
    notebook = read_solutions(chapter)
    path = solutions_notebook(chapter)
    old = read_notebook(path) if path.exists() else None
    if old is not None and cells_digest(old.cells) == cells_digest(notebook.cells):
        for cell, before in zip(code_cells(notebook), code_cells(old), strict=True):
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
            renew(cell)
        if "course" in old.metadata:
            notebook.metadata["course"] = old.metadata["course"]
    write_notebook(notebook, path)
    students_notebook(chapter).parent.mkdir(exist_ok=True)
    write_notebook(cleared(notebook), students_notebook(chapter))


def run(notebook: NotebookNode) -> NotebookNode:
    """Execute a notebook of exercises in a kernel of its own, and fill in its outputs.

    An error in a cell is one of its outputs. Nothing is written.

    Raises:
        CourseError: the kernel ended, or a cell took longer than ``SECONDS``.
    """
    try:
        execute(notebook, SECONDS, allow_errors=True)
    except (DeadKernelError, CellTimeoutError) as error:
        said = str(error).strip().partition("\n")[0]
        raise CourseError(f"a notebook of exercises could not be executed: {said}") from error
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.pop("transient", None)
    return notebook


def printed(cell: NotebookNode) -> str:
    """Return what a code cell printed, on one line."""
    texts = [output.get("text", "") for output in cell.get("outputs", [])]
    return " ".join("".join(texts).split())


def _failures(notebook: NotebookNode, where: str, verdict: str) -> Iterator[str]:
    """Yield one sentence for each cell that raised, and for each check that said something else.

    Args:
        notebook: with outputs.
        where: what to call it.
        verdict: how the sentence of each check must begin: "Right" or "Not yet".
    """
    for cell, exercise in _places(notebook):
        if cell.cell_type != "code":
            continue
        place = f"{where}, exercise {exercise}" if exercise else f"{where}, its first cells"
        if "passed = check(" in cell.source and not printed(cell).startswith(verdict):
            what = "the solution fails its own" if verdict == "Right" else "an untouched starter's"
            yield f"{place}: {what} check: {printed(cell) or 'it printed nothing'}"
            continue
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"{place}: a cell raises {output.ename}: {output.evalue}"


def _digests(chapter: Chapter, notebook: NotebookNode) -> dict[str, str]:
    """Return the digests of the cells and of the modules that judge the answers."""
    helpers = ROOT / "src" / "helpers"
    judging = (helpers / "exercises.py", helpers / f"answers_{chapter.number}.py")
    texts = [path.read_text(encoding="utf-8") for path in judging if path.is_file()]
    return {
        "cells": cells_digest(notebook.cells),
        "answers": digest_of([code_digest(text, module=True) for text in texts]),
    }


def store(chapter: Chapter) -> None:
    """Run a chapter's solutions and its untouched starters; store the solutions' outputs.

    Raises:
        CourseError: a solution raises or fails its own check, or a starter raises or isn't told
            "Not yet". Nothing is stored then.
    """
    notebook = run(read_solutions(chapter))
    starters = run(cleared(notebook))
    solved, untouched = (
        f"notebooks/{folder}/{chapter.name}" for folder in ("solutions", "exercises")
    )
    failed = [
        *_failures(notebook, f"{solved}.py", "Right"),
        *_failures(starters, f"{untouched}.ipynb, untouched", "Not yet"),
    ]
    if failed:
        raise CourseError("\n".join(failed))
    notebook.metadata["course"] = _digests(chapter, notebook)
    write_notebook(notebook, solutions_notebook(chapter))
    sync(chapter)


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
        said = str(error).replace("`course sync` to make it from its .py", f"`{renew[5:-1]}`")
        return said.split("\n")
    found = list(_source_faults(chapter, wanted))
    if [cell.source for cell in stored.cells] != [cell.source for cell in wanted.cells]:
        found.append(f"{where} isn't what its .py describes: {renew}.")
    elif stored.metadata.get("course") != _digests(chapter, stored):
        found.append(f"{where}: its outputs were made by different code: {renew}.")
    found += _failures(stored, where, "Right")
    if student != cleared(wanted):
        found.append(f"notebooks/exercises/{chapter.notebook.name} is out of date: {renew}.")
    return found


def _source_faults(chapter: Chapter, notebook: NotebookNode) -> Iterator[str]:
    where = f"notebooks/solutions/{chapter.source.name}"
    asked = list(dict.fromkeys(exercise for _, exercise in _places(notebook) if exercise))
    known = list(exercises_of(chapter.number))
    if asked != known:
        answers = f"helpers.answers_{chapter.number} has {', '.join(known) or 'none'}"
        yield f"{where} has the exercises {', '.join(asked) or 'none'}, but {answers}."
    for cell, exercise in _places(notebook):
        for line in cell.source.split("\n") if cell.cell_type == "code" else []:
            if len(line) > LONGEST_LINE:
                yield (
                    f"{where}, exercise {exercise}: a line of code has {len(line)} columns, more "
                    f"than the {LONGEST_LINE} allowed: {line.strip()[:40]} ..."
                )


def _unmarked(text: str) -> str:
    """Return a cell's text with its solution, without the lines that mark it."""
    return "\n".join(line for line in text.split("\n") if line.strip() not in SOLUTION)


def page(chapter: Chapter) -> NotebookNode:
    """Return the page of the book: starters in the open, solutions and checks behind a fold."""
    stored = read_notebook(solutions_notebook(chapter))
    cells = []
    for number, cell in enumerate(stored.cells):
        solved = SOLUTION[0] in cell.source
        if cell.cell_type == "markdown":
            text = cell.source
            if solved:
                text = _unmarked(text)
                text = f"<details><summary>Solution</summary>\n\n{text}\n\n</details>"
            cells.append(v4.new_markdown_cell(text, id=f"text-{number:03d}"))
            continue
        shown = copy.deepcopy(cell)
        shown.metadata = NotebookNode({})
        if solved:
            starter = _without(cell.source, SOLUTION, STUBS["code"])
            fenced = f"```python\n{starter}\n```"
            cells.append(v4.new_markdown_cell(fenced, id=f"starter-{number:03d}"))
            shown.source = _unmarked(shown.source)
        shown.source = _without(shown.source, HIDDEN, None)
        if solved or HIDDEN[0] in cell.source:
            shown.metadata["tags"] = ["hide-cell"]
            what = "Solution" if solved else "What check says about it"
            shown.metadata["mystnb"] = {"code_prompt_show": what, "code_prompt_hide": what}
        cells.append(shown)
    made = copy.deepcopy(stored)
    made.cells = cells
    made.metadata = NotebookNode(copy.deepcopy(KEEP))
    return made
