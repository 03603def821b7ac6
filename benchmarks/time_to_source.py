"""Seconds of training to a source's test accuracy: the published recipe beside ours.

    python benchmarks/time_to_source.py [--only mnist cifar10 cats_vs_dogs] [--seed 0]

MNIST to 99.0 % (a convnet of 32, 64 and 128 filters, RMSprop, batches of 64); CIFAR-10 to 78.3 %
(two modules of two convolutions, Dense 512, RMSprop, augmentation, fifty epochs; ours is the last
net of chapter 02, whose test-time flip counts); and cats against dogs to 83.5 % (four convolutions
at 150 pixels, Dense 512, RMSprop, augmentation and dropout, a hundred epochs; ours is the last net
of chapter 03 at 96 pixels, whose test-time flip counts too).

Both recipes run in turn in one process, on the same arrays, and only training is timed. A published
training of a few epochs is run until its test accuracy reaches the figure. One of many epochs is
timed over some of its steps and multiplied by the published number of epochs, which the output
says; whether it reaches the figure isn't tested then. Our number of epochs is fixed beforehand, and
ours counts only if the finished net reaches the figure.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from helpers import datasets, training
from helpers.backend import keras

layers, ops = keras.layers, keras.ops
Arrays = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Race:
    """One source's figure, and the two recipes.

    Attributes:
        data: name of the data set.
        goal: the source's test accuracy, as a fraction.
        published: makes the source's net, compiled.
        batch: its images per batch.
        epochs: its epochs.
        whole: whether to run it to the goal, instead of timing some steps.
        ours: trains our net and returns its probabilities for test images, shape (N, classes), and
            the seconds.
        theirs_at: options of the data set for the published net, such as its image size.
        ours_at: the same for ours.
    """

    data: str
    goal: float
    published: Callable[[], Any]
    batch: int
    epochs: int
    whole: bool
    ours: Callable[[Arrays, np.ndarray, int], tuple[np.ndarray, float]]
    theirs_at: dict[str, Any] = field(default_factory=dict)
    ours_at: dict[str, Any] = field(default_factory=dict)


def published_mnist() -> Any:
    """Three convolutions and a dense layer."""
    model = keras.Sequential([keras.Input((28, 28, 1)), layers.Rescaling(1 / 255)])
    for filters in (32, 64, 128):
        model.add(layers.Conv2D(filters, 3, activation="relu"))
        if filters < 128:
            model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    model.add(layers.Dense(10, activation="softmax"))
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def published_cifar10() -> Any:
    """Two modules of convolution, convolution, pooling and dropout, with augmentation layers."""
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.RandomRotation(40 / 360, fill_mode="nearest"),
            layers.RandomTranslation(0.2, 0.2, fill_mode="nearest"),
            layers.RandomFlip("horizontal"),
            layers.RandomZoom(0.2, fill_mode="nearest"),
            layers.Rescaling(1 / 255),
        ]
    )
    for filters in (32, 64):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.Conv2D(filters, 3, activation="relu"))
        model.add(layers.MaxPooling2D())
        model.add(layers.Dropout(0.25))
    model.add(layers.Flatten())
    model.add(layers.Dense(512, activation="relu"))
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def published_cats_vs_dogs() -> Any:
    """Four convolutions at 150 pixels and Dense 512, with augmentation layers and dropout."""
    near = {"fill_mode": "nearest"}
    model = keras.Sequential(
        [
            keras.Input((150, 150, 3)),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(40 / 360, **near),
            layers.RandomTranslation(0.2, 0.2, **near),
            layers.RandomZoom(0.2, 0.2, **near),
            layers.Rescaling(1 / 255),
        ]
    )
    for filters in (32, 64, 128, 128):
        model.add(layers.Conv2D(filters, 3, activation="relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(512, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(keras.optimizers.RMSprop(1e-4), "binary_crossentropy", metrics=["accuracy"])
    return model


def normalized(filters: tuple[int, ...], shape: tuple[int, int, int], padding: str) -> Any:
    """Blocks of convolution, pooling, batch normalization and ReLU, and a dense layer."""
    model = keras.Sequential([keras.Input(shape), layers.Rescaling(1 / 255)])
    for number, count in enumerate(filters):
        model.add(layers.Conv2D(count, 3, padding=padding, use_bias=False))
        if padding == "same" or number < len(filters) - 1:
            model.add(layers.MaxPooling2D())
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.ReLU())
    model.add(layers.GlobalMaxPooling2D() if padding == "same" else layers.Flatten())
    model.add(layers.Dense(10, activation="softmax"))
    return model


def our_mnist(train: Arrays, test: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """One epoch, in which the learning rate rises and falls once."""
    model = normalized((16, 32, 64), (28, 28, 1), "valid")
    steps = training.steps_in(len(train[0]), 64, 1)
    optimizer = keras.optimizers.Adam(training.one_cycle(0.01, steps))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    seconds = timed(lambda: model.fit(training.batches(*train, 64, seed=seed), verbose=0))
    return model.predict(training.batches(test, None, 256), verbose=0), seconds


def smoothed(labels: Any, probabilities: Any) -> Any:
    """Cross-entropy with a tenth of each label shared by the ten classes."""
    wanted = 0.9 * ops.one_hot(ops.cast(ops.reshape(labels, (-1,)), "int32"), 10) + 0.01
    return keras.losses.categorical_crossentropy(wanted, probabilities)


def our_cifar10(
    train: Arrays, test: np.ndarray, seed: int, epochs: int = 5
) -> tuple[np.ndarray, float]:
    """Train the last net of chapter 02; the seconds include the making of flips and crops."""
    images, labels = train
    model = normalized((32, 64, 128, 256), (32, 32, 3), "same")
    steps = training.steps_in(len(images), 128, epochs)
    model.compile(keras.optimizers.Adam(training.one_cycle(0.01, steps)), smoothed)
    random = np.random.default_rng(seed)
    flips = random.random(len(images)) < 0.5

    def train_it() -> None:
        for epoch in range(epochs):
            flipped = (flips ^ (epoch % 2 == 1))[:, None, None, None]
            changed = cropped(np.where(flipped, images[:, :, ::-1], images), random)
            model.fit(training.batches(changed, labels, 128, seed=seed + epoch), verbose=0)

    seconds = timed(train_it)
    views = (test, test[:, :, ::-1])
    answers = [model.predict(training.batches(view, None, 256), verbose=0) for view in views]
    return np.mean(answers, axis=0), seconds


def cropped(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Move images of shape (N, 32, 32, 3) by up to two pixels, reflecting at the border."""
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    rows, columns = random.integers(0, 5, size=(2, len(images)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (32, 32), axis=(1, 2))
    return windows[np.arange(len(images)), rows, columns].transpose(0, 2, 3, 1)


class RandomAffine(layers.Layer):
    """Turn, stretch, shear and shift images in one step, as chapter 03 does."""

    def __init__(self) -> None:
        super().__init__()
        self.random = keras.random.SeedGenerator()

    def call(self, images: Any, training: bool = False) -> Any:
        if not training:
            return images
        images = ops.cast(images, "float32")
        count, side = ops.shape(images)[0], images.shape[1]
        draw = keras.random.uniform((6, count), -1, 1, seed=self.random)
        angle = 2 * np.pi * 0.06 * draw[0]
        wide, tall = 1 + 0.15 * draw[1], 1 + 0.15 * draw[2]
        a, b = wide * ops.cos(angle), wide * (0.1 * draw[3] - ops.sin(angle))
        c, d = tall * ops.sin(angle), tall * ops.cos(angle)
        middle = (side - 1) / 2
        r = middle * (1 - a - b) + 0.12 * side * draw[4]
        s = middle * (1 - c - d) + 0.12 * side * draw[5]
        numbers = ops.stack([a, b, r, c, d, s, 0 * a, 0 * a], axis=1)
        return ops.image.affine_transform(images, numbers, fill_mode="reflect")


def our_cats_vs_dogs(
    train: Arrays, test: np.ndarray, seed: int, epochs: int = 64
) -> tuple[np.ndarray, float]:
    """Train the last net of chapter 03, at the size of the images."""
    model = keras.Sequential([keras.Input(train[0].shape[1:]), layers.RandomFlip("horizontal")])
    model.add(RandomAffine())
    model.add(layers.Rescaling(1 / 255))
    for number, filters in enumerate((24, 48, 96, 192)):
        kernel, stride = (3, 1) if number else (5, 2)
        model.add(layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.ReLU())
        if number < 3:
            model.add(layers.MaxPooling2D())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(1, activation="sigmoid"))
    steps = training.steps_in(len(train[0]), 32, epochs)
    optimizer = keras.optimizers.Adam(training.one_cycle(0.004, steps))
    model.compile(optimizer, "binary_crossentropy")
    data = training.batches(*train, 32, seed=seed)
    seconds = timed(lambda: model.fit(data, epochs=epochs, verbose=0))
    views = (test, np.ascontiguousarray(test[:, :, ::-1]))
    answers = [model.predict(training.batches(view, None, 256), verbose=0) for view in views]
    dog = np.mean(answers, axis=0)
    return np.concatenate([1 - dog, dog], axis=1), seconds


