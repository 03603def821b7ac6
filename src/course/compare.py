"""Compare stored outputs with fresh ones: exactly, or within the noise of training.

Cells tagged ``measured`` depend on data or training; all others are exact but for the last digits
of floats. What noise allows is the matter of ``course.noise``.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Protocol

from helpers.datasets import MIME_TYPE as DATA
from helpers.outputs import HISTORY
from helpers.records import MIME_TYPE as RECORD

# A comma separates thousands only between groups of three digits after one to three.
NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+(?!,?\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\w)(?:\s?%)?"
)


@dataclass(frozen=True)
class Tolerance:
    """How far a float may be from the stored one: ``absolute + relative * |stored|``."""

    relative: float
    absolute: float

    def allows(self, stored: float, fresh: float) -> bool:
        """Return whether the fresh value is close enough to the stored one."""
        if math.isnan(stored) or math.isnan(fresh):
            return math.isnan(stored) and math.isnan(fresh)
        return abs(stored - fresh) <= self.absolute + self.relative * abs(stored)


EXACT = Tolerance(relative=1e-6, absolute=1e-9)


@dataclass(frozen=True)
class Piece:
    """One part of a cell's outputs: MIME type or stream, and text or the body of a MIME type."""

    kind: str
    content: Any


class Judge(Protocol):
    """What decides whether a measured cell's outputs still agree, as ``course.noise`` does."""

    def record(self, stored: dict[str, Any], fresh: dict[str, Any]) -> str | None:
        """Return what is wrong with the value of a record, or None."""

    def training(self, cell: int, place: int, stored: Any, fresh: Any) -> str | None:
        """Return what is wrong with the end of a learning curve, or None."""

    def text(self, cell: int, place: int, stored: str, fresh: str) -> str | None:
        """Return what is wrong with a printed text, or None."""


def value_of(token: str) -> tuple[float, bool]:
    """Return a number's value and whether it is whole; a percentage is a fraction.

    >>> value_of("12,500"), value_of("50 %")
    ((12500.0, True), (0.5, False))
    """
    digits = token.rstrip("% ").replace(",", "")
    whole = re.fullmatch(r"[-+]?\d+", digits) is not None and not token.endswith("%")
    return float(digits) / (100 if token.endswith("%") else 1), whole


def text_difference(stored: str, fresh: str) -> str | None:
    """Return the first difference between two texts that don't depend on training, or None.

    Floats may differ in their last digits; everything else is exact.

    >>> text_difference("[1,23]", "[12,3]")
    "line 1: stored 1, now 12, in '[1,23]'"
    """
    lines = zip_longest(stored.splitlines(), fresh.splitlines())
    for number, (old, new) in enumerate(lines, start=1):
        if old is None or new is None or NUMBER.sub("#", old) != NUMBER.sub("#", new):
            return f"line {number}: stored {old!r}, now {new!r}"
        for left, right in zip(NUMBER.findall(old), NUMBER.findall(new), strict=True):
            (was, whole), (now, also) = value_of(left), value_of(right)
            if not (was == now if whole and also else EXACT.allows(was, now)):
                return f"line {number}: stored {left.strip()}, now {right.strip()}, in {old!r}"
    return None


def _record_difference(stored: dict[str, Any], fresh: dict[str, Any]) -> str | None:
    was, now = stored["value"], fresh["value"]
    if was == now or (stored["unit"] != "count" and EXACT.allows(was, now)):
        return None
    return f"the record {stored['name']} was {was:.10g} and is now {now:.10g}"


def pieces(outputs: list[Any], measured: bool) -> list[Piece]:
    """Split the outputs of a cell into comparable pieces; streams are joined and come first.

    Pictures are only marked. In a measured cell HTML is a picture as well: which review is the
    most wrong changes with the last digits of the weights. The text of a training's progress line
    and that beside a record are left out.
    """
    streams: dict[str, str] = {}
    found: list[Piece] = []
    for output in outputs:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + output["text"]
            continue
        if output["output_type"] == "error":
            found.append(Piece("error", f"{output['ename']}: {output['evalue']}"))
            continue
        data = output["data"]
        if any(kind.startswith("image/") for kind in data):
            # Whether a figure is stored as SVG or as pixels depends on its size alone.
            found.append(Piece("picture", "a picture"))
        for kind in sorted(data):
            if kind == DATA or (kind == "text/plain" and (RECORD in data or HISTORY in data)):
                continue
            if kind.startswith("image/"):
                continue
            if kind == "text/html" and measured:
                found.append(Piece(kind, "a picture"))
            elif kind in (RECORD, HISTORY) or isinstance(data[kind], str):
                found.append(Piece(kind, data[kind]))
            else:
                found.append(Piece(kind, str(data[kind])))
    return [Piece(f"stream {name}", text) for name, text in sorted(streams.items())] + found


def is_text(piece: Piece) -> bool:
    """Return whether a piece is text that a reader sees: a stream or plain text."""
    return piece.kind.startswith("stream ") or piece.kind == "text/plain"


def _places(found: list[Piece]) -> Iterator[int]:
    """Give each text and each training a number, both from 0."""
    seen = {"texts": 0, "trainings": 0}
    for piece in found:
        kind = "trainings" if piece.kind == HISTORY else "texts"
        yield seen[kind]
        seen[kind] += is_text(piece) or piece.kind == HISTORY


def differences(
    stored: list[Any], fresh: list[Any], cell: int = 0, judge: Judge | None = None
) -> list[str]:
    """Return what differs between the stored outputs of a cell and fresh ones.

    Args:
        stored: outputs in the notebook.
        fresh: outputs of the run.
        cell: number of the code cell, from 0.
        judge: of a measured cell; without it every number is exact.

    Returns:
        One sentence per difference; none if all agree. Pictures count, but are not compared.
    """
    old, new = pieces(stored, judge is not None), pieces(fresh, judge is not None)
    if [piece.kind for piece in old] != [piece.kind for piece in new]:
        kinds = [", ".join(piece.kind for piece in found) or "nothing" for found in (old, new)]
        return [f"stored outputs are {kinds[0]}; now they are {kinds[1]}"]
    found: list[str | None] = []
    for was, now, place in zip(old, new, _places(old), strict=True):
        left, right = was.content, now.content
        if was.kind == RECORD:
            if (left["name"], left["unit"]) != (right["name"], right["unit"]):
                found.append(f"stored the record {left['name']}, now {right['name']}")
            else:
                compared = judge.record if judge else _record_difference
                found.append(compared(left, right))
        elif was.kind == HISTORY:
            found.append(judge.training(cell, place, left, right) if judge else None)
        elif judge and is_text(was):
            found.append(judge.text(cell, place, left, right))
        else:
            found.append(text_difference(left, right))
    return [difference for difference in found if difference]
