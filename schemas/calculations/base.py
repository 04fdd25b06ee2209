"""Types and base models of all calculations. No calculation of its own stands here."""

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from schemas.base import FIRST_DAY, LAST_DAY, Text
from schemas.forms import label

__all__ = [
    "Answer", "AnswerMonth", "Day", "Input", "Item", "Money", "Month", "Rate", "Text", "Yuan", "label",
    "left_out", "refused",
]  # fmt: skip

FIRST_YEAR, LAST_YEAR = FIRST_DAY.year, LAST_DAY.year
# ASCII: else \d takes full-width digits too, and two spellings of one month would be two months.
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MONTH = re.compile(r"(19|20|21)\d{2}-(0[1-9]|1[0-2])", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,15}(\.\d{1,12})?", re.ASCII)


class Input(BaseModel):
    """What a calculation is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Item(BaseModel):
    """An object inside an input or an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """What a calculation gives."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def left_out(value: object) -> bool:
    """For `exclude_if` of a field that an answer has only where it says something."""
    return value is None


def refused(code: str, zh: str, en: str) -> PydanticCustomError:
    """To be raised in a validator: a sentence in both languages, and a stable code for programs."""
    return PydanticCustomError(code, "{en}", {"zh": zh, "en": en})  # pyright: ignore[reportArgumentType]


def _day(given: Any) -> Any:
    if isinstance(given, date):
        return given
    text = given if isinstance(given, str) else ""
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise refused(
            "bad_date",
            f"日期无效，请按 2026-11-24 的格式填写，年份在 {FIRST_YEAR} 至 {LAST_YEAR} 之间。",
            f"Not a valid date: write it like 2026-11-24, between {FIRST_YEAR} and {LAST_YEAR}.",
        )
    return day


def _month(given: Any) -> Any:
    if not isinstance(given, str) or not _MONTH.fullmatch(given):
        raise refused("bad_month", "月份无效，请按 2026-11 的格式填写。", "Not a valid month: write it like 2026-11.")
    return given


def _decimal(given: Any) -> Any:
    """Text or whole number to Decimal. A JSON number with a point has lost its exactness on the way: refused."""
    if isinstance(given, Decimal):
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if not isinstance(given, str) or not _DECIMAL.fullmatch(given.strip()):
        raise refused(
            "bad_decimal",
            '应为用引号写出的十进制数，例如 "4588" 或 "0.16"，不带千分位。',
            'It must be a decimal number written as text, like "4588" or "0.16", without separators.',
        )
    try:
        return Decimal(given.strip())
    except InvalidOperation:  # pragma: no cover - the pattern has checked it
        raise refused("bad_decimal", "应为十进制数。", "It must be a decimal number.") from None


def _whole(given: Any) -> Any:
    """A number written as text, as in a form or in an agency's notice."""
    return int(given) if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 10 else given


Whole = Annotated[int, BeforeValidator(_whole), Field(strict=True)]


def _places(places: int) -> BeforeValidator:
    def check(given: Any) -> Any:
        value = _decimal(given)
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and -exponent > places:
            raise refused("too_many_places", f"最多 {places} 位小数。", f"At most {places} decimal places.")
        return value

    return BeforeValidator(check)


def _written(value: Decimal) -> str:
    return f"{value:f}"


def _plain(value: Decimal) -> str:
    """Without trailing zeros: 0.160 is written 0.16."""
    return f"{value.normalize():f}" if value else "0"


# For the JSON Schema: pydantic leaves out a pattern behind a validator of ours, and lets other keys of a mapping pass.
YEAR_PATTERN = r"^(19|20|21)[0-9]{2}$"
_YEAR_MONTH = r"(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])"
MONTH_PATTERN = f"^{_YEAR_MONTH}$"
_DAY_SCHEMA = {
    "type": "string",
    "format": "date",
    "pattern": rf"^{_YEAR_MONTH}-(0[1-9]|[12][0-9]|3[01])$",
    "examples": ["2026-11-24"],
}

Day = Annotated[date, BeforeValidator(_day), WithJsonSchema(_DAY_SCHEMA)]
"""A day "YYYY-MM-DD"."""

Month = Annotated[
    str,
    BeforeValidator(_month),
    WithJsonSchema({"type": "string", "pattern": MONTH_PATTERN, "examples": ["2026-11"]}),
]
"""A month "YYYY-MM"."""

AnswerMonth = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", examples=["2026-11"])]
"""A month "YYYY-MM" that was computed: it may lie beyond those that can be given."""

_MONEY_SCHEMA = {"type": "string", "pattern": r"^\d{1,15}(\.\d{1,2})?$", "decimal": True, "examples": ["6500.00"]}
_YUAN_SCHEMA = _MONEY_SCHEMA | {"pattern": r"^-?\d+(\.\d{2})?$"}
_RATE_SCHEMA = {  # lint: allow law-number - an example
    "type": "string",
    "pattern": r"^(0(\.\d{1,8})?|1(\.0{1,8})?)$",
    "decimal": True,
    "examples": ["0.16"],
}

Money = Annotated[
    Decimal, _places(2), PlainSerializer(_written, return_type=str, when_used="json"), WithJsonSchema(_MONEY_SCHEMA)
]
"""Yuan, at most two places, written as text."""

Yuan = Annotated[Decimal, PlainSerializer(_written, return_type=str, when_used="json"), WithJsonSchema(_YUAN_SCHEMA)]
"""Yuan in an answer, with the places it was rounded to: a base "4588", an amount "734.08"."""

Rate = Annotated[
    Decimal,
    _places(8),
    Field(ge=0, le=1),
    PlainSerializer(_plain, return_type=str, when_used="json"),
    WithJsonSchema(_RATE_SCHEMA),
]
"""A share of a base between 0 and 1, written as text: 16 % is "0.16"."""
