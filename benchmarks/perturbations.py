"""The power of the regression check: which changes it detects, and which it lets pass.

    python benchmarks/perturbations.py --hold NOTEBOOK [NOTEBOOK ...]
    python benchmarks/perturbations.py --kept
    python benchmarks/perturbations.py --break [--out FOLDER] [CHAPTER ...]

``--hold`` compares executed notebooks of unbroken chapters (another seed, one thread, oneDNN
switched off), as `course run` leaves them, with the stored ones; a run of a kept seed is judged by
the other seeds. ``--kept`` does the same with the files of all kept seeds, which need no notebooks,
and counts false alarms. ``--break`` edits chapters as the table below says, executes them on real
data as far as needed (notebooks that FOLDER already has aren't executed again), and compares them
too. All use the rule of `make regression`. The exit code is 1 if an unbroken run doesn't hold.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from course import noise
from course.catalogue import Chapter, chapters
from course.notebooks.digests import cells_digest
from course.notebooks.files import code_cells, read_notebook
from course.results import KeptRun, kept_runs, other_seeds, quick_seeds


@dataclass(frozen=True)
class Break:
    """One change of a chapter: what it is, text to replace in a code cell, cells that show it."""

    what: str
    cell: int
    old: str
    new: str
    shows: tuple[int, ...]


@dataclass(frozen=True)
class Experiment:
    """One execution: its changes are of trainings independent of one another.

    Attributes:
        chapter: number.
        last: last code cell that is executed.
        skipped: code cells that are left out to save time.
    """

    chapter: str
    last: int
    skipped: tuple[int, ...]
    breaks: tuple[Break, ...]


REVIEWS = (3, *range(14, 21))
EXPERIMENTS = (
    Experiment(
        "07",
        68,
        (*REVIEWS, *range(28, 65)),
        (
            Break(
                "bag of words: weights a hundred times as free",
                9,
                "make_bag(count_words, 3)",
                "make_bag(count_words, 300)",
                (9, 10),
            ),
            Break(
                "bag of pairs: the order of the two words is lost",
                11,
                'first.astype("int64") * words + second',
                'np.minimum(first, second).astype("int64") * words + np.maximum(first, second)',
                (13,),
            ),
            Break(
                "textCNN: the dropout of words is missing",
                21,
                "layers.Dropout(0.2, noise_shape=(None, steps, 1))(vectors)",
                "vectors",
                (26, 27),
            ),
            Break("film nets: learning rate times three", 67, "Adam(0.02)", "Adam(0.06)", (68,)),
        ),
    ),
    Experiment(
        "07",
        27,
        REVIEWS,
        (
            Break(
                "bag of words: TF-IDF without the logarithm",
                7,
                "sublinear_tf=True",
                "sublinear_tf=False",
                (9, 10),
            ),
            Break(
                "textCNN: learning rate times three",
                25,
                "one_cycle(peak, steps)",
                "one_cycle(3 * peak, steps)",
                (26, 27),
            ),
        ),
    ),
    Experiment(
        "03",
        19,
        (),
        (
            Break(
                "dense net: learning rate times three",
                15,
                "naive_epochs, seed)",
                "naive_epochs, seed, 0.003)",
                (15,),
            ),
            Break(
                "naive convnet: learning rate times three",
                17,
                "naive_epochs, seed)",
                "naive_epochs, seed, 0.003)",
                (17, 19),
            ),
        ),
    ),
    Experiment(
        "03",
        19,
        (5, 6),
        (
            Break(
                "dense net: second hidden layer missing",
                15,
                '        layers.Dense(64, activation="relu"),\n',
                "",
                (15,),
            ),
            Break("naive convnet: pixels not rescaled", 3, "(1 / 255)", "(1.0)", (17, 19)),
        ),
    ),
    Experiment(
        "03",
        19,
        (5, 6),
        (
            Break("dense net: pixels not rescaled", 15, "(1 / 255)", "(1.0)", (15,)),
            Break(
                "naive convnet: hidden dense layer missing",
                3,
                '    model.add(layers.Dense(256, activation="relu"))\n',
                "",
                (17, 19),
            ),
        ),
    ),
    Experiment(
        "04",
        26,
        (19, 21, 22, 23),
        (
            Break(
                "head: dropout missing",
                24,
                "        stack += [layers.Dropout(0.5)]\n",
                "",
                (25, 26),
            ),
        ),
    ),
    Experiment(
        "04",
        12,
        (),
        (
            Break(
                "features: pixels divided by 255 before the base rescales them",
                11,
                "train_maps = outputs_of(extractor, train_images)",
                "train_maps = outputs_of(extractor, np.asarray(train_images) // 255)",
                (12,),
            ),
        ),
    ),
)


def judge(chapter: Chapter, fresh: dict[int, list], left_out: int | None) -> dict[int, list[str]]:
    """Compare executed cells with the stored ones, as regression does.

    Args:
        chapter: the chapter.
        fresh: outputs by number of the code cell.
        left_out: seed whose kept run doesn't count.

    Returns:
        The differences by number of the code cell, for cells that differ.
    """
    stored = read_notebook(chapter.notebook)
    runs = [run for run in kept_runs() if run.chapter != chapter.number or run.seed != left_out]
    found = noise.of_chapter(chapter, stored, runs)
    cells = code_cells(stored)
    differing = {
        number: noise.cell_differences(cells[number], outputs, number, found)
        for number, outputs in fresh.items()
    }
    return {number: said for number, said in differing.items() if said}


def hold(paths: list[Path]) -> int:
    """Compare unbroken executed notebooks; return how many don't hold."""
    broken = 0
    print("unbroken runs:")
    for path in paths:
        chapter = next(each for each in chapters().values() if each.name == path.stem)
        cells = [
            cell
            for cell in code_cells(read_notebook(path))
            if "injected-parameters" not in cell.metadata.get("tags", [])
        ]
        facts = json.loads((path.parent / "run.json").read_text(encoding="utf-8"))
        usual = not facts["parameters"]
        found = judge(
            chapter,
            {number: cell.outputs for number, cell in enumerate(cells)},
            None if usual else facts["seed"],
        )
        broken += bool(found)
        print(
            f"  {'holds' if not found else 'DIFFERS':<8} {chapter.number} seed {facts['seed']}, "
            f"{facts['threads']} threads, {path.parts[-4]}: {len(found)} of {len(cells)} cells"
        )
        for number, said in found.items():
            print(*(f"             cell {number}: {each}" for each in said), sep="\n")
    return broken


