"""What ``helpers.explain`` computes, on models of three kinds, against what is known."""

from collections.abc import Callable

import numpy as np
import pytest

from helpers import explain, explain_checks, explain_depth, explain_models, explain_plots
from helpers import explain_patterns as patterns
from helpers.backend import gradient, keras, set_seed

layers = keras.layers
ops = keras.ops
SIZE = 24


def _functional(classes: int = 2, activation: str = "softmax") -> keras.Model:
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.RandomFlip("horizontal")(inputs)
    x = layers.Rescaling(1 / 255)(x)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(x)
    x = layers.MaxPooling2D(name="pooling")(x)
    skipped = x
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="second")(x)
    x = layers.Add(name="joined")([skipped, x])
    x = layers.Conv2D(6, 3, name="third")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(classes, activation, name="head")(x))


def _nested() -> keras.Model:
    base_input = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(4, 3, name="inner_first")(base_input)
    x = layers.BatchNormalization(name="inner_normalisation")(x)
    base = keras.Model(base_input, layers.ReLU(name="inner_last")(x), name="base")
    inputs = keras.Input((SIZE, SIZE, 3))
    x = base(layers.Rescaling(1 / 255)(inputs), training=False)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.5)(x)
    return keras.Model(inputs, layers.Dense(1, "sigmoid")(x))


def _sequential() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(5, 3, activation="relu", name="first"),
            layers.MaxPooling2D(),
            layers.Conv2D(7, 3, activation="relu", name="last"),
            layers.Flatten(),
            layers.Dense(3),
            layers.Activation("softmax"),
        ]
    )


KINDS = {"functional": _functional, "nested": _nested, "sequential": _sequential}


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> keras.Model:
    set_seed(3)
    return KINDS[request.param]()


@pytest.fixture
def functional() -> keras.Model:
    set_seed(3)
    return _functional()


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (19, SIZE, SIZE, 3), dtype=np.uint8)


def test_the_walk_gives_the_outputs_of_the_model(model: keras.Model, pictures: np.ndarray) -> None:
    scores = explain.class_scores(model, pictures)
    expected = model.predict(pictures.astype("float32"), verbose=0)
    if expected.shape[1] == 1:
        assert np.allclose(scores[:, 0], -scores[:, 1])
        found = 1 / (1 + np.exp(-scores[:, 1:]))
    else:
        found = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert np.allclose(found, expected, atol=1e-5)


def test_activations_are_those_of_a_multi_output_model(
    functional: keras.Model, pictures: np.ndarray
) -> None:
    names = ["first", "joined", "third"]
    outputs = [functional.get_layer(name).output for name in names]
    expected = keras.Model(functional.input, outputs)(pictures.astype("float32"), training=False)
    found = explain.activations(functional, pictures, names)
    assert list(found) == names
    for maps, wanted in zip(found.values(), expected, strict=True):
        assert np.allclose(maps, ops.convert_to_numpy(wanted), atol=1e-5)


def test_layers_of_a_nested_base_are_reached(pictures: np.ndarray) -> None:
    model = _nested()
    names = list(explain_models.spatial_layers(model))
    assert names[-3:] == ["inner_first", "inner_normalisation", "inner_last"]
    assert explain_models.last_spatial_layer(model) == "inner_last"
    base = model.get_layer("base")
    expected = ops.convert_to_numpy(base(pictures[:2] / np.float32(255), training=False))
    found = explain.activations(model, pictures[:2], ["inner_last"])["inner_last"]
    assert np.allclose(found, expected, atol=1e-5)


def test_a_second_layer_of_the_same_name_is_told_apart(pictures: np.ndarray) -> None:
    base = keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), layers.Conv2D(2, 3, name="c")], name="base"
    )
    tail = keras.Sequential([keras.Input((22, 22, 2)), layers.Conv2D(3, 3, name="c")], name="tail")
    inputs = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(inputs, tail(base(inputs)))
    assert explain_models.spatial_layers(model) == {"c": (22, 22, 2), "tail/c": (20, 20, 3)}
    assert explain.activations(model, pictures[:1], ["tail/c"])["tail/c"].shape == (1, 20, 20, 3)


