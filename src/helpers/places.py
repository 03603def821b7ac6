"""Locate the repository, and the folder for downloads and prepared data."""

import importlib.util
import os
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = ("tensorflow", "jax", "torch")


class TableError(ValueError):
    """A table of the repository can't be read; the message is one sentence."""


def read_table(name: str) -> dict[str, Any]:
    """Read a TOML file of the repository.

    Args:
        name: its path from the root, such as ``data/claims.toml``.

    Raises:
        TableError: it can't be read or isn't valid TOML; the message names the file and the line.
    """
    try:
        return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        # Only in a copy do the notebooks lie elsewhere than beside the modules.
        raise TableError(
            f"{ROOT} has no {name}: if the course is installed as a copy, run "
            "`pip install --editable .` in its checkout."
        ) from error
    except (OSError, ValueError) as error:
        raise TableError(f"{name} cannot be read: {error}.") from error


def cache_folder() -> Path:
    """Return the folder for downloads, prepared arrays and trained models.

    The environment variable ``COURSE_CACHE`` names it; without one it is ``data/cache`` in the
    repository, which git ignores.
    """
    named = os.environ.get("COURSE_CACHE")
    return Path(named).expanduser() if named else ROOT / "data" / "cache"


def chosen_backend() -> str:
    """Return the Keras backend that ``KERAS_BACKEND`` asks for, "tensorflow" by default.

    Raises:
        ValueError: the course doesn't run on that backend, or it isn't installed.
    """
    name = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if name not in BACKENDS:
        raise ValueError(
            f'KERAS_BACKEND is "{name}", but the course runs on {", ".join(BACKENDS)}: '
            "set it to one of these, or unset it."
        )
    if importlib.util.find_spec(name) is None:
        raise ValueError(
            f"KERAS_BACKEND is {name}, which is not installed: "
            f'run `pip install --editable ".[{name}]"`, or unset KERAS_BACKEND.'
        )
    return name
