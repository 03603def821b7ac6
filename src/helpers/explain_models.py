"""How ``helpers.explain`` follows a model layer by layer, and what it asks of models and pictures.

Every function takes a functional model, a functional model with a nested base, or a sequential
model, and pictures exactly as they enter that model.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from helpers.backend import as_array, keras

ops = keras.ops
BATCH = 16  # pictures per step; one size, so that a compiled function is traced only once

# --- one walk through the layers, nested or not ----------------------------------------------


class Walk:
    """Runs a model layer by layer, keeping every output, and enters nested models."""

    def __init__(self, nudged: str | None = None, nudge: Any = None) -> None:
        self.outputs: dict[str, Any] = {}
        self.nudged, self.nudge = nudged, nudge
        self.last: tuple[Any, Any, Any] = (None, None, None)  # layer, its input, its output

    def through(self, model: Any, x: Any) -> Any:
        """Return the model's output for a batch, keeping the output of every layer."""
        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                x = self._call(model, layer, x)
            return x

        # Calling a nested model would hide its layers; this runs the graph with our own call.
        def bound(layer: Any) -> Callable[..., Any]:
            return functools.partial(self._call, model, layer)

        return model._run_through_graph(x, operation_fn=bound)

    def _call(self, owner: Any, layer: Any, *inputs: Any, **options: Any) -> Any:
        if is_graph(layer):
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


def is_graph(layer: Any) -> bool:
    """Return whether a layer is a model whose layers can be entered."""
    return isinstance(layer, keras.Sequential) or hasattr(layer, "_run_through_graph")


def scores_of(walk: Walk, output: Any) -> Any:
    """Return the class scores before the last activation, shape (N, classes).

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


def checked_model(model: Any) -> Any:
    """Return the model, or raise ValueError if its layers can't be followed."""
    if not isinstance(model, keras.Model) or not is_graph(model):
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


def checked_pictures(model: Any, pictures: np.ndarray) -> np.ndarray:
    """Return pictures as a float32 batch, or raise ValueError if they don't fit the model."""
    pictures = np.asarray(pictures)
    wanted = checked_model(model).input_shape[1:]
    if pictures.ndim == 3:
        pictures = pictures[None]
    if not (np.issubdtype(pictures.dtype, np.number) and pictures.dtype.kind != "c"):
        raise ValueError(
            f"Pictures must be arrays of numbers (uint8 or float), but these are {pictures.dtype}."
        )
    fits = pictures.ndim == 4 and all(
        want in (None, size) for want, size in zip(wanted, pictures.shape[1:], strict=True)
    )
    if not fits or len(pictures) == 0:
        shape = ", ".join("any" if size is None else str(size) for size in wanted)
        raise ValueError(
            f'The model "{model.name}" takes pictures of shape ({shape}), but these have shape '
            f"{pictures.shape}: give (N, H, W, C) or one (H, W, C)."
        )
    if pictures.dtype.kind == "f" and not np.isfinite(pictures).all():
        raise ValueError("The pictures hold values that are not finite (NaN or infinity).")
    return pictures.astype("float32")


@functools.lru_cache(maxsize=8)
def shapes_of(model: Any, size: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each layer's output for one picture, and of the scores under ""."""
    walk = Walk()
    output = walk.through(model, ops.zeros((1, *size)))
    shapes = {
        name: tuple(value.shape[1:])
        for name, value in walk.outputs.items()
        if hasattr(value, "shape")
    }
    return {**shapes, "": tuple(scores_of(walk, output).shape[1:])}


def picture_size(model: Any, size: int | None = None) -> tuple[int, int, int]:
    """Return height, width and channels of the model's pictures; ``size`` fills in open ones."""
    height, width, channels = checked_model(model).input_shape[1:]
    if size is not None and (height or size, width or size) != (size, size):
        raise ValueError(
            f'The model "{model.name}" takes pictures of {height} x {width} pixels only, '
            f"not of {size} x {size}."
        )
    return (height or size or 128, width or size or 128, channels)


def spatial_layers(model: Any, size: int | None = None) -> dict[str, tuple[int, int, int]]:
    """List the layers whose output is a stack of feature maps, in the order in which they run.

    Args:
        model: a functional or sequential Keras model; nested models are entered.
        size: height and width of a picture, for models that take any (128 without it).

    Returns:
        The shape (height, width, channels) of one picture's maps, by the layer's name. Where two
        layers share a name, the second appears as "model/layer".

    Raises:
        ValueError: the model cannot be followed, or has no convolution.

    >>> layers = keras.layers
    >>> model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="edges")])
    >>> model.add(layers.MaxPooling2D(name="smaller"))
    >>> model.add(layers.Flatten())
    >>> spatial_layers(model)
    {'edges': (6, 6, 4), 'smaller': (3, 3, 4)}
    """
    return _spatial(model, picture_size(model, size))


def _spatial(model: Any, size: tuple[int, int, int]) -> dict[str, tuple[int, int, int]]:
    """List the spatial layers for pictures of one height, width and number of channels."""
    if not any("Conv" in type(layer).__name__ for layer in _flat_layers(model)):
        raise ValueError(
            f'The model "{model.name}" has no convolution, so it has no feature maps to look at.'
        )
    return {
        name: shape
        for name, shape in shapes_of(model, size).items()
        if name and len(shape) == 3 and shape[0] * shape[1] > 1
    }


def _flat_layers(model: Any) -> list[Any]:
    return [
        inner
        for layer in model.layers
        for inner in (_flat_layers(layer) if is_graph(layer) else [layer])
    ]


def checked_layer(model: Any, layer: str, size: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the shape of a spatial layer's maps, or raise ValueError with the layers there are."""
    known = _spatial(model, size)
    if layer not in known:
        shapes = shapes_of(model, size)
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
    """Return the name of the layer that Grad-CAM looks at unless told otherwise.

    It is the last layer whose maps still have the size of the last convolution's: its activation
    or the sum of its block, but not the pooling after it, which holds the same maps coarser.

    Raises:
        ValueError: the model has no convolution, or none has maps of more than one position.

    >>> layers = keras.layers
    >>> model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="edges")])
    >>> model.add(layers.ReLU(name="positive"))
    >>> model.add(layers.MaxPooling2D(name="smaller"))
    >>> last_spatial_layer(model)
    'positive'
    """
    known = spatial_layers(model)
    convolutions = {layer.name for layer in _flat_layers(model) if "Conv" in type(layer).__name__}
    found = [name for name in known if name.split("/")[-1] in convolutions]
    if not found:
        raise ValueError(
            f'No convolution of the model "{model.name}" has maps of more than one position.'
        )
    return [name for name in known if known[name][:2] == known[found[-1]][:2]][-1]


def checked_classes(
    model: Any, size: tuple[int, int, int], classes: int | Sequence[int] | None, number: int
) -> np.ndarray:
    """Return one class per picture, int32; -1 stands for the class with the highest score."""
    shape = shapes_of(model, size)[""]
    if len(shape) != 1:
        raise ValueError(
            f'The model "{model.name}" ends in an output of shape {shape}, not in one score '
            "per class: put a head on it first."
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


def in_batches(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
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


def resized(pictures: np.ndarray, height: int, width: int | None = None) -> np.ndarray:
    """Resize pictures (N, H, W, C) bilinearly, counting each pixel of the source."""
    width = width or height
    if pictures.shape[1:3] == (height, width):
        return np.asarray(pictures, "float32")
    resized = keras.ops.image.resize(
        np.asarray(pictures, "float32"), (height, width), antialias=True
    )
    return as_array(resized)
