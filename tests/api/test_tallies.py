"""Counts are sums of tallies, and equal their lists while others write; a page reads its head and not the list."""

import asyncio
import random
from collections.abc import Awaitable, Collection, Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, event, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from runtime import clock
from schemas.api import ProcessQuery, TaskQuery, TaskViewName
from store import board, cases, inbox, inbox_counts, tallies, urgency
from store.database import engine, reading, session
from store.tables.counting import COLUMNS, Tally
from store.tables.people import User
from store.tables.processes import Process, Task
from store.users import Viewer, create_user, seen_as
from tests.api.conftest import USERS, Office
from tests.api.test_substitutes import away

PEOPLE = [*USERS, "employee"]
ROLES = (
    ["clerk"],
    ["clerk", "supervisor"],
    ["college"],
    ["college", "clerk"],
    ["employee"],
    ["payroll"],
    ["supervisor"],
)
VIEWS: tuple[TaskViewName, ...] = ("group", "behalf", "mine", "started", "done", "all")
KINDS = ("enrolment.materials", "enrolment.verification", "registration.result")


def moments(rng: random.Random) -> dict[str, Any]:
    """Late, due today, at risk, calm, or without a date; some on the hour that now is."""
    if rng.random() < 0.1:
        return {"next_due_at": None, "latest_start": None}
    due = clock.now() + timedelta(hours=rng.choice((-200, -60, -20, -2, 0, 1, 3, 9, 20, 40, 100)))
    return {"next_due_at": due, "latest_start": due - timedelta(hours=rng.choice((0, 2, 30, 90)))}


async def one_change(rng: random.Random, case_ids: list[str], number: int) -> None:
    """One transaction like those of the product, or like no other: tasks come, go, change hands and dates."""
    what = rng.choice(
        ("open",) * 4
        + ("claim",) * 3
        + ("free", "lend", "close", "date", "exclude", "move", "clock", "drop", "starter", "law", "suspend")
    )
    async with session() as s:
        if what == "open":
            case = rng.choice(case_ids)
            process = await s.get_one(Process, case)
            s.add(
                Task(
                    id=f"task-{number}", process_id=case, process_kind="enrolment", case_no=process.case_no,
                    key=f"k/{number}", kind=rng.choice(KINDS), title_zh="任务", title_en="Task",
                    search=f"{process.search} 任务 task",
                    roles=rng.choice(ROLES),
                    excluded=rng.sample(["clerk", "clerk2", "supervisor"], rng.choice((0, 0, 1, 2))),
                    org_unit=rng.choice(("business", "physics")), subject=process.subject, stage="s", spec={},
                    state="ready", version=1, revision=1,
                    opened_at=clock.now() - timedelta(days=rng.choice((0, 1, 3, 9))),
                    sort_day=clock.today(), legal_rank=1,
                    sort_at=clock.now(), holder=rng.choice((None, "clerk", "college")), **moments(rng),
                )
            )  # fmt: skip
        elif what == "clock":
            await s.execute(
                update(Process).where(Process.id == rng.choice(case_ids)).values(
                    clock_offset_seconds=Process.clock_offset_seconds + rng.choice((-7200, 90_000))
                )
            )  # fmt: skip
        elif what == "starter":
            starter = rng.choice(("clerk", "college", "college", "employee"))
            await s.execute(update(Process).where(Process.id == rng.choice(case_ids)).values(started_by=starter))
        elif what == "law":
            hours = (-60, -2, 0, 3, 40)
            due, legal, late = (clock.now() + timedelta(hours=rng.choice(hours)) for _ in range(3))
            values = {"next_due_at": min(due, legal), "legal_due_at": legal, "late_from": late}
            await s.execute(update(Process).where(Process.id == rng.choice(case_ids)).values(**values))
        elif what == "drop":
            await s.execute(delete(Task).where(Task.id == f"task-{rng.randrange(number + 1)}"))
        else:
            some = select(Task.id).order_by(func.random()).limit(1)
            row = await s.scalar(select(Task).where(Task.id.in_(some)).with_for_update())
            if row is None or row.closed_at is not None:
                return
            match what:
                case "claim":
                    row.holder = rng.choice(("clerk", "clerk2", "college", "supervisor"))
                case "free":
                    row.holder = row.owner = None
                case "lend":
                    row.owner, row.holder = row.holder, "clerk2"
                case "close":
                    row.state, row.closed_at = rng.choice(("completed", "returned", "obsolete")), clock.now()
                    row.completed_by, row.completed_for = "clerk", rng.choice((None, "clerk2"))
                case "date":
                    for name, value in moments(rng).items():
                        setattr(row, name, value)
                case "exclude":
                    row.excluded = ["clerk2"]
                case "suspend":
                    row.state = "suspended"
                case "move":
                    row.roles, row.org_unit = rng.choice(ROLES), rng.choice(("business", "physics"))
        await s.flush()
        if rng.random() < 0.1:
            await s.rollback()


async def viewers() -> list[Viewer]:
    async with session() as s:
        return [await seen_as(s, await s.get_one(User, name)) for name in PEOPLE]


