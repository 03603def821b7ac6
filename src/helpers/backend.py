"""The one module that knows which backend Keras runs on.

The environment variable ``KERAS_BACKEND`` chooses it: tensorflow (the default), jax or torch.
Importing this module imports Keras without the lines that a backend writes to the error stream:
they hold times, addresses and process ids, so they would change the stored outputs of a notebook
at every run.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from helpers.places import chosen_backend


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
    os.environ["KERAS_BACKEND"] = chosen_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras
    import tensorflow as tf  # batches are made by tf.data for every backend

    # Warnings of TensorFlow's Python side hold addresses; its errors are exceptions.
    tf.get_logger().setLevel("ERROR")
    if keras.backend.backend() != "tensorflow":
        tf.config.set_visible_devices([], "GPU")  # their memory belongs to the other backend
    # Looking for devices writes to the error stream too, so it is done here once.
    tf.config.list_physical_devices()
    if keras.backend.backend() == "jax":
        import jax

        jax.devices()
    elif keras.backend.backend() == "torch":
        import torch

__all__ = [
    "accelerators",
    "as_array",
    "batches",
    "compiled",
    "gradient",
    "keras",
    "set_precision",
    "set_seed",
    "toolkit",
]


def accelerators() -> list[str]:
    """What the backend can compute on besides the processor, one name a device."""
    if keras.backend.backend() == "jax":
        return [str(device) for device in jax.devices() if device.platform != "cpu"]
    if keras.backend.backend() == "torch":
        return [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return [device.name for device in tf.config.list_physical_devices("GPU")]


def toolkit() -> str:
    """The version of CUDA that the backend was built for; empty where it does not say."""
    if keras.backend.backend() == "torch":
        return torch.version.cuda or ""
    if keras.backend.backend() == "tensorflow":
        return tf.sysconfig.get_build_info().get("cuda_version", "")
    return ""


def set_precision(precision: str) -> None:
    """Choose between arithmetic that can be repeated and arithmetic that is fast on a GPU.

    Args:
        precision: "exact" for layers that compute in float32; "fast" for layers that compute in
            bfloat16 and keep their weights in float32.

    Raises:
        ValueError: it is neither.
    """
    if precision not in ("exact", "fast"):
        raise ValueError(f'The precision is "exact" or "fast", and not "{precision}".')
    exact = precision == "exact"
    keras.config.set_dtype_policy("float32" if exact else "mixed_bfloat16")
    # Graphics cards shorten the factors of float32 products unless they are told not to.
    if keras.backend.backend() == "jax":
        jax.config.update("jax_default_matmul_precision", "float32" if exact else None)
    elif keras.backend.backend() == "torch":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = not exact
    else:
        tf.config.experimental.enable_tensor_float_32_execution(not exact)


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and the backend.

    With "exact" arithmetic the operations are deterministic as well, so that the same seed on the
    same machine with the same number of threads gives identical weights. With "fast" arithmetic
    they may run in any order, and Keras compiles the training with XLA.
    """
    keras.utils.set_random_seed(seed)
    exact = keras.config.dtype_policy().name == "float32"
    if keras.backend.backend() == "torch":
        torch.use_deterministic_algorithms(exact, warn_only=True)
    elif keras.backend.backend() == "tensorflow" and exact:
        tf.config.experimental.enable_op_determinism()


def as_array(tensor: Any) -> np.ndarray:
    """A tensor of any backend, device and precision as a float32 array of its own."""
    return np.array(keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")))


def gradient(function: Callable[[Any], Any], x: Any, more: bool = False) -> tuple[Any, Any]:
    """Value and gradient of a scalar-valued function of one tensor.

    Args:
        function: maps a tensor to a scalar tensor.
        x: the tensor at which to differentiate, any shape, float32.
        more: whether the function returns a pair, the scalar and whatever else is of use.

    Returns:
        What the function returned, and the gradient of its scalar, of the shape and dtype of
        ``x``.
    """
    x = keras.ops.convert_to_tensor(x)
    if keras.backend.backend() == "jax":
        return jax.value_and_grad(function, has_aux=more)(x)
    if keras.backend.backend() == "torch":
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            value = function(x)
            (slope,) = torch.autograd.grad(value[0] if more else value, x)
        return keras.tree.map_structure(lambda tensor: tensor.detach(), value), slope
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
        scalar = value[0] if more else value
    return value, tape.gradient(scalar, x)


def compiled(function: Callable[..., Any], model: Any) -> Callable[..., Any]:
    """The same function, traced once a shape and then run as one graph.

    Args:
        function: maps arrays to tensors.
        model: the Keras model that it runs. Its weights are read at every call, so that the
            function may be kept while the model is trained.
    """
    if keras.backend.backend() == "tensorflow":
        return tf.function(function)
    if keras.backend.backend() == "torch":

        @torch.no_grad()
        def on_tensors(*inputs: Any) -> Any:
            return function(*map(keras.ops.convert_to_tensor, inputs))

        return on_tensors

    @jax.jit
    def with_weights(values: list[Any], *inputs: Any) -> Any:
        with keras.StatelessScope(zip(model.variables, values, strict=True)):
            return function(*inputs)

    return lambda *inputs: with_weights([weight.value for weight in model.variables], *inputs)


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
