"""The calendar's counts equal their lists, follow the cases, and show rest days and make-up days of the year."""

from datetime import date
from typing import Any

import pytest

from api.deadlines import ics
from runtime import clock
from schemas.deadlines import LegalKind
from schemas.process import ProcessState
from store import tallies
from tests.api.conftest import Office, days, deadline


async def month_of(office: Office, name: str, **query: str) -> dict[str, Any]:
    client = await office.sign_in(name)
    answer = await client.get("/api/v1/calendar", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def filled(office: Office) -> None:
    for number, unit in (("AA1111111", "business"), ("BB2222222", "physics")):
        case = await office.case(id_number=number, org_unit=unit)
        dates = [
            deadline(days(2), ident="A", kind=LegalKind.STATUTORY),
            deadline(days(2), ident="B", kind=LegalKind.PAYMENT).model_copy(update={"authority": "tax_office"}),
            deadline(days(9), ident="C", kind=LegalKind.NORM).model_copy(update={"met_at": clock.now()}),
            deadline(days(-40), ident="D", kind=LegalKind.INTERNAL),
        ]
        await office.task(case, process={"deadlines": dates, "org_unit": unit})


async def figures(office: Office, name: str, **query: str) -> dict[tuple[str, str], int]:
    """All numbers of the months in question, each compared with its list."""
    client, found = await office.sign_in(name), {}
    for day in (days(2), days(9), days(-40)):
        view = await month_of(office, name, month=day.isoformat()[:7], **query)
        for shown in view["days"]:
            for kind, figure in shown["figures"].items():
                page = (await client.get(f"/api/v1{figure['path']}")).json()
                assert page["total"] == len(page["items"]) == figure["value"], figure
                found[shown["day"], kind] = figure["value"]
        for figure in view["totals"].values():
            assert (await client.get(f"/api/v1{figure['path']}")).json()["total"] == figure["value"]
    return found


async def test_each_number_equals_its_list_for_each_who_may_look(office: Office) -> None:
    await filled(office)
    soon, old = str(days(2)), str(days(-40))
    everything = {(soon, "statutory"): 2, (soon, "payment"): 2, (old, "internal"): 2}
    assert await figures(office, "supervisor") == everything
    await tallies.fold()
    assert await figures(office, "supervisor") == everything
    assert await figures(office, "college") == dict.fromkeys(everything, 1)
    assert await figures(office, "supervisor", authority="tax_office") == {(soon, "payment"): 2}


async def test_a_closed_case_and_a_moved_date_leave_their_day(office: Office) -> None:
    case = await office.case()
    await office.task(case, process={"deadlines": [deadline(days(2))]})
    assert await figures(office, "head") == {(str(days(2)), "statutory"): 1}
    await office.task(case, key="v/2", revision=2, process={"deadlines": [deadline(days(9))]})
    assert await figures(office, "head") == {(str(days(9)), "statutory"): 1}
    await office.task(case, key="v/3", revision=3, process={"state": ProcessState.CLOSED, "closed_at": clock.now()})
    assert await figures(office, "head") == {}


async def test_rest_days_and_make_up_days_are_visible(office: Office) -> None:
    view = await month_of(office, "supervisor", month="2026-10")
    shown = {d["day"]: d for d in view["days"]}
    assert len(shown) == 31 and not view["provisional"]
    assert shown["2026-10-01"]["rest"] and "国庆" in shown["2026-10-01"]["name"]["zh"]
    assert shown["2026-10-10"]["make_up"] and not shown["2026-10-10"]["rest"]
    assert (await month_of(office, "supervisor", month="2027-02"))["provisional"]


@pytest.mark.parametrize("query", [{"month": "soon"}, {"month": "2026-13"}, {"authority": "nobody"}])
async def test_what_is_no_month_is_refused_with_a_sentence(office: Office, query: dict[str, str]) -> None:
    client = await office.sign_in("supervisor")
    answer = await client.get("/api/v1/calendar", params=query)
    assert answer.status_code == 422 and "2026-11" in answer.json()["detail"]


async def test_file_for_a_calendar_program(office: Office) -> None:
    await filled(office)
    client = await office.sign_in("college")
    answer = await client.get("/api/v1/deadlines.ics", params={"kind": "statutory"})
    lines = answer.text.split("\r\n")
    assert answer.headers["content-type"].startswith("text/calendar")
    assert lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") == 1
    assert f"DTSTART;VALUE=DATE:{days(2):%Y%m%d}" in lines and lines[-2] == "END:VCALENDAR"
    assert all(len(line.encode()) <= 75 for line in lines)


def test_long_and_odd_words_survive_the_file() -> None:
    from schemas.board import DeadlineItem, DeadlinePage

    one = deadline(date(2026, 11, 30)).model_dump() | {"title": {"zh": "甲；乙，丙;丁,戊\\己" * 9, "en": "x"}}
    item = DeadlineItem.model_validate(
        one | {"process_id": "p", "process_title": "t", "process_kind": "enrolment", "case_no": "FE1", "authority": "a"}
    )
    text = ics(DeadlinePage(items=[item], total=1), english=False)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    (summary,) = [x for x in text.replace("\r\n ", "").split("\r\n") if x.startswith("SUMMARY:")]
    assert summary == "SUMMARY:" + "甲；乙，丙\\;丁\\,戊\\\\己" * 9 + " FE1"
