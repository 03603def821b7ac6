"""Where a decision of a convnet comes from: feature maps and attribution maps, in fast batches.

Chapter 06 writes each method out in a few lines and asserts that it agrees with the function here.
Every function takes a functional model, a functional model with a nested base, or a sequential
model, and pictures exactly as they enter that model.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from helpers.backend import compiled, gradient, keras
from helpers.explain_models import (
    Walk,
    checked_classes,
    checked_layer,
    checked_pictures,
    in_batches,
    last_spatial_layer,
    resized,
    scores_of,
)

ops = keras.ops

# --- feature maps ----------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def _maps_function(model: Any, layers: tuple[str, ...]) -> Callable[..., Any]:
    def maps(pictures: Any) -> list[Any]:
        walk = Walk()
        walk.through(model, pictures)
        return [walk.outputs[name] for name in layers]

    return compiled(maps, model)


def activations(model: Any, pictures: np.ndarray, layers: Iterable[str]) -> dict[str, np.ndarray]:
    """Compute the feature maps of chosen layers, through one function with many outputs.

    Args:
        model: a functional or sequential Keras model.
        pictures: as they enter the model, shape (N, H, W, C) or (H, W, C), any numeric dtype.
        layers: names of spatial layers.

    Returns:
        The maps of each layer, shape (N, height, width, channels), float32, by its name.

    Raises:
        ValueError: a layer is missing or not spatial, or the pictures do not fit the model.

    >>> model = keras.Sequential([keras.Input((5, 5, 1)), keras.layers.Conv2D(2, 3, name="edges")])
    >>> maps = activations(model, np.zeros((4, 5, 5, 1)), ["edges"])
    >>> maps["edges"].shape
    (4, 3, 3, 2)
    """
    pictures = checked_pictures(model, pictures)
    names = tuple(layers)
    for name in names:
        checked_layer(model, name, pictures.shape[1:])
    return dict(zip(names, in_batches(_maps_function(model, names), pictures), strict=True))


# --- heat maps -------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def _heat_function(model: Any, layer: str, shape: tuple[int, int, int]) -> Callable[..., Any]:
    def heat(pictures: Any, classes: Any) -> Any:
        def chosen_scores(nudge: Any) -> tuple[Any, Any]:
            walk = Walk(layer, nudge)
            scores = scores_of(walk, walk.through(model, pictures))
            best = ops.cast(ops.argmax(scores, axis=-1), "int32")
            picked = ops.one_hot(ops.where(classes < 0, best, classes), scores.shape[-1])
            return ops.sum(scores * picked), walk.outputs[layer]

        # The gradient with respect to something added to the maps is that of the maps themselves,
        # wherever they stand in the graph; no second model has to be cut out.
        nothing = ops.zeros((pictures.shape[0], *shape))
        (_, maps), slope = gradient(chosen_scores, nothing, more=True)
        weights = ops.mean(slope, axis=(1, 2), keepdims=True)
        return ops.relu(ops.sum(weights * ops.cast(maps, "float32"), axis=-1))

    return compiled(heat, model)


def grad_cam(
    model: Any,
    pictures: np.ndarray,
    classes: int | Sequence[int] | None = None,
    layer: str | None = None,
) -> np.ndarray:
    """Compute Grad-CAM heat maps, in batches: where does a class get its score from?

    The weight of a channel is the mean, over its map, of the gradient of the class score before
    its softmax or sigmoid; the heat map is the weighted sum of the channels, cut at zero
    (Selvaraju et al., "Grad-CAM", 2017). A model that ends in one sigmoid unit has two classes, 0
    and 1, with opposite scores.

    Args:
        model: a functional or sequential Keras model that ends in one score per class.
        pictures: as they enter the model, shape (N, H, W, C) or (H, W, C).
        classes: whose score is explained: one for all, one per picture, or None for the class that
            the model finds most likely.
        layer: a spatial layer; None takes ``last_spatial_layer``.

    Returns:
        Heat maps at the size of the pictures, shape (N, H, W), float32, not below zero, in the
        unit of the class score, so that maps of two classes of a picture can be compared. A map of
        zeros means that nothing in this layer speaks for the class.

    Raises:
        ValueError: a layer is missing or not spatial, pictures do not fit, a class is out of range.

    >>> layers = keras.layers
    >>> model = keras.Sequential([keras.Input((2, 2, 1))])
    >>> model.add(layers.Conv2D(1, 1, kernel_initializer="ones"))
    >>> model.add(layers.GlobalAveragePooling2D())
    >>> picture = np.array([[[0], [4]], [[0], [0]]])
    >>> grad_cam(model, picture, 1).tolist()
    [[[0.0, 1.0], [0.0, 0.0]]]
    """
    pictures = checked_pictures(model, pictures)
    size = pictures.shape[1:]
    layer = last_spatial_layer(model) if layer is None else layer
    shape = checked_layer(model, layer, size)
    chosen = checked_classes(model, size, classes, len(pictures))
    coarse = in_batches(_heat_function(model, layer, shape), pictures, chosen)
    return np.clip(resized(coarse[..., None], *size[:2])[..., 0], 0, None)


@functools.lru_cache(maxsize=8)
def _score_function(model: Any) -> Callable[..., Any]:
    def scores(pictures: Any) -> Any:
        walk = Walk()
        return scores_of(walk, walk.through(model, pictures))

    return compiled(scores, model)


def class_scores(model: Any, pictures: np.ndarray) -> np.ndarray:
    """Compute the score of every class before the softmax or sigmoid.

    Args:
        model: a functional or sequential Keras model that ends in one score per class.
        pictures: as they enter the model, shape (N, H, W, C) or (H, W, C).

    Returns:
        The scores, shape (N, classes), float32. A model that ends in one sigmoid unit gives -s for
        class 0 and s for class 1.

    Raises:
        ValueError: the pictures do not fit the model.

    >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten()])
    >>> model.add(keras.layers.Dense(1, "sigmoid", kernel_initializer="ones"))
    >>> class_scores(model, np.ones((2, 2, 1))).tolist()
    [[-4.0, 4.0]]
    """
    return in_batches(_score_function(model), checked_pictures(model, pictures))


def occlusion(
    model: Any,
    pictures: np.ndarray,
    classes: int | Sequence[int] | None = None,
    *,
    patch: int,
    stride: int | None = None,
) -> np.ndarray:
    """Measure how far a class score falls when a patch is covered: a check without gradients.

    A patch of the picture's mean color is laid over every place in turn (Zeiler and Fergus,
    "Visualizing and Understanding Convolutional Networks", 2014).

    Args:
        model: a functional or sequential Keras model that ends in one score per class.
        pictures: as they enter the model, shape (N, H, W, C) or (H, W, C).
        classes: as in ``grad_cam``.
        patch: height and width of the cover, in pixels.
        stride: pixels from one place to the next; half a patch without it.

    Returns:
        The fall of the score before its softmax or sigmoid, shape (N, H, W), float32: at every
        pixel the mean over the covers that hid it. Positive where the score needed the pixel.

    Raises:
        ValueError: the patch does not fit, or as in ``grad_cam``.

    >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.GlobalAveragePooling2D()])
    >>> picture = np.array([[[0], [4]], [[0], [0]]])
    >>> occlusion(model, picture, 1, patch=1).tolist()
    [[[-0.25, 0.75], [-0.25, -0.25]]]
    """
    pictures = checked_pictures(model, pictures)
    height, width = pictures.shape[1:3]
    stride = max(1, patch // 2) if stride is None else stride
    if not 1 <= patch <= min(height, width) or not 1 <= stride <= patch:
        raise ValueError(
            f"A patch of {patch} pixels every {stride} cannot cover pictures of "
            f"{height} x {width}: the patch must fit, and the stride must not exceed it."
        )
    chosen = checked_classes(model, pictures.shape[1:], classes, len(pictures))
    scores = class_scores(model, pictures)
    chosen = np.where(chosen < 0, scores.argmax(axis=1), chosen)
    rows, columns = (
        sorted({*range(0, side - patch + 1, stride), side - patch}) for side in (height, width)
    )
    fall = np.zeros((len(pictures), height, width), "float32")
    covers = np.zeros((height, width), "float32")
    for row in rows:
        for column in columns:
            covers[row : row + patch, column : column + patch] += 1
    for number, picture in enumerate(pictures):
        covered = np.repeat(picture[None], len(rows) * len(columns), axis=0)
        places = [(row, column) for row in rows for column in columns]
        for cover, (row, column) in zip(covered, places, strict=True):
            cover[row : row + patch, column : column + patch] = picture.mean(axis=(0, 1))
        lost = scores[number, chosen[number]] - class_scores(model, covered)[:, chosen[number]]
        for drop, (row, column) in zip(lost, places, strict=True):
            fall[number, row : row + patch, column : column + patch] += drop
    return fall / covers


@functools.lru_cache(maxsize=8)
def _slope_function(model: Any) -> Callable[..., Any]:
    def slopes(pictures: Any, classes: Any) -> Any:
        def chosen_scores(values: Any) -> Any:
            walk = Walk()
            scores = scores_of(walk, walk.through(model, values))
            return ops.sum(scores * ops.one_hot(classes, scores.shape[-1]))

        return gradient(chosen_scores, pictures)[1]

    return compiled(slopes, model)


def _resolved(
    model: Any, pictures: np.ndarray, classes: int | Sequence[int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures as float32, and the class of each; the likeliest where none was named."""
    pictures = checked_pictures(model, pictures)
    chosen = checked_classes(model, pictures.shape[1:], classes, len(pictures))
    if (chosen < 0).any():
        chosen = class_scores(model, pictures).argmax(axis=1).astype("int32")
    return pictures, chosen


