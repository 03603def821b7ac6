"""The answers to the exercises of chapter 08, and what the usual wrong ones reveal.

If you are a student: this page gives everything away.
"""

from typing import Any

import numpy as np

from helpers.exercises import (
    Exercise,
    Question,
    When,
    activation_of,
    array,
    keras_model,
    number,
    results_on,
)


def separable_macs(size: int, window: int, channels_in: int, channels_out: int) -> int:
    """Return the multiply-adds of a separable convolution with same padding and stride 1.

    Args:
        size: height and width of the map.
        window: height and width of the kernel.
        channels_in: depth of the input.
        channels_out: number of maps that come out.

    >>> separable_macs(8, 3, 16, 32)
    41984
    """
    return size * size * (window * window * channels_in + channels_in * channels_out)


def _convolutions(model: Any) -> list[Any]:
    return [layer for layer in model.layers if type(layer).__name__ == "Conv2D"]


def _shape(model: Any) -> bool:
    return model.input_shape == model.output_shape == (None, 8, 8, 16)


def _returns_its_input(model: Any) -> bool:
    """Return whether a model returns random non-negative 8x8x16 maps unchanged."""
    maps = np.random.default_rng(4).uniform(size=(2, 8, 8, 16)).astype("float32")
    return bool(np.allclose(model.predict(maps, verbose=0), maps, atol=1e-4))


def _norms(model: Any) -> list[Any]:
    return [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]


def _closed_too_early(model: Any) -> bool:
    """Return whether a batch normalization before the last one has a scale of zero."""
    return any(not np.any(layer.get_weights()[0]) for layer in _norms(model)[:-1])


def _operations(model: Any) -> list[Any]:
    """Return all layers, and operations such as the sum in ``x + y``."""
    return list(getattr(model, "operations", model.layers))


def _adds(model: Any) -> bool:
    return any(type(each).__name__ == "Add" for each in _operations(model))


def _relus(model: Any) -> int:
    """Return how often a model applies a ReLU, as a layer, an activation or an operation."""
    return [*map(activation_of, _operations(model))].count("relu")


def _dead(model: Any) -> bool:
    """Return whether all weights of one of the model's convolutions are zero."""
    return any(not np.any(layer.get_weights()[0]) for layer in _convolutions(model))


