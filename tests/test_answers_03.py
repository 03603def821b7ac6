"""What ``check`` says to the answers to chapter 03's exercises."""

import numpy as np
import pytest

from helpers import answers_03
from helpers.exercises import When, check, judge

TABLE = np.array([[1.0, 0.7], [0.98, 0.85]])


def right_answers() -> dict[str, tuple]:
    return {
        "03.1": (7, 6_272, 3_211_776),
        "03.2": (answers_03.cross_entropy, np.log(0.01) / np.log(0.5)),
        "03.3": (answers_03.stop,),
        "03.4": (answers_03.dropout,),
        "03.5": (answers_03.normalized,),
        "03.6": (answers_03.fingerprint, 1_999_000),
        "03.7": (TABLE,),
    }


# The wrong answers that are recognized by a property, and the start of what they are told.
RECOGNIZED = [
    ("03.7", 0, 100 * TABLE, "accuracies lie between 0 and 1"),
    ("03.7", 0, np.full((2, 2), 0.5), "a trained network does better than a coin"),
    ("03.7", 0, np.full((2, 2), 0.9), "all four numbers are the same"),
    ("03.7", 0, TABLE[:, ::-1], "the columns seem to be swapped"),
    ("03.7", 0, TABLE[::-1], "the rows seem to be swapped"),
    ("03.7", 0, [[0.8, 0.75], [1.0, 0.8]], "with more images the gap should shrink"),
]


def with_answer(exercise: str, place: int, answer) -> tuple:
    answers = list(right_answers()[exercise])
    answers[place] = answer
    return tuple(answers)


def test_right_answers_are_praised(capsys: pytest.CaptureFixture[str]) -> None:
    for exercise, answers in right_answers().items():
        assert check(exercise, *answers), judge(exercise, *answers)
        assert capsys.readouterr().out.startswith("Right: ")
    assert right_answers().keys() == answers_03.EXERCISES.keys()


def test_every_usual_wrong_number_and_function_is_told_what_went_wrong() -> None:
    for exercise, known in answers_03.EXERCISES.items():
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
    for exercise, known in answers_03.EXERCISES.items():
        for place, question in enumerate(known.questions):
            told = [start for where, at, _, start in RECOGNIZED if (where, at) == (exercise, place)]
            for wrong, clause in question.mistakes:
                assert not isinstance(wrong, When) or any(map(clause.startswith, told)), clause


def test_each_question_knows_two_wrong_answers_and_waits_for_an_empty_one() -> None:
    for exercise, known in answers_03.EXERCISES.items():
        for place, question in enumerate(known.questions):
            assert len({clause for _, clause in question.mistakes}) >= 2, question.name
            verdict = judge(exercise, *with_answer(exercise, place, ...))
            assert verdict.sentence.startswith(f"Not yet: `{question.name}` is still empty")


def starter(*arguments):
    """Stand for the body of a function that a student hasn't written."""


@pytest.mark.parametrize("exercise", ["03.3", "03.4", "03.5"])
def test_a_function_without_a_body_is_not_there_yet(exercise: str) -> None:
    assert "returns nothing yet" in judge(exercise, starter).sentence


def test_early_stopping_is_that_of_keras() -> None:
    from helpers.backend import keras

    class Model:
        stop_training = False

        def get_weights(self) -> list:
            return []

    for losses, patience in answers_03._CURVES:
        callback = keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience, mode="min")
        callback.set_model(Model())
        callback.on_train_begin()
        trained = 0
        for epoch, loss in enumerate(losses):
            trained = epoch + 1
            callback.on_epoch_end(epoch, {"val_loss": loss})
            if callback.model.stop_training:
                break
        assert (trained, callback.best_epoch + 1) == answers_03.stop(losses, patience)
