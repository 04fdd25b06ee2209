"""The program of `tests/contract.py` in the test's own event loop, for a whole office at once."""

import asyncio
import time
from typing import Any

import httpx2

from tests.api.conftest import Office
from tests.contract import Choose, Json, aperform, busy, get, work

PEOPLE = ("clerk", "college", "supervisor", "payroll", "finance", "clerk2")
PATIENCE = 150  # seconds, for a machine that does much else
PAUSE = 0.2


class Program:
    """Finishes every task that its people see. `once`: another outcome for a kind of task, taken the first time;
    `choose`: what else decides by the line of the inbox."""

    def __init__(self, clients: dict[str, httpx2.AsyncClient], roles: dict[str, list[str]]) -> None:
        self.clients, self.roles = clients, roles
        self.left_alone: set[str] = set()  # kinds of tasks
        self.done: list[Json] = []  # lines of the inbox, in the order in which they were taken
        self.once: dict[str, tuple[str, Json]] = {}
        self.choose: Choose = lambda _item: None

    @classmethod
    async def of(cls, office: Office) -> "Program":
        clients = {name: await office.sign_in(name) for name in PEOPLE}
        roles = {name: (await aperform(http, get("/session")))["user"]["roles"] for name, http in clients.items()}
        return cls(clients, roles)

    async def round(self) -> int:
        """One turn of everybody; returns how many tasks were finished."""
        finished = 0
        for name in await aperform(self.clients["supervisor"], busy(self.roles, self._leave)):
            done = await aperform(self.clients[name], work(self._leave, self._choose))
            self.done += done
            finished += len(done)
        return finished

    def _leave(self, item: Json) -> bool:
        return item["kind"] in self.left_alone

    def _choose(self, item: Json) -> tuple[str, Json] | None:
        return self.once.pop(item["kind"], None) or self.choose(item)

    async def case(self, process_id: str) -> dict[str, Any]:
        return await aperform(self.clients["clerk"], get(f"/processes/{process_id}"))

    async def task(self, task_id: str) -> dict[str, Any]:
        return await aperform(self.clients["clerk"], get(f"/tasks/{task_id}"))

    async def until_ended(self, process_id: str) -> dict[str, Any]:
        """Works until the case has ended, or patience has; gives the case as it then stands."""
        view: dict[str, Any] = {}
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            moved = await self.round()
            view = await self.case(process_id)
            if view["state"] in ("closed", "cancelled"):
                break
            if not moved:
                await asyncio.sleep(PAUSE)
        return view


def behave(url: str, **fields: Any) -> None:
    """All three authorities answer at once, or as `fields` says."""
    for agency in ("social_bureau", "medical_bureau", "tax_office"):
        quick = {"accept_after_seconds": 0, "decide_after_seconds": 0, "sync_after_seconds": 0}
        httpx2.put(f"{url}/{agency}/behaviour", json=quick | fields).raise_for_status()
