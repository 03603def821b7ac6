"""What ``check`` says to right, usual wrong, unfit and missing answers of every exercise."""

import numpy as np
import pytest

from helpers import answers_01, exercises
from helpers.exercises import Unfit, When, array, check, judge

GOOD_KERNEL = np.array([[-1, -1, 2], [-1, 2, -1], [2, -1, -1]])


def one_pixel(row: int, column: int) -> np.ndarray:
    image = np.zeros((5, 5))
    image[row, column] = 1
    return image


def convnet(*head: str, classes: int = 10, activation: str | None = "softmax"):
    from helpers.backend import keras

    layers = keras.layers
    middle = [
        layers.Conv2D(16, 3),
        layers.MaxPooling2D(2),
        layers.Conv2D(32, 3),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3),
    ]
    heads = [getattr(layers, name)() for name in head]
    dense = [layers.Dense(classes, activation=activation)] if classes else []
    return keras.Sequential([keras.Input((28, 28, 1)), *middle, *heads, *dense])


LINEAR = [0.9, 0.8, 0.6, 0.4, 0.2, 0.1, 0.1]
LENET = [0.95, 0.95, 0.9, 0.8, 0.6, 0.4, 0.2]


def right_answers() -> dict[str, tuple]:
    return {
        "01.1": (GOOD_KERNEL,),
        "01.2": (109, 112, 3),
        "01.3": (answers_01.merged(answers_01.FIRST, answers_01.SECOND), one_pixel(4, 4)),
        "01.4": (20, 14),
        "01.5": (896, 18_496, 23_050),
        "01.6": (5_120, convnet("GlobalAveragePooling2D")),
        "01.7": (answers_01.moved, [LINEAR, LENET]),
        "01.8": (answers_01.weight_gradient,),
    }


# The wrong answers that a table recognizes by a property, and the start of what they are told.
RECOGNIZED = [
    ("01.1", 0, np.zeros((3, 3)), "a kernel of zeros"),
    ("01.1", 0, -GOOD_KERNEL, "your kernel is darkest where"),
    ("01.1", 0, GOOD_KERNEL[::-1], "your kernel is strongest on strokes that lean to the left"),
    ("01.1", 0, [[-1, 0, 1]] * 3, "your kernel is strongest on vertical"),
    ("01.1", 0, np.transpose([[-1, 0, 1]] * 3), "your kernel is strongest on horizontal"),
    ("01.1", 0, np.fliplr(np.eye(3)), "the weights don't add up to zero"),
    ("01.1", 0, [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], "your kernel answers to another"),
    ("01.3", 1, np.zeros((5, 5)), "on a black image"),
    ("01.3", 1, one_pixel(0, 0), "on your image the first map has no negative"),
    ("01.3", 1, one_pixel(2, 2), "the first map has negative numbers"),
    ("01.6", 1, lambda: convnet("Flatten"), "your model still has a Flatten"),
    ("01.6", 1, lambda: convnet("GlobalMaxPooling2D"), "your model keeps the maximum"),
    ("01.6", 1, lambda: convnet("MaxPooling2D"), "your model has no GlobalAverage"),
    ("01.6", 1, lambda: convnet("GlobalAveragePooling2D", classes=0), "your model doesn't end in"),
    (
        *("01.6", 1, lambda: convnet("GlobalAveragePooling2D", "BatchNormalization")),
        "your model has another number of parameters",
    ),
    (
        *("01.6", 1, lambda: convnet("GlobalAveragePooling2D", activation=None)),
        "the ten numbers must be probabilities",
    ),
    ("01.7", 1, 100 * np.array([LINEAR, LENET]), "accuracies lie between 0 and 1"),
    ("01.7", 1, np.full((2, 7), 0.1), "a trained model reads more"),
    ("01.7", 1, np.full((2, 7), 0.9), "one model does equally well"),
    ("01.7", 1, [LENET, LINEAR], "the linear classifier does better"),
]


def with_answer(exercise: str, place: int, answer) -> tuple:
    answers = list(right_answers()[exercise])
    answers[place] = answer
    return tuple(answers)


def test_right_answers_are_praised(capsys: pytest.CaptureFixture[str]) -> None:
    for exercise, answers in right_answers().items():
        assert check(exercise, *answers), judge(exercise, *answers)
        assert capsys.readouterr().out.startswith("Right: ")
    assert right_answers().keys() == answers_01.EXERCISES.keys()


def test_every_usual_wrong_number_array_and_function_is_told_what_went_wrong() -> None:
    for exercise, known in answers_01.EXERCISES.items():
        for place, question in enumerate(known.questions):
            for wrong, clause in question.mistakes:
                if not isinstance(wrong, When):
                    verdict = judge(exercise, *with_answer(exercise, place, wrong))
                    assert verdict.sentence == f"Not yet: {clause}.", (exercise, wrong)


@pytest.mark.parametrize("exercise, place, answer, start", RECOGNIZED)
def test_a_usual_wrong_answer_is_recognized_by_its_property(
    exercise: str, place: int, answer, start: str
) -> None:
    made = answer() if callable(answer) else answer
    verdict = judge(exercise, *with_answer(exercise, place, made))
    assert not verdict.right
    assert verdict.sentence.startswith(f"Not yet: {start}")


