"""Execute runs on the workers of a Dask cluster.

A worker executes a run as this machine would, in a folder of its own, and sends the files back, so
no file system need be shared. Dask by itself restarts the task of a dead worker, leaves a cancelled
task running, and waits forever for a resource that no worker offers; here the first becomes a lost
attempt, the second ends the kernel, and the third is refused.
"""

import asyncio
import functools
import hashlib
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from course import data, machine
from course.catalogue import chapters
from course.errors import CourseError
from course.running.engine import Lost, Tell
from course.running.run import Progress, Run, from_json, to_json
from course.running.watch import run_attempt
from course.words import counted
from helpers.files import write_atomically
from helpers.places import ROOT

ANSWER_SECONDS = 10.0  # that a scheduler has to answer
ENDING_SECONDS = 30.0  # that workers have to end their kernels
CODE = (
    "src/**/*.py",
    "notebooks/*.py",
    "notebooks/course.toml",
    "data/*.toml",
    "requirements.lock",
)


def versions() -> dict[str, str]:
    """Return what must agree between this machine and the workers, for a run to mean the same."""
    found = machine.environment()
    digest = hashlib.sha256()
    for path in sorted(path for pattern in CODE for path in ROOT.glob(pattern)):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return {
        "Python": found.python,
        "backend": found.backend,
        **found.packages,
        **{name: version(name) for name in ("dask", "distributed")},
        "commit": found.commit or "unknown",
        "files of the course": digest.hexdigest()[:12],
    }


def _differences(theirs: dict[str, str]) -> str:
    """Return how a worker differs, in words; commits count only if their files differ."""
    own = versions()
    named = [name for name in own if theirs.get(name) != own[name]]
    if "files of the course" not in named:
        named = [name for name in named if name != "commit"]
    return ", ".join(
        f"{name} {theirs.get(name, 'missing')} instead of {own[name]}" for name in named
    )


