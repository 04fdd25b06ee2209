"""A field's fault is said by an example: no regular expression, no general sentence where a better one is known."""

import re
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from schemas.calculations.base import Day
from schemas.messages_of_fields import faults_of


class Sample(BaseModel):
    country: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "DEU"
    month: Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")] = "2026-11"
    odd: Annotated[str, Field(pattern=r"^[a-q]+$")] = "a"
    pair: tuple[Decimal, Decimal] = (Decimal(0), Decimal(1))
    n: Annotated[int, Field(strict=True)] = 1
    items: Annotated[list[str], Field(min_length=1)] = ["x"]
    day: Day | None = None
    said: Annotated[str, Field(min_length=1)] = "x"


@pytest.mark.parametrize(
    ("given", "zh", "en"),
    [
        ({"country": "deu"}, "如 DEU", "like DEU"),
        ({"month": "2026-13"}, "如 2026-11", "like 2026-11"),
        ({"odd": "zz"}, "对照字段说明", "description"),
        ({"pair": "5000"}, "列表", "list"),
        ({"n": 1.5}, "整数", "whole number"),
        ({"items": []}, "至少填 1 项", "At least 1 item."),
        ({"said": ""}, "至少 1 个字符", "At least 1 character."),
        ({"day": "1800-01-01"}, "1900 至 2199", "between 1900 and 2199"),
    ],
)
def test_a_fault_is_said_so_that_it_can_be_mended(given: dict[str, Any], zh: str, en: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate(given)
    [(pointer, _, text)] = faults_of(caught.value.errors())
    assert pointer.strip("/").split("/")[0] == next(iter(given))
    assert zh in text.zh and en in text.en
    assert not re.search(r"[\^\\$]", text.zh + text.en)
