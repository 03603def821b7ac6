"""Measured numbers: stored silently with the output, compared with what the sources claim.

A record is an output of the MIME type ``application/vnd.course.record+json`` with the body
``{"name": …, "value": …, "unit": …}``, so any program can read it back from the notebook.
"""

import html
import math
import re
import statistics
from typing import Any

from IPython.core.getipython import get_ipython

from helpers import kept, tables
from helpers.claims import (
    NOT_RUN,
    UNITS,
    Claim,
    Evidence,
    Judgment,
    claims,
    evaluate,
    judge,
    mistakes,
    sources,
)
from helpers.outputs import put

MIME_TYPE = "application/vnd.course.record+json"
SHARES = ("fraction", "points")  # units of which a hundredth is a point
_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
_recorded: dict[str, dict[str, Any]] = {}


def written(value: float, unit: str) -> str:
    """Write a value as a reader sees it, with its unit; fractions become percentages.

    >>> written(0.9929, "fraction"), written(1520, "count")
    ('99.29 %', '1,520')
    """
    if unit == "fraction":
        return f"{100 * value:.2f} %"
    if unit == "points":
        return f"{100 * value:.2f} points"
    if unit == "seconds":
        return f"{value:.1f} s" if value >= 1 else f"{value:.2g} s"
    if unit == "count":
        return f"{value:,.0f}"
    return f"{value:.4g}"


def record(name: str, value: float, unit: str = "") -> None:
    """Store a measured number in the output of the cell, where programs find it and no reader does.

    A chapter states the number in its prose or in a table of its own. Outside a notebook the
    number is printed.

    Args:
        name: words in lower case joined by full stops, such as ``mnist.convnet.test_accuracy``.
        value: a finite number.
        unit: "fraction" (written as a percentage), "count", "seconds" or nothing.

    Raises:
        ValueError: the name, the value or the unit is not valid.

    >>> record("net.errors", 71, "count")
    net.errors: 71
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f'"{name}" cannot name a record: join lower-case words with full stops, '
            "such as mnist.convnet.test_accuracy."
        )
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"The record {name} is {number}, but only finite numbers are recorded.")
    if unit not in UNITS:
        raise ValueError(
            f'The unit of {name} must be one of {", ".join(map(repr, UNITS))}, not "{unit}".'
        )
    if unit == "count":
        number = round(number)
    body = {"name": name, "value": number, "unit": unit}
    _recorded[name] = body
    put({MIME_TYPE: body}, printed=f"{name}: {written(number, unit)}")


def _show(caption: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Show a table in HTML; in a notebook its plain text is the caption alone."""
    cells = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    style = "<style>.claims td, .claims th {text-align: left; vertical-align: top}</style>"
    table = (
        f"<table><caption>{html.escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"
    )
    put(
        {"text/html": f'{style}<div class="claims">{table}</div>', "text/plain": caption},
        printed=tables.table(header, rows, caption)["text/plain"],
    )


def _runs(chapter: str, profile: str) -> list[Evidence]:
    """Collect the run of the notebook that is executing, and the kept runs with other parameters.

    The parameters of a notebook are variables of its shell.
    """
    shell = get_ipython()
    variables = {} if shell is None else shell.user_ns
    values = {name: body["value"] for name, body in _recorded.items()}
    found = [Evidence("this run", {**variables, "profile": profile}, values)]
    for run in kept.of_chapter(chapter):
        asked = run["parameters"]
        if any(name not in found[0].parameters for name in asked) or any(
            found[0].parameters[name] != value for name, value in asked.items()
        ):
            records = {record["name"]: record["value"] for record in run["records"]}
            found.append(Evidence(f"the kept run {run['name']}", asked, records, run["cells"]))
    return found


