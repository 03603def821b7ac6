"""Get original files from a mirror or from upstream, and use them only if their hash is known.

The places are searched in order: the mirror that the environment variable ``COURSE_MIRROR`` names
(a folder or an address with a ``manifest.toml``), the files already downloaded, the address of the
source. Whatever the place, ``data/datasets.toml`` decides which hashes are good; the manifest of a
mirror only says what the mirror holds.
"""

import hashlib
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

from filelock import FileLock

from helpers.files import sha256_of, write_atomically
from helpers.places import cache_folder
from helpers.sources import TABLE, Archive, DataError, DataSource, Source


@dataclass(frozen=True)
class Fetched:
    """A verified file: its path and its SHA-256."""

    path: Path
    sha256: str


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn a full disk or a read-only folder into one clear sentence; wrap only writing in it."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"Cannot write the data into {place} ({error.strerror or error}): make room there, or "
            "set COURSE_CACHE to another folder."
        ) from error


@contextmanager
def reading(place: Path) -> Iterator[None]:
    """Turn an error while reading a source into one clear sentence; wrap only reading in it."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"Cannot read {place} ({error.strerror or error}): check that it exists, that its "
            "permissions allow reading it and that its disk is sound."
        ) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, creating its folder if needed; errors of the body pass unchanged."""
    lock = FileLock(path)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def folder() -> Path:
    """Return the folder of the downloaded files."""
    return cache_folder() / "downloads"


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _record(file: str) -> Path:
    return folder() / f"{file}.sha256"


def _recorded(archive: Archive) -> str:
    """Return the SHA-256 of an earlier download with the archive's MD5, or "" if there was none."""
    try:
        words = _record(archive.file).read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return ""
    known = len(words) == 3 and len(words[0]) == 64 and words[2] == archive.md5
    return words[0] if known else ""


def _remember(archive: Archive, sha256: str) -> None:
    record = _record(archive.file)
    with writing(record.parent):
        record.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(record, f"{sha256}  {archive.file}  {archive.md5}\n")


def _expected(archive: Archive) -> str:
    """Return the hash that an archive must have, after its algorithm, as pooch writes it."""
    sha256 = archive.sha256 or _recorded(archive)
    return f"sha256:{sha256}" if sha256 else f"md5:{archive.md5}"


def _in_words(source: Source, file: str) -> str:
    expected = [_expected(each) for each in source.archives if each.file == file]
    return " or ".join(
        each.replace("sha256:", "SHA-256 ").replace("md5:", "MD5 ") for each in expected
    )


def _found(path: Path, source: Source) -> str:
    """Write the hashes of a file: its SHA-256, and its MD5 where only that can be compared."""
    digest = f"SHA-256 {sha256_of(path)}"
    if any(each.md5 for each in source.archives):
        digest += f" and MD5 {_md5_of(path)}"
    return digest


def check(path: Path, source: Source) -> str:
    """Return the SHA-256 of a file if it is a known form of a source's original file.

    Args:
        path: the file, under the name that ``data/datasets.toml`` gives it.
        source: what it should be the original file of.

    Raises:
        DataError: it cannot be read, or has another hash; the sentence gives all of them.
    """
    with reading(path):
        sha256 = sha256_of(path)
        for each in source.archives:
            if each.file != path.name:
                continue
            expected = _expected(each)
            if expected == f"sha256:{sha256}":
                return sha256
            if expected.startswith("md5:") and expected == f"md5:{_md5_of(path)}":
                _remember(each, sha256)
                return sha256
        found = _found(path, source)
    raise DataError(
        f"{path} has {found}, but {TABLE} expects {_in_words(source, path.name)} of a file of that "
        "name: it is damaged or another file, so it is not used; copy it again."
    )


def _is_address(mirror: str) -> bool:
    return urlparse(mirror).scheme in ("http", "https")


