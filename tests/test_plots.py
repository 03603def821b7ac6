import base64
import io
from collections.abc import Iterator
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.figure import Figure
from PIL import Image

from helpers import plots, svg
from helpers.outputs import PICTURES


@pytest.fixture(autouse=True)
def shell() -> Iterator[None]:
    InteractiveShell.instance()
    yield
    InteractiveShell.clear_instance()


def _shown(figure: Figure, alt: str) -> tuple[str, str, dict[str, object]]:
    """Show a figure, and return MIME type, content and metadata of its picture."""
    with capture_output() as captured:
        plots.show(figure, alt)
    [output] = captured.outputs
    kind = next(name for name in PICTURES if name in output.data)
    if kind == "image/svg+xml":
        # JupyterLab shows no SVG of a notebook that it doesn't trust.
        fallback = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
        assert min(fallback.size) > 100
        assert output.metadata["image/png"] == {"alt": alt}
    assert output.data["text/plain"] == alt
    assert not plt.fignum_exists(figure.number)
    return kind, output.data[kind], output.metadata[kind]


def test_line_art_is_svg_and_the_same_text_each_time() -> None:
    figures = [plots.learning_curves({"net": {"loss": [1.0, 0.5]}}, "Loss") for _ in range(2)]
    (kind, first, metadata), (_, second, _) = [
        _shown(each, "A <falling> line.") for each in figures
    ]
    assert kind == "image/svg+xml"
    assert metadata == {"alt": "A <falling> line."}
    assert first == second
    root = ElementTree.fromstring(first)
    assert root.get("role") == "img"
    assert root[0].text == "A <falling> line."


def test_a_lighter_drawing_keeps_what_is_seen() -> None:
    drawn = """<svg><metadata><a>b</a></metadata>
 <g id="axes_1"><!-- 0.5 -->
  <defs><g id="mark"><path d="M -1.23456 7
L 2e-05 3.5
z
" style="fill: none; stroke: red"/></g></defs>
  <g transform="translate(7.123456 8) scale(0.1 -0.1)">
   <use xlink:href="#DejaVuSans-61"/>
   <use xlink:href="#DejaVuSans-61" transform="translate(61.279297 0)"/>
   <use xlink:href="#DejaVuSans-61" transform="translate(9.5 -16.4) scale(0.7)"/>
  </g>
  <use xlink:href="#mark" x="60.111778" y="241.798661" style="stroke-width: 0.125"/>
 </g>
</svg>"""
    lighter = svg.lighter(drawn)
    assert lighter == (
        '<svg><g><defs><g id="mark"><path d="M-1.23 7L2e-05 3.5z" style="fill:none;stroke:red"/>'
        '</g></defs><g transform="translate(7.12 8) scale(0.1 -0.1)"><use xlink:href="#g-61"/>'
        '<use xlink:href="#g-61" x="61.27"/>'
        '<use xlink:href="#g-61" transform="translate(9.5 -16.4) scale(0.7)"/></g>'
        '<use xlink:href="#mark" x="60.11" y="241.79" style="stroke-width:0.125"/></g>'
        "</svg>"
    )
    assert svg.lighter(lighter) == lighter
    words = "<svg><text>one\n <tspan>two</tspan>\n <tspan>three</tspan></text></svg>"
    assert svg.lighter(words) == words


