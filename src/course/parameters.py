"""One parameter of a notebook: its line in the parameters cell, its range, and values for it."""

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from typing import Any

from course.errors import CourseError

TYPES = {"int": int, "float": float, "str": str, "bool": bool}


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's parameters cell."""

    name: str
    kind: str
    default: Any
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    meaning: str

    @property
    def allowed(self) -> str:
        """The valid values, in words."""
        if self.choices:
            return " or ".join(self.choices)
        if self.low is not None:
            return f"{self.kind} from {_plain(self.low)} to {_plain(self.high or 0)}"
        return self.kind


def _plain(limit: float) -> str:
    """Write a limit as the command line takes it: 1000000, and not 1e+06."""
    return str(int(limit)) if limit.is_integer() else f"{limit:g}"


_RANGE = re.compile(r"\s*(-?[\d.e+-]+) to (-?[\d.e+-]+):\s*(.+)")
_CHOICES = re.compile(r"\s*(\w+(?: ?\| ?\w+)+):\s*(.+)")


def parse_parameters(source: str, where: str) -> dict[str, Parameter]:
    """Parse the parameters cell: annotated assignments, each with its range in a comment.

    Args:
        source: the text of the parameters cell.
        where: what to call it in an error.

    Raises:
        CourseError: a line is not ``name: type = value  # LOW to HIGH: meaning`` or
            ``# a | b: meaning``, or a default is out of its own range.
    """
    try:
        body = ast.parse(source).body
        comments = {
            token.start[0]: token.string.lstrip("#")
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT
        }
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        raise CourseError(f"{where}: the parameters cell isn't valid Python: {error}.") from error
    found = {}
    for node in body:
        if not (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(node.annotation, ast.Name)
            and node.annotation.id in TYPES
            and node.value is not None
        ):
            raise CourseError(
                f"{where}, line {node.lineno} of the parameters cell is not of the form "
                "`name: type = value  # LOW to HIGH: meaning`."
            )
        comment = comments.get(node.lineno, "")
        parameter = _parameter(node.target.id, node.annotation.id, node.value, comment, where)
        check_value(parameter, parameter.default, where)
        found[parameter.name] = parameter
    return found


def _parameter(name: str, kind: str, value: ast.expr, comment: str, where: str) -> Parameter:
    """Parse the parameter that one line defines, without checking its value against its range."""
    span, listed = _RANGE.fullmatch(comment), _CHOICES.fullmatch(comment)
    if kind in ("int", "float") and not span:
        raise CourseError(f"{where}: the parameter {name} has no range in its comment.")
    if kind == "str" and not listed:
        raise CourseError(f"{where}: the parameter {name} lists no choices in its comment.")
    try:
        default = ast.literal_eval(value)
        low, high = (float(span[1]), float(span[2])) if span else (None, None)
    except (TypeError, ValueError) as error:
        raise CourseError(
            f"{where}: the parameter {name} needs a plain value, and numbers in its range."
        ) from error
    return Parameter(
        name=name,
        kind=kind,
        default=default,
        low=low,
        high=high,
        choices=tuple(re.split(r" ?\| ?", listed[1])) if listed and not span else (),
        meaning=span[3] if span else listed[2] if listed else comment.strip(),
    )


def check_value(parameter: Parameter, value: Any, where: str) -> None:
    """Refuse a value of the wrong type or out of range.

    Raises:
        CourseError: the value is not valid; the message names the parameter and the valid values.
    """
    kind = TYPES[parameter.kind]
    right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        right = True
    if right and parameter.low is not None:
        right = parameter.low <= value <= parameter.high
    if right and parameter.choices:
        right = value in parameter.choices
    if not right:
        raise CourseError(
            f"{where}: {parameter.name} cannot be {value!r}; it takes {parameter.allowed}."
        )


def read_value(parameter: Parameter, text: str, where: str) -> Any:
    """Parse a value from the command line by the parameter's own type.

    Raises:
        CourseError: the text cannot be parsed, or the value is out of range.
    """
    value: Any = text
    try:
        if parameter.kind == "int":
            value = int(text)
        elif parameter.kind == "float":
            value = float(text)
        elif parameter.kind == "bool":
            value = {"true": True, "false": False}.get(text.lower(), text)
    except ValueError:
        value = text
    check_value(parameter, value, where)
    return value
