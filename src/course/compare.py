"""Compare stored outputs with fresh ones: exact on text and integers, tolerant on floats."""

import math
import re
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from helpers.datasets import MIME_TYPE as DATA
from helpers.records import MIME_TYPE as RECORD
from helpers.records import load_claims

HISTORY = "application/vnd.course.history+json"

_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w])(?:\s?%)?")


@dataclass(frozen=True)
class Tolerance:
    """How far a float may be from the stored one: ``absolute + relative * |stored|``."""

    relative: float
    absolute: float

    def allows(self, stored: float, fresh: float) -> bool:
        """Whether the fresh value is close enough to the stored one."""
        if math.isnan(stored) or math.isnan(fresh):
            return math.isnan(stored) and math.isnan(fresh)
        return abs(stored - fresh) <= self.absolute + self.relative * abs(stored)


EXACT = Tolerance(relative=1e-6, absolute=1e-9)
MEASURED = Tolerance(relative=0.02, absolute=0.005)


def tolerance_of(metadata: dict[str, Any]) -> Tolerance:
    """Tolerance of a cell: that of its metadata ``nbval``, else that of its kind.

    Args:
        metadata: of the cell; ``{"nbval": {"relative": 0.1, "absolute": 0.01}}`` sets both.
    """
    usual = MEASURED if "measured" in metadata.get("tags", []) else EXACT
    asked = metadata.get("nbval", {})
    return Tolerance(
        relative=asked.get("relative", usual.relative),
        absolute=asked.get("absolute", usual.absolute),
    )


def claim_tolerances() -> dict[str, Tolerance]:
    """For each record with a claim the tolerance of the narrowest claim on it."""
    found: dict[str, Tolerance] = {}
    for claim in load_claims()["claim"]:
        own = Tolerance(relative=0.0, absolute=claim["tolerance"])
        known = found.get(claim["record"])
        if known is None or own.absolute < known.absolute:
            found[claim["record"]] = own
    return found


def _value(token: str) -> tuple[float, bool]:
    """A number's value and whether it is a whole number; a percentage is a fraction."""
    digits = token.rstrip("% ").replace(",", "")
    whole = re.fullmatch(r"[-+]?\d+", digits) is not None and not token.endswith("%")
    return float(digits) / (100 if token.endswith("%") else 1), whole


def text_difference(stored: str, fresh: str, tolerance: Tolerance) -> str | None:
    """The first difference between two texts, in words, or None.

    Args:
        stored: what the notebook holds.
        fresh: what the run gave.
        tolerance: for numbers with a decimal point, an exponent or a percent sign; all else is
            exact.
    """
    for number, (old, new) in enumerate(
        zip_longest(stored.splitlines(), fresh.splitlines()), start=1
    ):
        if old is None or new is None:
            return f"line {number}: stored {old!r}, now {new!r}"
        if _NUMBER.sub("#", old) != _NUMBER.sub("#", new):
            return f"line {number}: stored {old!r}, now {new!r}"
        for left, right in zip(_NUMBER.findall(old), _NUMBER.findall(new), strict=True):
            (was, whole), (now, also) = _value(left), _value(right)
            same = was == now if whole and also else tolerance.allows(was, now)
            if not same:
                return f"line {number}: stored {left.strip()}, now {right.strip()}, in {old!r}"
    return None


def _record_difference(
    stored: dict[str, Any], fresh: dict[str, Any], tolerance: Tolerance
) -> str | None:
    if (stored["name"], stored["unit"]) != (fresh["name"], fresh["unit"]):
        return f"stored the record {stored['name']}, now {fresh['name']}"
    if not tolerance.allows(stored["value"], fresh["value"]):
        return (
            f"the record {stored['name']} was {stored['value']:.6g} and is now "
            f"{fresh['value']:.6g}, beyond {tolerance.absolute:g} + {tolerance.relative:g} of it"
        )
    return None


def _pieces(outputs: list[Any], measured: bool) -> list[tuple[str, Any]]:
    """Outputs as (kind, content): streams joined, pictures as a mark, records without text.

    Of a cell that depends on training, HTML is a picture too: which review is the most wrong
    changes with the last digits of the weights. What it says in plain text is still compared.
    """
    streams: dict[str, str] = {}
    found: list[tuple[str, Any]] = []
    for output in outputs:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + output["text"]
            continue
        if output["output_type"] == "error":
            found.append(("error", f"{output['ename']}: {output['evalue']}"))
            continue
        data = output["data"]
        for kind in sorted(data):
            if kind == DATA or (kind == "text/plain" and (RECORD in data or HISTORY in data)):
                continue
            if kind.startswith("image/") or (kind == "text/html" and measured):
                found.append((kind, "a picture"))
            elif kind == HISTORY:
                found.append((kind, "a training"))
            elif kind == RECORD:
                found.append((kind, data[kind]))
            else:
                text = data[kind] if isinstance(data[kind], str) else str(data[kind])
                found.append((kind, text))
    return [(f"stream {name}", text) for name, text in sorted(streams.items())] + found


def printed(outputs: list[Any]) -> list[tuple[str, str]]:
    """Return the texts among the outputs of a measured cell, as pairs of kind and text.

    A training's progress line and the text beside a record are left out.
    """
    return [
        (kind, text)
        for kind, text in _pieces(outputs, measured=True)
        if kind.startswith("stream ") or kind == "text/plain"
    ]


def differences(
    stored: list[Any],
    fresh: list[Any],
    tolerance: Tolerance,
    claims: dict[str, Tolerance],
    measured: bool = False,
) -> list[str]:
    """What differs between the stored outputs of a cell and fresh ones.

    Args:
        stored: outputs in the notebook.
        fresh: outputs of the run.
        tolerance: of the cell.
        claims: tolerance of the records that claims speak of; it goes before that of the cell.
        measured: whether the outputs depend on data or training.

    Returns:
        One sentence a difference; none if all agree. Pictures count, but are not compared.
    """
    old, new = _pieces(stored, measured), _pieces(fresh, measured)
    if [kind for kind, _ in old] != [kind for kind, _ in new]:
        kinds = [", ".join(kind for kind, _ in pieces) or "nothing" for pieces in (old, new)]
        return [f"stored outputs are {kinds[0]}; now they are {kinds[1]}"]
    found = []
    for (kind, was), (_, now) in zip(old, new, strict=True):
        if kind == RECORD:
            found.append(_record_difference(was, now, claims.get(was["name"], tolerance)))
        else:
            difference = text_difference(was, now, tolerance)
            found.append(difference and f"{kind}, {difference}")
    return [difference for difference in found if difference]
