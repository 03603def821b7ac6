"""The command ``course``."""

import argparse
import math
import sys
from dataclasses import asdict
from pathlib import Path

from course import book, data, gpu, machine, pairs, report
from course.catalogue import find
from course.errors import CourseError
from course.running import batch, plan, progress, store
from helpers.datasets import PROFILES, DataError
from helpers.places import TableError


def _run(options: argparse.Namespace) -> int:
    wanted, profiles = find(options.chapters), options.profile.split(",")
    if options.store and (profiles != ["quick"] or options.parameter or options.seeds):
        raise CourseError(
            "--store keeps outputs of the notebooks' defaults: drop --profile, --seeds and -p."
        )
    if options.store and (options.jobs or options.threads or options.scheduler):
        raise CourseError(
            "--store runs one chapter at a time on all cores: drop --jobs, --threads, --scheduler."
        )
    if options.store and (backend := machine.environment()["backend"]) != "tensorflow":
        raise CourseError(
            f"--store keeps what TensorFlow computed, and KERAS_BACKEND is {backend}: unset it."
        )
    planned = plan.plan(wanted, profiles, options.parameter, options.seeds, options.yes)
    table = progress.Table(len(planned))
    if options.scheduler:
        from course.cluster import Cluster

        engine: batch.Engine = Cluster(
            options.scheduler, _resources(options.resource), options.threads, table.tell
        )
    elif options.resource:
        raise CourseError("--resource is for workers: add --scheduler.")
    else:
        jobs = 1 if options.store else options.jobs
        engine = batch.Local(planned, jobs, options.threads, table.tell)
    if options.dry_run:
        store.check_format(options.out)
        states = batch.foresee(planned, options.out, engine, options.fresh)
        batch.show_plan(planned, engine.words, states)
        engine.close()
        return 0
    batch.show_plan(planned, engine.words, {})
    with store.opened(options.out):
        if options.copy_to:
            batch.write_anywhere(f"{options.copy_to}/format.json", f'{{"format": {store.FORMAT}}}')
        outcomes = batch.Batch(
            planned,
            options.out,
            engine,
            table,
            fresh=options.fresh,
            timeout=options.timeout,
            keep=options.store,
            copy_to=options.copy_to,
        ).execute()
        for outcome in outcomes.values() if options.store else []:
            kept = store.read_run(outcome.folder) if outcome.good and outcome.folder else None
            if kept is not None:
                book.keep(asdict(kept))
        if any(each.folder and each.state != "reused" for each in outcomes.values()):
            report.write_report(options.out)
    return _summary(planned, outcomes, options.out)


def _resources(named: list[str]) -> dict[str, float]:
    found = {}
    for text in named:
        name, _, amount = text.partition("=")
        try:
            found[name] = float(amount)
        except ValueError as error:
            raise CourseError(f'"{text}" is no resource: write NAME=NUMBER, as GPU=1.') from error
    return found


def _summary(planned: list[store.Run], outcomes: dict[str, batch.Outcome], out: Path) -> int:
    """Say where the notebooks are, and why those that are missing are missing."""
    found = [outcomes[run.folder] for run in planned]
    for each in found:
        if each.folder is not None:
            print(f"{each.state}: {each.folder / each.run.notebook}.ipynb")
        else:
            print(f"{each.state}: {each.run.folder}")
    if any(each.folder for each in found):
        print(f"report: {out / 'report.html'}")
    for each in found:
        if not each.good:
            print(f"course: chapter {each.run.chapter} {each.reason}", file=sys.stderr)
    return 0 if all(each.good for each in found) else 1


def _gpu(options: argparse.Namespace) -> int:
    wanted = find(options.chapters)
    device = gpu.check_device(wanted, options.profile)
    planned = plan.plan(wanted, [options.profile], [], options.seeds, False)
    table = progress.Table(len(planned))
    engine = batch.Local(planned, None, None, table.tell)
    batch.show_plan(planned, engine.words, {})
    with store.opened(options.out):
        outcomes = batch.Batch(planned, options.out, engine, table).execute()
    return gpu.write(options.out, device, [outcomes[run.folder] for run in planned])


def _runs(options: argparse.Namespace) -> int:
    match options.action:
        case "list":
            store.list_all(options.out)
        case "show":
            store.show(options.out, options.run)
        case "prune":
            store.prune(options.out, options.keep)
    return 0


def _check(options: argparse.Namespace) -> int:
    chapters = find(options.chapters)
    found = [fault for chapter in chapters for fault in pairs.faults(chapter)]
    for fault in found:
        print(fault)
    if found:
        print(f"course: {len(found)} faults in {len(chapters)} chapters", file=sys.stderr)
        return 1
    print(f"{len(chapters)} chapters: pairs in sync, outputs of the present code, prose clean")
    return 0


def _sync(options: argparse.Namespace) -> int:
    for chapter in find(options.chapters):
        lost = pairs.sync(chapter)
        kept = "all outputs hold" if lost == 0 else f"{lost} code cells must run again"
        print(f"notebooks/{chapter.notebook.name}: {kept}")
    return 0


def _report(options: argparse.Namespace) -> int:
    return report.report([options.folder, *filter(None, [options.other])], options.format)


def _book(options: argparse.Namespace) -> int:
    match options.action:
        case "build":
            print(book.build(options.out) / "index.html")
        case "keep":
            if bool(options.name) != bool(options.record):
                raise CourseError("--name and --record go together: what is kept, and where.")
            if options.name:
                run = book.only_run(options.folder)
                print(book.keep_longer(run, options.name, options.record))
            else:
                for path in book.keep_all(options.folder):
                    print(path)
        case "readme":
            print(book.write_readme())
    return 0


