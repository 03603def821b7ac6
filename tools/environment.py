"""Make the course's Python environment from a lock, or repair one that is half made.

    python tools/environment.py        # .venv: the course and JupyterLab
    python tools/environment.py dev    # .venv: the same with tests, checks and the book
    python tools/environment.py gpu    # .venv-gpu: TensorFlow with CUDA, Python 3.11 on Linux

Needs nothing but Python. The packages are installed by uv, which comes from the lock as well, and
by pip where uv finds no package index. A ready environment is recognized by the hashes of the files
that made it, so calling this twice costs nothing.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = {
    "run": (".venv", "requirements.lock"),
    "dev": (".venv", "requirements-dev.lock"),
    "gpu": (".venv-gpu", "requirements-gpu.lock"),
}
# uv does not read pip's configuration; these settings say where a machine gets its packages.
FROM_PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
}
DISK_FULL = re.compile(r"no space left|disk quota exceeded|not enough space on the disk", re.I)
WINDOWS = os.name == "nt"


class Stop(Exception):
    """The environment cannot be made; the message is one sentence that says what to do."""


def check_python(kind: str) -> None:
    """Raise Stop if this Python cannot make an environment of a kind."""
    version = ".".join(map(str, sys.version_info[:2]))
    if kind == "gpu" and (version, sys.platform, platform.machine()) != ("3.11", "linux", "x86_64"):
        raise Stop(
            "requirements-gpu.lock is for Python 3.11 on Linux (x86-64), and this is Python "
            f"{version} on {sys.platform} ({platform.machine()}): make PYTHON=python3.11 gpu."
        )
    if not (3, 11) <= sys.version_info < (3, 14):
        raise Stop(
            f"The course needs Python 3.11, 3.12 or 3.13, and {sys.executable} is {version}: "
            "name another, as in `make PYTHON=python3.12 run` or "
            "`python3.12 tools/environment.py`."
        )
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise Stop(
                f"{sys.executable} lacks {module}, so it cannot make an environment with pip: "
                "install it (on Debian and Ubuntu the package python3-venv), or use another "
                "Python."
            )


def python_of(folder: Path) -> Path:
    """Return the Python of an environment."""
    return folder / ("Scripts/python.exe" if WINDOWS else "bin/python")


def digest(name: str) -> str:
    """Return the SHA-256 of a file of the repository, whatever its line ends."""
    return hashlib.sha256((ROOT / name).read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def made_from(folder: Path) -> dict[str, str]:
    """Return the hashes of what a whole environment was made from.

    Of one that is half made, or that was moved since, this is nothing: its programs name the
    folder in which they were installed.
    """
    try:
        found = json.loads((folder / ".ready").read_text(encoding="utf-8"))
        works = subprocess.run([python_of(folder), "-c", ""], capture_output=True)
    except (OSError, ValueError):
        return {}
    whole = works.returncode == 0 and isinstance(found, dict) and found.get("folder") == str(folder)
    return found if whole else {}


def is_ready(folder: Path, lock: str) -> bool:
    """Return whether an environment holds the packages of a lock, and the course itself."""
    found = made_from(folder)
    return all(found.get(name) == digest(name) for name in (lock, "pyproject.toml"))


def other_python(folder: Path) -> str:
    """Say which Python an environment has, if that isn't the one that runs this file."""
    asked = "import sys; print(*sys.version_info[:2], sep='.')"
    answer = subprocess.run([python_of(folder), "-c", asked], capture_output=True, text=True)
    there, here = answer.stdout.strip(), f"{sys.version_info[0]}.{sys.version_info[1]}"
    if answer.returncode or there == here:
        return ""
    return f"{folder.name} has Python {there}, not {here}: delete it to have it made with {here}."


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is making an environment, and keep others waiting meanwhile."""
    with folder.with_name(f"{folder.name}.lock").open("w") as file:
        waited = False
        while not _take(file.fileno()):
            if not waited:
                print(f"Another process is making {folder.name}: waiting for it.", flush=True)
            waited = True
            time.sleep(0.5)
        # A command that outlives this process, because only this one was killed, keeps the lock.
        os.set_inheritable(file.fileno(), True)
        yield


def _take(handle: int) -> bool:
    """Lock an open file unless another process has; the lock ends with the process."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def call(words: list[str | Path], log: Path, more: dict[str, str] | None = None) -> bool:
    """Run a command with its output in a log and a dot every five seconds; tell if it succeeded.

    Raises:
        Stop: the disk is full.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            words,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(more or {})},
            close_fds=False,
        )
        try:
            while True:
                try:
                    process.wait(timeout=5)
                    break
                except subprocess.TimeoutExpired:
                    print(".", end="", flush=True)
        finally:
            process.kill()
            process.wait()
    if process.returncode and DISK_FULL.search(log.read_text(encoding="utf-8", errors="replace")):
        raise Stop(
            "No space is left while installing: the environment needs about 3 GB beside the "
            "notebooks, and as much again in the cache of packages; make room and repeat the "
            "command."
        )
    return process.returncode == 0


def end_of(log: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])


def pin(lock: str, name: str) -> str:
    """Return the lines of a lock that pin one package with its hashes."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(name)}==.*(?:\n    --hash=.*)+", text, re.MULTILINE)
    if found is None:
        raise Stop(f"{lock} does not pin {name}: renew the locks with `make lock`.")
    return f"{found[0]}\n"


