"""Seconds for Grad-CAM and for patterns: batched and compiled beside eager and one by one.

    python benchmarks/explain.py [--rounds 5] [--eager-patterns 4] [--out FILE]

The network is EfficientNet-Lite0 with its ImageNet weights. Grad-CAM explains a picture of 224 x
224 pixels. The patterns are those of 16 channels of a middle layer, 30 steps of gradient ascent
each, in the pixels of pictures of 128 x 128; both ways take the same steps. The eager versions
are the textbook's: the model cut at its last maps, a gradient outside any compiled function, one
channel after the other. Both are warmed up first, so that no tracing is counted; a row of its own
says what the tracing costs. As the eager patterns take long, only some of them are made, and the
comparison is per pattern.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from helpers import explain, explain_patterns, pretrained
from helpers.backend import gradient, keras

ops = keras.ops
LAST = "head_activation"
MIDDLE = "block4b_expand_bn"
PATTERNS, STEPS = 16, 30


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Median time of some work, in seconds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def eager_grad_cam(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """The textbook's Grad-CAM: one model up to the maps, one from the maps to the scores."""
    to_maps = keras.Model(model.input, model.get_layer(LAST).output)
    head = [model.get_layer("pool"), model.get_layer("predictions")]

    def score(maps: object) -> object:
        hidden = head[0](maps)
        scores = ops.matmul(hidden, head[1].kernel) + head[1].bias
        return ops.max(scores)

    def heat(picture: np.ndarray) -> np.ndarray:
        maps = to_maps(picture[None].astype("float32"), training=False)
        _, slope = gradient(score, maps)
        weights = ops.mean(slope, axis=(1, 2), keepdims=True)
        coarse = np.asarray(ops.relu(ops.sum(weights * maps, axis=-1)))
        return np.asarray(ops.image.resize(coarse[..., None], picture.shape[:2]))[..., 0]

    return heat


def start() -> np.ndarray:
    """The gray noise that every pattern begins with."""
    return np.random.default_rng(0).normal(127.5, 5, (128, 128, 3)).astype("float32")


def eager_pattern(model: keras.Model, number: int, steps: int = STEPS) -> np.ndarray:
    """The textbook's pattern of one channel: normalized gradient ascent, step by step."""
    up_to = keras.Model(model.input, model.get_layer(MIDDLE).output)
    picture = start()[None]
    length = 5 * np.sqrt(picture.size)

    def activation(value: object) -> object:
        return ops.mean(up_to(value, training=False)[..., number])

    for _ in range(steps):
        _, slope = gradient(activation, picture)
        picture = ops.clip(picture + length * slope / ops.sqrt(ops.sum(slope**2)), 0, 255)
    return np.asarray(picture)[0]


def measure(rounds: int, eager_patterns: int) -> dict[str, float]:
    """Seconds of each way, and how many times faster the compiled ones are."""
    model = pretrained.load("efficientnet_lite0", 224, top=True)
    base = pretrained.load("efficientnet_lite0", 128)
    pictures = np.random.default_rng(0).integers(0, 256, (16, 224, 224, 3), dtype=np.uint8)
    found: dict[str, float] = {}

    found["grad_cam.first_call"] = seconds(lambda: explain.grad_cam(model, pictures[0]), 1)
    found["grad_cam.compiled"] = seconds(lambda: explain.grad_cam(model, pictures[0]), 4 * rounds)
    eager = eager_grad_cam(model)
    expected = eager(pictures[0])
    if not np.allclose(expected[0], explain.grad_cam(model, pictures[0])[0], atol=1e-3):
        raise RuntimeError("The two ways of Grad-CAM do not give the same map.")
    found["grad_cam.eager"] = seconds(lambda: eager(pictures[0]), 4 * rounds)
    explain.grad_cam(model, pictures)
    found["grad_cam.batch_of_16_per_picture"] = (
        seconds(lambda: explain.grad_cam(model, pictures), rounds) / 16
    )

    def patterns(steps: int = STEPS) -> explain_patterns.Patterns:
        return explain_patterns.pixel_ascent(base, MIDDLE, range(PATTERNS), start(), steps=steps)

    found["patterns.first_call"] = seconds(patterns, 1)
    found["patterns.compiled"] = seconds(patterns, rounds)
    if np.abs(eager_pattern(base, 0, 2) - patterns(2).pictures[0]).mean() > 0.5:
        raise RuntimeError("The two ways of gradient ascent do not give the same picture.")
    found["patterns.eager_one"] = seconds(
        lambda: [eager_pattern(base, number) for number in range(eager_patterns)], 1
    )
    found["patterns.eager_one"] /= eager_patterns
    found["grad_cam.times_faster"] = found["grad_cam.eager"] / found["grad_cam.compiled"]
    found["grad_cam.batch_times_faster"] = (
        found["grad_cam.eager"] / found["grad_cam.batch_of_16_per_picture"]
    )
    found["patterns.times_faster"] = (
        found["patterns.eager_one"] * PATTERNS / found["patterns.compiled"]
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--eager-patterns", type=int, default=4)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = measure(given.rounds, given.eager_patterns)
    records = []
    for name, value in found.items():
        unit = "" if name.endswith("times_faster") else "seconds"
        print(f"{name:<32}{value:10.3f} {unit}")
        records.append({"name": f"explain.{name}", "unit": unit, "value": value})
    if given.out:
        kept = {"command": "python benchmarks/explain.py", "records": records}
        given.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
