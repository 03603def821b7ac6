"""Cutting a base, computing its frozen part once, and what freezing must mean."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from course import data
from helpers import datasets, frozen, pretrained, training
from helpers.backend import keras
from helpers.files import sha256_of

layers = keras.layers
PICTURES = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3)).astype("uint8")
LABELS = np.array([0, 1, 0, 1, 0, 1])
CUTS = {
    "efficientnet_lite0": ("block2b_add", "block5c_add"),
    "mobilenet": ("conv_pw_3_relu", "conv_pw_11_relu"),
    "vgg16": ("block3_pool", "block4_pool"),
    "xception": ("block3_add", "block12_add"),
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def bases():
    training.start(0)
    made = {name: pretrained.load(name, 64, weights="random") for name in pretrained.BASES}
    # Statistics of the untrained kind would hide a batch normalisation left out or run twice.
    chance = np.random.default_rng(0)
    for base in made.values():
        for layer in base.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.set_weights([chance.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return made


def snapshot(chosen):
    return {layer.name: layer.get_weights() for layer in chosen if layer.weights}


def moved(before, layer):
    return [
        not np.array_equal(old, new)
        for old, new in zip(before[layer.name], layer.get_weights(), strict=True)
    ]


@pytest.mark.parametrize(("name", "at"), [(name, at) for name in CUTS for at in CUTS[name]])
def test_prefix_and_rest_together_are_the_whole(bases, name, at):
    prefix, rest = frozen.cut(bases[name], at)
    whole = bases[name].predict_on_batch(PICTURES)
    parts = rest.predict_on_batch(frozen.features(prefix, PICTURES, batch_size=4))
    assert np.abs(whole).max() > 0
    assert np.abs(whole - parts).max() <= 1e-4


@pytest.mark.parametrize("name", CUTS)
def test_a_training_step_moves_the_rest_and_nothing_frozen(bases, name):
    base = bases[name]
    prefix, rest = frozen.cut(base, CUTS[name][1])
    base.trainable = False
    for layer in rest.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    before, behind = snapshot(base.layers), {layer.name for layer in rest.layers}

    found = frozen.features(prefix, PICTURES)
    start = keras.Input(found.shape[1:])
    score = layers.Dense(1, activation="sigmoid")(layers.GlobalAveragePooling2D()(rest(start)))
    model = keras.Model(start, score)
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    loss = model.train_on_batch(np.asarray(found), LABELS[:, None])
    assert np.isfinite(loss)

    for layer in base.layers:
        if layer.weights:
            free = layer.name in behind and not isinstance(layer, layers.BatchNormalization)
            assert any(moved(before, layer)) == free, layer.name


def test_unfrozen_batch_normalisation_would_move_its_statistics(bases):
    base = bases["efficientnet_lite0"]
    prefix, rest = frozen.cut(base, "block6d_add")
    for layer in rest.layers:
        layer.trainable = True
    before = snapshot(rest.layers)
    model = keras.Sequential([rest, layers.GlobalAveragePooling2D(), layers.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    model.train_on_batch(np.asarray(frozen.features(prefix, PICTURES)), LABELS[:, None])
    *_, mean, variance = moved(before, base.get_layer("head_bn"))
    assert mean and variance


def test_a_cut_within_a_residual_block_names_the_nearest_valid_ones(bases):
    with pytest.raises(ValueError, match="cuts are block2a_project_bn and block2b_add"):
        frozen.cut(bases["efficientnet_lite0"], "block2b_depthwise_conv")


def test_an_unknown_layer_and_the_last_one_are_no_cuts(bases):
    with pytest.raises(
        ValueError, match=r"no layer 'block9'; .* after preprocessing, block1_conv1"
    ):
        frozen.cut(bases["vgg16"], "block9")
    with pytest.raises(ValueError, match="leaves nothing to train; the last cut is block5_conv3"):
        frozen.cut(bases["vgg16"], "block5_pool")


def test_features_are_computed_once(bases, monkeypatch):
    prefix, _ = frozen.cut(bases["vgg16"], "block1_pool")
    first = np.array(frozen.features(prefix, PICTURES))
    monkeypatch.setattr(frozen, "_computed", None)
    np.testing.assert_array_equal(frozen.features(prefix, PICTURES), first)


def test_a_frozen_base_and_a_trainable_one_share_their_features(bases):
    prefix, _ = frozen.cut(bases["vgg16"], "block1_pool")
    prefix.trainable = True
    free = frozen.key(prefix, PICTURES, None, 1)
    prefix.trainable = False
    assert frozen.key(prefix, PICTURES, None, 1) == free


def test_whatever_changes_the_features_changes_their_key(bases):
    base = bases["mobilenet"]
    prefix, _ = frozen.cut(base, "conv_pw_2_relu")
    original = frozen.key(prefix, PICTURES, None, 1)
    changed = PICTURES.copy()
    changed[0, 0, 0, 0] ^= 1
    assert frozen.key(prefix, changed, None, 1) != original
    bare = pretrained.load("mobilenet", 64, weights="random", preprocessing=False)
    bare.set_weights(base.get_weights())
    other, _ = frozen.cut(bare, "conv_pw_2_relu")
    assert frozen.key(other, PICTURES, None, 1) != original
    assert not np.allclose(frozen.features(other, PICTURES), frozen.features(prefix, PICTURES))
    weights = base.get_weights()
    base.get_layer("conv1").set_weights([weights[0] * 2])
    assert frozen.key(prefix, PICTURES, None, 1) != original
    base.set_weights(weights)
    assert frozen.key(prefix, PICTURES, None, 1) == original


def _scaled(factor):
    """A prefix without weights, whose name says nothing about what it computes."""
    return keras.Sequential(
        [keras.Input((8, 8, 3), name="pictures"), layers.Rescaling(factor, name="scaled")],
        name="prefix",
    )


def _flipping(mode="horizontal", seed=0):
    return keras.Sequential([layers.RandomFlip(mode, seed=seed)])


SMALL = PICTURES[:, :8, :8]


@pytest.mark.parametrize(
    ("prefix", "pictures", "augmentation", "copies"),
    [
        (_scaled(2.0), SMALL, _flipping(), 2),
        (_scaled(1.0), SMALL[::-1], _flipping(), 2),
        (_scaled(1.0), SMALL.astype("float32"), _flipping(), 2),
        (_scaled(1.0), SMALL, _flipping("vertical"), 2),
        (_scaled(1.0), SMALL, _flipping(seed=1), 2),
        (_scaled(1.0), SMALL, None, 2),
        (_scaled(1.0), SMALL, _flipping(), 3),
    ],
    ids=["layers", "order", "type", "augmentation", "seed", "none", "copies"],
)
def test_features_that_differ_in_one_respect_have_another_key(
    prefix, pictures, augmentation, copies
):
    original = frozen.key(_scaled(1.0), SMALL, _flipping(), 2)
    assert frozen.key(_scaled(1.0), SMALL.copy(), _flipping(), 2) == original
    assert frozen.key(prefix, pictures, augmentation, copies) != original


def test_features_of_another_backend_have_another_key(monkeypatch):
    original = frozen.key(_scaled(1.0), SMALL, None, 1)
    monkeypatch.setattr(frozen.keras.backend, "backend", lambda: "another")
    assert frozen.key(_scaled(1.0), SMALL, None, 1) != original


def test_features_that_are_read_cannot_be_overwritten():
    found = frozen.features(_scaled(1.0), SMALL)
    assert isinstance(found, np.memmap) and found.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 0


def test_features_made_with_other_preprocessing_are_never_reused(bases, own_cache):
    prefix, _ = frozen.cut(bases["mobilenet"], "conv_pw_2_relu")
    expected = np.array(frozen.features(prefix, PICTURES))
    (described,) = (own_cache / "features").glob("*.json")
    written = json.loads(described.read_text())
    stored = described.with_suffix(".npy")
    np.save(stored, expected + 1)
    facts = written["facts"] | {"preprocessing": "x / 255"}
    described.write_text(
        json.dumps(
            written | {"facts": facts, "bytes": stored.stat().st_size, "sha256": sha256_of(stored)}
        )
    )
    assert frozen.is_whole(described)
    np.testing.assert_array_equal(frozen.features(prefix, PICTURES), expected)


def cut_off(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".json", cut_off),
        (".json", lambda path: path.write_text("[]")),
        (".json", lambda path: path.unlink()),
        (".npy", cut_off),
        (".npy", flip_a_bit),
        (".npy", lambda path: path.write_bytes(b"")),
        (".npy", lambda path: path.unlink()),
    ],
)
def test_damaged_features_are_made_again(bases, own_cache, suffix, damage):
    prefix, _ = frozen.cut(bases["vgg16"], "block1_pool")
    expected = np.array(frozen.features(prefix, PICTURES))
    (described,) = (own_cache / "features").glob("*.json")
    damage(described.with_suffix(suffix))
    assert not frozen.is_whole(described)
    np.testing.assert_array_equal(frozen.features(prefix, PICTURES), expected)
    assert frozen.is_whole(described)


def test_features_that_were_cut_off_while_they_were_written_are_made_again(
    bases, own_cache, monkeypatch
):
    prefix, _ = frozen.cut(bases["vgg16"], "block1_pool")
    with monkeypatch.context() as patch:
        patch.setattr(frozen, "write_atomically", None)
        with pytest.raises(TypeError):
            frozen.features(prefix, PICTURES)
    assert list((own_cache / "features").glob("*.npy"))
    assert not list((own_cache / "features").glob("*.json"))
    np.testing.assert_allclose(
        frozen.features(prefix, PICTURES), prefix.predict_on_batch(PICTURES), atol=1e-4
    )


FILLS = """
import numpy as np
from helpers import frozen
from helpers.backend import keras
from helpers.sources import DataError
prefix = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Rescaling(1.0)])
try:
    frozen.features(prefix, np.zeros((40, 32, 32, 3), "uint8"))
