"""Draw again what a chapter says of the sources' claims and of kept long runs, without training.

Cells tagged ``ledger`` read nothing but records, kept runs and ``data/claims.toml``. When a claim
is reworded or a long run is kept, `course sync` executes them alone, behind the chapter's imports,
parameters, definitions and constants and the records that it stored.
"""

import ast
from collections.abc import Iterator

from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode, v4

from course.catalogue import Chapter
from course.errors import CourseError
from course.notebooks.digests import (
    LEDGER,
    ledger_cells,
    ledger_digest,
    outputs_digest,
    outputs_hold,
)
from course.notebooks.files import code_cells, read_notebook, write_notebook
from course.notebooks.kernel import execute
from course.notebooks.pairing import settle
from helpers.records import MIME_TYPE

SECONDS = 300  # for one cell; importing Keras takes longest


def is_stale(chapter: Chapter, notebook: NotebookNode) -> bool:
    """Tell whether the claims or kept runs that a stored chapter shows have changed since."""
    stamp = notebook.metadata.get("course", {}).get("ledger")
    return bool(ledger_cells(notebook)) and stamp != ledger_digest(chapter.number)


def redraw(chapter: Chapter) -> bool:
    """Execute the ledger cells of a stored chapter and store what they show.

    Returns:
        Whether it was necessary.

    Raises:
        CourseError: a cell needs more than imports, definitions, constants and records.
    """
    notebook = read_notebook(chapter.notebook)
    wanted = ledger_cells(notebook)
    if not is_stale(chapter, notebook) or not all(cell.outputs for cell in wanted):
        return False
    if not outputs_hold(notebook):
        return False  # changed by hand: drawn again, the records would pass for measured ones
    drawn = v4.new_notebook(cells=[*map(v4.new_code_cell, _prelude(notebook))])
    drawn.cells += [v4.new_code_cell(cell.source) for cell in wanted]
    try:
        execute(drawn, SECONDS)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        said = str(error).strip()
        if isinstance(error, CellExecutionError):
            said = f"{error.ename}: {error.evalue}"
        raise CourseError(
            f"The cells tagged {LEDGER} of chapter {chapter.number} could not be drawn again "
            f"({said}): they may use imports, parameters, functions, constants in capitals and "
            "records alone."
        ) from error
    for cell, done in zip(wanted, drawn.cells[-len(wanted) :], strict=True):
        cell.outputs = done.outputs
        settle(cell.outputs)
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = cell.execution_count
    notebook.metadata["course"] |= {
        "outputs": outputs_digest(notebook),
        "ledger": ledger_digest(chapter.number),
    }
    write_notebook(notebook, chapter.notebook)
    return True


def _prelude(notebook: NotebookNode) -> Iterator[str]:
    """Give the code that the ledger cells need, and the records stored outside of them."""
    wanted: set[str] = set()
    for cell in ledger_cells(notebook):
        wanted |= _names(ast.parse(cell.source))
    defined: dict[str, ast.stmt] = {}
    records = []
    for cell in code_cells(notebook):
        tags = cell.metadata.get("tags", [])
        if "parameters" in tags:
            yield cell.source
        elif LEDGER not in tags:
            for node in ast.parse(cell.source).body:
                defined |= dict.fromkeys(_bound(node), node)
            found = (output.get("data", {}).get(MIME_TYPE) for output in cell.outputs)
            records += list(filter(None, found))
    needed: dict[str, ast.stmt] = {}
    while missing := (wanted & defined.keys()) - needed.keys():
        for name in missing:
            needed[name] = defined[name]
            wanted |= _names(defined[name])
    for node in sorted({*needed.values()}, key=[*defined.values()].index):
        yield ast.unparse(node)
    yield "from helpers.records import record\n" + "\n".join(
        f"record({body['name']!r}, {body['value']!r}, {body['unit']!r})" for body in records
    )


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _bound(node: ast.stmt) -> set[str]:
    """Return the names that a statement imports, defines, or sets as constants in capitals."""
    match node:
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {(alias.asname or alias.name).partition(".")[0] for alias in names}
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=[ast.Name(id=name)]) if name.isupper():
            return {name}
    return set()
