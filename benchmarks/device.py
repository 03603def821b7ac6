"""What this machine's device reaches: share of its peak, the price of exactness, and of the input.

    python benchmarks/device.py [--rounds 3] [--seconds 5]

It measures on whatever device the backend finds, a graphics card or the processor. Three ways of
computing take turns, each in a process of its own, because deterministic operations cannot be
switched off again: "exact" and "fast" are the course's own, and "exact, any order" is "exact"
without deterministic operations, so that the price of determinism stands alone. In each process:

* the peak is that of a product of two square matrices in the way's precision, the best of ten;
* three nets are trained by the course's own batches, after one epoch that is not counted: LeNet on
  28 x 28 pixels, the book's convnet for cats and dogs on 150 x 150, ResNet-50 on 160 x 160. The
  pictures are random, for nothing here depends on what they show. A training takes three times the
  multiplications and additions of a prediction (one pass forward, two of the same size back);
* the input alone is one epoch of the same batches, brought to the device and added up. It runs
  beside the training, so keeping the data on the device could save at most that share of an epoch.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from course.machine import device_kind

# Only the children import Keras: in this process it would hold the memory of a graphics card.
WAYS = ("exact", "exact, any order", "fast")


def lenet(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1), dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(6, 5, padding="same", activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="tanh"),
            layers.Dense(84, activation="tanh"),
            layers.Dense(10, dtype="float32"),
        ]
    )


def cats_vs_dogs(keras: Any) -> Any:
    layers = keras.layers
    model = keras.Sequential([keras.Input((150, 150, 3), dtype="uint8"), layers.Rescaling(1 / 255)])
    for filters in (32, 64, 128, 128):
        model.add(layers.Conv2D(filters, 3, activation="relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    model.add(layers.Dense(512, activation="relu"))
    model.add(layers.Dense(10, dtype="float32"))
    return model


def resnet(keras: Any) -> Any:
    pictures = keras.Input((160, 160, 3), dtype="uint8")
    base = keras.applications.ResNet50(
        include_top=False, weights=None, pooling="avg", input_shape=(160, 160, 3)
    )
    scores = keras.layers.Dense(10, dtype="float32")
    return keras.Model(pictures, scores(base(keras.layers.Rescaling(1 / 255)(pictures))))


# name: builder, pixels along a side, channels, batch size
NETS: dict[str, tuple[Callable[[Any], Any], int, int, int]] = {
    "LeNet": (lenet, 28, 1, 128),
    "cats against dogs": (cats_vs_dogs, 150, 3, 64),
    "ResNet-50": (resnet, 160, 3, 32),
}


def clock(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peak(keras: Any, dtype: str, seconds: float) -> float:
    """Operations a second of a product of square matrices, the best of ten."""
    ops, side, times = keras.ops, 512, [0.0]
    while side < 16384 and min(times) < seconds / 20:
        side *= 2
        square = ops.cast(keras.random.normal((side, side)), dtype)

        def product(square: Any = square) -> None:
            ops.convert_to_numpy(ops.cast(ops.matmul(square, square)[0, 0], "float32"))

        product()
        times = [clock(product) for _ in range(10)]
    return 2 * side**3 / min(times)


def measure_net(name: str, seconds: float, highest: float) -> dict[str, float]:
    """Examples a second in training, the share of the peak, and that of the input in an epoch."""
    import numpy as np

    from helpers import arithmetic, backend

    keras, ops = backend.keras, backend.keras.ops
    build, side, channels, size = NETS[name]
    model = build(keras)
    multiplications = sum(row.multiplications for row in arithmetic.count(model))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    random = np.random.default_rng(0)

    def train(steps: int) -> Any:
        shape = (steps * size, side, side, channels)
        x = random.integers(0, 256, shape, dtype="uint8")
        data = backend.batches(x, random.integers(0, 10, len(x)), size, 0)
        model.fit(data, shuffle=False, verbose=0)
        return data

    train(2)
    steps = max(4, int(seconds / (clock(lambda: train(4)) / 4)))
    data = train(min(steps, 2**30 // (side * side * channels * size)))
    spent = clock(lambda: model.fit(data, shuffle=False, verbose=0))

    def bring() -> None:
        total = 0.0
        for pictures, _ in data:
            total = total + ops.sum(ops.cast(np.asarray(pictures), "float32"))
        ops.convert_to_numpy(total)

    bring()
    rate = len(data) * size / spent
    return {
        "examples_a_second": rate,
        "share_of_peak": rate * 6 * multiplications / highest,
        "input_share": clock(bring) / spent,
    }


def measure(way: str, seconds: float) -> dict[str, object]:
    """Peak and trainings of one way of computing, in this process."""
    from helpers import backend, training

    if way == "exact, any order":
        backend.set_precision("exact")  # set_seed would make the operations deterministic
        backend.keras.utils.set_random_seed(0)
    else:
        training.start(0, way)
    highest = peak(backend.keras, "bfloat16" if way == "fast" else "float32", seconds)
    nets = {name: measure_net(name, seconds, highest) for name in NETS}
    return {"peak": highest, "nets": nets}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="of training, about, a net")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.way:
        print(json.dumps(measure(chosen.way, chosen.seconds)))
        return
    results: dict[str, list[dict]] = {way: [] for way in WAYS}
    for round_ in range(chosen.rounds):
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way, "--seconds", str(chosen.seconds)]
            answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            results[way].append(json.loads(answer.stdout.splitlines()[-1]))
            print(f"round {round_ + 1}, {way}: done", file=sys.stderr)

    def median(way: str, net: str, what: str) -> float:
        return statistics.median(one["nets"][net][what] for one in results[way])

    print(f"device: {device_kind()}")
    for way in WAYS:
        top = statistics.median(one["peak"] for one in results[way])
        print(f"{way}: {top / 1e12:.2f} million million operations a second at the peak")
        for net in NETS:
            rate = median(way, net, "examples_a_second")
            print(
                f"  {net}: {rate:,.0f} examples a second, "
                f"{median(way, net, 'share_of_peak'):.1%} of the peak, "
                f"{rate / median('exact', net, 'examples_a_second'):.2f} times exact, "
                f"input alone {median(way, net, 'input_share'):.1%} of an epoch"
            )


if __name__ == "__main__":
    main()
