"""Diagrams: a worked convolution, padding, stride, pooling, and the blocks of a network.

Every function returns a Matplotlib figure that ``plots.show`` displays.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from helpers.backend import keras
from helpers.plots import COLORS

BLUE, ORANGE, GREEN, PURPLE = (COLORS[place] for place in (0, 1, 2, 4))
INK, PAPER, SHADE = "#222222", "#ffffff", "#eef1f4"
QUARTERS = ("#cfe5f3", "#fbe3b5", "#c9ebdf", "#f3dbe7")
_SCALE = 0.42  # inches per cell


def _number(value: float) -> str:
    """Write a number as short as it can be, with a real minus sign."""
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _grid(
    axis: Axes,
    numbers: np.ndarray,
    left: float,
    top: float,
    colors: Sequence[Sequence[str]] | str = PAPER,
    marked: tuple[int, int, int, int] | None = None,
    color: str = ORANGE,
) -> None:
    """Draw a grid of numbers whose upper left corner is at (left, top); y grows downward.

    Args:
        axis: where to draw.
        numbers: shape (rows, columns); NaN leaves a cell empty.
        left: x of the left edge, in cells.
        top: y of the upper edge, in cells.
        colors: one fill for all cells, or one per cell.
        marked: row, column, height and width of a window with a thick border.
        color: of that border.
    """
    rows, columns = numbers.shape
    for row in range(rows):
        for column in range(columns):
            fill = colors if isinstance(colors, str) else colors[row][column]
            place = (left + column, top + row)
            axis.add_patch(Rectangle(place, 1, 1, facecolor=fill, edgecolor="#9aa4ae", lw=0.8))
            if not np.isnan(numbers[row, column]):
                axis.text(
                    left + column + 0.5,
                    top + row + 0.5,
                    _number(numbers[row, column]),
                    ha="center",
                    va="center",
                    fontsize=10,
                    color=INK,
                )
    if marked is not None:
        row, column, height, width = marked
        place = (left + column, top + row)
        axis.add_patch(Rectangle(place, width, height, fill=False, edgecolor=color, lw=2.6))


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Make an axis without a frame, measured in cells, with y growing downward."""
    figure = plt.figure(figsize=(width * _SCALE, height * _SCALE), facecolor=PAPER)
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.set_xlim(0, width)
    axis.set_ylim(height, 0)
    axis.set_aspect("equal")
    axis.set_axis_off()
    return figure, axis


def _label(axis: Axes, x: float, y: float, text: str, size: float = 10, **how: Any) -> None:
    axis.text(x, y, text, fontsize=size, color=INK, **{"ha": "center", "va": "center", **how})


def convolution(image: np.ndarray, kernel: np.ndarray, row: int = 0, column: int = 0) -> Figure:
    """Draw one convolution with its numbers: the window, the products and their sum.

    Args:
        image: numbers of shape (H, W).
        kernel: weights of shape (F, F), with F at most H and W.
        row: row of the window's upper left corner.
        column: column of that corner.

    Returns:
        The figure: image, kernel and feature map of shape (H - F + 1, W - F + 1).

    Raises:
        ValueError: the window does not lie inside of the image.

    >>> image, kernel = np.eye(4), np.ones((2, 2))
    >>> convolution(image, kernel).axes[0].texts[-1].get_text().split(" = ")[1]
    '2'
    """
    size = kernel.shape[0]
    height, width = image.shape[0] - size + 1, image.shape[1] - size + 1
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(
            f"A {size}x{size} window at row {row}, column {column} leaves the image of shape "
            f"{image.shape}: choose a row below {height} and a column below {width}."
        )
    maps = np.array(
        [
            [np.sum(image[y : y + size, x : x + size] * kernel) for x in range(width)]
            for y in range(height)
        ]
    )
    tall = max(image.shape[0], size, height)
    columns = (0.6, image.shape[1] + 2.1, image.shape[1] + size + 3.6)
    figure, axis = _canvas(columns[2] + width + 0.6, tall + 3.1)
    middle = 1.3 + tall / 2
    window = (row, column, size, size)
    _grid(axis, image, columns[0], middle - image.shape[0] / 2, marked=window)
    _grid(axis, kernel, columns[1], middle - size / 2, colors=SHADE)
    _grid(axis, maps, columns[2], middle - height / 2, marked=(row, column, 1, 1))
    _label(axis, columns[1] - 0.75, middle, "\N{ASTERISK OPERATOR}", 18)
    _label(axis, columns[2] - 0.75, middle, "=", 18)
    for left, wide, text in zip(
        columns, (image.shape[1], size, width), ("image", "kernel", "feature map"), strict=True
    ):
        _label(axis, left + wide / 2, 0.65, text, 11, fontweight="bold")
    patch = image[row : row + size, column : column + size]
    terms = [
        " + ".join(
            f"{_number(a)}·{f'({_number(b)})' if b < 0 else _number(b)}"
            for a, b in zip(pixels, weights, strict=True)
        )
        for pixels, weights in zip(patch, kernel, strict=True)
    ]
    total = _number(float(maps[row, column]))
    _label(axis, columns[2] / 2 + width / 2, tall + 2.25, " + ".join(terms) + f" = {total}", 9.5)
    return figure


