"""Live figures: a chapter's own networks, drawn and computed in the reader's browser.

Each figure is one self-contained piece of HTML that needs no network. Where scripts don't run, on
GitHub, on paper and in a notebook that JupyterLab doesn't trust yet, it is a still picture with an
alt text. The scripts are the files in ``live_parts``.
"""

import gzip
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from helpers.backend import as_array, keras
from helpers.outputs import as_text, put
from helpers.plots import pixels

_PARTS = Path(__file__).parent / "live_parts"


def playground(still: Figure, alt: str) -> None:
    """Show a convolution that the reader can edit: image, kernel, padding and stride.

    Args:
        still: the figure that readers see where scripts don't run; it is closed afterward.
        alt: what the still picture shows.

    >>> playground(plt.figure(), "A kernel of nine numbers on an image.")
    A kernel of nine numbers on an image.
    """
    show("playground", ("playground.js",), {}, still, alt)


def digit_reader(
    networks: Mapping[str, Any], digits: np.ndarray, still: Figure, alt: str
) -> dict[str, Any]:
    """Show what trained networks make of a digit that the reader draws.

    Args:
        networks: Keras models by the names under which they are shown; of the first one all maps
            are drawn. Their input has shape (28, 28, 1) and holds numbers from 0 to 255.
        digits: one example of each digit, uint8, shape (10, 28, 28, 1).
        still: the figure that readers see where scripts don't run; it is closed afterward.
        alt: what the still picture shows.

    Returns:
        The networks with the rounded weights that the figure uses, to compare with the originals.

    Raises:
        ValueError: a layer is of a kind that the figure cannot compute.

    >>> layers = keras.layers
    >>> model = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10)])
    >>> digits = np.zeros((10, 28, 28, 1), "uint8")
    >>> shown = digit_reader({"linear": model}, digits, plt.figure(), "A field to draw on.")
    A field to draw on.
    >>> shown["linear"].output_shape
    (None, 10)
    """
    layers, weights = packed({name: model.layers for name, model in networks.items()})
    data = {"networks": layers, "packed": weights, "digits": as_text(digits.tobytes())}
    show("digitReader", ("network.js", "digits.js"), data, still, alt)
    return {name: rounded(model) for name, model in networks.items()}


def packed(
    networks: Mapping[str, Sequence[Any]], largest: int = 127
) -> tuple[dict[str, list[dict[str, Any]]], str]:
    """Describe networks for a live figure, with one byte per weight.

    Each output of a layer has a factor of its own, so that its largest weight becomes ``largest``.

    Args:
        networks: for each network its Keras layers, in the order in which they are described.
        largest: 127, or less: fewer different values compress better.

    Returns:
        For each network the descriptions of its layers, and all weights as one compressed text.

    Raises:
        ValueError: a layer is of a kind that a live figure cannot compute.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.set_weights([np.array([[1.0], [0.5]], "float32"), np.array([0.25], "float32")])
    >>> layers, weights = packed({"sum": model.layers})
    >>> layers["sum"][0]["kind"], layers["sum"][0]["bias"], len(weights) < 60
    ('Dense', [0.25], True)
    """
    parts: list[bytes] = []
    described = {
        name: [_described(layer, parts, largest) for layer in layers]
        for name, layers in networks.items()
    }
    return described, compressed(b"".join(parts))


def compressed(content: bytes) -> str:
    """Write bytes as a short text, which a browser can turn into the bytes again.

    >>> import base64
    >>> gzip.decompress(base64.b64decode(compressed(b"aaaa")))
    b'aaaa'
    """
    return as_text(gzip.compress(content, 9, mtime=0))


def rounded(model: Any, largest: int = 127) -> Any:
    """Copy a model, with the weights that a live figure computes with.

    Args:
        model: a Keras model.
        largest: as `packed` was told.

    Returns:
        A model of the same layers whose kernels and tables have few different values per output,
        255 for a ``largest`` of 127.
    """
    copied = keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    for layer in copied.layers:
        for name in ("kernel", "embeddings"):
            if hasattr(layer, name):
                values, factors = _as_bytes(as_array(getattr(layer, name)), largest)
                getattr(layer, name).assign(values * factors)
    return copied


