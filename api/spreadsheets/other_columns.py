"""Columns of a list beside those that are read: two columns for one field.

Invariant: which of two columns counts is never chosen in silence; they say the same in every row, or the file is
refused with both names. Must not be done here: read values for the case (`columns` does).
"""

from api.spreadsheets.cells import text_of
from api.spreadsheets.headings import Header, label
from api.spreadsheets.reader import Cell, SpreadsheetError


def refuse_rivals(header: Header, people: list[list[Cell]]) -> None:
    """Two columns whose headings mean one field equally well must agree about everybody.

    Errors: `SpreadsheetError` columns_ambiguous.
    """
    for name, others in header.match.rivals.items():
        first = header.columns[name]
        for other in others:
            if any(_differ(cells, first, other) for cells in people):
                one, two, title = header.heading(first), header.heading(other), label(name)
                raise SpreadsheetError(
                    "columns_ambiguous",
                    f"工作表“{header.sheet.name}”的列“{one}”和“{two}”都可以是“{title.zh}”，内容却不同，"
                    f"无法判断以哪一列为准。请把作准的一列改名为“{title.zh}”，或删除另一列后重新上传。",
                    f"In sheet {header.sheet.name!r} the columns {one!r} and {two!r} may both be {title.zh} "
                    f"({title.en}), but differ. Rename the one that counts to {title.zh!r}, or delete the other, and "
                    "upload again.",
                )


def _differ(cells: list[Cell], first: int, other: int) -> bool:
    one, two = (text_of(cells[i]).casefold() if i < len(cells) else "" for i in (first, other))
    return bool(two) and one != two  # an empty cell of the column that is not read contradicts nothing
