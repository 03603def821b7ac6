"""The prose of the course against its records: chapters, the pages in ``docs`` and the README."""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from course import prose
from course.catalogue import Chapter, chapters, source
from course.errors import CourseError
from course.notebooks.digests import cells_digest
from course.notebooks.files import read_notebook, write_text
from course.repeats import Repeats
from course.results import KeptRun, kept_runs, other_seeds
from helpers.places import ROOT
from helpers.records import MIME_TYPE

_CELL = re.compile(r"^# %%.*$", re.MULTILINE)


@dataclass(frozen=True)
class Records:
    """Every record that prose may name.

    Attributes:
        values: by name, those of kept runs as ``kept.<run>.<name>`` too; a plain name means the
            record in a stored notebook, or else the one in the only named kept run that has it.
        places: for the records in stored notebooks the cell's place in the book.
        shared: names that no notebook but several kept runs have, each with these runs' names.
        repeats: for the records in stored notebooks the names of the kept quick runs that have them
            too, and differ from the stored run only in the seed.
    """

    values: dict[str, float]
    places: dict[str, str]
    shared: dict[str, list[str]]
    repeats: Repeats

    def lacking(self, name: str) -> str:
        """Say why there is no record of a name, in a sentence."""
        if name in self.shared:
            first, *others = self.shared[name]
            return (
                f"several kept runs have the record {name}, {first} and {', '.join(others)} among "
                f"them: name one, as in kept.{first}.{name}."
            )
        for chapter in chapters().values():
            if f'"{name}"' in source(chapter):
                return (
                    f"the notebook of chapter {chapter.number} doesn't hold its record {name}: run "
                    f"`course run {chapter.number} --store` on real data."
                )
        near = difflib.get_close_matches(name, self.values, n=1)
        meant = f"; did you mean {near[0]}?" if near else "."
        return f"no stored notebook or kept run has a record {name}{meant}"


def read_records() -> Records:
    """Read the records of all stored notebooks and kept runs.

    Raises:
        CourseError: a notebook or a kept run cannot be read.
    """
    values: dict[str, float] = {}
    places: dict[str, str] = {}
    repeats: dict[str, tuple[str, ...]] = {}
    runs = kept_runs()
    for chapter in chapters().values():
        if not chapter.notebook.exists():
            continue
        cells = read_notebook(chapter.notebook).cells
        others = _repeats(runs, chapter, cells)
        for number, cell in enumerate(cells):
            for output in cell.get("outputs", []):
                if body := output.get("data", {}).get(MIME_TYPE):
                    name = body["name"]
                    values[name] = body["value"]
                    places[name] = f"{chapter.name}.html#cell-{number}"
                    repeats[name] = tuple(run.name for run in others if name in run.values)
    named: dict[str, list[str]] = {}
    kept: dict[str, float] = {}
    for run in runs:
        for name, value in run.values.items():
            kept[f"kept.{run.name}.{name}"] = value
            if run.named and name not in values:
                named.setdefault(name, []).append(run.name)
    for name, having in named.items():
        if len(having) == 1:
            values[name] = kept[f"kept.{having[0]}.{name}"]
    shared = {name: having for name, having in named.items() if len(having) > 1}
    return Records({**values, **kept}, places, shared, repeats)


def _repeats(
    runs: tuple[KeptRun, ...], chapter: Chapter, cells: list[NotebookNode]
) -> tuple[KeptRun, ...]:
    """Choose the kept runs that differ from a chapter's stored one only in the seed."""
    try:
        return other_seeds(runs, chapter.number, cells_digest(cells))
    except CourseError:  # no Python, which `course check` reports with its place
        return ()


def pages() -> list[Path]:
    """Return the Markdown files outside of the chapters that may hold bound numbers."""
    return [*filter(Path.is_file, [ROOT / "README.md"]), *sorted((ROOT / "docs").glob("*.md"))]


def cell_faults(cells: Iterable[NotebookNode], name: str, records: Records) -> Iterator[str]:
    """Find every sentence in a notebook's Markdown that disagrees with the records."""
    for number, cell in enumerate(cells):
        if cell.cell_type == "markdown":
            place = f"{name}, cell {number}, "
            for fault in _faults(cell.source, records):
                yield place + fault
            for line, typed in prose.measured_numbers(cell.source):
                yield (
                    f'{place}line {line}: "{typed}" is a measured number without a binding: write '
                    f"{typed}<!-- name.of.its.record -->."
                )


def _faults(text: str, records: Records) -> Iterator[str]:
    return prose.faults(text, records.values, records.lacking, records.repeats)


def page_faults(records: Records) -> Iterator[str]:
    """Find every sentence in ``docs`` and the README that disagrees with the records."""
    for path in pages():
        text = _page(path)
        for fault in _faults(text, records):
            yield f"{path.relative_to(ROOT).as_posix()}, {fault}"


def _page(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        name = path.relative_to(ROOT).as_posix()
        raise CourseError(f"{name} cannot be read ({error}): save it as UTF-8.") from error


def renew_source(chapter: Chapter, records: Records) -> bool:
    """Take the bound numbers in a chapter's ``.py`` from the records.

    Returns:
        Whether the file changed.
    """
    text = source(chapter)
    marks = list(_CELL.finditer(text))
    if not marks:
        return False
    parts = [text[: marks[0].end()]]
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : after.start() if after else len(text)]
        if "[markdown]" in mark[0]:
            body = _renewed_comments(body, records)
        parts += [body, after[0] if after else ""]
    new = "".join(parts)
    write_text(chapter.source, new)
    return new != text


def _renewed_comments(body: str, records: Records) -> str:
    """Renew the Markdown that stands behind ``#`` in each line."""
    lines = body.split("\n")
    markdown = [re.sub(r"^# ?", "", line) for line in lines]
    renewed = prose.renewed("\n".join(markdown), records.values, records.repeats).split("\n")
    return "\n".join(
        line.removesuffix(old) + new
        for line, old, new in zip(lines, markdown, renewed, strict=True)
    )


def renew_pages(records: Records) -> list[Path]:
    """Take the bound numbers in ``docs`` and the README from the records.

    Returns:
        The files that changed.
    """
    changed = []
    for path in pages():
        text = _page(path)
        new = prose.renewed(text, records.values, records.repeats)
        if new != text:
            write_text(path, new)
            changed.append(path)
    return changed
