"""Arithmetic and comparisons of records, as comments in prose and claims write them; none is run.

An expression holds names of records, numbers, ``+ - * /``, ``abs``, ``min`` and ``max``. A test
compares such values with ``< <= > >= == !=``, chained if need be, and joins comparisons by ``and``,
``or`` and ``not``.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# A kept run's file may have hyphens and equals signs in its name.
_NAME = re.compile(
    r"\bkept\.[\w=-]+(?:\.[a-z0-9_]+){2,}|(?<![\w.])[a-z_][a-z0-9_]*(?:\.[a-z0-9_]+)+"
)
_FUNCTIONS: dict[str, Callable[..., float]] = {"abs": abs, "min": min, "max": max}
_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: dict[type[ast.cmpop], tuple[str, Callable[[float, float], bool]]] = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
}


class ExpressionError(ValueError):
    """An expression that cannot be read or computed, in words that go on after "it"."""


@dataclass(frozen=True)
class Expression:
    """An expression that was read.

    Attributes:
        text: as written.
        names: the records in it, in order of appearance, each once.
        is_test: whether it is true or false, and not a number.
    """

    text: str
    names: tuple[str, ...]
    is_test: bool
    tree: ast.expr


def names_in(text: str) -> tuple[str, ...]:
    """Return everything in a text that has the form of a record's name, each once.

    >>> names_in("a.b < 0.5 * kept.longer.c.d")
    ('a.b', 'kept.longer.c.d')
    """
    return tuple(dict.fromkeys(_NAME.findall(text)))


def parse(text: str) -> Expression:
    """Parse an expression without evaluating it.

    Raises:
        ExpressionError: the text is anything else.

    >>> parse("a.b < 0.5 * c.d").is_test
    True
    """
    names = names_in(text)
    if re.search(r"\br_\d+\b", _NAME.sub(" ", text)):
        raise ExpressionError(f"cannot be parsed: {text}")
    # A segment of a name may be a keyword of Python or begin with a digit.
    plain = _NAME.sub(lambda match: f" r_{names.index(match[0])} ", text)
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError(f"cannot be parsed: {text}") from error
    is_test = _is_test(tree)
    expression = Expression(text, names, is_test, tree)
    _check(tree, is_test, expression)
    return expression


def _is_test(node: ast.expr) -> bool:
    return isinstance(node, ast.Compare | ast.BoolOp) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    )


def _check(node: ast.expr, is_test: bool, whole: Expression) -> None:
    """Refuse everything that isn't described at the top of this module."""
    match node:
        case ast.BoolOp(values=values) if is_test:
            parts = [(value, True) for value in values]
        case ast.UnaryOp(op=ast.Not(), operand=operand) if is_test:
            parts = [(operand, True)]
        case ast.Compare(left=left, ops=ops, comparators=others) if is_test and all(
            type(op) in _COMPARISONS for op in ops
        ):
            parts = [(left, False), *((other, False) for other in others)]
        case ast.BinOp(left=left, op=op, right=right) if not is_test and type(op) in _ARITHMETIC:
            parts = [(left, False), (right, False)]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand) if not is_test:
            parts = [(operand, False)]
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments, keywords=[]) if (
            not is_test and name in _FUNCTIONS and (name == "abs") == (len(arguments) == 1)
        ):
            parts = [(argument, False) for argument in arguments]
        case ast.Name(id=name) if not is_test and re.fullmatch(r"r_\d+", name):
            parts = []
        case ast.Constant(value=number) if not is_test and type(number) in (int, float):
            parts = []
        case _:
            said = _written(node, whole)
            wanted = "a comparison" if is_test else "a number or a record's name"
            raise ExpressionError(f"has {said} where {wanted} is expected: {whole.text}")
    for part, part_is_test in parts:
        _check(part, part_is_test, whole)


def _written(node: ast.expr, whole: Expression) -> str:
    return re.sub(r"\br_(\d+)\b", lambda match: whole.names[int(match[1])], ast.unparse(node))


def value_of(expression: Expression, records: Mapping[str, float]) -> float:
    """Compute an expression that is a number.

    Args:
        expression: from ``parse``.
        records: a value for each of its names.

    Raises:
        ExpressionError: it divides by zero or is too large.

    >>> value_of(parse("100 * abs(a.b - c.d)"), {"a.b": 1.0, "c.d": 1.5})
    50.0
    """
    number = _number(expression.tree, expression, records)
    if not math.isfinite(number):
        raise ExpressionError(f"is too large a number: {expression.text}")
    return number


def _number(node: ast.expr, whole: Expression, records: Mapping[str, float]) -> float:
    def number(part: ast.expr) -> float:
        return _number(part, whole, records)

    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id=name):
            return records[whole.names[int(name.removeprefix("r_"))]]
        case ast.UnaryOp(op=op, operand=operand):
            return -number(operand) if isinstance(op, ast.USub) else number(operand)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name](*map(number, arguments))
        case ast.BinOp(left=left, op=op, right=right):
            try:
                return _ARITHMETIC[type(op)](number(left), number(right))
            except ZeroDivisionError as error:
                raise ExpressionError(
                    f"divides by zero, because {_written(right, whole)} is 0: {whole.text}"
                ) from error
    raise ExpressionError(f"isn't a number: {_written(node, whole)}")


def holds(expression: Expression, records: Mapping[str, float]) -> bool:
    """Compute a test.

    Raises:
        ExpressionError: it divides by zero.

    >>> holds(parse("0 < a.b < c.d"), {"a.b": 1.0, "c.d": 1.5})
    True
    """
    return _truth(expression.tree, expression, records)


def _truth(node: ast.expr, whole: Expression, records: Mapping[str, float]) -> bool:
    match node:
        case ast.BoolOp(op=op, values=values):
            found = [_truth(value, whole, records) for value in values]
            return all(found) if isinstance(op, ast.And) else any(found)
        case ast.UnaryOp(operand=operand):
            return not _truth(operand, whole, records)
        case ast.Compare(left=left, ops=ops, comparators=others):
            numbers = [_number(side, whole, records) for side in (left, *others)]
            pairs = zip(numbers, numbers[1:], ops, strict=False)
            return all(_COMPARISONS[type(op)][1](a, b) for a, b, op in pairs)
    raise ExpressionError(f"isn't a comparison: {_written(node, whole)}")


def sides(expression: Expression, records: Mapping[str, float]) -> list[str]:
    """Describe both sides of every comparison in a test, each with its value.

    >>> sides(parse("a.b < 0.5 * c.d"), {"a.b": 71, "c.d": 120})
    ['a.b is 71', '0.5 * c.d is 60']
    """
    found = []
    for node in ast.walk(expression.tree):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                if not isinstance(side, ast.Constant):
                    number = _number(side, expression, records)
                    found.append(f"{_written(side, expression)} is {number:.6g}")
    return found
