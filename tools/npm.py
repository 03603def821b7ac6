"""Install what package-lock.json lists: the book's MathJax, and the tools of some tests.

    python tools/npm.py

Needs npm. Where it is missing, one sentence says what is left out, and nothing fails. Packages
installed from the present lock stay as they are, and of two calls at once the second waits.
"""

import shutil
import sys

from environment import ROOT, Stop, alone, call, digest, end_of, exit_code

FOLDER = ROOT / "node_modules"
READY = FOLDER / ".ready"
OPTIONS = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]


def is_ready() -> bool:
    """Return whether the packages of the present lock are installed whole."""
    return READY.is_file() and READY.read_text(encoding="utf-8") == digest("package-lock.json")


def install(npm: str) -> None:
    """Install the packages of the lock unless they are there.

    Raises:
        Stop: npm failed.
    """
    log = FOLDER.with_name("node_modules.log")
    with alone(FOLDER):
        if not is_ready():
            if not call([npm, "ci", "--prefix", ROOT, *OPTIONS], log):
                raise Stop(f"The packages of package-lock.json cannot be installed:\n{end_of(log)}")
            READY.write_text(digest("package-lock.json"), encoding="utf-8")


def main() -> int:
    """Install the packages where there is npm."""
    npm = shutil.which("npm")
    if npm is None:
        print(
            "npm is missing: the book cannot be built, and the tests of the book's pages and of "
            "the workflows are skipped; how many is shown at the end."
        )
        return 0
    return exit_code(lambda: install(npm), FOLDER)


if __name__ == "__main__":
    sys.exit(main())
