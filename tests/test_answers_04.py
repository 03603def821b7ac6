"""What ``check`` says to the answers to chapter 04's exercises."""

import numpy as np
import pytest

from helpers import answers_04
from helpers.exercises import When, check, judge

MIDDLE = [0.4, 0.7, 0.9, 0.92, 0.85]


def right_answers() -> dict[str, tuple]:
    kernel = answers_04.FIRST_KERNEL @ answers_04.SECOND_KERNEL
    bias = answers_04.FIRST_BIAS @ answers_04.SECOND_KERNEL + answers_04.SECOND_BIAS
    return {
        "04.1": (513, 131_585, 6_423_041),
        "04.2": (answers_04.says_dog,),
        "04.3": (answers_04.preprocessed,),
        "04.4": (kernel, bias, [0, 5, 0]),
        "04.5": (50, 630, 512),
        "04.6": (answers_04.vote,),
        "04.7": (MIDDLE,),
    }


# The wrong answers that are recognized by a property, and the start of what they are told.
RECOGNIZED = [
    ("04.4", 2, [1, 0, 1], "for your input no hidden unit is negative; a large second"),
    ("04.4", 2, [5, 1, 5], "no hidden unit is negative for your input"),
    ("04.7", 0, 100 * np.array(MIDDLE), "accuracies lie between 0 and 1"),
    ("04.7", 0, [0.96, 0.98, 1, 1, 1], "even the stem reads nearly every digit"),
    ("04.7", 0, [0.9] * 5, "all depths are the same"),
    ("04.7", 0, [0.08, 0.1, 0.12, 0.1, 0.09], "a probe on the better layers reads more"),
    ("04.7", 0, [*MIDDLE[:2], 0.75, 0.8, 0.9], "the best layer should be one in the middle"),
]


def with_answer(exercise: str, place: int, answer) -> tuple:
    answers = list(right_answers()[exercise])
    answers[place] = answer
    return tuple(answers)


def test_right_answers_are_praised(capsys: pytest.CaptureFixture[str]) -> None:
    for exercise, answers in right_answers().items():
        assert check(exercise, *answers), judge(exercise, *answers)
        assert capsys.readouterr().out.startswith("Right: ")
    assert right_answers().keys() == answers_04.EXERCISES.keys()


def test_every_usual_wrong_number_array_and_function_is_told_what_went_wrong() -> None:
    for exercise, known in answers_04.EXERCISES.items():
        for place, question in enumerate(known.questions):
            for wrong, clause in question.mistakes:
                if not isinstance(wrong, When):
                    verdict = judge(exercise, *with_answer(exercise, place, wrong))
                    assert verdict.sentence == f"Not yet: {clause}.", (exercise, clause)


@pytest.mark.parametrize("exercise, place, answer, start", RECOGNIZED)
def test_a_usual_wrong_answer_is_recognized_by_its_property(
    exercise: str, place: int, answer, start: str
) -> None:
    verdict = judge(exercise, *with_answer(exercise, place, answer))
    assert not verdict.right
    assert verdict.sentence.startswith(f"Not yet: {start}")


def test_every_property_is_reached_by_an_example() -> None:
    for exercise, known in answers_04.EXERCISES.items():
        for place, question in enumerate(known.questions):
            told = [start for where, at, _, start in RECOGNIZED if (where, at) == (exercise, place)]
            for wrong, clause in question.mistakes:
                assert not isinstance(wrong, When) or any(map(clause.startswith, told)), clause


def test_each_question_knows_two_wrong_answers_and_waits_for_an_empty_one() -> None:
    for exercise, known in answers_04.EXERCISES.items():
        for place, question in enumerate(known.questions):
            assert len({clause for _, clause in question.mistakes}) >= 2, question.name
            verdict = judge(exercise, *with_answer(exercise, place, ...))
            assert verdict.sentence.startswith(f"Not yet: `{question.name}` is still empty")


def starter(*arguments):
    """Stand for the body of a function that a student hasn't written."""


@pytest.mark.parametrize("exercise", ["04.2", "04.3", "04.6"])
def test_a_function_without_a_body_is_not_there_yet(exercise: str) -> None:
    assert "returns nothing yet" in judge(exercise, starter).sentence


@pytest.mark.parametrize(
    "cats, dogs", [((280, 286), (151, 269)), ((281, 287), (151, 269)), ((281, 286), (150, 269))]
)
def test_neighbors_of_the_classes_do_not_count(cats: tuple, dogs: tuple) -> None:
    def says_dog(probabilities):
        of_cats = probabilities[:, slice(*cats)].sum(axis=1)
        return (probabilities[:, slice(*dogs)].sum(axis=1) > of_cats).astype(int)

    assert not judge("04.2", says_dog).right


def test_the_preprocessing_is_that_of_keras() -> None:
    from helpers.backend import keras

    pixels = np.random.default_rng(0).uniform(0, 255, size=(1, 4, 4, 3))
    expected = keras.applications.vgg16.preprocess_input(pixels.copy())
    np.testing.assert_allclose(answers_04.preprocessed(pixels), expected, atol=1e-3)
