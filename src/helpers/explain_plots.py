"""Pictures of what ``helpers.explain`` computes: feature maps, patterns, heat maps."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from helpers.explain_depth import Depth

SILENT = "0.85"  # gray of a channel that is zero everywhere
COLORS = "inferno"


def picture_rows(
    rows: Mapping[str, Sequence[np.ndarray]],
    title: str,
    columns: Sequence[str] | None = None,
    scale: float = 1.15,
) -> Figure:
    """Draw rows of pictures, each with its name on the left.

    Args:
        rows: pictures of shape (H, W, C) by the name of their row, uint8 or float in 0 to 1; as
            many in every row.
        title: of the whole figure.
        columns: a title for each column, or None.
        scale: width of a picture, in inches.

    Returns:
        The figure.

    Raises:
        ValueError: there are no pictures, or the rows differ in length.

    >>> from helpers.plots import show
    >>> figure = picture_rows({"before": [np.zeros((8, 8))], "after": [np.eye(8)]}, "Two rows")
    >>> show(figure, "A black square, and below it one with a white diagonal.")
    A black square, and below it one with a white diagonal.
    """
    lengths = {len(pictures) for pictures in rows.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError("Every row needs the same number of pictures, at least one.")
    across = lengths.pop()
    figure, axes = plt.subplots(
        len(rows),
        across,
        figsize=(across * scale + 1.3, len(rows) * scale + 0.5),
        squeeze=False,
        layout="constrained",
    )
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(line, pictures, strict=True):
            shown = np.squeeze(picture)
            whitest = 255 if shown.dtype == np.uint8 else 1
            _bare(axis).imshow(shown, cmap="gray", vmin=0, vmax=whitest)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    for axis, text in zip(axes[0], columns or [], strict=False):
        axis.set_title(text, fontsize=8)
    figure.suptitle(title)
    return figure


def _bare(axis: Any) -> Any:
    """Remove ticks and frame from an axis, and return it; its labels stay."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    return axis


