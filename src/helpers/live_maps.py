"""Where does it look? A live figure of heat maps, one class of a picture at a time.

The reader points at a class below a picture and sees its maps under several methods. All maps
come from the run; the script only lays them over the picture.
"""

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from PIL import Image

from helpers import explain_plots, live
from helpers.outputs import as_text

CELLS = 28  # squares per row and column over which a map is averaged


def where_it_looks(
    pictures: np.ndarray,
    classes: Sequence[Sequence[str]],
    maps: Mapping[str, np.ndarray],
    title: str,
    alt: str,
) -> None:
    """Show pictures with classes to choose from, and the maps of the chosen one.

    Args:
        pictures: shape (N, H, W, 3), uint8; H and W are multiples of 28.
        classes: for each picture, the names of K classes.
        maps: for each method, the maps of all classes, shape (N, K, H, W). Only what is above zero
            is shown, as a share of the largest value for any class of the picture, so that the
            classes of a picture can be compared.
        title: of the still picture.
        alt: what the still picture shows. Readers see it where scripts don't run; it has the maps
            of the first picture.

    Raises:
        ValueError: shapes do not fit one another, or the squares do not divide the pictures.

    >>> pictures = np.zeros((1, 28, 28, 3), "uint8")
    >>> maps = {"Grad-CAM": np.stack([np.eye(28), np.ones((28, 28))])[None]}
    >>> where_it_looks(pictures, [["cat", "dog"]], maps, "A title", "A diagonal and a square.")
    A diagonal and a square.
    """
    levels = {name: shares(stack) for name, stack in maps.items()}
    wanted = (len(pictures), len(classes[0]), CELLS, CELLS)
    if any(stack.shape != wanted for stack in levels.values()) or {
        len(names) for names in classes
    } != {wanted[1]}:
        raise ValueError(
            f"Give every method one map for each of {wanted[1]} classes of {wanted[0]} pictures."
        )
    rows = {"picture": [pictures[0]] * wanted[1]}
    for name, stack in levels.items():
        rows[name.replace(" ", "\n")] = [blended(pictures[0], each) for each in stack[0]]
    still = explain_plots.picture_rows(rows, title, classes[0], 1.0)
    data = {
        "methods": list(levels),
        "cells": CELLS,
        "maps": as_text(b"".join(stack.tobytes() for stack in levels.values())),
        "colors": as_text(_palette().tobytes()),
        "pictures": [
            {"file": as_text(_jpeg(picture)), "classes": list(names)}
            for picture, names in zip(pictures, classes, strict=True)
        ],
    }
    live.show("whereItLooks", ("maps.js", "maps.css"), data, still, alt)


def shares(maps: np.ndarray) -> np.ndarray:
    """Average maps over squares, and write them as shares of the largest value for a picture.

    Args:
        maps: shape (N, K, H, W), K maps for each picture.

    Returns:
        From 0 (zero or less) to 255 (the largest value of the K maps), uint8, shape (N, K, 28, 28).

    Raises:
        ValueError: the squares do not divide the maps.

    >>> shares(np.array([1.0, 0.5, -1.0]).repeat(784).reshape(1, 3, 28, 28))[0, :, 0, 0].tolist()
    [255, 128, 0]
    """
    number, count, height, width = maps.shape
    if height % CELLS or width % CELLS:
        raise ValueError(f"{CELLS} x {CELLS} squares do not divide maps of {height} x {width}.")
    squares = np.clip(maps, 0, None).reshape(
        number, count, CELLS, height // CELLS, CELLS, width // CELLS
    )
    means = squares.mean(axis=(3, 5))
    largest = np.maximum(means.max(axis=(1, 2, 3), keepdims=True), 1e-12)
    levels: np.ndarray = np.rint(255 * means / largest)
    return levels.astype("uint8")


def blended(picture: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Lay a map over its picture in gray, as the live figure does.

    Args:
        picture: shape (H, W, 3), uint8.
        levels: the map, uint8, shape (28, 28).

    Returns:
        The picture, uint8, shape (H, W, 3).
    """
    high, wide = picture.shape[0] // CELLS, picture.shape[1] // CELLS
    grown = levels.repeat(high, axis=0).repeat(wide, axis=1)
    opacity = (0.25 + 0.5 * grown / 255)[..., None]
    gray = picture.mean(axis=-1, keepdims=True)
    mixed: np.ndarray = (1 - opacity) * gray + opacity * _palette()[grown]
    return (mixed + 0.5).astype("uint8")


def _palette() -> np.ndarray:
    """Return the colors of the shares 0 to 255, uint8, shape (256, 3)."""
    colors = mpl.colormaps[explain_plots.COLORS](np.arange(256), bytes=True)
    return np.ascontiguousarray(colors[:, :3])


def _jpeg(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "jpeg", quality=85)
    return file.getvalue()
