"""The frozen part of a base, computed once.

Frozen layers give the same output for the same picture in every epoch. So the base is cut in two,
the first part (the prefix) runs once over the pictures, and what it returns is kept in a file;
only the rest is run and trained again and again.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from helpers.backend import keras
from helpers.downloads import locked, writing
from helpers.files import sha256_of, write_atomically
from helpers.outputs import Line
from helpers.places import cache_folder


def _tensors(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def cuts(base: Any) -> list[str]:
    """Return the names of the layers after which a model can be cut in two, first to last.

    A cut is possible where a single tensor crosses it. Within a residual block two do, the block's
    input on its way round and the one being worked on, so no cut is possible there.

    Args:
        base: a functional Keras model with one input and one output.
    """
    steps = base.operations
    position = {id(t): i for i, step in enumerate(steps) for t in _tensors(step.output)}
    last_use = dict.fromkeys(position, 0)
    for i, step in enumerate(steps):
        for tensor in [] if isinstance(step, keras.layers.InputLayer) else _tensors(step.input):
            last_use[id(tensor)] = i
    last_use[id(base.output)] = len(steps)
    crossing = [
        sum(position[t] <= i < last_use[t] for t in position) for i in range(len(steps) - 1)
    ]
    return [
        step.name
        for step, tensors in zip(steps, crossing, strict=False)
        if tensors == 1 and isinstance(step, keras.Layer)
        # A cut after the input would leave nothing to compute once.
        if not isinstance(step, keras.layers.InputLayer)
    ]


def cut(base: Any, name: str) -> tuple[Any, Any]:
    """Cut a base after a layer into two models that share its layers and weights.

    Args:
        base: a functional Keras model with one input and one output, as ``pretrained.load`` gives.
        name: the last layer of the first part.

    Returns:
        The prefix, from pictures to the output of the layer, and the rest, from there to the
        output of the base. ``rest(prefix(x))`` equals ``base(x)``; training the rest trains the
        base's own layers.

    Raises:
        ValueError: the layer does not exist, a residual connection runs around it, or nothing is
            left behind it. The sentence names the valid cuts.

    >>> pictures = keras.Input((8, 8, 3))
    >>> maps = keras.layers.Conv2D(4, 3, name="first")(pictures)
    >>> base = keras.Model(pictures, keras.layers.Conv2D(2, 3, name="last")(maps))
    >>> prefix, rest = cut(base, "first")
    >>> prefix.output_shape, rest.output_shape
    ((None, 6, 6, 4), (None, 4, 4, 2))
    """
    names = [layer.name for layer in base.layers]
    possible = cuts(base)
    if name not in names:
        raise ValueError(
            f"{base.name} has no layer {name!r}; it can be cut after {', '.join(possible)}."
        )
    if name == names[-1]:
        raise ValueError(
            f"{name} is the last layer of {base.name}, so a cut there leaves nothing to train; the "
            f"last cut is {possible[-1]}."
        )
    if name not in possible:
        place = names.index(name)
        before = [cut for cut in possible if names.index(cut) < place][-1:]
        after = [cut for cut in possible if names.index(cut) > place][:1]
        raise ValueError(
            f"{base.name} cannot be cut after {name}: another path runs around that layer, as in a "
            f"residual block. The nearest valid cuts are {' and '.join(before + after)}."
        )
    crossing = base.get_layer(name).output
    prefix = keras.Model(base.input, crossing, name=f"{base.name}_up_to_{name}")
    rest = keras.Model(crossing, base.output, name=f"{base.name}_after_{name}")
    return prefix, rest


def _sha256(*parts: Any) -> str:
    digest = hashlib.sha256()
    for part in parts:
        array = np.ascontiguousarray(part)
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _lasting(config: Any, *without: str) -> Any:
    """Drop the entries of a configuration that don't affect the output: what is frozen."""
    if isinstance(config, dict):
        kept = config.keys() - {"trainable", *without}
        return {name: _lasting(config[name], *without) for name in config if name in kept}
    if isinstance(config, list | tuple):
        return [_lasting(value, *without) for value in config]
    return config


def key(prefix: Any, pictures: np.ndarray, augmentation: Any, copies: int) -> dict[str, Any]:
    """Return everything that the features depend on, as JSON-able facts.

    Args:
        prefix: the model that computes them.
        pictures: shape (N, H, W, 3).
        augmentation: a Keras model of random layers, or None.
        copies: augmented copies of each picture.
    """
    first = [layer for layer in prefix.layers if layer.name == "preprocessing"]
    config = _lasting(prefix.get_config())
    return {
        "data": _sha256(pictures),
        "base": prefix.name,
        "size": prefix.input_shape[1],
        "preprocessing": str(_lasting(first[0].get_config())) if first else "none",
        "layers": hashlib.sha256(json.dumps(config, default=str).encode()).hexdigest(),
        "weights": _sha256(*prefix.get_weights()),
        "augmentation": None
        if augmentation is None
        # Keras numbers the names of layers that are made again.
        else str(_lasting(augmentation.get_config()["layers"], "name")),
        "copies": copies,
        "backend": keras.backend.backend(),
    }


def _fresh(augmentation: Any) -> Any:
    """Copy random layers, set back to the start of their random numbers."""
    for layer in augmentation.layers:
        if "seed" in layer.get_config() and layer.get_config()["seed"] is None:
            raise ValueError(
                f"The augmentation layer {layer.name} has no seed, so its copies could not be made "
                "again: give it one, as in RandomFlip(seed=0)."
            )
    return keras.Sequential.from_config(augmentation.get_config())


