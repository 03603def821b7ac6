"""What ``check`` says to right, usual wrong and missing answers to the exercises of chapter 02."""

import numpy as np
import pytest

from helpers import answers_02
from helpers.exercises import When, check, judge


def head(
    *,
    window=1,
    filters=8,
    classes=10,
    activation="softmax",
    shape=(3, 3, 64),
    middle=None,
    squeeze="relu",
):
    from helpers.backend import keras

    layers = keras.layers
    parts = [keras.Input(shape)]
    if window:
        parts.append(layers.Conv2D(filters, window, activation=squeeze))
    parts.append(middle or layers.Flatten())
    if classes:
        parts.append(layers.Dense(classes, activation=activation))
    return keras.Sequential(parts)


def pooled():
    from helpers.backend import keras

    return head(middle=keras.layers.GlobalMaxPooling2D())


def normalized():
    from helpers.backend import keras

    model = head()
    parts = [keras.layers.BatchNormalization(), *model.layers]
    return keras.Sequential([keras.Input((3, 3, 64)), *parts])


def right_answers() -> dict[str, tuple]:
    first, second = answers_02.ONLY_FIRST, answers_02.ONLY_SECOND
    return {
        "02.1": ((first - second) / np.sqrt(first + second), 0),
        "02.2": (9_248, 1_180_160, 1_180_160 / 1_250_858),
        "02.3": (0.91, 0.01, answers_02.SMALLEST_LOSS),
        "02.4": (answers_02.alternate,),
        "02.5": (answers_02.most_confused,),
        "02.6": (4_520, head()),
    }


RECOGNIZED = [
    (lambda: head(shape=(4, 4, 64)), "the head must begin with the maps"),
    (pooled, "global pooling forgets the position"),
    (lambda: head(window=0), "your head has no convolution"),
    (lambda: head(window=3), "your convolution is larger than 1x1"),
    (lambda: head(filters=16), "squeeze to eight channels"),
    (lambda: head(classes=0), "your head doesn't end in ten numbers"),
    (normalized, "your head has other layers with weights"),
    (lambda: head(squeeze=None), "give the 1x1 convolution its ReLU"),
    (lambda: head(squeeze="tanh"), "give the 1x1 convolution its ReLU"),
    (lambda: head(shape=(9, 1, 64)), "the head must begin with the maps"),
    (lambda: head(activation=None), "the ten numbers must be probabilities"),
]


def with_answer(exercise: str, place: int, answer) -> tuple:
    answers = list(right_answers()[exercise])
    answers[place] = answer
    return tuple(answers)


def test_right_answers_are_praised(capsys: pytest.CaptureFixture[str]) -> None:
    for exercise, answers in right_answers().items():
        assert check(exercise, *answers), judge(exercise, *answers)
        assert capsys.readouterr().out.startswith("Right: ")
    assert right_answers().keys() == answers_02.EXERCISES.keys()


def test_activations_may_be_layers() -> None:
    from helpers.backend import keras

    parts = head(squeeze=None, activation=None).layers
    parts = [parts[0], keras.layers.ReLU(), *parts[1:], keras.layers.Softmax()]
    assert judge("02.6", 4_520, keras.Sequential([keras.Input((3, 3, 64)), *parts])).right


def test_the_most_confused_pair_is_the_only_largest_one() -> None:
    for matrix in answers_02._MATRICES:
        mistakes = matrix[~np.eye(len(matrix), dtype=bool)]
        assert (mistakes == mistakes.max()).sum() == 1


def test_every_usual_wrong_answer_is_told_what_went_wrong() -> None:
    for exercise, known in answers_02.EXERCISES.items():
        for place, question in enumerate(known.questions):
            assert len({clause for _, clause in question.mistakes}) >= 2
            for wrong, clause in question.mistakes:
                if not isinstance(wrong, When):
                    verdict = judge(exercise, *with_answer(exercise, place, wrong))
                    assert verdict.sentence == f"Not yet: {clause}.", (exercise, wrong)


def test_every_property_of_a_wrong_head_is_recognized() -> None:
    for make, start in RECOGNIZED:
        verdict = judge("02.6", 4_520, make())
        assert not verdict.right
        assert verdict.sentence.startswith(f"Not yet: {start}"), verdict
    clauses = [clause for _, clause in answers_02.EXERCISES["02.6"].questions[1].mistakes]
    assert all(any(clause.startswith(start) for _, start in RECOGNIZED) for clause in clauses)


@pytest.mark.parametrize("empty", [..., None])
def test_an_answer_that_does_not_exist_yet(empty) -> None:
    for exercise, known in answers_02.EXERCISES.items():
        for place, question in enumerate(known.questions):
            verdict = judge(exercise, *with_answer(exercise, place, empty))
            assert verdict.sentence.startswith(f"Not yet: `{question.name}` is still empty")


@pytest.mark.parametrize("answer", ["seven", float("nan"), [1, [2, 3]], {}, object])
def test_an_answer_of_the_wrong_type_gets_one_sentence(answer) -> None:
    for exercise, known in answers_02.EXERCISES.items():
        for place, question in enumerate(known.questions):
            verdict = judge(exercise, *with_answer(exercise, place, answer))
            assert verdict.sentence.startswith(f"Not yet: `{question.name}` "), verdict
            assert "\n" not in verdict.sentence
