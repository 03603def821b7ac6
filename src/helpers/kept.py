"""Kept runs, for chapters: the curves and numbers of trainings too long to repeat in a lesson.

A kept run is a file below ``results``; its name is the file's name without ``.json``.
"""

import json
from pathlib import Path
from typing import Any

from helpers.places import ROOT


def names() -> list[str]:
    """List the names of all kept runs in alphabetical order.

    >>> "01-quick" in names()
    True
    """
    return sorted(_files())


def records(name: str) -> dict[str, float]:
    """Read the records of a kept run: each value by the record's name.

    Args:
        name: of the run, such as "07-full".

    Raises:
        ValueError: there is no kept run of this name.

    >>> 0.4 < records("02-quick")["cifar10.dense.test_accuracy"] < 1
    True
    """
    return {record["name"]: record["value"] for record in _read(name)["records"]}


def curves(name: str) -> list[tuple[str, dict[str, list[float]]]]:
    """Read the learning curves of a kept run, one training after another.

    Args:
        name: of the run, such as "07-full".

    Returns:
        For each training the name of its model and, by measure, the values after each epoch; the
        names of measures on validation data begin with "val_".

    Raises:
        ValueError: there is no kept run of this name.

    >>> model, history = curves("02-quick")[0]
    >>> len(history["loss"]) == len(history["accuracy"])
    True
    """
    return [(curve["model"], curve["history"]) for curve in _read(name)["curves"]]


def of_chapter(number: str) -> list[dict[str, Any]]:
    """Read the whole accounts of a chapter's kept runs on the course's own backend.

    Args:
        number: of the chapter, such as "01".

    Returns:
        The content of each file, and its ``name``.

    >>> {run["chapter"] for run in of_chapter("01")}
    {'01'}
    """
    found = [{"name": name, **_content(path)} for name, path in sorted(_files().items())]
    return [run for run in found if (run["chapter"], run["backend"]) == (number, "tensorflow")]


def _files() -> dict[str, Path]:
    folder = ROOT / "results"
    paths = [*folder.glob("*.json"), *folder.glob("chapters/*.json")]
    return {path.stem: path for path in paths if path.name != "regression.json"}


def _read(name: str) -> dict[str, Any]:
    found = _files()
    if name not in found:
        raise ValueError(f'There is no kept run "{name}": results/ has {", ".join(sorted(found))}.')
    return _content(found[name])


def _content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
