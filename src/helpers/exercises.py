"""Exercises that check themselves: is the answer right, and if not, what went wrong?

A notebook calls ``check``. What an exercise accepts, and what its usual wrong answers reveal,
is in one module per chapter, such as ``helpers.answers_01``: a table ``EXERCISES`` of ``Exercise``
by number. A question reads the answer with one of the functions ``number``, ``array``,
``results_on`` and ``keras_model``, and compares it with the right answer and the wrong ones that
were read in the same way.
"""

import copy
import importlib
import math
import numbers
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

CLOSE = 1e-4  # largest error, relative and absolute, of an answer that counts as right
OUT_OF_REACH = "that isn't the answer; open the hint, then compare your steps with it"


@dataclass(frozen=True)
class When:
    """A property of an answer, for questions that have more than one right or wrong answer.

    Attributes:
        holds: takes the answer as it was read and returns whether it has the property.
    """

    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class Question:
    """One thing that an exercise asks for.

    Attributes:
        name: the variable or function that holds the answer in the notebook.
        read: turns the answer into a value that can be compared; raises ``Unfit``.
        right: the right answer, or a ``When``.
        mistakes: usual wrong answers (values or ``When``), each with a clause that says what went
            wrong. The first that matches is told.
    """

    name: str
    read: Callable[[Any], Any]
    right: Any
    mistakes: tuple[tuple[Any, str], ...]


@dataclass(frozen=True)
class Exercise:
    """One exercise: its questions in the order in which ``check`` takes the answers.

    Attributes:
        questions: at least one.
        praise: what a right answer shows, as a clause that follows "Right: ".
    """

    questions: tuple[Question, ...]
    praise: str


@dataclass(frozen=True)
class Verdict:
    """Whether the answers to an exercise are right, and the sentence that says so."""

    right: bool
    sentence: str


class Unfit(Exception):
    """An answer that cannot be compared; its text goes on after the name of the answer."""


def number(answer: Any) -> float:
    """Read an answer that must be a single number.

    Args:
        answer: an int, a float, a NumPy number or an array that holds one number.

    Returns:
        The number.

    Raises:
        Unfit: it is something else, NaN or infinite.

    >>> number(np.int64(3))
    3.0
    """
    if isinstance(answer, np.ndarray | np.generic) and answer.size == 1:
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, numbers.Real):
        raise Unfit(f"must be a number, but is {described(answer)}")
    if not math.isfinite(answer):
        raise Unfit(f"must be a number, but is {answer}")
    return float(answer)


def array(*shape: int) -> Callable[[Any], np.ndarray]:
    """Return a function that reads an answer that must be an array of numbers.

    Args:
        shape: the shape it must have; none, if it is compared with an array that has the shape.

    Returns:
        The function: it takes anything that NumPy takes and returns a float64 array. It raises
        ``Unfit`` for anything else, for another shape, and for NaN or infinity.

    >>> array(2)([1, 2])
    array([1., 2.])
    """

    def read(answer: Any) -> np.ndarray:
        try:
            found = np.asarray(answer)
        except (ValueError, TypeError):
            found = np.asarray(None)
        if found.dtype.kind == "b":
            raise Unfit("holds True and False; make numbers of them with `.astype(int)`")
        if found.dtype.kind not in "iuf":
            raise Unfit(f"must be an array of numbers, but is {described(answer)}")
        if shape and found.shape != shape:
            raise Unfit(f"must have the shape {shape}, but has the shape {found.shape}")
        if not np.isfinite(found).all():
            what = "NaN" if np.isnan(found).any() else "infinity"
            raise Unfit(f"holds {what}; look for a division by zero, or a value never filled in")
        return found.astype(np.float64)

    return read


def results_on(*cases: tuple[Any, ...]) -> Callable[[Any], tuple[np.ndarray, ...]]:
    """Return a function that reads an answer that must be a function, by what it returns.

    Args:
        cases: the arguments of each call. The answer gets copies of them.

    Returns:
        The function: it returns one array per case. It raises ``Unfit`` if the answer can't be
        called, if a call fails, or if it returns no array of numbers.

    >>> results_on((1, 2), (3, 4))(max)
    (array(2.), array(4.))
    """

    def read(answer: Any) -> tuple[np.ndarray, ...]:
        if not callable(answer):
            raise Unfit(f"must be a function, but is {described(answer)}")
        found = []
        for case in cases:
            try:
                result = answer(*copy.deepcopy(case))
            except NotImplementedError as error:
                raise Unfit("is still empty: write its body") from error
            except Exception as error:
                given = ", ".join(described(argument) for argument in case)
                raise Unfit(
                    f"raises {type(error).__name__} when it is called with {given}: {error}"
                ) from error
            if is_empty(result):
                raise Unfit("returns nothing yet: end it with `return` and the result")
            try:
                found.append(array()(result))
            except Unfit as unfit:
                raise Unfit(f"returns a result that {unfit}") from unfit
        return tuple(found)

    return read


def keras_model(answer: Any) -> Any:
    """Read an answer that must be a Keras model whose shapes are known.

    Returns:
        The model itself.

    Raises:
        Unfit: it is something else, or it doesn't know the shape of its input.
    """
    from helpers.backend import keras

    if not isinstance(answer, keras.Model):
        raise Unfit(f"must be a Keras model, but is {described(answer)}")
    if not answer.built or getattr(answer, "output_shape", None) is None:
        raise Unfit("doesn't know the shape of its input: begin it with `keras.Input(...)`")
    return answer


