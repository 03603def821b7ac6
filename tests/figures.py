"""Live figures as their tests show them and use them by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import diagrams, live
from tests.browsing import AXE, WIDE, complaints, sized, wait

PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A figure</title>'
    '<meta name="viewport" content="width=device-width">'
)


def figure() -> Any:
    return diagrams.pooling(np.arange(16).reshape(4, 4))


def shown(monkeypatch: pytest.MonkeyPatch, show: Any, *arguments: Any) -> dict[str, str]:
    """What a live figure puts into the output of its cell."""
    caught: list[dict[str, str]] = []
    monkeypatch.setattr(live, "put", lambda data, metadata: caught.append(data))
    show(*arguments)
    [data] = caught
    return data


def scripts(*names: str) -> str:
    """The scripts of a live figure, those that all figures share before its own."""
    parts = Path(live.__file__).parent / "live_parts"
    return "\n".join((parts / name).read_text("utf-8") for name in ("common.js", *names))


def opened(browser: Any, folder: Path, body: str, size: tuple[int, int] = WIDE) -> None:
    """Open a page with a body of its own."""
    path = folder / "page.html"
    path.write_text(f"{PAGE}</head><body><main><h1>A figure</h1>{body}</main></body>", "utf-8")
    sized(browser, size)
    complaints(browser)
    browser.get(path.as_uri())


def violations(browser: Any) -> list[str]:
    """What axe finds on the open page."""
    if not AXE.is_file():
        pytest.skip("axe-core comes from npm, and npm is not installed")
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    found: list[str] = browser.execute_async_script(
        "const done = arguments[0]; axe.run().then(r => done(r.violations.map("
        "v => `${v.id}: ${v.nodes[0].html.slice(0, 200)}`)));"
    )
    return found


def text(browser: Any, selector: str) -> str:
    found: str = browser.execute_script(f"return document.querySelector({selector!r}).textContent")
    return found


def press(browser: Any, label: str) -> None:
    """Press the button with a text or label."""
    browser.execute_script(
        "[...document.querySelectorAll('button')].find(b => b.textContent.includes(arguments[0])"
        " || b.getAttribute('aria-label') === arguments[0]).click()",
        label,
    )


def darken(browser: Any) -> None:
    """Give the page dark colors, and wait until the figure has noticed."""
    browser.execute_script(
        "document.body.style.background = '#121212'; document.body.style.color = '#eee'"
    )
    wait(lambda: browser.execute_script("return !!document.querySelector('.dark')"), 60, "dark")


def page_width(browser: Any, size: tuple[int, int]) -> int:
    """Return how wide the page is on a screen, in pixels: wider than the screen if it scrolls."""
    sized(browser, size)
    found: int = browser.execute_script("return document.documentElement.scrollWidth")
    return found
