"""The pairs of the course: in sync, with outputs of the present code, and honest in prose."""

import ast
import copy
import functools
import hashlib
import io
import json
import os
import re
import tempfile
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from course.catalogue import Chapter, parse_parameters, source
from course.errors import CourseError
from helpers.datasets import entry
from helpers.places import ROOT

CELL_LINES = 24
CELL_METADATA = {"tags", "nbval"}
NOTEBOOK_METADATA = {"kernelspec", "language_info", "jupytext", "course"}
TAGS = {"parameters", "measured", "nbval-ignore-output"}
KEEP = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}

_MACHINE_PATH = re.compile(
    r"(?<![\w.])/(?:home|root|Users|tmp|work|mnt|var|private|content|workspace)/[\w.-]+"
    r"|[A-Za-z]:\\+Users\\+"
)
_MEASURED = re.compile(
    r"\d(?:[\d.,]*\d)?\s*(?:%|percent\b|per cent\b|percentage)"
    r"|\d(?:[\d.,]*\d)?\s*(?:s|ms|seconds?|minutes?|milliseconds?)\b(?!\w)"
    r"|\b(?:accuracy|loss|error)\s+(?:of|is|was|reaches|reached)\s+(?:about\s+)?\d*[.]\d+",
    re.IGNORECASE,
)
_FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$|`[^`\n]+`", re.DOTALL)


@functools.cache
def code_of(source: str) -> str:
    """Source without its comments and blank lines, so that only changes of code count."""
    lines = source.splitlines()
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
    except (tokenize.TokenError, SyntaxError):
        return source
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@functools.cache
def _imported(source: str) -> set[str]:
    """Names of the helper modules that a source imports, or whose data sets it loads.

    A data set names the modules that prepare it in ``data/datasets.toml``, and no import shows it.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line = (getattr(error, "text", None) or source).strip().partition("\n")[0]
        raise CourseError(
            f'the line "{line}" of a code cell is no Python ({error}); magics and shell lines '
            "cannot stand in a chapter."
        ) from error
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="helpers"):
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom(module=str(module)) if module.startswith("helpers."):
                names.add(module.split(".")[1])
            case ast.Import():
                names |= {a.name.split(".")[1] for a in node.names if a.name.startswith("helpers.")}
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="datasets"), attr="load"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                table = entry(name)
                references = (table.prepare, table.sample)
                names |= {text.partition(":")[0].split(".")[1] for text in references}
    return names


def _helper_modules(sources: list[str]) -> dict[str, str]:
    """The helper modules that some sources use, and those that these use, with their text."""
    folder = ROOT / "src" / "helpers"
    found: dict[str, str] = {}
    waiting = list(sources)
    while waiting:
        for name in _imported(waiting.pop()) - found.keys():
            path = folder / f"{name}.py"
            if path.is_file():
                found[name] = path.read_text(encoding="utf-8")
                waiting.append(found[name])
    return found


def code_digests(sources: list[str]) -> dict[str, str]:
    """What outputs depend on, as hashes.

    Args:
        sources: the text of each code cell, or the whole of a ``.py``.

    Returns:
        ``cells``: the code without comments; ``helpers``: the helper modules it imports, directly
        or through one another.
    """
    helpers = _helper_modules(sources)
    return {
        "cells": _digest([code_of(source) for source in sources]),
        "helpers": _digest([[name, code_of(text)] for name, text in sorted(helpers.items())]),
    }


def digests(notebook: NotebookNode) -> dict[str, str]:
    """What the outputs of a notebook depend on, and the outputs themselves, as hashes.

    Returns:
        What ``code_digests`` does, and ``outputs``: what is stored, pictures included.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return {
        **code_digests([cell.source for cell in code]),
        "outputs": _digest([cell.get("outputs", []) for cell in code]),
    }


def _clean_metadata(metadata: Any) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key in CELL_METADATA and value}


def _same(left: NotebookNode, right: NotebookNode) -> bool:
    return (
        left.cell_type == right.cell_type
        and left.source == right.source
        and _clean_metadata(left.metadata) == _clean_metadata(right.metadata)
    )


def read_notebook(path: Path) -> NotebookNode:
    """A notebook file, validated.

    Raises:
        CourseError: it is missing or no notebook.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        return notebook
    except FileNotFoundError as error:
        raise CourseError(
            f"notebooks/{path.name} is missing: run `course sync` to make it from its .py."
        ) from error
    except Exception as error:
        said = str(error).strip().partition("\n")[0]
        raise CourseError(f"notebooks/{path.name} is no readable notebook: {said}.") from error


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook in one step, so that no half-written file is ever left.

    Raises:
        CourseError: the folder cannot be written or the disk is full; the old file stays.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(nbformat.writes(notebook).rstrip("\n") + "\n")
            Path(name).chmod(0o644)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise CourseError(f"{path} cannot be written: {error.strerror}.") from error


def _fresh(chapter: Chapter) -> NotebookNode:
    """The notebook as its ``.py`` has it, with clean metadata and no outputs."""
    text = source(chapter)
    try:
        notebook = jupytext.reads(text, fmt="py")
    except ValueError as error:
        raise CourseError(f"notebooks/{chapter.source.name} cannot be read: {error}.") from error
    pairing = {
        key: value
        for key, value in notebook.metadata.get("jupytext", {}).items()
        if key != "text_representation"
    }
    notebook.metadata = NotebookNode({**copy.deepcopy(KEEP), "jupytext": pairing})
    for number, cell in enumerate(notebook.cells):
        cell.metadata = NotebookNode(_clean_metadata(cell.metadata))
        cell["id"] = f"cell-{number:03d}"
    return notebook


def sync(chapter: Chapter) -> int:
    """Bring the ``.ipynb`` in order from the ``.py``, keeping the outputs that still hold.

    A code cell's outputs hold while its own code and that of all code cells before it are as they
    were, since a later cell may use anything that an earlier one made.

    Returns:
        How many code cells lost their outputs.
    """
    notebook = _fresh(chapter)
    old = read_notebook(chapter.notebook) if chapter.notebook.exists() else None
    old_code = [] if old is None else [c for c in old.cells if c.cell_type == "code"]
    lost, holds = 0, True
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for place, cell in enumerate(code):
        before = old_code[place] if place < len(old_code) else None
        holds = holds and before is not None and code_of(before.source) == code_of(cell.source)
        if holds and before is not None:
            cell.outputs, cell.execution_count = before.outputs, before.execution_count
        else:
            lost += before is None or bool(before.outputs)
    if old is not None and "course" in old.metadata:
        notebook.metadata["course"] = dict(old.metadata["course"])
        if lost == 0 and len(old_code) == len(code):
            unchanged = digests(old)["outputs"] == old.metadata["course"].get("outputs")
            if unchanged:
                notebook.metadata["course"]["cells"] = digests(notebook)["cells"]
    write_notebook(notebook, chapter.notebook)
    return lost


def store(chapter: Chapter, executed: NotebookNode) -> None:
    """Put the outputs of a run with the notebook's defaults into the pair.

    Args:
        chapter: the chapter.
        executed: the notebook that the run left, without injected parameters.

    Raises:
        CourseError: the run was not one of the present source.
    """
    notebook = _fresh(chapter)
    ran = [cell for cell in executed.cells if cell.cell_type == "code"]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if [cell.source for cell in ran] != [cell.source for cell in code]:
        raise CourseError(
            f"notebooks/{chapter.source.name} changed while it ran, so nothing was stored: "
            "run it again."
        )
    for cell, done in zip(code, ran, strict=True):
        cell.outputs, cell.execution_count = done.outputs, done.execution_count
        for output in cell.outputs:
            output.pop("transient", None)
    notebook.metadata["course"] = digests(notebook)
    write_notebook(notebook, chapter.notebook)


def _prose_faults(cell: NotebookNode, place: str) -> Iterator[str]:
    prose = _FORMULA.sub(" ", re.sub(r"```.*?```", " ", cell.source, flags=re.DOTALL))
    for match in _MEASURED.finditer(prose):
        line = prose[: match.start()].count("\n") + 1
        yield (
            f'{place}, line {line}: "{match[0].strip()}" is typed into prose; record it in the run '
            "and show it from there."
        )


def _cell_faults(cell: NotebookNode, place: str) -> Iterator[str]:
    extra = set(cell.metadata) - CELL_METADATA
    if extra or cell.metadata.get("tags") == []:
        named = ", ".join(sorted(extra)) or "empty tags"
        yield f"{place}: its metadata has {named}; run course sync."
    unknown = set(cell.metadata.get("tags", [])) - TAGS
    if unknown:
        yield f"{place}: the tag {', '.join(sorted(unknown))} means nothing here."
    if cell.cell_type == "markdown":
        yield from _prose_faults(cell, place)
        return
    lines = cell.source.count("\n") + 1
    if lines > CELL_LINES:
        yield f"{place}: {lines} lines, more than the {CELL_LINES} allowed."
    if cell.get("execution_count") is None and cell.source.strip():
        yield f"{place}: never executed; run it with `course run --store`."
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            yield f"{place}: its stored output is an error ({output.ename})."
        if output.output_type == "stream" and output.name == "stderr":
            yield f"{place}: its stored output holds text of the error stream."
        text = json.dumps({k: v for k, v in output.items() if k != "data"}) + json.dumps(
            {k: v for k, v in output.get("data", {}).items() if not k.startswith("image/")}
        )
        found = _MACHINE_PATH.search(text)
        if found:
            yield f"{place}: its stored output shows a path of a machine, {found[0]}."
        if "image/png" in output.get("data", {}) and not output.metadata.get("image/png", {}).get(
            "alt"
        ):
            yield f"{place}: its picture has no alt text; show it with plots.show."


def _pair_faults(
    source: NotebookNode, stored: NotebookNode, names: tuple[str, str]
) -> Iterator[str]:
    code_number = -1
    for number in range(max(len(source.cells), len(stored.cells))):
        left = source.cells[number] if number < len(source.cells) else None
        right = stored.cells[number] if number < len(stored.cells) else None
        code_number += (left or right).cell_type == "code"
        if left is None or right is None:
            has, lacks = names if right is None else names[::-1]
            yield f"{has}: cell {number} is not in {lacks}; run course sync, or save the notebook."
            return
        if not _same(left, right):
            first = next(
                (
                    f'"{a}" in {names[0]}, "{b}" in {names[1]}'
                    for a, b in zip(
                        [*left.source.splitlines(), ""],
                        [*right.source.splitlines(), ""],
                        strict=False,
                    )
                    if a != b
                ),
                "its kind or metadata",
            )
            yield (
                f"{names[1]}: cell {number} differs from {names[0]}: {first}; run `course sync` to "
                "take the .py."
            )
            return


def faults(chapter: Chapter) -> list[str]:
    """Everything that is wrong with the pair of a chapter, each with its place.

    Raises:
        CourseError: one of the pair cannot be read at all.
    """
    source, stored = _fresh(chapter), read_notebook(chapter.notebook)
    name = f"notebooks/{chapter.notebook.name}"
    found = list(_pair_faults(source, stored, (f"notebooks/{chapter.source.name}", name)))
    for number, cell in enumerate(stored.cells):
        found += _cell_faults(cell, f"{name}, cell {number}")
        if "parameters" in cell.metadata.get("tags", []):
            try:
                parse_parameters(cell.source, name)
            except CourseError as error:
                found.append(str(error))
    extra = set(stored.metadata) - NOTEBOOK_METADATA
    if extra:
        found.append(f"{name}: its metadata has {', '.join(sorted(extra))}; run course sync.")
    try:
        present = digests(stored)
    except CourseError as error:
        return [*found, f"{name}: {error}"]
    kept = stored.metadata.get("course", {})
    reasons = {
        "cells": "its outputs are of other code than its cells have now",
        "helpers": "its outputs were made with other helpers than there are now",
        "outputs": "its outputs were changed by hand after the run",
    }
    for key, reason in reasons.items():
        if kept.get(key) != present[key]:
            found.append(
                f"{name}: {reason}; run `course run {chapter.number} --store` on real data."
            )
    found += _record_faults(stored, name)
    return found


def records_of(notebook: NotebookNode) -> list[dict[str, Any]]:
    """The records stored in a notebook, in order."""
    return [
        output["data"]["application/vnd.course.record+json"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "application/vnd.course.record+json" in output.get("data", {})
    ]


def _record_faults(notebook: NotebookNode, name: str) -> Iterator[str]:
    seen = set()
    for record in records_of(notebook):
        if record["name"] in seen:
            yield f"{name}: the record {record['name']} is made twice."
        seen.add(record["name"])