def test_batches_change_nothing(functional: keras.Model, pictures: np.ndarray) -> None:
    together = explain.grad_cam(functional, pictures, 1)
    alone = np.concatenate([explain.grad_cam(functional, picture, 1) for picture in pictures])
    assert together.shape == (19, SIZE, SIZE)
    assert np.allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize("layer", ["second", "joined", "third"])
def test_grad_cam_is_the_textbook_s_formula(
    functional: keras.Model, pictures: np.ndarray, layer: str
) -> None:
    """Recomputed for each picture by cutting the model in two, where it can be cut."""
    x = pictures[:3].astype("float32")
    maps = explain.activations(functional, x, [layer])[layer]
    kernel, bias = functional.get_layer("head").get_weights()
    skipped = explain.activations(functional, x, ["pooling"])["pooling"]
    third = functional.get_layer("third")

    def score(value: keras.KerasTensor) -> keras.KerasTensor:
        value = value + skipped if layer == "second" else value
        value = value if layer == "third" else third(value)
        return ops.sum((ops.matmul(ops.mean(value, axis=(1, 2)), kernel) + bias)[:, 1])

    slope = ops.convert_to_numpy(gradient(score, maps)[1])
    weights = slope.mean(axis=(1, 2), keepdims=True)
    wanted = np.maximum((weights * maps).sum(axis=-1), 0)
    wanted = ops.convert_to_numpy(ops.image.resize(wanted[..., None], (SIZE, SIZE)))[..., 0]
    assert np.allclose(explain.grad_cam(functional, x, 1, layer), wanted, atol=1e-4)


def test_a_sigmoid_unit_has_two_opposite_classes(pictures: np.ndarray) -> None:
    set_seed(0)
    model = _functional(1, "sigmoid")
    cat, dog = (explain.grad_cam(model, pictures[:4], label) for label in (0, 1))
    assert not np.allclose(cat, dog)
    likelier = explain.class_scores(model, pictures[:4]).argmax(axis=1)
    chosen = explain.grad_cam(model, pictures[:4])
    assert np.allclose(chosen, np.where(likelier[:, None, None] == 1, dog, cat), atol=1e-6)


def _spot_model() -> keras.Model:
    """Scores class 1 by the red of the picture: what it looks at is known."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(1, 1, use_bias=False, activation="relu", name="red")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2, use_bias=False)(x))
    model.set_weights(
        [np.array([1, -1, -1], "float32").reshape(1, 1, 3, 1), np.array([[-1.0, 1.0]], "float32")]
    )
    return model


def _spots() -> tuple[np.ndarray, np.ndarray]:
    pictures = np.full((3, SIZE, SIZE, 3), 60, np.uint8)
    masks = np.zeros((3, SIZE, SIZE), bool)
    for number, (row, column) in enumerate(((2, 3), (10, 14), (17, 5))):
        pictures[number, row : row + 5, column : column + 5] = (250, 10, 10)
        masks[number, row : row + 5, column : column + 5] = True
    return pictures, masks


def test_heat_and_occlusion_find_the_red_spot() -> None:
    model, (pictures, masks) = _spot_model(), _spots()
    heat = explain.grad_cam(model, pictures, 1)
    assert explain_checks.pointing_game(heat, masks).all()
    fall = explain.occlusion(model, pictures, 1, patch=5, stride=1)
    assert explain_checks.pointing_game(fall, masks).all()
    assert (explain_checks.correlation(heat, fall) > 0.6).all()
    nothing = explain.grad_cam(model, pictures, 0)
    assert not nothing.any()
    assert not explain_checks.pointing_game(nothing, masks).any()


def test_occlusion_is_the_mean_fall_over_the_covers() -> None:
    model, (pictures, _) = _spot_model(), _spots()
    fall = explain.occlusion(model, pictures[:1], 1, patch=12, stride=12)[0]
    covered = pictures[0].astype("float32")
    covered[:12, :12] = covered.mean(axis=(0, 1))
    before, after = (explain.class_scores(model, x)[0, 1] for x in (pictures[0], covered))
    assert np.allclose(fall[:12, :12], before - after, atol=1e-4)


def test_occlusion_covers_every_pixel_and_explains_the_class_that_it_is_asked_for() -> None:
    """Held to one cover after the other, on pictures that the stride doesn't divide."""
    inputs = keras.Input((10, 17, 2))
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.ReLU(1.5)(inputs)))
    pictures = np.random.default_rng(0).uniform(0, 2, (2, 10, 17, 2)).astype("float32")
    pictures[..., 1] += 1  # class 1 is the likeliest
    fall, covers = np.zeros((2, 10, 17)), np.zeros((10, 17))
    for row in (0, 3, 4):
        for column in (0, 3, 6, 9, 11):
            place = np.s_[row : row + 6, column : column + 6]
            covered = pictures.copy()
            covered[:, *place] = pictures.mean(axis=(1, 2))[:, None, None]
            lost = np.minimum(pictures, 1.5).mean(axis=(1, 2)) - np.minimum(covered, 1.5).mean(
                axis=(1, 2)
            )
            fall[:, *place] += lost[[0, 1], [0, 1]][:, None, None]
            covers[place] += 1
    found = explain.occlusion(model, pictures, [0, 1], patch=6)
    np.testing.assert_allclose(found, fall / covers, atol=1e-5)
    for stride in (0, 7):
        with pytest.raises(ValueError, match="the stride must not exceed it"):
            explain.occlusion(model, pictures, patch=6, stride=stride)


