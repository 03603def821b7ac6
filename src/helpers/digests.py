"""Digests of code: they change when the code does, and not when its comments or docstrings do."""

import ast
import functools
import hashlib
from typing import Any

# Fields that only some versions of Python have, or that no running program can see.
_UNSEEN = {"ctx", "kind", "type_comment", "type_ignores", "type_params"}


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
    return body


def _shape(node: Any, documented: bool) -> Any:
    """Turn a syntax tree into nested lists, the same under every version of Python."""
    if isinstance(node, list):
        return [_shape(each, documented) for each in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name, value in ast.iter_fields(node):
        if name in _UNSEEN or value is None or value == []:
            continue
        holds_docstring = isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ) or (documented and isinstance(node, ast.Module))
        if name == "body" and holds_docstring:
            value = _without_docstring(value)
        fields.append([name, _shape(value, documented)])
    return [type(node).__name__, fields]


@functools.cache
def code_digest(source: str, *, module: bool = False) -> str:
    """Return the SHA-256 of what a source does, from its syntax tree.

    Comments, blank lines, line breaks and the docstrings of functions and classes count for
    nothing. The digest is the same under every version of Python that the course supports.

    Args:
        source: Python, such as a code cell or a module.
        module: whether a string at its top is the docstring of a module. In a cell of a notebook
            such a string may be the output, so there it counts.

    Raises:
        SyntaxError: the source cannot be parsed.

    >>> code_digest("x = 1  # one") == code_digest("x = (1)")
    True
    >>> code_digest("x = 1") == code_digest("x = 2")
    False
    """
    return hashlib.sha256(repr(_shape(ast.parse(source), module)).encode()).hexdigest()