async def compare(s: AsyncSession, viewer: Viewer, view: TaskViewName) -> int:
    """The counts beside what looking at every row gives, in one snapshot."""
    now = clock.now()
    seen = 0
    filtered: tuple[dict[str, Any], ...] = (
        {},
        {"kind": KINDS[0]},
        {"holder": "-"},
        {"overdue": True},
        {"at_risk": False},
    )
    for more in filtered:
        query = TaskQuery(view=view, limit=200, **more)
        rows = (await inbox.page(s, viewer, query, now)).rows
        total, counts = await inbox_counts.counts(s, viewer, query, now)
        assert total == len(rows), (viewer.username, view, more)
        calm = query.model_copy(update={"overdue": None, "at_risk": None})
        unhurried = [t.id for t, _ in (await inbox.page(s, viewer, calm, now)).rows]
        for name in inbox_counts.URGENCIES:
            condition = getattr(urgency, name)(Task, now)
            looked = select(func.count()).where(Task.id.in_(unhurried), condition)
            assert getattr(counts, name) == await s.scalar(looked), (viewer.username, view, more, name)
        if not more and view != "all":
            assert getattr(counts, view) == total
            assert await inbox_counts.kinds(s, viewer, view, now) == {t.kind for t, _ in rows}
        seen += total
    return seen


async def compare_board(s: AsyncSession, viewer: Viewer) -> None:
    """The board beside the lists' own conditions."""
    now = clock.now()
    of_cases = await board.of_cases(s, viewer, now)
    for column, found in ((Process.kind, board.by_kind(of_cases)), (Process.org_unit, board.by_unit(of_cases))):
        for key, figures in found.items():
            for name, query in board.figure_queries().items():
                where = [inbox.process_visible(viewer), *cases.filters(query, now), column == key]
                assert await s.scalar(select(func.count()).select_from(Process).where(*where)) == figures[name]
    for name, query in board.figure_queries().items():
        where = [inbox.process_visible(viewer), *cases.filters(query, now)]
        shown = board.in_all(of_cases)[name]
        assert await s.scalar(select(func.count()).select_from(Process).where(*where)) == shown, (viewer.username, name)
    for agency, figures in (await board.waiting_by_agency(s, viewer, now)).items():
        for name, n in figures.items():
            query = ProcessQuery(waiting_for=agency, **({name: True} if name != "waiting" else {}))
            where = [inbox.process_visible(viewer), *cases.filters(query, now)]
            assert await s.scalar(select(func.count()).select_from(Process).where(*where)) == n, (agency, name)
    for (kind, stage), figures in (await board.by_stage(s, viewer, now)).items():
        for name, query in board.figure_queries().items():
            one = query.model_copy(update={"kind": kind, "stage": stage})
            where = [inbox.process_visible(viewer), *cases.filters(one, now)]
            assert await s.scalar(select(func.count()).select_from(Process).where(*where)) == figures[name]
    untaken = (await inbox.page(s, viewer, TaskQuery(view="all", unclaimed=True, limit=200), now)).rows
    assert len(untaken) == await board.unclaimed(s, viewer, now)
    held = await board.tasks_by_holder(s, viewer, now)
    listed = (await inbox.page(s, viewer, TaskQuery(view="all", limit=200), now)).rows
    assert sum(figures["open"] for figures in held.values()) == len(listed), viewer.username
    for holder, figures in held.items():
        for name, n in figures.items():
            more: dict[str, Any] = {name: True} if name != "open" else {}
            page = await inbox.page(s, viewer, TaskQuery(view="all", holder=holder or "-", limit=200, **more), now)
            assert len(page.rows) == n, (viewer.username, holder, name)


