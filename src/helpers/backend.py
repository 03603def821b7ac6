"""The one module that knows which backend Keras runs on.

The environment variable ``KERAS_BACKEND`` chooses it: tensorflow (the default), jax or torch. Only
the chosen one is imported, so the other two need not be installed. Importing this module imports
Keras without the lines that a backend writes to the error stream: they hold times, addresses and
process ids, so they would change the stored outputs of a notebook with every run.
"""

import contextlib
import gc
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from helpers.places import chosen_backend


@contextlib.contextmanager
def _quiet_error_stream() -> Iterator[None]:
    """Hold back what C++ code writes to file descriptor 2, and show it only if the body fails."""
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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    # Looking for devices writes to the error stream too, so it is done here once.
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Warnings of TensorFlow's Python side hold addresses; its errors are exceptions.
        tf.get_logger().setLevel("ERROR")
        tf.config.list_physical_devices()
    elif keras.backend.backend() == "jax":
        import jax

        jax.devices()
    else:
        import torch

# What Keras and its backend have just made stays until the end. Without this line every collection
# of garbage would look through it, which takes half a second each time a chapter forgets a model.
gc.collect()
gc.freeze()

# Batches are shuffled before they reach Keras, which says so at every fit.
warnings.filterwarnings("ignore", message="`shuffle=True` was passed")

__all__ = [
    "accelerators",
    "as_array",
    "batches",
    "compiled",
    "examples_in",
    "gradient",
    "keras",
    "set_precision",
    "set_seed",
    "toolkit",
    "trace_once",
]


