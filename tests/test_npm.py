"""The tool that installs what comes from npm, with an npm that only pretends."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.places import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the pretended npm is a shell script")

# It holds its first call until a second process waits, and says what it was asked.
PRETENDED = """#!/bin/sh
echo "$@" >> "{calls}"
if [ -e "{fails}" ]; then
  case "$*" in *--silent*) ;; *) echo "npm error code EINTEGRITY" ;; esac
  exit 1
fi
rm -rf node_modules && mkdir node_modules
while [ -e "{held}" ]; do sleep 0.05; done
"""


@pytest.fixture
def course(tmp_path: Path) -> Path:
    root = tmp_path / "a course with ümlauts"
    (root / "tools").mkdir(parents=True)
    for name in ("npm.py", "environment.py"):
        shutil.copy(ROOT / "tools" / name, root / "tools")
    (root / "package-lock.json").write_text("{}", encoding="utf-8")
    (root / "bin").mkdir()
    npm = root / "bin" / "npm"
    places = {name: root / name for name in ("calls", "fails", "held")}
    npm.write_text(PRETENDED.format(**places), encoding="utf-8")
    npm.chmod(0o755)
    return root


def start(root: Path, path: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "tools/npm.py"],
        cwd=root,
        env={**os.environ, "PATH": path or f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def calls(root: Path) -> int:
    return len((root / "calls").read_text(encoding="utf-8").splitlines())


def test_two_at_once_install_once(course: Path) -> None:
    (course / "held").touch()
    first = start(course)
    while not (course / "calls").exists():
        assert first.poll() is None
    second = start(course)
    assert second.stdout is not None
    assert "Another process is making node_modules" in second.stdout.readline()
    (course / "held").unlink()
    assert (first.wait(), second.wait(), calls(course)) == (0, 0, 1)
    assert start(course).wait() == 0
    assert calls(course) == 1
    (course / "package-lock.json").write_text('{"name": "another"}', encoding="utf-8")
    assert start(course).wait() == 0
    assert calls(course) == 2


def test_a_failure_is_told_and_repeated(course: Path) -> None:
    (course / "fails").touch()
    said, _ = (process := start(course)).communicate()
    assert process.returncode == 1
    assert "package-lock.json cannot be installed" in said
    assert "EINTEGRITY" in said
    assert "Traceback" not in said
    (course / "fails").unlink()
    assert start(course).wait() == 0
    assert calls(course) == 2


def test_without_npm_a_sentence_says_what_is_left_out(course: Path) -> None:
    said, _ = (process := start(course, path=str(course))).communicate()
    assert process.returncode == 0
    assert said.startswith("npm is missing: the book cannot be built")
