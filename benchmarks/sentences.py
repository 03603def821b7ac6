"""Which tested sentences of the chapters are true of one seed alone?

    python benchmarks/sentences.py [CHAPTER ...]

A comparison in a chapter's prose is tested against the stored run. This script tests it against the
kept quick runs with other seeds as well, and lists those that fail there. Such a sentence isn't
wrong about the stored run, but it should say that it is about one run, or be worded with more care.
Left out are comparisons of seconds, in which seeds don't differ, and those that hold ``lowest``,
``highest`` or ``average``, with which `course check` tests a sentence against every seed.
"""

import sys
from collections.abc import Mapping

from nbformat import NotebookNode

from course import prose
from course.catalogue import find
from course.notebooks.digests import cells_digest
from course.notebooks.files import read_notebook
from course.notebooks.living import read_records
from course.repeats import asks
from course.results import kept_runs, quick_seeds
from helpers.expressions import holds, sides


def tested(notebook: NotebookNode) -> list[prose.Comment]:
    """Return the comments of a notebook that test sentences about anything but seconds."""
    found = [
        comment
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for comment in prose.comments(cell.source)
        if isinstance(comment, prose.Comment) and comment.expression.is_test
    ]
    of_one_run = [each for each in found if not asks(each.expression.text)]
    return [each for each in of_one_run if "seconds" not in each.expression.text]


def false_of(comments: list[prose.Comment], values: Mapping[str, float]) -> list[prose.Comment]:
    """Return the comments whose comparison fails."""
    return [comment for comment in comments if not holds(comment.expression, values)]


def main(wanted: list[str]) -> int:
    """Print for each chapter and seed how many sentences hold, and those that don't."""
    stored, runs = read_records(), kept_runs()
    for chapter in find(wanted):
        notebook = read_notebook(chapter.notebook)
        comments = tested(notebook)
        for run in quick_seeds(runs, chapter.number, cells_digest(notebook.cells)):
            values = {**stored.values, **run.values}
            false = false_of(comments, values)
            said = f"{len(comments) - len(false)} of {len(comments)} tested sentences hold"
            print(f"chapter {chapter.number}, seed {run.seed}: {said}")
            for comment in false:
                print(f'    "{comment.sentence}"')
                print(f"        {'; '.join(sides(comment.expression, values))}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
