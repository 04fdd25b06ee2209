"""From the bytes of an uploaded file to rows of cells: .xlsx, .xls and .csv (UTF-8 with or without BOM, UTF-16, GBK).

Invariants: what a file is, its content decides, not its name; nothing in a file is ever executed (macro files are
refused, formulas are not computed: the value that was stored with them is read and said so); sizes are bounded before
anything is unpacked. Must not be done here: guess what a column means (`columns` does) or touch the database.
"""

import csv
import io
import math
import re
import zipfile
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import PurePath
from typing import Any

import charset_normalizer
import python_calamine

from api.spreadsheets.cell_facts import CellFacts, FactsUnreadable, facts_of
from schemas.base import Text

MAX_BYTES = 20 * 1024 * 1024
MAX_UNPACKED_BYTES = 200 * 1024 * 1024  # a workbook of 20 MB that unpacks to more is no list of people
MAX_ROWS = 5000
MAX_COLUMNS = 200
ZIP_MAGIC = b"PK\x03\x04"
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

Span = tuple[tuple[int, int], tuple[int, int]]  # (row, column) of the first and of the last cell, from 0
Cell = str | int | float | bool | date | datetime | time | timedelta | None


class SpreadsheetError(Exception):
    """A file that cannot be read as a list. `code` is stable, `text` says what is wrong and what to do, `status` is the
    HTTP status that fits (413 too large, 415 not a spreadsheet, 422 everything else)."""

    def __init__(self, code: str, zh: str, en: str, status: int = 422) -> None:
        super().__init__(zh)
        self.code = code
        self.text = Text(zh=zh, en=en)
        self.status = status


@dataclass
class Sheet:
    """One sheet: cells by row, the number of the first row as the user's program shows it, what the file knows of its
    cells, and `merged`: cells that were made one; the first of them holds the value."""

    name: str
    rows: list[list[Cell]]
    first_row: int = 1
    facts: CellFacts = field(default_factory=CellFacts)
    merged: list[Span] = field(default_factory=list[Span])

    def tall(self) -> dict[int, list[tuple[int, int]]]:
        """Cells merged downwards in one column: column -> (first row, last row)."""
        found: dict[int, list[tuple[int, int]]] = {}
        for (first, left), (last, right) in self.merged:
            if last > first and left == right:
                found.setdefault(left, []).append((first, last))
        return found

    def numbered(self) -> list[tuple[int, list[Cell]]]:
        return [(self.first_row + i, cells) for i, cells in enumerate(self.rows)]


@dataclass
class Workbook:
    """All visible sheets of a file, and the names of hidden ones. What a file knows of its cells is loaded for the
    sheets that are used (`load_facts`)."""

    sheets: list[Sheet]
    kind: str  # xlsx | xls | csv
    content: bytes
    hidden: list[str] = field(default_factory=list[str])

    def load_facts(self, sheet: Sheet) -> None:
        """Loads what is known of the cells of one sheet; a cell whose formula failed holds the name of its error.

        Errors: `SpreadsheetError` file_corrupt.
        """
        try:
            sheet.facts = facts_of(self.content, self.kind, sheet.name)
        except FactsUnreadable as error:
            raise _corrupt() from error
        for (number, column), text in sheet.facts.errors.items():
            row = number - sheet.first_row
            if row < len(sheet.rows) and column < MAX_COLUMNS:
                sheet.rows[row] += [None] * (column + 1 - len(sheet.rows[row]))
                sheet.rows[row][column] = text


