"""One attempt at a run: a process of its own, watched, ended whole, and true about its end."""

import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import psutil

from course.catalogue import NOTEBOOKS, chapters
from course.compare import HISTORY
from course.machine import MEMORY_GROWS, environment, taken_bytes
from course.pairs import records_of
from course.running.store import MARK, Run, file_hash, processes_of, tail_of
from course.running.worker import end_tree
from helpers.datasets import MIME_TYPE as DATA

ASK_GPU = 2.0  # seconds between two looks at the memory of a graphics card
Progress = dict[str, Any]  # of a running attempt: cell, of, seconds, bytes


def _end_all(child: subprocess.Popen[str], mark: str) -> None:
    """Kill the child, its kernel and their children, and wait until they are gone."""
    if child.poll() is None:
        end_tree(psutil.Process(child.pid))
    child.wait()
    for _ in range(100):
        left = processes_of(mark)
        if not left:
            return
        for process in left:
            end_tree(process)
        time.sleep(0.05)


def _events_of(
    child: subprocess.Popen[str],
) -> tuple["queue.Queue[dict[str, Any]]", threading.Thread]:
    """The child's events, and the thread that reads them beside the watch."""
    events: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        for line in child.stdout or ():
            try:
                events.put(json.loads(line))
            except ValueError:
                continue

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    return events, reader


def _memory(holder: psutil.Process) -> int:
    """Bytes that a process and everything below it hold in memory."""
    total = 0
    try:
        for process in [holder, *holder.children(recursive=True)]:
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
    except psutil.Error:
        pass
    return total


def _ended_for_memory() -> int:
    """How many processes the system has ended for lack of memory since it started."""
    try:
        for line in Path("/proc/vmstat").read_text(encoding="utf-8").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def _watch(
    run: Run,
    child: subprocess.Popen[str],
    limit: float,
    taken: int,
    stop: Callable[[], bool],
    tell: Callable[[Progress], None],
) -> None:
    """Follow a run until it ends or must be ended, and write down what became of it.

    What others had ``taken`` of the memory of the graphics card before is not the run's.
    """
    events, reader = _events_of(child)
    holder, before = psutil.Process(child.pid), _ended_for_memory()
    began = time.monotonic()
    cell: dict[str, Any] = {"cell": None, "of": 0}
    finished: dict[str, Any] = {}
    room = run.budget.get("gpu_megabytes", math.inf) * 1e6
    asked = began

    def ended(status: str, error: str, message: str) -> None:
        run.status = status
        run.error = {"cell": cell["cell"], "error": error, "message": message}

    while run.status == "running":
        try:
            event = events.get(timeout=0.25)
        except queue.Empty:
            event = None
        held = _memory(holder)
        run.peak_memory_bytes = max(run.peak_memory_bytes, held)
        run.duration_seconds = round(time.monotonic() - began, 2)
        if run.gpu and time.monotonic() - asked > ASK_GPU:
            run.gpu_peak_bytes = max(run.gpu_peak_bytes, taken_bytes(run.gpu) - taken)
            asked = time.monotonic()
        if event is None and child.poll() is not None:
            # Its last words may not have been read yet on a busy machine.
            reader.join(timeout=5)
            if events.empty():
                _settle(run, child, finished, cell["cell"], _ended_for_memory() > before)
        elif event is not None and event["event"] == "cell":
            cell = {"cell": event["cell"], "of": event["of"]}
        elif event is not None:
            finished = event
        elif stop():
            ended("cancelled", "Cancelled", "stopped before it was done")
        elif held > run.budget["megabytes"] * 1e6:
            ended(
                "over-budget",
                "Memory",
                f"{held / 1e6:,.0f} MB, and its budget is {run.budget['megabytes']:,.0f} MB",
            )
        elif run.gpu_peak_bytes > room:
            ended(
                "over-budget",
                "GPU memory",
                f"{run.gpu_peak_bytes / 1e6:,.0f} MB, and its budget is "
                f"{run.budget['gpu_megabytes']:,.0f} MB",
            )
        elif run.duration_seconds > limit:
            ended("timed-out", "Timeout", f"still running after {limit:.0f} s")
        tell({**cell, "seconds": run.duration_seconds, "bytes": held})


