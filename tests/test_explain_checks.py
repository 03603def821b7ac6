"""What heat maps and depths are judged by, where a slip would flatter a method or a layer."""

import numpy as np
import pytest

from helpers import explain_checks, explain_depth, explain_models
from helpers.backend import keras

layers = keras.layers


def _means(height: int, width: int) -> keras.Model:
    """Two class scores: the mean red and the mean green of a picture."""
    return keras.Sequential([keras.Input((height, width, 2)), layers.GlobalAveragePooling2D()])


def test_a_map_without_a_peak_misses_even_a_region_that_is_everywhere() -> None:
    heat = np.zeros((2, 4, 6))
    heat[1, 0, 0] = 1
    assert explain_checks.pointing_game(heat, np.ones((2, 4, 6), bool)).tolist() == [False, True]


def test_probabilities_of_large_and_small_scores_are_finite() -> None:
    found = explain_checks.probabilities(np.array([[2000.0, 2000.0], [-2000.0, -2000.0]]))
    assert found.tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_deletion_ranks_cells_by_their_mean_and_covers_with_each_picture_s_own_mean() -> None:
    heat = np.zeros((2, 4, 8))
    heat[:, :2, :4] = 5  # the first cell of four is hotter than one with a single hot pixel
    heat[:, 3, 7] = 9
    pictures = np.zeros((2, 4, 8, 2))
    pictures[0, ..., 0], pictures[1, ..., 1] = 1, 3
    pictures[:, :2, :4, 0] = 8
    found = explain_checks.deletion(
        _means(4, 8), pictures, np.array([0, 0]), heat, cells=2, shares=(0, 0.25, 1)
    )
    covered = pictures.copy()
    covered[:, :2, :4] = pictures.mean(axis=(1, 2))[:, None, None]
    red, green = np.stack([pictures, covered, pictures]).mean(axis=(2, 3)).transpose(2, 1, 0)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(green - red)), rtol=1e-5)


def test_deletion_rounds_the_number_of_covered_cells() -> None:
    picture = np.zeros((1, 2, 2, 2))
    picture[0, 0, :, 0] = 4, 2
    heat = picture[..., 0]
    found = explain_checks.deletion(
        _means(2, 2), picture, np.array([0]), heat, cells=2, shares=(0.4, 0.5)
    )
    assert found[0, 0] == found[0, 1]


