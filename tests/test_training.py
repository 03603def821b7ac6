import importlib.util
import json
import math
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from helpers import backend, training
from helpers.backend import as_array, compiled, gradient, keras
from helpers.outputs import HISTORY, Line


def small_model() -> keras.Model:
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)]
    )
    model.compile("adam", "mean_squared_error")
    return model


def trained(seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 4)).astype(np.float32)
    training.start(seed)
    model = small_model()
    model.fit(training.batches(x, x.sum(axis=1), 32, seed), epochs=2, verbose=0)
    return model.get_weights()


def test_the_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    first, again, other = trained(1), trained(1), trained(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_predictions_keep_the_order_and_the_batch_size_does_not_matter() -> None:
    x = np.arange(400, dtype=np.float32).reshape(100, 4)
    model = small_model()
    expected = keras.ops.convert_to_numpy(model(x))
    predicted = model.predict(training.batches(x, None, 7), verbose=0)
    assert np.allclose(predicted, expected, rtol=1e-5, atol=1e-5)


def test_one_cycle_rises_to_its_peak_and_falls_to_nothing() -> None:
    schedule = training.one_cycle(0.01, 100)
    rates = [float(schedule(step)) for step in range(101)]
    assert rates[0] == pytest.approx(0.01 / 25)
    assert max(rates) == pytest.approx(0.01)
    assert rates.index(max(rates)) == 30
    assert rates[100] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: training.start(-1), "seed must be 0 or more, not -1"),
        (lambda: training.one_cycle(0.1, 0), "at least one step"),
        (lambda: training.batches(np.zeros((3, 4)), np.zeros(2), 1), "3 inputs but 2 targets"),
        (lambda: training.batches(np.zeros((0, 4)), np.zeros(0), 1), "no examples"),
        (lambda: training.batches(np.zeros((3, 4)), None, 0), "batch size must be at least 1"),
    ],
)
def test_bad_input(call, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


def test_steps_include_the_last_small_batch() -> None:
    assert training.steps_in(101, 50, 2) == 6


def test_gradient_of_a_known_function() -> None:
    x = np.array([1.0, -2.0, 3.0], np.float32)
    value, slope = gradient(lambda v: keras.ops.sum(v**2), x)
    assert float(value) == pytest.approx(14)
    assert np.allclose(keras.ops.convert_to_numpy(slope), 2 * x)


def test_fast_arithmetic_keeps_the_weights_in_float32() -> None:
    try:
        training.start(0, "fast")
        layer = keras.layers.Dense(3)
        layer.build((None, 4))
        assert layer.compute_dtype == "bfloat16"
        assert layer.kernel.dtype == "float32"
        assert as_array(layer(np.ones((1, 4), "float32"))).dtype == np.float32
        training.start(1)
        assert keras.layers.Dense(3).compute_dtype == "bfloat16"
    finally:
        training.start(0, "exact")
    assert keras.layers.Dense(3).compute_dtype == "float32"
    with pytest.raises(ValueError, match='"exact" or "fast", not "double"'):
        training.start(0, "double")


def test_the_seconds_of_every_epoch_are_stored() -> None:
    shown: list[dict[str, Any]] = []
    model = small_model()
    x, y = np.random.default_rng(0).normal(size=(64, 4)).astype("float32"), np.arange(64) % 2

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Line, "end", lambda self, data: shown.append(data))
        data, held_out = training.batches(x, y, 16, seed=0), training.batches(x, y, 64)
        watch = [training.Progress()]
        history = model.fit(data, epochs=3, validation_data=held_out, callbacks=watch, verbose=0)
    body = shown[-1][HISTORY]
    assert body["examples"] == 64
    assert body["history"].keys() == history.history.keys()
    assert all(len(values) == 3 for values in body["history"].values())
    assert len(body["seconds"]) == 3
    assert all(second > 0 for second in body["seconds"])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still until a test moves it."""
    hand = SimpleNamespace(now=0.0)
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: hand.now))
    monkeypatch.setattr(backend, "trace_once", lambda model: None)
    return hand


def test_the_seconds_of_an_epoch_leave_out_its_validation(clock: SimpleNamespace) -> None:
    watch = training.Progress()
    watch.on_train_begin()
    for epoch in range(2):
        watch.on_epoch_begin(epoch)
        clock.now += 3
        watch.on_test_begin()
        clock.now += 10
        watch.on_epoch_end(epoch, {"loss": 1.0})
    assert watch.seconds == [3, 3]


@pytest.mark.parametrize(
    ("measures", "said"),
    [
        ({"loss": 0.25, "val_loss": 0.5}, "training loss 0.250, validation 0.500"),
        (
            {"accuracy": 0.9128, "loss": 0.25, "val_accuracy": 0.8, "val_loss": 0.5},
            "training accuracy 91.3 %, validation 80.0 %",
        ),
        ({"loss": 0.25, "binary_accuracy": 1.0}, "training accuracy 100.0 %"),
    ],
)
def test_a_training_says_how_far_it_came(
    measures: dict[str, float], said: str, clock: SimpleNamespace
) -> None:
    watch = training.Progress()
    watch.set_params({"epochs": 5})
    watch.on_train_begin()
    for epoch in range(2):
        watch.on_epoch_begin(epoch)
        watch.on_epoch_end(epoch, {name: value / (2 - epoch) for name, value in measures.items()})
    assert watch.sentence() == f"epoch 2 of 5: {said}"


def test_a_training_that_diverges_leaves_valid_json() -> None:
    shown: list[dict[str, Any]] = []
    model = small_model()
    model.compile(keras.optimizers.SGD(1e30), "mean_squared_error")
    x, y = np.full((8, 4), 1e20, "float32"), np.zeros(8, "float32")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Line, "end", lambda self, data: shown.append(data))
        model.fit(training.batches(x, y, 4), callbacks=[training.Progress()], verbose=0)
    assert shown[-1][HISTORY]["history"]["loss"] == [None]
    json.dumps(shown[-1], allow_nan=False)


class Counted(keras.callbacks.Callback):
    """Counts how often Python runs the training step of a model, which is when it is traced."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.traces = 0
        step = self.model.train_step

        def counted(*batch: Any) -> Any:
            self.traces += 1
            return step(*batch)

        self.model.train_step = counted
        self.model.make_train_function(force=True)


