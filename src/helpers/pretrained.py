"""Bases that were trained on ImageNet, by name.

A base is an ordinary functional Keras model with named layers. It takes pictures as they are,
RGB values from 0 to 255, because its own preprocessing is its first layer; it returns the feature
maps that its authors' classifier worked on. Adding a base is adding one entry to ``BASES``, and
two to ``data/datasets.toml`` if its weights must be downloaded: without and with the classifier.
"""

import importlib.resources
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from helpers import downloads, efficientnet_lite0, sources
from helpers.backend import keras

# Classes of ImageNet, as outputs of every base with its top.
CATS = range(281, 286)
DOGS = range(151, 269)


@dataclass(frozen=True)
class Base:
    """One pretrained base: everything that a chapter needs to know about it.

    Attributes:
        build: maps the preprocessed input tensor and ``top`` to the output tensor.
        preprocess: maps the tensor of RGB values 0 to 255 to what the base was trained on.
        preprocessing: the same in words.
        load_weights: puts the ImageNet weights into a model made by ``build`` with this ``top``.
        minimum_size: smallest height and width of the pictures, in pixels.
        top_size: the only height and width that the classifier takes; None if it takes any.
        last_convolution: name of the last convolution, whose maps Grad-CAM weighs.
        cuts: layers after which cutting makes sense, first to last; none lies within a block.
        last_frozen: the last cut whose maps have a sixteenth of the pictures' height; fine-tuning
            changes what follows it, unless a chapter says otherwise.
        activations: seven layers that end in a ReLU, from shallow to deep, to look into.
        patterns: five layers, from shallow to deep, whose channels make good patterns.
        offline: whether the weights need no network.
    """

    build: Callable[[Any, bool], Any]
    preprocess: Callable[[Any], Any]
    preprocessing: str
    load_weights: Callable[[Any, bool], None]
    minimum_size: int
    top_size: int | None
    last_convolution: str
    cuts: tuple[str, ...]
    last_frozen: str
    activations: tuple[str, ...]
    patterns: tuple[str, ...]
    offline: bool


# --- Weights in the files of keras.applications ---------------------------------------------------


def _from_table(name: str) -> Callable[[Any, bool], None]:
    """Return what loads the weights that ``data/datasets.toml`` lists under a name."""

    def load_weights(model: Any, top: bool) -> None:
        try:
            fetched = downloads.fetch(sources.source(f"{name}_top" if top else name))
        except sources.DataError as error:
            offline = ", ".join(key for key, base in BASES.items() if base.offline)
            raise sources.DataError(
                f"{error} Without a network these bases work: {offline}."
            ) from error
        model.load_weights(fetched.path)

    return load_weights


# --- Architectures of keras.applications ----------------------------------------------------------


def _build_vgg16(x: Any, top: bool) -> Any:
    return keras.applications.VGG16(include_top=top, weights=None, input_tensor=x).output


def _build_mobilenet(x: Any, top: bool) -> Any:
    return keras.applications.MobileNet(
        include_top=top, weights=None, input_tensor=x, input_shape=x.shape[1:]
    ).output


def _build_xception(x: Any, top: bool) -> Any:
    # Keras refuses a stated input_shape below 71 pixels, though the architecture takes it.
    model = keras.applications.Xception(include_top=top, weights=None, input_tensor=x)
    # Keras numbers the layers of the shortcuts anew in every model; a cut needs lasting names.
    shortcuts = iter(
        [f"block{block}_shortcut{part}" for block in (2, 3, 4, 13) for part in ("", "_bn")]
    )
    sums = iter([f"block{block}_add" for block in range(2, 14)])
    for layer in model.layers:
        if isinstance(layer, keras.layers.Add):
            layer.name = next(sums)
        elif layer.weights and not layer.name.startswith(("block", "predictions")):
            layer.name = next(shortcuts)
    return model.output


def _preprocess_vgg16(x: Any) -> Any:
    blue_green_red = keras.ops.flip(x, axis=-1)
    return keras.layers.Rescaling(1.0, offset=(-103.939, -116.779, -123.68), name="preprocessing")(
        blue_green_red
    )


def _from_minus_one_to_one(x: Any) -> Any:
    return keras.layers.Rescaling(1 / 127.5, -1.0, name="preprocessing")(x)


# --- The table ------------------------------------------------------------------------------------

