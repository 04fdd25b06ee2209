"""How fast lists, counts, search and board of a large office are, beside those of a small one; and what a page weighs.

`make bench WHAT=inbox` (or `python -m bench.inbox --open 1000000 --closed 4000000 --users 2000`): two databases on real
PostgreSQL servers, filled by `bench/inbox_data.py`, and the product's application before each. Questions go to the two
in turns, so that whatever else the machine does meets both. Writes `bench/results/inbox.md` with `--out`. A count that
disagrees with its list ends the run with an error; nothing fails because something is slow.
"""

import argparse
import asyncio
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx2
import psycopg
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from api import board, tasks
from bench import inbox_data, inbox_page
from bench.database import measured_database
from embedded.postgres import DATABASE
from runtime import clock
from runtime.settings import get_settings
from schemas.api import TaskQuery, TaskViewName
from store import board as figures
from store import cases, database, inbox, inbox_counts, tallies, urgency
from store.database import reading
from store.tables.processes import Process, Task
from store.users import Viewer, find_session

ROOT = Path(__file__).resolve().parent.parent
SMALL = 10_000
SEARCH_EVERY = 15  # a search reads every open task and takes seconds in a large office
READY_SECONDS = 60
QUESTIONS = ("first page and counts", "next page and counts", "search by name", "board", "page alone", "primary key")
VIEWS: tuple[TaskViewName, ...] = ("mine", "group", "behalf", "done", "started", "all")
PAGE: tuple[TaskViewName, ...] = ("group", "group", "mine", "done")


@dataclass
class Office:
    """A filled database, the application before it, and what was measured there, in milliseconds."""

    open: int
    database_url: str
    url: str
    http: httpx2.AsyncClient
    size: str
    names: list[str]
    task_ids: list[str]
    users: list[str]
    database: dict[str, list[float]] = field(default_factory=lambda: {q: [] for q in QUESTIONS})
    answer: dict[str, list[float]] = field(default_factory=lambda: {q: [] for q in QUESTIONS})


def say(line: str) -> None:
    print(line, flush=True)


