"""Comments in prose that ask about every seed: ``lowest``, ``highest``, ``average`` and ``runs``.

``lowest(a.accuracy - b.accuracy)`` is the smallest such difference in the stored run of a chapter
and in the kept quick runs that differ from it only in the seed, ``highest(...)`` the largest,
``average(...)`` their mean, and ``runs(a.accuracy)`` says how many runs these are. So
``lowest(a.accuracy - b.accuracy) > 0`` tests that one was ahead of the other each time, and goes on
doing so when another seed is kept.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from helpers.expressions import ExpressionError, names_in

# For a record's name the kept runs that repeat it with other seeds; a missing name has none.
Repeats: TypeAlias = Mapping[str, tuple[str, ...]]
ALONE: Repeats = MappingProxyType({})  # the stored run and no other

_CALL = re.compile(r"\b(lowest|highest|average|runs)\(")


def asks(text: str) -> bool:
    """Say whether an expression is about every seed.

    >>> asks("lowest(a.b) > 0"), asks("a.lowest > 0")
    (True, False)
    """
    return bool(_CALL.search(text))


def expanded(text: str, repeats: Repeats) -> str:
    """Write an expression over seeds as one that names each kept run.

    Args:
        text: an expression of ``helpers.expressions`` in which some parts may stand in
            ``lowest(...)``, ``highest(...)``, ``average(...)`` or ``runs(...)``.
        repeats: the other runs of each record.

    Raises:
        ExpressionError: a parenthesis is never closed, one of these functions is nested in another,
            no record of a chapter is named, or ``runs`` is given more than a record's name.

    >>> expanded("lowest(a.b - 1) > 0", {"a.b": ("01-quick-seed=3",)})
    'min((a.b - 1), (kept.01-quick-seed=3.a.b - 1)) > 0'
    >>> expanded("runs(a.b) - 1", {"a.b": ("01-quick-seed=3",)})
    '(2 + 0 * a.b) - 1'
    """
    parts, place = [], 0
    while call := _CALL.search(text, place):
        close = _closing(text, call.end())
        if close is None:
            raise ExpressionError(f"has {call[0]} without its closing parenthesis: {text}")
        parts += [text[place : call.start()], _over(call[1], text[call.end() : close], repeats)]
        place = close + 1
    return "".join([*parts, text[place:]])


def _closing(text: str, start: int) -> int | None:
    """Find the parenthesis that closes the one right before a place."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if not depth:
            return place
    return None


def _over(function: str, inner: str, repeats: Repeats) -> str:
    if nested := _CALL.search(inner):
        raise ExpressionError(f"has {nested[1]} inside of {function}: {inner}")
    names = [name for name in names_in(inner) if not name.startswith("kept.")]
    if not names:
        raise ExpressionError(f"has {function} around no record of a chapter: {inner}")
    having = [repeats.get(name, ()) for name in names]
    runs = [run for run in having[0] if all(run in each for each in having)]
    if function == "runs":
        if inner.strip() != names[0]:
            raise ExpressionError(f"has {inner.strip()} where runs takes one record's name")
        # The name stays, so that one that no run has is reported like any other.
        return f"({1 + len(runs)} + 0 * {names[0]})"
    each = [f"({inner})", *(f"({_of(run, inner, names)})" for run in runs)]
    if not runs:
        return each[0]
    if function == "average":
        return f"(({' + '.join(each)}) / {len(each)})"
    return f"{'min' if function == 'lowest' else 'max'}({', '.join(each)})"


def _of(run: str, inner: str, names: list[str]) -> str:
    """Name the records of a kept run in place of the stored ones."""
    either = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.sub(rf"(?<![\w.])({either})(?![\w.])", rf"kept.{run}.\1", inner)
