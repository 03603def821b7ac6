"""What one run is asked to do and what became of it, as ``run.json`` holds it."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from course.catalogue import Budget
from course.machine import Device, Environment
from course.running.processes import Owner

# Every attempt ends in exactly one of these.
STATUSES = ("succeeded", "failed", "timed-out", "killed", "over-budget", "cancelled", "lost")


@dataclass(frozen=True)
class Failure:
    """Why an attempt did not succeed.

    Attributes:
        cell: number of the cell that ran at that moment, counted as the source has them.
        error: name of the exception, signal or limit.
        message: what it said.
    """

    cell: int | None
    error: str
    message: str


@dataclass(frozen=True)
class Progress:
    """How far a running attempt is: its cell, all cells, seconds so far, bytes held now."""

    cell: int | None = None
    cells: int = 0
    seconds: float = 0.0
    bytes: int = 0


@dataclass(eq=False)
class Run:
    """What a run is asked to do and what became of one attempt at it.

    Attributes:
        folder: name of the run's folder; runs with the same parameters and backend share it.
        parameters: those that differ from the notebook's defaults.
        after: folders of the runs in the same batch whose models this one uses.
        key: digest of everything that the result depends on; empty until it is known.
        status: "waiting" in a plan, "running", or how it ended: one of ``STATUSES``.
        error: why it did not succeed.
        tail: the last lines of the log, if it did not succeed.
        examples_a_second: in the warm epochs of all its trainings together; 0 if it trained none.
        gpu_peak_bytes: the most memory of its graphics card that was in use; 0 without one.
        artifacts: SHA-256 of each file of a model that it left for other chapters.
        helpers: digest of the helper modules that its chapter imports.
        owner: the process that watches it, to tell whether it is still running.
        mark: word in the environment of its processes, by which they are found again.
    """

    chapter: str
    notebook: str
    profile: str
    parameters: dict[str, Any]
    seed: int
    folder: str
    budget: Budget
    after: list[str] = field(default_factory=list)
    key: str = ""
    attempt: int = 0
    status: str = "waiting"
    error: Failure | None = None
    tail: list[str] = field(default_factory=list)
    started: str = ""
    duration_seconds: float = 0.0
    peak_memory_bytes: int = 0
    examples_a_second: float = 0.0
    gpu_peak_bytes: int = 0
    threads: int = 0
    gpu: str = ""
    records: list[dict[str, Any]] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)
    artifacts: dict[str, str] = field(default_factory=dict)
    notebook_sha256: str = ""
    python: str = ""
    backend: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    helpers: str = ""
    device: Device = field(default_factory=Device)
    owner: Owner = field(default_factory=Owner)
    mark: str = ""

    def set_environment(self, environment: Environment) -> None:
        """Note what the run is executed with."""
        for each in fields(environment):
            setattr(self, each.name, getattr(environment, each.name))

    def fail(self, status: str, error: str, message: str, cell: int | None = None) -> None:
        """Note how and why the attempt ended without success."""
        self.status, self.error = status, Failure(cell, error, message)

    def reason(self) -> str:
        """Return in one line why it did not succeed; an empty text if it did."""
        if self.error is None:
            return ""
        first = (self.error.message.strip().splitlines() or [""])[0]
        cell = "" if self.error.cell is None else f" in cell {self.error.cell}"
        return f"{self.status}{cell}: {self.error.error}: {first}"

    def untried(self) -> "Run":
        """Return the same run as it was planned, with its key and threads but without results."""
        planned = "chapter notebook profile parameters seed folder budget after key helpers"
        planned += " threads backend"
        return Run(**{name: getattr(self, name) for name in planned.split()})


def to_json(run: Run) -> dict[str, Any]:
    """Return the fields of a run as JSON knows them."""
    return asdict(run)


def from_json(content: dict[str, Any]) -> Run:
    """Return the run that ``to_json`` described.

    Raises:
        TypeError: a field is missing or unknown.
        KeyError: a field is missing.
    """
    error = content["error"]
    return Run(
        **{
            **content,
            "budget": Budget(**content["budget"]),
            "error": None if error is None else Failure(**error),
            "device": Device(**{**content["device"], "gpus": tuple(content["device"]["gpus"])}),
            "owner": Owner(**content["owner"]),
        }
    )
