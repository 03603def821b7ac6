"""The answers to the exercises of chapter 04, and what the usual wrong ones reveal.

If you are a student: this page gives everything away.
"""

from typing import Any

import numpy as np

from helpers.exercises import Exercise, Question, When, array, number, results_on

CATS, DOGS = slice(281, 286), slice(151, 269)
MEANS = np.array([123.68, 116.779, 103.939])  # of ImageNet: red, green, blue

# 04.4: two dense layers that are only one
FIRST_KERNEL = np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 1.0]])
FIRST_BIAS = np.array([1.0, -2.0])
SECOND_KERNEL = np.array([[2.0], [-1.0]])
SECOND_BIAS = np.array([1.0])


def says_dog(probabilities: np.ndarray) -> np.ndarray:
    """Return 1 where the dogs among ImageNet's classes have the larger sum, else 0; shape (N,)."""
    cats, dogs = probabilities[:, CATS].sum(axis=1), probabilities[:, DOGS].sum(axis=1)
    return (dogs > cats).astype(int)


def _largest_class(probabilities: np.ndarray) -> np.ndarray:
    answers = np.asarray(probabilities).argmax(axis=1)
    return ((answers >= DOGS.start) & (answers < DOGS.stop)).astype(int)


def _sums(cats: slice, dogs: slice) -> Any:
    return lambda p: (p[:, dogs].sum(axis=1) > p[:, cats].sum(axis=1)).astype(int)


def _means_of_groups(probabilities: np.ndarray) -> np.ndarray:
    cats, dogs = probabilities[:, CATS].mean(axis=1), probabilities[:, DOGS].mean(axis=1)
    return (dogs > cats).astype(int)


def _thousand_classes() -> np.ndarray:
    """Return probabilities (13, 1000), each row of which tells one wrong answer from the right."""
    rows = np.zeros((13, 1000))
    rows[0, [200, 283]] = 0.6, 0.4
    rows[1, [200, 283]] = 0.4, 0.6
    rows[2, [281, 282, 160]] = 0.3, 0.3, 0.4  # no single class of cats is the largest
    rows[3, [151, 152, 153, 285]] = 0.2, 0.2, 0.2, 0.4  # the largest class is a cat's
    rows[4, [268, 281]] = 0.6, 0.4  # the last breed of dogs
    rows[5, [285, 151]] = 0.6, 0.4  # the last kind of cats
    rows[6, [500, 284, 170]] = 0.8, 0.15, 0.05  # a cat on something else
    rows[7, [151, 281]] = 0.6, 0.4  # the first breed of dogs
    rows[8, [500, 160, 284]] = 0.5, 0.3, 0.2  # a dog on something else
    rows[9, [286, 160, 284]] = 0.3, 0.4, 0.3  # a cougar isn't a domestic cat
    rows[10, [280, 160, 284]] = 0.3, 0.4, 0.3  # nor is a gray fox
    rows[11, [150, 160, 284]] = 0.3, 0.3, 0.4  # a sea lion isn't a dog
    rows[12, [269, 160, 284]] = 0.3, 0.3, 0.4  # nor is a wolf
    return rows


def preprocessed(images: Any) -> np.ndarray:
    """Return RGB images as VGG16 wants them: blue, green, red, each less ImageNet's mean."""
    result: np.ndarray = np.asarray(images, float)[..., ::-1] - MEANS[::-1]
    return result


def vote(features: Any, labels: Any, queries: Any, k: int) -> np.ndarray:
    """Return the label, 0 or 1, of most of each query's k nearest features; shape (N,)."""
    order = _by_distance(features, queries)[:, :k]
    return (np.asarray(labels)[order].mean(axis=1) > 0.5).astype(int)


def _by_distance(features: Any, queries: Any) -> np.ndarray:
    difference = np.asarray(queries)[:, None] - np.asarray(features)[None]
    return (difference**2).sum(axis=2).argsort(axis=1)


def _vote_of(columns: Any) -> Any:
    """Make a vote of other neighbors: ``columns`` chooses them, given k, from near to far."""

    def wrong(features: Any, labels: Any, queries: Any, k: int) -> np.ndarray:
        order = _by_distance(features, queries)[:, columns(k)]
        return (np.asarray(labels)[order].mean(axis=1) > 0.5).astype(int)

    return wrong


