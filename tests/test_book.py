"""The book's pages before Sphinx: records, results, README, buttons and publishing files."""

import copy
import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pydata_sphinx_theme
import pytest
import yaml
from PIL import Image

from course.book import build, context, curves, ledger, pages, readme, slim
from course.catalogue import chapters
from course.errors import CourseError
from course.notebooks.digests import outputs_digest
from course.results import Curve
from helpers.claims import claims, mistakes, sources
from helpers.places import ROOT
from helpers.records import MIME_TYPE, written
from tests.conftest import Little


@pytest.fixture(scope="module")
def read() -> context.Context:
    return context.read()


def first_record(notebook: Any) -> Any:
    return next(
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if MIME_TYPE in output.get("data", {})
    )


def test_the_stored_records_are_those_of_the_runs(read: context.Context) -> None:
    assert context.record_faults(read) == []


def test_a_record_changed_by_hand_is_named(read: context.Context) -> None:
    chapter = read.chapters[0]
    notebook = copy.deepcopy(chapter.notebook)
    body = first_record(notebook)["data"][MIME_TYPE]
    body["value"] += 1
    changed = context.Context((context.StoredChapter(chapter.chapter, notebook),), read.runs)
    found = context.record_faults(changed)
    assert any(body["name"] in fault and "results/chapters" in fault for fault in found)


def test_the_build_stops_at_a_record_changed_by_hand(stored: Little) -> None:
    notebook = nbformat.read(stored.notebook, as_version=4)
    first_record(notebook)["data"][MIME_TYPE]["value"] = 0.999
    nbformat.write(notebook, stored.notebook)
    for folder in ("docs", "node_modules/mathjax/es5"):
        (stored.root / folder).mkdir(parents=True)
    (stored.root / "node_modules/mathjax/es5/startup.js").touch()
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
    assert "--store keeps what TensorFlow computed, but KERAS_BACKEND is jax" in answer.stderr
    assert not (little.root / "runs").exists()


def test_a_build_leaves_a_folder_alone_that_it_did_not_make(tmp_path: Path) -> None:
    thesis = tmp_path / "source" / "thesis.tex"
    thesis.parent.mkdir()
    thesis.write_text("years of work", encoding="utf-8")
    with pytest.raises(CourseError, match=r"isn't empty and wasn't made by .*--out"):
        build.claim_folder(tmp_path)
    assert thesis.read_text(encoding="utf-8") == "years of work"


def test_a_build_replaces_its_own_parts_alone(tmp_path: Path) -> None:
    out = tmp_path / "book"
    build.claim_folder(out)
    (out / "html").mkdir()
    (out / "notes.txt").touch()
    build.claim_folder(out)
    assert not (out / "html").exists()
    assert (out / "notes.txt").exists()


def test_the_results_page_has_every_claim_and_mistake(read: context.Context) -> None:
    page = pages.results_page(read)
    assert page.count("<tr><td>") == len(claims()) + len(mistakes())
    assert re.search(r'<a href="01_convnet_basics\.html#cell-\d+">9[89]\.\d\d\s%', page)
    for source in sources().values():
        assert page.count(f'id="source-{source.key}"') == 1


def test_the_results_page_tells_what_failed_before_its_tables(read: context.Context) -> None:
    words = pages.results_page(read).partition("## Claims of the sources")[0]
    failed = [each for each in ledger.judged(read) if each.verdict == "not reproduced"]
    assert failed
    for each in failed:
        assert str(pages.plain(each.claim.statement)) in words


def test_nothing_is_reproduced_by_a_run_of_another_recipe(read: context.Context) -> None:
    by_name = {f"the kept run {run.name}": run.parameters for run in read.runs}
    for each in ledger.judged(read):
        if each.claim.kind == "trained" and each.verdict != "not run here":
            assert each.claim.run
            for label in each.judgment.labels:
                number = each.claim.chapter
                asked = by_name.get(label) or read.evidence(number)[0].parameters
                assert each.claim.run.items() <= asked.items(), each.claim.statement


