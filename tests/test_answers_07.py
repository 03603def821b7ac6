"""What ``check`` says to right and to usual wrong answers of the exercises of chapter 07."""

from typing import Any

import numpy as np
import pytest

from helpers import answers_07
from helpers.exercises import When, judge

KERNEL = np.array([[-1, -1, 1, -1], [1, -1, -1, -1]])


def right_answers() -> dict[str, tuple]:
    return {
        "07.1": (8, 4, 92, 41),
        "07.2": (160_000, 9_700, 16_100, 201),
        "07.3": (199, 1_000_000, 2.0),
        "07.4": (KERNEL,),
        "07.5": ([0, -2, 0], answers_07.sigmoid(answers_07.OUTPUTS) - 1),
        "07.6": (answers_07.word_parts,),
        "07.7": ([0.7, 0.98, 0.99],),
    }


# The wrong answers that a table recognizes by a property, and the start of what they are told.
RECOGNIZED = [
    ("07.4", np.zeros((2, 4)), "a kernel of zeros"),
    ("07.4", KERNEL[::-1], 'your filter answers to "good not"'),
    ("07.4", [[0, 0, 1, 0], [1, -1, -1, -1]], 'your filter answers to "good" after any word'),
    ("07.4", [[-1, -1, 1, -1], [1, 0, 0, 0]], 'your filter answers to "not" before any word'),
    ("07.4", np.full((2, 4), -1), "your filter doesn't answer"),
    ("07.4", [[-1, 1, 1, -1], [1, -1, -1, -1]], "your filter also answers to another pair"),
    ("07.7", [70, 98, 99], "accuracies lie between 0 and 1"),
    ("07.7", [0.98, 0.7, 0.99], "counting words can't do that"),
    ("07.7", [0.7, 0.7, 0.99], "pairs can do better"),
    ("07.7", [0.7, 0.98, 0.7], "a convnet can do better"),
]


def with_answer(exercise: str, place: int, answer: Any) -> tuple:
    answers = list(right_answers()[exercise])
    answers[place] = answer
    return tuple(answers)


def test_right_answers_are_praised() -> None:
    for exercise, answers in right_answers().items():
        verdict = judge(exercise, *answers)
        assert verdict.right, verdict
    assert right_answers().keys() == answers_07.EXERCISES.keys()


def test_every_usual_wrong_number_array_and_function_is_told_what_went_wrong() -> None:
    for exercise, known in answers_07.EXERCISES.items():
        for place, question in enumerate(known.questions):
            for wrong, clause in question.mistakes:
                if not isinstance(wrong, When):
                    verdict = judge(exercise, *with_answer(exercise, place, wrong))
                    assert verdict.sentence == f"Not yet: {clause}.", (exercise, wrong)


@pytest.mark.parametrize("exercise, answer, start", RECOGNIZED)
def test_a_usual_wrong_answer_is_recognized_by_its_property(
    exercise: str, answer: Any, start: str
) -> None:
    verdict = judge(exercise, answer)
    assert not verdict.right
    assert verdict.sentence.startswith(f"Not yet: {start}")


def test_every_property_is_reached_by_an_example() -> None:
    for exercise, known in answers_07.EXERCISES.items():
        for question in known.questions:
            for wrong, clause in question.mistakes:
                if isinstance(wrong, When):
                    starts = [start for where, _, start in RECOGNIZED if where == exercise]
                    assert any(map(clause.startswith, starts)), clause


def test_each_question_knows_two_wrong_answers_and_tells_them_apart() -> None:
    for exercise, known in answers_07.EXERCISES.items():
        for question in known.questions:
            assert len({clause for _, clause in question.mistakes}) >= 2, (exercise, question.name)


@pytest.mark.parametrize("empty", [..., None])
def test_an_answer_that_does_not_exist_yet(empty: Any) -> None:
    for exercise, known in answers_07.EXERCISES.items():
        for place, question in enumerate(known.questions):
            verdict = judge(exercise, *with_answer(exercise, place, empty))
            assert verdict.sentence.startswith(f"Not yet: `{question.name}` is still empty")
