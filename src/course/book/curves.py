"""Learning curves of kept runs as small drawings."""

import html
import io
import re

from course.results import Curve, KeptRun
from helpers import svg

WIDTH, HEIGHT = 7.2, 2.4  # inches


def drawing(run: KeptRun) -> str:
    """Draw a kept run's learning curves.

    Args:
        run: with or without curves.

    Returns:
        An SVG with a title for those who cannot see it: validation accuracy and loss of each
        training by epoch; empty where no training lasted for two epochs.
    """
    curves = [curve for curve in run.curves if _length(curve) > 1]
    if not curves:
        return ""
    from matplotlib import rc_context  # slow, and few commands draw
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axis, measure in ((left, "accuracy"), (right, "loss")):
        for number, curve in enumerate(curves):
            values = curve.history.get(f"val_{measure}") or curve.history.get(measure) or []
            epochs = range(1, len(values) + 1)
            axis.plot(epochs, values, label=curve.model, color=f"C{number % 10}", linewidth=1.2)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_xlabel("epoch", fontsize=8)
        axis.set_ylabel(measure, fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
    right.legend(fontsize=6, loc="upper right", ncols=1 + len(curves) // 8)
    held = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):  # words stay words, and small
        figure.savefig(held, format="svg", metadata={"Date": None, "Creator": None})
    # Every word names the same dozen fonts; without them it has the font of the page.
    drawn = re.sub(r" font-family: [^;]+;", "", held.getvalue())
    body = svg.lighter(drawn).partition("<svg")[2]
    models = ", ".join(dict.fromkeys(curve.model for curve in curves))
    label = html.escape(f"Accuracy and loss by epoch of {models} on validation data.", quote=True)
    return f'<svg role="img" aria-label="{label}"{_unique(body, run)}'


def _length(curve: Curve) -> int:
    return max((len(values) for values in curve.history.values()), default=0)


def _unique(svg: str, run: KeptRun) -> str:
    """Give a drawing ids of its own: a page has several, and ids are valid once."""
    prefix = "".join(letter if letter.isalnum() else "-" for letter in run.name)
    for mark in ('id="', "url(#", 'href="#'):
        svg = svg.replace(mark, f"{mark}{prefix}-")
    return svg
