import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from PIL import Image

from helpers import plots


@pytest.fixture(autouse=True)
def shell() -> InteractiveShell:
    return InteractiveShell.instance()


def test_show_gives_a_picture_with_its_alt_text_and_closes_it() -> None:
    figure = plots.image_grid(np.zeros((3, 8, 8, 1)), ["a", "b", "c"], "three", 2)
    with capture_output() as captured:
        plots.show(figure, "Three black squares.")
    [output] = captured.outputs
    assert output.metadata == {"image/png": {"alt": "Three black squares."}}
    data = output.data["image/png"]
    raw = data if isinstance(data, bytes) else base64.b64decode(data)
    assert min(Image.open(io.BytesIO(raw)).size) > 100
    assert not plt.fignum_exists(figure.number)


def test_show_needs_an_alt_text() -> None:
    with pytest.raises(ValueError, match="alt text"):
        plots.show(plt.figure(), " ")
    plt.close("all")


def test_learning_curves_label_every_line() -> None:
    history = {"loss": [1.0, 0.5], "val_loss": [1.1, 0.6], "accuracy": [0.1, 0.2]}
    figure = plots.learning_curves({"net": history}, "curves")
    loss, accuracy = figure.axes
    assert [line.get_label() for line in loss.lines] == ["net, training", "net, validation"]
    assert len(accuracy.lines) == 1
    assert loss.get_xlabel() == "epoch"
    assert loss.get_ylabel() == "loss"
    plt.close(figure)


def test_confusion_matrix_counts() -> None:
    truth, predicted = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 2, 0])
    figure = plots.confusion_matrix(truth, predicted, ["a", "b", "c"], "matrix")
    texts = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert texts == {(0, 0): "1", (1, 0): "1", (1, 1): "1", (2, 2): "1", (0, 2): "1"}
    plt.close(figure)


def test_no_pictures_is_said() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        plots.image_grid([], None, "none")


def test_a_small_picture_keeps_few_colours_and_mixes_many() -> None:
    plain = np.full((40, 60, 3), 255, np.uint8)
    plain[10:20, 10:20] = (200, 30, 40)
    kept = Image.open(io.BytesIO(plots.small_png(Image.fromarray(plain)))).convert("RGB")
    np.testing.assert_array_equal(np.asarray(kept), plain)

    across, down = np.meshgrid(np.arange(256), np.arange(256))
    photograph = np.stack([across, down, (across + down) // 2], axis=-1).astype(np.uint8)
    photograph[:30] = 255
    small = Image.open(io.BytesIO(plots.small_png(Image.fromarray(photograph))))
    assert small.mode == "P"
    shown = np.asarray(small.convert("RGB")).astype(float)
    assert np.all(shown[:30] == 255)
    # The mean of a place is the place's colour, so that no bands appear.
    blocks = (shown - photograph)[32:].reshape(28, 8, 32, 8, 3).mean(axis=(1, 3))
    assert np.abs(blocks).mean() < 3
