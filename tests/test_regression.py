"""``pytest --nbval`` with our plugin, run as a user runs it, on a real kernel."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from course import ledger
from course.regression import Repeats
from tests.conftest import CHAPTER, Little


def edit(little: Little, change) -> None:
    notebook = nbformat.read(little.notebook, as_version=4)
    change(notebook)
    nbformat.write(notebook, little.notebook)


def test_unchanged_outputs_pass_and_are_counted(stored: Little) -> None:
    answer = stored.pytest("notebooks")
    assert answer.returncode == 0, answer.stdout
    assert "5 code cells compared with their stored outputs, 0 executed only" in answer.stdout


def test_a_stream_that_was_stored_in_two_pieces_is_one_text(stored: Little) -> None:
    def split(notebook: nbformat.NotebookNode) -> None:
        [output] = notebook.cells[3].outputs
        first, second = output.text.split(" are ")
        stream = {"output_type": "stream", "name": "stdout"}
        texts = (first, f" are {second}")
        notebook.cells[3].outputs = [nbformat.from_dict({**stream, "text": x}) for x in texts]

    edit(stored, split)
    answer = stored.pytest("notebooks")
    assert answer.returncode == 0, answer.stdout


def test_on_sample_data_measured_cells_are_executed_only(stored: Little) -> None:
    answer = stored.pytest("notebooks", "--course-profile", "sample")
    assert answer.returncode == 0, answer.stdout
    assert "4 code cells compared with their stored outputs, 1 executed only" in answer.stdout


def test_profiles_change_parameters(stored: Little) -> None:
    body = CHAPTER.replace('print("the end")', "assert (profile, steps) == ('sample', 1)")
    stored.write(body)
    assert stored.course("sync").returncode == 0
    edit(stored, lambda notebook: notebook.cells[-1].update(execution_count=5))
    assert stored.pytest("notebooks", "--course-profile", "sample").returncode == 0
    assert stored.pytest("notebooks").returncode == 1


def ledger_of(little: Little) -> dict:
    path = little.root / "results" / "regression.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


@pytest.mark.parametrize("workers", [[], ["-n", "2", "--dist", "loadfile"]])
def test_a_repeat_on_real_data_enters_the_ledger(stored: Little, workers: list[str]) -> None:
    assert stored.pytest("notebooks", *workers).returncode == 0
    entry = ledger_of(stored)["01"]
    assert (entry["outcome"], entry["compared"], entry["failed"]) == ("passed", 5, [])
    assert entry["machine"] and entry["seconds"] >= 0 and len(entry["helpers"]) == 64
    edit(stored, lambda notebook: change_text(notebook, "the end", "an end"))
    assert stored.pytest("notebooks", *workers).returncode == 1
    assert ledger_of(stored)["01"]["outcome"] == "failed"
    assert ledger_of(stored)["01"]["failed"] == [4]


def test_a_long_training_is_not_taken_for_a_hanging_test(little: Little) -> None:
    little.write(CHAPTER.replace('print("the end")', "import time\ntime.sleep(4)"))
    assert little.course("run", "--store").returncode == 0
    answer = little.pytest("notebooks", "--timeout", "2")
    assert answer.returncode == 0, answer.stdout


def test_code_that_was_edited_during_a_run_gets_no_credit_for_it(little: Little) -> None:
    edit_a_helper = (
        "from pathlib import Path\n"
        "from helpers import records\n"
        "path = Path(records.__file__)\n"
        '_ = path.write_text(path.read_text() + "\\n\\nEDITED = 1\\n")\n'
    )
    little.write(CHAPTER.replace('print("the end")', edit_a_helper))
    assert little.course("run", "--store").returncode == 0
    assert "due: 01" in little.course("check").stdout
    answer = little.pytest("notebooks")
    assert answer.returncode == 0, answer.stdout
    assert ledger_of(little)["01"]["outcome"] == "passed"
    assert "due: 01" in little.course("check").stdout


def test_a_repeat_on_another_backend_is_not_entered(
    stored: Little, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeats = Repeats()
    repeats.cells["01", 1, "cells", "helpers"] = {0: (True, True)}
    repeats.seconds["01"] = 1.0
    entered: list[object] = []
    monkeypatch.setattr(ledger, "enter", lambda *given: entered.append(given))
    for backend, times in (("jax", 0), ("tensorflow", 1)):
        there = SimpleNamespace(backend=backend, device="a machine")
        monkeypatch.setattr("course.regression.environment", lambda there=there: there)
        repeats.enter()
        assert len(entered) == times


def test_a_repeat_that_compared_nothing_is_not_entered(stored: Little) -> None:
    assert stored.pytest("notebooks", "--nbval-lax").returncode == 0
    assert ledger_of(stored) == {}


def test_no_repeat_is_entered_unless_every_cell_ran_on_real_data(stored: Little) -> None:
    assert stored.pytest("notebooks", "--course-profile", "sample").returncode == 0
    assert stored.pytest("notebooks/01_little.ipynb::Cell 0").returncode == 0
    assert ledger_of(stored) == {}


def test_what_is_due_is_listed_and_is_no_fault(stored: Little) -> None:
    for line in ("", "\n\nUNUSED = 1\n"):
        with (stored.root / "src" / "helpers" / "records.py").open("a", encoding="utf-8") as file:
            file.write(line)
        answer = stored.course("check")
        assert answer.returncode == 0, answer.stdout
        assert ("due: 01" in answer.stdout) == bool(line)
    answer = stored.course("regression", "--minutes", "5")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "1 of 1 chapter repeated; still due: none" in answer.stdout
    assert "due: 01" not in stored.course("check").stdout


def change_text(notebook, old: str, new: str) -> None:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = output["text"].replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("two are 4", "two are 5", "stored 5, now 4"),
        ("0.333333", "0.343333", "stored 0.343333"),
        ("the end", "the and", "the and"),
    ],
)
def test_one_digit_or_letter_fails(stored: Little, old: str, new: str, said: str) -> None:
    edit(stored, lambda notebook: change_text(notebook, old, new))
    answer = stored.pytest("notebooks")
    assert answer.returncode == 1
    assert said in answer.stdout
    assert "01_little.ipynb::Cell" in answer.stdout


def test_the_last_digits_of_a_float_are_tolerated(stored: Little) -> None:
    edit(stored, lambda notebook: change_text(notebook, "0.3333333333333333", "0.33333333"))
    assert stored.pytest("notebooks").returncode == 0


@pytest.mark.parametrize(("factor", "code"), [(1.2, 1), (0.8, 1), (1.05, 0)])
def test_a_record_has_its_tolerance(stored: Little, factor: float, code: int) -> None:
    def change(notebook) -> None:
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                record = output.get("data", {}).get("application/vnd.course.record+json")
                if record:
                    record["value"] *= factor

    edit(stored, change)
    answer = stored.pytest("notebooks")
    assert answer.returncode == code, answer.stdout
    if code:
        assert "the record little.test_accuracy was" in answer.stdout


def test_a_cell_that_was_never_executed_fails(stored: Little) -> None:
    edit(stored, lambda notebook: notebook.cells[-1].update(execution_count=None, outputs=[]))
    answer = stored.pytest("notebooks")
    assert answer.returncode == 1
    assert "This cell was never executed" in answer.stdout


def test_a_stored_error_fails(stored: Little) -> None:
    def change(notebook) -> None:
        notebook.cells[-1].outputs = [
            nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])
        ]

    edit(stored, change)
    answer = stored.pytest("notebooks")
    assert answer.returncode == 1
    assert "is an error" in answer.stdout


def test_a_dead_kernel_fails_within_seconds(stored: Little) -> None:
    body = CHAPTER.replace(
        'print("the end")', "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    stored.write(body)
    assert stored.course("sync").returncode == 0
    edit(stored, lambda notebook: notebook.cells[-1].update(execution_count=5))
    answer = stored.pytest("notebooks")
    assert answer.returncode == 1
    assert "The kernel died while it ran this cell" in answer.stdout


def test_updated_displays_are_compared_in_their_last_state(little: Little) -> None:
    shown = (
        "from IPython.display import display\n"
        'line = display({"text/plain": "working"}, raw=True, display_id=True)\n'
        'line.update({"text/plain": "done"}, raw=True)'
    )
    little.write(CHAPTER.replace('print("the end")', shown))
    assert little.course("run", "--store").returncode == 0
    assert little.pytest("notebooks").returncode == 0
    little.notebook.write_text(
        little.notebook.read_text(encoding="utf-8").replace('"done"', '"undone"'), encoding="utf-8"
    )
    assert little.pytest("notebooks").returncode == 1


def test_a_notebook_elsewhere_is_left_to_nbval(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    notebook.cells[0].outputs = [
        nbformat.v4.new_output("execute_result", {"text/plain": "2"}, execution_count=1)
    ]
    notebook.cells[0].execution_count = 1
    nbformat.write(notebook, tmp_path / "01_convnet_basics.ipynb")
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stdout
    assert "1 passed" in answer.stdout and "code cells compared" not in answer.stdout
