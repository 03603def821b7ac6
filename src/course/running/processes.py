"""Find, watch and end the processes of a run, wherever they moved."""

import os
import signal
import socket
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "COURSE_RUN_MARK"  # environment variable that every process of an attempt inherits


@dataclass(frozen=True)
class Owner:
    """A process on a host, and when it started, because numbers of processes are used again."""

    host: str = ""
    pid: int = 0
    since: str = ""


def this_process() -> Owner:
    """Describe this process, so that a later command can tell whether it is still running."""
    return Owner(socket.gethostname(), os.getpid(), _start(os.getpid()))


def is_here(owner: Owner) -> bool:
    """Return whether a process was started on this host."""
    return owner.host == socket.gethostname()


def is_alive(owner: Owner) -> bool:
    """Return whether a process is still running; one of another host counts as running."""
    if not is_here(owner):
        return True
    return psutil.pid_exists(owner.pid) and _start(owner.pid) == owner.since


def _start(pid: int) -> str:
    # On Linux in ticks since the machine started, because a clock may be set meanwhile.
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return ""


def new_mark() -> str:
    """Return a new value of the environment variable that marks the processes of an attempt."""
    return uuid.uuid4().hex


def processes_of(mark: str) -> list[psutil.Process]:
    """Return every living process of an attempt: they all inherit the attempt's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


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


def end_marked(mark: str) -> None:
    """Kill every process of an attempt, and wait up to five seconds until they are gone."""
    for _ in range(100):
        left = processes_of(mark)
        if not left:
            return
        for process in left:
            end_tree(process)
        time.sleep(0.05)


def memory_of(pid: int) -> int:
    """Return how many bytes a process and everything below it hold in memory."""
    total = 0
    try:
        holder = psutil.Process(pid)
        for process in [holder, *holder.children(recursive=True)]:
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
    except psutil.Error:
        pass
    return total


def ended_for_memory() -> int:
    """Return how many processes Linux has ended for lack of memory since it started."""
    try:
        for line in Path("/proc/vmstat").read_text(encoding="utf-8").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def exit_name(code: int | None) -> str:
    """Return how a process ended, in words.

    Args:
        code: its exit code, negative for a signal; None if it is not known.

    >>> exit_name(-9), exit_name(3), exit_name(None)
    ('SIGKILL', 'exit code 3', 'unknown cause')
    """
    if code is None:
        return "unknown cause"
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:  # real-time signals have numbers only
        return f"signal {-code}"
