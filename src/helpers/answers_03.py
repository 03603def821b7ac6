"""The answers to the exercises of chapter 03, and what the usual wrong ones reveal.

If you are a student: this page gives everything away.
"""

import operator
from collections.abc import Callable, Sequence

import numpy as np

from helpers.exercises import Exercise, Question, When, array, number, results_on

EPSILON = 0.001  # of Keras's BatchNormalization


def cross_entropy(labels: np.ndarray, dog: np.ndarray) -> np.ndarray:
    """Return the mean binary cross-entropy of probabilities of class 1, shape ()."""
    true = np.where(labels == 1, dog, 1 - dog)
    return np.asarray(-np.log(true).mean())


def stop(
    losses: Sequence[float],
    patience: int,
    better: Callable[[float, float], bool] = operator.lt,
) -> tuple[int, int]:
    """Return the epochs trained and the best epoch, counted from 1, as Keras's EarlyStopping."""
    best, best_epoch = np.inf, 0
    for epoch, loss in enumerate(losses, start=1):
        if better(loss, best):
            best, best_epoch = loss, epoch
        if epoch - best_epoch == patience:
            return epoch, best_epoch
    return len(losses), best_epoch


def _rises_in_a_row(losses: Sequence[float], patience: int) -> tuple[int, int]:
    rises = 0
    for epoch in range(1, len(losses)):
        rises = rises + 1 if losses[epoch] >= losses[epoch - 1] else 0
        if rises == patience:
            return epoch + 1, int(np.argmin(losses[: epoch + 1])) + 1
    return len(losses), int(np.argmin(losses)) + 1


def dropout(inputs: np.ndarray, kept: np.ndarray, rate: float) -> np.ndarray:
    """Return inputs with those switched off where ``kept`` is 0, the others scaled up."""
    result: np.ndarray = inputs * kept / (1 - rate)
    return result


def normalized(maps: np.ndarray, axes: int | tuple[int, ...] = (0, 1, 2)) -> np.ndarray:
    """Return maps of shape (N, H, W, C) with mean 0 and variance 1 over the given axes."""
    mean, variance = maps.mean(axis=axes, keepdims=True), maps.var(axis=axes, keepdims=True)
    result: np.ndarray = (maps - mean) / np.sqrt(variance + EPSILON)
    return result


def fingerprint(cells: np.ndarray) -> np.ndarray:
    """Return 56 zeros and ones: is a cell brighter than its left neighbor? Row by row."""
    return (cells[:, 1:] > cells[:, :-1]).astype(int).ravel()


_RANDOM = np.random.default_rng(3)
_CELLS = [_RANDOM.integers(0, 12, size=(8, 8)) for _ in range(3)]
_CURVES = [
    ([0.7, 0.6, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8], 3),
    ([0.7, 0.6, 0.65, 0.62, 0.64, 0.5, 0.4], 3),
    ([0.9, 0.7, 0.8, 0.6, 0.7, 0.5, 0.6, 0.7, 0.65, 0.72], 4),
    ([0.7, 0.5, 0.6, 0.55, 0.58, 0.56, 0.59, 0.6], 4),
    ([0.7, 0.6, 0.5, 0.5, 0.5, 0.55, 0.6], 3),
    ([0.9, 0.8, 0.7, 0.65, 0.7], 3),
]

