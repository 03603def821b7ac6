"""Measured numbers: stored silently with the output, compared with what the sources claim.

A record is an output of the MIME type ``application/vnd.course.record+json`` with the body
``{"name": …, "value": …, "unit": …}``, so any program can read it back from the notebook.
"""

import html
import math
import re
from typing import Any

from IPython.display import display

from helpers.places import read_table

MIME_TYPE = "application/vnd.course.record+json"
UNITS = ("fraction", "count", "seconds", "")
_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
_recorded: dict[str, dict[str, Any]] = {}


def written(value: float, unit: str) -> str:
    """A value as a reader sees it, with its unit; fractions become percentages."""
    if unit == "fraction":
        return f"{100 * value:.2f} %"
    if unit == "seconds":
        return f"{value:.1f} s" if value >= 1 else f"{value:.2g} s"
    if unit == "count":
        return f"{value:,.0f}"
    return f"{value:.4g}"


def record(name: str, value: float, unit: str = "") -> None:
    """Store a measured number in the output of the cell, where programs find it and no reader does.

    A chapter states the number in its prose or in a table of its own.

    Args:
        name: words in lower case joined by full stops, such as ``mnist.convnet.test_accuracy``.
        value: a finite number.
        unit: "fraction" (written as a percentage), "count", "seconds" or nothing.

    Raises:
        ValueError: the name, the value or the unit is not valid.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f'"{name}" cannot name a record: join lower-case words with full stops, '
            "such as mnist.convnet.test_accuracy."
        )
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"The record {name} is {number}, and only finite numbers are recorded.")
    if unit not in UNITS:
        raise ValueError(
            f'The unit of {name} must be one of {", ".join(map(repr, UNITS))}, not "{unit}".'
        )
    if unit == "count":
        number = int(number)
    body = {"name": name, "value": number, "unit": unit}
    _recorded[name] = body
    display({MIME_TYPE: body}, raw=True)


def load_claims() -> dict[str, list[dict[str, Any]]]:
    """The sources' claims and mistakes, as ``data/claims.toml`` lists them.

    Raises:
        TableError: the file cannot be read or is no TOML.
    """
    return read_table("data/claims.toml")


def holds(claim: dict[str, Any], value: float) -> bool:
    """Whether a measured value agrees with a claim.

    Args:
        claim: one table of ``data/claims.toml``, with ``value``, ``comparison`` and ``tolerance``.
        value: what was measured, in the unit of the claim.

    Raises:
        ValueError: the comparison is none of the four.
    """
    target, tolerance = claim["value"], claim["tolerance"]
    match claim["comparison"]:
        case "at least":
            return value >= target - tolerance
        case "at most":
            return value <= target + tolerance
        case "about" | "equal":
            return abs(value - target) <= tolerance
        case other:
            raise ValueError(
                f'The comparison "{other}" of {claim["record"]} in data/claims.toml is '
                'none of "at least", "at most", "about", "equal".'
            )


def verdict(claim: dict[str, Any], value: float | None, profile: str) -> str:
    """What to say of a claim: holds, does not hold, or why it was not checked."""
    if value is None:
        return "not measured in this run"
    if profile not in claim["profiles"]:
        return f"not checked in {profile}"
    return "holds" if holds(claim, value) else "does not hold"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> dict[str, str]:
    """The same table as HTML and as plain text."""
    lines = [" | ".join(row) for row in (header, *rows)]
    cells = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    style = "<style>.claims td, .claims th {text-align: left; vertical-align: top}</style>"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"
    return {
        "text/html": f'{style}<div class="claims">{table}</div>',
        "text/plain": "\n".join(lines),
    }


def claims_table(chapter: str, profile: str) -> None:
    """Show what the sources claim in a chapter beside what this run measured.

    Args:
        chapter: number of the chapter, such as "01".
        profile: "sample", "quick" or "full"; a claim says in which it is checked.
    """
    listed = load_claims()
    rows = []
    for claim in listed["claim"]:
        if claim["chapter"] == chapter:
            unit, slack = claim.get("unit", ""), claim["tolerance"]
            found = _recorded.get(claim["record"])
            value = None if found is None else found["value"]
            rows.append(
                (
                    claim["label"],
                    claim["statement"],
                    f"{claim['comparison']} {written(claim['value'], unit)}"
                    + (f" (± {written(slack, unit)})" if slack else ""),
                    "—" if value is None else written(value, unit),
                    verdict(claim, value, profile),
                )
            )
    display(_table(("source", "claim", "value", "measured", "verdict"), rows), raw=True)


def mistakes_table(chapter: str) -> None:
    """Show the sources' mistakes that belong to a chapter, each with the right statement.

    Where the mistake names a record, the right value shown is the one that this run computed.

    Args:
        chapter: number of the chapter, such as "01".
    """
    rows = []
    for mistake in load_claims()["mistake"]:
        if mistake["chapter"] == chapter:
            found = _recorded.get(mistake.get("record", ""))
            shown = "—" if found is None else written(found["value"], found["unit"])
            rows.append((mistake["source"], mistake["says"], mistake["right"], shown))
    display(_table(("source", "says", "right", "computed in this run"), rows), raw=True)