def _squares() -> keras.Model:
    """Scores two classes by the mean squares of two channels: slopes grow along the path."""
    inputs = keras.Input((SIZE, SIZE, 2))
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.Multiply()([inputs, inputs])))


def test_integrated_gradients_take_the_middles_of_the_path_from_each_picture_s_own_mean() -> None:
    pictures = np.random.default_rng(0).uniform(0, 1, (3, SIZE, SIZE, 2)).astype("float32")
    pictures[1] *= 3
    for label in (0, 1):
        square = pictures[..., label] ** 2
        plain = pictures[..., label].mean(axis=(1, 2)) ** 2
        maps = explain.integrated_gradients(_squares(), pictures, label, steps=1)
        np.testing.assert_allclose(
            maps.sum(axis=(1, 2)), square.mean(axis=(1, 2)) - plain, atol=1e-5
        )
    slopes = explain.pixel_slopes(_squares(), pictures, [0, 1, 0])
    assert not slopes[[0, 1, 2], ..., [1, 0, 1]].any()


def test_smooth_grad_adds_noise_in_the_range_of_pixels_from_its_seed() -> None:
    picture = np.full((1, SIZE, SIZE, 2), 100.0)
    first, again, other = (
        explain.smooth_grad(_squares(), picture, 0, samples=2, noise=0.1, seed=seed) * SIZE**2 / 2
        for seed in (1, 1, 2)
    )
    assert np.isclose(first.std(), 25.5 / np.sqrt(2), rtol=0.1)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    with pytest.raises(ValueError, match="not negative"):
        explain.smooth_grad(_squares(), picture, 0, noise=-0.1)


@pytest.mark.parametrize(
    ("last", "undone"),
    [
        (lambda: [layers.Dense(3, use_bias=False), layers.Softmax()], True),
        (lambda: [layers.Dense(3, "softmax", use_bias=False)], True),
        (lambda: [layers.Dense(3, use_bias=False)], True),
        (lambda: [layers.Dense(3, use_bias=False), layers.Activation("relu")], False),
        (lambda: [layers.Dense(3, "relu", use_bias=False)], False),
    ],
)
def test_only_a_softmax_or_sigmoid_is_taken_off(
    last: Callable[[], list[keras.Layer]], undone: bool
) -> None:
    model = keras.Sequential([keras.Input((2, 2, 1)), layers.Flatten(), *last()])
    kernel = np.array([[1.0, -2.0, 0.5]] * 4)
    model.set_weights([kernel])
    expected = [4, -8, 2] if undone else [4, 0, 2]
    np.testing.assert_allclose(explain.class_scores(model, np.ones((2, 2, 1))), [expected])


