import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from keras import layers
from matplotlib.figure import Figure

from helpers import diagrams, tables


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


def test_a_window_outside_of_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="row below 3 and a column below 3"):
        diagrams.convolution(np.eye(4), np.eye(2), 3, 0)


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


def test_padding_and_pooling_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="odd and from 1 to 5 pixels wide, not 4"):
        diagrams.padding(5, 4)
    with pytest.raises(ValueError, match="not -1"):
        diagrams.padding(5, -1)
    with pytest.raises(ValueError, match="don't divide"):
        diagrams.pooling(np.ones((5, 4)))


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
    return sum(type(patch).__name__ == "FancyArrowPatch" for patch in figure.axes[0].patches)


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
