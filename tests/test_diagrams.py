from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from helpers import diagrams, tables
from helpers.backend import keras

layers = keras.layers


def _texts(figure: Figure) -> list[str]:
    """The texts of a diagram, which is closed."""
    plt.close(figure)
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_convolution_shows_every_position_and_the_sum_of_the_marked_one() -> None:
    image = np.arange(16).reshape(4, 4)
    kernel = np.array([[1, 0], [0, -1]])
    shown = _texts(diagrams.convolution(image, kernel, 1, 2))
    assert shown[16:20] == ["1", "0", "0", "−1"]
    assert shown[20:29] == ["−5"] * 9
    assert shown[-1] == "6·1 + 7·0 + 10·0 + 11·(−1) = −5"


def _marked(figure: Figure) -> list[list[str]]:
    """What is written inside each window of a diagram, which is closed."""
    plt.close(figure)
    axis: Any = figure.axes[0]
    assert axis.yaxis_inverted()
    windows = [patch.get_bbox() for patch in axis.patches if not patch.get_fill()]
    return [
        [text.get_text() for text in axis.texts if window.contains(*text.get_position())]
        for window in windows
    ]


def test_a_convolution_marks_the_pixels_that_are_summed_and_their_sum() -> None:
    image = np.arange(20).reshape(4, 5)
    kernel = np.array([[1, 0], [0, 2]])
    assert _marked(diagrams.convolution(image, kernel, 2, 1)) == [["11", "12", "16", "17"], ["45"]]
    shown = _texts(diagrams.convolution(image, kernel, 2, 1))
    assert shown[24:36] == [
        str(3 * pixel + 12) for row in (0, 5, 10) for pixel in range(row, row + 4)
    ]


@pytest.mark.parametrize(("row", "column"), [(3, 0), (0, 4), (-1, 0), (0, -1)])
def test_a_window_outside_of_the_image_is_refused(row: int, column: int) -> None:
    with pytest.raises(ValueError, match="row below 3 and a column below 4"):
        diagrams.convolution(np.ones((4, 5)), np.eye(2), row, column)


def test_a_padding_diagram_shows_the_zeros_around_and_the_sizes_of_the_maps() -> None:
    figure = diagrams.padding(6, 5)
    shown = _texts(figure)
    assert "2 x 2" in shown and "6 x 6" in shown
    white = to_rgba(diagrams.PAPER)
    cells = [patch for patch in figure.axes[0].patches if patch.get_fill()]
    assert len(cells) == 36 + 4 + 100 + 36
    assert shown.count("0") == 64
    zeros = [patch for patch in cells if patch.get_facecolor() == white]
    assert len(zeros) == 4 + 64 + 36  # the maps are white as well


@pytest.mark.parametrize(
    ("size", "window", "step", "valid", "same"),
    [(5, 2, 2, 2, 3), (28, 3, 2, 13, 14), (6, 2, 2, 3, 3)],
)
def test_a_stride_diagram_has_as_many_windows_as_keras_positions(
    size: int, window: int, step: int, valid: int, same: int
) -> None:
    shown = " ".join(_texts(diagrams.stride(size, window, step)))
    for padding, count in (("valid", valid), ("same", same)):
        layer = layers.Conv2D(1, window, strides=step, padding=padding)
        assert layer.compute_output_shape((1, size, size, 1))[1] == count
        assert f'padding="{padding}": {count} windows' in shown


def test_zeros_are_added_at_the_end_first_and_pixels_that_no_window_reads_are_named() -> None:
    figure = diagrams.stride(5, 2, 2)
    texts = {text.get_text(): text.get_position()[0] for text in figure.axes[0].texts}
    assert _texts(figure).count("0") == 1
    assert _texts(figure).count("not\nread") == 1
    bars: list[Any] = [line.get_xdata() for line in figure.axes[0].lines]
    assert all(np.isclose(end - start, 1.8) for start, end in bars)
    assert np.isclose(texts["0"] + 0.4, bars[-1][1])
    assert np.isclose(texts["not\nread"] - 0.6, bars[1][1])
    both = _texts(diagrams.stride(6, 3, 1))
    assert both.count("0") == 2 and "not\nread" not in both


def test_pooling_takes_the_maximum_and_the_mean_of_each_window() -> None:
    numbers = np.arange(24).reshape(4, 6)
    figure = diagrams.pooling(numbers)
    shown = _texts(figure)
    assert shown[24:30] == ["7", "9", "11", "19", "21", "23"]
    assert shown[31:37] == ["3.5", "5.5", "7.5", "15.5", "17.5", "19.5"]
    colors = [patch.get_facecolor() for patch in figure.axes[0].patches]
    windows = [colors[row * 6 + column] for row in (0, 2) for column in (0, 2, 4)]
    assert windows == colors[24:30] == colors[30:36]
    assert len(set(windows)) == 4
    assert colors[:2] == colors[6:8] == [windows[0]] * 2


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (layers.Conv2D(4, 3, strides=2), "Conv2D 4 3x3 stride 2"),
        (layers.Conv2D(4, (1, 3), activation="linear"), "Conv2D 4 1x3"),
        (layers.Activation("relu"), "Activation relu"),
        (layers.MaxPooling2D(2), "MaxPooling2D 2x2"),
        (layers.Dropout(0.25), "Dropout 0.25"),
        (layers.Dense(5, "softmax"), "Dense 5 softmax"),
    ],
)
def test_a_block_says_what_its_layer_does(layer: keras.Layer, words: str) -> None:
    shown = _texts(diagrams.network(keras.Sequential([keras.Input((8, 8, 4)), layer])))
    assert shown[:3] == ["Input", "8 x 8 x 4", words]
    assert ("parameters" in shown[3]) == (layer.count_params() > 0)


