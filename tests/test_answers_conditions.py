"""An answer with many conditions is wrong if it misses a single one of them."""

from typing import Any

import pytest

from helpers import answers_01, answers_03
from helpers.exercises import Question, When, judge, number, results_on
from helpers.exercises import _what_is_wrong as what_is_wrong

LINEAR = [0.9, 0.8, 0.6, 0.4, 0.2, 0.1, 0.1]
LENET = [0.95, 0.95, 0.9, 0.8, 0.6, 0.4, 0.2]


@pytest.mark.parametrize(
    ("exercise", "right", "missed"),
    [
        (
            "01.7",
            [LINEAR, LENET],
            [
                [LINEAR, [1.01, *LENET[1:]]],
                [LINEAR, [0.65, *LENET[1:]]],
                [LINEAR, [0.95] * 7],
                [LINEAR, [*LENET[:4], 0.2, 0.2, 0.2]],
                [[*LINEAR[:4], 0.45, 0.2, 0.1], LENET],
            ],
        ),
        (
            "03.7",
            [[1.0, 0.7], [0.98, 0.85]],
            [
                [[1.0, -0.1], [0.98, 0.85]],
                [[1.01, 0.7], [0.98, 0.85]],
                [[0.6, 0.3], [0.98, 0.85]],
                [[1.0, 0.84], [0.98, 0.85]],
                [[0.8, 0.7], [0.98, 0.85]],
            ],
        ),
        (
            "04.7",
            [0.4, 0.7, 0.9, 0.92, 0.85],
            [
                [0.4, 0.7, 0.9, 1.01, 0.85],
                [0.4, 0.7, 0.75, 0.8, 0.7],
                [0.4, 0.7, 0.9, 0.92, 0.93],
                [0.85, 0.9, 0.9, 0.92, 0.85],
            ],
        ),
        ("05.7", [0.85, 0.92], [[0.85, 1.01], [0.5, 0.92], [0.92, 0.92]]),
        (
            "07.7",
            [0.7, 0.98, 0.99],
            [[0.7, 1.01, 0.99], [0.8, 0.98, 0.99], [0.7, 0.9, 0.99], [0.7, 0.98, 0.9]],
        ),
        ("08.7", [0.1, 0.4], [[0.1, 1.01], [0.25, 0.4], [0.1, 0.15]]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_accuracies_that_miss_one_condition_are_not_right(
    exercise: str, right: Any, missed: list[Any]
) -> None:
    others = (answers_01.moved,) if exercise == "01.7" else ()
    assert judge(exercise, *others, right).right
    for answer in missed:
        assert not judge(exercise, *others, answer).right, answer


def test_a_head_that_keeps_flatten_behind_its_pooling_is_not_right() -> None:
    from helpers.backend import keras

    layers = keras.layers
    model = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(16, 3)])
    for layer in (layers.MaxPooling2D(2), layers.Conv2D(32, 3), layers.MaxPooling2D(2)):
        model.add(layer)
    for layer in (layers.Conv2D(64, 3), layers.GlobalAveragePooling2D(), layers.Flatten()):
        model.add(layer)
    model.add(layers.Dense(10, "softmax"))
    assert "still has a Flatten layer" in judge("01.6", 5_120, model).sentence


@pytest.mark.parametrize(("error", "right"), [(0.5e-4, True), (3e-4, False)])
def test_an_answer_may_be_off_in_its_last_digits_only(error: float, right: bool) -> None:
    for sign in (-1, 1):
        assert judge("01.4", 20 * (1 + sign * error), 14).right == right
        assert judge("02.2", 9_248, 1_180_160, 0.943480 * (1 + sign * error)).right == right


@pytest.mark.parametrize(
    ("answer", "said"), [(0.9 * 50, "isn't the answer"), (50.4, "is close"), (49.6, "is close")]
)
def test_only_a_rounded_number_is_close(answer: float, said: str) -> None:
    assert said in str(what_is_wrong(Question("x", number, 50, ()), answer))


def test_a_function_must_be_right_in_every_case_and_a_mistake_wrong_in_the_same_way() -> None:
    read = results_on((1.0,), (2.0,), (3.0,))
    question = Question("f", read, lambda x: x * x, ((lambda x: 2 * x, "you doubled"),))
    assert what_is_wrong(question, lambda x: x**2) is None
    assert what_is_wrong(question, lambda x: x + x) == "you doubled"
    for almost in (lambda x: 1.0, lambda x: x * x + (x == 3), lambda x: 3 * x - 2):
        assert "isn't the answer" in str(what_is_wrong(question, almost))


def test_the_first_mistake_that_matches_is_told_and_a_right_answer_none() -> None:
    mistakes = ((When(lambda x: x > 0), "too large"), (1, "one too many"))
    question = Question("x", number, 0, mistakes)
    assert what_is_wrong(question, 1) == "too large"
    assert what_is_wrong(question, 0) is None
    assert what_is_wrong(Question("x", number, When(lambda x: x == 1), mistakes), 1) is None


def test_the_first_wrong_answer_of_several_is_told() -> None:
    for answers, name in (((1, 1, 1), "valid"), ((109, 1, 1), "same"), ((109, 112, 1), "last")):
        assert judge("01.2", *answers).sentence.startswith(f"Not yet: `{name}`")


def test_training_stops_as_soon_as_the_patience_has_run_out() -> None:
    losses = [0.7, 0.5, 0.6, 0.5, 0.6]
    assert answers_03.stop(losses, 2) == (4, 2)
    assert answers_03.stop(losses, 3) == (5, 2)
    assert answers_03.stop(losses, 4) == (5, 2)
    assert answers_03.stop(losses[:2], 1) == (2, 2)
