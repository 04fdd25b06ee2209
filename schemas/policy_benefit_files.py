"""The shape of the rule files of ages, retirement, benefits and medical years: each as their calculations need it.

Invariants: a file that these models take can be calculated with: every grade, reason, method, group and track that a
calculation may be asked for is there, no divisor is 0. Bounds are those of a slip of the pen, not of the law.
"""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from schemas.base import Text
from schemas.calculations.base import Month, refused
from schemas.calculations.maternity_allowance import AllowanceMethodName
from schemas.calculations.retirement import Group, RetirementTrack
from schemas.calculations.unemployment_months import LeavingReason
from schemas.policy_values import Exact, Locality, Sourced, StartDay, Told, Truth, Whole, complete, differing

GRADES = range(1, 11)  # lint: allow law-number - the scale of disability
Age = Annotated[Whole, Field(ge=40, le=80)]
Months = Annotated[Whole, Field(ge=1, le=1200)]
Days = Annotated[Whole, Field(ge=0, le=366)]
GroupName = Annotated[str, Field(pattern=r"^(male|female|female_worker)$")]


class AgeGroup(Sourced):
    code: Group
    base_years: Age
    first_cohort: Month
    step: Annotated[Whole, Field(ge=1, le=120)]
    max_delay_months: Annotated[Whole, Field(ge=0, le=240)]


class AgeFile(Told):
    minimum_years: Annotated[Whole, Field(ge=1, le=40)]
    male: AgeGroup
    female: AgeGroup
    female_worker: AgeGroup

    @model_validator(mode="after")
    def _own_codes(self) -> "AgeFile":
        differing([g.code for g in (self.male, self.female, self.female_worker)])
        return self


class Elastic(Told):
    valid_from: Month
    early_months: Annotated[Whole, Field(ge=0, le=240)]
    late_months: Annotated[Whole, Field(ge=0, le=240)]
    early_rule: str
    late_rule: str


class TrackRow(Told):
    id: str
    title: Text
    group: GroupName | None = None
    fixed_years: Age | None = None
    choose_from: GroupName | None = None
    of_groups: Annotated[list[GroupName], Field(min_length=1)] | None = None

    @field_validator("fixed_years")
    @classmethod
    def _one_way(cls, given: int | None, info: ValidationInfo) -> int | None:
        if given is not None and info.data.get("group") is not None:
            raise refused(
                "two_ways",
                "已按 group 的年龄计算，不能再填固定年龄：二者择一。",
                "The age of the group counts already: give a group or a fixed age, not both.",
            )
        return given


def _every_track(given: list[TrackRow]) -> list[TrackRow]:
    complete([t.id for t in given], [t.value for t in RetirementTrack])
    return given


class RetirementFile(Sourced):
    elastic: Annotated[list[Elastic], Field(min_length=1)]
    tracks: Annotated[list[TrackRow], AfterValidator(_every_track)]


def _every_grade(given: dict[int, int]) -> dict[int, int]:
    complete(given, GRADES)
    return given


class InjuryGrant(Told):
    valid_from: StartDay
    months: Annotated[
        dict[Annotated[int, Field(ge=GRADES[0], le=GRADES[-1])], Annotated[Whole, Field(ge=1, le=120)]],
        AfterValidator(_every_grade),
    ]
    floor_share: Annotated[Exact, Field(gt=0, le=1)]
    cap_share: Annotated[Exact, Field(gt=0, le=10)]

    @field_validator("cap_share")
    @classmethod
    def _above_the_floor(cls, given: Decimal, info: ValidationInfo) -> Decimal:
        if given <= info.data.get("floor_share", 0):
            raise refused("not_above", "应高于 floor_share。", "It must be above floor_share.")
        return given


class Method(Told):
    times: Annotated[Whole, Field(ge=1, le=1000)]
    divided_by: Annotated[Whole, Field(ge=1, le=10000)]


def _every_method(given: dict[AllowanceMethodName, Method]) -> dict[AllowanceMethodName, Method]:
    complete(given, AllowanceMethodName)
    return given


class MaternityAllowance(Told):
    valid_from: StartDay
    leave_days: Annotated[Days, Field(ge=1)]
    difficult_days: Days
    further_infant_days: Days
    methods: Annotated[dict[AllowanceMethodName, Method], AfterValidator(_every_method)]
    local_method: AllowanceMethodName


class BenefitStep(Sourced):
    paid_months: Months
    benefit_months: Months


def _apart(given: list[BenefitStep]) -> list[BenefitStep]:
    differing([s.paid_months for s in given])
    return given


def _every_reason(given: dict[LeavingReason, bool]) -> dict[LeavingReason, bool]:
    complete(given, LeavingReason)
    return given


class UnemploymentMonths(Told):
    valid_from: StartDay
    steps: Annotated[list[BenefitStep], Field(min_length=1), AfterValidator(_apart)]
    reasons: Annotated[dict[LeavingReason, Truth], AfterValidator(_every_reason)]


class BenefitsFile(Sourced):
    injury_grant: Annotated[list[InjuryGrant], Field(min_length=1)]
    maternity_allowance: Annotated[list[MaternityAllowance], Field(min_length=1)]
    unemployment_months: Annotated[list[UnemploymentMonths], Field(min_length=1)]


class MedicalYears(Told):
    id: str
    title: Text
    locality: Locality
    valid_from: StartDay
    first_insured_on_or_after: StartDay
    continuous_months: Months
    cumulative_months: Months
    gap_tolerance_months: Annotated[Whole, Field(ge=0, le=120)]


class MedicalYearsFile(Sourced):
    rules: Annotated[list[MedicalYears], Field(min_length=1)]