def timed(action: Callable[[], Any]) -> float:
    """Seconds that an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


RACES = {
    "mnist": Race("mnist", 0.99, published_mnist, 64, 5, True, our_mnist),
    "cifar10": Race("cifar10", 0.783, published_cifar10, 128, 50, False, our_cifar10),
    "cats_vs_dogs": Race(
        "cats_vs_dogs",
        0.835,
        published_cats_vs_dogs,
        32,
        100,
        False,
        our_cats_vs_dogs,
        {"size": 150},
        {"size": 96},
    ),
}


def published_seconds(race: Race, train: Arrays, test: Arrays, seed: int) -> tuple[float, str]:
    """Run the published recipe to the goal, or time 30 of its steps and multiply."""
    training.start(seed)
    model = race.published()
    if not race.whole:
        part = (train[0][: 30 * race.batch], train[1][: 30 * race.batch])
        data = training.batches(*part, race.batch, seed=seed)
        model.fit(data, verbose=0)  # builds the graph
        steps = training.steps_in(len(train[0]), race.batch, race.epochs)
        seconds = timed(lambda: model.fit(data, verbose=0)) / 30 * steps
        return seconds, f"seconds per step times {steps:,} steps ({race.epochs} epochs), not run"
    spent, accuracy, epoch = 0.0, 0.0, 0
    data = training.batches(*train, race.batch, seed=seed)
    while accuracy < race.goal and epoch < 3 * race.epochs:
        spent += timed(lambda: model.fit(data, verbose=0))
        held_out = training.batches(*test, 256)
        accuracy = model.evaluate(held_out, verbose=0, return_dict=True)["accuracy"]
        epoch += 1
    if accuracy < race.goal:
        return float("inf"), f"only {accuracy:.2%} after {epoch} epochs"
    return spent, f"run: {accuracy:.2%} after {epoch} epochs"


def loaded(name: str, options: dict[str, Any]) -> tuple[Arrays, Arrays]:
    """Load the training and the test part of a data set."""
    data = datasets.load(name, "quick", **options)
    train, test = ((np.asarray(x), np.asarray(y)) for x, y in (data.train, data.test))
    return train, test


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=sorted(RACES), default=sorted(RACES))
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for name in asked.only:
        race = RACES[name]
        train, test = loaded(race.data, race.theirs_at)
        theirs, how = published_seconds(race, train, test, asked.seed)
        print(f"{name} to {race.goal:.1%}, published: {theirs:.1f} s ({how})", flush=True)
        train, test = loaded(race.data, race.ours_at)
        training.start(asked.seed)
        probabilities, ours = race.ours(train, test[0], asked.seed)
        accuracy = float(np.mean(probabilities.argmax(axis=1) == test[1]))
        print(f"{name} to {race.goal:.1%}, ours: {ours:.1f} s (run: {accuracy:.2%})")
        if accuracy >= race.goal:
            print(f"{name}: ours is {theirs / ours:.1f} times shorter")
        else:
            print(f"{name}: ours misses {race.goal:.1%}, so it doesn't count")


if __name__ == "__main__":
    main()
