"""The generated parts of the README: the most important claims, and the table of chapters."""

import re
from pathlib import Path

from course.book import ledger, pages
from course.book.context import Context, read
from course.errors import CourseError
from course.results import RESULTS
from helpers.files import write_atomically
from helpers.places import ROOT

BEGIN, END = "<!-- results: made by `course book readme` -->", "<!-- end of results -->"
ROWS, END_ROWS = "<!-- chapters: made by `course book readme` -->", "<!-- end of chapters -->"


def claims_table(context: Context) -> str:
    """Write the most important claims in Markdown, whatever their verdict."""
    chosen = [each for each in ledger.judged(context) if each.claim.headline]
    return pages.render("readme.md.jinja", claims=chosen).strip()


def chapters_table(context: Context) -> str:
    """Write the table of chapters in Markdown."""
    rows = pages.chapter_rows(context, "notebooks/", ".ipynb")
    return f"| | chapter | real data |\n| --- | --- | --- |\n{rows}"


def _renewed(text: str, begin: str, end: str, content: str) -> str:
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise CourseError(f"README.md has lost a mark: add the lines {begin} and {end}.")
    return f"{before}{begin}\n{content}\n{end}{after}"


def write() -> Path:
    """Renew the generated parts of the README and the picture at its front.

    Returns:
        The README.

    Raises:
        CourseError: the README has lost one of the marks around them.
    """
    context, path = read(), ROOT / "README.md"
    text = _renewed(path.read_text(encoding="utf-8"), BEGIN, END, claims_table(context))
    text = _renewed(text, ROWS, END_ROWS, chapters_table(context))
    front = pages.front_picture(context)
    if front is not None:
        write_atomically(RESULTS / "front.jpg", front[0])
        image = f"![{front[1]}](results/front.jpg)"
        text = re.sub(r"!\[[^\]]*\]\(results/front\.jpg\)", lambda match: image, text)
    write_atomically(path, text)
    return path
