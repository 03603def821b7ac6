"""One self-contained page on a folder of runs: what ran, was measured, and is claimed."""

import html
import json
from pathlib import Path
from typing import Any

import nbformat

from course.catalogue import chapters
from course.errors import CourseError
from helpers.records import load_claims, verdict, written

STYLE = """
body {font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem}
table {border-collapse: collapse; margin: 1rem 0}
th, td {border-bottom: 1px solid #bbb; padding: .3rem .7rem; text-align: left; vertical-align: top}
img {max-width: 48%; margin: .3rem; border: 1px solid #ddd}
.bad {color: #a40000; font-weight: 600}
.good {color: #0a5c0a}
@media (prefers-color-scheme: dark) {body {background: #181818; color: #ddd} .bad {color: #ff8080}
.good {color: #80d080} img {background: white}}
"""


def read_runs(folder: Path) -> list[dict[str, Any]]:
    """The ``run.json`` of every run in a folder, in the order of the chapters.

    Raises:
        CourseError: there is none, or one of them cannot be read.
    """
    runs = []
    for path in sorted(folder.glob("*/run.json")):
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
            runs.append({**run, "path": path.parent})
        except (OSError, ValueError) as error:
            raise CourseError(f"{path} cannot be read ({error}): run the chapter again.") from error
    if not runs:
        raise CourseError(f"There are no runs in {folder}: make some with `course run`.")
    return runs


def broken_claims(runs: list[dict[str, Any]]) -> list[str]:
    """The claims that a folder of runs does not confirm, one sentence each."""
    found = []
    for run in runs:
        for claim, value, said in _claims(run):
            if said == "does not hold":
                found.append(
                    f"{claim['label']}, chapter {claim['chapter']}: {claim['statement']} — "
                    f"{claim['record']} is {written(value, claim.get('unit', ''))}"
                )
    return found


def _claims(run: dict[str, Any]) -> list[tuple[dict[str, Any], float | None, str]]:
    values = {record["name"]: record["value"] for record in run["records"]}
    return [
        (
            claim,
            values.get(claim["record"]),
            verdict(claim, values.get(claim["record"]), run["profile"]),
        )
        for claim in load_claims()["claim"]
        if claim["chapter"] == run["chapter"]
    ]


def _table(header: list[str], rows: list[list[str]]) -> str:
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    body = ""
    for row in rows:
        cells = ""
        for cell in row:
            kind = {"succeeded": "good", "holds": "good", "does not hold": "bad", "failed": "bad"}
            mark = f' class="{kind[cell]}"' if cell in kind else ""
            cells += f"<td{mark}>{html.escape(cell)}</td>"
        body += f"<tr>{cells}</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _pictures(run: dict[str, Any]) -> str:
    path = run["path"] / f"{run['notebook']}.ipynb"
    if not path.is_file():
        return ""
    found = ""
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alt = html.escape(output.metadata.get("image/png", {}).get("alt", ""), quote=True)
                data = output["data"]["image/png"].replace("\n", "")
                found += f'<img alt="{alt}" src="data:image/png;base64,{data}">'
    return found


def page(runs: list[dict[str, Any]]) -> str:
    """The report as one HTML page that needs no network.

    Args:
        runs: from ``read_runs``.
    """
    known = chapters()
    rows = []
    for run in runs:
        error = run["error"]
        budget = known[run["chapter"]].table["budget"][run["profile"]]
        rows.append(
            [
                run["chapter"],
                run["path"].name,
                run["profile"],
                run["status"],
                "" if error is None else f"cell {error['cell']}: {error['error']}",
                f"{run['duration_seconds']:.0f} of {budget['seconds']} s",
                f"{run['peak_memory_bytes'] / 1e6:,.0f} of {budget['megabytes']:,} MB",
            ]
        )
    parts = [
        _table(
            [
                "chapter",
                "run",
                "profile",
                "status",
                "error",
                "time of budget",
                "peak memory of budget",
            ],
            rows,
        )
    ]
    for run in runs:
        heading = f"{run['chapter']} {run['notebook']}"
        if run["profile"] == "sample":
            heading += " — on built-in sample data"
        parts.append(f"<h2>{html.escape(heading)}</h2>")
        claims = [
            [
                claim["label"],
                claim["statement"],
                written(claim["value"], claim.get("unit", "")),
                "—" if value is None else written(value, claim.get("unit", "")),
                said,
            ]
            for claim, value, said in _claims(run)
        ]
        if claims:
            parts.append(_table(["source", "claim", "value", "measured", "verdict"], claims))
        records = [[r["name"], written(r["value"], r["unit"])] for r in run["records"]]
        if records:
            parts.append(_table(["record", "value"], records))
        parts.append(_pictures(run))
    first = runs[0]
    versions = ", ".join(f"{name} {version}" for name, version in first["packages"].items())
    device = f"{first['device'].get('processor')}, {first['device'].get('cores')} cores"
    parts.append(f"<p>{html.escape('Python ' + first['python'] + f'; {versions}; {device}.')}</p>")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Course report</title><style>{STYLE}</style><h1>Course report</h1>"
        + "".join(parts)
        + "</html>\n"
    )


def write_report(folder: Path) -> Path:
    """Write ``report.html`` into a folder of runs.

    Returns:
        Where it is.

    Raises:
        CourseError: there are no readable runs, or the folder cannot be written.
    """
    path = folder / "report.html"
    text = page(read_runs(folder))
    try:
        unfinished = folder / ".report.html.tmp"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise CourseError(f"{path} cannot be written: {error.strerror}.") from error
    return path
