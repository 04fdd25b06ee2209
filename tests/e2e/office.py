"""The people of a running installation, each signed in over the network, who do what `tests/contract.py` says."""

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests import contract
from tests.contract import Json, filled, hire, perform


@dataclass
class Person:
    """One signed-in user."""

    name: str
    http: httpx.Client
    roles: list[str]

    @classmethod
    def sign_in(cls, api: str, name: str, password: str) -> "Person":
        http = httpx.Client(base_url=api, timeout=30)
        answer = http.post(f"{contract.V1}/session", json={"username": name, "password": password})
        assert answer.status_code in (200, 201), answer.text
        http.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
        return cls(name, http, answer.json()["user"]["roles"])

    def write(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.http.request(method, contract.V1 + path, **options)

    def get(self, path: str) -> Json:
        return perform(self.http, contract.get(path))

    def tasks(self, view: str) -> list[Json]:
        return perform(self.http, contract.pages("/tasks", view=view))

    def upload(self, kind: str, path: Path, mode: str = "good_rows") -> Json:
        answer = self.write(
            "POST", f"/imports/{kind}", files={"file": (path.name, path.read_bytes())}, data={"mode": mode}
        )
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def complete(self, task_id: str, outcome: str | None = None, **changes: Any) -> httpx.Response:
        return perform(self.http, contract.complete(task_id, outcome, **changes))

    def provide(self, task_id: str, document: Json) -> None:
        perform(self.http, contract.provide({"id": task_id}, document))


class Office:
    """All users of a run, and the loop that takes whatever is open one step further."""

    def __init__(self, run: Json) -> None:
        self.run = run
        self.people = {u["name"]: Person.sign_in(run["api"], u["name"], u["password"]) for u in run["users"]}

    def close(self) -> None:
        for person in self.people.values():
            person.http.close()

    def __getitem__(self, name: str) -> Person:
        return self.people[name]

    def work(
        self,
        done: Callable[[], bool],
        *,
        seconds: float = 240,
        skip: Iterable[str] = (),
        choose: Callable[[Json], tuple[str, Json] | None] = lambda _item: None,
        cases: Iterable[str] | None = None,
        leave: Callable[[Json], bool] = lambda _item: False,
    ) -> int:
        """Completes open tasks until `done`; returns how many were completed.

        `skip`: task kinds left alone, `leave`: lines of the inbox left alone. `choose` may name another outcome, with
        its form, for a line of the inbox. `cases`: enrolments not named here are left alone.
        """
        completed = 0
        wanted = None if cases is None else set(cases)
        end = time.monotonic() + seconds

        def left(item: Json) -> bool:
            foreign = wanted is not None and item["process_kind"] == "enrolment" and item["process_id"] not in wanted
            return item["kind"] in skip or foreign or leave(item)

        roles = {person.name: person.roles for person in self.people.values()}
        while not done():
            busy = perform(self["supervisor"].http, contract.busy(roles, left))
            moved = sum(len(perform(self[name].http, contract.work(left, choose))) for name in busy)
            completed += moved
            if not moved:
                time.sleep(0.3)
            if time.monotonic() > end:
                raise AssertionError(f"not done after {seconds} s; {self.standing()}")
        return completed

    def processes(self, **query: str) -> list[Json]:
        """All processes of a query, over all pages, as the supervisor sees them."""
        return perform(self["supervisor"].http, contract.pages("/processes", **query))

    def start(self, **values: Any) -> str:
        """One enrolment of a person made up here, by the contract; gives the process's id."""
        clerk = self["clerk"]
        kinds = {k["kind"]: k for k in clerk.http.get(f"{contract.V1}/process-kinds").json()}
        answer = clerk.write(
            "POST",
            "/processes",
            json={"kind": "enrolment", "input": filled(kinds["enrolment"]["input_schema"], hire(**values))},
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def case(self, process_id: str) -> Json:
        return self["supervisor"].get(f"/processes/{process_id}")

    def open_tasks(self, process_id: str, kind: str = "") -> list[Json]:
        """Open tasks of a case, as its page lists them."""
        return [t for t in self.case(process_id)["tasks"] if not t["closed_at"] and kind in ("", t["kind"])]

    def wait(self, what: Callable[[], Any], seconds: float = 60) -> Any:
        """Waits until `what` gives something, and gives it."""
        end = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < end, f"not within {seconds} s\n{self.standing()}"
            time.sleep(0.2)
        return found

    def command(self, process_id: str, name: str) -> httpx.Response:
        return self["supervisor"].write("POST", f"/processes/{process_id}/{name}", json={"reason": "本人放弃入职"})

    def to_state(self, state: str, *ids: str) -> Callable[[], bool]:
        """A condition: all of these processes are in `state`."""
        return lambda: all(self.case(i)["state"] == state for i in ids)

    def states(self, ids: Iterable[str]) -> dict[str, str]:
        wanted = set(ids)
        return {p["id"]: p["state"] for p in self.processes() if p["id"] in wanted}

    def standing(self) -> str:
        """Where everything stands, for a failing test's message."""
        lines = [f"{p['id']} {p['state']}" for p in self.processes() if p["state"] not in ("closed", "cancelled")]
        for person in self.people.values():
            lines += [f"{person.name}: {t['kind']} {t['process_id']}" for t in person.tasks("group")]
        return "\n".join(lines)
