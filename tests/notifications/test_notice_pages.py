"""The notice in the pages: the person reads the full numbers, everybody else masked ones."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from runtime.settings import Settings
from tests.applications import with_pages
from tests.notifications.conftest import CASE
from tests.notifications.test_notice import NUMBERS, finished_case, send


@asynccontextmanager
async def visitor(username: str) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=with_pages())
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        signed = await client.post("/api/v1/session", json={"username": username, "password": "x"})
        assert signed.status_code < 300, signed.text
        yield client


async def test_own_record_and_case_page(office: Settings) -> None:
    person = await finished_case(email=None)
    await send(person)
    async with visitor("anna") as own:
        mine = (await own.get("/my")).text
        case = (await own.get(f"/cases/{CASE}")).text
    async with visitor("college") as college:
        theirs = (await college.get(f"/cases/{CASE}")).text
    async with visitor("clerk") as clerk:
        seen = (await clerk.get(f"/cases/{CASE}")).text
        seen_en = (await clerk.get(f"/cases/{CASE}?lang=en")).text
        empty = (await clerk.get("/my")).text
    for number in NUMBERS.values():
        assert number in mine
        assert number in case
        assert number not in theirs + empty
        # The office amends a wrong number, so it reads what is on record there, and nowhere else on the page.
        on_record = seen[seen.index('id="record"') :]
        assert seen.count(number) == seen_en.count(number) == on_record[: on_record.index("</section>")].count(number)
    assert "DEU******0T47" in seen
    assert "没有可用的邮箱" in seen
    assert "Social-security number" in seen_en
    assert "no usable mail address" in seen_en
