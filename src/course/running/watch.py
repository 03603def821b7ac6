"""Run one notebook in a process of its own, enforce its limits, and record how it ended."""

import json
import math
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import psutil

from course.catalogue import NOTEBOOKS, chapters
from course.machine import CARD_VARIABLES, environment, used_bytes
from course.notebooks.files import records_of
from course.running.processes import (
    MARK,
    end_marked,
    end_tree,
    ended_for_memory,
    exit_name,
    memory_of,
)
from course.running.run import Failure, Progress, Run
from course.running.store import file_hash, tail_of
from helpers.datasets import MIME_TYPE as DATA
from helpers.outputs import HISTORY

CARD_INTERVAL = 2.0  # seconds between two looks at the memory of a graphics card


@dataclass(frozen=True)
class Event:
    """One line of a worker.

    Attributes:
        kind: "cell", "failed" (a cell raised an error), "died" (the kernel ended) or "done".
        cell: number of the present cell.
        cells: how many there are.
        error: name of the exception.
        message: what it says.
        code: exit code of the kernel, negative for a signal; None if it is not known.
    """

    kind: str
    cell: int | None = None
    cells: int = 0
    error: str = ""
    message: str = ""
    code: int | None = None


def parse_event(line: str) -> Event | None:
    """Return the event that a worker wrote, or None if the line isn't one.

    >>> parse_event('{"event": "done"}').kind
    'done'
    >>> parse_event("2") is None
    True
    """
    try:
        found = json.loads(line)
        return Event(found.pop("event"), **found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _read_events(child: subprocess.Popen[str]) -> tuple["queue.Queue[Event]", threading.Thread]:
    """Return the events of a child as they come, and the thread that reads them."""
    events: queue.Queue[Event] = queue.Queue()

    def read() -> None:
        for line in child.stdout or ():
            if event := parse_event(line):
                events.put(event)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    return events, reader


class _CardMeter:
    """Measure the memory of a graphics card beside what others used of it before."""

    def __init__(self, gpu: str) -> None:
        self.gpu, self.asked = gpu, time.monotonic()
        self.before = used_bytes(gpu) if gpu else None

    def peak(self, peak: int) -> int:
        """Return the larger of a former peak and what is used now."""
        # A driver that once did not answer is not asked again: each time takes seconds.
        if self.before is None or time.monotonic() - self.asked < CARD_INTERVAL:
            return peak
        now = used_bytes(self.gpu)
        self.asked = time.monotonic()
        if now is None:
            self.before = None
            return peak
        return max(peak, now - self.before)


def _broken_limit(run: Run, held: int, limit: float) -> tuple[str, Failure] | None:
    """Return the status and reason of a run that exceeds one of its limits."""
    room = run.budget.gpu_megabytes or math.inf
    if held > run.budget.megabytes * 1e6:
        text = f"{held / 1e6:,.0f} MB, but its budget is {run.budget.megabytes:,.0f} MB"
        return "over-budget", Failure(None, "Memory", text)
    if run.gpu_peak_bytes > room * 1e6:
        text = f"{run.gpu_peak_bytes / 1e6:,.0f} MB, but its budget is {room:,.0f} MB"
        return "over-budget", Failure(None, "GPU memory", text)
    if run.duration_seconds > limit:
        return "timed-out", Failure(None, "Timeout", f"still running after {limit:.0f} s")
    return None


def _follow(
    run: Run,
    child: subprocess.Popen[str],
    limit: float,
    stop: Callable[[], bool],
    tell: Callable[[Progress], None],
    card: _CardMeter,
) -> None:
    """Follow a child until it ends or must be ended, and note in the run what became of it."""
    events, reader = _read_events(child)
    ended_before, began = ended_for_memory(), time.monotonic()
    cell, last = Event("cell"), Event("none")
    while run.status == "running":
        try:
            event = events.get(timeout=0.25)
        except queue.Empty:
            event = None
        held = memory_of(child.pid)
        run.peak_memory_bytes = max(run.peak_memory_bytes, held)
        run.duration_seconds = round(time.monotonic() - began, 2)
        run.gpu_peak_bytes = card.peak(run.gpu_peak_bytes)
        if event is not None and event.kind == "cell":
            cell = event
        elif event is not None:
            last = event
        elif child.poll() is not None:
            # Its last line may not have been read yet on a busy machine.
            reader.join(timeout=5)
            if events.empty():
                _note_end(run, child.returncode, last, cell, ended_for_memory() > ended_before)
        elif stop():
            run.fail("cancelled", "Cancelled", "stopped before it finished", cell.cell)
        elif broken := _broken_limit(run, held, limit):
            run.fail(broken[0], broken[1].error, broken[1].message, cell.cell)
        tell(Progress(cell.cell, cell.cells, run.duration_seconds, held))


def _note_end(run: Run, code: int, last: Event, cell: Event, lack_of_memory: bool) -> None:
    """Note the status of a run whose process has ended."""
    if last.kind == "done" and code == 0:
        run.status = "succeeded"
    elif last.kind == "failed":
        run.fail("failed", last.error, last.message, last.cell)
    else:
        name = exit_name(last.code if last.kind == "died" else code)
        who = "the kernel" if last.kind == "died" else "the process of the run"
        message = f"{who} ended with {run.peak_memory_bytes / 1e6:,.0f} MB of memory at its peak"
        if lack_of_memory and name == "SIGKILL":
            message += "; the system probably ran out of memory and killed a process"
        run.fail("killed", name, message, cell.cell)


def _read_notebook(run: Run, output: Path) -> None:
    """Read records and data hashes back from whatever notebook the run left."""
    try:
        notebook = nbformat.read(output, as_version=4)
    except Exception as error:
        output.unlink(missing_ok=True)
        if run.status == "succeeded":
            message = f"the executed notebook cannot be read: {error}"
            run.fail("failed", type(error).__name__, message)
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
    """Return the speed of a notebook's trainings without the epochs that compile the graphs."""
    examples = seconds = 0.0
    for fit in fits:
        warm = fit["seconds"][1:] or fit["seconds"]
        examples += fit["examples"] * len(warm)
        seconds += sum(warm)
    return round(examples / seconds, 1) if seconds else 0.0


def _variables(run: Run, models: Path | None) -> dict[str, str]:
    """Return the environment of a run: its mark, share of the machine and folder of models."""
    threads = str(run.threads)
    own = {
        MARK: run.mark,
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": threads,
        "OMP_NUM_THREADS": threads,
    }
    if run.gpu:
        own |= {"CUDA_VISIBLE_DEVICES": run.gpu, **CARD_VARIABLES}
    if models is not None:
        own["COURSE_MODELS"] = str(models)
    return {**os.environ, **own}


def _own_group() -> dict[str, Any]:
    """Keep Ctrl-C in the terminal from a child: the watcher ends it in order."""
    if os.name == "nt":
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    return {"start_new_session": True}


def _execute(
    run: Run,
    folder: Path,
    output: Path,
    models: Path | None,
    limit: float,
    stop: Callable[[], bool],
    tell: Callable[[Progress], None],
) -> None:
    job = {
        "source": str(chapters()[run.chapter].source),
        "output": str(output),
        "parameters": run.parameters,
        "folder": str(NOTEBOOKS),
    }
    card = _CardMeter(run.gpu)
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "course.running.worker", json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
            env=_variables(run, models),
            **_own_group(),
        )
        try:
            _follow(run, child, limit, stop, tell, card)
        finally:
            if child.poll() is None:
                end_tree(psutil.Process(child.pid))
            child.wait()
            end_marked(run.mark)


