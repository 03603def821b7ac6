"""The built book and JupyterLab, read in Chromium as a reader would, with the network cut."""

import functools
import gzip
import http.server
import json
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urljoin, urlparse
from urllib.request import Request, urlopen

import jupytext
import nbformat
import pytest

from course.book import build, context
from course.catalogue import chapters
from helpers.places import ROOT
from tests.browsing import AXE, PHONE, WIDE, complaints, needs_browser, sized, wait
from tests.support import SLIDER, SMALLEST

MATHJAX = ROOT / "node_modules" / "mathjax" / "es5" / "startup.js"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once."""
    if not MATHJAX.is_file():
        pytest.skip("MathJax comes from npm, and npm is not installed")
    return build.build(tmp_path_factory.mktemp("book"))


class _Page(HTMLParser):
    """What a page refers to: links, files, pictures, and the places in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.files: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if found.get("id"):
            self.ids.append(found["id"] or "")
        if tag == "a" and found.get("href"):
            self.links.append(found["href"] or "")
        if tag == "img":
            self.images.append(found)
        if tag in ("img", "script", "iframe") and found.get("src"):
            self.files.append(found["src"] or "")
        if tag == "link" and found.get("rel") != "canonical":
            self.files.append(found.get("href") or "")


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, _Page]:
    return {
        path.relative_to(site).as_posix(): _Page(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }


def test_the_site_is_small(site: Path) -> None:
    files = [path for path in site.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 15 * MEGABYTE
    assert not [path for path in files if path.suffix == ".map"]
    for path in (site / "_static").rglob("*.[cj]s*"):
        assert "sourceMappingURL" not in path.read_text("utf-8", errors="replace"), path


def test_every_chapter_and_fixed_page_is_there(pages: dict[str, _Page]) -> None:
    wanted = {f"{chapter.name}.html" for chapter in chapters().values()}
    wanted |= {"index.html", "results.html", "instructors.html", "maintainers.html"}
    wanted |= {"search.html", "data/index.html", "data/mnist.html", "helpers/records.html"}
    assert wanted <= pages.keys()
    start = {link.partition("#")[0] for link in pages["index.html"].links}
    assert (
        wanted - {"index.html", "search.html", "data/mnist.html", "helpers/records.html"} <= start
    )


def test_internal_links_resolve_and_files_come_from_the_site(
    site: Path, pages: dict[str, _Page]
) -> None:
    broken = []
    for name, page in pages.items():
        for link in {*page.links, *page.files}:
            if link.startswith("data:"):  # a picture that is in the page itself
                continue
            target = urlparse(urljoin(f"http://site/{name}", link))
            if target.netloc != "site":
                assert link not in page.files, f"{name} loads {link}"
                continue
            path = unquote(target.path).lstrip("/") or "index.html"
            there = (site / path).is_file()
            # Sphinx writes the places of the theme's own buttons and tooltips when the page opens.
            if there and target.fragment and path in pages:
                there = unquote(target.fragment) in pages[path].ids
            if not there:
                broken.append(f"{name}: {link}")
    assert not broken


def test_no_page_has_a_place_of_one_name_twice(pages: dict[str, _Page]) -> None:
    for name, page in pages.items():
        assert [each for each in page.ids if page.ids.count(each) > 1] == [], name


def test_no_style_sheet_or_script_loads_from_elsewhere(site: Path) -> None:
    for path in (site / "_static").rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?:@import|url\()\s*['\"]?(?:https?:)?//", text), path


def test_every_picture_says_what_it_shows(pages: dict[str, _Page]) -> None:
    for name, page in pages.items():
        for image in page.images:
            assert len(image.get("alt") or "") > 20, f"{name}: {image.get('src')}"


def test_the_alt_texts_are_those_of_the_notebooks(pages: dict[str, _Page]) -> None:
    for chapter in chapters().values():
        stored = nbformat.read(chapter.notebook, as_version=4)
        wanted = {picture.alt for picture in context.pictures_of(stored)}
        shown = {image["alt"] for image in pages[f"{chapter.name}.html"].images}
        assert wanted <= shown


class _Zipped(http.server.SimpleHTTPRequestHandler):
    """Serves files as a host of static pages does: text is compressed."""

    def log_message(self, *words: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        if not path.is_file():
            self.send_error(404)
            return
        body = path.read_bytes()
        self.send_response(200)
        if path.suffix in (".html", ".css", ".js"):
            body = gzip.compress(body, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(_Zipped, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def scrolled_through(browser: Any) -> None:
    """Let every picture load, as if the reader had scrolled to it."""
    browser.execute_script(
        "for (const image of document.images) { image.loading = 'eager'; }"
        "const style = document.createElement('style');"
        "style.textContent = '* {animation: none !important; transition: none !important}';"
        "document.head.append(style);"
        "document.querySelectorAll('details').forEach(part => part.open = true);"
    )
    pending = "return [...document.images].every(image => image.complete)"
    wait(lambda: browser.execute_script(pending), 60, "the last picture")


def read(pages: dict[str, _Page]) -> list[str]:
    """The pages that are opened: all, but of the helpers' many alike only some."""
    some = ("helpers/index.html", "helpers/records.html", "helpers/explain.html")
    return [name for name in pages if not name.startswith("helpers/") or name in some]


@needs_browser
def test_every_page_loads_whole_and_fits_a_phone(
    address: str, pages: dict[str, _Page], browser: Any
) -> None:
    complaints(browser)
    for name in read(pages):
        sized(browser, PHONE)
        browser.execute_cdp_cmd("Network.clearBrowserCache", {})
        browser.get(address + name)
        scrolled_through(browser)
        assert complaints(browser) == [], name
        empty = "return [...document.images].filter(i => i.naturalWidth < 8).map(i => i.src)"
        assert browser.execute_script(empty) == [], name
        # A page that is too broad makes the phone's own window broader, so that is no measure.
        wide = "return document.documentElement.scrollWidth"
        assert browser.execute_script(wide) <= PHONE[0], name
        weight = (
            "return performance.getEntries().filter(e => 'transferSize' in e)"
            ".reduce((sum, e) => sum + e.transferSize, 0)"
        )
        assert 1000 < browser.execute_script(weight) < 2.5 * MEGABYTE, name


@needs_browser
def test_code_fits_a_laptop_without_a_scroll_bar(address: str, browser: Any) -> None:
    opened_folds = "document.querySelectorAll('details').forEach(d => d.open = true);"
    scrolling = (
        "return [...document.querySelectorAll('.cell_input pre')]"
        ".filter(p => p.scrollWidth > p.clientWidth).map(p => p.textContent)"
    )
    for chapter in chapters().values():
        browser.get(f"{address}{chapter.name}.html")
        for width in (1024, 1280, 1440):
            sized(browser, (width, 900))
            assert browser.execute_script(opened_folds + scrolling) == [], (chapter.name, width)


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_serious_violation(
    address: str, pages: dict[str, _Page], browser: Any, dark: bool
) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core comes from npm, and npm is not installed")
    script = AXE.read_text(encoding="utf-8")
    sized(browser, WIDE, dark)
    found = []
    for name in read(pages):
        browser.get(address + name)
        scrolled_through(browser)
        if "mathjax" in browser.page_source:
            wait(lambda: browser.execute_script(SET), 60, "the last formula")
        browser.execute_script(script)
        violations = browser.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, arguments[0]).then(r => done(r.violations));",
            {"resultTypes": ["violations"], **({"runOnly": ["color-contrast"]} if dark else {})},
        )
        for violation in violations:
            if violation["impact"] in ("serious", "critical"):
                node = violation["nodes"][0]
                found.append(
                    f"{name}: {violation['id']} at {len(violation['nodes'])} places, "
                    f"first {node['html'][:200]}: {node['failureSummary'][:300]}"
                )
    assert not found, "\n".join(found)


@needs_browser
def test_tables_and_live_figures_have_the_ground_of_the_page_in_the_dark(
    address: str, browser: Any
) -> None:
    for name in ("01_convnet_basics.html", "06_visualization.html", "07_conv1d_imdb.html"):
        sized(browser, WIDE, dark=True)
        browser.get(address + name)
        found = browser.execute_script(
            "const plain = '.cell_output .text_html:not(:has(mark))';"
            "return [...document.querySelectorAll(plain)].map(e =>"
            "[getComputedStyle(e).backgroundColor, getComputedStyle(e).padding])"
        )
        assert len(found) > 1, name
        assert {tuple(each) for each in found} == {("rgba(0, 0, 0, 0)", "0px")}, name
        dark = "return [...document.querySelectorAll('.course-live')].map(e => e.className)"
        # A live figure knows the theme by the color of its letters.
        assert set(browser.execute_script(dark)) == {"course-live dark"}, name


SET = "return [...document.querySelectorAll('.math')].every(m => m.querySelector('mjx-container'))"


@needs_browser
def test_maths_renders(address: str, pages: dict[str, _Page], site: Path, browser: Any) -> None:
    with_maths = [
        name for name in pages if re.search(r'class="math', (site / name).read_text("utf-8"))
    ]
    assert "01_convnet_basics.html" in with_maths
    for name in with_maths:
        browser.get(address + name)
        wait(lambda: browser.execute_script(SET), 60, f"maths on {name}")
        wrong = "return document.querySelectorAll('mjx-merror').length"
        assert browser.execute_script(wrong) == 0, name
        silent = "return document.querySelectorAll('mjx-container:not(:has(math))').length"
        assert browser.execute_script(silent) == 0, f"a screen reader misses maths on {name}"


@needs_browser
def test_every_icon_is_drawn(address: str, browser: Any) -> None:
    sized(browser, WIDE)
    for name in ("index.html", "02_cifar10.html", "helpers/records.html", "search.html"):
        browser.get(address + name)
        drawn = "return document.querySelectorAll('svg.svg-inline--fa path[d]').length"
        wait(lambda: browser.execute_script(drawn) > 5, 60, f"the icons of {name}")  # noqa: B023
        undrawn = (
            "return [...document.querySelectorAll('i[class*=fa-], .svg-inline--fa:has(.missing)')]"
            ".map(icon => icon.outerHTML)"
        )
        assert browser.execute_script(undrawn) == [], name


def test_chapters_are_downloaded_without_outputs(site: Path) -> None:
    for chapter in chapters().values():
        page = (site / f"{chapter.name}.html").read_text(encoding="utf-8")
        assert f'href="notebooks/{chapter.notebook.name}" download' in page
        found = nbformat.read(site / "notebooks" / chapter.notebook.name, as_version=4)
        stored = nbformat.read(chapter.notebook, as_version=4)
        assert [cell.source for cell in found.cells] == [cell.source for cell in stored.cells]
        assert not any(cell.get("outputs") for cell in found.cells)


@needs_browser
def test_search_finds_grad_cam_by_keyboard(address: str, browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    sized(browser, WIDE)
    browser.get(address)
    wait(lambda: browser.execute_script("return document.readyState") == "complete", 60, "the page")
    focus = "return document.activeElement && document.activeElement.name"
    keys = webdriver_actions(browser).key_down(Keys.CONTROL).send_keys("k").key_up(Keys.CONTROL)

    def opened_by_keys() -> bool:
        if browser.execute_script(focus) != "q":  # the page may not listen yet
            keys.perform()
            time.sleep(1)
        return bool(browser.execute_script(focus) == "q")

    wait(opened_by_keys, 60, "the search field")
    browser.switch_to.active_element.send_keys("Grad-CAM", Keys.ENTER)
    results = "return [...document.querySelectorAll('#search-results li a')].map(a => a.href)"
    links = wait(lambda: browser.execute_script(results), 60, "a result of the search")
    assert any(link.startswith(address) for link in links)


def webdriver_actions(browser: Any) -> Any:
    from selenium.webdriver import ActionChains

    return ActionChains(browser)


@needs_browser
def test_the_first_key_leads_past_the_menu(address: str, browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    sized(browser, WIDE)
    browser.get(f"{address}results.html")
    webdriver_actions(browser).send_keys(Keys.TAB).perform()
    skip = browser.switch_to.active_element
    assert "main content" in skip.get_attribute("textContent").lower()
    assert skip.get_attribute("href").endswith("#main-content")


@needs_browser
def test_little_keeps_a_slow_line_from_the_first_words(address: str, browser: Any) -> None:
    """Within a second, ten megabits per second carry 1.25 MB, less four trips of 80 ms.

    What is counted is what the browser waits for before it paints, as the local server sends it,
    which is uncompressed.
    """
    sized(browser, PHONE)
    waited_for = (
        "return performance.getEntriesByType('resource')"
        ".filter(e => e.renderBlockingStatus === 'blocking').map(e => [e.name, e.encodedBodySize])"
    )
    for name in ("index.html", "01_convnet_basics.html", "results.html"):
        browser.execute_cdp_cmd("Network.clearBrowserCache", {})
        browser.get(address + name)
        sizes = dict(browser.execute_script(waited_for))
        assert any(file.endswith(".css") or ".css?" in file for file in sizes), name
        assert 0 < sum(sizes.values()) < (1 - 4 * 0.08) * 1_250_000, (name, sizes)


@needs_browser
def test_it_prints_without_the_menu(address: str, browser: Any) -> None:
    browser.get(f"{address}results.html")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    hidden = (
        "return ['.bd-sidebar-primary', '.bd-sidebar-secondary', '.bd-header-article']"
        ".filter(s => document.querySelector(s)?.checkVisibility())"
    )
    assert browser.execute_script(hidden) == []
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


PROSE = """\
It makes 71<!-- net.errors --> mistakes, **fewer**.<!-- net.errors
< 0.5 * dense.errors --> The end.

<details><summary>Answer</summary>

It is $x^2$, 95.0 %<!-- net.accuracy --> of it.

</details>

> **Predict.** Which one?
>
> <details><summary>Think first</summary>
>
> It is $y^2$.
> </details>
"""
SHOWN = ["It makes 71 mistakes, fewer. The end.", "Answer", "Predict. Which one?", "Think first"]
OPENED = ["95.0 % of it."]


def prose_notebook() -> nbformat.NotebookNode:
    """A notebook of living prose alone."""
    cells = [nbformat.v4.new_markdown_cell(f"# Prose\n\n{PROSE}")]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def slider_notebook() -> nbformat.NotebookNode:
    """A notebook with one picture that a slider changes."""
    notebook = prose_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(SLIDER)]
    return notebook


def assert_prose_is_read_without_comments(browser: Any, selector: str) -> None:
    """Read an element that shows ``PROSE``, with its folded answers closed and open."""
    text = f"return document.querySelector({selector!r}).innerText"

    def shown() -> str:
        return " ".join(browser.execute_script(text).split())

    assert all(part in shown() for part in SHOWN)
    assert not any(part in shown() for part in OPENED)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert all(part in shown() for part in OPENED)
    assert not any(part in shown() for part in ("<!--", "-->", "net.errors", "$"))


def test_the_server_extension_is_installed_with_the_course() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared["jupyterlab/server.json"].startswith("etc/jupyter/jupyter_server_config.d/")
    settings = json.loads((ROOT / "jupyterlab" / "server.json").read_text(encoding="utf-8"))
    assert settings["ServerApp"]["jpserver_extensions"] == {"course.lab": True}


@needs_browser
def test_comments_are_invisible_and_answers_fold_in_the_book(tmp_path: Path, browser: Any) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "index.md").write_text("# Start\n\n```{toctree}\nprose\n```\n", "utf-8")
    nbformat.write(prose_notebook(), tmp_path / "source" / "prose.ipynb")
    folders = [str(tmp_path / "source"), str(tmp_path / "html")]
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-c", str(ROOT / "docs"), *folders],
        check=True,
        env=environment(ROOT),
    )
    sized(browser, WIDE)
    browser.get((tmp_path / "html" / "prose.html").as_uri())
    maths = "return document.querySelectorAll('article details .math').length"
    assert browser.execute_script(maths) == 2
    browser.execute_script("document.querySelectorAll('.math').forEach(m => m.remove())")
    assert_prose_is_read_without_comments(browser, "article")


@needs_browser
def test_comments_are_invisible_and_answers_fold_in_jupyterlab(
    lab: tuple[str, Path], browser: Any
) -> None:
    address, _ = lab
    opened(browser, address, "prose.ipynb")
    rendered = ".jp-Notebook .jp-RenderedMarkdown"
    maths = f"return document.querySelectorAll('{rendered} details mjx-container').length == 2"
    wait(lambda: browser.execute_script(maths), 60, "the formulas")
    assert_prose_is_read_without_comments(browser, rendered)


@needs_browser
@pytest.mark.parametrize("suffix", [".py", ".ipynb"])
def test_opening_and_saving_a_chapter_in_jupyterlab_changes_no_file(
    lab: tuple[str, Path], browser: Any, suffix: str
) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    address, folder = lab
    pair = [folder / chapters()["02"].source.name, folder / chapters()["02"].notebook.name]
    before = [path.read_bytes() for path in pair]
    opened(browser, address, pair[0].with_suffix(suffix).name)
    # JupyterLab describes the kernel in the notebook a moment after the kernel is ready.
    time.sleep(5)
    assert not browser.find_elements(By.CSS_SELECTOR, ".lm-TabBar-tab.jp-mod-dirty")
    stamp = pair[1].stat().st_mtime_ns
    webdriver_actions(browser).key_down(Keys.CONTROL).send_keys("s").key_up(Keys.CONTROL).perform()
    wait(lambda: pair[1].stat().st_mtime_ns != stamp, 60, "the saved file")
    time.sleep(1)
    for path, old in zip(pair, before, strict=True):
        # Megabytes are not left to pytest's explanation, which takes minutes over them.
        assert changed_lines(old, path.read_bytes()) == []


def changed_lines(old: bytes, new: bytes) -> list[str]:
    """The first lines in which two texts differ, cut to a readable length."""
    pairs = zip_longest(old.decode().splitlines(True), new.decode().splitlines(True))
    return [f"{str(a)[:200]!r} became {str(b)[:200]!r}" for a, b in pairs if a != b][:5]


@needs_browser
def test_a_slider_changes_its_picture_in_jupyterlab(lab: tuple[str, Path], browser: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    address, _ = lab
    opened(browser, address, "slider.ipynb")
    time.sleep(2)  # for the page to hear of the kernel
    chosen(browser, "Run", "runmenu:run-all")

    # Read in one call: between two, JupyterLab may have drawn the picture anew.
    sources = "return [...document.querySelectorAll('.jp-RenderedSVG img')].map(i => i.src).join()"

    def shown() -> str:
        return unquote(browser.execute_script(sources))

    def moved() -> bool:
        handles = ".widget-slider [role=slider], .noUi-handle"
        found = browser.find_elements(By.CSS_SELECTOR, handles)
        for handle in found[:1]:
            handle.send_keys(Keys.ARROW_RIGHT)
        return bool(found)

    wait(lambda: "A kernel of 3 by 3." in shown(), 90, "the picture")
    wait(moved, 60, "the slider")
    wait(lambda: "A kernel of 5 by 5." in shown(), 60, "the changed picture")


def opened(browser: Any, address: str, name: str) -> None:
    """Open a notebook in JupyterLab and wait for its kernel."""
    entered(browser, address, name)
    wait_for_kernel(address)


def entered(browser: Any, address: str, name: str = "") -> None:
    """Open JupyterLab as if nothing had been open before."""
    sized(browser, WIDE)
    wait(lambda: listening(address), 60, "JupyterLab")
    browser.get("about:blank")
    sessions = address.replace("/lab/tree/", "/api/sessions")
    with urlopen(sessions, timeout=10) as answer:
        former = [session["id"] for session in json.load(answer)]
    for each in former:
        ending = sessions.replace("/sessions", f"/sessions/{each}")
        urlopen(Request(ending, method="DELETE"), timeout=30).close()
    browser.get(address.replace("/tree/", f"/tree/{name}") + "&reset")


def wait_for_kernel(address: str) -> None:
    """Wait until the server has an idle kernel; the page shows it as idle before it started."""
    kernels = address.replace("/lab/tree/", "/api/kernels")

    def ready() -> bool:
        try:
            with urlopen(kernels, timeout=10) as answer:
                return any(kernel["execution_state"] == "idle" for kernel in json.load(answer))
        except HTTPError:  # the server can't describe a kernel that is just starting
            return False

    wait(ready, 90, "the kernel")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """JupyterLab on the first sections of chapter 01 at their smallest, chapter 02 as stored, and a
    page of prose."""
    tmp_path = tmp_path_factory.mktemp("lab")
    root = tmp_path / "checkout"
    for folder in ("src", "data"):
        skipped = shutil.ignore_patterns("__pycache__", "cache", "*.egg-info")
        shutil.copytree(ROOT / folder, root / folder, ignore=skipped)
    (root / "notebooks").mkdir()
    chapter = chapters()["01"]
    text = chapter.source.read_text(encoding="utf-8")
    smallest = {"profile": '"sample"', **chapter.changes["sample"], **SMALLEST}
    for name, value in smallest.items():
        text, changed = re.subn(rf"(?m)^({name}: \w+ = )\S+", rf"\g<1>{value}", text)
        assert changed == 1, name
    text, rest = text.split("# %% [markdown]\n# ## How large is the map?")
    assert rest
    (root / "notebooks" / chapter.source.name).write_text(text, encoding="utf-8")
    for path in (chapters()["02"].source, chapters()["02"].notebook):
        shutil.copy(path, root / "notebooks")
    nbformat.write(prose_notebook(), root / "notebooks" / "prose.ipynb")
    nbformat.write(slider_notebook(), root / "notebooks" / "slider.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    log = (tmp_path / "lab.log").open("w")
    settings = [
        f"--port={port}",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={root / 'notebooks'}",
        f"--LabApp.workspaces_dir={tmp_path}",
        "--ServerApp.jpserver_extensions=course.lab=True",  # as in jupyterlab/server.json
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", *settings],
        cwd=root,
        stdout=log,
        stderr=log,
        env={**environment(root), "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")},
    )
    try:
        yield f"http://127.0.0.1:{port}/lab/tree/?token={token}", root / "notebooks"
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def environment(root: Path) -> dict[str, str]:
    import os

    found = {**os.environ, "PYTHONPATH": str(root / "src"), "COURSE_CACHE": str(root / "cache")}
    found.pop("COURSE_MIRROR", None)
    return found


def listening(address: str) -> bool:
    with socket.socket() as asked:
        asked.settimeout(1)
        return asked.connect_ex(("127.0.0.1", urlparse(address).port or 0)) == 0


@needs_browser
def test_jupyterlab_opens_runs_and_saves_a_chapter(lab: tuple[str, Path], browser: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    address, folder = lab
    source = folder / chapters()["01"].source.name
    typed = source.read_text(encoding="utf-8")
    entered(browser, address)

    def chosen_from_the_list() -> bool:
        items = browser.find_elements(By.CSS_SELECTOR, ".jp-DirListing-item")
        found = [item for item in items if source.name in item.text]
        for item in found:
            webdriver_actions(browser).double_click(item).perform()
        return bool(found)

    wait(chosen_from_the_list, 60, "the list of files")
    panels = ".jp-NotebookPanel .jp-Notebook .jp-Cell"
    wait(lambda: browser.find_elements(By.CSS_SELECTOR, panels), 60, "the notebook")
    assert not browser.find_elements(By.CSS_SELECTOR, ".jp-FileEditor")
    wait_for_kernel(address)
    time.sleep(2)  # for the page to hear of it

    chosen(browser, "Run", "runmenu:run-all")
    pair = source.with_suffix(".ipynb")

    def saved() -> Any:
        webdriver_actions(browser).key_down(Keys.CONTROL).send_keys("s").key_up(
            Keys.CONTROL
        ).perform()
        time.sleep(1)
        if not pair.is_file():
            return None
        found = nbformat.read(pair, as_version=4)
        code = [cell for cell in found.cells if cell.cell_type == "code"]
        ended = all(cell.execution_count for cell in code if cell.source.strip())
        failed = any(o.output_type == "error" for cell in code for o in cell.outputs)
        return found if ended or failed else None

    executed = wait(saved, 240, "the end of Run All")
    outputs = [o for cell in executed.cells for o in cell.get("outputs", [])]
    assert [o.evalue for o in outputs if o.output_type == "error"] == []
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert sum(kind.startswith("image/") for kind in kinds) > 5
    assert source.read_text(encoding="utf-8") == typed
    written = jupytext.read(source)
    assert [c.source for c in written.cells] == [c.source for c in executed.cells]


def chosen(browser: Any, menu: str, entry: str) -> None:
    """Choose an entry of JupyterLab's menus by its command."""
    from selenium.webdriver.common.by import By

    def clicked(selector: str, words: str = "") -> bool:
        found = browser.find_elements(By.CSS_SELECTOR, selector)
        found = [each for each in found if words in ("", each.text)]
        for each in found[:1]:
            each.click()
        return bool(found)

    wait(lambda: clicked(".lm-MenuBar-itemLabel", menu), 60, "the bar of menus")
    wait(lambda: clicked(f".lm-Menu-item[data-command='{entry}']"), 60, f"the menu {menu}")
