"""Single cells: text, dates, digits, money, codes. Each parser gives the clean value, or raises `CellFault`.

What was repaired on the way (full-width digits, blanks in a number) is reported by the caller comparing raw and clean.
A value is never guessed where two readings are possible: 03/04/2026 is a fault, not April.
"""

import re
import unicodedata
from datetime import date, datetime, timedelta
from functools import cache

from babel import Locale
from babel.core import get_global

from api.spreadsheets.reader import Cell
from schemas.base import Text

EXCEL_EPOCH = date(1899, 12, 30)  # day 0 of the 1900 date system as used after February 1900
EPOCH_1904 = date(1904, 1, 1)
SERIAL_RANGE = (10_000, 80_000)  # 1927 to 2119: all days a list of staff can hold
EPOCH_SERIAL = re.compile(r"\d{5}(\.\d+)?")


class CellFault(Exception):
    """A cell that cannot be understood: stable `code`, and a sentence that says what to write instead."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(zh)
        self.code = code
        self.text = Text(zh=zh, en=en)


def half_width(text: str) -> str:
    """Full-width letters, digits and signs become plain ones; odd blanks become one space; ends are trimmed."""
    text = unicodedata.normalize("NFKC", text)
    text = re.sub(r"[\u200b-\u200f\u2060\ufeff]", "", text)
    return re.sub(r"\s+", " ", text).strip()


def text_of(cell: Cell) -> str:
    """The cell as plain text ('' for an empty one). Whole numbers come without a decimal point."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    return half_width(str(cell))


_YMD = re.compile(
    r"^(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*[日号]?(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?$"
)
_DMY = re.compile(r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})$")
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
         "sep sept september", "oct october", "nov november", "dec december"),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_D_MON_Y = re.compile(r"^(\d{1,2})(?:st|nd|rd|th)?[\s.-]*([a-z]{3,9})[\s.,-]*(\d{4})$")
_MON_D_Y = re.compile(r"^([a-z]{3,9})[\s.-]*(\d{1,2})(?:st|nd|rd|th)?[\s,.-]+(\d{4})$")


def parse_date(cell: Cell, *, date_1904: bool = False) -> date:
    """A day: a date cell, 2026-9-1, 2026/09/01, 2026.9.1, 2026年9月1日, 20260901, Excel's serial number, 1 Sep 2026.

    Errors: `CellFault` date_ambiguous (03/04/2026), date_impossible (2026-02-30), date_unreadable.
    """
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    text = text_of(cell).removeprefix("'")
    try:
        if match := _YMD.match(text):
            return date(int(match[1]), int(match[2]), int(match[3]))
        if re.fullmatch(r"\d{8}", text):
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
        if EPOCH_SERIAL.fullmatch(text):
            serial = int(text.split(".")[0])
            if SERIAL_RANGE[0] <= serial <= SERIAL_RANGE[1]:
                return (EPOCH_1904 if date_1904 and not isinstance(cell, str) else EXCEL_EPOCH) + timedelta(days=serial)
        if match := _DMY.match(text):
            first, second, year = int(match[1]), int(match[2]), int(match[3])
            if first > 12 or first == second:
                return date(year, second, first)
            if second > 12:
                return date(year, first, second)
            raise CellFault(
                "date_ambiguous",
                f"日期“{text}”无法判断日和月的先后。请写成 2026-09-01 的形式。",
                f"In the date {text!r} day and month cannot be told apart. Write it like 2026-09-01.",
            )
        lower = text.lower()
        if (match := _D_MON_Y.match(lower)) and match[2] in _MONTHS:
            return date(int(match[3]), _MONTHS[match[2]], int(match[1]))
        if (match := _MON_D_Y.match(lower)) and match[1] in _MONTHS:
            return date(int(match[3]), _MONTHS[match[1]], int(match[2]))
    except ValueError as error:
        raise CellFault(
            "date_impossible",
            f"日期“{text}”不存在。请核对年月日。",
            f"There is no such day as {text!r}. Please check year, month and day.",
        ) from error
    if re.fullmatch(r"\d{1,2}[-/.年 ]+(\d{1,2}|[a-z]{3,9})[-/.月 ]+\d{1,2}日?", text.lower()):
        raise CellFault(
            "date_two_digit_year",
            f"日期“{text}”的年份只有两位，无法确定。请写成 2026-09-01 的形式。",
            f"The date {text!r} has a year of two digits only, which is not sure. Write it like 2026-09-01.",
        )
    raise CellFault(
        "date_unreadable",
        f"无法识别日期“{text}”。请写成 2026-09-01 的形式。",
        f"{text!r} cannot be read as a date. Write it like 2026-09-01.",
    )


def parse_number_text(cell: Cell) -> str:
    """Numbers that are names (passport, permit, phone): upper case, half width, no blanks.

    Errors: `CellFault` digits_lost where a program kept the digits as a number and lost the last ones.
    """
    lost = isinstance(cell, int | float) and not isinstance(cell, bool) and abs(cell) >= 10**15
    text = text_of(cell)
    if lost or re.fullmatch(r"\d(\.\d+[eE]\+?|[eE]\+)\d+", text):  # 1E234567 is a passport's number
        raise CellFault(
            "digits_lost",
            "号码被表格软件按数字保存，末几位可能已丢失。请把该列设为“文本”格式后重新填写。",
            "The number was stored as a figure and its last digits may be lost. Format the column as text and type it "
            "again.",
        )
    return re.sub(r"\s", "", text.removeprefix("'")).upper()


