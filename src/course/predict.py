"""``course predict``: show the reader's own photographs to a finished classifier.

The classifier is one ``.keras`` file, such as chapter 05 leaves. It takes one uint8 RGB picture of
any height and width, resizes and preprocesses it inside, and returns one probability per class; its
member ``classes.json`` names the classes.
"""

import json
import sys
import unicodedata
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from course import contact_sheet
from course.contact_sheet import LONGEST_SHEET, TILE, Answer, is_sheet, percent, printable
from course.errors import CourseError
from course.words import counted

CLASSES = "classes.json"
SUFFIXES = frozenset(".jpg .jpeg .jfif .png .bmp .gif .webp .tif .tiff .avif .heic .heif".split())
# A picture is shrunk by a whole factor before the model sees it, while a side stays this long.
SIDE = 1024


# The classifier -------------------------------------------------------------------------------


def _another_kind(path: Path, found: str) -> CourseError:
    return CourseError(
        f"{path} {found}, so it isn't a classifier for photographs: give the .keras file that the "
        "last cells of chapter 05 save."
    )


def _class_names(path: Path) -> list[str]:
    """Return the names of the classes, in the order of the model's outputs."""
    if path.is_dir():  # opening it fails in another way on each system
        raise _another_kind(path, "is a folder")
    try:
        with zipfile.ZipFile(path) as archive:
            names = json.loads(archive.read(CLASSES))
    except FileNotFoundError as error:
        raise CourseError(
            f"There is no file {path}: chapter 05 saves one, so run `course run 05` first."
        ) from error
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
        raise _another_kind(path, "is not a whole .keras file") from error
    except KeyError as error:
        raise _another_kind(path, f"doesn't name its classes (it has no {CLASSES})") from error
    except ValueError as error:
        raise _another_kind(path, f"has a {CLASSES} that cannot be read") from error
    if not (isinstance(names, list) and len(names) > 1 and all(isinstance(n, str) for n in names)):
        raise _another_kind(path, f"has a {CLASSES} that isn't a list of two or more names")
    return names


def load_classifier(path: Path) -> tuple[Any, list[str]]:
    """Return a classifier for photographs, as a Keras model, and the names of its classes.

    Args:
        path: a ``.keras`` file.

    Raises:
        CourseError: it is missing, damaged, or a model of another kind; the sentence says which.
    """
    names = _class_names(path)
    from helpers.backend import keras  # takes seconds, and wrong words are answered without it

    try:
        # Keras knows a model by its file's suffix, and says in many ways that it can't read one.
        model = keras.models.load_model(path, compile=False)
        shapes = [tuple(each.shape) for each in model.inputs + model.outputs]
        kind = model.inputs[0].dtype
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise CourseError(
            f"{path} cannot be loaded as a Keras model ({type(error).__name__}: {said}): save it "
            "again with this version of Keras."
        ) from error
    if shapes != [(None, None, None, 3), (None, len(names))] or kind != "uint8":
        raise _another_kind(
            path,
            f"has inputs and outputs of shapes {', '.join(map(str, shapes))} and takes {kind}, not "
            f"one uint8 RGB picture of any size for {len(names)} probabilities",
        )
    return model, names


# The photographs ------------------------------------------------------------------------------