def integrated_gradients(
    model: Any,
    pictures: np.ndarray,
    classes: int | Sequence[int] | None = None,
    *,
    steps: int = 16,
) -> np.ndarray:
    """Compute integrated gradients: each pixel's share of the score, from a plain picture on.

    The path leads from the picture's mean color to the picture; the gradients of the class score
    along it are averaged and multiplied by what changed (Sundararajan et al., "Axiomatic
    Attribution for Deep Networks", 2017).

    Args:
        model: a functional or sequential Keras model that ends in one score per class.
        pictures: as they enter the model, shape (N, H, W, C) or (H, W, C).
        classes: as in ``grad_cam``.
        steps: points on the path, the middles of as many equal parts.

    Returns:
        Contribution of each pixel to the score before its softmax or sigmoid, summed over the
        channels, shape (N, H, W), float32, positive or negative. A map adds up to about the score
        of the picture less that of its plain mean color.

    Raises:
        ValueError: fewer than one step, or as in ``grad_cam``.

    >>> layers = keras.layers
    >>> model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3)])
    >>> model.add(layers.GlobalAveragePooling2D())
    >>> pictures = np.random.default_rng(0).random((1, 8, 8, 3)).astype("float32")
    >>> contributions = integrated_gradients(model, pictures, 1)
    >>> plain = np.broadcast_to(pictures.mean(axis=(1, 2), keepdims=True), pictures.shape)
    >>> gained = class_scores(model, pictures)[0, 1] - class_scores(model, plain)[0, 1]
    >>> bool(np.isclose(contributions.sum(), gained, atol=1e-4))
    True
    """
    if steps < 1:
        raise ValueError(f"A path needs at least one step, not {steps}.")
    pictures, chosen = _resolved(model, pictures, classes)
    plain = pictures.mean(axis=(1, 2), keepdims=True)
    slopes = np.zeros_like(pictures)
    for share in (np.arange(steps) + 0.5) / steps:
        between = (plain + share * (pictures - plain)).astype("float32")
        slopes += in_batches(_slope_function(model), between, chosen) / steps
    summed: np.ndarray = ((pictures - plain) * slopes).sum(axis=-1)
    return summed


