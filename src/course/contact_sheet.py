"""A contact sheet: photographs in rows, each with what a classifier said of it, as one PNG."""

import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from course.errors import CourseError
from helpers.files import write_atomically

MARK = "Made by course predict"  # in the PNG, so that a later sheet may replace it
# Pixels, but for COLUMNS and LONGEST_SHEET, a number of photographs.
TILE, GAP, COLUMNS, LINE, LONGEST_SHEET = 176, 12, 6, 18, 600
PAPER, INK = "#ffffff", "#222222"


@dataclass(frozen=True)
class Answer:
    """What a classifier said of one photograph.

    Attributes:
        name: of its file.
        probabilities: one per class.
        thumbnail: the photograph, upright, at most ``TILE`` pixels per side.
    """

    name: str
    probabilities: np.ndarray
    thumbnail: Image.Image


def percent(probability: float) -> str:
    """Write a probability with one decimal; nothing is rounded to certainty.

    >>> percent(0.98349), percent(0.99999)
    ('98.3 %', '> 99.9 %')
    """
    if probability >= 0.9995:
        return "> 99.9 %"
    return "< 0.1 %" if probability < 0.0005 else f"{100 * probability:.1f} %"


def printable(name: str) -> str:
    """Return a file's name as it can be printed and drawn: what cannot be seen is escaped."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode()
        for each in name
    )


def _font(size: int) -> Any:
    import matplotlib as mpl

    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _fitted(text: str, font: Any) -> str:
    """Shorten a text in the middle until it fits a tile, so that its suffix stays."""
    kept = len(text)
    short = text
    while font.getlength(short) > TILE and kept > 2:
        kept -= 1
        short = f"{text[: -(-kept // 2)]}…{text[-(kept // 2) :]}"
    return short


def draw(answers: list[Answer], names: list[str]) -> Image.Image:
    """Draw the photographs in rows, each with its file's name, class and probability.

    Args:
        answers: at least one.
        names: of the classes, in the order of the probabilities.
    """
    font = _font(13)
    columns = min(COLUMNS, len(answers))
    rows = -(-len(answers) // columns)
    high = TILE + 2 * LINE
    size = (columns * (TILE + GAP) + GAP, rows * (high + GAP) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, answer in enumerate(answers):
        left = GAP + place % columns * (TILE + GAP)
        top = GAP + place // columns * (high + GAP)
        width, height = answer.thumbnail.size
        sheet.paste(answer.thumbnail, (left + (TILE - width) // 2, top + (TILE - height) // 2))
        best = int(answer.probabilities.argmax())
        says = f"{names[best]} {percent(answer.probabilities[best])}"
        for line, text in enumerate((says, printable(answer.name))):
            where = (left + TILE / 2, top + TILE + LINE * (line + 0.5))
            pen.text(where, _fitted(text, font), INK, font, anchor="mm")
    return sheet


def checked(path: Path) -> Path:
    """Return the path of a sheet if it may be written.

    Raises:
        CourseError: another file lies there, or the name or the folder is wrong.
    """
    if path.suffix.lower() != ".png":
        raise CourseError(f"The contact sheet must be a PNG file: end the name {path} in .png.")
    if not path.parent.is_dir():
        raise CourseError(f"There is no folder {path.parent} for the contact sheet.")
    if os.path.lexists(path) and not is_sheet(path):
        raise CourseError(
            f"{path} exists and isn't a contact sheet made by this command, so it was left as it "
            "is: name another file with --sheet."
        )
    return path


def write(sheet: Image.Image, path: Path) -> None:
    """Write a sheet in one step, marked as one.

    Raises:
        CourseError: the folder cannot be written or the disk is full.
    """
    facts = PngImagePlugin.PngInfo()
    facts.add_text("Software", MARK)
    content = io.BytesIO()
    sheet.save(content, "PNG", pnginfo=facts)
    try:
        write_atomically(path, content.getvalue())
    except OSError as error:
        raise CourseError(f"{path} cannot be written: {error.strerror}.") from error


def is_sheet(path: Path) -> bool:
    """Return whether a file is a contact sheet that this command made."""
    try:
        with warnings.catch_warnings():
            # The reader's own photographs are no attack, and only the header is read here.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return image.info.get("Software") == MARK
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
