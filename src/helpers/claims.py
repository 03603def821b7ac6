"""The ledger: what the sources claim, and whether a run here confirms it.

``data/sources.toml`` lists the sources and ``data/claims.toml`` their claims and mistakes. A claim
about a trained system names the system, its recipe and the parameters that a run must have used to
count. A run that used others is our own related figure, and never confirms or refutes the source.
"""

import functools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

from helpers.expressions import Expression, ExpressionError, names_in, parse, value_of
from helpers.places import TableError, read_table

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
NOT_RUN = "not run here"
VERDICTS = (REPRODUCED, NOT_REPRODUCED, NOT_RUN)

KINDS = ("computed", "property", "trained")
COMPARISONS = ("equal", "about", "at least", "at most", "more than", "less than")
UNITS = ("fraction", "count", "seconds", "")

# What TOML must hold for a field of each type, and what to call it.
_TYPES: dict[Any, tuple[Any, str]] = {
    str: (str, "text"),
    int: (int, "a whole number"),
    float: ((int, float), "a number"),
    float | None: ((int, float), "a number"),
    bool: (bool, "true or false"),
    tuple[str, ...]: (list, "a list of texts"),
    Mapping[str, Any] | None: (dict, "a table"),
}


@dataclass(frozen=True)
class Source:
    """A document that the course follows or checks.

    Attributes:
        key: its name in ``data/claims.toml``.
        author: who wrote it; empty where the document doesn't say.
        title: of the document.
        kind: such as "lecture slides" or "paper".
        short: how a table cites it, such as "Sakr, slides".
        link: address, or empty.
        year: of publication, or 0.
    """

    key: str
    author: str
    title: str
    kind: str
    short: str
    link: str = ""
    year: int = 0

    @property
    def citation(self) -> str:
        """Write the full citation, without the link."""
        year = f" ({self.year})" if self.year else ""
        return f"{self.author or 'Author not named'}{year}: “{self.title}”, {self.kind}"


@dataclass(frozen=True)
class Claim:
    """One statement of a source that a number can confirm or refute.

    Attributes:
        source: key in ``data/sources.toml``.
        statement: what the source says, in our words.
        chapter: number of the chapter where it belongs.
        kind: "computed" is arithmetic that any run repeats; a "property" of a data set or of
            convnets in general is measured on real data; "trained" names a system and a recipe.
        value: what the source says, in the unit.
        comparison: one of ``COMPARISONS``.
        tolerance: how far a value may be on the wrong side.
        unit: "fraction", "points" (a difference of fractions), "count", "seconds" or empty.
        measure: a record, or an expression of records such as ``a.b - c.d``; for a computed claim
            also plain arithmetic; empty where no chapter measures it.
        system: of a trained claim, what is trained.
        recipe: of a trained claim, how the source trains it.
        run: of a trained claim, the parameters that a run must have used to count; empty where no
            chapter can run the system as claimed.
        related: our own figure shown where no run counts; ``measure`` if empty.
        like: parameters that the run of our related figure must have used, so that ``differs`` is
            true of it.
        differs: in a few words, what differs between our related figure and the source's.
        note: what a reader should know of the claim or of the runs that count.
        threshold: "ours" where the source gives no number and the value is our criterion.
        headline: whether the README shows it.
    """

    source: str
    statement: str
    chapter: str
    kind: str
    value: float
    comparison: str
    tolerance: float = 0
    unit: str = ""
    measure: str = ""
    system: str = ""
    recipe: str = ""
    run: Mapping[str, Any] | None = None
    related: str = ""
    like: Mapping[str, Any] | None = None
    differs: str = ""
    note: str = ""
    threshold: str = "source"
    headline: bool = False

    @property
    def records(self) -> set[str]:
        """List the records by which the claim is measured."""
        return {*names_in(self.measure), *names_in(self.related)}


@dataclass(frozen=True)
class Mistake:
    """A common mistake that a source makes too.

    Attributes:
        number: of the mistake; several rows may share it.
        sources: keys in ``data/sources.toml``.
        says: what is tempting to believe.
        right: the right statement.
        chapter: number of the chapter where it belongs.
        record: record that shows the right figure, or empty.
        value: what that record must be, or None.
    """

    number: int
    sources: tuple[str, ...]
    says: str
    right: str
    chapter: str
    record: str = ""
    value: float | None = None


