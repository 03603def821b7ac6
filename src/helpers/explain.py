"""What a convnet sees: feature maps, filter patterns, heat maps and occlusion, as arrays.

Every function takes a functional model, a functional model with a nested base, or a sequential
model, and pictures exactly as they enter that model. A picture of each result is one call away in
``helpers.explain_plots``.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.backend import as_array, compiled, gradient, keras

ops = keras.ops
BATCH = 16  # pictures a step; one size, so that a compiled function is traced only once
LAST_BLUR = 0.7  # pixels: gradient ascent ends with a blur that lets the finest lines pass


# --- one walk through the layers, nested or not ----------------------------------------------


class _Walk:
    """Runs a model layer by layer, keeping every output, and enters nested models."""

    def __init__(self, nudged: str | None = None, nudge: Any = None) -> None:
        self.outputs: dict[str, Any] = {}
        self.nudged, self.nudge = nudged, nudge
        self.last: tuple[Any, Any, Any] = (None, None, None)  # layer, its input, its output

    def through(self, model: Any, x: Any) -> Any:
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                x = self._call(model, layer, x)
            return x

        # Calling a nested model would hide its layers; this runs the graph with our own call.
        def bound(layer: Any) -> Callable[..., Any]:
            return functools.partial(self._call, model, layer)

        return model._run_through_graph(x, operation_fn=bound)

    def _call(self, owner: Any, layer: Any, *inputs: Any, **options: Any) -> Any:
        if _is_graph(layer):
            return self.through(layer, inputs[0])
        if "training" in inspect.signature(layer.call).parameters:
            options["training"] = False  # augmentation layers would otherwise be active
        output = layer(*inputs, **options)
        name = layer.name if layer.name not in self.outputs else f"{owner.name}/{layer.name}"
        if name == self.nudged:
            output = output + ops.cast(self.nudge, output.dtype)
        self.outputs[name] = output
        self.last = (layer, inputs[0] if inputs else None, output)
        return output


def _is_graph(layer: Any) -> bool:
    """Whether a layer is a model whose layers can be entered."""
    return isinstance(layer, keras.Sequential) or hasattr(layer, "_run_through_graph")


def _scores(walk: _Walk, output: Any) -> Any:
    """Class scores before the last activation, shape (N, classes).

    A softmax or sigmoid flattens the gradient where the model is sure, so it is taken off. A
    single sigmoid unit gives the score s for class 1 and -s for class 0.
    """
    layer, entering, leaving = walk.last
    scores = output
    if leaving is output:
        if isinstance(layer, keras.layers.Softmax) or (
            isinstance(layer, keras.layers.Activation) and _squashes(layer)
        ):
            scores = entering
        elif isinstance(layer, keras.layers.Dense) and _squashes(layer):
            scores = ops.matmul(ops.cast(entering, "float32"), layer.kernel)
            scores = scores if layer.bias is None else scores + layer.bias
    scores = ops.cast(scores, "float32")
    if scores.shape[-1] == 1:
        scores = ops.concatenate([-scores, scores], axis=-1)
    return scores


def _squashes(layer: Any) -> bool:
    return getattr(layer.activation, "__name__", "") in ("softmax", "sigmoid")


# --- what is checked before anything is computed ---------------------------------------------


def _checked_model(model: Any) -> Any:
    if not isinstance(model, keras.Model) or not _is_graph(model):
        raise ValueError(
            f"{type(model).__name__} is neither a functional nor a sequential Keras model, "
            "so its layers cannot be followed: build it with keras.Model or keras.Sequential."
        )
    if not model.built:
        raise ValueError(
            f'The model "{model.name}" does not know the size of its pictures yet: '
            "give it a keras.Input as its first entry."
        )
    if isinstance(model.input_shape, list) or len(model.input_shape) != 4:
        raise ValueError(
            f'The model "{model.name}" takes inputs of shape {model.input_shape}, not one batch '
            "of pictures (N, H, W, C)."
        )
    if isinstance(model.output_shape, list):
        raise ValueError(
            f'The model "{model.name}" has {len(model.output_shape)} outputs: make a model of the '
            "one that is to be explained."
        )
    return model


def _checked_pictures(model: Any, pictures: np.ndarray) -> np.ndarray:
    pictures = np.asarray(pictures)
    wanted = _checked_model(model).input_shape[1:]
    if pictures.ndim == 3:
        pictures = pictures[None]
    if not (np.issubdtype(pictures.dtype, np.number) and pictures.dtype.kind != "c"):
        raise ValueError(
            f"Pictures must be arrays of numbers (uint8 or float), and these are {pictures.dtype}."
        )
    fits = pictures.ndim == 4 and all(
        want in (None, size) for want, size in zip(wanted, pictures.shape[1:], strict=True)
    )
    if not fits or len(pictures) == 0:
        shape = ", ".join("any" if size is None else str(size) for size in wanted)
        raise ValueError(
            f'The model "{model.name}" takes pictures of shape ({shape}), and these have shape '
            f"{pictures.shape}: give (N, H, W, C) or one (H, W, C)."
        )
    if pictures.dtype.kind == "f" and not np.isfinite(pictures).all():
        raise ValueError("The pictures hold values that are not finite (NaN or infinity).")
    return pictures.astype("float32")


@functools.lru_cache(maxsize=8)
def _shapes(model: Any, size: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
    """Shape of every layer's output for one picture of this size, and of the scores, under ""."""
    walk = _Walk()
    output = walk.through(model, ops.zeros((1, *size)))
    shapes = {
        name: tuple(value.shape[1:])
        for name, value in walk.outputs.items()
        if hasattr(value, "shape")
    }
    return {**shapes, "": tuple(_scores(walk, output).shape[1:])}


