"""Read the tensors of a legacy PyTorch checkpoint without PyTorch.

A pickle is a program: unpickling a file runs whatever functions the file names. This reader lets a
file name four things only, none of which does more than hold values, and refuses all others.

The legacy format (``torch.save`` before PyTorch 1.6) is five pickles in a row: a magic number, the
protocol version, facts about the writing machine, the state dict, and the list of storage keys.
Then comes, for each key in that order, an int64 count and that many raw little-endian values.
A tensor is a view of a storage: an offset, a shape and strides, all counted in values.
"""

import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from helpers.files import sha256_of

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
_STORAGE_TYPES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "LongStorage": np.dtype("<i8"),
}


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype
    size: int


class _View(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            # A new function each time: a pickle may set attributes on what it was given.
            return lambda *arguments: _view(*arguments)
        if module == "torch" and name in _STORAGE_TYPES:
            return name
        raise pickle.UnpicklingError(
            f"it names {module}.{name}, and nothing but an ordered dict, float and long storages "
            "and the rebuilding of a tensor is allowed"
        )

    def persistent_load(self, identifier: Any) -> _Storage:
        match identifier:
            case ("storage", str(kind), str(key), str(), int(size), None) if (
                kind in _STORAGE_TYPES and _is_count(size)
            ):
                return _Storage(key, _STORAGE_TYPES[kind], size)
        raise pickle.UnpicklingError(f"it holds a storage reference of unknown form: {identifier}")


def _view(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _View:
    if not (
        isinstance(storage, _Storage)
        and _is_count(offset)
        and isinstance(shape, tuple)
        and isinstance(strides, tuple)
        and len(shape) == len(strides)
        and all(map(_is_count, (*shape, *strides)))
    ):
        raise pickle.UnpicklingError("a tensor's storage, offset, shape or strides are malformed")
    return _View(storage, offset, shape, strides)


def _array(name: str, view: _View, values: np.ndarray) -> np.ndarray:
    size = math.prod(view.shape)
    last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
    # A stride of zero would let a small storage stand for an array of any size.
    if size > values.size or (size > 0 and last >= values.size):
        raise pickle.UnpicklingError(
            f"tensor {name} of shape {view.shape}, offset {view.offset} and strides {view.strides} "
            f"reaches outside its storage of {values.size} values"
        )
    if size == 0:
        return np.zeros(view.shape, values.dtype)
    steps = tuple(stride * values.itemsize for stride in view.strides)
    window = np.lib.stride_tricks.as_strided(values[view.offset :], view.shape, steps)
    return np.ascontiguousarray(window).reshape(view.shape)


def _storages(
    stream: io.BytesIO, keys: Any, declared: dict[str, _Storage]
) -> dict[str, np.ndarray]:
    if not isinstance(keys, list) or sorted(keys) != sorted(declared):
        raise pickle.UnpicklingError("the list of storages does not match the tensors")
    found = {}
    for key in keys:
        storage = declared[key]
        count = int.from_bytes(stream.read(8), "little")
        if count != storage.size:
            raise pickle.UnpicklingError(
                f"storage {key} holds {count} values where {storage.size} were declared"
            )
        raw = stream.read(count * storage.dtype.itemsize)
        if len(raw) != count * storage.dtype.itemsize:
            raise pickle.UnpicklingError(f"it is truncated within storage {key}")
        found[key] = np.frombuffer(raw, storage.dtype)
    if stream.read(1):
        raise pickle.UnpicklingError("bytes are left over after the last storage")
    return found


def _parse(content: bytes) -> dict[str, np.ndarray]:
    stream = io.BytesIO(content)
    load: Callable[[], Any] = lambda: _RestrictedUnpickler(stream).load()  # noqa: E731
    if load() != MAGIC_NUMBER or load() != PROTOCOL_VERSION:
        raise pickle.UnpicklingError("it does not start as a legacy PyTorch checkpoint does")
    machine = load()
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise pickle.UnpicklingError("its values are not little-endian")
    state, keys = load(), load()
    if not isinstance(state, dict) or not all(isinstance(v, _View) for v in state.values()):
        raise pickle.UnpicklingError("its content is not a mapping from names to tensors")
    declared: dict[str, _Storage] = {}
    for view in state.values():
        if declared.setdefault(view.storage.key, view.storage) != view.storage:
            raise pickle.UnpicklingError(f"storage {view.storage.key} is declared in two ways")
    values = _storages(stream, keys, declared)
    return {name: _array(name, view, values[view.storage.key]) for name, view in state.items()}


def read(path: Path, sha256: str) -> dict[str, np.ndarray]:
    """Return the tensors of a legacy PyTorch checkpoint, by name.

    The hash is checked before anything of the file is parsed: a crafted pickle that names nothing
    forbidden can still exhaust the memory or the stack of whoever unpickles it.

    Args:
        path: the ``.pth`` file.
        sha256: what the file's SHA-256 must be, in hexadecimal.

    Returns:
        Arrays of dtype float32 or int64 in the checkpoint's own axis order (a convolution's
        weights are (filters, channels, height, width)), contiguous and owning their memory.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file's hash is another one, or it is not a complete legacy checkpoint, or
            it names anything but an ordered dict, the two storage types and a tensor's rebuilding.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint {path}.")
    found = sha256_of(path)
    if found != sha256:
        raise ValueError(
            f"The checkpoint {path} has SHA-256 {found} where {sha256} was expected: it is damaged "
            "or another file; fetch it again."
        )
    content = path.read_bytes()
    if content.startswith(b"PK"):
        raise ValueError(
            f"The checkpoint {path} is in PyTorch's newer zip format; this reader knows only the "
            "legacy format."
        )
    try:
        return _parse(content)
    except pickle.UnpicklingError as error:
        raise ValueError(f"The checkpoint {path} is refused: {error}.") from error
    # Damaged bytes can make the unpickler fail in any way at all.
    except Exception as error:
        raise ValueError(
            f"The checkpoint {path} is truncated or damaged ({type(error).__name__}: {error}); "
            "fetch it again."
        ) from error
