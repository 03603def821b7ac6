"""One run in its own process: Papermill executes a notebook and tells the runner how it goes.

The runner starts ``python -m course.execute JOB`` and reads one JSON object a line from its
standard output. When the runner goes away, standard input closes and this process ends with its
kernel, so that nothing is left behind.
"""

import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

import psutil

TAIL = 2000


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


def _tell(**event: Any) -> None:
    print(json.dumps(event), flush=True)


def main(job_path: str) -> int:
    """Execute the notebook of a job file and tell each cell, then the end.

    Args:
        job_path: a JSON file with ``source``, ``output``, ``parameters`` and ``folder``.

    Returns:
        0 if all cells ran, 1 if one failed.
    """
    threading.Thread(target=_leave_with_runner, daemon=True).start()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    import jupytext
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError

    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    notebook = jupytext.read(job["source"])
    prepared = Path(job["output"]).with_suffix(".input.ipynb")
    prepared.write_text(nbformat.writes(notebook), encoding="utf-8")
    state = {"cell": 0, "injected": 0}

    def started(cell: Any, cell_index: int) -> None:
        # Papermill puts a cell of its own in; the cells are counted as the source has them.
        if "injected-parameters" in cell.metadata.get("tags", []):
            state["injected"] = 1
        elif cell.cell_type == "code":
            state["cell"] = cell_index - state["injected"]
            _tell(event="cell", cell=state["cell"], of=len(notebook.cells))

    def failed(error: str, message: str) -> int:
        _tell(event="failed", cell=state["cell"], error=error, message=message[-TAIL:])
        return 1

    try:
        papermill.execute_notebook(
            str(prepared),
            job["output"],
            parameters=job["parameters"],
            cwd=job["folder"],
            progress_bar=False,
            log_output=True,
            on_cell_start=started,
        )
    except papermill.PapermillExecutionError as error:
        return failed(error.ename, error.evalue)
    except DeadKernelError:
        return failed("DeadKernelError", "the kernel died while it ran this cell")
    except Exception as error:
        return failed(type(error).__name__, str(error))
    finally:
        prepared.unlink(missing_ok=True)
    _tell(event="done")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