def _picture_size(model: Any, size: int | None = None) -> tuple[int, int, int]:
    """Height, width and channels of the model's pictures; ``size`` fills in what is left open."""
    height, width, channels = _checked_model(model).input_shape[1:]
    if size is not None and (height or size, width or size) != (size, size):
        raise ValueError(
            f'The model "{model.name}" takes pictures of {height} x {width} pixels only, '
            f"not of {size} x {size}: leave size out."
        )
    return (height or size or 128, width or size or 128, channels)


def spatial_layers(model: Any, size: int | None = None) -> dict[str, tuple[int, int, int]]:
    """Layers whose output is a stack of feature maps, in the order in which they run.

    Args:
        model: a functional or sequential Keras model; nested models are entered.
        size: height and width of a picture, for models that take any (128 without it).

    Returns:
        The shape (height, width, channels) of one picture's maps, by the layer's name. Where two
        layers share a name, the second appears as "model/layer".

    Raises:
        ValueError: the model cannot be followed, or has no convolution.
    """
    return _spatial(model, _picture_size(model, size))


def _spatial(model: Any, size: tuple[int, int, int]) -> dict[str, tuple[int, int, int]]:
    """The same for pictures of a height, width and number of channels."""
    if not any("Conv" in type(layer).__name__ for layer in _flat_layers(model)):
        raise ValueError(
            f'The model "{model.name}" has no convolution, so it has no feature maps to look at.'
        )
    return {
        name: shape
        for name, shape in _shapes(model, size).items()
        if name and len(shape) == 3 and shape[0] * shape[1] > 1
    }


def _flat_layers(model: Any) -> list[Any]:
    return [
        inner
        for layer in model.layers
        for inner in (_flat_layers(layer) if _is_graph(layer) else [layer])
    ]


def _checked_layer(model: Any, layer: str, size: tuple[int, int, int]) -> tuple[int, int, int]:
    """Shape of a spatial layer's maps, or an error that lists the layers to choose from."""
    known = _spatial(model, size)
    if layer not in known:
        shapes = _shapes(model, size)
        what = (
            f"has no feature maps: its output has shape {shapes[layer]}"
            if layer in shapes
            else "does not exist"
        )
        listed = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in known.items())
        raise ValueError(
            f'The layer "{layer}" of the model "{model.name}" {what}; '
            f"choose one of the spatial layers: {listed}."
        )
    return known[layer]