def read_manifest(mirror: str) -> dict[str, str]:
    """Return the SHA-256 that a mirror's ``manifest.toml`` claims for each of its files, by name.

    Args:
        mirror: a folder, or an address that begins with http.

    Raises:
        DataError: there is no readable manifest, or it does not give each file's hash and size.
    """
    try:
        if _is_address(mirror):
            import requests

            answer = requests.get(f"{mirror.rstrip('/')}/manifest.toml", timeout=30)
            answer.raise_for_status()
            text = answer.text
        else:
            text = (Path(mirror).expanduser() / "manifest.toml").read_text(encoding="utf-8")
        files = tomllib.loads(text)["file"]
        for number, file in enumerate(files, start=1):
            for key, kind in (("name", str), ("bytes", int), ("sha256", str)):
                if not isinstance(file.get(key), kind):
                    raise ValueError(f"file {number} lacks {key}")
        return {file["name"]: file["sha256"] for file in files}
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(
            f"The mirror {mirror} has no readable manifest.toml ({type(error).__name__}: {error}): "
            "let COURSE_MIRROR name a folder that `course data export` wrote, or unset it."
        ) from error


def _from_mirror(mirror: str, source: Source) -> Fetched | None:
    """Return a verified file from a mirror, or None if the mirror doesn't list one."""
    manifest = read_manifest(mirror)
    file = next((each.file for each in source.archives if each.file in manifest), None)
    if file is None:
        return None
    if not _is_address(mirror):
        path = Path(mirror).expanduser() / file
        if not path.is_file():
            raise DataError(
                f"The mirror's manifest lists {file}, but {path} is missing: export again."
            )
        return Fetched(path, check(path, source))
    claimed = manifest[file]
    for each in source.archives:
        # Of a file with nothing but an MD5 the mirror's SHA-256 proves nothing yet.
        if each.file == file and (each.md5 or each.sha256 == claimed):
            return _download(f"{mirror.rstrip('/')}/{file}", each, source)
    raise DataError(
        f"The mirror {mirror} offers {file} with SHA-256 {claimed}, but {TABLE} expects "
        f"{_in_words(source, file)}: it is another file, so it is not used; unset COURSE_MIRROR or "
        "let it name a mirror that `course data export` wrote."
    )


def _download(url: str, archive: Archive, source: Source) -> Fetched:
    """Download one file into the cache: three tries, hash checked, moved into place in one step."""
    # Imported here because only a download needs them, and a chapter starts faster without.
    import pooch
    import requests

    target, expected = folder() / archive.file, _expected(archive)
    received = ""

    def get(address: str, unfinished: str, pooch_of: pooch.Pooch) -> None:
        nonlocal received
        pooch.HTTPDownloader(progressbar=True, timeout=30)(address, unfinished, pooch_of)
        received = _found(Path(unfinished), source)

    with locked(target.with_name(f"{archive.file}.lock")):
        if target.exists():
            try:
                return Fetched(target, check(target, source))
            except DataError:
                pass  # It is replaced as soon as a verified file has arrived.
        fetcher = pooch.create(
            target.parent,
            "",
            registry={archive.file: expected},
            urls={archive.file: url},
            retry_if_failed=2,
        )
        pooch.get_logger().setLevel("WARNING")
        with writing(target.parent):
            try:
                fetcher.fetch(archive.file, downloader=get)
            # Errors of the network are OSErrors, too, and must not pass for errors of writing.
            except requests.RequestException as error:
                built_in = isinstance(source, DataSource)
                raise DataError(
                    f"{url} cannot be reached ({type(error).__name__}): try again with a network, "
                    f"let COURSE_MIRROR name a mirror, or put {archive.file} into {target.parent}"
                    f"{'; or use the built-in data (profile sample)' if built_in else ''}."
                ) from error
            except ValueError as error:
                raise DataError(
                    f"{url} sent a file with {received} three times, but {TABLE} "
                    f"expects {_in_words(source, archive.file)}, so it was thrown away: upstream "
                    "has changed or the connection alters it; use a mirror (COURSE_MIRROR)."
                ) from error
        return Fetched(target, check(target, source))


def fetch(source: Source) -> Fetched:
    """Return a verified original file, from the mirror, the cache or upstream.

    Args:
        source: an entry of ``data/datasets.toml``.

    Raises:
        DataError: it can be read from none of these places, or its hash is not a known one.
    """
    mirror = os.environ.get("COURSE_MIRROR")
    found = _from_mirror(mirror, source) if mirror else None
    return found or _download(source.upstream.url, source.upstream, source)


def downloaded(source: Source) -> list[Path]:
    """Return the files of a source that are in the cache, without verifying them."""
    names = dict.fromkeys(each.file for each in source.archives)
    return [folder() / name for name in names if (folder() / name).is_file()]
