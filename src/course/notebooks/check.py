"""The check of a chapter's pair: in sync, outputs of its own code, nothing out of place."""

import json
import re
from collections.abc import Iterator

from nbformat import NotebookNode

from course.catalogue import Chapter, parse_parameters
from course.errors import CourseError
from course.notebooks.digests import digests
from course.notebooks.files import read_notebook, records_of
from course.notebooks.pairing import (
    CELL_METADATA,
    NOTEBOOK_METADATA,
    clean_metadata,
    without_outputs,
)

CELL_LINES = 24
TAGS = {"parameters", "measured", "nbval-ignore-output"}

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


def _same(left: NotebookNode, right: NotebookNode) -> bool:
    return (
        left.cell_type == right.cell_type
        and left.source == right.source
        and clean_metadata(left.metadata) == clean_metadata(right.metadata)
    )


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
    source, stored = without_outputs(chapter), read_notebook(chapter.notebook)
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
        present = digests(stored, chapter.data)
    except CourseError as error:
        return [*found, f"{name}: {error}"]
    kept = stored.metadata.get("course", {})
    reasons = {
        "cells": "its outputs belong to other code than its cells have now",
        "outputs": "its outputs were changed by hand after the run",
    }
    for key, reason in reasons.items():
        if kept.get(key) != present[key]:
            found.append(
                f"{name}: {reason}; run `course run {chapter.number} --store` on real data."
            )
    found += _record_faults(stored, name)
    return found


def is_due(chapter: Chapter) -> bool:
    """Return whether a chapter's helpers have changed since its outputs were made or repeated.

    Raises:
        CourseError: the notebook cannot be read.
    """
    stored = read_notebook(chapter.notebook)
    present = digests(stored, chapter.data)["helpers"]
    return stored.metadata.get("course", {}).get("helpers") != present


def _record_faults(notebook: NotebookNode, name: str) -> Iterator[str]:
    seen = set()
    for record in records_of(notebook):
        if record["name"] in seen:
            yield f"{name}: the record {record['name']} is made twice."
        seen.add(record["name"])
