"""``course gpu``: run the course on this machine's graphics card, and compare with ``results``."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from course import machine, report, results
from course.catalogue import Chapter, chapters, find
from course.comparison import BEYOND, broken_claims, compare
from course.errors import CourseError
from course.running import preview, store
from course.running.batch import Batch, Outcome
from course.running.engine import Local
from course.running.plan import plan
from course.running.progress import ProgressTable
from course.running.store import Attempt
from course.summary import Member, Summary, group_members, summarize, summarize_group
from helpers.claims import NOT_REPRODUCED
from helpers.files import write_atomically

WANTED = "an NVIDIA graphics card that the backend of Keras can use"


@dataclass(frozen=True)
class Verdict:
    """What a batch says about the course, beside the runs that are kept in ``results``.

    Attributes:
        cards: the graphics cards.
        backend: the backend that used them.
        broken: a sentence for each run without results, each claim that no longer holds (or, if
            no runs are kept, does not hold) and each record beyond the noise of the kept seeds.
        known: a sentence for each claim that did not hold in the kept runs either.
    """

    cards: tuple[str, ...]
    backend: str
    broken: tuple[str, ...]
    known: tuple[str, ...]


def check_device(wanted: list[Chapter], profile: str) -> tuple[machine.Card, ...]:
    """Return the graphics cards that the chapters can run on.

    Args:
        wanted: the chapters.
        profile: whose budget of GPU memory counts, if it has one.

    Raises:
        CourseError: there is no card, the backend cannot use it, or its memory is too small.
    """
    cards = machine.cards()
    if not cards:
        reason = "CUDA_VISIBLE_DEVICES hides all of them"
        if not machine.installed_cards():
            reason = "NVIDIA's driver lists none (asked through nvidia-ml-py, in the extra gpu)"
        raise CourseError(f"There is no GPU here: this job needs {WANTED}, but {reason}.")
    backend = machine.ask_backend()
    if not backend.devices:
        built = f", built for CUDA {backend.cuda}," if backend.cuda else ""
        extra = "gpu" if backend.name == "tensorflow" else backend.name
        raise CourseError(
            f"There is a GPU ({cards[0]}), but {backend.name}{built} cannot use it: the driver "
            "does not match, or the CUDA libraries are missing; run "
            f'`pip install --editable ".[{extra}]"`.'
        )
    smallest = min(cards, key=lambda card: card.megabytes)
    for chapter in wanted:
        needed = chapter.budgets[profile].gpu_megabytes
        if smallest.megabytes < needed:
            raise CourseError(
                f"Chapter {chapter.number} needs {needed:,} MB of GPU memory on profile {profile}, "
                f"but {smallest.name} has {smallest.megabytes:,.0f} MB: use a larger card, or name "
                "the chapters that fit."
            )
    return cards


def _kept() -> Summary:
    """Summarize the kept runs of whole chapters as a report does."""
    members = [
        Member(
            kept.chapter,
            chapters()[kept.chapter].name,
            kept.profile,
            kept.backend,
            {name: value for name, value in results.changed(kept).items() if name != "seed"},
            kept.seed,
            [asdict(record) for record in kept.records],
        )
        for kept in results.kept_runs()
        if not kept.named
    ]
    return Summary(groups=tuple(map(summarize_group, group_members(members).values())))


def judge(outcomes: list[Outcome], found: Summary) -> tuple[list[str], list[str]]:
    """Return what is broken, and what is known to be.

    Args:
        outcomes: what became of each run of the plan.
        found: summary of the attempts among them.
    """
    kept = _kept()
    broken = [f"{each.run.folder} {each.reason}" for each in outcomes if not each.good]
    # A claim that no kept run judged is new here, and as bad as one that held.
    broken += [text for text, was in broken_claims(kept, found) if was != NOT_REPRODUCED]
    broken += [
        f"{each.group}: {each.name} was {each.before} and is {each.after}"
        for each in compare(kept, found).records
        if each.verdict == BEYOND
    ]
    return broken, [sentence for sentence in found.broken if sentence not in broken]


def write(
    folder: Path, cards: tuple[machine.Card, ...], backend: str, outcomes: list[Outcome]
) -> int:
    """Write report, verdict and, if something broke, the text of an issue.

    Args:
        folder: of the runs; gets ``report.html``, ``verdict.json`` and perhaps ``broken.md``.
        cards: from ``check_device``.
        backend: that used them.
        outcomes: what became of each run of the plan; earlier runs in the folder are not judged.

    Returns:
        1 if something broke, else 0.
    """
    attempts: list[Attempt] = []
    for outcome in outcomes:
        if outcome.folder is not None:
            attempts += store.read_attempts(outcome.folder)
    found = summarize(attempts)
    report.write_report(folder, attempts)
    broken, known = judge(outcomes, found)
    verdict = Verdict(tuple(map(str, cards)), backend, tuple(broken), tuple(known))
    store.write_json(folder / "verdict.json", asdict(verdict))
    for kind, sentences in (("known", known), ("broken", broken)):
        for sentence in sentences:
            print(f"{kind}: {sentence}")
    tables = report.render(report.summary_page(found), "md")
    issue = folder / "broken.md"
    issue.unlink(missing_ok=True)
    if broken:
        listed = "\n".join(f"* {sentence}" for sentence in broken)
        named = ", ".join(map(str, cards))
        write_atomically(issue, f"On {named} with {backend}:\n\n{listed}\n\n{tables}")
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(page).open("a", encoding="utf-8") as file:
            file.write(tables)
    print(f"verdict: {folder / 'verdict.json'}")
    return 1 if broken else 0


def run(named: list[str], profile: str, seeds: int | None, out: Path) -> int:
    """Run chapters on this machine's graphics cards, and judge the runs.

    Args:
        named: numbers or names of the chapters; all if none is given.
        profile: "sample", "quick" or "full".
        seeds: how many seeds, or None for one.
        out: folder of the runs.

    Returns:
        1 if something broke, else 0.

    Raises:
        CourseError: there is no suitable card, or the input is not valid.
    """
    wanted = find(named)
    cards = check_device(wanted, profile)
    planned = plan(wanted, [profile], [], seeds)
    table = ProgressTable(len(planned))
    engine = Local(planned, None, None, table.update)
    preview.print_plan(planned, engine, {})
    with store.opened(out):
        outcomes = Batch(planned, out, engine, table).execute()
    backend = machine.environment().backend
    return write(out, cards, backend, [outcomes[each.folder] for each in planned])