except DataError as error:
    print(error)
"""


def test_a_disk_that_fills_up_is_one_sentence(tmp_path):
    """Writing through a memory map would end the process with a bus error there."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mounting, capture_output=True).returncode:
        pytest.skip("only a user who may mount can make a small disk")
    try:
        answer = subprocess.run(
            [sys.executable, "-c", FILLS],
            env={**os.environ, "COURSE_CACHE": str(disk)},
            capture_output=True,
            text=True,
        )
        assert answer.returncode == 0, answer.stderr
        assert f"Cannot write the data into {disk / 'features'} (No space left" in answer.stdout
        assert not [*disk.glob("features/*.npy"), *disk.glob("features/*.json")]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_prune_deletes_features_of_pictures_that_are_prepared_no_more(bases, own_cache, capsys):
    prefix, _ = frozen.cut(bases["vgg16"], "block1_pool")
    small = {"size": 64, "train": 4, "validation": 2, "test": 2}
    drawn = [datasets.load("cats_vs_dogs", "sample", **small, seed=seed) for seed in (1, 2)]
    for each in drawn:
        frozen.features(prefix, each.train[0][:3])
    frozen.features(prefix, PICTURES)
    [gone] = [
        folder
        for folder in (own_cache / "prepared").glob("*-sample-*/")
        if datasets.read_prepared(folder)[0]["options"]["seed"] == 1
    ]
    shutil.rmtree(gone)
    data.prune(False)
    kept = [json.loads(path.read_text()) for path in (own_cache / "features").glob("*.json")]
    assert len(kept) == 2
    assert gone.name not in [each["origin"] for each in kept]
    assert None in [each["origin"] for each in kept]
    assert len(list((own_cache / "features").glob("*.npy"))) == 2
    assert capsys.readouterr().out.count("deleted features/") == 2


