"""Trained models that one chapter leaves for another, by name, with where they come from."""

import json
import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from helpers.backend import keras
from helpers.files import sha256_of
from helpers.places import cache_folder

# The chapter that makes each model.
MADE_BY = {"cats_vs_dogs": "03"}


def folder() -> Path:
    """Return the folder of trained models, which may not exist yet.

    A run of a batch that makes or uses models has a folder of its own, so that runs with other
    seeds don't overwrite them.

    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, COURSE_MODELS="models of this run"):
    ...     print(folder())
    models of this run
    """
    named = os.environ.get("COURSE_MODELS")
    return Path(named) if named else cache_folder() / "models"


def _paths(name: str, profile: str) -> tuple[Path, Path]:
    if name not in MADE_BY:
        raise ValueError(f'There is no model "{name}": the course makes {", ".join(MADE_BY)}.')
    stem = folder() / f"{name}-{profile}"
    return stem.with_suffix(".keras"), stem.with_suffix(".json")


def save(name: str, profile: str, model: Any, provenance: dict[str, Any]) -> Path:
    """Save a trained model for other chapters, in place of an earlier one of that name.

    Args:
        name: a key of `MADE_BY`.
        profile: of the run that trained it; the models of sample and quick are kept apart.
        model: a Keras model.
        provenance: JSON-able: the data and their hash, the size of the pictures, the seed, what was
            measured. The chapter, the profile, the versions of Keras and of its backend, and the
            hash of the file are added.

    Returns:
        Path of the saved model.

    Raises:
        ValueError: no chapter makes a model of this name.

    >>> from unittest import mock
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> with (
    ...     tempfile.TemporaryDirectory() as place,
    ...     mock.patch.dict(os.environ, COURSE_MODELS=place),
    ... ):
    ...     print(save("cats_vs_dogs", "sample", model, {"seed": 0}).name)
    cats_vs_dogs-sample.keras
    """
    path, description = _paths(name, profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as unfinished:
        written = Path(unfinished) / path.name
        model.save(written)
        described = {
            "name": name,
            "chapter": MADE_BY[name],
            "profile": profile,
            **provenance,
            "versions": {each: version(each) for each in ("keras", keras.backend.backend())},
            "sha256": sha256_of(written),
        }
        text = Path(unfinished) / description.name
        text.write_text(json.dumps(described, indent=1), encoding="utf-8")
        written.replace(path)
        text.replace(description)
    return path


def load(name: str, profile: str) -> tuple[Any, dict[str, Any]]:
    """Return a trained model that another chapter made, and its provenance.

    Args:
        name: a key of `MADE_BY`.
        profile: of the run that trained it.

    Returns:
        The Keras model, not compiled, and what `save` was told, with what it added.

    Raises:
        FileNotFoundError: the model was not made yet; the message says how to make it.
        ValueError: no chapter makes such a model, or its file was damaged or changed.

    >>> from unittest import mock
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> with (
    ...     tempfile.TemporaryDirectory() as place,
    ...     mock.patch.dict(os.environ, COURSE_MODELS=place),
    ... ):
    ...     _ = save("cats_vs_dogs", "sample", model, {"seed": 0})
    ...     again, provenance = load("cats_vs_dogs", "sample")
    >>> again.output_shape, provenance["chapter"], provenance["seed"]
    ((None, 1), '03', 0)
    """
    path, description = _paths(name, profile)
    make = f"run `course run {MADE_BY[name]} --profile {profile}`"
    if not path.is_file() or not description.is_file():
        raise FileNotFoundError(
            f'The trained model "{name}" of profile {profile} is not there: chapter '
            f"{MADE_BY[name]} makes it, so {make} first."
        )
    try:
        provenance = json.loads(description.read_text(encoding="utf-8"))
        intact = sha256_of(path) == provenance["sha256"]
    except (ValueError, KeyError, TypeError):
        intact = False
    if not intact:
        raise ValueError(f"{path} was damaged or changed since it was saved: {make} again.")
    return keras.saving.load_model(path, compile=False), provenance