def _fill(dsn: str, open_tasks: int, closed_tasks: int, users: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as link:
        for setting in ("max_wal_size = '16GB'", "autovacuum = off"):  # while rows come in
            link.execute(f"ALTER SYSTEM SET {setting}".encode())
        link.execute("SELECT pg_reload_conf()")
        inbox_data.load(dsn, open_tasks, closed_tasks, users, clock.today())
        link.execute("ALTER SYSTEM RESET ALL")
        link.execute("SELECT pg_reload_conf()")
        link.execute("CHECKPOINT")


def _tidied(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as link:
        link.execute("VACUUM (ANALYZE) tallies")


def _drawn(dsn: str, open_tasks: int, closed_tasks: int) -> tuple[str, list[str], list[str], list[str]]:
    """The size, and what will be asked for: names as often as people bear them, tasks, users."""
    with psycopg.connect(dsn) as link:
        size = link.execute("SELECT pg_size_pretty(pg_database_size(current_database()))").fetchall()[0][0]
        named = "SELECT name_zh FROM persons TABLESAMPLE BERNOULLI (%s) LIMIT 400"
        names = [r[0] for r in link.execute(named, [min(100.0, 100 * 4000 / open_tasks)])]
        some = "SELECT id FROM tasks TABLESAMPLE BERNOULLI (%s) LIMIT 2000"
        ids = [r[0] for r in link.execute(some, [min(100.0, 100 * 8000 / (open_tasks + closed_tasks))])]
        users = [r[0] for r in link.execute("SELECT username FROM users WHERE username <> 'admin' ORDER BY username")]
    return size, names, ids, users


@asynccontextmanager
async def office(open_tasks: int, closed_tasks: int, users: int, port: int) -> AsyncIterator[Office]:
    """A filled office with its application, both gone afterwards."""
    async with measured_database(port) as server:
        began = time.monotonic()
        await asyncio.to_thread(_fill, server.superuser_dsn(DATABASE), open_tasks, closed_tasks, users)
        say(f"{open_tasks:,} open and {closed_tasks:,} closed tasks in {time.monotonic() - began:.0f} s")
        async with opened(server.database_url, open_tasks, closed_tasks) as found:
            yield found


@asynccontextmanager
async def opened(database_url: str, open_tasks: int, closed_tasks: int) -> AsyncIterator[Office]:
    """The application before a filled database, with its tallies as a running installation keeps them."""
    await database.configure(database_url)
    await tallies.fold()
    await asyncio.to_thread(_tidied, database_url.replace("+psycopg", ""))
    drawn = await asyncio.to_thread(_drawn, database_url.replace("+psycopg", ""), open_tasks, closed_tasks)
    async with application(database_url) as url, httpx2.AsyncClient(base_url=url, timeout=60) as http:
        yield Office(open_tasks, database_url, url, http, *drawn)


@asynccontextmanager
async def application(database_url: str) -> AsyncIterator[str]:
    """The product's application on a port of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {
        "BAOQI_DATABASE_URL": database_url, "BAOQI_DATA_DIR": str(get_settings().data_dir), "PYTHONPATH": str(ROOT),
        "BAOQI_PORT": str(port), "BAOQI_LOG_LEVEL": "warning",
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "cli.main", "api"], cwd=ROOT, env=env)
    url = f"http://127.0.0.1:{port}"
    try:
        limit = time.monotonic() + READY_SECONDS
        async with httpx2.AsyncClient() as probe:
            while True:
                try:
                    (await probe.get(f"{url}/healthz")).raise_for_status()
                    break
                except httpx2.HTTPError as error:
                    if process.poll() is not None or time.monotonic() > limit:
                        raise RuntimeError("the application did not start") from error
                    await asyncio.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(20)


# --- asking ----------------------------------------------------------------------------------------------------------


class Stopwatch:
    """Milliseconds that statements of this process's engine take, from sending to the answer."""

    def __init__(self) -> None:
        self.spent = 0.0
        self.began = 0.0
        for name, noted in (("before_cursor_execute", self._begin), ("after_cursor_execute", self._end)):
            event.listen(database.engine().sync_engine, name, noted)

    def _begin(self, *_: Any) -> None:
        self.began = time.perf_counter()

    def _end(self, *_: Any) -> None:
        self.spent += 1000 * (time.perf_counter() - self.began)

    def taken(self) -> float:
        spent, self.spent = self.spent, 0.0
        return spent


async def viewer_of(s: AsyncSession, login: str) -> Viewer:
    found = await find_session(s, inbox_data.SESSION.format(login), clock.real_now())
    assert found is not None
    return found[1]


async def ask_database(place: Office, rng: random.Random, times: int) -> None:
    """The functions behind the API, and the time of their statements."""
    await database.configure(place.database_url)
    watch = Stopwatch()
    supervisors = [u for u in place.users if u.startswith("supervisor")]
    for n in range(times):
        keep = n >= times // 5  # the first ones fill pools and prepared statements

        async def ask(name: str, what: Awaitable[Any], keep: bool = keep) -> Any:
            watch.taken()
            found = await what
            if keep:
                place.database[name].append(watch.taken())
            return found

        async with reading() as s:
            viewer, boss = await viewer_of(s, rng.choice(place.users)), await viewer_of(s, rng.choice(supervisors))
            query = TaskQuery(view=rng.choice(PAGE))
            first = await ask(QUESTIONS[0], tasks.list_tasks(s, viewer, query))
            if first.next_cursor:
                following = query.model_copy(update={"cursor": first.next_cursor})
                await ask(QUESTIONS[1], tasks.list_tasks(s, viewer, following))
            if n % SEARCH_EVERY == SEARCH_EVERY - 1:
                named = TaskQuery(view="all", q=rng.choice(place.names))
                await ask(QUESTIONS[2], tasks.list_tasks(s, boss, named))
            await ask(QUESTIONS[3], board.board(s, boss))
            await ask(QUESTIONS[4], inbox.page(s, viewer, query, clock.now()))
            await ask(QUESTIONS[5], s.execute(select(Task).where(Task.id == rng.choice(place.task_ids))))


async def ask_application(place: Office, rng: random.Random, times: int) -> None:
    """The same through HTTP, one question after the other."""
    supervisors = [u for u in place.users if u.startswith("supervisor")]
    for n in range(times):

        async def ask(name: str, login: str, path: str, keep: bool = n >= times // 5, **query: str) -> Any:
            began = time.perf_counter()
            cookie = {"Cookie": f"baoqi_session={inbox_data.SESSION.format(login)}"}
            answer = await place.http.get(f"/api/v1{path}", params=query, headers=cookie)
            if keep:
                place.answer[name].append(1000 * (time.perf_counter() - began))
            answer.raise_for_status()
            return answer.json()

        login, view = rng.choice(place.users), rng.choice(PAGE)
        first = await ask(QUESTIONS[0], login, "/tasks", view=view)
        if first["next_cursor"]:
            await ask(QUESTIONS[1], login, "/tasks", view=view, cursor=first["next_cursor"])
        boss = rng.choice(supervisors)
        if n % SEARCH_EVERY == SEARCH_EVERY - 1:
            await ask(QUESTIONS[2], boss, "/tasks", view="all", q=rng.choice(place.names))
        await ask(QUESTIONS[3], boss, "/board")


# --- do counts agree with their lists? -------------------------------------------------------------------------------


async def check_counts(place: Office, rng: random.Random, people: int) -> int:
    """Compares counts with the rows themselves; how many figures. AssertionError names the first that differs."""
    await database.configure(place.database_url)
    compared = 0
    async with reading() as s:
        now = clock.now()
        for login in rng.sample(place.users, people):
            viewer = await viewer_of(s, login)
            for view in VIEWS:
                query = TaskQuery(view=view)
                total, counts = await inbox_counts.counts(s, viewer, query, now)
                said = (total, counts.overdue, counts.due_today, counts.at_risk)
                rows = await _counted(s, viewer, view, now)
                assert said == rows, f"{login} {view}: counts say {said}, the list has {rows}"
                compared += len(said)
        boss = await viewer_of(s, "supervisor0")
        for name, number in figures.in_all(await figures.of_cases(s, boss, now)).items():
            query = figures.figure_queries()[name]
            rows = await s.scalar(select(func.count()).select_from(Process).where(*cases.filters(query, now)))
            assert number == rows, f"board {name}: {number}, the list has {rows}"
            compared += 1
        compared += await _walk(s, await viewer_of(s, "payroll0"), now)
    return compared


async def _counted(s: AsyncSession, viewer: Viewer, view: TaskViewName, now: datetime) -> tuple[int, ...]:
    kinds = (urgency.overdue, urgency.due_today, urgency.at_risk)
    urgent = [func.count().filter(condition(Task, now)) for condition in kinds]
    statement = inbox.joined(func.count(), *urgent).where(inbox.in_view(viewer, view))
    return tuple((await s.execute(statement)).one())


async def _walk(s: AsyncSession, viewer: Viewer, now: datetime) -> int:
    """Page by page to the end: every task once, as many as counted."""
    query, seen = TaskQuery(view="mine", limit=200), list[str]()
    total, _ = await inbox_counts.counts(s, viewer, query, now)
    while True:
        page = await inbox.page(s, viewer, query, now)
        seen += [task.id for task, _ in page.rows]
        if page.next_cursor is None:
            break
        query = query.model_copy(update={"cursor": page.next_cursor})
    assert len(seen) == len(set(seen)) == total, (len(seen), total)
    return 1


# --- the report ------------------------------------------------------------------------------------------------------


def percentiles(values: list[float]) -> tuple[float, float]:
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]


def table(small: Office, large: Office) -> list[str]:
    lines = [
        f"| | {small.open:,} open: p50 | p99 | {large.open:,} open: p50 | p99 | p99 to p99 |",
        "|---|---|---|---|---|---|",
    ]
    for part in ("database", "answer"):
        for question in QUESTIONS:
            pair = [getattr(place, part)[question] for place in (small, large)]
            if not all(pair):
                continue
            (few, few99), (many, many99) = map(percentiles, pair)
            said = "statements" if part == "database" else "HTTP answer"
            times = f"{few:.1f} ms | {few99:.1f} ms | {many:.1f} ms | {many99:.1f} ms"
            lines.append(f"| {question}: {said} | {times} | **{many99 / few99:.1f}** |")
    return lines


def report(small: Office, large: Office, compared: int, page: list[str], args: argparse.Namespace) -> str:
    lone, key = (percentiles(large.database[q]) for q in QUESTIONS[4:])
    return "\n".join([
        "# The inbox of a large office",
        "",
        f"{clock.today()}, {os.cpu_count()} processors with load {os.getloadavg()[0]:.1f}, {args.users:,} users, "
        f"{large.open:,} open and {args.closed:,} closed tasks ({large.size}) "
        f"beside {small.open:,} and {4 * small.open:,}. {args.times * args.rounds} questions of each kind to each, "
        f"in turns, a search every {SEARCH_EVERY}; the first fifth of a round is not counted. "
        f"{len(large.answer[QUESTIONS[0]])} first pages and {len(large.answer[QUESTIONS[2]])} searches were counted; "
        "p99 of few is nearly the slowest one.",
        "",
        *table(small, large),
        "",
        "Goal: p99 of the large office at most 2 times that of the small one. The page alone takes "
        f"{lone[0]:.1f} ms at p50 and a look-up by primary key {key[0]:.1f} ms: **{lone[0] / key[0]:.1f} times** "
        f"(p99: {lone[1] / key[1]:.1f}; goal: at most 10).",
        "",
        f"{compared} counts and figures of the large office were compared with the rows of their lists: all equal.",
        "",
        *page,
        "",
    ])  # fmt: skip


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--open", type=int, default=100_000)
    parser.add_argument("--closed", type=int, default=400_000)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--times", type=int, default=60, help="questions of a kind a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--people", type=int, default=10, help="whose counts are compared with their lists")
    parser.add_argument("--filled", help="address of a large office already filled, instead of filling one")
    parser.add_argument("--out", type=Path, help="where the report goes, beside the screen")
    args = parser.parse_args()
    async with (
        office(SMALL, 4 * SMALL, args.users, 36432) as small,
        opened(args.filled, args.open, args.closed)
        if args.filled
        else office(args.open, args.closed, args.users, 36532) as large,
    ):
        page = await inbox_page.measure(large.url, inbox_data.SESSION.format("clerk1"))
        rng = random.Random(inbox_data.SEED)
        for number in range(args.rounds):
            for place in (small, large):
                await ask_database(place, rng, args.times)
                await ask_application(place, rng, args.times)
            say(f"round {number + 1} of {args.rounds}")
        compared = await check_counts(large, rng, args.people)
        text = report(small, large, compared, page, args)
    say(text)
    if args.out:
        args.out.write_text(text)


if __name__ == "__main__":
    asyncio.run(main())