def test_photographs_keep_their_colors_at_twice_the_displayed_size() -> None:
    across, down = np.meshgrid(np.arange(256), np.arange(256))
    photograph = np.stack([across, down, (across + down) // 2], axis=-1).astype(np.uint8)
    kind, data, metadata = _shown(plots.image_grid([photograph], None, "colors", 1, 2), "Colors.")
    assert kind in ("image/jpeg", "image/png")
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.width // 2 == metadata["width"]
    assert picture.height // 2 == metadata["height"]
    assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 5_000


def test_a_grid_is_one_axis_with_every_title() -> None:
    figure = plots.image_grid(np.zeros((3, 8, 8, 1)), ["a", "b", "c"], "three", 2)
    [axis] = figure.axes
    assert [text.get_text() for text in axis.texts] == ["a", "b", "c"]
    assert len(axis.images) == 3
    with pytest.raises(ValueError, match="one title per image, 3, but found 1"):
        plots.image_grid(np.zeros((3, 8, 8)), ["a"], "three")


@pytest.mark.parametrize(("dtype", "whitest"), [("uint8", 255), ("float32", 1)])
def test_a_gray_image_is_as_dark_as_its_numbers_say(dtype: str, whitest: int) -> None:
    figure = plots.image_grid(np.full((1, 8, 8), 0.4 * whitest).astype(dtype), None, "gray")
    [image] = figure.axes[0].images
    assert image.get_clim() == (0, whitest)
    assert image.get_cmap().name == "gray"
    plt.close(figure)


def test_images_fill_a_grid_row_by_row() -> None:
    figure = plots.image_grid(np.zeros((5, 8, 8)), None, "five", 2)
    extents = [image.get_extent() for image in figure.axes[0].images]
    lefts, rights, bottoms, tops = zip(*extents, strict=True)
    assert [left > 0 for left in lefts] == [False, True, False, True, False]
    assert lefts[1] > rights[0]
    assert tops[0] == tops[1] == 0
    assert bottoms[0] < tops[2] == tops[3] < bottoms[2] < tops[4]
    plt.close(figure)


def test_labels_at_the_ends_of_lines_keep_apart() -> None:
    figure = plots.learning_curves({n: {"loss": [1.0, 0.5]} for n in "abc"}, "Loss", ["loss"])
    heights = sorted(label.xy[1] for label in figure.axes[0].texts)
    low, high = figure.axes[0].get_ylim()
    assert min(np.diff(heights)) > 0.07 * (high - low)
    plt.close("all")


def test_show_needs_an_alt_text() -> None:
    with pytest.raises(ValueError, match="alt text"):
        plots.show(plt.figure(), " ")
    plt.close("all")


def test_learning_curves_label_every_line() -> None:
    history = {"loss": [1.0, 0.5], "val_loss": [1.1, 0.6], "accuracy": [0.1, 0.2]}
    figure = plots.learning_curves({"net": history}, "curves")
    loss, accuracy = figure.axes
    assert [line.get_label() for line in loss.lines] == ["net, training", "net, validation"]
    assert [line.get_linestyle() for line in loss.lines] == ["--", "-"]
    assert [line.get_xdata().tolist() for line in loss.lines] == [[1, 2], [1, 2]]
    assert len(accuracy.lines) == 1
    assert loss.get_xlabel() == "epoch"
    assert loss.get_ylabel() == "loss"
    plt.close(figure)


def test_no_pictures_is_said() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        plots.image_grid([], None, "none")


@pytest.mark.parametrize("seed", range(20))
def test_labels_are_apart_in_order_and_near_their_places(seed: int) -> None:
    random = np.random.default_rng(seed)
    places = random.random(random.integers(1, 13))
    found = plots.spread(places, 0.075)
    order = np.argsort(places)
    assert (np.diff(found[order]) >= 0.075 - 1e-9).all()
    assert found.min() >= 0
    assert found.max() <= 1
    alone = np.abs(places[:, None] - places).min(
        1, where=~np.eye(len(places), dtype=bool), initial=1
    )
    free = (alone > 12 * 0.075) & (places > 0.01) & (places < 0.99)
    assert found[free] == pytest.approx(places[free])


def test_a_crowd_of_names_at_the_top_leaves_the_name_at_the_bottom_where_it_is() -> None:
    """All names once moved down together, so that each stood at another line's end."""
    found = plots.spread([0.1, 0.95, 0.96, 0.97, 0.98], 0.075)
    assert found[0] == pytest.approx(0.1)
    assert found[4] == pytest.approx(1)
    assert np.diff(found[1:]) == pytest.approx([0.075] * 3)


def test_thin_lines_keep_their_colors_in_few_colors() -> None:
    figure, axis = plt.subplots(figsize=(7, 4))
    for number in range(7):
        axis.plot([0, 1], [number, number + 0.3], color=f"C{number}", linewidth=1)
    text, _ = plots.drawn(figure, "Seven lines.")
    picture = Image.open(io.BytesIO(base64.b64decode(text["image/png"]))).convert("RGB")
    shown = np.asarray(picture).reshape(-1, 3).astype(int)
    for color in plots.COLORS:
        wanted = [int(color[place : place + 2], 16) for place in (1, 3, 5)]
        assert np.abs(shown - wanted).max(axis=1).min() <= 12, color
