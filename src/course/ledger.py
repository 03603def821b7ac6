"""The regression ledger: when each chapter was last repeated on real data, and how it went.

A chapter whose code changed since its last good repeat is due. That isn't a fault: its outputs
belong to its cells, and only a repeat can tell whether its helpers still give them.
"""

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from course import results
from course.catalogue import Chapter
from course.errors import CourseError
from course.notebooks.digests import digests
from course.notebooks.files import read_notebook
from course.words import counted
from helpers.files import write_atomically
from helpers.places import ROOT

PASSED, FAILED = "passed", "failed"
RESERVE = 1.5  # a repeat may take this much longer than the recorded one
UNKNOWN = 300.0  # seconds that a chapter is thought to take if nobody has recorded any


@dataclass(frozen=True)
class Repeat:
    """The last repeat of a chapter on real data.

    Attributes:
        cells: digest of its code cells.
        helpers: digest of the helper modules that they import.
        date: in UTC, in ISO format.
        machine: in words.
        seconds: what its cells took together.
        compared: number of cells compared with their stored outputs.
        outcome: "passed" or "failed".
        failed: numbers of the code cells that differed, from 0.
    """

    cells: str
    helpers: str
    date: str
    machine: str
    seconds: float
    compared: int
    outcome: str
    failed: tuple[int, ...] = ()


def read() -> dict[str, Repeat]:
    """Read the last repeat of each chapter, by number.

    Raises:
        CourseError: the file can't be read.
    """
    try:
        listed = json.loads((results.RESULTS / results.LEDGER).read_text(encoding="utf-8"))
        return {
            number: Repeat(**{**entry, "failed": tuple(entry["failed"])})
            for number, entry in listed.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CourseError(
            f"results/{results.LEDGER} isn't a ledger ({error!r}): restore it with git, or delete "
            "it and repeat all chapters."
        ) from error


def write(repeats: dict[str, Repeat]) -> None:
    """Enter repeats, each in the place of the chapter's earlier one."""
    merged = {**read(), **repeats}
    content = {number: asdict(merged[number]) for number in sorted(merged)}
    results.RESULTS.mkdir(exist_ok=True)
    write_atomically(results.RESULTS / results.LEDGER, json.dumps(content, indent=1) + "\n")


def due(wanted: Iterable[Chapter]) -> list[Chapter]:
    """Return the chapters whose code isn't that of their last good repeat, longest overdue first.

    A stored run by the present code counts as a repeat.

    Raises:
        CourseError: the ledger or a notebook can't be read.
    """
    entries = read()
    found = []
    for chapter in wanted:
        notebook = read_notebook(chapter.notebook)
        present = digests(notebook, chapter.data)
        stored = notebook.metadata.get("course", {})
        last = entries.get(chapter.number)
        good = last is not None and last.outcome == PASSED
        known = [(stored.get("cells"), stored.get("helpers"))]
        known += [(last.cells, last.helpers)] if last and good else []
        now = (present["cells"], present["helpers"])
        failed = last is not None and not good and (last.cells, last.helpers) == now
        if failed or now not in known:
            found.append(chapter)
    return sorted(found, key=lambda chapter: _date(entries.get(chapter.number)))


def _date(entry: Repeat | None) -> str:
    return entry.date if entry else ""


def _expected() -> Callable[[Chapter], float]:
    entries, runs = read(), results.kept_runs()

    def seconds(chapter: Chapter) -> float:
        if entry := entries.get(chapter.number):
            return entry.seconds
        kept = results.newest_seeds(runs, chapter.number, "quick")
        return kept[0].seconds if kept else UNKNOWN

    return seconds


def _pytest(chapter: Chapter) -> bool:
    """Hold a chapter to its stored outputs; the plugin enters the outcome.

    Raises:
        CourseError: pytest or nbval is not installed, or pytest broke.
    """
    if not all(map(importlib.util.find_spec, ("pytest", "nbval"))):
        raise CourseError(
            "Repeating chapters needs pytest and nbval: run `python tools/environment.py dev`."
        )
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", str(chapter.notebook)]
    code = subprocess.run(command, cwd=ROOT).returncode
    if code not in (0, 1):
        raise CourseError(
            f"Chapter {chapter.number} could not be repeated: pytest ended with {code} and said "
            "why above."
        )
    return code == 0


def repeat(
    wanted: list[Chapter],
    minutes: float | None,
    hold: Callable[[Chapter], bool] = _pytest,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Repeat due chapters on real data, longest overdue first, and name those still due.

    Args:
        wanted: chapters; those that aren't due are left out.
        minutes: for all together. A chapter that would not fit into what is left isn't started,
            but at least one is. None for as long as it takes.
        hold: repeats one chapter; returns whether it holds.
        clock: seconds from any start.

    Returns:
        1 if a repeated chapter doesn't hold, else 0; chapters still due aren't a fault.

    Raises:
        CourseError: the ledger or a notebook can't be read, or a chapter can't be repeated.
    """
    expected, began = _expected(), clock()
    broken, started = [], 0
    for chapter in due(wanted):
        left = float("inf") if minutes is None else 60 * minutes - (clock() - began)
        if started and RESERVE * expected(chapter) > left:
            continue
        started += 1
        if not hold(chapter):
            broken.append(chapter.number)
    still = [chapter.number for chapter in due(wanted)]
    among = counted(len(wanted), "chapter")
    print(f"{started} of {among} repeated; still due: {', '.join(still) or 'none'}")
    if broken:
        print(
            f"course: differ from their stored outputs: chapters {', '.join(broken)}",
            file=sys.stderr,
        )
    return 1 if broken else 0


def enter(
    number: str,
    seconds: float,
    compared: int,
    failed: Iterable[int],
    machine: str,
    ran: tuple[str, str],
) -> None:
    """Enter a repeat that has just ended.

    Args:
        number: of the chapter.
        seconds: what its cells took.
        compared: number of cells compared.
        failed: numbers of the code cells that differed or broke.
        machine: in words.
        ran: digests of the cells and of the helpers when it began, since either may have been
            edited meanwhile.
    """
    cells, helpers = ran
    differed = tuple(sorted(failed))
    entry = Repeat(
        cells=cells,
        helpers=helpers,
        date=time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        machine=machine,
        seconds=round(seconds, 1),
        compared=compared,
        outcome=FAILED if differed else PASSED,
        failed=differed,
    )
    write({number: entry})
