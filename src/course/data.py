"""``course data``: list, get, verify, export and prune what the course downloads and prepares."""

import json
import os
import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from course.catalogue import Chapter, chapters
from course.errors import CourseError
from course.words import counted
from helpers import datasets, downloads
from helpers.files import sha256_of, write_atomically
from helpers.places import cache_folder
from helpers.sources import DataError, DataSource, Source, catalogue, source, sources

PARTS = ("prepared", "features", "downloads")


def _options(chapter: Chapter, name: str) -> list[dict[str, Any]]:
    """Return the options with which a chapter loads a data set, as the catalogue lists them."""
    return chapter.data_options.get(name, [{}])


def _options_of_all(name: str) -> list[dict[str, Any]]:
    """Return the options with which the chapters load a data set, each once."""
    users = [chapter for chapter in chapters().values() if name in chapter.data]
    listed = [options for chapter in users for options in _options(chapter, name)] or [{}]
    return [options for n, options in enumerate(listed) if options not in listed[:n]]


def are_prepared(chapter: Chapter) -> bool:
    """Return whether the real data of a chapter are ready; nothing is fetched or made."""
    return all(
        datasets.is_prepared(name, **options)
        for name in chapter.data
        for options in _options(chapter, name)
    )


def hashes(chapter: Chapter) -> dict[str, Any]:
    """Return the SHA-256 of every array of a chapter's real data, prepared now if need be.

    Raises:
        DataError: they cannot be fetched, read or written.
    """
    found = {}
    for name in chapter.data:
        for options in _options(chapter, name):
            meta, _ = datasets.read_prepared(datasets.prepared(name, "quick", **options))
            key = json.dumps([name, options])
            found[key] = {part: described["sha256"] for part, described in meta["arrays"].items()}
    return found


def _prepared_folders(pattern: str = "*-*-*") -> list[Path]:
    found = (cache_folder() / "prepared").glob(pattern)
    return sorted(each for each in found if each.is_dir() and not each.name.startswith("."))


def discard_damaged(chapter: Chapter, profile: str) -> list[str]:
    """Delete prepared data of a chapter that were damaged on disk, so that they are prepared again.

    Args:
        chapter: the chapter.
        profile: "sample" for the built-in data, else the real ones.

    Returns:
        One sentence for each that was deleted.
    """
    kind = "sample" if profile == "sample" else "real"
    said = []
    for name in chapter.data:
        for folder in _prepared_folders(f"{name}-{kind}-*"):
            with downloads.locked(datasets.lock_of(folder)):
                faults = _faults(folder)
                if faults:
                    shutil.rmtree(folder, ignore_errors=True)
                    said.append(f"the prepared data {folder.name} were damaged: {faults[0]}")
    return said


def _faults(folder: Path) -> list[str]:
    """Say what is wrong with prepared arrays: missing, of the wrong size or of another hash."""
    meta, found = datasets.read_prepared(folder)
    with downloads.reading(folder):
        return found or [
            f"{key}.npy doesn't match its SHA-256"
            for key, described in meta["arrays"].items()
            if sha256_of(folder / f"{key}.npy") != described["sha256"]
        ]


def _named(names: list[str]) -> list[Source]:
    """Return the sources with these names, or all data sets (but no weights) if none is named."""
    return [source(name) for name in names] or list(catalogue().values())


def _state(each: Source) -> str:
    if not isinstance(each, DataSource):
        return "downloaded" if downloads.downloaded(each) else "not downloaded"
    ready = [datasets.is_prepared(each.name, **options) for options in _options_of_all(each.name)]
    return "prepared" if all(ready) else "partly prepared" if any(ready) else "not prepared"


def list_all() -> None:
    """Print everything there is to download, with its size, state here and license."""
    for name, each in sources().items():
        size = f"{each.upstream.bytes / 1e6:,.0f} MB" if each.upstream.bytes else "—"
        print(f"{name:<14}{each.title:<20}{size:>8}  {_state(each):<16} {each.license}")
    mirror = os.environ.get("COURSE_MIRROR", "none (COURSE_MIRROR is not set)")
    print(f"cache: {cache_folder()}\nmirror: {mirror}")


def get(names: list[str]) -> None:
    """Fetch and prepare data sets, and fetch weights; all data sets if none is named.

    Args:
        names: keys in ``data/datasets.toml``.

    Raises:
        DataError: one of them is unknown, or cannot be fetched, read or written.
    """
    for each in _named(names):
        if not isinstance(each, DataSource):
            print(f"{each.name}: {downloads.fetch(each).path}")
            continue
        for options in _options_of_all(each.name):
            folder = datasets.prepared(each.name, "quick", **options)
            print(f"{each.name}: prepared in {folder}")
            report = datasets.read_prepared(folder)[0]["report"]
            print(f"  {json.dumps(report, ensure_ascii=False)}")


def _verify_downloads() -> list[str]:
    """Print the state of every downloaded file of a known name; return what is wrong."""
    damaged = []
    for each in sources().values():
        for path in downloads.downloaded(each):
            try:
                downloads.check(path, each)
                print(f"{path.name}: good")
            except DataError as error:
                damaged.append(str(error))
                print(f"{path.name}: damaged")
    return damaged


