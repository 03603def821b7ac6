"""The pictures that every chapter draws: galleries, learning curves, confusion matrices."""

import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

from helpers.training import History


def show(figure: Figure, alt: str) -> None:
    """Show a figure with a text that says what it shows to those who cannot see it.

    Args:
        figure: a matplotlib figure; it is closed afterwards.
        alt: one or two sentences on what the picture shows.

    Raises:
        ValueError: the text is empty.
    """
    if not alt.strip():
        raise ValueError("Every picture needs an alt text: say in a sentence what it shows.")
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    display(
        {"image/png": small_png(Image.open(held)), "text/plain": alt},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )


def small_png(picture: Image.Image) -> bytes:
    """A picture as a PNG file of 256 colours, which takes a third of the room.

    Photographs have many more colours than that. There the colours of neighbours are mixed, so that
    no false edges appear where one colour passes slowly into another.
    """
    colours = picture.convert("RGB")
    small = colours.quantize(256, kmeans=3)
    if colours.getcolors(20_000) is None:
        small = colours.quantize(256, palette=small, dither=Image.Dither.FLOYDSTEINBERG)
        palette = np.reshape(small.getpalette(), (-1, 3))
        white = int(palette.sum(axis=1).argmax())
        palette[white] = 255
        small.putpalette(palette.ravel().tolist())
        # The paper is white, and not the mean of all that is nearly white.
        small.paste(white, None, Image.fromarray((np.asarray(colours) == 255).all(axis=2)))
    held = io.BytesIO()
    small.save(held, "png", optimize=True)
    return held.getvalue()


def _as_picture(image: np.ndarray) -> np.ndarray:
    """Drop the channel axis of a grey picture, so that matplotlib takes it."""
    return image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image


def image_grid(
    images: Sequence[np.ndarray] | np.ndarray,
    titles: Sequence[str] | None,
    title: str,
    columns: int = 8,
    scale: float = 1.2,
) -> Figure:
    """Pictures side by side, each with its own title.

    Args:
        images: pictures of shape (H, W), (H, W, 1) or (H, W, 3), uint8 or float in 0 to 1.
        titles: one a picture, or None.
        title: of the whole figure.
        columns: pictures a row.
        scale: width of a picture, in inches.

    Returns:
        The figure.

    Raises:
        ValueError: there are no pictures.
    """
    if len(images) == 0:
        raise ValueError("There are no pictures to show.")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    room = 0.22 * max((text.count("\n") + 1 for text in titles), default=0) if titles else 0
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(columns * scale, rows * (scale + room) + 0.4),
        squeeze=False,
        layout="constrained",
    )
    for place, axis in enumerate(axes.flat):
        axis.set_axis_off()
        if place < len(images):
            picture = _as_picture(np.asarray(images[place]))
            whitest = 255 if picture.dtype == np.uint8 else 1
            axis.imshow(picture, cmap="gray", vmin=0, vmax=whitest)
            if titles is not None:
                axis.set_title(titles[place], fontsize=8)
    figure.suptitle(title)
    return figure


def learning_curves(
    histories: dict[str, History], title: str, measures: Sequence[str] = ("loss", "accuracy")
) -> Figure:
    """Measures over the epochs, one colour a model.

    Training is dashed with hollow points, validation solid with full ones.

    Args:
        histories: the result of ``training.fit`` for each model, by the model's name.
        title: of the whole figure.
        measures: one panel each.

    Returns:
        The figure.
    """
    figure, axes = plt.subplots(
        1, len(measures), figsize=(5 * len(measures), 3.6), squeeze=False, layout="constrained"
    )
    for axis, measure in zip(axes[0], measures, strict=True):
        for number, (name, history) in enumerate(histories.items()):
            for key, style, which in (
                (measure, "--", "training"),
                (f"val_{measure}", "-", "validation"),
            ):
                if key in history:
                    epochs = range(1, len(history[key]) + 1)
                    axis.plot(
                        epochs,
                        history[key],
                        style,
                        color=f"C{number}",
                        marker="o",
                        markersize=4,
                        markerfacecolor="white" if which == "training" else f"C{number}",
                        label=f"{name}, {which}",
                    )
        axis.set_xlabel("epoch")
        axis.set_ylabel(measure.replace("_", " "))
        axis.set_title(measure.replace("_", " "))
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    axes[0][-1].legend(fontsize=8)
    figure.suptitle(title)
    return figure


def confusion_matrix(
    truth: np.ndarray, predicted: np.ndarray, classes: Sequence[str], title: str
) -> Figure:
    """How often each class was taken for each other.

    Args:
        truth: integer labels, shape (N,).
        predicted: integer labels, shape (N,).
        classes: name of each label.
        title: of the figure.

    Returns:
        The figure; the diagonal holds the examples that were classified correctly.
    """
    number = len(classes)
    counts = np.bincount(truth * number + predicted, minlength=number**2).reshape(number, number)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = max(3.5, 0.62 * number)
    figure, axis = plt.subplots(figsize=(size + 0.8, size), layout="constrained")
    picture = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row in range(number):
        for column in range(number):
            if counts[row, column]:
                axis.text(
                    column,
                    row,
                    f"{counts[row, column]}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if share[row, column] > 0.5 else "black",
                )
    tilt = {"rotation": 45, "ha": "right"} if max(map(len, classes)) > 2 else {}
    axis.set_xticks(range(number), classes, **tilt)
    axis.set_yticks(range(number), classes)
    axis.set_xlabel("predicted class")
    axis.set_ylabel("true class")
    axis.set_title(title)
    figure.colorbar(picture, ax=axis, label="share of the true class", shrink=0.8)
    return figure
