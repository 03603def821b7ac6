"""How far measured numbers may wander: the spread of a chapter's kept quick seeds.

The same code and seed give other last digits on another machine, and training amplifies them; so
a repeat is one more draw from what seeds show. A number must lie in the prediction interval of
its kept values (Student's t). With three to five seeds a number's own variance is itself a rough
estimate, so it is pooled with a variance below which three in four of the chapter's numbers of its
kind stay, weighted by degrees of freedom (Smyth, "Linear models and empirical Bayes methods",
2004). A quantile is used because a few bimodal numbers must not widen all intervals.
"""

import functools
import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from course.catalogue import Chapter
from course.compare import EXACT, differences, value_of
from course.lines import PLACE, times_marked, vocabulary, words
from course.notebooks.digests import cells_digest
from course.results import KeptRun, Record, quick_seeds
from helpers import claims

LEVEL = 0.001  # share of sound numbers that fail, at each number
FREEDOM = 2  # degrees of freedom of the pooled variance
FEWEST = 3  # numbers of a kind that make a pool
POINTS = 0.002  # floors: of a fraction, and of other numbers relative to their size
SHARE = 0.005
SMALL = 100  # a count up to this may agree in all seeds by chance
# Kinds whose logarithm varies evenly; the offset keeps tiny values from varying by large factors.
OFFSETS = {"loss": 0.01, "first loss": 0.01, "spread": 0.002}
WIDE = {"fraction": 0.15} | dict.fromkeys(OFFSETS, math.log(5))  # for a single seed
WIDE_SHARE = 1.0  # the same for other numbers, relative to their size

Values = tuple[float, ...]


def kind_of(name: str, unit: str) -> str:
    """Return what a record is pooled with: its unit, or "spread", or "loss".

    >>> kind_of("features.head.spread", "fraction"), kind_of("mnist.lenet.test_loss", "")
    ('spread', 'loss')
    """
    last = name.rpartition(".")[2]
    if "spread" in last:
        return "spread"
    return "loss" if "loss" in last else unit


def _spread_evenly(values: Values, kind: str) -> tuple[Values, float]:
    """Return values that vary alike whatever their size, and the scale of their variance.

    Fractions vary in points, losses and spreads by factors, other numbers in shares of their size.
    """
    if kind in OFFSETS:
        return tuple(math.log(max(value, 0.0) + OFFSETS[kind]) for value in values), 1.0
    if kind == "fraction":
        return values, 1.0
    return values, math.sqrt(statistics.fmean(value * value for value in values)) or 1.0


@functools.cache
def _quantile(freedom: float) -> float:
    from scipy import stats  # importing it takes a second, and few commands compare

    return float(stats.t.isf(LEVEL / 2, freedom))


def interval(values: Values, kind: str, pooled: float | None) -> tuple[float, float]:
    """Return the interval for one more value: its lower and upper end.

    Args:
        values: of the kept seeds.
        kind: from ``kind_of``.
        pooled: variance of the chapter's numbers of this kind; None without a pool.
    """
    even, scale = _spread_evenly(values, kind)
    center, number = statistics.fmean(even), len(values)
    agree = number > 1 and max(values) == min(values)
    if kind == "count" and agree:
        reach = 1.0 if abs(center) <= SMALL else 0.0
    # Seeds agree by chance, or because a best or worst training is in several kept runs.
    elif number < 2 or (agree and pooled is None):
        reach = WIDE.get(kind, WIDE_SHARE * abs(center))
        reach = max(reach, 1.0 if kind == "count" else 0.0)
    else:
        own, freedom = statistics.variance(even) / scale**2, number - 1
        if pooled is not None:
            own = (FREEDOM * pooled + freedom * own) / (FREEDOM + freedom)
            freedom += FREEDOM
        reach = _quantile(freedom) * math.sqrt(own * (1 + 1 / number)) * scale
        reach += POINTS if kind == "fraction" else SHARE * abs(center)
        reach = max(reach, 1.0 if kind == "count" else 0.0)
    low, high = center - reach, center + reach
    if kind in OFFSETS:
        return math.exp(low) - OFFSETS[kind], math.exp(high) - OFFSETS[kind]
    return low, high


