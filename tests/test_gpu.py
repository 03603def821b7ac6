"""The job of a GPU machine, as far as a machine without a graphics card can tell."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from course import gpu
from course.catalogue import find
from course.running import plan
from course.running.batch import Outcome
from helpers.places import ROOT
from tests.conftest import CHAPTER, Answer, Little
from tests.support import CARD, CLAIM, add_cards, put_in_path

Here = Callable[..., Answer]


def test_no_card_is_said_at_once(little: Little, here: Here) -> None:
    answer = here("gpu")
    assert answer.returncode == 2
    assert answer.stderr.startswith("course: There is no GPU here: this job looks for an NVIDIA")
    assert "its driver, or nvidia-ml-py of the extra gpu, lists none" in answer.stderr
    assert not (little.root / "runs").exists()


def test_a_hidden_card_is_none(little: Little) -> None:
    add_cards(little)
    little.environment["CUDA_VISIBLE_DEVICES"] = "-1"
    assert "CUDA_VISIBLE_DEVICES hides all of them" in little.course("gpu").stderr


def test_a_card_that_the_backend_cannot_use_is_named(little: Little) -> None:
    # The card of this test does not exist, so no backend can use it, as with a wrong driver.
    add_cards(little)
    little.environment["CUDA_VISIBLE_DEVICES"] = "0"
    answer = little.course("gpu")
    assert answer.returncode == 2
    assert CARD in answer.stderr
    assert "cannot use it: the driver does not match" in answer.stderr


def test_a_card_that_the_backend_does_not_see_is_not_recorded(little: Little) -> None:
    add_cards(little)
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
    add_cards(little, used=5000)
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
    assert "* a-source, chapter 01: The little net reaches 95 %" in text
    assert "little.test_accuracy is 90.00 %" in text


def test_a_claim_that_the_kept_runs_broke_too_is_known(little: Little) -> None:
    (little.root / "data" / "claims.toml").write_text(CLAIM, encoding="utf-8")
    assert little.course("run").returncode == 0
    assert little.course("book", "keep", "runs").returncode == 0
    answer = judge(little)
    assert answer.returncode == 0, answer.stdout
    assert "known: a-source, chapter 01: The little net reaches 95 %" in answer.stdout
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
    [run] = plan.plan(find(["01"]), ["quick"], [], None)
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
