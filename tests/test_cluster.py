"""Two real Dask workers: a batch survives one of them, and what Dask does badly is handled."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path

import psutil
import pytest

from course.catalogue import Budget
from course.running import cluster
from course.running.engine import Lost
from course.running.run import Run, to_json
from tests.conftest import CHAPTER, Little
from tests.support import CARD, add_cards, kernels_of, run_json, states, statuses, wait_for

SLOW = CHAPTER.replace('print("the end")', 'import time\ntime.sleep(4)\nprint("the end")')


class Workers:
    """A scheduler and workers in processes of their own, each with the little checkout."""

    def __init__(self, little: Little) -> None:
        self.little = little
        self.environment = {
            **little.environment,
            "DASK_DISTRIBUTED__ADMIN__LOG_FORMAT": "",
            # Dask would ask the made-up driver for more than it knows.
            "DASK_DISTRIBUTED__DIAGNOSTICS__NVML": "False",
        }
        self.processes: list[subprocess.Popen[str]] = []
        self.file = little.root / "scheduler.json"
        self.scheduler = self.start("scheduler", "--port", "0", "--no-dashboard")
        self.address = ""

    def start(self, *words: str, source: Path | None = None) -> subprocess.Popen[str]:
        log = (self.little.root / f"dask-{len(self.processes)}.log").open("w", encoding="utf-8")
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                f"distributed.cli.dask_{words[0]}",
                *words[1:],
                "--scheduler-file",
                str(self.file),
            ],
            cwd=self.little.root,
            env={**self.environment, **({"PYTHONPATH": str(source)} if source else {})},
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def worker(self, *words: str, source: Path | None = None) -> subprocess.Popen[str]:
        usual = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--memory-limit", "0"]
        return self.start("worker", *usual, *words, source=source)

    def wait(self) -> "Workers":
        until = time.monotonic() + 30
        while not self.file.exists() and time.monotonic() < until:
            time.sleep(0.1)
        self.address = json.loads(self.file.read_text(encoding="utf-8"))["address"]
        return self

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def workers(little: Little) -> Iterator[Workers]:
    found = Workers(little)
    yield found
    found.close()


def watchers(little: Little) -> list[psutil.Process]:
    return [p for p in kernels_of(little) if "course.running.worker" in " ".join(p.cmdline())]


def test_a_batch_survives_a_killed_worker(workers: Workers, little: Little) -> None:
    little.write(SLOW)
    pair = [workers.worker(), workers.worker()]
    workers.wait()
    words = ["run", "--profile", "sample", "--seeds", "3", "--scheduler", workers.address]
    process = little.start(*words)
    wait_for(lambda: len(watchers(little)) == 2)
    time.sleep(1)
    pair[0].kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "lost: Lost: " in errors
    assert "trying again, as a new attempt" in errors
    found = statuses(little)
    assert sorted(found.values()) == ["lost", "succeeded", "succeeded", "succeeded"]
    [lost] = [name for name, status in found.items() if status == "lost"]
    assert lost.endswith("/001")
    assert found[lost.replace("/001", "/002")] == "succeeded"
    for seed in ("", "-seed=1", "-seed=2"):
        last = sorted((little.root / "runs" / f"01_little-sample{seed}").iterdir())[-1]
        facts = run_json(last)
        assert facts["records"][0]["value"] == pytest.approx(0.9 + facts["seed"] / 1000)
        assert "the end" in (last / "01_little.ipynb").read_text(encoding="utf-8")
        assert "the end" in (last / "log.txt").read_text(encoding="utf-8")
    wait_for(lambda: not kernels_of(little))
    again = little.course(*words)
    assert states(again) == ["reused"] * 3, again.stderr
    process = little.start(*words, "--fresh")
    wait_for(lambda: len(watchers(little)) == 1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=40)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert not kernels_of(little), "cancelling ends the kernel on the worker"
    assert [status for status in statuses(little).values() if status == "cancelled"]
    process = little.start(*words, "--fresh")
    wait_for(lambda: len(watchers(little)) == 1)
    process.kill()
    process.communicate()
    wait_for(lambda: not kernels_of(little), 20)


def test_workers_that_do_not_fit_are_refused(
    workers: Workers, little: Little, tmp_path: Path
) -> None:
    workers.worker("--resources", "GPU=1")
    workers.wait()
    words = ["run", "--profile", "sample", "--scheduler", workers.address]
    answer = little.course(*words, "--resource", "GPU=2")
    assert answer.returncode == 2
    assert "No worker offers GPU=2; they offer GPU=1." in answer.stderr
    assert little.course(*words, "--resource", "GPU=1", "--dry-run").returncode == 0
    assert little.course(*words, "--resource", "GPU").returncode == 2
    other = tmp_path / "other"
    shutil.copytree(little.root / "src", other / "src")
    shutil.copytree(little.root / "data", other / "data")
    shutil.copytree(little.root / "notebooks", other / "notebooks")
    (other / "notebooks" / "01_little.py").write_text("# changed", encoding="utf-8")
    workers.worker(source=other / "src")
    wait_for(lambda: "The worker tcp" in little.course(*words, "--dry-run").stderr)
    answer = little.course(*words)
    assert answer.returncode == 2
    assert "The worker tcp://" in answer.stderr
    assert "files of the course" in answer.stderr
    assert "install the same commit" in answer.stderr
    assert not statuses(little)


def test_a_run_takes_the_card_that_its_worker_is_shown(workers: Workers, little: Little) -> None:
    add_cards(little, 2)
    workers.environment["CUDA_VISIBLE_DEVICES"] = "1"
    little.backend_sees("GPU:0")
    workers.worker()
    workers.wait()
    answer = little.course("run", "--profile", "sample", "--scheduler", workers.address)
    assert answer.returncode == 0, answer.stderr
    facts = run_json(little.root / "runs" / "01_little-sample" / "001")
    assert facts["gpu"] == "1"
    assert facts["device"]["gpus"] == [CARD]


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ({}, ""),
        ({"commit": "other"}, ""),
        ({"keras": "2"}, "keras 2 instead of 3"),
        ({"files of the course": "bb"}, "files of the course bb instead of aa"),
        (
            {"commit": "other", "files of the course": "bb"},
            "commit other instead of this, files of the course bb instead of aa",
        ),
    ],
)
def test_another_commit_counts_only_if_its_files_differ(
    theirs: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"keras": "3", "commit": "this", "files of the course": "aa"}
    monkeypatch.setattr(cluster, "versions", lambda: own)
    assert cluster._differences(own | theirs) == said
    del own["commit"], own["files of the course"]
    assert cluster._differences({}) == "keras missing instead of 3"


def test_files_of_a_worker_are_placed_and_models_that_it_only_used_go(tmp_path: Path) -> None:
    run = run_of({"made.keras": "hash"})
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "used.keras").write_text("used", encoding="utf-8")
    answer: Future[object] = Future()
    answer.set_result((to_json(run), {"log.txt": b"log", "models/made.keras": b"made"}))
    assert cluster._received(answer, tmp_path).artifacts == run.artifacts
    found = {path.name: path.read_text() for path in tmp_path.rglob("*.*")}
    assert found == {"log.txt": "log", "made.keras": "made"}


def run_of(artifacts: dict[str, str]) -> Run:
    return Run(
        chapter="01",
        notebook="01_little",
        profile="sample",
        parameters={},
        seed=0,
        folder="01_little-sample",
        budget=Budget(30, 800),
        artifacts=artifacts,
    )


def test_a_worker_that_died_has_lost_its_run_and_other_errors_stay(tmp_path: Path) -> None:
    for error, expected in (
        (CancelledError(), Lost),
        (ValueError("a fault"), ValueError),
    ):
        answer: Future[object] = Future()
        answer.set_exception(error)
        with pytest.raises(expected):
            cluster._received(answer, tmp_path)


def test_a_scheduler_that_does_not_answer_is_said(little: Little) -> None:
    for address in ("tcp://127.0.0.1:9", "no address"):
        answer = little.course("run", "--profile", "sample", "--scheduler", address)
        assert answer.returncode == 2, answer.stderr
        assert f"The scheduler {address} does not answer" in answer.stderr
        assert "Traceback" not in answer.stderr
    assert not (little.root / "runs").exists()