def work(
    job: dict[str, Any], models: dict[str, bytes], limit: float, batch: str, wanted: dict[str, str]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Execute a run on a worker.

    Args:
        job: the run as JSON.
        models: content of the models that it uses, by file name.
        limit: seconds after which it is stopped.
        batch: name of the batch, for its events.
        wanted: ``versions`` of the machine that asks.

    Returns:
        The run as it ended, as JSON, and the files of the attempt.

    Raises:
        Lost: this very attempt was started before, by a worker that died.
        CourseError: the worker joined late and has other packages or code.
    """
    from distributed import Event, get_worker

    worker = get_worker()
    if versions() != wanted and (different := _differences(wanted)):
        raise CourseError(
            f"The worker {worker.address} joined late and differs: this batch wants {different}."
        )
    started, cancelled = Event(f"{batch}-{job['mark']}"), Event(batch)
    if started.is_set():
        raise Lost("the worker that executed this run died")
    started.set()
    run = from_json(job)
    if cancelled.is_set():
        run.fail("cancelled", "Cancelled", "stopped before it started")
        return to_json(run), {}
    data.discard_damaged(chapters()[run.chapter], run.profile)
    # Schedulers of clusters and dask-cuda show each worker its own card first.
    run.gpu = next(iter(machine.gpus()), "")
    stop, tell = _contact(worker, run, batch, cancelled)
    with tempfile.TemporaryDirectory(prefix="course-", dir=worker.local_directory) as name:
        folder = Path(name)
        if models:
            (folder / "models").mkdir()
        for model, content in models.items():
            (folder / "models" / model).write_bytes(content)
        run_attempt(run, folder, limit, stop, tell)
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
    return to_json(run), files


def _contact(
    worker: Any, run: Run, batch: str, cancelled: Any
) -> tuple[Callable[[], bool], Callable[[Progress], None]]:
    """Return whether a run must stop and who hears of its progress, each once per second."""
    task = worker.get_current_task()
    asked = told = time.monotonic()

    def stop() -> bool:
        nonlocal asked
        if time.monotonic() - asked < 1:
            return False
        asked = time.monotonic()
        # Dask forgets the task when the machine that asked for it is gone.
        known = worker.state.tasks.get(task)
        return known is None or known.state == "cancelled" or cancelled.is_set()

    def tell(progress: Progress) -> None:
        nonlocal told
        if time.monotonic() - told > 1:
            told = time.monotonic()
            worker.log_event(batch, {"folder": run.folder, "progress": asdict(progress)})

    return stop, tell


def _connect(address: str) -> Any:
    """Return a client of a scheduler that has workers."""
    try:
        from distributed import Client
    except ImportError as error:
        raise CourseError('--scheduler needs Dask: pip install --editable ".[cluster]".') from error
    try:
        client = Client(address, timeout=ANSWER_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise CourseError(
            f"The scheduler {address} does not answer: check that it is running at this address."
        ) from error
    try:
        client.wait_for_workers(1, timeout=ANSWER_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        client.close()
        raise CourseError(f"The scheduler {address} has no workers: start at least one.") from error
    return client


class Cluster:
    """The workers behind a scheduler.

    Args:
        address: of the scheduler, such as tcp://host:8786.
        resources: what each run needs of a worker, such as {"GPU": 1}.
        threads: of each run, 1 if None; Dask's own threads say how many runs a worker takes.
        tell: called with the progress of the runs.

    Raises:
        CourseError: Dask is not installed, the scheduler does not answer or has no workers, none
            offers the resources, or a worker has other packages or code than this machine.
    """

    def __init__(
        self, address: str, resources: dict[str, float], threads: int | None, tell: Tell
    ) -> None:
        self.client = _connect(address)
        self.threads = threads or 1
        self.batch = f"course-{uuid.uuid4().hex}"
        self.cancelling: float | None = None
        self.futures: list[Future[Run]] = []
        try:
            from distributed import Event

            able = _able_workers(self.client, resources)
            _check_versions(self.client, able)
            kinds = self.client.run(machine.fingerprint, workers=able)
            self.fingerprint = " and ".join(sorted(set(kinds.values())))
            self.stop = Event(self.batch, client=self.client)
        except BaseException:
            self.client.close()
            raise
        each = counted(self.threads, "thread")
        self.description = f"{counted(len(able), 'worker')} of {address}, {each} per run"
        self.executor = self.client.get_executor(
            pure=False, retries=0, **({"resources": resources} if resources else {})
        )
        self.client.subscribe_topic(
            self.batch,
            lambda event: tell(event[1]["folder"], Progress(**event[1]["progress"])),
        )

    def has_room(self, running: int) -> bool:
        """Return whether one more run may be submitted; Dask keeps those that wait.

        Raises:
            CourseError: the connection to the scheduler was lost.
        """
        if self.client.status in ("closing", "closed"):
            raise CourseError(
                f"The connection to the scheduler {self.client.scheduler.address} was lost: start "
                "the scheduler again, and repeat the command to go on."
            )
        return True

    def submit(self, run: Run, folder: Path, limit: float) -> Future[Run]:
        """Execute a run on a worker; its files are in the folder when the future is done."""
        models = {path.name: path.read_bytes() for path in (folder / "models").glob("*")}
        outer: Future[Run] = Future()
        self.futures.append(outer)

        def place(inner: "Future[Any]") -> None:
            _resolve(outer, functools.partial(_received, inner, folder))

        self.executor.submit(
            work, to_json(run), models, limit, self.batch, versions()
        ).add_done_callback(place)
        return outer

    def cancel(self) -> None:
        """End the kernels on the workers; a worker that does not answer has lost its run."""
        if self.cancelling is None:
            self.cancelling = time.monotonic()
            if self.client.status == "running":
                self.stop.set()
        elif time.monotonic() - self.cancelling > ENDING_SECONDS:
            for future in self.futures:
                _resolve(future, _unanswered)

    def close(self) -> None:
        """Leave the cluster."""
        until = time.monotonic() + ENDING_SECONDS
        while not all(future.done() for future in self.futures) and time.monotonic() < until:
            time.sleep(0.1)
        self.client.close()


def _able_workers(client: Any, resources: dict[str, float]) -> list[str]:
    """Return the workers that offer the resources.

    Raises:
        CourseError: no worker offers them.
    """
    workers = client.scheduler_info(n_workers=-1)["workers"]
    offered = {name: worker["resources"] for name, worker in workers.items()}
    able = [
        name
        for name, has in offered.items()
        if all(has.get(key, 0) >= amount for key, amount in resources.items())
    ]
    if not able:
        needed = ", ".join(f"{key}={amount:g}" for key, amount in resources.items())
        has = sorted({f"{k}={v:g}" for each in offered.values() for k, v in each.items()})
        raise CourseError(
            f"No worker offers {needed}; they offer {', '.join(has) or 'no resources'}."
        )
    return able


def _check_versions(client: Any, able: list[str]) -> None:
    """Refuse workers with other packages or code.

    Raises:
        CourseError: a worker differs; the message names it and the difference.
    """
    advice = "install the same commit there, from the same lock."
    try:
        answers = client.run(versions, workers=able)
    except Exception as error:
        raise CourseError(
            f"The workers cannot import this course ({type(error).__name__}: {error}): {advice}"
        ) from error
    for name, theirs in answers.items():
        if different := _differences(theirs):
            raise CourseError(f"The worker {name} has {different}: {advice}")


def _unanswered() -> Run:
    raise Lost("the worker did not stop it when told to")


def _resolve(future: Future[Run], result: Callable[[], Run]) -> None:
    """Give a future its result or error, unless it has one."""
    try:
        try:
            future.set_result(result())
        except Exception as error:
            future.set_exception(error)
    except InvalidStateError:
        pass


def _received(inner: "Future[Any]", folder: Path) -> Run:
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        content, files = inner.result()
    except KilledWorker as error:
        raise Lost(f"its worker died ({error})") from error
    except (CancelledError, FutureCancelledError, asyncio.CancelledError) as error:
        raise Lost("the connection to the cluster was lost") from error
    for name, body in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, body)
    run = from_json(content)
    for path in (folder / "models").glob("*"):
        if path.name not in run.artifacts:
            path.unlink()
    return run
