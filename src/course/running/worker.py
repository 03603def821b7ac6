"""One run in its own process: Papermill executes a notebook and tells the runner how it goes.

The runner starts ``python -m course.execute JOB`` and reads one JSON object a line from its
standard output. When the runner goes away, standard input closes and this process ends with its
kernel, so that nothing is left behind.
"""

import contextlib
import getpass
import json
import logging
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

TAIL = 2000
WAIT = 20.0  # seconds for another kernel to start; one that hangs holds up nobody longer


def end_tree(process: psutil.Process) -> None:
    """Kill a process and everything it started."""
    try:
        family = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue


def _leave_with_runner() -> None:
    # The bare system call: a reader of sys.stdin would hold its lock while Python shuts down.
    while os.read(0, 1024):
        pass
    for child in psutil.Process().children():
        end_tree(child)
    os._exit(1)


def _see_the_kernel_end(seen: dict[str, int]) -> None:
    """Note how a child ended, and leave it to Jupyter, which only learns that it did."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            time.sleep(0.2)
            continue
        if ended is not None:
            by_signal = ended.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
            seen["code"] = -ended.si_status if by_signal else ended.si_status
        time.sleep(0.2)


def _alone() -> FileLock:
    """Let no other run start its kernel meanwhile.

    Jupyter looks for free ports and lets go of them before the kernel takes them, so two kernels
    that start at once can be given the same port, and one of them ends at once.
    """
    # A container may run under a number that no name belongs to.
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    held = FileLock(Path(tempfile.gettempdir()) / f"course-kernel-{user}.lock")
    with contextlib.suppress(Timeout, OSError):  # the course runs without it, too
        held.acquire(timeout=WAIT)
    return held


def _tell(**event: Any) -> None:
    print(json.dumps(event), flush=True)


class _Whole:
    """Where Papermill writes the notebook: in one step each time, so that no half is ever seen."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str, path: str) -> None:
        unfinished = self.path.with_name(f".{self.path.name}.tmp")
        try:
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(self.path)
        finally:
            unfinished.unlink(missing_ok=True)

    def pretty_path(self, path: str) -> str:
        return path


def main(text: str) -> int:
    """Execute a notebook and tell each cell, then the end.

    Args:
        text: a JSON object with ``source``, ``output``, ``parameters`` and ``folder``.

    Returns:
        0 if all cells ran, 1 if one failed.
    """
    ended: dict[str, int] = {}
    threading.Thread(target=_leave_with_runner, daemon=True).start()
    if hasattr(os, "waitid"):
        threading.Thread(target=_see_the_kernel_end, args=[ended], daemon=True).start()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    import jupytext
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.iorw import papermill_io

    job = json.loads(text)
    output = Path(job["output"])
    papermill_io.register("attempt:", _Whole(output))
    notebook = jupytext.read(job["source"])
    cells = len(notebook.cells)
    state = {"cell": 0, "injected": 0}

    starting = _alone()

    def started(cell: Any, cell_index: int) -> None:
        starting.release()
        # Papermill puts a cell of its own in; the cells are counted as the source has them.
        if "injected-parameters" in cell.metadata.get("tags", []):
            state["injected"] = 1
        elif cell.cell_type == "code":
            state["cell"] = cell_index - state["injected"]
            _tell(event="cell", cell=state["cell"], of=cells)

    def failed(error: str, message: str) -> int:
        _tell(event="failed", cell=state["cell"], error=error, message=message[-TAIL:])
        return 1

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
    except papermill.PapermillExecutionError as error:
        return failed(error.ename, error.evalue)
    except Exception as error:
        # Jupyter says DeadKernelError in a cell, and RuntimeError while the kernel starts.
        dead = isinstance(error, DeadKernelError)
        if dead or (isinstance(error, RuntimeError) and "code" in ended):
            _tell(event="died", cell=state["cell"], code=ended.get("code"))
            return 1
        return failed(type(error).__name__, str(error))
    finally:
        starting.release()
    _tell(event="done")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
