"""The full-size gallery: what many channels of a pretrained network like best.

It takes longer than a chapter may, so it is drawn once and kept in ``results/gallery``: a strip of
pictures per layer, and ``gallery.toml`` with what they show and how they were made.
"""

import json
import math
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from course import machine, results
from course.errors import CourseError
from helpers.files import write_atomically

SIZE, GAP, GRAY = 128, 4, 128  # pixels of a picture and between two, and the shade between them
PHOTOGRAPHS = {"size": 224, "train": 2, "validation": 2, "test": 300}  # as in chapter 06
COLUMNS = 6  # of pictures, so that a strip fits the page of the book on a laptop
FACES = (104, 167, 273)  # test photographs of people whose faces would be cut out and shown


@dataclass(frozen=True)
class Strip:
    """The patterns of one layer, each above the patch that excites the channel most."""

    file: str
    layer: str
    alt: str


@dataclass(frozen=True)
class Gallery:
    """All strips from shallow to deep, and the run that drew them."""

    base: str
    steps: int
    seed: int
    photographs: str
    date: str
    machine: str
    seconds: int
    strips: tuple[Strip, ...]


def folder() -> Path:
    """Return where the gallery is kept."""
    return results.RESULTS / "gallery"


def read() -> Gallery | None:
    """Return the gallery that is kept, or None.

    Raises:
        CourseError: its table cannot be read.
    """
    path = folder() / "gallery.toml"
    if not path.exists():
        return None
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        strips = tuple(Strip(**strip) for strip in table.pop("strip"))
        return Gallery(**table, strips=strips)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(
            f"{path} isn't the table of a gallery ({error}): draw it again with "
            "`course book gallery`."
        ) from error


def mosaic(patterns: np.ndarray, patches: np.ndarray) -> Image.Image:
    """Put patterns in rows, with a patch of a photograph below each.

    Args:
        patterns: shape (N, H, W, 3), from 0 to 255.
        patches: shape (N, h, w, 3), uint8; they are brought to the size of the patterns.

    Returns:
        Up to six pictures wide, and two high for each row of patterns.
    """
    number, side = len(patterns), patterns.shape[1]
    step = side + GAP
    across, rows = min(number, COLUMNS), math.ceil(number / COLUMNS)
    sheet = Image.new("RGB", (across * step - GAP, 2 * rows * step - GAP), (GRAY,) * 3)
    for place, (pattern, patch) in enumerate(zip(patterns, patches, strict=True)):
        row, column = divmod(place, COLUMNS)
        tiles = (np.rint(pattern).clip(0, 255).astype(np.uint8), patch)
        for below, tile in enumerate(tiles):
            picture = Image.fromarray(tile).resize((side, side), Image.Resampling.BICUBIC)
            sheet.paste(picture, (column * step, (2 * row + below) * step))
    return sheet


def draw(*, channels: int = 12, steps: int = 300, profile: str = "quick") -> Path:
    """Climb to what the first channels of four layers like best, and keep the pictures.

    The stem is left out, because its kernels can be shown as they are, and chapter 06 does.

    Args:
        channels: of each layer, the first ones, whatever they like.
        steps: of Adam.
        profile: of the photographs from which the patches are cut.

    Returns:
        The folder of the gallery; its files replace those of an earlier one.

    Raises:
        DataError: the photographs or the weights are not at hand.
    """
    from helpers import datasets, explain_patterns, pretrained, training

    base, seed, began = "efficientnet_lite0", 0, time.monotonic()
    training.start(seed)
    photos = datasets.load("cats_vs_dogs", profile, **PHOTOGRAPHS)
    searched = np.delete(np.asarray(photos.test[0]), FACES, axis=0)
    climber = pretrained.load(base, SIZE, top=True)
    large = pretrained.load(base, searched.shape[1], top=True)
    folder().mkdir(parents=True, exist_ok=True)
    strips = []
    for number, layer in enumerate(pretrained.BASES[base].patterns[1:], 1):
        chosen = range(channels)
        found = explain_patterns.fourier_patterns(
            climber, layer, chosen, size=SIZE, steps=steps, seed=seed
        )
        patches = explain_patterns.exciting_patches(large, layer, chosen, searched, count=1)
        file = f"{number}.jpg"
        mosaic(found.pictures, patches[:, 0]).save(folder() / file, quality=75)
        strips.append(
            Strip(
                file,
                layer,
                f"Patterns that excite the first {channels} channels of the layer {layer}, and "
                "below each the patch of a photograph that excites the channel most.",
            )
        )
        print(f"{layer}: {channels} patterns", flush=True)
    facts = {
        "base": base,
        "steps": steps,
        "seed": seed,
        "photographs": photos.label,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": str(machine.environment().device),
        "seconds": round(time.monotonic() - began),
    }
    lines = ["# Drawn by `course book gallery`."]
    lines += [f"{key} = {json.dumps(value)}" for key, value in facts.items()]
    for strip in strips:
        lines += ["", "[[strip]]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in vars(strip).items()]
    write_atomically(folder() / "gallery.toml", "\n".join(lines) + "\n")
    return folder()
