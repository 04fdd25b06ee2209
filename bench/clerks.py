"""Clerks who click: cases made through the API, and the loop in which each clerk completes one task after another.

The work: an enrolment goes back and forth between `materials` (submit) and `verification` (return once with all
defects). Both are full human tasks with forms, deadlines, documents and timeline; `materials` also rewrites the hire's
record. No agency is involved, so nothing but our own machinery is measured, and the loop can go on for ever. A clerk of
the benchmark has the roles clerk and college (all colleges) and a browser session of their own.
"""

import asyncio
import io
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import httpx2

from workflows.human_task import task_id

PASSWORD = "bench-of-clerks"  # of an installation that lives for two minutes
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n%%EOF\n"
POLL_SECONDS = 0.01
PATIENCE_SECONDS = 30.0
NAMES = "Anna Lena Clara Jonas Felix Emma Lucy Hugo Elena Marta Ivan Olga Rafael Julia Kenji Yui".split()  # noqa: SIM905
SURNAMES = "Becker Keller Martin Girard Roy Fraser Miller Davis Taylor Cooper Lopez Torres Ilic Savic Costa".split()  # noqa: SIM905
Json = dict[str, Any]


class Unexpected(RuntimeError):
    """The API answered otherwise than it should."""


def hire(number: int, today: date, org_unit: str) -> Json:
    """One of many distinct foreign hires, as the body of a form; nobody is late."""

    def year(years: int, days: int) -> str:
        return (today + timedelta(days=365 * years + days)).isoformat()

    return {
        "name": f"{NAMES[number % len(NAMES)]} {SURNAMES[number % len(SURNAMES)]}",
        "sex": "female" if number % 2 else "male", "country": ("DEU", "FRA", "CAN", "GBR", "IND")[number % 5],
        "birth": (today - timedelta(days=365 * 30 + number % 6000)).isoformat(),  # no two people alike
        "id_number": f"E{10_000_000 + number}", "id_expires": year(5, 0),
        "work_permit_no": f"5100202{100_000_000 + number}", "permit_issued": today.isoformat(),
        "permit_expires": year(1, 0), "residence_expires": year(1, 15), "org_unit": org_unit,
        "contract_start": year(0, 3), "contract_end": year(2, 2), "monthly_wage": "18000.00",
    }  # fmt: skip


class Unanswered(Unexpected):
    """A click was stored and not done in time (202); what the engine did meanwhile is told by the case's history."""

    def __init__(self, case: str, seconds: float) -> None:
        super().__init__(f"{case}: not answered in {seconds:.1f} s")
        self.case = case


@dataclass
class Case:
    """One process, and where it stands: the `turn`-th answer to be given (even: materials, odd: verification)."""

    id: str
    form: Json
    turn: int = 0

    def task(self, ahead: int = 0) -> str:
        turn = self.turn + ahead
        return task_id(self.id, f"{('materials', 'verification')[turn % 2]}/{turn // 2 + 1}")

    def answer(self) -> Json:
        if self.turn % 2 == 0:
            return {"outcome": "submit", "data": self.form, "version": 1}
        return {"outcome": "return", "data": {"defects": [{"code": "R06", "note": "bench"}]}, "version": 1}


@dataclass
class Timings:
    """Seconds of every click, of every view of what came next, and how often something was asked too early."""

    seconds: float = 0.0
    clicks: list[float] = field(default_factory=list[float])
    visible: list[float] = field(default_factory=list[float])
    early: int = 0
    started: float = 0.0  # wall time
    ended: float = 0.0


