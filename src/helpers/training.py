"""Seeds, training with progress, and the learning-rate schedule of the course."""

import math
import time
from typing import Any

import numpy as np

from helpers import backend
from helpers.backend import keras, set_precision, set_seed
from helpers.outputs import HISTORY, Line

History = dict[str, list[float]]


def start(seed: int, precision: str | None = None) -> None:
    """Begin a chapter: seed every random generator and forget models of an earlier run.

    The same seed, machine and number of threads then give identical records, unless the arithmetic
    is "fast".

    Args:
        seed: 0 or more.
        precision: "exact" for float32 and results that can be repeated, "fast" for bfloat16 and
            XLA on a GPU; None keeps what was chosen before, "exact" at first.

    Raises:
        ValueError: the seed is negative, or there is no such precision.

    >>> start(seed=7)
    >>> first = float(keras.random.uniform(()))
    >>> start(seed=7)
    >>> float(keras.random.uniform(())) == first
    True
    """
    if seed < 0:
        raise ValueError(f"The seed must be 0 or more, not {seed}.")
    before = keras.config.dtype_policy()
    keras.backend.clear_session()  # forgets the precision, too
    if precision is None:
        keras.config.set_dtype_policy(before)
    else:
        set_precision(precision)
    set_seed(seed)


def one_cycle(peak: float, steps: int, warm_up: float = 0.3) -> Any:
    """Make a learning rate that rises from a 25th of the peak and falls to zero along a cosine.

    After Smith, "Super-convergence" (2018).

    Args:
        peak: highest learning rate.
        steps: batches in the whole training.
        warm_up: share of the steps in which the rate rises.

    Returns:
        A Keras learning-rate schedule.

    Raises:
        ValueError: fewer than one step.

    >>> rate = one_cycle(peak=0.1, steps=10)
    >>> [round(float(rate(step)), 3) for step in (0, 3, 10)]
    [0.004, 0.1, 0.0]
    """
    if steps < 1:
        raise ValueError(f"A schedule needs at least one step, not {steps}.")
    rising = max(1, round(steps * warm_up))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / 25,
        decay_steps=max(1, steps - rising),
        warmup_target=peak,
        warmup_steps=rising,
    )


def steps_in(examples: int, batch_size: int, epochs: int) -> int:
    """Count the batches in a training, including the smaller last one of each epoch.

    Args:
        examples: number of training examples.
        batch_size: examples per batch.
        epochs: number of epochs.

    >>> steps_in(examples=100, batch_size=32, epochs=2)
    8
    """
    return math.ceil(examples / batch_size) * epochs


def batches(x: np.ndarray, y: np.ndarray | None, batch_size: int, seed: int | None = None) -> Any:
    """Make batches of arrays for ``model.fit``, ``model.evaluate`` and ``model.predict``.

    The order comes from NumPy and not from the backend, so the same seed gives the same batches on
    TensorFlow, JAX and PyTorch.

    Args:
        x: inputs, shape (N, ...); images may stay uint8 if the model rescales them.
        y: targets, shape (N,) or (N, ...); None for ``model.predict``.
        batch_size: examples per batch; the last batch may be smaller.
        seed: seed of the shuffling, which gives a new order in every epoch; without it the
            examples keep their order.

    Returns:
        A ``tf.data.Dataset`` on TensorFlow, a ``keras.utils.PyDataset`` on JAX and PyTorch.

    Raises:
        ValueError: there are no examples, the numbers of inputs and targets differ, or the batch
            size is less than one.

    >>> images, labels = np.zeros((5, 28, 28, 1), "uint8"), np.array([3, 1, 4, 1, 5])
    >>> [len(labels_of_batch) for _, labels_of_batch in batches(images, labels, 2)]
    [2, 2, 1]
    """
    _check(x, y, batch_size)
    return backend.batches(x, y, batch_size, seed)


def _check(x: np.ndarray, y: np.ndarray | None, batch_size: int) -> None:
    if len(x) == 0:
        raise ValueError("There are no examples: x is empty, and at least one is needed.")
    if y is not None and len(x) != len(y):
        raise ValueError(f"There are {len(x)} inputs but {len(y)} targets: give one per input.")
    if batch_size < 1:
        raise ValueError(f"The batch size must be at least 1, not {batch_size}.")


class Progress(keras.callbacks.Callback):
    """Show one line while ``model.fit`` runs, and leave one with the measures of the last epoch.

    The curves are stored in the output of the cell, as MIME type `helpers.outputs.HISTORY`: the
    model's name, every measure after every epoch, the number of examples, and the seconds of each
    epoch without its validation.

    >>> x, y = np.zeros((8, 1), "float32"), np.zeros(8, "float32")
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mean_squared_error")
    >>> _ = model.fit(batches(x, y, 4), epochs=2, verbose=0, callbacks=[Progress()])
    epoch 2 of 2: training loss 0.000
    """

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Begin the line."""
        backend.trace_once(self.model)
        self.began = self.shown = self.epoch_began = time.monotonic()
        self.epoch = self.steps_done = 0
        self.curves: History = {}
        self.seconds: list[float] = []  # of each epoch, without its validation
        self.line = Line("Training …")

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the clock of an epoch."""
        self.epoch = epoch + 1
        self.timed = False
        self.epoch_began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Renew the line, at most once per second."""
        self.steps_done += 1
        now = time.monotonic()
        if now - self.shown > 1:
            self.shown = now
            epochs, steps = self.params["epochs"], self.params["steps"] or 0
            left = (now - self.began) / self.steps_done
            left *= max(0, (epochs - self.epoch + 1) * steps - batch - 1)
            self.line.update(
                f"Training: epoch {self.epoch} of {epochs}, step {batch + 1} of {steps or '?'}, "
                f"loss {(logs or {}).get('loss', math.nan):.3f}, about {left:.0f} s left"
            )

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        """Stop the clock of an epoch before its validation."""
        self._stop_clock()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep the measures of an epoch."""
        self._stop_clock()
        for name, value in (logs or {}).items():
            self.curves.setdefault(name, []).append(float(value))

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Leave the line for the reader, and the curves for programs."""
        body = {
            "model": self.model.name,
            "history": {name: list(map(_as_json, vs)) for name, vs in self.curves.items()},
            "examples": backend.examples_in(self.params["steps"]),
            "seconds": self.seconds,
        }
        self.line.end({HISTORY: body, "text/plain": self.sentence()})

    def sentence(self) -> str:
        """Say how far the training came: accuracies, or losses if there is no accuracy."""
        measure = next((name for name in self.curves if _is_accuracy(name)), "loss")
        values = [
            f"{which} {_written(measure, self.curves[name][-1])}"
            for which, name in (
                (f"training {'accuracy' if _is_accuracy(measure) else 'loss'}", measure),
                ("validation", f"val_{measure}"),
            )
            if name in self.curves
        ]
        return f"epoch {self.epoch} of {self.params['epochs']}: {', '.join(values)}"

    def _stop_clock(self) -> None:
        if not self.timed:
            self.timed = True
            self.seconds.append(round(time.monotonic() - self.epoch_began, 3))


def _as_json(value: float) -> float | None:
    """Round a measure; JSON has no number for that of a training that diverged."""
    return round(value, 6) if math.isfinite(value) else None


def _is_accuracy(name: str) -> bool:
    return name.endswith("accuracy") and not name.startswith("val_")


def _written(measure: str, value: float) -> str:
    return f"{100 * value:.1f} %" if _is_accuracy(measure) else f"{value:.3f}"
