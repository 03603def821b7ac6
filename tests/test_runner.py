import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest

from course import catalogue
from course.book import BEGIN, END
from course.catalogue import Chapter, parameters
from course.errors import CourseError
from course.running import worker
from tests.conftest import CHAPTER, TABLE, Little

SLEEP = CHAPTER.replace('print("the end")', 'import time\ntime.sleep(60)\nprint("the end")')
LIST = ",".join(map(str, range(1, 101)))
RATES = ",".join(str(number / 1000) for number in range(1000))
CHILDREN = CHAPTER.replace(
    'print("the end")',
    "import subprocess, time\n"
    'subprocess.Popen(["sleep", "61"], start_new_session=True)\n'
    "time.sleep(60)",
)


def kernels_of(little: Little) -> list[psutil.Process]:
    """Every process that inherited this checkout, the runner's own excepted."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                process.environ().get("COURSE_CACHE") == little.environment["COURSE_CACHE"]
                and "COURSE_RUN_MARK" in process.environ()
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def wait_until_asleep(little: Little) -> psutil.Process:
    """Wait until the last cell runs, and return the kernel."""
    until = time.monotonic() + 40
    while time.monotonic() < until:
        for process in kernels_of(little):
            try:
                if "ipykernel_launcher" in " ".join(process.cmdline()):
                    logs = list(little.root.glob("runs/*/*/log.txt"))
                    if logs and "Executing Cell 7" in logs[-1].read_text(encoding="utf-8"):
                        return process
            except psutil.Error:
                continue
        time.sleep(0.1)
    raise AssertionError("the last cell never started")


def run_json(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def test_a_run_leaves_notebook_log_and_facts(little: Little) -> None:
    answer = little.course("run", "--profile", "sample", "-p", "seed=7")
    assert answer.returncode == 0, answer.stderr
    folder = little.root / "runs" / "01_little-sample-seed=7" / "001"
    assert str(folder.relative_to(little.root)) in answer.stdout
    assert "report.html" in answer.stdout
    facts = run_json(folder)
    assert facts["status"] == "succeeded"
    assert facts["parameters"] == {"profile": "sample", "steps": 1, "seed": 7}
    assert facts["records"] == [
        {"name": "little.test_accuracy", "unit": "fraction", "value": 0.907}
    ]
    assert facts["duration_seconds"] > 0
    assert facts["peak_memory_bytes"] > 1e7
    assert facts["backend"] == "tensorflow" and facts["packages"]["papermill"]
    assert facts["device"]["cores"] == os.cpu_count()
    executed = nbformat.read(folder / "01_little.ipynb", as_version=4)
    assert any("the end" in str(cell.get("outputs")) for cell in executed.cells)
    assert "the end" in (folder / "log.txt").read_text(encoding="utf-8")
    report = (little.root / "runs" / "report.html").read_text(encoding="utf-8")
    assert "little.test_accuracy" in report
    assert "http" not in report


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "99"], 'There is no chapter "99": the course has 01.'),
        (["run", "--profile", "fast"], 'There is no profile "fast": use sample, quick, full.'),
        (["run", "--profile", "sample,fast"], 'There is no profile "fast": use sample, quick,'),
        (["run", "-p", "seed=-1"], "seed cannot be -1; it takes int from 0 to 100."),
        (["run", "--seeds", "-3"], "--seeds takes 1 or more, not -3."),
        (["run", "--seeds", "102"], "--seeds 102 from 0 goes beyond the highest seed, 100."),
        (["run", "--seeds", "2", "-p", "seed=1,2"], "either --seeds or several values"),
        (
            ["run", "-p", f"seed={LIST}", "-p", f"steps={LIST[:20]}", "-p", f"rate={RATES}"],
            "That is 1,000,000 runs: add --yes if you mean it.",
        ),
        (["run", "--resource", "GPU=1"], "--resource is for workers: add --scheduler."),
        (["run", "--store", "--jobs", "2"], "--store runs one chapter at a time"),
        (["run", "--copy-to", "nowhere://place"], "--copy-to: nowhere://place/format.json cannot"),
        (["runs", "list"], "There are no runs in runs"),
        (["runs", "prune", "--keep", "0"], "--keep takes 1 or more, not 0."),
        (["run", "-p", "epoch=3"], 'has no parameter "epoch"; it has profile (sample or quick'),
        (["run", "-p", "steps=many"], "steps cannot be 'many'; it takes int from 1 to 10."),
        (["run", "-p", "steps=11"], "steps cannot be 11; it takes int from 1 to 10."),
        (["run", "-p", "steps=2.5"], "steps cannot be '2.5'; it takes int from 1 to 10."),
        (["run", "-p", "rate=nan"], "rate cannot be nan; it takes float from 0 to 1."),
        (["run", "-p", "steps"], '"steps" is no parameter: write NAME=VALUE'),
        (["run", "--store", "-p", "steps=2"], "--store keeps outputs of the notebooks' defaults"),
        (["run", "²"], 'There is no chapter "²": the course has 01.'),
        (["run", "--timeout", "-5"], "-5 is no number of seconds above 0"),
        (["run", "--timeout", "nan"], "nan is no number of seconds above 0"),
        (["run", "--timeout", "0"], "0 is no number of seconds above 0"),
        (["run", "--jobs", "²"], "² is not 1 or more"),
        (["report", "nowhere"], "There are no runs in nowhere"),
        (["data", "get", "mnits"], 'There is no data set "mnits": the course has mnist'),
    ],
)
def test_bad_input_is_one_sentence(little: Little, words: list[str], sentence: str) -> None:
    answer = little.course(*words)
    assert answer.returncode == 2
    assert sentence in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not kernels_of(little)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("data/claims.toml", ["run", "--profile", "sample"]),
        ("data/claims.toml", ["book", "readme"]),
        ("data/datasets.toml", ["data", "list"]),
        ("data/datasets.toml", ["run", "--dry-run"]),
        ("data/datasets.toml", ["check"]),
        ("notebooks/course.toml", ["run"]),
    ],
)
def test_a_broken_table_is_one_sentence(little: Little, file: str, words: list[str]) -> None:
    little.write('# %%\nfrom helpers import datasets\ndatasets.load("mnist", "quick")\n' + CHAPTER)
    assert little.course("sync").returncode == 0
    (little.root / "README.md").write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    catalogue = little.root / "notebooks" / "course.toml"
    text = catalogue.read_text(encoding="utf-8")
    catalogue.write_text(text.replace("data = []", 'data = ["mnist"]', 1), encoding="utf-8")
    (little.root / file).write_text("[good]\n[bad\n", encoding="utf-8")
    answer = little.course(*words)
    assert answer.returncode == 2, answer.stdout
    assert answer.stderr.splitlines()[-1].startswith(f"course: {file} cannot be read: ")
    assert "(at line 2, column 5)" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("command", ["run", "check", "sync"])
@pytest.mark.parametrize("line", ["%matplotlib inline", "print("])
def test_a_chapter_that_is_no_python_is_one_sentence(
    little: Little, command: str, line: str
) -> None:
    little.write(CHAPTER.replace('print("the end")', line))
    answer = little.course(command)
    assert answer.returncode == 2
    assert answer.stderr.startswith("course: notebooks/01_little.py is no Python: ")
    assert "line 39" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("steps: int = 3", "steps: int = len('abc')", "the parameter steps needs a plain value"),
        ("# 1 to 10:", "# 1.2.3 to 10:", "the parameter steps needs a plain value, and numbers"),
        ("seed: int", "seeds: int", "the parameters cell has no seed"),
    ],
)
def test_bad_parameters_are_one_sentence(
    little: Little, before: str, after: str, sentence: str
) -> None:
    little.write(CHAPTER.replace(before, after))
    with pytest.raises(CourseError, match=sentence):
        parameters(Chapter("01", {"notebook": str(little.source.with_suffix(""))}))


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('notebook = "01_little"\n', "", "chapter 01: notebook is missing or no str"),
        ("budget.quick = {seconds = 30, ", "budget.quick = {", "budget.quick does not give seco"),
        ("data = []", "data = 3", "chapter 01: data is missing or no list"),
        ("chapters.01", "chapters.one", "chapter one: its number is none"),
        (TABLE, "chapters = 3", "has no chapters: begin each with"),
    ],
)
def test_a_chapter_that_is_not_whole_is_refused(
    before: str, after: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tomllib.loads(TABLE.replace(before, after))
    monkeypatch.setattr(catalogue, "read_table", lambda name: table)
    with pytest.raises(CourseError, match=sentence):
        catalogue.chapters()


def test_a_user_without_a_name_can_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(worker.getpass, "getuser", nobody)
    monkeypatch.setattr(worker.tempfile, "gettempdir", lambda: str(tmp_path))
    worker._alone().release()
    assert [path.name for path in tmp_path.iterdir()] == [f"course-kernel-{os.getuid()}.lock"]


def test_a_course_that_is_installed_as_a_copy_says_so(little: Little) -> None:
    (little.root / "notebooks" / "course.toml").unlink()
    answer = little.course("run")
    assert answer.returncode == 2
    assert "installed as a copy, run `pip install --editable .`" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_failing_cell_is_named_and_the_good_run_stays(little: Little) -> None:
    assert little.course("run", "--profile", "sample").returncode == 0
    little.write(CHAPTER.replace('print("the end")', 'raise KeyError("no such thing")'))
    answer = little.course("run", "--profile", "sample")
    assert answer.returncode == 1
    assert "chapter 01 failed in cell 5: KeyError" in answer.stderr
    runs = little.root / "runs" / "01_little-sample"
    assert run_json(runs / "001")["status"] == "succeeded"
    failed = run_json(runs / "002")
    assert failed["status"] == "failed"
    assert failed["error"]["cell"] == 5
    assert failed["records"][0]["name"] == "little.test_accuracy"


def test_a_killed_kernel_is_a_killed_run(little: Little) -> None:
    little.write(SLEEP)
    process = little.start("run", "--profile", "sample")
    wait_until_asleep(little).kill()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "killed in cell 5" in errors
    facts = run_json(little.root / "runs" / "01_little-sample" / "001")
    assert facts["status"] == "killed"
    assert facts["error"]["error"] == "SIGKILL"
    assert "MB of memory at its peak" in facts["error"]["message"]
    assert "a third is" in "".join(facts["tail"])
    assert not kernels_of(little)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_process_and_a_true_status(little: Little, number: int) -> None:
    little.write(CHILDREN)
    process = little.start("run", "--profile", "sample")
    wait_until_asleep(little)
    began = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - began < 20
    assert process.returncode == 128 + number
    assert "Traceback" not in errors
    assert not kernels_of(little)
    folder = little.root / "runs" / "01_little-sample" / "001"
    assert run_json(folder)["status"] == "cancelled"
    nbformat.read(folder / "01_little.ipynb", as_version=4)


def test_a_killed_runner_takes_its_kernel_along(little: Little) -> None:
    little.write(SLEEP)
    process = little.start("run", "--profile", "sample")
    wait_until_asleep(little)
    process.kill()
    process.wait()
    until = time.monotonic() + 15
    while kernels_of(little) and time.monotonic() < until:
        time.sleep(0.2)
    assert not kernels_of(little)
    listed = little.course("runs", "list")
    assert " lost " in listed.stdout


def test_a_run_over_its_memory_is_ended(little: Little) -> None:
    hold = 'import time\nheld = b"x" * 800_000_000\ntime.sleep(60)'
    little.write(CHAPTER.replace('print("the end")', hold))
    answer = little.course("run", "--profile", "sample")
    assert answer.returncode == 1
    assert "over-budget in cell 5: Memory: " in answer.stderr
    assert "and its budget is 800 MB" in answer.stderr
    facts = run_json(little.root / "runs" / "01_little-sample" / "001")
    assert facts["status"] == "over-budget"
    assert facts["peak_memory_bytes"] > 800e6
    assert not kernels_of(little)


@pytest.fixture
def small_memory() -> Iterator[Path]:
    """A control group whose processes together may hold 400 MB."""
    folder = Path("/sys/fs/cgroup/memory") / f"course-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text("400M", encoding="utf-8")
    except OSError:
        folder = Path("/sys/fs/cgroup") / f"course-test-{os.getpid()}"
        try:
            folder.mkdir()
            (folder / "memory.max").write_text("400M", encoding="utf-8")
        except OSError:
            pytest.skip("only a user who may make control groups can make a small memory")
    yield folder
    folder.rmdir()


def test_lack_of_memory_is_said(little: Little, small_memory: Path) -> None:
    hold = 'held = b"x" * 600_000_000'
    little.write(CHAPTER.replace('print("the end")', hold))
    words = little.command("run", "--profile", "sample")
    answer = subprocess.run(
        ["sh", "-c", f'echo $$ > {small_memory}/cgroup.procs && exec "$@"', "sh", *words],
        cwd=little.root,
        env=little.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 1
    assert "killed in cell 5: SIGKILL" in answer.stderr
    assert "likely out of memory" in answer.stderr
    assert not kernels_of(little)


def test_a_run_over_its_time_is_ended(little: Little) -> None:
    little.write(SLEEP)
    answer = little.course("run", "--profile", "sample", "--timeout", "6")
    assert answer.returncode == 1
    assert "timed-out" in answer.stderr
    facts = run_json(little.root / "runs" / "01_little-sample" / "001")
    assert facts["status"] == "timed-out"
    assert not kernels_of(little)


def test_two_batches_do_not_share_a_folder(little: Little) -> None:
    little.write(SLEEP)
    first = little.start("run", "--profile", "sample")
    wait_until_asleep(little)
    second = little.course("run", "--profile", "sample")
    first.terminate()
    first.communicate(timeout=30)
    assert second.returncode == 2
    assert "Another `course run` is writing into" in second.stderr


def test_a_folder_that_cannot_be_written_is_said(little: Little) -> None:
    (little.root / "taken").write_text("a file", encoding="utf-8")
    answer = little.course("run", "--profile", "sample", "--out", "taken/runs")
    assert answer.returncode == 2
    assert "Cannot write into taken/runs" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_full_disk_is_said_and_the_old_run_stays(little: Little, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("only a user who may mount can make a small disk")
    try:
        assert little.course("run", "--profile", "sample", "--out", str(disk)).returncode == 0
        body = CHAPTER.replace('print("the end")', 'print("x" * 300_000)')
        little.write(body)
        answer = little.course("run", "--profile", "sample", "--out", str(disk))
        assert answer.returncode in (1, 2)
        assert "Traceback" not in answer.stderr
        assert "No space left" in answer.stderr
        assert run_json(disk / "01_little-sample" / "001")["status"] == "succeeded"
        assert run_json(disk / "01_little-sample" / "002")["status"] == "failed"
        nbformat.read(disk / "01_little-sample" / "001" / "01_little.ipynb", as_version=4)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_plain_papermill_runs_the_pair(stored: Little) -> None:
    answer = subprocess.run(
        [
            sys.executable,
            "-m",
            "papermill",
            "notebooks/01_little.ipynb",
            "out.ipynb",
            "-p",
            "steps",
            "2",
        ],
        cwd=stored.root,
        env=stored.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    assert "Unknown" not in answer.stderr
