"""``course check`` and ``course sync``, and what ``course run --store`` does to the prose."""

import sys
from pathlib import Path

from course import exercises
from course.catalogue import Chapter, chapters, find
from course.ledger import due
from course.notebooks.check import faults
from course.notebooks.files import read_notebook
from course.notebooks.living import (
    Records,
    cell_faults,
    page_faults,
    read_records,
    renew_pages,
    renew_source,
)
from course.notebooks.pairing import sync_pair
from course.notebooks.redraw import redraw
from course.words import counted
from helpers.places import ROOT


def check(wanted: list[str]) -> int:
    """Print what is wrong with some chapters, and which are due; with none named also with pages.

    Args:
        wanted: numbers or names of chapters; all of them and the pages in ``docs`` if empty.

    Returns:
        1 if something is wrong, else 0; a chapter that is due isn't wrong.

    Raises:
        CourseError: a chapter doesn't exist, or a file cannot be read.
    """
    chosen, records = find(wanted), read_records()
    found = [fault for chapter in chosen for fault in faults(chapter, records)]
    found += [fault for chapter in chosen for fault in exercises.faults(chapter)]
    found += page_faults(records) if not wanted else []
    for fault in found:
        print(fault)
    late = [chapter.number for chapter in due(chosen)] if not found else []
    if late:
        print(
            f"due: {', '.join(late)}: helpers changed since the last good repeat; repeat them on "
            "real data with `course regression`"
        )
    among = counted(len(chosen), "chapter")
    if found:
        print(f"course: {counted(len(found), 'fault')} in {among}", file=sys.stderr)
        return 1
    print(f"{among}: pairs in sync, outputs of the present code, prose true")
    return 0


def sync(wanted: list[str]) -> int:
    """Update bound numbers, tables of claims and each ``.ipynb``; list the sentences to rewrite.

    Args:
        wanted: numbers or names of chapters; all of them and the pages in ``docs`` if empty.

    Returns:
        0; a sentence to rewrite fails ``course check``.

    Raises:
        CourseError: a chapter doesn't exist, or a file cannot be read or written.
    """
    chosen = find(wanted)
    # A missing .ipynb is made first, because other chapters may name its records.
    for chapter in chosen:
        if not chapter.notebook.exists():
            sync_pair(chapter)
    records = read_records()
    for chapter in chosen:
        renewed = renew_source(chapter, records)
        lost = sync_pair(chapter)
        kept = "all outputs hold" if lost == 0 else f"{counted(lost, 'code cell')} must run again"
        numbers = ", bound numbers renewed" if renewed else ""
        tables = ", claims and kept runs drawn again" if lost == 0 and redraw(chapter) else ""
        print(f"notebooks/{chapter.notebook.name}: {kept}{numbers}{tables}")
    for chapter in filter(exercises.has_exercises, chosen):
        exercises.sync(chapter)
        print(f"notebooks/exercises/{chapter.notebook.name}: made from its solutions")
    if not wanted:
        _tell(renew_pages(records))
    _list_false(chosen, records, with_pages=not wanted)
    return 0


def renew() -> None:
    """Take bound numbers everywhere from the stored records, and list the sentences to rewrite.

    Raises:
        CourseError: a file cannot be read or written.
    """
    records: Records = read_records()
    changed = []
    for chapter in chapters().values():
        if chapter.notebook.exists() and renew_source(chapter, records):
            sync_pair(chapter)
            changed.append(chapter.source)
    _tell([*changed, *renew_pages(records)])
    stored = [chapter for chapter in chapters().values() if chapter.notebook.exists()]
    _list_false(stored, records, with_pages=True)


def _list_false(chosen: list[Chapter], records: Records, *, with_pages: bool) -> None:
    found = [
        fault
        for chapter in chosen
        for fault in cell_faults(
            read_notebook(chapter.notebook).cells, f"notebooks/{chapter.notebook.name}", records
        )
    ]
    for fault in [*found, *(page_faults(records) if with_pages else [])]:
        print(f"to rewrite: {fault}")


def _tell(changed: list[Path]) -> None:
    for path in changed:
        print(f"{path.relative_to(ROOT).as_posix()}: bound numbers renewed")
