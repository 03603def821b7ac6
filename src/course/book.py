"""The book: a static site from the stored notebooks and the recorded runs.

The pages in ``docs/`` are copied into a folder of their own, the notebooks and data cards beside
them, and everything that follows from the catalogue, the claims and the runs is written there:
table of contents, results page, pages on the helpers. Sphinx and myst-nb do the rest, without a
network. ``docs/conf.py`` calls ``setup`` of this module.
"""

import base64
import hashlib
import html
import json
import os
import re
import shutil
import statistics
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from PIL import Image

from course.catalogue import Chapter, chapters, defaults
from course.errors import CourseError
from course.pairs import digests, read_notebook, records_of
from course.report import read_runs
from course.running.store import write_json
from helpers.datasets import PROFILES, catalogue
from helpers.places import ROOT
from helpers.records import MIME_TYPE, load_claims, verdict, written

RESULTS = ROOT / "results"
PAGE_WIDTH = 860
KEPT = ("chapter", "profile", "parameters", "started", "duration_seconds", "peak_memory_bytes")
KEPT += ("examples_a_second", "gpu_peak_bytes")
KEPT += ("commit", "python", "backend", "packages", "device", "data", "records")
BEGIN, END = "<!-- results: made by `course book readme` -->", "<!-- end of results -->"


def recorded_runs() -> list[dict[str, Any]]:
    """The runs of whole chapters that are kept in ``results/chapters``, in order of their names.

    Raises:
        CourseError: a file is no recorded run.
    """
    found = []
    for path in sorted((RESULTS / "chapters").glob("*.json")):
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
            found.append({**{key: run[key] for key in KEPT}, "file": path.name})
        except (OSError, ValueError, KeyError) as error:
            raise CourseError(
                f"results/chapters/{path.name} is no recorded run ({error!r}): "
                "make it again with `course book keep`."
            ) from error
        if run["chapter"] not in chapters():
            raise CourseError(
                f"results/chapters/{path.name} is of chapter {run['chapter']}, which the course "
                "has no more: delete the file."
            )
    return found


def longer_runs() -> list[dict[str, Any]]:
    """The longer runs outside of the notebooks: every ``results/*.json``, with its name.

    Raises:
        CourseError: a file cannot be read or lists no records.
    """
    found = []
    for path in sorted(RESULTS.glob("*.json")):
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            found.append({**kept, "records": list(kept["records"]), "file": path.name})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CourseError(
                f"results/{path.name} is no recorded run ({error!r}): it needs command and records."
            ) from error
    return found


def keep(run: dict[str, Any]) -> Path:
    """Keep a successful run of a chapter as a small file in ``results/chapters``.

    Args:
        run: what ``run.json`` holds.

    Returns:
        The file written; it replaces that of an earlier run with the same parameters and backend.
    """
    backend = [] if run["backend"] == "tensorflow" else [run["backend"]]
    changed = [f"{name}={value}" for name, value in sorted(_asked(run).items())]
    name = "-".join([run["chapter"], run["profile"], *backend, *changed])
    path = RESULTS / "chapters" / f"{re.sub(r'[^a-z0-9_=.-]', '_', name.lower())}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {key: run[key] for key in KEPT})
    path.chmod(0o644)
    return path


def keep_all(folder: Path) -> list[Path]:
    """Keep the successful runs of a folder.

    Args:
        folder: where ``course run`` left its runs.

    Returns:
        The files written.

    Raises:
        CourseError: there are no runs, or all failed.
    """
    kept = [keep(run) for run in read_runs(folder) if run["status"] == "succeeded"]
    if not kept:
        raise CourseError(f"No run in {folder} succeeded, so there is nothing to keep.")
    return kept


def only_run(folder: Path) -> dict[str, Any]:
    """The run of a folder that holds no other.

    Raises:
        CourseError: there is none, there are several, or it did not succeed.
    """
    found = read_runs(folder)
    if len(found) > 1:
        raise CourseError(
            f"--name keeps one run, and {folder} has {len(found)}: name the folder of one, such as "
            f"{folder / found[0]['folder']}."
        )
    if found[0]["status"] != "succeeded":
        raise CourseError(
            f"The run in {folder} is {found[0]['status']}, so there is nothing to keep."
        )
    return found[0]


