"""Watched dates: each rung once, one message a person and day, nothing on rest days, moved dates again."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

import policies
from domain.calendar import work_calendar
from domain.notices import check_notice_files, mask, rungs_reached, watch_rules
from domain.policy import PolicyError
from runtime import clock
from runtime.settings import Settings
from schemas.base import Text
from store import database as db
from store import people, watch_dates
from store.policies import snapshot
from store.tables.notices import WatchRung
from store.tables.office import Message
from store.tables.outbox import Outgoing
from store.tables.processes import Process
from tests.notifications.conftest import CASE, PERSON, WEDNESDAY, open_case
from worker.watch import tell_watched_dates

TODAY = WEDNESDAY.date()


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(clock, "now", lambda: moment)


async def messages() -> dict[str, list[Message]]:
    found: dict[str, list[Message]] = {}
    async with db.session() as s:
        for m in await s.scalars(select(Message).order_by(Message.id)):
            found.setdefault(m.username, []).append(m)
    return found


async def test_clerks_and_the_college_are_told_once(office: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    await open_case(permit_expires=TODAY + timedelta(days=85), id_expires=TODAY + timedelta(days=20))
    assert await tell_watched_dates() == 3
    assert await tell_watched_dates() == 0
    found = await messages()
    assert sorted(found) == ["clerk", "clerk2", "college"]
    (told,) = found["clerk"]
    assert told.text_zh.startswith("2 个证件日期或期限临近")
    assert f"工作许可 {TODAY + timedelta(days=85)}（还有 85 天）" in told.text_zh
    assert "合同到 2028-11-08，晚于工作许可。" in told.text_zh
    assert "护照等证件" in told.text_zh
    assert "Business School" in told.text_en
    assert "C01X00T47" not in told.text_zh
    assert told.link == f"/processes/{CASE}"
    async with db.session() as s:
        assert (await s.scalar(select(func.count()).select_from(WatchRung))) == 3  # 90 of the permit; 90, 30 of the id
        mails = list(await s.scalars(select(Outgoing)))
    assert [(m.username, m.channel, m.reminder) for m in mails] == [("clerk", "mail", True)]
    assert "Muster" not in mails[0].subject
    at(monkeypatch, WEDNESDAY + timedelta(days=1))
    assert await tell_watched_dates() == 0  # nothing new
    at(monkeypatch, WEDNESDAY + timedelta(days=56))  # 20 January: 29 days left
    assert await tell_watched_dates() == 3
    (_, second) = (await messages())["college"]
    assert "还有 29 天" in second.text_zh
    assert "护照" not in second.text_zh


async def test_a_moved_date_is_told_again_and_a_finished_one_never(
    office: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await open_case()
    async with db.session() as s:
        await people.watch(s, person, CASE, "certificate_due", TODAY + timedelta(days=25))
    assert await tell_watched_dates() == 3
    async with db.session() as s:
        await people.watch(s, person, CASE, "certificate_due", TODAY + timedelta(days=28))
    at(monkeypatch, WEDNESDAY + timedelta(days=1))
    assert await tell_watched_dates() == 3
    async with db.session() as s:
        assert await watch_dates.date_of(s, CASE, "certificate_due") == TODAY + timedelta(days=28)
        await watch_dates.done(s, CASE, "certificate_due", WEDNESDAY)
        assert await watch_dates.date_of(s, CASE, "certificate_due") is None
    at(monkeypatch, WEDNESDAY + timedelta(days=21))  # the rung of 7 days
    assert await tell_watched_dates() == 0


async def test_cancelled_cases_rest_days_and_nights_are_quiet(
    office: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = TODAY + timedelta(days=10)
    await open_case(state="cancelled", permit_expires=soon)
    assert await tell_watched_dates() == 0
    await open_case(
        "enrolment-FE2026-0002", PERSON.replace("01", "02"), id_number="X1234567", org_unit="law", permit_expires=soon
    )
    at(monkeypatch, datetime(2026, 11, 28, 2, tzinfo=UTC))  # Saturday
    assert await tell_watched_dates() == 0
    at(monkeypatch, datetime(2026, 11, 26, 0, 29, tzinfo=UTC))  # Thursday, 08:29
    assert await tell_watched_dates() == 0
    at(monkeypatch, datetime(2026, 11, 26, 0, 30, tzinfo=UTC))
    assert await tell_watched_dates() == 3
    assert sorted(await messages()) == ["clerk", "clerk2", "college2"]


async def test_one_bad_record_stops_neither_the_others_nor_its_own_next_try(
    office: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = TODAY + timedelta(days=10)
    await open_case(permit_expires=soon)
    other = "enrolment-FE2026-0002"
    await open_case(other, PERSON.replace("01", "02"), id_number="X1234567", org_unit="law", permit_expires=soon)
    whole = watch_dates._who

    def broken(process: Process | None, *rest: Any) -> Text:
        if process is not None and process.id == CASE:
            raise KeyError("a fault in the program")
        return whole(process, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(watch_dates, "_who", broken)
        assert await tell_watched_dates() == 3
    assert sorted(await messages()) == ["clerk", "clerk2", "college2"]
    at(monkeypatch, WEDNESDAY + timedelta(days=1))
    assert await tell_watched_dates() == 3
    assert sorted(await messages()) == ["clerk", "clerk2", "college", "college2"]


def test_a_rung_on_a_rest_day_comes_before_it() -> None:
    school = work_calendar(snapshot().calendar("school"))
    on = date(2026, 12, 27) + timedelta(days=7)  # its rung of 7 days is a Sunday
    assert rungs_reached(on, [30, 7], date(2026, 12, 24), school) == [30]
    assert rungs_reached(on, [30, 7], date(2026, 12, 25), school) == [30, 7]


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("watch_rules.yaml", "kind: id_expires", "kind: cat_expires", "cat_expires 无效"),
        ("watch_rules.yaml", "days: [30, 7]", "days: [30, 30]", "certificate_due"),
        ("watch_rules.yaml", "days: [30, 7]", "days: soon", "days"),
        ("notice_texts.yaml", "id: foreign", "id: domestic", "没有 foreign"),
    ],
)
def test_broken_rules_are_refused(name: str, old: str, new: str, says: str) -> None:
    texts = policies.read_all()
    check_notice_files(texts)
    assert watch_rules(texts)["permit_expires"].days == [90, 30]
    assert old in texts[name]
    with pytest.raises(PolicyError) as refused:
        check_notice_files({**texts, name: texts[name].replace(old, new)})
    assert says in refused.value.text.zh


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("510000199001011234", "510***********1234"),
        ("DEU0C01X00T47", "DEU******0T47"),
        ("C01X00T47", "*******47"),
        ("A1", "**"),
    ],
)
def test_masking(number: str, shown: str) -> None:
    assert mask(number) == shown
