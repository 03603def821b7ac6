"""Live figures in Chromium: their arithmetic held to Keras, and their use by hand."""

import base64
import gzip
import io
import json
from pathlib import Path
from typing import Any

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from keras import layers
from PIL import Image

from course.catalogue import chapters
from course.notebooks.check import _has_old_scripts
from course.notebooks.files import read_notebook
from helpers import datasets, live, plots, training
from helpers.outputs import PICTURES
from tests.browsing import PHONE, complaints, needs_browser, sized, wait
from tests.figures import (
    darken,
    figure,
    opened,
    page_width,
    press,
    scripts,
    shown,
    text,
    violations,
)

ANSWERS = """
const [layers, packed, examples, shape, done] = arguments;
unpacked(layers, packed).then(({ net }) => {
  const began = performance.now();
  const answers = examples.map((example) => {
    const outputs = run(net, shape, example);
    return Array.from(outputs[outputs.length - 1].values);
  });
  done({ answers, milliseconds: (performance.now() - began) / examples.length });
});
"""


def answers(browser: Any, folder: Path, model: Any, examples: np.ndarray) -> dict[str, Any]:
    """What the scripts compute for examples, with the weights that a figure carries."""
    opened(browser, folder, f"<script>{scripts('network.js')}</script>")
    packed, weights = live.packed({"net": model.layers})
    rows = examples.reshape(len(examples), -1).tolist()
    found: dict[str, Any] = browser.execute_async_script(
        ANSWERS, json.loads(json.dumps(packed)), weights, rows, list(examples.shape[1:])
    )
    return found


@pytest.fixture(scope="module")
def digits() -> Any:
    return datasets.load("mnist", "sample")