def _pools(found: Iterable[tuple[str, Values]]) -> dict[str, float]:
    """Return the third quartile of the variances of each kind, of numbers that vary."""
    ordered = sorted(found, key=lambda pair: pair[0])
    pools = {}
    for kind, members in groupby(ordered, key=lambda pair: pair[0]):
        variances = []
        for _, values in members:
            if len(values) > 1 and all(map(math.isfinite, values)) and max(values) > min(values):
                even, scale = _spread_evenly(values, kind)
                variances.append(statistics.variance(even) / scale**2)
        if len(variances) >= FEWEST:
            pools[kind] = sorted(variances)[3 * len(variances) // 4]
    return pools


def _points(history: dict[str, list[float | None]]) -> dict[str, float]:
    """Return the last values of learning curves, and the first losses, each in words.

    First losses vary least between seeds, so they tell most of a wrong rate or preprocessing.
    """
    last = {f"last {measure}": values[-1] for measure, values in history.items()}
    first = {f"first {m}": values[0] for m, values in history.items() if "loss" in m}
    return {point: math.nan if value is None else value for point, value in (last | first).items()}


def _measure(point: str) -> str:
    """Return what a point of a learning curve is pooled with."""
    if "loss" in point:
        return "first loss" if point.startswith("first") else "loss"
    return "fraction" if "acc" in point else ""


@dataclass(frozen=True)
class Noise:
    """What the kept seeds of one chapter show; judges measured cells for ``course.compare``.

    Attributes:
        seeds: of the runs that it is made from.
        records: values by name.
        ends: first losses and last values of trainings, by cell, place in it, and words.
        texts: by cell and place among the cell's texts.
        vocabulary: words that a verdict may be made of.
        pools: variance by kind.
    """

    seeds: tuple[int, ...]
    records: dict[str, Values]
    ends: dict[tuple[int, int, str], Values]
    texts: dict[tuple[int, int], tuple[str, ...]]
    vocabulary: frozenset[str]
    pools: dict[str, float]

    def _outside(self, name: str, kind: str, values: Values, was: float, now: float) -> str | None:
        if math.isnan(was) and math.isnan(now):  # a training that diverged does so again
            return None
        finite = tuple(value for value in values if math.isfinite(value))
        low, high = interval(finite or (was,), kind, self.pools.get(kind))
        if low <= was <= high and (low <= now <= high or EXACT.allows(was, now)):
            return None
        of = f"{len(values)} seeds" if len(values) > 1 else "wide default for a single seed"
        return f"{name} was {was:.6g} and is now {now:.6g}; expected {low:.5g} to {high:.5g} ({of})"

    def record(self, stored: dict[str, Any], fresh: dict[str, Any]) -> str | None:
        """Return what is wrong with the value of a record, or None; times are never wrong."""
        if stored["unit"] == "seconds":
            return None
        name, kind = stored["name"], kind_of(stored["name"], stored["unit"])
        values = self.records.get(name, ())
        return self._outside(f"the record {name}", kind, values, stored["value"], fresh["value"])

    def training(self, cell: int, place: int, stored: Any, fresh: Any) -> str | None:
        """Return what is wrong with the learning curves of a training, or None."""
        old, new = (_points(body["history"]) for body in (stored, fresh))
        if old.keys() != new.keys():
            return f"a training measured {', '.join(sorted(old))}, now {', '.join(sorted(new))}"
        for measure, was in old.items():
            values = self.ends.get((cell, place, measure), ())
            name = f"the {measure} of training {place}"
            if said := self._outside(name, _measure(measure), values, was, new[measure]):
                return said
        return None

    def text(self, cell: int, place: int, stored: str, fresh: str) -> str | None:
        """Return the first difference of a printed text that noise doesn't explain, or None."""
        old, new = times_marked(stored), times_marked(fresh)
        kept = [times_marked(text) for text in self.texts.get((cell, place), ())]
        if len({len(old), *map(len, kept)}) > 1:
            return self._unknown(old, new, kept) if new else "the text is missing"
        if len(old) != len(new):
            return f"stored {len(old)} lines of text, now {len(new)}"
        for number, (was, now) in enumerate(zip(old, new, strict=True)):
            if said := self._line(was, now, [lines[number] for lines in kept]):
                return f"line {number + 1}: {said}"
        return None

    def _line(self, stored: str, fresh: str, kept: list[str]) -> str | None:
        (old, was), (new, now) = words(stored), words(fresh)
        lines = [words(line) for line in kept]
        for template, numbers in [(old, was), *lines]:
            if template == new:
                alike = [found for other, found in lines if other == new]
                return self._numbers(numbers, now, alike, stored)
        varying = {word for template, _ in lines for word in set(old) ^ set(template)}
        before, after = itertools.count(), itertools.count()
        figures = [next(before) if word == PLACE else None for word in old]
        others = [next(after) if word == PLACE else None for word in new]
        pairs: list[tuple[int, int]] = []
        for action, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if action == "equal":
                both = zip(figures[a:b], others[c:d], strict=True)
                pairs += [(x, y) for x, y in both if x is not None and y is not None]
                continue
            gone, come = set(old[a:b]), set(new[c:d])
            if gone & varying:  # a name in whose place the seeds already differ
                continue
            if not gone | come <= self.vocabulary | varying | {PLACE}:
                return f"stored {stored!r}, now {fresh!r}"
        # A changed verdict doesn't excuse changed figures beside it.
        alike = [[found[x] for x, _ in pairs] for other, found in lines if other == old]
        left, right = [was[x] for x, _ in pairs], [now[y] for _, y in pairs]
        return self._numbers(left, right, alike, stored)

    def _unknown(self, old: list[str], new: list[str], kept: list[list[str]]) -> str | None:
        """Return the first line with a word that neither the seeds nor the code ever say."""
        said = {word for lines in (old, *kept) for line in lines for word in words(line)[0]}
        for line in new:
            if not set(words(line)[0]) <= said | self.vocabulary | {PLACE}:
                return f"no seed prints a line such as {line!r}"
        return None

    def _numbers(
        self, was: Sequence[str], now: Sequence[str], alike: list[list[str]], line: str
    ) -> str | None:
        for place, (left, right) in enumerate(zip(was, now, strict=True)):
            if not (left and right):  # a time, which no machine repeats
                continue
            (before, whole), (after, _) = value_of(left), value_of(right)
            kind = "fraction" if left.endswith("%") else "count" if whole else ""
            values = tuple(value_of(numbers[place])[0] for numbers in alike)
            if said := self._outside("a number", kind, values, before, after):
                return f"{said}, in {line!r}"
        return None


def of_chapter(chapter: Chapter, notebook: NotebookNode, runs: Iterable[KeptRun]) -> Noise:
    """Gather the noise of a chapter.

    Args:
        chapter: the chapter.
        notebook: as stored; only kept runs of its cells count.
        runs: from ``course.results.kept_runs``; leave a run out to judge it by the others.
    """
    seeds = quick_seeds(runs, chapter.number, cells_digest(notebook.cells))
    measured: dict[Record, list[float]] = {}
    ends: dict[tuple[int, int, str], list[float]] = {}
    texts: dict[tuple[int, int], list[str]] = {}
    for run in seeds:
        for record in run.records:
            measured.setdefault(Record(record.name, 0, record.unit), []).append(record.value)
        for (cell, place), curve in placed(run.curves):
            for measure, value in _points(curve.history).items():
                ends.setdefault((cell, place, measure), []).append(value)
        for where, printed in placed(run.printed):
            texts.setdefault(where, []).append(printed.text)
    kinds = [(kind_of(record.name, record.unit), tuple(v)) for record, v in measured.items()]
    kinds += [(_measure(measure), tuple(values)) for (*_, measure), values in ends.items()]
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return Noise(
        seeds=tuple(run.seed for run in seeds),
        records={record.name: tuple(values) for record, values in measured.items()},
        ends={where: tuple(values) for where, values in ends.items()},
        texts={where: tuple(found) for where, found in texts.items()},
        vocabulary=vocabulary(sources) | _verdicts(),
        pools=_pools(kinds),
    )


def cell_differences(cell: NotebookNode, fresh: list[Any], number: int, noise: Noise) -> list[str]:
    """Return what differs between the stored outputs of a cell and fresh ones.

    Args:
        cell: of the stored notebook.
        fresh: outputs of a repeat.
        number: of the cell among the code cells, from 0.
        noise: of the chapter; it judges cells tagged ``measured``.
    """
    tags = cell.metadata.get("tags", [])
    if "nbval-ignore-output" in tags:
        return []
    return differences(cell.outputs, fresh, number, noise if "measured" in tags else None)


def placed(parts: Sequence[Any]) -> Iterable[tuple[tuple[int, int], Any]]:
    """Give the curves or texts of each cell a number from 0: cell and number, and the part."""
    for cell, members in groupby(parts, key=lambda part: part.cell):
        for place, part in enumerate(members):
            yield (cell, place), part


@functools.cache
def _verdicts() -> frozenset[str]:
    """Return the words of the verdicts on claims, which helpers print."""
    return vocabulary([Path(claims.__file__).read_text(encoding="utf-8")])