def read(content: bytes, filename: str) -> Workbook:
    """Reads a file.

    Errors: `SpreadsheetError` with code file_empty, file_too_large, macro_file, file_protected, file_corrupt,
    file_type_unknown, too_many_rows, sheet_empty.
    """
    suffix = PurePath(filename).suffix.lower()
    if not content.strip(b"\x00\r\n\t "):
        raise SpreadsheetError(
            "file_empty",
            "文件是空的，没有任何内容。请检查后重新上传。",
            "The file is empty. Please check it and upload it again.",
        )
    check_size(len(content))
    if suffix in (".xlsm", ".xltm", ".xlam", ".xlsb"):
        raise _macro()
    if content.startswith(ZIP_MAGIC):
        workbook = _read_xlsx(content)
    elif content.startswith(OLE_MAGIC):
        workbook = _read_xls(content)
    elif content.startswith(b"%PDF"):
        raise _unknown_type(".pdf")
    elif _is_text(content) and content.lstrip()[:1] != b"<":
        workbook = _read_csv(content)  # also a .csv that was only renamed to .xls, as many systems export it
    elif suffix in (".xlsx", ".xls"):
        raise _corrupt()
    else:
        raise _unknown_type(suffix)
    if not any(_filled(row) for sheet in workbook.sheets for row in sheet.rows):
        raise SpreadsheetError(
            "sheet_empty",
            "文件能够打开，但所有工作表都没有内容。请确认保存了数据后再上传。",
            "The file opens but all its sheets are empty. Save the data and upload it again.",
        )
    if any(len(sheet.rows) > MAX_ROWS for sheet in workbook.sheets):
        raise SpreadsheetError(
            "too_many_rows",
            f"工作表超过 {MAX_ROWS} 行。请拆分为多个文件，或删除多余的空行后再上传。",
            f"A sheet has more than {MAX_ROWS} rows. Split the file or delete the surplus empty rows.",
        )
    return workbook


def check_size(size: int) -> None:
    """Refuses a file above the limit; to be called with the announced size before the content is read."""
    if size > MAX_BYTES:
        shown = f"{math.ceil(size / 1024 / 1024 * 10) / 10:g}"  # never the limit itself
        raise SpreadsheetError(
            "file_too_large",
            f"文件有 {shown} MB，超过 {MAX_BYTES // 1024 // 1024} MB 的上限。请删除图片和多余内容，或拆分后再上传。",
            f"The file has {shown} MB, more than the limit of {MAX_BYTES // 1024 // 1024} MB. "
            "Remove pictures and surplus content, or split the file.",
            status=413,
        )


def _macro() -> SpreadsheetError:
    return SpreadsheetError(
        "macro_file",
        "文件含有宏，为安全起见不接收。请在表格软件中另存为“Excel 工作簿（.xlsx）”后再上传。",
        "The file holds macros and is refused for safety. Save it as an Excel workbook (.xlsx) and upload that.",
    )


def _protected() -> SpreadsheetError:
    return SpreadsheetError(
        "file_protected",
        "文件设有打开密码，无法读取。请取消密码后再上传。",
        "The file is protected by a password. Remove the password and upload it again.",
    )


def _corrupt() -> SpreadsheetError:
    return SpreadsheetError(
        "file_corrupt",
        "文件已损坏，或内容与扩展名不符，无法读取。请重新导出或另存为 .xlsx 后再上传。",
        "The file is damaged or is not what its name says. Export it again or save it as .xlsx.",
    )


def _unknown_type(suffix: str) -> SpreadsheetError:
    return SpreadsheetError(
        "file_type_unknown",
        f"不支持的文件类型{f'（{suffix}）' if suffix else ''}。请上传 .xlsx、.xls 或 .csv 表格。",
        f"This type of file{f' ({suffix})' if suffix else ''} is not supported. Upload an .xlsx, .xls or .csv table.",
        status=415,
    )


def _read_xlsx(content: bytes) -> Workbook:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile as error:
        raise _corrupt() from error
    names = {entry.filename for entry in entries}
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise _macro()
    if not any(name.startswith("xl/") for name in names):
        raise _unknown_type("")
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise SpreadsheetError(
            "file_too_large",
            "文件解压后过大，不是正常的人员名单。请另存为新文件后再上传。",
            "The file unpacks to far more than a list of people. Save the list as a new file.",
            status=413,
        )
    sheets, hidden = _calamine_sheets(content)
    return Workbook(sheets, "xlsx", content, hidden)


def _read_xls(content: bytes) -> Workbook:
    if "EncryptedPackage".encode("utf-16-le") in content:
        raise _protected()
    if "_VBA_PROJECT_CUR".encode("utf-16-le") in content or "_VBA_PROJECT".encode("utf-16-le") in content:
        raise _macro()
    sheets, hidden = _calamine_sheets(content)
    return Workbook(sheets, "xls", content, hidden)


