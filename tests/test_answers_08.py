"""What ``check`` says to right and to usual wrong answers of the exercises of chapter 08."""

from typing import Any

import numpy as np
import pytest

from helpers import answers_08
from helpers.exercises import When, judge


def block(
    *,
    last: str = "zeros",
    shortcut: bool = True,
    convolutions: int = 2,
    kernels: str = "glorot_uniform",
    filters: int = 16,
    first: str = "ones",
    norms: int = 2,
    relus: int = 2,
    plus: bool = False,
) -> Any:
    from helpers.backend import keras

    layers = keras.layers
    x = y = keras.Input((8, 8, 16))
    for number in range(convolutions):
        is_last = number == convolutions - 1
        channels = filters if is_last else 16
        y = layers.Conv2D(channels, 3, padding="same", kernel_initializer=kernels)(y)
        if is_last or norms == 2:
            y = layers.BatchNormalization(gamma_initializer=last if is_last else first)(y)
        y = y if is_last or relus < 2 else layers.ReLU()(y)
    if shortcut:
        y = x + y if plus else layers.Add()([x, y])
    return keras.Model(x, layers.ReLU()(y) if relus else y)


def right_answers() -> dict[str, tuple]:
    return {
        "08.1": (4, 4 / 9),
        "08.2": (69_632, 1_179_648),
        "08.3": (answers_08.separable_macs,),
        "08.4": (block(),),
        "08.5": (143_667_240, 0.860627),
        "08.6": (9, 21),
        "08.7": (np.array([0.1, 0.4]),),
    }


# The wrong answers that a table recognizes by a property, and the start of what they are told.
RECOGNIZED = [
    ("08.4", lambda: block(filters=8, shortcut=False), "your block must turn maps"),
    ("08.4", lambda: block(convolutions=1), "your block needs two Conv2D"),
    ("08.4", lambda: block(shortcut=False), "your block has no Add layer"),
    ("08.4", lambda: block(kernels="zeros"), "the kernels of a convolution are all zero"),
    ("08.4", lambda: block(norms=1), "each of the two convolutions needs a batch normalization"),
    ("08.4", lambda: block(relus=1), "your block needs two ReLUs"),
    ("08.4", lambda: block(relus=0), "your block needs two ReLUs"),
    ("08.4", lambda: block(first="zeros"), "an earlier batch normalization has a scale of zero"),
    ("08.4", lambda: block(first="zeros", last="ones"), "an earlier batch normalization"),
    ("08.4", lambda: block(last="ones"), "before training, your block changes its input"),
    ("08.7", lambda: [10.0, 40.0], "accuracies lie between 0 and 1"),
    ("08.7", lambda: [0.4, 0.1], "the plain network does better"),
    ("08.7", lambda: [0.2, 0.2], "both have the same accuracy"),
    ("08.7", lambda: [0.5, 0.6], "the plain network learns too well"),
    ("08.7", lambda: [0.10, 0.12], "the network with shortcuts hardly learns"),
]


def with_answer(exercise: str, place: int, answer: Any) -> tuple:
    answers = list(right_answers()[exercise])
    answers[place] = answer
    return tuple(answers)


def test_right_answers_are_praised() -> None:
    for exercise, answers in right_answers().items():
        verdict = judge(exercise, *answers)
        assert verdict.right, verdict
    assert right_answers().keys() == answers_08.EXERCISES.keys()


def test_a_shortcut_may_be_a_plus() -> None:
    assert judge("08.4", block(plus=True)).right


def test_a_count_must_be_exact() -> None:
    without_dense_biases = 143_658_048
    assert not judge("08.5", without_dense_biases, 0.860627).right


def test_every_usual_wrong_number_and_function_is_told_what_went_wrong() -> None:
    for exercise, known in answers_08.EXERCISES.items():
        for place, question in enumerate(known.questions):
            for wrong, clause in question.mistakes:
                if not isinstance(wrong, When):
                    verdict = judge(exercise, *with_answer(exercise, place, wrong))
                    assert verdict.sentence == f"Not yet: {clause}.", (exercise, wrong)


@pytest.mark.parametrize("exercise, make, start", RECOGNIZED)
def test_a_usual_wrong_answer_is_recognized_by_its_property(
    exercise: str, make: Any, start: str
) -> None:
    verdict = judge(exercise, make())
    assert not verdict.right
    assert verdict.sentence.startswith(f"Not yet: {start}")


def test_every_property_is_reached_by_an_example() -> None:
    for exercise, known in answers_08.EXERCISES.items():
        for question in known.questions:
            told = [start for where, _, start in RECOGNIZED if where == exercise]
            for wrong, clause in question.mistakes:
                if isinstance(wrong, When):
                    assert any(map(clause.startswith, told)), clause


def test_each_question_knows_two_wrong_answers_and_tells_them_apart() -> None:
    for exercise, known in answers_08.EXERCISES.items():
        for question in known.questions:
            clauses = {clause for _, clause in question.mistakes}
            assert len(clauses) >= 2, (exercise, question.name)


@pytest.mark.parametrize("empty", [..., None])
def test_an_answer_that_does_not_exist_yet(empty: Any) -> None:
    for exercise, known in answers_08.EXERCISES.items():
        for place, question in enumerate(known.questions):
            verdict = judge(exercise, *with_answer(exercise, place, empty))
            assert verdict.sentence.startswith(f"Not yet: `{question.name}` is still empty")


@pytest.mark.parametrize("answer", ["seven", True, float("nan"), [1, [2, 3]], {}, object])
def test_an_answer_of_the_wrong_type_gets_one_sentence(answer: Any) -> None:
    for exercise, known in answers_08.EXERCISES.items():
        for place, question in enumerate(known.questions):
            verdict = judge(exercise, *with_answer(exercise, place, answer))
            assert not verdict.right
            assert verdict.sentence.startswith(f"Not yet: `{question.name}` "), verdict
