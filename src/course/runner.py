"""Run chapters headlessly: one process each, watched, ended whole, and true about what happened."""

import importlib.metadata
import json
import os
import platform
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import psutil
from filelock import FileLock, Timeout

from course.catalogue import NOTEBOOKS, Chapter, settings
from course.data import prepare
from course.errors import CourseError
from course.execute import end_tree
from course.pairs import records_of, store
from helpers.datasets import MIME_TYPE as DATA
from helpers.places import ROOT

MARK = "COURSE_RUN_MARK"
PACKAGES = ("tensorflow", "keras", "numpy", "papermill", "jupytext", "nbclient", "ipykernel")
HEARTBEAT = 10.0
UNFINISHED = ("failed", "killed", "timed-out", "cancelled")


class Stopped(Exception):
    """The user or the system asked the runner to stop."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


@dataclass
class Run:
    """What a run was asked and what became of it; written as ``run.json``."""

    chapter: str
    notebook: str
    profile: str
    parameters: dict[str, Any]
    status: str = "running"
    error: dict[str, Any] | None = None
    started: str = ""
    duration_seconds: float = 0.0
    peak_memory_bytes: int = 0
    records: list[dict[str, Any]] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)
    python: str = platform.python_version()
    packages: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    device: dict[str, Any] = field(default_factory=dict)
    folder: str = ""


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


def _commit() -> str:
    """The commit of the checkout, with a plus where files differ from it; empty without git."""

    def git(*words: str) -> str:
        answer = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
        return answer.stdout.strip() if answer.returncode == 0 else ""

    try:
        head = git("rev-parse", "HEAD")
        return head + ("+" if head and git("status", "--porcelain", "-uno") else "")
    except OSError:
        return ""


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _device() -> dict[str, Any]:
    """Processor, cores and graphics cards, as far as the system tells without starting them."""
    found: dict[str, Any] = {"processor": _processor(), "cores": os.cpu_count(), "gpus": []}
    if shutil.which("nvidia-smi"):
        asked = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"],
            capture_output=True,
            text=True,
        )
        if asked.returncode == 0:
            found["gpus"] = asked.stdout.strip().splitlines()
    return found


def _processes_of(mark: str) -> list[psutil.Process]:
    """Every process of a run, wherever it moved: all inherit the run's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _end_all(child: subprocess.Popen[str], mark: str) -> None:
    """Kill the child, its kernel and their children, and wait until they are gone."""
    if child.poll() is None:
        end_tree(psutil.Process(child.pid))
    child.wait()
    for _ in range(50):
        left = [p for p in _processes_of(mark) if p.status() != psutil.STATUS_ZOMBIE]
        if not left:
            return
        for process in left:
            end_tree(process)
        time.sleep(0.05)


@contextmanager
def _signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM raise ``Stopped``, once, wherever the runner is."""

    def stop(number: int, frame: Any) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _lines_of(child: subprocess.Popen[str]) -> "queue.Queue[dict[str, Any]]":
    """The child's events, read beside the watch so that neither waits for the other."""
    events: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        for line in child.stdout or ():
            try:
                events.put(json.loads(line))
            except ValueError:
                continue

    threading.Thread(target=read, daemon=True).start()
    return events


def _memory(mark_holder: psutil.Process) -> int:
    total = 0
    try:
        for process in [mark_holder, *mark_holder.children(recursive=True)]:
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
    except psutil.Error:
        pass
    return total


