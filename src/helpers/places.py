"""Where things are: the repository, and the folder for downloads and prepared data."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def cache_folder() -> Path:
    """Folder for downloads, prepared arrays and trained models.

    The environment variable ``COURSE_CACHE`` names it; without one it is ``data/cache`` in the
    repository, which git ignores.
    """
    named = os.environ.get("COURSE_CACHE")
    return Path(named).expanduser() if named else ROOT / "data" / "cache"