def _calamine_sheets(content: bytes) -> tuple[list[Sheet], list[str]]:
    """The visible sheets, and the names of those that a user can make visible."""
    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets: list[Sheet] = []
        hidden: list[str] = []
        for meta in workbook.sheets_metadata:
            if meta.typ != python_calamine.SheetTypeEnum.WorkSheet:
                continue
            if meta.visible != python_calamine.SheetVisibleEnum.Visible:
                if meta.visible == python_calamine.SheetVisibleEnum.Hidden:
                    hidden.append(meta.name)
                continue
            raw = workbook.get_sheet_by_name(meta.name)
            if (raw.total_height or 0) > MAX_ROWS * 20:
                # Rows that were only formatted make a sheet tall; reading a million of them costs minutes.
                raise SpreadsheetError(
                    "too_many_rows",
                    f"工作表“{meta.name}”有 {raw.total_height} 行。请删除多余的空行后再上传。",
                    f"Sheet {meta.name!r} has {raw.total_height} rows. Delete the surplus empty rows, then upload it.",
                )
            rows: list[list[Cell]] = [
                [_clean(cell) for cell in row[:MAX_COLUMNS]] for row in raw.to_python(skip_empty_area=False)
            ]
            while rows and not _filled(rows[-1]):
                rows.pop()
            sheets.append(Sheet(meta.name, rows, merged=raw.merged_cell_ranges or []))
        return sheets, hidden
    except python_calamine.PasswordError as error:
        raise _protected() from error
    except (
        python_calamine.CalamineError,
        python_calamine.ZipError,
        python_calamine.XmlError,
        ValueError,
        OSError,
    ) as error:
        if "password" in str(error).lower() or "encrypt" in str(error).lower():
            raise _protected() from error
        raise _corrupt() from error


def _clean(cell: Any) -> Cell:
    if cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    return cell


def _filled(row: list[Cell]) -> bool:
    return any(cell is not None and (not isinstance(cell, str) or cell.strip()) for cell in row)


def _is_text(content: bytes) -> bool:
    """Whether bytes without a known magic look like text: few control characters."""
    head = content[:4096]
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    if _wide(content):
        return True
    if b"\x00" in head or head.startswith((b"%PDF", b"\x89PNG", b"\xff\xd8")):
        return False
    return sum(b < 9 or 13 < b < 32 for b in head) == 0


def _wide(content: bytes) -> str:
    """The kind of UTF-16 that a text without a mark is in, by where its zero bytes stand; '' for none."""
    head = content[:4096]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if even + odd < 10 or min(even, odd) * 5 > max(even, odd):  # a stray zero is no sign of it, nor is a sign like 开
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def decode(content: bytes) -> str:
    """Text of a .csv: by its BOM, else UTF-8, else GB18030 (a superset of GBK), else the likeliest by statistics.

    Errors: `SpreadsheetError` encoding_unknown.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    if wide := _wide(content):
        return content.decode(wide, errors="replace")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    best = charset_normalizer.from_bytes(content).best()
    if best is None:
        raise SpreadsheetError(
            "encoding_unknown",
            "无法识别 CSV 文件的编码。请另存为 UTF-8 编码的 CSV 或 .xlsx 后再上传。",
            "The encoding of the CSV file is unknown. Save it as UTF-8 CSV or as .xlsx.",
        )
    return str(best)


def _read_csv(content: bytes) -> Workbook:
    text = decode(content)
    sample = "\n".join(text.splitlines()[:20])
    separator = max((",", "\t", ";", "|", "，"), key=sample.count)
    try:
        rows: list[list[Cell]] = [
            [cell if cell.strip() else None for cell in row[:MAX_COLUMNS]]
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        ]
    except csv.Error as error:
        raise SpreadsheetError(
            "csv_quotes",
            "CSV 文件中有没有配对的双引号，其后的行无法分开。请改正引号，或另存为 .xlsx 后再上传。",
            "The CSV file has a double quote without its partner, so that the rows after it cannot be told apart. "
            "Correct it, or save the list as .xlsx.",
        ) from error
    # ="0123" is how programs keep digits as text in a .csv: it is no formula.
    quoted = re.compile(r'^="(.*)"$')
    rows = [[quoted.sub(r"\1", c) if isinstance(c, str) else c for c in row] for row in rows]
    return Workbook([Sheet("CSV", rows)], "csv", content)
