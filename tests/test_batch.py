"""Batches: planned, in parallel, nothing twice, models handed on, and everything written down."""

import json
import signal
import statistics
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from course import machine
from course.report import noise_limit
from tests.conftest import CHAPTER, Little
from tests.test_report import CLAIM
from tests.test_runner import SLEEP, kernels_of, run_json, wait_until_asleep

MAKER = CHAPTER.replace(
    'print("the end")',
    "import os\nfrom pathlib import Path\n"
    'Path(os.environ["COURSE_MODELS"], f"thing-{profile}.txt").write_text(f"of seed {seed}")',
)
USER = CHAPTER.replace(
    'print("the end")',
    "import os\nfrom pathlib import Path\n"
    'text = Path(os.environ["COURSE_MODELS"], f"thing-{profile}.txt").read_text()\n'
    'print("used the thing", text)',
)
SHARE = CHAPTER.replace(
    'print("the end")',
    "import os, time\ntime.sleep(2)\n"
    'record("little.threads", int(os.environ["OMP_NUM_THREADS"]), "count")\n'
    'print("the card is", os.environ.get("CUDA_VISIBLE_DEVICES"))\n'
    'print("it grows:", os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH"))\n'
    'print("the order:", os.environ.get("CUDA_DEVICE_ORDER"))',
)


def statuses(little: Little, out: str = "runs") -> dict[str, str]:
    return {
        f"{path.parent.parent.name}/{path.parent.name}": run_json(path.parent)["status"]
        for path in sorted((little.root / out).glob("*/*/run.json"))
    }


def states(answer) -> list[str]:
    return [line.partition(":")[0] for line in answer.stdout.splitlines() if ".ipynb" in line]


def test_a_plan_is_shown_and_nothing_is_run(little: Little) -> None:
    little.add("02", MAKER, 'makes = ["thing"]')
    little.add("00", USER, 'uses = ["thing"]')
    words = ["--seeds", "2", "-p", "steps=1,2", "--profile", "sample,quick", "--dry-run"]
    answer = little.course("run", *words)
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert len(lines) == 3 * 2 * 2 * 2 + 1
    assert lines[-1].startswith("24 runs, ")
    names = [line.split()[1] for line in lines[:-1]]
    assert len(set(names)) == 24
    user = next(line for line in lines if "00_little-quick-seed=1-steps=2" in line)
    assert user.endswith("after 02_little-quick-seed=1-steps=2")
    assert names.index("02_little-quick-seed=1-steps=2") < names.index(user.split()[1])
    assert not (little.root / "runs").exists()


def test_nothing_is_run_twice_unless_code_changed_or_it_is_asked(little: Little) -> None:
    words = ["run", "--profile", "sample", "--seeds", "2"]
    answer = little.course(*words)
    assert states(answer) == ["succeeded", "succeeded"], answer.stderr
    answer = little.course(*words)
    assert states(answer) == ["reused", "reused"]
    assert "attempt 001 had the same code, data and parameters" in answer.stderr
    little.write(CHAPTER.replace("print(", "# only a comment\nprint("))
    assert states(little.course(*words)) == ["reused", "reused"]
    facts = little.root / "runs" / "01_little-sample" / "001" / "run.json"
    facts.write_text(facts.read_text(encoding="utf-8")[:100], encoding="utf-8")
    assert states(little.course(*words)) == ["succeeded", "reused"]
    little.write(CHAPTER.replace("2 + 2", "1 + 3"))
    assert states(little.course(*words)) == ["succeeded", "succeeded"]
    assert states(little.course(*words, "--fresh")) == ["succeeded", "succeeded"]
    assert sorted(path.name for path in (facts.parent.parent).iterdir()) == [
        "001",
        "002",
        "003",
        "004",
    ]


def test_a_package_and_a_driver_make_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    device = {"processor": "a processor", "cores": 2, "gpus": ["A card, 570.86.15, 8 MiB"]}
    monkeypatch.setattr(machine, "environment", lambda: {"device": device})
    installed = [SimpleNamespace(name="scikit-learn", version="1.8.0")]
    monkeypatch.setattr(machine.importlib.metadata, "distributions", lambda: installed)
    machine.machine.cache_clear()
    first = machine.machine()
    assert first.startswith("A card, 570.86.15 with packages ")
    device["gpus"] = ["A card, 580.82.09, 8 MiB"]
    machine.machine.cache_clear()
    second = machine.machine()
    installed[0].version = "1.8.1"
    machine.machine.cache_clear()
    assert len({first, second, machine.machine()}) == 3
    machine.machine.cache_clear()


