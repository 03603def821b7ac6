"""Build the site: assemble what Sphinx reads, run Sphinx, and finish its pages."""

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path
from shlex import quote

import nbformat
from nbformat import NotebookNode

from course import exercises, glossary, prose
from course.book import pages, patterns, slim
from course.book.context import Context, read, record_faults
from course.errors import CourseError
from course.notebooks.files import without_outputs, write_notebook
from course.results import RESULTS
from helpers.places import ROOT

MARKER = ".course-book"  # in every folder that a build made, so that it may replace it
PARTS = ("source", "html", "doctrees", "colab")


def build(out: Path) -> Path:
    """Build the site.

    Args:
        out: folder that gets ``source`` and ``html``, and with ``GITHUB_REPOSITORY`` set also
            ``colab``, the notebooks that the Colab buttons open.

    Returns:
        The folder of the site.

    Raises:
        CourseError: MathJax is not installed, the folder holds what no build made, an output was
            changed by hand, or Sphinx warned.
    """
    mathjax = ROOT / "node_modules" / "mathjax" / "es5"
    if not (mathjax / "startup.js").is_file():
        raise CourseError("The book needs MathJax from npm: install npm and run `make book`.")
    claim_folder(out)
    context = read()
    assemble(context, out / "source")
    site = _run_sphinx(out)
    _finish(context, site, mathjax)
    repository = os.environ.get("GITHUB_REPOSITORY")
    if repository:
        (out / "colab").mkdir()
        for stored in context.chapters:
            opened = colab_notebook(stored.notebook, f"https://github.com/{repository}")
            nbformat.write(opened, out / "colab" / stored.chapter.notebook.name)
    return site


def claim_folder(out: Path) -> None:
    """Make a folder for a build, or empty the one that an earlier build made.

    Raises:
        CourseError: the folder holds files that no build made, or it cannot be written.
    """
    try:
        if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
            raise CourseError(
                f"{out} isn't empty and wasn't made by `course book build`, so it was left as it "
                "is: name a new folder with --out, or delete this one."
            )
        out.mkdir(parents=True, exist_ok=True)
        (out / MARKER).touch()
        for part in PARTS:
            if (out / part).exists():
                shutil.rmtree(out / part)
    except OSError as error:
        raise CourseError(f"{out} cannot be written: {error.strerror or error}.") from error


def assemble(context: Context, source: Path) -> None:
    """Write everything that Sphinx reads into a new folder.

    Raises:
        CourseError: an output was changed by hand.
    """
    if faults := record_faults(context):
        raise CourseError("\n".join(faults))
    shutil.copytree(ROOT / "docs", source)
    shutil.copytree(ROOT / "data" / "cards", source / "data")
    shutil.copy(RESULTS / "front.jpg", source / "_static")
    if patterns.folder().exists():
        shutil.copytree(patterns.folder(), source / "_static" / "gallery")
    cards = sorted(path.stem for path in (source / "data").glob("*.md"))
    written = {
        "index.md": pages.index_page(context),
        "results.md": pages.results_page(context),
        "kept.md": pages.kept_page(context),
        "gallery.md": pages.gallery_page(context),
        "glossary.md": pages.glossary_page(context),
        "data/index.md": pages.data_page(cards),
        **{f"helpers/{name}": text for name, text in pages.helper_pages().items()},
    }
    (source / "helpers").mkdir()
    (source / "exercises").mkdir()
    for stored in context.chapters:
        if exercises.has_exercises(stored.chapter):
            written_page = exercises.page(stored.chapter)
            write_notebook(written_page, source / "exercises" / stored.chapter.notebook.name)
    for name, text in written.items():
        (source / name).write_text(text, encoding="utf-8")
    _link_records(context, source)


def _link_records(context: Context, source: Path) -> None:
    """Write the chapters, and link their terms and every bound number to where they come from."""
    for path in source.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        path.write_text(prose.linked(text, context.place), encoding="utf-8")
    terms = glossary.terms()
    for stored in context.chapters:
        notebook = copy.deepcopy(stored.notebook)
        done: set[str] = set()
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = glossary.linked(cell.source, terms, done)
                cell.source = prose.linked(cell.source, context.place)
        write_notebook(notebook, source / stored.chapter.notebook.name)


def _run_sphinx(out: Path) -> Path:
    site = out / "html"
    folders = [str(out / "doctrees"), str(out / "source"), str(site)]
    answer = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", *folders],
        capture_output=True,
        text=True,
        errors="replace",
    )
    if answer.returncode != 0:
        raise CourseError(f"The book was not built:\n{answer.stderr.strip()}")
    return site


def _finish(context: Context, site: Path, mathjax: Path) -> None:
    """Bring MathJax and the notebooks to download, and mend and lighten what Sphinx wrote."""
    slim.bring_mathjax(mathjax, site / "_static" / "mathjax")
    slim.drop_unread(site)
    renamed = slim.shrink_pictures(site / "_images")
    for path in site.rglob("*.html"):
        slim.replace(path, rf"(_images/(?:{renamed}))\.(?:png|jpg)", r"\1.webp")
        # The theme names its arrows for nobody, and its search field otherwise than it reads.
        slim.replace(path, r'<summary aria-label="Toggle hidden content">', "<summary>")
        slim.replace(path, r"<summary><", '<summary aria-label="Show or hide the pages below"><')
        named = r'(<button class="btn search-button-field[^>]*?) aria-label="Search"'
        slim.replace(path, named, r"\1")
    slim.drop_icons(site)
    (site / pages.DOWNLOADS).mkdir()
    for stored in context.chapters:  # a reader downloads the chapter, not what Sphinx read
        path = site / pages.DOWNLOADS / stored.chapter.notebook.name
        nbformat.write(without_outputs(stored.notebook), path)
    (site / ".nojekyll").touch()


def colab_notebook(notebook: NotebookNode, repository: str) -> NotebookNode:
    """Make a chapter for Google Colab: no outputs, and a first cell that installs the course.

    Args:
        notebook: the stored chapter.
        repository: address that git can clone.
    """
    clone = f"git clone --quiet --depth 1 {quote(repository)} convnet-course"
    setup = nbformat.v4.new_code_cell(
        "# Fetches the course and what it needs; run this cell first.\n"
        "import os, sys\n"
        f"!test -d convnet-course || {clone}\n"
        "%pip install --quiet --editable convnet-course\n"
        'sys.path.insert(0, os.path.abspath("convnet-course/src"))'
    )
    setup["id"] = "setup"
    opened = without_outputs(notebook)
    opened.cells.insert(0, setup)
    opened.metadata.pop("course", None)
    opened.metadata.pop("jupytext", None)
    return opened
