"""Data sets by name: found, verified, prepared once, and loaded by memory map.

``data/datasets.toml`` says of each data set where it comes from and which function prepares it.
Three places are searched in order: what is already prepared, the mirror that the environment
variable ``COURSE_MIRROR`` names (a folder or an address with a ``manifest.toml`` of hashes), and
the data set's own source. The profile "sample" needs none of them: its data are built in.
"""

import hashlib
import importlib
import inspect
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
from filelock import FileLock
from IPython.display import display

from helpers.places import TableError, cache_folder, read_table

PROFILES = ("sample", "quick", "full")
MIME_TYPE = "application/vnd.course.data+json"
Arrays = dict[str, np.ndarray]


class DataError(RuntimeError):
    """Data that cannot be had, in one sentence that says what to do."""


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
        """Inputs, such as uint8 images (N, H, W, C), and int64 labels (N,) to train on."""
        return self._pair("train")

    @property
    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels to choose by, where the data set has such a part."""
        return self._pair("validation")

    @property
    def test(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels to measure with, once."""
        return self._pair("test")

    @property
    def extra(self) -> Arrays:
        """The arrays that are neither inputs nor labels, such as the positions of drawn eyes."""
        return {name: array for name, array in self.arrays.items() if name[-2:] not in ("_x", "_y")}


def catalogue() -> dict[str, dict[str, Any]]:
    """The tables of ``data/datasets.toml`` by data set.

    Raises:
        DataError: the file cannot be read or is no TOML.
    """
    try:
        return read_table("data/datasets.toml")
    except TableError as error:
        raise DataError(str(error)) from error


def entry(name: str) -> dict[str, Any]:
    """The table of one data set.

    Raises:
        DataError: there is no such data set.
    """
    known = catalogue()
    if name not in known:
        raise DataError(f'There is no data set "{name}": the course has {", ".join(known)}.')
    return known[name]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _plain_errors(place: Path) -> Iterator[None]:
    """Turn a full disk or a forbidden folder into one sentence."""
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"Cannot write the data into {place} ({reason}): make room there, or let COURSE_CACHE "
            "name another folder."
        ) from error


def _is_address(mirror: str) -> bool:
    return urlparse(mirror).scheme in ("http", "https")


def read_manifest(mirror: str) -> dict[str, dict[str, Any]]:
    """What a mirror holds: the tables of its ``manifest.toml`` by file name.

    Args:
        mirror: a folder, or an address that begins with http.

    Raises:
        DataError: there is no readable manifest.
    """
    try:
        if _is_address(mirror):
            import requests

            answer = requests.get(f"{mirror.rstrip('/')}/manifest.toml", timeout=30)
            answer.raise_for_status()
            text = answer.text
        else:
            text = (Path(mirror).expanduser() / "manifest.toml").read_text(encoding="utf-8")
        return {file["name"]: file for file in tomllib.loads(text)["file"]}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"The mirror {mirror} has no readable manifest.toml ({type(error).__name__}): let "
            "COURSE_MIRROR name a folder that `course data export` wrote, or unset it."
        ) from error


def _download(url: str, file: str, sha256: str) -> Path:
    """Bring one file into the cache: three tries, hash checked, placed in one step."""
    # Imported here because only a download needs them, and a chapter starts faster without.
    import pooch
    import requests

    folder = cache_folder() / "downloads"
    with _plain_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{file}.lock"):
            source = pooch.create(
                folder, "", registry={file: f"sha256:{sha256}"}, urls={file: url}, retry_if_failed=2
            )
            get = pooch.HTTPDownloader(progressbar=True, timeout=30)
            pooch.get_logger().setLevel("WARNING")
            try:
                return Path(source.fetch(file, downloader=get))
            except requests.RequestException as error:
                raise DataError(
                    f"{url} cannot be reached ({type(error).__name__}): try again with a network, "
                    "let COURSE_MIRROR name a mirror, or use the built-in data (profile sample)."
                ) from error
            except ValueError as error:
                raise DataError(
                    f"{url} sent a file whose SHA-256 is not {sha256}, three times over, so it was "
                    "thrown away: the source has changed or the connection alters it; use a mirror "
                    "(COURSE_MIRROR)."
                ) from error


def _from_mirror(mirror: str, table: dict[str, Any]) -> Path | None:
    """The verified archive of a data set in a mirror, or None if the mirror lacks it."""
    manifest = read_manifest(mirror)
    name = next((file for file in table["archives"] if file in manifest), None)
    if name is None:
        return None
    listed = manifest[name]
    if _is_address(mirror):
        return _download(f"{mirror.rstrip('/')}/{name}", name, listed["sha256"])
    path = Path(mirror).expanduser() / name
    if not path.is_file():
        raise DataError(f"The mirror's manifest lists {name}, but {path} is missing: export again.")
    if path.stat().st_size != listed["bytes"]:
        raise DataError(
            f"{path} has {path.stat().st_size:,} bytes and not the {listed['bytes']:,} of the "
            "mirror's manifest: it is truncated or was changed; copy it again."
        )
    if sha256_of(path) != listed["sha256"]:
        raise DataError(
            f"{path} does not have the SHA-256 of the mirror's manifest: it was damaged; "
            "copy it again."
        )
    return path


