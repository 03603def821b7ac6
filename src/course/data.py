"""``course data``: list, get, verify and export the data sets."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from filelock import FileLock

from course.catalogue import Chapter, chapters
from course.errors import CourseError
from helpers import datasets
from helpers.places import cache_folder


def _options(chapter: Chapter, name: str) -> list[dict[str, Any]]:
    """The options with which a chapter loads a data set, as the catalogue lists them."""
    return chapter.table.get("data_options", {}).get(name, [{}])


def are_prepared(chapter: Chapter) -> bool:
    """Whether the real data of a chapter are ready, told without making anything."""
    return all(
        datasets.is_prepared(name, **options)
        for name in chapter.table["data"]
        for options in _options(chapter, name)
    )


def hashes(chapter: Chapter) -> dict[str, Any]:
    """SHA-256 of every array of a chapter's real data, prepared now if need be.

    Raises:
        DataError: they cannot be had.
    """
    found = {}
    for name in chapter.table["data"]:
        for options in _options(chapter, name):
            meta, _ = datasets.read_prepared(datasets.prepared(name, "quick", **options))
            key = json.dumps([name, options])
            found[key] = {part: described["sha256"] for part, described in meta["arrays"].items()}
    return found


def mend(chapter: Chapter, profile: str) -> list[str]:
    """Delete the prepared data of a chapter that were damaged on disk; they are prepared again.

    Args:
        chapter: the chapter.
        profile: "sample" for the built-in data, else the real ones.

    Returns:
        One sentence for each that was deleted.
    """
    kind = "sample" if profile == "sample" else "real"
    said = []
    for name in chapter.table["data"]:
        for folder in sorted((cache_folder() / "prepared").glob(f"{name}-{kind}-*")):
            if not folder.is_dir():
                continue
            with FileLock(f"{folder}.lock"):
                faults = _faults(folder)
                if faults:
                    shutil.rmtree(folder, ignore_errors=True)
                    said.append(f"the prepared data {folder.name} were damaged: {faults[0]}")
    return said


def _faults(folder: Path) -> list[str]:
    """What is wrong with prepared arrays: missing, of the wrong length, or of another hash."""
    meta, found = datasets.read_prepared(folder)
    return found or [
        f"{key}.npy does not have its SHA-256"
        for key, described in meta["arrays"].items()
        if datasets.sha256_of(folder / f"{key}.npy") != described["sha256"]
    ]


def _named(names: list[str]) -> list[str]:
    for name in names:
        datasets.entry(name)
    return names or list(datasets.catalogue())


def list_all() -> None:
    """Print each data set with its size, licence and whether it is prepared here."""
    folder = cache_folder() / "prepared"
    for name, table in datasets.catalogue().items():
        ready = "prepared" if any(folder.glob(f"{name}-real-*/meta.json")) else "not prepared"
        size = f"{table['upstream']['bytes'] / 1e6:,.0f} MB"
        print(f"{name:<14}{table['title']:<16}{size:>8}  {ready:<13} {table['licence']}")
    mirror = os.environ.get("COURSE_MIRROR", "none (COURSE_MIRROR is not set)")
    print(f"cache: {cache_folder()}\nmirror: {mirror}")


def get(names: list[str]) -> None:
    """Fetch and prepare data sets, all of the course's where none is named."""
    for name in _named(names):
        users = [chapter for chapter in chapters().values() if name in chapter.table["data"]]
        listed = [options for chapter in users for options in _options(chapter, name)] or [{}]
        for number, options in enumerate(listed):
            if options in listed[:number]:
                continue
            folder = datasets.prepared(name, "quick", **options)
            print(f"{name}: prepared in {folder}")
            report = datasets.read_prepared(folder)[0]["report"]
            print(f"  {json.dumps(report, ensure_ascii=False)}")


def verify() -> None:
    """Hash everything that is prepared here against what was written.

    Raises:
        CourseError: a file is missing or damaged, or nothing is prepared.
    """
    folders = sorted(
        folder
        for folder in (cache_folder() / "prepared").glob("*-*-*")
        if folder.is_dir() and not folder.name.startswith(".")
    )
    if not folders:
        raise CourseError("Nothing is prepared here yet: run `course data get` first.")
    damaged = []
    for folder in folders:
        found = _faults(folder)
        damaged += [f"{folder}: {fault}" for fault in found]
        print(f"{folder.name}: {'damaged' if found else 'good'}")
    if damaged:
        raise CourseError(
            f"{damaged[0]} ({len(damaged)} in all): delete that folder, and it is prepared again."
        )


def export(target: Path, names: list[str]) -> None:
    """Write a mirror: the original files of the data sets and a manifest of their hashes.

    Args:
        target: folder, made if need be; existing files of the same hash stay.
        names: data sets, all where none is named.

    Raises:
        CourseError: the folder cannot be written.
        DataError: one of the files cannot be had.
    """
    sources = [datasets.archive(name) for name in _named(names)]
    try:
        target.mkdir(parents=True, exist_ok=True)
        lines = ["# A mirror for COURSE_MIRROR, written by `course data export`."]
        for source in sources:
            placed = target / source.name
            digest = datasets.sha256_of(source)
            if not placed.is_file() or datasets.sha256_of(placed) != digest:
                unfinished = target / f".{source.name}.part"
                try:
                    shutil.copyfile(source, unfinished)
                    unfinished.replace(placed)
                finally:
                    unfinished.unlink(missing_ok=True)
            lines += [
                "",
                "[[file]]",
                f'name = "{source.name}"',
                f"bytes = {source.stat().st_size}",
                f'sha256 = "{digest}"',
            ]
            print(f"{source.name}: {source.stat().st_size:,} bytes")
        manifest = target / ".manifest.toml.part"
        manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
        manifest.replace(target / "manifest.toml")
    except OSError as error:
        raise CourseError(f"{target} cannot be written: {error.strerror}.") from error
    print(f"Mirror written; use it with COURSE_MIRROR={target}")