@pytest.mark.parametrize(
    ("shape", "classes", "message"),
    [
        ((2, 4, 6), [0, 0], "do not divide pictures of 4 x 6"),
        ((2, 6, 4), [0, 0], "do not divide pictures of 6 x 4"),
        ((2, 4, 4), [0], "one class for each"),
    ],
)
def test_deletion_refuses_what_does_not_fit(
    shape: tuple[int, int, int], classes: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        explain_checks.deletion(
            _means(*shape[1:]), np.zeros((*shape, 2)), np.array(classes), np.zeros(shape), cells=4
        )


@pytest.mark.parametrize(
    ("point", "left", "top"), [((0, 0), 0, 0), ((3, 2), 2, 1), ((5, 1), 3, 0), ((1, 3), 0, 1)]
)
def test_a_cover_lies_around_its_point_and_stays_inside(
    point: tuple[int, int], left: int, top: int
) -> None:
    pictures = np.arange(48.0).reshape(1, 4, 6, 2)
    found = explain_checks.covered(pictures, np.array([point]), 3)
    expected = np.arange(48.0).reshape(1, 4, 6, 2)
    expected[0, top : top + 3, left : left + 3] = 23, 24
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(pictures, np.arange(48.0).reshape(1, 4, 6, 2))


def test_a_channel_that_is_silent_in_one_picture_counts_for_that_picture() -> None:
    maps = np.ones((2, 3, 3, 2))
    maps[0, ..., 1] = 0
    assert explain_depth.silent_channels(maps) == 0.25


def _grays(number: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.3, 0.7, (number, 8, 8, 1)).astype("float32")


def test_what_is_read_back_of_a_picture_does_not_depend_on_the_others_read_back() -> None:
    pictures = _grays(30)
    maps = pictures[:, ::2, ::2]
    together = explain_depth.read_back(maps, pictures, fitted=20, detail=8)
    alone = explain_depth.read_back(maps[:21], pictures[:21], fitted=20, detail=8)
    np.testing.assert_allclose(together.pictures[:1], alone.pictures, atol=1e-5)


def test_what_was_kept_is_a_share_of_the_variance_around_the_mean_of_the_fit() -> None:
    pictures = _grays(30)
    pictures[20:, :, :4] += 0.2 * np.arange(10)[:, None, None, None] / 10
    found = explain_depth.read_back(pictures[:, ::2, ::2], pictures, fitted=20, detail=8)
    wrong = ((pictures[20:] - found.pictures) ** 2).mean(axis=(1, 2, 3))
    spread = ((pictures[20:] - pictures[:20].mean()) ** 2).mean(axis=(1, 2, 3))
    assert np.isclose(found.kept, 1 - wrong.sum() / spread.sum(), atol=1e-5)
    residuals = wrong - spread * wrong.sum() / spread.sum()
    assert np.isclose(found.error, residuals.std() / spread.mean() / np.sqrt(10), rtol=1e-3)


@pytest.mark.parametrize("largest", [1, 255])
def test_pictures_of_either_range_are_read_back_from_0_to_1(largest: int) -> None:
    grays = _grays(12)
    kind = np.uint8 if largest == 255 else np.float32
    found = explain_depth.read_back(grays, (grays * largest).astype(kind), fitted=8, detail=8)
    np.testing.assert_allclose(found.pictures, grays[8:], atol=0.01)


def test_what_is_read_back_stays_between_black_and_white() -> None:
    grays = _grays(12)
    maps = grays.copy()
    maps[8], maps[9] = -1, 3
    found = explain_depth.read_back(maps, grays, fitted=8, detail=8)
    assert found.pictures.min() == 0 and found.pictures.max() == 1


def test_the_last_pictures_of_the_fit_are_learned_from_too() -> None:
    pictures = _grays(30)
    pictures[:15] = 0.5
    found = explain_depth.read_back(pictures - 0.5, pictures, fitted=20, detail=8)
    assert found.kept > 0.99


def test_reading_back_needs_two_pictures_for_the_fit() -> None:
    with pytest.raises(ValueError, match="1 cannot be used for the fit"):
        explain_depth.read_back(_grays(3), _grays(3), fitted=1)


def test_a_probe_is_trained_on_the_first_pictures_and_scored_on_the_others() -> None:
    labels = np.arange(40) % 2
    pictures = np.random.default_rng(0).integers(0, 100, (40, 8, 8, 3), dtype=np.uint8)
    pictures[labels == 1] += 100
    pictures[:, 0, 0] = 255  # the probe reads the mean of a channel, not its largest value
    labels[12:33] = 1 - labels[12:33]
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 1, name="copy")])
    model.set_weights([np.eye(3)[None, None], np.zeros(3)])
    found = explain_depth.depth_profile(model, pictures, labels, ["copy"], fitted=12, detail=8)
    assert found.probe == [0.25]
    assert np.allclose(found.probe_errors, np.sqrt(0.25 * 0.75 / 28))


def test_pictures_are_made_smaller_by_counting_every_pixel() -> None:
    spots = np.eye(9 * 18).reshape(-1, 9, 18, 1)
    found = explain_models.resized(spots, 3, 6)
    assert found.shape == (9 * 18, 3, 6, 1)
    assert (found.sum(axis=(1, 2, 3)) > 0).all()
    same = explain_models.resized(np.ones((1, 9, 18, 1)), 3, 6)
    np.testing.assert_allclose(same, 1, atol=1e-6)
