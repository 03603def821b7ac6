import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from course import catalogue, cli, results
from course.running import plan
from helpers import claims, datasets, places
from helpers.places import ROOT

HEADER = """\
# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,nbval,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

"""

CHAPTER = """\
# %% [markdown]
# # A chapter
#
# It counts and it measures.

# %%
from helpers.records import record

# %% tags=["parameters"]
profile: str = "quick"  # sample | quick | full: where the data come from
seed: int = 0  # 0 to 100: seed
steps: int = 3  # 1 to 10: how often
rate: float = 0.5  # 0.0 to 1.0: how fast

# %%
print("two and two are", 2 + 2)
print("a third is", 1 / 3)

# %% tags=["measured"]
record("little.test_accuracy", 0.9 + seed / 1000, "fraction")

# %%
print("the end")
"""

TABLE = """\
[chapters.01]
notebook = "01_little"
title = "A little chapter"
data = []
sample = {steps = 1}
full = {steps = 10}
budget.sample = {seconds = 30, megabytes = 800}
budget.quick = {seconds = 30, megabytes = 800}
budget.full = {seconds = 30, megabytes = 800}
"""

SOURCE = """\
[a-source]
author = "Somebody"
title = "A source"
kind = "lecture slides"
short = "A source"
"""

# It answers as helpers.backend does, without importing TensorFlow.
BACKEND = """\
from types import SimpleNamespace

keras = SimpleNamespace(backend=SimpleNamespace(backend=lambda: "tensorflow"))


def accelerators():
    return DEVICES


def toolkit():
    return ""
"""


# Two workers share the files, and these take longest: begun last, one would keep a worker waiting.
LONGEST = ("test_exercises.py", "test_backends.py", "test_browser.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


class Little:
    """A checkout with one small chapter, for tests that run the real command line on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = root / "notebooks" / "01_little.py"
        self.notebook = root / "notebooks" / "01_little.ipynb"
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(root / "src"),
            "COURSE_CACHE": str(root / "cache"),
        }
        self.environment.pop("COURSE_MIRROR", None)

    def write(self, body: str) -> None:
        self.source.write_text(HEADER + body, encoding="utf-8")

    def add(self, number: str, body: str, extra: str = "") -> None:
        """A further chapter, with keys of its own in the catalogue."""
        table = TABLE.replace("chapters.01", f"chapters.{number}")
        catalogue = self.root / "notebooks" / "course.toml"
        text = catalogue.read_text(encoding="utf-8")
        listed = table.replace("01_little", f"{number}_little")
        catalogue.write_text(f"{text}\n{listed}{extra}\n", encoding="utf-8")
        source = self.root / "notebooks" / f"{number}_little.py"
        source.write_text(HEADER + body, encoding="utf-8")

    def backend_sees(self, *devices: str) -> None:
        """Let this checkout's backend, which is none, say that it can compute on some devices."""
        backend = self.root / "src" / "helpers" / "backend.py"
        backend.write_text(BACKEND.replace("DEVICES", repr(list(devices))), encoding="utf-8")

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "course", *words]

    def course(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def pytest(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "--nbval", "-p", "no:cacheprovider", *words],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture
def little(tmp_path: Path) -> Little:
    root = tmp_path / "checkout"
    shutil.copytree(
        ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    (root / "notebooks").mkdir()
    (root / "data").mkdir()
    shutil.copy(ROOT / "data" / "datasets.toml", root / "data")
    (root / "data" / "claims.toml").write_text("claim = []\nmistake = []\n", encoding="utf-8")
    (root / "data" / "sources.toml").write_text(SOURCE, encoding="utf-8")
    (root / "data" / "glossary.toml").write_text("term = []\n", encoding="utf-8")
    (root / "notebooks" / "course.toml").write_text(TABLE, encoding="utf-8")
    made = Little(root)
    made.write(CHAPTER)
    return made


@pytest.fixture(scope="session")
def _stored_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Little], None]:
    """Execute the little chapter once a session; later tests get copies of its notebook
    and of the kept run."""
    folder = tmp_path_factory.mktemp("stored")
    kept = folder / "01_little.ipynb"

    def bring(made: Little) -> None:
        if not kept.exists():
            answer = made.course("run", "01", "--store")
            assert answer.returncode == 0, answer.stderr
            shutil.copytree(made.root / "results", folder / "results")
            shutil.rmtree(made.root / "runs")
            shutil.copy(made.notebook, kept)
        shutil.copy(kept, made.notebook)
        shutil.copytree(folder / "results", made.root / "results", dirs_exist_ok=True)

    return bring


@pytest.fixture
def stored(little: Little, _stored_once: Callable[[Little], None]) -> Little:
    _stored_once(little)
    return little


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def here(
    little: Little, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Answer]]:
    """Run the command line on the little checkout in this process, without any other."""
    caches = (
        *(catalogue.defaults, plan.chapter_digests, datasets.catalogue),
        *(claims.claims, claims.mistakes, claims.sources),
    )
    for cache in caches:
        getattr(cache, "cache_clear", lambda: None)()
    monkeypatch.setattr(places, "ROOT", little.root)
    monkeypatch.setattr(catalogue, "NOTEBOOKS", little.root / "notebooks")
    monkeypatch.setattr(results, "RESULTS", little.root / "results")
    monkeypatch.setenv("COURSE_CACHE", str(little.root / "cache"))
    monkeypatch.delenv("COURSE_MIRROR", raising=False)
    monkeypatch.chdir(little.root)

    def run(*words: str) -> Answer:
        capsys.readouterr()
        try:
            status = cli.main(list(words))
        except SystemExit as left:  # argparse refuses the words
            status = int(left.code or 0)
        said = capsys.readouterr()
        return Answer(status, said.out, said.err)

    yield run
    for cache in caches:
        getattr(cache, "cache_clear", lambda: None)()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window, one per module."""
    from tests import browsing

    driver = browsing.started()
    yield driver
    driver.quit()
