"""The ledger as the book shows it: each claim with its verdict, in rows and in words."""

from dataclasses import dataclass

from course.book.context import Context
from helpers.claims import (
    NOT_REPRODUCED,
    NOT_RUN,
    REPRODUCED,
    Claim,
    Judgment,
    Source,
    claims,
    evaluate,
    judge,
    mistakes,
    sources,
)
from helpers.records import differs, measured, target, written


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with what the runs say about it, as texts.

    Attributes:
        place: page and anchor of our figure, or None.
    """

    claim: Claim
    source: Source
    judgment: Judgment
    target: str
    ours: str
    differs: str
    recipe: str
    place: str | None

    @property
    def verdict(self) -> str:
        """One of ``helpers.claims.VERDICTS``."""
        return self.judgment.verdict

    @property
    def sentence(self) -> str:
        """The claim as the start of a sentence, for lists."""
        return self.claim.statement.removeprefix("… ")


@dataclass(frozen=True)
class Correction:
    """A row of the table of common mistakes."""

    number: int
    sources: str
    says: str
    right: str
    computed: str
    place: str


def judged(context: Context) -> tuple[JudgedClaim, ...]:
    """Judge every claim, in the order of the chapters."""
    found = []
    for stored in context.chapters:
        runs = context.evidence(stored.chapter.number)
        for claim in claims():
            if claim.chapter == stored.chapter.number:
                found.append(_judged(claim, judge(claim, runs), context))
    return tuple(found)


def _judged(claim: Claim, judgment: Judgment, context: Context) -> JudgedClaim:
    names = claim.records
    kept = [label.removeprefix("the kept run ") for label in judgment.labels[:1]]
    places = [context.place(f"kept.{kept[0]}.{name}") for name in names] if kept else []
    places += [context.place(name) for name in sorted(names)]
    return JudgedClaim(
        claim=claim,
        source=sources()[claim.source],
        judgment=judgment,
        target=target(claim),
        ours=measured(claim, judgment),
        differs=differs(claim, judgment),
        recipe=f"{claim.system}; {claim.recipe}" if claim.system else "",
        place=next(filter(None, places), None) if judgment.values else None,
    )


def corrections(context: Context) -> tuple[Correction, ...]:
    """Return the table of common mistakes, each with the figure that the stored run computed."""
    found = []
    for mistake in mistakes():
        [stored] = [s for s in context.chapters if s.chapter.number == mistake.chapter]
        values = {name: record.value for name, record in stored.records.items()}
        value = evaluate(mistake.record, values)
        record = stored.records.get(mistake.record)
        found.append(
            Correction(
                number=mistake.number,
                sources=", ".join(sources()[key].short for key in mistake.sources),
                says=mistake.says,
                right=mistake.right,
                computed="—" if value is None else written(value, record.unit if record else ""),
                place=context.place(mistake.record) or f"{stored.chapter.name}.html",
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class Story:
    """The ledger in numbers and lists, for the words before its tables.

    Attributes:
        total: number of claims.
        trained: number of claims about trained systems.
        reproduced: claims about trained systems and properties that were reproduced.
        arithmetic: number of claims that were reproduced by computing them.
        refuted: all claims that were not reproduced.
        open: number of claims that were not run here.
        compared: claims not run here for which we have a related figure, the README's first.
        idle: claims without any figure of our own.
    """

    total: int
    trained: int
    reproduced: tuple[JudgedClaim, ...]
    arithmetic: int
    refuted: tuple[JudgedClaim, ...]
    open: int
    compared: tuple[JudgedClaim, ...]
    idle: tuple[JudgedClaim, ...]


def story(found: tuple[JudgedClaim, ...]) -> Story:
    """Sort judged claims by what is to be said of them."""
    confirmed = [each for each in found if each.verdict == REPRODUCED]
    waiting = [each for each in found if each.verdict == NOT_RUN]
    return Story(
        total=len(found),
        trained=sum(each.claim.kind == "trained" for each in found),
        reproduced=tuple(each for each in confirmed if each.claim.kind != "computed"),
        arithmetic=sum(each.claim.kind == "computed" for each in confirmed),
        refuted=tuple(each for each in found if each.verdict == NOT_REPRODUCED),
        open=len(waiting),
        compared=tuple(each for each in waiting if each.judgment.values),
        idle=tuple(each for each in waiting if not each.judgment.values),
    )