BASES: dict[str, Base] = {
    "efficientnet_lite0": Base(
        build=efficientnet_lite0.build,
        preprocess=lambda x: keras.layers.Rescaling(1 / 128, -127 / 128, name="preprocessing")(x),
        preprocessing="(x - 127) / 128",
        load_weights=lambda model, top: efficientnet_lite0.load_weights(model),
        minimum_size=32,
        top_size=None,
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
        last_frozen="block5c_add",
        activations=(
            "stem_activation",
            "block2b_expand_activation",
            "block3b_expand_activation",
            "block4c_expand_activation",
            "block5c_expand_activation",
            "block6d_expand_activation",
            "head_activation",
        ),
        patterns=(
            "stem_bn",
            "block3b_expand_bn",
            "block4b_expand_bn",
            "block5b_expand_bn",
            "block6b_expand_bn",
        ),
        offline=True,
    ),
    "mobilenet": Base(
        build=_build_mobilenet,
        preprocess=_from_minus_one_to_one,
        preprocessing="x / 127.5 - 1",
        load_weights=_from_table("mobilenet"),
        minimum_size=32,
        top_size=None,
        last_convolution="conv_pw_13",
        cuts=tuple(f"conv_pw_{number}_relu" for number in range(1, 13)),
        last_frozen="conv_pw_11_relu",
        activations=("conv1_relu", *(f"conv_pw_{number}_relu" for number in (1, 3, 5, 8, 11, 13))),
        patterns=("conv1_bn", *(f"conv_pw_{number}_bn" for number in (3, 5, 8, 11))),
        offline=False,
    ),
    "vgg16": Base(
        build=_build_vgg16,
        preprocess=_preprocess_vgg16,
        preprocessing="channels in the order blue, green, red, each less its mean over ImageNet",
        load_weights=_from_table("vgg16"),
        minimum_size=32,
        top_size=224,
        last_convolution="block5_conv3",
        cuts=tuple(f"block{number}_pool" for number in range(1, 5)),
        last_frozen="block4_pool",
        activations=(
            "block1_conv1",
            "block1_conv2",
            "block2_conv2",
            "block3_conv3",
            "block4_conv3",
            "block5_conv1",
            "block5_conv3",
        ),
        patterns=tuple(f"block{number}_conv1" for number in range(1, 6)),
        offline=False,
    ),
    "xception": Base(
        build=_build_xception,
        preprocess=_from_minus_one_to_one,
        preprocessing="x / 127.5 - 1",
        load_weights=_from_table("xception"),
        minimum_size=32,
        top_size=None,
        last_convolution="block14_sepconv2",
        cuts=(
            "block1_conv2_act",
            *(f"block{number}_add" for number in range(2, 14)),
            "block14_sepconv1_act",
        ),
        last_frozen="block12_add",
        activations=(
            "block1_conv1_act",
            "block1_conv2_act",
            *(f"block{number}_sepconv2_act" for number in (2, 3, 8, 13, 14)),
        ),
        patterns=(
            "block1_conv1_bn",
            *(f"block{number}_sepconv1_bn" for number in (3, 5, 9, 13)),
        ),
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
        top: keep the classifier of ImageNet's thousand classes (softmax). Where it takes pictures
            of one size only (``Base.top_size``), a first layer, "resizing", brings them to it.
        weights: "imagenet", or "random" for weights as Keras initializes them.
        preprocessing: make the base's own preprocessing its first layer, so that the model takes
            RGB values from 0 to 255; without it the model takes what the preprocessing returns.

    Returns:
        A model from (N, size, size, 3) to (N, height, width, channels), or with ``top`` to
        (N, 1000) probabilities; float32.

    Raises:
        ValueError: unknown base or weights, or pictures too small for the base.
        FileNotFoundError: the package with the weights of efficientnet_lite0 is not installed.
        DataError: the weights cannot be fetched, or their hash is wrong.

    >>> load("xception", 96, weights="random").output_shape
    (None, 3, 3, 2048)
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
    pictures = keras.Input((size, size, 3), name="pictures")
    x = pictures
    if top and base.top_size not in (None, size):
        x = keras.layers.Resizing(base.top_size, base.top_size, name="resizing")(x)
    outputs = base.build(base.preprocess(x) if preprocessing else x, top)
    model = keras.Model(pictures, outputs, name=name)
    if weights == "imagenet":
        base.load_weights(model, top)
    return model


def imagenet_classes() -> tuple[str, ...]:
    """Return the names of ImageNet's thousand classes, in the order of a top's outputs.

    Each is the first word of its WordNet synset, as in the challenge of 2012. Dogs are 151 to 268,
    domestic cats 281 to 285.

    >>> [imagenet_classes()[number] for number in CATS]
    ['tabby', 'tiger cat', 'Persian cat', 'Siamese cat', 'Egyptian cat']
    """
    text = importlib.resources.files("helpers").joinpath("imagenet_classes.txt").read_text("utf-8")
    return tuple(text.splitlines())
