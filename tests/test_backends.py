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


def records_on(backend: str, out: Path) -> dict[str, float]:
    """What the chapters record on sample data, by name."""
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "course", "run", "--profile", "sample"),
            *("--timeout", "900", "--jobs", "1", "--out", str(out)),
        ],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    return {record["name"]: record["value"] for run in read_runs(out) for record in run["records"]}


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("name", INSTALLED)
def test_claims_have_the_same_verdicts_on_every_backend(name: str, tmp_path: Path) -> None:
    usual, other = (records_on(backend, tmp_path / backend) for backend in ("tensorflow", name))
    assert other.keys() == usual.keys()
    for claim in load_claims()["claim"]:
        record = claim["record"]
        said = [verdict(claim, found.get(record), "sample") for found in (usual, other)]
        assert said[0] == said[1], (claim, said)
        if claim["comparison"] == "equal" and record in other:
            assert other[record] == pytest.approx(usual[record], abs=claim["tolerance"]), claim
