"""What the book is made from, read once: stored notebooks, their records, and kept runs."""

import base64
import hashlib
import io
import mimetypes
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from nbformat import NotebookNode
from PIL import Image

from course.catalogue import Chapter, chapters, defaults
from course.notebooks.digests import cells_digest, outputs_hold
from course.notebooks.files import read_notebook
from course.results import BACKEND, KeptRun, Record, kept_runs
from helpers.claims import Evidence
from helpers.outputs import PICTURES
from helpers.records import MIME_TYPE


@dataclass(frozen=True)
class Picture:
    """A picture that a cell shows.

    Attributes:
        cell: number of the cell in its notebook, from 0.
        data: content of the picture file.
        kind: MIME type, such as "image/png".
        alt: what the picture shows, in words.
        size: width and height in pixels of the page.
    """

    cell: int
    data: bytes
    kind: str
    alt: str
    size: tuple[int, int]

    @property
    def digest(self) -> str:
        """The SHA-256 of the data, after which myst-nb names the file in the book."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def file(self) -> str:
        """The path of the picture's file in the book."""
        return f"_images/{self.digest}{mimetypes.guess_extension(self.kind)}"


@dataclass(frozen=True)
class StoredChapter:
    """A chapter with its stored notebook."""

    chapter: Chapter
    notebook: NotebookNode

    @cached_property
    def records(self) -> dict[str, Record]:
        """The stored records by name."""
        return {record.name: record for record, _ in self._placed}

    @cached_property
    def cells(self) -> dict[str, int]:
        """The number of the cell that stores each record."""
        return {record.name: cell for record, cell in self._placed}

    @cached_property
    def _placed(self) -> list[tuple[Record, int]]:
        return [
            (Record(**output["data"][MIME_TYPE]), number)
            for number, cell in enumerate(self.notebook.cells)
            for output in cell.get("outputs", [])
            if MIME_TYPE in output.get("data", {})
        ]

    @cached_property
    def executed(self) -> bool:
        """Whether every code cell has been run."""
        code = [c for c in self.notebook.cells if c.cell_type == "code" and c.source.strip()]
        return bool(code) and all(cell.get("execution_count") is not None for cell in code)

    @cached_property
    def pictures(self) -> tuple[Picture, ...]:
        """All pictures, in order."""
        return tuple(pictures_of(self.notebook))


def pictures_of(notebook: NotebookNode) -> Iterator[Picture]:
    """Return the pictures that the cells of a notebook show, in order."""
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            shown = output.get("data", {})
            if "text/html" in shown:  # a live figure has its still picture in its HTML
                continue
            for kind in [each for each in PICTURES if each in shown][:1]:
                stored, drawn = shown[kind], kind == "image/svg+xml"
                # As myst-nb stores them, since it names files after the hash of their content.
                lines = os.linesep.join(stored.splitlines())
                data = lines.encode() if drawn else base64.b64decode(stored)
                described = output.metadata.get(kind, {})
                size = described.get("width"), described.get("height")
                yield Picture(
                    cell=number,
                    data=data,
                    kind=kind,
                    alt=described.get("alt", ""),
                    size=size if all(size) else _drawn_size(stored) if drawn else _size(data),
                )


def _size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.size


def _drawn_size(svg: str) -> tuple[int, int]:
    """Return the size of an SVG in pixels; Matplotlib gives points."""
    found = []
    for side in ("width", "height"):
        match = re.search(rf'<svg[^>]*?\s{side}="([\d.]+)(pt|px)?"', svg)
        number, unit = (float(match[1]), match[2]) if match else (600.0, "px")
        found.append(round(number * (96 / 72 if unit == "pt" else 1)))
    return found[0], found[1]


@dataclass(frozen=True)
class Context:
    """Everything that the pages are made from.

    Attributes:
        chapters: in the order of the catalogue.
        runs: all kept runs.
    """

    chapters: tuple[StoredChapter, ...]
    runs: tuple[KeptRun, ...]

    def place(self, name: str) -> str | None:
        """Say where the book shows a record.

        Args:
            name: of a stored record, or ``kept.<run>.<record>`` for one of a kept run. A record
                that no notebook stores is sought in the kept runs. ``every.<record>`` means the
                quick runs of a stored record, which the page of kept runs shows side by side.

        Returns:
            Page and anchor, such as ``02_cifar10.html#cell-31`` or ``kept.html#07-full``; None if
            there is no such record.
        """
        if name.startswith("every."):
            own = name.removeprefix("every.")
            having = (each.chapter.number for each in self.chapters if own in each.cells)
            number = next(having, None)
            return self.place(f"kept.{number}-quick.{own}") if number else None
        for stored in self.chapters:
            if name in stored.cells:
                return f"{stored.chapter.name}.html#cell-{stored.cells[name]}"
        for run in self.runs:
            own = name.removeprefix(f"kept.{run.name}.")
            if own in run.values:
                return f"kept.html#{anchor(run)}"
        return None

    def evidence(self, number: str) -> list[Evidence]:
        """Return the runs of a chapter that can count for a claim, the stored one first.

        Args:
            number: of the chapter.
        """
        [stored] = [each for each in self.chapters if each.chapter.number == number]
        values = {record.name: record.value for record in stored.records.values()}
        code = cells_digest(stored.notebook.cells)
        usual = defaults(number, "quick")[1]
        found = [Evidence("the stored run", usual, values, code)]
        for run in self.runs:
            stored_too = (run.parameters, run.cells) == (usual, code)
            if run.chapter == number and run.backend == BACKEND and not stored_too:
                label = f"the kept run {run.name}"
                found.append(Evidence(label, run.parameters, run.values, run.cells))
        return found


def anchor(run: KeptRun) -> str:
    """Return the anchor of a kept run on its page."""
    return re.sub(r"[^a-z0-9]+", "-", run.name.lower())


def read() -> Context:
    """Read the stored notebooks and the kept runs.

    Raises:
        CourseError: one of them cannot be read.
    """
    stored = tuple(
        StoredChapter(chapter, read_notebook(chapter.notebook)) for chapter in chapters().values()
    )
    return Context(stored, kept_runs())


def record_faults(context: Context) -> list[str]:
    """List the outputs that are not what their run stored, with the records that were changed.

    The outputs as a whole are held by their digest; the kept run tells which record differs.
    """
    found = []
    for stored in context.chapters:
        number, notebook = stored.chapter.number, stored.notebook
        if not stored.executed or "course" not in notebook.metadata:
            continue
        if outputs_hold(notebook):
            continue
        name = f"notebooks/{stored.chapter.notebook.name}"
        usual = defaults(number, "quick")[1]
        for run in context.runs:
            if (run.chapter, run.backend, run.parameters) != (number, BACKEND, usual) or run.named:
                continue
            for record in run.records:
                if stored.records.get(record.name) != record:
                    found.append(
                        f"{name}: the record {record.name} differs from results/{run.file}."
                    )
        found.append(f"{name}: its outputs were changed by hand after the run.")
    return found
