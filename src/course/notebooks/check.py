"""The check of a chapter's pair: in sync, outputs of its own code, nothing out of place."""

import json
import re
from collections.abc import Iterator
from itertools import zip_longest

from nbformat import NotebookNode

from course import glossary, prose
from course.catalogue import Chapter
from course.errors import CourseError
from course.notebooks.alt_texts import are_old
from course.notebooks.digests import LEDGER, digests
from course.notebooks.files import read_notebook, records_of
from course.notebooks.living import Records, cell_faults
from course.notebooks.pairing import (
    NOTEBOOK_METADATA,
    STORED_METADATA,
    described,
    stored_metadata,
)
from course.notebooks.redraw import is_stale
from course.parameters import parse_parameters
from helpers.places import ROOT

TAGS = {"parameters", "measured", "hide-input", "gallery", "nbval-ignore-output", LEDGER}


_FOLD = re.compile(r"^>[^\n]*<details>.*?</details>", re.MULTILINE | re.DOTALL)
LONGEST_CELL, LONGEST_LINE = 20, 88  # lines of code, and columns that the book shows on a laptop

_MACHINE_PATH = re.compile(
    r"(?<![\w.])/(?:home|root|Users|tmp|work|mnt|var|private|content|workspace)/[\w.-]+"
    r"|[A-Za-z]:\\+Users\\+"
)


# The style sheets and scripts in a live figure, as helpers.live writes them.
_LIVE = re.compile(r"<style>\n(.*?)</style>.*?\(\(\) => \{\n(.*?)\nconst data = ", re.DOTALL)


def _same(left: NotebookNode, right: NotebookNode) -> bool:
    return (
        left.cell_type == right.cell_type
        and left.source == right.source
        and stored_metadata(left) == stored_metadata(right)
    )


def _cell_faults(cell: NotebookNode, place: str) -> Iterator[str]:
    extra = set(cell.metadata) - STORED_METADATA
    if extra or cell.metadata.get("tags") == []:
        named = ", ".join(sorted(extra)) or "empty tags"
        yield f"{place}: its metadata has {named}; run `course sync`."
    unknown = set(cell.metadata.get("tags", [])) - TAGS
    if unknown:
        yield (
            f"{place}: unknown tag {', '.join(sorted(unknown))}; the tags are "
            f"{', '.join(sorted(TAGS))}."
        )
    if cell.cell_type == "code":
        yield from _code_faults(cell, place)
        for output in cell.get("outputs", []):
            yield from _output_faults(output, place)
        if are_old(cell):
            yield f"{place}: its picture has an older alt text than the code; run `course sync`."


def _code_faults(cell: NotebookNode, place: str) -> Iterator[str]:
    lines = cell.source.split("\n")
    if len(lines) > LONGEST_CELL:
        yield f"{place}: {len(lines)} lines of code, more than the {LONGEST_CELL} allowed."
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            yield (
                f"{place}, line {number}: {len(line)} columns, more than the {LONGEST_LINE} "
                "allowed."
            )
    if cell.get("execution_count") is None and cell.source.strip():
        yield f"{place}: never executed; run it with `course run --store`."


def _output_faults(output: NotebookNode, place: str) -> Iterator[str]:
    if output.output_type == "error":
        yield f"{place}: its stored output is an error ({output.ename})."
    if output.output_type == "stream" and output.name == "stderr":
        yield f"{place}: its stored output holds text of the error stream."
    data = output.get("data", {})
    if _has_old_scripts(str(data.get("text/html", ""))):
        yield (
            f"{place}: its live figure has other scripts than src/helpers/live_parts; run it with "
            "`course run --store`."
        )
    text = json.dumps({k: v for k, v in output.items() if k != "data"}) + json.dumps(
        {k: v for k, v in data.items() if not k.startswith("image/")}
    )
    found = _MACHINE_PATH.search(text)
    if found:
        yield f"{place}: its stored output shows a path of a machine, {found[0]}."
    for kind in data:
        if kind.startswith("image/") and not output.metadata.get(kind, {}).get("alt"):
            yield f"{place}: its picture has no alt text; show it with plots.show."


