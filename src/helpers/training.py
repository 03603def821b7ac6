"""Seeds, training with progress, and the learning-rate schedule of the course."""

import math
import time
from typing import Any

import numpy as np
from IPython.display import DisplayHandle, display

from helpers.backend import batches, keras, set_precision, set_seed

History = dict[str, list[float]]
MIME_TYPE = "application/vnd.course.history+json"


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
    """
    if seed < 0:
        raise ValueError(f"The seed must not be negative, and {seed} is: use 0 or more.")
    before = keras.config.dtype_policy()
    keras.backend.clear_session()  # forgets the precision, too
    if precision is None:
        keras.config.set_dtype_policy(before)
    else:
        set_precision(precision)
    set_seed(seed)


def one_cycle(peak: float, steps: int, warm_up: float = 0.3) -> Any:
    """A learning rate that rises from a 25th of the peak and falls to zero along a cosine.

    After Smith, "Super-convergence" (2018).

    Args:
        peak: highest learning rate.
        steps: batches in the whole training.
        warm_up: share of the steps in which the rate rises.

    Returns:
        A Keras learning-rate schedule.

    Raises:
        ValueError: fewer than one step.
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
    """Batches in a training of so many examples, the smaller last ones included."""
    return math.ceil(examples / batch_size) * epochs


class _Progress(keras.callbacks.Callback):
    """One line that shows epoch, step and rate while training, and a fixed sentence afterwards."""

    def __init__(self, examples: int, epochs: int, steps: int) -> None:
        super().__init__()
        self.examples, self.epochs, self.steps = examples, epochs, steps
        self.line: DisplayHandle | None = display(
            {"text/plain": "Training …"}, raw=True, display_id=True
        )
        self.began = self.shown = self.epoch_began = time.monotonic()
        self.epoch = 0
        self.seconds: list[float] = []  # of each epoch, without its validation

    def _show(self, text: str) -> None:
        if self.line is not None:
            self.line.update({"text/plain": text}, raw=True)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epoch = epoch + 1
        self.epoch_began = time.monotonic()

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        self._epoch_done()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch_done()

    def _epoch_done(self) -> None:
        if len(self.seconds) < self.epoch:
            self.seconds.append(round(time.monotonic() - self.epoch_began, 3))

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        now = time.monotonic()
        if now - self.shown > 1:
            self.shown = now
            done = (self.epoch - 1) * self.steps + batch + 1
            left = (now - self.began) / done * (self.steps * self.epochs - done)
            loss = (logs or {}).get("loss", float("nan"))
            self._show(
                f"Training: epoch {self.epoch} of {self.epochs}, step {batch + 1} of {self.steps}, "
                f"loss {loss:.3f}, about {left:.0f} s left"
            )

    def done(self, model: str, history: History) -> None:
        """Leave a fixed sentence for the reader, and the curves for the report."""
        epochs = "1 epoch" if self.epochs == 1 else f"{self.epochs} epochs"
        text = f"Trained for {epochs} on {self.examples:,} examples."
        rounded = {name: [round(value, 6) for value in values] for name, values in history.items()}
        if self.line is not None:
            body = {"model": model, "history": rounded}
            body |= {"examples": self.examples, "seconds": self.seconds}
            self.line.update({MIME_TYPE: body, "text/plain": text}, raw=True)


def fit(
    model: Any,
    x: np.ndarray,
    y: np.ndarray,
    *,
    epochs: int,
    batch_size: int,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
    callbacks: list[Any] | None = None,
) -> History:
    """Train a compiled model, showing progress while it runs and one fixed line when it is done.

    Args:
        model: a compiled Keras model.
        x: inputs, shape (N, ...); pictures may stay uint8, the model rescales them.
        y: targets, shape (N,) or (N, ...).
        epochs: passes over the examples.
        batch_size: examples a step.
        validation: inputs and targets that are watched, never trained on.
        seed: seed of the shuffling.
        callbacks: further Keras callbacks.

    Returns:
        For each measure its value after every epoch, "val_" before those of the validation data.

    Raises:
        ValueError: inputs and targets differ in number, or there are none.
    """
    if len(x) != len(y):
        raise ValueError(
            f"There are {len(x)} inputs but {len(y)} targets: give one target an input."
        )
    if len(x) == 0:
        raise ValueError("There are no examples to train on.")
    progress = _Progress(len(x), epochs, math.ceil(len(x) / batch_size))
    held_out = None if validation is None else batches(*validation, max(batch_size, 256), None)
    history = model.fit(
        batches(x, y, batch_size, seed),
        epochs=epochs,
        validation_data=held_out,
        callbacks=[progress, *(callbacks or [])],
        shuffle=False,
        verbose=0,
    )
    curves = {name: [float(value) for value in values] for name, values in history.history.items()}
    progress.done(model.name, curves)
    return curves


def evaluate(model: Any, x: np.ndarray, y: np.ndarray, batch_size: int = 256) -> dict[str, float]:
    """Loss and measures of a compiled model on examples it was not trained on.

    Args:
        model: a compiled Keras model.
        x: inputs, shape (N, ...).
        y: targets, shape (N, ...).
        batch_size: examples a step; it changes the speed, not the result.

    Returns:
        Each measure by name, "loss" among them.
    """
    measured = model.evaluate(batches(x, y, batch_size, None), verbose=0, return_dict=True)
    return {name: float(value) for name, value in measured.items()}


def predict(model: Any, x: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Outputs of a model for every input, shape (N, ...), float32, in the order of the inputs."""
    outputs = model.predict(batches(x, None, batch_size, None), verbose=0)
    return np.asarray(outputs, "float32")
