"""The job of a GPU machine, as far as a machine without a graphics card can tell."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from course import gpu, machine
from course.catalogue import find
from course.errors import CourseError
from course.running import plan
from course.running.batch import Outcome
from helpers.places import ROOT
from tests.conftest import CHAPTER, Little

CARD = "NVIDIA H100 80GB HBM3, 570.86.15, 81559 MiB"
CLAIM = """
mistake = []
[[claim]]
label = "the book"
chapter = "01"
statement = "the little net is right nearly always"
record = "little.test_accuracy"
comparison = "at least"
value = 0.99
tolerance = 0.0
unit = "fraction"
profiles = ["quick"]
"""


def put_in_path(folder: Path, name: str, script: str) -> str:
    """A program that comes before the system's, and the PATH that finds it."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def with_card(little: Little, used: int = 1000) -> None:
    """One card, of which others hold 700 MiB before the run holds ``used`` more."""
    seen = little.root / "asked"
    script = (
        f'case "$*" in *memory.used*) [ -e {seen} ] && echo "{used + 700} MiB" || echo "700 MiB"; '
        f'touch {seen};; *) echo "{CARD}";; esac'
    )
    little.environment["PATH"] = put_in_path(little.root / "bin", "nvidia-smi", script)
    little.environment.pop("CUDA_VISIBLE_DEVICES", None)


def test_no_card_is_said_at_once(little: Little) -> None:
    little.environment["PATH"] = put_in_path(little.root / "bin", "nvidia-smi", "exit 9")
    answer = little.course("gpu")
    assert answer.returncode == 2
    assert answer.stderr.startswith("course: There is no GPU here: this job looks for an NVIDIA")
    assert "nvidia-smi lists none" in answer.stderr
    assert not (little.root / "runs").exists()


def test_a_hidden_card_is_none(little: Little) -> None:
    with_card(little)
    little.environment["CUDA_VISIBLE_DEVICES"] = "-1"
    assert "CUDA_VISIBLE_DEVICES hides all of them" in little.course("gpu").stderr


def test_a_card_that_the_backend_cannot_use_is_named(little: Little) -> None:
    # The card of this test does not exist, so no backend can use it, as with a wrong driver.
    with_card(little)
    little.environment["CUDA_VISIBLE_DEVICES"] = "0"
    answer = little.course("gpu")
    assert answer.returncode == 2
    assert CARD in answer.stderr
    assert "cannot use it: the driver does not match" in answer.stderr


