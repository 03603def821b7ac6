"""The blocks and networks of chapter 08, as its notebook defines them, and their drawing."""

import ast
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers import arithmetic, training
from helpers.architectures import draw_branches
from helpers.backend import keras
from helpers.places import ROOT


@pytest.fixture(scope="module")
def chapter() -> dict[str, Any]:
    """The functions, the parameters and the constants in capitals, without running the cells."""
    tree = ast.parse((ROOT / "notebooks" / "08_architectures.py").read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.Import, ast.ImportFrom, ast.AnnAssign)
    constants = ("BLOCKS", "VARIANTS", "MODULES", "WINDOWS")
    tree.body = [
        node
        for node in tree.body
        if isinstance(node, kinds)
        or (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in constants)
    ]
    names: dict[str, Any] = {}
    exec(compile(tree, "08_architectures.py", "exec"), names)
    return names


def model_of(block: Any, shape: tuple[int, int, int], *settings: Any) -> Any:
    x = keras.Input(shape)
    return keras.Model(x, block(x, *settings))


@pytest.mark.parametrize("depth", [3, 192])
@pytest.mark.parametrize("channels", [(64, 96, 128, 16, 32, 32), (1, 2, 3, 4, 5, 6)])
def test_inception(chapter: dict[str, Any], depth: int, channels: tuple[int, ...]) -> None:
    module = model_of(chapter["inception"], (14, 14, depth), *channels)
    one, three_in, three, five_in, five, pooled = channels
    assert module.output_shape == (None, 14, 14, one + three + five + pooled)
    expected = (
        (depth + 1) * (one + three_in + five_in + pooled)
        + (9 * three_in + 1) * three
        + (25 * five_in + 1) * five
    )
    assert module.count_params() == expected
    assert sum(row.parameters for row in arithmetic.count(module)) == expected


def test_inception_of_googlenet_has_the_published_size(chapter: dict[str, Any]) -> None:
    module = model_of(chapter["inception"], (28, 28, 192), 64, 96, 128, 16, 32, 32)
    assert module.count_params() == 163_696


@pytest.mark.parametrize("name", ["shortcuts", "separable", "squeeze_excitation", "bare_shortcuts"])
@pytest.mark.parametrize(("strides", "filters"), [(1, 16), (2, 32)])
def test_block_shapes(chapter: dict[str, Any], name: str, strides: int, filters: int) -> None:
    block = model_of(chapter[name], (9, 9, 16), filters, strides)
    size = arithmetic.output_size(9, 3, strides, "same")
    assert block.output_shape == (None, size, size, filters)


def test_bottleneck_block_is_four_times_as_wide(chapter: dict[str, Any]) -> None:
    block = model_of(chapter["bottleneck"], (8, 8, 64), 16, 1)
    assert block.output_shape == (None, 8, 8, 64)
    weights = sum(row.parameters for row in arithmetic.count(block) if row.kind == "Conv2D")
    assert weights == 64 * 16 + 9 * 16 * 16 + 16 * 64


def test_nets_differ_in_nothing_but_their_blocks(chapter: dict[str, Any]) -> None:
    nets = {name: chapter["make_net"](block) for name, block in chapter["BLOCKS"].items()}
    rows = {name: arithmetic.count(net) for name, net in nets.items()}
    costs = {name: sum(row.multiplications for row in found) for name, found in rows.items()}
    assert costs["plain"] == costs["batch_norm"]
    projection = 4 * 4 * 16 * 32  # the 1x1 convolution between the stages
    assert costs["shortcuts"] == costs["plain"] + projection
    assert costs["separable"] < costs["shortcuts"] / 4
    for name, net in nets.items():
        added = sum(isinstance(layer, keras.layers.Add) for layer in net.layers)
        assert added == (0 if name in ("plain", "batch_norm") else 6)


def test_a_step_of_rate_one_moves_each_kernel_by_its_gradient(chapter: dict[str, Any]) -> None:
    training.start(0)
    x = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3)).astype("float32")
    y = np.arange(8)
    net = chapter["make_net"](chapter["plain"], 1)
    norms = chapter["gradient_norms"](net, x, y)
    assert len(norms) == 5
    assert min(norms) > 0


def test_correlation(chapter: dict[str, Any]) -> None:
    maps = np.random.default_rng(0).normal(size=(3, 4, 4, 2))
    assert chapter["correlation"](maps, 3 * maps + 1) == pytest.approx(1)
    assert chapter["correlation"](maps, -maps) == pytest.approx(-1)


def test_fully_convolutional_net_slides_the_classifier(chapter: dict[str, Any]) -> None:
    training.start(0)
    net = chapter["make_net"](chapter["shortcuts"])
    slider = chapter["fully_convolutional"](net.get_weights())
    image = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    answer = slider.predict(image, verbose=0)
    assert answer.shape == (1, 1, 1, 10)
    np.testing.assert_allclose(answer[:, 0, 0], net.predict(image, verbose=0), atol=1e-5)
    larger = slider.predict(np.zeros((1, 96, 192, 3), "float32"), verbose=0)
    assert larger.shape == (1, 9, 21, 10)


@pytest.mark.parametrize(
    ("name", "parameters", "multiplications"),
    [("lenet5", 61_706, 416_520), ("googlenet", 6_998_552, 1_582_671_872)],
)
def test_networks(
    chapter: dict[str, Any], name: str, parameters: int, multiplications: int
) -> None:
    model = chapter[name]()
    rows = arithmetic.count(model)
    assert model.count_params() == sum(row.parameters for row in rows) == parameters
    assert sum(row.multiplications for row in rows) == multiplications


def test_googlenet_shrinks_its_maps_to_seven_pixels_and_pools_thirteen_times(
    chapter: dict[str, Any],
) -> None:
    model = chapter["googlenet"]()
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("MaxPooling2D") == 13
    pooled = model.layers[kinds.index("GlobalAveragePooling2D")]
    assert pooled.input.shape == (None, 7, 7, 1024)


def test_drawing_has_a_box_per_name_and_an_arrow_per_edge() -> None:
    figure = draw_branches("in", [["a"], ["b", "c"]], "out")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(filter(None, texts)) == ["a", "b", "c", "in", "out"]
    assert texts.count("") == 5
    plt.close(figure)


@pytest.mark.parametrize("branches", [[], [["a"], []]])
def test_drawing_refuses_a_branch_without_layers(branches: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        draw_branches("in", branches, "out")
