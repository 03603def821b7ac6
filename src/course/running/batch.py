"""Run a plan to its end: in parallel, nothing twice, and the status of every attempt stored."""

import traceback
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat

from course import data, machine
from course.catalogue import chapters
from course.errors import CourseError
from course.notebooks import pairing
from course.running import plan, processes, store
from course.running.engine import Engine, Lost
from course.running.progress import ProgressTable
from course.running.run import Run
from course.running.signals import Stopped, StopSignals, stop_signals
from helpers.files import write_atomically
from helpers.places import cache_folder
from helpers.sources import DataError

RETRIES = 1  # of a run whose worker died
GRACE = 4  # budgets of time after which a run is ended


@dataclass(frozen=True)
class Outcome:
    """What became of one run of the plan.

    Attributes:
        run: as it was planned or, if it was executed, as it ended.
        state: the status of its attempt, or "reused" or "skipped".
        folder: of the attempt, or None without one.
        note: why, in words.
    """

    run: Run
    state: str
    folder: Path | None = None
    note: str = ""

    @property
    def reason(self) -> str:
        """Why there are no results, in one line."""
        return f"skipped: {self.note}" if self.state == "skipped" else self.note or self.state

    @property
    def good(self) -> bool:
        """Whether there are results."""
        return self.state in ("succeeded", "reused")


