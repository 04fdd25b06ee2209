"""Parts of the shapes of rule files: types of a value, and what may be said of every value."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import Text
from schemas.calculations.base import refused

Insurance = Literal["pension", "annuity", "unemployment", "work_injury", "medical", "maternity", "large_medical"]
Scheme = Literal["all", "enterprise", "public_institution"]
Locality = Literal["CN", "SC", "SC-CD", "CD"]
Confidence = Annotated[str, Field(pattern=r"^(confirmed|known|uncertain|.*(confirmed|known|uncertain).*)$")]
Hour = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Published = Annotated[str, Field(pattern=r"^(\d{4}(-\d{2}(-\d{2})?)?)?$")]  # a year or month where no more is known
DayOrRange = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}(/\d{4}-\d{2}-\d{2})?$")]


def _empty(value: Any) -> Any:
    return None if value == "" else value


def quoted(value: Any) -> Any:
    """A number as a text; a whole one may go without quotes."""
    if isinstance(value, float):
        raise _not_quoted()
    return value


def _text_number(value: Any) -> Any:
    if not isinstance(value, str):
        raise _not_quoted()
    return value


def _not_quoted() -> PydanticCustomError:
    return refused(
        "not_quoted",
        "数字应加引号，才不会变成近似值。",
        "Put the number in quotes, or it becomes an approximation.",
    )


def _flag(value: Any) -> Any:
    """true or false, as a table writes them; "yes" or 1 are not taken for either."""
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise refused("not_a_flag", "应为 true 或 false。", "It must be true or false.")
    return value == "true"


def _real_day(value: Any) -> Any:
    """A date of YAML, without quotes."""
    if not isinstance(value, date):
        raise refused(
            "bad_date", "应为日期，不加引号，如 2026-11-24。", "It must be a date, not in quotes, like 2026-11-24."
        )
    return value


OptionalDay = Annotated[date | None, BeforeValidator(_empty)]
OptionalNumber = Annotated[Decimal | None, BeforeValidator(_empty)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Share = Annotated[Decimal, BeforeValidator(quoted), Field(ge=0, lt=1)]
Yuan = Annotated[Decimal, BeforeValidator(quoted), Field(gt=0)]
Exact = Annotated[Decimal, BeforeValidator(_text_number)]  # a number in quotes and nothing else
StartDay = Annotated[date, BeforeValidator(_real_day)]
Whole = Annotated[int, Field(strict=True)]
Truth = Annotated[bool, Field(strict=True)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TableLine(Strict):
    """A row of a table. An empty cell is none: where one is needed it is said to be missing."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty_cells(cls, row: Any) -> Any:
        return {k: v for k, v in cast("dict[str, Any]", row).items() if v != ""} if isinstance(row, dict) else row


class Described(Strict):
    """What may be said of every value beside where it comes from."""

    article: Text | None = None  # the source as a derivation names it, where it is more than names
    review_by: date | None = None
    published_on: date | None = None
    doc: str | None = None
    note: str | None = None


class Sourced(Described):
    """A value that may leave it to what surrounds it to say where it comes from."""

    source: str | None = None
    confidence: Confidence | None = None
    sample: bool | None = None


class Told(Described):
    """A value that says by itself where it comes from and whether it is an example."""

    source: Annotated[str, Field(min_length=1)]
    confidence: Confidence
    sample: Truth


def complete(given: Collection[object], needed: Iterable[object]) -> None:
    """Refuses what lacks one of those that calculations ask for."""
    missing = [str(n) for n in needed if n not in given]
    if missing:
        raise refused("incomplete", f"缺少 {'、'.join(missing)}，请补上。", f"{', '.join(missing)} missing: add it.")


def differing(given: Sequence[object]) -> None:
    """Refuses a name that two have."""
    twice = sorted({str(n) for n in given if given.count(n) > 1})
    if twice:
        raise refused(
            "doubled", f"{'、'.join(twice)} 重复，各项须不同。", f"{', '.join(twice)} occurs twice: each needs its own."
        )
