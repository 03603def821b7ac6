"""The command line: parse it, and hand over to the module that owns the subcommand.

A subcommand is two small functions: one adds its parser, the other acts and returns the exit code.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from course import data, exercises, gpu, keeping, ledger, predict, report
from course.book import build, paper, patterns, readme
from course.catalogue import find
from course.errors import CourseError
from course.notebooks import commands as notebooks
from course.running import commands as running
from course.running.signals import Stopped
from helpers.datasets import PROFILES
from helpers.places import TableError
from helpers.sources import DataError

Subcommands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_gpu(commands: Subcommands) -> None:
    parser = commands.add_parser("gpu", help="run the course on this machine's GPU and judge it")
    parser.add_argument("chapters", nargs="*", help="numbers or names; all if none is given")
    parser.add_argument("--profile", choices=PROFILES, default="full")
    parser.add_argument(
        "--seeds", type=running.positive, metavar="N", help="N seeds, as course run has"
    )
    parser.add_argument("--out", type=Path, default=Path("runs") / "gpu", help="folder of the runs")
    parser.set_defaults(act=_gpu)


def _gpu(options: argparse.Namespace) -> int:
    return gpu.run(options.chapters, options.profile, options.seeds, options.out)


def _add_check(commands: Subcommands) -> None:
    parser = commands.add_parser("check", help="check pairs, stored outputs and prose")
    parser.add_argument("chapters", nargs="*", help="numbers or names; all if none is given")
    parser.set_defaults(act=_check)


def _check(options: argparse.Namespace) -> int:
    return notebooks.check(options.chapters)


def _add_regression(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "regression", help="repeat due chapters on real data and compare with stored outputs"
    )
    parser.add_argument("chapters", nargs="*", help="numbers or names; all if none is given")
    parser.add_argument(
        "--minutes",
        type=running.positive,
        metavar="N",
        help="time for all chapters; what won't fit into the rest is skipped, but never the first",
    )
    parser.set_defaults(act=_regression)


def _regression(options: argparse.Namespace) -> int:
    return ledger.repeat(find(options.chapters), options.minutes)


def _add_sync(commands: Subcommands) -> None:
    parser = commands.add_parser("sync", help="update each .ipynb from its .py")
    parser.add_argument("chapters", nargs="*", help="numbers or names; all if none is given")
    parser.set_defaults(act=_sync)


def _sync(options: argparse.Namespace) -> int:
    return notebooks.sync(options.chapters)


def _add_report(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "report",
        help="report on runs or compare two folders; error if a run failed or a claim broke",
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("other", type=Path, nargs="?", help="a later one to compare with the first")
    parser.add_argument("--format", choices=("html", "md", "json"), default="html")
    parser.set_defaults(act=_report)


def _report(options: argparse.Namespace) -> int:
    return report.report([options.folder, *filter(None, [options.other])], options.format)


def _add_exercises(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "exercises", help="run the solutions, store their outputs, renew the students' notebooks"
    )
    parser.add_argument("chapters", nargs="*", help="numbers or names; all if none is given")
    parser.set_defaults(act=_exercises)


def _exercises(options: argparse.Namespace) -> int:
    for chapter in filter(exercises.has_exercises, find(options.chapters)):
        exercises.store(chapter)
        print(f"notebooks/exercises/{chapter.notebook.name}: every solution passes its check")
    return 0


def _add_book(commands: Subcommands) -> None:
    parser = commands.add_parser("book", help="build the site, keep runs, update the README")
    actions = parser.add_subparsers(dest="action", required=True)
    making = actions.add_parser("build", help="build the site from the stored notebooks")
    making.add_argument("--out", type=Path, default=Path("build") / "book")
    making.add_argument(
        "--pdf", action="store_true", help="also print it to course.pdf, with Chromium"
    )
    keep = actions.add_parser("keep", help="keep runs of whole chapters in results/chapters")
    keep.add_argument("folder", type=Path)
    keep.add_argument("--name", help="keep some records of one longer run as results/NAME.json")
    keep.add_argument(
        "--record", action="append", default=[], help="a record to keep; repeat it for more"
    )
    actions.add_parser(
        "gallery", help="draw what many channels like best, for results/gallery (several minutes)"
    )
    actions.add_parser("readme", help="update the table of results in the README")
    parser.set_defaults(act=_book)


def _book(options: argparse.Namespace) -> int:
    match options.action:
        case "build":
            # A build takes minutes, and a missing browser is known before it.
            printer = paper.browser() if options.pdf else None
            site = build.build(options.out)
            print(site / "index.html")
            if printer:
                print(paper.printed(site, printer))
        case "keep":
            if bool(options.name) != bool(options.record):
                raise CourseError("Give --name and --record together, or neither of them.")
            if options.name:
                print(keeping.keep_named(options.folder, options.name, options.record))
            else:
                for path in keeping.keep(options.folder):
                    print(path)
        case "gallery":
            print(patterns.draw())
        case "readme":
            print(readme.write())
    return 0


def _add_data(commands: Subcommands) -> None:
    parser = commands.add_parser("data", help="list, get, verify, export or prune data sets")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="list data sets, and what is prepared here")
    get = actions.add_parser("get", help="fetch and prepare; weights only if named")
    get.add_argument(
        "names", nargs="*", help="names from `course data list`; all data sets if none is given"
    )
    actions.add_parser("verify", help="check the hashes of prepared and downloaded files")
    export = actions.add_parser("export", help="write a mirror for a lab without internet")
    export.add_argument("folder", type=Path)
    export.add_argument("names", nargs="*")
    prune = actions.add_parser("prune", help="delete outdated prepared data and features")
    prune.add_argument("--downloads", action="store_true", help="delete downloaded files, too")
    parser.set_defaults(act=_data)


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


def _add_predict(commands: Subcommands) -> None:
    parser = commands.add_parser("predict", help="classify a folder of your own photographs")
    parser.add_argument("model", type=Path, help="the .keras file that chapter 05 saves")
    parser.add_argument("folder", type=Path, help="folder of photographs")
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="FILE.png",
        help="file of the contact sheet; by default predicted-FOLDER.png",
    )
    parser.set_defaults(act=_predict)


def _predict(options: argparse.Namespace) -> int:
    return predict.predict(options.model, options.folder, options.sheet)


# In the order in which `course --help` lists them.
SUBCOMMANDS: tuple[Callable[[Subcommands], None], ...] = (
    running.add_run,
    running.add_runs,
    _add_report,
    _add_check,
    _add_regression,
    _add_sync,
    _add_exercises,
    _add_book,
    _add_data,
    _add_predict,
    _add_gpu,
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="course", description="Run and maintain the course.")
    commands = parser.add_subparsers(dest="command", required=True)
    for add in SUBCOMMANDS:
        add(commands)
    return parser


def _complain(message: str) -> None:
    print(f"course: {message}", file=sys.stderr)


def _fix_folders() -> None:
    """Let relative folders in variables mean the same to kernels, which run in another folder.

    Raises:
        CourseError: one begins with a user who doesn't exist.
    """
    for name in ("COURSE_CACHE", "COURSE_DATA", "COURSE_MIRROR"):
        if (value := os.environ.get(name)) and "://" not in value:
            try:
                os.environ[name] = str(Path(value).expanduser().absolute())
            except RuntimeError as error:
                raise CourseError(
                    f"{name} is {value}, but there is no user of that name: write the whole path."
                ) from error


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: what follows ``course``; None for the arguments of this process.

    Returns:
        0 if all is well, 1 if a chapter or check failed, 2 on bad input, 128 plus the signal's
        number if one ended it.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a console may lack a character
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(argv)
    try:
        _fix_folders()
        status: int = options.act(options)
        sys.stdout.flush()
        return status
    except (CourseError, DataError, TableError) as error:
        _complain(str(error))
        return 2
    except BrokenPipeError:
        # Whoever read the output has read enough; what is left must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _complain(f"{where}{error.strerror or error}")
        return 2
    except Stopped as stopped:
        _complain(f"stopped by {stopped}; no processes are left running")
        return 128 + stopped.number
    except KeyboardInterrupt:
        _complain("stopped by SIGINT")
        return 130
