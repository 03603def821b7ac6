"""Inject faults into batches at random moments, and check what they leave.

    python benchmarks/faults.py [--faults 208] [--seed 0] [--lanes 2] [--out results/faults.json]

Each fault hits a real batch of two runs of a small chapter (it imports no TensorFlow) in a checkout
of its own. Afterwards no process may be left, every JSON file and notebook must be whole, every
status must be one that the fault allows, and the same command must finish the batch with the right
results, without doing again what was done. Small disks need the right to mount; the clock is set
for the processes of the batch alone, by a library that is compiled with cc.
"""

import argparse
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import psutil

from helpers.places import ROOT

TABLE = """\
[chapters.01]
notebook = "01_little"
title = "A little chapter"
data = ["tiny"]
sample = {steps = 1}
full = {steps = 10}
budget.sample = {seconds = 30, megabytes = 800}
budget.quick = {seconds = 30, megabytes = 800}
budget.full = {seconds = 30, megabytes = 800}
"""
CHAPTER = """\
# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %%
import time

from helpers import datasets
from helpers.records import record

# %% tags=["parameters"]
profile: str = "quick"  # sample | quick | full: where the data come from
seed: int = 0  # 0 to 100: seed
steps: int = 3  # 1 to 10: how often

# %% tags=["measured"]
data = datasets.load("tiny", profile)
total = int(data.train[0].sum())

# %%
for step in range(10):
    time.sleep(0.1)
    print("step", step)

# %% tags=["measured"]
record("tiny.total", total + seed, "count")
"""
TINY = '''\
"""A data set of a thousand numbers."""

import numpy as np


def sample():
    """The numbers from 0 to 999."""
    x = np.arange(1000)
    return {"train_x": x, "train_y": x, "test_x": x, "test_y": x}, {}
'''
DATASETS = """\
[tiny]
title = "tiny"
sample_title = "sample: tiny"
classes = ["one"]
prepare = "helpers.tiny:sample"
sample = "helpers.tiny:sample"
license = "none"
citation = "none"
card = "none"
kind = "data"

[[tiny.archive]]
file = "tiny"
url = "http://localhost/tiny"
bytes = 1
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
"""
TOTAL = 499_500
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long jump(void) {
    long seconds = 0;
    int file = open(getenv("CLOCK_JUMP"), O_RDONLY | O_CLOEXEC);
    if (file >= 0) { if (read(file, &seconds, sizeof seconds) < 0) seconds = 0; close(file); }
    return seconds;
}
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int answer = real(id, now);
    if (answer == 0 && id == CLOCK_REALTIME) now->tv_sec += jump();
    return answer;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
