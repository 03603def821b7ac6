"""Keep runs: turn a run of ``course run`` into a file below ``results``."""

import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from course import results
from course.catalogue import chapters, defaults
from course.compare import is_text, pieces
from course.errors import CourseError
from course.notebooks.digests import cells_digest
from course.notebooks.files import read_notebook
from course.parameters import parse_parameters
from course.results import BACKEND, LEDGER, Curve, KeptRun, Printed, Record, changed
from course.running.run import to_json
from course.running.store import Attempt, read_attempts
from helpers.files import write_atomically
from helpers.outputs import HISTORY

COPIED = (
    *("chapter", "profile", "helpers", "backend", "device", "threads", "started"),
    *("peak_memory_bytes", "examples_a_second", "gpu_peak_bytes", "python", "packages", "commit"),
)
LONGEST = 100  # letters of a file's name; Windows allows 260 of a whole path


def _command(run: dict[str, Any], parameters: dict[str, Any]) -> str:
    usual = defaults(run["chapter"], run["profile"])[1]
    asked = [f"-p {name}={value}" for name, value in parameters.items() if usual.get(name) != value]
    profile = [] if run["profile"] == "quick" else [f"--profile {run['profile']}"]
    backend = [] if run["backend"] == BACKEND else [f"KERAS_BACKEND={run['backend']}"]
    return " ".join([*backend, "course run", run["chapter"], *profile, *asked])


def _without_injection(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells of an executed notebook, except the one that Papermill added."""
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
        CourseError: the course no longer has the chapter, ``run.json`` lacks the digest of the
            helpers, or the notebook its parameters.
    """
    if run["chapter"] not in chapters():
        raise CourseError(
            f"The run is of chapter {run['chapter']}, but the course has {', '.join(chapters())}: "
            "name the folder of a run of one of these."
        )
    if not run.get("helpers"):
        raise CourseError(
            f"The run of chapter {run['chapter']} doesn't say which helpers it was made with: "
            f"repeat it with `course run {run['chapter']}`."
        )
    code = _without_injection(notebook)
    tagged = [cell.source for cell in code if "parameters" in cell.metadata.get("tags", [])]
    if not tagged:
        raise CourseError(
            f"The notebook of the run of chapter {run['chapter']} has no parameters: repeat "
            f"it with `course run {run['chapter']}`."
        )
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
    return KeptRun(
        file=file,
        **{name: run[name] for name in COPIED},
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
    path = results.RESULTS / run.file
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
        name = stem("-".join(words))
        kept.append(write(_filed(made, f"chapters/{name}.json")))
    if not kept:
        raise CourseError(f"No run in {folder} succeeded, so there is nothing to keep.")
    return kept


def stem(name: str) -> str:
    """Return a name as a file may have it on every system, with letters of one case only.

    >>> stem("01-quick-variant=Plain net")
    '01-quick-variant=plain_net'
    """
    plain = re.sub(r"[^a-z0-9_=.-]", "_", name.lower())
    if len(plain) > LONGEST:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        plain = f"{plain[: LONGEST - len(digest) - 1]}-{digest}"
    return plain


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
            f"--name keeps one run, but {folder} has {len(runs)}: name the folder of one, such as "
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
