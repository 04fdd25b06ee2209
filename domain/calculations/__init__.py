"""All calculations by name: `baoqi calc NAME`, `POST /api/v1/calculations/NAME` and the calculator pages.

To add one: its models in `schemas/calculations/<name>.py`, its rule in `domain/`, one file here that adapts model to
rule to model, and one line in `CALCULATIONS`. Nothing else names a calculation.
"""

from difflib import get_close_matches
from typing import Any

from domain.calculations import (
    add_days,
    contribution,
    difference,
    exemption,
    identity,
    injury_grant,
    late_fee,
    maternity_allowance,
    medical_years,
    plan_back,
    policy_value,
    procedure_needs,
    rate_difference,
    retirement,
    tax_due,
    undeclared,
    unemployment_months,
)
from domain.calculations.base import Calculation, Context, Refused, Rules

__all__ = ["CALCULATIONS", "Calculation", "Context", "Refused", "Rules", "near"]

CALCULATIONS: dict[str, Calculation[Any, Any]] = {
    c.name: c
    for c in (
        add_days.CALCULATION,
        plan_back.CALCULATION,
        tax_due.CALCULATION,
        contribution.CALCULATION,
        difference.CALCULATION,
        rate_difference.CALCULATION,
        late_fee.CALCULATION,
        undeclared.CALCULATION,
        policy_value.CALCULATION,
        retirement.CALCULATION,
        medical_years.CALCULATION,
        identity.CALCULATION,
        injury_grant.CALCULATION,
        maternity_allowance.CALCULATION,
        unemployment_months.CALCULATION,
        exemption.CALCULATION,
        procedure_needs.CALCULATION,
    )
}


_ALIKE = 0.5  # lint: allow law-number - how much of a name two spellings have in common, no rule


def near(name: str) -> list[str]:
    """The names most like an unknown one, the nearest first; all names where none is alike."""
    wanted = name.strip().lower().replace("_", "-")[:60]
    inside = [n for n in CALCULATIONS if wanted and (wanted in n or n in wanted)]
    alike = get_close_matches(wanted, CALCULATIONS, n=3, cutoff=_ALIKE)
    return list(dict.fromkeys([*inside, *alike])) or [*CALCULATIONS]
