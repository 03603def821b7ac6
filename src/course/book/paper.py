"""The book on paper: all pages as one document, which Chromium prints to a PDF."""

import html
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urldefrag, urljoin

from markupsafe import Markup
from PIL import Image

from course.book import pages
from course.catalogue import chapters
from course.errors import CourseError
from course.exercises import has_exercises

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
_SITE = "file:///"  # any address that the links of the site are relative to
_MATHS = re.compile(r"<script>window\.MathJax.*?</script>\s*<script[^>]*startup[^>]*></script>")


def browser() -> str:
    """Find the browser that prints the book.

    Raises:
        CourseError: none is on the PATH.
    """
    for name in _BROWSERS:
        if found := shutil.which(name):
            return found
    raise CourseError(
        "The PDF is printed by Chromium or Google Chrome, and neither is on the PATH: "
        "install one of them, add it to the PATH, or build the book without --pdf."
    )


def contents(site: Path) -> list[str]:
    """List the pages that go on paper, in order, without suffix.

    The gallery repeats pictures of the chapters, the kept runs are lists to look things up in, and
    the pages behind the course are for maintainers.
    """
    listed = list(chapters().values())
    exercised = [f"exercises/{each.name}" for each in listed if has_exercises(each)]
    cards = sorted(f"data/{path.stem}" for path in (site / "data").glob("*.html"))
    cards.sort(key=lambda name: name != "data/index")
    return ["index", *(each.name for each in listed), *exercised, "results", "glossary", *cards]


def joined(site: Path, names: list[str]) -> str:
    """Write pages of the site as one, with links from page to page inside it.

    Folded parts are open, and scripts are gone, so that a live figure is its still picture.

    Args:
        site: folder of the built book.
        names: of the pages, without suffix, beginning with the first page of the book.
    """
    texts = {name: (site / f"{name}.html").read_text(encoding="utf-8") for name in names}
    sheets = re.findall(r'<link [^>]*rel="stylesheet"[^>]*>', texts[names[0]])
    maths = next(filter(None, map(_MATHS.search, texts.values())), None)
    articles = [
        (_anchor(name), Markup(_article(text, name, names))) for name, text in texts.items()
    ]
    head = Markup("\n".join([*sheets, *([maths[0]] if maths else [])]))
    return pages.render("paper.html.jinja", head=head, articles=articles)


def _anchor(name: str, part: str = "") -> str:
    """Name a page, or a place in one, such that no two pages share the name."""
    return f"{name.replace('/', '-')}--{part}"


def _article(text: str, name: str, names: list[str]) -> str:
    """Take what a page is about from its HTML, for a document of several pages."""
    found = re.search(r'<article class="bd-article">(.*)</article>', text, re.DOTALL)
    if found is None:
        raise CourseError(f"{name}.html has no article: build the book again.")
    body = re.sub(r"<script\b.*?</script>", "", found[1], flags=re.DOTALL)
    body = re.sub(r'<a class="headerlink".*?</a>', "", body, flags=re.DOTALL)

    def moved(attribute: re.Match[str]) -> str:
        key, value = attribute[1], html.unescape(attribute[2])
        if key == "id":
            return f' id="{html.escape(_anchor(name, value))}"'
        target, part = urldefrag(urljoin(f"{_SITE}{name}.html", value))
        if not target.startswith(_SITE) or value.startswith("data:"):
            return attribute[0]
        path = target.removeprefix(_SITE)
        if key == "src":
            return f' src="{html.escape(path)}"'
        page = path.removesuffix(".html")
        return f' href="#{html.escape(_anchor(page, part))}"' if page in names else ""

    def placed(tag: re.Match[str]) -> str:
        opened = re.sub(r"^<details\b", "<details open", tag[0])
        opened = opened.replace(' loading="lazy"', "")
        return re.sub(r' (id|href|src)="([^"]*)"', moved, opened)

    return re.sub(r"<[a-z][^<>]*>", placed, body)


def printed(site: Path, browser: str) -> Path:
    """Print the book to a PDF beside its site.

    Args:
        site: folder of the built book.
        browser: program that prints it.

    Returns:
        The path of the PDF.

    Raises:
        CourseError: the browser printed nothing.
    """
    pdf = site.parent / "course.pdf"
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(site / "_static", Path(folder) / "_static")
        shutil.copytree(site / "_images", Path(folder) / "_images")
        text = joined(site, contents(site))
        for picture in (Path(folder) / "_images").glob("*.webp"):
            # A PDF holds a JPEG as it is, and a WebP only as millions of pixels.
            with Image.open(picture) as opened:
                opened.save(picture.with_suffix(".jpg"), quality=85)
            text = text.replace(picture.name, f"{picture.stem}.jpg")
        page = Path(folder) / "paper.html"
        page.write_text(text, encoding="utf-8")
        print_page(page, pdf, browser)
    return pdf


def print_page(page: Path, pdf: Path, browser: str) -> None:
    """Print one page to a PDF with an outline, when its formulas are set.

    Args:
        page: an HTML file.
        pdf: where it goes.
        browser: program that prints it.

    Raises:
        CourseError: the browser printed nothing.
    """
    pdf.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        words = [
            browser,
            "--headless",
            "--no-sandbox",  # the page is our own, and root has no sandbox
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={profile}",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--allow-file-access-from-files",  # for the fonts of the formulas
            "--generate-pdf-document-outline",
            "--no-pdf-header-footer",
            "--virtual-time-budget=60000",  # of a clock that waits for the page's scripts
            f"--print-to-pdf={pdf.resolve()}",
            page.resolve().as_uri(),
        ]
        answer = subprocess.run(words, capture_output=True, text=True, errors="replace")
    if answer.returncode != 0 or not pdf.is_file():
        said = answer.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise CourseError(f"{browser} printed no PDF: {said[0]}")
