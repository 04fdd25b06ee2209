"""Premiums of many people for one month at once, exact to the cent: the same sums as `domain.contributions.premium`.

Invariants: scaled integers only (wages and amounts in cents, bases in yuan, rates in millionths), never float; limits
and rates are looked up by `domain.contributions` alone, so one person computed here and there is the same to the cent.
Use it where thousands are computed (a month's payment, a preview of a changed limit); one person is `premium`'s.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from domain.contributions import ContributionTables, LineTerms, line_terms

Integers = NDArray[np.int64]
CENTS = 100
MILLIONTHS = 1_000_000
CLAMPED = ("none", "floor", "cap")


@dataclass(frozen=True)
class BulkLine:
    """One insurance of many people, in their order. `base` in yuan; `unit` and `person` in cents; `clamped` indexes
    `CLAMPED`. `terms` hold limits, rates, flags and sources, which all of them share."""

    terms: LineTerms
    base: Integers
    unit: Integers
    person: Integers
    clamped: NDArray[np.int8]


def cents(amounts: Iterable[Decimal]) -> Integers:
    """Yuan as whole cents. ValueError for an amount that is no positive number of whole cents."""
    return np.fromiter((_whole(a, CENTS) for a in amounts), dtype=np.int64)


def month_lines(
    declared: Integers,
    month: str,
    insurances: Iterable[str],
    scheme: str,
    known_on: date,
    tables: ContributionTables,
) -> list[BulkLine]:
    """The lines of the month "YYYY-MM" for wages in cents, one an insurance, in the order of the bill.

    Errors as `domain.contributions.premium`. 社会保险法 arts 12, 23, 35, 44, 53.
    """
    if declared.size and int(declared.min()) <= 0:
        raise ValueError("Declared wages must be positive. 申报工资必须大于零。")
    rounded = (declared + CENTS // 2) // CENTS
    found: list[BulkLine] = []
    bases: dict[tuple[Decimal, Decimal], tuple[Integers, NDArray[np.int8]]] = {}
    amounts: dict[tuple[Decimal, Decimal, Decimal], Integers] = {}
    for terms in line_terms(month, insurances, scheme, known_on, tables):
        limits = (terms.limit.floor, terms.limit.cap)
        if limits not in bases:
            bases[limits] = _clamped(declared, rounded, *limits)
        base, clamped = bases[limits]
        both: list[Integers] = []
        for rate in (terms.rate.unit, terms.rate.person):
            if (*limits, rate) not in amounts:
                amounts[*limits, rate] = _amounts(base, rate)
            both.append(amounts[*limits, rate])
        found.append(BulkLine(terms, base, both[0], both[1], clamped))
    return found


def totals(lines: Sequence[BulkLine]) -> tuple[Decimal, Decimal]:
    """Unit and person total of all lines, in yuan: rounded amounts added."""
    unit = sum(int(line.unit.sum()) for line in lines)
    person = sum(int(line.person.sum()) for line in lines)
    return yuan(unit), yuan(person)


def yuan(amount: int) -> Decimal:
    """Cents as yuan with two places."""
    return Decimal(amount).scaleb(-2)


def _clamped(declared: Integers, rounded: Integers, floor: Decimal, cap: Decimal) -> tuple[Integers, NDArray[np.int8]]:
    """The base in whole yuan, half up, and which of `CLAMPED` decided."""
    low, high = _whole(floor, CENTS), _whole(cap, CENTS)
    below, above = declared < low, declared > high
    base = np.clip(rounded, (low + CENTS // 2) // CENTS, (high + CENTS // 2) // CENTS)
    return base, below.astype(np.int8) + 2 * above.astype(np.int8)


def _amounts(base: Integers, rate: Decimal) -> Integers:
    """base x rate in cents, half up."""
    scale = MILLIONTHS // CENTS
    return (base * _whole(rate, MILLIONTHS, zero=True) + scale // 2) // scale


def _whole(amount: Decimal, scale: int, *, zero: bool = False) -> int:
    scaled = amount * scale
    if scaled != scaled.to_integral_value() or scaled < 0 or (scaled == 0 and not zero):
        raise ValueError(f"{amount} is no positive multiple of 1/{scale}. 金额或费率的小数位数过多，或不大于零。")
    return int(scaled)