def _as_bytes(weights: np.ndarray, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """Round weights to whole numbers up to the largest, with one factor per output."""
    limits = np.abs(weights.reshape(-1, weights.shape[-1])).max(axis=0)
    factors = (np.maximum(limits, 1e-30) / largest).astype("float32")
    return np.rint(weights / factors).astype("int8"), factors


def _described(layer: Any, parts: list[bytes], largest: int) -> dict[str, Any]:
    """Describe one layer, and append its weights to those of the layers before it."""
    kind = type(layer).__name__
    found: dict[str, Any] = {"kind": kind}

    def pack(name: str, weights: Any) -> None:
        values, factors = _as_bytes(as_array(weights), largest)
        parts.append(values.tobytes())
        found.setdefault("packed", {})[name] = {
            "length": values.size,
            "factors": _short(factors),
        }

    match kind:
        case "Rescaling":
            found |= {"scale": float(layer.scale), "offset": float(layer.offset)}
        case "Conv2D" | "Conv1D":
            found |= {"size": layer.kernel_size, "strides": layer.strides}
            found |= {"padding": layer.padding, "activation": layer.activation.__name__}
        case "MaxPooling2D" | "AveragePooling2D" if layer.padding == "valid":
            found |= {"size": layer.pool_size, "strides": layer.strides}
        case "Dense":
            found |= {"activation": layer.activation.__name__}
        case "BatchNormalization":
            deviation = np.sqrt(as_array(layer.moving_variance) + layer.epsilon)
            factor = as_array(layer.gamma) / deviation
            summand = as_array(layer.beta) - as_array(layer.moving_mean) * factor
            found |= {"factor": _short(factor), "summand": _short(summand)}
        case "Embedding":
            found |= {"width": layer.output_dim}
            pack("table", layer.embeddings)
        case "Flatten" | "GlobalMaxPooling1D" | "GlobalAveragePooling2D":
            pass
        case _:
            raise ValueError(f"A live figure cannot compute the layer {layer.name!r}, a {kind}.")
    if kind in ("Conv2D", "Conv1D", "Dense"):
        pack("kernel", layer.kernel)
        found["bias"] = _short(as_array(layer.bias))
    return found


def _short(values: np.ndarray) -> list[float]:
    """Write numbers with the seven digits that a float32 has."""
    return [float(f"{value:.7g}") for value in values]


def show(
    function: str, parts: tuple[str, ...], data: dict[str, Any], still: Figure, alt: str
) -> None:
    """Put a live figure into the output of a cell, with its still picture inside and beside it.

    Args:
        function: the name of the script's function that draws the figure.
        parts: files of ``live_parts``, scripts and style sheets, besides those of every figure.
        data: JSON-able, what the function is called with.
        still: the figure that readers see where scripts don't run; it is closed afterward.
        alt: what the still picture shows.
    """
    picture, kind, size = pixels(still)
    plt.close(still)
    code = "\n".join(_part(name) for name in ("common.js", *parts) if name.endswith(".js"))
    style = "".join(_part(name) for name in ("style.css", *parts) if name.endswith(".css"))
    # A text in the data must not end the script.
    content = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    roots = f"document.querySelectorAll('[data-live={function}]:not([data-ready])')"
    body = (
        f'<div class="course-live" data-live="{function}">\n'
        f"<style>\n{style}</style>\n"
        f'<div class="stage"><img class="still" alt="{html.escape(alt)}" '
        f'width="{size["width"]}" height="{size["height"]}" '
        f'src="data:{kind};base64,{picture}"></div>\n</div>\n'
        f"<script>\n(() => {{\n{code}\n"
        f"const data = {content};\n"
        f"for (const root of {roots}) {{\n"
        "  root.dataset.ready = true;\n  followTheme(root);\n"
        f"  {function}(root.querySelector('.stage'), data);\n}}\n}})();\n</script>"
    )
    put(
        {"text/html": body, kind: picture, "text/plain": alt},
        metadata={kind: {"alt": alt, **size}},
    )


def _part(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")
