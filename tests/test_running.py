"""Single runs in real processes: what they leave, and how they end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import pytest

from course import machine
from course.running import processes, store, watch, worker
from helpers import datasets, downloads
from tests.conftest import CHAPTER, Little
from tests.support import (
    SLEEP,
    kernels_of,
    make_attempt,
    run_json,
    wait_for,
    wait_until_asleep,
)

CHILDREN = CHAPTER.replace(
    'print("the end")',
    "import subprocess, time\n"
    'subprocess.Popen(["sleep", "61"], start_new_session=True)\n'
    "time.sleep(60)",
)


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
    assert facts["device"]["cores"] == machine.cores()
    executed = nbformat.read(folder / "01_little.ipynb", as_version=4)
    assert any("the end" in str(cell.get("outputs")) for cell in executed.cells)
    assert "the end" in (folder / "log.txt").read_text(encoding="utf-8")
    report = (little.root / "runs" / "report.html").read_text(encoding="utf-8")
    assert "little.test_accuracy" in report
    assert "http" not in report
    assert [path.name for path in (little.root / "runs").rglob(".*")] == [".lock"]


def test_a_user_without_a_name_can_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(worker.getpass, "getuser", nobody)
    monkeypatch.setattr(worker.tempfile, "gettempdir", lambda: str(tmp_path))
    worker.lock_kernel_start().release()
    assert [path.name for path in tmp_path.iterdir()] == [f"course-kernel-{os.getuid()}.lock"]


def test_a_system_without_numbers_of_users_can_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(worker.os, "getuid")
    monkeypatch.setattr(worker.getpass, "getuser", lambda: "Zoë")
    monkeypatch.setattr(worker.tempfile, "gettempdir", lambda: str(tmp_path))
    worker.lock_kernel_start().release()
    assert [path.name for path in tmp_path.iterdir()] == ["course-kernel-Zoë.lock"]


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
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
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
    assert "but its budget is 800 MB" in answer.stderr
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
    assert "probably ran out of memory" in answer.stderr
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


def test_a_file_that_is_read_elsewhere_costs_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses to replace a file for the moment in which another program reads it."""
    folder = make_attempt(tmp_path / "runs")
    (folder / "01_little.ipynb").write_text("{}", encoding="utf-8")
    run = store.read_run(folder)
    assert run is not None
    really, refused = Path.replace, [PermissionError(13, "Permission denied")] * 3

    def refuse(unfinished: Path, target: Path) -> Path:
        if refused:
            raise refused.pop()
        return really(unfinished, target)

    monkeypatch.setattr(Path, "replace", refuse)
    store.write_run(folder, run)
    assert not refused
    assert run_json(folder)["status"] == "succeeded"
    assert (folder / "01_little.ipynb").exists()


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


NOISE = """\
import os, subprocess, sys
subprocess.run([sys.executable, "-c", "print(2)"])
subprocess.run([sys.executable, "-c", "print('{}')"])
subprocess.run([sys.executable, "-c", "print('{\\"event\\": \\"done\\"}')"])
os.write(1, b"3\\n[1]\\nnull\\n")
print(5, file=sys.__stdout__, flush=True)
"""


def test_what_children_of_a_cell_print_is_no_event(little: Little) -> None:
    little.write(CHAPTER.replace('print("the end")', f'{NOISE}print("the end")'))
    answer = little.course("run", "--profile", "sample", "--seeds", "2")
    assert answer.returncode == 0, answer.stderr
    assert "Traceback" not in answer.stderr
    for name in ("01_little-sample", "01_little-sample-seed=1"):
        folder = little.root / "runs" / name / "001"
        assert run_json(folder)["status"] == "succeeded"


@pytest.mark.parametrize(
    "line",
    [
        "2",
        "[]",
        "null",
        "{}",
        '{"event": "cell", "sell": 1}',
        '"event"',
        "{",
        "",
        "\x00",
        "[" * 10**5,
    ],
)
def test_lines_that_are_no_events_are_ignored(line: str) -> None:
    assert watch.parse_event(line) is None


def test_a_kernel_that_a_real_time_signal_ends_is_killed(little: Little) -> None:
    little.write(CHAPTER.replace('print("the end")', "import os\nos.kill(os.getpid(), 40)"))
    answer = little.course("run", "--profile", "sample")
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    assert "killed in cell 5: signal 40" in answer.stderr


def test_every_exit_code_has_a_name() -> None:
    assert processes.exit_name(-signal.SIGKILL) == "SIGKILL"
    assert all(processes.exit_name(code) for code in range(-64, 256))


class _Slow(BaseHTTPRequestHandler):
    """A mirror that answers, and then takes its time."""

    asked = threading.Event()
    closed = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.asked.set()
        self.closed.wait(60)

    def log_message(self, *words: object) -> None:
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_batch_that_fetches_data(little: Little, number: int) -> None:
    _Slow.asked.clear()
    _Slow.closed.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    listed = little.root / "notebooks" / "course.toml"
    text = listed.read_text(encoding="utf-8").replace("data = []", 'data = ["mnist"]')
    listed.write_text(text, encoding="utf-8")
    little.environment["COURSE_MIRROR"] = f"http://127.0.0.1:{server.server_address[1]}"
    process = little.start("run")
    try:
        assert _Slow.asked.wait(60)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        _Slow.closed.set()
        server.shutdown()
        server.server_close()
    assert process.returncode == 128 + number
    assert f"course: stopped by {signal.Signals(number).name}" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_batch_that_waits_for_data(little: Little, number: int) -> None:
    listed = little.root / "notebooks" / "course.toml"
    text = listed.read_text(encoding="utf-8").replace("data = []", 'data = ["mnist"]')
    listed.write_text(text, encoding="utf-8")
    prepared = Path(little.environment["COURSE_CACHE"]) / "prepared" / "mnist-sample-of-others"
    prepared.mkdir(parents=True)
    with downloads.locked(datasets.lock_of(prepared)):  # as a kernel does that prepares them
        process = little.start("run", "--profile", "sample")
        try:
            wait_for((little.root / "runs" / ".lock").exists)
            time.sleep(2)  # by then it waits
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 128 + number
    assert f"course: stopped by {signal.Signals(number).name}" in errors


POSIX_ONLY = """\
import os, signal
del os.waitid, os.sched_getaffinity, signal.SIGHUP
"""


def test_a_system_without_posix_calls_can_run(little: Little) -> None:
    # Windows lacks more, which packages that the course uses look for on Linux.
    (little.root / "src" / "sitecustomize.py").write_text(POSIX_ONLY, encoding="utf-8")
    answer = little.course("run", "--profile", "sample")
    assert answer.returncode == 0, answer.stderr
    little.write(CHAPTER.replace('print("the end")', "import os\nos._exit(3)"))
    answer = little.course("run", "--profile", "sample")
    assert answer.returncode == 1
    assert "killed in cell 5: unknown cause" in answer.stderr
