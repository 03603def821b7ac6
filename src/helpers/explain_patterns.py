"""Feature visualization: pictures that excite a channel or a class, found by gradient ascent.

Two ways to climb: step by step in the pixels, as in the first papers, and in Fourier space with
decorrelated colors and small random moves, after Olah et al., "Feature Visualization" (2017).
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from helpers.backend import as_array, compiled, gradient, keras
from helpers.explain import activations
from helpers.explain_models import (
    BATCH,
    Walk,
    checked_classes,
    checked_layer,
    picture_size,
    scores_of,
)

ops = keras.ops
# Directions in which the colors of photographs vary, strongest first (from Lucid, ImageNet).
PHOTO_COLORS = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], "float32")
PHOTO_COLORS /= np.linalg.norm(PHOTO_COLORS, axis=0).max()


class Patterns(NamedTuple):
    """Pictures that excite channels or classes, and how much."""

    pictures: np.ndarray  # (channels, size, size, 3) float32, 0 to 255
    before: np.ndarray  # (channels,) mean activation or score of the picture they began with
    after: np.ndarray  # (channels,) and of the pattern


def _aimed(model: Any, layer: str | None, pictures: Any, channels: Any) -> Any:
    """Compute one channel's mean activation per picture, or its class score without a layer."""
    walk = Walk()
    output = walk.through(model, pictures)
    if layer is None:
        values = scores_of(walk, output)
    else:
        values = ops.mean(ops.cast(walk.outputs[layer], "float32"), axis=(1, 2))
    return ops.sum(values * ops.one_hot(channels, values.shape[-1]), axis=-1)


@functools.lru_cache(maxsize=16)
def _excitement(model: Any, layer: str | None) -> Callable[..., Any]:
    """Compile the function that gives the activation or score of each picture of a batch."""
    return compiled(functools.partial(_aimed, model, layer), model)


@functools.lru_cache(maxsize=16)
def _pixel_step(model: Any, layer: str | None) -> Callable[..., Any]:
    """Compile one step in the pixels for a batch of pictures."""

    def step(pictures: Any, channels: Any, length: Any) -> Any:
        def total(values: Any) -> Any:
            return ops.sum(_aimed(model, layer, values, channels))

        _, slope = gradient(total, pictures)
        norm = ops.sqrt(ops.sum(ops.square(slope), axis=(1, 2, 3), keepdims=True))
        return ops.clip(pictures + length * slope / (norm + 1e-12), 0, 255)

    return compiled(step, model)


def pixel_ascent(
    model: Any, layer: str | None, channels: Iterable[int], start: np.ndarray, *, steps: int
) -> Patterns:
    """Climb in the pixels: every step follows the gradient divided by its L2 norm.

    All channels climb together in one batch. A channel that is silent at the start has no slope to
    climb, so layers before their ReLU are the better choice.

    Args:
        model: a functional or sequential Keras model that takes pictures from 0 to 255.
        layer: name of a spatial layer, or None for the class scores before the softmax.
        channels: indices of its channels, or of classes.
        start: the picture to begin with, shape (size, size, 3), 0 to 255.
        steps: steps uphill, each of which changes pixels by 5 on average (root mean square).

    Returns:
        The pictures, and the mean activation before and after.

    Raises:
        ValueError: the layer, a channel or a class does not exist, or there is no step.

    >>> brightness = keras.layers.Conv2D(1, 1, kernel_initializer="ones", name="brightness")
    >>> model = keras.Sequential([keras.Input((8, 8, 3)), brightness])
    >>> found = pixel_ascent(model, "brightness", [0], np.full((8, 8, 3), 100.0), steps=2)
    >>> found.before.round().tolist(), found.after.round().tolist()  # 5 more in 3 colors per step
    ([300.0], [330.0])
    """
    chosen = _checked(model, layer, channels, start.shape[0], steps)
    pictures: Any = np.repeat(start[None].astype("float32"), len(chosen), axis=0)
    length = np.float32(5 * np.sqrt(start.size))
    step, excitement = _pixel_step(model, layer), _excitement(model, layer)
    before = as_array(excitement(pictures, chosen))
    for _ in range(steps):
        pictures = step(pictures, chosen, length)
    return Patterns(as_array(pictures), before, as_array(excitement(pictures, chosen)))


