"""Output sizes, parameters, multiplications and receptive fields of convolutions.

Chapter 01 defines the formulas in a few lines each. These are the same formulas with every case of
Keras and with checked arguments, for the chapters after it. They follow Dumoulin and Visin, "A
guide to convolution arithmetic for deep learning" (2016). Padding is "valid" or "same", as in
Keras, or the number of zeros added at each end.
"""

import numbers
from collections.abc import Iterable, Sequence
from math import prod
from typing import Any, NamedTuple

Padding = int | str


def _whole(value: int, name: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, not {value!r}.")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}.")


def padding_amounts(
    size: int, window: int, stride: int = 1, padding: Padding = "valid"
) -> tuple[int, int]:
    """Compute how many zeros are added before and after one axis.

    "same" adds as many as make the output ``ceil(size / stride)`` long; if their number is odd,
    the extra zero goes to the end, as in TensorFlow.

    Args:
        size: length of the input along the axis, in pixels.
        window: length of the filter or pooling window, in pixels.
        stride: step of the window, in pixels.
        padding: "valid" (none), "same", or the number of zeros at each end.

    Returns:
        The zeros before the axis and those after it.

    Raises:
        TypeError: a number is not whole.
        ValueError: a number is too small, or the padding isn't one of the three.

    >>> padding_amounts(28, 5, padding="same")
    (2, 2)
    >>> padding_amounts(5, 2, stride=2, padding="same")
    (0, 1)
    """
    _whole(size, "The input size", 1)
    _whole(window, "The window", 1)
    _whole(stride, "The stride", 1)
    if padding == "valid":
        return 0, 0
    if padding == "same":
        total = max((-(-size // stride) - 1) * stride + window - size, 0)
        return total // 2, total - total // 2
    if isinstance(padding, str):
        raise ValueError(f'The padding must be "valid", "same" or a number, not "{padding}".')
    _whole(padding, "The padding", 0)
    return padding, padding


def output_size(size: int, window: int, stride: int = 1, padding: Padding = "valid") -> int:
    """Compute the length of the output along one axis.

    It is ``floor((W - F + P) / S) + 1``, where P counts the zeros of both ends.

    Args:
        size: length W of the input along the axis, in pixels.
        window: length F of the filter or pooling window, in pixels.
        stride: step S of the window, in pixels.
        padding: "valid" (none), "same", or the number of zeros at each end.

    Returns:
        The number of positions that the window takes along the axis.

    Raises:
        TypeError: a number is not whole.
        ValueError: the window does not fit into the padded input, or an argument is out of range.

    >>> output_size(28, 3), output_size(28, 3, stride=2), output_size(28, 3, padding="same")
    (26, 13, 28)
    """
    before, after = padding_amounts(size, window, stride, padding)
    padded = before + size + after
    if window > padded:
        raise ValueError(
            f"A window of {window} does not fit into an input of {size} with {before + after} "
            f"zeros of padding: use a window of at most {padded}, or more padding."
        )
    return (padded - window) // stride + 1


def convolution_parameters(
    window: Sequence[int], channels_in: int, channels_out: int, bias: bool = True
) -> int:
    """Count the parameters of a convolution: ``(F * F * D_in + 1) * D_out``.

    Args:
        window: lengths of the filter along each axis, such as ``(3, 3)``.
        channels_in: depth D_in of the input.
        channels_out: number D_out of filters.
        bias: whether each filter has one bias.

    Returns:
        The number of trainable parameters.

    Raises:
        TypeError: a number is not whole, or the window isn't a sequence.
        ValueError: a number is below 1.

    >>> convolution_parameters((5, 5), 3, 20)
    1520
    """
    if not isinstance(window, Sequence):
        raise TypeError(f"The window must list its lengths, as in (3, 3), not {window!r}.")
    for length in window:
        _whole(length, "The window", 1)
    _whole(channels_in, "The number of input channels", 1)
    _whole(channels_out, "The number of filters", 1)
    return (prod(window) * channels_in + int(bias)) * channels_out


def dense_parameters(inputs: int, units: int, bias: bool = True) -> int:
    """Count the parameters of a dense layer: ``(inputs + 1) * units``.

    Args:
        inputs: how many numbers go in.
        units: how many numbers come out.
        bias: whether each unit has one bias.

    Returns:
        The number of trainable parameters.

    Raises:
        TypeError: a number is not whole.
        ValueError: a number is below 1.

    >>> dense_parameters(784, 10)
    7850
    """
    _whole(inputs, "The number of inputs", 1)
    _whole(units, "The number of units", 1)
    return (inputs + int(bias)) * units


def receptive_field(layers: Iterable[tuple[int, int]]) -> int:
    """Compute how much of the input, along one axis, one output position can see.

    ``r = 1 + sum_i (F_i - 1) * prod_{j < i} S_j`` over the layers from the input on.

    Args:
        layers: (window, stride) of each convolution or pooling, from the input on.

    Returns:
        The length of the receptive field, in pixels of the input.

    Raises:
        TypeError: a number is not whole.
        ValueError: a number is below 1.

    >>> receptive_field([(3, 1), (2, 2), (3, 1)])
    8
    """
    field, jump = 1, 1
    for window, stride in layers:
        _whole(window, "The window", 1)
        _whole(stride, "The stride", 1)
        field += (window - 1) * jump
        jump *= stride
    return field


class LayerCount(NamedTuple):
    """Describe one layer of a model by its output shape, parameters and multiplications."""

    name: str
    kind: str
    output_shape: tuple[int | None, ...]
    parameters: int
    multiplications: int


def _multiplications(layer: Any) -> int:
    """Count the multiplications of one Keras layer for one example, from its settings."""
    kind = type(layer).__name__
    shape = tuple(layer.output.shape[1:])
    if "Conv" in kind and None in shape:
        raise ValueError(
            f'The output of the layer "{layer.name}" has an open size, {shape}: give the Input one.'
        )
    channels_in = layer.input.shape[-1] if hasattr(layer.input, "shape") else 0
    if kind in ("Conv1D", "Conv2D", "Conv3D"):
        return prod(layer.kernel_size) * (channels_in // layer.groups) * prod(shape)
    if kind in ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"):
        return prod(layer.kernel_size) * shape[-1] * prod(layer.input.shape[1:])
    if kind in ("DepthwiseConv1D", "DepthwiseConv2D"):
        return prod(layer.kernel_size) * prod(shape)
    if kind in ("SeparableConv1D", "SeparableConv2D"):
        middle = channels_in * layer.depth_multiplier
        return prod(shape[:-1]) * middle * (prod(layer.kernel_size) + shape[-1])
    if kind == "Dense":
        return channels_in * prod(shape)
    return 0


def count(model: Any) -> list[LayerCount]:
    """Count parameters and multiplications of each layer of a built Keras model, nested ones too.

    The multiplications are those of convolutions and dense layers for one example. A normalization
    after a convolution can be folded into it, so it counts as none.

    Args:
        model: a functional or built sequential Keras model.

    Returns:
        One row per layer, in the order of the model; their sums are the model's totals.

    Raises:
        ValueError: the model has not been built, or it takes pictures of any size, so its shapes
            are not known.

    >>> from helpers.backend import keras
    >>> model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Conv2D(32, 3)])
    >>> [convolution] = count(model)
    >>> convolution.output_shape, convolution.parameters, convolution.multiplications
    ((None, 26, 26, 32), 320, 194688)
    """
    if not model.built:
        raise ValueError(
            f'The model "{model.name}" has no shapes yet: give it an Input layer or build it first.'
        )
    rows: list[LayerCount] = []
    for layer in model.layers:
        if hasattr(layer, "layers"):
            rows += count(layer)
        elif type(layer).__name__ != "InputLayer":
            shape = tuple(layer.output.shape)
            rows.append(
                LayerCount(
                    layer.name,
                    type(layer).__name__,
                    shape,
                    layer.count_params(),
                    _multiplications(layer),
                )
            )
    return rows