def target(claim: Claim) -> str:
    """Write what a claim says, with its tolerance, as a reader sees it.

    >>> target(Claim("a", "b", "01", "computed", 0.9, "about", tolerance=0.01, unit="fraction"))
    'about 90.00 % (± 1 point)'
    """
    value = written(claim.value, claim.unit) if claim.value else "0"
    text = value if claim.comparison == "equal" else f"{claim.comparison} {value}"
    if claim.tolerance:
        share = claim.unit in SHARES
        number = f"{(100 if share else 1) * claim.tolerance:,.10g}"
        points = (" point" if number == "1" else " points") if share else ""
        text += f" (± {number}{points})"
    return text + (", our threshold" if claim.threshold == "ours" else "")


def measured(claim: Claim, judgment: Judgment) -> str:
    """Write our figure for a claim as a reader sees it: the mean, and the spread of several runs.

    >>> accuracy = Claim("a", "b", "01", "property", 0.9, "about", unit="fraction")
    >>> measured(accuracy, Judgment("reproduced", (0.89, 0.91), ("seed 0", "seed 1")))
    '90.00 % ± 1.4 points (2 runs)'
    """
    if not judgment.values:
        return "—"
    text = written(statistics.fmean(judgment.values), claim.unit)
    if max(judgment.values) > min(judgment.values):
        scale, points = (100, " points") if claim.unit in SHARES else (1, "")
        spread = scale * statistics.stdev(judgment.values)
        text += f" ± {spread:.2g}{points} ({len(judgment.values)} runs)"
    return text


def differs(claim: Claim, judgment: Judgment) -> str:
    """Write what a reader should know about our figure: what differs, and which runs it is from."""
    near = judgment.labels[:1] in (("this run",), ("the stored run",))
    labels = [] if near else list(dict.fromkeys(judgment.labels))
    parts = [
        claim.differs if judgment.verdict == NOT_RUN else "",
        claim.note,
        f"measured by {', '.join(labels)}" if labels and claim.kind != "computed" else "",
    ]
    return ". ".join(part[0].upper() + part[1:].rstrip(".") for part in parts if part) or "—"


def claims_table(chapter: str, profile: str) -> None:
    """Show what the sources claim in a chapter beside what was measured here.

    This run counts for a claim about a trained system only if it used the claim's recipe; kept
    runs that did count as well.

    Args:
        chapter: number of the chapter, such as "01".
        profile: "sample", "quick" or "full".

    >>> claims_table("01", "sample")  # doctest: +ELLIPSIS
    The sources' claims in chapter 01, and ours
    claim | source | source's value | ours | verdict | what differs
    ...
    """
    runs = _runs(chapter, profile)
    rows: list[tuple[str, ...]] = []
    for claim in claims():
        if claim.chapter == chapter:
            found = judge(claim, runs)
            rows.append(
                (
                    claim.statement,
                    sources()[claim.source].short,
                    target(claim),
                    measured(claim, found),
                    found.verdict,
                    differs(claim, found),
                )
            )
    header = ("claim", "source", "source's value", "ours", "verdict", "what differs")
    _show(f"The sources' claims in chapter {chapter}, and ours", header, rows)


def mistakes_table(chapter: str) -> None:
    """Show the common mistakes that belong to a chapter, each with the right statement.

    Where a record shows the right figure, it is the one that this run computed.

    Args:
        chapter: number of the chapter, such as "01".

    >>> mistakes_table("01")  # doctest: +ELLIPSIS
    Common mistakes in chapter 01
    it is tempting to think that … | but … | computed in this run
    ...
    """
    values = {name: body["value"] for name, body in _recorded.items()}
    rows: list[tuple[str, ...]] = []
    for mistake in mistakes():
        if mistake.chapter == chapter:
            found = evaluate(mistake.record, values)
            unit = _recorded.get(mistake.record, {}).get("unit", "")
            shown = "—" if found is None else written(found, unit)
            rows.append((mistake.says, mistake.right, shown))
    header = ("it is tempting to think that …", "but …", "computed in this run")
    _show(f"Common mistakes in chapter {chapter}", header, rows)
