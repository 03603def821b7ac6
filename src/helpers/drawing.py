"""The drawn samples: pictures drawn by our own code, so that every chapter runs without a file.

Everything is drawn from a seed with NumPy and Pillow: cats and dogs for chapter 03, and ten kinds
of objects, named like those of CIFAR-10, for chapter 02. Pose, color, light, clutter and occlusion
vary, so that a few hundred pictures can be memorized and augmentation has something to add.
For the cats and dogs the positions of ears, eyes and snout are known exactly. The colors of their
noses and eyes give the kind away unless a look says otherwise: chapter 06 finds that out.
"""

from typing import Any

import numpy as np

from helpers.drawing_objects import draw_object
from helpers.drawing_pets import CATS_VS_DOGS_CLASSES, PARTS, Look, draw_cat_or_dog

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def check_request(size: int, counts: dict[str, int], classes: int) -> None:
    """Raise ValueError for pictures too small to draw or a split with too few of them."""
    if size < 16:
        raise ValueError(f"drawn pictures need at least 16 pixels per side, not {size}")
    for split, count in counts.items():
        if count < classes:
            raise ValueError(f"the {split} split needs at least {classes} pictures, not {count}")


def bounding_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom (both exclusive) of the True pixels of `mask` (H, W)."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def sample_cats_vs_dogs(
    size: int = 64,
    seed: int = 0,
    train: int = 400,
    validation: int = 200,
    test: int = 200,
    **look: str,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Draw cats (0) and dogs (1), half and half, and report exactly where their parts are.

    Picture i of a split depends on the seed, the split and i only, not on how many are drawn.

    Args:
        size: height and width of a picture, in pixels, at least 16.
        seed: of everything that is drawn.
        train: number of pictures to train on, at least 2, like those of the other two splits.
        validation: number of pictures for making choices.
        test: number of pictures for the final measurement.
        look: what noses, eyes, ears and tongues look like, see `Look`; without it the colors of
            noses and eyes give the kind away. Whatever the look, picture i shows the same animal.

    Returns:
        The arrays and a report. For each split `S` of train, validation and test: `S_x`, uint8
        (N, size, size, 3); `S_y`, int64 (N,); `S_parts`, float32 (N, 5, 2), x and y in pixels of
        the parts that report["parts"] names (left and right as seen in the picture); `S_box`,
        int64 (N, 4), left, top, right and bottom of the visible animal, right and bottom
        exclusive; `S_mask`, bool (N, size, size), its pixels.

    Raises:
        ValueError: the size is below 16, a split has fewer than two pictures, or the look is
            unknown.

    >>> arrays, report = sample_cats_vs_dogs(size=32, train=2, validation=2, test=4)
    >>> arrays["test_x"].shape, arrays["test_y"].tolist(), report["classes"]
    ((4, 32, 32, 3), [0, 1, 0, 1], ['cat', 'dog'])
    >>> left_eyes = arrays["test_parts"][:, report["parts"].index("left eye")]
    >>> left_eyes.shape
    (4, 2)
    """
    counts = {"train": train, "validation": validation, "test": test}
    check_request(size, counts, len(CATS_VS_DOGS_CLASSES))
    arrays: dict[str, np.ndarray] = {}
    for number, (split, count) in enumerate(counts.items()):
        y = np.arange(count) % len(CATS_VS_DOGS_CLASSES)
        drawn = [
            draw_cat_or_dog(
                np.random.default_rng([seed, 3, number, i]),
                CATS_VS_DOGS_CLASSES[label],
                size,
                Look(**look),
            )
            for i, label in enumerate(y)
        ]
        arrays[f"{split}_x"] = np.stack([picture for picture, _, _ in drawn])
        arrays[f"{split}_y"] = y.astype(np.int64)
        arrays[f"{split}_parts"] = np.stack([parts for _, parts, _ in drawn]).astype(np.float32)
        arrays[f"{split}_mask"] = np.stack([mask for _, _, mask in drawn])
        arrays[f"{split}_box"] = np.array([bounding_box(mask) for _, _, mask in drawn], np.int64)
    report = {
        "source": "drawn by helpers.drawing",
        "classes": list(CATS_VS_DOGS_CLASSES),
        "parts": list(PARTS),
        "counts": counts,
        "seed": seed,
    }
    return arrays, report


def sample_cifar10(
    size: int = 32, seed: int = 0, train: int = 2000, validation: int = 500, test: int = 500
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Draw objects of ten classes with CIFAR-10's names and numbers, equally many of each.

    Picture i of a split depends on the seed, the split and i only, not on how many are drawn.

    Args:
        size: height and width of a picture, in pixels, at least 16.
        seed: of everything that is drawn.
        train: number of pictures to train on, at least 10, like those of the other two splits.
        validation: number of pictures for making choices.
        test: number of pictures for the final measurement.

    Returns:
        The arrays and a report. For each split `S` of train, validation and test: `S_x`, uint8
        (N, size, size, 3), and `S_y`, int64 (N,), 0 to 9 in the order of report["classes"].

    Raises:
        ValueError: the size is below 16, or a split has fewer than ten pictures.
    """
    counts = {"train": train, "validation": validation, "test": test}
    check_request(size, counts, len(CIFAR10_CLASSES))
    arrays: dict[str, np.ndarray] = {}
    for number, (split, count) in enumerate(counts.items()):
        y = np.arange(count) % len(CIFAR10_CLASSES)
        drawn = [
            draw_object(np.random.default_rng([seed, 2, number, i]), CIFAR10_CLASSES[label], size)
            for i, label in enumerate(y)
        ]
        arrays[f"{split}_x"] = np.stack(drawn)
        arrays[f"{split}_y"] = y.astype(np.int64)
    report = {
        "source": "drawn by helpers.drawing",
        "classes": list(CIFAR10_CLASSES),
        "counts": counts,
        "seed": seed,
    }
    return arrays, report
