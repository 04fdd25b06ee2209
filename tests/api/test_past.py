"""Looking back: what a case and an inbox showed at any moment is what they are said to have shown."""

import random
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from api.past import moment_of
from api.processes import get_process
from api.tasks import get_task, list_tasks
from runtime import clock
from runtime.settings import get_settings
from schemas.api import TaskQuery, TaskViewName
from schemas.base import Text
from schemas.process import TimelineEntry
from store import copies, demo_clock, past
from store.database import reading, session
from store.tables.keeping import FOLLOWED, Kept
from store.tables.office import Setting
from store.tables.people import Hire, Person, User
from store.tables.processes import Process, Task
from store.users import create_user, seen_as
from tests.api.conftest import PASSWORD, Office, days, deadline
from tests.api.test_substitutes import away
from tests.api.test_tallies import one_change

VIEWS: tuple[TaskViewName, ...] = ("mine", "mine", "group", "group", "behalf", "done", "started", "cc", "all")
ACTS = ("row", "step", "click", "row", "copy", "draft", "record", "click", "role", "row", "away", "read", "comment")
READERS = ("clerk", "clerk", "clerk2", "supervisor", "college", "college2", "employee")


async def act(office: Office, rng: random.Random, cases: list[str], number: int) -> None:
    """One thing that people or processes do, by the functions of the product."""
    what = ACTS[number % len(ACTS)]
    case = rng.choice(cases)
    if what == "row":
        await one_change(rng, cases, number)
    elif what == "step":
        text = Text(zh=f"第{number}步", en=f"Step {number}")
        line = TimelineEntry(seq=number, at=clock.now(), kind="stage", text=text)
        await office.task(
            case, key=f"verification/{number}", revision=number, deadlines=[deadline(days(rng.choice((-3, 0, 2, 30))))],
            timeline=[line],
        )  # fmt: skip
    elif what in ("click", "draft"):
        name = rng.choice(("clerk", "clerk2"))
        client = await office.sign_in(name)
        for view in ("mine", "group"):
            for task in (await client.get("/api/v1/tasks", params={"view": view})).json()["items"]:
                if what == "draft" and "complete" in task["actions"]:
                    await client.put(f"/api/v1/tasks/{task['id']}/draft", json={"data": {"reason": str(number)}})
                    return
                doable = [a for a in ("claim", "release", "transfer") if a in task["actions"]]
                if what == "click" and doable:
                    body = {"to": "clerk" if name == "clerk2" else "clerk2", "reason": "换人"}
                    await client.post(f"/api/v1/tasks/{task['id']}/{rng.choice(doable)}", json=body)
                    return
    elif what == "copy":
        client = await office.sign_in("supervisor")
        to = {"usernames": [rng.choice(("clerk", "college", "clerk2"))], "note": str(number)}
        await client.post(f"/api/v1/processes/{case}/copies", json=to)
    elif what == "read":
        async with session() as s:
            await copies.mark_read(s, "clerk", case, None, clock.now())
    elif what == "comment":
        client = await office.sign_in("supervisor")
        for task in (await client.get("/api/v1/tasks", params={"view": "all", "process_id": case})).json()["items"][:1]:
            answer = await client.post(f"/api/v1/tasks/{task['id']}/comment", json={"text": f"第{number}条"})
            assert answer.status_code == 201, answer.text
    elif what == "record":
        async with session() as s:
            row = await s.scalar(select(Hire).where(Hire.process_id == case, Hire.valid))
            assert row is not None
            row.contract_start = days(rng.choice((-20, 0, 9, 40)))
            (await s.get_one(Person, row.person_id)).name_zh = f"穆{number}"
    elif what == "role":
        async with session() as s:
            roles = rng.choice((["college"], ["clerk"], ["college", "employee"]))
            await create_user(s, "college2", "x" * 12, name_zh="学院", roles=roles, org_units=["physics"])
    else:
        await away(office, "clerk2", rng.choice(("clerk", "supervisor")), setter="admin")