def activation_of(step: Any) -> str:
    """Return the activation of a Keras layer or operation, or which one it is itself.

    Returns:
        Its name, such as "relu" or "softmax"; empty if there is none.
    """
    kind = type(step).__name__
    if kind in ("ReLU", "Relu", "Softmax"):
        return kind.lower()
    return getattr(getattr(step, "activation", None), "__name__", "")


def described(value: Any) -> str:
    """Return a few words on a value, for a sentence.

    >>> described("seven"), described(np.zeros((2, 3))), described([1, 2])
    ("the text 'seven'", 'an array of shape (2, 3)', 'a list of length 2')
    """
    if isinstance(value, str):
        return f"the text {textwrap.shorten(value, 40)!r}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of length {len(value)}"
    if value is None or isinstance(value, bool | int | float | np.generic):
        return str(value)
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    return f"an object of the type {type(value).__name__}"


def is_empty(answer: Any) -> bool:
    """Return whether an answer is still what the starter holds: ``...`` or ``None``."""
    return answer is ... or answer is None


def _same(answer: Any, other: Any) -> bool:
    if isinstance(other, When):
        return bool(other.holds(answer))
    if isinstance(other, tuple):
        return all(_same(one, two) for one, two in zip(answer, other, strict=True))
    if np.shape(answer) != np.shape(other):
        return False
    return bool(np.allclose(answer, other, rtol=CLOSE, atol=CLOSE))


def _almost(answer: Any, right: Any) -> bool:
    """Return whether numbers are right to one part in a hundred, as rounded ones are."""
    if isinstance(right, When | tuple) or np.shape(answer) != np.shape(right):
        return False
    return bool(np.allclose(answer, right, rtol=0.01, atol=0))


def _shapes(value: Any) -> list[tuple[int, ...]]:
    return [np.shape(each) for each in (value if isinstance(value, tuple) else (value,))]


def _what_is_wrong(question: Question, answer: Any) -> str | None:
    """Return a clause on what is wrong with an answer, or None if it is right."""
    if is_empty(answer):
        return f"`{question.name}` is still empty; replace the three dots with your answer"
    try:
        read = question.read(answer)
    except Unfit as unfit:
        return f"`{question.name}` {unfit}"

    def stands_for(value: Any) -> Any:
        return value if isinstance(value, When) else question.read(value)

    right = stands_for(question.right)
    if _same(read, right):
        return None
    for wrong, clause in question.mistakes:
        if _same(read, stands_for(wrong)):
            return clause
    if _almost(read, right):
        return f"`{question.name}` is close; give more digits, and leave nothing out"
    if not isinstance(right, When) and (wanted := _shapes(right)) != (given := _shapes(read)):
        pairs = zip(given, wanted, strict=True)
        has, needs = next((one, two) for one, two in pairs if one != two)
        made = "returns an array of" if callable(answer) else "has"
        return f"`{question.name}` {made} the shape {has} where {needs} is needed"
    return f"`{question.name}`: {OUT_OF_REACH}"


def exercises_of(chapter: str) -> dict[str, Exercise]:
    """Return the exercises of a chapter by number, such as "01.1".

    Args:
        chapter: its number, such as "01".

    Returns:
        None at all for a chapter that has no exercises.
    """
    name = f"helpers.answers_{chapter}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return {}
    found: dict[str, Exercise] = module.EXERCISES
    return found


def judge(exercise: str, *answers: Any) -> Verdict:
    """Say whether the answers to an exercise are right, without printing.

    Args:
        exercise: its number, such as "01.2".
        answers: one per question, in their order.

    Returns:
        The verdict. Every fault of an answer is a sentence in it, and never an exception.
    """
    chapter = str(exercise).partition(".")[0]
    known = exercises_of(chapter) if re.fullmatch(r"[0-9]{2}", chapter) else {}
    found = known.get(exercise) if isinstance(exercise, str) else None
    if found is None:
        listed = f"use one of {', '.join(known)}" if known else 'write a number such as "01.1"'
        return Verdict(False, f"Not yet: there is no exercise {exercise!r}; {listed}.")
    names = [question.name for question in found.questions]
    if len(answers) != len(names):
        wanted = f'check("{exercise}", {", ".join(names)})'
        given = f"{len(answers)} answer" + "s" * (len(answers) != 1)
        return Verdict(False, f"Not yet: `check` got {given}; call `{wanted}`.")
    for question, answer in zip(found.questions, answers, strict=True):
        try:
            wrong = _what_is_wrong(question, answer)
        except Exception as error:  # an answer may be anything, even an object that can't compare
            wrong = f"`{question.name}` can't be compared ({type(error).__name__}: {error})"
        if wrong is not None:
            end = "" if wrong.endswith("?") else "."
            return Verdict(False, f"Not yet: {wrong.rstrip('.')}{end}")
    return Verdict(True, f"Right: {found.praise}.")


def check(exercise: str, *answers: Any) -> bool:
    """Print one sentence on whether the answers to an exercise are right, and if not, why.

    Args:
        exercise: its number, such as "01.2".
        answers: one per question, in the order in which the exercise names them. ``...`` and
            ``None`` are answers that don't exist yet.

    Returns:
        Whether all of them are right.

    >>> check("01.2", ..., ..., ...)
    Not yet: `valid` is still empty; replace the three dots with your answer.
    False
    """
    verdict = judge(exercise, *answers)
    print(textwrap.fill(verdict.sentence, 88, break_long_words=False, break_on_hyphens=False))
    return verdict.right