@pytest.fixture(scope="module")
def convnet(digits: Any) -> Any:
    training.start(0)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(128, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    images, labels = digits.train
    model.fit(training.batches(images[:2000], labels[:2000], 32, seed=0), verbose=0)
    return model


@needs_browser
def test_two_hundred_digits_get_the_answers_of_keras(
    browser: Any, tmp_path: Path, convnet: Any, digits: Any
) -> None:
    images = digits.test[0][:200]
    found = answers(browser, tmp_path, convnet, images)
    expected = live.rounded(convnet).predict(images, verbose=0)
    np.testing.assert_allclose(found["answers"], expected, atol=1e-3)
    computed = np.array(found["answers"])
    np.testing.assert_array_equal(computed.argmax(axis=1), expected.argmax(axis=1))
    print(f"{found['milliseconds']:.1f} ms per digit")


@needs_browser
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2])
def test_every_layer_of_pictures_agrees_with_keras(
    browser: Any, tmp_path: Path, padding: str, stride: int
) -> None:
    training.start(1)
    model = keras.Sequential(
        [
            keras.Input((11, 9, 3)),
            layers.Conv2D(5, (3, 2), strides=stride, padding=padding, bias_initializer="normal"),
            layers.BatchNormalization(),
            layers.AveragePooling2D(2),
            layers.Conv2D(4, 1, activation="sigmoid"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax", bias_initializer="normal"),
        ]
    )
    random = np.random.default_rng(0)
    norm = model.layers[1]
    norm.set_weights([random.uniform(0.5, 2, 5) for _ in norm.get_weights()])
    images = random.normal(size=(20, 11, 9, 3)).astype("float32")
    found = answers(browser, tmp_path, model, images)
    expected = live.rounded(model).predict(images, verbose=0)
    np.testing.assert_allclose(found["answers"], expected, atol=1e-3)


@needs_browser
def test_every_layer_of_texts_agrees_with_keras(browser: Any, tmp_path: Path) -> None:
    training.start(1)
    model = keras.Sequential(
        [
            keras.Input((12,), dtype="int32"),
            layers.Embedding(40, 6),
            layers.Conv1D(7, 3, activation="relu", padding="same"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    words = np.random.default_rng(0).integers(0, 40, size=(20, 12))
    found = answers(browser, tmp_path, model, words)
    expected = live.rounded(model).predict(words, verbose=0)
    np.testing.assert_allclose(found["answers"], expected, atol=1e-3)


def test_a_layer_that_the_scripts_do_not_know_is_refused() -> None:
    model = keras.Sequential([keras.Input((4, 3)), layers.LSTM(2, name="memory")])
    with pytest.raises(ValueError, match="cannot compute the layer 'memory', a LSTM"):
        live.packed({"net": model.layers})


def test_the_weights_of_the_chapters_networks_take_less_than_150_kilobytes(convnet: Any) -> None:
    linear = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10)])
    assert len(live.packed({"convnet": convnet.layers, "linear": linear.layers})[1]) < 150_000


def test_a_still_picture_has_its_colors_at_twice_the_displayed_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    across, down = np.meshgrid(np.arange(256), np.arange(256))
    colors = np.stack([across, down, (across + down) // 2], axis=-1).astype(np.uint8)
    still = plots.image_grid([colors], None, "colors", 1, 2)
    data = shown(monkeypatch, live.playground, still, "Colors.")
    [stored] = [data[kind] for kind in PICTURES if kind in data]
    picture = Image.open(io.BytesIO(base64.b64decode(stored)))
    assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 5_000
    assert f'width="{picture.width // 2}" height="{picture.height // 2}"' in data["text/html"]
    assert stored in data["text/html"]


def test_a_figure_is_the_same_text_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    one = shown(monkeypatch, live.playground, figure(), "Four numbers & more.")
    assert one == shown(monkeypatch, live.playground, figure(), "Four numbers & more.")
    assert 'alt="Four numbers &amp; more."' in one["text/html"]
    assert one["text/plain"] == "Four numbers & more."
    assert "http" not in one["text/html"].replace("http://www.w3.org/2000/svg", "")


def test_a_text_in_the_data_cannot_end_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"text": "</script><script>alert(1)</script>"}
    page = shown(monkeypatch, live.show, "playground", (), data, figure(), "A figure.")["text/html"]
    assert page.count("</script>") == 1
    [line] = [line for line in page.splitlines() if line.startswith("const data = ")]
    assert json.loads(line.removeprefix("const data = ").rstrip(";")) == data


def test_weights_are_rounded_for_each_output_and_packed_in_the_order_of_the_layers() -> None:
    first = layers.Dense(2)
    model = keras.Sequential([keras.Input((2,)), first, layers.Dense(1)])
    kernels = [np.array([[1.0, 0.001], [-0.5, 0.002]]), np.array([[3.0], [-1.5]])]
    model.set_weights([kernels[0], np.array([1 / 3, 0]), kernels[1], np.zeros(1)])
    described, weights = live.packed({"net": model.layers})
    stored = np.frombuffer(gzip.decompress(base64.b64decode(weights)), "int8")
    assert stored.tolist() == [127, 64, -64, 127, 127, -64]
    assert [each["packed"]["kernel"]["length"] for each in described["net"]] == [4, 2]
    factors = described["net"][0]["packed"]["kernel"]["factors"]
    np.testing.assert_allclose(factors, [1 / 127, 0.002 / 127], rtol=1e-6)
    assert described["net"][0]["bias"] == [0.3333333, 0]
    copied = live.rounded(model)
    np.testing.assert_allclose(
        copied.get_weights()[0], stored[:4].reshape(2, 2) * factors, rtol=1e-6
    )
    np.testing.assert_array_equal(model.get_weights()[0], kernels[0].astype("float32"))


def choose(browser: Any, label: str, value: str) -> None:
    """Choose a value in the list with a label."""
    browser.execute_script(
        "const field = [...document.querySelectorAll('label')].find(l => l.textContent.includes("
        "arguments[0])).querySelector('select'); field.value = arguments[1];"
        "field.dispatchEvent(new Event('change'))",
        label,
        value,
    )


@pytest.fixture
def playground(monkeypatch: pytest.MonkeyPatch, browser: Any, tmp_path: Path) -> dict[str, str]:
    data = shown(monkeypatch, live.playground, figure(), "A grid of numbers.")
    opened(browser, tmp_path, data["text/html"])
    return data


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_playground_can_be_used_by_everyone(
    browser: Any, playground: dict[str, str], dark: bool
) -> None:
    if dark:
        darken(browser)
    assert violations(browser) == []
    assert complaints(browser) == []
    assert page_width(browser, (360, 800)) <= 360


@needs_browser
def test_the_map_is_that_of_keras(browser: Any, playground: dict[str, str]) -> None:
    image = np.array([[{0: 2, 1: 1}.get(abs(r + c - 7), 0) for c in range(8)] for r in range(8)])
    for kernel_name, size in (("vertical edges", 3), ("a slanted line", 5)):
        half = size // 2
        kernel = np.array(
            [
                [
                    c - half
                    if kernel_name == "vertical edges"
                    else 2 * half
                    if r + c == 2 * half
                    else -1
                    for c in range(size)
                ]
                for r in range(size)
            ]
        )
        for padding in ("valid", "same"):
            for stride in (1, 2, 3):
                choose(browser, "Size", f"{size} x {size}")
                choose(browser, "Kernel", kernel_name)
                choose(browser, "Padding", padding)
                choose(browser, "Stride", str(stride))
                layer = layers.Conv2D(1, size, strides=stride, padding=padding)
                layer.build((None, 8, 8, 1))
                layer.set_weights([kernel[..., None, None], np.zeros(1)])
                expected = np.asarray(layer(image[None, ..., None].astype("float32")))[0, ..., 0]
                press(browser, "One step back")  # from the first window to the last
                drawn = browser.execute_script(
                    "return [...document.querySelectorAll('.live-panel:nth-child(4) text')]"
                    ".map(t => Number(t.textContent.replace('\\u2212', '-')))"
                )
                np.testing.assert_allclose(drawn, expected.ravel(), atol=0.01)


@needs_browser
def test_the_playground_plays_pauses_and_survives_odd_input(
    browser: Any, playground: dict[str, str]
) -> None:
    start = text(browser, ".sum")
    assert start.startswith("Window 16 of 36")
    press(browser, "Play")
    wait(lambda: text(browser, ".sum") != start, 60, "the next window")
    press(browser, "Pause")
    choose(browser, "Kernel", "all zeros")
    assert "all products are 0, and so is their sum" in text(browser, ".sum")
    browser.execute_script(
        "const field = document.querySelector('.kernel input'); field.value = 'x';"
        "field.dispatchEvent(new Event('input'))"
    )
    assert "of 36" in text(browser, ".sum")
    choose(browser, "Image", "an empty page")
    choose(browser, "Padding", "same")
    assert "Window 1 of 64" in text(browser, ".sum")
    sized(browser, PHONE)
    assert complaints(browser) == []


@pytest.fixture
def reader(
    monkeypatch: pytest.MonkeyPatch, browser: Any, tmp_path: Path, convnet: Any, digits: Any
) -> np.ndarray:
    chosen = [int(np.flatnonzero(digits.test[1] == number)[0]) for number in range(10)]
    images: np.ndarray = digits.test[0][chosen]
    data = shown(monkeypatch, live.digit_reader, {"convnet": convnet}, images, figure(), "A seven.")
    opened(browser, tmp_path, data["text/html"])
    ready = "return document.querySelectorAll('.bars').length"
    wait(lambda: browser.execute_script(ready), 60, "the reader")
    return images


def read_digit(browser: Any) -> int:
    """The digit that the figure says it reads."""
    sentence = wait(lambda: text(browser, "p[aria-live]"), 60, "an answer")
    return int(sentence.partition("reads ")[2][0])


@needs_browser
def test_the_reader_reads_chosen_and_moved_digits_as_keras_does(
    browser: Any, reader: np.ndarray, convnet: Any
) -> None:
    model = live.rounded(convnet)
    for number in range(10):
        press(browser, f"Show the digit {number}")
        for moved in range(3):
            picture = np.pad(reader[number], ((0, 0), (0, 2 * moved), (0, 0)))[:, 2 * moved :]
            expected = model.predict(picture[None], verbose=0)[0].argmax()
            wait(lambda: read_digit(browser) == expected, 60, f"the answer {expected}")  # noqa: B023
            press(browser, "Move left")
            press(browser, "Move left")


@needs_browser
def test_a_digit_can_be_drawn_and_an_empty_page_is_said_to_be_empty(
    browser: Any, reader: np.ndarray
) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    press(browser, "Clear")
    wait(lambda: "page is empty" in text(browser, "p[aria-live]"), 60, "a word on the empty page")
    press(browser, "Center")
    pad = browser.find_element(By.CSS_SELECTOR, "canvas.pad")
    strokes = ActionChains(browser).move_to_element_with_offset(pad, 0, -70).click_and_hold()
    strokes.move_by_offset(0, 140).release().perform()
    wait(lambda: read_digit(browser) == 1, 60, "a one")
    assert page_width(browser, PHONE) <= PHONE[0]
    assert complaints(browser) == []
    assert violations(browser) == []


@pytest.fixture(autouse=True)
def closed_figures() -> Any:
    before = plt.get_fignums()  # of other tests in this process
    yield
    assert plt.get_fignums() == before


def test_a_live_figure_with_older_scripts_is_found() -> None:
    notebook = read_notebook(chapters()["01"].notebook)
    [shown] = [
        output.data["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if 'class="course-live"' in str(output.get("data", {}).get("text/html", ""))
    ][:1]
    assert not _has_old_scripts(shown)
    assert _has_old_scripts(shown.replace("const ", "let ", 1))
