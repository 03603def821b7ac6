"""The drawings of chapter 08: a block with branches, and results of several trainings."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots import label_ends

_INPUT, _LAYER, _JOIN = "#eef1f4", "#cfe5f3", "#f3dbe7"
_WIDE, _TALL = 2.2, 1.1  # distance between neighbors, in inches


def draw_branches(start: str, branches: Sequence[Sequence[str]], end: str) -> Figure:
    """Draw a block from top to bottom: an input, branches side by side, and where they join.

    Args:
        start: text of the box at the top.
        branches: for each branch the texts of its boxes, from the input on, at least one.
        end: text of the box at the bottom.

    Returns:
        The figure.

    Raises:
        ValueError: there is no branch, or one is empty.

    >>> figure = draw_branches("in", [["1 x 1"], ["1 x 1", "3 x 3"]], "out")
    >>> [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    ['in', 'out', '1 x 1', '1 x 1', '3 x 3']
    """
    if not branches or not all(branches):
        raise ValueError("A block needs at least one branch, and each branch at least one layer.")
    rows = max(len(branch) for branch in branches)
    middle = (len(branches) - 1) / 2
    figure, axis = plt.subplots(
        figsize=(_WIDE * len(branches), _TALL * (rows + 2)), layout="constrained"
    )
    _box(axis, middle, 0, start, _INPUT)
    _box(axis, middle, rows + 1, end, _JOIN)
    for column, branch in enumerate(branches):
        first = 1 + (rows - len(branch)) / 2  # a short branch is centered
        heights = [first + number for number in range(len(branch))]
        for height, text in zip(heights, branch, strict=True):
            _box(axis, column, height, text, _LAYER)
        places = [(middle, 0.0), *((column, height) for height in heights), (middle, rows + 1.0)]
        for (x0, y0), (x1, y1) in pairwise(places):
            _arrow(axis, (x0, y0 + 0.24), (x1, y1 - 0.24))
    axis.set(xlim=(-0.55, len(branches) - 0.45), ylim=(rows + 1.4, -0.4))
    axis.set_axis_off()
    return figure


def _box(axis: Axes, x: float, y: float, text: str, color: str) -> None:
    style = {"boxstyle": "round,pad=0.5", "facecolor": color, "edgecolor": "#6b7680"}
    axis.text(x, y, text, ha="center", va="center", fontsize=10, bbox=style)


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "-|>", "color": "#4a545e", "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", xy=end, xytext=start, arrowprops=style)


def draw_dots(groups: Mapping[str, Sequence[float]], colors: Sequence[str], title: str) -> Figure:
    """Draw the accuracies of several trainings per network, and their mean.

    Args:
        groups: for each network, by its name, one accuracy per seed, between 0 and 1.
        colors: one per network.
        title: of the figure.

    Returns:
        The figure: one dot per seed, and a bar with its value for the mean.

    >>> figure = draw_dots({"plain": [0.3, 0.5], "shortcuts": [0.6]}, ["C0", "C1"], "Two networks")
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['40.0%', '60.0%']
    """
    figure, axis = plt.subplots(figsize=(1.25 * len(groups) + 1.2, 3.6), layout="constrained")
    for place, (values, color) in enumerate(zip(groups.values(), colors, strict=True)):
        mean = sum(values) / len(values)
        axis.plot([place] * len(values), values, "o", color=color, alpha=0.6)
        axis.plot([place - 0.2, place + 0.2], [mean, mean], color=color)
        axis.text(place + 0.25, mean, f"{mean:.1%}", va="center", fontsize=10)
    axis.set_xticks(range(len(groups)), [name.replace("_", "\n") for name in groups])
    axis.set(xlim=(-0.5, len(groups) - 0.1), ylabel="validation accuracy", title=title)
    axis.yaxis.set_major_formatter("{x:.0%}")
    return figure


def draw_with_runs(
    axis: Axes, x: Sequence[float], runs: Mapping[str, Any], colors: Mapping[str, str]
) -> None:
    """Draw one line per variant, the mean of its runs, with the runs as dots, named at its end.

    Means are taken of logarithms if the axis is logarithmic.

    Args:
        axis: where to draw; its scale and limits must be final, or they follow from the data.
        x: where the values are, shape (N,).
        runs: for each variant, by its name, values of shape (runs, N).
        colors: for each variant.

    >>> figure, axis = plt.subplots()
    >>> draw_with_runs(axis, [1, 2], {"plain": [[1, 2], [3, 4]]}, {"plain": "C0"})
    >>> [float(value) for value in axis.lines[-1].get_ydata()]
    [2.0, 3.0]
    """
    logarithmic = axis.get_yscale() == "log"
    lines = []
    for name, values in runs.items():
        for run in values:
            axis.plot(x, run, ".", color=colors[name], alpha=0.3)
        mean = np.exp(np.mean(np.log(values), 0)) if logarithmic else np.mean(values, 0)
        lines += axis.plot(x, mean, color=colors[name])
    if logarithmic:
        for line, name in zip(lines, runs, strict=True):
            place = (x[-1], float(np.asarray(line.get_ydata())[-1]))
            style: dict[str, Any] = {"textcoords": "offset points", "annotation_clip": False}
            axis.annotate(name, place, (8, 0), va="center", color=line.get_color(), **style)
    else:
        label_ends(axis, lines, list(runs))
