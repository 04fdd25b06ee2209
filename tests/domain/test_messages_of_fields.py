"""A field's fault is said by an example: no regular expression, no general sentence where a better one is known."""

import re
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from schemas.base import Body
from schemas.calculations.base import Day
from schemas.desk import NoteBody, ReasonBody
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
        ({"said": ""}, "只有空格", "must not be empty or blank"),
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


def bodies() -> list[type[Body]]:
    """Every body of the API."""
    import api.app  # noqa: F401  # pyright: ignore[reportUnusedImport]

    found: list[type[Body]] = []
    open_ = [Body]
    while open_:
        open_ += (children := open_.pop().__subclasses__())
        found += children
    return found


def test_blanks_alone_are_no_text_in_any_body() -> None:
    told = {("NoticeBody", "text"), ("SignIn", "password"), ("SignIn", "username")}  # taken as they are
    checked: set[str] = set()
    for body in bodies():
        for name, field in body.model_fields.items():
            least = next((m.min_length for m in field.metadata if hasattr(m, "min_length")), None)
            if field.annotation is not str or not least or (body.__name__, name) in told:
                continue
            with pytest.raises(ValidationError) as caught:
                body.model_validate({name: " \u3000 "})
            [fault] = [f for f in faults_of(caught.value.errors()) if f[0] == f"/{name}"]
            assert fault[1] == "string_too_short" and "空格" in fault[2].zh and "blank" in fault[2].en, (body, name)
            checked.add(f"{body.__name__}.{name}")
    wanted = "GiveBody.reason ReasonBody.reason NoteBody.note SubstitutionBody.reason LeavingBody.reason"
    wanted += " CommandBody.reason CommentBody.text OnBehalf.reason SavedViewBody.name CaseBatch.reason"
    wanted += " ReturnBody.reason WithdrawBody.reason AmendBody.reason ExtendBody.reason DateDecisionBody.reason"
    assert set(wanted.split()) <= checked, sorted(checked)
    assert ReasonBody(reason=" 出差 ").reason == "出差"
    assert NoteBody.model_validate({"note": "\n已核对\n"}).note == "已核对"
