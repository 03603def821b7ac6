"""The command ``course``."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from course import book, data, pairs, report, runner
from course.catalogue import find
from course.errors import CourseError
from helpers.datasets import PROFILES, DataError


def _run(options: argparse.Namespace) -> int:
    chapters = find(options.chapters)
    if options.store and (options.profile != "quick" or options.parameter):
        raise CourseError(
            "--store keeps outputs of the notebooks' defaults: drop --profile and -p."
        )
    planned = runner.plan(chapters, options.profile, options.parameter)
    out = options.out or Path("runs") / options.profile
    folders = runner.run_all(planned, out, options.timeout, options.store)
    failed = [run for _, run in planned if run.status != "succeeded"]
    for _, run in planned if options.store else []:
        if run.status == "succeeded":
            book.keep(asdict(run))
    for folder, (_, run) in zip(folders, planned, strict=True):
        print(f"{run.status}: {folder / run.notebook}.ipynb")
    print(f"report: {report.write_report(out)}")
    for run in failed:
        error = run.error or {}
        reason = str(error.get("message", "")).strip().splitlines() or [""]
        print(
            f"course: chapter {run.chapter} {run.status} in cell {error.get('cell')}: "
            f"{error.get('error')}: {reason[0]}",
            file=sys.stderr,
        )
    return 1 if failed else 0


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
    print(report.write_report(options.folder))
    broken = report.broken_claims(report.read_runs(options.folder))
    for sentence in broken:
        print(f"does not hold: {sentence}")
    return 1 if broken else 0


def _book(options: argparse.Namespace) -> int:
    match options.action:
        case "build":
            print(book.build(options.out) / "index.html")
        case "keep":
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
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="course", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="execute chapters headlessly")
    run.add_argument("chapters", nargs="*", help="numbers or names; all where none is given")
    run.add_argument("--profile", default="quick", help=", ".join(PROFILES))
    run.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    run.add_argument("--out", type=Path, help="folder of the runs, runs/PROFILE by default")
    run.add_argument("--timeout", type=float, help="seconds after which a run is ended")
    run.add_argument("--store", action="store_true", help="keep the outputs in notebooks/")
    run.set_defaults(act=_run)
    check = commands.add_parser("check", help="are pairs in sync, outputs fresh, prose clean?")
    check.add_argument("chapters", nargs="*")
    check.set_defaults(act=_check)
    sync = commands.add_parser("sync", help="bring .ipynb in order from .py")
    sync.add_argument("chapters", nargs="*")
    sync.set_defaults(act=_sync)
    page = commands.add_parser("report", help="write report.html; 1 if a claim does not hold")
    page.add_argument("folder", type=Path)
    page.set_defaults(act=_report)
    site = commands.add_parser("book", help="the site: build, keep runs, renew the README's table")
    steps = site.add_subparsers(dest="action", required=True)
    made = steps.add_parser("build", help="build the site from the stored notebooks")
    made.add_argument("--out", type=Path, default=Path("build") / "book")
    steps.add_parser("keep", help="keep runs in results/runs").add_argument("folder", type=Path)
    steps.add_parser("readme", help="renew the table of results in the README")
    site.set_defaults(act=_book)
    held = commands.add_parser("data", help="data sets: list, get, verify, export")
    actions = held.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="what there is")
    actions.add_parser("get", help="fetch and prepare").add_argument("names", nargs="*")
    actions.add_parser("verify", help="hash what is prepared")
    export = actions.add_parser("export", help="write a mirror for a lab without internet")
    export.add_argument("folder", type=Path)
    export.add_argument("names", nargs="*")
    held.set_defaults(act=_data)
    return parser


def main() -> int:
    """Run the command line.

    Returns:
        0 if all is well, 1 if a chapter or check failed, 2 on bad input, 128 and the signal's
        number if one ended it.
    """
    options = _parser().parse_args()
    try:
        return options.act(options)
    except (CourseError, DataError) as error:
        print(f"course: {error}", file=sys.stderr)
        return 2
    except runner.Stopped as stopped:
        print(f"course: stopped by {stopped}; no process is left", file=sys.stderr)
        return 128 + stopped.signal_number
    except KeyboardInterrupt:
        print("course: stopped by SIGINT", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