def _neighbor_case(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    random = np.random.default_rng(6)
    features = random.normal(size=(30, 2))
    labels = (features[:, 0] + random.normal(scale=0.8, size=30) > 0).astype(int)
    return features, labels, random.normal(size=(40, 2)), k


def with_relu(x: np.ndarray) -> float:
    """Return the output of the two layers of 04.4 with a ReLU between them."""
    inner = np.maximum(x @ FIRST_KERNEL + FIRST_BIAS, 0)
    return float((inner @ SECOND_KERNEL + SECOND_BIAS)[0])


def without_relu(x: np.ndarray) -> float:
    """Return the output of the two layers of 04.4 without an activation."""
    return float(((x @ FIRST_KERNEL + FIRST_BIAS) @ SECOND_KERNEL + SECOND_BIAS)[0])


_IMAGES = np.random.default_rng(3).integers(0, 256, size=(2, 3, 4, 3)).astype(float)

EXERCISES = {
    "04.1": Exercise(
        (
            Question(
                "probe",
                number,
                513,
                (
                    (512, "you left out the bias"),
                    (25_089, "the probe reads one number per feature, after pooling, not 49"),
                    (1_024, "one sigmoid unit is enough for two classes"),
                    (1_026, "one sigmoid unit is enough for two classes"),
                ),
            ),
            Question(
                "pooled",
                number,
                When(lambda n: n == 131_585),
                (
                    (131_328, "you left out either the biases or the whole last layer"),
                    (131_584, "one bias is missing: every unit has one, the last one too"),
                    (6_423_041, "pooling leaves one number per feature, so no positions are left"),
                ),
            ),
            Question(
                "flat",
                number,
                When(lambda n: n == 6_423_041),  # a layer's biases are a tiny share of it
                (
                    (6_422_784, "you left out either the biases or the whole last layer"),
                    (131_585, "that is the head with pooling; Flatten keeps all 49 positions"),
                    (918_017, "there are 7 x 7 positions, so 49 numbers per feature, not 7"),
                ),
            ),
        ),
        "keeping the positions costs 49 times the weights of pooling",
    ),
    "04.2": Exercise(
        (
            Question(
                "says_dog",
                results_on((_thousand_classes(),)),
                says_dog,
                (
                    (
                        lambda p: 1 - says_dog(p),
                        "you have swapped the labels; 1 stands for a dog",
                    ),
                    (
                        _largest_class,
                        "you look at the single largest class; a cat on a sofa may be 80 % sofa, "
                        "so compare the sums of the two groups",
                    ),
                    (
                        lambda p: (p[:, DOGS].max(axis=1) > p[:, CATS].max(axis=1)).astype(int),
                        "you compare the largest probability of each group; their sums are asked "
                        "for",
                    ),
                    (
                        _means_of_groups,
                        "you compare means; with 118 classes against 5, that favors the cats",
                    ),
                    (
                        _sums(slice(281, 287), DOGS),
                        "your cats include class 286, which isn't one; a slice ends before its "
                        "second number",
                    ),
                    (
                        _sums(CATS, slice(151, 270)),
                        "your dogs include class 269, which isn't one; a slice ends before its "
                        "second number",
                    ),
                    (
                        _sums(CATS, slice(151, 268)),
                        "a slice ends before its second number, so the last breed, 268, is missing",
                    ),
                    (
                        _sums(slice(281, 285), DOGS),
                        "a slice ends before its second number, so class 285 is missing",
                    ),
                    (
                        _sums(slice(281, 285), slice(151, 268)),
                        "a slice ends before its second number, so classes 268 and 285 are missing",
                    ),
                ),
            ),
        ),
        "two sums turn a thousand classes into two, and nothing has to be trained",
    ),
    "04.3": Exercise(
        (
            Question(
                "preprocess",
                results_on((_IMAGES,)),
                preprocessed,
                (
                    (
                        lambda x: x - MEANS,
                        "the channels are still red, green, blue; VGG16 wants blue first",
                    ),
                    (
                        lambda x: x[..., ::-1] - MEANS,
                        "you turned the channels around but not the means: blue now comes first, "
                        "and its mean is 103.939",
                    ),
                    (lambda x: x[..., ::-1], "subtract the means, too"),
                    (lambda x: x[..., ::-1] + MEANS[::-1], "the means are subtracted, not added"),
                    (
                        lambda x: x / 255,
                        "that is a common preprocessing, but not VGG16's; it keeps the range",
                    ),
                    (
                        lambda x: preprocessed(x) / 255,
                        "VGG16 keeps the range from 0 to 255; leave out the division",
                    ),
                    (
                        lambda x: x[:, :, ::-1] - MEANS[::-1],
                        "you mirrored the images; the colors are on the last axis",
                    ),
                ),
            ),
        ),
        "these are the numbers that keras.applications.vgg16.preprocess_input gives",
    ),
    "04.4": Exercise(
        (
            Question(
                "kernel",
                array(3, 1),
                FIRST_KERNEL @ SECOND_KERNEL,
                (
                    (
                        FIRST_KERNEL.sum(axis=1, keepdims=True),
                        "each hidden unit has its own weight in the second layer; don't just add",
                    ),
                    (
                        FIRST_KERNEL @ np.abs(SECOND_KERNEL),
                        "the second unit's weight is negative",
                    ),
                ),
            ),
            Question(
                "bias",
                array(1),
                FIRST_BIAS @ SECOND_KERNEL + SECOND_BIAS,
                (
                    (SECOND_BIAS, "the biases of the first layer go through the second, too"),
                    (FIRST_BIAS @ SECOND_KERNEL, "you left out the bias of the second layer"),
                    (
                        FIRST_BIAS.sum() + SECOND_BIAS,
                        "the biases of the first layer are weighted by the second before they add "
                        "up",
                    ),
                ),
            ),
            Question(
                "x",
                array(3),
                When(lambda x: abs(with_relu(x) - without_relu(x)) > 1e-6),
                (
                    (
                        When(lambda x: x[1] <= 0),
                        "for your input no hidden unit is negative; a large second number makes "
                        "the second unit negative",
                    ),
                    (
                        When(lambda x: True),
                        "no hidden unit is negative for your input, so the ReLU changes nothing; "
                        "make one negative",
                    ),
                ),
            ),
        ),
        "without an activation the two layers are one, and a ReLU is what makes them two",
    ),
    "04.5": Exercise(
        (
            Question(
                "once",
                number,
                50,
                (
                    (20, "that is the extraction alone; add the epochs of the head"),
                    (30, "that is the head alone; the extraction comes on top"),
                    (630, "that is the other method; here the base runs only once"),
                    (21, "the head needs one second for each of its 30 epochs"),
                ),
            ),
            Question(
                "every_time",
                number,
                630,
                (
                    (600, "the head learns in this method, too: one more second per epoch"),
                    (50, "here the base runs in every epoch, not only once"),
                    (21, "that is one epoch; there are 30"),
                    (20, "that is one pass through the base; there are 30 epochs, and a head"),
                ),
            ),
            Question(
                "megabytes",
                number,
                512,
                (
                    (20.48, "you pooled first; the maps have 5 x 5 positions"),
                    (128, "a number of 32 bits takes four bytes"),
                    (512e6, "that is in bytes; a megabyte has a million"),
                    (0.512, "that is in gigabytes"),
                    (102.4, "there are 5 x 5 positions, not 5"),
                    (16_384, "you counted 32 bytes per number; 32 bits are four bytes"),
                    (4_096, "you counted bits; eight of them make a byte"),
                ),
            ),
        ),
        "extracting once is more than ten times faster here, and pooling makes it small as well",
    ),
    "04.6": Exercise(
        (
            Question(
                "vote",
                results_on(_neighbor_case(5), _neighbor_case(3)),
                vote,
                (
                    (
                        _vote_of(lambda k: slice(-k, None)),
                        "you asked the k that are furthest away; sort from near to far",
                    ),
                    (_vote_of(lambda k: slice(0, 1)), "you asked only the nearest; k may vote"),
                    (
                        _vote_of(lambda k: slice(1, k + 1)),
                        "you left out the nearest; a query isn't one of the training images, so "
                        "the first neighbor counts",
                    ),
                    (
                        lambda f, y, q, k: 1 - vote(f, y, q, k),
                        "you have swapped the classes; 1 wins if most of the k are 1",
                    ),
                    (
                        lambda f, y, q, k: _by_distance(f, q)[:, 0],
                        "you return the number of the neighbor; its label is asked for",
                    ),
                    (
                        lambda f, y, q, k: np.asarray(y)[_by_distance(f, q)[:, :k]].mean(axis=1),
                        "you return the share of votes; turn it into 0 or 1",
                    ),
                ),
            ),
        ),
        "good features make a good classifier of the simplest rule there is",
    ),
    "04.7": Exercise(
        (
            Question(
                "accuracies",
                array(5),
                When(
                    lambda a: (
                        a.max() <= 1
                        and a.max() > 0.8
                        and 1 <= int(a.argmax()) <= 3
                        and a.max() > a[0] + 0.1
                        and a.min() < 0.95
                    )
                ),
                (
                    (
                        When(lambda a: a.max() > 1),
                        "accuracies lie between 0 and 1; did you store percentages?",
                    ),
                    (
                        When(lambda a: a.min() >= 0.95),
                        "even the stem reads nearly every digit; did you score the probes on the "
                        "images that they were trained on?",
                    ),
                    (
                        When(lambda a: np.ptp(a) < 0.02),
                        "all depths are the same; did you take the features of each layer?",
                    ),
                    (
                        When(lambda a: a.max() <= 0.8),
                        "a probe on the better layers reads more digits; do images and labels "
                        "belong together?",
                    ),
                    (
                        When(lambda a: int(a.argmax()) in (0, 4)),
                        "the best layer should be one in the middle; are the depths in the order "
                        "of `depths`?",
                    ),
                ),
            ),
        ),
        "for digits the middle of the base is the best place to borrow from here",
    ),
}