def test_every_property_is_reached_by_an_example() -> None:
    reached = [(exercise, place, start) for exercise, place, _, start in RECOGNIZED]
    for exercise, known in answers_01.EXERCISES.items():
        for place, question in enumerate(known.questions):
            for wrong, clause in question.mistakes:
                if isinstance(wrong, When):
                    told = [
                        start for where, at, start in reached if (where, at) == (exercise, place)
                    ]
                    assert any(map(clause.startswith, told)), clause


def test_each_question_knows_two_wrong_answers_and_tells_them_apart() -> None:
    for exercise, known in answers_01.EXERCISES.items():
        for question in known.questions:
            clauses = {clause for _, clause in question.mistakes}
            assert len(clauses) >= 2, (exercise, question.name)


@pytest.mark.parametrize("empty", [..., None])
def test_an_answer_that_does_not_exist_yet(empty) -> None:
    for exercise, known in answers_01.EXERCISES.items():
        for place, question in enumerate(known.questions):
            verdict = judge(exercise, *with_answer(exercise, place, empty))
            assert verdict.sentence.startswith(f"Not yet: `{question.name}` is still empty")


def starter(*arguments):
    """Stand for the body of a function that a student hasn't written."""


def unfinished(*arguments):
    raise NotImplementedError


class Hostile:
    """An object that can't be converted, compared or shown."""

    def __array__(self, *arguments):
        raise RuntimeError("no")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    __hash__ = None
    __repr__ = None


UNFIT = [
    "seven",
    True,
    float("nan"),
    1j,
    [1, [2, 3]],
    {},
    [],
    object,
    Hostile(),
    b"x",
    np.float64("inf"),
]


@pytest.mark.parametrize("answer", UNFIT, ids=range(len(UNFIT)))
def test_an_answer_of_the_wrong_type_gets_one_sentence(answer) -> None:
    for exercise, known in answers_01.EXERCISES.items():
        for place, question in enumerate(known.questions):
            verdict = judge(exercise, *with_answer(exercise, place, answer))
            assert not verdict.right
            assert verdict.sentence.startswith(f"Not yet: `{question.name}` "), verdict
            assert "\n" not in verdict.sentence
            assert verdict.sentence.endswith(".")


@pytest.mark.parametrize(
    "exercise, place, answer, said",
    [
        ("01.1", 0, np.eye(4), "must have the shape (3, 3), but has the shape (4, 4)"),
        ("01.1", 0, np.full((3, 3), np.nan), "holds NaN"),
        ("01.3", 0, np.zeros((4, 4)), "has the shape (4, 4) where (5, 5) is needed"),
        ("01.3", 0, np.full((5, 5), 7), "isn't the answer; open the hint"),
        ("01.7", 0, starter, "returns nothing yet"),
        ("01.7", 0, unfinished, "is still empty"),
        ("01.7", 0, lambda images: images, "raises TypeError when it is called with an array of"),
        ("01.7", 0, lambda images, pixels: "left", "returns a result that must be an array"),
        (
            *("01.7", 0, lambda images, pixels: images[0]),
            "returns an array of the shape (6, 6, 1) where (3, 6, 6, 1) is needed",
        ),
        ("01.8", 0, lambda x, g, f, s: x * np.nan, "returns a result that holds NaN"),
    ],
)
def test_an_answer_of_the_wrong_shape_or_a_failing_function(
    exercise: str, place: int, answer, said: str
) -> None:
    verdict = judge(exercise, *with_answer(exercise, place, answer))
    assert not verdict.right
    assert said in verdict.sentence


def test_a_function_cannot_change_the_arguments_of_later_calls() -> None:
    def spoil(images, pixels):
        moved = answers_01.moved(images, pixels)
        images[:] = 0
        return moved

    assert judge("01.7", spoil, [LINEAR, LENET]).right
    assert judge("01.7", answers_01.moved, [LINEAR, LENET]).right


def test_a_model_without_input_shape() -> None:
    from helpers.backend import keras

    verdict = judge("01.6", 5_120, keras.Sequential([keras.layers.Dense(10)]))
    assert "begin it with `keras.Input" in verdict.sentence


def test_a_rounded_answer_is_told_that_it_is_close() -> None:
    answers = list(right_answers()["01.4"])
    answers[0] *= 1.002
    assert "is close; give more digits" in judge("01.4", *answers).sentence


def test_true_and_false_are_no_numbers_but_easily_made_some() -> None:
    with pytest.raises(Unfit, match=r"astype\(int\)"):
        array(2)([True, False])


def test_numbers_are_accepted_in_any_type() -> None:
    assert judge("01.4", np.int64(20), np.array([14.0])).right


def test_unknown_exercises_and_missing_answers_get_a_sentence() -> None:
    assert "use one of 01.1, 01.2" in judge("01.9", 1).sentence
    assert 'write a number such as "01.1"' in judge("77.1", 1).sentence
    assert 'write a number such as "01.1"' in judge(1.1, 1).sentence
    assert 'call `check("01.4", field, layers_needed)`' in judge("01.4", 20).sentence


def test_the_sentence_fits_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert exercises.check("01.1", -GOOD_KERNEL) is False
    assert all(len(line) <= 88 for line in capsys.readouterr().out.splitlines())