EXERCISES = {
    "03.1": Exercise(
        (
            Question(
                "last",
                number,
                7,
                (
                    (9, "you forgot that a 3x3 window without padding costs two pixels"),
                    (15, "that is the side before the last pooling"),
                    (8, "a pooling without padding drops an odd last pixel; round down"),
                    (49, "that is the number of cells in a map; its side is asked for"),
                ),
            ),
            Question(
                "features",
                number,
                6_272,
                (
                    (49, "that is one map; the last convolution makes 128 of them"),
                    (128, "that is what global pooling would leave; `Flatten` keeps every cell"),
                    (896, "you counted one row of each map; a map has 7 x 7 cells"),
                    (10_368, "you forgot the borders, and got maps of 9 x 9"),
                ),
            ),
            Question(
                "dense",
                number,
                3_211_776,
                (
                    (3_211_264, "you forgot the 512 biases"),
                    (6_784, "each unit has a weight for each of its inputs; multiply them"),
                    (66_048, "that is the layer after global pooling, with 128 inputs"),
                ),
            ),
        ),
        "nearly all parameters of the published network sit in one dense layer, which is also "
        "where it memorizes",
    ),
    "03.2": Exercise(
        (
            Question(
                "cross_entropy",
                results_on(
                    (np.array([1, 0, 1, 0]), np.array([0.9, 0.2, 0.4, 0.7])),
                    (np.array([0, 0, 1]), np.array([0.5, 0.01, 0.99])),
                ),
                cross_entropy,
                (
                    (
                        lambda y, p: cross_entropy(y, p) * len(y),
                        "you return the sum; the loss of a batch is the mean",
                    ),
                    (
                        lambda y, p: -cross_entropy(y, p),
                        "the sign is missing: logarithms of probabilities are negative",
                    ),
                    (
                        lambda y, p: cross_entropy(1 - y, p),
                        "the classes are swapped: `dog` is the probability of label 1",
                    ),
                    (
                        lambda y, p: -(y * np.log(p)).mean(),
                        "the cats cost nothing; for label 0 the true class got 1 - dog",
                    ),
                    (
                        lambda y, p: cross_entropy(y, p) / np.log(2),
                        "you used the logarithm to the base 2; take the natural one, `np.log`",
                    ),
                    (
                        lambda y, p: cross_entropy(y, p) / np.log(10),
                        "you used the logarithm to the base 10; take the natural one, `np.log`",
                    ),
                ),
            ),
            Question(
                "times",
                number,
                np.log(100) / np.log(2),
                (
                    (50, "that is the ratio of the probabilities; compare their logarithms"),
                    (
                        np.log(100) - np.log(2),
                        "that is the difference of the losses; their ratio is asked for",
                    ),
                    (np.log(2) / np.log(100), "you divided the wrong way around"),
                    (np.log(100), "that is the larger loss; divide it by the smaller"),
                ),
            ),
        ),
        "you know what a sure mistake costs",
    ),
    "03.3": Exercise(
        (
            Question(
                "stop",
                results_on(*_CURVES),
                stop,
                (
                    (
                        lambda losses, patience: (len(losses), int(np.argmin(losses)) + 1),
                        "you look at the whole curve, but the training doesn't know the future",
                    ),
                    (
                        lambda losses, patience: stop(losses, 1),
                        "you stop at the first epoch that isn't better; use the patience",
                    ),
                    (
                        lambda losses, patience: stop(losses, patience + 1),
                        "you wait one epoch too long",
                    ),
                    (
                        lambda losses, patience: tuple(n - 1 for n in stop(losses, patience)),
                        "you count epochs from 0; count from 1",
                    ),
                    (
                        lambda losses, patience: stop(losses, patience)[::-1],
                        "the two numbers are swapped; first the epochs trained, then the best",
                    ),
                    (
                        lambda losses, patience: stop(losses, patience, operator.le),
                        "you count a tie with the best loss so far as better; it must be lower",
                    ),
                    (
                        _rises_in_a_row,
                        "you compare each epoch with the one before; compare it with the best so "
                        "far, or a bumpy curve never ends",
                    ),
                ),
            ),
        ),
        "you have written the core of `EarlyStopping`",
    ),
    "03.4": Exercise(
        (
            Question(
                "dropout",
                results_on(
                    (np.array([4.0, 2.0, 1.0, 8.0]), np.array([1, 0, 0, 1]), 0.5),
                    (np.arange(10.0), np.array([1, 1, 0, 1, 1, 1, 1, 0, 1, 1]), 0.2),
                ),
                dropout,
                (
                    (
                        lambda x, kept, rate: x * kept,
                        "the sum of what is left is too small; scale it up",
                    ),
                    (
                        lambda x, kept, rate: x * kept / rate,
                        "you divide by the share that was switched off; divide by the share "
                        "that is left",
                    ),
                    (
                        lambda x, kept, rate: x * kept * (1 - rate),
                        "that makes the sum smaller still; divide by the share that is left",
                    ),
                    (
                        lambda x, kept, rate: x * (1 - kept) / (1 - rate),
                        "you switched off the units that should stay",
                    ),
                ),
            ),
        ),
        "the sum stays the same on average, so nothing needs to change when the network predicts",
    ),
    "03.5": Exercise(
        (
            Question(
                "normalize",
                results_on(
                    (_RANDOM.normal(3, 2, size=(4, 3, 5, 2)),),
                    (_RANDOM.normal(-1, 0.5, size=(2, 6, 2, 3)),),
                ),
                normalized,
                (
                    (
                        lambda x: normalized(x, (1, 2)),
                        "you normalize every image by itself; take the mean over the batch, too",
                    ),
                    (
                        lambda x: normalized(x, 0),
                        "you normalize every position by itself; a channel has one mean for all "
                        "its positions",
                    ),
                    (
                        lambda x: normalized(x, (0, 1, 2, 3)),
                        "you take one mean for all channels together; each has its own",
                    ),
                    (
                        lambda x: normalized(x, 3),
                        "you take the mean over the channels; that is layer normalization",
                    ),
                    (
                        lambda x: x - x.mean(axis=(0, 1, 2)),
                        "the mean is right; now divide by the standard deviation",
                    ),
                    (
                        lambda x: (x - x.mean(axis=(0, 1, 2))) / (x.var(axis=(0, 1, 2)) + EPSILON),
                        "you divide by the variance; divide by its square root",
                    ),
                    (
                        lambda x: (x - x.mean(axis=(0, 1, 2))) / x.std(axis=(0, 1, 2)),
                        "nearly: add 0.001 to the variance, so that a constant channel doesn't "
                        "divide by zero",
                    ),
                ),
            ),
        ),
        "each channel has one mean and one variance, over the whole batch and all positions",
    ),
    "03.6": Exercise(
        (
            Question(
                "fingerprint",
                results_on(*((cells,) for cells in _CELLS)),
                fingerprint,
                (
                    (
                        lambda c: (c[:, 1:] < c[:, :-1]).astype(int).ravel(),
                        "you ask whether a cell is darker than its neighbor; turn the sign around",
                    ),
                    (
                        lambda c: (c[1:] > c[:-1]).astype(int).ravel(),
                        "you compare each cell with the one above; compare it with the one on its "
                        "left",
                    ),
                    (
                        lambda c: (c > c.mean()).astype(int).ravel(),
                        "you compare with the mean of the image; compare with the left neighbor, "
                        "so that there are 56 answers",
                    ),
                    (
                        lambda c: (c[:, 1:] >= c[:, :-1]).astype(int).ravel(),
                        "two equal cells should answer 0; ask for brighter, not for as bright",
                    ),
                    (
                        lambda c: (c[:, 1:] > c[:, :-1]).astype(int),
                        "put the 56 answers in one row, with `.ravel()`",
                    ),
                ),
            ),
            Question(
                "pairs",
                number,
                1_999_000,
                (
                    (4_000_000, "you compare every image with itself, and every pair twice"),
                    (3_998_000, "you count every pair twice: A with B, and B with A"),
                    (2_000_000, "you compare half of all with all; leave each image itself out"),
                    (2_001_000, "you compare every image with itself, too"),
                ),
            ),
        ),
        "a fingerprint makes two million comparisons cheap",
    ),
    "03.7": Exercise(
        (
            Question(
                "accuracies",
                array(2, 2),
                When(
                    lambda a: (
                        a.min() >= 0
                        and a.max() <= 1
                        and a[:, 0].min() > 0.6
                        and a[1, 1] > a[0, 1] + 0.01
                        and a[0, 0] - a[0, 1] > a[1, 0] - a[1, 1]
                    )
                ),
                (
                    (
                        When(lambda a: a.max() > 1 or a.min() < 0),
                        "accuracies lie between 0 and 1; don't turn them into percent",
                    ),
                    (
                        When(lambda a: a.max() < 0.6),
                        "a trained network does better than a coin on its training images; give "
                        "it all its epochs",
                    ),
                    (
                        When(lambda a: np.ptp(a) < 0.01),
                        "all four numbers are the same; measure on training and on test images, "
                        "after each of two trainings",
                    ),
                    (
                        When(lambda a: (a[:, 0] < a[:, 1]).all()),
                        "the columns seem to be swapped; first the training images, then the "
                        "test images",
                    ),
                    (
                        When(lambda a: a[0, 1] > a[1, 1]),
                        "the rows seem to be swapped; first 40 drawings, then 400",
                    ),
                    (
                        When(lambda a: True),
                        "with more images the gap should shrink; start each training from a new "
                        "network and the same seed",
                    ),
                ),
            ),
        ),
        "more images close the gap between what the network knows and what it can do",
    ),
}
