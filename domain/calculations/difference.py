"""difference: the make-up of every person and insurance, each in exactly one class of who settles it."""

from datetime import date
from typing import Any

from domain import names
from domain.calculations.base import Calculation, Context, Refused
from domain.differences import MadeUpPerson, MakeUp, Standing, bases, difference
from schemas.base import Text
from schemas.calculations.difference import (
    STATUS,
    DifferenceAnswer,
    DifferenceInput,
    DifferencePerson,
    PersonDifference,
)


def run(given: DifferenceInput, context: Context) -> DifferenceAnswer:
    without = [i for i in given.windows if i not in given.rates]
    if without:
        raise Refused(
            "/rates",
            "rate_missing",
            f"缺少{names.insurance(without[0]).zh}的费率，请补充。",
            f"The rate of {names.insurance(without[0]).en} is missing: add it.",
        )
    rates = {i.value: pair for i, pair in given.rates.items()}
    windows = {i.value: months for i, months in given.windows.items()}
    make_up = MakeUp(given.limits_old, given.limits_new, rates, windows, given.batch_run)
    found: dict[str, PersonDifference] = {}
    for number, person in enumerate(given.persons):
        if person.id in found:
            raise Refused(
                f"/persons/{number}/id",
                "given_twice",
                "该编号重复，每人只列一次。",
                "This id is given twice: list each once.",
            )
        known = _person(person)
        lines: dict[str, Any] = {}
        for insurance in given.windows:
            d = difference(known, insurance, make_up, context.rules.make_up)
            lines[insurance.value] = (d.unit, d.person, d.routing.value)
        found[person.id] = PersonDifference(base=bases(known, make_up), **lines)
    return DifferenceAnswer(found)


def _person(given: DifferencePerson) -> MadeUpPerson:
    match = STATUS.fullmatch(given.status)
    said = {Standing(k): v for k, v in (match.groupdict() if match else {}).items() if v}
    standing, day = next(iter(said.items()))
    since = None if standing is Standing.ACTIVE else date.fromisoformat(day if len(day) == 10 else f"{day}-01")
    declared_before = frozenset(given.already_declared)
    return MadeUpPerson(given.declared, given.paid, standing, since, declared_before, given.declared_new)


CALCULATION = Calculation(
    "difference",
    Text(zh="上下限与工资更正补差", en="Make-up after new limits or a corrected wage"),
    Text(
        zh="上下限公布或工资更正后，每人每险种应补（负数为应退）的差额及由谁申报",
        en="What new limits or a corrected wage change for each person and insurance (below zero: too much was paid), "
        "and who declares it",
    ),
    DifferenceInput,
    DifferenceAnswer,
    run,
)