def _data(options: argparse.Namespace) -> int:
    match options.action:
        case "list":
            data.list_all()
        case "get":
            data.get(options.names)
        case "verify":
            data.verify()
        case "export":
            data.export(options.folder, options.names)
        case "prune":
            data.prune(options.downloads)
    return 0


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="course", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="execute chapters headlessly")
    run.add_argument("chapters", nargs="*", help="numbers or names; all where none is given")
    run.add_argument("--profile", default="quick", help=f"one or more of {','.join(PROFILES)}")
    run.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE[,VALUE]",
        help="change a parameter; one run for each of several values",
    )
    run.add_argument("--seeds", type=int, metavar="N", help="N runs each, with seeds in a row")
    run.add_argument("--out", type=Path, default=Path("runs"), help="folder of the runs")
    run.add_argument("--dry-run", action="store_true", help="show the plan, run nothing")
    run.add_argument("--fresh", action="store_true", help="run what was done before, too")
    run.add_argument("--yes", action="store_true", help=f"more than {plan.MOST:,} runs are meant")
    run.add_argument("--jobs", type=_positive, help="runs at once; as cores and memory allow")
    run.add_argument(
        "--threads", type=_positive, help="threads of each run; its share of the cores"
    )
    run.add_argument("--timeout", type=_seconds, help="seconds after which a run is ended")
    run.add_argument("--store", action="store_true", help="keep the outputs in notebooks/")
    run.add_argument("--copy-to", metavar="PLACE", help="folder, s3:// or gs:// for copies")
    run.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster that runs them")
    run.add_argument(
        "--resource",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="what a run needs of a worker, as GPU=1",
    )
    run.set_defaults(act=_run)
    job = commands.add_parser("gpu", help="run the course on this machine's GPU and judge the runs")
    job.add_argument("chapters", nargs="*", help="numbers or names; all where none is given")
    job.add_argument("--profile", choices=PROFILES, default="full")
    job.add_argument("--seeds", type=int, metavar="N", help="N runs each, with seeds in a row")
    job.add_argument("--out", type=Path, default=Path("runs") / "gpu", help="folder of the runs")
    job.set_defaults(act=_gpu)
    check = commands.add_parser("check", help="are pairs in sync, outputs fresh, prose clean?")
    check.add_argument("chapters", nargs="*")
    check.set_defaults(act=_check)
    sync = commands.add_parser("sync", help="bring .ipynb in order from .py")
    sync.add_argument("chapters", nargs="*")
    sync.set_defaults(act=_sync)
    page = commands.add_parser(
        "report", help="on one folder of runs, or what differs; 1 if a claim or a run is broken"
    )
    page.add_argument("folder", type=Path)
    page.add_argument("other", type=Path, nargs="?", help="a later one to compare with the first")
    page.add_argument("--format", choices=("html", "md", "json"), default="html")
    page.set_defaults(act=_report)
    kept = commands.add_parser("runs", help="what ran: list, show, prune")
    kept.add_argument("--out", type=Path, default=Path("runs"), help="folder of the runs")
    doings = kept.add_subparsers(dest="action", required=True)
    doings.add_parser("list", help="every attempt, with status, time, memory and size")
    doings.add_parser("show", help="one run").add_argument("run", help="its name, or NAME/NUMBER")
    pruning = doings.add_parser("prune", help="delete older attempts, never the last good one")
    pruning.add_argument("--keep", type=int, required=True, metavar="N", help="newest of each run")
    kept.set_defaults(act=_runs)
    site = commands.add_parser("book", help="the site: build, keep runs, renew the README's table")
    steps = site.add_subparsers(dest="action", required=True)
    made = steps.add_parser("build", help="build the site from the stored notebooks")
    made.add_argument("--out", type=Path, default=Path("build") / "book")
    keeping = steps.add_parser("keep", help="keep runs of whole chapters in results/chapters")
    keeping.add_argument("folder", type=Path)
    keeping.add_argument("--name", help="keep some records of one longer run as results/NAME.json")
    keeping.add_argument("--record", action="append", default=[], help="one of these records")
    steps.add_parser("readme", help="renew the table of results in the README")
    site.set_defaults(act=_book)
    held = commands.add_parser("data", help="data sets: list, get, verify, export, prune")
    actions = held.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="what there is")
    getting = actions.add_parser("get", help="fetch and prepare; weights only where named")
    getting.add_argument("names", nargs="*", help="as `course data list` gives them")
    actions.add_parser("verify", help="hash what is prepared and downloaded")
    export = actions.add_parser("export", help="write a mirror for a lab without internet")
    export.add_argument("folder", type=Path)
    export.add_argument("names", nargs="*")
    tidying = actions.add_parser("prune", help="delete prepared data and features out of date")
    tidying.add_argument("--downloads", action="store_true", help="and the downloaded files")
    held.set_defaults(act=_data)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 if all is well, 1 if a chapter or check failed, 2 on bad input, 128 and the signal's
        number if one ended it.
    """
    options = _parser().parse_args(argv)
    try:
        return options.act(options)
    except (CourseError, DataError, TableError) as error:
        print(f"course: {error}", file=sys.stderr)
        return 2
    except store.Stopped as stopped:
        print(f"course: stopped by {stopped}; no process is left", file=sys.stderr)
        return 128 + stopped.signal_number
    except KeyboardInterrupt:
        print("course: stopped by SIGINT", file=sys.stderr)
        return 130
