"""Data sets by name: prepared once, kept in the cache, and loaded by memory map.

What is prepared already is used first; else the original file is fetched (``helpers.downloads``)
and the function that ``data/datasets.toml`` names turns it into arrays. Prepared arrays are known
by the code that made them, its options and the hash of the original file: if one of these changes,
they are prepared again. The profile "sample" needs no file: its data are built in.
"""

import ast
import functools
import hashlib
import importlib
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers import downloads
from helpers.digests import code_digest
from helpers.files import sha256_of
from helpers.outputs import put
from helpers.places import cache_folder
from helpers.sources import DataError as DataError
from helpers.sources import DataSource, catalogue, entry

PROFILES = ("sample", "quick", "full")
MIME_TYPE = "application/vnd.course.data+json"
BUILT_IN = "built in"
_META = {"name", "source", "origin", "own_folder", "options", "report", "arrays"}
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Dataset:
    """One data set, its arrays memory-mapped and read-only.

    Attributes:
        name: key in ``data/datasets.toml``.
        label: what to write over a picture; a sample is called a sample.
        is_sample: whether these are the built-in data.
        classes: names of the integer labels, in order.
        arrays: every array by name: ``train_x``, ``train_y``, ``test_x`` and so on.
        report: what the preparation counted and left out.
        sha256: hash of all arrays together.
    """

    name: str
    label: str
    is_sample: bool
    classes: tuple[str, ...]
    arrays: Arrays
    report: dict[str, Any]
    sha256: str

    def _pair(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        if f"{part}_x" not in self.arrays:
            raise DataError(f"The data set {self.name} has no part for {part}.")
        return self.arrays[f"{part}_x"], self.arrays[f"{part}_y"]

    @property
    def train(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs to train on, such as uint8 images (N, H, W, C), and int64 labels (N,)."""
        return self._pair("train")

    @property
    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels for making choices, if the data set has such a part."""
        return self._pair("validation")

    @property
    def test(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels for the final measurement, to be used once."""
        return self._pair("test")

    @property
    def extra(self) -> Arrays:
        """Arrays that are neither inputs nor labels, such as the positions of drawn eyes."""
        return {name: array for name, array in self.arrays.items() if name[-2:] not in ("_x", "_y")}


@functools.cache
def _imported(text: str) -> set[str]:
    """List the full names of the helper modules that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import():
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom():
                start = importlib.util.resolve_name(
                    "." * node.level + (node.module or ""), "helpers"
                )
                names |= {start, *(f"{start}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith("helpers.")}


def _module(name: str) -> Path | None:
    """Return the file of a module, or None if the name is that of a function or class."""
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(found.origin) if found is not None and found.origin else None


def _code(reference: str) -> dict[str, str]:
    """Compute digests of the preparing module and of the helper modules that it imports."""
    found: dict[str, str] = {}
    waiting = [reference.partition(":")[0]]
    while waiting:
        name = waiting.pop()
        path = _module(name)
        # This module only passes on what the functions return.
        if name in found or name == __name__ or path is None:
            continue
        text = path.read_text(encoding="utf-8")
        found[name] = code_digest(text, module=True)
        waiting += _imported(text)
    return found


def _function(reference: str) -> Callable[..., tuple[Arrays, dict[str, Any]]]:
    module, _, function = reference.partition(":")
    return getattr(importlib.import_module(module), function)


def _own_folder(source: DataSource) -> Path | None:
    """Return the user's own copy of a data set, if ``COURSE_DATA`` names one."""
    named = os.environ.get("COURSE_DATA")
    return Path(named).expanduser() if named and source.own_folder else None


def _state(folder: Path) -> str:
    """Compute a digest of the names, sizes and times of a folder's files, or of one archive."""
    inside = [folder] if folder.is_file() else folder.rglob("*")
    files = sorted(path for path in inside if path.is_file())
    listed = [
        (path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for path in files
    ]
    return hashlib.sha256(repr((str(folder), listed)).encode()).hexdigest()


def _origins(source: DataSource, sample: bool, own: Path | None) -> list[str]:
    """Return what the arrays may be made from: known files by SHA-256, or the user's folder."""
    if sample:
        return [BUILT_IN]
    return [_state(own)] if own else [archive.sha256 for archive in source.archives]


def _folder(source: DataSource, sample: bool, options: dict[str, Any], origin: str) -> Path:
    """Return the folder of prepared arrays; its name changes with everything they depend on."""
    code = _code(source.sample if sample else source.prepare)
    key = json.dumps([code, options, origin], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    kind = "sample" if sample else "real"
    return cache_folder() / "prepared" / f"{source.name}-{kind}-{digest}"


def lock_of(folder: Path) -> Path:
    """Return the lock file that is held while a folder of prepared arrays is written or deleted."""
    return folder.with_name(f"{folder.name.rpartition('-')[0]}.lock")


def _ready(source: DataSource, sample: bool, options: dict[str, Any]) -> Path | None:
    """Return the complete prepared folder of one of the known origins, if there is one."""
    for origin in _origins(source, sample, None if sample else _own_folder(source)):
        folder = _folder(source, sample, options, origin)
        if folder.is_dir():
            meta, faults = read_prepared(folder)
            if not faults and meta["origin"] == origin:
                return folder
    return None


def _write(folder: Path, arrays: Arrays, meta: dict[str, Any]) -> None:
    """Write all arrays and their description beside the folder, then move them into place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as unfinished:
        target = Path(unfinished) / "entry"
        target.mkdir()
        described = {}
        for key, array in arrays.items():
            path = target / f"{key}.npy"
            np.save(path, array, allow_pickle=False)
            described[key] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        text = json.dumps({**meta, "arrays": described}, indent=1)
        (target / "meta.json").write_text(text, encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        target.rename(folder)


def read_prepared(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the description of prepared arrays, and what is wrong with their files at a glance.

    Args:
        folder: one folder below ``prepared`` in the cache.

    Returns:
        The parsed ``meta.json`` and a list of faults: files missing or of the wrong size.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        faults = [f"meta.json lacks {key}" for key in _META - meta.keys()]
        for key, described in meta["arrays"].items():
            path = folder / f"{key}.npy"
            if not path.is_file():
                faults.append(f"{path.name} is missing")
            elif path.stat().st_size != described["bytes"]:
                faults.append(f"{path.name} has the wrong size")
        return meta, faults
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return {}, [f"meta.json cannot be read ({type(error).__name__})"]


def is_current(folder: Path) -> bool:
    """Return whether the present code, options and known hashes still lead to prepared arrays.

    Args:
        folder: one folder below ``prepared`` in the cache.

    Raises:
        DataError: ``data/datasets.toml`` cannot be read.
    """
    meta, faults = read_prepared(folder)
    known = catalogue()
    if faults or meta["name"] not in known:
        return False
    source, sample = known[meta["name"]], meta["origin"] == BUILT_IN
    own = Path(meta["own_folder"]) if meta["own_folder"] else None
    return meta["origin"] in _origins(source, sample, own) and folder.name == (
        _folder(source, sample, meta["options"], meta["origin"]).name
    )


def _prepare(source: DataSource, sample: bool, options: dict[str, Any]) -> Path:
    """Prepare the arrays of a data set and write them into the cache."""
    own = None
    if sample:
        origin, words = BUILT_IN, BUILT_IN
        arrays, report = _function(source.sample)(**options)
    else:
        own = _own_folder(source)
        if own:
            path, origin, words = own, _state(own), "own folder"
        else:
            fetched = downloads.fetch(source)
            path, origin, words = fetched.path, fetched.sha256, fetched.path.name
        with downloads.reading(path):
            arrays, report = _function(source.prepare)(path, **options)
    folder = _folder(source, sample, options, origin)
    meta = {
        "name": source.name,
        "source": words,
        "origin": origin,
        "own_folder": None if own is None else str(own),
        "options": options,
        "report": report,
    }
    with downloads.writing(folder.parent):
        _write(folder, arrays, meta)
    return folder


def is_prepared(name: str, **options: Any) -> bool:
    """Return whether the real data are ready with these options; nothing is fetched or made.

    Args:
        name: key in ``data/datasets.toml``.
        options: passed to the function that prepares, such as ``size=96``.

    Raises:
        DataError: the data set is unknown.
    """
    return _ready(entry(name), False, options) is not None


def prepared(name: str, profile: str, **options: Any) -> Path:
    """Return the folder of the prepared arrays, preparing them if they are missing or out of date.

    Args:
        name: key in ``data/datasets.toml``.
        profile: "sample" for the built-in data; "quick" and "full" use the same real data.
        options: passed to the function that prepares, such as ``size=96``.

    Raises:
        DataError: the profile or data set is unknown, or the data cannot be fetched, read or
            written.
    """
    if profile not in PROFILES:
        raise DataError(f'There is no profile "{profile}": use sample, quick or full.')
    source, sample = entry(name), profile == "sample"
    folder = _ready(source, sample, options)
    if folder is None:
        # The origin is part of the folder's name and not known yet: one lock for the data set.
        kind = "sample" if sample else "real"
        with downloads.locked(cache_folder() / "prepared" / f"{name}-{kind}.lock"):
            folder = _ready(source, sample, options) or _prepare(source, sample, options)
    return folder


def load(name: str, profile: str, **options: Any) -> Dataset:
    """Load a data set, and show one line that says what it is.

    Args:
        name: key in ``data/datasets.toml``.
        profile: "sample" for the built-in data; "quick" and "full" use the same real data.
        options: passed to the function that prepares, such as ``size=96``.

    Returns:
        The data set; its arrays are memory-mapped, so loading takes no time and little memory.

    Raises:
        DataError: the profile or data set is unknown, or the data cannot be fetched, read or
            written.

    >>> data = load("mnist", "sample")
    sample: 5,000 digits of MNIST: 4,000 for training, 1,000 for test
    >>> images, labels = data.train
    >>> images.shape, images.dtype.name, labels.dtype.name
    ((4000, 28, 28, 1), 'uint8', 'int64')
    """
    folder = prepared(name, profile, **options)
    meta, _ = read_prepared(folder)
    source = entry(name)
    sample = profile == "sample"
    hashes = [f"{key} {described['sha256']}" for key, described in sorted(meta["arrays"].items())]
    data = Dataset(
        name=name,
        label=source.sample_title if sample else source.title,
        is_sample=sample,
        classes=source.classes,
        arrays={key: np.load(folder / f"{key}.npy", mmap_mode="r") for key in meta["arrays"]},
        report=meta["report"],
        sha256=hashlib.sha256("\n".join(hashes).encode()).hexdigest(),
    )
    parts = [
        f"{len(data.arrays[f'{part}_x']):,} for {words}"
        for part, words in (("train", "training"), ("validation", "validation"), ("test", "test"))
        if f"{part}_x" in data.arrays
    ]
    body = {"name": name, "source": meta["source"], "sample": sample, "sha256": data.sha256}
    put({MIME_TYPE: body, "text/plain": f"{data.label}: {', '.join(parts)}"})
    return data
