"""Words that several calculations share: insurances, schemes, categories, places, flags of a value."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from schemas.calculations.base import Money, Month, Rate, refused


class Insurance(StrEnum):
    PENSION = "pension"
    ANNUITY = "annuity"
    UNEMPLOYMENT = "unemployment"
    WORK_INJURY = "work_injury"
    MEDICAL = "medical"
    MATERNITY = "maternity"
    LARGE_MEDICAL = "large_medical"
    MEDICAL_MATERNITY = "medical_maternity"
    LONG_TERM_CARE = "long_term_care"


class Locality(StrEnum):
    """CN the state, SC Sichuan, SC-CD and CD Chengdu. A place includes the wider ones."""

    CN = "CN"
    SC = "SC"
    SC_CD = "SC-CD"
    CD = "CD"


class Category(StrEnum):
    ESTAB_MAINLAND = "ESTAB_MAINLAND"
    CONTRACT_MAINLAND = "CONTRACT_MAINLAND"
    HMT = "HMT"
    FOREIGN_WORK_PERMIT = "FOREIGN_WORK_PERMIT"
    FOREIGN_PR = "FOREIGN_PR"
    RETIRED_REHIRED = "RETIRED_REHIRED"
    OVER_AGE_FOREIGN = "OVER_AGE_FOREIGN"


class Flag(StrEnum):
    """What to know about a value: `sample` not confirmed for this place; `expired_rate_in_use` and `limit_of_last_year`
    the notice of the period was not out; `provisional` the period begins after the day of knowledge."""

    SAMPLE = "sample"
    EXPIRED_RATE_IN_USE = "expired_rate_in_use"
    LIMIT_OF_LAST_YEAR = "limit_of_last_year"
    PROVISIONAL = "provisional"


def _limits(given: tuple[Decimal, Decimal]) -> tuple[Decimal, Decimal]:
    if not 0 <= given[0] <= given[1]:
        raise refused(
            "bad_limits", "下限不能为负，也不能高于上限。", "The floor must not be negative or above the cap."
        )
    return given


def _months(given: tuple[str, str]) -> tuple[str, str]:
    if given[0] > given[1]:
        raise refused("bad_span", "起始月不能晚于终止月。", "The first month must not be later than the last.")
    return given


Limits = Annotated[tuple[Money, Money], AfterValidator(_limits), Field(examples=[["4588", "22938"]])]
"""Floor and cap in yuan a month."""

RatePair = tuple[Rate, Rate]
"""Share of the unit, share of the person."""

Rates = Annotated[dict[Insurance, RatePair], Field(max_length=len(Insurance))]

Months = Annotated[tuple[Month, Month], AfterValidator(_months), Field(examples=[["2025-01", "2025-08"]])]
"""First and last month, both included."""
