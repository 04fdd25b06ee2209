"""The tax office's own calculation of a premium, from its own table (`rates.yaml`).

Kept apart from the school's calculation on purpose: the comparison of the two to the cent must be able to find a
difference. Formula: base clamped to the month's floor and cap, rounded half up to the yuan; each part rounded half up
to the cent before anything is added (成都市医保费征收实施细则 art.7 and the published flexible-worker amounts).
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CENT = Decimal("0.01")
YUAN = Decimal("1")


@dataclass(frozen=True)
class Premium:
    """One insurance of one person for one month; all values in yuan."""

    insurance: str
    base: Decimal
    unit_rate: Decimal
    person_rate: Decimal
    unit_amount: Decimal
    person_amount: Decimal


@cache
def _tables() -> dict[str, Any]:
    return yaml.safe_load((Path(__file__).parent / "rates.yaml").read_text(encoding="utf-8"))


@cache
def reasons() -> dict[str, str]:
    """The bureaus' refusal reasons by code."""
    return yaml.safe_load((Path(__file__).parent / "reasons.yaml").read_text(encoding="utf-8"))


def _in_force(rows: list[dict[str, Any]], month: str) -> dict[str, Any]:
    """The row of a month: the latest that began by then. LookupError before the first one."""
    valid = [row for row in rows if str(row["from"]) <= month]
    if not valid:
        raise LookupError(month)
    return max(valid, key=lambda row: str(row["from"]))


def premium(insurance: str, levy: str, declared: Decimal, month: str) -> Premium:
    """The premium of one insurance for one month (`YYYY-MM`) from the wage registered; LookupError where the table has
    nothing for that month."""
    limits = _in_force(_tables()["limits"][levy], month)
    rate = _in_force([r for r in _tables()["rates"] if r["insurance"] == insurance], month)
    clamped = min(max(declared, Decimal(limits["floor"])), Decimal(limits["cap"]))
    base = clamped.quantize(YUAN, ROUND_HALF_UP)
    unit_rate, person_rate = Decimal(rate["unit"]), Decimal(rate["person"])
    return Premium(
        insurance=insurance,
        base=base,
        unit_rate=unit_rate,
        person_rate=person_rate,
        unit_amount=(base * unit_rate).quantize(CENT, ROUND_HALF_UP),
        person_amount=(base * person_rate).quantize(CENT, ROUND_HALF_UP),
    )
