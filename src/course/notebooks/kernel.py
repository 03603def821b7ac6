"""A kernel of its own for a notebook that is executed in this process."""

from nbclient import NotebookClient
from nbformat import NotebookNode

from course.catalogue import NOTEBOOKS


def client(notebook: NotebookNode, seconds: int, *, allow_errors: bool = False) -> NotebookClient:
    """Return what executes a notebook in the folder of the chapters, filling in its outputs.

    Args:
        notebook: changed by ``execute()``.
        seconds: limit for one cell.
        allow_errors: whether an error in a cell is one of its outputs; otherwise it is raised.
    """
    return NotebookClient(
        notebook,
        timeout=seconds,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        allow_errors=allow_errors,
        extra_arguments=["--log-level=ERROR"],  # or the kernel warns on the user's terminal
    )
