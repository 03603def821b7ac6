"""``course report``: one self-contained page on a folder of runs, or on how two of them differ."""

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from course.comparison import BEYOND, SAME, WITHIN, Comparison, compare
from course.errors import CourseError
from course.notebooks.files import read_notebook
from course.running.store import Attempt, read_attempts
from course.summary import (
    Group,
    Summary,
    group_members,
    in_words,
    member_of,
    summarize,
)
from helpers.claims import NOT_REPRODUCED, REPRODUCED
from helpers.files import write_atomically

GOOD = ("succeeded", REPRODUCED, SAME, WITHIN)
BAD = (NOT_REPRODUCED, "failed", "timed-out", "killed", "over-budget", "cancelled", "lost", BEYOND)
THUMBNAIL = 320  # pixels
PHOTOGRAPHS = ("image/png", "image/jpeg", "image/webp")
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Table:
    """A table of a report."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A picture of a notebook, as small as a report shows it."""

    alt: str
    address: str


@dataclass(frozen=True)
class Section:
    """What a report says of one group of runs."""

    title: str
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Page:
    """A report: general tables, a section per group, and notes."""

    title: str
    tables: tuple[Table, ...]
    sections: tuple[Section, ...] = ()
    notes: tuple[str, ...] = ()


def render(page: Page, form: str) -> str:
    """Return a page as text.

    Args:
        page: what to say.
        form: "html", which needs no network, or "md".
    """
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=form == "html",
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    text = templates.get_template(f"report.{form}.j2").render(page=page, good=GOOD, bad=BAD)
    return text.strip() + "\n"


def _table(
    title: str, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]
) -> tuple[Table, ...]:
    """Wrap a table in a tuple, which stays empty if there are no rows."""
    return (Table(title, header, tuple(rows)),) if rows else ()


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"


def _run_table(found: Summary) -> tuple[Table, ...]:
    header = (
        *("run", "attempt", "status", "why", "time of budget", "peak memory of budget"),
        *("GPU memory", "examples per second"),
    )
    rows = [
        (
            run.run,
            f"{run.attempt:03d}",
            run.status,
            run.reason,
            f"{run.seconds:.0f} of {run.budget_seconds:,.0f} s",
            f"{run.bytes / 1e6:,.0f} of {_megabytes(run.budget_bytes)}",
            _megabytes(run.gpu_bytes) if run.gpu_bytes else "",
            f"{run.examples_per_second:,.0f}" if run.examples_per_second else "",
        )
        for run in found.runs
    ]
    return _table("Runs", header, rows)


def _group_tables(group: Group) -> tuple[Table, ...]:
    claims = [
        (claim.source, claim.statement, claim.target, claim.measured, claim.verdict)
        for claim in group.claims
    ]
    records = [(each.name, in_words(each.spread, each.unit)) for each in group.records]
    header = ("source", "claim", "value", "measured", "verdict")
    return _table("Claims", header, claims) + _table(
        "Records", ("record", "mean ± spread over the seeds (number)"), records
    )


def summary_page(found: Summary, attempts: list[Attempt] | None = None) -> Page:
    """Return the report on one folder of runs.

    Args:
        found: its summary.
        attempts: whose pictures are shown, the first of each group; none if None.
    """
    shown = {}
    for attempt in reversed(attempts or []):
        [name] = group_members([member_of(attempt)])
        shown[name] = attempt
    pictures = [_pictures(shown[name]) for name in sorted(shown)]
    sections = []
    for number, group in enumerate(found.groups):
        sample = " — on built-in sample data" if group.profile == "sample" else ""
        own = pictures[number] if pictures else ()
        sections.append(Section(f"{group.name}{sample}", _group_tables(group), own))
    return Page("Course report", _run_table(found), tuple(sections), found.environments)


