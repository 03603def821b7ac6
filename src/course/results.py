"""Kept runs: the files below ``results``, each a complete account of one run of a chapter.

A kept run holds every parameter, defaults included, and the digests of the code that it ran, so
that what it was never depends on what the repository holds today.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course.catalogue import chapters, defaults
from course.errors import CourseError
from course.machine import Device
from course.notebooks.digests import cells_digest
from course.notebooks.files import read_notebook, records_of
from helpers.places import ROOT

RESULTS = ROOT / "results"
LEDGER = "regression.json"  # the other file in the folder, of course.ledger
BACKEND = "tensorflow"  # the course's own; runs on another never count as runs of it

GroupKey = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Record:
    """A measured number; the unit is one of ``helpers.records.UNITS``."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True)
class Curve:
    """What one training measured.

    Attributes:
        cell: number of the code cell that trained, from 0.
        model: name of the Keras model.
        history: for each measure its value after every epoch, "val_" before those on validation
            data.
        examples: number of training examples.
        seconds: duration of every epoch.
    """

    cell: int
    model: str
    history: dict[str, list[float | None]]
    examples: int
    seconds: list[float]


@dataclass(frozen=True)
class Printed:
    """One text that a measured cell printed: cell from 0, kind of output, text."""

    cell: int
    kind: str
    text: str


@dataclass(frozen=True)
class KeptRun:
    """One run of a chapter, as a file below ``results`` keeps it.

    Attributes:
        file: path below ``results``. Runs of whole chapters are in ``chapters/``; a file beside
            that folder has a name of its own and only the records for which it was made.
        parameters: all of them, those that equal the notebook's defaults included.
        cells: digest of the code cells that ran.
        helpers: digest of the helper modules that they imported.
        device: ``processor``, ``cores`` and ``gpus`` of the machine.
        started: date and time in UTC, in ISO format.
        data: name, hash and source of each data set.
        printed: what measured cells printed; numbers in it have their spread over the seeds.
        command: what repeats the run in a checkout of ``commit``.
    """

    file: str
    chapter: str
    profile: str
    parameters: dict[str, Any]
    cells: str
    helpers: str
    backend: str
    device: dict[str, Any]
    threads: int
    started: str
    seconds: float
    peak_memory_bytes: int
    examples_a_second: float
    gpu_peak_bytes: int
    python: str
    packages: dict[str, str]
    data: tuple[dict[str, Any], ...]
    commit: str
    command: str
    records: tuple[Record, ...]
    curves: tuple[Curve, ...]
    printed: tuple[Printed, ...]

    @property
    def name(self) -> str:
        """The file's stem, as in ``kept.<name>.<record>``."""
        return Path(self.file).stem

    @property
    def named(self) -> bool:
        """Whether it was kept under a name of its own, for some of its records."""
        return "/" not in self.file

    @property
    def seed(self) -> int:
        """The seed, a parameter that every chapter has."""
        return int(self.parameters["seed"])

    @property
    def values(self) -> dict[str, float]:
        """The records' values by name."""
        return {record.name: record.value for record in self.records}

    @property
    def machine(self) -> str:
        """The machine in words."""
        return str(Device(**self.device))


def kept_runs() -> tuple[KeptRun, ...]:
    """Read every kept run: those of whole chapters by file name, then those with names.

    Raises:
        CourseError: a file can't be read, isn't a kept run, or is of an unknown chapter.
    """
    paths = sorted((RESULTS / "chapters").glob("*.json"))
    paths += [path for path in sorted(RESULTS.glob("*.json")) if path.name != LEDGER]
    return tuple(_read(path) for path in paths)


def _read(path: Path) -> KeptRun:
    file = path.relative_to(RESULTS).as_posix()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content |= {
            "data": tuple(content["data"]),
            "records": tuple(Record(**record) for record in content["records"]),
            "curves": tuple(Curve(**curve) for curve in content["curves"]),
            "printed": tuple(Printed(**text) for text in content["printed"]),
        }
        run = KeptRun(file=file, **content)
        numbers = [run.seed, *(record.value for record in run.records)]
        if not all(isinstance(each, int | float) for each in numbers):
            raise TypeError("a seed or the value of a record isn't a number")
        if not isinstance(run.chapter, str):
            raise TypeError("chapter isn't a text")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(
            f"results/{file} isn't a kept run ({error!r}): make it again with `course book keep`."
        ) from error
    if run.chapter not in chapters():
        raise CourseError(
            f"results/{file} belongs to chapter {run.chapter}, which the course no longer has: "
            "delete the file."
        )
    return run