@dataclass(frozen=True)
class Evidence:
    """A run as the ledger sees it.

    Attributes:
        label: how to call it, such as "this run".
        parameters: all parameters by name, ``profile`` and ``seed`` among them.
        records: measured values by name.
        code: digest of the code that ran, where it is known.
    """

    label: str
    parameters: Mapping[str, Any]
    records: Mapping[str, float]
    code: str = ""

    def differs_in_seed(self, other: "Evidence") -> bool:
        """Tell whether two runs are the same but for their seeds."""
        mine, others = {**self.parameters, "seed": 0}, {**other.parameters, "seed": 0}
        return self is other or (self.code == other.code and mine == others)


@dataclass(frozen=True)
class Judgment:
    """What the runs say about a claim.

    Attributes:
        verdict: one of ``VERDICTS``.
        values: one per run that counts; without such a run, those of our related figure.
        labels: the runs that gave the values.
    """

    verdict: str
    values: tuple[float, ...]
    labels: tuple[str, ...]


def evaluate(expression: str, records: Mapping[str, float]) -> float | None:
    """Compute an expression of records.

    Args:
        expression: names of records, numbers, ``+ - * /``, ``abs``, ``min``, ``max`` and
            parentheses.
        records: values by name.

    Returns:
        The value; None if a record is missing or the expression is empty.

    Raises:
        ValueError: the expression holds anything else, or divides by zero.

    >>> evaluate("net.accuracy - dense.accuracy", {"net.accuracy": 0.75, "dense.accuracy": 0.5})
    0.25
    >>> evaluate("net.accuracy - dense.accuracy", {"net.accuracy": 0.75})
    """
    if not expression:
        return None
    parsed = _parsed_expression(expression)
    if any(name not in records for name in parsed.names):
        return None
    try:
        return float(value_of(parsed, records))
    except ExpressionError as error:
        raise ValueError(f"An expression of records {error}") from error


def _parsed_expression(text: str) -> Expression:
    try:
        parsed = parse(text)
    except ExpressionError as error:
        raise ValueError(
            f'"{text}" is not an expression of records: use names, numbers, + - * /, abs, min, max.'
        ) from error
    if parsed.is_test:
        raise ValueError(f'"{text}" is a comparison, but a claim needs a number.')
    return parsed


def agrees(claim: Claim, value: float) -> bool:
    """Tell whether a measured value agrees with a claim.

    >>> ninety = Claim("a", "b", "01", "computed", value=0.9, comparison="at least")
    >>> agrees(ninety, 0.9), agrees(ninety, 0.89)
    (True, False)
    """
    low, high = claim.value - claim.tolerance, claim.value + claim.tolerance
    return {
        "equal": low <= value <= high,
        "about": low <= value <= high,
        "at least": value >= low,
        "at most": value <= high,
        "more than": value > low,
        "less than": value < high,
    }[claim.comparison]


def counts(claim: Claim, run: Evidence) -> bool:
    """Tell whether a run says anything about a claim: whether it used the claim's recipe.

    Args:
        claim: the claim.
        run: a run, with all of its parameters.
    """
    if claim.kind == "computed":
        return True
    if run.parameters["profile"] == "sample":
        return False
    if claim.kind == "property":
        return True
    return bool(claim.run) and _used(run, claim.run)


def _used(run: Evidence, wanted: Mapping[str, Any] | None) -> bool:
    return all(
        key in run.parameters and run.parameters[key] == value
        for key, value in (wanted or {}).items()
    )


def judge(claim: Claim, runs: Sequence[Evidence]) -> Judgment:
    """Judge a claim by the runs that used its system and recipe.

    Args:
        claim: the claim.
        runs: of the claim's chapter, the one that a reader sees first.

    Returns:
        The verdict on the mean of all runs that used the recipe; of a property, on the first run
        and its seeds. Without such a run the claim was not run here, and the values are our related
        figure from the first run that has it, and its seeds.
    """
    counting = _values(claim.measure, [run for run in runs if counts(claim, run)])
    if claim.kind != "trained":
        counting = _seeds(counting)
    if counting:
        values = tuple(value for _, value in counting)
        right = agrees(claim, statistics.fmean(values))
        labels = tuple(run.label for run, _ in counting)
        return Judgment(REPRODUCED if right else NOT_REPRODUCED, values, labels)
    alike = [run for run in runs if _used(run, claim.like)]
    related = _seeds(_values(claim.related or claim.measure, alike))
    return Judgment(
        NOT_RUN, tuple(value for _, value in related), tuple(run.label for run, _ in related)
    )


def _values(expression: str, runs: Sequence[Evidence]) -> list[tuple[Evidence, float]]:
    found = ((run, evaluate(expression, run.records)) for run in runs)
    return [(run, value) for run, value in found if value is not None]


