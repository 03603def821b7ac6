"""What becomes of pictures from layer to layer: sparsity, reading back, linear probes."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.explain import activations
from helpers.explain_models import BATCH, resized


def sparsity(maps: np.ndarray) -> float:
    """Return the share of the values of feature maps that are exactly zero, from 0 to 1."""
    return float(np.mean(np.asarray(maps) == 0))


def silent_channels(maps: np.ndarray) -> float:
    """Return the share of the channels that are zero everywhere, averaged over the pictures."""
    return float(np.mean(~np.any(maps, axis=(1, 2))))


class ReadBack(NamedTuple):
    """Pictures read back from feature maps, and how much of the pictures that kept."""

    pictures: np.ndarray  # (N, detail, detail, C) float32 in 0 to 1
    kept: float  # R squared on pictures that were not used for the fit; at most 1
    error: float  # standard error of ``kept`` over those pictures


def read_back(maps: np.ndarray, pictures: np.ndarray, fitted: int, detail: int = 32) -> ReadBack:
    """Guess the pictures from a layer's feature maps: what of them does the layer still hold?

    One linear rule, the same at all positions, predicts the patch of pixels under a position from
    the channels there. It is fitted on the first pictures (ridge regression, its penalty chosen on
    the last quarter of them) and measured on the others, as the share of their pixels' variance
    that it explains (R squared).

    Args:
        maps: of one layer, shape (N, height, width, channels).
        pictures: the pictures behind them, shape (N, H, W, C), uint8 or float in 0 to 1.
        fitted: number of pictures for the fit; the others are read back.
        detail: height and width at which pictures are compared, in pixels.

    Returns:
        The pictures after the first ``fitted``, read back, and how much of them was kept.

    Raises:
        ValueError: fewer than two pictures are left for the fit, or none for reading back.
    """
    if not 1 < fitted < len(maps):
        raise ValueError(
            f"Of {len(maps)} pictures {fitted} cannot be used for the fit: it needs at least two, "
            "and at least one must be left to read back."
        )
    target = resized(
        pictures.astype("float32") / (255 if pictures.dtype == np.uint8 else 1), detail
    )
    maps = maps if maps.shape[1] <= detail else resized(maps, detail)
    number, side, _, channels = maps.shape
    cell, colors = max(1, round(detail / side)), target.shape[-1]
    patches = resized(target, side * cell).reshape(number, side, cell, side, cell, colors)
    patches = patches.transpose(0, 1, 3, 2, 4, 5).reshape(number, side * side, -1)
    inputs = maps.reshape(number, side * side, channels).astype("float32")
    middle, center = inputs[:fitted].mean(axis=(0, 1)), patches[:fitted].mean(axis=(0, 1))
    inputs, patches = inputs - middle, patches - center
    guessed = inputs[fitted:] @ _ridge(inputs[:fitted], patches[:fitted]) + center
    guessed = guessed.reshape(-1, side, side, cell, cell, colors).transpose(0, 1, 3, 2, 4, 5)
    guessed = resized(guessed.reshape(-1, side * cell, side * cell, colors), detail)
    wrong = ((target[fitted:] - guessed) ** 2).mean(axis=(1, 2, 3))
    spread = ((target[fitted:] - target[:fitted].mean(axis=(0, 1, 2))) ** 2).mean(axis=(1, 2, 3))
    kept = 1 - wrong.mean() / spread.mean()
    # The standard error of a ratio of means, from what each picture adds to it.
    residuals = (wrong - (1 - kept) * spread) / spread.mean()
    error = float(residuals.std() / np.sqrt(len(residuals)))
    return ReadBack(np.clip(guessed, 0, 1), float(kept), error)


def _ridge(inputs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Fit the weights of ridge regression, shape (channels, outputs), and choose its penalty.

    ``inputs`` (N, positions, channels) and ``wanted`` (N, positions, outputs) have mean zero.
    """
    watched = len(inputs) - max(1, len(inputs) // 4)

    def sums(part: slice) -> tuple[np.ndarray, np.ndarray]:
        x = inputs[part].reshape(-1, inputs.shape[-1])
        return x.T @ x, x.T @ wanted[part].reshape(len(x), -1)

    first, rest = sums(slice(0, watched)), sums(slice(watched, None))

    def rule(square: np.ndarray, product: np.ndarray, penalty: float) -> np.ndarray:
        weight = float(penalty * np.trace(square) / len(square)) + 1e-9
        return np.linalg.solve(square + weight * np.eye(len(square), dtype="float32"), product)

    def error(penalty: float) -> float:
        return float(np.mean((inputs[watched:] @ rule(*first, penalty) - wanted[watched:]) ** 2))

    best = min((1e-3, 3e-2, 1.0), key=error)
    return rule(first[0] + rest[0], first[1] + rest[1], best)


class Depth(NamedTuple):
    """What becomes of pictures from layer to layer; one value per layer, shares from 0 to 1."""

    layers: tuple[str, ...]
    zeros: list[float]  # share of values that are zero
    silent: list[float]  # share of channels that are zero all over a picture
    kept: list[float]  # share of the pictures' variance that can be read back, see ``read_back``
    kept_errors: list[float]  # and its standard error over the pictures
    probe: list[float]  # accuracy of a linear probe on the channel means
    probe_errors: list[float]  # and its standard error
    read: dict[str, np.ndarray]  # the pictures read back, by layer


def depth_profile(
    model: Any,
    pictures: np.ndarray,
    labels: np.ndarray,
    layers: Iterable[str],
    *,
    fitted: int,
    detail: int = 32,
) -> Depth:
    """Measure layer by layer how sparse the maps are and what of picture and class they hold.

    The rules that read back the picture and predict the class are fitted on the first pictures and
    measured on the others.

    Args:
        model: a functional or sequential Keras model.
        pictures: as they enter the model, shape (N, H, W, C), uint8.
        labels: integer classes, shape (N,).
        layers: names of spatial layers, first to last.
        fitted: number of pictures for the fits.
        detail: see ``read_back``.

    Returns:
        One value per layer for each measure, and the pictures read back.

    Raises:
        ValueError: a layer is missing or not spatial, the pictures do not fit, or none are left on
            one side.

    >>> from helpers.backend import keras
    >>> copy = keras.layers.Conv2D(1, 1, kernel_initializer="ones", name="copy")
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), copy])
    >>> pictures = np.random.default_rng(0).integers(1, 256, (12, 8, 8, 1)).astype("uint8")
    >>> depth = depth_profile(model, pictures, np.arange(12) % 2, ["copy"], fitted=8, detail=8)
    >>> depth.zeros, depth.silent, depth.kept[0] > 0.99
    ([0.0], [0.0], True)
    """
    names = tuple(layers)
    zeros: dict[str, list[float]] = {name: [] for name in names}
    silent: dict[str, list[float]] = {name: [] for name in names}
    small: dict[str, list[np.ndarray]] = {name: [] for name in names}
    means: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for begin in range(0, len(pictures), BATCH):
        # Large maps are made small at once: those of all pictures would not fit into memory.
        batch = activations(model, pictures[begin : begin + BATCH], names)
        for name, maps in batch.items():
            zeros[name] += [sparsity(one) for one in maps]
            silent[name] += [silent_channels(one[None]) for one in maps]
            means[name].append(maps.mean(axis=(1, 2)))
            small[name].append(maps if maps.shape[1] <= detail else resized(maps, detail))
    read = {
        name: read_back(np.concatenate(small[name]), pictures, fitted, detail) for name in names
    }
    probe = []
    for name in names:
        rule = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        channels = np.concatenate(means[name])
        rule.fit(channels[:fitted], labels[:fitted])
        probe.append(float(rule.score(channels[fitted:], labels[fitted:])))
    return Depth(
        names,
        [float(np.mean(zeros[name])) for name in names],
        [float(np.mean(silent[name])) for name in names],
        [read[name].kept for name in names],
        [read[name].error for name in names],
        probe,
        [float(np.sqrt(share * (1 - share) / (len(labels) - fitted))) for share in probe],
        {name: read[name].pictures for name in names},
    )
