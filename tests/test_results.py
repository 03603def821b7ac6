"""The store of kept runs: what is kept, read back and grouped."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from course import keeping, results
from course.catalogue import chapters, defaults
from course.errors import CourseError
from course.notebooks import living
from course.notebooks.digests import cells_digest
from course.notebooks.files import records_of
from course.results import KeptRun
from helpers import kept
from tests.conftest import CHAPTER, Answer, Little

Here = Callable[..., Answer]

RUNS = results.kept_runs()
QUICK = next(run for run in RUNS if run.file == "chapters/01-quick.json")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of results that a test may change."""
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    return tmp_path


def read_little(little: Little, monkeypatch: pytest.MonkeyPatch) -> tuple[KeptRun, ...]:
    monkeypatch.setattr(results, "RESULTS", little.root / "results")
    return results.kept_runs()


def test_a_kept_run_is_a_complete_account(stored: Little, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stored.course("run", "01", "--out", "one", "-p", "seed=3").returncode == 0
    shutil.rmtree(stored.root / "results", ignore_errors=True)
    answer = stored.course("book", "keep", "one")
    assert answer.returncode == 0, answer.stderr
    [run] = read_little(stored, monkeypatch)
    assert run.file == "chapters/01-quick-seed=3.json"
    assert run.parameters == {"profile": "quick", "seed": 3, "steps": 3, "rate": 0.5}
    assert run.values == {"little.test_accuracy": 0.903}
    assert run.command == "course run 01 -p seed=3"
    assert run.cells == cells_digest(nbformat.read(stored.notebook, as_version=4).cells)
    assert len(run.helpers) == 64 and run.threads >= 1 and run.seconds > 0


def test_a_run_without_the_digest_of_its_helpers_is_not_kept() -> None:
    with pytest.raises(CourseError, match="doesn't say which helpers"):
        keeping.account({"chapter": "01"}, nbformat.v4.new_notebook(), "")


def test_a_changed_parameter_that_is_the_notebooks_default_is_no_plain_recipe(
    little: Little, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is asked is the notebook's default, so that run.json doesn't name it.
    words = ["--profile", "sample", "-p", "steps=3"]
    assert little.course("run", "01", *words, "--out", "one").returncode == 0
    assert little.course("book", "keep", "one").returncode == 0
    assert little.course("run", "01", "--profile", "sample", "--out", "two").returncode == 0
    assert little.course("book", "keep", "two").returncode == 0
    runs = read_little(little, monkeypatch)
    assert [run.name for run in runs] == ["01-sample-steps=3", "01-sample"]
    assert [run.parameters["steps"] for run in runs] == [3, 1]
    assert len(results.groups(runs)) == 2


def test_storing_outputs_keeps_the_run(little: Little, monkeypatch: pytest.MonkeyPatch) -> None:
    assert little.course("run", "01", "--store").returncode == 0
    [run] = read_little(little, monkeypatch)
    stored = records_of(nbformat.read(little.notebook, as_version=4))
    assert run.values == {record["name"]: record["value"] for record in stored}


def test_a_run_with_a_name_is_one_that_succeeded(little: Little) -> None:
    name = ["--name", "longer", "--record", "little.test_accuracy"]
    assert little.course("run", "--profile", "sample", "--seeds", "2").returncode == 0
    answer = little.course("book", "keep", "runs", *name)
    assert answer.returncode == 2
    assert "--name keeps one run, but runs has 2" in answer.stderr
    assert little.course("book", "keep", "runs/01_little-sample", *name).returncode == 0
    answer = little.course("book", "keep", "runs/01_little-sample", *name[:3], "little.speed")
    assert "has no record little.speed: it has little.test_accuracy" in answer.stderr
    answer = little.course("book", "keep", "runs/01_little-sample", "--name", "../x", *name[2:])
    assert "can't name a file of results" in answer.stderr
    little.write(CHAPTER.replace('print("the end")', 'raise ValueError("no luck")'))
    assert little.course("run", "--out", "failed").returncode == 1
    answer = little.course("book", "keep", "failed", *name)
    assert answer.returncode == 2
    assert "The run in failed is failed, so there is nothing to keep" in answer.stderr


def test_what_is_written_is_read_back(folder: Path) -> None:
    for run in RUNS:
        keeping.write(run)
    assert results.kept_runs() == RUNS


def test_every_kept_run_is_of_a_commit_and_fits_its_budget() -> None:
    for run in RUNS:
        assert run.records and run.seconds > 0 and len(run.commit) >= 40, run.file
        assert len(run.cells) == len(run.helpers) == 64, run.file
        assert set(run.parameters) >= {"seed", "profile"}, run.file
        assert run.command.startswith("course run") or "KERAS_BACKEND" in run.command, run.file
        if results.is_plain(run):
            budget = chapters()[run.chapter].budgets[run.profile]
            assert run.peak_memory_bytes / 1e6 <= budget.megabytes, run.file


@pytest.mark.parametrize(
    ("text", "says"), [("{}", "isn't a kept run"), ("[", "isn't a kept run"), ("77", "chapter 77")]
)
def test_a_bad_file_is_named(text: str, says: str, folder: Path) -> None:
    (folder / "chapters").mkdir()
    path = folder / "chapters" / "bad.json"
    if text == "77":
        keeping.write(replace(QUICK, file="chapters/bad.json", chapter="77"))
    else:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(CourseError, match=f"bad.json.*{says}"):
        results.kept_runs()


def test_a_default_that_changes_later_does_not_change_a_kept_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = next(run for run in RUNS if run.file == "chapters/07-quick.json")
    plain = dict(kept.parameters)
    monkeypatch.setattr(results, "defaults", lambda number, profile: (plain, plain))
    assert results.is_plain(kept) and results.changed(kept) == {}
    now = {**plain, "batch_size": 2 * plain["batch_size"]}
    monkeypatch.setattr(results, "defaults", lambda number, profile: (now, now))
    assert not results.is_plain(kept)
    assert results.changed(kept) == {"batch_size": plain["batch_size"]}


def test_runs_of_other_cells_or_another_backend_join_no_group() -> None:
    seed = replace(QUICK, parameters={**QUICK.parameters, "seed": 9})
    others = [
        replace(seed, backend="jax"),
        replace(seed, cells="0" * 64),
        replace(seed, profile="full"),
        replace(seed, file="longer.json"),
    ]
    grouped = results.groups([QUICK, seed, *others])
    assert grouped[results.group_key(QUICK)] == (QUICK, seed)
    assert len(grouped) == 4


def test_another_backend_adds_nothing_to_what_was_measured() -> None:
    usual = replace(QUICK, parameters=defaults("01", "quick")[1])
    seed = replace(usual, parameters={**usual.parameters, "seed": 9})
    there = cells_digest(nbformat.read(chapters()["01"].notebook, as_version=4).cells)
    name = QUICK.records[0].name

    def number(*runs: KeptRun) -> int:
        return len(results.measured(runs)[name]["quick"])

    stored = number()
    assert number(replace(seed, cells=there)) == stored + 1
    assert number(replace(seed, cells=there, backend="jax")) == stored
    assert number(replace(seed, cells="0" * 64)) == stored


def test_seeds_of_the_quick_run_are_those_that_differ_in_nothing_else() -> None:
    usual = replace(QUICK, parameters=defaults("01", "quick")[1])
    seeds = [replace(usual, parameters={**usual.parameters, "seed": seed}) for seed in (9, 3)]
    others = [
        replace(usual, chapter="02"),
        replace(usual, profile="full"),
        replace(usual, cells="0" * 64),
        replace(usual, backend="jax"),
        replace(usual, file="longer.json"),
        replace(usual, parameters={**usual.parameters, "epochs": 99}),
    ]
    found = results.quick_seeds([seeds[0], usual, *others, seeds[1]], "01", QUICK.cells)
    assert found == (usual, seeds[1], seeds[0])


def test_the_newest_seeds_are_the_group_with_the_newest_run() -> None:
    usual = replace(QUICK, parameters=defaults("01", "quick")[1])

    def run(day: int, seed: int, cells: str, **changed: Any) -> KeptRun:
        parameters = {**usual.parameters, "seed": seed}
        started = f"2026-01-0{day}T00:00:00+00:00"
        return replace(
            usual, **{"parameters": parameters, "cells": cells, "started": started} | changed
        )

    newest = [run(4, 9, "a"), run(1, 3, "a")]
    others = [
        run(3, 3, "b"),
        run(2, 9, "b"),
        run(5, 3, "c", backend="jax"),
        run(6, 3, "d", profile="full"),
        run(7, 3, "e", file="longer.json"),
        run(8, 3, "f", chapter="02"),
        run(9, 3, "g", parameters={**usual.parameters, "epochs": 99}),
    ]
    assert results.newest_seeds([*newest, *others], "01", "quick") == (newest[1], newest[0])
    assert results.newest_seeds(newest, "01", "sample") == ()


def test_a_record_that_named_runs_share_needs_the_name_of_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(living, "chapters", dict)
    for value, name in enumerate(("longer", "wider")):
        own = [results.Record(each, value, "count") for each in ("net.shared", f"net.{name}")]
        keeping.write(replace(QUICK, file=f"{name}.json", records=tuple(own)))
    keeping.write(QUICK)
    found = living.read_records()
    assert found.values == {
        "net.longer": 0,
        "net.wider": 1,
        "kept.longer.net.longer": 0,
        "kept.longer.net.shared": 0,
        "kept.wider.net.shared": 1,
        "kept.wider.net.wider": 1,
        **{f"kept.01-quick.{name}": value for name, value in QUICK.values.items()},
    }
    assert found.lacking("net.shared").endswith(
        "longer and wider among them: name one, as in kept.longer.net.shared."
    )


def test_chapters_read_kept_runs_by_name() -> None:
    assert set(kept.names()) == {run.name for run in RUNS}
    assert kept.records("01-quick") == QUICK.values
    assert [model for model, _ in kept.curves("01-quick")] == [c.model for c in QUICK.curves]
    with pytest.raises(ValueError, match='no kept run "none"'):
        kept.records("none")


def test_runs_of_an_earlier_course_are_kept_or_refused_in_words(stored: Little, here: Here) -> None:
    for facts, code in (({"parameters": {"old_name": 3}}, 0), ({"chapter": "99"}, 2)):
        assert stored.course("run", "01", "--fresh").returncode == 0
        [path] = sorted(stored.root.glob("runs/*/*/run.json"))[-1:]
        run = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(run | facts), encoding="utf-8")
        answer = here("book", "keep", str(path.parent))
        assert answer.returncode == code, answer.stderr
    assert "The run is of chapter 99, but the course has 01" in answer.stderr