def test_patterns_raise_their_channels_and_repeat(functional: keras.Model) -> None:
    first, again, other = (
        patterns.fourier_patterns(functional, "third", [0, 4], size=SIZE, steps=8, seed=seed)
        for seed in (0, 0, 1)
    )
    assert first.pictures.shape == (2, SIZE, SIZE, 3)
    assert first.pictures.min() >= 0 and first.pictures.max() <= 255
    assert (first.after > first.before).all()
    assert np.array_equal(first.pictures, again.pictures)
    assert not np.array_equal(first.pictures, other.pictures)
    measured = explain.activations(functional, first.pictures, ["third"])["third"].mean(axis=(1, 2))
    assert np.allclose(measured[[0, 1], [0, 4]], first.after, rtol=1e-4)


def _between_the_limits() -> np.ndarray:
    """A picture from which one step reaches neither 0 nor 255."""
    return np.random.default_rng(0).uniform(60, 195, (SIZE, SIZE, 3)).astype("float32")


@pytest.mark.parametrize(("layer", "channels"), [("first", 4), ("third", 6)])
def test_a_step_in_the_pixels_has_a_fixed_length_and_raises_every_channel(
    functional: keras.Model, layer: str, channels: int
) -> None:
    """From noise: where a picture is flat, max pooling has ties, and slopes mean little."""
    start = _between_the_limits()
    kernel, bias = functional.get_layer(layer).get_weights()
    functional.get_layer(layer).set_weights([kernel, bias + 10])  # no channel is silent
    found = patterns.pixel_ascent(functional, layer, range(channels), start, steps=1)
    moved = np.sqrt(((found.pictures - start) ** 2).mean(axis=(1, 2, 3)))
    assert np.allclose(moved, 5, rtol=1e-3)
    assert (found.after > found.before).all()


def test_a_silent_channel_leaves_the_picture_as_it_is(functional: keras.Model) -> None:
    kernel, bias = functional.get_layer("first").get_weights()
    kernel[..., 1], bias[1] = 0, -1
    functional.get_layer("first").set_weights([kernel, bias])
    start = _between_the_limits()
    found = patterns.pixel_ascent(functional, "first", [0, 1], start, steps=2)
    assert np.array_equal(found.pictures[1], start)
    assert found.after[1] == found.before[1] == 0
    assert found.after[0] > found.before[0]


def test_a_class_can_be_climbed_too(functional: keras.Model) -> None:
    found = patterns.fourier_patterns(functional, None, [0, 1], size=SIZE, steps=8)
    scores = explain.class_scores(functional, found.pictures)
    assert np.allclose(scores[[0, 1], [0, 1]], found.after, atol=1e-3)
    assert (found.after > found.before).all()


def test_coefficients_without_moves_paint_large_forms() -> None:
    coefficients = np.random.default_rng(0).normal(0, 1, (1, 16, 16, 3)).astype("float32")
    painted = ops.convert_to_numpy(patterns.painter(16, colors=False)(coefficients))
    logits = np.log(painted / (255 - painted))[0]
    waves, frequencies = patterns.fourier_basis(16)
    back = np.einsum("hi,hwc,wj->ijc", waves, logits, waves)
    ratio = coefficients[0] / back
    expected = 4 * np.maximum(np.hypot(frequencies[:, None], frequencies[None]), 1 / 16)
    assert np.allclose(ratio, expected[..., None], rtol=0.02)


def test_identity_moves_change_nothing_and_moves_keep_the_middle() -> None:
    still = patterns._random_moves(np.random.default_rng(0), 2, 15, 0.0)
    assert np.allclose(still, [[1, 0, 0, 0, 1, 0, 0, 0]] * 2)
    pictures = np.random.default_rng(1).random((2, 15, 15, 3)).astype("float32")
    moved = ops.image.affine_transform(pictures, still, fill_mode="reflect")
    assert np.allclose(ops.convert_to_numpy(moved), pictures, atol=1e-5)


def test_moves_turn_zoom_and_shift_around_the_middle_by_a_little() -> None:
    a, b, c, d, e, f, *rest = patterns._random_moves(np.random.default_rng(0), 400, 33, 1.0).T
    assert np.allclose(rest, 0) and np.allclose([a, b], [e, -d])
    angle, zoom = np.degrees(np.arctan2(d, a)), np.hypot(a, d)
    shifts = np.stack([16 * a + 16 * b + c - 16, 16 * d + 16 * e + f - 16])
    for values, reach in ((angle, 8), (zoom - 1, 0.08), (shifts, 33 / 16)):
        assert 0.9 * reach < values.max() <= reach + 1e-4
        assert -0.9 * reach > values.min() >= -reach - 1e-4


