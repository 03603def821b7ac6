"""The blocks and networks of chapter 08, as its notebook defines them, and their drawings."""

import ast
from typing import Any

import matplotlib.pyplot as plt
import pytest

from helpers import arithmetic
from helpers.architectures import draw_block
from helpers.backend import keras
from helpers.places import ROOT


@pytest.fixture(scope="module")
def chapter() -> dict[str, Any]:
    """The functions and the constants in capitals of the notebook, without running its cells."""
    tree = ast.parse((ROOT / "notebooks" / "08_architectures.py").read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.Import, ast.ImportFrom)
    tree.body = [
        node
        for node in tree.body
        if isinstance(node, kinds)
        or (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "").isupper())
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


@pytest.mark.parametrize(("strides", "filters"), [(1, 16), (1, 24), (2, 16), (2, 24)])
def test_residual_block_shapes(chapter: dict[str, Any], strides: int, filters: int) -> None:
    block = model_of(chapter["residual_block"], (9, 9, 16), filters, strides)
    size = arithmetic.output_size(9, 3, strides, "same")
    assert block.output_shape == (None, size, size, filters)
    kernels = [layer for layer in block.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(kernels) == (2 if strides == 1 and filters == 16 else 3)


def test_bottleneck_block_is_four_times_as_wide(chapter: dict[str, Any]) -> None:
    block = model_of(chapter["bottleneck_block"], (8, 8, 64), 16)
    assert block.output_shape == (None, 8, 8, 64)
    weights = sum(row.parameters for row in arithmetic.count(block) if row.kind == "Conv2D")
    assert weights == 64 * 16 + 9 * 16 * 16 + 16 * 64


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


def test_googlenet_shrinks_its_maps_to_seven_pixels(chapter: dict[str, Any]) -> None:
    model = chapter["googlenet"]()
    pooled = next(
        layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)
    )
    assert pooled.input.shape == (None, 7, 7, 1024)


def test_towers_differ_only_in_shortcuts(chapter: dict[str, Any]) -> None:
    plain, residual = (chapter["tower"](4, kind) for kind in (False, True))
    assert plain.count_params() == residual.count_params()
    added = [layer for layer in residual.layers if isinstance(layer, keras.layers.Add)]
    assert len(added) == 4
    assert not any(isinstance(layer, keras.layers.Add) for layer in plain.layers)


def test_drawing_has_a_box_a_name_and_an_arrow_an_edge() -> None:
    figure = draw_block({"a": (0, 0), "b": (0, 1)}, [("a", "b"), ("a", "b", 0.5)], "two boxes")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["a", "b", "", ""]
    assert figure.axes[0].get_title() == "two boxes"
    plt.close(figure)


def test_drawing_refuses_an_arrow_to_nowhere() -> None:
    with pytest.raises(ValueError, match='names the box "c"'):
        draw_block({"a": (0, 0)}, [("a", "c")], "one box")