def keep_longer(run: dict[str, Any], name: str, records: list[str]) -> Path:
    """Keep what a run that is longer than a chapter may be was made for.

    Args:
        run: what ``run.json`` holds.
        name: of the file in ``results``, without its ending.
        records: the names of those that are kept; the rest of such a run may be cut short.

    Returns:
        The file written.

    Raises:
        CourseError: the run lacks one of the records, or the name is no plain word.
    """
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise CourseError(f'"{name}" is no name of a file of results: use a-z, 0-9 and _.')
    found = {record["name"]: record for record in run["records"]}
    missing = [record for record in records if record not in found]
    if missing:
        raise CourseError(
            f"The run of chapter {run['chapter']} has no record {missing[0]}: it has "
            f"{', '.join(sorted(found))}."
        )
    backend = "" if run["backend"] == "tensorflow" else f"KERAS_BACKEND={run['backend']} "
    profile = "" if run["profile"] == "quick" else f" --profile {run['profile']}"
    asked = "".join(f" -p {key}={value}" for key, value in _asked(run).items())
    path = RESULTS / f"{name}.json"
    content = {
        "command": f"{backend}course run {run['chapter']}{profile}{asked}",
        "date": run["started"][:10],
        "commit": run["commit"],
        "machine": _machine(run["device"]),
        "seconds": round(run["duration_seconds"]),
        "records": [found[record] for record in records],
    }
    path.parent.mkdir(exist_ok=True)
    write_json(path, content)
    path.chmod(0o644)
    return path


def _machine(device: dict[str, Any]) -> str:
    return ", ".join([device["processor"], f"{device['cores']} cores", *device["gpus"]])