def last_spatial_layer(model: Any) -> str:
    """Name of the layer that Grad-CAM looks at unless told otherwise.

    It is the last layer whose maps still have the size of the last convolution's: its activation
    or the sum of its block, but not the pooling after it, which holds the same maps coarser.

    Raises:
        ValueError: the model has no convolution.
    """
    known = spatial_layers(model)
    convolutions = {layer.name for layer in _flat_layers(model) if "Conv" in type(layer).__name__}
    last = [name for name in known if name.split("/")[-1] in convolutions][-1]
    return [name for name in known if known[name][:2] == known[last][:2]][-1]


def _checked_classes(
    model: Any, size: tuple[int, int, int], classes: int | Sequence[int] | None, number: int
) -> np.ndarray:
    """One class a picture, int32; -1 stands for the class with the highest score."""
    shape = _shapes(model, size)[""]
    if len(shape) != 1:
        raise ValueError(
            f'The model "{model.name}" ends in an output of shape {shape}, not in one score a '
            "class: put a head on it first."
        )
    if classes is None:
        return np.full(number, -1, "int32")
    chosen = np.atleast_1d(np.asarray(classes))
    if chosen.dtype.kind not in "iu" or chosen.ndim != 1 or len(chosen) not in (1, number):
        raise ValueError(
            f"The classes must be one whole number, or one for each of the {number} pictures."
        )
    if chosen.min() < 0 or chosen.max() >= shape[0]:
        raise ValueError(
            f"The class {chosen[(chosen < 0) | (chosen >= shape[0])][0]} is out of range: "
            f'the model "{model.name}" tells {shape[0]} classes apart, 0 to {shape[0] - 1}.'
        )
    return np.broadcast_to(chosen, number).astype("int32")


