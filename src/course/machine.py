"""Describe this machine: versions, processor, and the graphics cards that runs compute on."""

import functools
import hashlib
import importlib.metadata
import itertools
import json
import math
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from course.errors import CourseError
from helpers.places import ROOT, chosen_backend

PACKAGES = ("tensorflow", "keras", "numpy", "papermill", "jupytext", "nbclient", "ipykernel")
# Backends would take a whole card at once, and its peak would say nothing; and CUDA would count
# the cards in another order than nvidia-smi.
MEMORY_GROWS = {
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
}
# The backend is asked in a process of its own, because asking it takes the graphics card.
ASK = """
import json
from helpers import backend
name = backend.keras.backend.backend()
print(json.dumps({"backend": name, "seen": backend.accelerators(), "build": backend.toolkit()}))
"""


@functools.cache
def environment() -> dict[str, Any]:
    """What this machine runs with, as ``Run`` names it: Python, backend, packages and so on.

    Raises:
        CourseError: ``KERAS_BACKEND`` names a backend that the course or this machine lacks, or
            the backend cannot be asked for its devices.
    """
    try:
        backend = chosen_backend()
    except ValueError as error:
        raise CourseError(str(error)) from error
    return {
        "python": platform.python_version(),
        "backend": backend,
        "packages": {
            name: importlib.metadata.version(name) for name in dict.fromkeys((*PACKAGES, backend))
        },
        "commit": _commit(),
        "device": _device(),
    }


def _commit() -> str:
    """The commit of the checkout, with a plus where files differ from it; empty without git."""

    def git(*words: str) -> str:
        answer = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
        return answer.stdout.strip() if answer.returncode == 0 else ""

    try:
        head = git("rev-parse", "HEAD")
        return head + ("+" if head and git("status", "--porcelain", "-uno") else "")
    except OSError:
        return ""


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _device() -> dict[str, Any]:
    """Processor, cores and the graphics cards that the runs compute on."""
    cards = list(visible_cards().values())
    return {
        "processor": _processor(),
        "cores": cores(),
        "gpus": cards if cards and ask_backend()["seen"] else [],
    }


def _nvidia_smi(query: str) -> list[str]:
    """What nvidia-smi answers, one line a graphics card; nothing without it."""
    if not shutil.which("nvidia-smi"):
        return []
    asked = subprocess.run(
        ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"],
        capture_output=True,
        text=True,
    )
    return asked.stdout.strip().splitlines() if asked.returncode == 0 else []


@functools.cache
def listed_cards() -> list[str]:
    """Name, driver and memory of each graphics card of this machine, as nvidia-smi lists them."""
    return _nvidia_smi("name,driver_version,memory.total")


def visible_cards() -> dict[str, str]:
    """The graphics cards that ``CUDA_VISIBLE_DEVICES`` leaves, as nvidia-smi lists them.

    Returns:
        Name, driver and memory by what ``CUDA_VISIBLE_DEVICES`` calls the card.
    """
    cards = {str(number): card for number, card in enumerate(listed_cards())}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not cards:
        return cards
    names = [name.strip() for name in visible.split(",")]
    if not all(name.isdecimal() for name in names):
        uuids = dict(zip(_nvidia_smi("uuid"), cards.values(), strict=False))
        driver = listed_cards()[0].split(",")[1].strip()
        for name in names:
            if name.startswith("MIG-"):
                cards[name] = f"a part of a card (MIG), {driver}, [N/A]"
            elif name.startswith("GPU-"):
                cards.update((name, uuids[uuid]) for uuid in uuids if uuid.startswith(name))
    # CUDA, too, shows the cards before the first that it does not know.
    return {name: cards[name] for name in itertools.takewhile(cards.__contains__, names)}


@functools.cache
def ask_backend() -> dict[str, Any]:
    """What the backend of Keras says of itself: its name, the devices it sees, its CUDA.

    Raises:
        CourseError: it cannot be asked.
    """
    answer = subprocess.run(
        [sys.executable, "-c", ASK],
        capture_output=True,
        text=True,
        env={**os.environ, **MEMORY_GROWS},
    )
    if answer.returncode != 0:
        last = (answer.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise CourseError(f"Keras cannot be asked for its devices: {last}")
    return json.loads(answer.stdout.strip().splitlines()[-1])


def gpu_megabytes(card: str) -> float:
    """The memory of a graphics card as nvidia-smi lists it; infinite where it says no number."""
    try:
        return float(card.rpartition(",")[2].split()[0]) * 2**20 / 1e6
    except (IndexError, ValueError):
        return math.inf


def taken_bytes(gpu: str) -> int:
    """The memory of one graphics card that is taken, in bytes; 0 if it cannot be asked."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", f"--id={gpu}", "--query-gpu=memory.used", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
        )
        return int(float(answer.stdout.split()[0]) * 2**20)
    except (OSError, subprocess.TimeoutExpired, IndexError, ValueError):
        return 0


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """What ``CUDA_VISIBLE_DEVICES`` calls the graphics cards that the runs compute on."""
    return list(visible_cards()) if environment()["device"]["gpus"] else []


def device_kind() -> str:
    """The graphics card that the runs compute on, with its driver; without one the processor."""
    device = environment()["device"]
    kinds = {card.rpartition(",")[0] for card in device["gpus"]} or {device["processor"]}
    return " and ".join(sorted(kinds))


@functools.cache
def machine() -> str:
    """What the last digits of a result depend on besides code and data.

    Returns:
        The kind of device, and a hash of all installed packages.
    """
    installed = sorted({f"{d.name}=={d.version}" for d in importlib.metadata.distributions()})
    digest = hashlib.sha256("\n".join(installed).encode()).hexdigest()[:16]
    return f"{device_kind()} with packages {digest}"
