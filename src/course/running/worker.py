"""Execute one notebook with Papermill, in a process of its own, and tell the watcher how it goes.

The watcher starts ``python -m course.running.worker JOB`` and reads one JSON object per line from
its standard output. When the watcher goes away, standard input closes, and this process ends
together with its kernel, so that nothing is left behind.
"""

import contextlib
import getpass
import io
import json
import logging
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, TextIO

import psutil
from filelock import FileLock, Timeout

from course.running.processes import end_tree
from helpers.files import write_atomically

MESSAGE_LENGTH = 2000
LOCK_SECONDS = 20.0  # a kernel that hangs while it starts delays the others no longer


def _end_with_watcher() -> None:
    # The bare system call: a reader of sys.stdin would hold its lock while Python shuts down.
    while os.read(0, 1024):
        pass
    for child in psutil.Process().children():
        end_tree(child)
    os._exit(1)


def _note_exit_codes(codes: dict[str, int]) -> None:
    """Note how a child ended but leave it to Jupyter, which learns only that it did."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            time.sleep(0.2)
            continue
        if ended is not None:
            by_signal = ended.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
            codes["kernel"] = -ended.si_status if by_signal else ended.si_status
        time.sleep(0.2)


def lock_kernel_start() -> FileLock:
    """Let no other worker of this user start its kernel until the lock is released.

    Jupyter looks for free ports and lets go of them before the kernel takes them, so two kernels
    that start at once may get the same port, and one of them ends at once.
    """
    # A container may run under a number that no name belongs to; Windows has no numbers.
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    held = FileLock(Path(tempfile.gettempdir()) / f"course-kernel-{user}.lock")
    with contextlib.suppress(Timeout, OSError):  # the notebook runs without it, too
        held.acquire(timeout=LOCK_SECONDS)
    return held


def take_over_output() -> TextIO:
    """Keep standard output for events alone.

    Returns:
        The stream for events. Whatever else this process, its kernel or their children write to
        standard output goes to the log on standard error.
    """
    sys.stdout.flush()
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return events


class _AtomicFile:
    """A place for Papermill that replaces the whole notebook each time, so none is ever half."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str, path: str) -> None:
        write_atomically(self.path, text)

    def pretty_path(self, path: str) -> str:
        return path


def _describe(error: Exception, codes: dict[str, int]) -> dict[str, Any]:
    """Return the event that an exception of Papermill stands for."""
    from nbclient.exceptions import DeadKernelError
    from papermill import PapermillExecutionError

    # Jupyter raises DeadKernelError in a cell, and RuntimeError while the kernel starts.
    starting = isinstance(error, RuntimeError) and "kernel" in codes
    if starting or isinstance(error, DeadKernelError):
        return {"event": "died", "code": codes.get("kernel")}
    name, message = type(error).__name__, str(error)
    if isinstance(error, PapermillExecutionError):
        name, message = error.ename, str(error.evalue)
    return {"event": "failed", "error": name, "message": message[-MESSAGE_LENGTH:]}


def execute(job: dict[str, Any], events: TextIO) -> int:
    """Execute a notebook and write an event at each cell and at the end.

    Args:
        job: ``source`` and ``output``, paths of the notebooks; ``parameters``; and ``folder``,
            the kernel's working directory.
        events: one JSON object per line goes here.

    Returns:
        0 if all cells ran, 1 if one failed.
    """
    import jupytext
    import papermill
    from papermill.iorw import papermill_io

    def tell(**event: Any) -> None:
        print(json.dumps(event), file=events, flush=True)

    codes: dict[str, int] = {}
    if hasattr(os, "waitid"):
        threading.Thread(target=_note_exit_codes, args=[codes], daemon=True).start()
    output = Path(job["output"])
    papermill_io.register("attempt:", _AtomicFile(output))
    notebook = jupytext.read(job["source"])
    cells, injected, present = len(notebook.cells), 0, 0
    starting = lock_kernel_start()

    def started(cell: Any, cell_index: int) -> None:
        nonlocal injected, present
        starting.release()
        # Papermill adds a cell of its own; cells are counted as the source has them.
        if "injected-parameters" in cell.metadata.get("tags", []):
            injected = 1
        elif cell.cell_type == "code":
            present = cell_index - injected
            tell(event="cell", cell=present, cells=cells)

    try:
        papermill.execute_notebook(
            notebook,
            f"attempt:{output.name}",
            parameters=job["parameters"],
            cwd=job["folder"],
            progress_bar=False,
            log_output=True,
            on_cell_start=started,
        )
    except Exception as error:
        tell(**_describe(error, codes), cell=present)
        return 1
    finally:
        starting.release()
    tell(event="done")
    return 0


def main(job: str) -> int:
    """Execute the job that is given as JSON; see ``execute``."""
    events = take_over_output()
    # The log is read as UTF-8, and Windows would write it in the encoding of its console.
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    threading.Thread(target=_end_with_watcher, daemon=True).start()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    return execute(json.loads(job), events)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