class Clerk:
    """One signed-in user with a browser's connection."""

    def __init__(self, api: str, name: str) -> None:
        self.name = name
        self.http = httpx2.AsyncClient(base_url=api, timeout=PATIENCE_SECONDS)

    async def sign_in(self, password: str = PASSWORD) -> "Clerk":
        answer = await self.http.post("session", json={"username": self.name, "password": password})
        self.http.headers["X-CSRF-Token"] = _good(answer)["csrf_token"]
        return self

    async def post(self, path: str, body: Json) -> Json:
        """Unexpected where the API does not agree."""
        return _good(await self.http.post(path, json=body))

    async def open_case(self, form: Json) -> Case:
        """Starts a case and puts its required papers in."""
        started = await self.post("processes", {"kind": "enrolment", "input": form})
        case = Case(started["id"], form)
        task = await self._see(case.task())
        for document in task["documents"]:
            if document["required"]:
                files = {"file": (f"{document['code']}.pdf", io.BytesIO(PDF))}
                path = f"tasks/{task['id']}/documents"
                _good(await self.http.post(path, files=files, data={"code": document["code"]}))
        await self.http.post(f"tasks/{task['id']}/release")
        return case

    async def _see(self, task: str) -> Json:
        limit = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = await self.http.get(f"tasks/{task}")
            if answer.status_code != 404 or time.monotonic() > limit:
                return _good(answer)
            await asyncio.sleep(POLL_SECONDS)

    async def work(
        self, cases: list[Case], rounds: int, look: bool, timings: Timings, colleague: "Clerk | None" = None
    ) -> None:
        """Answers each case's next task, `rounds` times; with `look` also opens the task that follows, as a page does.
        Who sent the materials may not verify them: that is clicked by the colleague.

        A click's time runs from the POST to its answer, which comes after the row is closed. With `look`, the time to
        "visible" runs from the POST until a GET shows the task that follows in the same case.
        """
        for _ in range(rounds):
            for case in cases:
                who = self if case.turn % 2 == 0 else colleague or self
                start = await who._click(case, timings)
                timings.clicks.append(time.perf_counter() - start)
                if look:
                    await self._see(case.task(ahead=1))
                    timings.visible.append(time.perf_counter() - start)
                case.turn += 1

    async def _click(self, case: Case, timings: Timings) -> float:
        """Completes the task; the instant of the click. A task that is not there yet is clicked again."""
        limit = time.monotonic() + PATIENCE_SECONDS
        path, body = f"tasks/{case.task()}/complete", case.answer()
        while True:
            start = time.perf_counter()
            answer = await self.http.post(path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
            if answer.status_code == 200:
                if answer.json()["task"]["state"] != "completed":
                    raise Unexpected(f"answered before the row was closed: {answer.text[:200]}")
                return start
            if answer.status_code == 202:
                raise Unanswered(case.id, time.perf_counter() - start)
            if answer.status_code != 404 or time.monotonic() > limit:
                raise Unexpected(f"{path}: {answer.status_code} {answer.text[:300]}")
            timings.early += 1
            await asyncio.sleep(POLL_SECONDS)


def _good(answer: httpx2.Response) -> Json:
    if answer.status_code not in (200, 201):
        raise Unexpected(f"{answer.request.url.path}: {answer.status_code} {answer.text[:300]}")
    return answer.json()


async def prepare(clerks: list[Clerk], count: int, today: date, units: list[str]) -> list[Case]:
    """So many cases of distinct people, papers included, made by five clerks at once."""
    makers, cases = clerks[:5], [Case("", {})] * count

    async def make(clerk: Clerk, numbers: range) -> None:
        for n in numbers:
            cases[n] = await clerk.open_case(hire(n, today, units[n % len(units)]))

    await asyncio.gather(*(make(c, range(i, count, len(makers))) for i, c in enumerate(makers)))
    return cases


async def click_through(
    clerks: list[Clerk], cases: list[Case], rounds: int, *, look: bool = False, say: Callable[[str], None] = print
) -> Timings:
    """All clerks at once, each with their own cases, without pause."""
    timings = Timings(started=time.time())
    start = time.perf_counter()
    await asyncio.gather(
        *(
            c.work(cases[i :: len(clerks)], rounds, look, timings, clerks[(i + 1) % len(clerks)])
            for i, c in enumerate(clerks)
        )
    )
    timings.seconds = time.perf_counter() - start
    timings.ended = time.time()
    say(f"  {len(clerks)} clerks{', opening each task' if look else ''}: "
        f"{len(timings.clicks) / timings.seconds:.1f} tasks/s")  # fmt: skip
    return timings