def _positions(size: int, window: int, stride: int) -> list[int]:
    return list(range(0, size - window + 1, stride))


def padding(size: int, window: int) -> Figure:
    """Draw a window on a square image without padding, and with the padding called "same".

    Args:
        size: height and width of the image, in pixels.
        window: height and width of the kernel, odd.

    Returns:
        The figure: for each padding the image and the map that it gives.

    Raises:
        ValueError: the window is even or larger than the image.

    >>> len(padding(5, 3).axes)
    1
    """
    if window < 1 or window % 2 == 0 or window > size:
        raise ValueError(f"The window must be odd and from 1 to {size} pixels wide, not {window}.")
    border = (window - 1) // 2
    padded, valid = size + 2 * border, size - window + 1
    lefts = (0.6, size + 2.2, size + valid + 4.2, size + valid + padded + 5.8)
    figure, axis = _canvas(lefts[3] + size + 0.6, padded + 2.6)
    middle = 1.7 + padded / 2
    plain = np.full((size, size), np.nan)
    _grid(axis, plain, lefts[0], middle - size / 2, SHADE, marked=(0, 0, window, window))
    _grid(axis, np.full((valid, valid), np.nan), lefts[1], middle - valid / 2, marked=(0, 0, 1, 1))
    framed = np.zeros((padded, padded))
    framed[border : -border or None, border : -border or None] = np.nan
    fills = [[PAPER if value == 0 else SHADE for value in line] for line in framed]
    _grid(axis, framed, lefts[2], middle - padded / 2, fills, marked=(0, 0, window, window))
    _grid(axis, plain, lefts[3], middle - size / 2, marked=(0, 0, 1, 1))
    _label(axis, (lefts[0] + lefts[1] + valid) / 2, 0.7, 'padding="valid"', 11, fontweight="bold")
    _label(axis, (lefts[2] + lefts[3] + size) / 2, 0.7, 'padding="same"', 11, fontweight="bold")
    for left, wide in ((lefts[1], valid), (lefts[3], size)):
        _label(axis, left - 0.8, middle, "\N{RIGHTWARDS ARROW}", 16)
        _label(axis, left + wide / 2, middle + wide / 2 + 0.5, f"{wide} x {wide}", 9)
    return figure


def stride(size: int, window: int, step: int) -> Figure:
    """Draw the windows on one row of pixels, with valid and with same padding.

    Args:
        size: pixels in the row.
        window: pixels in a window.
        step: pixels from one window to the next, the stride.

    Returns:
        The figure; "same" adds zeros as TensorFlow does, the odd one at the end.

    Raises:
        ValueError: a number is below 1, or the window is larger than the row.

    >>> len(stride(5, 2, 2).axes[0].patches) > 10
    True
    """
    if min(size, window, step) < 1 or window > size:
        raise ValueError(
            f"A window of {window} with stride {step} doesn't fit on {size} pixels: all must be "
            "at least 1, and the window at most the row."
        )
    zeros = max((math.ceil(size / step) - 1) * step + window - size, 0)
    before = zeros // 2
    rows = (("valid", 0, 0), ("same", before, zeros - before))
    longest = max(len(_positions(size + zeros, window, step)), 1)
    figure, axis = _canvas(2 * (size + zeros) + 3.6, 2.6 + 0.55 * longest + 0.6)
    left = 0.6
    for name, start, end in rows:
        values = np.array([[0.0] * start + [np.nan] * size + [0.0] * end])
        fills = [[PAPER if value == 0 else SHADE for value in values[0]]]
        _grid(axis, values, left, 1.4, fills)
        places = _positions(values.shape[1], window, step)
        for number, place in enumerate(places):
            y = 2.85 + 0.55 * number
            color = (BLUE, ORANGE, GREEN, PURPLE)[number % 4]
            axis.plot([left + place + 0.1, left + place + window - 0.1], [y, y], color, lw=5)
        wide = values.shape[1]
        text = f'padding="{name}": {len(places)} window{"s" * (len(places) != 1)}'
        _label(axis, left + wide / 2, 0.65, text, 10, fontweight="bold")
        unread = places[-1] + window
        for pixel in range(unread, wide):
            _label(axis, left + pixel + 0.5, 1.9, "not\nread", 7)
        left += wide + 2.4
    return figure