def _asked(run: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a run that are not those of its profile.

    A run names only what differs from the notebook's defaults, and a value that is the default may
    differ from the profile's.
    """
    plain, usual = defaults(run["chapter"], run["profile"])
    made = {**plain, **run["parameters"]}
    return {name: value for name, value in made.items() if usual.get(name) != value}


def _is_plain(run: dict[str, Any]) -> bool:
    """Whether it is the run of a profile as it stands, on the course's own backend."""
    return run["backend"] == "tensorflow" and not _asked(run)


def executed(notebook: NotebookNode) -> bool:
    """Whether every code cell of a notebook has been run."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    return bool(code) and all(cell.get("execution_count") is not None for cell in code)


def record_faults(chapter: Chapter, notebook: NotebookNode) -> list[str]:
    """Records that are not what the run stored, each by name.

    The outputs as a whole are held by their hash; the kept run tells which record was changed.
    """
    name = f"notebooks/{chapter.notebook.name}"
    found: list[str] = []
    if not executed(notebook) or "course" not in notebook.metadata:
        return found
    present = digests(notebook)
    if notebook.metadata["course"].get("outputs") != present["outputs"]:
        stored = {record["name"]: record["value"] for record in records_of(notebook)}
        for run in _runs_of(chapter.number, "quick"):
            if _is_plain(run):
                for record in run["records"]:
                    if stored.get(record["name"]) != record["value"]:
                        found.append(
                            f"{name}: the record {record['name']} is not that of "
                            f"results/chapters/{run['file']}."
                        )
        found.append(f"{name}: its outputs were changed by hand after the run.")
    return found


def _runs_of(number: str, profile: str) -> list[dict[str, Any]]:
    return [
        run for run in recorded_runs() if run["chapter"] == number and run["profile"] == profile
    ]


def measured() -> dict[str, dict[str, list[float]]]:
    """Every measured value: by record, then by where it was measured.

    Returns:
        For each record the values in "sample", "quick", "full" and "longer". The first in "quick"
        is the one stored in the notebook; more come from recorded runs with other seeds.
    """
    found: dict[str, dict[str, list[float]]] = {}

    def add(name: str, place: str, value: float) -> None:
        found.setdefault(name, {}).setdefault(place, []).append(value)

    for chapter in chapters().values():
        for record in records_of(read_notebook(chapter.notebook)):
            add(record["name"], "quick", record["value"])
    for run in recorded_runs():
        asked = _asked(run)
        counts = run["backend"] == "tensorflow" and asked.keys() <= {"seed"}
        if counts and (asked or run["profile"] != "quick"):
            for record in run["records"]:
                add(record["name"], run["profile"], record["value"])
    for run in longer_runs():
        for record in run["records"]:
            add(record["name"], "longer", record["value"])
    return found


def shown(values: list[float], unit: str) -> str:
    """Measured values as a reader sees them: the first, and the spread of several seeds."""
    if not values:
        return "—"
    text = written(values[0], unit)
    if len(values) > 1 and max(values) > min(values):
        scale = 100 if unit == "fraction" else 1
        points = " points" if unit == "fraction" else ""
        text += f" ± {scale * statistics.stdev(values):.2g}{points} ({len(values)} seeds)"
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def cells_of_records() -> dict[str, tuple[str, int]]:
    """For each stored record the notebook and the number of the cell that shows it."""
    return {
        output["data"][MIME_TYPE]["name"]: (chapter.name, number)
        for chapter in chapters().values()
        for number, cell in enumerate(read_notebook(chapter.notebook).cells)
        for output in cell.get("outputs", [])
        if MIME_TYPE in output.get("data", {})
    }


def _table(caption: str, header: list[str], rows: list[list[str]]) -> str:
    """A table in HTML that scrolls by itself on a narrow screen; cells are HTML already."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    label = html.escape(caption, quote=True)
    return (
        "```{raw} html\n"
        f'<div class="wide" role="region" tabindex="0" aria-label="{label}">'
        f'<table class="table"><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>\n```\n"
    )


def _verdict_mark(text: str) -> str:
    kind = {"holds": "holds", "does not hold": "broken"}.get(text, "open")
    return f'<span class="{kind}">{html.escape(text)}</span>'


def _link(record: str, text: str, cells: dict[str, tuple[str, int]]) -> str:
    if record not in cells:
        return text
    notebook, number = cells[record]
    return f'<a href="{notebook}.html#cell-{number}">{text}</a>'


def claim_rows(number: str) -> list[list[str]]:
    """The rows of the results page for one chapter: claim, what it says, what was measured."""
    values, cells = measured(), cells_of_records()
    rows = []
    for claim in load_claims()["claim"]:
        if claim["chapter"] != number:
            continue
        unit, found = claim.get("unit", ""), values.get(claim["record"], {})
        stored = found.get("quick", [None])[0]
        # The longer runs are of different recipes, so their values make no spread.
        longer = [shown([value], unit) for value in found.get("longer", [])]
        longest = found.get("full") or found.get("longer") or []
        if "quick" not in claim["profiles"] and "full" in claim["profiles"] and longest:
            said = verdict(claim, longest[0], "full")
        else:
            said = verdict(claim, stored, "quick")
        rows.append(
            [
                html.escape(claim["label"]),
                html.escape(claim["statement"]),
                html.escape(f"{claim['comparison']} {shown([claim['value']], unit)}"),
                html.escape(shown(found.get("sample", []), unit)),
                _link(claim["record"], html.escape(shown(found.get("quick", []), unit)), cells),
                html.escape(
                    shown(found["full"], unit) if "full" in found else ", ".join(longer) or "—"
                ),
                _verdict_mark(said),
            ]
        )
    return rows


def _mistake_rows() -> list[list[str]]:
    values, cells = measured(), cells_of_records()
    units = {
        record["name"]: record["unit"]
        for chapter in chapters().values()
        for record in records_of(read_notebook(chapter.notebook))
    }
    rows = []
    for mistake in sorted(load_claims()["mistake"], key=lambda entry: entry["number"]):
        name = mistake.get("record", "")
        stored = values.get(name, {}).get("quick", [])
        value = shown(stored, units.get(name, ""))
        chapter = chapters()[mistake["chapter"]].name
        where = (
            _link(name, f"the cell in chapter {mistake['chapter']}", cells)
            if name in cells
            else f'<a href="{chapter}.html">chapter {mistake["chapter"]}</a>'
        )
        rows.append(
            [
                str(mistake["number"]),
                html.escape(mistake["source"]),
                html.escape(mistake["says"]),
                html.escape(mistake["right"]),
                html.escape(value),
                where,
            ]
        )
    return rows


def _budget_rows() -> list[list[str]]:
    rows = []
    for number, chapter in chapters().items():
        for profile in PROFILES:
            for run in _runs_of(number, profile):
                budget = chapter.budgets[profile]
                asked = ", ".join(f"{name} = {value}" for name, value in _asked(run).items())
                rows.append(
                    [
                        number,
                        html.escape(f"{profile}{', ' + asked if asked else ''}"),
                        f"{run['duration_seconds']:.0f} of {budget.seconds:g} s",
                        f"{run['peak_memory_bytes'] / 1e6:,.0f} of {budget.megabytes:,} MB",
                        f"{run['examples_a_second']:,.0f}",
                        run["backend"],
                        html.escape(_machine(run["device"])),
                        run["started"][:10],
                        f"<code>{html.escape(run['commit'][:10])}</code>",
                    ]
                )
    return rows


def _longer_rows() -> Iterator[list[str]]:
    for run in longer_runs():
        about = [
            f"{key}: {value}"
            for key, value in run.items()
            if isinstance(value, str | int | float) and key not in ("command", "file")
        ]
        for record in run["records"]:
            yield [
                f"<code>{html.escape(record['name'])}</code>",
                html.escape(written(record["value"], record.get("unit", ""))),
                f"<code>{html.escape(str(run.get('command', '')))}</code>",
                html.escape("; ".join(about)),
                f"<code>results/{html.escape(run['file'])}</code>",
            ]


def _curves(folder: Path) -> str:
    """The stored learning curves of all chapters, copied beside the page."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for number, chapter in chapters().items():
        for place, cell in enumerate(read_notebook(chapter.notebook).cells):
            if cell.cell_type != "code" or "learning_curves(" not in cell.source:
                continue
            for picture, alt, _ in _pictures(cell):
                name = f"{number}-{place}.png"
                (folder / name).write_bytes(picture)
                there = f"{chapter.name}.html#cell-{place}"
                parts.append(
                    f"![{alt.replace('[', '(').replace(']', ')')}](curves/{name})\n\n"
                    f'```{{raw}} html\n<p><a href="{there}">{html.escape(chapter.title)}: '
                    "the cell of these curves</a></p>\n```\n"
                )
    return "\n".join(parts) or "No chapter with learning curves has stored outputs.\n"


def results_page(folder: Path) -> str:
    """The results page in MyST Markdown; pictures go into ``folder/curves``.

    Raises:
        CourseError: a notebook or a recorded run cannot be read.
    """
    parts = [
        (ROOT / "docs" / "results.md").read_text(encoding="utf-8"),
        "## Claims of the sources\n",
    ]
    header = ["source", "claim", "value", "sample", "quick (stored)", "longer runs", "verdict"]
    for number, chapter in chapters().items():
        rows = claim_rows(number)
        if rows:
            title = f"{number} {chapter.title}"
            parts += [f"### {title}\n", _table(f"Claims of chapter {number}", header, rows)]
    parts += [
        "## Mistakes of the sources\n",
        "Each is shown by running it, and the right figure is the one that the run computed.\n",
        _table(
            "Mistakes of the sources and what is right",
            ["no.", "source", "says", "right", "computed", "where"],
            _mistake_rows(),
        ),
        "## Longer runs\n",
        "These take longer than a chapter may. Each is kept as a small file with the command that "
        "made it.\n",
        _table(
            "Longer runs",
            ["record", "value", "command", "about the run", "file"],
            list(_longer_rows()),
        ),
        "## Time and memory against the budget\n",
        "A run is ended at four times its seconds. Examples a second are those of all trainings of "
        "the chapter together, the first epoch of each left out.\n",
        _table(
            "Recorded runs of whole chapters",
            [
                *("chapter", "profile", "time", "peak memory"),
                *("examples a second", "backend", "machine", "date", "commit"),
            ],
            _budget_rows(),
        ),
        "## Learning curves\n",
        _curves(folder / "curves"),
    ]
    return "\n".join(parts)


def readme_table() -> str:
    """The results in the README: what the sources reached, and what the stored runs reached."""
    rows = ["| | sources | stored run |", "| --- | --- | --- |"]
    measures = ("test_accuracy", "validation_accuracy")
    values = measured()
    for claim in load_claims()["claim"]:
        found = values.get(claim["record"], {}).get("quick", [])
        reached = claim.get("unit") == "fraction" and claim["record"].endswith(measures)
        if reached and found and "quick" in claim["profiles"] and claim["label"] != "this course":
            unit = claim["unit"]
            rows.append(
                f"| {claim['statement']} ({claim['label']}) | {written(claim['value'], unit)} | "
                f"{written(found[0], unit)} |"
            )
    return "\n".join(rows)


def front_picture() -> tuple[bytes, str] | None:
    """The stored picture of what a pretrained convnet looks at in photographs, with its alt text.

    None while chapter 06 has no stored outputs.
    """
    for chapter in chapters().values():
        for cell in read_notebook(chapter.notebook).cells:
            for picture, alt, _ in _pictures(cell):
                if "ImageNet class and a heat map" in alt:
                    return picture, alt
    return None


def write_readme() -> Path:
    """Renew the table of results in the README, and the picture at its front.

    Raises:
        CourseError: the README has lost the marks between which the table stands.
    """
    path = ROOT / "README.md"
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise CourseError(f"README.md has no place for the results: add {BEGIN} and {END}.")
    front = front_picture()
    if front is not None:
        (RESULTS / "front.png").write_bytes(front[0])
        image = f"![{front[1]}](results/front.png)"
        before = re.sub(r"!\[[^\]]*\]\(results/front\.png\)", lambda match: image, before)
    path.write_text(f"{before}{BEGIN}\n{readme_table()}\n{END}{after}", encoding="utf-8")
    return path


def _pictures(cell: NotebookNode) -> Iterator[tuple[bytes, str, tuple[int, int]]]:
    """The PNG pictures of a cell: bytes, alt text, and width and height in pixels."""
    for output in cell.get("outputs", []):
        if "image/png" in output.get("data", {}):
            picture = base64.b64decode(output["data"]["image/png"])
            alt = output.metadata.get("image/png", {}).get("alt", "")
            yield picture, alt, struct.unpack(">II", picture[16:24])


def colab_notebook(notebook: NotebookNode, repository: str) -> NotebookNode:
    """A chapter for Google Colab: without outputs, and with a first cell that installs the course.

    Args:
        notebook: the stored chapter.
        repository: address that git can clone.
    """
    setup = nbformat.v4.new_code_cell(
        "# Fetches the course and what it needs; run this cell first.\n"
        "import os, sys\n"
        f"!test -d convnet-course || git clone --quiet --depth 1 {repository} convnet-course\n"
        "%pip install --quiet --editable convnet-course\n"
        'sys.path.insert(0, os.path.abspath("convnet-course/src"))'
    )
    setup["id"] = "setup"
    copy = nbformat.from_dict(json.loads(json.dumps(notebook)))
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    copy.cells.insert(0, setup)
    copy.metadata.pop("course", None)
    copy.metadata.pop("jupytext", None)
    return copy


def assemble(source: Path) -> None:
    """Write everything that Sphinx reads into a fresh folder.

    Raises:
        CourseError: a notebook cannot be read, or a record was changed by hand.
    """
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source)
    faults = []
    for chapter in chapters().values():
        notebook = read_notebook(chapter.notebook)
        faults += record_faults(chapter, notebook)
        shutil.copy(chapter.notebook, source)
    if faults:
        raise CourseError("\n".join(faults))
    listed = "\n".join(chapter.name for chapter in chapters().values())
    index = (source / "index.md").read_text(encoding="utf-8")
    rows = "\n".join(
        f"| {number} | [{chapter.title}]({chapter.name}) | "
        f"{', '.join(catalogue()[name].title for name in chapter.data) or '—'} |"
        for number, chapter in chapters().items()
    )
    front = front_picture()
    described = front[1] if front else "A picture of a digit, two filters and their feature maps."
    index = index.replace("FRONT_TEXT", described).replace("CHAPTER_PAGES", listed)
    (source / "index.md").write_text(index.replace("CHAPTER_ROWS", rows), encoding="utf-8")
    (source / "results.md").write_text(results_page(source), encoding="utf-8")
    shutil.copytree(ROOT / "data" / "cards", source / "data")
    cards = "\n".join(sorted(path.stem for path in (source / "data").glob("*.md")))
    (source / "data" / "index.md").write_text(
        "# Data cards\n\nWhat each data set holds, where it comes from, under which licence, and "
        "which flaws are known.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{cards}\n```\n",
        encoding="utf-8",
    )
    shutil.copytree(
        RESULTS, source / "results", ignore=shutil.ignore_patterns("*.json", "chapters")
    )
    _write_helper_pages(source / "helpers")


def _write_helper_pages(folder: Path) -> None:
    """One page a helper module, made from its docstrings."""
    folder.mkdir()
    modules = [
        path.stem
        for path in sorted((ROOT / "src" / "helpers").glob("*.py"))
        if path.stem != "__init__"
    ]
    for name in modules:
        (folder / f"{name}.md").write_text(
            f"# helpers.{name}\n\n```{{eval-rst}}\n.. automodule:: helpers.{name}\n"
            "   :members:\n   :member-order: bysource\n```\n",
            encoding="utf-8",
        )
    (folder / "index.md").write_text(
        "# Helpers\n\nThe modules that the notebooks import. They are small enough to read.\n\n"
        "```{toctree}\n:maxdepth: 1\n\n" + "\n".join(modules) + "\n```\n",
        encoding="utf-8",
    )


def build(out: Path) -> Path:
    """Build the site.

    Args:
        out: folder that gets ``source`` and ``html``, and with ``GITHUB_REPOSITORY`` set also
            ``colab``, the notebooks that the Colab buttons open.

    Returns:
        The folder of the site.

    Raises:
        CourseError: MathJax is not installed, a record was changed by hand, or Sphinx warned.
    """
    mathjax = ROOT / "node_modules" / "mathjax" / "es5"
    if not (mathjax / "tex-chtml.js").is_file():
        raise CourseError("The book needs MathJax from npm: install npm and run `make book`.")
    assemble(out / "source")
    site = out / "html"
    shutil.rmtree(site, ignore_errors=True)
    folders = [str(out / "doctrees"), str(out / "source"), str(site)]
    answer = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", *folders],
        capture_output=True,
        text=True,
    )
    if answer.returncode != 0:
        raise CourseError(f"The book was not built:\n{answer.stderr.strip()}")
    target = site / "_static" / "mathjax"
    (target / "output").mkdir(parents=True)
    shutil.copy(mathjax / "tex-chtml.js", target)
    shutil.copytree(mathjax / "output" / "chtml" / "fonts", target / "output" / "chtml" / "fonts")
    for path in [*site.rglob("*.map"), site / ".buildinfo", site / "objects.inv"]:
        path.unlink(missing_ok=True)
    for path in (site / "_static").rglob("*.[cj]s*"):
        _replace(path, r"(?://[#@] |/\*# )sourceMappingURL=\S+(?: ?\*/)?", "")
    shown = [_shrink(path) for path in (site / "_images").glob("*.png")]
    changed = "|".join(re.escape(path.stem) for path in shown if path.suffix == ".webp") or "(?!)"
    for path in site.rglob("*.html"):
        _replace(path, rf"(_images/(?:{changed}))\.png", r"\1.webp")
        # The theme names its arrows for nobody, and its search field otherwise than it reads.
        _replace(path, r"<summary><", '<summary aria-label="Show or hide the pages below"><')
        _replace(path, r'(<button class="btn search-button-field[^>]*?) aria-label="Search"', r"\1")
    for path in (site / "_sources").glob("*.ipynb"):
        _without_outputs(path)
    (site / ".nojekyll").touch()
    repository = os.environ.get("GITHUB_REPOSITORY")
    if repository:
        (out / "colab").mkdir(exist_ok=True)
        for chapter in chapters().values():
            opened = colab_notebook(
                read_notebook(chapter.notebook), f"https://github.com/{repository}"
            )
            nbformat.write(opened, out / "colab" / chapter.notebook.name)
    return site


def _shrink(path: Path) -> Path:
    """Store a picture of the site as wide as a page and as WebP, where that is smaller."""
    smaller = path.with_suffix(".webp")
    with Image.open(path) as picture:
        shown = picture.convert("RGB")
        shown.thumbnail((PAGE_WIDTH, shown.height))
        shown.save(smaller, quality=85)
    unwanted = path if smaller.stat().st_size < path.stat().st_size else smaller
    unwanted.unlink()
    return smaller if unwanted is path else path


def _without_outputs(path: Path) -> None:
    """Leave the code and text of a notebook that a reader may download; its page shows the rest."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, path)


def _replace(path: Path, pattern: str, by: str) -> None:
    """Replace a pattern in a text file of the site, byte for byte elsewhere."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    changed = re.sub(pattern, by, text)
    if changed != text:
        path.write_text(changed, encoding="utf-8", errors="surrogateescape")


def _launch(notebook: str) -> str:
    """Links that open a chapter elsewhere, and what its stored run was, as HTML."""
    repository = os.environ.get("GITHUB_REPOSITORY")
    parts = []
    if repository:
        binder = f"https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab/tree/notebooks"
        colab = f"https://colab.research.google.com/github/{repository}/blob/colab"
        parts += [
            f'<a href="{binder}/{notebook}.ipynb">Open in Binder</a>',
            f'<a href="{colab}/{notebook}.ipynb">Open in Colab</a>',
        ]
    parts.append(f'<a href="_sources/{notebook}.ipynb" download>Download the notebook</a>')
    number = notebook.partition("_")[0]
    if not executed(read_notebook(chapters()[number].notebook)):
        parts.append("<span>Not all of its cells have been run yet.</span>")
    for run in _runs_of(number, "quick"):
        if _is_plain(run):
            parts.append(
                f"<span>Stored run: {run['started'][:10]}, {run['duration_seconds']:.0f} s on "
                f"{html.escape(run['device']['processor'])}, {run['device']['cores']} cores</span>"
            )
    return f'<p class="launch">{" ".join(parts)}</p>'


def setup(app: Any) -> dict[str, Any]:
    """What the book adds to Sphinx: alt texts, places of cells, and numbers from records."""
    from docutils import nodes
    from sphinx.util.docutils import SphinxRole

    described: dict[str, tuple[str, tuple[int, int]]] = {}
    for chapter in chapters().values():
        for cell in read_notebook(chapter.notebook).cells:
            for picture, alt, size in _pictures(cell):
                described[hashlib.sha256(picture).hexdigest()] = (alt, size)
    values, cells = measured(), cells_of_records()
    units = {
        record["name"]: record["unit"]
        for chapter in chapters().values()
        for record in records_of(read_notebook(chapter.notebook))
    }

    all_executed = all(executed(read_notebook(each.notebook)) for each in chapters().values())

    class Record(SphinxRole):
        """A measured number in a sentence, linked to the cell that measured it."""

        def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
            if self.text not in cells and not all_executed:
                return [nodes.Text("(not measured yet)")], []
            if self.text not in cells:
                error = f"No stored notebook has a record {self.text}."
                return [], [self.inliner.reporter.error(error, line=self.lineno)]
            notebook, number = cells[self.text]
            value = written(values[self.text]["quick"][0], units[self.text])
            here = "../" * self.env.docname.count("/")
            uri = f"{here}{notebook}.html#cell-{number}"
            return [nodes.reference("", value, refuri=uri, internal=True)], []

    def describe(app: Any, doctree: nodes.document) -> None:
        for image in doctree.findall(nodes.image):
            found = described.get(Path(image["uri"]).stem)
            if found:
                image["alt"] = found[0]
                image["width"], image["height"] = (f"{pixels}px" for pixels in found[1])
                image["classes"] += ["broad"] if found[1][0] > 700 else []
        for cell in doctree.findall(nodes.container):
            if cell.get("nb_element") == "cell_code":
                cell["ids"].append(f"cell-{cell['cell_index']}")
        name = app.env.docname
        if name in {chapter.name for chapter in chapters().values()}:
            title = next(iter(doctree.findall(nodes.title)), None)
            if title is not None:
                place = title.parent.index(title) + 1
                title.parent.insert(place, nodes.raw("", _launch(name), format="html"))

    def lazy(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
        if "body" in context:
            body = context["body"].replace("<img ", '<img loading="lazy" ')
            # As attributes the sizes keep the place of a picture free without fixing it.
            size = r'style="width: (\d+)px; height: (\d+)px;"'
            context["body"] = re.sub(size, r'width="\1" height="\2"', body)

    def plain(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
        # A docstring may name a prefix such as "val_", which is a link in reStructuredText.
        lines[:] = [re.sub(r'(\w)_(?=["\s])', r"\1\_", line) for line in lines]

    app.add_role("record", Record())
    app.connect("autodoc-process-docstring", plain)
    app.connect("doctree-read", describe)
    app.connect("html-page-context", lazy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