def _has_old_scripts(shown: str) -> bool:
    """Return whether a live figure has scripts that are not the present ones.

    They are no Python, so the digests of the helpers don't tell.
    """
    if 'class="course-live"' not in shown:
        return False
    parts = sorted((ROOT / "src" / "helpers" / "live_parts").glob("*.*"))
    texts = [path.read_text(encoding="utf-8") for path in parts]
    for found in _LIVE.finditer(shown):
        left = "\n".join(found.groups())
        for text in texts:
            left = left.replace(text, "")
        if left.strip():
            return True
    return False


def _pair_faults(
    source: NotebookNode, stored: NotebookNode, names: tuple[str, str]
) -> Iterator[str]:
    code_number = -1
    for number, (left, right) in enumerate(zip_longest(source.cells, stored.cells)):
        code_number += (left or right).cell_type == "code"
        if left is None or right is None:
            has, lacks = names if right is None else names[::-1]
            yield (
                f"{has}: cell {number} isn't in {lacks}; run `course sync`, or save the notebook "
                "in JupyterLab."
            )
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


def faults(chapter: Chapter, records: Records) -> list[str]:
    """Find everything that is wrong with the pair of a chapter, each with its place.

    Args:
        chapter: the chapter.
        records: those of all chapters and kept runs, for the numbers in prose.

    Raises:
        CourseError: one of the pair cannot be read at all.
    """
    source, stored = described(chapter), read_notebook(chapter.notebook)
    name = f"notebooks/{chapter.notebook.name}"
    found = list(_pair_faults(source, stored, (f"notebooks/{chapter.source.name}", name)))
    for number, cell in enumerate(stored.cells):
        found += _cell_faults(cell, f"{name}, cell {number}")
        if "parameters" in cell.metadata.get("tags", []):
            try:
                parse_parameters(cell.source, name)
            except CourseError as error:
                found.append(str(error))
    found += _title_faults(stored, name)
    found += _fold_faults(stored, name)
    found += cell_faults(stored.cells, name, records)
    found += _unexplained(stored, name)
    extra = set(stored.metadata) - NOTEBOOK_METADATA
    if extra:
        found.append(f"{name}: its metadata has {', '.join(sorted(extra))}; run `course sync`.")
    try:
        present = digests(stored, chapter.data)
    except CourseError as error:
        return [*found, f"{name}: {error}"]
    kept = stored.metadata.get("course", {})
    reasons = {
        "cells": "its outputs were made by different code",
        "outputs": "its outputs were changed by hand after the run",
    }
    for key, reason in reasons.items():
        if kept.get(key) != present[key]:
            found.append(
                f"{name}: {reason}; run `course run {chapter.number} --store` on real data."
            )
    if is_stale(chapter, stored):
        found.append(
            f"{name}: claims or kept runs that it shows have changed since; run "
            f"`course sync {chapter.number}`."
        )
    found += _record_faults(stored, name)
    return found


def _unexplained(notebook: NotebookNode, name: str) -> Iterator[str]:
    listed = glossary.terms()
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            for phrase in glossary.unexplained(cell.source, listed):
                yield (
                    f'{name}, cell {number}: "{phrase}" is set in bold like a term, but '
                    "data/glossary.toml doesn't explain it; write emphasis in italics."
                )


def _title_faults(notebook: NotebookNode, name: str) -> Iterator[str]:
    """Find titles behind the first one, which the book would take for chapters of their own."""
    for number, cell in enumerate(notebook.cells[1:], start=1):
        if cell.cell_type == "markdown":
            for line in re.findall(r"^# .*", prose.without_code(cell.source), re.MULTILINE):
                yield (
                    f'{name}, cell {number}: "{line}" is a second title; a section begins with '
                    '"## ", and a paragraph with none.'
                )


def _fold_faults(notebook: NotebookNode, name: str) -> Iterator[str]:
    """Find folds in a quotation that it leaves before they are closed, so that they show."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            for fold in _FOLD.findall(prose.without_code(cell.source)):
                outside = [line for line in fold.splitlines() if not line.startswith(">")]
                if outside:
                    yield (
                        f'{name}, cell {number}: "{outside[0]}" is in a fold that begins in a '
                        'quotation, but not in the quotation: begin the line with "> ".'
                    )


def _record_faults(notebook: NotebookNode, name: str) -> Iterator[str]:
    seen = set()
    for record in records_of(notebook):
        if record["name"] in seen:
            yield f"{name}: the record {record['name']} is made twice."
        seen.add(record["name"])
