"""The one module that knows which backend Keras runs on.

Importing it imports Keras without the lines that the backend writes to the error stream: they
hold times and process ids, so they would change the stored outputs of a notebook at every run.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def _quiet_error_stream() -> Iterator[None]:
    """Hold back what C++ code writes to file descriptor 2; show it only if the body fails."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            sys.stderr.write(held.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


with _quiet_error_stream():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras
    import tensorflow as tf

    # Looking for devices writes to the error stream too, so it is done here once.
    tf.config.list_physical_devices()

__all__ = ["batches", "compiled", "gradient", "keras", "set_seed"]


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and the backend, and ask for deterministic operations.

    The same seed on the same machine with the same number of threads gives identical weights.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def gradient(function: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
    """Value and gradient of a scalar-valued function of one tensor.

    Args:
        function: maps a tensor to a scalar tensor.
        x: the tensor at which to differentiate, any shape, float32.

    Returns:
        The scalar ``function(x)`` and the gradient, of the shape and dtype of ``x``.
    """
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return value, tape.gradient(value, x)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, traced once a shape and then run as one graph."""
    return tf.function(function)


def batches(x: Any, y: Any, batch_size: int, seed: int | None) -> Any:
    """Batches of arrays for ``fit``, ``evaluate`` and ``predict``.

    Waiting for the automatic tuning of the input pipeline can double the time of a short epoch, so
    it is off; the batches themselves are the ones that Keras would make.

    Args:
        x: array of shape (N, ...).
        y: array of shape (N, ...), or None.
        batch_size: examples a batch.
        seed: seed of the shuffling, new in every epoch; None keeps the order.
    """
    with tf.device("CPU"):
        arrays = tuple(tf.convert_to_tensor(array) for array in ((x,) if y is None else (x, y)))
    order = tf.data.Dataset.range(len(x))
    if seed is not None:
        order = order.shuffle(len(x), seed=seed, reshuffle_each_iteration=True)

    def gather(indices: Any) -> Any:
        return tuple(tf.gather(array, indices) for array in arrays)

    options = tf.data.Options()
    options.autotune.enabled = False
    data = order.batch(batch_size).map(gather, num_parallel_calls=1, deterministic=True)
    return data.prefetch(2).with_options(options)
