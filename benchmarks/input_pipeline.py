"""Seconds per epoch: prepared arrays beside `image_dataset_from_directory`, on the same files.

    python benchmarks/input_pipeline.py [--profile sample] [--size 64] [--epochs 5] [--out FILE]

2,000 JPEG files of cats and dogs are laid into a temporary folder, one folder per class. The
convnet of chapter 03 is then trained on them in two ways: from arrays that were decoded once and
are mapped into memory, as the chapters do, and by Keras's reader, which decodes each file in each
epoch.
"Model alone" trains on one batch that lies ready, so no input pipeline can make an epoch shorter.
The three take turns, one epoch each, so that whatever else the machine does meets all of them. The
first epochs hold the tracing of the graphs and are shown apart; of the later ones the median
counts. With the profile sample the files are drawn by the course itself.
"""

import argparse
import io
import json
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from helpers import datasets, downloads, drawing, pictures, training
from helpers.backend import keras

layers = keras.layers
BATCH = 32
EACH = 1000  # files of each class


def convnet(size: int) -> keras.Model:
    """The convnet of chapter 03, without remedies."""
    model = keras.Sequential([keras.Input((size, size, 3)), layers.Rescaling(1 / 255)])
    for depth in (16, 32, 64, 64):
        model.add(layers.Conv2D(depth, 3, activation="relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(256, activation="relu"))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile("rmsprop", "binary_crossentropy", metrics=["accuracy"])
    return model


def write_files(folder: Path, profile: str) -> list[Path]:
    """Lay `EACH` JPEG files of each class into folder/cat and folder/dog."""
    for kind in drawing.CATS_VS_DOGS_CLASSES:
        (folder / kind).mkdir()
    if profile == "sample":
        drawn, _ = drawing.sample_cats_vs_dogs(200, train=2 * EACH, validation=2, test=2)
        for number, (x, y) in enumerate(zip(drawn["train_x"], drawn["train_y"], strict=True)):
            held = io.BytesIO()
            Image.fromarray(x).save(held, "JPEG")
            path = folder / drawing.CATS_VS_DOGS_CLASSES[y] / f"{number}.jpg"
            path.write_bytes(held.getvalue())
    else:
        left = [EACH, EACH]
        with zipfile.ZipFile(downloads.fetch(datasets.entry("cats_vs_dogs")).path) as archive:
            for name in sorted(archive.namelist()):
                label = pictures.cat_or_dog(name) if pictures.is_picture(name) else None
                if label is not None and left[label] and archive.getinfo(name).file_size:
                    left[label] -= 1
                    path = folder / drawing.CATS_VS_DOGS_CLASSES[label] / Path(name).name
                    path.write_bytes(archive.read(name))
    return sorted(folder.rglob("*.jpg"))


def measure(profile: str, size: int, epochs: int) -> dict[str, list[float]]:
    """Seconds of each epoch, by way of reading."""
    training.start(0)
    models = [convnet(size) for _ in range(3)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "pictures"
        folder.mkdir()
        files = write_files(folder, profile)
        decoded = pictures.in_parallel(
            lambda path: pictures.pixels(path.read_bytes(), size), files, "decoding once"
        )
        np.save(Path(temporary) / "x.npy", np.stack(decoded))
        x = np.load(Path(temporary) / "x.npy", mmap_mode="r")
        y = np.array([int(path.parent.name == "dog") for path in files])
        reader = keras.utils.image_dataset_from_directory(
            folder, batch_size=BATCH, image_size=(size, size), seed=0, verbose=False
        )
        prepared = training.batches(x, y, BATCH, seed=0)
        batch, target = np.asarray(x[:BATCH]), y[:BATCH]

        def model_alone() -> None:
            for _ in range(-(-len(x) // BATCH)):
                models[2].train_on_batch(batch, target)

        ways: dict[str, Callable[[], object]] = {
            "prepared arrays": lambda: models[0].fit(prepared, verbose=0),
            "image_dataset_from_directory": lambda: models[1].fit(reader, shuffle=False, verbose=0),
            "model alone": model_alone,
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(epochs):
            for name, epoch in ways.items():
                began = time.perf_counter()
                epoch()
                seconds[name].append(time.perf_counter() - began)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=("sample", "quick"), default="quick")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.epochs < 2:
        parser.error("--epochs must be at least 2: the first epoch is shown apart")
    seconds = measure(options.profile, options.size, options.epochs)
    later = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    for name, times in seconds.items():
        rate = 2 * EACH / later[name]
        print(
            f"{name:30s} first {times[0]:6.2f} s, later {later[name]:6.2f} s, {rate:7.0f} a second"
        )
    ratio = later["image_dataset_from_directory"] / later["prepared arrays"]
    print(f"prepared arrays: {ratio:.2f} times as fast an epoch from the second epoch on")
    most = later["image_dataset_from_directory"] / later["model alone"]
    print(f"no pipeline could be more than {most:.2f} times as fast with this model")
    for name in ("prepared arrays", "image_dataset_from_directory"):
        share = later["model alone"] / later[name]
        print(f"{name}: the model takes {min(share, 1):.0%} of an epoch, the pipeline the rest")
    if options.out:
        body = {"size": options.size, "files": 2 * EACH, "seconds": seconds, "times_as_fast": ratio}
        options.out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