def test_an_arrow_that_skips_blocks_leads_from_its_source_around_the_others() -> None:
    inputs = keras.Input((4,))
    hidden = layers.Dense(4)(layers.Dense(4)(inputs))
    figure = diagrams.network(keras.Model(inputs, layers.Add()([inputs, hidden])))
    plt.close(figure)
    tops = [text.get_position()[1] for text in figure.axes[0].texts[::2]]
    arrows: list[Any] = [
        patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)
    ]
    orange = to_rgba(diagrams.ORANGE)
    [around] = [arrow for arrow in arrows if arrow.get_edgecolor() == orange]
    (x0, y0), (x1, y1) = around._posA_posB
    assert x0 == x1 and np.allclose([y0 - tops[0], y1 - tops[-1]], y0 - tops[0])
    for arrow, above, below in zip(
        [arrow for arrow in arrows if arrow is not around], tops[:-1], tops[1:], strict=True
    ):
        (_, start), (_, end) = arrow._posA_posB
        assert above < start < end < below


def test_more_than_twelve_blocks_stand_in_columns_from_top_to_bottom() -> None:
    def places(count: int) -> list[tuple[float, float]]:
        inputs = keras.Input((2,))
        outputs = inputs
        for _ in range(count - 1):
            outputs = layers.Activation("relu")(outputs)
        figure = diagrams.network(keras.Model(inputs, outputs))
        plt.close(figure)
        assert _arrows(figure) == count - 1
        return [text.get_position() for text in figure.axes[0].texts[::2]]

    assert len({x for x, _ in places(12)}) == 1
    found = places(14)
    assert len({x for x, _ in found}) == 2
    assert found[0][1] < found[1][1] and found[0][0] == found[6][0] < found[7][0]
    assert found[7][1] == found[0][1]


@pytest.mark.parametrize(("size", "window", "step"), [(5, 6, 1), (5, 0, 1), (5, 2, 0), (0, 0, 1)])
def test_a_stride_that_does_not_fit_is_refused(size: int, window: int, step: int) -> None:
    with pytest.raises(ValueError, match="doesn't fit"):
        diagrams.stride(size, window, step)


def test_padding_and_pooling_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="odd and from 1 to 5 pixels wide, not 4"):
        diagrams.padding(5, 4)
    with pytest.raises(ValueError, match="not -1"):
        diagrams.padding(5, -1)
    for shape in ((5, 4), (4, 5)):
        with pytest.raises(ValueError, match="don't divide"):
            diagrams.pooling(np.ones(shape))


def test_a_network_shows_every_layer_its_shape_and_the_connection_that_skips() -> None:
    inputs = keras.Input((8, 8, 4))
    outputs = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    outputs = layers.Conv2D(4, 3, padding="same")(outputs)
    outputs = layers.Add()([inputs, outputs])
    figure = diagrams.network(keras.Model(inputs, outputs))
    assert "Conv2D 4 3x3 relu" in _texts(figure)
    assert "8 x 8 x 4, 148 parameters" in _texts(figure)
    assert _arrows(figure) == 4


def _arrows(figure: Figure) -> int:
    return sum(isinstance(patch, FancyArrowPatch) for patch in figure.axes[0].patches)


def test_a_network_shows_sums_that_are_written_as_such_and_no_arrow_into_an_input() -> None:
    first = keras.Input((4,))
    hidden = layers.Dense(4)(first)
    assert _arrows(diagrams.network(keras.Model(first, layers.Dense(1)(first + hidden)))) == 3
    second = keras.Input((4,))
    both = layers.Concatenate()([first, second])
    assert _arrows(diagrams.network(keras.Model([first, second], both))) == 2


def test_a_network_that_is_not_built_is_refused() -> None:
    with pytest.raises(ValueError, match="isn't built"):
        diagrams.network(keras.Sequential([layers.Dense(3)]))


def test_a_table_says_the_same_in_html_and_text() -> None:
    made = tables.table(("net", "share"), [("a < b", 3)], "A caption")
    assert "<td>a &lt; b</td><td>3</td>" in made["text/html"]
    assert made["text/plain"] == "A caption\nnet | share\na < b | 3"
    with pytest.raises(ValueError, match="Expected 2 cells"):
        tables.table(("a", "b"), [("only one",)])