class _Show:
    """Progress for people: one moving line in a terminal, else a line now and then."""

    def __init__(self, run: Run) -> None:
        self.label = f"{run.chapter} {run.notebook} ({run.profile})"
        self.moving = sys.stderr.isatty()
        self.began = self.last = time.monotonic()

    def cell(self, number: int, of: int, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self.last >= (0.5 if self.moving else HEARTBEAT):
            self.last = now
            text = f"{self.label}: cell {number} of {of}, {now - self.began:.0f} s"
            print(
                f"\r{text:<78}" if self.moving else text,
                end="" if self.moving else "\n",
                file=sys.stderr,
                flush=True,
            )

    def end(self, text: str) -> None:
        line = f"{self.label}: {text}"
        print(f"\r{line:<78}" if self.moving else line, file=sys.stderr, flush=True)


def _watch(run: Run, child: subprocess.Popen[str], timeout: float) -> None:
    """Follow a run until it ends, and write down what became of it."""
    events, shown = _lines_of(child), _Show(run)
    holder = psutil.Process(child.pid)
    began = time.monotonic()
    place = {"cell": 0, "of": 0}
    finished: dict[str, Any] = {}
    while True:
        try:
            event = events.get(timeout=0.25)
        except queue.Empty:
            event = None
        run.peak_memory_bytes = max(run.peak_memory_bytes, _memory(holder))
        if event and event["event"] == "cell":
            place = {"cell": event["cell"], "of": event["of"]}
        elif event:
            finished = event
        shown.cell(place["cell"], place["of"])
        if event is None and child.poll() is not None:
            break
        if time.monotonic() - began > timeout:
            run.status = "timed-out"
            run.error = {
                "cell": place["cell"],
                "error": "Timeout",
                "message": f"still running after {timeout:.0f} s",
            }
            break
    run.duration_seconds = round(time.monotonic() - began, 2)
    if run.status == "running":
        _settle(run, child, finished, place["cell"])
    verdict = run.status if run.error is None else f"{run.status} in cell {run.error['cell']}: "
    reason = "" if run.error is None else f"{run.error['error']}: {run.error['message']}"
    shown.end(f"{verdict}{reason.splitlines()[0] if reason else ''} ({run.duration_seconds:.0f} s)")


def _settle(run: Run, child: subprocess.Popen[str], finished: dict[str, Any], cell: int) -> None:
    """The status of a run whose process has ended."""
    if finished.get("event") == "done" and child.returncode == 0:
        run.status = "succeeded"
    elif finished.get("error") == "DeadKernelError":
        run.status = "killed"
        run.error = {key: finished[key] for key in ("cell", "error", "message")}
    elif finished.get("event") == "failed":
        run.status = "failed"
        run.error = {key: finished[key] for key in ("cell", "error", "message")}
    else:
        code = child.returncode
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        run.status = "killed"
        run.error = {"cell": cell, "error": name, "message": "the process of the run ended early"}


def _collect(run: Run, output: Path) -> None:
    """Read records and data hashes back from whatever notebook the run left.

    A notebook that was cut off while it was written, by a full disk say, is taken away.
    """
    try:
        notebook = nbformat.read(output, as_version=4)
    except Exception as error:
        output.unlink(missing_ok=True)
        if run.status == "succeeded":
            run.status = "failed"
            message = f"the executed notebook cannot be read: {error}"
            run.error = {"cell": None, "error": type(error).__name__, "message": message}
        return
    run.records = records_of(notebook)
    run.data = [
        output["data"][DATA]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if DATA in output.get("data", {})
    ]


def _folder_name(chapter: Chapter, asked: dict[str, Any]) -> str:
    extra = [f"{name}={value}" for name, value in asked.items()]
    return re.sub(r"[^\w=.,-]", "_", "-".join([chapter.table["notebook"], *extra]))[:120]


def plan(wanted: list[Chapter], profile: str, asked: list[str]) -> list[tuple[Chapter, Run]]:
    """What would run, every parameter checked before any kernel starts.

    Raises:
        CourseError: a parameter is not valid.
    """
    planned = []
    for chapter in wanted:
        changed = settings(chapter, profile, asked)
        names = {text.partition("=")[0] for text in asked}
        extra = {name: value for name, value in changed.items() if name in names}
        run = Run(
            chapter=chapter.number,
            notebook=chapter.table["notebook"],
            profile=profile,
            parameters=changed,
            folder=_folder_name(chapter, extra),
        )
        planned.append((chapter, run))
    return planned


def _place(run: Run, work: Path, out: Path) -> Path:
    """Put a finished run where it belongs.

    A failed run never takes the place of a good one; a good one ends the evidence of failures.
    """
    good = out / run.folder
    target = good if run.status == "succeeded" else out / f"{run.folder}.{run.status}"
    retired = [target] if target.exists() else []
    if run.status == "succeeded":
        retired += [out / f"{run.folder}.{status}" for status in UNFINISHED]
    for number, old in enumerate(path for path in retired if path.exists()):
        old.rename(work.parent / f"retired-{number}")
    work.rename(target)
    return target


def execute(chapter: Chapter, run: Run, out: Path, timeout: float | None) -> Path:
    """Run one chapter in a process of its own and leave notebook, log and ``run.json``.

    Args:
        chapter: what to run.
        run: what was asked; what became of it is written into it.
        out: folder of the runs.
        timeout: seconds after which the run is ended; four times the chapter's budget if None.

    Returns:
        The folder of the run.

    Raises:
        Stopped: a signal came; the run is ended and written down as cancelled.
        OSError: the folder cannot be written.
    """
    limit = timeout or 4 * chapter.table["budget"][run.profile]["seconds"]
    run.started = datetime.now(UTC).isoformat(timespec="seconds")
    run.packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    run.commit, run.device = _commit(), _device()
    mark = uuid.uuid4().hex
    with tempfile.TemporaryDirectory(dir=out, prefix=".running-") as temporary:
        work = Path(temporary) / "run"
        work.mkdir()
        output = work / f"{run.notebook}.ipynb"
        job = {
            "source": str(chapter.source),
            "output": str(output),
            "parameters": run.parameters,
            "folder": str(NOTEBOOKS),
        }
        write_json(work / "job.json", job)
        with (work / "log.txt").open("w", encoding="utf-8") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "course.execute", str(work / "job.json")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                env={**os.environ, MARK: mark, "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
            )
            stopped = None
            try:
                _watch(run, child, limit)
            except Stopped as signal_seen:
                stopped = signal_seen
                run.status = "cancelled"
                run.error = {
                    "cell": None,
                    "error": str(signal_seen),
                    "message": "stopped by signal",
                }
            finally:
                _end_all(child, mark)
        (work / "job.json").unlink()
        _collect(run, output)
        for leftover in work.glob("*.input.ipynb"):
            leftover.unlink()
        write_json(work / "run.json", asdict(run))
        placed = _place(run, work, out)
    if stopped is not None:
        raise stopped
    return placed


def run_all(
    planned: list[tuple[Chapter, Run]], out: Path, timeout: float | None, keep: bool
) -> list[Path]:
    """Run chapters one after another; a failure does not keep the others from running.

    Args:
        planned: from ``plan``.
        out: folder of the runs, made if need be; only one batch at a time may use it.
        timeout: seconds for each run, or None for four times its budget.
        keep: whether successful outputs go into the stored notebooks.

    Returns:
        The folder of each run.

    Raises:
        CourseError: the folder is in use or cannot be written.
        Stopped: a signal ended the batch.
    """
    folders = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / ".lock", timeout=0), _signals():
            for chapter, run in planned:
                if run.profile != "sample":
                    prepare(chapter)
            for chapter, run in planned:
                folder = execute(chapter, run, out, timeout)
                folders.append(folder)
                if keep and run.status == "succeeded":
                    executed = nbformat.read(folder / f"{run.notebook}.ipynb", as_version=4)
                    store(chapter, executed)
    except Timeout as error:
        raise CourseError(
            f"Another `course run` is writing into {out}: wait for it, or choose another --out."
        ) from error
    except OSError as error:
        raise CourseError(
            f"Cannot write into {out} ({error.strerror or error}): make room or use another --out."
        ) from error
    return folders