def archive(name: str) -> Path:
    """The verified original file of a data set, from the mirror or its own source.

    Args:
        name: key in ``data/datasets.toml``.

    Raises:
        DataError: it can be had from neither, or what came is not what its hash says.
    """
    table = entry(name)
    mirror = os.environ.get("COURSE_MIRROR")
    found = _from_mirror(mirror, table) if mirror else None
    if found is not None:
        return found
    upstream = table["upstream"]
    return _download(upstream["url"], upstream["file"], upstream["sha256"])


def _function(reference: str) -> Any:
    module, _, function = reference.partition(":")
    return getattr(importlib.import_module(module), function)


def _own_folder(table: dict[str, Any]) -> Path | None:
    """The user's own copy of a data set, where ``COURSE_DATA`` names one."""
    named = os.environ.get("COURSE_DATA")
    return Path(named).expanduser() if named and table.get("own_folder") else None


def _listing(folder: Path) -> list[tuple[str, int, int]]:
    """What tells whether a folder has changed: names, sizes and times of its files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        (path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for path in files
    ]


def _entry_folder(name: str, table: dict[str, Any], sample: bool, options: dict[str, Any]) -> Path:
    """Folder of the prepared arrays: its name changes with the code and options that make them."""
    function = _function(table["sample" if sample else "prepare"])
    own = None if sample else _own_folder(table)
    key = [
        Path(inspect.getfile(function)).read_text(encoding="utf-8"),
        sorted(options.items()),
        None if own is None else (str(own), _listing(own)),
    ]
    digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
    return cache_folder() / "prepared" / f"{name}-{'sample' if sample else 'real'}-{digest}"


def _write(folder: Path, arrays: Arrays, meta: dict[str, Any]) -> None:
    """Write all arrays and their description beside the folder, then put them in place at once."""
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
    """The description of a prepared entry, and what is wrong with its files at a glance.

    Args:
        folder: one folder below ``prepared`` in the cache.

    Returns:
        The parsed ``meta.json`` and a list of faults: files missing or of the wrong length.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        faults = []
        for key, described in meta["arrays"].items():
            path = folder / f"{key}.npy"
            if not path.is_file():
                faults.append(f"{path.name} is missing")
            elif path.stat().st_size != described["bytes"]:
                faults.append(f"{path.name} has not the length that was written")
        return meta, faults
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return {}, [f"meta.json cannot be read ({type(error).__name__})"]


def _prepare(name: str, table: dict[str, Any], folder: Path, sample: bool, options: Any) -> None:
    """Make the arrays of a data set and write them into the cache."""
    if sample:
        source, (arrays, report) = "built in", _function(table["sample"])(**options)
    else:
        own = _own_folder(table)
        path = own or archive(name)
        source = "own folder" if own else path.name
        arrays, report = _function(table["prepare"])(path, **options)
    with _plain_errors(folder.parent):
        _write(folder, arrays, {"name": name, "source": source, "report": report})


def is_prepared(name: str, **options: Any) -> bool:
    """Whether the real data are ready with these options, told without making anything.

    Args:
        name: key in ``data/datasets.toml``.
        options: passed to the function that prepares, such as ``size=96``.

    Raises:
        DataError: the data set is unknown.
    """
    folder = _entry_folder(name, entry(name), False, options)
    return folder.is_dir() and not read_prepared(folder)[1]


def prepared(name: str, profile: str, **options: Any) -> Path:
    """Folder of the prepared arrays, made now if it is not there or was damaged.

    Args:
        name: key in ``data/datasets.toml``.
        profile: "sample" for the built-in data; "quick" and "full" use the same real data.
        options: passed to the function that prepares, such as ``size=96``.

    Raises:
        DataError: the profile or data set is unknown, or the data cannot be had or written.
    """
    if profile not in PROFILES:
        raise DataError(f'There is no profile "{profile}": use sample, quick or full.')
    table = entry(name)
    sample = profile == "sample"
    folder = _entry_folder(name, table, sample, options)
    if folder.is_dir() and not read_prepared(folder)[1]:
        return folder
    with _plain_errors(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir() or read_prepared(folder)[1]:
                _prepare(name, table, folder, sample, options)
    return folder


def load(name: str, profile: str, **options: Any) -> Dataset:
    """Load a data set and say in one line what it is.

    Args:
        name: key in ``data/datasets.toml``.
        profile: "sample" for the built-in data; "quick" and "full" use the same real data.
        options: passed to the function that prepares, such as ``size=96``.

    Returns:
        The data set; its arrays are memory-mapped, so loading takes no time and little memory.

    Raises:
        DataError: the profile or data set is unknown, or the data cannot be had or written.
    """
    folder = prepared(name, profile, **options)
    meta, _ = read_prepared(folder)
    table = entry(name)
    sample = profile == "sample"
    hashes = [f"{key} {described['sha256']}" for key, described in sorted(meta["arrays"].items())]
    data = Dataset(
        name=name,
        label=table["sample_title"] if sample else table["title"],
        is_sample=sample,
        classes=tuple(table["classes"]),
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
    display({MIME_TYPE: body, "text/plain": f"{data.label}: {', '.join(parts)}"}, raw=True)
    return data