def parse_phone(cell: Cell) -> str:
    """A telephone number without blanks and hyphens; several numbers and an extension are left as they are.

    Errors: `CellFault` phone_unreadable.
    """
    text = re.sub(r"[\s-]", "", text_of(cell).removeprefix("'"))
    if sum(c.isdigit() for c in text) < 5 or not re.fullmatch(r"(?:[\d+()/,;、#*.]|转|分机|ext|x)+", text.lower()):
        raise CellFault(
            "phone_unreadable",
            "手机号码填写有误，应为数字，例如 13800000000 或 +49 30 123456。",
            "The telephone number is not valid: write digits, e.g. 13800000000 or +49 30 123456.",
        )
    return text


def parse_email(cell: Cell) -> str:
    """An e-mail address without blanks.

    Errors: `CellFault` email_unreadable.
    """
    text = re.sub(r"\s", "", text_of(cell))
    if not re.fullmatch(r"[^@\s,;<>()]+@[^@\s,;<>()]+\.[^@\s,;<>().]{2,}", text):
        raise CellFault(
            "email_unreadable",
            "邮箱填写有误，应为一个地址，例如 name@example.edu。",
            "The e-mail address is not valid: write one address like name@example.edu.",
        )
    return text


@cache
def countries() -> dict[str, tuple[str, str, str]]:
    """ISO alpha-3 -> (alpha-2, Chinese name, English name), from the CLDR data of Babel."""
    zh, en = Locale("zh").territories, Locale("en").territories
    table: dict[str, tuple[str, str, str]] = {}
    for alpha3, target in get_global("territory_aliases").items():
        if not re.fullmatch(r"[A-Z]{3}", alpha3) or len(target) != 1:
            continue
        alpha2 = target[0]
        # Withdrawn codes (SUN, YUG...) are aliases of today's countries too: a code must be the country's own.
        if alpha2 in zh and alpha2 in en and alpha3 not in _WITHDRAWN and alpha2 not in _NO_COUNTRY:
            table[alpha3] = (alpha2, zh[alpha2], en[alpha2])
    return table


_NO_COUNTRY = frozenset({"ZZ", "EU", "EZ", "UN", "QO", "XA", "XB"})
_WITHDRAWN = frozenset(
    {"ANT", "BUR", "CSK", "DDR", "FXX", "NTZ", "ROM", "SCG", "SUN", "TMP", "YMD", "YUG", "ZAR", "QUU", "QUI"}
)
# Names in use that CLDR does not carry.
_MORE_NAMES = {
    "USA": ("美利坚合众国", "america", "united states of america", "us", "u.s.a."),
    "GBR": ("大不列颠及北爱尔兰联合王国", "uk", "great britain", "britain", "england"),
    "KOR": ("大韩民国", "korea", "republic of korea", "south korea", "南韩"),
    "RUS": ("俄罗斯联邦", "俄国", "russian federation"),
    "CZE": ("捷克共和国", "czech republic"),
    "NLD": ("holland", "the netherlands"),
    "ARE": ("阿联酋", "uae"),
    "VNM": ("viet nam",),
    "IRN": ("islamic republic of iran",),
}


@cache
def _country_names() -> dict[str, str]:
    names: dict[str, str] = {}
    for alpha3, (alpha2, zh, en) in countries().items():
        for name in (alpha3, alpha2, zh, en, *_MORE_NAMES.get(alpha3, ())):
            names.setdefault(name.lower(), alpha3)
    return names


def parse_country(cell: Cell) -> str:
    """A country as ISO alpha-3, from its code (JPN, JP) or its Chinese or English name.

    Errors: `CellFault` country_unknown.
    """
    text = text_of(cell)
    found = _country_names().get(text.lower()) or _country_names().get(text.lower().removesuffix("籍"))
    if found is None:
        raise CellFault(
            "country_unknown",
            f"无法识别国籍“{text}”。请填写三位国家代码（如 JPN）或中文国名（如 日本）。",
            f"{text!r} is no known country. Write the three-letter code (JPN) or the name (Japan).",
        )
    return found


def parse_choice(cell: Cell, choices: dict[str, list[str]], zh: str, en: str) -> str:
    """One of a closed list; `choices` maps the value to the words that mean it.

    Errors: `CellFault` choice_unknown, which lists what may be written.
    """
    text = text_of(cell).lower()
    for value, words in choices.items():
        if text == value.lower() or text in (half_width(w).lower() for w in words):
            return value
    allowed = "、".join(words[0] for words in choices.values())
    allowed_en = ", ".join(f"{words[0]} / {value}" for value, words in choices.items())
    raise CellFault(
        "choice_unknown",
        f"{zh}“{text_of(cell)}”无法识别，只能填写：{allowed}。",
        f"{en} {text_of(cell)!r} is unknown; allowed are: {allowed_en}.",
    )
