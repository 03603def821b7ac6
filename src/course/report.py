"""One self-contained page on a folder of runs, or on what differs between two of them."""

import base64
import html
import io
import json
import math
import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image

from course.compare import EXACT, HISTORY
from course.errors import CourseError
from course.running.store import Run, attempts, present_status, read_run
from helpers.records import load_claims, verdict, written

STYLE = """
body {font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem}
table {border-collapse: collapse; margin: 1rem 0}
th, td {border-bottom: 1px solid #bbb; padding: .3rem .7rem; text-align: left; vertical-align: top}
img, svg {max-width: 100%; margin: .3rem; border: 1px solid #ddd; background: white}
.bad {color: #a40000; font-weight: 600}
.good {color: #0a5c0a}
@media (prefers-color-scheme: dark) {body {background: #181818; color: #ddd} .bad {color: #ff8080}
.good {color: #80d080}}
"""
GOOD = ("succeeded", "holds", "the same", "within the noise of the seeds")
BAD = ("does not hold", "failed", "timed-out", "killed", "over-budget", "cancelled", "lost")
BAD += ("beyond the noise of the seeds", "newly broken")
THUMBNAIL = 320  # pixels
TIMES = {"milliseconds", "seconds", "time"}  # words in the names of records that are times

Facts = dict[str, Any]


def read_runs(folder: Path) -> list[dict[str, Any]]:
    """The newest attempt of every run in a folder, in the order of their names.

    Args:
        folder: of all runs, of one run, or of one attempt.

    Returns:
        The fields of ``course.runs.Run`` each, and ``path``, the folder of the attempt.

    Raises:
        CourseError: there is none, or one of them cannot be read.
    """
    if (folder / "run.json").exists():
        newest = {folder.name: folder}
    else:
        found = attempts(folder) or attempts(folder.parent, folder.name)
        newest = {path.parent.name: path for path in found}
    if not newest:
        raise CourseError(f"There are no runs in {folder}: make some with `course run`.")
    runs = []
    for path in newest.values():
        run = read_run(path)
        if run is None:
            raise CourseError(f"{path / 'run.json'} cannot be read: run the chapter again.")
        runs.append({**vars(run), "status": present_status(run), "path": path})
    return runs


def facts(runs: list[dict[str, Any]]) -> Facts:
    """What a report says, JSON-able: runs, groups of runs that differ only in the seed, and more.

    Args:
        runs: from ``read_runs``.
    """
    listed = [
        {
            **{key: run[key] for key in ("chapter", "notebook", "profile", "seed", "status")},
            **{key: run[key] for key in ("attempt", "started", "commit", "threads")},
            "run": run["folder"],
            "reason": Run.reason(_as_run(run)),
            "seconds": run["duration_seconds"],
            "budget_seconds": run["budget"]["seconds"],
            "bytes": run["peak_memory_bytes"],
            "budget_bytes": run["budget"]["megabytes"] * 10**6,
            "gpu_bytes": run["gpu_peak_bytes"],
            "examples_a_second": run["examples_a_second"],
        }
        for run in runs
    ]
    found = groups(runs)
    return {
        "runs": listed,
        "groups": found,
        "broken": [claim["sentence"] for group in found for claim in _broken(group)],
        "failed": [_failed(run) for run in listed if run["status"] != "succeeded"],
        "environments": _environments(runs),
    }


def groups(runs: list[dict[str, Any]]) -> list[Facts]:
    """Records and claims of runs that differ only in the seed, one group each.

    Args:
        runs: from ``read_runs``, or with the same fields.
    """
    return [_group(members) for members in _by_group(runs).values()]


def _failed(run: Facts) -> str:
    return f"{run['run']} {run['reason'] or run['status']}"


def _as_run(run: dict[str, Any]) -> Run:
    return Run(**{key: value for key, value in run.items() if key != "path"})