def _checked(
    model: Any, layer: str | None, channels: Iterable[int], size: int | None, steps: int
) -> np.ndarray:
    """Return the channels as int32, or raise ValueError with one sentence on what is wrong."""
    shape = picture_size(model, size)
    chosen = np.atleast_1d(np.asarray(list(channels)))
    if len(chosen) == 0 or chosen.dtype.kind not in "iu":
        raise ValueError("Name at least one channel, by its whole number.")
    if steps < 1:
        raise ValueError(f"Gradient ascent needs at least one step, not {steps}.")
    if layer is None:
        return checked_classes(model, shape, chosen.tolist(), len(chosen))
    depth = checked_layer(model, layer, shape)[2]
    if chosen.min() < 0 or chosen.max() >= depth:
        raise ValueError(
            f"The channel {chosen[(chosen < 0) | (chosen >= depth)][0]} is out of range: "
            f'the layer "{layer}" has {depth} channels, 0 to {depth - 1}.'
        )
    return chosen.astype("int32")


def fourier_basis(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return waves along a line of pixels, as the columns of an orthonormal matrix.

    Args:
        size: number of pixels.

    Returns:
        The matrix, shape (size, size), float32: a constant, then a cosine and a sine per
        frequency. And the frequencies in cycles per pixel, shape (size,).

    >>> waves, frequencies = fourier_basis(6)
    >>> bool(np.allclose(waves.T @ waves, np.eye(6), atol=1e-6))
    True
    >>> frequencies.round(2).tolist()
    [0.0, 0.17, 0.17, 0.33, 0.33, 0.5]
    """
    cycles = (np.arange(size) + 1) // 2
    angles = 2 * np.pi * np.outer(np.arange(size), cycles) / size
    waves = np.where(np.arange(size) % 2 == 1, np.cos(angles), np.sin(angles))
    waves[:, 0] = 1
    waves /= np.linalg.norm(waves, axis=0)
    return waves.astype("float32"), cycles / size


def painter(size: int, colors: bool = True) -> Callable[[Any], Any]:
    """Return the function from Fourier coefficients (N, size, size, 3) to pictures of 0 to 255.

    Coefficients are divided by their frequency, as in photographs, where coarse waves are strong
    and fine ones weak.

    Args:
        size: height and width, in pixels.
        colors: mix the channels along the directions in which the colors of photographs vary.

    >>> tuple(painter(8)(np.zeros((1, 8, 8, 3), "float32")).shape[1:])
    (8, 8, 3)
    """
    waves, frequencies = fourier_basis(size)
    frequency = np.hypot(frequencies[:, None], frequencies[None])
    scale = (0.25 / np.maximum(frequency, 1 / size)).astype("float32")[..., None]
    mixing = PHOTO_COLORS.T if colors else np.eye(3, dtype="float32")

    def paint(coefficients: Any) -> Any:
        waved = ops.einsum("hi,nijc,wj->nhwc", waves, coefficients * scale, waves)
        return 255 * ops.sigmoid(ops.matmul(waved, mixing))

    return paint


@functools.lru_cache(maxsize=16)
def _fourier_step(model: Any, layer: str | None, size: int, colors: bool) -> Callable[..., Any]:
    """Compile one step of Adam on the coefficients, seen through a small random move."""
    paint = painter(size, colors)

    def step(
        coefficients: Any, mean: Any, square: Any, count: Any, channels: Any, moves: Any, rate: Any
    ) -> tuple[Any, Any, Any]:
        def total(values: Any) -> Any:
            moved = ops.image.affine_transform(paint(values), moves, fill_mode="reflect")
            return ops.sum(_aimed(model, layer, moved, channels))

        _, slope = gradient(total, coefficients)
        mean = 0.9 * mean + 0.1 * slope
        square = 0.999 * square + 0.001 * slope**2
        stride = mean / (1 - 0.9**count) / (ops.sqrt(square / (1 - 0.999**count)) + 1e-8)
        return coefficients + rate * stride, mean, square

    return compiled(step, model)


def _random_moves(random: np.random.Generator, number: int, size: int, reach: float) -> np.ndarray:
    """Draw random rotations, zooms and shifts, as rows (N, 8) for ``affine_transform``."""
    angle = np.radians(random.uniform(-8, 8, number) * reach)
    zoom = 1 + random.uniform(-0.08, 0.08, number) * reach
    shift = random.uniform(-size / 16, size / 16, (2, number)) * reach
    cos, sin, middle = np.cos(angle) * zoom, np.sin(angle) * zoom, (size - 1) / 2
    zeros = np.zeros(number)
    return np.stack(
        [
            *(cos, -sin, middle - cos * middle + sin * middle + shift[0]),
            *(sin, cos, middle - sin * middle - cos * middle + shift[1]),
            *(zeros, zeros),
        ],
        axis=1,
    ).astype("float32")


def fourier_patterns(
    model: Any,
    layer: str | None,
    channels: Iterable[int],
    *,
    size: int = 128,
    steps: int = 100,
    rate: float = 0.05,
    colors: bool = True,
    moves: bool = True,
    seed: int = 0,
) -> Patterns:
    """Climb in Fourier space: patterns of large and small waves instead of noise.

    Args:
        model: a functional or sequential Keras model that takes pictures from 0 to 255.
        layer: name of a spatial layer, or None for the class scores before the softmax.
        channels: indices of its channels, or of classes.
        size: height and width of the pictures, in pixels.
        steps: steps of Adam.
        rate: learning rate of Adam, for coefficients that begin at 0.01 on average.
        colors: see ``painter``.
        moves: before each step rotate by up to 8 degrees, zoom by up to 8 %, shift by up to a
            sixteenth, so that the pattern must work wherever it is.
        seed: of the first coefficients and of the moves.

    Returns:
        The pictures, and the mean activation before and after.

    Raises:
        ValueError: the layer, a channel or a class does not exist, or there is no step.

    >>> brightness = keras.layers.Conv2D(1, 1, kernel_initializer="ones", name="brightness")
    >>> model = keras.Sequential([keras.Input((16, 16, 3)), brightness])
    >>> found = fourier_patterns(model, "brightness", [0], size=16, steps=2)
    >>> found.pictures.shape, bool(found.after[0] > found.before[0])
    ((1, 16, 16, 3), True)
    """
    chosen = _checked(model, layer, channels, size, steps)
    random = np.random.default_rng(seed)
    shape = (len(chosen), size, size, 3)
    start = random.normal(0, 0.01, shape).astype("float32")
    coefficients, mean, square = start, np.zeros_like(start), np.zeros_like(start)
    step = _fourier_step(model, layer, size, colors)
    for count in range(1, steps + 1):
        coefficients, mean, square = step(
            coefficients,
            mean,
            square,
            np.float32(count),
            chosen,
            _random_moves(random, len(chosen), size, 1.0 if moves else 0.0),
            np.float32(rate),
        )
    paint, excitement = painter(size, colors), _excitement(model, layer)
    begun, ended = (as_array(paint(values)) for values in (start, coefficients))
    before, after = (as_array(excitement(shown, chosen)) for shown in (begun, ended))
    return Patterns(ended, before, after)


def exciting_patches(
    model: Any,
    layer: str,
    channels: Iterable[int],
    pictures: np.ndarray,
    *,
    count: int = 4,
    side: int = 64,
) -> np.ndarray:
    """Cut out what excites channels most in real pictures, at most one patch per picture.

    Args:
        model: a functional or sequential Keras model.
        layer: name of a spatial layer.
        channels: indices of its channels.
        pictures: as they enter the model, shape (N, H, W, C), uint8, at least ``count``.
        count: patches per channel, the most exciting first.
        side: height and width of a patch, in pixels.

    Returns:
        The patches, shape (channels, count, side, side, C), uint8.

    Raises:
        ValueError: the layer or a channel does not exist, there are too few pictures, or they are
            smaller than a patch.

    >>> brightness = keras.layers.Conv2D(1, 1, kernel_initializer="ones", name="brightness")
    >>> model = keras.Sequential([keras.Input((4, 4, 1)), brightness])
    >>> pictures = np.zeros((3, 4, 4, 1), "uint8")
    >>> pictures[1, 2, 1] = 200
    >>> best = exciting_patches(model, "brightness", [0], pictures, count=1, side=2)
    >>> best[0, 0, ..., 0].tolist()
    [[0, 0], [0, 200]]
    """
    chosen = _checked(model, layer, channels, None, 1)
    if len(pictures) < count:
        raise ValueError(
            f"{count} patches need as many pictures, but there are only {len(pictures)}."
        )
    height, width = pictures.shape[1:3]
    if not 1 <= side <= min(height, width):
        raise ValueError(
            f"The side of a patch must be from 1 to {min(height, width)} pixels, not {side}."
        )
    peaks, rows, columns = [], [], []
    for begin in range(0, len(pictures), BATCH):
        maps = activations(model, pictures[begin : begin + BATCH], [layer])[layer][..., chosen]
        flat = maps.reshape(len(maps), -1, len(chosen))
        row, column = np.divmod(flat.argmax(axis=1), maps.shape[2])
        peaks.append(flat.max(axis=1))
        rows.append((row + 0.5) * height / maps.shape[1])
        columns.append((column + 0.5) * width / maps.shape[2])
    ranked = np.argsort(-np.concatenate(peaks), axis=0)[:count]
    tops = np.clip(np.concatenate(rows) - side / 2, 0, height - side).astype(int)
    lefts = np.clip(np.concatenate(columns) - side / 2, 0, width - side).astype(int)
    return np.array(
        [
            [
                pictures[i, tops[i, k] : tops[i, k] + side, lefts[i, k] : lefts[i, k] + side]
                for i in ranked[:, k]
            ]
            for k in range(len(chosen))
        ]
    )
