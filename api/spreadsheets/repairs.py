"""What was changed in a cell on the way to its value, said with what stood there and what was read.

Invariants: every change that is more than another spelling of the same value is said; a sentence shows two things that
look different, or names the sign that cannot be seen. Must not be done here: change a value (`cells` and `money` do).
"""

import re
from datetime import date, datetime

from api.spreadsheets.cells import EPOCH_SERIAL, half_width, text_of
from api.spreadsheets.heading_brackets import DATES
from api.spreadsheets.money import Amount
from api.spreadsheets.reader import Cell
from schemas.base import Text

NUMBERS = {"id_number", "work_permit_no"}
_INVISIBLE = re.compile(r"[^\S ]|[\u200b-\u200f\u2060\ufeff]")

Repair = tuple[str, Text]


def repair_of(name: str, cell: Cell, value: object) -> Repair | None:
    """The code and the sentence of what was changed in a cell of the field `name`; None where nothing was."""
    if isinstance(value, Amount):
        return _amount(cell, value)
    if name in DATES and isinstance(value, date):
        return _day(cell, value)
    if name in NUMBERS and isinstance(cell, int | float) and not isinstance(cell, bool):
        text = Text(
            zh=f"号码按数字保存，读作“{value}”。如原号码以 0 开头，开头的 0 已丢失，请核对。",
            en=f"The number is stored as a figure and was read as {value!r}. If it begins with zeros, they are lost: "
            "please check.",
        )
        return "number_from_figure", text
    return _text(name, cell.strip(), str(value)) if isinstance(cell, str) else None


def _amount(cell: Cell, amount: Amount) -> Repair | None:
    typed = cell.strip() if isinstance(cell, str) else text_of(cell)
    if amount.by:
        text = Text(
            zh=f"按“{amount.by}”换算：{typed} → {amount.yuan} 元。",
            en=f"Converted from {amount.by!r}: {typed} → {amount.yuan} yuan.",
        )
        return "amount_converted", text
    if isinstance(cell, str) and not re.fullmatch(r"[0-9]+(\.[0-9]+)?", typed):
        text = Text(zh=f"“{typed}”已读作 {amount.yuan} 元。", en=f"{typed!r} was read as {amount.yuan} yuan.")
        return "amount_read", text
    return None


def _day(cell: Cell, day: date) -> Repair | None:
    if isinstance(cell, str):
        typed = cell.strip()
        if typed == day.isoformat():
            return None
        if _looks(typed) == day.isoformat():
            return _unseen(typed, day.isoformat())
        text = Text(zh=f"文本“{typed}”已读作日期 {day}。", en=f"The text {typed!r} was read as {day}.")
        return "date_text_read", text
    if isinstance(cell, date | datetime):
        return None
    typed = text_of(cell)
    if EPOCH_SERIAL.fullmatch(typed):
        text = Text(
            zh=f"单元格是数字 {typed}，没有日期格式，按表格软件的日期序号读作 {day}，请核对。",
            en=f"The cell is the number {typed} without a date format; as the serial number of a day it was read as "
            f"{day}: please check.",
        )
    else:
        text = Text(
            zh=f"单元格是数字 {typed}，已读作日期 {day}。", en=f"The cell is the number {typed} and was read as {day}."
        )
    return "date_number_read", text


def _text(name: str, typed: str, clean: str) -> Repair | None:
    if typed == clean:
        return None
    if _looks(typed) == clean:
        return _unseen(typed, clean)
    shown = Text(zh=f"“{typed}” → “{clean}”", en=f"{typed!r} → {clean!r}")
    if typed.startswith("'") and not clean.startswith("'"):
        return "apostrophe_removed", _said("开头的撇号已去除", "The leading apostrophe was removed", shown)
    plain = half_width(typed)
    if name in NUMBERS and re.search(r"\s", plain):
        return "blank_removed", _said("号码中的空格已去除", "Blanks in the number were removed", shown)
    if plain != typed:
        return "full_width_corrected", _said("全角字符或多余空格已更正", "Full-width signs were corrected", shown)
    if name in NUMBERS and plain.upper() == clean:
        return "case_corrected", _said("小写字母已改为大写", "Letters were made capital", shown)
    return "blank_removed", _said("空格和连字符已去除", "Blanks and hyphens were removed", shown)


def _said(zh: str, en: str, shown: Text) -> Text:
    return Text(zh=f"{zh}：{shown.zh}。", en=f"{en}: {shown.en}.")


def _looks(typed: str) -> str:
    """A text as it looks: a page shows one blank for any, and nothing of what has no width."""
    return re.sub(r"\s+", " ", re.sub(r"[\u200b-\u200f\u2060\ufeff]", "", typed)).strip()


def _unseen(typed: str, clean: str) -> Repair:
    signs = ", ".join(dict.fromkeys(f"U+{ord(sign):04X}" for sign in _INVISIBLE.findall(typed)))
    if not signs:
        return "blank_removed", Text(zh=f"多余的空格已去除：“{clean}”。", en=f"Surplus blanks were removed: {clean!r}.")
    text = Text(
        zh=f"看不见的特殊字符（{signs}）已去除或改为普通空格：“{clean}”。",
        en=f"Signs that cannot be seen ({signs}) were removed or made plain blanks: {clean!r}.",
    )
    return "invisible_removed", text