@pytest.mark.parametrize(
    ("backend", "sentence"),
    [("theano", 'KERAS_BACKEND is "theano", and the course runs on tensorflow, jax, torch')],
)
def test_an_unknown_backend_is_refused(little: Little, backend: str, sentence: str) -> None:
    little.environment["KERAS_BACKEND"] = backend
    answer = little.course("run", "--profile", "sample")
    assert answer.returncode == 2
    assert sentence in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_card_too_small_for_a_chapter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = ["NVIDIA T400, 570.86.15, 2048 MiB"]
    monkeypatch.setattr(machine, "listed_cards", lambda: cards)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    answer = {"backend": "tensorflow", "seen": ["GPU:0"]}
    monkeypatch.setattr(machine, "ask_backend", lambda: answer)
    with pytest.raises(CourseError, match=r"Chapter 03 needs [\d,]+ MB of GPU memory.*2,147"):
        gpu.check_device(find(["03"]), "full")
    cards[0] = CARD
    assert gpu.check_device(find(["03"]), "full")["seen"] == ["GPU:0"]
    cards[0] = "NVIDIA GB10, 580.82.09, [N/A]"
    assert gpu.check_device(find(["03"]), "full")["cards"] == cards
    cards[:] = [CARD, "NVIDIA T400, 570.86.15, 2048 MiB"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert gpu.check_device(find(["03"]), "full")["cards"] == [CARD]


@pytest.mark.parametrize(
    ("named", "found"),
    [
        (None, {"0": "A, 1, 1 MiB", "1": "B, 1, 2 MiB"}),
        ("1", {"1": "B, 1, 2 MiB"}),
        ("1, 0", {"1": "B, 1, 2 MiB", "0": "A, 1, 1 MiB"}),
        ("0,-1,1", {"0": "A, 1, 1 MiB"}),
        ("7", {}),
        ("", {}),
        ("GPU-bb", {"GPU-bb": "B, 1, 2 MiB"}),
        ("MIG-cc", {"MIG-cc": "a part of a card (MIG), 1, [N/A]"}),
    ],
)
def test_only_visible_cards_count(
    named: str | None, found: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "listed_cards", lambda: ["A, 1, 1 MiB", "B, 1, 2 MiB"])
    monkeypatch.setattr(machine, "_nvidia_smi", lambda query: ["GPU-aa11", "GPU-bb22"])
    if named is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert machine.visible_cards() == found
    assert list(machine.visible_cards()) == list(found)


def test_a_card_that_the_backend_does_not_see_is_not_recorded(little: Little) -> None:
    with_card(little)
    little.backend_sees()
    answer = little.course("run", "--profile", "sample", "--seeds", "2", "--jobs", "2")
    assert answer.returncode == 0, answer.stderr
    facts = json.loads(
        (little.root / "runs" / "01_little-sample" / "001" / "run.json").read_text(encoding="utf-8")
    )
    assert facts["device"]["gpus"] == []
    assert facts["gpu"] == ""
    little.backend_sees("GPU:0")
    answer = little.course("run", "--profile", "sample", "--seeds", "2", "--dry-run")
    assert answer.stdout.count("run     01_little") == 2, "the card makes them other runs"
    assert "2 runs, 1 at a time" in answer.stdout


def test_a_run_beyond_its_gpu_memory_is_ended(little: Little) -> None:
    with_card(little, used=5000)
    little.backend_sees("GPU:0")
    catalogue = little.root / "notebooks" / "course.toml"
    text = catalogue.read_text(encoding="utf-8").replace(
        "megabytes = 800}", "megabytes = 800, gpu_megabytes = 2000}"
    )
    catalogue.write_text(text, encoding="utf-8")
    little.write(CHAPTER.replace('print("the end")', "import time\ntime.sleep(60)"))
    answer = little.course("run", "--profile", "sample")
    assert answer.returncode == 1
    assert "over-budget in cell 5: GPU memory: 5,243 MB, and its budget is 2,000" in answer.stderr
    facts = json.loads(
        (little.root / "runs" / "01_little-sample" / "001" / "run.json").read_text(encoding="utf-8")
    )
    assert facts["gpu_peak_bytes"] == 5000 * 2**20
    assert facts["device"]["gpus"] == [CARD]


def judge(little: Little, *words: str) -> subprocess.CompletedProcess[str]:
    """What ``course gpu`` does where there is a card; runs that were done before are reused."""
    program = (
        "import sys; from course import cli, gpu; "
        'gpu.check_device = lambda *_: {"cards": ["a card"], "backend": "tensorflow"}; '
        "sys.exit(cli.main())"
    )
    usual = ["gpu", "--profile", "quick", "--out", "runs"]
    return subprocess.run(
        [*little.command()[:1], "-c", program, *usual, *words],
        cwd=little.root,
        env=little.environment,
        capture_output=True,
        text=True,
    )


def test_a_broken_claim_becomes_the_text_of_an_issue(little: Little) -> None:
    (little.root / "data" / "claims.toml").write_text(CLAIM, encoding="utf-8")
    assert little.course("run").returncode == 0
    answer = judge(little)
    assert answer.returncode == 1, answer.stderr
    text = (little.root / "runs" / "broken.md").read_text(encoding="utf-8")
    assert "* the book, chapter 01: the little net is right nearly always" in text
    assert "little.test_accuracy is 90.00 %" in text


def test_a_claim_that_the_kept_runs_broke_too_is_known(little: Little) -> None:
    (little.root / "data" / "claims.toml").write_text(CLAIM, encoding="utf-8")
    assert little.course("run").returncode == 0
    assert little.course("book", "keep", "runs").returncode == 0
    answer = judge(little)
    assert answer.returncode == 0, answer.stdout
    assert "known: the book, chapter 01: the little net is right nearly always" in answer.stdout
    assert not (little.root / "runs" / "broken.md").exists()


def test_a_record_beyond_the_noise_of_the_kept_seeds_is_broken(little: Little) -> None:
    assert little.course("run", "--seeds", "3").returncode == 0
    assert little.course("book", "keep", "runs").returncode == 0
    assert judge(little, "--seeds", "3").returncode == 0
    little.write(CHAPTER.replace("0.9 + seed", "0.8 + seed"))
    answer = judge(little, "--seeds", "3")
    assert answer.returncode == 1
    assert "little.test_accuracy was 90.10 %" in answer.stdout
    verdict = json.loads((little.root / "runs" / "verdict.json").read_text(encoding="utf-8"))
    assert len(verdict["broken"]) == 1


def test_a_chapter_that_never_ran_is_broken(little: Little) -> None:
    catalogue = little.root / "notebooks" / "course.toml"
    text = catalogue.read_text(encoding="utf-8")
    catalogue.write_text(f'{text}makes = ["thing"]\n', encoding="utf-8")
    little.add("02", CHAPTER, 'uses = ["thing"]')
    assert judge(little).returncode == 0
    little.write(CHAPTER.replace('print("the end")', 'raise ValueError("no luck")'))
    answer = judge(little)
    assert answer.returncode == 1
    assert "broken: 01_little-quick failed in cell 5: ValueError: no luck" in answer.stdout
    said = "broken: 02_little-quick skipped: 01_little-quick did not succeed"
    assert said in answer.stdout
    assert "02_little-quick skipped" in (little.root / "runs" / "broken.md").read_text("utf-8")


def test_a_batch_that_was_skipped_as_a_whole_has_a_verdict(tmp_path: Path) -> None:
    [run] = plan.plan(find(["01"]), ["quick"], [], None, False)
    outcomes = [Outcome(run, "skipped", note="no data")]
    assert gpu.write(tmp_path, {"cards": [CARD], "backend": "tensorflow"}, outcomes) == 1
    verdict = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["broken"] == ["01_convnet_basics-quick skipped: no data"]


def test_earlier_runs_are_not_judged(little: Little) -> None:
    little.write(CHAPTER.replace('print("the end")', "assert steps < 9"))
    assert little.course("run", "-p", "steps=9").returncode == 1
    answer = judge(little)
    assert answer.returncode == 0, answer.stdout
    assert "steps=9" not in (little.root / "runs" / "report.html").read_text(encoding="utf-8")


def test_a_log_keeps_its_end_between_fences(tmp_path: Path) -> None:
    script = 'case "$2" in list) echo "[]";; *) shift 4; cat "$2" > said.txt;; esac'
    path = put_in_path(tmp_path / "bin", "gh", script)
    log = tmp_path / "canary.txt"
    log.write_text("a package\n" * 20000 + "```\nthe failure\n", encoding="utf-8")
    subprocess.run(
        [ROOT / ".ci" / "issue", "The course with the newest versions", log],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
    )
    said = (tmp_path / "said.txt").read_text(encoding="utf-8")
    fence = "`" * 10
    assert said.startswith(f"{fence}\n")
    assert f"```\nthe failure\n{fence}\n" in said
    assert 60000 <= len(said) < 65536


def test_one_issue_is_opened_and_then_renewed(tmp_path: Path) -> None:
    listed = tmp_path / "listed.json"
    log = tmp_path / "log.txt"
    fake = (
        f'[ "$2" = list ] && cat {listed} || {{ echo "$@" >> {log}; cat "${{@: -1}}" >> {log}; }}'
    )
    path = put_in_path(tmp_path / "bin", "gh", fake)
    (tmp_path / "bin" / "gh").write_text(f"#!/usr/bin/env bash\n{fake}\n", encoding="utf-8")
    found = tmp_path / "broken.md"
    found.write_text("* a claim broke\n", encoding="utf-8")

    def tell() -> str:
        subprocess.run(
            [ROOT / ".ci" / "issue", "The course on a GPU", found],
            check=True,
            env={**os.environ, "PATH": path},
        )
        return log.read_text(encoding="utf-8")

    listed.write_text("[]", encoding="utf-8")
    said = tell()
    assert "issue create --title The course on a GPU" in said
    assert "* a claim broke" in said
    listed.write_text('[{"number": 7, "title": "The course on a GPU"}]', encoding="utf-8")
    assert "issue edit 7 --body-file" in tell()
