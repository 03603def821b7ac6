"""``course run`` and ``course runs``."""

import argparse
import math
import sys
from pathlib import Path

from course import keeping, machine, report
from course.catalogue import find
from course.errors import CourseError
from course.notebooks import commands as notebooks
from course.running import listing, preview, store
from course.running.batch import Batch, Outcome
from course.running.engine import Engine, Local
from course.running.plan import plan
from course.running.progress import ProgressTable
from course.running.run import Run
from helpers.datasets import PROFILES


def positive(text: str) -> int:
    """Read a whole number from 1 on.

    Raises:
        ArgumentTypeError: the text is something else.
    """
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a whole number of at least 1, not "{text}"')
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f'expected a positive number of seconds, not "{text}"')
    return seconds


def _resource(text: str) -> tuple[str, float]:
    name, _, amount = text.partition("=")
    try:
        return name, float(amount)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f'expected NAME=NUMBER, such as GPU=1, not "{text}"'
        ) from error


def add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``course run``."""
    parser = commands.add_parser("run", help="execute chapters headlessly")
    parser.add_argument("chapters", nargs="*", help="numbers or names; all if none is given")
    parser.add_argument(
        "--profile", default="quick", help=f"{', '.join(PROFILES)}, or several separated by commas"
    )
    parser.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE[,VALUE]",
        help="change a parameter; several values give one run each",
    )
    parser.add_argument(
        "--seeds", type=positive, metavar="N", help="run N seeds that share no training"
    )
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of the runs")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, run nothing")
    parser.add_argument("--fresh", action="store_true", help="run again what has already succeeded")
    parser.add_argument(
        "--jobs", type=positive, help="runs at once; by default as many as cores and memory allow"
    )
    parser.add_argument(
        "--threads", type=positive, help="threads per run; by default its share of the cores"
    )
    parser.add_argument("--timeout", type=_seconds, help="stop a run after this many seconds")
    parser.add_argument("--store", action="store_true", help="store the outputs in notebooks/")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="run on the workers of this Dask scheduler"
    )
    parser.add_argument(
        "--resource",
        action="append",
        default=[],
        type=_resource,
        metavar="NAME=NUMBER",
        help="what a worker must offer for a run, such as GPU=1",
    )
    parser.set_defaults(act=run)


def _check_store(options: argparse.Namespace) -> None:
    """Refuse to store outputs that are not those of the notebooks' defaults."""
    if options.profile != "quick" or options.parameter or options.seeds:
        raise CourseError(
            "--store keeps the outputs of the notebooks' defaults: drop --profile, --seeds and -p."
        )
    if options.jobs or options.threads or options.scheduler:
        raise CourseError(
            "--store runs one chapter at a time on all cores: drop --jobs, --threads, --scheduler."
        )
    if (backend := machine.environment().backend) != "tensorflow":
        raise CourseError(
            f"--store keeps what TensorFlow computed, but KERAS_BACKEND is {backend}: unset it."
        )


def _engine(options: argparse.Namespace, planned: list[Run], table: ProgressTable) -> Engine:
    if options.scheduler is not None:
        if not options.scheduler.strip():
            raise CourseError(
                "The address after --scheduler is empty: give one, such as tcp://host:8786."
            )
        if options.jobs:
            raise CourseError(
                "--jobs is for this machine, and the workers of a scheduler decide for themselves "
                "how many runs they take: drop --jobs."
            )
        from course.running.cluster import Cluster

        return Cluster(options.scheduler, dict(options.resource), options.threads, table.update)
    if options.resource:
        raise CourseError("--resource is for workers: add --scheduler.")
    return Local(planned, 1 if options.store else options.jobs, options.threads, table.update)


def run(options: argparse.Namespace) -> int:
    """Execute chapters.

    Returns:
        0 if all succeeded or were reused, else 1.

    Raises:
        CourseError: an option is not valid, or the folder of runs cannot be used.
        Stopped: a signal ended the batch.
    """
    if options.store:
        _check_store(options)
    profiles = options.profile.split(",")
    planned = plan(find(options.chapters), profiles, options.parameter, options.seeds)
    table = ProgressTable(len(planned))
    engine = _engine(options, planned, table)
    if options.dry_run:
        store.check_format(options.out)
        states = preview.expected_states(planned, options.out, engine, options.fresh)
        preview.print_plan(planned, engine, states)
        engine.close()
        return 0
    preview.print_plan(planned, engine, {})
    with store.opened(options.out):
        batch = Batch(
            planned,
            options.out,
            engine,
            table,
            fresh=options.fresh,
            timeout=options.timeout,
            keep=options.store,
        )
        outcomes = batch.execute()
        if options.store:
            for outcome in outcomes.values():
                if outcome.good and outcome.folder:
                    keeping.keep(outcome.folder)
            notebooks.renew()
        came = {each.state for each in outcomes.values() if each.folder}
        if came - {"reused"} or (came and not (options.out / "report.html").exists()):
            report.write_report(options.out)
    return _print_summary([outcomes[run.folder] for run in planned], options.out)


def _print_summary(outcomes: list[Outcome], out: Path) -> int:
    """Print where the notebooks are, and why some are missing."""
    for each in outcomes:
        if each.folder is not None:
            print(f"{each.state}: {each.folder / each.run.notebook}.ipynb")
        else:
            print(f"{each.state}: {each.run.folder}")
    if any(each.folder for each in outcomes):
        print(f"report: {out / 'report.html'}")
    for each in outcomes:
        if not each.good:
            print(f"course: chapter {each.run.chapter} {each.reason}", file=sys.stderr)
    return 0 if all(each.good for each in outcomes) else 1


def add_runs(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``course runs``."""
    parser = commands.add_parser("runs", help="list, show or prune what was run")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of the runs")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="every attempt, with status, time, memory and size")
    actions.add_parser("show", help="one run").add_argument(
        "run", help="NAME, or NAME/NUMBER for one attempt"
    )
    pruning = actions.add_parser("prune", help="delete older attempts, except the last success")
    pruning.add_argument(
        "--keep", type=positive, required=True, metavar="N", help="newest attempts to keep per run"
    )
    parser.set_defaults(act=runs)


def runs(options: argparse.Namespace) -> int:
    """List, show or prune what was run."""
    match options.action:
        case "list":
            listing.print_all(options.out)
        case "show":
            listing.print_one(options.out, options.run)
        case "prune":
            listing.prune(options.out, options.keep)
    return 0
