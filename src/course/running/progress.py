"""What people see while a batch runs: a live table in a terminal, a line now and then elsewhere."""

import sys
import time
from typing import Any

from course.running.store import Run

HEARTBEAT = 10.0


class Table:
    """The runs that are under way; the finished ones scroll by above, one line each."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self.running: dict[str, tuple[Run, dict[str, Any]]] = {}
        self.said: dict[str, float] = {}
        self.live: Any = None

    def begin(self, run: Run) -> None:
        """A run was handed to whoever executes it."""
        self.running[run.folder] = (run, {})
        self.said[run.folder] = time.monotonic()

    def tell(self, folder: str, progress: dict[str, Any]) -> None:
        """A run got on."""
        if folder in self.running:
            self.running[folder] = (self.running[folder][0], progress)

    def end(self, run: Run, text: str) -> None:
        """A run ended, or was not needed."""
        self.running.pop(run.folder, None)
        self.done += 1
        self.say(f"[{self.done} of {self.total}] {run.folder}: {text}")

    def say(self, text: str) -> None:
        """One line for the log."""
        if self.live is not None:
            self.live.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def refresh(self) -> None:
        """Show how things are; called twice a second or so."""
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
            if progress and now - self.said[folder] >= HEARTBEAT:
                self.said[folder] = now
                self.say(
                    f"{folder}: cell {progress['cell']} of {progress['of']}, "
                    f"{progress['seconds']:.0f} s, {progress['bytes'] / 1e6:,.0f} MB"
                )

    def _table(self) -> Any:
        from rich.table import Table as Grid

        grid = Grid(title=f"{self.done} of {self.total} runs done", title_justify="left")
        for name in ("run", "state", "cell", "seconds", "of budget", "MB", "of budget"):
            left = name in ("run", "state")
            grid.add_column(name, justify="left" if left else "right", overflow="fold")
        for folder, (run, progress) in self.running.items():
            state = "running" if progress else "waiting"
            cell = f"{progress['cell']} of {progress['of']}" if progress else ""
            grid.add_row(
                folder,
                state,
                cell,
                f"{progress.get('seconds', 0):.0f}",
                f"{run.budget['seconds']:.0f}",
                f"{progress.get('bytes', 0) / 1e6:,.0f}",
                f"{run.budget['megabytes']:,.0f}",
            )
        return grid

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self.live is not None:
            self.live.stop()
