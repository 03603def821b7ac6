"""Compare two folders of runs: what differs, and is it beyond the noise of the seeds?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from course.compare import EXACT
from course.summary import (
    ClaimSummary,
    Group,
    RecordSummary,
    RunSummary,
    Spread,
    Summary,
    failure,
    in_words,
)
from helpers.claims import REPRODUCED

SAME = "the same"
WITHIN = "within the noise of the seeds"
BEYOND = "beyond the noise of the seeds"
UNKNOWN = "differs; the noise is unknown without two seeds on both sides"
TIME = "differs; a time, which depends on the machine"
TIMES = {"milliseconds", "seconds", "time"}  # words in the names of records that are times
LEVEL = 0.05  # one false alarm in twenty comparisons, all records together


@dataclass(frozen=True)
class Difference:
    """A record before and after, and what to think of its change."""

    group: str
    name: str
    before: str
    after: str
    change: float
    unit: str
    verdict: str


@dataclass(frozen=True)
class Missing:
    """A record that only the earlier runs have."""

    group: str
    name: str
    before: str


@dataclass(frozen=True)
class Comparison:
    """What differs between two folders of runs.

    Attributes:
        records: those of both folders.
        missing: records that there were only before.
        newly_broken: claims that held and no longer do.
        newly_failed: what succeeded before and does not now.
        only_before: groups of runs that there were only before.
        only_after: groups of runs that there are only after.
        environments: what the runs were executed with, before and after.
        runs: status and costs, before and after.
    """

    records: tuple[Difference, ...]
    missing: tuple[Missing, ...]
    newly_broken: tuple[str, ...]
    newly_failed: tuple[str, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    environments: tuple[tuple[str, ...], tuple[str, ...]]
    runs: tuple[tuple[RunSummary, ...], tuple[RunSummary, ...]]


def is_beyond_noise(before: Spread, after: Spread, tests: int = 1) -> bool | None:
    """Test whether two means differ by more than the seeds alone explain.

    Student's t-test with pooled variance, at a level of 5 % for all tests together (Bonferroni).

    Args:
        before: of a record.
        after: of the same record in other runs.
        tests: how many records are tested in one comparison.

    Returns:
        None if a side has fewer than two seeds, so that its noise is not known.
    """
    if not _has_noise(before, after):
        return None
    if before.deviation == after.deviation == 0:
        return before.mean != after.mean
    from scipy import stats  # importing it takes a second, and few commands compare

    answer = stats.ttest_ind_from_stats(
        *(before.mean, before.deviation, before.number),
        *(after.mean, after.deviation, after.number),
    )
    return bool(answer.pvalue < LEVEL / tests)


def _has_noise(before: Spread, after: Spread) -> bool:
    return min(before.number, after.number) > 1


def _is_time(record: RecordSummary) -> bool:
    return record.unit == "seconds" or bool(TIMES & set(re.split(r"[._]", record.name)))


def compare(before: Summary, after: Summary) -> Comparison:
    """Compare the summaries of two folders of runs."""
    old = {group.name: group for group in before.groups}
    new = {group.name: group for group in after.groups}
    pairs, missing = _pair_records(old, new)
    tests = sum(
        _has_noise(left.spread, right.spread) and not _is_time(left) for _, left, right in pairs
    )
    good_before = {run.run for run in before.runs if run.status == "succeeded"}
    failed = [
        failure(run) for run in after.runs if run.run in good_before and run.status != "succeeded"
    ]
    failed += [f"{name}: no run" for name in sorted(good_before - {run.run for run in after.runs})]
    return Comparison(
        records=tuple(_difference(*pair, tests) for pair in pairs),
        missing=tuple(missing),
        newly_broken=tuple(
            sentence for sentence, was in broken_claims(before, after) if was == REPRODUCED
        ),
        newly_failed=tuple(failed),
        only_before=tuple(sorted(old.keys() - new.keys())),
        only_after=tuple(sorted(new.keys() - old.keys())),
        environments=(before.environments, after.environments),
        runs=(before.runs, after.runs),
    )


def broken_claims(before: Summary, after: Summary) -> Iterator[tuple[str, str]]:
    """Find the claims that some runs refute, with the verdict of the runs before.

    Yields:
        A sentence on the claim, and the earlier verdict; "" if there was none.
    """

    def claimed(claim: ClaimSummary) -> tuple[str, str, str]:
        return claim.source, claim.statement, claim.record

    old = {group.name: group.claims for group in before.groups}
    for group in after.groups:
        verdicts = {claimed(claim): claim.verdict for claim in old.get(group.name, ())}
        for claim in group.broken:
            yield claim.sentence, verdicts.get(claimed(claim), "")


def _pair_records(
    old: dict[str, Group], new: dict[str, Group]
) -> tuple[list[tuple[str, RecordSummary, RecordSummary]], list[Missing]]:
    pairs, missing = [], []
    for name in [name for name in new if name in old]:
        there = {record.name: record for record in new[name].records}
        for record in old[name].records:
            if record.name in there:
                pairs.append((name, record, there[record.name]))
            else:
                missing.append(Missing(name, record.name, in_words(record.spread, record.unit)))
    return pairs, missing


def _difference(group: str, before: RecordSummary, after: RecordSummary, tests: int) -> Difference:
    old, new = before.spread.mean or 0.0, after.spread.mean or 0.0
    if EXACT.allows(old, new):
        verdict = SAME
    elif _is_time(before):
        verdict = TIME
    elif (beyond := is_beyond_noise(before.spread, after.spread, tests)) is None:
        verdict = UNKNOWN
    else:
        verdict = BEYOND if beyond else WITHIN
    return Difference(
        group=group,
        name=after.name,
        before=in_words(before.spread, before.unit),
        after=in_words(after.spread, after.unit),
        change=new - old,
        unit=after.unit,
        verdict=verdict,
    )