def test_each_seed_has_its_own_model_and_a_change_goes_on_to_its_users(little: Little) -> None:
    little.write(USER)
    catalogue = little.root / "notebooks" / "course.toml"
    catalogue.write_text(catalogue.read_text("utf-8") + '\nuses = ["thing"]\n', "utf-8")
    little.add("02", MAKER, 'makes = ["thing"]')
    words = ["run", "--profile", "sample", "--seeds", "2"]
    answer = little.course(*words)
    assert answer.returncode == 0, answer.stderr
    runs = little.root / "runs"
    assert "used the thing of seed 0" in (runs / "01_little-sample/001/01_little.ipynb").read_text()
    other = runs / "01_little-sample-seed=1" / "001"
    assert "used the thing of seed 1" in (other / "01_little.ipynb").read_text()
    assert not list(other.glob("models/*"))
    assert (little.root / "cache/models/thing-sample.txt").read_text() == "of seed 0"
    assert states(little.course(*words)) == ["reused"] * 4
    little.write(USER.replace("used the", "and used the"))
    assert states(little.course(*words)) == ["reused", "reused", "succeeded", "succeeded"]
    (runs / "02_little-sample/001/models/thing-sample.txt").write_text("damaged")
    source = little.root / "notebooks" / "02_little.py"
    assert states(little.course(*words)) == ["succeeded", "reused", "reused", "reused"]
    source.write_text(source.read_text().replace("of seed", "of the seed"))
    assert states(little.course(*words)) == ["succeeded"] * 4
    source.write_text(source.read_text().replace("import os\n", "import nothing\n"))
    answer = little.course(*words)
    assert answer.returncode == 1
    assert "chapter 01 skipped: 02_little-sample-seed=1 did not succeed" in answer.stderr
    assert "chapter 02 failed in cell 5: ModuleNotFoundError" in answer.stderr


def test_threads_and_cards_are_shared_out(little: Little) -> None:
    tools = little.root / "tools"
    tools.mkdir()
    card = "echo 'Test card, 1.0, 1 MiB'"
    (tools / "nvidia-smi").write_text(f"#!/bin/sh\n{card}\n{card}\n", encoding="utf-8")
    (tools / "nvidia-smi").chmod(0o755)
    little.backend_sees("GPU:0", "GPU:1")
    little.write(SHARE)
    words = ["run", "--profile", "sample", "--seeds", "3", "--threads", "1", "--jobs", "3"]
    before = little.environment["PATH"]
    little.environment["PATH"] = f"{tools}:{before}"
    little.environment.pop("CUDA_VISIBLE_DEVICES", None)
    answer = little.course(*words)
    assert answer.returncode == 0, answer.stderr
    seeds = ("", "-seed=1", "-seed=2")
    runs = [little.root / "runs" / f"01_little-sample{seed}" / "001" for seed in seeds]
    assert sorted(run_json(run)["gpu"] for run in runs) == ["0", "0", "1"]
    for run in runs:
        facts = run_json(run)
        assert facts["records"][-1] == {"name": "little.threads", "unit": "count", "value": 1}
        shown = (run / "01_little.ipynb").read_text("utf-8")
        assert f"the card is {facts['gpu']}" in shown
        assert "it grows: true" in shown
        assert "the order: PCI_BUS_ID" in shown
    assert "3 runs, 2 at a time" in little.course(*words[:-2], "--dry-run").stdout
    little.environment["PATH"] = before
    planned = little.course(*words, "--dry-run").stdout
    assert planned.count("run     01_little") == 3, "another device is another run"


def test_a_killed_batch_goes_on_where_it_stopped(little: Little) -> None:
    waits = SLEEP.replace("time.sleep(60)", "time.sleep(60 if seed == 1 else 0)")
    little.write(waits)
    process = little.start("run", "--profile", "sample", "-p", "seed=0,1", "--jobs", "1")
    until = time.monotonic() + 40
    good = little.root / "runs" / "01_little-sample" / "001" / "run.json"
    while time.monotonic() < until and statuses(little).get("01_little-sample/001") != "succeeded":
        time.sleep(0.1)
    while time.monotonic() < until and len(kernels_of(little)) < 2:
        time.sleep(0.1)
    process.kill()
    process.communicate(timeout=30)
    while time.monotonic() < until and kernels_of(little):
        time.sleep(0.1)
    assert not kernels_of(little)
    assert json.loads(good.read_text("utf-8"))["status"] == "succeeded"
    process = little.start("run", "--profile", "sample", "-p", "seed=0,1", "--jobs", "1")
    wait_until_asleep(little)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "01_little-sample: reused" in errors
    assert statuses(little) == {
        "01_little-sample/001": "succeeded",
        "01_little-sample-seed=1/001": "lost",
        "01_little-sample-seed=1/002": "cancelled",
    }


def test_a_batch_without_its_data_says_what_was_skipped(little: Little) -> None:
    catalogue = little.root / "notebooks" / "course.toml"
    text = catalogue.read_text(encoding="utf-8").replace("data = []", 'data = ["mnist"]')
    catalogue.write_text(text, encoding="utf-8")
    little.environment["COURSE_MIRROR"] = str(little.root / "no_mirror")
    answer = little.course("run")
    assert answer.returncode == 1
    assert answer.stdout.endswith("skipped: 01_little-quick\n")
    assert "course: chapter 01 skipped: The mirror" in answer.stderr


