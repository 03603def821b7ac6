"""Examples per second of three nets on each installed backend, and the device's share of its peak.

    python benchmarks/device.py [--backends tensorflow,jax] [--rounds 3] [--seconds 5]

It measures on whatever device a backend finds, a graphics card or the processor. The backends take
turns, and for each the ways of computing: "exact" and "fast" are the course's own, and "exact, any
order" is "exact" without deterministic operations, so that the price of determinism stands alone.
Each measurement has a process of its own, because deterministic operations can't be switched off
again. In each process:

* the peak is that of a product of two square matrices in the way's precision, the best of ten;
* the nets of chapters 01, 03 and 08 are trained by the course's own batches, after one epoch that
  isn't counted: LeNet on 28 x 28 pixels, the book's convnet for cats and dogs on 150 x 150,
  ResNet-50 on 160 x 160. The images are random, because nothing here depends on what they show. A
  training takes three times the multiplications and additions of a prediction (one pass forward,
  two of the same size back);
* the input alone is one epoch of the same batches, brought to the device and added up.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

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
    images = keras.Input((160, 160, 3), dtype="uint8")
    base = keras.applications.ResNet50(
        include_top=False, weights=None, pooling="avg", input_shape=(160, 160, 3)
    )
    scores = keras.layers.Dense(10, dtype="float32")
    return keras.Model(images, scores(base(keras.layers.Rescaling(1 / 255)(images))))


# name: builder, pixels along a side, channels, batch size
NETS: dict[str, tuple[Callable[[Any], Any], int, int, int]] = {
    "chapter 01, LeNet": (lenet, 28, 1, 128),
    "chapter 03, cats against dogs": (cats_vs_dogs, 150, 3, 64),
    "chapter 08, ResNet-50": (resnet, 160, 3, 32),
}


def clock(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peak(keras: Any, dtype: str, seconds: float) -> float:
    """Operations per second of a product of square matrices, the best of ten."""
    ops, side, times = keras.ops, 512, [0.0]
    while side < 16384 and min(times) < seconds / 20:
        side *= 2
        square = ops.cast(keras.random.normal((side, side)), dtype)

        def product(square: Any = square) -> None:
            ops.convert_to_numpy(ops.cast(ops.matmul(square, square)[0, 0], "float32"))

        product()
        times = [clock(product) for _ in range(10)]
    return 2 * side**3 / min(times)


def multiplications(model: Any) -> int:
    """Multiplications of one prediction: every weight of a kernel, at every place it visits."""
    return sum(
        math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer in model._flatten_layers()
        if hasattr(layer, "kernel")
    )


def measure_net(name: str, seconds: float, highest: float) -> dict[str, float]:
    """Examples per second in training, the share of the peak, and that of the input in an epoch."""
    import numpy as np

    from helpers import training
    from helpers.backend import keras

    build, side, channels, size = NETS[name]
    model = build(keras)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    random = np.random.default_rng(0)

    def train(steps: int) -> Any:
        shape = (steps * size, side, side, channels)
        x = random.integers(0, 256, shape, dtype="uint8")
        data = training.batches(x, random.integers(0, 10, len(x)), size, seed=0)
        model.fit(data, verbose=0)
        return data

    train(2)
    steps = max(4, int(seconds / (clock(lambda: train(4)) / 4)))
    data = train(min(steps, 2**30 // (side * side * channels * size)))
    spent = clock(lambda: model.fit(data, verbose=0))

    def bring() -> None:
        total = 0.0
        for images, _ in data:
            total = total + keras.ops.sum(keras.ops.cast(images, "float32"))
        keras.ops.convert_to_numpy(total)

    bring()
    rate = len(data) * size / spent
    return {
        "examples_per_second": rate,
        "share_of_peak": rate * 6 * multiplications(model) / highest,
        "input_share": clock(bring) / spent,
    }


def measure(way: str, seconds: float) -> dict[str, object]:
    """Peak and trainings of one way of computing, in this process."""
    from helpers import backend, training

    if way == "exact, any order":
        backend.set_precision("exact")  # set_seed would make the operations deterministic
    else:
        training.start(0, way)
    highest = peak(backend.keras, "bfloat16" if way == "fast" else "float32", seconds)
    nets = {name: measure_net(name, seconds, highest) for name in NETS}
    return {"peak": highest, "nets": nets, "device": backend.accelerators() or ["processor"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", default="tensorflow,jax", help="separated by commas")
    parser.add_argument("--ways", default=";".join(WAYS), help="separated by semicolons")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="of training, about, per net")
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(measure(chosen.one, chosen.seconds)))
        return
    ways, backends = chosen.ways.split(";"), chosen.backends.split(",")
    if unknown := set(ways) - set(WAYS):
        parser.error(f"--ways must be among {'; '.join(WAYS)}, not {'; '.join(sorted(unknown))}")
    results: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for round_ in range(chosen.rounds):
        for backend in backends:
            for way in ways:
                command = [sys.executable, __file__, "--one", way, "--seconds", str(chosen.seconds)]
                answer = subprocess.run(
                    command,
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                    env={**os.environ, "KERAS_BACKEND": backend},
                )
                found = json.loads(answer.stdout.splitlines()[-1])
                results.setdefault((backend, way), []).append(found)
                print(f"round {round_ + 1}, {backend}, {way}: done", file=sys.stderr)
    for (backend, way), runs in results.items():
        top = statistics.median(run["peak"] for run in runs)
        print(f"{backend}, {way}, on {', '.join(runs[0]['device'])}: peak {top / 1e12:.2f} Tflop/s")
        for net in NETS:
            rate, share, brought = (
                statistics.median(run["nets"][net][what] for run in runs)
                for what in ("examples_per_second", "share_of_peak", "input_share")
            )
            print(
                f"  {net}: {rate:,.0f} examples per second, {share:.1%} of the peak, "
                f"input alone {brought:.1%} of an epoch"
            )


if __name__ == "__main__":
    main()
