"""Describe this machine: versions, processor, and the graphics cards that runs compute on."""

import functools
import hashlib
import importlib.metadata
import itertools
import json
import math
import os
import platform
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from course.errors import CourseError
from helpers.places import ROOT, chosen_backend

Answer = TypeVar("Answer")
PACKAGES = ("keras", "numpy", "papermill", "jupytext", "nbclient", "ipykernel")
DRIVER_SECONDS = 10.0  # a driver that takes longer hangs
BACKEND_SECONDS = 180.0  # importing a backend from a cold disk and starting CUDA
# Backends would take a whole card at once, so its peak would say nothing; and CUDA would count the
# cards in another order than the driver does.
CARD_VARIABLES = {
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
}
# The backend is asked in its own process, because asking it takes the graphics card.
ASK = """
import json
from helpers import backend
name = backend.keras.backend.backend()
print(json.dumps({"name": name, "devices": backend.accelerators(), "cuda": backend.toolkit()}))
"""


@dataclass(frozen=True)
class Card:
    """A graphics card, or a part of one, that ``CUDA_VISIBLE_DEVICES`` leaves visible.

    Attributes:
        index: what ``CUDA_VISIBLE_DEVICES`` calls it: a number or a UUID.
        name: its model.
        driver: version of its driver.
        mebibytes: its memory; infinite if the driver does not tell.
    """

    index: str
    name: str
    driver: str
    mebibytes: float

    @property
    def megabytes(self) -> float:
        """Its memory in units of 10^6 bytes."""
        return self.mebibytes * 2**20 / 1e6

    def __str__(self) -> str:
        """Return model, driver and memory as ``run.json`` lists them."""
        memory = f"{self.mebibytes:.0f} MiB" if math.isfinite(self.mebibytes) else "[N/A]"
        return f"{self.name}, {self.driver}, {memory}"


@dataclass(frozen=True)
class Device:
    """What a run computes on: processor, usable cores, and graphics cards in words."""

    processor: str = ""
    cores: int = 0
    gpus: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it in words, such as "Intel Xeon, 1 core".

        >>> print(Device("Intel Xeon", 1), Device("EPYC", 2, ("H200",)), sep="; ")
        Intel Xeon, 1 core; EPYC, 2 cores, H200
        """
        cores = f"{self.cores} core{'s' if self.cores != 1 else ''}"
        return ", ".join([self.processor, cores, *self.gpus])


@dataclass(frozen=True)
class Environment:
    """What a run's result depends on besides code, data and parameters.

    Attributes:
        python: its version.
        backend: "tensorflow", "jax" or "torch".
        packages: version by name, of those that matter most.
        commit: of the checkout, with "+" if files differ from it; empty without git.
        device: what the runs compute on.
    """

    python: str
    backend: str
    packages: dict[str, str]
    commit: str
    device: Device


@dataclass(frozen=True)
class Backend:
    """What the backend of Keras says of itself: name, visible accelerators, CUDA it was built for.

    Attributes:
        name: "tensorflow", "jax" or "torch".
        devices: accelerators that it can compute on.
        cuda: version of CUDA that it was built for; empty without one.
    """

    name: str
    devices: tuple[str, ...]
    cuda: str = ""


@functools.cache
def environment() -> Environment:
    """Describe what runs on this machine depend on.

    Raises:
        CourseError: ``KERAS_BACKEND`` names a backend that the course or this machine lacks, or
            the backend does not answer.
    """
    try:
        backend = chosen_backend()
    except ValueError as error:
        raise CourseError(str(error)) from error
    names = (backend, *PACKAGES)
    return Environment(
        python=platform.python_version(),
        backend=backend,
        packages={name: _version(name) for name in names},
        commit=_commit(),
        device=Device(
            processor=_processor(),
            cores=cores(),
            gpus=tuple(map(str, cards())) if cards() and ask_backend().devices else (),
        ),
    )


def _version(package: str) -> str:
    """Return the version of a package, whatever distribution it came in, as ``tensorflow-cpu``."""
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    for distribution in importlib.metadata.packages_distributions().get(package, ()):
        return f"{importlib.metadata.version(distribution)} ({distribution})"
    raise CourseError(f"{package} is not installed: run `python tools/environment.py` again.")


def _commit() -> str:
    def git(*words: str) -> str:
        answer = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, errors="replace"
        )
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


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# Graphics cards -----------------------------------------------------------------------------


def _within(seconds: float, ask: Callable[[], Answer], otherwise: Answer) -> Answer:
    """Return what ``ask`` returns, or ``otherwise`` if it fails or takes longer than allowed."""
    answers: queue.Queue[Answer] = queue.Queue()

    def put() -> None:
        try:
            answers.put(ask())
        except Exception:
            answers.put(otherwise)

    threading.Thread(target=put, daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return otherwise


def _handle(nvml: Any, index: str) -> Any:
    if index.isdecimal():
        return nvml.nvmlDeviceGetHandleByIndex(int(index))
    return nvml.nvmlDeviceGetHandleByUUID(index)


def _ask_driver(indices: list[str] | None) -> list[Card]:
    """List the cards with these indices, or all; CUDA, too, stops at the first unknown index."""
    import pynvml as nvml  # from the extra "gpu"

    nvml.nvmlInit()
    driver = nvml.nvmlSystemGetDriverVersion()
    found = []
    for index in map(str, range(nvml.nvmlDeviceGetCount())) if indices is None else indices:
        try:
            handle = _handle(nvml, index)
        except nvml.NVMLError:
            break
        name, mebibytes = "a graphics card", math.inf
        # Some cards share the machine's memory, and parts of a card may not tell their name.
        try:
            name = nvml.nvmlDeviceGetName(handle)
            mebibytes = nvml.nvmlDeviceGetMemoryInfo(handle).total / 2**20
        except nvml.NVMLError:
            pass
        found.append(Card(index, name, driver, mebibytes))
    return found


@functools.cache
def installed_cards() -> tuple[Card, ...]:
    """List this machine's graphics cards, visible or hidden.

    Returns:
        Nothing without NVIDIA's driver, without ``nvidia-ml-py``, or if the driver does not answer.
    """
    return tuple(_within(DRIVER_SECONDS, lambda: _ask_driver(None), []))


@functools.cache
def cards() -> tuple[Card, ...]:
    """List the graphics cards that ``CUDA_VISIBLE_DEVICES`` leaves visible, in its order."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not installed_cards():
        return installed_cards()
    indices = [name.strip() for name in visible.split(",")]
    # Minus one hides all that follows.
    indices = list(itertools.takewhile(lambda name: name and not name.startswith("-"), indices))
    return tuple(_within(DRIVER_SECONDS, lambda: _ask_driver(indices), []))