def test_an_older_folder_is_refused(little: Little) -> None:
    old = little.root / "runs" / "sample" / "01_little"
    old.mkdir(parents=True)
    (old / "run.json").write_text('{"status": "succeeded"}', encoding="utf-8")
    answer = little.course("run", "--profile", "sample")
    assert answer.returncode == 2
    assert "runs holds runs in format 1, and this course writes format 2: move" in answer.stderr
    assert [path.name for path in (little.root / "runs").iterdir()] == ["sample"]


def test_housekeeping_and_copies(little: Little) -> None:
    words = ["run", "--profile", "sample", "--copy-to", "copies/deep"]
    assert little.course(*words).returncode == 0
    copied = little.root / "copies" / "deep" / "01_little-sample" / "001"
    assert {path.name for path in copied.iterdir()} == {"01_little.ipynb", "log.txt", "run.json"}
    original = little.root / "runs" / "01_little-sample" / "001"
    for path in copied.iterdir():
        assert path.read_bytes() == (original / path.name).read_bytes()
    little.write(CHAPTER.replace('print("the end")', "1 / 0"))
    assert little.course("run", "--profile", "sample").returncode == 1
    assert little.course("run", "--profile", "sample").returncode == 1
    answer = little.course("runs", "list")
    assert [line.split()[1] for line in answer.stdout.splitlines()[:-1]] == [
        "succeeded",
        "failed",
        "failed",
    ]
    assert answer.stdout.splitlines()[-1].endswith("MB in runs")
    shown = little.course("runs", "show", "01_little-sample").stdout
    assert "runs/01_little-sample/003: failed" in shown
    assert "failed in cell 5: ZeroDivisionError: division by zero" in shown
    assert "little.test_accuracy = 0.9 fraction" in shown
    answer = little.course("runs", "prune", "--keep", "1")
    assert answer.stdout.startswith("1 attempts deleted")
    assert statuses(little) == {
        "01_little-sample/001": "succeeded",
        "01_little-sample/003": "failed",
    }


def test_a_report_says_what_is_beyond_the_noise_of_the_seeds(little: Little) -> None:
    claims = little.root / "data" / "claims.toml"
    claims.write_text(CLAIM.replace("value = 0.95", "value = 0.901"), encoding="utf-8")
    # Records must look measured: they differ from seed to seed, by less than between the folders.
    words = ["run", "--profile", "sample", "--seeds", "3"]
    assert little.course(*words, "--out", "first").returncode == 0
    measured = 'record("little.test_accuracy", '
    little.write(CHAPTER.replace(f"{measured}0.9 +", f"{measured}0.7 +"))
    assert little.course(*words, "--out", "second").returncode == 0
    single = little.course("report", "first", "--format", "md")
    assert single.returncode == 0, single.stdout
    assert "| little.test_accuracy | 90.10 % ± 0.10 % (3) |" in single.stdout
    answer = little.course("report", "first", "second", "--format", "json")
    assert answer.returncode == 1
    found = json.loads(answer.stdout)
    [row] = found["records"]
    assert row["verdict"] == "beyond the noise of the seeds"
    assert row["change"] == pytest.approx(-0.2)
    assert len(found["newly_broken"]) == 1
    assert little.course("report", "second", "second").returncode == 0
    answer = little.course("report", "first", "second")
    page = (little.root / "second" / "comparison.html").read_text(encoding="utf-8")
    assert "beyond the noise of the seeds" in page
    assert "http" not in page


@pytest.mark.parametrize(("left", "right"), [(2, 2), (5, 5), (40, 60)])
def test_the_noise_is_that_of_students_t_test(left: int, right: int) -> None:
    draw = np.random.default_rng(0)
    sides = [draw.normal(size=number).tolist() for number in (left, right)]
    found = [
        {
            "mean": statistics.fmean(side),
            "spread": statistics.stdev(side),
            "number": len(side),
        }
        for side in sides
    ]
    centred = [value - found[1]["mean"] for value in sides[1]]
    for tests in (1, 150):
        limit = noise_limit(*found, tests)
        # Beside a difference of exactly this size one test in all is wrong once in twenty times.
        shifted = [value - found[0]["mean"] + limit for value in sides[0]]
        assert stats.ttest_ind(shifted, centred).pvalue == pytest.approx(0.05 / tests)


def test_one_seed_on_a_side_says_nothing_about_noise() -> None:
    one = {"mean": 1.0, "spread": None, "number": 1}
    three = {"mean": 2.0, "spread": 0.1, "number": 3}
    assert noise_limit(one, one) is None
    assert noise_limit(one, three) is None
    assert noise_limit(three, one) is None


def test_a_batch_leaves_no_unfinished_file(little: Little) -> None:
    assert little.course("run", "--profile", "sample").returncode == 0
    left = [path.name for path in Path(little.root / "runs").rglob(".*")]
    assert left == [".lock"]