"""
COMMAND = ["run", "--profile", "sample", "--seeds", "2", "--jobs", "2"]
NAMES = ("01_little-sample", "01_little-sample-seed=1")
EXIT = (0, 1, 2, 129, 130, 143)


class Wrong(Exception):
    """A fault left something that it must not."""


@dataclass
class Lane:
    """One checkout with its cache, in which faults follow one another."""

    root: Path
    draw: random.Random
    environment: dict[str, str] = field(default_factory=dict)
    out: Path = Path()

    def prepare(self) -> None:
        shutil.copytree(
            ROOT / "src", self.root / "src", ignore=shutil.ignore_patterns("__pycache__")
        )
        for name in ("notebooks", "data"):
            (self.root / name).mkdir()
        (self.root / "src" / "helpers" / "tiny.py").write_text(TINY, encoding="utf-8")
        (self.root / "data" / "datasets.toml").write_text(DATASETS, encoding="utf-8")
        (self.root / "data" / "claims.toml").write_text("claim = []\nmistake = []\n", "utf-8")
        (self.root / "notebooks" / "course.toml").write_text(TABLE, encoding="utf-8")
        (self.root / "notebooks" / "01_little.py").write_text(CHAPTER, encoding="utf-8")
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(self.root / "src"),
            "COURSE_CACHE": str(self.root / "cache"),
        }

    def new_out(self) -> None:
        self.out = Path(tempfile.mkdtemp(dir=self.root, prefix="runs-"))

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "course", *COMMAND, "--out", str(self.out), *words],
            cwd=self.root,
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        try:
            output, errors = process.communicate(timeout=120)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise Wrong("the batch never ended") from error
        if "Traceback" in errors:
            raise Wrong(f"a traceback: {errors[-600:]}")
        return process.returncode, output, errors

    def processes(self, kind: str = "") -> list[psutil.Process]:
        """Processes of the runs: "ipykernel" the kernels, "course.running.worker" their parents."""
        found = []
        for process in psutil.process_iter():
            try:
                own = process.environ()
                if (
                    own.get("COURSE_CACHE") == self.environment["COURSE_CACHE"]
                    and "COURSE_RUN_MARK" in own
                    and kind in " ".join(process.cmdline())
                    and process.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def moment(self) -> None:
        time.sleep(self.draw.uniform(0.2, 4.0))

    def victim(self, kind: str) -> psutil.Process | None:
        """One of the processes of a kind, at a random moment; None where the batch was quicker."""
        self.moment()
        until = time.monotonic() + 3
        while time.monotonic() < until:
            found = self.processes(kind)
            if found:
                return self.draw.choice(found)
            time.sleep(0.05)
        return None

    def runs(self) -> dict[str, dict[str, Any]]:
        return {
            f"{path.parent.parent.name}/{path.parent.name}": json.loads(path.read_text("utf-8"))
            for path in sorted(self.out.glob("*/[0-9]*/run.json"))
        }


Fault = Callable[[Lane], set[str]]  # injects, waits for the end, says which statuses are true


def _signal_to(kind: str, number: int) -> Fault:
    def inject(lane: Lane) -> set[str]:
        words = ["--timeout", "8"] if number == signal.SIGSTOP else []
        batch = lane.start(*words)
        victim = lane.victim(kind)
        mark = ""
        if victim is not None:
            try:
                mark = victim.environ()["COURSE_RUN_MARK"]
                victim.send_signal(number)
            except (psutil.Error, KeyError):
                mark = ""
        code, _, errors = lane.end(batch)
        for name, run in lane.runs().items():
            if run["mark"] != mark and run["status"] != "succeeded" and number != signal.SIGSTOP:
                raise Wrong(f"{name} is {run['status']}, and nobody touched it: {errors}")
        if code != (0 if all(r["status"] == "succeeded" for r in lane.runs().values()) else 1):
            raise Wrong(f"exit code {code}")
        return {"succeeded", "timed-out" if number == signal.SIGSTOP else "killed"}

    return inject


def _signal_to_runner(*numbers: int) -> Fault:
    def inject(lane: Lane) -> set[str]:
        batch = lane.start()
        lane.moment()
        for place, number in enumerate(numbers):
            if place:
                time.sleep(lane.draw.uniform(0.2, 1.5))
            if batch.poll() is None:
                batch.send_signal(number)
        code, _, errors = lane.end(batch)
        allowed = {0, 128 + numbers[0], -numbers[0], -signal.SIGKILL}
        if code not in allowed:
            raise Wrong(f"exit code {code}: {errors}")
        ended = "lost" if signal.SIGKILL in numbers else "cancelled"
        # A signal during the imports of the runner ends it before it writes anything.
        return {"succeeded", ended, "running"} if ended == "lost" else {"succeeded", ended}

    return inject


def _small_disk(lane: Lane, read_only: bool) -> set[str]:
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(lane.out)]
    subprocess.run(mount, check=True)
    batch = lane.start()
    lane.moment()
    if read_only:
        again = ["mount", "-o", "remount,ro", str(lane.out)]
        while subprocess.run(again, capture_output=True).returncode and batch.poll() is None:
            time.sleep(0.05)
    else:
        try:
            with (lane.out / "filler").open("wb") as file:
                while True:
                    file.write(b"x" * 1024)
                    file.flush()
        except OSError:
            pass
    code, _, errors = lane.end(batch)
    if code not in (0, 1, 2):
        raise Wrong(f"exit code {code}")
    if code and not any(word in errors for word in ("No space left", "Read-only", "cannot be")):
        raise Wrong(f"it does not say why: {errors}")
    if read_only:
        subprocess.run(["mount", "-o", "remount,rw", str(lane.out)], check=True)
    (lane.out / "filler").unlink(missing_ok=True)
    # Where not one byte can be written, the last word stays "running" until the next command.
    return {"succeeded", "failed", "cancelled", "running"}


def _full_disk(lane: Lane) -> set[str]:
    return _small_disk(lane, read_only=False)


def _read_only(lane: Lane) -> set[str]:
    """A disk that becomes read-only needs all files closed, so that the disk lets it happen."""
    return _small_disk(lane, read_only=True)


def _read_only_from_the_start(lane: Lane) -> set[str]:
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro,size=400k", "tmpfs", str(lane.out)], check=True
    )
    code, _, errors = lane.end(lane.start())
    if code != 2 or "Cannot write into" not in errors:
        raise Wrong(f"exit code {code}: {errors}")
    subprocess.run(["mount", "-o", "remount,rw", str(lane.out)], check=True)
    return set()


def _damage(lane: Lane, path: Path) -> None:
    content = path.read_bytes()
    place = lane.draw.randrange(len(content))
    if lane.draw.random() < 0.5:
        path.write_bytes(content[:place])
    else:
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])


def _corrupt_cache(lane: Lane) -> set[str]:
    lane.end(lane.start())
    shutil.rmtree(lane.out)
    lane.out.mkdir()
    entries = sorted((lane.root / "cache" / "prepared").glob("tiny-sample-*/*"))
    _damage(lane, lane.draw.choice(entries))
    code, _, errors = lane.end(lane.start())
    if code != 0:
        raise Wrong(f"exit code {code}: {errors}")
    return {"succeeded"}


def _damaged_run(lane: Lane) -> set[str]:
    lane.end(lane.start())
    victim = lane.draw.choice([*lane.out.glob("*/001/run.json"), *lane.out.glob("*/001/*.ipynb")])
    content = victim.read_bytes()
    victim.write_bytes(content[: lane.draw.randrange(len(content) - 1)])
    code, output, errors = lane.end(lane.start())
    if code != 0 or output.count("reused: ") != 1:
        raise Wrong(f"exit code {code}: {output} {errors}")
    # What a hand has damaged is not half-written; it goes, so that the rest can be checked.
    shutil.rmtree(victim.parent)
    return {"succeeded"}


def _clock_jumps(lane: Lane) -> set[str]:
    jump = lane.root / "jump"
    jump.write_bytes(struct.pack("l", 0))
    library = lane.root / "clock.so"
    if not library.exists():
        (lane.root / "clock.c").write_text(CLOCK, encoding="utf-8")
        words = ["cc", "-shared", "-fPIC", "-o", str(library), str(lane.root / "clock.c"), "-ldl"]
        subprocess.run(words, check=True)
    batch = lane.start(LD_PRELOAD=str(library), CLOCK_JUMP=str(jump))
    for _ in range(3):
        time.sleep(lane.draw.uniform(0.2, 1.5))
        jump.write_bytes(struct.pack("l", lane.draw.randrange(-100_000_000, 100_000_000)))
    code, _, errors = lane.end(batch)
    if code != 0:
        raise Wrong(f"exit code {code}: {errors}")
    for name, run in lane.runs().items():
        if not 0 < run["duration_seconds"] < 60:
            raise Wrong(f"{name} took {run['duration_seconds']} s by its clock")
    return {"succeeded"}


def _two_batches(lane: Lane) -> set[str]:
    first = lane.start()
    lane.moment()
    second = lane.start()
    codes = [lane.end(batch)[0] for batch in (first, second)]
    if sorted(codes) not in ([0, 0], [0, 2]):
        raise Wrong(f"exit codes {codes}")
    return {"succeeded"}


FAULTS: dict[str, Fault] = {
    "SIGKILL to a kernel": _signal_to("ipykernel", signal.SIGKILL),
    "SIGKILL to the runner": _signal_to_runner(signal.SIGKILL),
    "SIGKILL to a worker": _signal_to("course.running.worker", signal.SIGKILL),
    "full disk": _full_disk,
    "truncated run.json or notebook": _damaged_run,
    "corrupt cache entry": _corrupt_cache,
    "two batches at once": _two_batches,
    "SIGSTOP, then SIGKILL to the runner": _signal_to_runner(signal.SIGSTOP, signal.SIGKILL),
    "clock jumps": _clock_jumps,
    "SIGTERM to a kernel": _signal_to("ipykernel", signal.SIGTERM),
    "SIGTERM to a worker": _signal_to("course.running.worker", signal.SIGTERM),
    "SIGTERM to the runner": _signal_to_runner(signal.SIGTERM),
    "SIGSTOP to a kernel": _signal_to("ipykernel", signal.SIGSTOP),
    "SIGSTOP to a worker": _signal_to("course.running.worker", signal.SIGSTOP),
    "SIGINT twice to the runner": _signal_to_runner(signal.SIGINT, signal.SIGINT),
    "read-only from the start": _read_only_from_the_start,
}


def _no_process(lane: Lane) -> None:
    until = time.monotonic() + 15
    while left := lane.processes():
        if time.monotonic() > until:
            names = [" ".join(process.cmdline())[:80] for process in left]
            for process in left:
                process.kill()
            raise Wrong(f"processes are left: {names}")
        time.sleep(0.1)


def _whole(lane: Lane, allowed: set[str]) -> None:
    """Every file is whole, and every status true."""
    for path in lane.out.rglob("*.json"):
        if not path.name.startswith("."):
            json.loads(path.read_text(encoding="utf-8"))
    for path in lane.out.rglob("*.ipynb"):
        if not path.name.startswith("."):
            nbformat.validate(nbformat.read(path, as_version=4))
    for name, run in lane.runs().items():
        if run["status"] not in allowed:
            raise Wrong(f"{name} is {run['status']}, not one of {sorted(allowed)}")
        right = [{"name": "tiny.total", "unit": "count", "value": TOTAL + run["seed"]}]
        if run["status"] == "succeeded" and run["records"] != right:
            raise Wrong(f"{name} recorded {run['records']}")
        if run["status"] not in ("succeeded", "running") and run["error"] is None:
            raise Wrong(f"{name} is {run['status']} without a reason")


def one(lane: Lane, name: str) -> None:
    """Inject one fault and check what it leaves.

    Raises:
        Wrong: something must not be so.
    """
    lane.new_out()
    try:
        allowed = FAULTS[name](lane)
        _no_process(lane)
        _whole(lane, allowed)
        before = lane.runs()
        done = {
            key.partition("/")[0] for key, run in before.items() if run["status"] == "succeeded"
        }
        code, output, errors = lane.end(lane.start())
        if code != 0:
            raise Wrong(f"the same command ends with {code}: {errors}")
        _no_process(lane)
        _whole(lane, (allowed | {"succeeded", "lost"}) - {"running"})
        after = lane.runs()
        for run in NAMES:
            if not any(
                k.startswith(f"{run}/") and r["status"] == "succeeded" for k, r in after.items()
            ):
                raise Wrong(f"{run} has no good attempt")
            if run in done and f"reused: {lane.out}/{run}/" not in output:
                raise Wrong(f"{run} was done twice")
        for key, run in before.items():
            if run["status"] != "running" and after[key] != run:
                raise Wrong(f"{key} was written over")
    finally:
        subprocess.run(["umount", str(lane.out)], capture_output=True)
        shutil.rmtree(lane.out, ignore_errors=True)


def campaign(folder: Path, names: list[str], seed: int, lanes: int) -> list[tuple[str, str]]:
    """Inject faults, a few at a time.

    Returns:
        Fault and what went wrong, for each that left what it must not.
    """
    ready = []
    for number in range(lanes):
        lane = Lane(folder / f"lane-{number}", random.Random(seed * 1000 + number))
        lane.root.mkdir(parents=True)
        lane.prepare()
        ready.append(lane)

    def follow(number: int) -> list[tuple[str, str]]:
        wrong = []
        for place, name in enumerate(names[number::lanes]):
            if place and place % 10 == 0:
                print(f"lane {number}: {place} faults, {len(wrong)} wrong", flush=True)
            try:
                one(ready[number], name)
            except (Wrong, OSError, ValueError, subprocess.SubprocessError) as error:
                wrong.append((name, str(error)))
                print(f"WRONG: {name}: {error}", flush=True)
        return wrong

    with ThreadPoolExecutor(lanes) as pool:
        return [entry for found in pool.map(follow, range(lanes)) for entry in found]


def main() -> int:
    """Run the campaign and report the count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=208)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--only", help="one kind of fault")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    kinds = [asked.only] if asked.only else list(FAULTS)
    names = [kinds[number % len(kinds)] for number in range(asked.faults)]
    random.Random(asked.seed).shuffle(names)
    # In the background of a shell Ctrl-C is ignored, and the batches would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="course-faults-") as folder:
        wrong = campaign(Path(folder), names, asked.seed, asked.lanes)
    counted = dict(sorted(Counter(names).items()))
    for name, number in counted.items():
        print(f"{number:>4}  {name}")
    print(f"{len(names)} faults, {len(wrong)} left something wrong")
    if asked.out:
        result = {"faults": counted, "seed": asked.seed, "wrong": wrong}
        result["seconds"] = round(time.monotonic() - began)
        asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
