"""What several test modules share: small chapters, made-up runs, cards and processes."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import psutil

from course.catalogue import Budget
from course.running import store
from course.running.run import Run
from tests.conftest import CHAPTER, Little

SLEEP = CHAPTER.replace('print("the end")', 'import time\ntime.sleep(60)\nprint("the end")')
SLIDER = """
import matplotlib.pyplot as plt
from helpers import sliders
def draw(size=3):
    return plt.figure(), f"A kernel of {size} by {size}."
sliders.explore(draw, size=[3, 5, 7])
"""
CLAIM = """
mistake = []

[[claim]]
source = "a-source"
kind = "computed"
statement = "The little net reaches 95 %"
value = 0.95
unit = "fraction"
chapter = "01"
measure = "little.test_accuracy"
comparison = "at least"
tolerance = 0.01
"""
# What makes chapter 01 shorter than on sample data without losing a cell or a computed claim, for
# tests that ask whether it runs at all.
SMALLEST = {"epochs": 1, "comparison_images": 200, "comparison_epochs": 1}
CARD = "NVIDIA H100 80GB HBM3, 570.86.15, 81559 MiB"
NVML = '''
"""Stands in for nvidia-ml-py on a machine without a graphics card."""
import time


class NVMLError(Exception):
    pass


class Memory:
    total = 81559 * 2**20
    asked = 0

    @property
    def used(self):
        """What others hold, and later what the run holds as well."""
        Memory.asked += 1
        return (700 if Memory.asked == 1 else 700 + {used}) * 2**20


def nvmlInit():
    time.sleep({hangs})


def nvmlSystemGetDriverVersion():
    return "570.86.15"


def nvmlDeviceGetCount():
    return {count}


def nvmlDeviceGetHandleByIndex(index):
    if not 0 <= index < {count}:
        raise NVMLError("Not Found")
    return index


def nvmlDeviceGetHandleByUUID(uuid):
    if not uuid.startswith(("GPU-", "MIG-")):
        raise NVMLError("Not Found")
    return uuid


def nvmlDeviceGetName(handle):
    if str(handle).startswith("MIG-"):
        raise NVMLError("Not Supported")
    return "NVIDIA H100 80GB HBM3"


def nvmlDeviceGetMemoryInfo(handle):
    return Memory()
'''


def add_cards(little: Little, count: int = 1, used: int = 1000, hangs: float = 0) -> None:
    """Give a checkout graphics cards, of which others use 700 MiB and a run uses more.

    Args:
        little: the checkout.
        count: how many cards.
        used: MiB that a run uses.
        hangs: seconds that the driver takes to answer.
    """
    text = NVML.replace("{count}", str(count)).replace("{used}", str(used))
    (little.root / "src" / "pynvml.py").write_text(text.replace("{hangs}", str(hangs)), "utf-8")
    little.environment.pop("CUDA_VISIBLE_DEVICES", None)


def put_in_path(folder: Path, name: str, script: str) -> str:
    """Make a program that comes before the system's, and return the PATH that finds it."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def run_json(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def statuses(little: Little, out: str = "runs") -> dict[str, str]:
    """The status of every attempt, by its folder."""
    return {
        f"{path.parent.parent.name}/{path.parent.name}": run_json(path.parent)["status"]
        for path in sorted((little.root / out).glob("*/*/run.json"))
    }


def states(answer: subprocess.CompletedProcess[str]) -> list[str]:
    """What a batch said of each of its runs."""
    return [line.partition(":")[0] for line in answer.stdout.splitlines() if ".ipynb" in line]


def make_attempt(out: Path, name: str = "01_little-sample", **fields: Any) -> Path:
    """Write an attempt as ``course run`` would, without running anything.

    Args:
        out: folder of the runs.
        name: of the run.
        fields: of ``Run``, where they differ from those of a successful run of chapter 01;
            ``outputs`` are the outputs of the notebook's only cell.
    """
    outputs = fields.pop("outputs", [])
    seed = fields.get("seed", 0)
    usual: dict[str, Any] = {
        "chapter": "01",
        "notebook": "01_little",
        "profile": "sample",
        "parameters": {"profile": "sample", "steps": 1, **({"seed": seed} if seed else {})},
        "seed": 0,
        "folder": name,
        "budget": Budget(30, 800),
        "status": "succeeded",
        "backend": "tensorflow",
        "python": "3.11.7",
        "started": "2026-01-01T00:00:00+00:00",
        "duration_seconds": 3.0,
        "records": [record(0.9 + seed / 1000)],
    }
    run = Run(**usual | fields)
    out.mkdir(parents=True, exist_ok=True)
    store.write_json(out / "format.json", {"format": store.FORMAT})
    folder = store.new_attempt(out, run)
    store.write_run(folder, run)
    cell = nbformat.v4.new_code_cell("1", outputs=outputs, execution_count=1)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbformat.write(notebook, folder / f"{run.notebook}.ipynb")
    return folder


def record(value: float, name: str = "little.test_accuracy") -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "fraction"}


def kernels_of(little: Little) -> list[psutil.Process]:
    """Every process of the runs of this checkout."""
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


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.1)


def wait_until_asleep(little: Little) -> psutil.Process:
    """Wait until the last cell runs, and return the kernel."""
    found = []

    def asleep() -> bool:
        logs = list(little.root.glob("runs/*/*/log.txt"))
        if not logs or "Executing Cell 7" not in logs[-1].read_text(encoding="utf-8"):
            return False
        for process in kernels_of(little):
            try:
                if "ipykernel_launcher" in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return bool(found)

    wait_for(asleep)
    return found[-1]
