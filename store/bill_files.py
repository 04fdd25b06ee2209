"""Reads a bill that a clerk saved from the tax client (portal mode): .xlsx, .xls or .csv, by a layout that is data.

Read twice: at the upload, so that a file that is no bill is refused while its clerk looks on, and when it is compared.
Invariants: nothing is guessed. A file without the needed columns, a line whose insurance, month or amount cannot be
read, are refused with the place and what to do; no line is dropped silently. Pure: no database, no clock.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import python_calamine
from charset_normalizer import from_bytes

from schemas.base import Text
from schemas.bureaus import BillItemAnswer, BillLayout

HEADER_WITHIN = 15  # rows in which the heading row is looked for: title rows stand above it
NEEDED = ("number", "month", "insurance")
_NOISE = re.compile(r"[\s()（）:：*]|元")


class UnreadableBill(Exception):
    """The file is not a bill that can be read; the sentence says why and what to do, and quotes no person's data."""

    def __init__(self, zh: str, en: str) -> None:
        self.text = Text(
            zh=f"征集单明细无法读取：{zh}。请从税务客户端重新导出明细后上传。",
            en=f"The bill cannot be read: {en}. Export it again from the tax client and upload it.",
        )
        super().__init__(f"{self.text.zh} {self.text.en}")


def read_bill(content: bytes, filename: str, layout: BillLayout) -> list[BillItemAnswer]:
    """The lines of a bill per person, month and insurance. Raises UnreadableBill."""
    rows = _rows(content, filename)
    start, columns = _header(rows, layout)
    merged: dict[tuple[str, str, str], dict[str, Decimal]] = {}
    for index, row in enumerate(rows[start + 1 :], start=start + 2):
        cells = {name: _text(row[at]) if at < len(row) else "" for name, at in columns.items()}
        if not cells["number"] or "合计" in "".join(cells.values()):
            continue  # empty lines and the sum at the foot name no person
        insurance = _insurance(cells["insurance"], layout)
        if insurance is None:
            raise UnreadableBill(f"第 {index} 行的险种无法识别", f"the insurance in row {index} is unknown")
        key = (cells["number"].upper().replace(" ", ""), _month(row[columns["month"]], index), insurance)
        parts = merged.setdefault(key, {"unit": Decimal("0.00"), "person": Decimal("0.00")})
        for part, amount in _amounts(cells, index, layout).items():
            parts[part] += amount
    if not merged:
        raise UnreadableBill("没有任何明细行", "it has no lines")
    return [
        BillItemAnswer(
            number=number, month=month, insurance=insurance,
            unit_amount=parts["unit"], person_amount=parts["person"],
        )
        for (number, month, insurance), parts in merged.items()
    ]  # fmt: skip


def _rows(content: bytes, filename: str) -> list[list[Any]]:
    if filename.lower().endswith(".csv"):
        text = str(from_bytes(content, cp_isolation=["utf_8", "gb18030", "utf_16"]).best() or "")
        try:
            return [list(row) for row in csv.reader(io.StringIO(text))]
        except csv.Error as error:  # a cell without an end
            raise UnreadableBill("不是有效的电子表格文件", "it is not a spreadsheet") from error
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        return book.get_sheet_by_index(0).to_python()
    except Exception as error:  # the reader raises its own bare classes for every kind of broken file
        raise UnreadableBill("不是有效的电子表格文件", "it is not a spreadsheet") from error


def _header(rows: Sequence[Sequence[Any]], layout: BillLayout) -> tuple[int, dict[str, int]]:
    """The heading row and the column of each meaning."""
    wanted = {name: {_plain(h) for h in names} for name, names in layout.headings.items()}
    best: dict[str, int] = {}
    for index, row in enumerate(rows[:HEADER_WITHIN]):
        headings = [_plain(_text(cell)) for cell in row]
        found = {name: at for name, names in wanted.items() for at, h in enumerate(headings) if h in names}
        if all(n in found for n in NEEDED) and ({"unit", "person"} <= set(found) or "amount" in found):
            return index, found
        best = max(best, found, key=len)
    missing = [layout.headings[n][0] for n in (*NEEDED, "unit", "person") if n not in best]
    raise UnreadableBill(f"缺少列 {'、'.join(missing)}", f"columns missing: {', '.join(missing)}")


def _amounts(cells: dict[str, str], index: int, layout: BillLayout) -> dict[str, Decimal]:
    """Unit and person part of a line: two columns, or one amount whose part is in the words of the insurance."""
    if "unit" in cells and "person" in cells:
        return {part: _money(cells[part], index) for part in ("unit", "person")}
    part = next((p.part for p in layout.parts if p.word in cells["insurance"]), None)
    if part is None:
        raise UnreadableBill(f"第 {index} 行看不出是单位还是个人部分", f"row {index} does not say which part it is")
    return {part: _money(cells["amount"], index)}


def _insurance(words: str, layout: BillLayout) -> str | None:
    return next((w.insurance for w in layout.insurances if w.word in words or w.insurance == words), None)


def _money(text: str, index: int) -> Decimal:
    try:
        value = Decimal(text.replace(",", "").replace("¥", "") or "0")
        exact = value.quantize(Decimal("0.01"))
    except InvalidOperation:
        raise UnreadableBill(f"第 {index} 行的金额不是数字", f"the amount in row {index} is not a number") from None
    if value != exact:
        raise UnreadableBill(f"第 {index} 行的金额多于两位小数", f"the amount in row {index} has more than two places")
    return exact


def _month(cell: Any, index: int) -> str:
    """2026-11 from 202611, 2026-11, 2026年11月, 2026-11-01 or a date cell."""
    if isinstance(cell, (date, datetime)):
        return f"{cell:%Y-%m}"
    found = re.match(r"(20\d{2})\D?(0[1-9]|1[0-2]|[1-9])(?!\d{3})", _text(cell))
    if found is None:
        raise UnreadableBill(f"第 {index} 行的费款所属期无法识别", f"the month in row {index} is unreadable")
    return f"{found[1]}-{int(found[2]):02d}"


def _text(cell: Any) -> str:
    """A cell as text: full width becomes half width, and whole numbers lose the `.0` of a spreadsheet."""
    if isinstance(cell, float):
        cell = Decimal(repr(cell))
        cell = cell.to_integral_value() if cell == cell.to_integral_value() else cell
    return unicodedata.normalize("NFKC", str(cell)).strip()


def _plain(heading: str) -> str:
    return _NOISE.sub("", unicodedata.normalize("NFKC", heading)).lower()
