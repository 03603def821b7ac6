"""The answers to the exercises of chapter 07, and what the usual wrong ones reveal.

If you are a student: this page gives everything away.
"""

from typing import Any

import numpy as np

from helpers.exercises import Exercise, Question, When, array, number, results_on

# 07.4: a filter for negation. One vector of four numbers per word.
WORDS = ("good", "bad", "not", "film")
TARGET = ("not", "good")

# 07.5: the outputs at which the slopes of the loss are asked for
OUTPUTS = np.array([-0.3, 0.5, 1.7])


def responses(kernel: np.ndarray) -> dict[tuple[str, str], float]:
    """Return the response of a filter of shape (2, 4) to every pair of ``WORDS``."""
    return {
        (first, second): float(kernel[0, i] + kernel[1, j])
        for i, first in enumerate(WORDS)
        for j, second in enumerate(WORDS)
    }


def _answers_to(kernel: np.ndarray, *pairs: tuple[str, str]) -> bool:
    found = responses(kernel)
    return any(found[pair] > 1e-9 for pair in pairs)


def _picks_the_target(kernel: np.ndarray) -> bool:
    found = responses(kernel)
    return found.pop(TARGET) > 1e-9 and max(found.values()) <= 1e-9


def sigmoid(outputs: np.ndarray) -> np.ndarray:
    """Return the sigmoid of each number."""
    result: np.ndarray = 1 / (1 + np.exp(-outputs))
    return result


def word_parts(vectors: np.ndarray, kernel: np.ndarray, bias: float, weight: float) -> np.ndarray:
    """Return what each word adds to the verdict through one filter, shape (words,)."""
    parts = np.zeros(len(vectors))
    answers = _answers(vectors, kernel, bias)
    start = answers.argmax()
    if answers[start] > 0:
        for k, part in enumerate(kernel):
            parts[start + k] = weight * vectors[start + k] @ part
    return parts


def _answers(vectors: np.ndarray, kernel: np.ndarray, bias: float) -> np.ndarray:
    windows = range(len(vectors) - len(kernel) + 1)
    return np.array([np.sum(vectors[i : i + len(kernel)] * kernel) for i in windows]) + bias


def _equal_shares(vectors: np.ndarray, kernel: np.ndarray, bias: float, weight: float) -> Any:
    parts = np.zeros(len(vectors))
    answers = _answers(vectors, kernel, bias)
    start = answers.argmax()
    parts[start : start + len(kernel)] = weight * max(answers[start], 0) / len(kernel)
    return parts


def _silence_ignored(vectors: np.ndarray, kernel: np.ndarray, bias: float, weight: float) -> Any:
    loud = 1e6  # a bias so large that every filter answers
    return word_parts(vectors, kernel, bias + loud, weight)


def _every_window(vectors: np.ndarray, kernel: np.ndarray, bias: float, weight: float) -> Any:
    parts = np.zeros(len(vectors))
    for start, answer in enumerate(_answers(vectors, kernel, bias)):
        if answer > 0:
            for k, part in enumerate(kernel):
                parts[start + k] += weight * vectors[start + k] @ part
    return parts


def _attribution_cases() -> list[tuple[np.ndarray, np.ndarray, float, float]]:
    random = np.random.default_rng(7)
    shapes = ((6, 2, 0.1, 1.5), (9, 3, -0.2, -0.7), (5, 4, 0.3, 2.0))
    cases = [
        (random.normal(size=(steps, 4)), random.normal(size=(width, 4)), bias, weight)
        for steps, width, bias, weight in shapes
    ]
    return [*cases, (random.normal(size=(4, 3)), random.normal(size=(2, 3)), -50.0, 1.0)]


