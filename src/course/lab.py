"""Let JupyterLab open a chapter without changing it.

JupyterLab writes the kernel's description, its version of Python included, into every notebook that
it opens, and then shows the tab as changed. This extension of the Jupyter server hands a chapter to
JupyterLab with that description in it already, and keeps it out of the file that is saved.
"""

import inspect
from typing import Any

from ipykernel.ipkernel import IPythonKernel

STORED = {"name": "python"}  # the description in a chapter's file, the same on every machine


def _metadata(model: dict[str, Any]) -> dict[str, Any] | None:
    """Return the metadata in what the server passes on, or None unless it is a chapter."""
    content = model.get("content")
    if model.get("type") != "notebook" or not isinstance(content, dict):
        return None
    metadata: dict[str, Any] = content.get("metadata", {})
    return metadata if "course" in metadata else None


def described(model: dict[str, Any]) -> dict[str, Any]:
    """Put the kernel's description into a chapter that JupyterLab opens."""
    metadata = _metadata(model)
    if metadata is not None:
        metadata["language_info"] = dict(IPythonKernel.language_info)
    return model


def plain(model: dict[str, Any], **_: Any) -> None:
    """Take the kernel's description out of a chapter that JupyterLab saves."""
    metadata = _metadata(model)
    if metadata is not None:
        metadata["language_info"] = dict(STORED)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "course.lab"}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Do nothing yet, because Jupytext replaces the contents manager while extensions load."""


async def _start_jupyter_server_extension(server: Any) -> None:
    manager = server.contents_manager
    get = manager.get

    async def get_described(*arguments: Any, **options: Any) -> dict[str, Any]:
        model = get(*arguments, **options)
        return described(await model if inspect.isawaitable(model) else model)

    manager.get = get_described
    manager.register_pre_save_hook(plain)