def run_attempt(
    run: Run,
    folder: Path,
    limit: float,
    stop: Callable[[], bool],
    tell: Callable[[Progress], None],
) -> None:
    """Run one chapter in a process of its own; leave notebook, log and models in a folder.

    What became of it is noted in ``run``, whose status is one of ``STATUSES`` afterwards.

    Args:
        run: what to do, with its share of threads and its graphics card.
        folder: of the attempt; what chapters before it made lies in ``models``.
        limit: seconds after which it is ended.
        stop: returns whether it must end now; called four times per second.
        tell: called with its progress.

    Raises:
        OSError: the folder cannot be written.
    """
    chapter = chapters()[run.chapter]
    run.set_environment(environment())
    run.started = datetime.now(UTC).isoformat(timespec="seconds")
    run.status = "running"
    output = folder.absolute() / f"{run.notebook}.ipynb"
    models = folder.absolute() / "models" if chapter.makes or chapter.uses else None
    if models is not None:
        models.mkdir(exist_ok=True)
    _execute(run, folder, output, models, limit, stop, tell)
    _read_notebook(run, output)
    for unfinished in folder.glob(".*.tmp"):
        unfinished.unlink()
    made = {f"{name}-{run.profile}" for name in chapter.makes}
    for path in (folder / "models").glob("*"):
        if path.stem in made:
            run.artifacts[path.name] = file_hash(path)
        else:
            path.unlink()
    if run.status != "succeeded":
        run.tail = tail_of(folder)
