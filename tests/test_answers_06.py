"""What ``check`` says to right, usual wrong and missing answers of the exercises of chapter 06."""

import numpy as np
import pytest

from helpers import answers_06
from helpers.exercises import When, check, judge

RIGHT: dict[str, tuple] = {
    "06.1": ([[0, 0], [2, 1]],),
    "06.2": (25, 81),
    "06.3": (answers_06.rivals,),
    "06.4": ([8, 4], 12),
    "06.5": (answers_06.flips,),
    "06.6": (answers_06.uphill,),
}


def test_right_answers_are_praised(capsys: pytest.CaptureFixture[str]) -> None:
    assert RIGHT.keys() == answers_06.EXERCISES.keys()
    for exercise, answers in RIGHT.items():
        assert check(exercise, *answers), judge(exercise, *answers)
        assert capsys.readouterr().out.startswith("Right: ")


def test_every_usual_wrong_answer_is_told_what_went_wrong() -> None:
    for exercise, known in answers_06.EXERCISES.items():
        for place, question in enumerate(known.questions):
            assert len({clause for _, clause in question.mistakes}) >= 2, (exercise, question.name)
            for wrong, clause in question.mistakes:
                if not isinstance(wrong, When):
                    answers = list(RIGHT[exercise])
                    answers[place] = wrong
                    verdict = judge(exercise, *answers)
                    assert verdict.sentence == f"Not yet: {clause}.", (exercise, wrong)


def test_a_step_on_level_ground_must_not_divide_by_zero() -> None:
    def uphill(picture: np.ndarray, slope: np.ndarray, length: float) -> np.ndarray:
        return np.clip(picture + length * slope / np.sqrt((slope**2).sum()), 0, 255)

    with np.errstate(invalid="ignore"):
        verdict = judge("06.6", uphill)
    assert "look for a division by zero" in verdict.sentence


def untouched(*arguments):
    """Stand for the body of a function that a student hasn't written."""


@pytest.mark.parametrize("empty", [..., None, untouched])
def test_an_answer_that_does_not_exist_yet_is_told_so(empty) -> None:
    for exercise, known in answers_06.EXERCISES.items():
        for place, question in enumerate(known.questions):
            answers = list(RIGHT[exercise])
            answers[place] = empty
            verdict = judge(exercise, *answers)
            assert not verdict.right
            assert verdict.sentence.startswith(f"Not yet: `{question.name}` ")
