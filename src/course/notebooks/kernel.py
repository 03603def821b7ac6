"""A kernel of its own for a notebook that is executed in this process."""

import atexit
import subprocess

from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode

from course.catalogue import NOTEBOOKS


def execute(notebook: NotebookNode, seconds: int, *, allow_errors: bool = False) -> None:
    """Execute a notebook in the folder of the chapters, and fill in its outputs.

    Args:
        notebook: changed in place.
        seconds: limit for one cell.
        allow_errors: whether an error in a cell is one of its outputs; otherwise it is raised.

    Raises:
        CellExecutionError: a cell failed.
        CellTimeoutError: a cell took longer.
        DeadKernelError: the kernel ended, or didn't start.
    """
    client = NotebookClient(
        notebook,
        timeout=seconds,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        allow_errors=allow_errors,
    )
    # What the cells say is in their outputs. The rest is the kernel's own: warnings at its start,
    # and tracebacks where it is stopped in the middle of a sentence.
    try:
        client.execute(stderr=subprocess.DEVNULL)
    except DeadKernelError:
        raise
    except (AssertionError, RuntimeError) as error:  # jupyter_client's, of one that didn't start
        raise DeadKernelError(f"The kernel didn't start ({error})") from error
    finally:
        # What nbclient does when this process ends would fail for a kernel that never started.
        atexit.unregister(client._cleanup_kernel)
