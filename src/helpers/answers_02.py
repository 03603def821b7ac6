"""The answers to the exercises of chapter 02, and what the usual wrong ones reveal.

If you are a student: this page gives everything away.
"""

import math
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

# 02.1: three trainings of two networks, compared on the same 5,000 images
ONLY_FIRST = np.array([330, 318, 301])
ONLY_SECOND = np.array([262, 259, 265])
_APART = ONLY_FIRST - ONLY_SECOND

# 02.3: what smoothed labels ask for, and the cross-entropy of a network that answers just that
WANTED = (0.91, 0.01)
SMALLEST_LOSS = -WANTED[0] * math.log(WANTED[0]) - 9 * WANTED[1] * math.log(WANTED[1])

_RANDOM = np.random.default_rng(2)
_IMAGES = _RANDOM.integers(0, 256, size=(6, 4, 5, 3))
_TOSSES = np.array([True, False, True, True, False, False])
_MATRICES = [
    _RANDOM.permutation(count * count).reshape(count, count) + 900 * np.eye(count, dtype=int)
    for count in (4, 10)
]


def alternate(images: np.ndarray, first_flip: np.ndarray, epoch: int) -> np.ndarray:
    """Return images of shape (N, H, W, C), flipped if exactly one of toss and odd epoch says so."""
    flipped = first_flip ^ (epoch % 2 == 1)
    return np.where(flipped[:, None, None, None], images[:, :, ::-1], images)


def most_confused(matrix: np.ndarray) -> np.ndarray:
    """Return row and column of the largest count outside of the diagonal, shape (2,)."""
    mistakes = np.where(np.eye(len(matrix), dtype=bool), -1, matrix)
    return np.array(np.unravel_index(mistakes.argmax(), matrix.shape))


def _flipped_where(images: np.ndarray, flipped: np.ndarray, axis: int = 2) -> np.ndarray:
    return np.where(flipped[:, None, None, None], np.flip(images, axis), images)


def _kinds(model: Any) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


def _squeeze(model: Any) -> Any:
    """Return the first convolution of a model, or None."""
    return next((each for each in model.layers if type(each).__name__ == "Conv2D"), None)


def _has_relu(model: Any) -> bool:
    """Return whether a model has a ReLU, as an activation or as a layer of its own."""
    return "relu" in map(activation_of, model.layers)


