"""The answers to the exercises of chapter 01, and what the usual wrong ones reveal.

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

# 01.1: a filter for slanted strokes. Strokes are three pixels wide, like those of the digits.
_ROWS, _COLUMNS = np.indices((15, 15))
STROKES = {
    "leaning right": np.abs(_ROWS + _COLUMNS - 14) <= 1,
    "leaning left": np.abs(_ROWS - _COLUMNS) <= 1,
    "vertical": np.abs(_COLUMNS - 7) <= 1,
    "horizontal": np.abs(_ROWS - 7) <= 1,
}

# 01.3: two layers that are only one
FIRST = np.array([[1, 2, 0], [0, 1, 0], [0, 0, -1]])
SECOND = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 2]])


def slide(image: Any, kernel: Any) -> np.ndarray:
    """Return the map of one kernel on one image: stride 1, valid padding, kernel not flipped."""
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(image, float), np.shape(kernel))
    result: np.ndarray = (windows * kernel).sum(axis=(2, 3))
    return result


def strongest(kernel: np.ndarray) -> str:
    """Return the stroke to which a kernel gives its largest response, "" if two are equal."""
    responses = {name: slide(stroke, kernel).max() for name, stroke in STROKES.items()}
    first, second = sorted(responses, key=lambda name: -responses[name])[:2]
    return first if responses[first] > responses[second] + 1e-6 else ""


def merged(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the kernel that does the work of ``first`` followed by ``second``."""
    height, width = first.shape
    both = np.zeros((height + second.shape[0] - 1, width + second.shape[1] - 1))
    for (row, column), weight in np.ndenumerate(second):
        both[row : row + height, column : column + width] += weight * first
    return both


def _with_and_without_relu(image: np.ndarray) -> tuple[float, float]:
    inner = slide(image, FIRST)
    return slide(np.maximum(inner, 0), SECOND).item(), slide(inner, SECOND).item()


def moved(images: np.ndarray, pixels: int) -> np.ndarray:
    """Return images of shape (N, H, W, 1) moved to the right, with black filled in on the left."""
    result = np.zeros_like(images)
    result[:, :, pixels:] = images[:, :, : images.shape[2] - pixels]
    return result


def weight_gradient(
    image: np.ndarray, output_gradient: np.ndarray, window: int, stride: int
) -> np.ndarray:
    """Return the gradient of the weights of a convolution with a stride, shape (window, window)."""
    height, width = output_gradient.shape
    result = np.zeros((window, window))
    for i, j in np.ndindex(window, window):
        met = image[i : i + stride * height : stride, j : j + stride * width : stride]
        result[i, j] = (met[:height, :width] * output_gradient).sum()
    return result


def _stride_forgotten(
    image: np.ndarray, output_gradient: np.ndarray, window: int, stride: int
) -> np.ndarray:
    return weight_gradient(image, output_gradient, window, 1)


def _stride_on_the_weights(
    image: np.ndarray, output_gradient: np.ndarray, window: int, stride: int
) -> np.ndarray:
    height, width = output_gradient.shape
    result = np.zeros((window, window))
    for i, j in np.ndindex(window, window):
        top, left = min(i * stride, len(image) - height), min(j * stride, image.shape[1] - width)
        met = image[top : top + height, left : left + width]
        result[i, j] = (met * output_gradient).sum()
    return result


def _gradient_cases() -> list[tuple[np.ndarray, np.ndarray, int, int]]:
    random = np.random.default_rng(8)
    return [
        (random.normal(size=(9, 8)), random.normal(size=(4, 3)), 3, 2),
        (random.normal(size=(6, 7)), random.normal(size=(4, 5)), 3, 1),
        (random.normal(size=(11, 10)), random.normal(size=(4, 3)), 2, 3),
    ]


def _kinds(model: Any) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


_DIGITS = np.random.default_rng(7).integers(1, 255, size=(3, 6, 6, 1))

