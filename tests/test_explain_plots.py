"""The pictures of heat maps, feature maps and depths show the numbers that they were given."""

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import explain_plots
from helpers.explain_depth import Depth


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    before = plt.get_fignums()
    yield
    for number in set(plt.get_fignums()) - set(before):
        plt.close(number)


@pytest.mark.parametrize("common, second", [(False, 1.0), (True, 0.25)])
def test_heat_is_a_share_of_the_largest_value_of_its_map_or_of_the_picture(
    common: bool, second: float
) -> None:
    heat = {"one": np.zeros((2, 6, 6)), "other": np.zeros((2, 6, 6))}
    heat["one"][:, 1, 2], heat["other"][:, 3, 4] = 4, 1
    heat["other"][:, 5, 5] = -9
    heat["one"][1] *= 10
    heat["other"][1] *= 10
    pictures = np.full((2, 6, 6, 3), 90, np.uint8)
    figure = explain_plots.heat_maps(pictures, heat, ["a", "b"], "heat", common=common)
    for row, largest, place in ((1, 1.0, (1, 2)), (2, second, (3, 4))):
        for column in range(2):
            images: list[Any] = list(figure.axes[2 * row + column].images)
            gray, share = images
            assert (np.asarray(gray.get_array()) == 90).all()
            drawn = np.asarray(share.get_array())
            assert drawn[place] == drawn.sum() == largest
            assert share.get_clim() == (0, 1)
            assert share.get_alpha()[place] == 0.25 + 0.5 * largest
    unit = "picture" if common else "map"
    assert figure.axes[-1].get_ylabel() == f"share of the largest\nvalue of the {unit}"


def test_marks_are_drawn_at_x_and_y_of_their_row_and_left_out_where_negative() -> None:
    pictures, heat = np.zeros((2, 6, 6, 3), np.uint8), np.ones((2, 6, 6))
    figure = explain_plots.heat_maps(
        pictures,
        {"one": heat, "other": heat},
        ["a", "b"],
        "heat",
        points={"other": np.array([[4, 1], [3, -1]])},
    )
    axes: list[Any] = figure.axes[:6]
    marks = [[line.get_xydata().tolist() for line in axis.lines] for axis in axes]
    assert marks == [[], [], [], [], [[[4, 1]]], []]


def test_every_channel_is_scaled_to_its_own_largest_value_and_a_silent_one_is_gray() -> None:
    maps = np.zeros((2, 2, 4))
    maps[0, 1, 0], maps[1, 0, 1] = 5, 0.001
    maps[..., 3] = 1
    figure = explain_plots.feature_maps(
        np.zeros((8, 8, 3), np.uint8), {"first": maps}, "maps", channels=3, columns=2
    )
    mosaic = np.asarray(figure.axes[1].images[0].get_array())
    tile = mosaic.shape[0] // 2
    viridis = plt.get_cmap("viridis")

    def quarters(row: int, column: int) -> np.ndarray:
        whole = mosaic[row * tile :, column * tile :]
        return whole[tile // 4 : tile : tile // 2, tile // 4 : tile : tile // 2]

    for place, peak in (((0, 0), (0, 1)), ((0, 1), (1, 0))):
        expected = np.array([[viridis(0.0)] * 2] * 2)
        expected[peak] = viridis(1.0)
        np.testing.assert_allclose(quarters(*place), expected)
    np.testing.assert_allclose(quarters(1, 0)[..., :3], float(explain_plots.SILENT))
    assert not quarters(1, 1).any()
    assert figure.axes[1].get_title() == "first: 2 x 2, 4 channels"


@pytest.mark.parametrize(("kind", "white"), [(np.uint8, 255), (np.float32, 1)])
def test_rows_of_pictures_keep_black_and_white(kind: type, white: int) -> None:
    pictures: Any = np.full((2, 4, 4), 0, kind)
    figure = explain_plots.picture_rows({"a": pictures, "b": pictures}, "rows", ["x", "y"])
    assert [axis.images[0].get_clim() for axis in figure.axes] == [(0, white)] * 4
    assert [axis.get_title() for axis in figure.axes] == ["x", "y", "", ""]
    assert [axis.get_ylabel() for axis in figure.axes] == ["a", "", "b", ""]


def test_each_curve_of_depth_has_its_own_numbers_and_error_bars() -> None:
    depth = Depth(
        ("a_activation", "b"), [0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.01, 0.02], [0.7, 0.8],
        [0.03, 0.04], {},
    )  # fmt: skip
    axis: Any = explain_plots.depth_curves({"net": depth}, "depth").axes[0]
    drawn = {bars.get_label(): bars for bars in axis.containers}
    curves = {label: bars[0].get_ydata().tolist() for label, bars in drawn.items()}
    assert curves == {
        "image that can be read back": [0.5, 0.6],
        "accuracy of a linear probe": [0.7, 0.8],
        "values that are zero": [0.1, 0.2],
        "channels that are silent": [0.3, 0.4],
    }
    for label, error in (
        ("image that can be read back", 0.01),
        ("accuracy of a linear probe", 0.03),
    ):
        [bars] = drawn[label][2]
        (_, low), (_, high) = bars.get_segments()[0]
        assert np.isclose(high - low, 2 * error)
    assert not drawn["values that are zero"].has_yerr
    assert [text.get_text() for text in axis.get_xticklabels()] == ["a", "b"]
