"""Summarize runs: records and claims over the seeds, costs, and what did not succeed."""

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from course.catalogue import chapters, defaults
from course.running.store import Attempt
from helpers.claims import NOT_REPRODUCED, Claim, Evidence, claims, judge, sources
from helpers.records import target, written


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a record over the seeds, and how many seeds there are.

    Attributes:
        mean: None without a value.
        deviation: of the sample; None with fewer than two values.
        number: of values.
    """

    mean: float | None
    deviation: float | None
    number: int


def spread_of(values: list[float]) -> Spread:
    """Summarize the values of one record.

    >>> spread_of([1.0, 3.0])
    Spread(mean=2.0, deviation=1.4142135623730951, number=2)
    """
    return Spread(
        mean=statistics.fmean(values) if values else None,
        deviation=statistics.stdev(values) if len(values) > 1 else None,
        number=len(values),
    )


def in_words(spread: Spread, unit: str) -> str:
    """Return a mean as a reader sees it, with the spread of the seeds.

    >>> in_words(spread_of([0.5, 0.7]), "fraction")
    '60.00 % ± 14.14 % (2)'
    """
    if spread.mean is None:
        return "—"
    if spread.deviation is None:
        return written(spread.mean, unit)
    return f"{written(spread.mean, unit)} ± {written(spread.deviation, unit)} ({spread.number})"


@dataclass(frozen=True)
class Member:
    """A run as a group sees it.

    Attributes:
        chapter: its number.
        notebook: its name.
        profile: "sample", "quick" or "full".
        backend: "tensorflow", "jax" or "torch".
        changes: the parameters that differ from those of the profile, without the seed.
        seed: of this run.
        records: what it measured, with name, value and unit; None if it did not succeed.
    """

    chapter: str
    notebook: str
    profile: str
    backend: str
    changes: dict[str, Any]
    seed: int
    records: list[dict[str, Any]] | None


def member_of(attempt: Attempt) -> Member:
    """Return an attempt as a group sees it."""
    run = attempt.run
    changes = run.parameters
    if run.chapter in chapters():
        plain, usual = defaults(run.chapter, run.profile)
        made = {**plain, **run.parameters}
        changes = {name: value for name, value in made.items() if usual.get(name) != value}
    return Member(
        run.chapter,
        run.notebook,
        run.profile,
        run.backend,
        {name: value for name, value in changes.items() if name not in ("seed", "profile")},
        run.seed,
        run.records if attempt.status == "succeeded" else None,
    )


@dataclass(frozen=True)
class RecordSummary:
    """A record of a group of runs."""

    name: str
    unit: str
    spread: Spread


@dataclass(frozen=True)
class ClaimSummary:
    """What a group of runs says about a claim of a source.

    Attributes:
        source: who claims it.
        statement: what is claimed.
        record: the record that measures it.
        target: the claimed value, in words.
        measured: the group's own, in words.
        verdict: on the claim.
        sentence: all of this in one sentence.
    """

    source: str
    statement: str
    record: str
    target: str
    measured: str
    verdict: str
    sentence: str


@dataclass(frozen=True)
class Group:
    """Successful runs that differ only in the seed."""

    name: str
    chapter: str
    profile: str
    seeds: tuple[int, ...]
    records: tuple[RecordSummary, ...]
    claims: tuple[ClaimSummary, ...]

    @property
    def broken(self) -> list[ClaimSummary]:
        """The claims that these runs refute."""
        return [claim for claim in self.claims if claim.verdict == NOT_REPRODUCED]


def group_members(members: Iterable[Member]) -> dict[str, list[Member]]:
    """Return the runs that differ only in the seed, by what they have in common."""
    found: dict[str, list[Member]] = {}
    for each in members:
        common = [each.chapter, each.profile, each.backend, each.changes]
        found.setdefault(json.dumps(common, sort_keys=True), []).append(each)
    return dict(sorted(found.items()))


def summarize_group(members: list[Member]) -> Group:
    """Summarize runs that differ only in the seed; those that did not succeed do not count."""
    first = members[0]
    values: dict[str, list[float]] = {}
    units: dict[str, str] = {}
    for each in members:
        for record in each.records or []:
            values.setdefault(record["name"], []).append(record["value"])
            units[record["name"]] = record["unit"]
    backend = "" if first.backend == "tensorflow" else f" on {first.backend}"
    changes = "".join(f", {name}={value}" for name, value in sorted(first.changes.items()))
    return Group(
        name=f"{first.notebook}, {first.profile}{backend}{changes}",
        chapter=first.chapter,
        profile=first.profile,
        seeds=tuple(each.seed for each in members if each.records is not None),
        records=tuple(
            RecordSummary(name, units[name], spread_of(found)) for name, found in values.items()
        ),
        claims=tuple(
            _summarize_claim(claim, members) for claim in claims() if claim.chapter == first.chapter
        ),
    )


def _summarize_claim(claim: Claim, members: list[Member]) -> ClaimSummary:
    judgment = judge(claim, [_evidence(each) for each in members if each.records is not None])
    measured = in_words(spread_of(list(judgment.values)), claim.unit)
    source = sources()[claim.source].short
    return ClaimSummary(
        source=source,
        statement=claim.statement,
        record=claim.measure,
        target=target(claim),
        measured=measured,
        verdict=judgment.verdict,
        sentence=f"{source}, chapter {claim.chapter}: {claim.statement} — "
        f"{claim.measure} is {measured}",
    )


def _evidence(member: Member) -> Evidence:
    usual = defaults(member.chapter, member.profile)[1]
    asked = {"profile": member.profile, "seed": member.seed}
    values = {record["name"]: record["value"] for record in member.records or []}
    return Evidence(f"seed {member.seed}", {**usual, **member.changes, **asked}, values)


@dataclass(frozen=True)
class RunSummary:
    """Status and costs of one run."""

    run: str
    attempt: int
    status: str
    reason: str
    seconds: float
    budget_seconds: float
    bytes: int
    budget_bytes: float
    gpu_bytes: int
    examples_per_second: float


@dataclass(frozen=True)
class Summary:
    """What a report says of a folder of runs.

    Attributes:
        runs: status and costs.
        groups: of runs that differ only in the seed.
        broken: a sentence for each claim that does not hold.
        failed: a sentence for each run that did not succeed.
        environments: what the runs were executed with.
    """

    runs: tuple[RunSummary, ...] = ()
    groups: tuple[Group, ...] = ()
    broken: tuple[str, ...] = field(default=())
    failed: tuple[str, ...] = field(default=())
    environments: tuple[str, ...] = field(default=())


def summarize(attempts: list[Attempt]) -> Summary:
    """Summarize the newest attempts of runs."""
    runs = tuple(_summarize_run(each) for each in attempts)
    groups = tuple(map(summarize_group, group_members(map(member_of, attempts)).values()))
    return Summary(
        runs=runs,
        groups=groups,
        broken=tuple(claim.sentence for group in groups for claim in group.broken),
        failed=tuple(failure(run) for run in runs if run.status != "succeeded"),
        environments=tuple(sorted({_environment(each) for each in attempts})),
    )


def failure(run: RunSummary) -> str:
    """Return a sentence on a run that did not succeed."""
    return f"{run.run} {run.reason or run.status}"


def _summarize_run(attempt: Attempt) -> RunSummary:
    run = attempt.run
    return RunSummary(
        run=run.folder,
        attempt=run.attempt,
        status=attempt.status,
        reason=run.reason(),
        seconds=run.duration_seconds,
        budget_seconds=run.budget.seconds,
        bytes=run.peak_memory_bytes,
        budget_bytes=run.budget.megabytes * 1e6,
        gpu_bytes=run.gpu_peak_bytes,
        examples_per_second=run.examples_a_second,
    )


def _environment(attempt: Attempt) -> str:
    run = attempt.run
    versions = ", ".join(f"{name} {version}" for name, version in run.packages.items())
    return f"Python {run.python}; {versions}; {run.device}; commit {run.commit or 'unknown'}."
