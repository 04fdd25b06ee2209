"""The program of `tests/contract.py` in the test's own event loop, for a whole office at once."""

import asyncio
from typing import Any

import httpx2

from tests.api.conftest import Office
from tests.contract import Choose, Json, aperform, get, work

PEOPLE = ("clerk", "college", "supervisor", "payroll", "finance", "clerk2")
STEPS = 120
PAUSE = 0.5


class Program:
    """Finishes every task that its people see. `once`: another outcome for a kind of task, taken the first time;
    `always`: taken every time."""

    def __init__(self, clients: dict[str, httpx2.AsyncClient]) -> None:
        self.clients = clients
        self.done: list[Json] = []  # lines of the inbox, in the order in which they were taken
        self.once: dict[str, tuple[str, Json]] = {}
        self.always: dict[str, str] = {}

    @classmethod
    async def of(cls, office: Office) -> "Program":
        return cls({name: await office.sign_in(name) for name in PEOPLE})

    async def round(self) -> int:
        """One turn of everybody; returns how many tasks were finished."""
        choose: Choose = lambda item: self._choose(item["kind"])  # noqa: E731
        finished = 0
        for http in self.clients.values():
            done = await aperform(http, work(lambda _item: False, choose))
            self.done += done
            finished += len(done)
        return finished

    def _choose(self, kind: str) -> tuple[str, Json] | None:
        if kind in self.once:
            return self.once.pop(kind)
        return (self.always[kind], {}) if kind in self.always else None

    async def case(self, process_id: str) -> dict[str, Any]:
        return await aperform(self.clients["clerk"], get(f"/processes/{process_id}"))

    async def until_ended(self, process_id: str) -> dict[str, Any]:
        """Works until the case has ended, or a minute has passed; gives the case as it then stands."""
        view: dict[str, Any] = {}
        for _ in range(STEPS):
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
