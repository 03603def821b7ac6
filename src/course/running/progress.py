"""Show how a batch goes: a live table in a terminal, a line now and then elsewhere."""

import sys
import time
from typing import Any

from course.running.run import Progress, Run

INTERVAL = 10.0  # seconds between two lines about the same run


def _place(progress: Progress) -> str:
    if progress.cell is None:
        return "starting"
    return f"cell {progress.cell} of {progress.cells}"


class ProgressTable:
    """Show the runs that are under way; finished ones scroll by above, one line each.

    Args:
        total: number of runs in the batch.
    """

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self.running: dict[str, tuple[Run, Progress | None]] = {}
        self.logged: dict[str, float] = {}
        self.live: Any = None

    def start(self, run: Run) -> None:
        """Add a run that was handed over to be executed."""
        self.running[run.folder] = (run, None)
        self.logged[run.folder] = time.monotonic()

    def update(self, folder: str, progress: Progress) -> None:
        """Note the progress of a run."""
        if folder in self.running:
            self.running[folder] = (self.running[folder][0], progress)

    def finish(self, run: Run, text: str) -> None:
        """Remove a run, and say how it ended or why it was not needed."""
        self.running.pop(run.folder, None)
        self.done += 1
        self.log(f"[{self.done} of {self.total}] {run.folder}: {text}")

    def log(self, text: str) -> None:
        """Write a line that stays."""
        if self.live is not None:
            self.live.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def refresh(self) -> None:
        """Show the present state; called a few times per second."""
        if sys.stderr.isatty():
            if self.live is None:
                from rich.console import Console
                from rich.live import Live

                self.live = Live(console=Console(stderr=True), refresh_per_second=2, transient=True)
                self.live.start()
            self.live.update(self._table())
            return
        now = time.monotonic()
        for folder, (_, progress) in self.running.items():
            if progress is not None and now - self.logged[folder] >= INTERVAL:
                self.logged[folder] = now
                self.log(
                    f"{folder}: {_place(progress)}, {progress.seconds:.0f} s, "
                    f"{progress.bytes / 1e6:,.0f} MB"
                )

    def _table(self) -> Any:
        from rich.table import Table

        table = Table(title=f"{self.done} of {self.total} runs done", title_justify="left")
        for name in ("run", "state", "cell", "seconds", "of budget", "MB", "of budget"):
            left = name in ("run", "state")
            table.add_column(name, justify="left" if left else "right", overflow="fold")
        for folder, (run, progress) in self.running.items():
            now = progress or Progress()
            table.add_row(
                folder,
                "waiting" if progress is None else "running",
                "" if progress is None else _place(now).removeprefix("cell "),
                f"{now.seconds:.0f}",
                f"{run.budget.seconds:.0f}",
                f"{now.bytes / 1e6:,.0f}",
                f"{run.budget.megabytes:,.0f}",
            )
        return table

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self.live is not None:
            self.live.stop()
