import ast
import itertools
from collections.abc import Callable

import numpy as np
import pytest

from course.catalogue import chapters
from helpers import arithmetic
from helpers.backend import keras

layers = keras.layers


SETTINGS = list(
    itertools.product((5, 10, 28, 33), (1, 2, 3, 5), (1, 2, 3), ((1, True), (3, False)))
)


def taught(name: str) -> Callable[..., int]:
    """Return a function as chapter 01 defines it."""
    tree = ast.parse(chapters()["01"].source.read_text("utf-8"))
    defined = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    space: dict[str, Callable[..., int]] = {}
    exec(compile(ast.Module(defined, []), "chapter 01", "exec"), space)
    return space[name]


def positions(size: int, window: int, stride: int, before: int, after: int) -> int:
    """Count by trying every position."""
    padded = before + size + after
    return sum(1 for start in range(0, padded, stride) if start + window <= padded)


@pytest.mark.parametrize("padding", ["valid", "same", 0, 1, 3])
def test_output_size_counts_positions(padding: int | str) -> None:
    for size, window, stride in itertools.product(range(1, 15), range(1, 6), range(1, 5)):
        before, after = arithmetic.padding_amounts(size, window, stride, padding)
        expected = positions(size, window, stride, before, after)
        if window > before + size + after:
            with pytest.raises(ValueError, match="does not fit"):
                arithmetic.output_size(size, window, stride, padding)
        else:
            assert arithmetic.output_size(size, window, stride, padding) == expected


def test_same_padding_of_an_odd_window_is_symmetric() -> None:
    for window in (1, 3, 5, 7):
        amount = (window - 1) // 2
        assert arithmetic.padding_amounts(28, window, 1, "same") == (amount, amount)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: arithmetic.output_size(5, 7), ValueError, "A window of 7 does not fit"),
        (lambda: arithmetic.output_size(0, 1), ValueError, "input size must be at least 1"),
        (lambda: arithmetic.output_size(5, 2, 0), ValueError, "stride must be at least 1"),
        (lambda: arithmetic.output_size(5, 2.5), TypeError, "window must be a whole number"),
        (lambda: arithmetic.output_size(5, 2, padding="full"), ValueError, '"full"'),
        (lambda: arithmetic.output_size(5, 2, padding=-1), ValueError, "padding must be at least"),
        (lambda: arithmetic.output_size(True, 1), TypeError, "whole number"),
        (lambda: arithmetic.convolution_parameters((3, 3), 0, 4), ValueError, "input channels"),
        (lambda: arithmetic.convolution_parameters(3, 3, 4), TypeError, r"as in \(3, 3\), not 3"),
        (lambda: arithmetic.dense_parameters(3, 0), ValueError, "units"),
        (lambda: arithmetic.receptive_field([(3, 0)]), ValueError, "stride"),
    ],
)
def test_impossible_settings(call, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call()


def test_receptive_field_of_known_stacks() -> None:
    assert arithmetic.receptive_field([]) == 1
    assert arithmetic.receptive_field([(3, 1)] * 3) == 7
    assert arithmetic.receptive_field([(3, 1)] * 5) == 11
    assert arithmetic.receptive_field([(7, 2), (3, 2)]) == 11


def test_count_agrees_with_keras_for_every_kind_of_layer() -> None:
    inputs = keras.Input((16, 16, 4))
    x = layers.Conv2D(8, 3, strides=2, padding="same")(inputs)
    x = layers.Conv2D(8, 3, groups=2)(x)
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.SeparableConv2D(6, 3, padding="same")(x)
    x = layers.BatchNormalization()(x)
    inner_input = keras.Input(x.shape[1:])
    inner = keras.Model(inner_input, layers.Conv2D(5, 1)(inner_input))
    x = layers.Flatten()(inner(x))
    model = keras.Model(inputs, layers.Dense(3)(x))
    rows = arithmetic.count(model)
    assert sum(row.parameters for row in rows) == model.count_params()
    costs = {row.kind: row.multiplications for row in rows}
    assert [row.multiplications for row in rows if row.kind == "Conv2D"] == [
        3 * 3 * 4 * 8 * 8 * 8,
        3 * 3 * 4 * 6 * 6 * 8,
        1 * 1 * 6 * 4 * 4 * 5,
    ]
    assert costs["DepthwiseConv2D"] == 3 * 3 * 4 * 4 * 8
    assert costs["SeparableConv2D"] == 4 * 4 * 8 * (9 + 6)
    assert costs["Dense"] == 4 * 4 * 5 * 3
    assert costs["BatchNormalization"] == 0


def test_count_of_sequences_and_volumes() -> None:
    model = keras.Sequential([keras.Input((20, 4)), layers.Conv1D(6, 5), layers.Flatten()])
    assert arithmetic.count(model)[0].multiplications == 5 * 4 * 16 * 6
    model = keras.Sequential([keras.Input((6, 6, 6, 1)), layers.Conv3D(2, 3)])
    assert arithmetic.count(model)[0].multiplications == 27 * 4**3 * 2


def test_count_of_a_transposed_convolution_is_that_of_the_convolution_it_undoes() -> None:
    down = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(5, 2, strides=2)])
    up = keras.Sequential([keras.Input((4, 4, 5)), layers.Conv2DTranspose(3, 2, strides=2)])
    assert up.output_shape == down.input_shape
    (convolution,), (transposed,) = arithmetic.count(down), arithmetic.count(up)
    assert transposed.multiplications == convolution.multiplications


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    assert arithmetic.output_size(np.int64(28), np.int32(3)) == 26