def verify() -> None:
    """Hash everything that is prepared or downloaded here against what it must be.

    Raises:
        CourseError: a file is missing or damaged, or there is nothing here.
    """
    damaged = _verify_downloads()
    folders = _prepared_folders()
    if not folders and not any(downloads.downloaded(each) for each in sources().values()):
        raise CourseError("Nothing is prepared here yet: run `course data get` first.")
    for folder in folders:
        found = _faults(folder)
        damaged += [
            f"{folder}: {fault}; delete that folder to have it prepared again." for fault in found
        ]
        current = "good" if datasets.is_current(folder) else "good, but out of date"
        print(f"{folder.name}: {'damaged' if found else current}")
    if damaged:
        raise CourseError(f"Damaged: {counted(len(damaged), 'file')}. {damaged[0]}")


def _exported(target: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that an earlier export into a folder left there, by name."""
    if not (target / "manifest.toml").is_file():
        return {}
    try:
        listed = downloads.read_manifest(str(target))
    except DataError as error:
        raise CourseError(
            f"{target / 'manifest.toml'} isn't what an export wrote: delete it, or export to "
            "another folder."
        ) from error
    return {name: digest for name, digest in listed.items() if (target / name).is_file()}


def export(target: Path, names: list[str]) -> None:
    """Write a mirror: original files and a manifest of their hashes.

    Args:
        target: folder, made if need be; existing files of the same hash stay, and so does what an
            earlier export listed.
        names: keys in ``data/datasets.toml``; all data sets where nothing is named.

    Raises:
        CourseError: the folder cannot be written.
        DataError: one of the files cannot be fetched.
    """
    fetched = [downloads.fetch(each) for each in _named(names)]
    try:
        target.mkdir(parents=True, exist_ok=True)
        listed = _exported(target)
        for path, digest in ((each.path, each.sha256) for each in fetched):
            placed = target / path.name
            if not placed.is_file() or sha256_of(placed) != digest:
                unfinished = target / f".{path.name}.part"
                try:
                    shutil.copyfile(path, unfinished)
                    unfinished.replace(placed)
                finally:
                    unfinished.unlink(missing_ok=True)
            listed[path.name] = digest
            print(f"{path.name}: {path.stat().st_size:,} bytes")
        lines = ["# A mirror for COURSE_MIRROR, written by `course data export`."]
        for name, digest in listed.items():
            size = (target / name).stat().st_size
            lines += ["", "[[file]]", f'name = "{name}"', f"bytes = {size}"]
            lines.append(f'sha256 = "{digest}"')
        write_atomically(target / "manifest.toml", "\n".join(lines) + "\n")
    except OSError as error:
        raise CourseError(f"{target} cannot be written: {error.strerror}.") from error
    print(f"Mirror written; use it with COURSE_MIRROR={target.resolve()}")


def _stale_features(current: set[str]) -> list[Path]:
    """List the files of cached features that are damaged or whose pictures are outdated."""
    from helpers import frozen  # imports the backend, which only this command needs

    folder = cache_folder() / "features"
    kept: set[Path] = set()
    for described in folder.glob("*.json"):
        if frozen.is_whole(described):
            origin = json.loads(described.read_text(encoding="utf-8"))["origin"]
            if origin is None or origin in current:
                kept |= {described, described.with_suffix(".npy")}
    return [path for path in folder.glob("*") if path.suffix != ".lock" and path not in kept]


def _stale(with_downloads: bool) -> list[Path]:
    """List everything in the cache that no present key names."""
    folders = _prepared_folders()
    current = {folder.name for folder in folders if datasets.is_current(folder)}
    found = [folder for folder in folders if folder.name not in current]
    found += (cache_folder() / "prepared").glob(".writing-*")
    found += _stale_features(current)
    if with_downloads:
        found += [path for path in downloads.folder().glob("*") if path.suffix != ".lock"]
    return found


def _hold(stack: ExitStack, locks: Iterable[Path]) -> None:
    for path in locks:
        try:
            stack.enter_context(FileLock(path, timeout=0))
        except Timeout as error:
            raise CourseError(
                f"{path.stem} is being prepared or downloaded at the moment: nothing was deleted; "
                "prune again when that has finished."
            ) from error
        except OSError as error:
            raise CourseError(f"{path} cannot be locked: {error.strerror}.") from error


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def prune(with_downloads: bool) -> None:
    """Delete prepared data and cached features that no present key names, and say what was freed.

    Prepared data are stale if other code or an original file of an unknown hash made them, and
    features if they are damaged or the prepared data of their pictures are stale.

    Args:
        with_downloads: also delete the downloaded original files.

    Raises:
        CourseError: something is being prepared or downloaded, or a file cannot be deleted.
    """
    cache = cache_folder()
    # Whatever is being written now has its lock already; what begins later is not listed.
    there = [path for part in PARTS for path in (cache / part).glob("*")]
    with ExitStack() as stack:
        _hold(stack, [path for path in there if path.suffix == ".lock"])
        freed = 0
        for path in _stale(with_downloads):
            if path not in there:
                continue
            size = _size(path)
            try:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            except OSError as error:
                raise CourseError(
                    f"{path} cannot be deleted: {error.strerror or error}."
                ) from error
            freed += size
            print(f"deleted {path.relative_to(cache)}: {size / 1e6:,.1f} MB")
    print(f"{freed / 1e6:,.1f} MB freed")
