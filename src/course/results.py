"""Kept runs: the files below ``results``, each a complete account of one run of a chapter.

A kept run holds every parameter, defaults included, and the digests of the code that it ran, so
that what it was never depends on what the repository holds today.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from course.catalogue import chapters, defaults, parse_parameters
from course.compare import is_text, pieces
from course.errors import CourseError
from course.notebooks.digests import cells_digest
from course.notebooks.files import read_notebook, records_of
from course.running.run import to_json
from course.running.store import Attempt, read_attempts
from helpers.files import write_atomically
from helpers.outputs import HISTORY
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
    history: dict[str, list[float]]
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
        cores = f"{self.device['cores']} cores"
        return ", ".join([self.device["processor"], cores, *self.device["gpus"]])


# Reading ------------------------------------------------------------------------------------


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
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(
            f"results/{file} isn't a kept run ({error!r}): make it again with `course book keep`."
        ) from error
    if run.chapter not in chapters():
        raise CourseError(
            f"results/{file} is of chapter {run.chapter}, which the course no longer has: "
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


def stored_runs(runs: Iterable[KeptRun], number: str) -> list[KeptRun]:
    """Return the run whose outputs a chapter's notebook stores, where it is kept."""
    usual = defaults(number, "quick")[1]
    return [
        run
        for run in runs
        if (run.chapter, run.profile, run.backend) == (number, "quick", BACKEND)
        and not run.named
        and run.parameters == usual
    ]


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
        usual = defaults(number, "quick")[1]["seed"]
        for run in quick_seeds(listed, number, cells_digest(notebook.cells)):
            if run.seed != usual:
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


# Keeping ------------------------------------------------------------------------------------


def _command(run: dict[str, Any], parameters: dict[str, Any]) -> str:
    usual = defaults(run["chapter"], run["profile"])[1]
    asked = [f"-p {name}={value}" for name, value in parameters.items() if usual[name] != value]
    profile = [] if run["profile"] == "quick" else [f"--profile {run['profile']}"]
    backend = [] if run["backend"] == BACKEND else [f"KERAS_BACKEND={run['backend']}"]
    return " ".join([*backend, "course run", run["chapter"], *profile, *asked])


def _without_injection(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells of an executed notebook, without the one that Papermill added."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", [])
    ]


def account(run: dict[str, Any], notebook: NotebookNode, file: str) -> KeptRun:
    """Join what ``run.json`` and the executed notebook say of a run.

    Args:
        run: the fields of ``run.json``.
        notebook: as executed.
        file: path below ``results`` that the run will have.

    Raises:
        CourseError: ``run.json`` lacks the digest of the helpers, or the notebook its parameters.
    """
    if not run.get("helpers"):
        raise CourseError(
            f"The run of chapter {run['chapter']} doesn't say with which helpers it was made: "
            f"repeat it with `course run {run['chapter']}`."
        )
    code = _without_injection(notebook)
    tagged = [cell.source for cell in code if "parameters" in cell.metadata.get("tags", [])]
    listed = parse_parameters("\n".join(tagged), run["notebook"])
    parameters = {name: each.default for name, each in listed.items()} | run["parameters"]
    curves, texts = [], []
    for number, cell in enumerate(code):
        for output in cell.outputs:
            if body := output.get("data", {}).get(HISTORY):
                curves.append(Curve(cell=number, **body))
        if "measured" in cell.metadata.get("tags", []):
            found = filter(is_text, pieces(cell.outputs, measured=True))
            texts += [Printed(number, piece.kind, piece.content) for piece in found]
    copied = ("chapter", "profile", "helpers", "backend", "device", "threads", "started")
    copied += ("peak_memory_bytes", "examples_a_second", "gpu_peak_bytes")
    copied += ("python", "packages", "commit")
    return KeptRun(
        file=file,
        **{name: run[name] for name in copied},
        parameters=parameters,
        cells=cells_digest(code),
        seconds=run["duration_seconds"],
        data=tuple(run["data"]),
        command=_command(run, parameters),
        records=tuple(Record(**record) for record in run["records"]),
        curves=tuple(curves),
        printed=tuple(texts),
    )


def write(run: KeptRun) -> Path:
    """Write a kept run, one line for each of its records, curves and texts.

    Returns:
        The file, which replaces an earlier one of the same name.
    """
    content = asdict(run)
    del content["file"]
    lines = []
    for name, value in content.items():
        if isinstance(value, tuple) and value:
            items = ",\n".join(f"  {json.dumps(item, ensure_ascii=False)}" for item in value)
            lines.append(f" {json.dumps(name)}: [\n{items}\n ]")
        else:
            lines.append(f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}")
    path = RESULTS / run.file
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "{\n" + ",\n".join(lines) + "\n}\n")
    return path


def _account(attempt: Attempt, file: str) -> KeptRun:
    return account(to_json(attempt.run), read_notebook(attempt.notebook), file)


def keep(folder: Path) -> list[Path]:
    """Keep the successful runs of a folder as small files in ``results/chapters``.

    Args:
        folder: where ``course run`` left its runs, or of one run or attempt.

    Returns:
        The files written; each replaces that of an earlier run with the same parameters and
        backend.

    Raises:
        CourseError: there are no runs, all failed, or one can't be kept.
    """
    kept = []
    for attempt in read_attempts(folder):
        if attempt.status != "succeeded":
            continue
        made = _account(attempt, "")
        backend = [] if made.backend == BACKEND else [made.backend]
        asked = [f"{name}={value}" for name, value in sorted(changed(made).items())]
        words = [made.chapter, made.profile, *backend, *asked]
        stem = re.sub(r"[^a-z0-9_=.-]", "_", "-".join(words).lower())
        kept.append(write(_filed(made, f"chapters/{stem}.json")))
    if not kept:
        raise CourseError(f"No run in {folder} succeeded, so there is nothing to keep.")
    return kept


def _filed(run: KeptRun, file: str, records: tuple[Record, ...] | None = None) -> KeptRun:
    fields = {**vars(run), "file": file}
    return KeptRun(**(fields if records is None else {**fields, "records": records}))


def keep_named(folder: Path, name: str, records: list[str]) -> Path:
    """Keep one run that is longer than a chapter may be, for some of its records.

    Args:
        folder: holds that run alone.
        name: of the file in ``results``, without its suffix.
        records: the names of those that are kept; the rest of such a run may be cut short.

    Returns:
        The file written.

    Raises:
        CourseError: the folder holds no run, several runs, or one that didn't succeed; the run
            lacks one of the records; or the name isn't a plain word.
    """
    if not re.fullmatch(r"[a-z0-9_]+", name) or f"{name}.json" == LEDGER:
        raise CourseError(f'"{name}" can\'t name a file of results: use a-z, 0-9 and _.')
    runs = read_attempts(folder)
    if len(runs) > 1:
        raise CourseError(
            f"--name keeps one run, and {folder} has {len(runs)}: name the folder of one, such as "
            f"{folder / runs[0].run.folder}."
        )
    if runs[0].status != "succeeded":
        raise CourseError(f"The run in {folder} is {runs[0].status}, so there is nothing to keep.")
    made = _account(runs[0], f"{name}.json")
    found = {record.name: record for record in made.records}
    missing = [record for record in records if record not in found]
    if missing:
        raise CourseError(
            f"The run of chapter {made.chapter} has no record {missing[0]}: it has "
            f"{', '.join(sorted(found))}."
        )
    return write(_filed(made, made.file, tuple(found[record] for record in records)))
