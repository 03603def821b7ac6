"""The answers to the exercises of chapter 06, and what the usual wrong ones reveal.

If you are a student: this page gives everything away.
"""

from collections.abc import Callable

import numpy as np

from helpers.exercises import Exercise, Question, array, number, results_on

# 06.1: Grad-CAM on paper
MAPS = np.array([[[1, 0], [2, 3]], [[4, 1], [0, 2]]])
SLOPES = np.array([[[1, 1], [2, 0]], [[-2, 0], [-1, -1]]])


def weighted(weights: np.ndarray) -> np.ndarray:
    """Return the sum of the two maps of exercise 06.1 with weights, cut at zero."""
    return np.maximum(np.einsum("k,kij->ij", weights, MAPS), 0)


def rivals(masks: np.ndarray) -> np.ndarray:
    """Return hit rates for masks (N, H, W): a random pixel, the center, the best fixed pixel."""
    height, width = masks.shape[1:]
    center = masks[:, height // 2, width // 2].mean()
    return np.array([masks.mean(), center, masks.mean(axis=0).max()])


def _no_fixed_pixel(masks: np.ndarray) -> np.ndarray:
    return np.array([*rivals(masks)[:2], masks.max(axis=(1, 2)).mean()])


def _counts_instead(masks: np.ndarray) -> np.ndarray:
    return rivals(masks) * [masks.size, len(masks), len(masks)]


def _another_order(masks: np.ndarray) -> np.ndarray:
    return rivals(masks)[[1, 0, 2]]


def _masks() -> list[tuple[np.ndarray]]:
    random = np.random.default_rng(3)
    likelihood = np.indices((8, 10)).sum(axis=0) / 24
    return [(random.random((number, 8, 10)) < likelihood,) for number in (6, 11)]


def flips(
    predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray, changed: np.ndarray
) -> np.ndarray:
    """Return the share of images whose most likely class differs after a change."""
    answers = (predict(each).argmax(axis=1) for each in (images, changed))
    first, second = answers
    return np.asarray((first != second).mean())


def _probabilities_moved(
    predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray, changed: np.ndarray
) -> np.ndarray:
    return np.asarray(np.abs(predict(images) - predict(changed)).mean())


def _counted(
    predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray, changed: np.ndarray
) -> np.ndarray:
    return flips(predict, images, changed) * len(images)


def _still_the_same(
    predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray, changed: np.ndarray
) -> np.ndarray:
    return 1 - flips(predict, images, changed)


def _predict(images: np.ndarray) -> np.ndarray:
    """Stand for a network: the class probabilities depend on the mean of an image."""
    bright = np.asarray(images, float).mean(axis=(1, 2, 3)) / 255
    return np.stack([1 - bright, bright], axis=1)


def _changes() -> list[tuple[Callable[[np.ndarray], np.ndarray], np.ndarray, np.ndarray]]:
    random = np.random.default_rng(5)
    images = random.integers(0, 256, (9, 2, 2, 3))
    return [
        (_predict, images, random.integers(0, 256, images.shape)),
        (_predict, images, np.roll(images, 1, axis=0)),
        (_predict, images, images.copy()),
    ]


def uphill(picture: np.ndarray, slope: np.ndarray, length: float) -> np.ndarray:
    """Return a picture after one step of a length along its slope, kept within 0 to 255."""
    return np.clip(_not_clipped(picture, slope, length), 0, 255)


def _not_divided(picture: np.ndarray, slope: np.ndarray, length: float) -> np.ndarray:
    return np.clip(picture + length * slope, 0, 255)


def _downhill(picture: np.ndarray, slope: np.ndarray, length: float) -> np.ndarray:
    return uphill(picture, -slope, length)


def _not_clipped(picture: np.ndarray, slope: np.ndarray, length: float) -> np.ndarray:
    return picture + length * slope / (np.sqrt((slope**2).sum()) + 1e-12)


def _by_the_largest(picture: np.ndarray, slope: np.ndarray, length: float) -> np.ndarray:
    return np.clip(picture + length * slope / (np.abs(slope).max() + 1e-12), 0, 255)


def _steps() -> list[tuple[np.ndarray, np.ndarray, float]]:
    random = np.random.default_rng(6)
    return [
        (random.uniform(0, 255, (4, 5, 3)), random.normal(0, spread, (4, 5, 3)), length)
        for spread, length in ((0.01, 60.0), (3.0, 400.0), (0.0, 60.0))
    ]


EXERCISES = {
    "06.1": Exercise(
        (
            Question(
                "heat",
                array(2, 2),
                weighted(np.array([1, -1])),
                (
                    (
                        MAPS[0] - MAPS[1],
                        "the weights are right; now keep only what speaks for the class",
                    ),
                    (
                        np.maximum((SLOPES * MAPS).sum(axis=0), 0),
                        "each value was multiplied by its own slope; Grad-CAM first averages the "
                        "slopes of a map into one weight",
                    ),
                    (
                        weighted(np.array([4, -4])),
                        "the slopes were added up; a weight is their mean over the positions",
                    ),
                    (
                        MAPS.sum(axis=0),
                        "every map counts the same in your sum; weigh each with the mean of its "
                        "slopes",
                    ),
                    (
                        weighted(np.array([-1, 1])),
                        "the signs are swapped; the first map has a positive mean slope",
                    ),
                ),
            ),
        ),
        "one mean slope per map, a weighted sum, and nothing below zero: that is Grad-CAM",
    ),
    "06.2": Exercise(
        (
            Question(
                "covers",
                number,
                25,
                (
                    (5, "that is one axis; the patch moves down as well"),
                    (36, "the last patch must still fit into the image"),
                    (16, "you counted the steps; there is one position more than steps per axis"),
                    (9, "that is for a stride as long as the patch; here patches overlap"),
                    (26, "the image without a cover is needed too, but only covers are asked for"),
                ),
            ),
            Question(
                "finer",
                number,
                81,
                (
                    (50, "half the stride means about twice as many positions along each axis"),
                    (100, "twice 5 is 10, but the last one wouldn't fit: count the positions"),
                    (9, "that is one axis; the patch moves down as well"),
                    (64, "you counted the steps; there is one position more than steps per axis"),
                    (144, "the last patch must still fit into the image"),
                ),
            ),
        ),
        "halving the stride makes occlusion more than three times as expensive, while Grad-CAM "
        "costs one pass",
    ),
    "06.3": Exercise(
        (
            Question(
                "rivals",
                results_on(*_masks()),
                rivals,
                (
                    (
                        _no_fixed_pixel,
                        "the third rival chose a new pixel for every image; it must keep the same "
                        "one, so average over the images before you take the maximum",
                    ),
                    (_counts_instead, "these are counts; divide by how many there are"),
                    (_another_order, "the order is: random pixel, center, best fixed pixel"),
                ),
            ),
        ),
        "your rivals are ready, and a heat map has to beat all three",
    ),
    "06.4": Exercise(
        (
            Question(
                "shares",
                array(2),
                [8, 4],
                (
                    (
                        [12, 4],
                        "that is the gradient at the end of the path; average along the path",
                    ),
                    (
                        [24, 12],
                        "that is gradient times input at the end of the path; average the gradient "
                        "along the path first",
                    ),
                    (
                        [4, 4 / 3],
                        "these are averaged gradients; multiply each by how far its input moved",
                    ),
                    ([6, 6], "they add up to 12, but nothing says that the inputs share equally"),
                    ([4, 8], "the shares are swapped; the first belongs to the squared input"),
                ),
            ),
            Question(
                "total",
                number,
                12,
                (
                    (16, "the gradient's entries don't add up to anything; the shares do"),
                    (36, "gradient times input overshoots; the shares add up to f(2, 3) - f(0, 0)"),
                ),
            ),
        ),
        "the shares add up to the whole difference, and no other method of the chapter can say so",
    ),
    "06.5": Exercise(
        (
            Question(
                "flips",
                results_on(*_changes()),
                flips,
                (
                    (
                        _probabilities_moved,
                        "that is how far the probabilities moved; the question is how many "
                        "answers, the most likely classes, changed",
                    ),
                    (_counted, "that is a count; divide by the number of images"),
                    (_still_the_same, "that is the share of answers that stayed the same"),
                ),
            ),
        ),
        "with this you can test a suspicion without a single label",
    ),
    "06.6": Exercise(
        (
            Question(
                "uphill",
                results_on(*_steps()),
                uphill,
                (
                    (
                        _not_divided,
                        "the step is as long as the slope happens to be; divide the slope by its "
                        "L2 norm, the root of the sum of its squares",
                    ),
                    (_downhill, "that goes downhill; add the step instead of taking it away"),
                    (_not_clipped, "some values leave the range of pixels; clip to 0 and 255"),
                    (
                        _by_the_largest,
                        "you divided by the largest entry; the L2 norm is the root of the sum of "
                        "all squares",
                    ),
                ),
            ),
        ),
        "your step has the same length for every channel, whatever its gradient",
    ),
}