EXERCISES = {
    "02.1": Exercise(
        (
            Question(
                "ratios",
                array(3),
                _APART / np.sqrt(ONLY_FIRST + ONLY_SECOND),
                (
                    (
                        -_APART / np.sqrt(ONLY_FIRST + ONLY_SECOND),
                        "you subtracted the first network's wins from the second's; the question "
                        "is by how much the first is ahead",
                    ),
                    (
                        _APART / (ONLY_FIRST + ONLY_SECOND),
                        "divide by the root of the number of tosses: that is how far fair coins "
                        "stray",
                    ),
                    (
                        _APART**2 / (ONLY_FIRST + ONLY_SECOND),
                        "that is the square of the ratio, which books compare with 3.84; take the "
                        "root",
                    ),
                    (
                        _APART / np.sqrt(5000),
                        "images on which both agree say nothing about the difference; count only "
                        "those that exactly one network gets right",
                    ),
                ),
            ),
            Question(
                "verdict",
                number,
                0,
                (
                    (
                        1,
                        "the rule wants more than two standard deviations in every training, and "
                        "the third has less",
                    ),
                    (2, "the rule wants all three trainings; answer 1 for yes or 0 for no"),
                ),
            ),
        ),
        "two clear wins out of three are a hint, and not yet clearly better",
    ),
    "02.2": Exercise(
        (
            Question(
                "second",
                number,
                9_248,
                (
                    (9_216, "you left out the biases, one per filter"),
                    (
                        896,
                        "that is the first convolution, which reads 3 channels; this one reads 32",
                    ),
                    (320, "each filter goes through all 32 maps of the layer before"),
                    (10_272, "a filter has one bias in all, not one per map"),
                ),
            ),
            Question(
                "dense",
                number,
                1_180_160,
                (
                    (1_179_648, "you left out the biases, one per unit"),
                    (33_280, "Flatten keeps every number of the 6x6 maps, not one per map"),
                    (
                        2_097_664,
                        "only the first convolution of each module has same padding; the maps go "
                        "32, 32, 30, 15, 15, 13, 6",
                    ),
                    (
                        1_606_144,
                        "pooling 13 pixels leaves 6, not 7: the last one is dropped",
                    ),
                ),
            ),
            Question(
                "share",
                number,
                1_180_160 / 1_250_858,
                (
                    (100 * 1_180_160 / 1_250_858, "give the share as a fraction between 0 and 1"),
                    (
                        1_180_160 / (1_250_858 - 1_180_160),
                        "divide by all parameters, those of the dense layer included",
                    ),
                    (1_250_858 / 1_180_160, "a share is at most 1; divide the other way around"),
                ),
            ),
        ),
        "one dense layer holds more than nine tenths of the published network",
    ),
    "02.3": Exercise(
        (
            Question(
                "right",
                number,
                WANTED[0],
                (
                    (0.9, "the right class gets its part of the shared 0.1, too"),
                    (1, "that is the label before smoothing"),
                    (0.91 / 10, "don't divide the whole by the classes, only the 0.1"),
                ),
            ),
            Question(
                "other",
                number,
                WANTED[1],
                (
                    (0.1, "the 0.1 is shared by the classes"),
                    (0.1 / 9, "all ten classes share the 0.1, the right one included"),
                    (0, "that is the label before smoothing"),
                ),
            ),
            Question(
                "loss",
                number,
                SMALLEST_LOSS,
                (
                    (
                        0,
                        "zero would take a probability of 1 for every class that is asked for; the "
                        "best answer gives the smoothed labels themselves",
                    ),
                    (
                        -math.log(0.91),
                        "that is the loss without smoothing; each of the ten classes has a term, "
                        "weighted by its label",
                    ),
                    (
                        -0.91 * math.log(0.91),
                        "the nine other classes have a term each as well",
                    ),
                    (-SMALLEST_LOSS, "cross-entropy has a minus sign in front"),
                    (SMALLEST_LOSS / math.log(2), "use the natural logarithm, as Keras does"),
                ),
            ),
        ),
        "a loss of 0.5 is perfect under label smoothing, so don't compare it with others",
    ),
    "02.4": Exercise(
        (
            Question(
                "alternate",
                results_on(*((_IMAGES, _TOSSES, epoch) for epoch in (0, 1, 3, 4))),
                alternate,
                (
                    (
                        lambda images, first_flip, epoch: _flipped_where(images, first_flip),
                        "you flip the same images in every epoch; in odd epochs flip the others",
                    ),
                    (
                        lambda images, first_flip, epoch: _flipped_where(
                            images, np.full(len(images), epoch % 2 == 1)
                        ),
                        "you flip all images in odd epochs; `first_flip` says which half begins",
                    ),
                    (
                        lambda images, first_flip, epoch: _flipped_where(
                            images, first_flip | (epoch % 2 == 1)
                        ),
                        "in odd epochs you flip every image; those flipped before must come back",
                    ),
                    (
                        lambda images, first_flip, epoch: _flipped_where(
                            images, ~first_flip ^ (epoch % 2 == 1)
                        ),
                        "epoch 0 must flip the images for which `first_flip` is true",
                    ),
                    (
                        lambda images, first_flip, epoch: _flipped_where(
                            images, first_flip ^ (epoch % 2 == 1), 1
                        ),
                        "your images are upside down: rows are axis 1, columns are axis 2",
                    ),
                    (
                        lambda images, first_flip, epoch: _flipped_where(
                            images, first_flip ^ (epoch % 2 == 1), 3
                        ),
                        "you swapped red and blue: colors are axis 3, columns are axis 2",
                    ),
                    (lambda images, first_flip, epoch: images, "your images are never flipped"),
                ),
            ),
        ),
        "after two epochs every image has been seen from both sides",
    ),
    "02.5": Exercise(
        (
            Question(
                "most_confused",
                results_on(*[(matrix,) for matrix in _MATRICES]),
                most_confused,
                (
                    (
                        lambda matrix: np.unravel_index(matrix.argmax(), matrix.shape),
                        "the largest count of all is on the diagonal, where nothing is confused",
                    ),
                    (
                        lambda matrix: most_confused(matrix)[::-1],
                        "row and column are swapped: rows are the true classes",
                    ),
                    (
                        lambda matrix: most_confused(-matrix),
                        "that is the rarest confusion",
                    ),
                    (
                        lambda matrix: matrix[tuple(most_confused(matrix))],
                        "that is how often it happens; return row and column",
                    ),
                ),
            ),
        ),
        "with the diagonal set aside, a confusion matrix tells you where to look",
    ),
    "02.6": Exercise(
        (
            Question(
                "saved",
                number,
                4_520,
                (
                    (1_250, "that is what is left; the difference is asked for"),
                    (5_770, "that is the head with Flatten; subtract the new one"),
                    (4_528, "the eight filters of the 1x1 convolution have a bias each"),
                    (5_120, "that is what global pooling saves; here the nine places stay"),
                ),
            ),
            Question(
                "head",
                keras_model,
                When(
                    lambda m: (
                        _squeeze(m) is not None
                        and "Flatten" in _kinds(m)
                        and m.count_params() == 1_250
                        and m.output_shape == (None, 10)
                        and activation_of(m.layers[-1]) == "softmax"
                        and m.input_shape == (None, 3, 3, 64)
                        and _has_relu(m)
                    )
                ),
                (
                    (
                        When(lambda m: m.input_shape != (None, 3, 3, 64)),
                        "the head must begin with the maps: `keras.Input((3, 3, 64))`",
                    ),
                    (
                        When(lambda m: any(kind.startswith("Global") for kind in _kinds(m))),
                        "global pooling forgets the position; squeeze the channels instead",
                    ),
                    (
                        When(lambda m: _squeeze(m) is None),
                        "your head has no convolution that squeezes the 64 channels",
                    ),
                    (
                        When(lambda m: _squeeze(m).kernel_size != (1, 1)),
                        "your convolution is larger than 1x1; only the channels should be mixed",
                    ),
                    (
                        When(lambda m: _squeeze(m).filters != 8),
                        "squeeze to eight channels",
                    ),
                    (
                        When(lambda m: m.output_shape != (None, 10)),
                        "your head doesn't end in ten numbers per image; flatten, then add the "
                        "dense layer",
                    ),
                    (
                        When(lambda m: not _has_relu(m)),
                        "give the 1x1 convolution its ReLU",
                    ),
                    (
                        When(lambda m: m.count_params() != 1_250),
                        "your head has other layers with weights than the 1x1 convolution and the "
                        "dense layer of ten",
                    ),
                    (
                        When(lambda m: True),
                        "the ten numbers must be probabilities; give the last layer a softmax",
                    ),
                ),
            ),
        ),
        "a 1x1 convolution before `Flatten` keeps the nine places and saves most of the weights",
    ),
}
