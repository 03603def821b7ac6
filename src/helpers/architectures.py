"""Drawings of the blocks that networks are made of: boxes for layers, arrows for feature maps."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def draw_block(
    boxes: Mapping[str, tuple[float, float]],
    arrows: Sequence[tuple[str, str] | tuple[str, str, float]],
    title: str,
) -> Figure:
    """A block as a drawing that is read from the bottom up.

    Args:
        boxes: place of the middle of each box by its text, as (column, row) with row 0 at the
            bottom; neighbours are 1 apart.
        arrows: texts of the boxes where an arrow begins and ends, and for a curved arrow how far
            it bends to the right, as a share of its length.
        title: of the drawing.

    Returns:
        The figure.

    Raises:
        ValueError: an arrow begins or ends at a box that is not there.
    """
    for first, last, *_ in arrows:
        for end in (first, last):
            if end not in boxes:
                raise ValueError(f'An arrow names the box "{end}", but there is only {set(boxes)}.')
    columns = [column for column, _ in boxes.values()]
    rows = [row for _, row in boxes.values()]
    wide, high = max(columns) - min(columns) + 1.3, max(rows) - min(rows) + 0.8
    figure, axis = plt.subplots(figsize=(1.75 * wide, 0.85 * high + 0.4), layout="constrained")
    for text, (column, row) in boxes.items():
        axis.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=9,
            zorder=3,
            bbox={"boxstyle": "round,pad=0.45", "facecolor": "#e8f0fa", "edgecolor": "#33608f"},
        )
    for first, last, *bend in arrows:
        axis.annotate(
            "",
            xy=(boxes[last][0], boxes[last][1] - (0 if bend else 0.22)),
            xytext=(boxes[first][0], boxes[first][1] + (0 if bend else 0.22)),
            arrowprops={
                "arrowstyle": "-|>",
                "color": "#444444",
                "shrinkA": 22 if bend else 0,
                "shrinkB": 22 if bend else 0,
                "connectionstyle": f"arc3,rad={bend[0] if bend else 0}",
            },
        )
    axis.set_xlim(min(columns) - 0.65, max(columns) + 0.65)
    axis.set_ylim(min(rows) - 0.4, max(rows) + 0.4)
    axis.set_axis_off()
    axis.set_title(title)
    return figure
