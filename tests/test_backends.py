"""The whole course on every further backend that is installed, beside TensorFlow."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from course.report import read_runs
from helpers.places import ROOT
from helpers.records import load_claims, verdict

INSTALLED = [name for name in ("jax", "torch") if importlib.util.find_spec(name)]
# The chapters whose sample run is short on a backend that compiles every shape anew; a run of the
# whole course is one command: KERAS_BACKEND=jax course run --profile sample.
CHAPTERS = ("01", "07")


@pytest.mark.parametrize("name", INSTALLED)
def test_claims_have_the_same_verdicts_on_every_backend(name: str, tmp_path: Path) -> None:
    values: dict[str, dict[str, float]] = {}
    for backend in ("tensorflow", name):
        answer = subprocess.run(
            [
                *(sys.executable, "-m", "course", "run", *CHAPTERS, "--profile", "sample"),
                *("--timeout", "500", "--jobs", "1", "--out", str(tmp_path / backend)),
            ],
            env={**os.environ, "KERAS_BACKEND": backend},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert answer.returncode == 0, answer.stderr
        values[backend] = {
            record["name"]: record["value"]
            for run in read_runs(tmp_path / backend)
            for record in run["records"]
        }
    assert values[name].keys() == values["tensorflow"].keys()
    for claim in load_claims()["claim"]:
        if claim["chapter"] in CHAPTERS:
            said = {
                backend: verdict(claim, found.get(claim["record"]), "sample")
                for backend, found in values.items()
            }
            assert said[name] == said["tensorflow"], (claim, said)
            if claim["comparison"] == "equal" and claim["record"] in values[name]:
                here, there = (found[claim["record"]] for found in values.values())
                assert here == pytest.approx(there, abs=claim["tolerance"]), claim
