"""Printed lines as words and numbers, for ``course.noise``: what may vary, and what is a time."""

import ast
import re
from collections.abc import Iterable

from course.compare import NUMBER

_TIMES = {"ms", "s", "second", "seconds", "minute", "minutes", "hour", "hours"}
PLACE = "0"  # stands for a number in a line; whatever else looks like one is a number, too
_TOKEN = re.compile(rf"{NUMBER.pattern}|\w+|[^\w\s]")


def words(text: str) -> tuple[list[str], list[str]]:
    """Split a line into tokens with ``PLACE`` for each number, and its numbers; "" is a time.

    >>> words("about 6, now 5 % in 2 minutes")
    (['about', '0', ',', 'now', '0', 'in', '0', 'minutes'], ['6', '5 %', ''])
    """
    tokens = [token.group() for token in _TOKEN.finditer(text)]
    numbers = [
        "" if after in _TIMES else token
        for token, after in zip(tokens, [*tokens[1:], ""], strict=False)
        if NUMBER.fullmatch(token)
    ]
    return [PLACE if NUMBER.fullmatch(token) else token for token in tokens], numbers


def times_marked(text: str) -> list[str]:
    r"""Return the lines of a text, in which numbers below a heading such as "seconds" are times.

    >>> times_marked("net | seconds\nours | 24.0\nLess is better.")
    ['net | seconds', 'ours | 24.0 s', 'Less is better.']
    """
    lines: list[str] = []
    timed: list[bool] = []
    for line in text.splitlines():
        cells = line.split(" | ")
        if len(cells) < 2:
            timed = []
        elif len(cells) != len(timed):
            timed = [bool(_TIMES & set(cell.split())) for cell in cells]
        else:
            pairs = zip(cells, timed, strict=True)
            cells = [
                f"{cell} s" if time and NUMBER.fullmatch(cell) else cell for cell, time in pairs
            ]
        lines.append(" | ".join(cells))
    return lines


def vocabulary(sources: Iterable[str]) -> frozenset[str]:
    """Return the words of all strings in some sources, those inside f-strings included."""
    found: set[str] = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(words(node.value)[0])
    return frozenset(found)
