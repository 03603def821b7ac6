"""Stop a batch in order on Ctrl-C, SIGTERM or SIGHUP."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(KeyboardInterrupt):
    """The user or the system asked the batch to stop; no handler of errors may hold it up."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class StopSignals:
    """Signals that arrived.

    Attributes:
        seen: their numbers, in order.
        raising: whether the next one raises ``Stopped`` where the program is; otherwise the
            program looks at ``seen`` by itself.
    """

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.raising = False

    def arrive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        self.seen.append(number)
        if self.raising:
            self.raising = False  # a second one must not interrupt the tidying up
            raise Stopped(number)

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let a signal interrupt the body at once.

        Raises:
            Stopped: a signal arrived in the body or before it.
        """
        self.raising = True
        try:
            if self.seen:
                raise Stopped(self.seen[0])
            yield
        finally:
            self.raising = False


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Handle the signals that stop a program, in the main thread, instead of dying of them."""
    signals = StopSignals()
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no hang-up
    watched = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # Under nohup a hang-up is ignored, and stays so.
    watched = [each for each in watched if signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, signals.arrive) for each in watched}
    try:
        yield signals
    finally:
        for each, handler in before.items():
            # A second Ctrl-C must not interrupt the last messages after the first.
            signal.signal(each, signal.SIG_IGN if signals.seen else handler)
