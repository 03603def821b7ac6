"""Read images from archives and folders as uint8 arrays: CIFAR-10, and cats and dogs.

Archives are read in place: nothing is extracted, and an archive with an entry that would land
outside its folder is refused. Files that aren't readable images are named in the report and left
out; gray, CMYK and palette images, and images in another format than their name says, are converted
and named too. Decoding runs in parallel.
"""

import io
import os
import re
import stat
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from helpers.datasets import Arrays, DataError
from helpers.drawing import CIFAR10_CLASSES

FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".webp": "WEBP",
}
LARGEST_FILE = 64 * 2**20  # bytes
LARGEST_PICTURE = 50_000_000  # pixels; a real photograph has fewer, a decompression bomb has more
NEAR = 10  # bits of 128 in which the hashes of near-duplicates may differ
# What reading a damaged file, or a damaged entry of an archive, raises.
DAMAGED = (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError)

Read = Callable[[str], bytes]


class Inspected(NamedTuple):
    """What is known about one file before it is used."""

    reason: str  # why it is left out; empty if it is not
    conversion: str  # what has to be converted; empty if nothing
    fingerprint: np.ndarray  # perceptual hash, uint64 (2,)


# Reading without extracting ------------------------------------------------------------------


def check_entry(archive: Path, name: str, link: bool) -> None:
    """Refuse an archive entry that is a link or would land outside its folder.

    Raises:
        DataError: the entry is refused.
    """
    fault = "is a link" if link else ""
    parts = name.replace("\\", "/").split("/")
    if ".." in parts:
        fault = 'leads out of the archive by ".."'
    elif parts[0] == "" or re.match(r"[A-Za-z]:", name):
        fault = "has an absolute name"
    if fault:
        raise DataError(
            f"{archive.name} is refused: its entry {name!r} {fault}, which no honest archive of "
            "pictures holds; get the archive again from its source."
        )


@contextmanager
def open_files(source: Path) -> Iterator[tuple[list[str], Read]]:
    """List the files in a folder or zip archive, sorted, with a function that reads one of them.

    Names have forward slashes on every system. The function may be called from several threads.

    Args:
        source: a folder or a zip archive.

    Raises:
        DataError: there is no such folder or archive, or an entry of the archive is refused.
    """
    if source.is_dir():
        paths = {p.relative_to(source).as_posix(): p for p in source.rglob("*") if p.is_file()}

        def read_path(name: str) -> bytes:
            if paths[name].stat().st_size > LARGEST_FILE:
                raise ValueError("larger than any picture")
            return paths[name].read_bytes()

        yield sorted(paths), read_path
    elif not source.exists():
        raise DataError(f"There is no folder or archive {source}: check the path.")
    elif not zipfile.is_zipfile(source):
        raise DataError(f"{source} is neither a folder nor a readable zip archive: get it again.")
    else:
        with zipfile.ZipFile(source) as archive:
            entries = {}
            for entry in archive.infolist():
                check_entry(source, entry.filename, stat.S_ISLNK(entry.external_attr >> 16))
                if entry.flag_bits & 1:
                    raise DataError(f"{source.name} is encrypted: unpack it with its password.")
                if not entry.is_dir():
                    entries[entry.filename.replace("\\", "/")] = entry

            def read_entry(name: str) -> bytes:
                if entries[name].file_size > LARGEST_FILE:
                    raise ValueError("larger than any picture")
                return archive.read(entries[name])

            yield sorted(entries), read_entry


def is_picture(name: str) -> bool:
    """Tell from its name whether a file is meant to be an image."""
    path = PurePosixPath(name)
    return path.suffix.lower() in FORMATS and not path.name.startswith("._")


# Decoding ------------------------------------------------------------------------------------


def open_picture(content: bytes) -> Image.Image:
    """Open an image without decoding its pixels yet.

    Raises:
        ValueError: the bytes aren't a usable image; the message says why in a few words.
    """
    if not content:
        raise ValueError("empty file")
    try:
        image = Image.open(io.BytesIO(content))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError("decompression bomb") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise ValueError("not a picture") from error
    if image.width * image.height > LARGEST_PICTURE:
        raise ValueError("decompression bomb")
    return image


def pixels(content: bytes, size: int) -> np.ndarray:
    """Decode an image to uint8 of shape (size, size, 3); its sides are stretched to a square.

    Raises:
        ValueError: it can't be decoded; the message says why in a few words.
    """
    image = open_picture(content)
    try:
        # A JPEG decodes straight to a half, quarter or eighth, never below what is asked for.
        image.draft("RGB", (size, size))
        upright = ImageOps.exif_transpose(image).convert("RGB")
    except Exception as error:  # Pillow's decoders raise whatever they stumble over
        raise ValueError("truncated or corrupt") from error
    if upright.size != (size, size):
        upright = upright.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(upright)


