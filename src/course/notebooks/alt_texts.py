"""Alt texts of a chapter's pictures: prose that stands in code, and is corrected without a run."""

import ast
import html
from collections.abc import Iterator
from itertools import accumulate

from nbformat import NotebookNode


def _constants(source: str) -> Iterator[ast.Constant]:
    """Find the texts that a cell gives to ``plots.show`` as they are, outside loops and functions.

    A text that is put together, or that is shown several times, is code like any other.
    """
    try:
        statements = ast.parse(source).body if "plots.show(" in source else []
    except (SyntaxError, ValueError):
        return
    for statement in statements:
        match statement:
            case ast.Expr(
                value=ast.Call(
                    func=ast.Attribute(value=ast.Name(id="plots"), attr="show"),
                    args=[_, ast.Constant(value=str()) as text],
                )
            ):
                yield text


def alt_texts(source: str) -> list[str]:
    """Return the alt texts of a code cell that are prose, in their order; none of invalid Python.

    >>> alt_texts('plots.show(figure, "A line that falls.")')
    ['A line that falls.']
    >>> alt_texts('plots.show(figure, f"A line that falls to {lowest}.")')
    []
    """
    return [str(text.value) for text in _constants(source)]


def without_alt_texts(source: str) -> str:
    """Return a source with an empty string in place of each alt text that is prose.

    >>> without_alt_texts('plots.show(figure, "A line " "that falls.")  # the loss')
    'plots.show(figure, "")  # the loss'
    """
    code = source.encode()
    begins = [0, *accumulate(len(line) for line in code.splitlines(keepends=True))]
    for text in reversed(list(_constants(source))):
        begin = begins[text.lineno - 1] + text.col_offset
        end = begins[(text.end_lineno or 1) - 1] + (text.end_col_offset or 0)
        code = code[:begin] + b'""' + code[end:]
    return code.decode()


def _shown(cell: NotebookNode) -> list[tuple[NotebookNode, str]]:
    """Return the pictures that ``plots.show`` left below a cell, each with its alt text."""
    found = []
    for output in cell.get("outputs", []):
        said = output.get("data", {}).get("text/plain")
        alts = {about.get("alt") for about in output.get("metadata", {}).values()}
        if said is not None and alts == {said}:
            found.append((output, str(said)))
    return found


def renew(cell: NotebookNode) -> None:
    """Give the pictures below a cell the alt texts that its code has now.

    Nothing happens if the cell shows other pictures as well, because nothing tells which is which.
    """
    pictures, texts = _shown(cell), alt_texts(cell.source)
    if len(pictures) != len(texts):
        return
    for (output, old), new in zip(pictures, texts, strict=True):
        output.data["text/plain"] = new
        for about in output.metadata.values():
            about["alt"] = new
        if drawn := output.data.get("image/svg+xml"):
            titles = (f"<title>{html.escape(text)}</title>" for text in (old, new))
            output.data["image/svg+xml"] = drawn.replace(*titles, 1)


def are_old(cell: NotebookNode) -> bool:
    """Return whether the pictures below a cell lack an alt text of its code."""
    shown = [said for _, said in _shown(cell)]
    return bool(cell.get("outputs")) and any(text not in shown for text in alt_texts(cell.source))
