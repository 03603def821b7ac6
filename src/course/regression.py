"""A plugin for pytest: what ``pytest --nbval`` compares, and how it fails.

nbval runs every cell in a kernel and compares its outputs to the letter. With this plugin measured
numbers have the tolerance of their noise, repeats on real data enter the ledger, a notebook that
was never executed fails, a dead kernel is seen within seconds, and ``--course-profile sample``
compares on built-in data what does not depend on data.
"""

import time
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from nbformat import NotebookNode, from_dict
from nbval.plugin import IPyNbCell, IPyNbFile

from course import catalogue, ledger, noise
from course.catalogue import find, settings
from course.machine import environment
from course.notebooks.digests import digests
from course.notebooks.files import code_cells, read_notebook
from course.results import BACKEND, kept_runs
from helpers.datasets import PROFILES

# Property of each cell: what `Began` holds, its number among the code cells, whether compared.
CELL = "course cell"
# Chapter, number of its code cells, and digests of cells and helpers when its kernel started.
Began = tuple[str, int, str, str]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that chooses the data."""
    parser.getgroup("course").addoption(
        "--course-profile",
        choices=PROFILES,
        default="quick",
        help="data on which --nbval runs the chapters: quick, the notebooks' defaults, compares "
        "all cells; sample and full compare those that do not depend on data",
    )


class CourseCell(IPyNbCell):
    """A code cell whose stored outputs are compared with tolerance."""

    def runtest(self) -> None:
        """Run the cell, then let the parameters of the profile follow the parameters cell.

        Raises:
            NbCellError: the cell fails, was never executed, or its outputs differ.
        """
        self.parent.current = self
        stored_error = any(output.output_type == "error" for output in self.cell.outputs)
        if self.cell.execution_count is None and self.cell.source.strip():
            self.raise_cell_error("This cell was never executed: run `course run --store`")
        if stored_error and not self.options["check_exception"]:
            self.raise_cell_error("The stored output of this cell is an error")
        tags = self.cell.metadata.get("tags", [])
        depends = "measured" in tags and self.config.option.course_profile != "quick"
        if depends:
            self.options["check"] = False
        counted = [*self.parent.began, self.cell_num, bool(self.options["check"])]
        self.user_properties.append((CELL, counted))
        super().runtest()
        if "parameters" in tags:
            self.parent.change_parameters()

    def compare_outputs(self, test: Any, ref: Any, skip_compare: Any = None) -> bool:
        """Tell whether the outputs agree; the reasons go where nbval looks for them."""
        # nbval has joined the streams in ref, and left the second of two in the cell as well.
        self.cell.outputs = ref
        self.comparison_traceback = noise.cell_differences(
            self.cell, test, self.cell_num, self.parent.noise
        )
        return not self.comparison_traceback


class CourseNotebook(IPyNbFile):
    """A notebook whose kernel is watched and whose parameters follow the profile."""

    current: CourseCell

    def collect(self) -> Any:
        """Make one item per code cell."""
        for cell in super().collect():
            made = CourseCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )
            # A training may outlast any test. nbval's own limit, which is longer, interrupts it.
            made.add_marker(pytest.mark.timeout(0))
            yield made

    def setup(self) -> None:
        """Start the kernel, and let waiting for it end when it dies."""
        super().setup()
        [chapter] = find([Path(self.path).stem])
        notebook = read_notebook(Path(self.path))
        self.noise = noise.of_chapter(chapter, notebook, kept_runs())
        present = digests(notebook, chapter.data)
        number = len(code_cells(notebook))
        self.began: Began = (chapter.number, number, present["cells"], present["helpers"])
        self._places: dict[str, tuple[list[NotebookNode], int]] = {}
        self.kernel.get_message = self._watched_message

    def _watched_message(self, stream: str, timeout: float | None = None) -> Any:
        """Wait for the next message of a stream, and raise at once if the kernel dies."""
        client = self.kernel.kc
        get = client.get_iopub_msg if stream == "iopub" else client.get_shell_msg
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = 1.0 if until is None else min(1.0, until - time.monotonic())
            try:
                return get(timeout=max(left, 0.0))
            except Empty:
                if not self.kernel.is_alive():
                    self.current.raise_cell_error("The kernel died while it ran this cell")
                if until is not None and time.monotonic() >= until:
                    raise

    def get_kernel_message(self, timeout: float | None = None, stream: str = "iopub") -> Any:
        """Return the next message; an update of an output changes it, as in a notebook."""
        while True:
            message = super().get_kernel_message(timeout, stream)
            shown = message["content"].get("transient", {}).get("display_id")
            outputs = self.current.test_outputs
            if message["msg_type"] == "update_display_data":
                if shown in self._places:
                    place, before = self._places[shown]
                    place[before]["data"] = from_dict(message["content"]["data"])
                continue
            if message["msg_type"] == "display_data" and shown:
                self._places[shown] = (outputs, len(outputs))
            return message

    def change_parameters(self) -> None:
        """Run the assignments of the profile in the kernel, as Papermill does.

        Raises:
            CourseError: the catalogue is not valid for this notebook.
        """
        profile = self.config.option.course_profile
        if profile == "quick":
            return
        [chapter] = find([Path(self.path).stem])
        changed = settings(chapter, profile)
        lines = "\n".join(f"{name} = {value!r}" for name, value in changed.items())
        message = self.kernel.execute_cell_input(lines, allow_stdin=False)
        self.kernel.await_reply(message, timeout=30)
        self.kernel.await_idle(message, 30)

    def teardown(self) -> None:
        """Stop the kernel."""
        if self.kernel is not None and hasattr(self.kernel, "km"):
            self.kernel.stop()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Any:
    """Put our notebook in the place of nbval's, for the chapters; others are nbval's own."""
    collected = yield
    if file_path.resolve().parent != catalogue.NOTEBOOKS.resolve():
        return collected
    return [
        CourseNotebook.from_parent(parent, path=file_path) if isinstance(item, IPyNbFile) else item
        for item in collected
    ]


class Repeats:
    """Gathers what the cells of each chapter did, on the side that hears of all workers."""

    def __init__(self) -> None:
        self.cells: dict[Began, dict[int, tuple[bool, bool]]] = {}
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a cell that was called."""
        called: list[Any] = report.user_properties if report.when == "call" else []
        for name, value in called:
            if name == CELL:
                *began, cell, compared = value
                number, count, cells, helpers = began
                outcome = (compared, not report.failed)
                self.cells.setdefault((number, count, cells, helpers), {})[cell] = outcome
                self.seconds[number] = self.seconds.get(number, 0.0) + report.duration

    def enter(self) -> None:
        """Enter every chapter of which all cells were called, if TensorFlow computed them."""
        if not self.cells or environment().backend != BACKEND:
            return
        machine = str(environment().device)
        for (number, count, *ran), outcomes in self.cells.items():
            if len(outcomes) == count:
                failed = [cell for cell, (_, good) in outcomes.items() if not good]
                compared = sum(compared for compared, _ in outcomes.values())
                cells, helpers = ran
                seconds = self.seconds[number]
                ledger.enter(number, seconds, compared, failed, machine, (cells, helpers))


def pytest_configure(config: pytest.Config) -> None:
    """Listen to the cells, unless a worker of xdist, which reports to its controller."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Repeats(), "course-repeats")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say how many cells were compared and how many only executed; on real data, enter it."""
    repeats = config.pluginmanager.get_plugin("course-repeats")
    if not isinstance(repeats, Repeats):
        return
    compared = [held for cells in repeats.cells.values() for held, _ in cells.values()]
    profile = config.option.course_profile
    if compared:
        terminalreporter.write_line(
            f"course: {sum(compared)} code cells compared with their stored outputs, "
            f"{len(compared) - sum(compared)} executed only (profile {profile})"
        )
    if profile == "quick" and not config.getoption("nbval_lax"):
        repeats.enter()
