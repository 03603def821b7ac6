"""Decide where runs are executed: in processes on this machine, or by another engine."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import psutil

from course import machine
from course.running.run import Progress, Run
from course.running.watch import run_attempt
from course.words import counted

Tell = Callable[[str, Progress], None]  # called with a run's folder and its progress


class Lost(Exception):
    """The worker that executed a run is gone."""


class Engine(Protocol):
    """Where runs are executed.

    Attributes:
        threads: of each run.
        fingerprint: ``machine.fingerprint`` of whoever executes the runs.
        description: how many run at once, in words.
    """

    threads: int
    fingerprint: str
    description: str

    def has_room(self, running: int) -> bool:
        """Return whether one more run may be submitted."""

    def submit(self, run: Run, folder: Path, limit: float) -> Future[Run]:
        """Execute a run; its files are in the folder when the future is done.

        The future raises ``Lost`` if the worker died.
        """

    def cancel(self) -> None:
        """End everything that runs; the futures become done soon."""

    def close(self) -> None:
        """Leave nothing behind."""


class Local:
    """The processes of this machine: each run gets its share of threads and one graphics card.

    Args:
        planned: the runs; the largest budget of memory decides how many fit at once.
        jobs: how many run at once; None for as many as cores, cards and memory allow.
        threads: of each run; None for its share of the cores.
        tell: called with the progress of the runs.
    """

    def __init__(
        self, planned: list[Run], jobs: int | None, threads: int | None, tell: Tell
    ) -> None:
        largest = max((run.budget.megabytes for run in planned), default=1) * 1e6
        memory = psutil.virtual_memory().total
        cards = machine.gpus()
        allowed = min(machine.cores(), max(1, len(planned)), max(1, int(memory // largest)))
        self.jobs = jobs or (min(allowed, len(cards)) if cards else allowed)
        self.threads = threads or max(1, machine.cores() // self.jobs)
        self.fingerprint = machine.fingerprint()
        self.description = f"{self.jobs} at a time, {counted(self.threads, 'thread')} each"
        self.tell = tell
        # One place per job; if there are more jobs than cards, the cards go round.
        self.free = [cards[job % len(cards)] for job in range(self.jobs) if cards]
        self.stop = threading.Event()
        self.pool = ThreadPoolExecutor(self.jobs)

    def has_room(self, running: int) -> bool:
        """Return whether one more run may be submitted."""
        return running < self.jobs

    def submit(self, run: Run, folder: Path, limit: float) -> Future[Run]:
        """Execute a run in a thread that watches its process."""
        run.gpu = self.free.pop(0) if self.free else ""
        return self.pool.submit(self._attempt, run, folder, limit)

    def _attempt(self, run: Run, folder: Path, limit: float) -> Run:
        def tell(progress: Progress) -> None:
            self.tell(run.folder, progress)

        try:
            run_attempt(run, folder, limit, self.stop.is_set, tell)
        finally:
            if run.gpu:
                self.free.append(run.gpu)
        return run

    def cancel(self) -> None:
        """End everything that runs."""
        self.stop.set()

    def close(self) -> None:
        """Wait for the watching threads."""
        self.stop.set()
        self.pool.shutdown()