def _seeds(found: list[tuple[Evidence, float]]) -> list[tuple[Evidence, float]]:
    """Select the first run and those that differ from it only in the seed."""
    return [each for each in found if each[0].differs_in_seed(found[0][0])]


Entry = TypeVar("Entry", Source, Claim, Mistake)


@functools.cache
def sources() -> dict[str, Source]:
    """Return the sources by key, in the order of ``data/sources.toml``.

    Raises:
        TableError: the file cannot be read or an entry is wrong.
    """
    name = "data/sources.toml"
    listed = read_table(name)
    return {
        key: _parsed(Source, {"key": key, **_table(table, f"{name}, {key}")}, f"{name}, {key}")
        for key, table in listed.items()
    }


@functools.cache
def claims() -> tuple[Claim, ...]:
    """Return all claims, in the order of ``data/claims.toml``.

    Raises:
        TableError: the file cannot be read or an entry is wrong.
    """
    found = []
    for where, table in _entries("claim"):
        claim = _parsed(Claim, table, where)
        if fault := _claim_fault(claim):
            raise TableError(f"{where} ({claim.statement}): {fault}.")
        found.append(claim)
    return tuple(found)


@functools.cache
def mistakes() -> tuple[Mistake, ...]:
    """Return all common mistakes in the order of their numbers.

    Raises:
        TableError: the file cannot be read or an entry is wrong.
    """
    found = []
    for where, table in _entries("mistake"):
        mistake = _parsed(Mistake, table, where)
        if not mistake.sources:
            raise TableError(f"{where}: sources must name at least one source.")
        if unknown := [key for key in mistake.sources if key not in sources()]:
            raise TableError(f"{where}: data/sources.toml has no source {unknown[0]}.")
        found.append(mistake)
    return tuple(sorted(found, key=lambda mistake: mistake.number))


def _entries(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Return every table of a kind in ``data/claims.toml``, each with what to call it."""
    listed = read_table("data/claims.toml").get(kind, [])
    if not isinstance(listed, list):
        raise TableError(f"data/claims.toml must list each {kind} under [[{kind}]].")
    places = [f"data/claims.toml, {kind} {number}" for number in range(1, len(listed) + 1)]
    return [(where, _table(entry, where)) for where, entry in zip(places, listed, strict=True)]


def _table(entry: Any, where: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise TableError(f"{where}: expected a table, found {entry!r}.")
    return entry


def _parsed(kind: type[Entry], table: dict[str, Any], where: str) -> Entry:
    """Make a dataclass from a table of TOML whose keys are its fields."""
    known = {field.name: field for field in fields(kind)}
    if unknown := table.keys() - known.keys():
        raise TableError(f"{where}: unknown key {min(unknown)}; use {', '.join(known)}.")
    for name, field in known.items():
        if name not in table:
            if field.default is MISSING:
                raise TableError(f"{where}: {name} is missing.")
            continue
        value, (wanted, called) = table[name], _TYPES[field.type]
        if (
            not isinstance(value, wanted)
            or (isinstance(value, bool) and field.type is not bool)
            or (isinstance(value, list) and not all(isinstance(each, str) for each in value))
        ):
            raise TableError(f"{where}: {name} must be {called}, not {value!r}.")
    lists = {name: tuple(value) for name, value in table.items() if isinstance(value, list)}
    return kind(**{**table, **lists})


def _claim_fault(claim: Claim) -> str:
    """Say what is wrong with a claim, or return an empty string."""
    choices = {
        "kind": KINDS,
        "comparison": COMPARISONS,
        "unit": (*UNITS, "points"),
        "threshold": ("source", "ours"),
    }
    for name, allowed in choices.items():
        value = getattr(claim, name)
        if value not in allowed:
            return f'{name} must be one of {", ".join(map(repr, allowed))}, not "{value}"'
    if claim.source not in sources():
        return f"data/sources.toml has no source {claim.source}"
    trained = claim.kind == "trained"
    if trained and not (claim.system and claim.recipe):
        return "a claim about a trained system must name its system and its recipe"
    if not trained and (claim.run or claim.like or claim.system or claim.recipe):
        return "system, recipe, run and like belong to claims of the kind trained"
    if trained and not claim.run and not claim.differs:
        return "no run counts for it, so differs must say how ours differs"
    for expression in filter(None, (claim.measure, claim.related)):
        try:
            _parsed_expression(expression)
        except ValueError as error:
            return str(error).rstrip(".")
    if claim.measure and claim.kind != "computed" and not names_in(claim.measure):
        return f"measure must name a record, not {claim.measure!r}"
    return ""