EXERCISES = {
    "01.1": Exercise(
        (
            Question(
                "kernel",
                array(3, 3),
                When(lambda k: abs(k.sum()) < 1e-6 and strongest(k) == "leaning right"),
                (
                    (When(lambda k: not k.any()), "a kernel of zeros answers to nothing at all"),
                    (
                        When(
                            lambda k: (
                                k[[2, 1, 0], [0, 1, 2]].sum() < 0
                                and strongest(-k) == "leaning right"
                            )
                        ),
                        "your kernel is darkest where it should be brightest; change the sign of "
                        "every weight",
                    ),
                    (
                        When(lambda k: strongest(k) == "leaning left"),
                        "your kernel is strongest on strokes that lean to the left; row 0 is at "
                        "the top, so mirror it",
                    ),
                    (
                        When(lambda k: strongest(k) == "vertical"),
                        "your kernel is strongest on vertical strokes; put the large weights on "
                        "the diagonal instead of in one column",
                    ),
                    (
                        When(lambda k: strongest(k) == "horizontal"),
                        "your kernel is strongest on horizontal strokes; put the large weights on "
                        "the diagonal instead of in one row",
                    ),
                    (
                        When(lambda k: abs(k.sum()) >= 1e-6),
                        "the weights don't add up to zero, so the kernel also answers to plain "
                        "bright areas; make the other weights negative",
                    ),
                    (
                        When(lambda k: True),
                        "your kernel answers to another stroke just as strongly; give the diagonal "
                        "from bottom left to top right the largest weights",
                    ),
                ),
            ),
        ),
        "your kernel picks out strokes that lean to the right, and its weights cancel on plain "
        "areas",
    ),
    "01.2": Exercise(
        (
            Question(
                "valid",
                number,
                109,
                (
                    (109.5, "half a position doesn't exist; round down before you add 1"),
                    (110, "you rounded up, but the window must stay inside; round down"),
                    (108, "you counted the steps; there is one position more than steps"),
                    (108.5, "you counted the steps; round down, and add the first position"),
                    (218, "that is the size with stride 1; divide the steps by the stride"),
                    (112, "that is the size with same padding; valid padding adds no zeros"),
                ),
            ),
            Question(
                "same",
                number,
                112,
                (
                    (224, "same padding keeps the size only at stride 1, and here the stride is 2"),
                    (109, "that is the size without padding; same padding adds zeros first"),
                    (112.5, "half a position doesn't exist; round down"),
                    (113, "you rounded up twice; with same padding it is the size over the stride"),
                    (111, "you counted the steps; there is one position more than steps"),
                ),
            ),
            Question(
                "last",
                number,
                3,
                (
                    (7, "you halved the size twice but forgot that each 3x3 window costs 2 pixels"),
                    (4, "the second pooling meets 11 pixels; without padding it drops the last"),
                    (5, "that is the size before the third convolution"),
                    (9, "that is the number of pixels in one map; its side is asked for"),
                    (22, "you left out the two poolings, which halve the size"),
                ),
            ),
        ),
        "you can size every layer of this chapter on paper",
    ),
    "01.3": Exercise(
        (
            Question(
                "merged",
                array(),
                merged(FIRST, SECOND),
                (
                    (
                        FIRST * SECOND,
                        "two 3x3 windows on top of each other see 5x5 pixels, so a product of the "
                        "kernels, weight by weight, is too small",
                    ),
                    (
                        FIRST + SECOND,
                        "adding the kernels is what two layers side by side would do; these follow "
                        "one another",
                    ),
                    (
                        FIRST @ SECOND,
                        "a matrix product is for dense layers; a convolution slides, so each "
                        "weight of `second` moves a whole copy of `first`",
                    ),
                    (
                        merged(FIRST, SECOND[::-1, ::-1]),
                        "one of the kernels is turned by 180 degrees; weight [row, column] of "
                        "`second` must move `first` down by row and right by column",
                    ),
                    (
                        merged(FIRST[::-1, ::-1], SECOND),
                        "one of the kernels is turned by 180 degrees; weight [row, column] of "
                        "`second` must move `first` down by row and right by column",
                    ),
                ),
            ),
            Question(
                "image",
                array(5, 5),
                When(lambda x: np.diff(_with_and_without_relu(x)).item() != 0),
                (
                    (
                        When(lambda x: not x.any()),
                        "on a black image every map is zero, so the ReLU changes nothing",
                    ),
                    (
                        When(lambda x: (slide(x, FIRST) >= 0).all()),  # type: ignore[arg-type,return-value]
                        "on your image the first map has no negative number, so the ReLU has "
                        "nothing to cut off",
                    ),
                    (
                        When(lambda x: True),
                        "the first map has negative numbers, but the second kernel has weight 0 "
                        "there, so nobody notices that the ReLU cut them off",
                    ),
                ),
            ),
        ),
        "without an activation two layers are one, and a single ReLU between them breaks that",
    ),
    "01.4": Exercise(
        (
            Question(
                "field",
                number,
                20,
                (
                    (11, "you left out the strides; after a pooling every step counts double"),
                    (15, "you added up the windows; each adds its size minus 1, times the strides"),
                    (12, "that is the field before the last convolution"),
                    (17, "the two poolings have a window too, and add to the field themselves"),
                    (23, "a layer's own stride makes only the steps of later layers longer"),
                ),
            ),
            Question(
                "layers_needed",
                number,
                14,
                (
                    (13, "13 layers see 27 pixels, one short"),
                    (13.5, "half a layer can't be built; round up"),
                    (9, "the windows overlap: each layer adds 2 pixels, not 3"),
                    (10, "the windows overlap: each layer adds 2 pixels, not 3"),
                    (28, "each layer adds 2 pixels, one on either side"),
                ),
            ),
        ),
        "three convolutions and two poolings see 20 pixels, and without pooling it takes 14 layers "
        "to see a digit",
    ),
    "01.5": Exercise(
        (
            Question(
                "first",
                number,
                896,
                (
                    (864, "you left out the biases, one per filter"),
                    (320, "each filter goes through all three color channels, not through one"),
                    (288, "each filter goes through all three channels, and has a bias"),
                    (960, "a filter has one bias in all, not one per channel"),
                    (28, "that is one filter; the layer has 32 of them"),
                ),
            ),
            Question(
                "second",
                number,
                18_496,
                (
                    (18_432, "you left out the biases, one per filter"),
                    (640, "each filter goes through all 32 maps of the layer before"),
                    (576, "each filter goes through all 32 maps of the layer before"),
                    (18_464, "the biases belong to the 64 new filters, not to the 32 maps before"),
                    (1_792, "the second layer sees 32 maps, and no longer the 3 color channels"),
                ),
            ),
            Question(
                "dense",
                number,
                23_050,
                (
                    (23_040, "you left out the biases, one per class"),
                    (650, "Flatten keeps every number of the 6x6 maps, not one per map"),
                    (31_370, "pooling 13 pixels leaves 6, not 7: the last one is dropped"),
                    (40_970, "without padding the maps shrink: 32, 30, 15, 13, 6"),
                    (108_170, "the second pooling halves the maps before Flatten sees them"),
                ),
            ),
        ),
        "the single dense layer at the end has more parameters than both convolutions together",
    ),
    "01.6": Exercise(
        (
            Question(
                "saved",
                number,
                5_120,
                (
                    (5_770, "that is the head with Flatten; subtract the head with pooling"),
                    (650, "that is what is left; the difference is asked for"),
                    (5_130, "both heads have ten biases, so these cancel"),
                    (5_110, "both heads have ten biases, so these cancel"),
                    (
                        8,
                        "pooling leaves one number per map instead of nine, but each of these "
                        "numbers has a weight for every class",
                    ),
                    (
                        512,
                        "each of the numbers that pooling saves has a weight for all ten classes",
                    ),
                ),
            ),
            Question(
                "model",
                keras_model,
                When(
                    lambda m: (
                        "GlobalAveragePooling2D" in _kinds(m)
                        and "Flatten" not in _kinds(m)
                        and m.output_shape == (None, 10)
                        and m.count_params() == 23_946
                        and activation_of(m.layers[-1]) == "softmax"
                    )
                ),
                (
                    (
                        When(lambda m: "Flatten" in _kinds(m)),
                        "your model still has a Flatten layer; the pooling takes its place",
                    ),
                    (
                        When(lambda m: "GlobalMaxPooling2D" in _kinds(m)),
                        "your model keeps the maximum of each map; the mean is asked for",
                    ),
                    (
                        When(lambda m: "GlobalAveragePooling2D" not in _kinds(m)),
                        "your model has no GlobalAveragePooling2D layer",
                    ),
                    (
                        When(lambda m: m.output_shape != (None, 10)),
                        "your model doesn't end in ten numbers, one per digit; add the dense layer",
                    ),
                    (
                        When(lambda m: m.count_params() != 23_946),
                        "your model has another number of parameters than the three convolutions "
                        "and the new head need; change only the head",
                    ),
                    (
                        When(lambda m: True),
                        "the ten numbers must be probabilities; give the last layer a softmax",
                    ),
                ),
            ),
        ),
        "pooling the maps leaves a ninth of the weights in the head",
    ),
    "01.7": Exercise(
        (
            Question(
                "moved",
                results_on((_DIGITS, 0), (_DIGITS, 2), (_DIGITS, 5)),
                moved,
                (
                    (
                        lambda images, pixels: np.roll(images, pixels, axis=2),
                        "what leaves on the right comes back on the left; fill up with zeros",
                    ),
                    (
                        lambda images, pixels: np.roll(images, pixels, axis=0),
                        "axis 0 counts the images, so you gave each digit another one's label; "
                        "columns are axis 2",
                    ),
                    (
                        lambda images, pixels: np.roll(images, pixels, axis=1),
                        "axis 1 counts the rows, so your digits move down; columns are axis 2",
                    ),
                    (
                        lambda images, pixels: moved(images.swapaxes(1, 2), pixels).swapaxes(1, 2),
                        "axis 1 counts the rows, so your digits move down; columns are axis 2",
                    ),
                    (
                        lambda images, pixels: moved(images[:, :, ::-1], pixels)[:, :, ::-1],
                        "your digits move to the left; column 0 is on the left",
                    ),
                    (
                        lambda images, pixels: images,
                        "your digits don't move; return the new array instead of the old one",
                    ),
                ),
            ),
            Question(
                "accuracies",
                array(2, 7),
                When(
                    lambda a: (
                        a.max() <= 1
                        and a[:, 0].min() > 0.7
                        and np.ptp(a, axis=1).min() > 0.02
                        and a[0, 4] < a[1, 4]
                        and a[0, 4] < 0.5 * a[0, 0]
                    )
                ),
                (
                    (
                        When(lambda a: a.max() > 1),
                        "accuracies lie between 0 and 1; did you store percentages or the loss?",
                    ),
                    (
                        When(lambda a: a[:, 0].min() <= 0.7),
                        "a trained model reads more of the unmoved digits; is each model trained, "
                        "and does column 0 hold the digits where they were?",
                    ),
                    (
                        When(lambda a: np.ptp(a, axis=1).min() <= 0.02),
                        "one model does equally well however far the digits move; did you evaluate "
                        "it on the moved digits?",
                    ),
                    (
                        When(lambda a: a[0, 4] > a[1, 4]),
                        "the linear classifier does better than LeNet at four pixels; are the rows "
                        "in the right order, linear first?",
                    ),
                ),
            ),
        ),
        "four pixels cost the linear classifier more than half of what it could read, and LeNet "
        "less",
    ),
    "01.8": Exercise(
        (
            Question(
                "weight_gradient",
                results_on(*_gradient_cases()),
                weight_gradient,
                (
                    (
                        _stride_forgotten,
                        "you go over the image pixel by pixel; weight (i, j) meets only every "
                        "stride-th pixel from (i, j) on",
                    ),
                    (
                        _stride_on_the_weights,
                        "the stride belongs to the positions of the window, not to the weights: "
                        "start at (i, j) and step by the stride",
                    ),
                    (
                        lambda x, g, f, s: weight_gradient(x, g, f, s) / g.size,
                        "a shared weight gets the sum over its positions, not the mean",
                    ),
                    (
                        lambda x, g, f, s: weight_gradient(x, g, f, s)[::-1, ::-1],
                        "the result is turned by 180 degrees; only the gradient of the image needs "
                        "the flipped kernel",
                    ),
                    (
                        lambda x, g, f, s: weight_gradient(x, g, f, s).T,
                        "rows and columns are swapped; i counts rows",
                    ),
                ),
            ),
        ),
        "a stride changes which pixels a weight meets, and nothing else",
    ),
}
