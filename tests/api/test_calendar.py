"""The calendar's counts equal their lists, follow the cases, and show rest days and make-up days of the year."""

import re
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

import api.deadlines
from api.deadlines import ics
from runtime import clock
from schemas.deadlines import LegalKind
from schemas.process import ProcessState
from store import dates, tallies
from store.database import reading, session
from store.tables.people import User
from store.users import seen_as
from tests.api.conftest import Office, days, deadline
from tests.api.test_tallies import rows_read


async def month_of(office: Office, name: str, **query: str) -> dict[str, Any]:
    client = await office.sign_in(name)
    answer = await client.get("/api/v1/calendar", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def filled(office: Office) -> None:
    for number, unit in (("AA1111111", "business"), ("BB2222222", "physics")):
        case = await office.case(id_number=number, org_unit=unit)
        some = [
            deadline(days(2), ident="A", kind=LegalKind.STATUTORY),
            deadline(days(2), ident="B", kind=LegalKind.PAYMENT).model_copy(update={"authority": "tax_office"}),
            deadline(days(9), ident="C", kind=LegalKind.NORM).model_copy(update={"met_at": clock.now()}),
            deadline(days(-40), ident="D", kind=LegalKind.INTERNAL),
        ]
        await office.task(case, process={"deadlines": some, "org_unit": unit})


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


async def test_pages_follow_one_another_without_gap_or_repeat(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(7):
        unit = "physics" if n % 3 == 0 else "business"
        case = await office.case(id_number=f"AA111111{n}", org_unit=unit)
        two = [deadline(days(n // 2), ident=i) for i in ("A", "B")]
        await office.task(case, process={"deadlines": two, "org_unit": unit})
    everything: list[tuple[str, str]] = []
    for name, number in (("supervisor", 14), ("college", 8), ("payroll", 0)):
        client = await office.sign_in(name)
        seen, query = list[Any](), {"limit": "3"}
        while True:
            page = (await client.get("/api/v1/deadlines", params=query)).json()
            assert page["total"] == number and len(page["items"]) <= 3
            seen += [(d["due_at"], d["process_id"], d["id"]) for d in page["items"]]
            if not page["next_cursor"]:
                break
            query["cursor"] = page["next_cursor"]
        assert len(seen) == number and seen == sorted(set(seen)), name
        everything = everything or [(process_id, ident) for _, process_id, ident in seen]
    client = await office.sign_in("supervisor")
    sizes: list[int] = []
    page_of = dates.page

    async def seen_page(*given: Any) -> dates.Page:
        found = await page_of(*given)
        sizes.append(len(found.rows))
        return found

    monkeypatch.setattr(api.deadlines, "MOST", 3)
    monkeypatch.setattr(dates, "page", seen_page)
    file = (await client.get("/api/v1/deadlines.ics")).text
    assert [file.count(f"{part}:V{what}") for part in ("BEGIN", "END") for what in ("CALENDAR", "EVENT")] == [1, 14] * 2
    assert re.findall(r"UID:(.*)/(.*)@baoqi", file.replace("\r\n ", "")) == everything and sizes == [3, 3, 3, 3, 2]
    refused = await client.get("/api/v1/deadlines", params={"cursor": "x"})
    assert refused.status_code == 422 and refused.json()["code"] == "bad_cursor"


MANY = """
INSERT INTO processes (id, kind, case_no, title, search, state, org_unit, stages, active_stages, deadlines, waiting_on,
  revision, started_by, started_at, flags, parameters, clock_offset_seconds)
SELECT 'many-' || n, 'enrolment', 'FE' || n, 'x', 'x', 'running', 'business', '[]', '{}', jsonb_build_array(
    CAST(:one AS jsonb) || jsonb_build_object('due', DATE '2026-11-02' + n % 200,
      'due_at', (DATE '2026-11-02' + n % 200) + TIME '09:00' || 'Z')), '{}', 1, 'system', now(), '{}', '{}', 0
FROM generate_series(1, 4000) n
"""


async def test_a_page_of_dates_reads_its_head(office: Office) -> None:
    """Four thousand open cases: what a page looks at does not grow with them."""
    async with session() as s:
        await s.execute(text(MANY), {"one": deadline(date(2026, 11, 2)).model_dump_json()})
    async with session() as s:
        await s.execute(text("ANALYZE"))
    period = dates.Period(date(2026, 11, 2), date(2027, 5, 30))
    async with reading() as s:
        for name in ("supervisor", "college"):
            viewer = await seen_as(s, await s.get_one(User, name))
            assert sum((await dates.counts(s, viewer, period)).values()) == 4000
            cursor = None
            for _ in range(2):
                page = await dates.page(s, viewer, period, cursor, 20)
                assert len(page.rows) == 20 and page.next_cursor
                looked = await rows_read(s, dates.page(s, viewer, period, cursor, 20), ("case_dates", "processes"))
                assert looked < 100, (name, looked)
                cursor = page.next_cursor


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


@pytest.mark.parametrize("query", [{"to": "9999-12-31"}, {"from": "0001-01-01"}])
async def test_years_in_which_nothing_can_be_due_are_refused(office: Office, query: dict[str, str]) -> None:
    client = await office.sign_in("supervisor")
    for path in ("/api/v1/deadlines", "/api/v1/deadlines.ics"):
        answer = await client.get(path, params=query)
        assert answer.status_code == 422 and "2199" in answer.json()["detail"], path


@pytest.mark.parametrize("path", ["/api/v1/deadlines", "/api/v1/deadlines.ics"])
async def test_a_period_that_ends_before_it_begins_is_refused_at_its_field(office: Office, path: str) -> None:
    client = await office.sign_in("supervisor")
    answer = await client.get(path, params={"from": "2026-11-30", "to": "2026-11-01"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/to")


async def test_file_for_a_calendar_program(office: Office) -> None:
    await filled(office)
    client = await office.sign_in("college")
    answer = await client.get("/api/v1/deadlines.ics", params={"kind": "statutory"})
    lines = answer.text.split("\r\n")
    assert answer.headers["content-type"].startswith("text/calendar")
    assert "PRODID:-//Baoqi//deadlines//ZH" in lines
    english = (await client.get("/api/v1/deadlines.ics", params={"kind": "statutory", "lang": "en"})).text
    assert "PRODID:-//Baoqi//deadlines//EN" in english
    assert lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") == 1
    assert f"DTSTART;VALUE=DATE:{days(2):%Y%m%d}" in lines and lines[-2] == "END:VCALENDAR"
    assert all(len(line.encode()) <= 75 for line in lines)


def test_long_and_odd_words_survive_the_file() -> None:
    from schemas.board import DeadlineItem

    one = deadline(date(2026, 11, 30)).model_dump() | {"title": {"zh": "甲；乙，丙;丁,戊\\己" * 9, "en": "x"}}
    item = DeadlineItem.model_validate(
        one | {"process_id": "p", "process_title": "t", "process_kind": "enrolment", "case_no": "FE1", "authority": "a"}
    )
    text = ics([item], False, clock.now())
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    (summary,) = [x for x in text.replace("\r\n ", "").split("\r\n") if x.startswith("SUMMARY:")]
    assert summary == "SUMMARY:" + "甲；乙，丙\\;丁\\,戊\\\\己" * 9 + " FE1"
