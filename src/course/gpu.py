"""The whole course on a machine with a graphics card: check it, run, compare with what is kept."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from course import machine, report, results
from course.catalogue import Chapter, chapters, defaults, find
from course.errors import CourseError
from course.running import preview, store
from course.running.batch import Batch, Outcome
from course.running.engine import Local
from course.running.plan import plan
from course.running.progress import ProgressTable

LOOKED_FOR = "an NVIDIA graphics card that the backend of Keras can use"


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
    cards = machine.cards()
    if not cards:
        hidden = "CUDA_VISIBLE_DEVICES hides all of them"
        if not machine.installed_cards():
            hidden = "its driver, or nvidia-ml-py of the extra gpu, lists none"
        raise CourseError(f"There is no GPU here: this job looks for {LOOKED_FOR}, and {hidden}.")
    found = machine.ask_backend()
    if not found.devices:
        built = f", built for CUDA {found.cuda}," if found.cuda else ""
        extra = "gpu" if found.name == "tensorflow" else found.name
        raise CourseError(
            f"There is a GPU ({cards[0]}), but {found.name}{built} cannot use it: the driver "
            "does not match, or the CUDA libraries are missing: "
            f"`pip install --editable '.[{extra}]'`."
        )
    smallest = min(cards, key=lambda card: card.megabytes)
    for chapter in wanted:
        needed = chapter.budgets[profile].gpu_megabytes
        if smallest.megabytes < needed:
            raise CourseError(
                f"Chapter {chapter.number} needs {needed:,} MB of GPU memory on profile {profile}, "
                f"and {smallest.name} has {smallest.megabytes:,.0f}: use a larger card, or name "
                "the chapters that fit."
            )
    return {"cards": list(map(str, cards)), "backend": found.name, "seen": list(found.devices)}


def _kept() -> dict[str, Any]:
    """Group the kept runs of whole chapters as a report groups runs."""
    members = [
        {
            **asdict(kept),
            "parameters": {
                name: value
                for name, value in kept.parameters.items()
                if defaults(kept.chapter, kept.profile)[0].get(name) != value
            },
            "status": "succeeded",
            "seed": kept.seed,
            "notebook": chapters()[kept.chapter].name,
        }
        for kept in results.kept_runs()
        if not kept.named
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
    store.write_json(folder / "verdict.json", judged)
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


def run(chapters: list[str], profile: str, seeds: int | None, out: Path) -> int:
    """Run chapters on this machine's graphics cards, and judge the runs.

    Args:
        chapters: numbers or names; all if none is given.
        profile: "sample", "quick" or "full".
        seeds: how many consecutive seeds, or None for one.
        out: folder of the runs.

    Returns:
        1 if something broke, else 0.

    Raises:
        CourseError: there is no suitable card, or bad input.
    """
    wanted = find(chapters)
    device = check_device(wanted, profile)
    planned = plan(wanted, [profile], [], seeds)
    table = ProgressTable(len(planned))
    engine = Local(planned, None, None, table.update)
    preview.print_plan(planned, engine, {})
    with store.opened(out):
        outcomes = Batch(planned, out, engine, table).execute()
    return write(out, device, [outcomes[each.folder] for each in planned])