def accelerators() -> list[str]:
    """List the accelerators that the backend can use, one name per device."""
    if keras.backend.backend() == "jax":
        return [str(device) for device in jax.devices() if device.platform != "cpu"]
    if keras.backend.backend() == "torch":
        return [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return [device.name for device in tf.config.list_physical_devices("GPU")]


def toolkit() -> str:
    """Return the CUDA version that the backend was built for; empty if it doesn't say."""
    if keras.backend.backend() == "torch":
        return torch.version.cuda or ""
    if keras.backend.backend() == "tensorflow":
        return tf.sysconfig.get_build_info().get("cuda_version", "")
    return ""


def set_precision(precision: str) -> None:
    """Choose between reproducible arithmetic and arithmetic that is fast on a GPU.

    Args:
        precision: "exact" for layers that compute in float32; "fast" for layers that compute in
            bfloat16 and keep their weights in float32.

    Raises:
        ValueError: the precision is neither "exact" nor "fast".
    """
    if precision not in ("exact", "fast"):
        raise ValueError(f'The precision must be "exact" or "fast", not "{precision}".')
    exact = precision == "exact"
    keras.config.set_dtype_policy("float32" if exact else "mixed_bfloat16")
    # Graphics cards shorten the factors of float32 products unless they are told not to.
    if keras.backend.backend() == "jax":
        jax.config.update("jax_default_matmul_precision", "float32" if exact else None)
    elif keras.backend.backend() == "torch":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = not exact
    else:
        tf.config.experimental.enable_tensor_float_32_execution(not exact)


set_precision("exact")


@contextlib.contextmanager
def _only_the_backend() -> Iterator[None]:
    """Hide TensorFlow from Keras on another backend.

    To seed it, Keras would import it wherever it is installed, which takes seconds and writes to
    the error stream.
    """
    hidden = keras.backend.backend() != "tensorflow" and "tensorflow" not in sys.modules
    if hidden:
        sys.modules["tensorflow"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules["tensorflow"]


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and the backend.

    With "exact" arithmetic the operations are deterministic as well, so that the same seed on the
    same machine with the same number of threads gives identical weights. With "fast" arithmetic
    they may run in any order, and Keras compiles the training with XLA.
    """
    with _only_the_backend():
        keras.utils.set_random_seed(seed)
    exact = keras.config.dtype_policy().name == "float32"
    if keras.backend.backend() == "torch":
        torch.use_deterministic_algorithms(exact, warn_only=True)
    elif keras.backend.backend() == "tensorflow" and exact:
        tf.config.experimental.enable_op_determinism()


def as_array(tensor: Any) -> np.ndarray:
    """Copy a tensor of any backend, device and precision into a float32 array of its shape.

    >>> as_array(keras.ops.cast([1, 2, 3], "bfloat16"))
    array([1., 2., 3.], dtype=float32)
    """
    return np.array(keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")))


def gradient(function: Callable[[Any], Any], x: Any, more: bool = False) -> tuple[Any, Any]:
    """Compute the value and the gradient of a scalar-valued function of one tensor.

    Args:
        function: maps a tensor to a scalar tensor.
        x: the tensor at which to differentiate, any shape, float32.
        more: whether the function returns a pair, the scalar and anything else you need.

    Returns:
        What the function returned, and the gradient of its scalar, of the shape and dtype of
        ``x``.

    >>> value, slope = gradient(lambda x: keras.ops.sum(x**2), [1.0, 3.0])
    >>> float(value), as_array(slope).tolist()
    (10.0, [2.0, 6.0])
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
    """Compile a function: trace it once per input shape, then run it as one graph.

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


def trace_once(model: Any) -> None:
    """Keep TensorFlow from tracing the training step of a model twice.

    It traces a step, and if the step made variables it traces it again, as it will be without
    making them. For a small network that takes longer than a short training. So the variables of
    the optimizer and of the measures are made before the first step, for which the measures are
    shown zeros in the shape of a batch, and are then reset. Nothing else changes. JAX and PyTorch
    make all variables first.

    Args:
        model: compiled, with its training function made, as in ``on_train_begin`` of a callback.
            One that isn't built, or that has several outputs or targets, is left alone.
    """
    outputs: Any = getattr(model, "outputs", None) or ()
    if keras.backend.backend() != "tensorflow" or not model.built or len(outputs) != 1:
        return
    step = model.train_function

    def first_step(iterator: Any) -> Any:
        model.train_function = step
        model.optimizer.build(model.trainable_variables)
        targets = iterator.element_spec[1:2]
        if targets and isinstance(targets[0], tf.TensorSpec):
            model.compute_metrics(None, *map(_zeros, (*targets, outputs[0])))
            model.reset_metrics()
        return step(iterator)

    model.train_function = first_step


def _zeros(like: Any) -> Any:
    """Make zeros of a shape and dtype, with 1 where the shape has no number."""
    return tf.zeros([size or 1 for size in like.shape], like.dtype)


# Arrays of at most so many bytes move to the device once; of larger ones each batch does.
ON_DEVICE = 2**30
# Number of examples by number of steps, of the newest shuffled batches.
_examples: dict[int, int] = {}


def batches(x: Any, y: Any, batch_size: int, seed: int | None) -> Any:
    """Make batches of arrays for ``fit``, ``evaluate`` and ``predict``, as fast as the backend can.

    TensorFlow gets a ``tf.data.Dataset`` without automatic tuning, because waiting for the tuning
    can double the time of a short epoch. JAX and PyTorch get a ``keras.utils.PyDataset`` whose
    arrays live on the device if they take at most a gibibyte. The order comes from NumPy, so the
    same seed gives the same batches on every backend.

    Args:
        x: array of shape (N, ...).
        y: array of shape (N, ...), or None.
        batch_size: examples per batch; the last batch may be smaller.
        seed: seed of the shuffling, which gives a new order in every epoch; None keeps the order.
    """
    if seed is not None:
        _examples[math.ceil(len(x) / batch_size)] = len(x)
    arrays = (x,) if y is None else (x, y)
    if keras.backend.backend() == "tensorflow":
        return _gathered(_numpy_order(len(x), seed), arrays, batch_size)
    return _Batches(arrays, batch_size, seed)


def examples_in(steps: int | None) -> int:
    """Return the number of examples in the newest shuffled batches of so many steps, or 0."""
    return _examples.get(steps or 0, 0)


def _numpy_order(length: int, seed: int | None) -> Any:
    """Make a dataset of the indices 0 to length - 1, reshuffled by NumPy in every pass."""
    if seed is None:
        return tf.data.Dataset.range(length)
    random = np.random.default_rng(seed)

    def one_pass() -> Iterator[np.ndarray]:
        yield random.permutation(length)

    passes = tf.data.Dataset.from_generator(
        one_pass, output_signature=tf.TensorSpec((length,), tf.int64)
    )
    order = passes.flat_map(tf.data.Dataset.from_tensor_slices)
    return order.apply(tf.data.experimental.assert_cardinality(length))


def _gathered(order: Any, arrays: tuple[Any, ...], batch_size: int) -> Any:
    """Make a dataset of batches whose examples follow an order of indices."""
    with tf.device("CPU"):
        tensors = tuple(tf.convert_to_tensor(array) for array in arrays)

    def gather(indices: Any) -> Any:
        return tuple(tf.gather(tensor, indices) for tensor in tensors)

    options = tf.data.Options()
    options.autotune.enabled = False
    data = order.batch(batch_size).map(gather, num_parallel_calls=1, deterministic=True)
    return data.prefetch(2).with_options(options)


class _Batches(keras.utils.PyDataset):
    """Batches of arrays in the order of `_numpy_order`.

    Keras may ask for the batches of an epoch in any order (``fit`` shuffles them unless it is told
    not to), and it looks at the first one to build a model. So batches are handed out one after
    the other whatever their index, and only an epoch that was handed out whole changes the order.
    """

    def __init__(self, arrays: tuple[Any, ...], batch_size: int, seed: int | None) -> None:
        super().__init__()
        self.arrays, self.batch_size = arrays, batch_size
        self.on_device = sum(array.nbytes for array in arrays) <= ON_DEVICE
        if self.on_device:
            # PyTorch warns of arrays that can't be written to, such as those mapped from a file.
            self.arrays = tuple(keras.ops.convert_to_tensor(np.array(array)) for array in arrays)
        self.order = np.arange(len(arrays[0]))
        self.random = None if seed is None else np.random.default_rng(seed)
        self._begin_pass()

    def _begin_pass(self) -> None:
        self.handed = 0
        if self.random is not None:
            self.order = self.random.permutation(len(self.order))

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        rows = self.order[self.handed * self.batch_size : (self.handed + 1) * self.batch_size]
        self.handed += 1
        if self.on_device:
            return tuple(keras.ops.take(array, rows, axis=0) for array in self.arrays)
        return tuple(array[rows] for array in self.arrays)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        self.handed = 0
        yield from super().__iter__()
        self._begin_pass()

    def on_epoch_begin(self) -> None:
        self.handed = 0

    def on_epoch_end(self) -> None:
        if self.handed >= len(self):
            self._begin_pass()