def perceptual_hash(picture: np.ndarray) -> np.ndarray:
    """Compute the difference hash of an image: uint64 (2,), 64 bits along rows and down columns.

    Each bit says whether one cell of a small gray copy is brighter than the next, so an image that
    was scaled, compressed again or made a little lighter keeps nearly all of them.

    Args:
        picture: uint8 (H, W, 3).
    """
    gray = Image.fromarray(picture).convert("L")
    across = np.asarray(gray.resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    down = np.asarray(gray.resize((8, 9), Image.Resampling.BOX), dtype=np.int16)
    bits = np.stack([np.diff(across, axis=1) > 0, np.diff(down, axis=0) > 0])
    return np.packbits(bits.reshape(2, 64), axis=1).view(np.uint64)[:, 0]


def inspect(name: str, read: Read) -> Inspected:
    """Decode one file to find out whether it is usable, and compute its perceptual hash."""
    nothing = np.zeros(2, np.uint64)
    try:
        content = read(name)
        image = open_picture(content)
        picture = pixels(content, 72)
    except ValueError as error:
        return Inspected(str(error), "", nothing)
    except DAMAGED as error:
        return Inspected(f"unreadable ({type(error).__name__})", "", nothing)
    changes = []
    if image.format != FORMATS[PurePosixPath(name).suffix.lower()]:
        changes.append(f"is a {image.format}")
    if image.mode != "RGB":
        changes.append(f"{'gray' if image.mode == 'L' else image.mode} made RGB")
    return Inspected("", ", ".join(changes), perceptual_hash(picture))


def in_parallel(function: Callable[[Any], Any], items: Iterable[Any], doing: str) -> list[Any]:
    """Apply `function` to every item on all cores, in order, under a bar named `doing`."""
    items = list(items)
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        done = pool.map(function, items)
        return list(tqdm(done, total=len(items), desc=doing, unit=" pictures", leave=False))


def near_duplicates(hashes: dict[str, np.ndarray]) -> list[tuple[str, int, str, int]]:
    """Find pairs of images in different splits whose perceptual hashes nearly agree.

    Args:
        hashes: for each split the hashes of its pictures, uint64 (N, 2).

    Returns:
        (split, index, other split, index) of each pair that differs in at most `NEAR` bits.
    """
    pairs = []
    names = list(hashes)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            differ = hashes[first][:, None, :] ^ hashes[second][None, :, :]
            distance = np.bitwise_count(differ).sum(axis=-1, dtype=np.int64)
            found = np.argwhere(distance <= NEAR)
            pairs += [(first, int(i), second, int(j)) for i, j in found]
    return pairs


# Cats and dogs -------------------------------------------------------------------------------


def cat_or_dog(name: str) -> int | None:
    """Tell a cat (0) from a dog (1) by the name of a file; None if it names neither.

    A folder named Cat, cats, Dog or dogs decides; without one, a file name like cat.1.jpg does.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    for folder in reversed(path.parts[:-1]):
        if folder.lower() in ("cat", "cats", "dog", "dogs"):
            return int(folder.lower().startswith("dog"))
    stem = re.match(r"(cat|dog)[._ -]?\d", path.name.lower())
    return None if stem is None else int(stem.group(1) == "dog")


def check_counts(counts: dict[str, int], size: int) -> None:
    """Raise ValueError for a split that can't be balanced or an impossible image size."""
    if not 8 <= size <= 512:
        raise ValueError(f"Pictures can be made 8 to 512 pixels wide, not {size}.")
    for split, count in counts.items():
        if count < 2 or count % 2:
            raise ValueError(
                f"The {split} part needs as many cats as dogs, so ask for an even number of "
                f"pictures from 2 on, not {count}."
            )


def _label_all(source: Path, names: list[str]) -> tuple[list[str], np.ndarray]:
    """Collect the images of cats and dogs among the files, with their labels."""
    labeled = [(name, cat_or_dog(name)) for name in names if is_picture(name)]
    found = [(name, label) for name, label in labeled if label is not None]
    cats = sum(label == 0 for _, label in found)
    dogs = len(found) - cats
    layouts = "PetImages/Cat and PetImages/Dog, train/cat.1.jpg and train/dog.1.jpg, or cats, dogs"
    if not found:
        packed = [name for name in names if name.lower().endswith(".zip")]
        hint = f" (unpack {packed[0]} first)" if packed else ""
        raise DataError(
            f"{source} holds no pictures of cats and dogs{hint}: it must be laid out like "
            f"{layouts}."
        )
    if not cats or not dogs:
        have, lack = ("cats", "dogs") if cats else ("dogs", "cats")
        raise DataError(
            f"{source} holds {len(found):,} pictures of {have} but none of {lack}: it must be laid "
            f"out like {layouts}."
        )
    return [name for name, _ in found], np.array([label for _, label in found], np.int64)


def choose(
    usable: np.ndarray, labels: np.ndarray, counts: dict[str, int], seed: int
) -> dict[str, np.ndarray]:
    """Draw the indices of each split: disjoint, balanced, shuffled, and fixed by the seed.

    Args:
        usable: bool (N,), which pictures may be chosen.
        labels: 0 or 1 for each picture, int64 (N,).
        counts: pictures in each split.
        seed: of the choice.

    Raises:
        ValueError: there are too few pictures of a class; the message says of which.
    """
    rng = np.random.default_rng(seed)
    queues = [rng.permutation(np.flatnonzero(usable & (labels == label))) for label in (0, 1)]
    needed = sum(counts.values()) // 2
    for name, queue in zip(("cats", "dogs"), queues, strict=True):
        if len(queue) < needed:
            raise ValueError(f"needs {needed:,} {name}, but only {len(queue):,} are readable")
    chosen, taken = {}, 0
    for split, count in counts.items():
        half = [queue[taken : taken + count // 2] for queue in queues]
        chosen[split] = rng.permutation(np.concatenate(half))
        taken += count // 2
    return chosen


def prepare_cats_vs_dogs(
    source: Path,
    size: int = 64,
    seed: int = 0,
    train: int = 2000,
    validation: int = 1000,
    test: int = 1000,
) -> tuple[Arrays, dict[str, Any]]:
    """Prepare the small set of cats (0) and dogs (1) from an archive or from your own folder.

    Args:
        source: a zip archive or a folder laid out like Microsoft's archive (PetImages/Cat/1.jpg),
            Kaggle's (train/cat.1.jpg), or with folders cats and dogs anywhere in it.
        size: width and height to which images are stretched, in pixels.
        seed: of the choice of images; the same seed and files give the same arrays.
        train: images to train on, half of them cats; likewise `validation` and `test`.

    Returns:
        For each split `S`: `S_x` uint8 (N, size, size, 3) and `S_y` int64 (N,). The report names
        the files that were left out and why, those that were converted, and pairs of
        near-duplicates that stand in two splits.

    Raises:
        DataError: there are no pictures, one class or too many are missing, or the archive is
            refused.
        ValueError: a number of pictures is odd or below 2, or the size is not 8 to 512.
    """
    counts = {"train": train, "validation": validation, "test": test}
    check_counts(counts, size)
    with open_files(source) as (files, read):
        names, labels = _label_all(source, files)
        inspected = in_parallel(lambda name: inspect(name, read), names, "looking at the pictures")
        usable = np.array([not found.reason for found in inspected])
        try:
            chosen = choose(usable, labels, counts, seed)
        except ValueError as error:
            raise DataError(
                f"{source} has too few pictures: the split {train:,} + {validation:,} + {test:,} "
                f"{error}; ask for smaller parts or add pictures."
            ) from error
        arrays = {}
        for split, indices in chosen.items():
            decoded = in_parallel(
                lambda i: pixels(read(names[i]), size), indices, f"decoding the {split} part"
            )
            arrays[f"{split}_x"] = np.stack(decoded)
            arrays[f"{split}_y"] = labels[indices]
    hashes = {s: np.stack([inspected[i].fingerprint for i in chosen[s]]) for s in chosen}
    report = {
        "size": size,
        "seed": seed,
        "counts": counts,
        "found": {"cats": int((labels == 0).sum()), "dogs": int((labels == 1).sum())},
        "other files": len(files) - len(names),
        "left out": {n: f.reason for n, f in zip(names, inspected, strict=True) if f.reason},
        "converted": {
            n: f.conversion for n, f in zip(names, inspected, strict=True) if f.conversion
        },
        "near-duplicates": [
            [f"{first}: {names[chosen[first][i]]}", f"{second}: {names[chosen[second][j]]}"]
            for first, i, second, j in near_duplicates(hashes)
        ],
    }
    return arrays, report


# CIFAR-10 ------------------------------------------------------------------------------------


def read_batches(source: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read both parts of CIFAR-10 from its binary archive: images (N, 32, 32, 3), labels (N,).

    The archive holds six batches of 10,000 records: one byte of label, then the red, the green and
    the blue plane of 32x32 bytes.

    Raises:
        DataError: the archive is refused, truncated or holds something else.
    """
    batches: dict[str, bytes] = {}
    try:
        with tarfile.open(source, "r:*") as archive:
            for entry in archive:
                check_entry(source, entry.name, entry.issym() or entry.islnk())
                held = archive.extractfile(entry)
                name = PurePosixPath(entry.name).name
                if held and re.fullmatch(r"(data_batch_\d|test_batch)\.bin", name):
                    batches[name] = held.read(LARGEST_FILE)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{source} is truncated or damaged: get it again.") from error
    parts = {}
    for part, pattern in (("train", "data_batch"), ("test", "test_batch")):
        joined = b"".join(batches[name] for name in sorted(batches) if name.startswith(pattern))
        if not joined or len(joined) % 3073:
            raise DataError(f"{source} holds no whole {pattern} of CIFAR-10: get it again.")
        records = np.frombuffer(joined, np.uint8).reshape(-1, 3073)
        if records[:, 0].max() > 9:
            raise DataError(f"{source} has a label above 9 in {pattern}: it is not CIFAR-10.")
        planes = records[:, 1:].reshape(-1, 3, 32, 32)
        parts[part] = (planes.transpose(0, 2, 3, 1), records[:, 0].astype(np.int64))
    return parts


def read_class_folders(
    source: Path, size: int
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], dict[str, Any]]:
    """Read both parts of CIFAR-10 from train/<class>/ and test/<class>/ in a zip archive or folder.

    Raises:
        DataError: a class has no readable picture in one of the parts.
    """
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    left_out: dict[str, Any] = {}
    with open_files(source) as (files, read):

        def decode(name: str) -> np.ndarray | str:
            try:
                return pixels(read(name), size)
            except (ValueError, *DAMAGED) as error:
                return str(error)

        for part in ("train", "test"):
            place = re.compile(rf"(?:.*/)?{part}/({'|'.join(CIFAR10_CLASSES)})/[^/]+")
            matches = [place.fullmatch(name) for name in files if is_picture(name)]
            named = {m.group(): CIFAR10_CLASSES.index(m.group(1)) for m in matches if m}
            decoded = in_parallel(decode, named, f"decoding the {part} part")
            results = list(zip(named.items(), decoded, strict=True))
            left_out |= {name: found for (name, _), found in results if isinstance(found, str)}
            kept = [(x, y) for (_, y), x in results if not isinstance(x, str)]
            present = {y for _, y in kept}
            missing = [name for y, name in enumerate(CIFAR10_CLASSES) if y not in present]
            if missing:
                raise DataError(
                    f"{source} has no readable picture in {part}/{missing[0]}: it must hold train "
                    "and test with a folder for each of the ten classes."
                )
            parts[part] = (np.stack([x for x, _ in kept]), np.array([y for _, y in kept], np.int64))
    return parts, left_out


def prepare_cifar10(
    source: Path, validation: int = 5000, seed: int = 0
) -> tuple[Arrays, dict[str, Any]]:
    """Prepare CIFAR-10 from its binary archive, or from class folders of images.

    Args:
        source: `cifar-10-binary.tar.gz`, or a zip archive or folder with train/<class>/NNNN.jpg and
            test/<class>/NNNN.jpg.
        validation: images of the training part that are held out, the same number per class.
        seed: of the choice and order of the images.

    Returns:
        For each split `S` of train, validation and test: `S_x` uint8 (N, 32, 32, 3) and `S_y` int64
        (N,), 0 to 9 in alphabetical order of the classes. The images of each split are in no order
        of classes. The report names what was left out.

    Raises:
        DataError: the archive is refused, damaged or lacks a class.
        ValueError: `validation` is not a multiple of ten from 10 on, or leaves a class without
            training pictures.
    """
    if validation < 10 or validation % 10:
        raise ValueError(f"Keep a multiple of ten pictures for validation, not {validation}.")
    if source.is_file() and not zipfile.is_zipfile(source):
        parts = read_batches(source)
        left_out: dict[str, Any] = {}
    else:
        parts, left_out = read_class_folders(source, 32)
        # Folders come class by class, and the first thousand test pictures must be of all classes.
        x, y = parts["test"]
        order = np.random.default_rng(seed).permutation(len(y))
        parts["test"] = (x[order], y[order])
    rng = np.random.default_rng(seed)
    x, y = parts["train"]
    queues = [rng.permutation(np.flatnonzero(y == label)) for label in range(10)]
    each = validation // 10
    smallest = min(len(queue) for queue in queues)
    if smallest <= each:
        raise ValueError(
            f"{each} pictures of each class are to be kept for validation, but a class has only "
            f"{smallest} to train on: ask for fewer."
        )
    held = rng.permutation(np.concatenate([queue[:each] for queue in queues]))
    rest = rng.permutation(np.concatenate([queue[each:] for queue in queues]))
    arrays = {
        "train_x": x[rest],
        "train_y": y[rest],
        "validation_x": x[held],
        "validation_y": y[held],
        "test_x": np.ascontiguousarray(parts["test"][0]),
        "test_y": parts["test"][1],
    }
    counts = {split: len(arrays[f"{split}_y"]) for split in ("train", "validation", "test")}
    return arrays, {"seed": seed, "counts": counts, "left out": left_out}
