"""The benchmark of the regression check: its table fits the chapters, and it judges as they do."""

import ast
from dataclasses import replace

import pytest
from nbformat import NotebookNode

from benchmarks import perturbations
from benchmarks.perturbations import EXPERIMENTS, Experiment
from course.catalogue import chapters
from course.notebooks.files import code_cells, read_notebook
from course.results import BACKEND, kept_runs
from helpers.records import MIME_TYPE


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_change_finds_its_place_and_is_shown_by_cells_that_run(
    experiment: Experiment,
) -> None:
    cells = code_cells(read_notebook(chapters()[experiment.chapter].notebook))
    for change in experiment.breaks:
        assert change.old in cells[change.cell].source, change.what
        for place in (change.cell, *change.shows):
            assert place <= experiment.last and place not in experiment.skipped, change.what


def names(cells: list[NotebookNode], kind: type[ast.expr_context]) -> set[str]:
    """The names that cells set or use, by the context of each."""
    found = set()
    for cell in cells:
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, kind):
                found.add(node.id)
            elif kind is ast.Store and isinstance(node, ast.FunctionDef | ast.alias | ast.arg):
                found.add(str(getattr(node, "asname", None) or getattr(node, "name", "")))
                found.add(str(getattr(node, "arg", "")))
    return found


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_no_cell_that_runs_needs_one_that_is_skipped(experiment: Experiment) -> None:
    cells = code_cells(read_notebook(chapters()[experiment.chapter].notebook))
    first = cells[: experiment.last + 1]
    skipped = [cell for number, cell in enumerate(first) if number in experiment.skipped]
    runs = [cell for number, cell in enumerate(first) if number not in experiment.skipped]
    lost = names(skipped, ast.Store) - names(runs, ast.Store)
    assert not names(runs, ast.Load) & lost


def test_stored_outputs_hold_and_a_wrong_record_is_detected() -> None:
    chapter = chapters()["07"]
    fresh = {
        number: cell.outputs
        for number, cell in enumerate(code_cells(read_notebook(chapter.notebook)))
    }
    assert perturbations.judge(chapter, fresh, None) == {}
    [(place, body)] = [
        (number, output.data[MIME_TYPE])
        for number, outputs in fresh.items()
        for output in outputs
        if output.get("data", {}).get(MIME_TYPE, {}).get("name")
        == "imdb.bag_of_words.test_accuracy"
    ]
    body["value"] = 0.5
    [(cell, said)] = perturbations.judge(chapter, fresh, None).items()
    assert cell == place and "imdb.bag_of_words.test_accuracy" in said[0]


def test_the_kept_seeds_raise_few_false_alarms_and_a_wrong_one_is_counted() -> None:
    chapter, runs = chapters()["01"], kept_runs()
    judged, found = perturbations.alarms(chapter, runs)
    others = len(found)
    assert others > 1 and judged > 50 * others
    assert sum(map(len, found.values())) < 0.01 * judged
    wrong = max(found)
    spoiled = tuple(
        replace(run, records=tuple(replace(each, value=each.value / 3) for each in run.records))
        if (run.chapter, run.seed, run.backend) == ("01", wrong, BACKEND)
        else run
        for run in runs
    )
    judged, found = perturbations.alarms(chapter, spoiled)
    assert len(found[wrong]) > 20