def test_count_needs_shapes() -> None:
    with pytest.raises(ValueError, match="has an open size"):
        arithmetic.count(keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 3)]))
    with pytest.raises(ValueError, match="has no shapes yet"):
        arithmetic.count(keras.Sequential([layers.Dense(3)]))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_sizes_and_parameters_of_a_convolution_are_those_of_keras(padding: str) -> None:
    for size, window, stride, (depth, bias) in SETTINGS:
        layer = layers.Conv2D(4, window, strides=stride, padding=padding, use_bias=bias)
        shape = layer(np.zeros((1, size, size, depth), np.float32)).shape
        expected = arithmetic.output_size(size, window, stride, padding)
        assert shape[1:3] == (expected, expected)
        weights = arithmetic.convolution_parameters((window, window), depth, 4, bias)
        assert layer.count_params() == weights


def test_the_formulas_of_chapter_01_are_those_of_the_helper() -> None:
    output_size, parameters = taught("output_size"), taught("conv_parameters")
    for size, window, stride, (depth, _) in SETTINGS:
        for zeros in (0, 1, 2):
            expected = arithmetic.output_size(size, window, stride, zeros)
            assert output_size(size, window, stride, zeros) == expected
        whole = arithmetic.convolution_parameters((window, window), depth, 4)
        assert parameters(window, depth, 4) == whole
    assert taught("dense_parameters")(784, 10) == arithmetic.dense_parameters(784, 10)
    stack = [(3, 1), (2, 2), (5, 2), (3, 1)]
    assert taught("receptive_field")(stack) == arithmetic.receptive_field(stack)


def test_the_multiplications_of_chapter_01_are_those_of_the_helper() -> None:
    model = keras.Sequential(
        [keras.Input((9, 8, 2)), layers.Conv2D(7, 3), layers.Flatten(), layers.Dense(5)]
    )
    convolution, _, dense = arithmetic.count(model)
    taught_convolution = taught("conv_multiplications")(3, 2, convolution.output_shape[1:])
    assert taught_convolution == convolution.multiplications == 3 * 3 * 2 * 7 * 6 * 7
    assert taught("dense_multiplications")(7 * 6 * 7, 5) == dense.multiplications