EXERCISES = {
    "08.1": Exercise(
        (
            Question(
                "layers_needed",
                number,
                4,
                (
                    (3, "three layers see 7x7 pixels; each further one adds a pixel on every side"),
                    (9, "each layer adds two pixels to the width, one on each side, and not one"),
                    (8, "each layer adds two pixels to the width, one on each side, and not one"),
                    (5, "five layers see 11x11 pixels; the first one sees three, not one"),
                ),
            ),
            Question(
                "share",
                number,
                36 / 81,
                (
                    (9 / 81, "that is one layer of the stack; there are four of them"),
                    (81 / 36, "that is the large window over the stack; turn it around"),
                    (27 / 81, "that is a stack of three layers, which sees only 7x7 pixels"),
                    (12 / 81, "a 3x3 kernel has nine weights per pair of channels, not three"),
                    (100 * 36 / 81, "give a share between 0 and 1, not a percentage"),
                ),
            ),
        ),
        "four small windows see as much as one of 9x9 and need less than half of its weights",
    ),
    "08.2": Exercise(
        (
            Question(
                "bottleneck_weights",
                number,
                69_632,
                (
                    (36_864, "that is the 3x3 convolution alone; add the two of 1x1"),
                    (53_248, "you counted one of the two 1x1 convolutions"),
                    (70_016, "leave out the biases here; batch norm makes them useless"),
                    (622_592, "the 3x3 convolution sees 64 channels and no longer 256"),
                    (180_224, "the 3x3 convolution reads 64 channels; the squeeze came before it"),
                ),
            ),
            Question(
                "plain_weights",
                number,
                1_179_648,
                (
                    (589_824, "that is one convolution; the block has two"),
                    (73_728, "that is two convolutions of 64 channels; here they have 256"),
                    (1_180_160, "leave out the biases here; batch norm makes them useless"),
                    (131_072, "a 3x3 kernel has nine weights per pair of channels"),
                ),
            ),
        ),
        "for the same 256 channels the bottleneck needs a seventeenth of the weights",
    ),
    "08.3": Exercise(
        (
            Question(
                "separable_macs",
                results_on((8, 3, 16, 32), (14, 5, 128, 64), (7, 3, 3, 3)),
                separable_macs,
                (
                    (
                        lambda s, f, i, o: s * s * f * f * i * o,
                        "that is an ordinary convolution; the depthwise part doesn't mix channels",
                    ),
                    (
                        lambda s, f, i, o: s * s * f * f * i,
                        "that is the depthwise part alone; add the 1x1 convolution",
                    ),
                    (
                        lambda s, f, i, o: s * s * i * o,
                        "that is the 1x1 convolution alone; add the depthwise part",
                    ),
                    (
                        lambda s, f, i, o: f * f * i + i * o,
                        "those are the weights; each is used at every position of the map",
                    ),
                    (
                        lambda s, f, i, o: s * s * (f * f * o + i * o),
                        "the depthwise part has one kernel per channel of its input",
                    ),
                    (
                        lambda s, f, i, o: s * s * (f * i + i * o),
                        "a window has two sides, so it holds F times F weights",
                    ),
                ),
            ),
        ),
        "the two steps add up where an ordinary convolution multiplies",
    ),
    "08.4": Exercise(
        (
            Question(
                "block",
                keras_model,
                When(
                    lambda m: (
                        _shape(m)
                        and len(_convolutions(m)) >= 2
                        and len(_norms(m)) >= 2
                        and _relus(m) >= 2
                        and _adds(m)
                        and not _dead(m)
                        and not _closed_too_early(m)
                        and _returns_its_input(m)
                    )
                ),
                (
                    (
                        When(lambda m: not _shape(m)),
                        "your block must turn maps of 8x8x16 into maps of 8x8x16",
                    ),
                    (
                        When(lambda m: len(_convolutions(m)) < 2),
                        "your block needs two Conv2D layers inside",
                    ),
                    (
                        When(lambda m: not _adds(m)),
                        "your block has no Add layer, so there is no shortcut",
                    ),
                    (
                        When(lambda m: len(_norms(m)) < 2),
                        "each of the two convolutions needs a batch normalization of its own",
                    ),
                    (
                        When(lambda m: _relus(m) < 2),
                        "your block needs two ReLUs, one between the convolutions and one at the "
                        "end",
                    ),
                    (
                        When(_dead),
                        "the kernels of a convolution are all zero; leave them random, and make "
                        "the scale of the last batch normalization zero",
                    ),
                    (
                        When(_closed_too_early),
                        "an earlier batch normalization has a scale of zero as well, so nothing "
                        "reaches the second convolution; only the last one starts at zero",
                    ),
                    (
                        When(lambda m: True),
                        "before training, your block changes its input; the scale (gamma) of the "
                        "last batch normalization must start at zero",
                    ),
                ),
            ),
        ),
        "a scale of zero closes the block's own path, and the first training step can open it",
    ),
    "08.5": Exercise(
        (
            Question(
                "parameters",
                number,
                When(lambda n: n == 143_667_240),
                (
                    (138_357_544, "that is VGG-16; the last three groups have four convolutions"),
                    (20_024_384, "those are the convolutions; add the three dense layers"),
                    (20_018_880, "you left out the dense layers, and the biases"),
                    (143_652_544, "you left out biases; there is one per map and per unit"),
                    (143_661_736, "you left out biases; there is one per map and per unit"),
                    (
                        126_885_928,
                        "there are two dense layers of 4,096 units before the one for the classes",
                    ),
                ),
            ),
            Question(
                "in_dense",
                number,
                123_642_856 / 143_667_240,
                (
                    (
                        102_764_544 / 143_667_240,
                        "that is the first dense layer alone; add the other two",
                    ),
                    (20_024_384 / 143_667_240, "that is the share of the convolutions"),
                    (123_642_856, "give the share, not the number of parameters"),
                    (100 * 123_642_856 / 143_667_240, "give a share between 0 and 1"),
                ),
            ),
        ),
        "three more convolutions cost five million parameters, and the dense layers hold six "
        "sevenths of all",
    ),
    "08.6": Exercise(
        (
            Question(
                "rows",
                number,
                9,
                (
                    (12, "that is the map before the pooling over windows of 4"),
                    (3, "the pooling takes steps of 1, so its windows overlap"),
                    (8, "count the positions of the window, one more than its steps"),
                    (93, "first divide by the strides: the map before the pooling has 12 rows"),
                ),
            ),
            Question(
                "columns",
                number,
                21,
                (
                    (24, "that is the map before the pooling over windows of 4"),
                    (6, "the pooling takes steps of 1, so its windows overlap"),
                    (20, "count the positions of the window, one more than its steps"),
                    (189, "first divide by the strides: the map before the pooling has 24 columns"),
                ),
            ),
        ),
        "the answer grows with the image, one position for every 8 pixels",
    ),
    "08.7": Exercise(
        (
            Question(
                "accuracies",
                array(2),
                When(lambda a: a.max() <= 1 and a[0] < 0.25 and a[1] > a[0] + 0.05),
                (
                    (
                        When(lambda a: a.max() > 1),
                        "accuracies lie between 0 and 1; did you store percentages or the loss?",
                    ),
                    (
                        When(lambda a: a[0] > a[1]),
                        "the plain network does better; is it first, and does the second one "
                        "really add its input to its output?",
                    ),
                    (
                        When(lambda a: a[0] == a[1]),
                        "both have the same accuracy; did you train two different networks?",
                    ),
                    (
                        When(lambda a: a[0] >= 0.25),
                        "the plain network learns too well for its depth; does it have 16 blocks "
                        "of two convolutions, without batch norm?",
                    ),
                    (
                        When(lambda a: True),
                        "the network with shortcuts hardly learns; does every convolution have its "
                        "batch norm, and does the ReLU come after the addition?",
                    ),
                ),
            ),
        ),
        "at this depth the plain network guesses, and the one with shortcuts learns",
    ),
}
