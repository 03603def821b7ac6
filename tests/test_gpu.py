"""The job of a GPU machine, as far as a machine without a graphics card can tell."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from course import gpu, machine
from course.catalogue import chapters, defaults, find
from course.errors import CourseError
from course.results import KeptRun, Record
from course.running import plan, store
from course.running.batch import Outcome
from helpers.places import ROOT
from tests.conftest import CHAPTER, Answer, Little
from tests.support import CARD, CLAIM, add_cards, make_attempt, put_in_path, record

Here = Callable[..., Answer]
CARDS = (machine.Card("0", "NVIDIA H100 80GB HBM3", "570.86.15", 81559),)


def test_no_card_is_said_at_once(little: Little, here: Here) -> None:
    answer = here("gpu")
    assert answer.returncode == 2
    assert answer.stderr.startswith("course: There is no GPU here: this job needs an NVIDIA")
    assert "NVIDIA's driver lists none" in answer.stderr
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


@pytest.mark.parametrize(("needed", "fits"), [(2097, True), (2098, False)])
def test_the_smallest_card_must_hold_the_chapter(
    needed: int, fits: bool, little: Little, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = (*CARDS, machine.Card("1", "a small card", "570.86.15", 2000))
    monkeypatch.setattr(machine, "cards", lambda: cards)
    asked = SimpleNamespace(name="tensorflow", devices=("GPU:0", "GPU:1"), cuda="12.5")
    monkeypatch.setattr(machine, "ask_backend", lambda: asked)
    table = little.root / "notebooks" / "course.toml"
    budget = f"budget.quick = {{seconds = 30, megabytes = 800, gpu_megabytes = {needed}}}"
    text = table.read_text(encoding="utf-8")
    usual = "budget.quick = {seconds = 30, megabytes = 800}"
    assert usual in text
    table.write_text(text.replace(usual, budget), encoding="utf-8")
    if fits:
        assert gpu.check_device(find([]), "quick") == cards
    else:
        with pytest.raises(
            CourseError, match=r"2,098 MB .* profile quick, but a small card has 2,097 MB"
        ):
            gpu.check_device(find([]), "quick")
    assert gpu.check_device(find([]), "sample") == cards


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
    assert "GPU memory: 5,243 MB, but its budget is 2,000" in answer.stderr
    facts = json.loads(
        (little.root / "runs" / "01_little-sample" / "001" / "run.json").read_text(encoding="utf-8")
    )
    assert facts["gpu_peak_bytes"] == 5000 * 2**20
    assert facts["device"]["gpus"] == [CARD]


def judge(little: Little, *accuracies: float) -> int:
    """Write the verdict on runs of chapter 01 with these accuracies, one per seed."""
    outcomes = []
    for seed, accuracy in enumerate(accuracies):
        name = f"01_little-quick-seed={seed}"
        measured = {"records": [record(accuracy)], "parameters": {"seed": seed}}
        folder = make_attempt(little.root / "runs", name, seed=seed, profile="quick", **measured)
        run = store.read_run(folder)
        assert run is not None
        outcomes.append(Outcome(run, "succeeded", folder))
    return gpu.write(little.root / "runs", CARDS, "tensorflow", outcomes)


def keep(monkeypatch: pytest.MonkeyPatch, *accuracies: float) -> None:
    """Let ``results`` hold runs of chapter 01 with these accuracies, one per seed."""
    plain = defaults("01", "quick")[1]
    empty = dict.fromkeys(KeptRun.__dataclass_fields__, ())
    kept = [
        KeptRun(
            **{
                **empty,
                "file": f"chapters/01-quick-seed={seed}.json",
                "chapter": "01",
                "profile": "quick",
                "backend": "tensorflow",
                "parameters": {**plain, "seed": seed},
                "records": (Record("little.test_accuracy", accuracy, "fraction"),),
            }
        )
        for seed, accuracy in enumerate(accuracies)
    ]
    monkeypatch.setattr(gpu.results, "kept_runs", lambda: kept)


def test_a_broken_claim_becomes_the_text_of_an_issue(little: Little, here: Here) -> None:
    (little.root / "data" / "claims.toml").write_text(CLAIM, encoding="utf-8")
    assert judge(little, 0.9) == 1
    text = (little.root / "runs" / "broken.md").read_text(encoding="utf-8")
    assert text.startswith(f"On {CARD} with tensorflow:\n\n* A source, chapter 01: The little net")
    assert "little.test_accuracy is 90.00 %" in text
    assert "| little.test_accuracy | 90.00 % |" in text


def test_the_tables_are_shown_on_the_page_of_the_job_too(
    little: Little, here: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (little.root / "data" / "claims.toml").write_text(CLAIM, encoding="utf-8")
    assert judge(little, 0.9) == 1
    shown = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "| little.test_accuracy | 90.00 % |" in shown


def test_a_claim_that_the_kept_runs_broke_too_is_known(
    little: Little,
    here: Here,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (little.root / "data" / "claims.toml").write_text(CLAIM, encoding="utf-8")
    keep(monkeypatch, 0.9)
    assert judge(little, 0.9) == 0
    said = capsys.readouterr().out
    assert "known: A source, chapter 01: The little net reaches 95 %" in said
    assert not (little.root / "runs" / "broken.md").exists()


def test_a_record_beyond_the_noise_of_the_kept_seeds_is_broken(
    little: Little,
    here: Here,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keep(monkeypatch, 0.9, 0.901, 0.902)
    assert judge(little, 0.9005, 0.901, 0.9015) == 0
    assert judge(little, 0.8, 0.801, 0.802) == 1
    assert "little.test_accuracy was 90.10 %" in capsys.readouterr().out
    verdict = json.loads((little.root / "runs" / "verdict.json").read_text(encoding="utf-8"))
    assert len(verdict["broken"]) == 1
    assert verdict["cards"] == [CARD]


def test_a_run_of_another_backend_is_not_compared(
    little: Little, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(monkeypatch, 0.9, 0.901, 0.902)
    kept = [KeptRun(**{**vars(run), "backend": "jax"}) for run in gpu.results.kept_runs()]
    monkeypatch.setattr(gpu.results, "kept_runs", lambda: kept)
    assert judge(little, 0.8, 0.801, 0.802) == 0


def test_runs_without_results_are_broken_and_earlier_ones_are_not_judged(
    little: Little, here: Here
) -> None:
    assert "01" in chapters()
    make_attempt(little.root / "runs", "01_little-quick-steps=9", parameters={"steps": 9})
    [run] = plan.plan(find(["01"]), ["quick"], [], None)
    outcomes = [Outcome(run, "skipped", note="no data")]
    assert gpu.write(little.root / "runs", CARDS, "tensorflow", outcomes) == 1
    verdict = json.loads((little.root / "runs" / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["broken"] == ["01_little-quick skipped: no data"]
    assert "steps=9" not in (little.root / "runs" / "report.html").read_text(encoding="utf-8")


def test_the_job_runs_what_it_was_asked_for(
    little: Little, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The kernel of this run would look for the course of this process, so nothing is executed.
    asked = []
    monkeypatch.setattr(gpu, "check_device", lambda wanted, profile: CARDS)

    def execute(batch: gpu.Batch) -> dict[str, Outcome]:
        asked.extend(run.folder for run in batch.waiting)
        return {run.folder: Outcome(run, "skipped", note="no data") for run in batch.waiting}

    monkeypatch.setattr(gpu.Batch, "execute", execute)
    answer = here("gpu", "--profile", "quick", "--seeds", "2")
    assert answer.returncode == 1
    assert asked == ["01_little-quick", "01_little-quick-seed=1"]
    assert "broken: 01_little-quick-seed=1 skipped: no data" in answer.stdout


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
