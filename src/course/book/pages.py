"""The generated pages of the book, in MyST Markdown, through the templates beside this module."""

import functools
import html
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from course import glossary
from course.book import curves, ledger, patterns
from course.book.context import Context, Picture, StoredChapter, anchor
from course.catalogue import chapters, source
from course.exercises import has_exercises, solutions_source
from course.notebooks.digests import imported_modules
from course.results import KeptRun, changed, groups
from helpers.claims import sources
from helpers.places import ROOT
from helpers.records import written
from helpers.sources import catalogue

FRONT = "the maps of Grad-CAM, occlusion"  # in the alt text of the picture at the front
DOWNLOADS = "notebooks"  # the folder of the site with the notebooks that a reader downloads


@functools.cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["written"] = lambda record: written(record.value, record.unit)
    made.filters["anchor"] = anchor
    made.filters["plain"] = plain
    return made


def plain(text: str) -> Markup:
    """Escape a text inside Markdown, so that none of it becomes HTML or Markdown."""
    escaped = html.escape(text, quote=False)
    for mark in "\\`*_[]$|":
        escaped = escaped.replace(mark, f"\\{mark}")
    return Markup(escaped)


def render(template: str, **values: Any) -> str:
    """Fill a template of the book.

    Args:
        template: file name in ``templates``.
        values: what it uses; texts are escaped unless they are ``Markup``.
    """
    return _templates().get_template(template).render(**values)


def results_page(context: Context) -> str:
    """Write the results page: what was reproduced in words, then every claim and mistake."""
    found = ledger.judged(context)
    by_chapter = [
        (
            stored.chapter,
            [each for each in found if each.claim.chapter == stored.chapter.number],
        )
        for stored in context.chapters
    ]
    return render(
        "results.md.jinja",
        introduction=Markup((ROOT / "docs" / "results.md").read_text(encoding="utf-8")),
        story=ledger.story(found),
        by_chapter=by_chapter,
        corrections=ledger.corrections(context),
        sources=sources().values(),
    )


@dataclass(frozen=True)
class KeptGroup:
    """Kept runs that differ only in the seed, as their page shows them.

    Attributes:
        runs: in the order of their seeds.
        parameters: those that all of them share.
        records: each name with its value in every run, empty where a run lacks it.
    """

    runs: tuple[KeptRun, ...]
    title: str
    parameters: dict[str, Any]
    curves: Markup
    records: tuple[tuple[str, tuple[str, ...]], ...]


def kept_page(context: Context) -> str:
    """Write the page that lists each kept run with its command, records and curves."""
    titles = {stored.chapter.number: stored.chapter.title for stored in context.chapters}
    budgets = {stored.chapter.number: stored.chapter.budgets for stored in context.chapters}
    found = [*groups(context.runs).values(), *((run,) for run in context.runs if run.named)]
    kept = [_kept_group(runs, titles[runs[0].chapter]) for runs in found]
    return render("kept.md.jinja", kept=kept, budgets=budgets)


def _kept_group(runs: tuple[KeptRun, ...], chapter: str) -> KeptGroup:
    first = runs[0]
    differs = {"seed"} if len(runs) > 1 else set()
    described = [
        f"{name} = {value}" for name, value in changed(first).items() if name not in differs
    ]
    names = dict.fromkeys(record.name for run in runs for record in run.records)
    values = [{each.name: written(each.value, each.unit) for each in run.records} for run in runs]
    return KeptGroup(
        runs,
        f"{chapter}: {', '.join([first.profile, *described])}",
        {name: value for name, value in first.parameters.items() if name not in differs},
        Markup(curves.drawing(runs, anchor(first))),
        tuple((name, tuple(each.get(name, "") for each in values)) for name in names),
    )


def launch(context: Context, number: str, repository: str) -> str:
    """Write the links below a chapter's title, and what its stored run was, as HTML.

    Args:
        context: of the book.
        number: of the chapter.
        repository: owner and name on GitHub; without one there are no links to other sites.
    """
    [stored] = [each for each in context.chapters if each.chapter.number == number]
    usual = context.evidence(number)[0].parameters
    runs = [run for run in context.runs if run.chapter == number and run.parameters == usual]
    return render(
        "launch.html.jinja",
        name=stored.chapter.name,
        folder=DOWNLOADS,
        repository=repository,
        executed=stored.executed,
        runs=[run for run in runs if not run.named and run.backend == "tensorflow"],
    )


def chapter_rows(context: Context, folder: str, suffix: str) -> str:
    """Write the rows of the table of chapters in Markdown.

    Args:
        context: of the book.
        folder: before the chapter's name in a link, such as "notebooks/".
        suffix: after it, such as ".ipynb".
    """
    return "\n".join(
        f"| {chapter.number} | [{chapter.title}]({folder}{chapter.name}{suffix}) | "
        f"{', '.join(catalogue()[name].title for name in chapter.data) or '—'} |"
        for chapter in (stored.chapter for stored in context.chapters)
    )