def test_the_first_step_in_fourier_space_moves_every_coefficient_by_the_rate(
    functional: keras.Model,
) -> None:
    waves, frequencies = patterns.fourier_basis(SIZE)
    divided = 4 * np.maximum(np.hypot(frequencies[:, None], frequencies[None]), 1 / SIZE)

    def coefficients(rate: float) -> np.ndarray:
        found = patterns.fourier_patterns(
            functional, "third", [0], size=SIZE, steps=1, rate=rate, colors=False
        )
        logits = np.log(found.pictures / (255 - found.pictures))[0]
        return np.einsum("hi,hwc,wj->ijc", waves, logits, waves) * divided[..., None]

    moved = np.abs(coefficients(0.05) - coefficients(0))
    assert np.isclose(np.median(moved), 0.05, rtol=0.02)


def test_exciting_patches_are_where_the_channel_is_strongest() -> None:
    model, (pictures, _) = _spot_model(), _spots()
    found = patterns.exciting_patches(model, "red", [0], pictures, count=2, side=6)
    assert found.shape == (1, 2, 6, 6, 3)
    assert (found == 250).any(axis=(2, 3, 4)).all()
    with pytest.raises(ValueError, match="4 patches need as many pictures, but there are only"):
        patterns.exciting_patches(model, "red", [0], pictures, count=4)
    for side in (0, SIZE + 1):
        with pytest.raises(ValueError, match=f"from 1 to {SIZE} pixels, not {side}"):
            patterns.exciting_patches(model, "red", [0], pictures, count=2, side=side)


def test_exciting_patches_are_ranked_for_each_channel_and_cut_from_wide_pictures() -> None:
    copy = layers.Conv2D(2, 1, name="copy")
    model = keras.Sequential([keras.Input((12, 30, 2)), layers.AveragePooling2D(2), copy])
    model.set_weights([np.eye(2)[None, None], np.zeros(2)])
    pictures = np.zeros((3, 12, 30, 2), np.uint8)
    pictures[0, 8:10, 24:26, 0], pictures[1, 2:4, 10:12, 0] = 100, 200
    pictures[1, 4:6, 20:22, 1], pictures[2, 6:8, 2:4, 1] = 50, 150
    found = patterns.exciting_patches(model, "copy", [0, 1], pictures, count=2, side=4)
    assert found.max(axis=(2, 3)).tolist() == [[[200, 0], [100, 0]], [[0, 150], [0, 50]]]
    assert (found.max(axis=-1)[..., 1:3, 1:3] > 0).all()


def test_integrated_gradients_add_up_and_smooth_grad_is_the_gradient(
    model: keras.Model, pictures: np.ndarray
) -> None:
    some = pictures[:3].astype("float32")
    plain = np.broadcast_to(some.mean(axis=(1, 2), keepdims=True), some.shape)
    gained = (explain.class_scores(model, some) - explain.class_scores(model, plain))[:, 1]
    maps = explain.integrated_gradients(model, some, 1, steps=64)
    assert np.allclose(maps.sum(axis=(1, 2)), gained, atol=0.02)
    slopes = explain.pixel_slopes(model, some, 1)
    sharp = explain.smooth_grad(model, some, 1, samples=1, noise=0)
    assert np.allclose(sharp, np.abs(slopes).max(axis=-1), atol=1e-6)
    likeliest = explain.class_scores(model, some).argmax(axis=1)
    assert np.allclose(
        explain.integrated_gradients(model, some, steps=2),
        explain.integrated_gradients(model, some, likeliest, steps=2),
    )