@pytest.mark.parametrize(
    ("activation", "units", "loss", "one_hot"),
    [
        ("softmax", 3, "sparse_categorical_crossentropy", False),
        ("softmax", 3, "categorical_crossentropy", True),
        ("sigmoid", 1, "binary_crossentropy", False),
    ],
)
def test_a_step_is_traced_once_and_the_numbers_stay(
    activation: str, units: int, loss: str, one_hot: bool
) -> None:
    x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
    y = np.arange(40) % max(2, units)
    targets = np.eye(3)[y] if one_hot else y
    histories, traces = [], []
    for watch in ([], [training.Progress()]):
        training.start(0)
        model = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(8),
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(units, activation=activation),
            ]
        )
        model.compile("adam", loss, metrics=["accuracy"])
        counted = Counted()
        histories.append(
            model.fit(
                training.batches(x, targets, 16, seed=0),
                validation_data=training.batches(x, targets, 16),
                callbacks=[counted, *watch],
                epochs=2,
                verbose=0,
            ).history
        )
        traces.append(counted.traces)
    assert traces == [2, 1]
    assert histories[0] == histories[1]


@pytest.mark.parametrize("known", ["unknown width", "no targets"])
def test_any_data_can_be_trained_on(known: str) -> None:
    import tensorflow as tf

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    rows: tuple[np.ndarray, ...] = (np.zeros((2, 4), "float32"), np.zeros((2, 1), "float32"))
    spec = (tf.TensorSpec((None, 4)), tf.TensorSpec((None, None)))
    if known == "no targets":
        model.add(keras.layers.ActivityRegularization(l2=1.0))  # a loss without targets
        model.compile("sgd")
        rows, spec = rows[:1], spec[:1]
    else:
        model.compile("sgd", "mean_squared_error", metrics=["mean_absolute_error"])
    data = tf.data.Dataset.from_generator(lambda: iter([rows] * 4), output_signature=spec)
    history = model.fit(data, epochs=1, callbacks=[training.Progress()], verbose=0).history
    assert math.isfinite(history["loss"][0])


def test_a_gradient_keeps_what_else_the_function_returns() -> None:
    x = np.array([1.0, -2.0, 3.0], np.float32)
    (value, more), slope = gradient(lambda v: (keras.ops.sum(v**2), v + 1), x, more=True)
    assert float(value) == 14
    assert np.allclose(as_array(more), x + 1)
    assert np.allclose(as_array(slope), 2 * x)


def test_a_compiled_function_reads_the_weights_at_every_call() -> None:
    layer = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    run = compiled(lambda x: layer(x), layer)
    x = np.ones((1, 2), "float32")
    layer.set_weights([np.array([[1.0], [2.0]])])
    assert as_array(run(x)) == 3
    layer.set_weights([np.array([[5.0], [6.0]])])
    assert as_array(run(x)) == 11


ORDERS = """
import json, sys
import numpy as np
from helpers import backend, training
from helpers.backend import keras

x = np.arange(103, dtype="float32")[:, None]
batches = training.batches(x, x[:, 0], 20, seed=4)
model = keras.Sequential([keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)])
model.compile(keras.optimizers.SGD(1e-6), "mean_squared_error", metrics=["mae"])
weights = []

class Weights(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        weights.append(float(keras.ops.convert_to_numpy(self.model.layers[0].kernel)[0, 0]))

training.start(0)
for epochs in (2, 1):
    model.fit(batches, epochs=epochs, verbose=0, callbacks=[Weights()])
seen = [int(value) for _, targets in batches for value in np.asarray(targets)]
print(json.dumps({"weights": weights, "seen": seen, "imported": "tensorflow" in sys.modules}))
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_the_same_seed_gives_the_same_batches_on_every_backend() -> None:
    answers = {}
    for name in ("tensorflow", "jax"):
        answer = subprocess.run(
            [sys.executable, "-c", ORDERS],
            env={**os.environ, "KERAS_BACKEND": name},
            capture_output=True,
            text=True,
        )
        assert answer.returncode == 0, answer.stderr
        assert not answer.stderr
        answers[name] = json.loads(answer.stdout)
    assert not answers["jax"]["imported"]
    assert sorted(answers["jax"]["seen"]) == list(range(103)) != answers["jax"]["seen"]
    assert answers["jax"]["seen"] == answers["tensorflow"]["seen"]
    assert answers["jax"]["weights"] == pytest.approx(answers["tensorflow"]["weights"], rel=1e-4)


def test_batches_too_large_for_the_device_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.arange(7)
    found = []
    for limit in (0, 2**30):
        monkeypatch.setattr(backend, "ON_DEVICE", limit)
        made = backend._Batches((x, 2 * x), 3, seed=1)
        found.append([as_array(part).tolist() for _ in range(2) for pair in made for part in pair])
    assert found[0] == found[1]
    assert len(found[0]) == 12 and found[0][0] != found[0][6]
