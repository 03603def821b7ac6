"""The whole course on every further backend that is installed, beside TensorFlow's kept runs."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from course.results import kept_runs
from course.running.store import read_attempts
from helpers.places import ROOT
from helpers.records import load_claims, verdict

INSTALLED = [name for name in ("jax", "torch") if importlib.util.find_spec(name)]


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("name", INSTALLED)
def test_claims_have_the_same_verdicts_on_every_backend(name: str, tmp_path: Path) -> None:
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "course", "run", "--profile", "sample"),
            *("--timeout", "900", "--jobs", "1", "--out", str(tmp_path)),
        ],
        env={**os.environ, "KERAS_BACKEND": name},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    usual, other = (
        {record["name"]: record["value"] for record in records}
        for records in (
            [
                asdict(record)
                for run in kept_runs()
                if run.name.endswith("-sample")
                for record in run.records
            ],
            [record for attempt in read_attempts(tmp_path) for record in attempt.run.records],
        )
    )
    kept = "course run --profile sample --out FOLDER, then course book keep FOLDER"
    assert other.keys() == usual.keys(), f"the kept sample runs are of other chapters: {kept}"
    for claim in load_claims()["claim"]:
        record = claim["record"]
        said = [verdict(claim, found.get(record), "sample") for found in (usual, other)]
        assert said[0] == said[1], (claim, said)
        if claim["comparison"] == "equal" and record in other:
            assert other[record] == pytest.approx(usual[record], abs=claim["tolerance"]), claim