def test_deletion_covers_the_hottest_cells_first() -> None:
    model, (pictures, masks) = _spot_model(), _spots()
    classes = np.ones(3, int)
    options = {"cells": 6, "shares": (0.0, 0.2, 1.0)}
    good = explain_checks.deletion(model, pictures, classes, masks.astype(float), **options)
    bad = explain_checks.deletion(model, pictures, classes, -masks.astype(float), **options)
    assert good.shape == (3, 3)
    assert np.allclose(good[:, [0, 2]], bad[:, [0, 2]], atol=1e-5)
    assert (good[:, 1] < bad[:, 1]).all()
    shown = explain_checks.deletion(
        model, pictures, classes, masks.astype(float), insert=True, **options
    )
    assert np.allclose(shown[:, 2], good[:, 0], atol=1e-5)
    with pytest.raises(ValueError, match="do not divide"):
        explain_checks.deletion(model, pictures, classes, masks, cells=7)
    with pytest.raises(ValueError, match="one map of that size"):
        explain_checks.deletion(model, pictures, classes, masks[:2])


def test_sparsity_and_silent_channels_count_zeros() -> None:
    maps = np.ones((2, 4, 4, 2))
    maps[..., 0] = 0
    maps[1, 0, 0, 1] = 0
    assert explain_depth.sparsity(maps) == (32 + 1) / 64
    assert explain_depth.silent_channels(maps) == 0.5


def test_reading_back_needs_what_the_maps_keep() -> None:
    random = np.random.default_rng(0)
    pictures = random.random((30, 16, 16, 3)).astype("float32")
    same = explain_depth.read_back(pictures, pictures, fitted=20, detail=16)
    assert same.kept > 0.99
    assert same.pictures.shape == (10, 16, 16, 3)
    coarse = pictures.reshape(30, 8, 2, 8, 2, 3).mean(axis=(2, 4))
    assert 0.1 < explain_depth.read_back(coarse, pictures, fitted=20, detail=16).kept < 0.5
    noise = random.random((30, 8, 8, 5))
    assert abs(explain_depth.read_back(noise, pictures, fitted=20, detail=16).kept) < 0.05


def test_a_depth_profile_measures_every_layer(functional: keras.Model) -> None:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 200, (40, SIZE, SIZE, 3), dtype=np.uint8)
    labels = np.arange(40) % 2
    pictures[labels == 1, ..., 0] += 55
    names = ["rescaling_free", "first", "third"]
    with pytest.raises(ValueError, match="rescaling_free"):
        explain_depth.depth_profile(functional, pictures, labels, names, fitted=20)
    found = explain_depth.depth_profile(
        functional, pictures, labels, names[1:], fitted=20, detail=SIZE
    )
    maps = explain.activations(functional, pictures, names[1:])
    assert found.layers == ("first", "third")
    assert np.allclose(found.zeros, [explain_depth.sparsity(maps[name]) for name in names[1:]])
    assert np.allclose(
        found.silent, [explain_depth.silent_channels(maps[name]) for name in names[1:]]
    )
    assert found.kept[0] == explain_depth.read_back(maps["first"], pictures, 20, SIZE).kept
    assert found.kept_errors[0] == explain_depth.read_back(maps["first"], pictures, 20, SIZE).error
    assert found.probe[0] > 0.9
    assert 0 <= found.probe_errors[0] < 0.12
    assert found.read["third"].shape == (20, SIZE, SIZE, 3)


def test_grad_cam_looks_at_the_last_convolution_s_size() -> None:
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), layers.Conv2D(2, 3, name="c")])
    for layer in (layers.ReLU(name="r"), layers.MaxPooling2D(), layers.BatchNormalization()):
        model.add(layer)
    assert explain_models.last_spatial_layer(model) == "r"
    assert explain_models.last_spatial_layer(_sequential()) == "last"


def test_peaks_and_the_pointing_game() -> None:
    heat = np.zeros((3, 4, 6))
    heat[0, 1, 5] = heat[1, 3, 0] = 1
    assert explain_checks.peaks(heat).tolist() == [[5, 1], [0, 3], [-1, -1]]
    regions = np.zeros((3, 4, 6), bool)
    regions[:, :2, 4:] = True
    assert explain_checks.pointing_game(heat, regions).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="one size"):
        explain_checks.pointing_game(heat, regions[:, :2])


