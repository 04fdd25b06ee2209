"""Columns of a list beside those that are read: two for one field, and those that were not read though they are filled.

Invariants: which of two columns counts is never chosen in silence; no filled column is left out in silence, unless the
data calls it one that says nothing the case needs. Must not be done here: read values for the case (`columns` does).
"""

from collections.abc import Iterator

from api.spreadsheets.cells import text_of
from api.spreadsheets.header_rows import Header, unclear
from api.spreadsheets.headings import ignored_words, label, normalise, second_words
from api.spreadsheets.reader import Cell, SpreadsheetError
from schemas.base import Text

OFFERED_AT_MOST = 8


def refuse_rivals(header: Header, people: list[list[Cell]]) -> None:
    """Two columns whose headings mean one field equally well must agree about everybody.

    Errors: `SpreadsheetError` columns_ambiguous.
    """
    for name, others in header.match.rivals.items():
        first = header.columns[name]
        for other in others:
            if _contradicts(people, first, other):
                one, two, title = header.heading(first), header.heading(other), label(name)
                raise SpreadsheetError(
                    "columns_ambiguous",
                    f"工作表“{header.sheet.name}”的列“{one}”和“{two}”都可以是“{title.zh}”，内容却不同，"
                    f"无法判断以哪一列为准。请把作准的一列改名为“{title.zh}”，或删除另一列后重新上传。",
                    f"In sheet {header.sheet.name!r} the columns {one!r} and {two!r} may both be {title.zh} "
                    f"({title.en}), but differ. Rename the one that counts to {title.zh!r}, or delete the other, and "
                    "upload again.",
                )


def unread(header: Header, people: list[list[Cell]]) -> Iterator[tuple[str, str, str, Text]]:
    """Each filled column that was not read: its heading, a code, the field that it may be, and a sentence."""
    match = header.match
    read = {*header.columns.values(), *(i for others in match.rivals.values() for i in others)}
    headings = header.cells
    for index in range(max(map(len, [headings, *people]), default=0)):
        filled = sum(1 for cells in people if index < len(cells) and text_of(cells[index]))
        heading = header.heading(index) if index < len(headings) else ""
        if not filled or index in read or _says_nothing(heading):
            continue
        rows = Text(zh=f"{filled} 行有内容", en=f"filled in {filled} row{'s' if filled > 1 else ''}")
        if not heading:
            letters = _letters(index)
            said = Text(
                zh=f"第 {letters} 列没有读取：没有列名（{rows.zh}）。如有需要的内容，请写上列名后重新上传。",
                en=f"Column {letters} was not read: it has no heading ({rows.en}). If it matters, name it and upload "
                "the file again.",
            )
            yield letters, "column_unnamed", "", said
        elif index in match.refused:
            ask = match.refused[index]
            yield heading, "column_refused", "", Text(zh=f"{ask.zh}（{rows.zh}）", en=f"{ask.en} ({rows.en})")
        elif index in match.unclear:
            ask = unclear(heading, match.unclear[index])
            text = Text(zh=f"{ask.zh}该列没有读取（{rows.zh}）。", en=f"{ask.en} It was not read ({rows.en}).")
            yield heading, "column_unclear", "", text
        elif index in match.surplus:
            name = match.surplus[index]
            if _contradicts(people, header.columns[name], index):
                yield heading, "column_surplus", name, _taken(header, heading, name, rows)
        else:
            yield heading, "column_unknown", "", _not_understood(header, heading, rows)


def _says_nothing(heading: str) -> bool:
    return bool(heading) and normalise(heading) in ignored_words() | second_words()


def _taken(header: Header, heading: str, name: str, rows: Text) -> Text:
    title, taken = label(name), header.heading(header.columns[name])
    return Text(
        zh=f"列“{heading}”没有读取：“{title.zh}”取自列“{taken}”，两列内容不同（{rows.zh}）。请核对以哪一列为准。",
        en=f"Column {heading!r} was not read: {title.en} is taken from {taken!r}, which differs ({rows.en}). Check "
        "which of them counts.",
    )


def _not_understood(header: Header, heading: str, rows: Text) -> Text:
    """What is said of a heading that is not understood, with the fields that nothing gives yet."""
    zh = f"列“{heading}”没有读取：列名没有读懂（{rows.zh}）。"
    en = f"Column {heading!r} was not read: its heading is not understood ({rows.en})."
    free = [label(name) for name in header.free[:OFFERED_AT_MOST]]
    if free:
        zh += f"如果它是以下某一列，请改为该列名后重新上传：{'、'.join(t.zh for t in free)}。"
        en += " If it is one of these, rename it and upload again: " + ", ".join(f"{t.zh} ({t.en})" for t in free) + "."
    return Text(zh=zh, en=en)


def _contradicts(people: list[list[Cell]], first: int, other: int) -> bool:
    return any(_differ(cells, first, other) for cells in people)


def _differ(cells: list[Cell], first: int, other: int) -> bool:
    one, two = (text_of(cells[i]).casefold() if i < len(cells) else "" for i in (first, other))
    return bool(two) and one != two  # an empty cell of the column that is not read contradicts nothing


def _letters(index: int) -> str:
    """A column as programs name it: A, B, … Z, AA."""
    letters, rest = "", index + 1
    while rest:
        rest, digit = divmod(rest - 1, 26)
        letters = chr(65 + digit) + letters
    return letters
