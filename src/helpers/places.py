"""Where things are: the repository, and the folder for downloads and prepared data."""

import importlib.util
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = ("tensorflow", "jax", "torch")


def cache_folder() -> Path:
    """Folder for downloads, prepared arrays and trained models.

    The environment variable ``COURSE_CACHE`` names it; without one it is ``data/cache`` in the
    repository, which git ignores.
    """
    named = os.environ.get("COURSE_CACHE")
    return Path(named).expanduser() if named else ROOT / "data" / "cache"


def chosen_backend() -> str:
    """The backend of Keras that ``KERAS_BACKEND`` asks for, tensorflow without it.

    Raises:
        ValueError: the course does not run on it, or it is not installed.
    """
    name = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if name not in BACKENDS:
        raise ValueError(
            f'KERAS_BACKEND is "{name}", and the course runs on {", ".join(BACKENDS)}: '
            "set it to one of these, or unset it."
        )
    if importlib.util.find_spec(name) is None:
        raise ValueError(
            f"KERAS_BACKEND is {name}, which is not installed: "
            f"run `pip install '.[{name}]'`, or unset KERAS_BACKEND."
        )
    return name
