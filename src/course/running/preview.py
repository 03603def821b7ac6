"""Show what a batch would run."""

from pathlib import Path

from course import data
from course.catalogue import chapters
from course.running import plan, store
from course.running.engine import Engine
from course.running.run import Run

SHOWN = 60  # runs that are listed one by one


def expected_states(planned: list[Run], out: Path, engine: Engine, fresh: bool) -> dict[str, str]:
    """Return what would become of each run: "reuse" or "run"; nothing is made or fetched."""
    states: dict[str, str] = {}
    good: dict[str, Path] = {}
    for run in planned:
        ready = run.profile == "sample" or data.are_prepared(chapters()[run.chapter])
        before = None
        if ready and not fresh and all(folder in good for folder in run.after):
            run.threads = engine.threads
            models = plan.models_for(run, good)
            hashes = {name: store.file_hash(path) for name, path in models.items()}
            plan.set_key(run, engine.fingerprint, hashes)
            before = store.finished(out, run)
        states[run.folder] = "run" if before is None else "reuse"
        if before is not None:
            good[run.folder] = before
    return states


def print_plan(planned: list[Run], engine: Engine, states: dict[str, str]) -> None:
    """Print what will run, in order."""
    for run in planned[:SHOWN]:
        after = f", after {', '.join(run.after)}" if run.after else ""
        budget = f"{run.budget.seconds:,.0f} s and {run.budget.megabytes:,.0f} MB"
        print(f"{states.get(run.folder, ''):<8}{run.folder:<48} budget {budget}{after}")
    if len(planned) > SHOWN:
        print(f"… and {len(planned) - SHOWN:,} more")
    seconds = sum(run.budget.seconds for run in planned)
    number = "1 run" if len(planned) == 1 else f"{len(planned):,} runs"
    print(f"{number}, {engine.description}; their budgets add up to {seconds:,.0f} s")