def used_bytes(index: str) -> int | None:
    """Return how much memory of a graphics card is in use, by anyone; None without an answer."""

    def ask() -> int | None:
        import pynvml as nvml

        nvml.nvmlInit()
        return int(nvml.nvmlDeviceGetMemoryInfo(_handle(nvml, index)).used)

    return _within(DRIVER_SECONDS, ask, None)


@functools.cache
def ask_backend() -> Backend:
    """Ask the backend of Keras which accelerators it can use.

    Raises:
        CourseError: it fails or does not answer.
    """
    try:
        answer = subprocess.run(
            [sys.executable, "-c", ASK],
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, **CARD_VARIABLES},
            timeout=BACKEND_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise CourseError(
            f"Keras did not list its devices within {BACKEND_SECONDS:.0f} s: restart the driver of "
            "the graphics card, or hide the card with CUDA_VISIBLE_DEVICES=-1."
        ) from error
    if answer.returncode != 0:
        last = (answer.stderr.strip().splitlines() or ["it ended without a message"])[-1]
        raise CourseError(f"Keras cannot list its devices: {last}")
    told = json.loads(answer.stdout.strip().splitlines()[-1])
    return Backend(told["name"], tuple(told["devices"]), told["cuda"] or "")


def gpus() -> list[str]:
    """Return what ``CUDA_VISIBLE_DEVICES`` calls the graphics cards that runs compute on."""
    return [card.index for card in cards()] if environment().device.gpus else []


def device_kind() -> str:
    """Name the graphics card that runs compute on, with its driver; without one the processor."""
    device = environment().device
    kinds = {card.rpartition(",")[0] for card in device.gpus} or {device.processor}
    return " and ".join(sorted(kinds))


@functools.cache
def fingerprint() -> str:
    """Return what the last digits of a result depend on besides code and data.

    Returns:
        The kind of device, and a hash of all installed packages.
    """
    installed = sorted({f"{d.name}=={d.version}" for d in importlib.metadata.distributions()})
    digest = hashlib.sha256("\n".join(installed).encode()).hexdigest()[:16]
    return f"{device_kind()} with packages {digest}"
