"""Are the maps of ``helpers.explain`` true? The pointing game, correlation, deletion, insertion."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers.explain import class_scores
from helpers.explain_models import checked_pictures


def peaks(heat: np.ndarray) -> np.ndarray:
    """Find the hottest pixel of each heat map.

    Args:
        heat: heat maps, shape (N, H, W).

    Returns:
        Column and row (x, then y) of each peak, int64, shape (N, 2); -1 for both if a map has
        nothing above zero.

    >>> peaks(np.array([[[0, 0, 5], [0, 2, 0]], [[0, 0, 0], [0, 0, 0]]])).tolist()
    [[2, 0], [-1, -1]]
    """
    heat = np.asarray(heat)
    flat = heat.reshape(len(heat), -1)
    y, x = np.divmod(flat.argmax(axis=1), heat.shape[2])
    found = np.stack([x, y], axis=1)
    found[flat.max(axis=1) <= 0] = -1
    return found


def pointing_game(heat: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Return whether the peak of each heat map lies in its region (Zhang et al., 2016).

    Args:
        heat: heat maps, shape (N, H, W).
        regions: where the peak should be, bool, shape (N, H, W). Their mean is what a peak at a
            random place would reach.

    Returns:
        bool, shape (N,); a map without a peak misses.

    Raises:
        ValueError: the shapes differ.

    >>> heat = np.array([[[0, 2], [1, 0]], [[3, 0], [1, 0]]])
    >>> on_the_right = np.array([[[False, True], [False, True]]] * 2)
    >>> pointing_game(heat, on_the_right).tolist()
    [True, False]
    """
    if np.shape(heat) != np.shape(regions):
        raise ValueError(
            f"The heat maps have shape {np.shape(heat)}, the regions {np.shape(regions)}: "
            "they must be of one size."
        )
    x, y = peaks(heat).T
    return np.asarray(regions, bool)[np.arange(len(x)), y, x] & (x >= 0)


def correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute Pearson's correlation of two stacks of maps, map by map.

    Args:
        one: maps, shape (N, ...).
        other: as many maps of the same shape.

    Returns:
        The correlation of each pair, from -1 to 1, shape (N,), float64; 0 if one of them is flat.

    >>> maps = np.array([[[0, 1], [2, 3]], [[0, 1], [2, 3]]])
    >>> others = np.array([[[1, 3], [5, 7]], [[3, 2], [1, 0]]])
    >>> correlation(maps, others).round(3).tolist()
    [1.0, -1.0]
    """
    one, other = (np.asarray(maps, "float64").reshape(len(maps), -1) for maps in (one, other))
    varies = (np.ptp(one, axis=1) > 0) & (np.ptp(other, axis=1) > 0)
    one = one - one.mean(axis=1, keepdims=True)
    other = other - other.mean(axis=1, keepdims=True)
    scale = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return np.divide(
        (one * other).sum(axis=1), scale, out=np.zeros(len(one)), where=varies & (scale > 0)
    )


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Turn class scores of shape (N, classes) into probabilities (softmax).

    >>> probabilities(np.zeros((1, 4))).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares


def deletion(
    model: Any,
    pictures: np.ndarray,
    classes: np.ndarray,
    heat: np.ndarray,
    *,
    cells: int = 14,
    shares: Sequence[float] = (0.1, 0.2, 0.4, 0.6),
    insert: bool = False,
) -> np.ndarray:
    """Cover the hottest parts of pictures first, and watch the probability of a class fall.

    The picture is divided into square cells, which are covered with its mean color in the order of
    their mean heat (Petsiuk et al., "RISE", 2018). A good map names the cells that matter, so the
    probability falls early.

    Args:
        model: a functional or sequential Keras model that ends in one score per class, or in one
            unit for two classes.
        pictures: as they enter the model, shape (N, H, W, C).
        classes: the class of each, shape (N,).
        heat: a map for each, shape (N, H, W), larger where a pixel matters more.
        cells: cells per row and column; the height and the width must be multiples of it.
        shares: of the cells that are covered, one after the other, from 0 to 1.
        insert: begin with the covered picture instead, and uncover the hottest cells first.

    Returns:
        Probability of the class at each share, shape (N, len(shares)), float32.

    Raises:
        ValueError: shapes do not fit, or the cells do not divide the picture.

    >>> from helpers.backend import keras
    >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.GlobalMaxPooling2D()])
    >>> heat = np.array([[[0, 1], [0, 0]]])
    >>> picture = heat[..., None]
    >>> found = deletion(model, picture, np.array([1]), heat, cells=2, shares=(0, 0.25))
    >>> [f"{100 * chance:.0f} %" for chance in found[0]]  # the bright pixel shown, then covered
    ['73 %', '56 %']
    """
    pictures = checked_pictures(model, pictures)
    number, height, width = pictures.shape[:3]
    if np.shape(heat) != (number, height, width) or np.shape(classes) != (number,):
        raise ValueError(
            f"There are {number} pictures of {height} x {width}: give one map of that size and one "
            f"class for each, not {np.shape(heat)} and {np.shape(classes)}."
        )
    if height % cells or width % cells:
        raise ValueError(
            f"{cells} x {cells} cells do not divide pictures of {height} x {width}: choose a "
            "common divisor."
        )
    tall, wide = height // cells, width // cells
    means = np.asarray(heat).reshape(number, cells, tall, cells, wide).mean(axis=(2, 4))
    rank = (-means.reshape(number, -1)).argsort(axis=1, kind="stable").argsort(axis=1)
    rank = rank.reshape(number, cells, cells).repeat(tall, axis=1).repeat(wide, axis=2)
    plain = pictures.mean(axis=(1, 2), keepdims=True)
    found = []
    for share in shares:
        hot = (rank < round(share * cells**2))[..., None]
        shown = np.where(hot == insert, pictures, plain).astype("float32")
        scores = class_scores(model, shown)
        if model.output_shape[-1] == 1:
            scores = scores / 2  # -s and s: the sigmoid of s is the softmax of their halves
        found.append(probabilities(scores)[np.arange(number), classes])
    return np.stack(found, axis=1)


def covered(pictures: np.ndarray, points: np.ndarray, side: int) -> np.ndarray:
    """Cover a square around a point of each picture with the picture's mean color.

    Args:
        pictures: shape (N, H, W, C).
        points: x and y of the middle of each square, in pixels, shape (N, 2). A square that would
            stick out is moved inside.
        side: of the squares, in pixels.

    Returns:
        Copies of the pictures, of the same dtype.

    >>> covered(np.arange(16).reshape(1, 4, 4, 1), np.array([[0, 0]]), 2)[0, ..., 0].tolist()
    [[7, 7, 2, 3], [7, 7, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]]
    """
    copies = np.array(pictures)
    height, width = copies.shape[1:3]
    for picture, (x, y) in zip(copies, points, strict=True):
        left = int(np.clip(x - side // 2, 0, width - side))
        top = int(np.clip(y - side // 2, 0, height - side))
        picture[top : top + side, left : left + side] = picture.mean(axis=(0, 1))
    return copies
