"""Kernels that don't start, for the notebooks that are executed in this process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import DeadKernelError

from course.errors import CourseError
from course.exercises import run
from course.notebooks import kernel
from course.notebooks.files import read_notebook


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that ends before it says a word."""
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    words = [sys.executable, "-c", "raise SystemExit(3)", "{connection_file}"]
    spec = {"argv": words, "display_name": "broken", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))


def test_a_kernel_that_does_not_start_is_a_dead_one(broken: None) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    with pytest.raises(DeadKernelError):
        kernel.execute(notebook, 60)
    with pytest.raises(CourseError, match="a notebook of exercises could not be executed"):
        run(notebook)


def test_a_kernel_that_does_not_start_leaves_no_traceback_at_the_end(broken: None) -> None:
    script = (
        "import nbformat\n"
        "from course.notebooks import kernel\n"
        "cells = [nbformat.v4.new_code_cell('1')]\n"
        "try:\n"
        "    kernel.execute(nbformat.v4.new_notebook(cells=cells), 60)\n"
        "except kernel.DeadKernelError:\n"
        "    print('dead')\n"
    )
    words = [sys.executable, "-c", script]
    answer = subprocess.run(words, capture_output=True, text=True, env=dict(os.environ))
    assert (answer.returncode, answer.stdout) == (0, "dead\n")
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/me/notebooks/runs/01_little-quick/001/01_little.ipynb", "run the chapter again"),
        (
            "/me/notebooks/01_little.ipynb",
            "notebooks/01_little.ipynb is missing: run `course sync`",
        ),
        ("/me/notebooks/solutions/01.ipynb", "notebooks/solutions/01.ipynb is missing: run `cou"),
    ],
)
def test_what_to_do_about_a_missing_notebook_depends_on_its_place(path: str, advice: str) -> None:
    with pytest.raises(CourseError) as refused:
        read_notebook(Path(path))
    assert advice in str(refused.value)
