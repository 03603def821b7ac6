"""The chapters of the course, as ``notebooks/course.toml`` lists them, and their parameters."""

import ast
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course.errors import CourseError
from course.parameters import Parameter, check_value, parse_parameters, read_value
from helpers.datasets import PROFILES
from helpers.places import ROOT, TableError, read_table

NOTEBOOKS = ROOT / "notebooks"


@dataclass(frozen=True)
class Budget:
    """Limits of one run: seconds on two cores, megabytes of memory and of a graphics card's."""

    seconds: float
    megabytes: float
    gpu_megabytes: float = 0


@dataclass(frozen=True)
class Chapter:
    """One chapter of ``notebooks/course.toml``.

    Attributes:
        number: its key in the catalogue, such as "01".
        name: file name of the pair without a suffix, such as "01_convnet_basics".
        title: its heading.
        data: names of the data sets that it loads.
        data_options: for each data set the options with which the chapter loads it.
        changes: for each profile the parameters that differ from the notebook's defaults.
        budgets: for each profile its limits.
        makes: trained models that it leaves for other chapters.
        uses: trained models that it needs from other chapters.
    """

    number: str
    name: str
    title: str
    data: tuple[str, ...]
    data_options: dict[str, list[dict[str, Any]]]
    changes: dict[str, dict[str, Any]]
    budgets: dict[str, Budget]
    makes: tuple[str, ...]
    uses: tuple[str, ...]

    @property
    def source(self) -> Path:
        """The ``.py`` of the pair."""
        return NOTEBOOKS / f"{self.name}.py"

    @property
    def notebook(self) -> Path:
        """The ``.ipynb`` of the pair."""
        return self.source.with_suffix(".ipynb")


def chapters() -> dict[str, Chapter]:
    """All chapters by number, in order.

    Raises:
        CourseError: the catalogue cannot be read.
    """
    try:
        listed = read_table("notebooks/course.toml")["chapters"]
    except TableError as error:
        raise CourseError(str(error)) from error
    except KeyError as error:
        raise CourseError("notebooks/course.toml has no chapters.") from error
    if not isinstance(listed, dict):
        raise CourseError("notebooks/course.toml has no chapters: begin each with [chapters.NN].")
    for number, table in listed.items():
        if fault := _fault(number, table):
            raise CourseError(f"notebooks/course.toml, chapter {number}: {fault}.")
    found = {number: _chapter(number, table) for number, table in listed.items()}
    if circle := _circle(found.values()):
        raise CourseError(
            f"notebooks/course.toml: {circle} needs a model that can't be made before it runs."
        )
    return found


def _circle(found: Iterable[Chapter]) -> str:
    """Return a chapter that uses, perhaps through others, a model that it makes; or nothing."""
    makers = {model: each for each in found for model in each.makes}
    for first in makers.values():
        seen: set[str] = set()
        waiting = [first]
        while waiting:
            for model in waiting.pop().uses:
                maker = makers.get(model)
                if maker is first:
                    return f"chapter {first.number}"
                if maker is not None and maker.number not in seen:
                    seen.add(maker.number)
                    waiting.append(maker)
    return ""


def _chapter(number: str, table: dict[str, Any]) -> Chapter:
    return Chapter(
        number=number,
        name=table["notebook"],
        title=table["title"],
        data=tuple(table["data"]),
        data_options=table.get("data_options", {}),
        changes={profile: table.get(profile, {}) for profile in PROFILES},
        budgets={profile: Budget(**table["budget"][profile]) for profile in PROFILES},
        makes=tuple(table.get("makes", [])),
        uses=tuple(table.get("uses", [])),
    )


def _fault(number: str, table: Any) -> str:
    """Return what is wrong with a chapter's table in words, or an empty string."""
    if not number.isdecimal():
        return "its number must consist of digits, as in [chapters.09]"
    if not isinstance(table, dict):
        return "expected a table"
    kinds = {"notebook": str, "title": str, "data": list, "budget": dict}
    for key, kind in kinds.items():
        if not isinstance(table.get(key), kind):
            return f"{key} is missing or isn't of type {kind.__name__}"
    known = {"notebook", "title", "data", "data_options", "budget", "makes", "uses", *PROFILES}
    if unknown := table.keys() - known:
        return f"unknown key {min(unknown)}"
    for key in ("data", "makes", "uses"):
        if not isinstance(names := table.get(key, []), list) or not all(
            isinstance(name, str) for name in names
        ):
            return f"{key} must be a list of names in quotation marks"
    options = table.get("data_options", {})
    if not isinstance(options, dict) or not all(
        isinstance(listed, list) and all(isinstance(each, dict) for each in listed)
        for listed in options.values()
    ):
        return "data_options must give a list of tables for each data set"
    for profile in PROFILES:
        if not isinstance(table.get(profile, {}), dict):
            return f"{profile} must be a table of parameters"
        budget = table["budget"].get(profile)
        if not isinstance(budget, dict) or not all(
            isinstance(budget.get(key), int | float) for key in ("seconds", "megabytes")
        ):
            return f"budget.{profile} must give seconds and megabytes"
        if not isinstance(budget.get("gpu_megabytes", 0), int | float):
            return f"budget.{profile}.gpu_megabytes must be a number"
        if extra := budget.keys() - {"seconds", "megabytes", "gpu_megabytes"}:
            return f"budget.{profile} has an unknown key {min(extra)}"
    return ""


