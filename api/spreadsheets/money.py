"""Money in headings and cells: the amount, and the unit, currency and period that are written beside it.

The words are data (`policies/import_columns.yaml`). Invariants: a wage is yuan a month; another unit is converted and
said so, another currency or period is a fault: nothing is divided and no rate is guessed. Every sign of a cell is
understood, or the cell is a fault.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, cast

from api.spreadsheets.cells import CellFault, half_width, text_of
from api.spreadsheets.heading_parts import cuts_of, in_brackets_of, money_tags, vocabulary, wage_parts_of
from api.spreadsheets.reader import Cell
from schemas.base import Text

_MONTHLY = "month"


@dataclass(frozen=True)
class Measure:
    """What a heading, a title or a cell says of its amounts: the factor to yuan (None: nothing) in its own words;
    `wrong` is the part (foreign, yearly, …) that makes them no yuan a month."""

    factor: Decimal | None = None
    word: str = ""
    wrong: str = ""

    @property
    def converts(self) -> bool:
        return self.factor not in (None, 1)


@dataclass(frozen=True)
class Amount:
    """An amount in yuan; `by` is the unit that was converted by, '' where the number is the amount."""

    yuan: Decimal
    by: str = ""


@cache
def _money() -> dict[str, Any]:
    return cast("dict[str, Any]", vocabulary()["money"])


def _measure(parts: Iterable[str], text: str) -> Measure | None:
    """What money words together say; None for two units at once."""
    factors = {Decimal(_money()["factors"][part]) for part in parts if part in _money()["factors"]}
    if len(factors - {Decimal(1)}) > 1:
        return None
    wrong = next((kind for kind in _money()["wrong"] if kind in parts), "")
    units = [part for part in parts if _money()["factors"].get(part, 1) != 1]
    return Measure(max(factors, default=None), _unit_word(units, text), wrong)


def _unit_word(units: list[str], text: str) -> str:
    """The longest word of some units in a text, as it stands there."""
    lower, found = text.lower(), ""
    for word in (word for part in units for word in vocabulary()["parts"][part]):
        place = lower.find(word)
        if place >= 0 and len(word) > len(found):
            found = text[place : place + len(word)]
    return found


def _gravest(measures: Iterable[Measure | None]) -> Measure | None:
    """Of several readings of one text the one that says most."""
    kinds = [*_money()["wrong"], ""]  # 日元 is a currency before it is a day
    found = [m for m in measures if m is not None]
    return min(found, key=lambda m: (kinds.index(m.wrong), -(m.factor or 0)), default=None)


def measure_of_words(text: str) -> Measure | None:
    """A text of money words only: 万元, 人民币元/月, USD; None for any other."""
    known = money_tags() | {_MONTHLY}
    return _gravest(_measure(parts, text) for parts in cuts_of(text) if parts and parts <= known)


def measure_of_heading(heading: str) -> Measure:
    """What the heading of a wage says of its amounts, in brackets or not: 月工资(万元) says 万元."""
    text = half_width(heading)
    readings = [(parts, text) for parts in wage_parts_of(text)]
    readings += [(parts, inside) for inside in in_brackets_of(text) for parts in cuts_of(inside, in_brackets=True)]
    return _gravest(_measure(parts, where) for parts, where in readings) or Measure()


_TITLE = re.compile(r"(?:单位|币种|币别|货币|unit|currency)\s*(?:[:]|为|是|is|in)?\s*([^\s,。;()]+(?: [a-z]+)?)", re.I)


def measure_of_title(cells: list[Cell]) -> Measure | None:
    """What a row above or below the list says of all amounts: 单位：万元. 单位：商学院 says nothing of money."""
    for cell in cells:
        for said in _TITLE.findall(half_width(cell)) if isinstance(cell, str) else ():
            if (found := measure_of_words(said)) is not None:
                return found
    return None


def wrong_heading(heading: str, kind: str) -> Text:
    """What is said of a heading whose amounts are no yuan a month."""
    what = Text(**_money()["wrong"][kind])
    return Text(
        zh=f"列“{heading}”{what.zh}，不会自动折算。{_DO.zh}",
        en=f"Column {heading!r} {what.en} and is not converted. {_DO.en}",
    )


_DO = Text(
    zh="请提供人民币“月工资”（每月应发，元）一列。",
    en="Give a column “Monthly wage” in yuan (CNY) a month, before tax.",
)
_WRITE = Text(
    zh="请填写每月应发工资的人民币金额，例如 18000.00。",
    en="Write the gross wage of a month in yuan, e.g. 18000.00.",
)
_LITERAL = re.compile(r'"([^"]*)"|\[\$([^\]-]*)[^\]]*\]|\\(.)|([$€£¥￥])')
_NUMBER = re.compile(r"\d[\d,.]*")
_PLAIN = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d+(?:\.\d+)?")
_STRANGE = re.compile(r"[^\w\s/()$€£¥₩₽฿₹]|\(\s*\)")  # signs that change an amount: -, ~, +, and (18000) of bookkeepers


def parse_money(cell: Cell, column: Measure | None = None) -> Amount:
    """Yuan a month with at most two places: 18000, 18,000.00, ￥18000, 18000元/月, 1.8万; `column` is what the list
    says of all its amounts.

    Errors: `CellFault` amount_currency, amount_period, amount_not_gross, amount_unreadable, amount_unit_contradicts,
    amount_too_small.
    """
    column = column or Measure()
    text = _shown(cell)
    numbers = _NUMBER.findall(text)
    if len(numbers) != 1:
        raise _unreadable(text)
    [number] = numbers
    rest = text.replace(number, " ", 1)
    own = measure_of_words(rest) if rest.strip() else Measure()
    if own is not None and (kind := own.wrong or column.wrong):
        raise _no_yuan_a_month(text, kind, of_list=not own.wrong)
    if own is None or _STRANGE.search(rest) or not _PLAIN.fullmatch(number) or _may_be_thousands(cell, number):
        raise _unreadable(text)
    if column.converts and own.factor not in (None, column.factor):
        raise CellFault(
            "amount_unit_contradicts",
            f"金额“{text}”的单位与表中所写的单位“{column.word}”不一致。请统一单位，最好以元填写，例如 18000.00。",
            f"The amount {text!r} has another unit than the list says ({column.word!r}). Use one unit, best yuan, "
            "e.g. 18000.00.",
        )
    by = own if own.factor is not None else column
    amount = Decimal(number.replace(",", "")) * (by.factor or 1)
    if amount != amount.quantize(Decimal("0.01")):
        raise CellFault(
            "amount_unreadable",
            f"金额“{text}”应精确到分，最多两位小数。",
            f"The amount {text!r} must have at most two decimal places.",
        )
    amount = amount.quantize(Decimal("0.01"))
    if 0 < amount < Decimal(_money()["least"]):
        raise CellFault(
            "amount_too_small",
            f"月工资“{text}”读作 {amount} 元，过小，可能漏写了单位（如“万元”）。{_WRITE.zh}",
            f"The wage {text!r} would be {amount} yuan, which is too little: is a unit such as 万元 left out? "
            f"{_WRITE.en}",
        )
    return Amount(amount, by.word if by.converts else "")


def check_format(cell: Cell, code: str) -> None:
    """What a program shows of a figure by its number format must be yuan as well: 3000 shown as $3,000 is none.

    Errors: `CellFault` amount_currency, amount_period, amount_format.
    """
    if not code or isinstance(cell, str) or not _shown(cell):
        return
    first = re.sub(r"[_*].", "", code.split(";")[0])
    words = " ".join("".join(found) for found in _LITERAL.findall(first)).strip()
    bare = _LITERAL.sub("", first)
    said = measure_of_words(words) if re.search(r"\w|[$€£¥]", words) else Measure()
    if said is not None and said.wrong:
        raise _no_yuan_a_month(f"{_shown(cell)} ({words})", said.wrong, of_list=False)
    if said is None or said.converts or "%" in bare or re.search(r"[0#?],+(?![0#?,])", bare):
        raise CellFault(
            "amount_format",
            f"单元格的数字格式（{code}）使显示的金额与保存的数值 {_shown(cell)} 不同。请设为“常规”格式。{_WRITE.zh}",
            f"By its number format ({code}) the cell shows something else than the figure {_shown(cell)} in it. Set "
            f"the format to General. {_WRITE.en}",
        )


def _shown(cell: Cell) -> str:
    """The cell's text in half width; a figure with the 15 digits that programs show of it."""
    if isinstance(cell, float):
        return f"{cell:.15g}"
    text = text_of(cell).removeprefix("'")
    return re.sub(r"(?<=\d) (?=\d{3}\b)", "", text)  # 18 000


def _may_be_thousands(cell: Cell, number: str) -> bool:
    """18.000 as text may be eighteen thousand."""
    return isinstance(cell, str) and bool(re.fullmatch(r"\d{1,3}\.\d{3}", number))


def _unreadable(text: str) -> CellFault:
    return CellFault(
        "amount_unreadable",
        f"无法识别金额“{text}”。请只填写数字，例如 18000.00。",
        f"{text!r} cannot be read as an amount. Write digits only, e.g. 18000.00.",
    )


def _no_yuan_a_month(text: str, kind: str, *, of_list: bool) -> CellFault:
    what = Text(**_money()["wrong"][kind])
    said_zh, said_en = ("按表中的说明", ", as the list says,") if of_list else ("", "")
    code = {"foreign": "amount_currency", "net": "amount_not_gross", "component": "amount_not_gross"}
    return CellFault(
        code.get(kind, "amount_period"),
        f"金额“{text}”{said_zh}{what.zh}，不会自动折算。{_WRITE.zh}",
        f"The amount {text!r}{said_en} {what.en} and is not converted. {_WRITE.en}",
    )