def _flattened(image: Image.Image) -> Image.Image:
    """Turn a decoded picture into RGB: 16 bits become 8, transparent places white."""
    if image.mode.startswith("I"):
        # A conversion would cut 16-bit values off at 255 instead of scaling them.
        gray = np.asarray(image).astype(np.int64)
        image = Image.fromarray((np.clip(gray, 0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        image = Image.alpha_composite(white, picture)
    return image.convert("RGB")


def read_photograph(path: Path) -> Image.Image:
    """Decode a photograph: upright by its EXIF data, RGB, at most about twice ``SIDE`` pixels long.

    Grayscale, palette, CMYK and 16-bit pictures are converted, transparent ones laid on white. Of
    an animation the first picture is taken.

    Args:
        path: a picture in one of the formats that ``SUFFIXES`` lists.

    Raises:
        ValueError: why it cannot be read, in a few words.
    """
    from helpers.pictures import LARGEST_FILE, open_picture

    if path.suffix.lower() in (".heic", ".heif"):
        raise ValueError("a HEIC file, which must be exported as JPEG first")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"larger than {LARGEST_FILE // 2**20} MB")
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(error.strerror or type(error).__name__) from error
    image = open_picture(content)
    if image.mode == "F":
        raise ValueError("numbers without a known range instead of colors")
    try:
        flat = _flattened(ImageOps.exif_transpose(image))
        return flat.reduce(max(1, max(flat.size) // SIDE))
    except Exception as error:  # Pillow's decoders raise whatever they stumble over
        raise ValueError("truncated or corrupt") from error


def photographs(folder: Path) -> list[Path]:
    """Return the files of a folder that are pictures by name, sorted, except sheets made here.

    Raises:
        CourseError: there is no such folder, or there are no pictures in it.
    """
    if folder.is_file():
        raise CourseError(f"{folder} is a file: give the folder that contains it.")
    if not folder.is_dir():
        raise CourseError(f"There is no folder {folder}.")

    def listed(names: Any) -> list[Path]:
        return sorted(
            path
            for path in names
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
        )

    found = [path for path in listed(folder.iterdir()) if not is_sheet(path)]
    if not found:
        deeper = listed(folder.rglob("*"))
        where = f"; the folder {deeper[0].parent} has some" if deeper else ""
        raise CourseError(
            f"There are no photographs in {folder}: expected files such as photo.jpg or photo.png"
            f"{where}."
        )
    return found


# What is said ---------------------------------------------------------------------------------


def _columns(text: str) -> int:
    """Count the columns of a terminal that a text takes: letters of East Asia take two."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )


def _print_table(answers: list[Answer], names: list[str]) -> None:
    header = ["photograph", "class", *names]
    rows = [
        [
            printable(answer.name),
            names[int(answer.probabilities.argmax())],
            *map(percent, answer.probabilities),
        ]
        for answer in answers
    ]
    widths = [max(map(_columns, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = [
            cell + " " * (width - _columns(cell)) if number < 2 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def predict(model_path: Path, folder: Path, sheet: Path | None) -> int:
    """Classify the photographs of a folder, print a table, and write a contact sheet.

    Args:
        model_path: the ``.keras`` file.
        folder: of the photographs; its subfolders are left out.
        sheet: where to write the contact sheet; None for ``predicted-FOLDER.png`` where the
            command runs. A file that isn't such a sheet is never replaced.

    Returns:
        0, or 1 if some files could not be read; each is named on the error stream.

    Raises:
        CourseError: the model, the folder or the sheet is not as expected, or none of the
            photographs can be read.
    """
    found = photographs(folder)
    target = contact_sheet.checked(
        sheet or Path(f"predicted-{folder.resolve().name or 'root'}.png")
    )
    model, names = load_classifier(model_path)
    answers, skipped = [], 0
    for path in found:
        try:
            picture = read_photograph(path)
        except ValueError as error:
            print(f"course: {printable(str(path))} was skipped: {error}", file=sys.stderr)
            skipped += 1
            continue
        probabilities = np.asarray(model.predict_on_batch(np.asarray(picture)[None]))[0]
        picture.thumbnail((TILE, TILE))
        answers.append(Answer(path.name, probabilities, picture))
    if not answers:
        none = "The only file" if len(found) == 1 else f"None of the {len(found)} files"
        could = "could not" if len(found) == 1 else "could"
        raise CourseError(f"{none} in {folder} {could} be read.")
    _print_table(answers, names)
    contact_sheet.write(contact_sheet.draw(answers[:LONGEST_SHEET], names), target)
    kept = f", the first {LONGEST_SHEET} of them" if len(answers) > LONGEST_SHEET else ""
    print(f"{counted(len(answers), 'photograph')} classified; contact sheet{kept}: {target}")
    if skipped:
        print(
            f"course: {counted(skipped, 'file')} of {len(found)} could not be read", file=sys.stderr
        )
    return 1 if skipped else 0
