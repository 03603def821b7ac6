"""The folder of the runs: one folder a run, one numbered folder an attempt, nothing overwritten.

runs/format.json
runs/01_convnet_basics-sample-seed=3/001/{01_convnet_basics.ipynb, log.txt, run.json}
"""

import hashlib
import json
import os
import shutil
import signal
import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from course.errors import CourseError
from course.running.worker import end_tree

FORMAT = 2
MARK = "COURSE_RUN_MARK"
# Every attempt ends in exactly one of these.
STATUSES = ("succeeded", "failed", "timed-out", "killed", "over-budget", "cancelled", "lost")


class Stopped(Exception):
    """The user or the system asked the batch to stop."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


class Lost(Exception):
    """Whoever executed a run is gone."""


@dataclass(eq=False)
class Run:
    """What a run was asked and what became of one attempt at it; written as ``run.json``.

    Attributes:
        folder: name of the run's folder; runs of the same parameters share it.
        parameters: those that differ from the notebook's defaults.
        after: folders of the runs in the same batch whose models this one uses.
        key: hash of all that the result depends on; empty until it is known.
        status: "waiting" in a plan, "running", or how it ended: one of ``STATUSES``.
        error: cell, error and message, where it did not succeed.
        tail: the last lines of the log, where it did not succeed.
        examples_a_second: in the warm epochs of all its trainings together; 0 if it trained none.
        gpu_peak_bytes: most memory of its graphics card that was taken; 0 without one.
        artifacts: SHA-256 of each file of a model that it left for other chapters.
        owner: host and process that wrote it, to tell whether it is still under way.
    """

    chapter: str
    notebook: str
    profile: str
    parameters: dict[str, Any]
    seed: int
    folder: str
    budget: dict[str, float]
    after: list[str] = field(default_factory=list)
    key: str = ""
    attempt: int = 0
    status: str = "waiting"
    error: dict[str, Any] | None = None
    tail: list[str] = field(default_factory=list)
    started: str = ""
    duration_seconds: float = 0.0
    peak_memory_bytes: int = 0
    examples_a_second: float = 0.0
    gpu_peak_bytes: int = 0
    threads: int = 0
    gpu: str = ""
    records: list[dict[str, Any]] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)
    artifacts: dict[str, str] = field(default_factory=dict)
    notebook_sha256: str = ""
    python: str = ""
    backend: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    device: dict[str, Any] = field(default_factory=dict)
    owner: dict[str, Any] = field(default_factory=dict)
    mark: str = ""

    def reason(self) -> str:
        """Why it did not succeed, in one line."""
        if self.error is None:
            return ""
        first = (str(self.error["message"]).strip().splitlines() or [""])[0]
        cell = "" if self.error["cell"] is None else f" in cell {self.error['cell']}"
        return f"{self.status}{cell}: {self.error['error']}: {first}"


def write_json(path: Path, content: Any) -> None:
    """Write JSON in one step: a reader sees the old file or the new one, never a half."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1, ensure_ascii=False)
            file.write("\n")
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def write_run(folder: Path, run: Run) -> None:
    """Write ``run.json``; on a full disk the status matters more than the evidence.

    Raises:
        OSError: it cannot be written even so.
    """
    try:
        write_json(folder / "run.json", asdict(run))
    except OSError:
        if run.status == "running":
            raise
        for name in ("log.txt", f"{run.notebook}.ipynb"):
            (folder / name).unlink(missing_ok=True)
        if run.status == "succeeded":
            run.status = "failed"
            run.error = {
                "cell": None,
                "error": "OSError",
                "message": "No space left on device, so the executed notebook was not kept",
            }
        write_json(folder / "run.json", asdict(run))


def _begin(pid: int) -> str:
    """When a process began, in ticks since the machine started: no clock that is set changes it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def owner() -> dict[str, Any]:
    """This host and process, so that a later command can tell whether it still runs."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": _begin(os.getpid())}


def _is_alive(named: dict[str, Any]) -> bool:
    if named.get("host") != socket.gethostname():
        return True
    pid = named.get("pid", 0)
    return psutil.pid_exists(pid) and _begin(pid) == named.get("since")


def new_mark() -> str:
    """A word for the environment of an attempt, by which its processes are found again."""
    return uuid.uuid4().hex


def processes_of(mark: str) -> list[psutil.Process]:
    """Every process of an attempt, wherever it moved: all inherit the attempt's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


@contextmanager
def opened(out: Path) -> Iterator[None]:
    """Hold a folder of runs for one batch, and put right what an earlier one left half-done.

    Raises:
        CourseError: another batch holds it, it is of another format, or it cannot be written.
    """
    with _said(out):
        out.mkdir(parents=True, exist_ok=True)
        check_format(out)
        lock = FileLock(out / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise CourseError(
                f"Another `course run` is writing into {out}: wait for it, or choose another --out."
            ) from error
        try:
            if not (out / "format.json").exists():
                write_json(out / "format.json", {"format": FORMAT})
            for folder in attempts(out):
                _settle(folder)
            for leftover in out.glob("*/.deleted-*"):
                shutil.rmtree(leftover)
            yield
        finally:
            lock.release()


@contextmanager
def _said(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CourseError(
            f"Cannot write into {out} ({error.strerror or error}): make room or use another --out."
        ) from error


def check_format(out: Path) -> None:
    """Refuse a folder of runs that another version of the course wrote.

    Raises:
        CourseError: it is one.
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
            f"{out} holds runs in format {found}, and this course writes format {FORMAT}: "
            "move the folder away, or choose another --out."
        )


