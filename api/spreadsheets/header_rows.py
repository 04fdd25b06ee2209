"""Where the header of a list stands: in which sheet, and in one row or in two: a group (护照, merged over its columns)
above what each column is (号码, 有效期至).

Invariants: below a group a column is read with its group, so that 签发日期 under 护照 is no date of the work permit;
what only says which date or number (有效期至) is never read without its group. A row of people is no part of a header.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from api.spreadsheets.cells import text_of
from api.spreadsheets.heading_parts import cuts_of, outside_brackets, vocabulary
from api.spreadsheets.headings import LONGEST_HEADING, Match, fields, fields_meant, label, match_headings, normalise
from api.spreadsheets.reader import Cell, Sheet, SpreadsheetError, Workbook
from schemas.base import Text

HEADER_SEARCH_ROWS = 30
HEADER_MIN_FIELDS = 5
_NAMED_AT_MOST = 12

_ATTRIBUTES = {
    "number", "until", "from", "issued", "date", "month", "kind", "called", "held", "belongs", "english", "chinese",
    "region", "signed", "here",
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """A header that was found: its sheet, the index of its last row in the sheet's rows, its headings (of two rows
    joined) and what they are; `top` is the index of its first row."""

    sheet: Sheet
    index: int
    cells: list[Cell]
    match: Match
    top: int

    @property
    def columns(self) -> dict[str, int]:
        return self.match.columns

    @cached_property
    def tall(self) -> dict[int, list[tuple[int, int]]]:
        """Cells merged downwards: column -> (first row, last row)."""
        return self.sheet.tall()

    @property
    def free(self) -> list[str]:
        """Fields that no column gives."""
        return [name for name in fields() if name not in self.columns]

    @property
    def missing(self) -> list[str]:
        """Required fields without a column."""
        return [name for name in vocabulary()["required"] if name not in self.columns]

    def heading(self, index: int) -> str:
        """A heading of the file in one line, cut where it is long."""
        cell = self.cells[index]
        text = " ".join(cell.split()) if isinstance(cell, str) else text_of(cell)
        return text if len(text) <= LONGEST_HEADING else text[: LONGEST_HEADING - 1] + "…"


def _candidates(sheet: Sheet, index: int) -> list[Header]:
    cells, two = sheet.rows[index], _joined(sheet, index)
    found = [Header(sheet, index, cells, match_headings(cells), index)]
    return found if two is None else [*found, Header(sheet, index, two, match_headings(two), index - 1)]


def find_headers(workbook: Workbook) -> list[Header]:
    """In each sheet the row (or two) that knows most headings, in the order of the sheets; those that lack a column as
    well.

    Errors: `SpreadsheetError` no_header when no sheet has one, columns_missing when none is complete.
    """
    found: list[Header] = []
    for sheet in workbook.sheets:
        rows = [header for i in range(min(len(sheet.rows), HEADER_SEARCH_ROWS)) for header in _candidates(sheet, i)]
        rows = [h for h in rows if len(h.columns) >= HEADER_MIN_FIELDS]
        if rows:
            found.append(max(rows, key=lambda h: (len(h.columns), h.index - h.top)))
    if not found:
        names = "、".join(s.name for s in workbook.sheets)
        raise SpreadsheetError(
            "no_header",
            f"没有找到外籍人员信息的表头（已查看：{names}）。请确认上传的是《{vocabulary()['sheet']}》，"
            "表头应包含姓名、证件号码、工作许可证号、所属学院、合同开始日期等列。",
            f"No header of a list of foreign hires was found (looked at: {names}). The header needs columns such as "
            "name, document number, work permit number, college and contract start.",
        )
    if all(h.missing for h in found):
        raise columns_missing(max(found, key=lambda h: len(h.columns)))
    return found


def columns_missing(header: Header) -> SpreadsheetError:
    """The refusal of a list whose header is not whole: what is lacking, and which headings were not understood."""
    zh = "、".join(f"“{label(f).zh}”" for f in header.missing)
    en = ", ".join(f"{label(f).zh} ({label(f).en})" for f in header.missing)
    said = [unclear(header.heading(i), names) for i, names in header.match.unclear.items()]
    said += list(header.match.refused.values())
    unknown = [header.heading(i) for i in header.match.unknown]
    if unknown:
        more = len(unknown) > _NAMED_AT_MOST
        names = [f"“{n}”" for n in unknown[:_NAMED_AT_MOST]]
        names_en = [repr(n) for n in unknown[:_NAMED_AT_MOST]]
        said.append(
            Text(
                zh=f"没有读懂的列名：{'、'.join(names)}{'等' if more else ''}。如其中有缺少的列，请改为上述列名；",
                en=f"Headings that were not understood: {', '.join(names_en)}{' and more' if more else ''}. If a "
                "missing column is among them, give it the heading above;",
            )
        )
    ask = Text(zh="请补充缺少的列后重新上传。", en="Add the missing columns and upload the file again.")
    if unknown:
        ask = Text(zh="否则请补充该列，然后重新上传。", en="otherwise add the column. Then upload the file again.")
    return SpreadsheetError(
        "columns_missing",
        f"工作表“{header.sheet.name}”缺少以下列：{zh}。" + "".join(t.zh for t in [*said, ask]),
        f"Sheet {header.sheet.name!r} lacks these columns: {en}. " + " ".join(t.en for t in [*said, ask]),
    )


def unclear(heading: str, names: tuple[str, ...]) -> Text:
    """What is said of a heading that may mean several fields."""
    zh, en = "、".join(f"“{label(n).zh}”" for n in names), ", ".join(f"{label(n).zh} ({label(n).en})" for n in names)
    return Text(
        zh=f"列名“{heading}”可能是{zh}，请写明是哪一个。",
        en=f"The heading {heading!r} may mean {en}: say which.",
    )


def _joined(sheet: Sheet, index: int) -> list[Cell] | None:
    """The headings of the row `index` together with the row above it; None where the two are no header."""
    lower = sheet.rows[index]
    if index == 0 or any(cell is not None and not isinstance(cell, str) for cell in lower):
        return None
    upper, width = _spread(sheet, index - 1, lower), max(len(lower), len(sheet.rows[index - 1]))
    both, understood, cells = 0, 0, list[Cell]()
    for column in range(width):
        low = text_of(lower[column]) if column < len(lower) else ""
        up = upper[column] if column < len(upper) else ""
        cells.append(_heading(up, low) or None)
        if up and low:
            both += 1
            understood += bool(_group(up) is not None and _meant(cells[-1]))
    return cells if understood and understood * 2 >= both else None


def _spread(sheet: Sheet, row: int, lower: list[Cell]) -> list[str]:
    """The texts of the upper row, each over the columns of its group: as merged, or to the next text in a file that
    knows no merged cells."""
    texts = [text_of(cell) for cell in sheet.rows[row]] + [""] * (len(lower) - len(sheet.rows[row]))
    wide = [(a, b) for (first, a), (_, b) in sheet.merged if first == row and b > a]
    if wide:
        for start, end in wide:
            for column in range(start + 1, min(end + 1, len(texts))):
                texts[column] = texts[start]
        return texts
    for column in range(1, len(texts)):
        if not texts[column] and column < len(lower) and text_of(lower[column]):
            texts[column] = texts[column - 1]
    return texts


def _group(upper: str) -> str | None:
    """What a group adds to its columns: '' for 基本信息, 护照 for 护照信息; None for words that are not known."""
    words = vocabulary()["groups"]
    text = re.sub(rf"({'|'.join(words['endings'])})$", "", upper.strip().lower()).strip(" :：")
    if normalise(text) in {normalise(word) for word in words["neutral"]} or not text:
        return ""
    return text if cuts_of(text) else None


def _heading(upper: str, lower: str) -> str:
    """The heading of one column. Without its group it counts only where it names its own subject: 月工资 below 合同."""
    if not (upper and lower):
        return upper or lower
    group = _group(upper)
    if group == "":
        return lower
    together = f"{group or upper} {lower}"
    if _meant(together) or group is None or not _has_subject(lower):
        return together
    return lower


def _meant(cell: Cell) -> bool:
    return isinstance(cell, str) and fields_meant(cell)


def _has_subject(heading: str) -> bool:
    cuts = cuts_of(heading) or cuts_of(outside_brackets(heading))
    return any(parts - _ATTRIBUTES for parts in cuts)