def comparison_page(found: Comparison) -> Page:
    """Return the report on what differs between two folders of runs."""
    differ = [each for each in found.records if each.verdict != SAME]
    header = ("runs", "record", "before", "after", "change", "verdict")
    rows = [
        (each.group, each.name, each.before, each.after, f"{each.change:+.4g}", each.verdict)
        for each in differ
    ]
    same = len(found.records) - len(differ)
    tables = _table(f"Records that differ ({same} are the same)", header, rows)
    missing = [(each.group, each.name, each.before) for each in found.missing]
    tables += _table("Records missing after", ("runs", "record", "before"), missing)
    for title, column, texts in (
        ("Succeeded before, not now", "runs", found.newly_failed),
        ("Claims newly broken", "claim", found.newly_broken),
        ("Only before", "runs", found.only_before),
        ("Only after", "runs", found.only_after),
    ):
        tables += _table(title, (column,), [(text,) for text in texts])
    before, after = ({run.run: run for run in runs} for runs in found.runs)
    costs = [
        (
            name,
            f"{before[name].status} / {after[name].status}",
            f"{before[name].seconds:.0f} / {after[name].seconds:.0f} s",
            f"{before[name].bytes / 1e6:,.0f} / {_megabytes(after[name].bytes)}",
        )
        for name in before
        if name in after
    ]
    tables += _table("Runs, before / after", ("run", "status", "time", "peak memory"), costs)
    notes = tuple(
        f"{when}: {text}"
        for when, texts in zip(("before", "after"), found.environments, strict=True)
        for text in texts
    )
    return Page("What differs between two folders of runs", tables, notes=notes)


def _pictures(attempt: Attempt) -> tuple[Picture, ...]:
    """Return the small pictures of a run with their alt texts; none of a damaged notebook."""
    try:
        cells = read_notebook(attempt.notebook).cells
    except CourseError:
        return ()
    found = []
    for cell in cells:
        for output in cell.get("outputs", []):
            data: dict[str, Any] = output.get("data", {})
            for kind in ("image/svg+xml", *PHOTOGRAPHS):
                if kind in data:
                    alt = output.metadata.get(kind, {}).get("alt", "")
                    found.append(Picture(alt, _address(kind, data[kind])))
                    break
    return tuple(found)


def _address(kind: str, content: str) -> str:
    """Return a small picture as a data address."""
    if kind == "image/svg+xml":
        return f"data:{kind};base64,{base64.b64encode(content.encode()).decode()}"
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    small = io.BytesIO()
    picture.convert("RGB").save(small, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(small.getvalue()).decode()}"


def _write(path: Path, text: str) -> Path:
    try:
        write_atomically(path, text)
    except OSError as error:
        raise CourseError(f"{path} cannot be written: {error.strerror}.") from error
    return path


def write_report(folder: Path, attempts: list[Attempt] | None = None) -> Path:
    """Write ``report.html`` into a folder of runs.

    Args:
        folder: of the runs.
        attempts: those that the page shows; the newest of each run in the folder if None.

    Returns:
        Where it is.

    Raises:
        CourseError: there are no readable runs, or the folder cannot be written.
    """
    shown = read_attempts(folder) if attempts is None else attempts
    page = summary_page(summarize(shown), shown)
    return _write(folder / "report.html", render(page, "html"))


def report(folders: list[Path], form: str) -> int:
    """Report on one folder of runs, or on what differs between two.

    Args:
        folders: one or two; each of all runs, of one run, or of one attempt.
        form: "html" writes a page into the last folder; "md" and "json" are printed.

    Returns:
        1 if a run did not succeed; of two folders: if a claim is no longer reproduced, or what
        succeeded before does not now; else 0. A claim that isn't reproduced is a result.

    Raises:
        CourseError: there are no readable runs, or the folder cannot be written.
    """
    attempts = [read_attempts(folder) for folder in folders]
    found = [summarize(each) for each in attempts]
    content: Summary | Comparison
    if len(folders) == 1:
        content = found[0]
        failed, broken = content.failed, content.broken
        page = summary_page(content, attempts[0] if form == "html" else None)
        path = folders[0] / "report.html"
    else:
        content = compare(*found)
        failed, broken = content.newly_failed, content.newly_broken
        page, path = comparison_page(content), folders[1] / "comparison.html"
    if form == "json":
        print(json.dumps(asdict(content), indent=1, ensure_ascii=False))
    elif form == "md":
        print(render(page, "md"), end="")
    else:
        print(_write(path, render(page, "html")))
        for sentence in failed:
            print(f"did not succeed: {sentence}")
        for sentence in broken:
            print(f"not reproduced: {sentence}")
    return 1 if failed or (broken and len(folders) == 2) else 0
