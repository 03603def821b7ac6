"""A drawing of a block whose input feeds several branches, such as an Inception module."""

from collections.abc import Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
