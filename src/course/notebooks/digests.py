"""Digests of what a chapter's outputs depend on, and of the outputs themselves.

Comments, docstrings and the alt texts of pictures count for nothing. Helper modules count if a
chapter imports them, directly or through one another, in whatever way Python allows it; the modules
that prepare a data set count as well, although no import shows them: ``data/datasets.toml`` names
them.
"""

import ast
import functools
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from course.errors import CourseError
from course.notebooks.alt_texts import without_alt_texts
from course.notebooks.files import code_cells
from helpers import claims, kept
from helpers.digests import code_digest
from helpers.places import ROOT
from helpers.sources import catalogue, entry

LEDGER = "ledger"  # tag of cells that read nothing but records, claims and kept runs
_HELPER = re.compile(r"helpers(?:\.\w+)*")


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a value, written as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def cell_digest(source: str) -> str:
    """Return the digest of a code cell or a whole ``.py``.

    Raises:
        CourseError: it isn't valid Python.
    """
    try:
        return code_digest(without_alt_texts(source))
    except (SyntaxError, ValueError) as error:
        line = (getattr(error, "text", None) or source).strip().partition("\n")[0]
        raise CourseError(
            f'the line "{line}" of a code cell isn\'t valid Python ({error}); chapters cannot '
            "contain magics or shell commands."
        ) from error


@functools.cache
def _mentioned(source: str, package: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the dotted names that a source may import, and all its string constants."""
    names: set[str] = set()
    texts: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom():
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                parts = [*(parents if node.level else []), *filter(None, [node.module])]
                start = ".".join(parts)
                names |= {start, *(f"{start}.{alias.name}" for alias in node.names)}
            case ast.Constant(value=str(text)):
                texts.add(text)
    return frozenset(names), frozenset(texts)


def _file(name: str) -> Path | None:
    """Return the file of a helper module or package, or None if the name is neither."""
    place = ROOT / "src" / Path(*name.split("."))
    files = (place / "__init__.py", place.with_suffix(".py"))
    return next((path for path in files if path.is_file()), None)


def _modules(names: Iterable[str]) -> set[str]:
    """Return the helper modules among dotted names, and the packages around them."""
    found = set()
    for name in filter(_HELPER.fullmatch, names):
        parts = name.split(".")
        parents = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
        found |= {parent for parent in parents if _file(parent)}
    return found


def imported_modules(sources: Iterable[str]) -> list[str]:
    """Return the helper modules that some sources import themselves, by dotted name.

    Args:
        sources: the text of each code cell, or of a whole ``.py``.
    """
    found = set().union(*(_modules(_mentioned(text, "")[0]) for text in sources))
    return sorted(found - {"helpers"})


def helper_modules(sources: Iterable[str], data: Iterable[str]) -> dict[str, str]:
    """Return the helper modules that some sources use, directly or through one another.

    Args:
        sources: the text of each code cell, or of a whole ``.py``.
        data: the data sets that the chapter's catalogue entry lists. A data set that the catalogue
            doesn't list counts as well if a source that imports ``helpers.datasets`` names it.

    Returns:
        The text of each module by dotted name, such as ``helpers.datasets``.

    Raises:
        CourseError: a module isn't valid Python.
    """
    listed = set(data)
    found: dict[str, str] = {}
    waiting = [("a code cell", "", source) for source in sources]
    loads = any("helpers.datasets" in _modules(_mentioned(text, "")[0]) for *_, text in waiting)
    if loads:
        for *_, text in waiting:
            listed |= _mentioned(text, "")[1] & catalogue().keys()
    for name in listed:
        table = entry(name)
        prepared_by = (text.partition(":")[0] for text in (table.prepare, table.sample))
        imports = "\n".join(f"import {module}" for module in prepared_by)
        waiting.append((f"data/datasets.toml, {name},", "", imports))
    while waiting:
        where, package, source = waiting.pop()
        try:
            names, texts = _mentioned(source, package)
        except (SyntaxError, ValueError) as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
            said = getattr(error, "msg", error)
            raise CourseError(f"{where} isn't valid Python: {said}{line}.") from error
        for name in _modules({*names, *texts}) - found.keys():
            path = _file(name)
            found[name] = path.read_text(encoding="utf-8") if path else ""
            inside = name if path and path.name == "__init__.py" else name.rpartition(".")[0]
            file = path.relative_to(ROOT).as_posix() if path else name
            waiting.append((file, inside, found[name]))
    return found


def _cells(sources: Iterable[str]) -> str:
    return digest_of([cell_digest(source) for source in sources])


def cells_digest(cells: Iterable[NotebookNode]) -> str:
    """Return the digest of the code cells among some cells.

    Raises:
        CourseError: one of them isn't valid Python.
    """
    return _cells(cell.source for cell in cells if cell.cell_type == "code")


def code_digests(sources: list[str], data: Iterable[str]) -> dict[str, str]:
    """Return the digests of the code that outputs depend on.

    Args:
        sources: the text of each code cell, or of a whole ``.py``.
        data: the data sets that the chapter's catalogue entry lists.

    Returns:
        ``cells``: the code of the sources; ``helpers``: that of the helper modules they use.

    Raises:
        CourseError: a source or module isn't valid Python.
    """
    cells = _cells(sources)
    modules = helper_modules(sources, data)
    helpers = [[name, code_digest(text, module=True)] for name, text in sorted(modules.items())]
    return {"cells": cells, "helpers": digest_of(helpers)}


def outputs_digest(notebook: NotebookNode) -> str:
    """Return the digest of all stored outputs, pictures included."""
    return digest_of([cell.get("outputs", []) for cell in code_cells(notebook)])


def outputs_hold(notebook: NotebookNode) -> bool:
    """Return whether the outputs of a stored notebook are those that its run left."""
    return bool(notebook.metadata["course"].get("outputs") == outputs_digest(notebook))


def digests(notebook: NotebookNode, data: Iterable[str]) -> dict[str, str]:
    """Return what ``code_digests`` does for a notebook's cells, and ``outputs``."""
    sources = [cell.source for cell in code_cells(notebook)]
    return {**code_digests(sources, data), "outputs": outputs_digest(notebook)}


def ledger_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells of a notebook that are tagged as ledger cells."""
    return [cell for cell in code_cells(notebook) if LEDGER in cell.metadata.get("tags", [])]


def ledger_digest(number: str) -> str:
    """Return the digest of what the ledger cells of a chapter read, its own stored run excepted.

    Args:
        number: of the chapter, such as "01".
    """
    said = [asdict(claim) for claim in claims.claims() if claim.chapter == number]
    told = [asdict(mistake) for mistake in claims.mistakes() if mistake.chapter == number]
    used = sorted({entry["source"] for entry in said})
    named = [asdict(claims.sources()[source]) for source in used]
    runs = [run for run in kept.of_chapter(number) if run["name"] != f"{number}-quick"]
    return digest_of([said, told, named, runs])
