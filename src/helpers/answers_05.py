"""The answers to the exercises of chapter 05, and what the usual wrong ones reveal.

If you are a student: this page gives everything away.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.exercises import Exercise, Question, When, array, keras_model, number, results_on

# 05.2: the layers of the network, and which of them are to be trained after "conv1".
OPEN = {
    "conv0": False,
    "conv1": False,
    "norm1": False,
    "conv2": True,
    "norm2": False,
    "pool": True,
    "head": True,
}


def layer_rates(count: int, top: float, factor: float) -> np.ndarray:
    """Return a rate per layer, first to last: the last is ``top``, each earlier one less."""
    rates: np.ndarray = top / factor ** np.arange(count)[::-1].astype(float)
    return rates


def _growing(count: int, top: float, factor: float) -> np.ndarray:
    return layer_rates(count, top, factor)[::-1]


def _multiplied(count: int, top: float, factor: float) -> np.ndarray:
    return layer_rates(count, top, 1 / factor)


def _subtracted(count: int, top: float, factor: float) -> np.ndarray:
    return top - factor * np.arange(count)[::-1]


def _begun_below(count: int, top: float, factor: float) -> np.ndarray:
    return layer_rates(count, top / factor, factor)


def ratio(first: np.ndarray, second: np.ndarray) -> float:
    """Return by how many standard deviations ``first`` is ahead of ``second``, after McNemar."""
    ahead, behind = np.sum(first & ~second), np.sum(second & ~first)
    return float((ahead - behind) / np.sqrt(ahead + behind))


def _unsigned(first: np.ndarray, second: np.ndarray) -> float:
    return abs(ratio(first, second))


def _swapped(first: np.ndarray, second: np.ndarray) -> float:
    return -ratio(first, second)


def _squared(first: np.ndarray, second: np.ndarray) -> float:
    return ratio(first, second) ** 2


def _not_rooted(first: np.ndarray, second: np.ndarray) -> float:
    return float((first.sum() - second.sum()) / np.sum(first != second))


def _unpaired(first: np.ndarray, second: np.ndarray) -> float:
    shares = first.mean(), second.mean()
    error = np.sqrt(sum(share * (1 - share) for share in shares) / len(first))
    return float((shares[0] - shares[1]) / error)


def _answers(*counts: int) -> tuple[np.ndarray, np.ndarray]:
    """Make the answers of two models: both right, only the first, only the second, neither."""
    first = np.repeat([True, True, False, False], counts)
    return first, np.repeat([True, False, True, False], counts)


def _flags(model: Any) -> dict[str, bool]:
    return {layer.name: bool(layer.trainable) for layer in model.layers if layer.name in OPEN}


def _matches(**flags: bool) -> Callable[[Any], bool]:
    return lambda model: all(_flags(model).get(name) == flag for name, flag in flags.items())


def _is_open(model: Any) -> bool:
    weighted = [name for name in OPEN if name != "pool"]
    found = _flags(model)
    return bool(model.trainable) and all(found.get(name) == OPEN[name] for name in weighted)


EXERCISES = {
    "05.1": Exercise(
        (
            Question(
                "head_only",
                number,
                330,
                (
                    (320, "you left out the biases, one per class"),
                    (5_610, "those are all weights; a frozen layer trains none of its own"),
                    (5_514, "those would be trained if nothing was frozen"),
                    (
                        426,
                        "a frozen batch normalization layer doesn't train its scale and shift "
                        "either",
                    ),
                ),
            ),
            Question(
                "top",
                number,
                4_970,
                (
                    (4_640, "you left out the head, which is trained as well"),
                    (
                        5_034,
                        "batch normalization stays frozen, so its scale and shift aren't trained",
                    ),
                    (
                        5_098,
                        "batch normalization stays frozen, so none of its four numbers per "
                        "channel is trained",
                    ),
                    (5_418, "the first convolution stays frozen"),
                    (4_928, "you left out the biases, of the convolution and of the head"),
                ),
            ),
            Question(
                "everything",
                number,
                5_514,
                (
                    (
                        5_610,
                        "the moving mean and variance of batch normalization follow the batches; "
                        "no gradient trains them",
                    ),
                    (5_418, "batch normalization trains a scale and a shift per channel"),
                    (5_466, "it has a scale and also a shift: two trained numbers per channel"),
                    (5_184, "you left out the head"),
                ),
            ),
        ),
        "you know what `trainable` switches, and what no gradient ever touches",
    ),
    "05.2": Exercise(
        (
            Question(
                "model",
                keras_model,
                When(_is_open),
                (
                    (
                        When(lambda model: not model.trainable),
                        "the model itself is frozen, and then it trains nothing, whatever its "
                        "layers say; set its flag to True before those of the layers",
                    ),
                    (
                        When(lambda model: not any(_flags(model).values())),
                        "every layer is frozen; open those behind `last_frozen`",
                    ),
                    (
                        When(_matches(conv2=True, norm2=True)),
                        "batch normalization behind the cut is open; it should stay frozen",
                    ),
                    (
                        When(_matches(conv1=True, conv2=True)),
                        "`last_frozen` itself is open; training begins with the layer after it",
                    ),
                    (
                        When(_matches(conv1=True, conv2=False)),
                        "it is the other way around: the layers up to `last_frozen` are frozen, "
                        "those behind it are trained",
                    ),
                    (
                        When(_matches(conv0=True)),
                        "a layer before `last_frozen` is open; freeze `last_frozen` and all layers "
                        "before it",
                    ),
                    (
                        When(_matches(norm1=True)),
                        "batch normalization before the cut is open; everything there is frozen",
                    ),
                    (
                        When(_matches(conv2=False)),
                        "the convolution behind `last_frozen` is still frozen",
                    ),
                    (When(_matches(head=False)), "the head is frozen; it has to be trained, too"),
                ),
            ),
        ),
        "only what lies behind the cut is trained, and batch normalization keeps its statistics",
    ),
    "05.3": Exercise(
        (
            Question(
                "survives",
                number,
                0.99**100,
                (
                    (0, "each step takes one hundredth of what is left, not of what once was"),
                    (1 - 0.99**100, "that is the share that has been replaced"),
                    (0.99, "that is what is left after a single step"),
                    (0.01, "that is what a single step replaces"),
                    (100 * 0.99**100, "give a share between 0 and 1, not a percentage"),
                ),
            ),
            Question(
                "half",
                number,
                69,
                (
                    (68, "after 68 steps a little more than half is left"),
                    (50, "each step takes one hundredth of what is left, so the loss slows down"),
                    (68.97, "half a step can't be taken; round up"),
                    (2, "the momentum is 0.99, so one step replaces only a hundredth"),
                ),
            ),
        ),
        "a hundred small batches of yours replace two thirds of what a million images taught",
    ),
    "05.4": Exercise(
        (
            Question(
                "whole",
                number,
                48,
                (
                    (16, "that is a single epoch"),
                    (30, "without stored maps the prefix runs in every epoch, too"),
                    (18, "that is the prefix alone"),
                    (48_000, "those are milliseconds"),
                ),
            ),
            Question(
                "stored",
                number,
                36,
                (
                    (30, "the maps don't come for free: the prefix has to run once"),
                    (48, "the prefix runs only once, not in every epoch"),
                    (16, "that is a single epoch; the rest runs three times"),
                    (12, "the prefix runs once and the rest three times, not the other way around"),
                    (36_000, "those are milliseconds"),
                ),
            ),
            Question(
                "limit",
                number,
                1.6,
                (
                    (48 / 36, "that is the factor for three epochs; now imagine thousands"),
                    (0.625, "that is the inverse: what share of the time is left"),
                    (8 / 3, "compare with the rest, not with the prefix"),
                    (5 / 3, "that is the rest over the prefix; compare whole and stored"),
                ),
            ),
        ),
        "the prefix is paid for once, so the more epochs you train, the closer you come to the "
        "limit",
    ),
    "05.5": Exercise(
        (
            Question(
                "layer_rates",
                results_on((4, 1.0, 2.6), (1, 2.0, 3.0), (3, 8.0, 2.0)),
                layer_rates,
                (
                    (_growing, "the first layer gets the highest rate; it should get the lowest"),
                    (_multiplied, "earlier layers get higher rates; divide by the factor instead"),
                    (_subtracted, "you subtract the factor from layer to layer; divide by it"),
                    (_begun_below, "the last layer should get `top` itself, undivided"),
                ),
            ),
        ),
        "the later a layer, the larger its steps",
    ),
    "05.6": Exercise(
        (
            Question(
                "ratio",
                results_on(_answers(940, 30, 12, 18), _answers(700, 20, 45, 235)),
                ratio,
                (
                    (_unsigned, "keep the sign: it says which of the two models is ahead"),
                    (_swapped, "the sign is flipped: positive should mean that `first` is ahead"),
                    (_squared, "that is the square, which many books call McNemar's statistic"),
                    (
                        _not_rooted,
                        "divide by the square root of the number of disagreements, not by the "
                        "number",
                    ),
                    (
                        _unpaired,
                        "that ignores that both models saw the same images; count only those on "
                        "which they disagree",
                    ),
                ),
            ),
        ),
        "only the images on which two models disagree can tell which is better",
    ),
    "05.7": Exercise(
        (
            Question(
                "accuracies",
                array(2),
                When(lambda a: a.max() <= 1 and a.min() > 0.5 and a[1] > a[0]),
                (
                    (When(lambda a: a.max() > 1), "accuracies lie between 0 and 1"),
                    (
                        When(lambda a: a.min() <= 0.5),
                        "at least one model is hardly better than guessing; check that the labels "
                        "run from 0 to 4 and that you train the head for all epochs",
                    ),
                    (
                        When(lambda a: a[0] == a[1]),
                        "both are equal, as if nothing had been unfrozen; set `trainable` and "
                        "compile again",
                    ),
                    (
                        When(lambda a: a[1] < a[0]),
                        "fine-tuning lost; give the frozen model first, and check the rate",
                    ),
                ),
            ),
        ),
        "strokes of one half of the digits help with the other, and fine-tuning adapts them",
    ),
}