def smooth_grad(
    model: Any,
    pictures: np.ndarray,
    classes: int | Sequence[int] | None = None,
    *,
    samples: int = 8,
    noise: float = 0.15,
    seed: int = 0,
) -> np.ndarray:
    """Compute a saliency map, smoothed: how strongly the score reacts to each pixel.

    The gradient of the class score is averaged over copies of the picture with noise (Smilkov et
    al., "SmoothGrad", 2017). One sample without noise gives the plain saliency map of Simonyan et
    al., "Deep Inside Convolutional Networks" (2013).

    Args:
        model: a functional or sequential Keras model that ends in one score per class.
        pictures: as they enter the model, shape (N, H, W, C) or (H, W, C), values from 0 to 255.
        classes: as in ``grad_cam``.
        samples: noisy copies of each picture.
        noise: standard deviation of the noise, as a share of the range of 255.
        seed: of the noise.

    Returns:
        The largest absolute gradient among the channels, shape (N, H, W), float32, not negative.

    Raises:
        ValueError: fewer than one sample, negative noise, or as in ``grad_cam``.

    >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.GlobalAveragePooling2D()])
    >>> picture = np.array([[[0], [4]], [[0], [0]]])
    >>> smooth_grad(model, picture, 1).tolist()  # a mean reacts to all four pixels alike
    [[[0.25, 0.25], [0.25, 0.25]]]
    """
    if samples < 1 or noise < 0:
        raise ValueError("SmoothGrad needs at least one sample, and noise that is not negative.")
    pictures, chosen = _resolved(model, pictures, classes)
    random = np.random.default_rng(seed)
    slopes = np.zeros_like(pictures)
    for _ in range(samples):
        noisy = pictures + random.normal(0, noise * 255, pictures.shape).astype("float32")
        slopes += in_batches(_slope_function(model), noisy, chosen) / samples
    strongest: np.ndarray = np.abs(slopes).max(axis=-1)
    return strongest


def pixel_slopes(
    model: Any, pictures: np.ndarray, classes: int | Sequence[int] | None = None
) -> np.ndarray:
    """Compute the gradient of a class score with respect to the pixels.

    Args:
        model: a functional or sequential Keras model that ends in one score per class.
        pictures: as they enter the model, shape (N, H, W, C) or (H, W, C).
        classes: as in ``grad_cam``.

    Returns:
        The gradient of the score before its softmax or sigmoid, shape (N, H, W, C), float32.

    Raises:
        ValueError: as in ``grad_cam``.

    >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.GlobalAveragePooling2D()])
    >>> pixel_slopes(model, np.zeros((2, 2, 1)), 1)[0, ..., 0].tolist()
    [[0.25, 0.25], [0.25, 0.25]]
    """
    pictures, chosen = _resolved(model, pictures, classes)
    return np.asarray(in_batches(_slope_function(model), pictures, chosen))