def front_picture(context: Context) -> tuple[bytes, str] | None:
    """Return the picture at the front of README and book, with its alt text.

    It shows what a pretrained convnet looks at in photographs; None while no chapter stores it.
    """
    for stored in context.chapters:
        for picture in stored.pictures:
            if FRONT in picture.alt:
                return picture.data, picture.alt
    return None


@dataclass(frozen=True)
class Card:
    """A chapter as the first page shows it.

    Attributes:
        stored: the chapter.
        question: the question it answers, in plain words.
        picture: the picture it begins with; None while it has none.
        reading: minutes to read it.
        running: minutes of its stored run; None if no such run is kept.
    """

    stored: StoredChapter
    question: str
    picture: Picture | None
    reading: int
    running: int | None


WORDS_A_MINUTE = 120  # prose that is read with pencil and paper at hand


def question(stored: StoredChapter) -> str:
    """Return the question with which a chapter opens, "" if it opens with none."""
    found = re.search(r"^\*\*(.+?)\*\*$", stored.notebook.cells[0].source, re.M | re.S)
    return " ".join(found[1].split()) if found else ""


def cards(context: Context) -> list[Card]:
    """Describe each chapter for the first page."""
    found = []
    for stored in context.chapters:
        cells = stored.notebook.cells
        words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
        usual = context.evidence(stored.chapter.number)[0].parameters
        seconds = [
            run.seconds
            for run in context.runs
            if run.chapter == stored.chapter.number
            and run.parameters == usual
            and run.backend == "tensorflow"
            and not run.named
        ]
        found.append(
            Card(
                stored,
                question(stored),
                next(iter(stored.pictures), None),
                5 * math.ceil(words / WORDS_A_MINUTE / 5),
                math.ceil(seconds[0] / 60) if seconds else None,
            )
        )
    return found


def live_figure(context: Context, name: str) -> Markup:
    """Return the HTML of a live figure, as a chapter stored it; empty if none did."""
    for stored in context.chapters:
        for cell in stored.notebook.cells:
            for output in cell.get("outputs", []):
                shown = str(output.get("data", {}).get("text/html", ""))
                if f'data-live="{name}"' in shown:
                    return Markup(shown)
    return Markup()


def index_page(context: Context) -> str:
    """Write the first page from ``docs/index.md``."""
    names = "\n".join(stored.chapter.name for stored in context.chapters)
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    text = text.replace("CHAPTER_PAGES", names)
    exercised = [
        f"exercises/{stored.chapter.name}"
        for stored in context.chapters
        if has_exercises(stored.chapter)
    ]
    text = text.replace("EXERCISE_PAGES", "\n".join(exercised))
    text = text.replace("CHAPTER_CARDS", render("cards.html.jinja", cards=cards(context)))
    return text.replace("LIVE_FIGURE", live_figure(context, "playground"))


def gallery_page(context: Context) -> str:
    """Write the page of pictures whose cells have the tag ``gallery``, and of kept patterns."""
    chosen = [
        (stored.chapter, picture)
        for stored in context.chapters
        for picture in stored.pictures
        if "gallery" in stored.notebook.cells[picture.cell].metadata.get("tags", [])
    ]
    return render("gallery.md.jinja", chosen=chosen, patterns=patterns.read())


def glossary_page(context: Context) -> str:
    """Write the glossary, each term with the chapters that introduce it."""
    listed = glossary.terms()
    used_in: dict[str, dict[tuple[str, str], None]] = {}
    for stored in context.chapters:
        place = f"chapter {stored.chapter.number}", stored.chapter.name
        for cell in stored.notebook.cells:
            for match in glossary.bold(cell.source) if cell.cell_type == "markdown" else ():
                if term := glossary.find(match[1], listed):
                    used_in.setdefault(term.name, {})[place] = None
    return glossary.page(listed, used_in)


def data_page(cards: list[str]) -> str:
    """Write the page that lists the data cards, named without suffix."""
    return render("data.md.jinja", cards=cards)


def helper_pages() -> dict[str, str]:
    """Write one page per helper module that chapters or exercises import, and their index."""
    texts = [source(chapter) for chapter in chapters().values()]
    texts += [
        solutions_source(chapter).read_text(encoding="utf-8")
        for chapter in chapters().values()
        if has_exercises(chapter)
    ]
    names = [module.removeprefix("helpers.") for module in imported_modules(texts)]
    made = {f"{name}.md": render("helper.md.jinja", name=name) for name in names}
    return made | {"index.md": render("helpers.md.jinja", names=names)}
