"""The live figure of heat maps: its pixels held to Python's, and its use by hand."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from helpers import live_maps
from tests.browsing import PHONE, complaints, needs_browser, wait
from tests.figures import darken, opened, page_width, press, shown, text, violations

CLASSES = [["tabby", "beagle"], ["Siamese cat", "chow"]]
METHODS = ("Grad-CAM", "occlusion")
PIXELS = """
const canvas = document.querySelectorAll('.look-map canvas')[arguments[0]];
const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
return Array.from(data);
"""
SIDE = 56


@pytest.fixture
def pictures() -> np.ndarray:
    """Plain gray, which a JPEG file keeps as it is."""
    return np.repeat([60, 180], SIDE * SIDE * 3).reshape(2, SIDE, SIDE, 3).astype("uint8")


@pytest.fixture
def maps() -> dict[str, np.ndarray]:
    """Noise with a peak; the second method finds nothing for the last class."""
    random = np.random.default_rng(0)
    found = {name: random.normal(0.2, 0.2, (2, 2, SIDE, SIDE)) for name in METHODS}
    found["Grad-CAM"][0, 1, 50:54, 2:6] = 5
    found["occlusion"][1, 1] = -1
    return found


def put(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> dict[str, str]:
    rest = ("Two classes", "A gray picture with four maps.")
    return shown(monkeypatch, live_maps.where_it_looks, *arguments, *rest)


@pytest.fixture
def looking(
    monkeypatch: pytest.MonkeyPatch,
    browser: Any,
    tmp_path: Path,
    pictures: np.ndarray,
    maps: dict[str, np.ndarray],
) -> None:
    data = put(monkeypatch, pictures, CLASSES, maps)
    opened(browser, tmp_path, data["text/html"])
    wait(lambda: browser.execute_script("return !!document.querySelector('.look-map')"), 60, "maps")


def test_classes_of_a_picture_share_a_scale() -> None:
    maps = np.zeros((1, 2, SIDE, SIDE))
    maps[0, 0, :2, :2], maps[0, 1, :2, :2] = 4, 1
    found = live_maps.shares(maps)
    assert found[0, :, 0, 0].tolist() == [255, 64]
    assert found.sum() == 255 + 64
    assert not live_maps.shares(-maps).any()


def test_squares_are_means_and_lie_where_they_lay_in_a_wide_map() -> None:
    maps = np.zeros((2, 1, 28, 56))
    maps[0, 0, 3, 10] = 8
    maps[0, 0, 5, 20:22] = 8
    maps[1, 0, 0, 0:2] = 1
    found = live_maps.shares(maps)
    assert found[0, 0, 3, 5] == 128 and found[0, 0, 5, 10] == 255
    assert found[0].sum() == 128 + 255
    assert found[1, 0, 0, 0] == 255


def test_a_map_is_laid_over_gray_more_densely_where_it_is_hot() -> None:
    picture = np.zeros((56, 28, 3), "uint8")
    picture[..., 1] = 90
    levels = np.zeros((28, 28), "uint8")
    levels[2, 3] = 255
    found = live_maps.blended(picture, levels)
    cold, hot = (np.multiply(mpl.colormaps["inferno"](share)[:3], 255) for share in (0.0, 1.0))
    assert found.shape == picture.shape
    np.testing.assert_allclose(found[0, 0], 0.75 * 30 + 0.25 * cold, atol=1)
    np.testing.assert_allclose(found[4:6, 3], [0.25 * 30 + 0.75 * hot] * 2, atol=1)


def test_maps_that_do_not_fit_are_refused(
    monkeypatch: pytest.MonkeyPatch, pictures: np.ndarray, maps: dict[str, np.ndarray]
) -> None:
    with pytest.raises(ValueError, match="each of 2 classes of 2 pictures"):
        put(monkeypatch, pictures, CLASSES, {"one": maps["occlusion"][:1]})
    with pytest.raises(ValueError, match="each of 2 classes of 2 pictures"):
        put(monkeypatch, pictures, [CLASSES[0], ["tabby"]], maps)
    with pytest.raises(ValueError, match="do not divide maps of 50 x 56"):
        put(monkeypatch, pictures, CLASSES, {"one": maps["occlusion"][:, :, :50]})


@needs_browser
def test_every_class_shows_the_maps_of_the_run(
    browser: Any, looking: None, pictures: np.ndarray, maps: dict[str, np.ndarray]
) -> None:
    for number, names in enumerate(CLASSES):
        for kind, name in enumerate(names):
            press(browser, f"Picture {number + 1}: {name}")
            for at, method in enumerate(METHODS):
                pixels = np.reshape(browser.execute_script(PIXELS, at), (SIDE, SIDE, 4))
                levels = live_maps.shares(maps[method])[number, kind]
                expected = live_maps.blended(pictures[number], levels)
                assert np.abs(pixels[..., :3] - expected.astype(int)).max() <= 1
                assert (pixels[..., 3] == 255).all()


@needs_browser
def test_the_maps_follow_the_pointer_and_the_keyboard(browser: Any, looking: None) -> None:
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.common.by import By

    assert text(browser, "p[aria-live]").startswith("Picture 1, tabby. Grad-CAM: peak at")
    buttons = browser.find_elements(By.CSS_SELECTOR, ".look-photo button")
    ActionChains(browser).move_to_element(buttons[3]).perform()
    wait(lambda: "Picture 2, chow" in text(browser, "p[aria-live]"), 60, "the class pointed at")
    assert "occlusion: nothing" in text(browser, "p[aria-live]")
    browser.execute_script("arguments[0].focus()", buttons[0])
    ActionChains(browser).send_keys(Keys.TAB).perform()
    wait(lambda: "Picture 1, beagle" in text(browser, "p[aria-live]"), 60, "the next class")
    assert "Grad-CAM: peak at the bottom left, 100 % of the scale" in text(browser, "p[aria-live]")
    pressed = "return [...document.querySelectorAll('[aria-pressed=true]')].map(b => b.textContent)"
    assert browser.execute_script(pressed) == ["beagle"]


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_everyone_can_use_the_maps(browser: Any, looking: None, dark: bool) -> None:
    if dark:
        darken(browser)
    assert violations(browser) == []
    assert complaints(browser) == []
    assert page_width(browser, PHONE) <= PHONE[0]
