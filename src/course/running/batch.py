"""Run a plan to its end: in parallel, nothing twice, the status of every attempt written down.

Who executes the runs, the processes of this machine or the workers of a cluster, is an engine: it
takes a run and gives a ``concurrent.futures.Future``.
"""

import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import nbformat
import psutil

from course import data, machine, pairs
from course.catalogue import chapters
from course.errors import CourseError
from course.running import plan, store, watch
from course.running.progress import Table
from course.running.store import Lost, Run, Stopped
from helpers.datasets import DataError
from helpers.places import cache_folder

RETRIES = 1  # of a run whose worker died
Tell = Callable[[str, watch.Progress], None]


@dataclass
class Outcome:
    """What became of an item of the plan.

    Attributes:
        run: with its status; "reused" and "skipped" are of the batch, not of an attempt.
        folder: of the attempt, or None where there is none.
        note: why, in words.
    """

    run: Run
    state: str
    folder: Path | None = None
    note: str = ""

    @property
    def reason(self) -> str:
        """Why its results are not there, in one line."""
        return f"skipped: {self.note}" if self.state == "skipped" else self.note or self.state

    @property
    def good(self) -> bool:
        """Whether its results are there."""
        return self.state in ("succeeded", "reused")


class Engine(Protocol):
    """Where runs are executed."""

    threads: int
    machine: str
    words: str

    def has_room(self, running: int) -> bool:
        """Whether one more run may be handed over."""

    def submit(self, run: Run, folder: Path, limit: float) -> Future[Run]:
        """Execute a run; its files are in the folder when the future is done.

        The future raises ``Lost`` if the worker died.
        """

    def cancel(self) -> None:
        """End all that run; their futures become done soon."""

    def close(self) -> None:
        """Leave nothing behind."""