def test_differences_of_recipe_are_tied_to_the_parameters_that_they_name() -> None:
    for claim in claims():
        if claim.kind == "trained" and re.search(r"\d+ epochs?|pixels", claim.differs):
            assert claim.like, claim.statement


def test_a_record_is_found_in_its_cell_or_in_a_kept_run(read: context.Context) -> None:
    place = read.place("cifar10.flatten.parameters")
    assert place and place.startswith("02_cifar10.html#cell-")
    assert read.place("kept.imdb_published.imdb.published.dense.best_epoch") == (
        "kept.html#imdb-published"
    )
    assert read.place("every.cifar10.flatten.parameters") == "kept.html#02-quick"
    assert read.place("never.made") is None
    assert read.place("every.never.made") is None


def test_the_page_of_kept_runs_repeats_each(read: context.Context) -> None:
    page = pages.kept_page(read)
    for run in read.runs:
        assert f"<code>{run.command}</code>" in page
        anchor = context.anchor(run)
        assert f'id="{anchor}"' in page or f"({anchor})=" in page
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_runs_that_differ_only_in_the_seed_share_a_drawing_and_a_table(
    read: context.Context,
) -> None:
    runs = [run for run in read.runs if run.file.startswith("chapters/01-quick")]
    page = pages.kept_page(context.Context(read.chapters, tuple(runs)))
    assert len(runs) > 1 and page.count('<svg role="img"') == 1 and page.count("\n## ") == 1
    for record in runs[0].records:
        values = [run.values[record.name] for run in sorted(runs, key=lambda run: run.seed)]
        cells = "".join(f"<td>{written(value, record.unit)}</td>" for value in values)
        assert f"<tr><td><code>{record.name}</code></td>{cells}</tr>" in page
    other = dataclasses.replace(runs[0], file="chapters/other.json", backend="jax")
    page = pages.kept_page(context.Context(read.chapters, (*runs, other)))
    assert page.count('<svg role="img"') == 2 and page.count("\n## ") == 2


def test_a_drawing_has_a_line_for_every_training_of_every_seed(read: context.Context) -> None:
    first, second = [run for run in read.runs if run.chapter == "01" and run.profile == "quick"][:2]
    curve = Curve(3, "net", {"val_accuracy": [0.5, 0.6, 0.7], "val_loss": [3.0, None, 1.0]}, 9, [])
    short = Curve(4, "single", {"val_accuracy": [0.5], "val_loss": [1.0]}, 9, [])
    runs = [
        dataclasses.replace(first, curves=(curve, curve, short)),
        dataclasses.replace(second, curves=(curve,)),
    ]
    drawn = curves.drawing(runs, "here")
    accuracy, loss = re.findall(r' d="([^"]*)"[^>]*stroke:#1f77b4;', drawn)[:2]
    assert (accuracy.count("M"), accuracy.count("L")) == (3, 6)  # three lines of three epochs
    assert (loss.count("M"), loss.count("L")) == (6, 0)  # an epoch without a value is a gap
    assert ">net, cell 3</text>" in drawn and ">single" not in drawn
    many = [dataclasses.replace(curve, cell=cell) for cell in range(curves.COLORS + 1)]
    assert ">net</text>" in curves.drawing([dataclasses.replace(first, curves=tuple(many))], "here")
    assert set(re.findall(r'id="(\w+?)-', drawn)) == {"here"}
    assert curves.drawing([dataclasses.replace(first, curves=(short,))], "here") == ""


def test_texts_are_escaped_in_pages() -> None:
    assert str(pages.plain("a < b | `c` $d$")) == r"a &lt; b \| \`c\` \$d\$"
    nothing = {"folder": "", "repository": "", "executed": True, "runs": []}
    text = pages.render("launch.html.jinja", name="<b>", **nothing)
    assert "<b>" not in text


