"""Seconds per epoch: through the whole model beside the rest behind a stored prefix.

    python benchmarks/frozen_prefix.py [--pictures 512] [--out FILE]

Both models share their layers and train the same weights: those behind the cut, batch
normalisation excepted, and a small head. The prefix is run once, and the seconds of that are shown
apart. Weights are random, as are the pictures; neither changes the time.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np

from helpers import frozen, pretrained, training
from helpers.backend import keras

layers = keras.layers
BATCH = 32
# Base, size in pixels, and last frozen layer: the cut of chapter 05, and block 5 of VGG16.
CASES = (("efficientnet_lite0", 160, "block6d_add"), ("vgg16", 150, "block4_pool"))


def with_head(inputs: keras.KerasTensor, maps: keras.KerasTensor) -> keras.Model:
    """A compiled model that ends in pooling and a small head."""
    x = layers.GlobalAveragePooling2D()(maps)
    x = layers.Dense(256, activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile(keras.optimizers.Adam(1e-4), "binary_crossentropy", metrics=["accuracy"])
    return model


def epoch_seconds(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    """Seconds of one epoch, after a first one that traces the graph."""
    data = training.batches(x, y, BATCH, seed=0)
    model.fit(data, verbose=0)
    began = time.perf_counter()
    model.fit(data, verbose=0)
    return time.perf_counter() - began


def measure(name: str, size: int, cut: str, pictures: int) -> dict:
    """Seconds of the prefix and of an epoch both ways, for one base."""
    training.start(0)
    base = pretrained.load(name, size, weights="random")
    prefix, rest = frozen.cut(base, cut)
    for layer in base.layers:
        layer.trainable = False
    for layer in rest.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    x = np.random.default_rng(0).integers(0, 256, (pictures, size, size, 3)).astype("uint8")
    y = np.arange(pictures) % 2
    began = time.perf_counter()
    starts = range(0, pictures, BATCH)
    maps = np.concatenate([prefix.predict_on_batch(x[at : at + BATCH]) for at in starts])
    prefix_seconds = time.perf_counter() - began
    start = keras.Input(maps.shape[1:])
    rest_seconds = epoch_seconds(with_head(start, rest(start)), maps, y)
    whole_seconds = epoch_seconds(with_head(base.input, base.output), x, y)
    return {
        "base": name,
        "size": size,
        "last_frozen": cut,
        "pictures": pictures,
        "prefix_seconds_once": round(prefix_seconds, 2),
        "whole_epoch_seconds": round(whole_seconds, 2),
        "rest_epoch_seconds": round(rest_seconds, 2),
        "times_faster": round(whole_seconds / rest_seconds, 2),
    }


def main() -> None:
    """Measure every case, print a table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    rows = [measure(*case, chosen.pictures) for case in CASES]
    for row in rows:
        print(
            f"{row['base']} cut after {row['last_frozen']}: whole "
            f"{row['whole_epoch_seconds']} s, rest {row['rest_epoch_seconds']} s per epoch, "
            f"{row['times_faster']} times faster; prefix {row['prefix_seconds_once']} s once"
        )
    if chosen.out:
        machine = {"cores": os.cpu_count(), "machine": platform.machine()}
        chosen.out.write_text(json.dumps({"machine": machine, "cases": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