def find(wanted: list[str]) -> list[Chapter]:
    """Return the chapters with these numbers or notebook names, or all if none is named.

    Raises:
        CourseError: one of them does not exist.
    """
    known = chapters()
    if not wanted:
        return list(known.values())
    found = []
    for name in wanted:
        stem = re.sub(r"\.(py|ipynb)$", "", Path(name).name)
        match = [c for c in known.values() if stem in (c.number, c.name)]
        if not match and stem.isdecimal():
            match = [c for c in known.values() if int(stem) == int(c.number)]
        if not match:
            raise CourseError(f'There is no chapter "{name}": the course has {", ".join(known)}.')
        found += match
    return [known[number] for number in dict.fromkeys(chapter.number for chapter in found)]


_CELL = re.compile(r"^# %%.*$", re.MULTILINE)


def parameters(chapter: Chapter) -> dict[str, Parameter]:
    """Read the parameters of a chapter from its notebook's cell tagged ``parameters``.

    Raises:
        CourseError: the notebook is missing, or doesn't have exactly one such cell.
    """
    where = f"notebooks/{chapter.source.name}"
    # A plan reads every chapter, and Jupytext takes a hundred times as long as this.
    text = source(chapter)
    marks = [*_CELL.finditer(text)]
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    tagged = [
        text[mark.end() : end]
        for mark, end in zip(marks, ends, strict=True)
        if re.search(r'tags=\[[^\]]*"parameters"', mark[0])
    ]
    if len(tagged) != 1:
        raise CourseError(f"{where} must have one cell tagged parameters, but has {len(tagged)}.")
    found = parse_parameters(tagged[0], where)
    if "seed" not in found:
        raise CourseError(f"{where}: the parameters cell has no seed.")
    return found


def source(chapter: Chapter) -> str:
    """Read a chapter's ``.py``.

    Raises:
        CourseError: it cannot be read, or isn't valid Python.
    """
    where = f"notebooks/{chapter.source.name}"
    try:
        text = chapter.source.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CourseError(f"{where} cannot be read: {error}.") from error
    try:
        ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise CourseError(
            f"{where} isn't valid Python: {error}; chapters cannot contain magics or shell "
            "commands."
        ) from error
    return text


@functools.cache
def defaults(number: str, profile: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a chapter's parameters: the notebook's defaults, and what a profile makes of them.

    Raises:
        CourseError: the notebook's or the profile's parameters are not valid.
    """
    chapter = chapters()[number]
    plain = {name: parameter.default for name, parameter in parameters(chapter).items()}
    return plain, {**plain, **settings(chapter, profile)}


def settings(chapter: Chapter, profile: str) -> dict[str, Any]:
    """Return the parameters that a profile changes.

    Args:
        chapter: the chapter.
        profile: "sample", "quick" or "full".

    Returns:
        Only what differs from the notebook's defaults.

    Raises:
        CourseError: the profile, a name or a value in the catalogue is not valid.
    """
    if profile not in PROFILES:
        raise CourseError(f'There is no profile "{profile}": use {", ".join(PROFILES)}.')
    known = parameters(chapter)
    changed: dict[str, Any] = {"profile": profile, **chapter.changes.get(profile, {})}
    for name, value in changed.items():
        if name not in known:
            raise CourseError(
                f"notebooks/course.toml changes {name} in {profile} of chapter {chapter.number}, "
                f"which has only {', '.join(known)}."
            )
        check_value(known[name], value, f"notebooks/course.toml, chapter {chapter.number}")
    return {name: value for name, value in changed.items() if value != known[name].default}


def asked_values(chapter: Chapter, asked: list[str]) -> dict[str, list[Any]]:
    """Return the values of each parameter that the command line asks for.

    Args:
        chapter: the chapter.
        asked: ``NAME=VALUE`` each, or ``NAME=VALUE,VALUE`` for one run per value.

    Raises:
        CourseError: a name or a value is not valid for this chapter.
    """
    known = parameters(chapter)
    where = f"Chapter {chapter.number}"
    found: dict[str, list[Any]] = {}
    for text in asked:
        name, equals, values = text.partition("=")
        if not equals:
            raise CourseError(f'Expected NAME=VALUE, such as epochs=3, not "{text}".')
        if name == "profile":
            raise CourseError("Choose the profile with --profile, not with -p profile=.")
        if name not in known:
            listed = "; ".join(f"{p.name} ({p.allowed})" for p in known.values())
            raise CourseError(f'{where} has no parameter "{name}"; it has {listed}.')
        read = [read_value(known[name], value, where) for value in values.split(",")]
        found[name] = list(dict.fromkeys([*found.get(name, []), *read]))
    return found