def feature_maps(
    picture: np.ndarray,
    maps: Mapping[str, np.ndarray],
    title: str,
    channels: int = 24,
    columns: int = 12,
) -> Figure:
    """Draw the first channels of several layers, for one picture.

    Every map is scaled to its own largest value, so that a weak one can be read too; a channel
    that is zero everywhere is gray.

    Args:
        picture: shape (H, W, C), uint8.
        maps: for each layer its maps of this picture, shape (height, width, channels).
        title: of the whole figure.
        channels: how many of each layer, in their own order.
        columns: channels per row.

    Returns:
        The figure.

    Raises:
        ValueError: there are no layers.

    >>> from helpers.plots import show
    >>> maps = {"edges": np.random.default_rng(0).random((6, 6, 4))}
    >>> figure = feature_maps(np.zeros((8, 8, 3), "uint8"), maps, "Four channels", channels=4)
    >>> show(figure, "A black picture beside four maps of noise.")
    A black picture beside four maps of noise.
    """
    if not maps:
        raise ValueError("There are no layers to show.")
    rows = -(-channels // columns)
    tile = 1 + 8 * max(1, round(64 / 8))
    figure, axes = plt.subplots(
        len(maps),
        2,
        figsize=(1.4 + 0.68 * columns, len(maps) * (0.64 * rows + 0.3) + 0.6),
        width_ratios=[1.4, 0.68 * columns],
        squeeze=False,
        layout="constrained",
    )
    palette = plt.get_cmap("viridis").with_extremes(bad=SILENT)
    for row, (name, stack) in enumerate(maps.items()):
        height, width = stack.shape[:2]
        mosaic = np.zeros((rows * tile, columns * tile, 4))
        for place in range(min(channels, stack.shape[2], rows * columns)):
            one = stack[..., place]
            scaled = np.ma.masked_array(one / max(one.max(), 1e-12), mask=not one.any())
            grown = palette(scaled)[np.arange(tile - 2) * height // (tile - 2)][
                :, np.arange(tile - 2) * width // (tile - 2)
            ]
            top, left = place // columns * tile + 1, place % columns * tile + 1
            mosaic[top : top + tile - 2, left : left + tile - 2] = grown
        _bare(axes[row, 1]).imshow(mosaic)
        axes[row, 1].set_title(f"{name}: {height} x {width}, {stack.shape[2]} channels", fontsize=9)
        if row == 0:
            _bare(axes[row, 0]).imshow(np.squeeze(picture), cmap="gray", vmin=0, vmax=255)
            axes[row, 0].set_title("the picture", fontsize=9)
        else:
            axes[row, 0].set_axis_off()
    if len(maps) > 1:
        axes[1, 0].legend(
            handles=[
                Patch(color=palette(1.0), label="strongest"),
                Patch(color=palette(0.0), label="zero"),
                Patch(color=SILENT, label="silent\nchannel"),
            ],
            loc="center",
            fontsize=8,
            frameon=False,
        )
    figure.suptitle(title)
    return figure


def heat_maps(
    pictures: np.ndarray,
    heat: Mapping[str, np.ndarray],
    titles: Sequence[str],
    title: str,
    *,
    points: Mapping[str, np.ndarray] | None = None,
    outlines: np.ndarray | None = None,
    common: bool = False,
    scale: float = 1.55,
) -> Figure:
    """Draw pictures in a first row, and below it one row per kind of heat map, laid over them.

    Args:
        pictures: shape (N, H, W, C), uint8.
        heat: for each row its maps, shape (N, H, W); only what is above zero is shown, as a share
            of the largest value.
        titles: one per picture.
        title: of the whole figure.
        points: for a row of ``heat``, the x and y of a mark in each map, shape (N, 2), in pixels;
            negative numbers are left out.
        outlines: bool masks, shape (N, H, W), whose border is drawn over every map.
        common: whether the largest value is that of all maps of a picture, so that its rows can be
            compared; otherwise it is that of each map.
        scale: width of a picture, in inches.

    Returns:
        The figure, with a color bar.

    Raises:
        ValueError: the number of maps or titles differs from that of the pictures.

    >>> from helpers.plots import show
    >>> pictures, heat = np.zeros((1, 8, 8, 3), "uint8"), np.eye(8)[None]
    >>> figure = heat_maps(pictures, {"Grad-CAM": heat}, ["cat"], "Where the score comes from")
    >>> show(figure, "A heat map whose diagonal is hot.")
    A heat map whose diagonal is hot.
    """
    lengths = {len(titles), *map(len, heat.values())}
    if lengths != {len(pictures)}:
        raise ValueError(
            f"Give one map per row and one title for each of {len(pictures)} pictures."
        )
    lines = 1 + max((text.count("\n") for text in titles), default=0)
    figure, axes = plt.subplots(
        1 + len(heat),
        len(pictures),
        figsize=(
            len(pictures) * scale + 1.9,
            (1 + len(heat)) * scale + 0.16 * lines + 0.4,
        ),
        squeeze=False,
        layout="constrained",
    )
    for axis, picture, text in zip(axes[0], pictures, titles, strict=True):
        _bare(axis).imshow(np.squeeze(picture), cmap="gray", vmin=0, vmax=255)
        axis.set_title(text, fontsize=8)
    axes[0, 0].set_ylabel("picture", rotation=0, ha="right", va="center", fontsize=9)
    for line, (name, maps) in zip(axes[1:], heat.items(), strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        for number, axis in enumerate(line):
            shown = heat.values() if common else (maps,)
            largest = max(float(stack[number].max()) for stack in shown)
            _lay_over(_bare(axis), pictures[number], maps[number] / max(largest, 1e-12))
            if outlines is not None:
                axis.contour(outlines[number], levels=[0.5], colors="white", linewidths=0.8)
            if points and name in points and min(points[name][number]) >= 0:
                axis.plot(
                    *points[name][number], "o", color="cyan", markersize=6, markeredgecolor="black"
                )
    bar = figure.colorbar(
        plt.cm.ScalarMappable(Normalize(0, 1), COLORS), ax=axes, shrink=0.8, aspect=30
    )
    unit = "picture" if common else "map"
    bar.set_label(f"share of the largest\nvalue of the {unit}", fontsize=9)
    bar.ax.tick_params(labelsize=9)
    figure.suptitle(title)
    return figure


def _lay_over(axis: Any, picture: np.ndarray, share: np.ndarray) -> None:
    """Draw a heat map, at most 1, over its picture in gray: every color belongs to the map."""
    gray = picture.mean(axis=-1) if picture.ndim == 3 else picture
    axis.imshow(gray, cmap="gray", vmin=0, vmax=255)
    share = np.clip(share, 0, 1)
    axis.imshow(share, cmap=COLORS, vmin=0, vmax=1, alpha=0.25 + 0.5 * share)


def depth_curves(profiles: Mapping[str, Depth], title: str) -> Figure:
    """Draw sparsity and information from the first layer to the last, one panel per model.

    Args:
        profiles: the result of ``explain_depth.depth_profile`` by the name of the model.
        title: of the whole figure.

    Returns:
        The figure.

    >>> from helpers.plots import show
    >>> depth = Depth(("a", "b"), [0, 0.5], [0, 0.1], [0.9, 0.4], [0, 0], [0.6, 0.8], [0, 0], {})
    >>> show(depth_curves({"small net": depth}, "Two layers"), "Less picture, more class.")
    Less picture, more class.
    """
    figure, axes = plt.subplots(
        1,
        len(profiles),
        figsize=(4.9 * len(profiles), 4.2),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for axis, (name, depth) in zip(axes[0], profiles.items(), strict=True):
        for values, errors, label, style in (
            (depth.kept, depth.kept_errors, "image that can be read back", "s-"),
            (depth.probe, depth.probe_errors, "accuracy of a linear probe", "^-"),
            (depth.zeros, None, "values that are zero", "o--"),
            (depth.silent, None, "channels that are silent", "o:"),
        ):
            axis.errorbar(range(len(values)), values, errors, fmt=style, capsize=3, label=label)
        names = [name.removesuffix("_activation") for name in depth.layers]
        axis.set_xticks(range(len(names)), names, rotation=35, ha="right", fontsize=8)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("layer, first to last")
        axis.set_ylim(-0.05, 1.05)
    axes[0, 0].set_ylabel("share")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.suptitle(title)
    return figure
