"""What a calculation is, and what it is told: the tables of the rules and the day on which is computed.

Invariants: a calculation is a pure function of input and context. A table is parsed when it is first asked for, so
that one calculation does not pay for the tables of the others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel

from domain import benefit_tables, policy, premium_tables, tables
from domain.benefits import BenefitRules
from domain.calendar import WorkCalendar, work_calendar
from domain.contributions import ContributionTables, PolicyGap
from domain.deadlines import FilingTable
from domain.differences import MakeUpPractice
from domain.enrolment_checks import Country
from domain.exemptions import TreatyTable
from domain.identity import Patterns
from domain.late_fee import LateFeeRate
from domain.medical_years import LocalMedicalYears
from domain.policy import PolicyError, Texts
from domain.policy_findings import in_words
from domain.procedures import ProcedureTables
from domain.retirement import RetirementRules
from domain.undeclared import UndeclaredFactor
from schemas.base import Text
from schemas.calculations.base import Input
from schemas.deadlines import DerivationStep

I = TypeVar("I", bound=Input)  # noqa: E741 - input
O = TypeVar("O", bound=BaseModel)  # noqa: E741 - output
T = TypeVar("T")


def _table(parse: Callable[["Rules"], T]) -> cached_property[T]:
    """What is parsed on first use; a fault that its parser trips over is said with its place."""

    def parsed(rules: "Rules") -> T:
        with in_words(rules.texts):
            return parse(rules)

    parsed.__doc__ = parse.__doc__
    return cached_property(parsed)


class Rules:
    """The rule files, parsed table by table on first use. PolicyError when a file is missing or broken."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts

    @_table
    def calendar(self) -> WorkCalendar:
        """The working days of the State Council's arrangement: what is computed here is nobody's in particular."""
        return work_calendar(next(c for c in policy.calendars(self.texts) if c.authority == "school")).statutory

    @_table
    def filing_table(self) -> FilingTable:
        """Published filing days of taxes by month and nominal day."""
        return tables.filing_table(self.texts)

    @_table
    def contributions(self) -> ContributionTables:
        return tables.contribution_tables(self.texts)

    def contributions_of_class(self, risk_class: int | None) -> ContributionTables:
        """The same for another risk class of work injury than the school's."""
        if risk_class is None:
            return self.contributions
        with in_words(self.texts):
            return tables.contribution_tables(self.texts, risk_class)

    @_table
    def late_fees(self) -> list[LateFeeRate]:
        return tables.late_fee_rates(self.texts)

    @_table
    def undeclared(self) -> list[UndeclaredFactor]:
        return premium_tables.undeclared_factors(self.texts)

    @_table
    def make_up(self) -> list[MakeUpPractice]:
        """Who declares differences, by the day of the batch run."""
        return premium_tables.make_up_practices(self.texts)

    @_table
    def categories(self) -> Mapping[str, tuple[str, list[str]]]:
        """Category -> (pension scheme, insurances or groups)."""
        return tables.category_insurances(self.texts)

    @_table
    def category_titles(self) -> Mapping[str, Text]:
        return tables.category_titles(self.texts)

    @_table
    def retirement(self) -> RetirementRules:
        return benefit_tables.retirement_rules(self.texts)

    @_table
    def benefits(self) -> BenefitRules:
        return benefit_tables.benefit_rules(self.texts)

    @_table
    def medical_years(self) -> Mapping[str, Sequence[LocalMedicalYears]]:
        return benefit_tables.medical_years_rules(self.texts)

    @_table
    def procedures(self) -> ProcedureTables:
        return benefit_tables.procedure_tables(self.texts)

    @_table
    def deadline_titles(self) -> Mapping[str, Text]:
        """What each deadline rule is called."""
        return {rule.id: rule.title for rule in policy.deadline_rules(self.texts)}

    @_table
    def treaties(self) -> TreatyTable:
        return tables.treaty_table(self.texts)

    @_table
    def id_patterns(self) -> Patterns:
        return tables.identity_patterns(self.texts)

    @_table
    def countries(self) -> Mapping[str, Country]:
        return tables.countries(self.texts)


@dataclass(frozen=True)
class Context:
    """`today`: the Shanghai day on which is computed; what was published later is not known."""

    rules: Rules
    today: date


def step(kind: str, zh: str, en: str) -> DerivationStep:
    """One line of a derivation."""
    return DerivationStep(kind=kind, text=Text(zh=zh, en=en))


class Refused(ValueError):
    """The input is well formed, yet cannot be computed. `pointer` names the field ("" the whole), `code` is stable."""

    def __init__(self, pointer: str, code: str, zh: str, en: str) -> None:
        super().__init__(f"{zh} {en}")
        self.pointer = pointer
        self.code = code
        self.text = Text(zh=zh, en=en)


@dataclass(frozen=True)
class Calculation(Generic[I, O]):
    """One calculation. `run` raises `Refused` or PolicyError, each with a sentence in both languages. `dated_by`: the
    field with the day or month for which the rules may hold no value ("" where there is none)."""

    name: str
    title: Text
    summary: Text
    input: type[I]
    output: type[O]
    run: Callable[[I, Context], O]
    dated_by: str = ""

    def pointer_of(self, error: PolicyError) -> str:
        """The field to which a fault of the rules is told: none when a file is broken."""
        return f"/{self.dated_by}" if self.dated_by and isinstance(error, PolicyGap) else ""

    @property
    def examples(self) -> list[dict[str, Any]]:
        """Inputs that work, with their fields in the order of people."""
        return cast("dict[str, Any]", self.input.model_config.get("json_schema_extra"))["examples"]

    def schemas(self, context: Context) -> dict[str, dict[str, Any]]:
        """JSON Schemas of `input` and `output` with every allowed value. The example of the output is what the example
        of the input gives, so that the two cannot drift apart."""
        taken = self.input.model_json_schema(mode="validation") | {"examples": self.examples}
        given = self.output.model_json_schema(mode="serialization")
        answers = [self.run(self.input.model_validate(e), context) for e in self.examples]
        given["examples"] = [a.model_dump(mode="json") for a in answers]
        return {"input": taken, "output": given}
