"""The whole course on a machine with a graphics card: check it, run, compare with what is kept."""

import os
from pathlib import Path
from typing import Any

from course import book, machine, report
from course.catalogue import Chapter, chapters
from course.errors import CourseError
from course.running.batch import Outcome
from course.running.store import write_json

LOOKED_FOR = "an NVIDIA graphics card that nvidia-smi lists and the backend of Keras can use"


def check_device(wanted: list[Chapter], profile: str) -> dict[str, Any]:
    """Whether the chapters can run on this machine's graphics cards.

    Args:
        wanted: the chapters.
        profile: whose budget of GPU memory counts, where it has one.

    Returns:
        The cards as nvidia-smi lists them, the backend, and the devices that it sees.

    Raises:
        CourseError: there is no card, the backend cannot use it, or its memory is too small.
    """
    cards = list(machine.visible_cards().values())
    if not cards:
        listed = machine.listed_cards()
        hidden = "CUDA_VISIBLE_DEVICES hides all of them" if listed else "nvidia-smi lists none"
        raise CourseError(f"There is no GPU here: this job looks for {LOOKED_FOR}, and {hidden}.")
    found = machine.ask_backend()
    if not found["seen"]:
        built = f", built for CUDA {found['build']}," if found.get("build") else ""
        extra = "gpu" if found["backend"] == "tensorflow" else found["backend"]
        raise CourseError(
            f"There is a GPU ({cards[0]}), but {found['backend']}{built} cannot use it: the driver "
            "does not match, or the CUDA libraries are missing: "
            f"`pip install --editable '.[{extra}]'`."
        )
    smallest = min(cards, key=machine.gpu_megabytes)
    there = machine.gpu_megabytes(smallest)
    for chapter in wanted:
        needed = chapter.budgets[profile].gpu_megabytes
        if there < needed:
            raise CourseError(
                f"Chapter {chapter.number} needs {needed:,} MB of GPU memory on profile {profile}, "
                f"and {smallest.partition(',')[0]} has {there:,.0f}: use a larger card, or name "
                "the chapters that fit."
            )
    return {"cards": cards, **found}


def _kept() -> dict[str, Any]:
    """The recorded runs of ``results/chapters``, grouped as a report groups runs."""
    members = [
        {
            **kept,
            "status": "succeeded",
            "seed": kept["parameters"].get("seed", 0),
            "notebook": chapters()[kept["chapter"]].name,
        }
        for kept in book.recorded_runs()
    ]
    return {"groups": report.groups(members), "runs": [], "environments": []}


def verdict(outcomes: list[Outcome], ran: list[dict[str, Any]]) -> dict[str, Any]:
    """What a batch says about the course, beside the runs that are kept in ``results``.

    Args:
        outcomes: what became of each run of the plan.
        ran: the attempts among them, as ``report.read_runs`` gives them.

    Returns:
        ``broken``: one sentence for each run whose results are not there, claim that does not hold
        (any more, where runs are kept) and record that differs from the kept one beyond the noise
        of the seeds. ``known``: claims that did not hold in the kept runs either. ``tables``: all
        that was compared, as Markdown.
    """
    found = report.facts(ran)
    compared = report.comparison(_kept(), found)
    broken = [f"{each.run.folder} {each.reason}" for each in outcomes if not each.good]
    broken += compared["newly_broken"]
    broken += [
        f"{row['group']}: {row['name']} was {row['before']} and is {row['after']}"
        for row in compared["records"]
        if row["verdict"] == "beyond the noise of the seeds"
    ]
    known = [sentence for sentence in found["broken"] if sentence not in broken]
    return {"broken": broken, "known": known, "tables": report.markdown(found)}


def write(folder: Path, device: dict[str, Any], outcomes: list[Outcome]) -> int:
    """Write report, verdict and, where something broke, the text of an issue.

    Args:
        folder: of the runs; gets ``report.html``, ``verdict.json`` and perhaps ``broken.md``.
        device: from ``check_device``.
        outcomes: what became of each run of the plan; earlier runs in the folder are not judged.

    Returns:
        1 if something broke, else 0.
    """
    folders = [each.folder for each in outcomes if each.folder is not None]
    ran = [run for attempt in folders for run in report.read_runs(attempt)]
    found = verdict(outcomes, ran)
    report.write_report(folder, ran)
    judged = {"device": device, "broken": found["broken"], "known": found["known"]}
    write_json(folder / "verdict.json", judged)
    path = folder / "broken.md"
    path.unlink(missing_ok=True)
    for kind in ("known", "broken"):
        for sentence in found[kind]:
            print(f"{kind}: {sentence}")
    if found["broken"]:
        lines = [
            f"On {', '.join(device['cards'])} with {device['backend']}:",
            "",
            *(f"* {sentence}" for sentence in found["broken"]),
            "",
            found["tables"],
        ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as page:
            page.write(found["tables"] + "\n")
    print(f"verdict: {folder / 'verdict.json'}")
    return 1 if found["broken"] else 0
