"""The book's pages before Sphinx: records, results, README, buttons and publishing files."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

from course import book
from course.catalogue import chapters
from course.errors import CourseError
from course.pairs import digests, records_of
from helpers.places import ROOT
from helpers.records import MIME_TYPE, load_claims
from tests.conftest import CHAPTER, Little


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


def test_runs_are_kept_with_their_provenance(stored: Little) -> None:
    assert stored.course("run", "01", "--out", "runs/one", "-p", "seed=3").returncode == 0
    shutil.rmtree(stored.root / "results", ignore_errors=True)
    answer = stored.course("book", "keep", "runs/one")
    assert answer.returncode == 0, answer.stderr
    [path] = (stored.root / "results" / "chapters").glob("*.json")
    assert path.name == "01-quick-seed=3.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept.keys() == set(book.KEPT)
    assert {record["name"] for record in kept["records"]} == {"little.test_accuracy"}


def test_a_changed_run_is_no_plain_recipe(little: Little) -> None:
    # What is asked is the notebook's default, so that run.json does not name it.
    words = ["--profile", "sample", "-p", "steps=3"]
    assert little.course("run", "01", *words, "--out", "runs/one").returncode == 0
    [path] = (little.root / "runs/one").glob("*/*/run.json")
    facts = json.loads(path.read_text(encoding="utf-8"))
    assert "steps" not in facts["parameters"]
    assert little.course("book", "keep", "runs/one").returncode == 0
    assert little.course("run", "01", "--profile", "sample", "--out", "runs/two").returncode == 0
    assert little.course("book", "keep", "runs/two").returncode == 0
    kept = sorted(path.name for path in (little.root / "results/chapters").glob("*.json"))
    assert kept == ["01-sample-steps=3.json", "01-sample.json"]


def test_the_file_of_a_kept_run_names_another_backend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = json.loads((ROOT / "results/chapters/01-quick.json").read_text(encoding="utf-8"))
    value = book.measured()["mnist.convnet.test_accuracy"]["quick"]
    shutil.copytree(ROOT / "results", tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(book, "RESULTS", tmp_path)
    assert book.keep({**kept, "backend": "jax"}).name == "01-quick-jax.json"
    seeded = {**kept, "backend": "jax", "parameters": {"seed": 3}}
    assert book.keep(seeded).name == "01-quick-jax-seed=3.json"
    assert book.measured()["mnist.convnet.test_accuracy"]["quick"] == value


def test_outputs_are_stored_with_tensorflow_alone(little: Little) -> None:
    little.environment["KERAS_BACKEND"] = "jax"
    answer = little.course("run", "01", "--store")
    assert answer.returncode == 2
    assert "--store keeps what TensorFlow computed, and KERAS_BACKEND is jax" in answer.stderr
    assert not (little.root / "runs").exists()


def test_a_longer_run_is_one_that_succeeded(little: Little) -> None:
    name = ["--name", "longer", "--record", "little.test_accuracy"]
    assert little.course("run", "--profile", "sample", "--seeds", "2").returncode == 0
    answer = little.course("book", "keep", "runs", *name)
    assert answer.returncode == 2
    assert "--name keeps one run, and runs has 2" in answer.stderr
    assert little.course("book", "keep", "runs/01_little-sample", *name).returncode == 0
    little.write(CHAPTER.replace('print("the end")', 'raise ValueError("no luck")'))
    assert little.course("run", "--out", "failed").returncode == 1
    answer = little.course("book", "keep", "failed", *name)
    assert answer.returncode == 2
    assert "The run in failed is failed, so there is nothing to keep" in answer.stderr


def test_storing_outputs_keeps_the_run(little: Little) -> None:
    assert little.course("run", "01", "--store").returncode == 0
    kept = json.loads((little.root / "results/chapters/01-quick.json").read_text("utf-8"))
    assert kept["records"] == records_of(nbformat.read(little.notebook, as_version=4))


def test_recorded_runs_name_claims_and_machines() -> None:
    runs = book.recorded_runs()
    assert "01" in {run["chapter"] for run in runs}
    for run in runs:
        assert run["chapter"] in chapters(), run["file"]
        assert run["records"] and run["duration_seconds"] > 0 and run["peak_memory_bytes"] > 0
        assert run["device"]["processor"] and re.fullmatch(r"[0-9a-f]{40}\+?", run["commit"])


@pytest.mark.parametrize(
    ("text", "says"),
    [("{}", "no recorded run"), ("no JSON", "no recorded run"), ('"chapter": "77"', "chapter 77")],
)
def test_a_bad_recorded_run_is_named(
    text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = (ROOT / "results" / "chapters" / "01-quick.json").read_text(encoding="utf-8")
    bad = good.replace('"chapter": "01"', text) if "77" in text else text
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / "bad.json").write_text(bad, encoding="utf-8")
    monkeypatch.setattr(book, "RESULTS", tmp_path)
    with pytest.raises(CourseError, match=f"bad.json.*{says}"):
        book.recorded_runs()


def test_recorded_runs_fit_their_budgets() -> None:
    for run in book.recorded_runs():
        budget = chapters()[run["chapter"]].budgets[run["profile"]]
        assert run["peak_memory_bytes"] / 1e6 <= budget.megabytes, run["file"]


def test_longer_runs_say_how_they_were_made() -> None:
    for run in book.longer_runs():
        assert run["command"], run["file"]
        for record in run["records"]:
            assert record["name"] and isinstance(record["value"], int | float), run["file"]


def test_a_longer_run_is_kept_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "RESULTS", tmp_path)
    run = {
        "chapter": "02",
        "profile": "quick",
        "parameters": {"augmented_epochs": 8},
        "started": "2026-01-02T03:04:05+00:00",
        "commit": "abc",
        "backend": "jax",
        "device": {"processor": "a processor", "cores": 2, "gpus": ["a card"]},
        "duration_seconds": 61.4,
        "records": [
            {"name": "cifar10.augmented.test_accuracy", "value": 0.8, "unit": "fraction"},
            {"name": "cifar10.dense.test_accuracy", "value": 0.4, "unit": "fraction"},
        ],
    }
    path = book.keep_longer(run, "longer", ["cifar10.augmented.test_accuracy"])
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept["command"] == "KERAS_BACKEND=jax course run 02 -p augmented_epochs=8"
    assert kept["machine"] == "a processor, 2 cores, a card"
    assert [record["value"] for record in kept["records"]] == [0.8]
    with pytest.raises(CourseError, match=r"has no record a\.b: it has cifar10\.augmented"):
        book.keep_longer(run, "longer", ["a.b"])
    with pytest.raises(CourseError, match="no name of a file"):
        book.keep_longer(run, "../longer", ["cifar10.augmented.test_accuracy"])


def test_the_stored_quick_run_is_the_recorded_one() -> None:
    for chapter in chapters().values():
        notebook = nbformat.read(chapter.notebook, as_version=4)
        stored = {record["name"]: record["value"] for record in records_of(notebook)}
        for run in book.recorded_runs():
            plain = run["profile"] == "quick" and not book._asked(run)
            if run["chapter"] == chapter.number and plain and book.executed(notebook):
                kept = {record["name"]: record["value"] for record in run["records"]}
                assert kept == stored, f"course run {chapter.number} --store keeps both"


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
    assert digests(stored)["outputs"] == stored.metadata["course"]["outputs"]
    assert not book.executed(book.colab_notebook(stored, "https://example.org/course"))
