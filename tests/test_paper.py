"""The book on paper: pages joined to one document, and printed by Chromium."""

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from course.book import paper, slim
from course.errors import CourseError
from helpers.places import ROOT
from tests.browsing import CHROMIUM, needs_browser
from tests.conftest import Little

MATHJAX = ROOT / "node_modules" / "mathjax" / "es5"
START = """
<script>window.MathJax = {"loader": {"load": ["input/tex", "output/chtml"]}}</script>
<script defer="defer" src="_static/mathjax/startup.js"></script>
<article class="bd-article"><section id="start">
<h1>Start<a class="headerlink" href="#start">#</a></h1>
<p><a href="exercises/one.html#task">The task</a>, <a href="exercises/one.html">all of it</a>,
<a href="maintainers.html">for maintainers</a>, <a href="https://keras.io/">Keras</a>.</p>
<div class="course-live">
<img class="still" alt="A still picture." src="data:image/gif;base64,R0lGODlhAQABAAAAACw="></div>
<script>document.querySelector(".still").remove()</script>
</section></article>
"""
ONE = """
<article class="bd-article"><section id="task"><h1>One</h1><h2 id="start">A second part</h2>
<details class="hide"><summary>Solution</summary><span class="math">\\(x^2\\)</span></details>
<img loading="lazy" alt="Noise." src="../_images/noise.webp"><a href="../index.html#start">Back</a>
</section></article>
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    made = tmp_path / "html"
    for folder in ("_images", "_static", "exercises"):
        (made / folder).mkdir(parents=True)
    (made / "index.html").write_text(START, encoding="utf-8")
    (made / "exercises" / "one.html").write_text(ONE, encoding="utf-8")
    Image.effect_noise((64, 64), 80).convert("RGB").save(made / "_images" / "noise.webp")
    return made


def test_links_lead_to_places_in_the_one_document(site: Path) -> None:
    text = paper.joined(site, ["index", "exercises/one"])
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    links = re.findall(r'<a[^>]* href="([^"]+)"', text)
    assert len(links) == 4
    assert {link[1:] for link in links if link.startswith("#")} < set(ids)
    assert "https://keras.io/" in links
    assert "<a>for maintainers</a>" in text
    assert 'src="_images/noise.webp"' in text


def test_paper_has_open_answers_and_still_pictures(site: Path) -> None:
    text = paper.joined(site, ["index", "exercises/one"])
    assert "<details open" in text
    assert 'class="still"' in text
    assert "remove()" not in text
    assert "lazy" not in text


@needs_browser
def test_formulas_pictures_and_an_outline_are_printed(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not MATHJAX.is_dir():
        pytest.skip("MathJax comes from npm, and npm is not installed")
    slim.bring_mathjax(MATHJAX, site / "_static" / "mathjax")
    monkeypatch.setattr(paper, "contents", lambda site: ["index", "exercises/one"])
    before = sorted(site.rglob("*"))
    pdf = paper.printed(site, str(CHROMIUM)).read_bytes()
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 2
    assert b"MathJax_Math-Italic" in pdf
    assert b"/DCTDecode" in pdf
    assert b"(A second part)" in pdf
    assert sorted(site.rglob("*")) == before


def test_a_browser_that_prints_nothing_is_named(tmp_path: Path) -> None:
    nothing = shutil.which("true") or pytest.skip("this system has no program that does nothing")
    with pytest.raises(CourseError, match="true printed no PDF"):
        paper.print_page(tmp_path / "page.html", tmp_path / "course.pdf", nothing)


def test_without_a_browser_nothing_is_built(little: Little) -> None:
    little.environment["PATH"] = ""
    answer = little.course("book", "build", "--pdf")
    assert answer.returncode == 2
    assert "neither is on the PATH: install one of them" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (little.root / "build").exists()