def test_correlation_of_flat_maps_is_zero() -> None:
    ramp = np.arange(12.0).reshape(1, 3, 4)
    assert np.allclose(explain_checks.correlation(ramp, -2 * ramp), -1)
    for gray in (1.0, 0.1, 0.7):  # the mean of many equal numbers can be off in its last digit
        flat = np.full((1, 3, 4), gray)
        assert explain_checks.correlation(ramp, flat) == 0
        assert explain_checks.correlation(flat, np.full((1, 3, 4), 0.3)) == 0


def test_deletion_shows_the_probability_that_a_sigmoid_unit_predicts() -> None:
    pooled = [keras.Input((2, 2, 1)), layers.Conv2D(1, 1), layers.GlobalMaxPooling2D()]
    model = keras.Sequential([*pooled, layers.Dense(1, "sigmoid")])
    picture = np.random.default_rng(0).normal(size=(1, 2, 2, 1)).astype("float32")
    predicted = model.predict_on_batch(picture)[0, 0]
    for cat_or_dog, expected in ((1, predicted), (0, 1 - predicted)):
        heat, chosen = picture[..., 0], np.array([cat_or_dog])
        found = explain_checks.deletion(model, picture, chosen, heat, cells=2, shares=(0,))
        np.testing.assert_allclose(found, [[expected]], atol=1e-6)


def test_a_model_whose_maps_are_points_has_no_layer_for_grad_cam() -> None:
    model = keras.Sequential([keras.Input((3, 3, 1)), layers.Conv2D(4, 3), layers.Flatten()])
    model.add(layers.Dense(2))
    with pytest.raises(ValueError, match="more than one position"):
        explain.grad_cam(model, np.zeros((1, 3, 3, 1)))


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((2, 20, SIZE, 3)), r"shape \(24, 24, 3\), but these have shape \(2, 20, 24, 3\)"),
        (np.zeros((SIZE, SIZE)), "give \\(N, H, W, C\\)"),
        (np.zeros((0, SIZE, SIZE, 3)), "but these have shape"),
        (np.full((1, SIZE, SIZE, 3), "red"), "arrays of numbers"),
        (np.full((1, SIZE, SIZE, 3), np.nan), "not finite"),
    ],
)
def test_pictures_that_do_not_fit(
    functional: keras.Model, picture: np.ndarray, message: str
) -> None:
    for tool in (explain.grad_cam, explain.class_scores):
        with pytest.raises(ValueError, match=message):
            tool(functional, picture)


def test_layers_filters_and_classes_that_do_not_exist(
    functional: keras.Model, pictures: np.ndarray
) -> None:
    with pytest.raises(ValueError, match=r'"forth".*does not exist.*first 24x24x4.*third 10x10x6'):
        explain.activations(functional, pictures, ["forth"])
    with pytest.raises(ValueError, match=r'"head".*no feature maps.*first 24x24x4'):
        explain.grad_cam(functional, pictures, layer="head")
    with pytest.raises(ValueError, match=r"channel 6 is out of range.*6 channels, 0 to 5"):
        patterns.fourier_patterns(functional, "third", [0, 6], size=SIZE)
    with pytest.raises(ValueError, match="at least one channel"):
        patterns.fourier_patterns(functional, "third", [], size=SIZE)
    with pytest.raises(ValueError, match=r"class 2 is out of range.*0 to 1"):
        patterns.fourier_patterns(functional, None, [2], size=SIZE)
    with pytest.raises(ValueError, match="at least one step"):
        explain.integrated_gradients(functional, pictures, steps=0)
    with pytest.raises(ValueError, match="at least one sample"):
        explain.smooth_grad(functional, pictures, samples=0)
    with pytest.raises(ValueError, match=r"class 2 is out of range.*0 to 1"):
        explain.grad_cam(functional, pictures, 2)
    for classes, said in ((-1, "class -1 is out of range"), (1.0, "one whole number")):
        with pytest.raises(ValueError, match=said):
            explain.grad_cam(functional, pictures, classes)
    with pytest.raises(ValueError, match="channel -1 is out of range"):
        patterns.fourier_patterns(functional, "third", [-1], size=SIZE)
    with pytest.raises(ValueError, match="one for each of the 19 pictures"):
        explain.occlusion(functional, pictures, [0, 1], patch=8)
    with pytest.raises(ValueError, match="cannot cover"):
        explain.occlusion(functional, pictures, patch=25)
    with pytest.raises(ValueError, match="at least one step"):
        patterns.fourier_patterns(functional, "third", [0], size=SIZE, steps=0)
    with pytest.raises(ValueError, match="24 x 24 pixels only"):
        patterns.fourier_patterns(functional, "third", [0], size=64)
    with pytest.raises(ValueError, match="19 cannot be used for the fit"):
        explain_depth.read_back(np.zeros((19, 4, 4, 1)), pictures, fitted=19)