def sources_of_packages(python: Path) -> dict[str, str]:
    """Return variables that point uv at the package index of pip's configuration."""
    listed = subprocess.run(
        [python, "-m", "pip", "config", "list"], capture_output=True, text=True, encoding="utf-8"
    )
    found = {}
    for line in listed.stdout.splitlines():
        key, _, value = line.partition("=")
        variable = FROM_PIP_TO_UV.get(key.rpartition(".")[2])
        with contextlib.suppress(ValueError, SyntaxError):
            if variable and variable not in os.environ:
                places = [word for word in str(ast.literal_eval(value)).split() if at_hand(word)]
                found[variable] = ("," if variable == "UV_FIND_LINKS" else " ").join(places)
    # Every index may serve every package, as pip has it: the hashes decide.
    found = {variable: value for variable, value in found.items() if value}
    return {**found, "UV_INDEX_STRATEGY": "unsafe-best-match"}


def at_hand(place: str) -> bool:
    """Return whether a place is an address, or a folder that exists; pip skips the others."""
    path = place[len("file://") :] if place.startswith("file:///") else place
    return not path.startswith("/") or Path(path).exists()


def install(folder: Path, lock: str) -> None:
    """Install the packages of a lock and the course itself; the last step says it is whole.

    Raises:
        Stop: a step failed.
    """
    found = made_from(folder)
    (folder / ".ready").unlink(missing_ok=True)
    log = folder.with_name(f"{folder.name}.log")
    kept = [name for name in found if name.endswith(".lock")]
    if not kept or any(found[name] != digest(name) for name in kept):
        # What an interrupted installation left, and what an older lock listed, must not stay.
        found = {}
        print(f"Making {folder.name} ...", end="", flush=True)
        if not call([sys.executable, "-m", "venv", "--clear", folder], log):
            raise Stop(f"{folder.name} cannot be made:\n{end_of(log)}")
        print(flush=True)
    python = python_of(folder)
    if found.get(lock) != digest(lock):
        install_packages(folder, lock, log)
    course = ["--no-deps", "--no-build-isolation", "--editable", ROOT]
    if not call([python, "-m", "pip", "install", *course], log):
        raise Stop(f"The course itself cannot be installed:\n{end_of(log)}")
    made = {"folder": str(folder), "pyproject.toml": digest("pyproject.toml")}
    made = {**found, **made, lock: digest(lock)}
    if lock == "requirements-dev.lock":
        made["requirements.lock"] = digest("requirements.lock")
    unfinished = folder / ".ready.new"
    unfinished.write_text(json.dumps(made, indent=1), encoding="utf-8")
    unfinished.replace(folder / ".ready")


def install_packages(folder: Path, lock: str, log: Path) -> None:
    """Install what a lock lists, by uv or else by pip; a wrong hash stops either.

    Raises:
        Stop: neither could.
    """
    number = len(re.findall(r"^\S+==", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE))
    print(
        f"Installing up to {number} packages (a download of about 1 GB, 3 GB on disk)",
        end="",
        flush=True,
    )
    began = time.monotonic()
    python, only_uv = python_of(folder), folder / "uv.lock"
    only_uv.write_text(pin(lock, "uv"), encoding="utf-8")
    hashed: list[str | Path] = ["--require-hashes", "--requirement"]
    by_pip: list[str | Path] = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    by_uv: list[str | Path] = [python, "-m", "uv", "pip", "install", "--python", python]
    if sys.dont_write_bytecode:
        # Python would compile every package anew in each process: 10 s more per start of Keras.
        by_uv.append("--compile-bytecode")
    done = call([*by_pip, "--no-deps", *hashed, only_uv], log) and call(
        [*by_uv, *hashed, ROOT / lock], log, sources_of_packages(python)
    )
    if not done:
        print("\nuv could not install them; trying pip, which takes longer", end="", flush=True)
        done = call([*by_pip, *hashed, ROOT / lock], log)
    if not done:
        raise Stop(f"The packages of {lock} cannot be installed:\n{end_of(log)}")
    print(f" done in {time.monotonic() - began:.0f} s.", flush=True)


def exit_code(make: Callable[[], None], folder: Path) -> int:
    """Make a folder, and return the exit code; what went wrong is said in one sentence."""
    try:
        make()
    except Stop as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"\n{folder} cannot be made ({error}): check the permissions and the space on the "
            "disk, and close what runs in it.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command starts again.", file=sys.stderr)
        return 130
    return 0


def main(arguments: list[str]) -> int:
    """Make the environment of a kind unless it is ready."""
    kind = arguments[0] if arguments else "run"
    if kind not in KINDS or len(arguments) > 1:
        print(__doc__, file=sys.stderr)
        return 2
    folder, lock = ROOT / KINDS[kind][0], KINDS[kind][1]

    def make() -> None:
        if not is_ready(folder, lock):
            check_python(kind)
            with alone(folder):
                if not is_ready(folder, lock):
                    install(folder, lock)

    if code := exit_code(make, folder):
        return code
    if "MAKELEVEL" not in os.environ:
        activate = (
            f"{folder.name}\\Scripts\\activate" if WINDOWS else f"source {folder.name}/bin/activate"
        )
        print(f"The environment is ready. To use it in this window: {activate}")
    if said := other_python(folder):
        print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
