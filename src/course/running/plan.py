"""Plan a batch: which runs, in which order, and the key that tells if a run was done before."""

import functools
import hashlib
import itertools
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from course import data, machine
from course.catalogue import (
    Chapter,
    asked_values,
    chapters,
    defaults,
    parameters,
    settings,
    source,
)
from course.errors import CourseError
from course.notebooks.digests import code_digests
from course.running.run import Run
from helpers.claims import Claim, Mistake, claims, mistakes
from helpers.places import cache_folder


def plan(
    wanted: list[Chapter], profiles: list[str], asked: list[str], seeds: int | None
) -> list[Run]:
    """Plan every combination of chapter, profile, seed and parameters; users of models come last.

    Args:
        wanted: the chapters.
        profiles: "sample", "quick" or "full".
        asked: ``NAME=VALUE`` or ``NAME=VALUE,VALUE`` each.
        seeds: how many seeds, or None for the one that the parameters name. A chapter that trains
            each variant with several seeds, counted up from its own, gets seeds so far apart that
            no two runs share one.

    Raises:
        CourseError: a chapter, profile, name or value is not valid, before anything starts.
    """
    for profile in profiles:
        for chapter in wanted:
            settings(chapter, profile)
    backend = machine.environment().backend
    grids = {chapter.number: asked_values(chapter, asked) for chapter in wanted}
    runs: dict[str, Run] = {}
    for chapter, profile in itertools.product(wanted, dict.fromkeys(profiles)):
        grid = dict(grids[chapter.number])
        if seeds is not None:
            grid["seed"] = _seeds(chapter, profile, grid, seeds)
        for values in itertools.product(*grid.values()):
            run = _run(chapter, profile, backend, dict(zip(grid, values, strict=True)))
            runs.setdefault(run.folder, run)
    _link_dependencies(list(runs.values()))
    return sorted(runs.values(), key=functools.partial(_depth, runs))


def _seeds(chapter: Chapter, profile: str, grid: dict[str, list[Any]], number: int) -> list[int]:
    if number < 1:
        raise CourseError(f"--seeds must be at least 1, not {number}.")
    known = parameters(chapter)["seed"]
    given = grid.get("seed", [known.default])
    if len(given) > 1:
        raise CourseError("Give either --seeds or several values with -p seed=, not both.")
    used = max(grid.get("seeds", [defaults(chapter.number, profile)[1].get("seeds", 1)]))
    if given[0] + (number - 1) * used > known.high:
        raise CourseError(
            f"Chapter {chapter.number}: --seeds {number} from {given[0]} goes beyond the highest "
            f"seed, {known.high:.0f}."
        )
    return [given[0] + place * used for place in range(number)]


def _run(chapter: Chapter, profile: str, backend: str, asked: dict[str, Any]) -> Run:
    plain, usual = defaults(chapter.number, profile)
    values = {**usual, **asked}
    changed = [f"{name}={values[name]}" for name in sorted(values) if values[name] != usual[name]]
    # As in the names of kept runs: the course's own backend goes without saying.
    parts = [chapter.name, profile, *([] if backend == "tensorflow" else [backend]), *changed]
    name = re.sub(r"[^\w=.,-]", "_", "-".join(parts))
    if len(name) > 100:
        name = f"{name[:90]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return Run(
        chapter=chapter.number,
        notebook=chapter.name,
        profile=profile,
        parameters={key: value for key, value in values.items() if value != plain[key]},
        seed=values["seed"],
        folder=name,
        budget=chapter.budgets[profile],
        backend=backend,
    )


def _variant(run: Run) -> str:
    """Return what a run's folder names besides its chapter: profile, backend and changes."""
    return run.folder.removeprefix(run.notebook)


def has_usual_parameters(run: Run) -> bool:
    """Return whether a run has the parameters of its profile, without any change."""
    plain, usual = defaults(run.chapter, run.profile)
    return {**plain, **run.parameters} == usual


def _link_dependencies(runs: list[Run]) -> None:
    """Let each run wait for the run of the same profile and parameters that makes its model."""
    known = chapters()
    makers = {
        (model, _variant(run)): run.folder for run in runs for model in known[run.chapter].makes
    }
    for run in runs:
        needed = [makers.get((model, _variant(run))) for model in known[run.chapter].uses]
        run.after = [folder for folder in needed if folder is not None]


def _depth(runs: dict[str, Run], run: Run) -> int:
    return 1 + max((_depth(runs, runs[folder]) for folder in run.after), default=-1)


@dataclass(frozen=True)
class ChapterDigests:
    """What the results of a chapter depend on besides its code, parameters and machine.

    Attributes:
        data: SHA-256 of each array of its real data, prepared now if need be.
        claims: what the sources say of its records.
    """

    data: dict[str, Any]
    claims: list[dict[str, Any]]


@functools.cache
def chapter_digests(number: str, real: bool) -> ChapterDigests:
    """Return what the results of a chapter depend on besides its code, read once per command.

    Args:
        number: of the chapter.
        real: whether it loads real data; built-in data are made by helpers, which are code.

    Raises:
        DataError: its real data cannot be fetched, read or written.
    """
    chapter = chapters()[number]
    said: list[Claim | Mistake] = [*claims(), *mistakes()]
    return ChapterDigests(
        data=data.hashes(chapter) if real else {},
        claims=[asdict(each) for each in said if each.chapter == number],
    )


def set_key(run: Run, fingerprint: str, models: dict[str, str]) -> None:
    """Set the digest of everything that the result of a run depends on.

    Args:
        run: with its parameters and threads.
        fingerprint: ``machine.fingerprint`` of whoever executes it.
        models: SHA-256 by file name of the models that it uses.

    Raises:
        CourseError: one of its cells or helper modules isn't valid Python.
        DataError: its real data cannot be fetched, read or written.
    """
    chapter = chapters()[run.chapter]
    # Read anew: in a batch of hours files are edited between one run and the next.
    code = code_digests([source(chapter)], chapter.data)
    run.helpers = code["helpers"]
    parts = {
        "code": code,
        "python": machine.environment().python,
        "backend": run.backend,
        **vars(chapter_digests(run.chapter, run.profile != "sample")),
        "parameters": {**defaults(run.chapter, run.profile)[0], **run.parameters},
        "threads": run.threads,
        "machine": fingerprint,
        "models": models,
    }
    run.key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def models_for(run: Run, attempts: dict[str, Path]) -> dict[str, Path]:
    """Return the files of the models that a run uses, by name.

    Args:
        run: one of the plan.
        attempts: for each finished run of the plan the folder of its successful attempt.

    Returns:
        Those that the same batch made; else those of the last run with the usual parameters.
    """
    found: dict[str, Path] = {}
    for model in chapters()[run.chapter].uses:
        folders = [attempts[name] / "models" for name in run.after if name in attempts]
        for folder in [*folders, cache_folder() / "models"]:
            files = sorted(folder.glob(f"{model}-{run.profile}.*"))
            if files:
                found |= {path.name: path for path in files}
                break
    return found
