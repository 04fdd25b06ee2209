"""The month's premiums as a tax-benefit system of OpenFisca-Core: the same limits and rates as dated parameters.

Invariants: every limit and rate comes from `domain.contributions.line_terms`, month by month, so both sides compute the
same law; a formula says what `domain.contributions` says, in floats. `Floats.plain` is what a formula gives as it is
usually written (OpenFisca keeps a float variable as float32); `Floats.double` computes inside of the formulas with
float64, which is as good as floats can.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from openfisca_core.entities import build_entity
from openfisca_core.parameters import ParameterNode
from openfisca_core.periods import MONTH
from openfisca_core.simulation_builder import SimulationBuilder
from openfisca_core.taxbenefitsystems import TaxBenefitSystem
from openfisca_core.variables import Variable

from domain.contributions import ContributionTables, LineTerms, line_terms

Array = NDArray[Any]
PARTS = ("unit", "person")


class Floats(Enum):
    """The width that formulas compute with."""

    plain = "float32"
    double = "float64"


@dataclass(frozen=True)
class MonthlySystem:
    """The system of one pension scheme. `names`: its insurances in the order of the bill."""

    system: TaxBenefitSystem
    names: Sequence[str]

    def simulation(self, people: int) -> Any:
        return SimulationBuilder().build_default_simulation(cast(Any, self.system), people)

    def compute(self, simulation: Any, declared: Array, month: str) -> dict[tuple[str, str], Array]:
        """(insurance, part) -> yuan of everybody."""
        simulation.set_input("declared", month, declared)
        return {(n, part): simulation.calculate(f"{part}_{n}", month) for n in self.names for part in PARTS}


def half_up(yuan: Array) -> Array:
    """To the cent, half up, as good as a float knows where the half is."""
    return np.floor(yuan * 100 + 0.5) / 100


def half_even(yuan: Array) -> Array:
    """numpy's own rounding."""
    return np.round(yuan, 2)


def monthly_system(
    months: Sequence[str],
    insurances: Sequence[str],
    scheme: str,
    known_on: date,
    tables: ContributionTables,
    floats: Floats = Floats.double,
    rounding: Callable[[Array], Array] = half_up,
) -> MonthlySystem:
    """A system with the scheme's limits and rates of `months` ("YYYY-MM")."""
    person: Any = build_entity(key="person", plural="persons", label="", is_person=True)
    system: Any = TaxBenefitSystem(cast(Any, [person]))
    by_month = {m: line_terms(m, insurances, scheme, known_on, tables) for m in months}
    names = [t.line.insurance for t in by_month[months[0]]]
    system.parameters = ParameterNode("", data=_parameters(by_month))
    system.add_variable(_variable("declared", person))
    for terms in by_month[months[0]]:
        limits = terms.line.limits
        if system.get_variable(f"base_{limits}") is None:
            system.add_variable(_variable(f"base_{limits}", person, _base(terms.line.insurance, floats.value)))
        for part in PARTS:
            formula = _amount(terms.line.insurance, part, f"base_{limits}", floats.value, rounding)
            system.add_variable(_variable(f"{part}_{terms.line.insurance}", person, formula))
    return MonthlySystem(system, names)


def _parameters(by_month: dict[str, list[LineTerms]]) -> dict[str, Any]:
    """insurance -> floor, cap, unit_rate, person_rate -> the days from which a value holds."""
    found: dict[str, Any] = {}
    for month, listed in sorted(by_month.items()):
        for t in listed:
            values = {
                "floor": t.limit.floor,
                "cap": t.limit.cap,
                "unit_rate": t.rate.unit,
                "person_rate": t.rate.person,
            }
            for name, value in values.items():
                dated = found.setdefault(t.line.insurance, {}).setdefault(name, {"values": {}})["values"]
                if not dated or list(dated.values())[-1]["value"] != float(value):
                    dated[f"{month}-01"] = {"value": float(value)}
    return found


def _variable(name: str, person: Any, formula: Callable[..., Array] | None = None) -> type[Variable]:
    body: dict[str, Any] = {"value_type": float, "entity": person, "definition_period": MONTH, "label": name}
    if formula is not None:
        body["formula"] = formula
    return type(name, (Variable,), body)


def _base(insurance: str, width: str) -> Callable[..., Array]:
    def formula(people: Any, period: Any, parameters: Any) -> Array:
        limits = parameters(period)[insurance]
        clamped = np.clip(people("declared", period).astype(width), limits.floor, limits.cap)
        return np.floor(clamped + 0.5)

    return formula


def _amount(
    insurance: str, part: str, base: str, width: str, rounding: Callable[[Array], Array]
) -> Callable[..., Array]:
    def formula(people: Any, period: Any, parameters: Any) -> Array:
        return rounding(people(base, period).astype(width) * getattr(parameters(period)[insurance], f"{part}_rate"))

    return formula
