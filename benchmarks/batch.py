"""All chapters on sample data: `course run` beside a plain shell loop of papermill.

    python benchmarks/batch.py [--repeats 3] [--chapters 01 02] [--out results.json]

After a batch that fills the caches and is not counted, loop and batch take turns, the same
notebooks with the same parameters, each batch into an empty folder. A rerun with nothing changed
follows each batch. At the end stands what share of the runs is start-up: the kernel, and the cell
that imports Keras and the helpers.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from course.catalogue import Chapter, find, settings
from helpers.places import ROOT


def timed(words: list[str]) -> float:
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    began = time.perf_counter()
    answer = subprocess.run(words, cwd=ROOT, env=variables, capture_output=True, text=True)
    if answer.returncode != 0:
        sys.exit(f"{shlex.join(words)[:200]} failed:\n{answer.stderr[-2000:]}")
    return time.perf_counter() - began


def loop(chapters: list[Chapter], folder: Path) -> list[str]:
    """The shell loop that one would write without this course's runner."""
    lines = ["set -e"]
    for chapter in chapters:
        words = [sys.executable, "-m", "papermill", str(chapter.notebook)]
        words += [str(folder / chapter.notebook.name), "--cwd", "notebooks", "--no-progress-bar"]
        for name, value in settings(chapter, "sample").items():
            words += ["-p", name, str(value)]
        lines.append(shlex.join(words))
    return ["sh", "-c", "\n".join(lines)]


def start_up(folder: Path) -> tuple[float, float]:
    """Seconds of all runs of a folder, and of those the ones before the second code cell."""
    whole = begun = 0.0
    for path in sorted(folder.glob("*/001/run.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        notebook = nbformat.read(path.with_name(f"{run['notebook']}.ipynb"), as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        later = sum(cell.metadata.papermill.duration or 0.0 for cell in code[1:])
        whole += run["duration_seconds"]
        begun += run["duration_seconds"] - later
    return whole, begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--chapters", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    chapters = find(asked.chapters)
    seconds: dict[str, list[float]] = {"loop": [], "batch": [], "rerun": []}
    shares = []
    with tempfile.TemporaryDirectory(prefix="course-batch-") as name:
        numbers = [chapter.number for chapter in chapters]
        run = [sys.executable, "-m", "course", "run", *numbers, "--profile", "sample"]
        print(f"filling the caches: {timed([*run, '--out', name]):.1f} s", flush=True)
    for repeat in range(asked.repeats):
        with tempfile.TemporaryDirectory(prefix="course-batch-") as name:
            out = Path(name) / "runs"
            batch = [*run, "--out", str(out)]
            order = ("loop", "batch") if repeat % 2 == 0 else ("batch", "loop")
            for which in order:
                words = batch if which == "batch" else loop(chapters, Path(name))
                seconds[which].append(timed(words))
                print(f"{which}: {seconds[which][-1]:.1f} s", flush=True)
            seconds["rerun"].append(timed(batch))
            whole, begun = start_up(out)
            shares.append(begun / whole)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"median of {asked.repeats}, {len(chapters)} chapters:")
    print(f"  shell loop of papermill  {medians['loop']:.1f} s")
    print(f"  course run               {medians['batch']:.1f} s")
    print(f"  ratio                    {medians['loop'] / medians['batch']:.2f}")
    print(f"  rerun, nothing changed   {medians['rerun']:.2f} s")
    print(f"  start-up and imports     {100 * statistics.median(shares):.0f} % of the runs")
    if asked.out:
        result = {"seconds": seconds, "start_up_share": shares, "cores": os.cpu_count()}
        asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