def pooling(numbers: np.ndarray, window: int = 2) -> Figure:
    """Draw a map with its pooling windows in color, and what max and average pooling make of it.

    Args:
        numbers: shape (H, W), both multiples of the window.
        window: height and width of a window, which is also the stride.

    Returns:
        The figure.

    Raises:
        ValueError: the map doesn't divide into whole windows.

    >>> shown = pooling(np.arange(16).reshape(4, 4)).axes[0].texts
    >>> [text.get_text() for text in shown][16:20]
    ['5', '7', '13', '15']
    """
    height, width = numbers.shape
    if height % window or width % window:
        raise ValueError(f"Windows of {window} don't divide a map of shape {numbers.shape} evenly.")
    rows, columns = height // window, width // window
    blocks = numbers.reshape(rows, window, columns, window).astype(float)
    quarter = [[QUARTERS[(r * columns + c) % 4] for c in range(columns)] for r in range(rows)]
    whole = [[quarter[r // window][c // window] for c in range(width)] for r in range(height)]
    lefts = (0.6, width + 2.4, width + columns + 4.2)
    figure, axis = _canvas(lefts[2] + columns + 1.2, height + 2.0)
    middle = 1.5 + height / 2
    _grid(axis, numbers.astype(float), lefts[0], middle - height / 2, whole)
    for left, name, pooled in (
        (lefts[1], "maximum", blocks.max(axis=(1, 3))),
        (lefts[2], "average", blocks.mean(axis=(1, 3))),
    ):
        _grid(axis, pooled, left, middle - rows / 2, quarter)
        _label(axis, left + columns / 2, middle - rows / 2 - 0.55, name, 11, fontweight="bold")
    _label(axis, lefts[1] - 0.9, middle, "\N{RIGHTWARDS ARROW}", 16)
    _label(axis, lefts[0] + width / 2, 0.75, "feature map", 11, fontweight="bold")
    return figure


@dataclass(frozen=True)
class _Block:
    """One layer in a diagram: its words, its color, and the blocks that feed it."""

    name: str
    words: str
    shape: str
    color: str
    feeds: tuple[str, ...]


_KINDS = (
    (("Conv", "Separable", "Depthwise"), "#cfe5f3"),
    (("Dense", "Embedding"), "#fbe3b5"),
    (("Pooling",), "#c9ebdf"),
    (("Add", "Concatenate", "Multiply"), "#f3dbe7"),
)


def _feeds(layer: Any) -> tuple[str, ...]:
    """Return the names of the layers whose output a layer reads, through operations as in x + y."""
    found: dict[str, None] = {}
    for node in layer._inbound_nodes[:1]:
        for tensor in node.input_tensors:
            source = tensor._keras_history.operation
            is_layer = isinstance(source, keras.Layer)
            found |= dict.fromkeys([source.name] if is_layer else _feeds(source))
    return tuple(found)


def _words(layer: Any) -> str:
    """Describe a layer in a few words, as a reader would write it on a blackboard."""
    kind, config = type(layer).__name__, layer.get_config()
    parts = [kind]
    if "filters" in config:
        parts.append(f"{config['filters']}")
    if "units" in config:
        parts.append(f"{config['units']}")
    for key in ("kernel_size", "pool_size"):
        if key in config:
            sizes = np.atleast_1d(config[key])
            parts.append("x".join(str(size) for size in sizes))
    steps = np.atleast_1d(config.get("strides") or 1)
    if "filters" in config and steps.max() > 1:
        parts.append(f"stride {steps.max()}")
    if config.get("activation") not in (None, "linear") and kind != "Activation":
        parts.append(str(config["activation"]))
    if kind == "Activation":
        parts.append(str(config["activation"]))
    if "rate" in config:
        parts.append(f"{config['rate']:g}")
    return " ".join(parts)


def _blocks(model: Any) -> list[_Block]:
    found = []
    for layer in model.layers:
        shape = tuple(getattr(layer.output, "shape", ()))[1:]
        count = layer.count_params()
        kind = type(layer).__name__
        color = next((c for names, c in _KINDS if any(n in kind for n in names)), SHADE)
        found.append(
            _Block(
                name=layer.name,
                words=_words(layer),
                shape=" x ".join(str(size) for size in shape)
                + (f", {count:,} parameters" if count else ""),
                color=color,
                feeds=_feeds(layer),
            )
        )
    return found


def network(model: Any) -> Figure:
    """Draw a Keras model as a column of blocks, with output shapes and parameters.

    Args:
        model: a built Sequential or functional model; a connection that skips blocks is an arc.

    Returns:
        The figure; more than 12 blocks continue in further columns.

    Raises:
        ValueError: the model isn't built, so its shapes are unknown.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3)])
    >>> [text.get_text() for text in network(model).axes[0].texts][-2:]
    ['Conv2D 4 3x3', '6 x 6 x 4, 40 parameters']
    """
    if not model.built or not model.layers:
        raise ValueError(
            f"The model {model.name} isn't built: give it a keras.Input, or call it once."
        )
    blocks = _blocks(model)
    names = {block.name for block in blocks}
    inputs = getattr(model, "inputs", None) or []
    if inputs and not any(type(layer).__name__ == "InputLayer" for layer in model.layers):
        shape = " x ".join(str(size) for size in tuple(inputs[0].shape)[1:])
        blocks.insert(0, _Block("", "Input", shape, PAPER, ()))
    per_column = len(blocks) if len(blocks) <= 12 else math.ceil(len(blocks) / -(-len(blocks) // 9))
    columns = -(-len(blocks) // per_column)
    wide, tall = 7.4, 1.3
    figure, axis = _canvas(columns * (wide + 2.2) + 0.6, per_column * (tall + 0.5) + 0.7)
    places = {}
    for number, block in enumerate(blocks):
        x = 0.6 + (number // per_column) * (wide + 2.2)
        y = 0.4 + (number % per_column) * (tall + 0.5)
        places[block.name] = (number, x, y)
        axis.add_patch(
            FancyBboxPatch(
                (x + 0.1, y + 0.1),
                wide - 0.2,
                tall - 0.2,
                boxstyle="round,pad=0.1",
                facecolor=block.color,
                edgecolor="#6b7680",
                lw=0.9,
            )
        )
        _label(axis, x + wide / 2, y + 0.42, block.words, 9.5, fontweight="bold")
        _label(axis, x + wide / 2, y + 0.95, block.shape, 8)
    for number, block in enumerate(blocks):
        feeds = [places[name][0] for name in block.feeds if name in names]
        if not feeds and block.words != "InputLayer":
            feeds = [number - 1]
        for source in feeds:
            if source >= 0:
                _arrow(axis, list(places.values()), source, number, wide, tall)
    return figure


def _arrow(
    axis: Axes,
    places: list[tuple[int, float, float]],
    source: int,
    target: int,
    wide: float,
    tall: float,
) -> None:
    """Connect two blocks: straight to the next, around the others if blocks are skipped."""
    (_, x0, y0), (_, x1, y1) = places[source], places[target]
    how: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 9, "color": "#4a545e", "lw": 1.1}
    if target == source + 1 and x0 == x1:
        start, end, bend = (x0 + wide / 2, y0 + tall), (x1 + wide / 2, y1), "arc3"
    elif x0 == x1:
        start, end = (x0 + wide, y0 + tall / 2), (x1 + wide, y1 + tall / 2)
        bend = f"arc3,rad={-min(0.5, 1.1 / (target - source))}"
        how |= {"color": ORANGE, "lw": 1.6}
    else:
        start, end, bend = (x0 + wide, y0 + tall / 2), (x1, y1 + tall / 2), "arc3"
        how |= {} if target == source + 1 else {"color": ORANGE, "lw": 1.6}
    axis.add_patch(FancyArrowPatch(start, end, connectionstyle=bend, shrinkA=0, shrinkB=0, **how))
