"""The pair of a chapter: ``.ipynb`` made from ``.py``, with the outputs that still belong to it."""

import copy
import re
from typing import Any

import jupytext
from nbformat import NotebookNode

from course.catalogue import Chapter, source
from course.errors import CourseError
from course.notebooks.alt_texts import renew
from course.notebooks.digests import (
    cell_digest,
    digests,
    ledger_cells,
    ledger_digest,
    outputs_digest,
    outputs_hold,
)
from course.notebooks.files import code_cells, read_notebook, write_notebook

CELL_METADATA = {"tags", "nbval"}
# Jupytext notes blank lines of the .py in the .ipynb, and JupyterLab saves them there.
STORED_METADATA = {*CELL_METADATA, "jupyter", "lines_to_next_cell"}
FOLDED = {"hide-input", "parameters"}  # tags of cells whose source JupyterLab hides
NOTEBOOK_METADATA = {"kernelspec", "language_info", "jupytext", "course"}
_MARKER = re.compile(r"# %%( \[markdown\])?( \w+=.*)?")
KEEP = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def paired_metadata(notebook: NotebookNode) -> NotebookNode:
    """Return the metadata that the ``.ipynb`` of a pair gets, from those of its ``.py``."""
    pairing = {
        key: value
        for key, value in notebook.metadata.get("jupytext", {}).items()
        if key != "text_representation"
    }
    return NotebookNode({**copy.deepcopy(KEEP), "jupytext": pairing})


def stored_metadata(cell: NotebookNode) -> dict[str, Any]:
    """Return what the ``.ipynb`` keeps of a cell's metadata; the ``.py`` keeps the tags alone."""
    return {key: value for key, value in cell.metadata.items() if key in STORED_METADATA and value}


def parsed(text: str, where: str) -> NotebookNode:
    """Return the notebook in the text of a ``.py``.

    Raises:
        CourseError: Jupytext cannot read it, or a marker is followed by text, which Jupytext would
            take for a cell's title, and no reader would see.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("# %%") and not _MARKER.fullmatch(line):
            raise CourseError(
                f"{where}, line {number}: no reader sees what stands behind the marker of a cell; "
                "move it to a line of its own."
            )
    try:
        return jupytext.reads(text, fmt="py")
    except ValueError as error:
        raise CourseError(f"{where} cannot be read: {error}.") from error


def described(chapter: Chapter) -> NotebookNode:
    """Return the notebook that a chapter's ``.py`` describes, without outputs.

    Raises:
        CourseError: the ``.py`` cannot be read.
    """
    notebook = parsed(source(chapter), f"notebooks/{chapter.source.name}")
    notebook.metadata = paired_metadata(notebook)
    for number, cell in enumerate(notebook.cells):
        kept = {key: value for key, value in cell.metadata.items() if key in STORED_METADATA}
        if FOLDED & set(kept.get("tags", [])):
            kept["jupyter"] = {"source_hidden": True}
        cell.metadata = NotebookNode({key: value for key, value in kept.items() if value})
        cell["id"] = f"cell-{number:03d}"
    return notebook


def _same_code(left: str, right: str) -> bool:
    try:
        return left == right or cell_digest(left) == cell_digest(right)
    except CourseError:
        return False


def sync_pair(chapter: Chapter) -> int:
    """Bring the ``.ipynb`` in line with the ``.py``, keeping the outputs that still belong to it.

    A code cell keeps its outputs while its own code and that of all code cells before it are
    unchanged, because a later cell may use anything that an earlier one made. Its pictures get the
    alt texts that the code has now.

    Returns:
        The number of code cells that must run: they lost their outputs or never ran.
    """
    notebook = described(chapter)
    old = read_notebook(chapter.notebook) if chapter.notebook.exists() else None
    old_code = [] if old is None else code_cells(old)
    of_the_run = old is not None and "course" in old.metadata and outputs_hold(old)
    holds = True
    code = code_cells(notebook)
    for place, cell in enumerate(code):
        before = old_code[place] if place < len(old_code) else None
        holds = holds and before is not None and _same_code(before.source, cell.source)
        if holds and before is not None:
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
            renew(cell)
    if old is not None and "course" in old.metadata:
        # Of the code that made the outputs, which need not be the present one.
        notebook.metadata["course"] = dict(old.metadata["course"])
        if of_the_run and holds and len(code) == len(old_code):
            notebook.metadata["course"]["outputs"] = outputs_digest(notebook)
    write_notebook(notebook, chapter.notebook)
    return sum(cell.execution_count is None and bool(cell.source.strip()) for cell in code)


def as_saved_by_a_browser(value: Any) -> Any:
    """Return JSON data with whole floats as integers, in a copy.

    A browser has one type of number, so JupyterLab saves the ``1.0`` of an output as ``1``.

    >>> as_saved_by_a_browser({"accuracy": [0.5, 1.0]})
    {'accuracy': [0.5, 1]}
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: as_saved_by_a_browser(part) for key, part in value.items()}
    if isinstance(value, list):
        return [as_saved_by_a_browser(part) for part in value]
    return value


def settle(outputs: list[NotebookNode]) -> None:
    """Bring outputs that a kernel sent into the form in which they are stored."""
    for output in outputs:
        output.pop("transient", None)
        output.update(as_saved_by_a_browser(output))


def store(chapter: Chapter, executed: NotebookNode, helpers: str = "") -> None:
    """Put the outputs of a run with the notebook's defaults into the pair.

    Args:
        chapter: the chapter.
        executed: the notebook that the run left, without injected parameters.
        helpers: digest of the helper modules when the run began, which may differ from today's;
            today's if empty.

    Raises:
        CourseError: the chapter's source changed while it ran.
    """
    notebook = described(chapter)
    ran, code = code_cells(executed), code_cells(notebook)
    if len(ran) != len(code) or not all(
        _same_code(done.source, cell.source) for done, cell in zip(ran, code, strict=True)
    ):
        raise CourseError(
            f"notebooks/{chapter.source.name} changed while it ran, so its outputs were not "
            "stored: run it again."
        )
    for cell, done in zip(code, ran, strict=True):
        cell.outputs, cell.execution_count = done.outputs, done.execution_count
        settle(cell.outputs)
        renew(cell)
    notebook.metadata["course"] = digests(notebook, chapter.data)
    if helpers:
        notebook.metadata["course"]["helpers"] = helpers
    if ledger_cells(notebook):
        notebook.metadata["course"]["ledger"] = ledger_digest(chapter.number)
    write_notebook(notebook, chapter.notebook)