def alarms(chapter: Chapter, runs: tuple[KeptRun, ...]) -> tuple[int, dict[int, list[str]]]:
    """Judge each kept seed of a chapter by the others, as if it were a repeat of the stored run.

    Returns:
        How many records, learning curves and texts were judged, and by seed what was outside.
    """
    notebook = read_notebook(chapter.notebook)
    code = cells_digest(notebook.cells)
    others = other_seeds(runs, chapter.number, code)
    [stored] = [run for run in quick_seeds(runs, chapter.number, code) if run not in others]
    cells = code_cells(notebook)
    judged, found = 0, {}
    for run in others:
        by = noise.of_chapter(chapter, notebook, [other for other in runs if other is not run])
        values = {record.name: vars(record) for record in run.records}
        said = [
            by.record(vars(before), values[before.name])
            for before in stored.records
            if before.name in values
        ]
        for place, before, after in both(stored.curves, run.curves):
            said.append(by.training(*place, vars(before), vars(after)))
        for place, before, after in both(stored.printed, run.printed):
            if "nbval-ignore-output" not in cells[place[0]].metadata.get("tags", []):
                said.append(by.text(*place, before.text, after.text))
        judged += len(said)
        found[run.seed] = [each for each in said if each]
    return judged, found


def both(stored: Sequence[Any], fresh: Sequence[Any]) -> Iterator[tuple[tuple[int, int], Any, Any]]:
    """Pair the curves or texts of two runs that stand at the same place."""
    others = dict(noise.placed(fresh))
    for place, part in noise.placed(stored):
        if place in others:
            yield place, part, others[place]


def kept() -> None:
    """Print the false alarms of all chapters."""
    runs, total, outside, number, calm = kept_runs(), 0, 0, 0, 0
    for chapter in chapters().values():
        judged, found = alarms(chapter, runs)
        total += judged
        for seed, said in found.items():
            number, calm, outside = number + 1, calm + (not said), outside + len(said)
            for each in said:
                print(f"  {chapter.number} seed {seed}: {each}")
    print(f"{outside} of {total:,} values of {number} kept runs are outside; {calm} runs hold")


def execute(experiment: Experiment, path: Path) -> dict[int, list]:
    """Execute a broken chapter, unless that was done; return outputs by number of the cell."""
    if not path.exists():
        notebook = read_notebook(chapters()[experiment.chapter].notebook)
        code = code_cells(notebook)
        for change in experiment.breaks:
            if change.old not in code[change.cell].source:
                sys.exit(f"Chapter {experiment.chapter} changed: {change.what} finds no place.")
            cell = code[change.cell]
            cell.source = cell.source.replace(change.old, change.new)
        for number, cell in enumerate(code):
            cell.outputs, cell.execution_count = [], None
            cell.metadata["place"] = number
        notebook.cells = [
            cell
            for number, cell in enumerate(code)
            if number <= experiment.last and number not in experiment.skipped
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"draft-{path.name}")
        nbformat.write(notebook, draft)
        try:
            papermill.execute_notebook(str(draft), str(path), progress_bar=False)
        except PapermillExecutionError as error:
            print(f"  {path.stem} ended in {error.ename}: {error.evalue}")
        draft.unlink()
    executed = code_cells(nbformat.read(path, as_version=4))
    return {
        cell.metadata["place"]: cell.outputs
        for cell in executed
        if "place" in cell.metadata and cell.execution_count is not None
    }


def break_all(wanted: list[str], out: Path) -> None:
    """Execute and compare the broken chapters, and list what was detected and what was not."""
    detected, undetected = [], []
    for number, experiment in enumerate(EXPERIMENTS, start=1):
        if wanted and experiment.chapter not in wanted:
            continue
        fresh = execute(experiment, out / f"{experiment.chapter}-{number}.ipynb")
        for change in experiment.breaks:
            shown = {cell: fresh[cell] for cell in change.shows if cell in fresh}
            found = judge(chapters()[experiment.chapter], shown, None)
            words = f"{experiment.chapter} {change.what}"
            if not shown:
                undetected.append(f"{words}: its cells were not reached")
            elif found:
                cell, said = next(iter(found.items()))
                detected.append(f"{words}: cell {cell}, {said[0]}")
            else:
                undetected.append(words)
    for title, listed in (("detected", detected), ("undetected", undetected)):
        print(f"{title} ({len(listed)} of {len(detected) + len(undetected)}):")
        for each in listed:
            print(f"  {each}")


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hold", nargs="+", type=Path, default=[], metavar="NOTEBOOK")
    parser.add_argument("--kept", action="store_true")
    parser.add_argument("--break", nargs="*", dest="broken", metavar="CHAPTER")
    parser.add_argument("--out", type=Path, default=Path("runs") / "perturbations")
    options = parser.parse_args()
    failed = hold(options.hold) if options.hold else 0
    if options.kept:
        kept()
    if options.broken is not None:
        break_all(options.broken, options.out)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
