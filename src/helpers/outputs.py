"""What the cells of a chapter leave in the notebook, by MIME type, and how it is shown."""

import base64
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle, display

HISTORY = "application/vnd.course.history+json"
# The MIME types of pictures, the best first.
PICTURES = ("image/svg+xml", "image/jpeg", "image/png")


def as_text(content: bytes) -> str:
    """Write bytes as the base64 text by which notebooks and pages hold them.

    >>> as_text(b"seven")
    'c2V2ZW4='
    """
    return base64.b64encode(content).decode()


def put(
    data: dict[str, Any],
    metadata: dict[str, Any] | None = None,
    *,
    changing: bool = False,
    printed: str = "",
) -> DisplayHandle | None:
    """Show one output in several MIME types, of which every reader picks the best it can show.

    Outside a notebook plain text is printed.

    Args:
        data: content by MIME type. Binary content is base64 text.
        metadata: by MIME type, such as the alt text of a picture.
        changing: whether the output will be replaced later.
        printed: the text for outside a notebook, where it isn't the "text/plain" of the data.

    Returns:
        In a notebook, a handle whose `update` replaces a changing output; otherwise None.

    >>> put({"text/html": "<b>seven</b>", "text/plain": "seven"})
    seven
    """
    if InteractiveShell.initialized():
        return display(data, metadata=metadata, raw=True, display_id=changing or None)
    print(printed or data["text/plain"])
    return None


class Line:
    """One line of output that can be rewritten while a cell runs.

    Outside a notebook only what `end` is given is printed.

    >>> line = Line("Training …")
    >>> line.update("half of it")
    >>> line.end({"text/plain": "all of it"})
    all of it
    """

    def __init__(self, text: str) -> None:
        shown = InteractiveShell.initialized()
        self._handle = put({"text/plain": text}, changing=True) if shown else None

    def update(self, text: str) -> None:
        """Replace the line while the work goes on."""
        if self._handle is not None:
            self._handle.update({"text/plain": text}, raw=True)

    def end(self, data: dict[str, Any]) -> None:
        """Replace the line for good, by content in one or several MIME types."""
        if self._handle is not None:
            self._handle.update(data, raw=True)
        else:
            put(data)