def _by_group(runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        changed = {key: value for key, value in run["parameters"].items() if key != "seed"}
        key = json.dumps([run["chapter"], run["profile"], changed], sort_keys=True)
        found.setdefault(key, []).append(run)
    return dict(sorted(found.items()))


def _group(members: list[dict[str, Any]]) -> Facts:
    first = members[0]
    good = [run for run in members if run["status"] == "succeeded"]
    values: dict[str, list[float]] = {}
    units: dict[str, str] = {}
    for run in good:
        for record in run["records"]:
            values.setdefault(record["name"], []).append(record["value"])
            units[record["name"]] = record["unit"]
    changed = {k: v for k, v in first["parameters"].items() if k not in ("seed", "profile")}
    return {
        "chapter": first["chapter"],
        "notebook": first["notebook"],
        "profile": first["profile"],
        "parameters": changed,
        "seeds": [run["seed"] for run in good],
        "records": [
            {"name": name, "unit": units[name], **_spread(found)} for name, found in values.items()
        ],
        "claims": [
            _claim(claim, values.get(claim["record"], []), first["profile"])
            for claim in load_claims()["claim"]
            if claim["chapter"] == first["chapter"]
        ],
    }


def _spread(values: list[float]) -> Facts:
    """Mean, standard deviation over the seeds (None for one seed) and number of values."""
    spread = statistics.stdev(values) if len(values) > 1 else None
    mean = statistics.fmean(values) if values else None
    return {"mean": mean, "spread": spread, "number": len(values)}


def _claim(claim: Facts, values: list[float], profile: str) -> Facts:
    unit, found = claim.get("unit", ""), _spread(values)
    said = verdict(claim, found["mean"], profile)
    return {
        **{key: claim[key] for key in ("label", "statement", "record", "comparison", "value")},
        **found,
        "unit": unit,
        "verdict": said,
        "sentence": f"{claim['label']}, chapter {claim['chapter']}: {claim['statement']} — "
        f"{claim['record']} is {_shown(found, unit)}",
    }


def _broken(group: Facts) -> list[Facts]:
    return [claim for claim in group["claims"] if claim["verdict"] == "does not hold"]


def _claimed(claim: Facts) -> tuple[str, ...]:
    """What tells a claim from the others, whatever was measured."""
    return tuple(claim[key] for key in ("label", "statement", "record"))


def _environments(runs: list[dict[str, Any]]) -> list[str]:
    found = []
    for run in runs:
        versions = ", ".join(f"{name} {version}" for name, version in run["packages"].items())
        gpus = "".join(f", {gpu}" for gpu in run["device"].get("gpus", []))
        found.append(
            f"Python {run['python']}; {versions}; {run['device'].get('processor')}, "
            f"{run['device'].get('cores')} cores{gpus}; commit {run['commit'] or 'unknown'}."
        )
    return sorted(set(found))


def _shown(found: Facts, unit: str) -> str:
    """A mean as a reader sees it, with the spread of the seeds."""
    if found["mean"] is None:
        return "—"
    if found["spread"] is None:
        return written(found["mean"], unit)
    return f"{written(found['mean'], unit)} ± {written(found['spread'], unit)} ({found['number']})"


# Comparison ---------------------------------------------------------------------------------


def noise_limit(left: Facts, right: Facts, tests: int = 1) -> float | None:
    """The difference of two means that the seeds alone exceed once in twenty comparisons.

    Student's t-test with pooled variance, at a level of 5 % for all tests together (Bonferroni).

    Args:
        left: ``mean``, ``spread`` and ``number`` of a record.
        right: the same of the other runs.
        tests: how many records are tested in one comparison.

    Returns:
        None where a side has fewer than two seeds, so that its noise is not known.
    """
    if not _noise_is_known(left, right):
        return None
    from scipy import stats  # importing it takes a second, and few commands compare

    freedom = left["number"] + right["number"] - 2
    squares = sum((side["number"] - 1) * side["spread"] ** 2 for side in (left, right))
    factor = float(stats.t.isf(0.05 / tests / 2, freedom))
    return factor * math.sqrt(squares / freedom * (1 / left["number"] + 1 / right["number"]))


def _noise_is_known(left: Facts, right: Facts) -> bool:
    return min(left["number"], right["number"]) > 1


def _is_time(record: Facts) -> bool:
    """Whether a record says how long something took, which the machine decides."""
    return record["unit"] == "seconds" or bool(TIMES & set(re.split(r"[._]", record["name"])))


def comparison(before: Facts, after: Facts) -> Facts:
    """What differs between two folders of runs.

    Args:
        before: ``facts`` of the first.
        after: ``facts`` of the second.

    Returns:
        ``records`` of both, each with a verdict; ``missing``, records that are only before;
        ``newly_broken``, claims that do not hold any more; ``newly_failed``, what succeeded before
        and does not now; and the rest of what the page shows.
    """
    old = {_name(group): group for group in before["groups"]}
    new = {_name(group): group for group in after["groups"]}
    both, missing, newly = [], [], []
    for name, group in new.items():
        before_too = {_claimed(claim) for claim in _broken(old[name])} if name in old else set()
        newly += [
            claim["sentence"] for claim in _broken(group) if _claimed(claim) not in before_too
        ]
    for name in [name for name in new if name in old]:
        there = {record["name"]: record for record in new[name]["records"]}
        for record in old[name]["records"]:
            if record["name"] in there:
                both.append((name, record, there[record["name"]]))
            else:
                shown = _shown(record, record["unit"])
                missing.append({"group": name, "name": record["name"], "before": shown})
    tests = sum(_noise_is_known(*pair) and not _is_time(pair[1]) for _, *pair in both)
    good_before = {run["run"] for run in before["runs"] if run["status"] == "succeeded"}
    failed = [
        _failed(run)
        for run in after["runs"]
        if run["run"] in good_before and run["status"] != "succeeded"
    ]
    failed += [f"{name}: no run" for name in sorted(old.keys() - new.keys()) if old[name]["seeds"]]
    return {
        "records": [{"group": name, **_difference(*pair, tests)} for name, *pair in both],
        "missing": missing,
        "newly_broken": newly,
        "newly_failed": failed,
        "only_before": sorted(old.keys() - new.keys()),
        "only_after": sorted(new.keys() - old.keys()),
        "environments": [before["environments"], after["environments"]],
        "runs": [before["runs"], after["runs"]],
    }


def _difference(left: Facts, right: Facts, tests: int) -> Facts:
    change = right["mean"] - left["mean"]
    if EXACT.allows(left["mean"], right["mean"]):
        said = "the same"
    elif _is_time(left):
        said = "differs; a time, which the machine decides"
    elif (limit := noise_limit(left, right, tests)) is None:
        said = "differs; the noise is not known without two seeds on both sides"
    elif abs(change) <= limit:
        said = "within the noise of the seeds"
    else:
        said = "beyond the noise of the seeds"
    return {
        "name": right["name"],
        "before": _shown(left, left["unit"]),
        "after": _shown(right, right["unit"]),
        "change": change,
        "unit": right["unit"],
        "verdict": said,
    }


def _name(group: Facts) -> str:
    changed = "".join(f", {key}={value}" for key, value in sorted(group["parameters"].items()))
    return f"{group['notebook']}, {group['profile']}{changed}"


# Pages --------------------------------------------------------------------------------------

Table = tuple[str, list[str], list[list[str]]]  # title, header, rows


def _tables(found: Facts) -> list[Table]:
    header = ["run", "attempt", "status", "why", "time of budget", "peak memory of budget"]
    header += ["GPU memory", "examples a second"]
    rows = [
        [
            run["run"],
            f"{run['attempt']:03d}",
            run["status"],
            run["reason"],
            f"{run['seconds']:.0f} of {run['budget_seconds']:,.0f} s",
            f"{run['bytes'] / 1e6:,.0f} of {run['budget_bytes'] / 1e6:,.0f} MB",
            f"{run['gpu_bytes'] / 1e6:,.0f} MB" if run["gpu_bytes"] else "",
            f"{run['examples_a_second']:,.0f}" if run["examples_a_second"] else "",
        ]
        for run in found["runs"]
    ]
    return [("Runs", header, rows)]


def _group_tables(group: Facts) -> list[Table]:
    claims = [
        [
            claim["label"],
            claim["statement"],
            f"{claim['comparison']} {written(claim['value'], claim['unit'])}",
            _shown(claim, claim["unit"]),
            claim["verdict"],
        ]
        for claim in group["claims"]
    ]
    records = [[r["name"], _shown(r, r["unit"])] for r in group["records"]]
    tables = [
        ("Claims", ["source", "claim", "value", "measured", "verdict"], claims),
        ("Records", ["record", "mean ± spread over the seeds (number)"], records),
    ]
    return [table for table in tables if table[2]]


def _comparison_tables(found: Facts) -> list[Table]:
    rows = [
        [
            r["group"],
            r["name"],
            r["before"],
            r["after"],
            f"{r['change']:+.4g}",
            r["verdict"],
        ]
        for r in found["records"]
        if r["verdict"] != "the same"
    ]
    same = len(found["records"]) - len(rows)
    tables = [
        (
            f"Records that differ ({same} are the same)",
            ["runs", "record", "before", "after", "change", "verdict"],
            rows,
        ),
        (
            "Records missing after",
            ["runs", "record", "before"],
            [[r["group"], r["name"], r["before"]] for r in found["missing"]],
        ),
        ("Succeeded before, not now", ["runs"], [[text] for text in found["newly_failed"]]),
        ("Claims newly broken", ["claim"], [[sentence] for sentence in found["newly_broken"]]),
        ("Only before", ["runs"], [[name] for name in found["only_before"]]),
        ("Only after", ["runs"], [[name] for name in found["only_after"]]),
    ]
    before, after = ({run["run"]: run for run in runs} for runs in found["runs"])
    costs = [
        [
            name,
            f"{before[name]['status']} / {after[name]['status']}",
            f"{before[name]['seconds']:.0f} / {after[name]['seconds']:.0f} s",
            f"{before[name]['bytes'] / 1e6:,.0f} / {after[name]['bytes'] / 1e6:,.0f} MB",
        ]
        for name in before
        if name in after
    ]
    tables.append(("Runs, before / after", ["run", "status", "time", "peak memory"], costs))
    return [table for table in tables if table[2]]


def _html_table(table: Table) -> str:
    title, header, rows = table
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    body = ""
    for row in rows:
        cells = ""
        for cell in row:
            mark = ' class="good"' if cell in GOOD else ' class="bad"' if cell in BAD else ""
            cells += f"<td{mark}>{html.escape(cell)}</td>"
        body += f"<tr>{cells}</tr>"
    return (
        f"<h3>{html.escape(title)}</h3><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _markdown_table(table: Table) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    title, header, rows = table
    return "\n".join(
        [f"### {title}", "", line(header), line(["---"] * len(header)), *map(line, rows)]
    )


def _markdown(title: str, tables: list[Table], grouped: list[tuple[str, list[Table]]]) -> str:
    lines = [f"# {title}", *map(_markdown_table, tables)]
    for heading, own in grouped:
        lines += [f"## {heading}", *map(_markdown_table, own)]
    return "\n\n".join(lines)


def markdown(found: Facts) -> str:
    """A report on one folder of runs as Markdown.

    Args:
        found: from ``facts``.
    """
    grouped = [(_name(group), _group_tables(group)) for group in found["groups"]]
    return _markdown("Course report", _tables(found), grouped)


def _outputs(run: dict[str, Any]) -> Iterator[Any]:
    path = run["path"] / f"{run['notebook']}.ipynb"
    if path.is_file():
        for cell in nbformat.read(path, as_version=4).cells:
            yield from (output for output in cell.get("outputs", []) if "data" in output)


def _thumbnails(run: dict[str, Any]) -> str:
    """The pictures of a run, made small, with their alt text."""
    found = ""
    for output in _outputs(run):
        if "image/png" not in output["data"]:
            continue
        alt = html.escape(output.metadata.get("image/png", {}).get("alt", ""), quote=True)
        picture = Image.open(io.BytesIO(base64.b64decode(output["data"]["image/png"])))
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        small = io.BytesIO()
        picture.convert("RGB").save(small, "WEBP", quality=80)
        data = base64.b64encode(small.getvalue()).decode()
        found += f'<img alt="{alt}" src="data:image/webp;base64,{data}">'
    return found


def _curves(members: list[dict[str, Any]]) -> str:
    """The learning curves of every model, all seeds in one drawing."""
    found: dict[tuple[int, str], list[dict[str, list[float]]]] = {}
    for run in members:
        fits = [o["data"][HISTORY] for o in _outputs(run) if HISTORY in o["data"]]
        for number, fit in enumerate(fits):
            found.setdefault((number, fit["model"]), []).append(fit["history"])
    return "".join(_drawing(model, histories) for (_, model), histories in found.items())


def _drawing(model: str, histories: list[dict[str, list[float]]]) -> str:
    measure = next((name for name in ("accuracy", "loss") if name in histories[0]), None)
    lines = [
        (colour, history[name])
        for history in histories
        for colour, name in (("#1f5fa8", measure), ("#b3541e", f"val_{measure}"))
        if name in history and all(map(math.isfinite, history[name]))
    ]
    if not lines:
        return ""
    epochs = max(len(values) for _, values in lines)
    low, high = min(min(v) for _, v in lines), max(max(v) for _, v in lines)

    def point(place: int, value: float) -> str:
        x = 45 + 205 * (place / (epochs - 1) if epochs > 1 else 0.5)
        return f"{x:.1f},{125 - 95 * ((value - low) / (high - low) if high > low else 0.5):.1f}"

    drawn = ""
    for colour, values in lines:
        points = [point(place, value) for place, value in enumerate(values)]
        if len(points) == 1:
            x, y = points[0].split(",")
            drawn += f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>'
        else:
            drawn += f'<polyline fill="none" stroke="{colour}" points="{" ".join(points)}"/>'
    title = html.escape(f"{model}: {measure}", quote=True)
    return (
        f'<svg role="img" aria-label="Learning curve of {title}" width="260" height="165" '
        f'viewBox="0 0 260 165" font-family="sans-serif" font-size="11"><text x="45" y="16">{title}'
        f'</text><path d="M45 25V130H255" fill="none" stroke="#666"/><text x="2" y="35">{high:.3g}'
        f'</text><text x="2" y="128">{low:.3g}</text><text x="45" y="145">1</text>'
        f'<text x="255" y="145" text-anchor="end">{epochs} epochs</text>'
        f'<text x="45" y="160" fill="#1f5fa8">training</text>'
        f'<text x="105" y="160" fill="#b3541e">validation</text>{drawn}</svg>'
    )


def _page(title: str, parts: list[str]) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
        + "".join(parts)
        + "</html>\n"
    )


def page(runs: list[dict[str, Any]]) -> str:
    """The report as one HTML page that needs no network.

    Args:
        runs: from ``read_runs``.
    """
    found = facts(runs)
    parts = [_html_table(table) for table in _tables(found)]
    for group, members in zip(found["groups"], _by_group(runs).values(), strict=True):
        heading = _name(group)
        if group["profile"] == "sample":
            heading += " — on built-in sample data"
        parts.append(f"<h2>{html.escape(heading)}</h2>")
        parts += [_html_table(table) for table in _group_tables(group)]
        parts += [_curves(members), _thumbnails(members[0])]
    parts += [f"<p>{html.escape(text)}</p>" for text in found["environments"]]
    return _page("Course report", parts)


def _write(path: Path, text: str) -> Path:
    try:
        unfinished = path.with_name(f".{path.name}.tmp")
        try:
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise CourseError(f"{path} cannot be written: {error.strerror}.") from error
    return path


def write_report(folder: Path, runs: list[dict[str, Any]] | None = None) -> Path:
    """Write ``report.html`` into a folder of runs.

    Args:
        folder: of the runs.
        runs: those that the page shows, as ``read_runs`` gives them; all where none are named.

    Returns:
        Where it is.

    Raises:
        CourseError: there are no readable runs, or the folder cannot be written.
    """
    return _write(folder / "report.html", page(read_runs(folder) if runs is None else runs))


def report(folders: list[Path], form: str) -> int:
    """Report on one folder of runs, or on what differs between two.

    Args:
        folders: one or two; each of all runs, of one run, or of one attempt.
        form: "html" writes a page into the last folder; "md" and "json" are printed.

    Returns:
        1 if a claim does not hold or a run did not succeed; of two folders: if a claim does not
        hold any more, or what succeeded before does not now; else 0.

    Raises:
        CourseError: there are no readable runs, or the folder cannot be written.
    """
    found = [facts(read_runs(folder)) for folder in folders]
    if len(folders) == 1:
        content, tables = found[0], _tables(found[0])
        failed, broken = content["failed"], content["broken"]
        grouped = [(_name(group), _group_tables(group)) for group in found[0]["groups"]]
        path, title = folders[0] / "report.html", "Course report"
    else:
        content = comparison(*found)
        tables, grouped = _comparison_tables(content), []
        failed, broken = content["newly_failed"], content["newly_broken"]
        path, title = folders[1] / "comparison.html", "What differs between two folders of runs"
    if form == "json":
        print(json.dumps(content, indent=1, ensure_ascii=False))
    elif form == "md":
        print(_markdown(title, tables, grouped))
    elif len(folders) == 1:
        print(write_report(folders[0]))
    else:
        parts = [_html_table(table) for table in tables]
        for name, environments in zip(("before", "after"), content["environments"], strict=True):
            parts += [f"<p>{name}: {html.escape(text)}</p>" for text in environments]
        print(_write(path, _page(title, parts)))
    if form == "html":
        for sentence in failed:
            print(f"did not succeed: {sentence}")
        for sentence in broken:
            print(f"does not hold: {sentence}")
    return 1 if failed or broken else 0
