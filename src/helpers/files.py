"""Files: written in one step, so that no half is ever read, and known by their SHA-256."""

import hashlib
import os
import tempfile
import time
from pathlib import Path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Args:
        path: the file.

    Raises:
        OSError: the file cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "empty"
    ...     _ = path.write_bytes(b"")
    ...     sha256_of(path)[:16]
    'e3b0c44298fc1c14'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file beside its place and move it there, so that readers see all of it or none.

    Text is written as UTF-8 with ``\\n`` line ends on every system. Windows refuses the move while
    another program reads the earlier file, so it is tried again for a second.

    Args:
        path: where the file belongs; its folder must exist.
        content: all of it, as text or bytes.

    Raises:
        OSError: the folder cannot be written or the disk is full; an earlier file is unchanged.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "digits.txt"
    ...     write_atomically(path, "0123456789")
    ...     path.read_text(encoding="utf-8")
    '0123456789'
    """
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".tmp")
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        # A temporary file is private; what is put in place is as readable as any other.
        unfinished.chmod(0o644)
        for _ in range(10):
            try:
                unfinished.replace(path)
                return
            except PermissionError:
                time.sleep(0.1)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
