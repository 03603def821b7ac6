"""Pictures with sliders in JupyterLab, which stand still wherever nobody can move them."""

import copy
import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FunctionType
from typing import Any

from matplotlib.figure import Figure

from helpers import outputs, plots

LAB = "JPY_SESSION_NAME"  # Jupyter's server sets it in the kernels of open notebooks


def explore(draw: Callable[..., tuple[Figure, str]], **choices: Sequence[Any]) -> None:
    """Draw a picture, with a slider per argument where the notebook is open in JupyterLab.

    Papermill, nbval and the book see the picture of the default arguments; so does a reader
    without ipywidgets. The sliders go on working when later cells reuse the names that the
    function reads, because it keeps what they stand for now.

    Args:
        draw: returns a figure and its alt text. Each argument has a default, with which the
            picture begins.
        choices: by argument, the values that its slider offers, the default among them.

    Raises:
        ValueError: an argument has no choices, or its default isn't among them.

    >>> import matplotlib.pyplot as plt
    >>> def draw(size=3):
    ...     return plt.figure(), f"A kernel of {size} by {size}."
    >>> explore(draw, size=[3, 5, 7])
    A kernel of 3 by 3.
    """
    start = {name: each.default for name, each in inspect.signature(draw).parameters.items()}
    for name, value in start.items():
        if value not in choices.get(name, ()):
            raise ValueError(
                f"The slider of {name} must offer its default, {value!r}, but it offers "
                f"{list(choices.get(name, ()))}."
            )
    sliders = _sliders(start, choices) if LAB in os.environ else {}
    if sliders and isinstance(draw, FunctionType):
        draw = _kept(draw)
    handle = outputs.put(*plots.drawn(*draw(**start)), changing=True)

    def redraw(_: Any) -> None:
        data, metadata = plots.drawn(*draw(**{name: each.value for name, each in sliders.items()}))
        if handle is not None:
            handle.update(data, metadata=metadata, raw=True)

    for slider in sliders.values():
        slider.observe(redraw, names="value")


def _kept(function: FunctionType) -> FunctionType:
    """Copy a notebook's function with the variables and functions of the notebook that it reads."""
    notebook = function.__globals__

    def copied(each: FunctionType) -> FunctionType:
        made = FunctionType(
            each.__code__, variables, each.__name__, each.__defaults__, each.__closure__
        )
        made.__kwdefaults__ = each.__kwdefaults__
        return made

    variables: dict[str, Any] = {"__builtins__": notebook["__builtins__"]}
    waiting = [function]
    while waiting:
        for name in _names(waiting.pop().__code__):
            if name in variables or name not in notebook:
                continue
            value = notebook[name]
            if isinstance(value, FunctionType) and value.__globals__ is notebook:
                waiting.append(value)
                value = copied(value)
            # A later cell may add to a container, not only give its name to something else.
            variables[name] = copy.copy(value) if isinstance(value, dict | list | set) else value
    return copied(function)


def _names(code: CodeType) -> Iterator[str]:
    """List the names that code reads, comprehensions and inner functions included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _sliders(start: dict[str, Any], choices: dict[str, Sequence[Any]]) -> dict[str, Any]:
    """Show a slider per argument, if ipywidgets is installed."""
    try:
        import ipywidgets
    except ImportError:
        return {}
    from IPython.display import display

    shown = {
        name: ipywidgets.SelectionSlider(
            options=list(choices[name]),
            value=value,
            description=name.replace("_", " "),
            continuous_update=False,
        )
        for name, value in start.items()
    }
    for slider in shown.values():
        display(slider)
    return shown