def attempts(out: Path, run: str = "*") -> list[Path]:
    """The folders of all attempts, run by run and oldest first."""
    found = [path for path in out.glob(f"{run}/[0-9][0-9][0-9]*") if path.name.isdigit()]
    return sorted(found, key=lambda path: (path.parent.name, int(path.name)))


def new_attempt(out: Path, run: Run) -> Path:
    """Make the next folder of a run; an earlier attempt is never written over."""
    before = [int(path.name) for path in attempts(out, run.folder)]
    run.attempt = max(before, default=0) + 1
    folder = out / run.folder / f"{run.attempt:03d}"
    folder.mkdir(parents=True)
    return folder


def read_run(folder: Path) -> Run | None:
    """The facts of an attempt, or None where they cannot be read."""
    try:
        return Run(**json.loads((folder / "run.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _settle(folder: Path) -> None:
    """Write down as lost an attempt whose batch ended without a word, and end what it left."""
    for leftover in (*folder.glob(".*.tmp"), *folder.parent.glob(".*.tmp")):
        leftover.unlink()
    run = read_run(folder)
    if run is None or run.status != "running":
        return
    if run.owner.get("host") == socket.gethostname():
        for process in processes_of(run.mark):
            end_tree(process)
    run.status = "lost"
    run.error = {
        "cell": None,
        "error": "Lost",
        "message": "the batch that watched this run ended without a word, killed for example",
    }
    run.tail = tail_of(folder)
    write_run(folder, run)


def present_status(run: Run) -> str:
    """The status of an attempt; one that nobody watches any more is lost."""
    return "lost" if run.status == "running" and not _is_alive(run.owner) else run.status


def tail_of(folder: Path, lines: int = 20) -> list[str]:
    """The last lines of the log of an attempt."""
    try:
        with (folder / "log.txt").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8000))
            return file.read().decode("utf-8", errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def file_hash(path: Path) -> str:
    """SHA-256 of a file, empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def finished(out: Path, run: Run) -> Path | None:
    """The newest attempt that succeeded with the same key and is whole, if there is one."""
    for folder in reversed(attempts(out, run.folder)):
        found = read_run(folder)
        if found is None or found.status != "succeeded" or found.key != run.key:
            continue
        wanted = {f"{run.notebook}.ipynb": found.notebook_sha256}
        wanted |= {f"models/{name}": digest for name, digest in found.artifacts.items()}
        if all(file_hash(folder / name) == digest for name, digest in wanted.items()):
            return folder
    return None


# course runs --------------------------------------------------------------------------------


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.1f} MB"


def _checked(out: Path) -> list[Path]:
    check_format(out)
    found = attempts(out)
    if not found:
        raise CourseError(f"There are no runs in {out}: make some with `course run`.")
    return found


def list_all(out: Path) -> None:
    """Print every attempt with its status, time, memory and size.

    Raises:
        CourseError: there is none.
    """
    total = 0
    for folder in _checked(out):
        run, size = read_run(folder), _bytes_in(folder)
        total += size
        name = f"{folder.parent.name}/{folder.name}"
        if run is None:
            print(f"{name:<44} its run.json cannot be read; {_megabytes(size)}")
            continue
        print(
            f"{name:<44} {present_status(run):<12} {run.duration_seconds:>7.0f} s "
            f"{_megabytes(run.peak_memory_bytes):>12} memory {_megabytes(size):>10} on disk  "
            f"{run.started}"
        )
    print(f"{_megabytes(total)} in {out}")


def show(out: Path, name: str) -> None:
    """Print what is known of a run's newest attempt, or of the one named ``RUN/NUMBER``.

    Raises:
        CourseError: there is no such run, or its ``run.json`` cannot be read.
    """
    found = [
        path
        for path in _checked(out)
        if name in (path.parent.name, f"{path.parent.name}/{path.name}")
    ]
    if not found:
        raise CourseError(f'There is no run "{name}" in {out}: `course runs list` shows them.')
    folder = found[-1]
    run = read_run(folder)
    if run is None:
        raise CourseError(f"{folder / 'run.json'} cannot be read: run the chapter again.")
    print(f"{folder}: {present_status(run)}")
    for label, value in (
        ("chapter", f"{run.chapter} {run.notebook}, {run.profile}"),
        ("parameters", ", ".join(f"{k}={v}" for k, v in run.parameters.items()) or "defaults"),
        ("started", run.started),
        ("time", f"{run.duration_seconds:.0f} of {run.budget['seconds']:.0f} s"),
        ("memory", f"{_megabytes(run.peak_memory_bytes)} of {run.budget['megabytes']:,.0f} MB"),
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
    """Delete older attempts, never the last good one of a run.

    Args:
        out: folder of the runs.
        keep: how many attempts of each run stay, the newest.

    Raises:
        CourseError: the number is below 1, or a batch is using the folder.
    """
    if keep < 1:
        raise CourseError(f"--keep takes 1 or more, not {keep}.")
    _checked(out)
    freed = gone = 0
    with opened(out):
        for run in sorted({path.parent.name for path in attempts(out)}):
            folders = attempts(out, run)
            good = [
                path
                for path in folders
                if (found := read_run(path)) and found.status == "succeeded"
            ]
            stay = {*folders[-keep:], *good[-1:]}
            for folder in folders:
                if folder not in stay:
                    freed, gone = freed + _bytes_in(folder), gone + 1
                    # Renamed first: an interrupted deletion leaves no attempt without its parts.
                    doomed = folder.rename(folder.with_name(f".deleted-{folder.name}"))
                    shutil.rmtree(doomed)
    print(f"{gone} attempts deleted, {_megabytes(freed)} freed")
