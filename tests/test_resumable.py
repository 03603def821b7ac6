"""A training that was killed and goes on must equal one that nothing interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from helpers import training
from helpers.backend import keras
from helpers.resumable import Kept

# Everything random that the published recipes have: shuffling, dropout, augmentation, a schedule.
TRAINING = """
import sys, time
import numpy as np
from helpers import resumable, training
from helpers.backend import keras

layers = keras.layers
random = np.random.default_rng(0)
x = random.integers(0, 256, (70, 8, 8, 3)).astype("uint8")
y = random.integers(0, 10, 70)
training.start(3)
model = keras.Sequential([
    keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.RandomFlip("horizontal"),
    layers.RandomTranslation(0.2, 0.2), layers.Conv2D(4, 3), layers.BatchNormalization(),
    layers.Flatten(), layers.Dropout(0.5), layers.Dense(10, activation="softmax"),
])
model.compile(
    keras.optimizers.Adam(training.one_cycle(0.01, 6 * 5)),
    "sparse_categorical_crossentropy", metrics=["accuracy"],
)


class Slow(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        time.sleep(float(sys.argv[1]))


kept = resumable.Kept("killed", epochs=6, seed=3)
data = training.batches(x, y, 16, seed=3)
done = kept.restore(model, data)
print(f"continues after {done}", flush=True)
model.fit(
    data, initial_epoch=done, epochs=6, verbose=0, callbacks=[kept, Slow()],
    validation_data=training.batches(x, y, 32),
)
"""


def process(cache: Path, pause: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(pause)],
        env={**os.environ, "COURSE_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for_an_epoch(running: subprocess.Popen[str], cache: Path, epochs: int) -> None:
    while running.poll() is None:
        for path in cache.glob("trainings/killed-*.npz"):
            if epochs_in(path) >= epochs:
                return
        time.sleep(0.02)
    raise AssertionError("the training ended before it could be killed")


def epochs_in(path: Path) -> int:
    with np.load(path) as file:
        return int(json.loads(str(file["state"]))["epochs"])


def test_a_killed_training_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    running = process(whole, 0)
    assert "continues after 0" in running.communicate()[0] and running.returncode == 0
    for epochs in (2, 4):  # two kills, in the middle of the third and of the fifth epoch
        running = process(killed, 0.3)
        wait_for_an_epoch(running, killed, epochs)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        assert running.returncode == -signal.SIGKILL
    running = process(killed, 0)
    assert "continues after 4" in running.communicate()[0] and running.returncode == 0
    [expected], [found] = (list(cache.glob("trainings/*")) for cache in (whole, killed))
    assert expected.name == found.name
    with np.load(expected) as first, np.load(found) as second:
        assert first.files == second.files
        for name in set(first.files) - {"state"}:
            np.testing.assert_array_equal(first[name], second[name])
        states = [json.loads(str(file["state"])) for file in (first, second)]
    assert states[0]["epochs"] == states[1]["epochs"] == 6
    assert states[0]["curves"] == states[1]["curves"]
    assert len(states[1]["curves"]["val_accuracy"]) == len(states[1]["seconds"]) == 6


def little(units: int = 2) -> keras.Model:
    training.start(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, name=f"of_{units}")])
    model.compile("rmsprop", "mean_squared_error")
    return model


def train(kept: Kept, model: keras.Model, epochs: int = 2) -> int:
    x = np.ones((8, 3), "float32")
    data = training.batches(x, x[:, : model.output_shape[-1]], 4, seed=0)
    done = kept.restore(model, data)
    model.fit(data, initial_epoch=done, epochs=epochs, callbacks=[kept], verbose=0)
    return done


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    return tmp_path


def test_a_finished_training_is_not_repeated(own_cache: Path) -> None:
    first, again = little(), little()
    assert train(Kept("little"), first) == 0
    kept = Kept("little")
    assert train(kept, again) == 2
    assert len(kept.curves["loss"]) == len(kept.seconds) == 2
    for expected, found in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(expected, found)


def test_another_recipe_does_not_continue_it(own_cache: Path) -> None:
    assert train(Kept("little", seed=0), little()) == 0
    assert train(Kept("little", seed=1), little()) == 0
    assert train(Kept("little", seed=0), little(3)) == 0
    other = little()
    other.compile(keras.optimizers.RMSprop(0.1), "mean_squared_error")
    assert train(Kept("little", seed=0), other) == 0
    assert train(Kept("little", seed=0), little()) == 2


@pytest.mark.parametrize("other", ["loss", "precision"])
def test_another_loss_or_precision_does_not_continue_it(own_cache: Path, other: str) -> None:
    assert train(Kept("little"), little(), 1) == 0
    kept, model = Kept("little"), little()
    if other == "loss":
        model.compile("rmsprop", "mean_absolute_error")
    usual = keras.config.dtype_policy()
    try:
        if other == "precision":
            keras.config.set_dtype_policy("mixed_bfloat16")
        assert kept.restore(model, training.batches(np.ones((8, 3)), None, 4, seed=0)) == 0
    finally:
        keras.config.set_dtype_policy(usual)


def test_a_broken_file_is_named(own_cache: Path) -> None:
    kept = Kept("little")
    train(kept, little())
    kept.path.write_bytes(kept.path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"little-.*cannot be read .* delete it to train anew"):
        train(Kept("little"), little())


def test_an_empty_file_is_named(own_cache: Path) -> None:
    kept = Kept("little")
    train(kept, little())
    kept.path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"cannot be read .* delete it to train anew"):
        train(Kept("little"), little())


NAMED = """
from helpers import resumable, training
from helpers.backend import keras

model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
model.compile("sgd", keras.losses.CategoricalCrossentropy(label_smoothing=0.1))
kept = resumable.Kept("object")
kept.restore(model, None)
print(kept.path.name)
"""


def test_a_loss_object_has_the_same_name_in_the_next_process(own_cache: Path) -> None:
    answers = [
        subprocess.run([sys.executable, "-c", NAMED], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert answers[0].stdout.startswith("object-")
    assert answers[0].stdout == answers[1].stdout


def test_training_without_restore_is_refused_before_an_epoch_is_lost() -> None:
    with pytest.raises(ValueError, match="Call `restore"):
        little().fit(np.ones((8, 3)), np.ones((8, 2)), callbacks=[Kept("little")], verbose=0)


def test_a_name_that_cannot_be_a_file(own_cache: Path) -> None:
    with pytest.raises(ValueError, match="must be letters"):
        Kept("../little")
