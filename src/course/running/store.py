"""Store runs: a folder per run, a numbered folder per attempt, and nothing is overwritten.

runs/format.json
runs/01_convnet_basics-sample-seed=3/001/{01_convnet_basics.ipynb, log.txt, run.json}
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from course.errors import CourseError
from course.running.processes import end_tree, is_alive, is_here, processes_of
from course.running.run import Run, from_json, to_json
from helpers.files import sha256_of, write_atomically

FORMAT = 2
FULL = (errno.ENOSPC, errno.EDQUOT)  # of a disk, or of a user's share of it


@dataclass(frozen=True)
class Attempt:
    """An attempt that can be read: its folder and what ``run.json`` says."""

    folder: Path
    run: Run

    @property
    def status(self) -> str:
        """How it ended, or that it is running; one that nobody watches any longer is lost."""
        lost = self.run.status == "running" and not is_alive(self.run.owner)
        return "lost" if lost else self.run.status

    @property
    def notebook(self) -> Path:
        """The executed notebook, which may be missing."""
        return self.folder / f"{self.run.notebook}.ipynb"


@contextmanager
def writing_into(out: Path) -> Iterator[None]:
    """Turn a failure to write into a folder of runs into a sentence.

    Raises:
        CourseError: the body raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise CourseError(
            f"Cannot write into {out} ({error.strerror or error}): make room or use another --out."
        ) from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON in one step: a reader sees the old file or the new one, never half of one.

    Raises:
        OSError: the folder cannot be written.
    """
    write_atomically(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_run(folder: Path, run: Run) -> None:
    """Write ``run.json``; on a full disk the status matters more than log and notebook.

    Raises:
        CourseError: it cannot be written even so.
    """
    path = folder / "run.json"
    with writing_into(folder.parent.parent):
        try:
            write_json(path, to_json(run))
        except OSError as error:
            if run.status == "running" or error.errno not in FULL:
                raise
            for name in ("log.txt", f"{run.notebook}.ipynb"):
                (folder / name).unlink(missing_ok=True)
            if run.status == "succeeded":
                message = "No space left on device, so the executed notebook was not kept"
                run.fail("failed", "OSError", message)
            write_json(path, to_json(run))


@contextmanager
def opened(out: Path) -> Iterator[None]:
    """Hold a folder of runs for one batch, and settle what an earlier batch left half-done.

    Raises:
        CourseError: another batch holds it, it has another format, or it cannot be written.
    """
    lock = FileLock(out / ".lock", timeout=0)
    with writing_into(out):
        out.mkdir(parents=True, exist_ok=True)
        check_format(out)
        try:
            lock.acquire()
        except Timeout as error:
            raise CourseError(
                f"Another `course run` is writing into {out}: wait for it, or choose another --out."
            ) from error
    try:
        with writing_into(out):
            if not (out / "format.json").exists():
                write_json(out / "format.json", {"format": FORMAT})
            for folder in attempts(out):
                _settle(folder)
            for leftover in out.glob("*/.deleted-*"):
                shutil.rmtree(leftover)
        yield
    finally:
        lock.release()


def check_format(out: Path) -> None:
    """Refuse a folder of runs that another version of the course wrote.

    Raises:
        CourseError: another version wrote it.
    """
    path = out / "format.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["format"]
    except FileNotFoundError:
        older = [*out.glob("*/run.json"), *out.glob("*/*/run.json")]
        found = 1 if older else FORMAT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(f"{path} cannot be read ({error!r}): choose another --out.") from error
    if found != FORMAT:
        raise CourseError(
            f"{out} holds runs in format {found}, but this course writes format {FORMAT}: "
            "move the folder away, or choose another --out."
        )


def attempts(out: Path, run: str = "*") -> list[Path]:
    """Return the folders of all attempts, run by run and oldest first."""
    runs = sorted(out.glob(run), key=lambda path: path.name)
    return [attempt for each in runs for attempt in _numbered(each)]


def _numbered(run: Path) -> list[Path]:
    """Return the folders of a run's attempts, oldest first."""
    found = [path for path in run.glob("[0-9][0-9][0-9]*") if path.name.isdigit()]
    return sorted(found, key=lambda path: int(path.name))


def new_attempt(out: Path, run: Run) -> Path:
    """Make the next folder of a run; an earlier attempt is never overwritten.

    Raises:
        CourseError: it cannot be made.
    """
    before = [int(path.name) for path in attempts(out, run.folder)]
    run.attempt = max(before, default=0) + 1
    folder = out / run.folder / f"{run.attempt:03d}"
    with writing_into(out):
        folder.mkdir(parents=True)
    return folder


def read_run(folder: Path) -> Run | None:
    """Return what ``run.json`` says, or None if it cannot be read."""
    try:
        return from_json(json.loads((folder / "run.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def read_attempts(folder: Path) -> list[Attempt]:
    """Return the newest attempt of every run in a folder, in the order of their names.

    Args:
        folder: of all runs, of one run, or of one attempt.

    Raises:
        CourseError: there are no runs, or one of them cannot be read.
    """
    if (folder / "run.json").exists():
        newest = {folder.name: folder}
    else:
        found = attempts(folder) or _numbered(folder)
        newest = {path.parent.name: path for path in found}
    if not newest:
        raise CourseError(f"There are no runs in {folder}: make some with `course run`.")
    made = []
    for path in newest.values():
        run = read_run(path)
        if run is None:
            raise CourseError(f"{path / 'run.json'} cannot be read: run the chapter again.")
        made.append(Attempt(path, run))
    return made


def _settle(folder: Path) -> None:
    """Note as lost an attempt whose batch ended unseen, and end the processes that it left."""
    for leftover in (*folder.glob(".*.tmp"), *folder.parent.glob(".*.tmp")):
        leftover.unlink()
    run = read_run(folder)
    if run is None and not any(folder.iterdir()):
        folder.rmdir()  # the batch ended before it could write anything
    if run is None or run.status != "running":
        return
    if is_here(run.owner):
        for process in processes_of(run.mark):
            end_tree(process)
    message = "the batch that watched this run ended without recording how the run ended"
    run.fail("lost", "Lost", message)
    run.tail = tail_of(folder)
    write_run(folder, run)


def tail_of(folder: Path, lines: int = 20) -> list[str]:
    """Return the last lines of the log of an attempt."""
    try:
        with (folder / "log.txt").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8000))
            return file.read().decode("utf-8", errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file; an empty text if it cannot be read."""
    try:
        return sha256_of(path)
    except OSError:
        return ""


def finished(out: Path, run: Run) -> Path | None:
    """Return the newest attempt that succeeded with the same key and is still undamaged."""
    for folder in reversed(attempts(out, run.folder)):
        found = read_run(folder)
        if found is None or found.status != "succeeded" or found.key != run.key:
            continue
        wanted = {f"{run.notebook}.ipynb": found.notebook_sha256}
        wanted |= {f"models/{name}": digest for name, digest in found.artifacts.items()}
        if all(file_hash(folder / name) == digest for name, digest in wanted.items()):
            return folder
    return None
