"""What the scheduled canary does, with programs that stand in for pip, the course and pytest."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers.places import ROOT

# `python -m venv` makes an environment of stand-ins. They note how they were called, and a call
# that holds the word of BREAKS fails.
STAND_IN = """#!/bin/sh
call="$(basename "$0") ${KERAS_BACKEND:-} $*"
case "$call" in
python*" -m venv "*) mkdir -p .venv-canary/bin
  for name in python course pytest; do cp "$0" .venv-canary/bin/$name; done;;
"python  -") exec "REAL" -;;
esac
echo "$call" >> calls.txt
if [ -n "$BREAKS" ]; then case "$call" in *"$BREAKS"*) exit 1;; esac; fi
exit 0
"""


class Canary:
    def __init__(self, root: Path, breaks: str = "") -> None:
        (root / ".ci").mkdir()
        shutil.copy(ROOT / ".ci" / "canary", root / ".ci")
        shutil.copy(ROOT / "pyproject.toml", root)
        python = root / "python3"
        python.write_text(STAND_IN.replace("REAL", sys.executable), encoding="utf-8")
        python.chmod(0o755)
        environment = {**os.environ, "PYTHON": str(python), "BREAKS": breaks}
        environment.pop("KERAS_BACKEND", None)
        answer = subprocess.run(
            [root / ".ci" / "canary"], env=environment, capture_output=True, text=True
        )
        self.status, self.root = answer.returncode, root
        self.calls = (root / "calls.txt").read_text(encoding="utf-8").splitlines()
        self.said = (root / "canary.txt").read_text(encoding="utf-8").splitlines()


def test_the_whole_course_runs_on_both_backends(tmp_path: Path) -> None:
    canary = Canary(tmp_path)
    assert canary.status == 0
    runs = [call.split() for call in canary.calls if call.startswith("course ")]
    assert [words[1] for words in runs] == ["tensorflow", "jax"]
    for words in runs:
        assert words[2:6] == ["run", "--fresh", "--profile", "sample"]  # no chapter named, so all
    tested = [call for call in canary.calls if call.startswith("pytest ")]
    assert "pytest  tests " in tested[0]
    assert "pytest  notebooks --nbval " in tested[1]
    newest = (tmp_path / ".venv-canary" / "newest.txt").read_text(encoding="utf-8").split()
    assert {"tensorflow", "jax", "keras", "pytest", "distributed"} <= set(newest)
    assert not any(sign in name for name in newest for sign in "<>=[")


@pytest.mark.parametrize(
    ("breaks", "named"),
    [
        ("course jax run", "the course on JAX"),
        ("course tensorflow run", "the course on TensorFlow"),
        ("pytest  tests", "the tests"),
        ("pytest  notebooks", "the notebooks' outputs"),
    ],
)
def test_what_broke_is_named_last_and_the_rest_still_runs(
    tmp_path: Path, breaks: str, named: str
) -> None:
    canary = Canary(tmp_path, breaks)
    assert canary.status == 1
    assert canary.said[-1] == f"broken: {named}"
    assert sum(call.startswith(("course ", "pytest ")) for call in canary.calls) == 4


def test_a_failed_installation_ends_the_canary(tmp_path: Path) -> None:
    canary = Canary(tmp_path, "install --quiet")
    assert canary.status == 1
    assert not any(call.startswith(("course ", "pytest ")) for call in canary.calls)


def test_the_schedule_calls_the_canary_and_keeps_what_it_wrote() -> None:
    text = (ROOT / ".github" / "workflows" / "canary.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow[True]["schedule"], "on: is read as true"
    steps = workflow["jobs"]["newest"]["steps"]
    assert any(step.get("run") == "make canary" for step in steps)
    [kept] = [step["with"]["path"].split() for step in steps if "upload-artifact" in str(step)]
    script = (ROOT / ".ci" / "canary").read_text(encoding="utf-8")
    written = {word for word in script.split() if word.startswith("runs/canary")}
    assert written <= set(kept)
    assert "canary.txt" in kept
