"""The drawn samples are deterministic, balanced, varied, and their ground truth is true."""

import numpy as np
import pytest

from helpers import drawing, drawing_pets


@pytest.fixture(scope="module")
def pets():
    return drawing.sample_cats_vs_dogs(size=48, train=60, validation=10, test=40)


@pytest.fixture(scope="module")
def objects():
    return drawing.sample_cifar10(train=100, validation=10, test=20)


def test_the_same_seed_draws_the_same_and_another_seed_does_not(pets):
    again, _ = drawing.sample_cats_vs_dogs(size=48, train=8, validation=2, test=4)
    other, _ = drawing.sample_cats_vs_dogs(size=48, seed=1, train=8, validation=2, test=4)
    for name in ("test_x", "test_y", "test_parts", "test_box", "test_mask"):
        np.testing.assert_array_equal(again[name], pets[0][name][:4])
    assert not np.array_equal(again["train_x"], other["train_x"])
    assert not np.array_equal(again["train_x"][:2], again["test_x"][:2])


def test_shapes_types_and_balance(pets, objects):
    arrays, report = pets
    assert arrays["train_x"].shape == (60, 48, 48, 3)
    assert arrays["train_x"].dtype == np.uint8
    assert arrays["train_y"].dtype == np.int64
    assert arrays["test_parts"].shape == (40, 5, 2)
    assert arrays["test_parts"].dtype == np.float32
    assert report["parts"] == ["left ear", "right ear", "left eye", "right eye", "snout"]
    np.testing.assert_array_equal(np.bincount(arrays["test_y"]), [20, 20])
    arrays, report = objects
    assert arrays["train_x"].shape == (100, 32, 32, 3)
    np.testing.assert_array_equal(np.bincount(arrays["train_y"]), np.full(10, 10))
    assert len(report["classes"]) == 10


def test_parts_lie_in_the_picture_and_left_is_left(pets):
    parts = pets[0]["test_parts"]
    assert parts.min() >= 0
    assert parts.max() <= 48
    left_ear, right_ear, left_eye, right_eye, snout = parts.transpose(1, 0, 2)
    assert (left_ear[:, 0] < right_ear[:, 0]).all()
    assert (left_eye[:, 0] < right_eye[:, 0]).all()
    assert (snout[:, 1] > (left_eye + right_eye)[:, 1] / 2).mean() > 0.95


def test_parts_lie_on_the_animal_and_the_box_holds_its_mask(pets):
    arrays = pets[0]
    on_animal = []
    for parts, mask, box in zip(
        arrays["train_parts"], arrays["train_mask"], arrays["train_box"], strict=True
    ):
        left, top, right, bottom = box
        rows, columns = np.nonzero(mask)
        assert (columns.min(), columns.max() + 1) == (left, right)
        assert (rows.min(), rows.max() + 1) == (top, bottom)
        x, y = np.clip(parts.astype(int), 0, 47).T
        on_animal.append(mask[y, x])
    # What is missing was hidden by a leaf, a ball or a plank.
    assert np.mean(on_animal) > 0.9


def test_the_animal_differs_from_what_is_behind_it(pets):
    x, mask = pets[0]["train_x"].astype(float), pets[0]["train_mask"]
    inside = np.array([picture[m].mean(0) for picture, m in zip(x, mask, strict=True)])
    outside = np.array([picture[~m].mean(0) for picture, m in zip(x, mask, strict=True)])
    assert np.median(np.abs(inside - outside).max(1)) > 15


def test_pictures_vary_and_color_does_not_give_the_class_away(pets):
    x, y = pets[0]["train_x"].astype(float), pets[0]["train_y"]
    assert np.abs(x[0::2] - x[1::2]).mean() > 25
    brightness = x.mean(axis=(1, 2))
    gap = np.abs(brightness[y == 0].mean(0) - brightness[y == 1].mean(0))
    assert (gap < brightness.std(0)).all()


