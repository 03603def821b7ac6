"""What ``check`` says to right and usual wrong answers of the exercises of chapter 05."""

import pytest

from helpers import answers_05
from helpers.exercises import When, judge


def network(**flags: bool):
    """The network of exercise 05.2, with the flags of a right answer but for those given."""
    from helpers.backend import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((34, 34, 3)),
            layers.Conv2D(3, 3, name="conv0"),
            layers.Conv2D(16, 3, name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.Conv2D(32, 3, name="conv2"),
            layers.BatchNormalization(name="norm2"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(10, name="head"),
        ]
    )
    for name, flag in (answers_05.OPEN | flags).items():
        model.get_layer(name).trainable = flag
    return model


def all_frozen():
    model = network()
    model.trainable = False
    return model


def right_answers() -> dict[str, tuple]:
    return {
        "05.1": (330, 4_970, 5_514),
        "05.2": (network(),),
        "05.3": (0.99**100, 69),
        "05.4": (48, 36, 1.6),
        "05.5": (answers_05.layer_rates,),
        "05.6": (answers_05.ratio,),
        "05.7": ([0.85, 0.92],),
    }


RECOGNIZED = [
    ("05.2", 0, all_frozen, "the model itself is frozen"),
    ("05.2", 0, lambda: network(conv2=False, pool=False, head=False), "every layer is frozen"),
    ("05.2", 0, lambda: network(norm2=True), "batch normalization behind the cut is open"),
    ("05.2", 0, lambda: network(conv1=True), "`last_frozen` itself is open"),
    ("05.2", 0, lambda: network(conv1=True, conv2=False, head=False), "it is the other way around"),
    ("05.2", 0, lambda: network(conv0=True), "a layer before `last_frozen` is open"),
    ("05.2", 0, lambda: network(norm1=True), "batch normalization before the cut is open"),
    ("05.2", 0, lambda: network(conv2=False), "the convolution behind `last_frozen`"),
    ("05.2", 0, lambda: network(head=False), "the head is frozen"),
    ("05.7", 0, [85.0, 92.0], "accuracies lie between 0 and 1"),
    ("05.7", 0, [0.2, 0.9], "at least one model is hardly better than guessing"),
    ("05.7", 0, [0.85, 0.85], "both are equal"),
    ("05.7", 0, [0.92, 0.85], "fine-tuning lost"),
]


def with_answer(exercise: str, place: int, answer) -> tuple:
    answers = list(right_answers()[exercise])
    answers[place] = answer
    return tuple(answers)


def test_right_answers_are_praised() -> None:
    assert right_answers().keys() == answers_05.EXERCISES.keys()
    for exercise, answers in right_answers().items():
        assert judge(exercise, *answers).right, judge(exercise, *answers)


def test_every_usual_wrong_number_and_function_is_told_what_went_wrong() -> None:
    for exercise, known in answers_05.EXERCISES.items():
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


def test_every_property_is_reached_and_each_question_knows_two_wrong_answers() -> None:
    for exercise, known in answers_05.EXERCISES.items():
        for place, question in enumerate(known.questions):
            told = [start for at, where, _, start in RECOGNIZED if (at, where) == (exercise, place)]
            clauses = {clause for wrong, clause in question.mistakes}
            assert len(clauses) >= 2, (exercise, question.name)
            for wrong, clause in question.mistakes:
                if isinstance(wrong, When):
                    assert any(map(clause.startswith, told)), clause


@pytest.mark.parametrize("answer", [..., None, "seven", float("nan"), {}, object])
def test_an_empty_or_unfit_answer_gets_one_sentence(answer) -> None:
    for exercise, known in answers_05.EXERCISES.items():
        for place, question in enumerate(known.questions):
            verdict = judge(exercise, *with_answer(exercise, place, answer))
            assert not verdict.right
            assert verdict.sentence.startswith(f"Not yet: `{question.name}` ")
            assert verdict.sentence.endswith(".")