def test_models_that_cannot_be_explained(functional: keras.Model, pictures: np.ndarray) -> None:
    dense = keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), layers.Flatten(), layers.Dense(2, "softmax")]
    )
    with pytest.raises(ValueError, match="has no convolution"):
        explain.grad_cam(dense, pictures)
    headless = keras.Sequential([keras.Input((SIZE, SIZE, 3)), layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match="put a head on it"):
        explain.grad_cam(headless, pictures)
    with pytest.raises(ValueError, match="does not know the size"):
        explain.grad_cam(keras.Sequential([layers.Conv2D(2, 3)]), pictures)
    with pytest.raises(ValueError, match="neither a functional nor a sequential"):
        explain.class_scores(layers.Dense(2), pictures)
    twice = keras.Model(functional.input, [functional.output, functional.output])
    with pytest.raises(ValueError, match="has 2 outputs"):
        explain.class_scores(twice, pictures)
    words = keras.Sequential([keras.Input((5,)), layers.Embedding(9, 3)])
    with pytest.raises(ValueError, match="not one batch of pictures"):
        explain.class_scores(words, pictures)


def test_a_model_that_leaves_the_size_open(pictures: np.ndarray) -> None:
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="only")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    assert explain.grad_cam(model, pictures[:2]).shape == (2, SIZE, SIZE)
    assert explain.grad_cam(model, pictures[:2, :16]).shape == (2, 16, SIZE)
    assert explain.activations(model, pictures[:2, :16], ["only"])["only"].shape == (2, 14, 22, 4)
    found = patterns.fourier_patterns(model, "only", [1], size=32, steps=2)
    assert found.pictures.shape[1] == 32


def test_weights_that_change_later_are_seen(pictures: np.ndarray) -> None:
    model = _sequential()
    before = explain.class_scores(model, pictures)
    model.set_weights([weight * 0 for weight in model.get_weights()])
    assert before.any()
    assert not explain.class_scores(model, pictures).any()


def test_figures_are_drawn(functional: keras.Model, pictures: np.ndarray) -> None:
    maps = explain.activations(functional, pictures[0], ["first", "third"])
    stacks = {name: stack[0] for name, stack in maps.items()}
    stacks["third"][..., 0] = 0
    depth = explain_depth.Depth(
        ("a", "b"), [0, 1], [0, 0.5], [1, 0.2], [0.1, 0.1], [0.5, 1], [0.1, 0], {}
    )
    drawn = [
        explain_plots.feature_maps(pictures[0], stacks, "maps", channels=6, columns=3),
        explain_plots.heat_maps(
            pictures[:2],
            {"heat": np.zeros((2, SIZE, SIZE))},
            ["a", "b"],
            "heat",
            points={"heat": np.array([[1, 1], [-1, -1]])},
            outlines=np.arange(2 * SIZE**2).reshape(2, SIZE, SIZE) % 7 > 3,
        ),
        explain_plots.depth_curves({"net": depth}, "depth"),
        explain_plots.picture_rows({"row": pictures[:2]}, "rows", ["a", "b"]),
    ]
    for figure in drawn:
        figure.canvas.draw()
        explain_plots.plt.close(figure)
    with pytest.raises(ValueError, match="same number of pictures"):
        explain_plots.picture_rows({"a": pictures[:2], "b": pictures[:1]}, "rows")
    with pytest.raises(ValueError, match="one map per row"):
        explain_plots.heat_maps(pictures[:2], {"a": np.zeros((1, 4, 4))}, ["", ""], "heat")
