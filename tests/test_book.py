"""The book's pages before Sphinx: records, results, README, buttons and publishing files."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

from course import book
from course.catalogue import chapters
from course.notebooks.digests import outputs_digest
from helpers.places import ROOT
from helpers.records import MIME_TYPE, load_claims
from tests.conftest import Little


def first_record(notebook: Any) -> Any:
    return next(
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if MIME_TYPE in output.get("data", {})
    )


def test_the_stored_records_are_those_of_the_runs() -> None:
    for chapter in chapters().values():
        assert book.record_faults(chapter, nbformat.read(chapter.notebook, as_version=4)) == []


def test_a_record_changed_by_hand_is_named() -> None:
    chapter = chapters()["01"]
    notebook = nbformat.read(chapter.notebook, as_version=4)
    changed = first_record(notebook)["data"]
    name = changed[MIME_TYPE]["name"]
    changed[MIME_TYPE]["value"] += 1
    found = book.record_faults(chapter, notebook)
    assert any(name in fault and "results/chapters" in fault for fault in found)


def test_the_build_stops_at_a_record_changed_by_hand(stored: Little) -> None:
    notebook = nbformat.read(stored.notebook, as_version=4)
    first_record(notebook)["data"][MIME_TYPE]["value"] = 0.999
    nbformat.write(notebook, stored.notebook)
    for folder in ("docs", "node_modules/mathjax/es5"):
        (stored.root / folder).mkdir(parents=True)
    (stored.root / "node_modules/mathjax/es5/tex-chtml.js").touch()
    answer = stored.course("book", "build")
    assert answer.returncode == 2
    assert "little.test_accuracy" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_without_mathjax_the_build_says_what_to_do(stored: Little) -> None:
    answer = stored.course("book", "build")
    assert answer.returncode == 2
    assert "MathJax" in answer.stderr


def test_outputs_are_stored_with_tensorflow_alone(little: Little) -> None:
    little.environment["KERAS_BACKEND"] = "jax"
    answer = little.course("run", "01", "--store")
    assert answer.returncode == 2
    assert "--store keeps what TensorFlow computed, and KERAS_BACKEND is jax" in answer.stderr
    assert not (little.root / "runs").exists()


def test_the_results_page_has_every_claim_and_mistake(tmp_path: Path) -> None:
    page = book.results_page(tmp_path)
    listed = load_claims()
    rows = sum(len(book.claim_rows(number)) for number in chapters())
    assert rows == len(listed["claim"])
    assert page.count("<tr>") >= rows + len(listed["mistake"])
    assert re.search(r'<a href="01_convnet_basics\.html#cell-\d+">99\.\d\d\s%', page)
    pictures = re.findall(r"!\[[^\]]{20,}\]\((curves/[\w-]+\.png)\)", page)
    assert pictures
    assert all((tmp_path / name).stat().st_size > 1000 for name in pictures)


def test_seeds_are_shown_as_a_spread() -> None:
    assert book.shown([], "fraction") == "—"
    assert book.shown([0.5], "fraction") == "50.00\N{NO-BREAK SPACE}%"
    assert (
        book.shown([0.99, 0.98, 1.0], "fraction") == "99.00\N{NO-BREAK SPACE}% ± 1 points (3 seeds)"
    )
    assert book.shown([3073, 3073], "count") == "3,073"


def test_the_readme_has_the_figures_of_the_runs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition(book.BEGIN)[2].partition(book.END)[0].strip()
    assert table == book.readme_table(), "course book readme renews it"
    assert "%" in table
    outside = text.replace(table, "")
    assert not re.search(r"\d[.]\d+ ?%", outside)


def test_the_picture_at_the_front_is_stored_in_a_chapter() -> None:
    chapter = chapters()["06"]
    if book.executed(nbformat.read(chapter.notebook, as_version=4)):
        front = book.front_picture()
        assert front is not None, "chapter 06 has lost the picture that stands at the front"
        assert (ROOT / "results" / "front.png").read_bytes() == front[0], "course book readme"
        assert f"![{front[1]}](results/front.png)" in (ROOT / "README.md").read_text("utf-8")


def test_pages_of_the_book_have_no_figure_typed_by_hand() -> None:
    for path in (ROOT / "docs").glob("*.md"):
        prose = re.sub(r"\{record\}`[\w.]+`", "", path.read_text(encoding="utf-8"))
        assert not re.search(r"\d\s*(?:%|percent|seconds|minutes)\b", prose), path.name


def test_colab_notebooks_fetch_the_course_first(tmp_path: Path) -> None:
    stored = nbformat.read(chapters()["01"].notebook, as_version=4)
    before = copy.deepcopy(stored)
    opened = book.colab_notebook(stored, str(ROOT))
    assert stored == before
    nbformat.validate(opened)
    assert [cell.source for cell in opened.cells[1:]] == [cell.source for cell in stored.cells]
    assert not any(cell.get("outputs") for cell in opened.cells)
    lines = opened.cells[0].source.splitlines()
    [clone] = [line[1:] for line in lines if line.startswith("!")]
    for _ in range(2):
        subprocess.run(["bash", "-c", clone], cwd=tmp_path, check=True, capture_output=True)
    python = "\n".join(line for line in lines if line[0] not in "!%")
    test = f"{python}\nfrom helpers.places import ROOT; print(ROOT)"
    answer = subprocess.run(
        [sys.executable, "-c", test], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert Path(answer.stdout.strip()) == tmp_path / "convnet-course"


@pytest.mark.parametrize("repository", ["", "someone/course"])
def test_buttons_appear_where_the_repository_is_known(
    repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", repository)
    shown = book._launch("01_convnet_basics")
    assert ("mybinder.org/v2/gh/someone/course/HEAD" in shown) == bool(repository)
    assert ("github/someone/course/blob/colab/01_convnet_basics.ipynb" in shown) == bool(repository)
    assert "_sources/01_convnet_basics.ipynb" in shown
    assert "Stored run" in shown


def test_binder_installs_as_make_does() -> None:
    script = ROOT / "binder" / "postBuild"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = script.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for option in ("--require-hashes", "--no-deps", "--no-build-isolation --editable ."):
        assert option in text and option in makefile
    assert (ROOT / "binder" / "runtime.txt").read_text() == "python-3.11\n"


def test_publishing_files_are_sound() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{citation["version"]}"' in project
    assert {"cff-version", "title", "authors", "message"} <= citation.keys()
    assert f"## {citation['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    for target in container["postCreateCommand"].split()[1:]:
        answer = subprocess.run(
            ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True
        )
        assert answer.returncode == 0, answer.stderr
    workflow = yaml.safe_load((ROOT / ".github/workflows/pages.yml").read_text(encoding="utf-8"))
    rights = {name: job.get("permissions") for name, job in workflow["jobs"].items()}
    assert rights == {
        "build": None,
        "publish": {"pages": "write", "id-token": "write"},
        "colab": {"contents": "write"},
    }


def test_a_stored_notebook_is_executed_and_a_fresh_one_is_not() -> None:
    stored = nbformat.read(chapters()["01"].notebook, as_version=4)
    assert book.executed(stored)
    assert outputs_digest(stored) == stored.metadata["course"]["outputs"]
    assert not book.executed(book.colab_notebook(stored, "https://example.org/course"))
