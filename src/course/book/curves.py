"""Learning curves of kept runs as small drawings."""

import html
import io
import math
import re
from collections.abc import Iterable, Sequence

from course.results import Curve, KeptRun
from helpers import svg

WIDTH, HEIGHT = 7.2, 2.4  # inches
COLORS = 10  # of Matplotlib's sequence tab10


def drawing(runs: Sequence[KeptRun], anchor: str) -> str:
    """Draw the learning curves of kept runs that differ only in the seed.

    Args:
        runs: with or without curves.
        anchor: of the drawing's place on its page, which makes its ids its own.

    Returns:
        An SVG with a title for those who cannot see it: accuracy and loss by epoch on validation
        data or, in a training without any, on its own; a line per training, and a color per model
        and cell or, where these are too many, per model. Empty where no training lasted for two
        epochs.
    """
    shown = [curve for run in runs for curve in run.curves if _length(curve) > 1]
    if not shown:
        return ""
    by_cell = len({(curve.model, curve.cell) for curve in shown}) <= COLORS
    kinds: dict[str, list[Curve]] = {}
    for curve in sorted(shown, key=lambda curve: curve.cell):
        label = f"{curve.model}, cell {curve.cell}" if by_cell else curve.model
        kinds.setdefault(label, []).append(curve)
    import matplotlib  # slow, and few commands draw
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axis, measure in ((left, "accuracy"), (right, "loss")):
        for number, (label, curves) in enumerate(kinds.items()):
            epochs, values = _joined(_values(curve, measure) for curve in curves)
            color = matplotlib.color_sequences["tab10"][number % COLORS]
            axis.plot(epochs, values, label=label, color=color, linewidth=1)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_xlabel("epoch", fontsize=8)
        axis.set_ylabel(measure, fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
    right.legend(fontsize=6, loc="upper right", ncols=1 + len(kinds) // 8)
    held = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):  # words stay words, and small
        figure.savefig(held, format="svg", metadata={"Date": None, "Creator": None})
    # Every word names the same dozen fonts; without them it has the font of the page.
    drawn = re.sub(r" font-family: [^;]+;", "", held.getvalue())
    # The words of these drawings stand in their elements whole, so line breaks between can go.
    body = re.sub(r">\s*\n\s*<", "><", svg.lighter(drawn).partition("<svg")[2])
    models = ", ".join(dict.fromkeys(curve.model for curve in shown))
    said = f"Accuracy and loss by epoch of {models}, on validation data where there were any."
    quoted = html.escape(said, quote=True)
    return f'<svg role="img" aria-label="{quoted}"{_unique(body, anchor)}'


def _length(curve: Curve) -> int:
    return max((len(values) for values in curve.history.values()), default=0)


def _values(curve: Curve, measure: str) -> list[float | None]:
    return curve.history.get(f"val_{measure}") or curve.history.get(measure) or []


def _joined(lines: Iterable[list[float | None]]) -> tuple[list[float], list[float]]:
    """Join lines into one with gaps, because a drawing's elements are most of its size."""
    epochs: list[float] = []
    values: list[float] = []
    for line in lines:
        epochs += [*range(1, len(line) + 1), math.nan]
        values += [math.nan if value is None else value for value in [*line, None]]
    return epochs, values


def _unique(svg: str, anchor: str) -> str:
    """Give a drawing ids of its own: a page has several, and ids are valid once."""
    for mark in ('id="', "url(#", 'href="#'):
        svg = svg.replace(mark, f"{mark}{anchor}-")
    return svg