def test_the_readme_has_the_claims_and_chapters_of_today(read: context.Context) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = {
        (readme.BEGIN, readme.END): readme.claims_table(read),
        (readme.ROWS, readme.END_ROWS): readme.chapters_table(read),
    }
    for (begin, end), wanted in parts.items():
        assert text.partition(begin)[2].partition(end)[0].strip() == wanted, "course book readme"
    for verdict in ("not reproduced", "not run here"):
        assert f"| {verdict} |" in text


def test_a_readme_without_its_marks_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "README.md").write_text("# Mine\n", encoding="utf-8")
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    with pytest.raises(CourseError, match="has lost a mark"):
        readme.write()
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "# Mine\n"


def test_the_picture_at_the_front_is_stored_in_a_chapter(read: context.Context) -> None:
    front = pages.front_picture(read)
    assert front is not None, "chapter 06 has lost the picture that stands at the front"
    assert (ROOT / "results" / "front.jpg").read_bytes() == front[0], "course book readme"
    assert f"![{front[1]}](results/front.jpg)" in (ROOT / "README.md").read_text("utf-8")


def test_colab_notebooks_fetch_the_course_first(tmp_path: Path) -> None:
    stored = nbformat.read(chapters()["01"].notebook, as_version=4)
    before = copy.deepcopy(stored)
    opened = build.colab_notebook(stored, str(ROOT))
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


def test_only_icons_that_are_used_stay_in_the_script_of_the_theme() -> None:
    theme = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme"
    script = (theme / "static" / "scripts" / "fontawesome.js").read_text(encoding="utf-8")
    kept = slim.kept_icons(script, {"github", "adjust", "sun"})
    assert len(kept) < len(script) / 10
    assert all(name in kept for name in ("github:[", '"circle-half-stroke":[', "sun:["))
    assert '"think-peaks":[' in script
    assert '"think-peaks":[' not in kept


def test_photographs_are_stored_as_wide_as_a_page_and_animations_stay(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 1720, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "wide.png")
    frames = [Image.fromarray(noise[:, place : place + 40]) for place in (0, 40)]
    frames[0].save(tmp_path / "film.png", save_all=True, append_images=frames[1:])
    (tmp_path / "drawing.svg").write_text("<svg/>", encoding="utf-8")
    assert slim.shrink_pictures(tmp_path) == "wide"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "drawing.svg",
        "film.png",
        "wide.webp",
    ]
    with Image.open(tmp_path / "wide.webp") as picture:
        assert picture.size == (860, 20)
    (tmp_path / "wide.webp").unlink()
    assert not re.search(slim.shrink_pictures(tmp_path), "film")


def test_helper_pages_are_those_of_modules_that_a_reader_meets() -> None:
    made = pages.helper_pages()
    assert {"index.md", "records.md", "training.md", "live.md", "exercises.md"} <= made.keys()
    assert "answers_01.md" not in made
    for name in made.keys() - {"index.md"}:
        assert f"\n{name.removesuffix('.md')}\n" in made["index.md"]


@pytest.mark.parametrize("repository", ["", "someone/course"])
def test_buttons_appear_where_the_repository_is_known(
    repository: str, read: context.Context
) -> None:
    shown = pages.launch(read, "01", repository)
    assert ("mybinder.org/v2/gh/someone/course/HEAD" in shown) == bool(repository)
    assert ("github/someone/course/blob/colab/01_convnet_basics.ipynb" in shown) == bool(repository)
    assert "notebooks/01_convnet_basics.ipynb" in shown
    assert "Stored run" in shown


def test_binder_installs_the_lock() -> None:
    script = ROOT / "binder" / "postBuild"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert "--require-hashes --requirement requirements.lock" in script.read_text(encoding="utf-8")
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


def test_a_stored_notebook_is_executed_and_a_fresh_one_is_not(read: context.Context) -> None:
    stored = read.chapters[0]
    assert stored.executed
    assert outputs_digest(stored.notebook) == stored.notebook.metadata["course"]["outputs"]
    fresh = build.colab_notebook(stored.notebook, "https://example.org/course")
    assert not context.StoredChapter(stored.chapter, fresh).executed