class Local:
    """The processes of this machine: each run gets its share of threads and one GPU."""

    def __init__(
        self, planned: list[Run], jobs: int | None, threads: int | None, tell: Tell
    ) -> None:
        largest = max((run.budget["megabytes"] for run in planned), default=1) * 1e6
        memory = psutil.virtual_memory().total
        cards = machine.gpus()
        allowed = min(machine.cores(), max(1, len(planned)), max(1, int(memory // largest)))
        self.jobs = jobs or (min(allowed, len(cards)) if cards else allowed)
        self.threads = threads or max(1, machine.cores() // self.jobs)
        self.machine = machine.machine()
        self.words = f"{self.jobs} at a time, {self.threads} threads each"
        self.tell = tell
        # One place a job; where more jobs than cards were asked for, the cards go round.
        self.free = [cards[job % len(cards)] for job in range(self.jobs) if cards]
        self.stop = threading.Event()
        self.pool = ThreadPoolExecutor(self.jobs)

    def has_room(self, running: int) -> bool:
        """Whether one more run may be handed over."""
        return running < self.jobs

    def submit(self, run: Run, folder: Path, limit: float) -> Future[Run]:
        """Execute a run in a thread that watches its process."""
        run.gpu = self.free.pop(0) if self.free else ""
        return self.pool.submit(self._attempt, run, folder, limit)

    def _attempt(self, run: Run, folder: Path, limit: float) -> Run:
        def tell(progress: watch.Progress) -> None:
            self.tell(run.folder, progress)

        try:
            watch.attempt(run, folder, limit, self.stop.is_set, tell)
        finally:
            if run.gpu:
                self.free.append(run.gpu)
        return run

    def cancel(self) -> None:
        """End all that run."""
        self.stop.set()

    def close(self) -> None:
        """Wait for the watching threads."""
        self.stop.set()
        self.pool.shutdown()


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Note Ctrl-C, SIGTERM and SIGHUP in a list instead of dying of them."""
    seen: list[int] = []
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no hang-up
    watched = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # Under nohup a hang-up is ignored, and stays so.
    watched = [each for each in watched if signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, lambda number, _: seen.append(number)) for each in watched}
    try:
        yield seen
    finally:
        for each, handler in before.items():
            # A second Ctrl-C shall not break what is left to say after the first.
            signal.signal(each, signal.SIG_IGN if seen else handler)


class Batch:
    """One plan under way.

    Args:
        planned: from ``plan.plan``.
        out: folder of the runs.
        engine: who executes them.
        table: who shows them.
        fresh: whether to run what was done before.
        timeout: seconds for each run, or None for four times its budget.
        keep: whether outputs go into the stored notebooks.
        copy_to: folder or address to which the files of every attempt are copied as well.
    """

    def __init__(
        self,
        planned: list[Run],
        out: Path,
        engine: Engine,
        table: Table,
        *,
        fresh: bool = False,
        timeout: float | None = None,
        keep: bool = False,
        copy_to: str | None = None,
    ) -> None:
        self.waiting, self.out, self.engine, self.table = list(planned), out, engine, table
        self.fresh, self.timeout, self.keep, self.copy_to = fresh, timeout, keep, copy_to
        self.running: dict[Future[Run], tuple[Run, Path]] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.tries: dict[str, int] = {}
        self.mended: set[tuple[str, str]] = set()

    def execute(self) -> dict[str, Outcome]:
        """Run everything.

        Returns:
            By folder what became of each run of the plan.

        Raises:
            Stopped: a signal ended the batch; every attempt is written down.
            OSError: the folder cannot be written; what ran is ended.
        """
        with _signals() as seen:
            try:
                while (self.waiting and not seen) or self.running:
                    if seen:
                        self.engine.cancel()
                    else:
                        self._hand_over()
                    done, _ = wait(self.running, timeout=0.25, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._take_back(future)
                    self.table.refresh()
            finally:
                self._leave()
        if seen:
            raise Stopped(seen[0])
        return self.outcomes

    def _leave(self) -> None:
        """End what still runs after an error, and write it down where that can be done."""
        self.engine.cancel()
        self.engine.close()
        for future, (run, folder) in self.running.items():
            with suppress(OSError, Lost):
                store.write_run(folder, future.result() if future.done() else run)
        self.table.close()

    def _hand_over(self) -> None:
        for run in list(self.waiting):
            if any(folder not in self.outcomes for folder in run.after):
                continue
            bad = next((f for f in run.after if not self.outcomes[f].good), None)
            if bad is not None:
                self._conclude(run, Outcome(run, "skipped", note=f"{bad} did not succeed"))
            elif not run.key and self._was_done(run):
                continue
            elif self.engine.has_room(len(self.running)):
                self._start(run)

    def _models(self, run: Run) -> dict[str, Path]:
        good = {name: out.folder for name, out in self.outcomes.items() if out.folder is not None}
        return plan.models_for(run, good)

    def _was_done(self, run: Run) -> bool:
        run.threads = self.engine.threads
        models = {name: store.file_hash(path) for name, path in self._models(run).items()}
        try:
            run.key = plan.key_of(run, self.engine.machine, models)
        except DataError as error:
            self._conclude(run, Outcome(run, "skipped", note=str(error)))
            return True
        before = None if self.fresh else store.finished(self.out, run)
        if before is not None:
            note = f"attempt {before.name} had the same code, data and parameters"
            self._conclude(run, Outcome(run, "reused", before, note))
        return before is not None

    def _start(self, run: Run) -> None:
        if (run.chapter, run.profile) not in self.mended:
            self.mended.add((run.chapter, run.profile))
            for sentence in data.discard_damaged(chapters()[run.chapter], run.profile):
                self.table.say(sentence)
        used = self._models(run)
        folder = store.new_attempt(self.out, run)
        for name, value in machine.environment().items():
            setattr(run, name, value)
        run.status, run.owner, run.mark = "running", store.owner(), store.new_mark()
        store.write_run(folder, run)
        if used:
            (folder / "models").mkdir()
            for name, path in used.items():
                shutil.copyfile(path, folder / "models" / name)
        limit = self.timeout or 4 * run.budget["seconds"]
        self.table.begin(run)
        future = self.engine.submit(run, folder, limit)
        self.running[future] = (run, folder)
        if run in self.waiting:
            self.waiting.remove(run)

    def _take_back(self, future: Future[Run]) -> None:
        run, folder = self.running.pop(future)
        try:
            run = future.result()
        except Lost as error:
            run.status = "lost"
            run.error = {"cell": None, "error": "Lost", "message": str(error)}
        except OSError as error:
            run.status = "failed"
            run.error = {"cell": None, "error": type(error).__name__, "message": str(error)}
            store.write_run(folder, run)
            raise
        store.write_run(folder, run)
        self._copy(run, folder)
        tried = self.tries.get(run.folder, 0)
        if run.status == "lost" and tried < RETRIES:
            self.tries[run.folder] = tried + 1
            self.table.say(f"{run.folder}: {run.reason()}; once more, into a new attempt")
            self.waiting.insert(0, _again(run))
            return
        self._conclude(run, Outcome(run, run.status, folder, run.reason()))

    def _conclude(self, run: Run, outcome: Outcome) -> None:
        if run in self.waiting:
            self.waiting.remove(run)
        self.outcomes[run.folder] = outcome
        if outcome.good and outcome.folder is not None:
            self._publish(run, outcome.folder)
            if self.keep:
                path = outcome.folder / f"{run.notebook}.ipynb"
                pairs.store(chapters()[run.chapter], nbformat.read(path, as_version=4))
        if outcome.state in ("reused", "skipped"):
            self.table.end(run, f"{outcome.state}: {outcome.note}")
        else:
            words = outcome.note or outcome.state
            self.table.end(run, f"{words} ({run.duration_seconds:.0f} s)")

    def _publish(self, run: Run, folder: Path) -> None:
        """Leave the models of a run with the usual parameters where a notebook looks for them."""
        if plan.variant(run) != f"-{run.profile}":
            return
        for path in sorted((folder / "models").glob("*")):
            target = cache_folder() / "models" / path.name
            if store.file_hash(target) != store.file_hash(path):
                target.parent.mkdir(parents=True, exist_ok=True)
                unfinished = target.with_name(f".{target.name}.part")
                shutil.copyfile(path, unfinished)
                unfinished.replace(target)

    def _copy(self, run: Run, folder: Path) -> None:
        if self.copy_to is None:
            return
        for name in (f"{run.notebook}.ipynb", "log.txt", "run.json"):
            if (folder / name).is_file():
                text = (folder / name).read_text(encoding="utf-8", errors="replace")
                write_anywhere(f"{self.copy_to}/{run.folder}/{folder.name}/{name}", text)


def _again(run: Run) -> Run:
    """The same run, not yet tried."""
    kept = ("chapter", "notebook", "profile", "parameters", "seed", "folder", "budget", "after")
    kept += ("key", "threads")
    return Run(**{name: getattr(run, name) for name in kept})


def write_anywhere(path: str, text: str) -> None:
    """Write a text to a path or address as Papermill does: a folder, s3://, gs://, abs:// …

    Raises:
        CourseError: it cannot be written.
    """
    from papermill.iorw import papermill_io

    try:
        if "://" not in path:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        papermill_io.write(text, path, extensions=[".ipynb", ".json", ".txt"])
    except Exception as error:
        raise CourseError(f"--copy-to: {path} cannot be written: {error}.") from error


def foresee(planned: list[Run], out: Path, engine: Engine, fresh: bool) -> dict[str, str]:
    """What would become of each run of a plan: "reuse" or "run"; nothing is made or fetched."""
    states: dict[str, str] = {}
    good: dict[str, Path] = {}
    for run in planned:
        ready = run.profile == "sample" or data.are_prepared(chapters()[run.chapter])
        before = None
        if ready and not fresh and all(folder in good for folder in run.after):
            run.threads = engine.threads
            models = plan.models_for(run, good)
            hashes = {name: store.file_hash(path) for name, path in models.items()}
            run.key = plan.key_of(run, engine.machine, hashes)
            before = store.finished(out, run)
        states[run.folder] = "run" if before is None else "reuse"
        if before is not None:
            good[run.folder] = before
    return states


def show_plan(planned: list[Run], engine_words: str, states: dict[str, str]) -> None:
    """Print what will run, in order."""
    shown: list[Any] = planned[:60]
    for run in shown:
        after = f", after {', '.join(run.after)}" if run.after else ""
        budget = f"{run.budget['seconds']:,.0f} s and {run.budget['megabytes']:,.0f} MB"
        print(f"{states.get(run.folder, ''):<8}{run.folder:<48} budget {budget}{after}")
    if len(planned) > len(shown):
        print(f"… and {len(planned) - len(shown):,} more")
    seconds = sum(run.budget["seconds"] for run in planned)
    number = "1 run" if len(planned) == 1 else f"{len(planned):,} runs"
    print(f"{number}, {engine_words}; their budgets add up to {seconds:,.0f} s")