class Batch:
    """Execute one plan.

    Args:
        planned: from ``plan.plan``.
        out: folder of the runs.
        engine: executes them.
        table: shows how they go.
        fresh: whether to repeat runs that were done before.
        timeout: seconds for each run, or None for four times its budget.
        keep: whether outputs go into the stored notebooks.
    """

    def __init__(
        self,
        planned: list[Run],
        out: Path,
        engine: Engine,
        table: ProgressTable,
        *,
        fresh: bool = False,
        timeout: float | None = None,
        keep: bool = False,
    ) -> None:
        self.waiting, self.out, self.engine, self.table = list(planned), out, engine, table
        self.fresh, self.timeout, self.keep = fresh, timeout, keep
        self.running: dict[Future[Run], tuple[Run, Path]] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.tries: dict[str, int] = {}
        self.checked: set[tuple[str, str]] = set()
        self.missing: dict[str, str] = {}
        self.signals = StopSignals()

    def execute(self) -> dict[str, Outcome]:
        """Run everything.

        Returns:
            By folder what became of each run of the plan.

        Raises:
            Stopped: a signal ended the batch; the status of every attempt is stored.
            CourseError: the folder cannot be written; what was running is ended.
        """
        with stop_signals() as signals:
            self.signals = signals
            try:
                self._prepare_data()
                while (self.waiting and not signals.seen) or self.running:
                    if signals.seen:
                        self.engine.cancel()
                    else:
                        self._hand_over()
                    done, _ = wait(self.running, timeout=0.25, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._take_back(future)
                    self.table.refresh()
            finally:
                self._leave()
        if signals.seen:
            raise Stopped(signals.seen[0])
        return self.outcomes

    def _prepare_data(self) -> None:
        """Fetch and prepare the real data of all chapters first: it may take minutes.

        Raises:
            Stopped: a signal arrived meanwhile.
        """
        needed = dict.fromkeys(run.chapter for run in self.waiting if run.profile != "sample")
        with self.signals.interrupting():
            for number in needed:
                try:
                    plan.chapter_digests(number, True)
                except DataError as error:
                    self.missing[number] = str(error)

    def _leave(self) -> None:
        """End what is still running after an error, and store its status if that is possible."""
        self.engine.cancel()
        self.engine.close()
        for future, (run, folder) in self.running.items():
            with suppress(Exception):
                store.write_run(folder, future.result() if future.done() else run)
        self.table.close()

    def _hand_over(self) -> None:
        for run in list(self.waiting):
            if any(folder not in self.outcomes for folder in run.after):
                continue
            bad = next((f for f in run.after if not self.outcomes[f].good), None)
            if bad is not None:
                self._conclude(run, Outcome(run, "skipped", note=f"{bad} did not succeed"))
            elif run.profile != "sample" and run.chapter in self.missing:
                self._conclude(run, Outcome(run, "skipped", note=self.missing[run.chapter]))
            elif not run.key and self._was_done(run):
                continue
            elif self.engine.has_room(len(self.running)):
                self._start(run)

    def _models(self, run: Run) -> dict[str, Path]:
        good = {name: out.folder for name, out in self.outcomes.items() if out.folder is not None}
        return plan.models_for(run, good)

    def _set_key(self, run: Run) -> bool:
        """Set the key of a run; return False if it was skipped because an edit broke its code."""
        run.threads = self.engine.threads
        models = {name: store.file_hash(path) for name, path in self._models(run).items()}
        try:
            plan.set_key(run, self.engine.fingerprint, models)
        except CourseError as error:
            if not (self.running or self.outcomes):
                raise
            self._conclude(run, Outcome(run, "skipped", note=str(error)))
            return False
        return True

    def _was_done(self, run: Run) -> bool:
        if not self._set_key(run):
            return True
        before = None if self.fresh else store.finished(self.out, run)
        if before is not None:
            note = f"attempt {before.name} had the same code, data and parameters"
            self._conclude(run, Outcome(run, "reused", before, note))
        return before is not None

    def _start(self, run: Run) -> None:
        if (run.chapter, run.profile) not in self.checked:
            self.checked.add((run.chapter, run.profile))
            with self.signals.interrupting():  # another process may hold the data for long
                said = data.discard_damaged(chapters()[run.chapter], run.profile)
            for sentence in said:
                self.table.log(sentence)
        used = self._models(run)
        if not self._set_key(run):  # its code may have changed since it was planned
            return
        folder = store.new_attempt(self.out, run)
        run.set_environment(machine.environment())
        run.status, run.owner, run.mark = "running", processes.this_process(), processes.new_mark()
        store.write_run(folder, run)
        self._copy_models(used, folder)
        self.table.start(run)
        limit = self.timeout or GRACE * run.budget.seconds
        self.running[self.engine.submit(run, folder, limit)] = (run, folder)
        self.waiting.remove(run)

    def _copy_models(self, used: dict[str, Path], folder: Path) -> None:
        """Copy the models that a run uses into its folder.

        Raises:
            CourseError: one cannot be read, or the folder cannot be written.
        """
        for name, path in used.items():
            try:
                content = path.read_bytes()
            except OSError as error:
                raise CourseError(
                    f"The model {path} cannot be read ({error.strerror or error}): delete it, and "
                    "run the chapter that makes it again."
                ) from error
            with store.writing_into(self.out):
                (folder / "models").mkdir(exist_ok=True)
                (folder / "models" / name).write_bytes(content)

    def _take_back(self, future: Future[Run]) -> None:
        run, folder = self.running.pop(future)
        try:
            run = future.result()
        except Lost as error:
            run.fail("lost", "Lost", str(error))
        except Exception as error:  # whatever it is, the other runs go on
            run.fail("failed", type(error).__name__, str(error))
            run.tail = "".join(traceback.format_exception(error)).splitlines()
        store.write_run(folder, run)
        tried = self.tries.get(run.folder, 0)
        if run.status == "lost" and tried < RETRIES:
            self.tries[run.folder] = tried + 1
            self.table.log(f"{run.folder}: {run.reason()}; trying again, as a new attempt")
            self.waiting.insert(0, run.untried())
            return
        self._conclude(run, Outcome(run, run.status, folder, run.reason()))

    def _conclude(self, run: Run, outcome: Outcome) -> None:
        if run in self.waiting:
            self.waiting.remove(run)
        if outcome.good and outcome.folder is not None:
            _publish_models(run, outcome.folder)
            if self.keep:
                outcome = _stored(outcome, outcome.folder)
        self.outcomes[run.folder] = outcome
        if outcome.state in ("reused", "skipped"):
            self.table.finish(run, f"{outcome.state}: {outcome.note}")
        else:
            words = outcome.note or outcome.state
            self.table.finish(run, f"{words} ({run.duration_seconds:.0f} s)")


def _stored(outcome: Outcome, folder: Path) -> Outcome:
    """Store the outputs of a run in its chapter's notebook, unless that was edited meanwhile."""
    executed = nbformat.read(folder / f"{outcome.run.notebook}.ipynb", as_version=4)
    try:
        pairing.store(chapters()[outcome.run.chapter], executed, outcome.run.helpers)
    except CourseError as error:
        return replace(outcome, state="not stored", note=str(error))
    return outcome


def _publish_models(run: Run, folder: Path) -> None:
    """Leave the models of a run with the usual parameters where a notebook looks for them.

    Raises:
        CourseError: they cannot be written there.
    """
    if not plan.has_usual_parameters(run):
        return
    place = cache_folder() / "models"
    try:
        for path in sorted((folder / "models").glob("*")):
            target = place / path.name
            if store.file_hash(target) != store.file_hash(path):
                place.mkdir(parents=True, exist_ok=True)
                write_atomically(target, path.read_bytes())
    except OSError as error:
        raise CourseError(
            f"The models of {run.folder} cannot be written into {place} "
            f"({error.strerror or error}): make room, or set COURSE_CACHE to another folder."
        ) from error
