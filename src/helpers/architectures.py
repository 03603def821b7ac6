"""The drawings of chapter 08: a block with branches, and results of several trainings."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.plots import label_ends, spread

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
        x: where the values are, whole numbers of shape (N,).
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
    axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    label_ends(axis, lines, list(runs))


def draw_costs(
    costs: Mapping[str, Mapping[str, float]],
    accuracies: Mapping[str, float],
    colors: Mapping[str, str],
    title: str,
) -> Figure:
    """Draw the accuracy of networks against several measures of cost, one panel each.

    The names are in a column to the right of all points, each tied to its own.

    Args:
        costs: for each measure, by its name, the cost of every network.
        accuracies: of every network, between 0 and 1.
        colors: of every network.
        title: of the figure.

    >>> figure = draw_costs({"seconds": {"a": 2}}, {"a": 0.5}, {"a": "C0"}, "Time")
    >>> float(figure.axes[0].get_xlim()[0])
    0.0
    """
    figure, axes = plt.subplots(
        *(1, len(costs)), figsize=(5.5 * len(costs), 4), sharey=True, squeeze=False
    )
    for axis, (label, places) in zip(axes[0], costs.items(), strict=True):
        for name, place in places.items():
            axis.plot(place, accuracies[name], "o", color=colors[name])
        longest = max(places.values())
        axis.set(xlabel=label, xlim=(0, 1.75 * longest))
        axis.margins(y=0.15)
        low, high = axis.get_ylim()
        heights = [(accuracies[name] - low) / (high - low) for name in places]
        heights = low + spread(heights, 0.08) * (high - low)
        line: dict[str, Any] = {"arrowstyle": "-", "color": "#999999", "lw": 0.7, "shrinkB": 4}
        style: dict[str, Any] = {"va": "center", "fontsize": 9}
        style["arrowprops"] = {**line, "relpos": (0, 0.5)}
        for (name, place), height in zip(places.items(), heights, strict=True):
            spot, text = (place, accuracies[name]), (1.2 * longest, height)
            axis.annotate(name.replace("_", " "), spot, text, color=colors[name], **style)
    axes[0, 0].set_ylabel("validation accuracy")
    axes[0, 0].yaxis.set_major_formatter("{x:.0%}")
    figure.suptitle(title)
    figure.set_layout_engine("constrained")
    return figure


def draw_class_map(
    image: np.ndarray,
    answers: np.ndarray,
    classes: Sequence[str],
    truth: Sequence[str],
    title: str,
) -> Figure:
    """Draw a mosaic of square images beside the classes that a network sees in it.

    Args:
        image: the mosaic, shape (H, W, 3), uint8.
        answers: a label at each position, integers of shape (h, w), at most ten classes.
        classes: name of each label.
        truth: the true class of each image of the mosaic, row by row; their number is a square.
        title: of the figure.

    >>> image, answers = np.zeros((64, 64, 3), "uint8"), np.zeros((5, 5), int)
    >>> figure = draw_class_map(image, answers, ["cat", "dog"], ["cat"] * 4, "A mosaic")
    >>> len(figure.axes[1].texts)
    4
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
    axes[0].imshow(image)
    axes[0].set_title("the large image")
    drawn = axes[1].imshow(answers, cmap="tab10", vmin=-0.5, vmax=9.5)
    axes[1].set_title("the class at each position")
    side = round(len(truth) ** 0.5)
    step = (len(answers) - 1) / max(1, side - 1)
    on_white: dict[str, Any] = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1}
    for number, name in enumerate(truth):
        row, column = divmod(number, side)
        where = "left" if column == 0 else "right" if column == side - 1 else "center"
        place = column * step + {"left": -0.4, "center": 0, "right": 0.4}[where]
        axes[1].text(place, row * step, name, ha=where, va="center", fontsize=8, bbox=on_white)
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    bar = figure.colorbar(drawn, ax=axes[1], ticks=range(len(classes)), shrink=0.9)
    bar.ax.set_yticklabels(classes)
    figure.suptitle(title)
    return figure
