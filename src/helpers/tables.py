"""Small tables, shown as HTML and stored as plain text beside it."""

import html
from collections.abc import Sequence

from helpers.outputs import put

_STYLE = (
    "<style>.course-table td, .course-table th {text-align: left; vertical-align: top} "
    ".course-table caption {caption-side: top; text-align: left; font-weight: bold}</style>"
)


def table(
    header: Sequence[str], rows: Sequence[Sequence[object]], caption: str = ""
) -> dict[str, str]:
    """Make the same table as HTML and as plain text.

    Args:
        header: the title of each column.
        rows: one cell per column each; whatever a cell is, ``str`` writes it.
        caption: what the table shows, in a few words.

    Returns:
        The table by MIME type: "text/html" and "text/plain".

    Raises:
        ValueError: a row has more or fewer cells than the header.

    >>> print(table(("net", "errors"), [("dense", 189), ("convnet", 71)])["text/plain"])
    net | errors
    dense | 189
    convnet | 71
    """
    written = [[str(cell) for cell in row] for row in rows]
    for row in written:
        if len(row) != len(header):
            raise ValueError(
                f"Expected {len(header)} cells per row, as in the header, but found {len(row)}: "
                f"{' | '.join(row)}."
            )
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in written
    )
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return {
        "text/html": f'{_STYLE}<div class="course-table"><table>{title}<thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>",
        "text/plain": "\n".join(
            [*([caption] if caption else []), *(" | ".join(row) for row in (header, *written))]
        ),
    }


def show_table(header: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> None:
    """Show a table below the cell; outside a notebook print it.

    Args:
        header: the title of each column.
        rows: one cell per column each.
        caption: what the table shows, in a few words.

    Raises:
        ValueError: a row has more or fewer cells than the header.

    >>> show_table(("net", "errors"), [("dense", 189)], "Errors")
    Errors
    net | errors
    dense | 189
    """
    put(table(header, rows, caption))