def _computed(
    prefix: Any, pictures: np.ndarray, augmentation: Any, copies: int, batch_size: int
) -> Iterator[np.ndarray]:
    for _ in range(copies):
        for start in range(0, len(pictures), batch_size):
            batch = np.asarray(pictures[start : start + batch_size], "float32")
            if augmentation is not None:
                batch = augmentation(batch, training=True)
            yield prefix.predict_on_batch(batch)


def _origin(pictures: np.ndarray) -> str | None:
    """Return the name of the prepared folder that memory-mapped pictures come from."""
    file = getattr(pictures, "filename", None)
    folder = None if file is None else Path(file).resolve().parent
    prepared = (cache_folder() / "prepared").resolve()
    return folder.name if folder is not None and folder.parent == prepared else None


def is_whole(described: Path) -> bool:
    """Return whether stored features are complete and have the hash that was written.

    Args:
        described: the ``.json`` beside the array, in ``features`` in the cache.
    """
    stored = described.with_suffix(".npy")
    try:
        written = json.loads(described.read_text(encoding="utf-8"))
        return bool(
            isinstance(written["facts"], dict)
            and stored.stat().st_size == written["bytes"]
            and sha256_of(stored) == written["sha256"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _are_stored(described: Path, facts: dict[str, Any]) -> bool:
    """Return whether intact features made from the same facts are stored."""
    return (
        is_whole(described) and json.loads(described.read_text(encoding="utf-8"))["facts"] == facts
    )


def features(
    prefix: Any,
    pictures: np.ndarray,
    *,
    augmentation: Any = None,
    copies: int = 1,
    batch_size: int = 64,
) -> np.ndarray:
    """Return what a prefix, or a whole base, makes of pictures, computed once and kept in a file.

    The file's name is a hash of the pictures, the layers (preprocessing and size among them), the
    weights, the augmentation, the number of copies and the backend, so features made in another
    way are never taken for these. Files that were damaged or cut off are made again. The result is
    the same whether it was computed now or read.

    Args:
        prefix: a model from pictures to feature maps.
        pictures: shape (N, H, W, 3), RGB values from 0 to 255.
        augmentation: a ``keras.Sequential`` of random layers, each with a seed, applied anew to
            each copy of the pictures; None leaves them as they are.
        copies: how many augmented copies of each picture to pass through the prefix.
        batch_size: pictures that are passed through at a time.

    Returns:
        float32 array (copies * N, ...), memory-mapped: all pictures of the first copy, then all
        of the second, so ``numpy.tile(labels, copies)`` are the labels.

    Raises:
        ValueError: there are no pictures, or not of the prefix's size; several copies without an
            augmentation, or one without seeds.
        DataError: the cache cannot be written.

    >>> import os, tempfile
    >>> from unittest import mock
    >>> prefix = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.GlobalAveragePooling2D()])
    >>> pictures = np.full((5, 4, 4, 3), 7, "uint8")
    >>> with (
    ...     tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place,
    ...     mock.patch.dict(os.environ, COURSE_CACHE=place),
    ... ):
    ...     means = np.array(features(prefix, pictures))
    Features of 5 pictures.
    >>> means.shape, means[0].tolist()
    ((5, 3), [7.0, 7.0, 7.0])
    """
    if len(pictures) == 0 or pictures.shape[1:] != prefix.input_shape[1:]:
        raise ValueError(
            f"{prefix.name} takes pictures of shape (N, "
            f"{', '.join(map(str, prefix.input_shape[1:]))}), not {pictures.shape}."
        )
    if copies < 1 or (copies > 1 and augmentation is None):
        raise ValueError(
            f"{copies} copies of each picture make no sense "
            f"{'without' if augmentation is None else 'with'} an augmentation: give copies=1."
        )
    random_layers = None if augmentation is None else _fresh(augmentation)
    facts = key(prefix, pictures, augmentation, copies)
    if augmentation is not None:
        facts["batch_size"] = batch_size  # random numbers are drawn per batch
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    stored = cache_folder() / "features" / f"{prefix.name}-{digest}.npy"
    described = stored.with_suffix(".json")
    line = Line("Computing features …")
    with locked(stored.with_suffix(".lock")):
        if not _are_stored(described, facts):
            partial = stored.with_suffix(".partial")
            shape = (copies * len(pictures), *prefix.output_shape[1:])
            done = 0
            # Not through a memory map: on a full disk that ends the process with a bus error.
            with writing(stored.parent), partial.open("wb") as file:
                described_array = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, described_array)
                for batch in _computed(prefix, pictures, random_layers, copies, batch_size):
                    file.write(np.ascontiguousarray(batch, "<f4").data)
                    done += len(batch)
                    line.update(f"Features: {done:,} of {shape[0]:,}")
            with writing(stored.parent):
                written = {
                    "facts": facts,
                    "origin": _origin(pictures),
                    "bytes": partial.stat().st_size,
                    "sha256": sha256_of(partial),
                }
                # An array without its description is made again, so the description comes last.
                partial.replace(stored)
                write_atomically(described, json.dumps(written, indent=1))
    line.end({"text/plain": f"Features of {copies * len(pictures):,} pictures."})
    return np.load(stored, mmap_mode="r")