def changed(run: KeptRun) -> dict[str, Any]:
    """Return the parameters that differ from those that the run's profile has today."""
    usual = defaults(run.chapter, run.profile)[1]
    return {name: value for name, value in run.parameters.items() if usual.get(name) != value}


def is_plain(run: KeptRun) -> bool:
    """Whether its parameters, the seed aside, are all those of its profile today."""
    usual = defaults(run.chapter, run.profile)[1]
    return {**run.parameters, "seed": usual["seed"]} == usual


def group_key(run: KeptRun) -> GroupKey:
    """Return what runs that differ only in the seed share.

    Returns:
        Chapter, profile, the other parameters as JSON, digest of the cells, and backend.
    """
    others = {name: value for name, value in run.parameters.items() if name != "seed"}
    asked = json.dumps(others, sort_keys=True)
    return (run.chapter, run.profile, asked, run.cells, run.backend)


def groups(runs: Iterable[KeptRun]) -> dict[GroupKey, tuple[KeptRun, ...]]:
    """Group runs that differ only in the seed, each group in the order of its seeds.

    Runs with names of their own form no groups: parts of them were cut short.
    """
    found: dict[GroupKey, list[KeptRun]] = {}
    for run in runs:
        if not run.named:
            found.setdefault(group_key(run), []).append(run)
    return {key: tuple(sorted(runs, key=lambda run: run.seed)) for key, runs in found.items()}


def quick_seeds(runs: Iterable[KeptRun], number: str, cells: str) -> tuple[KeptRun, ...]:
    """Return the seeds of a chapter's quick run: same cells, the profile's parameters, TensorFlow.

    Args:
        runs: from ``kept_runs``.
        number: of the chapter.
        cells: digest of the code cells in the stored notebook.
    """
    found = [
        run
        for run in runs
        if (run.chapter, run.profile, run.cells, run.backend) == (number, "quick", cells, BACKEND)
        and not run.named
        and is_plain(run)
    ]
    return tuple(sorted(found, key=lambda run: run.seed))


def other_seeds(runs: Iterable[KeptRun], number: str, cells: str) -> tuple[KeptRun, ...]:
    """Return the quick seeds of a chapter that differ from its stored run, as ``quick_seeds``."""
    stored = defaults(number, "quick")[1]["seed"]
    return tuple(run for run in quick_seeds(runs, number, cells) if run.seed != stored)


def measured(runs: Iterable[KeptRun]) -> dict[str, dict[str, list[float]]]:
    """Collect every measured value: by record, then by where it was measured.

    Args:
        runs: from ``kept_runs``.

    Returns:
        For each record the values in "sample", "quick", "full" and "longer". The first in "quick"
        is the one stored in the notebook; more come from kept runs of the same cells with other
        seeds. Those in "sample" and "full" are of the newest group of seeds; those in "longer" are
        of runs with names, each with a recipe of its own.
    """
    found: dict[str, dict[str, list[float]]] = {}

    def add(place: str, values: dict[str, float]) -> None:
        for name, value in values.items():
            found.setdefault(name, {}).setdefault(place, []).append(value)

    listed = tuple(runs)
    for number, chapter in chapters().items():
        notebook = read_notebook(chapter.notebook)
        add("quick", {record["name"]: record["value"] for record in records_of(notebook)})
        for run in other_seeds(listed, number, cells_digest(notebook.cells)):
            add("quick", run.values)
        for profile in ("sample", "full"):
            for run in newest_seeds(listed, number, profile):
                add(profile, run.values)
    for run in listed:
        if run.named:
            add("longer", run.values)
    return found


def newest_seeds(runs: Iterable[KeptRun], number: str, profile: str) -> tuple[KeptRun, ...]:
    """Return the newest group of seeds of a chapter with a profile's parameters, on TensorFlow."""
    found = groups(
        run
        for run in runs
        if (run.chapter, run.profile, run.backend) == (number, profile, BACKEND) and is_plain(run)
    )
    return max(found.values(), key=lambda group: max(run.started for run in group), default=())