def test_a_picture_does_not_depend_on_how_many_are_drawn(objects):
    few, _ = drawing.sample_cifar10(train=10, validation=10, test=10)
    np.testing.assert_array_equal(few["train_x"], objects[0]["train_x"][:10])


@pytest.mark.parametrize(
    ("kind", "seed", "colors", "covered", "following"),
    [
        ("cat", 0, [130.65, 149.71, 128.49], 609, 40),
        ("dog", 0, [137.77, 140.01, 137.23], 638, 752),  # floppy ears
        ("dog", 3, [89.11, 68.51, 59.04], 983, 849),  # folded ears
        ("dog", 10, [130.91, 114.54, 93.83], 621, 271),  # pricked ears
    ],
)
def test_drawings_stay_as_they_are(kind, seed, colors, covered, following):
    """What is drawn is part of the course's numbers: a clean-up of this code changes no pixel."""
    rng = np.random.default_rng(seed)
    picture, _, mask = drawing_pets.draw_cat_or_dog(rng, kind, 48, drawing_pets.Look())
    # One pixel in another color moves a mean by about 0.05.
    np.testing.assert_allclose(picture.mean(axis=(0, 1)), colors, atol=0.02)
    assert mask.sum() == covered
    assert rng.integers(1000) == following


@pytest.mark.parametrize(
    ("look", "part"),
    [
        ({"nose": "other"}, 4),
        ({"nose": "none"}, 4),
        ({"eyes": "other"}, 2),
        ({"eyes": "none"}, 3),
        ({"ears": "none"}, 0),
    ],
)
def test_a_look_changes_its_part_and_leaves_the_animal_where_it_is(pets, look, part):
    plain = {name: array[:20] for name, array in pets[0].items() if name.startswith("test")}
    changed, _ = drawing.sample_cats_vs_dogs(size=48, train=2, validation=2, test=20, **look)
    np.testing.assert_array_equal(changed["test_parts"], plain["test_parts"])
    differs = np.abs(changed["test_x"].astype(int) - plain["test_x"]).max(axis=-1) > 12
    assert 0 < differs.mean() < 0.1
    rows, columns = np.indices((48, 48))
    x, y = plain["test_parts"][:, part].T[..., None, None]
    near = (columns - x) ** 2 + (rows - y) ** 2 < 8**2
    assert differs[near].mean() > 3 * differs[~near].mean()
    if look.get("ears") is None:
        np.testing.assert_array_equal(changed["test_mask"], plain["test_mask"])


def test_shared_colors_do_not_give_the_kind_away():
    def gap(**look):
        arrays, _ = drawing.sample_cats_vs_dogs(size=48, train=120, validation=2, test=2, **look)
        x, y = np.clip(arrays["train_parts"][:, 4].astype(int), 0, 47).T
        nose = arrays["train_x"][np.arange(120), y, x].astype(float).mean(axis=1)
        cat, dog = nose[arrays["train_y"] == 0], nose[arrays["train_y"] == 1]
        return abs(cat.mean() - dog.mean()) / nose.std()

    assert gap() > 1
    assert gap(nose="shared", eyes="shared", tongue="none") < 0.6


@pytest.mark.parametrize(
    ("draw", "options", "message"),
    [
        (drawing.sample_cats_vs_dogs, {"size": 8}, "at least 16 pixels per side, not 8"),
        (drawing.sample_cats_vs_dogs, {"test": 1}, "test split needs at least 2"),
        (drawing.sample_cats_vs_dogs, {"nose": "blue"}, "must be one of own, other, shared, none"),
        (drawing.sample_cats_vs_dogs, {"ears": "other"}, "the look of the ears"),
        (drawing.sample_cifar10, {"validation": 9}, "validation split needs at least 10"),
    ],
)
def test_impossible_requests_are_refused(draw, options, message):
    with pytest.raises(ValueError, match=message):
        draw(**options)
