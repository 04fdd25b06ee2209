"""difference: the make-up 补差 after late limits or a corrected wage, per person and insurance, and who declares it."""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, RootModel

from schemas.calculations.base import Day, Input, Item, Money, Yuan, label, refused
from schemas.calculations.insurances import Insurance, Limits, Months, Rates

STATUS = re.compile(
    r"(?P<active>active)|stopped (?P<stopped>\d{4}-\d{2}-\d{2})|retired through the unit (?P<retired>\d{4}-\d{2})"
    r"|moved to another unit (?P<moved>\d{4}-\d{2}-\d{2})",
    re.ASCII,
)
_PATTERN = re.sub(r"\?P<\w+>", "?:", STATUS.pattern)


def _status(given: str) -> str:
    found = STATUS.fullmatch(given)
    day = next((v for k, v in found.groupdict().items() if v and k != "active"), None) if found else None
    try:
        if found is None or (day and not date.fromisoformat(day if len(day) == 10 else f"{day}-01")):
            raise ValueError(given)
    except ValueError:
        raise refused(
            "bad_status",
            "应为 active、stopped 2023-05-31、retired through the unit 2023-05 或 moved to another unit 2023-05-31。",
            "Write active, stopped 2023-05-31, retired through the unit 2023-05 or moved to another unit 2023-05-31.",
        ) from None
    return given


Status = Annotated[
    str,
    AfterValidator(_status),
    Field(
        json_schema_extra={"pattern": f"^(?:{_PATTERN})$"},
        examples=[
            "active",
            "stopped 2023-05-31",
            "retired through the unit 2023-05",
            "moved to another unit 2023-05-31",
        ],
    ),
]


class RoutingCode(StrEnum):
    """batch: the agency's batch; self_declare: the unit declares; self_declare_by_former_unit: the unit that the person
    has left declares; already_declared: done by the unit before; not_affected: nothing changes."""

    BATCH = "batch"
    SELF_DECLARE = "self_declare"
    SELF_DECLARE_BY_FORMER_UNIT = "self_declare_by_former_unit"
    ALREADY_DECLARED = "already_declared"
    NOT_AFFECTED = "not_affected"


class DifferencePerson(Item):
    """`declared`: the wage that was billed; `declared_new`: what it should have been, where it is corrected. `paid`:
    first and last month paid in this unit. `already_declared`: insurances whose difference the unit has declared by
    itself before the batch run."""

    id: str = Field(min_length=1, max_length=60, json_schema_extra=label("编号", "Id"))
    declared: Money = Field(gt=0, json_schema_extra=label("申报工资（元）", "Declared wage (yuan)"))
    declared_new: Money | None = Field(
        default=None, gt=0, json_schema_extra=label("更正后工资（元）", "Corrected wage (yuan)")
    )
    paid: Months = Field(json_schema_extra=label("本单位缴费起止月", "Months paid in this unit"))
    status: Status = Field(json_schema_extra=label("状态", "Status"))
    already_declared: list[Insurance] = Field(
        default=[], max_length=len(Insurance), json_schema_extra=label("已自行申报的险种", "Declared already")
    )


class DifferenceInput(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "limits_old": ["4511", "22555"],
                    "limits_new": ["4588", "22938"],
                    "rates": {"pension": ["0.16", "0.08"]},
                    "windows": {"pension": ["2025-01", "2025-08"]},
                    "batch_run": "2025-09-26",
                    "persons": [
                        {"id": "A01", "declared": "4300", "paid": ["2025-01", "2025-08"], "status": "active"},
                        {
                            "id": "A02",
                            "declared": "4300",
                            "paid": ["2025-01", "2025-05"],
                            "status": "stopped 2025-05-31",
                        },
                    ],
                }
            ]
        }
    )

    limits_old: Limits = Field(json_schema_extra=label("原上下限（元）", "Limits before (yuan)", widget="json"))
    limits_new: Limits = Field(json_schema_extra=label("新上下限（元）", "Limits after (yuan)", widget="json"))
    rates: Rates = Field(
        min_length=1,
        json_schema_extra=label("费率：险种 → [单位, 个人]", "Rates: insurance -> [unit, person]", widget="json"),
    )
    windows: dict[Insurance, Months] = Field(
        min_length=1,
        json_schema_extra=label("补差月份：险种 → [起, 止]", "Months: insurance -> [first, last]", widget="json"),
    )
    batch_run: Day = Field(json_schema_extra=label("集中补差日", "Day of the batch run"))
    persons: list[DifferencePerson] = Field(
        min_length=1, max_length=5000, json_schema_extra=label("人员", "Persons", widget="json")
    )


class PersonDifference(Item):
    """`base`: before and after. Each insurance is a field of its own: unit, person, who settles it."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, tuple[Yuan, Yuan, RoutingCode]]  # pyright: ignore[reportIncompatibleVariableOverride]

    base: tuple[Yuan, Yuan] = Field(json_schema_extra=label("基数：原、新（元）", "Base: before, after (yuan)"))


class DifferenceAnswer(RootModel[dict[str, PersonDifference]]):
    """Person's id -> what changes."""
