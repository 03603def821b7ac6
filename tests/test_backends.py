"""JAX stands alone: chapter 01 and the explanations of 06, with TensorFlow hidden from Python.

All of 06 takes four minutes of processor time there, most of them to compile, so its helpers are
held to their own tests instead. The weekly canary runs every chapter on JAX.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from course.running.store import read_attempts
from helpers.claims import NOT_REPRODUCED, Evidence, claims, judge
from helpers.places import ROOT
from tests.support import SMALLEST

HIDE = """\
import importlib.metadata
import sys

find_distribution = importlib.metadata.distribution


class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}, because a test hides it")


def distribution(name):
    if name == "tensorflow":
        raise importlib.metadata.PackageNotFoundError(name)
    return find_distribution(name)


sys.meta_path.insert(0, Hidden())
importlib.metadata.distribution = distribution
"""


needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="no JAX here")


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that computes with JAX and cannot import TensorFlow."""
    (tmp_path / "sitecustomize.py").write_text(HIDE, encoding="utf-8")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        # Nearly all of the time goes to XLA's compiler, which need not do its best here.
        "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT / "src")]),
    }
    hidden = subprocess.run(
        [sys.executable, "-c", "import tensorflow"], env=environment, capture_output=True, text=True
    )
    assert "because a test hides it" in hidden.stderr
    return environment


@needs_jax
@pytest.mark.timeout(1500)
def test_a_chapter_runs_on_jax_without_tensorflow(alone: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "runs"
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "course", "run", "01", "--profile", "sample"),
            *(word for name in SMALLEST for word in ("-p", f"{name}={SMALLEST[name]}")),
            *("--timeout", "600", "--jobs", "1", "--out", str(out)),
        ],
        env=alone,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    [run] = [attempt.run for attempt in read_attempts(out)]
    assert (run.chapter, run.backend) == ("01", "jax")
    values = {record["name"]: record["value"] for record in run.records}
    seen = Evidence("JAX", {**run.parameters, "profile": "sample"}, values)
    for claim in claims():
        if claim.chapter == run.chapter and claim.kind == "computed":
            known = judge(claim, [seen])
            if claim.comparison == "equal":
                assert known.verdict != NOT_REPRODUCED, claim.statement


@needs_jax
def test_the_explanations_of_chapter_06_hold_on_jax_without_tensorflow(
    alone: dict[str, str],
) -> None:
    """Heat maps, patterns, dreams, read-back images and depth profiles, as on TensorFlow."""
    pytest_alone = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
    answer = subprocess.run(
        [*pytest_alone, "-q", "-rs", "tests/test_explain.py"],
        env={name: value for name, value in alone.items() if not name.startswith("PYTEST_")},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stdout[-5000:]
    assert re.search(r"\b[3-9]\d passed", answer.stdout), answer.stdout[-500:]
    assert "skipped" not in answer.stdout
