"""The pictures that every chapter draws: galleries, learning curves, confusion matrices."""

import html
import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from scipy.optimize import isotonic_regression

from helpers import svg
from helpers.outputs import as_text, put
from helpers.training import History

# Okabe and Ito's colors, which color-blind readers can tell apart, the pale yellow left out.
COLORS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#444444")
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.labelsize": 11,
    "figure.titlesize": 13,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "axes.prop_cycle": f"cycler('color', {list(COLORS)})",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e7ea",
    "grid.linewidth": 0.8,
    "svg.hashsalt": "course",
}
mpl.rcParams.update(STYLE)

_SCREEN = 96  # dots per inch of the page; pictures made of pixels have twice as many
_PIXELS = 4_096  # an image of more pixels than this makes a figure a photograph
_LARGEST_SVG = 100_000


def show(figure: Figure, alt: str) -> None:
    """Show a figure with a text for those who cannot see it, and close it.

    Line art is stored as SVG, with a small PNG beside it, because JupyterLab shows no SVG of a
    notebook that wasn't run on this machine. Photographs are stored in full color at twice the
    size at which they are displayed, as JPEG or PNG, whichever is smaller.

    Args:
        figure: a Matplotlib figure.
        alt: one or two sentences on what the picture shows.

    Raises:
        ValueError: the text is empty.

    >>> show(learning_curves({"net": {"loss": [1.0, 0.5]}}, "Curves", ["loss"]), "A falling line.")
    A falling line.
    """
    data, metadata = drawn(figure, alt)
    put(data, metadata)


