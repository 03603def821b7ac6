"""What the book adds to Sphinx: alt texts, anchors of cells, and the links below a title."""

import html
import os
import re
from pathlib import Path
from typing import Any

from docutils import nodes

from course import exercises
from course.book import pages
from course.book.context import Context, Picture, pictures_of, read
from course.notebooks.files import read_notebook


def _described(context: Context) -> dict[str, Picture]:
    """Map the name that myst-nb gives a picture's file to the picture, for all notebooks."""
    found = [picture for stored in context.chapters for picture in stored.pictures]
    for stored in context.chapters:
        if exercises.has_exercises(stored.chapter):
            solutions = read_notebook(exercises.solutions_notebook(stored.chapter))
            found += pictures_of(solutions)
    return {picture.digest: picture for picture in found}


def _describe_pictures(doctree: nodes.document, described: dict[str, Picture]) -> None:
    for image in doctree.findall(nodes.image):
        found = described.get(Path(image["uri"]).stem)
        if found:
            image["alt"] = found.alt
            image["width"], image["height"] = (f"{pixels}px" for pixels in found.size)
            image["classes"] += ["broad"] if found.size[0] > 700 else []


def _number_cells(doctree: nodes.document) -> None:
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") == "cell_code":
            cell["ids"].append(f"cell-{cell['cell_index']}")


def _add_launch(doctree: nodes.document, links: str) -> None:
    title = next(iter(doctree.findall(nodes.title)), None)
    if title is not None:
        place = title.parent.index(title) + 1
        title.parent.insert(place, nodes.raw("", links, format="html"))


def _lazy_images(
    app: Any, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    if "body" in context:
        body = context["body"].replace("<img ", '<img loading="lazy" ')
        # As attributes the sizes keep the place of a picture free without fixing it.
        size = r'style="width: (\d+)px; height: (\d+)px;"'
        context["body"] = re.sub(size, r'width="\1" height="\2"', body)


def _teasers(questions: dict[str, str]) -> Any:
    """Make the handler that puts a chapter's question under its title in the links to it."""

    def add(app: Any, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
        for side in ("prev", "next"):
            linked = context.get(side) or {}
            name = str(linked.get("link", "")).rpartition(".html")[0]
            if questions.get(name):
                teaser = f' <span class="teaser">{html.escape(questions[name])}</span>'
                context[side] = {**linked, "title": linked["title"] + teaser}

    return add


def _social(questions: dict[str, str], repository: str) -> Any:
    """Make the handler that tells other sites how to show a link to a page."""
    owner, _, name = repository.partition("/")

    def add(app: Any, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
        if doctree is None:
            return
        title = re.sub(r"<[^>]+>", "", context.get("title", ""))
        about = (
            questions.get(page) or "A course on convolutional networks whose numbers are measured."
        )
        tags = {"og:type": "article", "og:title": title, "og:site_name": app.config.project}
        tags |= {"og:description": about}
        if repository:
            tags["og:image"] = f"https://{owner}.github.io/{name}/_static/front.jpg"
        written = [
            f'<meta property="{key}" content="{html.escape(html.unescape(value))}">'
            for key, value in tags.items()
        ]
        written.append(f'<meta name="description" content="{html.escape(about)}">')
        context["metatags"] = context.get("metatags", "") + "\n".join(written)

    return add


def _plain_docstring(
    app: Any, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    # A docstring may name a prefix such as "val_", which is a link in reStructuredText.
    lines[:] = [re.sub(r'(\w)_(?=["\s])', r"\1\_", line) for line in lines]


def setup(app: Any) -> dict[str, Any]:
    """Connect the book's additions; ``docs/conf.py`` lists this module as an extension."""
    context = read()
    described = _described(context)
    numbers = {stored.chapter.name: stored.chapter.number for stored in context.chapters}
    repository = os.environ.get("GITHUB_REPOSITORY", "")

    def finish(app: Any, doctree: nodes.document) -> None:
        _describe_pictures(doctree, described)
        _number_cells(doctree)
        name = app.env.docname
        if name in numbers:
            _add_launch(doctree, pages.launch(context, numbers[name], repository))

    app.connect("autodoc-process-docstring", _plain_docstring)
    app.connect("doctree-read", finish)
    app.connect("html-page-context", _lazy_images)
    questions = {stored.chapter.name: pages.question(stored) for stored in context.chapters}
    app.connect("html-page-context", _teasers(questions))
    app.connect("html-page-context", _social(questions, repository))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