EXERCISES = {
    "07.1": Exercise(
        (
            Question(
                "stride_1",
                number,
                8,
                (
                    (5, "that is the number in print; a window of 3 can start at steps 0 to 7"),
                    (7, "you counted the moves; there is one position more than moves"),
                    (9, "you lose a step at each end of the window's way, two in all"),
                    (10, "that is the size with same padding; here no zeros are added"),
                ),
            ),
            Question(
                "stride_2",
                number,
                4,
                (
                    (4.5, "half an output doesn't exist; round down before you add 1"),
                    (5, "the fifth window would start at step 8 and end outside; round down"),
                    (3.5, "half an output doesn't exist; round down, then add the first position"),
                    (3, "you counted the moves; there is one position more than moves"),
                ),
            ),
            Question(
                "last",
                number,
                92,
                (
                    (98, "that is the size after the pooling; one convolution follows"),
                    (488, "you left out the pooling, which keeps every fifth position"),
                    (91, "you lose F - 1 = 6 positions in a convolution, not 7"),
                    (494, "that is the size after the first convolution"),
                ),
            ),
            Question(
                "sees",
                number,
                41,
                (
                    (17, "you left out the stride; behind the pooling each step is five words"),
                    (19, "you added up the windows; each adds its size minus 1, times the steps"),
                    (37, "the pooling has a window too, and adds four words to the field"),
                    (35, "the seven positions overlap; start with 1 and walk through the layers"),
                    (13, "you left out the pooling, its window and its stride"),
                ),
            ),
        ),
        "the formula holds on a line as it does on an image, and one response sees 41 words",
    ),
    "07.2": Exercise(
        (
            Question(
                "embedding",
                number,
                160_000,
                (
                    (165_000, "an embedding is a table without biases, one row per word"),
                    (160_032, "an embedding is a table without biases, one row per word"),
                    (32, "that is the vector of one word; the vocabulary has 5,000"),
                    (
                        9_600,
                        "an embedding has a row for each word of the vocabulary, not of a text",
                    ),
                ),
            ),
            Question(
                "width_3",
                number,
                9_700,
                (
                    (9_600, "you left out the biases, one per filter"),
                    (400, "each filter covers the vectors in their whole depth of 32"),
                    (300, "each filter covers the vectors in their whole depth, and has a bias"),
                    (97, "that is one filter; there are 100"),
                ),
            ),
            Question(
                "width_5",
                number,
                16_100,
                (
                    (16_000, "you left out the biases, one per filter"),
                    (600, "each filter covers the vectors in their whole depth of 32"),
                    (50_100, "both layers read the vectors, side by side; neither reads the other"),
                    (161, "that is one filter; there are 100"),
                ),
            ),
            Question(
                "verdict",
                number,
                201,
                (
                    (200, "you left out the bias"),
                    (101, "two layers with 100 filters each hand over 200 maxima"),
                    (202, "there is one output, and so one bias"),
                    (2, "the dense unit reads one maximum per filter, not one per layer"),
                ),
            ),
        ),
        "nearly nine tenths of the parameters are word vectors",
    ),
    "07.3": Exercise(
        (
            Question(
                "pairs",
                number,
                199,
                (
                    (200, "the last word has no neighbor on its right"),
                    (100, "the pairs overlap: every word but the first and last is in two"),
                    (19_900, "only neighbors form a pair, not any two words of the review"),
                    (398, "each pair is counted once, by its first word"),
                ),
            ),
            Question(
                "possible",
                number,
                10**6,
                (
                    (2_000, "each of the 1,000 first words can stand before each of 1,000"),
                    (499_500, 'order matters: "not good" and "good not" are two pairs'),
                    (500_500, 'order matters: "not good" and "good not" are two pairs'),
                    (999_000, 'a word may follow itself, as in "very very"'),
                ),
            ),
            Question(
                "per_slot",
                number,
                2,
                (
                    (0.5, "that is slots per pair; turn the fraction over"),
                    (1, "there are twice as many different pairs as slots"),
                    (2**21, "divide by the number of slots"),
                ),
            ),
        ),
        "two pairs in every slot, and the classifier still beats the one that sees no pairs",
    ),
    "07.4": Exercise(
        (
            Question(
                "kernel",
                array(2, 4),
                When(_picks_the_target),
                (
                    (When(lambda k: not k.any()), "a kernel of zeros answers to nothing at all"),
                    (
                        When(lambda k: _picks_the_target(k[::-1])),
                        'your filter answers to "good not"; row 0 reads the first word of a pair',
                    ),
                    (
                        When(lambda k: _answers_to(k, ("film", "good"), ("good", "good"))),
                        'your filter answers to "good" after any word; make the other weights of '
                        "row 0 more negative",
                    ),
                    (
                        When(lambda k: _answers_to(k, ("not", "bad"), ("not", "film"))),
                        'your filter answers to "not" before any word; make the other weights of '
                        "row 1 more negative",
                    ),
                    (
                        When(lambda k: not _answers_to(k, TARGET)),
                        'your filter doesn\'t answer to "not good"; its two weights for these '
                        "words must add up to more than zero",
                    ),
                    (
                        When(lambda k: True),
                        "your filter also answers to another pair; make all other weights negative",
                    ),
                ),
            ),
        ),
        "one filter is enough to hear a negation, if training finds it",
    ),
    "07.5": Exercise(
        (
            Question(
                "without",
                array(3),
                np.array([0, -2, 0]),
                (
                    (
                        -1 / OUTPUTS,
                        "the loss is -log only between 0 and 1; outside, the output is clipped",
                    ),
                    (
                        np.array([0, 2, 0]),
                        "the loss of a positive review falls when the output rises; mind the sign",
                    ),
                    (
                        np.array([0, -0.5, 0]),
                        "the slope of -log(p) is -1/p; at 0.5 that is steeper",
                    ),
                    (
                        np.array([0, np.log(2), 0]),
                        "that is the loss between 0 and 1; its slope is asked for",
                    ),
                ),
            ),
            Question(
                "with_sigmoid",
                array(3),
                sigmoid(OUTPUTS) - 1,
                (
                    (
                        sigmoid(OUTPUTS),
                        "that is the slope for a negative review; this one is positive",
                    ),
                    (
                        1 - sigmoid(OUTPUTS),
                        "the loss of a positive review falls when the output rises; mind the sign",
                    ),
                    (
                        sigmoid(OUTPUTS) * (1 - sigmoid(OUTPUTS)),
                        "that is the slope of the sigmoid; multiply it by that of -log(p)",
                    ),
                    (
                        -1 / sigmoid(OUTPUTS),
                        "that is the slope of -log(p); multiply it by that of the sigmoid",
                    ),
                ),
            ),
        ),
        "with a sigmoid, the review that is most wrong pulls hardest; without one it is ignored",
    ),
    "07.6": Exercise(
        (
            Question(
                "word_parts",
                results_on(*_attribution_cases()),
                word_parts,
                (
                    (
                        _equal_shares,
                        "you give each word of the window the same share; each word's own vector "
                        "meets its own row of the kernel",
                    ),
                    (
                        _silence_ignored,
                        "a filter whose largest answer isn't above zero is cut off by the ReLU "
                        "and adds nothing",
                    ),
                    (
                        _every_window,
                        "only the winning window counts; global max pooling drops the others",
                    ),
                    (
                        lambda v, k, b, w: word_parts(v, k, b, 1.0),
                        "you left out the weight of the filter in the verdict",
                    ),
                ),
            ),
        ),
        "the parts are exact: with the share of the bias they add up to what the filter says",
    ),
    "07.7": Exercise(
        (
            Question(
                "accuracies",
                array(3),
                When(lambda a: a.max() <= 1 and a[0] < 0.8 and a[1] > 0.9 and a[2] > 0.9),
                (
                    (
                        When(lambda a: a.max() > 1),
                        "accuracies lie between 0 and 1; did you store percentages or the loss?",
                    ),
                    (
                        When(lambda a: a[0] >= 0.8),
                        "counting words can't do that well here; is the order words, pairs, "
                        "convnet, and are the accuracies those on the test reviews?",
                    ),
                    (
                        When(lambda a: a[1] <= 0.9),
                        "pairs can do better here; does `count_pairs` keep the order of the two "
                        "words?",
                    ),
                    (
                        When(lambda a: a[2] <= 0.9),
                        "a convnet can do better here; give it windows of two words or more, and "
                        "enough epochs",
                    ),
                ),
            ),
        ),
        "where nearly every word also occurs negated, order is everything",
    ),
}
