"""Notebook files: read, written in one step, and what their outputs store."""

import copy
import os
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from course.errors import CourseError
from helpers.records import MIME_TYPE


def read_notebook(path: Path) -> NotebookNode:
    """Read and validate a notebook.

    Raises:
        CourseError: the file is missing or isn't a valid notebook.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        return notebook
    except FileNotFoundError as error:
        paired = "notebooks" in path.parts[-3:-1]  # also in its folders of exercises and solutions
        advice = "run `course sync` to make it from its .py" if paired else "run the chapter again"
        raise CourseError(f"{_named(path)} is missing: {advice}.") from error
    except Exception as error:
        said = str(error).strip().partition("\n")[0].rstrip(".")
        raise CourseError(f"{_named(path)} isn't a valid notebook: {said}.") from error


def _named(path: Path) -> str:
    """Name a notebook of the course from the root of the repository, and any other in full."""
    for last in (path.parts[-2:], path.parts[-3:]):
        if last[0] == "notebooks":
            return "/".join(last)
    return path.as_posix()


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook in one step, so that a half-written file never exists.

    Raises:
        CourseError: the folder isn't writable or the disk is full; the old file is kept.
    """
    write_text(path, nbformat.writes(notebook).rstrip("\n") + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step, with Unix line ends; an equal file is left alone.

    Raises:
        CourseError: the folder isn't writable or the disk is full; the old file is kept.
    """
    content = text.encode("utf-8")
    try:
        if path.is_file() and path.read_bytes() == content:
            return
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise CourseError(f"{path} cannot be written: {error.strerror}.") from error


def without_outputs(notebook: NotebookNode) -> NotebookNode:
    """Return a copy of a notebook without its outputs."""
    bare = copy.deepcopy(notebook)
    for cell in code_cells(bare):
        cell.outputs, cell.execution_count = [], None
    return bare


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells of a notebook, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def records_of(notebook: NotebookNode) -> list[dict[str, Any]]:
    """Return the records stored in a notebook, in order: name, value and unit each."""
    return [
        output["data"][MIME_TYPE]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if MIME_TYPE in output.get("data", {})
    ]