async def shown(s: Any, what: tuple[str, str, str]) -> dict[str, Any]:
    """A case with the pages of its tasks, or a view of somebody's inbox, as they are in this transaction."""
    about, name, whose = what
    viewer = await seen_as(s, await s.get_one(User, whose))
    if about == "case":
        case = await get_process(s, viewer, name)
        whole = [t.id for t in case.tasks if (await s.get_one(Task, t.id)).spec]  # `one_change` makes rows only
        tasks = [(await get_task(s, viewer, task_id)).model_dump(mode="json") for task_id in whole]
        return {**case.model_dump(mode="json"), "pages": tasks}
    page = await list_tasks(s, viewer, TaskQuery.model_validate({"view": name, "limit": 200}))
    return page.model_dump(mode="json")


async def test_every_moment_is_shown_as_it_was(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(20261120)
    cases = [await office.case(id_number=f"C01X00T4{n}", org_unit="physics" if n else "business") for n in range(3)]
    async with session() as s:
        user = await create_user(s, "employee", "x" * 12, name_zh="职工", roles=["employee"])
        user.person_id = (await s.get_one(Process, cases[0])).subject
        await s.execute(text("ALTER INDEX ix_kept_until SET (pages_per_range = 1)"))  # many ranges
        await s.execute(text("REINDEX INDEX ix_kept_until"))
    for number, case in enumerate(cases):
        await office.task(case)
        await one_change(rng, cases, number)
    seen: list[tuple[datetime, tuple[str, str, str], dict[str, Any]]] = []

    async def live(numbers: range) -> None:
        for number in numbers:
            await act(office, rng, cases, number)
            at = clock.now()
            wanted = ("case", rng.choice(cases), "admin"), ("inbox", rng.choice(VIEWS), rng.choice(READERS))
            with clock.looking_back(at):
                async with reading() as s:
                    seen.extend([(at, what, await shown(s, what)) for what in wanted])

    async def check(first: datetime) -> None:
        for at, what, answer in seen:
            if at >= first:
                async with past.reading_at(at) as s:
                    assert await shown(s, what) == answer, (at, what)

    await live(range(2, 2 + 3 * len(ACTS)))
    assert len({str(answer) for _, what, answer in seen if what[0] == "case"}) > 20
    assert sum(bool(answer["items"]) for _, what, answer in seen if what[0] == "inbox") > 5
    pages = [page for _, what, answer in seen if what[0] == "case" for page in answer["pages"]]
    assert {len(page["comments"]) for page in pages} >= {0, 1} and any(page["holder"] for page in pages)
    await check(seen[0][0])
    async with session() as s:
        followed = set(await s.scalars(select(Kept.about).distinct()))
        assert followed >= {f.table for f in FOLLOWED} - {"documents", "step_speeds"}
    # What is too old is dropped in several small pieces; every later moment is shown as before, with what comes then.
    first = seen[len(seen) // 2][0]
    monkeypatch.setattr(past, "BATCH", 7)
    async with session() as s:
        old = await s.scalar(select(func.count()).select_from(Kept).where(Kept.until <= first))
        assert old and old > 3 * past.BATCH
    assert await past.forget_before(first) == old
    async with session() as s:
        left = await s.scalar(select(func.brin_summarize_new_values("ix_kept_until")))
        assert left == 0, "the next time no page is read that the index could have told to hold nothing old"
    await live(range(200, 200 + len(ACTS)))
    await check(first)
    assert await past.forget_before(first - timedelta(minutes=1)) == 0
    async with reading() as s:
        assert await past.kept_since(s) == first


async def test_a_transaction_is_shown_whole_and_in_the_order_of_its_end(office: Office) -> None:
    """Two at once change one case: the one that began first ends last. At no moment is half of either shown."""
    one, two = [await office.case(id_number=f"C01X00T4{n}") for n in range(2)]

    async def titles(at: datetime) -> tuple[str, str]:
        async with past.reading_at(at) as s:
            return (await s.get_one(Process, one)).title, (await s.get_one(Process, two)).title

    async def change(s: Any, process_id: str, title: str) -> datetime:
        await s.execute(update(Process).where(Process.id == process_id).values(title=title))
        return clock.now()

    async with session() as s:
        await change(s, one, "0")
        await change(s, two, "0")
    moments = [clock.now()]
    async with session() as slow:
        moments.append(await change(slow, two, "slow"))
        async with session() as quick:
            moments.append(await change(quick, one, "quick"))
        moments.append(clock.now())
        moments.append(await change(slow, one, "slow"))
        await change(slow, one, "slow again")
    moments.append(clock.now())
    assert [await titles(at) for at in moments] == [
        ("0", "0"), ("0", "0"), ("0", "0"), ("quick", "0"), ("quick", "0"), ("slow again", "slow"),
    ]  # fmt: skip


async def test_what_is_encrypted_is_kept_once(office: Office) -> None:
    case = await office.case()
    task = await office.task(case)
    client = await office.sign_in("clerk")
    for words in ("一", "二", "三"):
        assert (await client.put(f"/api/v1/tasks/{task}/draft", json={"data": {"reason": words}})).status_code == 200
    async with session() as s:
        (await s.get_one(Person, (await s.get_one(Process, case)).subject)).name = "Renamed"
    async with session() as s:
        assert await s.scalar(select(func.count()).where(Kept.about == "tasks", Kept.key == task)) == 2  # come, taken
        (row,) = await s.scalars(select(Kept).where(Kept.about == "persons", Kept.was.is_not(None)))
        assert row.was is not None and row.was["secrets"] == r"\x" and row.was["name"] == "Anna Muster"


async def look(office: Office, who: str, path: str, **params: Any) -> Any:
    return await (await office.sign_in(who)).get(f"/api/v1/{path}", params=params)


async def test_the_api_looks_back(office: Office) -> None:
    case = await office.case()
    task = await office.task(case, deadlines=[deadline(days(9))])
    before = clock.now().astimezone(clock.SHANGHAI).replace(tzinfo=None).isoformat()
    client = await office.sign_in("clerk")
    assert (await client.post(f"/api/v1/tasks/{task}/claim")).status_code == 200
    claimed = clock.now().isoformat()
    then = (await look(office, "clerk", f"processes/{case}", at=before)).json()
    now = (await look(office, "clerk", f"processes/{case}")).json()
    assert [t["holder"] for t in then["tasks"]] == [None] and [t["holder"] for t in now["tasks"]] == ["clerk"]
    assert then["actions"] == [] == then["tasks"][0]["actions"]
    assert now["actions"] and now["tasks"][0]["actions"] and now["as_of"] is None
    assert datetime.fromisoformat(then["as_of"]) == datetime.fromisoformat(then["now"])

    async def mine(who: str, **params: Any) -> list[str]:
        return [t["id"] for t in (await look(office, who, "tasks", view="mine", **params)).json()["items"]]

    assert await mine("clerk") == [task] and await mine("clerk", at=before) == []
    assert await mine("supervisor", at=before, as_user="clerk") == []
    assert await mine("supervisor", at=claimed, as_user="clerk") == [task]
    assert await mine("supervisor", at=claimed.replace("+", " "), as_user="clerk") == [task]  # an address's lost plus
    assert await mine("supervisor", at=claimed) == []


@pytest.mark.parametrize(
    ("written", "first", "last"),
    [
        ("2026-11-20T09:15", "09:15:00", "09:15:59.999999"),
        ("2026-11-20 09:15", "09:15:00", "09:15:59.999999"),
        ("20261120T0915", "09:15:00", "09:15:59.999999"),
        ("2026-11-20T09:15+08:00", "09:15:00", "09:15:59.999999"),
        ("2026-11-20T01:15Z", "09:15:00", "09:15:59.999999"),
        ("2026-11-20T09:15:30", "09:15:30", "09:15:30.999999"),
        ("2026-11-20T09:15:30 08:00", "09:15:30", "09:15:30.999999"),
        ("2026-11-20T09:15:30.25+08:00", "09:15:30.25", "09:15:30.25"),
        ("2026-11-20", "00:00", "00:00"),
    ],
)
def test_a_moment_is_as_long_as_it_is_written(written: str, first: str, last: str) -> None:
    wanted = [datetime.fromisoformat(f"2026-11-20T{part}+08:00") for part in (first, last)]
    assert list(moment_of(written)) == wanted


async def test_the_second_and_the_minute_in_which_something_happened_show_it(office: Office) -> None:
    case = await office.case()
    async with session() as s:
        (await s.get_one(Process, case)).title = "after"
    async with session() as s:  # the instant of the last change, as the record has it
        happened = await s.scalar(select(func.max(Kept.until)).where(Kept.about == "processes", Kept.key == case))
    assert happened is not None

    async def title(at: str) -> str:
        return (await look(office, "clerk", f"processes/{case}", at=at)).json()["title"]

    local = happened.astimezone(clock.SHANGHAI).replace(tzinfo=None)
    assert await title(local.isoformat(timespec="seconds")) == "after"
    assert await title(local.isoformat(timespec="minutes")) == "after", "the minute that is still running"
    assert await title(happened.isoformat(timespec="microseconds")) == "after"
    before = happened - timedelta(microseconds=1)
    assert await title(before.isoformat(timespec="microseconds")) != "after"


async def test_a_search_in_the_past_knows_the_words_of_then(office: Office) -> None:
    case = await office.case(name="Anna Muster", name_zh="穆安娜")
    task = await office.task(case)
    before = clock.now().isoformat()
    async with session() as s:
        process, row = await s.get_one(Process, case), await s.get_one(Task, task)
        process.search = process.search.replace("穆安娜", "易新名")
        row.search = row.search.replace("穆安娜", "易新名").replace("审核参保材料", "复核证件")
        row.title_zh = "复核证件"

    async def found(q: str, **params: Any) -> list[str]:
        page = (await look(office, "clerk", "tasks", view="group", q=q, **params)).json()
        assert page["total"] == len(page["items"])
        return [t["id"] for t in page["items"]]

    for then, now in (("穆安娜", "易新名"), ("审核参保", "复核证件"), ("审核 穆安", "复核 易新"), ("娜", "易")):
        assert (await found(then, at=before), await found(then)) == ([task], []), then
        assert (await found(now, at=before), await found(now)) == ([], [task]), now
    assert await found("verify", at=before) == await found("verify") == [task]
    assert await found("muster", at=before) == await found("muster") == [task]


async def test_what_cannot_be_looked_back_at_says_why(office: Office) -> None:
    early = clock.now().isoformat()
    case = await office.case()
    async with reading() as s:
        before_all = (await past.kept_since(s) - timedelta(hours=1)).isoformat()
    to_come = (clock.now() + timedelta(hours=1)).isoformat()
    for path, params, words in (
        (f"processes/{case}", {"at": "gestern"}, "2026-11-20T09:15"),
        (f"processes/{case}", {"at": "0001-01-01T00:00+14:00"}, "2026-11-20T09:15"),
        (f"processes/{case}", {"at": to_come}, "只能回看过去"),
        (f"processes/{case}", {"at": before_all}, "起才有可回看的记录"),
        (f"processes/{case}", {"at": early}, "还没有这个个案"),
        ("tasks", {"at": to_come}, "只能回看过去"),
        ("tasks", {"as_user": "clerk"}, "at"),
    ):
        answer = await look(office, "supervisor", path, **params)
        assert answer.status_code == 422 and answer.json()["code"] == "bad_moment", (path, params, answer.text)
        assert words in answer.json()["detail"]
    answer = await look(office, "supervisor", "tasks", at=clock.now().isoformat(), as_user="nobody")
    assert answer.status_code == 404 and "用户" in answer.json()["detail"]


async def test_a_task_is_shown_as_it_was(office: Office) -> None:
    """Taken, filled in, talked about and answered: each moment shows what was, and offers nothing."""
    case = await office.case()
    early = clock.now().isoformat()
    task = await office.task(case, deadlines=[deadline(days(9))])
    client = await office.sign_in("clerk")
    moments = [clock.now().isoformat()]
    draft = {"data": {"certificate": "no", "exempt": []}}
    assert (await client.put(f"/api/v1/tasks/{task}/draft", json=draft)).status_code == 200
    moments.append(clock.now().isoformat())
    assert (await client.post(f"/api/v1/tasks/{task}/comment", json={"text": "已电话联系学院"})).status_code == 201
    body = {"outcome": "return", "version": 1, "data": {"defects": [{"code": "R06", "note": "看不清"}]}}
    answer = await client.post(f"/api/v1/tasks/{task}/complete", json=body, headers={"Idempotency-Key": "1"})
    assert answer.status_code == 200, answer.text
    moments.append(clock.now().isoformat())
    then = [(await look(office, "clerk", f"tasks/{task}", at=at)).json() for at in moments]
    assert [t["state"] for t in then] == ["ready", "in_progress", "completed"]
    assert [(t["holder"], len(t["comments"]), bool(t["answer"])) for t in then] == [
        (None, 0, False), ("clerk", 0, False), ("clerk", 1, True),
    ]  # fmt: skip
    assert all(t["actions"] == [] and t["draft"] is None and t["data"] == {} and t["as_of"] for t in then)
    now = (await look(office, "clerk", f"tasks/{task}")).json()
    assert now["as_of"] is None and now["answer"] == then[2]["answer"] and now["context"]["record"]
    refused = await look(office, "clerk", f"tasks/{task}", at=early)
    assert refused.status_code == 422 and "还没有这项任务" in refused.json()["detail"]
    for name in ("payroll", "college2"):
        assert (await look(office, name, f"tasks/{task}", at=moments[0])).status_code == 404, name


async def test_only_as_many_days_as_are_kept_can_be_looked_back(office: Office) -> None:
    """Ninety days later an installation that keeps thirty has dropped what was before, of open cases as well."""
    case = await office.case()
    async with session() as s:
        (await s.get_one(Process, case)).title = "first"
    early = clock.now()
    async with session() as s:
        (await s.get_one(Process, case)).title = "second"
    get_settings().look_back_days = 30
    assert await past.forget() == 0
    assert (await look(office, "clerk", f"processes/{case}", at=early.isoformat())).json()["title"] == "first"
    async with session() as s:
        await s.merge(Setting(key=demo_clock.KEY, value=90 * 86400))
    await demo_clock.refresh()
    assert await past.forget() > 0
    refused = await look(office, "clerk", f"processes/{case}", at=early.isoformat())
    assert refused.status_code == 422 and "起才有可回看的记录" in refused.json()["detail"]
    named = re.search(r"自 (\S+ \S+) 起", refused.json()["detail"])
    assert named is not None
    answer = await look(office, "clerk", f"processes/{case}", at=named[1])
    assert answer.status_code == 200 and answer.json()["title"] == "second", answer.text
    async with session() as s:
        assert await s.scalar(select(func.count()).select_from(Kept)) == 0


async def test_the_past_shows_nobody_more_than_the_roles_of_today(office: Office) -> None:
    mine, theirs = await office.case(), await office.case(id_number="C01X00T48", org_unit="physics")
    places = ((mine, "business"), (theirs, "physics"))
    opened = [await office.task(case, key="m/1", roles=["college"], org_unit=unit) for case, unit in places]
    at = clock.now().isoformat()
    assert (await look(office, "college", f"processes/{mine}", at=at)).status_code == 200
    assert (await look(office, "college", f"processes/{theirs}", at=at)).status_code == 404
    for who in ("clerk", "college", "payroll"):
        assert (await look(office, who, "tasks", at=at, as_user="college2")).status_code == 403
    for who in ("supervisor", "head", "auditor", "admin"):
        page = (await look(office, who, "tasks", at=at, as_user="college2", view="group")).json()
        assert [t["id"] for t in page["items"]] == [opened[1]] and page["counts"]["group"] == 1
    async with session() as s:  # today the officer of business works for physics
        await create_user(s, "college", PASSWORD, name_zh="学院", roles=["college"], org_units=["physics"])
    assert (await look(office, "college", f"processes/{mine}", at=at)).status_code == 404
    page = (await look(office, "college", "tasks", at=at, view="group")).json()
    assert page["items"] == [] and page["counts"]["group"] == 0
    page = (await look(office, "head", "tasks", at=at, as_user="college", view="group")).json()
    assert [t["id"] for t in page["items"]] == [opened[0]]


async def test_a_moved_clock_is_asked_by_what_it_showed(office: Office) -> None:
    """The demo's clock jumps ahead: a moment is the one that stood on the pages."""
    case = await office.case()
    seen: list[tuple[datetime, str]] = []
    for title, ahead in (("一", 0), ("二", 3), ("三", 10)):
        async with session() as s:
            await s.merge(Setting(key=demo_clock.KEY, value=ahead * 86400))
        await demo_clock.refresh()
        async with session() as s:
            (await s.get_one(Process, case)).title = title
        seen.append((clock.now(), title))
    for at, title in seen:
        shown = (await look(office, "clerk", f"processes/{case}", at=at.isoformat())).json()
        assert shown["title"] == title and datetime.fromisoformat(shown["now"]) == at
    assert seen[2][0] - seen[0][0] > timedelta(days=9)
    between = (seen[1][0] + timedelta(days=2)).isoformat()
    assert (await look(office, "clerk", f"processes/{case}", at=between)).json()["title"] == "二"