async def test_counts_equal_their_lists_while_others_write(office: Office) -> None:
    case_ids = [
        await office.case(id_number=f"C01X00T4{n}", org_unit="physics" if n % 2 else "business") for n in range(5)
    ]
    await away(office, "supervisor", "clerk", setter="admin")
    async with session() as s:
        person = (await s.get_one(Process, case_ids[0])).subject
        user = await create_user(s, "employee", "x" * 12, name_zh="职工", roles=["employee", "clerk"])
        user.person_id = person
    people = await viewers()
    running, numbers = True, iter(range(1, 10_000))

    async def write(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(40):
            await one_change(rng, case_ids, next(numbers))

    async def finish_two() -> None:
        """The changes above are random: these two make sure that a list of finished tasks has something to count."""
        async with session() as s:
            some = select(Task.id).where(Task.closed_at.is_(None)).limit(2)
            ended = {"state": "completed", "closed_at": clock.now(), "completed_by": "clerk"}
            await s.execute(update(Task).where(Task.id.in_(some)).values(**ended))

    async def fold() -> None:
        while running:
            await tallies.fold()
            await asyncio.sleep(0.02)

    async def read(seed: int) -> int:
        rng, compared = random.Random(seed), 0
        while running:
            async with reading() as s:
                viewer = rng.choice(people)
                await compare(s, viewer, rng.choice(VIEWS))
                await compare_board(s, viewer)
            compared += 1
        return compared

    readers = [asyncio.create_task(read(seed)) for seed in (1, 2)]
    folding = asyncio.create_task(fold())
    await asyncio.gather(*(write(seed) for seed in range(4)))
    await finish_two()
    running = False
    assert sum(await asyncio.gather(*readers)) >= 4
    await folding
    await tallies.fold()
    seen: dict[str, int] = {}
    async with reading() as s:
        for viewer in people[:1] + people[2:4] + people[-3:]:
            for view in VIEWS:
                seen[view] = seen.get(view, 0) + await compare(s, viewer, view)
            await compare_board(s, viewer)
        again = " UNION ALL ".join(
            f"SELECT r.*, 1 FROM {table} t, LATERAL tallies_of_{row}(t) r"
            for table, row in (("tasks", "task"), ("processes", "process"))
        )
        wrong = text(
            f"SELECT {COLUMNS}, sum(n) FROM (SELECT {COLUMNS}, n FROM tallies UNION ALL"
            f" SELECT {COLUMNS}, -n FROM ({again}) x ({COLUMNS}, n)) y"
            f" WHERE at > now() - interval '5 hours' OR what IN ('open', 'waiting')"
            f" GROUP BY {COLUMNS} HAVING sum(n) <> 0"
        )
        assert not list(await s.execute(wrong))
        rows = await s.scalar(select(func.count()).select_from(Tally))
        entered = await s.scalar(text("SELECT last_value FROM tallies_id_seq"))
    assert all(seen.values()), seen
    assert rows < entered / 2  # folded


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


async def rows_read(s: AsyncSession, work: Awaitable[Any], tables: Collection[str] = ("tasks",)) -> int:
    """How many rows of these tables the statements of a piece of work look at."""
    sent: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        sent.append((statement, parameters))

    event.listen(engine().sync_engine, "before_cursor_execute", note)
    await work
    event.remove(engine().sync_engine, "before_cursor_execute", note)
    raw, looked = await s.connection(), 0
    for statement, parameters in sent:
        plan = await raw.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        for node in nodes(plan.scalar_one()[0]["Plan"]):
            if node.get("Relation Name") in tables:
                passed_over = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
                looked += round((node["Actual Rows"] + passed_over) * node["Actual Loops"])
    return looked


MANY = """
INSERT INTO tasks (id, process_id, process_kind, case_no, key, kind, title_zh, title_en, search, roles, excluded,
  org_unit, stage, spec, deadlines, state, version, revision, opened_at, on_behalf, sort_day, legal_rank, sort_at,
  next_due_at, holder, completed_by, closed_at)
SELECT 'many-' || n, :case, 'enrolment', 'FE' || n, 'many/' || n, CASE WHEN n % 500 = 8 THEN 'registration.result' ELSE
  'enrolment.verification' END, 'x', 'x', 'x', CASE n % 4 WHEN 1 THEN '{clerk,supervisor}' WHEN 2 THEN '{college}' ELSE
  '{clerk}' END::text[], '{}', CASE WHEN n % 3 = 0 THEN 'physics' ELSE 'business' END, 's', '{}', '[]',
  CASE WHEN n % 4 = 3 THEN 'completed' ELSE 'ready' END, 1, 1, now(), false, DATE '2026-12-01' + n % 100, 1, now(),
  now(), CASE WHEN n % 8 = 0 THEN 'clerk2' END, CASE WHEN n % 4 = 3 THEN 'clerk' END, CASE WHEN n % 4 = 3 THEN now() END
FROM generate_series(1, 12000) n
"""


async def test_a_page_reads_its_head_and_counts_read_tallies(office: Office) -> None:
    """Twelve thousand tasks: what a page or a count looks at does not grow with them."""
    case = await office.case()
    async with session() as s:
        await s.execute(text(MANY), {"case": case})
        (await s.get_one(Process, case)).started_by = "system"
    await tallies.fold()
    async with session() as s:
        await s.execute(text("ANALYZE"))
    now = clock.now()
    views: tuple[tuple[str, TaskViewName], ...] = (
        ("clerk", "group"), ("supervisor", "group"), ("college", "group"), ("clerk2", "mine"), ("clerk", "behalf"),
        ("clerk", "done"), ("supervisor", "all"),
    )  # fmt: skip
    async with reading() as s:
        for name, view in views:
            viewer, query = await seen_as(s, await s.get_one(User, name)), TaskQuery(view=view)
            page = await inbox.page(s, viewer, query, now)
            assert len(page.rows) == 50 and page.next_cursor, (name, view)
            following = query.model_copy(update={"cursor": page.next_cursor})
            for one in (query, following, query.model_copy(update={"kind": "enrolment.verification"})):
                looked = await rows_read(s, inbox.page(s, viewer, one, now))
                assert looked < 400, (name, view, one.cursor, looked)
            looked = await rows_read(s, inbox_counts.counts(s, viewer, query, now))
            assert looked <= (2 * 1500 if name == "clerk2" else 0) + 10, (name, view, looked)  # what clerk2 holds
        rare = TaskQuery(view="group", kind="registration.result")
        clerk = await seen_as(s, await s.get_one(User, "clerk"))
        assert await rows_read(s, inbox.page(s, clerk, rare, now)) < 200
