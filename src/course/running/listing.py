"""``course runs``: list, show and prune what was run."""

import shutil
from pathlib import Path

from course.errors import CourseError
from course.running.store import Attempt, attempts, check_format, opened, read_run, writing_into
from course.words import counted


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.1f} MB"


def _all_attempts(out: Path) -> list[Path]:
    check_format(out)
    found = attempts(out)
    if not found:
        raise CourseError(f"There are no runs in {out}: make some with `course run`.")
    return found


def print_all(out: Path) -> None:
    """Print every attempt with its status, time, memory and size.

    Raises:
        CourseError: there are no runs.
    """
    total = 0
    for folder in _all_attempts(out):
        run, size = read_run(folder), _bytes_in(folder)
        total += size
        name = f"{folder.parent.name}/{folder.name}"
        if run is None:
            print(f"{name:<44} its run.json cannot be read; {_megabytes(size)}")
            continue
        print(
            f"{name:<44} {Attempt(folder, run).status:<12} {run.duration_seconds:>7.0f} s "
            f"{_megabytes(run.peak_memory_bytes):>12} memory {_megabytes(size):>10} on disk  "
            f"{run.started}"
        )
    print(f"{_megabytes(total)} in {out}")


def print_one(out: Path, name: str) -> None:
    """Print what is known of a run's newest attempt, or of the one named ``RUN/NUMBER``.

    Raises:
        CourseError: there is no such run, or its ``run.json`` cannot be read.
    """
    found = [
        path
        for path in _all_attempts(out)
        if name in (path.parent.name, f"{path.parent.name}/{path.name}")
    ]
    if not found:
        raise CourseError(f'There is no run "{name}" in {out}: `course runs list` shows them.')
    folder = found[-1]
    run = read_run(folder)
    if run is None:
        raise CourseError(f"{folder / 'run.json'} cannot be read: run the chapter again.")
    print(f"{folder}: {Attempt(folder, run).status}")
    for label, value in (
        ("chapter", f"{run.chapter} {run.notebook}, {run.profile}"),
        ("parameters", ", ".join(f"{k}={v}" for k, v in run.parameters.items()) or "defaults"),
        ("started", run.started),
        ("time", f"{run.duration_seconds:.0f} of {run.budget.seconds:.0f} s"),
        ("memory", f"{_megabytes(run.peak_memory_bytes)} of {run.budget.megabytes:,.0f} MB"),
        ("disk", _megabytes(_bytes_in(folder))),
        ("error", run.reason()),
        ("key", run.key),
        ("commit", run.commit),
    ):
        if value:
            print(f"  {label:<11}{value}")
    for record in run.records:
        print(f"  {record['name']} = {record['value']:g} {record['unit']}".rstrip())
    for line in run.tail:
        print(f"  | {line}")


def prune(out: Path, keep: int) -> None:
    """Delete older attempts, but never the last successful one of a run.

    Args:
        out: folder of the runs.
        keep: how many attempts of each run stay, the newest.

    Raises:
        CourseError: a batch is using the folder, or it cannot be written.
    """
    _all_attempts(out)
    freed = deleted = 0
    with opened(out), writing_into(out):
        for run in sorted({path.parent.name for path in attempts(out)}):
            folders = attempts(out, run)
            good = [
                path
                for path in folders
                if (found := read_run(path)) and found.status == "succeeded"
            ]
            for folder in set(folders) - {*folders[-keep:], *good[-1:]}:
                freed, deleted = freed + _bytes_in(folder), deleted + 1
                # Renamed first: an interrupted deletion leaves no attempt without its parts.
                shutil.rmtree(folder.rename(folder.with_name(f".deleted-{folder.name}")))
    print(f"{counted(deleted, 'attempt')} deleted, {_megabytes(freed)} freed")