def test_augmented_copies_differ_and_can_be_made_again(bases, own_cache):
    prefix, _ = frozen.cut(bases["vgg16"], "block1_pool")
    flips = keras.Sequential([layers.Input((64, 64, 3)), layers.RandomFlip("horizontal", seed=3)])
    first = np.array(frozen.features(prefix, PICTURES, augmentation=flips, copies=3))
    assert first.shape == (18, 32, 32, 64)
    plain = frozen.features(prefix, PICTURES)
    mirrored = frozen.features(prefix, PICTURES[:, :, ::-1])
    kept = [np.allclose(first[i], plain[i % 6], atol=1e-3) for i in range(18)]
    turned = [np.allclose(first[i], mirrored[i % 6], atol=1e-3) for i in range(18)]
    assert all(a != b for a, b in zip(kept, turned, strict=True))
    assert any(kept) and any(turned)

    flips(PICTURES, training=True)
    for file in (own_cache / "features").iterdir():
        file.unlink()
    again = frozen.features(prefix, PICTURES, augmentation=flips, copies=3)
    np.testing.assert_array_equal(again, first)


def test_wrong_requests_for_features_are_answered_in_one_sentence(bases):
    prefix, _ = frozen.cut(bases["vgg16"], "block1_pool")
    with pytest.raises(ValueError, match=r"not \(0, 64, 64, 3\)"):
        frozen.features(prefix, PICTURES[:0])
    with pytest.raises(ValueError, match="0 copies of each picture make no sense with "):
        frozen.features(prefix, PICTURES, augmentation=_flipping(), copies=0)
    unseeded = keras.Sequential([layers.Input((64, 64, 3)), layers.RandomFlip()])
    with pytest.raises(ValueError, match="has no seed"):
        frozen.features(prefix, PICTURES, augmentation=unseeded, copies=2)


def test_augmented_features_are_those_of_their_batch_size_whatever_the_layers_are_called(
    bases, own_cache
):
    prefix, _ = frozen.cut(bases["vgg16"], "block1_pool")

    def made(batch_size):
        # Keras gives the layer another number each time.
        flips = keras.Sequential([layers.RandomFlip("horizontal", seed=0)])
        return np.array(
            frozen.features(prefix, PICTURES, augmentation=flips, copies=2, batch_size=batch_size)
        )

    first = made(2)
    np.testing.assert_array_equal(made(2), first)
    assert len(list((own_cache / "features").glob("*.npy"))) == 1
    assert not np.array_equal(made(6), first)
    with pytest.raises(ValueError, match="2 copies of each picture make no sense without"):
        frozen.features(prefix, PICTURES, copies=2)
    with pytest.raises(ValueError, match=r"takes pictures of shape \(N, 64, 64, 3\), not"):
        frozen.features(prefix, PICTURES[:, :32])
