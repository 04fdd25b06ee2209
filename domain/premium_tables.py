"""Text of the tables around premiums in, values out: what is due undeclared, who declares a make-up difference.

Companion of `domain/tables.py`. A broken file is refused with file and place.
"""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from domain.differences import MakeUpPractice, Routing, Standing
from domain.policy import PolicyError, Texts, load_list
from domain.table_files import UNREADABLE, BadValue
from domain.tables import published_of
from domain.undeclared import UndeclaredFactor
from schemas.base import Text


def undeclared_factors(texts: Texts) -> list[UndeclaredFactor]:
    """The shares of `undeclared.yaml`. PolicyError when broken."""
    name = "undeclared.yaml"
    found: list[UndeclaredFactor] = []
    for number, row in enumerate(load_list(texts, name, "rates"), start=1):
        try:
            factor = Decimal(row["factor"]) if isinstance(row["factor"], str) else Decimal(0)
            start, sample = row["valid_from"], bool(row["sample"])
            if not isinstance(start, date) or factor < 1:
                raise BadValue(
                    f"valid_from {start} 应为日期，factor {row['factor']} 应为加引号的数字，且不小于 1。",
                    f"valid_from {start} must be a date, factor {row['factor']} a number in quotes, at least 1.",
                )
            found.append(UndeclaredFactor(start, factor, str(row["source"]), sample, published_of(row)))
        except (KeyError, ValueError, InvalidOperation) as error:
            raise _broken(name, number, error) from error
    return found


def make_up_practices(texts: Texts) -> list[MakeUpPractice]:
    """The practices of `make_up_routing.yaml`. PolicyError when broken."""
    name = "make_up_routing.yaml"
    found: list[MakeUpPractice] = []
    for number, row in enumerate(load_list(texts, name, "practices"), start=1):
        try:
            if not isinstance(row["valid_from"], date):
                raise BadValue(
                    f"valid_from {row['valid_from']} 应为日期。", f"valid_from {row['valid_from']} must be a date."
                )
            rows: dict[Standing, dict[str, Any]] = {s: row[s] for s in Standing if s is not Standing.ACTIVE}
            found.append(
                MakeUpPractice(
                    row["valid_from"],
                    {s: frozenset(map(str, r["batch"])) for s, r in rows.items()},
                    {s: Routing(r["otherwise"]) for s, r in rows.items()},
                    str(row["source"]),
                    published_of(row),
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _broken(name, number, error) from error
    return found


def _broken(name: str, number: int, error: Exception) -> PolicyError:
    said = error.text if isinstance(error, BadValue) else UNREADABLE
    if isinstance(error, KeyError):
        missing = getattr(error.args[0], "value", error.args[0])
        said = Text(zh=f"缺少 {missing}，请补上。", en=f"{missing} is missing: add it.")
    return PolicyError(f"{name} 第 {number} 项：{said.zh}", f"{name}, item {number}: {said.en}")