def _settle(
    run: Run, child: subprocess.Popen[str], finished: dict[str, Any], cell: int, memory: bool
) -> None:
    """The status of a run whose process has ended."""
    event = finished.get("event")
    if event == "done" and child.returncode == 0:
        run.status = "succeeded"
    elif event == "failed":
        run.status = "failed"
        run.error = {key: finished[key] for key in ("cell", "error", "message")}
    else:
        code = finished["code"] if event == "died" else child.returncode
        name = "an unknown end" if code is None else f"exit code {code}"
        if code is not None and code < 0:
            name = signal.Signals(-code).name
        who = "the kernel" if event == "died" else "the process of the run"
        message = f"{who} ended with {run.peak_memory_bytes / 1e6:,.0f} MB of memory at its peak"
        if memory and name == "SIGKILL":
            message += "; likely out of memory: the system ended a process for lack of it"
        run.status = "killed"
        run.error = {"cell": cell, "error": name, "message": message}


def _collect(run: Run, output: Path) -> None:
    """Read records and data hashes back from whatever notebook the run left."""
    try:
        notebook = nbformat.read(output, as_version=4)
    except Exception as error:
        output.unlink(missing_ok=True)
        if run.status == "succeeded":
            run.status = "failed"
            message = f"the executed notebook cannot be read: {error}"
            run.error = {"cell": None, "error": type(error).__name__, "message": message}
        return
    run.notebook_sha256 = file_hash(output)
    run.records = records_of(notebook)
    shown = [
        output["data"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    run.data = [data[DATA] for data in shown if DATA in data]
    run.examples_a_second = _examples_a_second([data[HISTORY] for data in shown if HISTORY in data])


def _examples_a_second(fits: list[dict[str, Any]]) -> float:
    """The speed of the trainings of a notebook, without the epochs that compile the graphs."""
    examples = seconds = 0.0
    for fit in fits:
        warm = fit["seconds"][1:] or fit["seconds"]
        examples += fit["examples"] * len(warm)
        seconds += sum(warm)
    return round(examples / seconds, 1) if seconds else 0.0


def _variables(run: Run, folder: Path, models: bool) -> dict[str, str]:
    """The environment of a run: its mark, its share of the machine, its own folder of models."""
    threads = str(run.threads)
    own = {
        MARK: run.mark,
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": threads,
        "OMP_NUM_THREADS": threads,
    }
    if run.gpu:
        own |= {"CUDA_VISIBLE_DEVICES": run.gpu, **MEMORY_GROWS}
    if models:
        own["COURSE_MODELS"] = str(folder / "models")
    return {**os.environ, **own}


def attempt(
    run: Run,
    folder: Path,
    limit: float,
    stop: Callable[[], bool],
    tell: Callable[[Progress], None],
) -> None:
    """Run one chapter in a process of its own; leave notebook, log and models in a folder.

    What became of it is written into ``run``, whose status is one of ``STATUSES`` afterwards.

    Args:
        run: what was asked, with its share of threads and its GPU.
        folder: of the attempt; what chapters before it made lies in ``models``.
        limit: seconds after which it is ended.
        stop: whether it shall end now; asked four times a second.
        tell: is told how it goes.

    Raises:
        OSError: the folder cannot be written.
    """
    chapter = chapters()[run.chapter]
    for name, value in environment().items():
        setattr(run, name, value)
    run.started = datetime.now(UTC).isoformat(timespec="seconds")
    run.status = "running"
    makes, uses = chapter.makes, chapter.uses
    output = folder.absolute() / f"{run.notebook}.ipynb"
    if makes or uses:
        (folder / "models").mkdir(exist_ok=True)
    job = {
        "source": str(chapter.source),
        "output": str(output),
        "parameters": run.parameters,
        "folder": str(NOTEBOOKS),
    }
    taken = taken_bytes(run.gpu) if run.gpu else 0
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "course.running.worker", json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            env=_variables(run, folder.absolute(), bool(makes or uses)),
        )
        try:
            _watch(run, child, limit, taken, stop, tell)
        finally:
            _end_all(child, run.mark)
    _collect(run, output)
    (folder / f".{output.name}.tmp").unlink(missing_ok=True)
    made = {f"{name}-{run.profile}" for name in makes}
    for path in (folder / "models").glob("*"):
        if path.stem in made:
            run.artifacts[path.name] = file_hash(path)
        else:
            path.unlink()
    if run.status != "succeeded":
        run.tail = tail_of(folder)
