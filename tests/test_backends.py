"""JAX stands alone: chapters run with TensorFlow hidden from the import system.

The other chapters take minutes on JAX, so they run there by hand: `KERAS_BACKEND=jax course run`.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from course.running.store import read_attempts
from helpers.claims import NOT_REPRODUCED, Evidence, claims, judge
from helpers.places import ROOT

HIDE = """\
import sys


class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}, because a test hides it")


sys.meta_path.insert(0, Hidden())
"""


@pytest.mark.timeout(1500)
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_a_chapter_runs_on_jax_without_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDE, encoding="utf-8")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT / "src")]),
    }
    hidden = subprocess.run(
        [sys.executable, "-c", "import tensorflow"], env=environment, capture_output=True, text=True
    )
    assert "because a test hides it" in hidden.stderr
    out = tmp_path / "runs"
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "course", "run", "01", "--profile", "sample"),
            *("--timeout", "600", "--jobs", "1", "--out", str(out)),
        ],
        env=environment,
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
