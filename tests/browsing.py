"""Chromium as the tests of the book, of JupyterLab and of live figures use it."""

import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlparse

import pytest

from helpers.places import ROOT

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DRIVER = shutil.which("chromedriver")

needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="Chromium and its driver are not installed"
)
WIDE, PHONE = (1400, 1000), (390, 844)


def started() -> Any:
    """Start Chromium without a window, with the network cut but for this machine."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(30)
    driver.set_script_timeout(60)
    return driver


def sized(browser: Any, size: tuple[int, int], dark: bool = False) -> None:
    """Give the browser a screen, light or dark."""
    screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def wait(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value of a condition; fails naming what did not come.

    A condition may hold an element that the page replaces meanwhile: then it isn't true yet.
    """
    from selenium.common.exceptions import StaleElementReferenceException

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(StaleElementReferenceException):
            found = condition()
            if found:
                return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come within {seconds:.0f} s")


def complaints(browser: Any) -> list[str]:
    """Errors in the console, failed requests and requests to other hosts, since the last call."""
    found = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        parameters = message["params"]
        if message["method"] == "Network.loadingFailed" and not parameters.get("canceled"):
            found.append(f"failed: {parameters.get('errorText')}")
        elif message["method"] == "Network.responseReceived":
            response = parameters["response"]
            if response["status"] >= 400:
                found.append(f"{response['status']}: {response['url']}")
        elif message["method"] == "Network.requestWillBeSent":
            host = urlparse(parameters["request"]["url"])
            if host.scheme.startswith("http") and host.hostname != "127.0.0.1":
                found.append(f"asked another host: {host.geturl()}")
    return found
