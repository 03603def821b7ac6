"""What a batch runs and in which order, and the key that tells whether a run was done before."""

import functools
import hashlib
import itertools
import json
import math
import re
from dataclasses import asdict
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
from course.pairs import code_digests
from course.running.store import Run
from helpers.places import cache_folder
from helpers.records import load_claims

MOST = 1000  # runs that nobody plans by mistake


def plan(
    wanted: list[Chapter], profiles: list[str], asked: list[str], seeds: int | None, sure: bool
) -> list[Run]:
    """Every run of chapters x profiles x seeds x parameters, makers of models before their users.

    Args:
        wanted: the chapters.
        profiles: "sample", "quick" or "full".
        asked: ``NAME=VALUE`` or ``NAME=VALUE,VALUE`` each.
        seeds: how many seeds in a row, or None for the one that the parameters name.
        sure: whether more than 1,000 runs are meant.

    Raises:
        CourseError: a chapter, profile, name or value is not valid, before anything starts.
    """
    machine.environment()
    for profile in profiles:
        for chapter in wanted:
            settings(chapter, profile)
    grids = {chapter.number: asked_values(chapter, asked) for chapter in wanted}
    if seeds is not None:
        for chapter in wanted:
            grids[chapter.number]["seed"] = _seeds(chapter, grids[chapter.number], seeds)
    number = sum(math.prod(map(len, grid.values())) for grid in grids.values()) * len(profiles)
    if number > MOST and not sure:
        raise CourseError(f"That is {number:,} runs: add --yes if you mean it.")
    runs: dict[str, Run] = {}
    for chapter, profile in itertools.product(wanted, dict.fromkeys(profiles)):
        for values in itertools.product(*grids[chapter.number].values()):
            run = _run(chapter, profile, dict(zip(grids[chapter.number], values, strict=True)))
            runs.setdefault(run.folder, run)
    _order(list(runs.values()))
    return sorted(runs.values(), key=functools.partial(_depth, runs))


def _seeds(chapter: Chapter, grid: dict[str, list[Any]], number: int) -> list[int]:
    if number < 1:
        raise CourseError(f"--seeds takes 1 or more, not {number}.")
    known = parameters(chapter)["seed"]
    given = grid.get("seed", [known.default])
    if len(given) > 1:
        raise CourseError("Give either --seeds or several values with -p seed=, not both.")
    if given[0] + number - 1 > known.high:
        raise CourseError(
            f"Chapter {chapter.number}: --seeds {number} from {given[0]} goes beyond the highest "
            f"seed, {known.high:g}."
        )
    return list(range(given[0], given[0] + number))


def _run(chapter: Chapter, profile: str, asked: dict[str, Any]) -> Run:
    plain, usual = defaults(chapter.number, profile)
    values = {**usual, **asked}
    changed = [f"{name}={values[name]}" for name in sorted(values) if values[name] != usual[name]]
    name = re.sub(r"[^\w=.,-]", "_", "-".join([chapter.name, profile, *changed]))
    if len(name) > 100:
        name = f"{name[:90]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return Run(
        chapter=chapter.number,
        notebook=chapter.name,
        profile=profile,
        parameters={key: value for key, value in values.items() if value != plain[key]},
        seed=values["seed"],
        folder=name,
        budget=asdict(chapter.budgets[profile]),
    )


def variant(run: Run) -> str:
    """What a run's folder says besides its chapter: its profile and the changed parameters."""
    return run.folder.removeprefix(run.notebook)


def _order(runs: list[Run]) -> None:
    """Let each run wait for the run of the same profile and parameters that makes its model."""
    known = chapters()
    makers = {
        (model, variant(run)): run.folder for run in runs for model in known[run.chapter].makes
    }
    for run in runs:
        needed = [makers.get((m, variant(run))) for m in known[run.chapter].uses]
        run.after = [folder for folder in needed if folder is not None]


def _depth(runs: dict[str, Run], run: Run) -> int:
    return 1 + max((_depth(runs, runs[folder]) for folder in run.after), default=-1)


@functools.cache
def _of_chapter(number: str, real: bool) -> dict[str, Any]:
    chapter = chapters()[number]
    # Built-in data are made by helper modules, and those are part of the code.
    return {
        "code": code_digests([source(chapter)]),
        "data": data.hashes(chapter) if real else {},
        "claims": [
            claim
            for listed in load_claims().values()
            for claim in listed
            if claim["chapter"] == number
        ],
    }


def key_of(run: Run, device: str, models: dict[str, str]) -> str:
    """The hash of all that the result of a run depends on.

    Args:
        run: with its parameters and threads.
        device: ``machine.machine`` of whoever executes it.
        models: SHA-256 by file name of the models that it uses.

    Raises:
        DataError: its real data cannot be had.
    """
    parts = {
        "python": machine.environment()["python"],
        "backend": machine.environment()["backend"],
        **_of_chapter(run.chapter, run.profile != "sample"),
        "parameters": {**defaults(run.chapter, run.profile)[0], **run.parameters},
        "threads": run.threads,
        "machine": device,
        "models": models,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def models_for(run: Run, attempts: dict[str, Path]) -> dict[str, Path]:
    """The files of the models that a run uses, by name.

    Args:
        run: one of the plan.
        attempts: for each finished run of the plan the folder of its good attempt.

    Returns:
        Those that the same batch made; else those of the last run with the usual parameters.
    """
    found = {}
    for model in chapters()[run.chapter].uses:
        folders = [attempts[name] / "models" for name in run.after if name in attempts]
        for folder in [*folders, cache_folder() / "models"]:
            files = sorted(folder.glob(f"{model}-{run.profile}.*"))
            if files:
                found |= {path.name: path for path in files}
                break
    return found