def _in_batches(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """Run a compiled function over arrays in batches of one size, the last one filled up.

    A picture that comes alone is a batch of its own. Returns one array, or a list of arrays.
    """
    number = len(arrays[0])
    if number == 1:
        found = function(*arrays)
        single = not isinstance(found, (list, tuple))
        return as_array(found) if single else [as_array(part) for part in found]
    parts: list[list[np.ndarray]] = []
    for begin in range(0, number, BATCH):
        chosen = np.minimum(np.arange(begin, begin + BATCH), number - 1)
        found = function(*(array[chosen] for array in arrays))
        single = not isinstance(found, (list, tuple))
        kept = min(BATCH, number - begin)
        parts.append([as_array(part)[:kept] for part in ([found] if single else found)])
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return joined[0] if single else joined


# --- feature maps ----------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def _maps_function(model: Any, layers: tuple[str, ...]) -> Callable[..., Any]:
    def maps(pictures: Any) -> list[Any]:
        walk = _Walk()
        walk.through(model, pictures)
        return [walk.outputs[name] for name in layers]

    return compiled(maps, model)


def activations(model: Any, pictures: np.ndarray, layers: Iterable[str]) -> dict[str, np.ndarray]:
    """What chosen layers make of pictures, through one function with many outputs.

    Args:
        model: a functional or sequential Keras model.
        pictures: as they enter the model, shape (N, H, W, C) or (H, W, C), any numeric dtype.
        layers: names of spatial layers.

    Returns:
        The maps of each layer, shape (N, height, width, channels), float32, by its name.

    Raises:
        ValueError: a layer is missing or not spatial, or the pictures do not fit the model.
    """
    pictures = _checked_pictures(model, pictures)
    names = tuple(layers)
    for name in names:
        _checked_layer(model, name, pictures.shape[1:])
    return dict(zip(names, _in_batches(_maps_function(model, names), pictures), strict=True))


def sparsity(maps: np.ndarray) -> float:
    """Share of the values of feature maps that are exactly zero, between 0 and 1."""
    return float(np.mean(np.asarray(maps) == 0))


def silent_channels(maps: np.ndarray) -> float:
    """Share of the channels that are zero at every position, averaged over the pictures."""
    return float(np.mean(~np.any(maps, axis=(1, 2))))


class ReadBack(NamedTuple):
    """Pictures read back from feature maps, and how much of the pictures that kept."""

    pictures: np.ndarray  # (N, detail, detail, C) float32 in 0 to 1
    kept: float  # R squared on pictures that were not used for the fit; at most 1


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

    Raises:
        ValueError: fewer than two pictures are left for the fit, or none for reading back.
    """
    if not 1 < fitted < len(maps):
        raise ValueError(
            f"Of {len(maps)} pictures {fitted} cannot be used for the fit: it needs at least two, "
            "and at least one must be left to read back."
        )
    target = _resized(
        pictures.astype("float32") / (255 if pictures.dtype == np.uint8 else 1), detail
    )
    maps = maps if maps.shape[1] <= detail else _resized(maps, detail)
    number, side, _, channels = maps.shape
    cell, colours = max(1, round(detail / side)), target.shape[-1]
    patches = _resized(target, side * cell).reshape(number, side, cell, side, cell, colours)
    patches = patches.transpose(0, 1, 3, 2, 4, 5).reshape(number, side * side, -1)
    inputs = maps.reshape(number, side * side, channels).astype("float32")
    middle, centre = inputs[:fitted].mean(axis=(0, 1)), patches[:fitted].mean(axis=(0, 1))
    inputs, patches = inputs - middle, patches - centre
    guessed = inputs[fitted:] @ _ridge(inputs[:fitted], patches[:fitted]) + centre
    guessed = guessed.reshape(-1, side, side, cell, cell, colours).transpose(0, 1, 3, 2, 4, 5)
    guessed = _resized(guessed.reshape(-1, side * cell, side * cell, colours), detail)
    unexplained = np.mean((target[fitted:] - guessed) ** 2)
    variance = np.mean((target[fitted:] - target[:fitted].mean(axis=(0, 1, 2))) ** 2)
    return ReadBack(np.clip(guessed, 0, 1), float(1 - unexplained / variance))


def _ridge(inputs: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Weights of ridge regression, shape (channels, outputs), its penalty chosen by trying.

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
    """What becomes of pictures from layer to layer; one value a layer, shares between 0 and 1."""

    layers: tuple[str, ...]
    zeros: list[float]  # share of values that are zero
    silent: list[float]  # share of channels that are zero all over a picture
    kept: list[float]  # share of the pictures' variance that can be read back, see ``read_back``
    told: list[float]  # share of pictures whose class a linear rule tells from the channel means
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

    The rules that read back the picture and tell the class are fitted on the first pictures and
    measured on the others.

    Args:
        model: a functional or sequential Keras model.
        pictures: as they enter the model, shape (N, H, W, C), uint8.
        labels: integer classes, shape (N,).
        layers: names of spatial layers, first to last.
        fitted: number of pictures for the fits.
        detail: see ``read_back``.

    Raises:
        ValueError: a layer is missing or not spatial, the pictures do not fit, or none are left on
            one side.
    """
    names = tuple(layers)
    zeros, silent = ({name: [] for name in names} for _ in range(2))
    small: dict[str, list[np.ndarray]] = {name: [] for name in names}
    means: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for begin in range(0, len(pictures), BATCH):
        # Large maps are made small at once: those of all pictures would not fit into memory.
        batch = activations(model, pictures[begin : begin + BATCH], names)
        for name, maps in batch.items():
            zeros[name] += [sparsity(one) for one in maps]
            silent[name] += [silent_channels(one[None]) for one in maps]
            means[name].append(maps.mean(axis=(1, 2)))
            small[name].append(maps if maps.shape[1] <= detail else _resized(maps, detail))
    read = {
        name: read_back(np.concatenate(small[name]), pictures, fitted, detail) for name in names
    }
    told = []
    for name in names:
        rule = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        channels = np.concatenate(means[name])
        rule.fit(channels[:fitted], labels[:fitted])
        told.append(float(rule.score(channels[fitted:], labels[fitted:])))
    return Depth(
        names,
        [float(np.mean(zeros[name])) for name in names],
        [float(np.mean(silent[name])) for name in names],
        [read[name].kept for name in names],
        told,
        {name: read[name].pictures for name in names},
    )


def _resized(pictures: np.ndarray, height: int, width: int | None = None) -> np.ndarray:
    """Pictures of shape (N, H, W, C) resized bilinearly, each pixel of the source counted."""
    width = width or height
    if pictures.shape[1:3] == (height, width):
        return np.asarray(pictures, "float32")
    resized = keras.ops.image.resize(
        np.asarray(pictures, "float32"), (height, width), antialias=True
    )
    return as_array(resized)


# --- filter patterns -------------------------------------------------------------------------


class Patterns(NamedTuple):
    """Pictures that please filters, and how much."""

    pictures: np.ndarray  # (filters, size, size, C) float32, in the range of the model's pictures
    before: np.ndarray  # (filters,) mean activation of each filter on the noise it began with
    after: np.ndarray  # (filters,) and on its picture


@functools.lru_cache(maxsize=8)
def _ascent_step(model: Any, layer: str) -> Callable[..., Any]:
    """One step uphill for a batch of pictures, and the filters' activations before the step."""

    def step(
        pictures: Any, filters: Any, shift: Any, blur_rows: Any, blur_columns: Any, length: Any
    ) -> tuple[Any, Any]:
        def activation(moved: Any) -> tuple[Any, Any]:
            walk = _Walk()
            walk.through(model, moved)
            maps = ops.cast(walk.outputs[layer], "float32")
            chosen = ops.one_hot(filters, maps.shape[-1])[:, None, None, :]
            each = ops.sum(ops.mean(maps * chosen, axis=(1, 2)), axis=-1)
            return ops.sum(each), each

        moved = ops.roll(pictures, (shift[0], shift[1]), axis=(1, 2))
        (_, each), slope = gradient(activation, moved, more=True)
        slope = ops.roll(slope, (-shift[0], -shift[1]), axis=(1, 2))
        slope = ops.einsum("ij,bjkc,lk->bilc", blur_rows, slope, blur_columns)
        size = ops.sqrt(ops.sum(ops.square(slope), axis=(1, 2, 3), keepdims=True))
        return pictures + length * slope / (size + 1e-12), each

    return compiled(step, model)


def _blur(size: int, sigma: float) -> np.ndarray:
    """Matrix that blurs a row of pixels with a Gaussian, wrapping around; shape (size, size)."""
    distance = np.arange(size)
    distance = np.minimum(distance, size - distance)
    weights = np.exp(-0.5 * (distance / max(sigma, 1e-3)) ** 2)
    rows = [np.roll(weights / weights.sum(), shift) for shift in range(size)]
    return np.array(rows, "float32")


def filter_patterns(
    model: Any,
    layer: str,
    filters: Iterable[int],
    *,
    size: int | None = None,
    steps: int = 30,
    rate: float = 0.02,
    blur: float = 4.0,
    jitter: int = 16,
    value_range: tuple[float, float] = (0, 255),
    seed: int = 0,
) -> Patterns:
    """Pictures that raise the mean activation of filters, by gradient ascent from grey noise.

    All filters climb together in one batch. The gradient of each picture is divided by its L2
    norm, so that every step has the same length whatever the filter. Before each step the picture
    is shifted at random (jitter), so that no pattern clings to the grid of the strides, and the
    gradient is blurred, so that large forms come before fine ones instead of drowning in noise.
    Both shrink step by step and are all but gone in the last third of the climb.

    A filter that is silent on noise has no slope to climb, so layers before their ReLU are the
    better choice.

    Args:
        model: a functional or sequential Keras model.
        layer: name of a spatial layer.
        filters: indices of its channels.
        size: height and width of the pictures, for models that take any (128 without it).
        steps: steps uphill.
        rate: length of a step: root mean square of a pixel's change, as a share of the range.
        blur: standard deviation of the first blur, in pixels; it shrinks to 0.7.
        jitter: largest random shift at first, in pixels.
        value_range: lowest and highest value of a pixel as it enters the model.
        seed: of the noise and the shifts.

    Returns:
        The pictures and their filters' mean activation, before and after.

    Raises:
        ValueError: the layer or a filter does not exist, or a number is out of range.
    """
    shape = _checked_layer(model, layer, _picture_size(model, size))
    chosen = np.atleast_1d(np.asarray(list(filters)))
    if len(chosen) == 0 or chosen.dtype.kind not in "iu":
        raise ValueError("Name at least one filter, by its whole number.")
    if chosen.min() < 0 or chosen.max() >= shape[2]:
        raise ValueError(
            f"The filter {chosen[(chosen < 0) | (chosen >= shape[2])][0]} is out of range: "
            f'the layer "{layer}" has {shape[2]} filters, 0 to {shape[2] - 1}.'
        )
    low, high = value_range
    if steps < 1 or rate <= 0 or blur < 0 or jitter < 0 or low >= high:
        raise ValueError(
            "Gradient ascent needs at least one step, a positive rate, a blur and jitter that are "
            "not negative, and a value range whose first number is the lower one."
        )
    step = _ascent_step(model, layer)
    height, width, channels = _picture_size(model, size)
    random = np.random.default_rng(seed)
    noise = random.normal(0, 0.02, (len(chosen), height, width, channels))
    start = ((low + high) / 2 + noise * (high - low)).astype("float32")
    index = chosen.astype("int32")
    length = np.float32(rate * (high - low) * np.sqrt(height * width * channels))
    pictures: Any = start
    for number in range(steps):
        left = max(0.0, 1 - 1.5 * number / steps)
        sigma = max(blur * left, LAST_BLUR)
        reach = round(jitter * left)
        shift = random.integers(-reach, reach + 1, 2).astype("int32")
        pictures, _ = step(
            pictures, index, shift, _blur(height, sigma), _blur(width, sigma), length
        )
        pictures = ops.clip(pictures, low, high)
    still = (np.zeros(2, "int32"), _blur(height, 0), _blur(width, 0), np.float32(0))
    before, after = (as_array(step(ends, index, *still)[1]) for ends in (start, pictures))
    return Patterns(as_array(pictures), before, after)


# --- heat maps -------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def _heat_function(model: Any, layer: str, shape: tuple[int, int, int]) -> Callable[..., Any]:
    def heat(pictures: Any, classes: Any) -> Any:
        def chosen_scores(nudge: Any) -> tuple[Any, Any]:
            walk = _Walk(layer, nudge)
            scores = _scores(walk, walk.through(model, pictures))
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
    """Where a class gets its score from: Grad-CAM heat maps, in batches.

    The weight of a channel is the mean, over its map, of the gradient of the class score before
    its softmax or sigmoid; the heat map is the weighted sum of the channels, cut at zero
    (Selvaraju et al., "Grad-CAM", 2017). A model that ends in one sigmoid unit has two classes, 0
    and 1, with opposite scores.

    Args:
        model: a functional or sequential Keras model that ends in one score a class.
        pictures: as they enter the model, shape (N, H, W, C) or (H, W, C).
        classes: whose score is explained: one for all, one a picture, or None for the class that
            the model finds most likely.
        layer: a spatial layer; None takes ``last_spatial_layer``.

    Returns:
        Heat maps at the size of the pictures, shape (N, H, W), float32, not below zero, in the
        unit of the class score, so that maps of two classes of a picture can be compared. A map of
        zeros means that nothing in this layer speaks for the class.

    Raises:
        ValueError: a layer is missing or not spatial, pictures do not fit, a class is out of range.
    """
    pictures = _checked_pictures(model, pictures)
    size = pictures.shape[1:]
    layer = last_spatial_layer(model) if layer is None else layer
    shape = _checked_layer(model, layer, size)
    chosen = _checked_classes(model, size, classes, len(pictures))
    coarse = _in_batches(_heat_function(model, layer, shape), pictures, chosen)
    return np.clip(_resized(coarse[..., None], *size[:2])[..., 0], 0, None)


@functools.lru_cache(maxsize=8)
def _score_function(model: Any) -> Callable[..., Any]:
    def scores(pictures: Any) -> Any:
        walk = _Walk()
        return _scores(walk, walk.through(model, pictures))

    return compiled(scores, model)


def class_scores(model: Any, pictures: np.ndarray) -> np.ndarray:
    """Scores of every class before the softmax or sigmoid, shape (N, classes), float32.

    A model that ends in one sigmoid unit gives -s for class 0 and s for class 1.

    Raises:
        ValueError: the pictures do not fit the model.
    """
    return _in_batches(_score_function(model), _checked_pictures(model, pictures))


def occlusion(
    model: Any,
    pictures: np.ndarray,
    classes: int | Sequence[int] | None = None,
    *,
    patch: int,
    stride: int | None = None,
) -> np.ndarray:
    """How far a class score falls when a patch is covered: a check that needs no gradient.

    A patch of the picture's mean colour is laid over every place in turn (Zeiler and Fergus,
    "Visualizing and Understanding Convolutional Networks", 2014).

    Args:
        model: a functional or sequential Keras model that ends in one score a class.
        pictures: as they enter the model, shape (N, H, W, C) or (H, W, C).
        classes: as in ``grad_cam``.
        patch: height and width of the cover, in pixels.
        stride: pixels from one place to the next; half a patch without it.

    Returns:
        The fall of the score before its softmax or sigmoid, shape (N, H, W), float32: at every
        pixel the mean over the covers that hid it. Positive where the score needed the pixel.

    Raises:
        ValueError: the patch does not fit, or as in ``grad_cam``.
    """
    pictures = _checked_pictures(model, pictures)
    height, width = pictures.shape[1:3]
    stride = max(1, patch // 2) if stride is None else stride
    if not 1 <= patch <= min(height, width) or not 1 <= stride <= patch:
        raise ValueError(
            f"A patch of {patch} pixels every {stride} cannot cover pictures of "
            f"{height} x {width}: the patch must fit, and the stride must not exceed it."
        )
    chosen = _checked_classes(model, pictures.shape[1:], classes, len(pictures))
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


# --- maps against the truth ------------------------------------------------------------------


def peaks(heat: np.ndarray) -> np.ndarray:
    """The hottest pixel of each heat map, shape (N, 2), x then y; -1 where a map is all zero."""
    heat = np.asarray(heat)
    flat = heat.reshape(len(heat), -1)
    y, x = np.divmod(flat.argmax(axis=1), heat.shape[2])
    found = np.stack([x, y], axis=1)
    found[flat.max(axis=1) <= 0] = -1
    return found


def pointing_game(heat: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Whether the peak of each heat map falls into its region (Zhang et al., 2016).

    Args:
        heat: heat maps, shape (N, H, W).
        regions: where the peak should be, bool, shape (N, H, W). Their mean is what a peak at a
            random place would reach.

    Returns:
        bool, shape (N,); a map without a peak misses.

    Raises:
        ValueError: the shapes differ.
    """
    if np.shape(heat) != np.shape(regions):
        raise ValueError(
            f"The heat maps have shape {np.shape(heat)}, the regions {np.shape(regions)}: "
            "they must be of one size."
        )
    x, y = peaks(heat).T
    return np.asarray(regions, bool)[np.arange(len(x)), y, x] & (x >= 0)


def correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson's correlation of two stacks of maps, map by map, shape (N,); 0 for a flat map."""
    one, other = (np.asarray(maps, "float64").reshape(len(maps), -1) for maps in (one, other))
    one = one - one.mean(axis=1, keepdims=True)
    other = other - other.mean(axis=1, keepdims=True)
    scale = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return np.divide((one * other).sum(axis=1), scale, out=np.zeros(len(one)), where=scale > 0)