def drawn(figure: Figure, alt: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw a figure as the output that `show` puts below a cell, and close it.

    Returns:
        Content by MIME type, and metadata by MIME type with the alt text.

    Raises:
        ValueError: the text is empty.

    >>> curves = learning_curves({"net": {"loss": [1.0, 0.5]}}, "Curves", ["loss"])
    >>> data, metadata = drawn(curves, "A falling line.")
    >>> sorted(data), metadata["image/png"]
    (['image/png', 'image/svg+xml', 'text/plain'], {'alt': 'A falling line.'})
    """
    if not alt.strip():
        raise ValueError("Every picture needs an alt text: say in a sentence what it shows.")
    for axis in figure.axes:
        if axis.images or axis.collections:
            axis.grid(visible=False)
    line_art = None if _is_photograph(figure) else _svg(figure, alt)
    if line_art is not None and len(line_art) <= _LARGEST_SVG:
        data = {"image/svg+xml": line_art, "image/png": _small_png(figure)}
        sizes: dict[str, int] = {}
    else:
        content, kind, sizes = pixels(figure)
        data = {kind: content}
    plt.close(figure)
    return {**data, "text/plain": alt}, {kind: {"alt": alt, **sizes} for kind in data}


def _is_photograph(figure: Figure) -> bool:
    shown = [np.asarray(image.get_array()) for axis in figure.axes for image in axis.images]
    return sum(array.shape[0] * array.shape[1] for array in shown) > _PIXELS


def _svg(figure: Figure, alt: str) -> str:
    """Draw a figure as SVG, the same text each time, with its description for screen readers."""
    held = io.StringIO()
    figure.savefig(held, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = svg.lighter(held.getvalue())
    text = text[text.index("<svg") :]
    start, end = text.split(">", 1)
    return f'{start} role="img"><title>{html.escape(alt)}</title>{end}'


def _small_png(figure: Figure) -> str:
    """Draw line art in pixels of the page and few colors, and return it as base64."""
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=_SCREEN, bbox_inches="tight")
    file = io.BytesIO()
    # Other ways of choosing few colors give two thin lines a common one.
    most = Image.Quantize.MAXCOVERAGE
    picture = Image.open(held).convert("RGB").quantize(128, most, dither=Image.Dither.NONE)
    picture.save(file, "png", optimize=True)
    return as_text(file.getvalue())


def pixels(figure: Figure) -> tuple[str, str, dict[str, int]]:
    """Draw a figure in pixels, in full color and at twice the size at which it is displayed.

    Returns:
        The picture as base64 text, its MIME type, JPEG or PNG, whichever is smaller, and the width
        and height at which it is displayed.

    >>> pixels(image_grid(np.zeros((4, 8, 8)), None, "Four black squares"))[1]
    'image/png'
    """
    quick, jpeg, png = io.BytesIO(), io.BytesIO(), io.BytesIO()
    fast = {"compress_level": 1}
    figure.savefig(quick, format="png", dpi=2 * _SCREEN, bbox_inches="tight", pil_kwargs=fast)
    picture = Image.open(quick).convert("RGB")
    size = {"width": picture.width // 2, "height": picture.height // 2}
    picture.save(jpeg, "jpeg", quality=70, optimize=True, progressive=True)
    # The smallest PNG of a photograph takes a second, and is never that much smaller.
    if quick.getbuffer().nbytes < 4 * jpeg.tell():
        picture.save(png, "png", optimize=True)
        if png.tell() <= jpeg.tell():
            return as_text(png.getvalue()), "image/png", size
    return as_text(jpeg.getvalue()), "image/jpeg", size


def _as_picture(image: np.ndarray) -> np.ndarray:
    """Drop the channel axis of a gray image, so that Matplotlib takes it."""
    return image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image


def image_grid(
    images: Sequence[np.ndarray] | np.ndarray,
    titles: Sequence[str] | None,
    title: str,
    columns: int = 8,
    scale: float = 1.2,
) -> Figure:
    """Draw images side by side on one axis, each with its own title.

    Args:
        images: shape (H, W), (H, W, 1) or (H, W, 3) each, uint8 or float in 0 to 1.
        titles: one per image, or None.
        title: of the whole figure.
        columns: images per row.
        scale: width of an image, in inches.

    Returns:
        The figure.

    Raises:
        ValueError: there are no images, or the number of titles differs from theirs.

    >>> len(image_grid(np.zeros((100, 8, 8)), None, "A hundred images", 10).axes)
    1
    """
    if len(images) == 0:
        raise ValueError("There are no pictures to show.")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"Expected one title per image, {len(images)}, but found {len(titles)}.")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    pictures = [_as_picture(np.asarray(image)) for image in images]
    tall = max(picture.shape[0] / picture.shape[1] for picture in pictures)
    lines = max((text.count("\n") + 1 for text in titles), default=0) if titles else 0
    room = lines * 0.17 / scale + (0.05 if lines else 0)  # above an image, in widths of an image
    gap = 0.06 if lines == 0 else 0.1
    width, height = columns * (1 + gap) - gap, rows * (tall + room + gap) - gap
    figure = plt.figure(figsize=(width * scale, height * scale + 0.45))
    axis = figure.add_axes((0, 0, 1, height * scale / (height * scale + 0.45)))
    axis.set_axis_off()
    for place, picture in enumerate(pictures):
        left = (place % columns) * (1 + gap)
        top = (place // columns) * (tall + room + gap) + room
        whitest = 255 if picture.dtype == np.uint8 else 1
        bottom = top + picture.shape[0] / picture.shape[1]
        axis.imshow(
            picture, cmap="gray", vmin=0, vmax=whitest, extent=(left, left + 1, bottom, top)
        )
        if titles is not None:
            middle = left + 0.5
            axis.text(middle, top - 0.03, titles[place], fontsize=9, ha="center", va="bottom")
    axis.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    figure.suptitle(title, y=1, va="top")
    return figure


def spread(places: Sequence[float] | np.ndarray, apart: float) -> np.ndarray:
    """Move places between 0 and 1 until they are apart, by as little as possible in all.

    Args:
        places: where labels belong, shape (N,), in any order.
        apart: least distance of two labels; less if so many don't fit.

    Returns:
        Where to put the labels, shape (N,).

    >>> spread([0.5, 0.9, 0.52], apart=0.1).round(2).tolist()
    [0.46, 0.9, 0.56]
    >>> spread([0.99, 1.0], apart=0.1).round(2).tolist()
    [0.9, 1.0]
    """
    order = np.argsort(places)
    steps = min(apart, 1 / max(1, len(order) - 1)) * np.arange(len(order))
    found = np.zeros(len(order))
    if len(order):
        # Places that are apart rise by a step each, so less these steps they never fall.
        nearest = isotonic_regression(np.asarray(places, float)[order] - steps).x
        found[order] = np.clip(nearest, 0, 1 - steps[-1]) + steps
    return found


def label_ends(axis: Axes, lines: Sequence[Line2D], names: Sequence[str]) -> None:
    """Write the name of each line at its right end, as near to it as the other names allow.

    Args:
        axis: where the lines are; its scale and limits must be final.
        lines: drawn lines, each with at least one point.
        names: one per line.

    >>> figure, axis = plt.subplots()
    >>> lines = axis.plot([1, 2, 3], [[0.1, 0.2], [0.7, 0.8], [0.9, 0.91]])
    >>> label_ends(axis, lines, ["dense", "convnet"])
    >>> [label.get_text() for label in axis.texts]
    ['dense', 'convnet']
    >>> show(figure, "The lines end close together, their names apart.")
    The lines end close together, their names apart.
    """
    axis.get_xlim(), axis.get_ylim()  # asking for the limits settles them
    to_axis = axis.transScale + axis.transLimits
    ends = [to_axis.transform(np.asarray(line.get_xydata())[-1]) for line in lines]
    heights = spread([end[1] for end in ends], 0.075)
    # A line may end early, and others go on behind its name.
    on_white: dict[str, Any] = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5}
    for end, height, line, name in zip(ends, heights, lines, names, strict=True):
        axis.annotate(
            name,
            (float(end[0]), height),
            xycoords="axes fraction",
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=line.get_color(),
            annotation_clip=False,
            bbox=on_white,
        )


def learning_curves(
    histories: dict[str, History], title: str, measures: Sequence[str] = ("loss", "accuracy")
) -> Figure:
    """Plot measures over the epochs, one color per model.

    Training is dashed with hollow points, validation solid with full ones.

    Args:
        histories: for each model, by its name, its measures after every epoch.
        title: of the whole figure.
        measures: one panel each.

    Returns:
        The figure.

    >>> history = {"loss": [1.0, 0.5], "val_loss": [1.1, 0.7]}
    >>> figure = learning_curves({"convnet": history}, "The loss falls", ["loss"])
    >>> show(figure, "Both losses fall; that of validation stays above.")
    Both losses fall; that of validation stays above.
    """
    figure, axes = plt.subplots(
        1, len(measures), figsize=(5 * len(measures), 3.6), squeeze=False, layout="constrained"
    )
    for axis, measure in zip(axes[0], measures, strict=True):
        last = {}
        for number, (name, history) in enumerate(histories.items()):
            for key, style, which in (
                (measure, "--", "training"),
                (f"val_{measure}", "-", "validation"),
            ):
                if key in history:
                    color = COLORS[number % len(COLORS)]
                    [last[name]] = axis.plot(
                        range(1, len(history[key]) + 1),
                        history[key],
                        style,
                        color=color,
                        marker="o",
                        markersize=4,
                        markerfacecolor="white" if which == "training" else color,
                        label=f"{name}, {which}",
                    )
        axis.set_xlabel("epoch")
        axis.set_ylabel(measure.replace("_", " "))
        axis.set_title(measure.replace("_", " "))
        axis.xaxis.get_major_locator().set_params(integer=True)
        label_ends(axis, list(last.values()), list(last))
    gray: dict[str, Any] = {"color": "#444444", "marker": "o", "markersize": 4}
    figure.legend(
        handles=[
            Line2D([], [], linestyle="--", markerfacecolor="white", label="training", **gray),
            Line2D([], [], linestyle="-", label="validation", **gray),
        ],
        loc="outside lower center",
        ncols=2,
    )
    figure.suptitle(title)
    return figure
