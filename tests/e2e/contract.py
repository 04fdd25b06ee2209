"""A program that knows only the contract of the JSON API, and takes demo cases to their end.

It knows nothing of processes or forms: it asks every user's lists, sends back what a task already knows, fills a
missing required field from the schema's examples, uploads a small file where a document is required, and takes the
first outcome.
"""

import io
import secrets
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx2 as httpx

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n%%EOF\n"
Json = dict[str, Any]


@dataclass
class Person:
    """One signed-in user."""

    name: str
    http: httpx.Client
    csrf: str = ""
    seen: list[str] = field(default_factory=list[str])

    @classmethod
    def sign_in(cls, api: str, name: str, password: str) -> "Person":
        http = httpx.Client(base_url=f"{api}/api/v1", timeout=30)
        answer = http.post("/session", json={"username": name, "password": password})
        assert answer.status_code in (200, 201), answer.text
        return cls(name, http, answer.json()["csrf_token"])

    def write(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"X-CSRF-Token": self.csrf, **options.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **options)

    def get(self, path: str) -> Json:
        answer = self.http.get(path)
        assert answer.status_code == 200, f"{self.name} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def tasks(self, view: str) -> list[Json]:
        items: list[Json] = []
        cursor = ""
        while True:
            page = self.get(f"/tasks?view={view}&limit=100" + (f"&cursor={cursor}" if cursor else ""))
            items += page["items"]
            if not (cursor := page.get("next_cursor") or ""):
                return items

    def upload(self, kind: str, path: Path, mode: str = "good_rows") -> Json:
        answer = self.write(
            "POST", f"/imports/{kind}", files={"file": (path.name, path.read_bytes())}, data={"mode": mode}
        )
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def complete(self, task_id: str, outcome: str | None = None, **changes: Any) -> httpx.Response:
        """Completes a task by the contract. `changes` replace single values of the form."""
        task = self.get(f"/tasks/{task_id}")
        wanted = next(o for o in task["outcomes"] if outcome in (None, o["code"]))
        for document in task["documents"]:
            if document["required"] and not document["received"]:
                self.provide(task_id, document)
        body = {
            "outcome": wanted["code"],
            "data": filled(wanted["schema"], task["data"]) | changes,
            "version": task["version"],
        }
        key = {"Idempotency-Key": str(uuid.uuid4())}
        return self.write("POST", f"/tasks/{task_id}/complete", json=body, headers=key)

    def provide(self, task_id: str, document: Json) -> None:
        suffix = "pdf" if "pdf" in document["accept"] else document["accept"][0]
        answer = self.write(
            "POST",
            f"/tasks/{task_id}/documents",
            files={"file": (f"{document['code']}.{suffix}", io.BytesIO(PDF))},
            data={"code": document["code"]},
        )
        assert answer.status_code in (200, 201), answer.text


def filled(schema: Json, known: Json) -> Json:
    """What the task knows, and an example for each other required field."""
    properties: Json = schema["properties"]
    data = {name: value for name, value in known.items() if name in properties}
    for name in schema.get("required", []):
        if data.get(name) is None:
            data[name] = properties[name]["examples"][0]
    return data


def hire(**values: Any) -> Json:
    """A person nobody has met: the dates lie around today, the numbers are drawn."""
    today = datetime.now(timezone(timedelta(hours=8))).date()
    number = secrets.randbelow(90_000_000) + 10_000_000
    surname = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(8)).title()
    return {
        "name": f"Ottilie {surname}",
        "sex": "female",
        "country": "USA",
        "birth": "1984-05-06",
        "id_number": f"P{number}",
        "id_expires": str(today + timedelta(days=1500)),
        "work_permit_no": f"51002026{number}",
        "permit_issued": str(today - timedelta(days=3)),
        "permit_expires": str(today + timedelta(days=362)),
        "residence_expires": str(today + timedelta(days=370)),
        "org_unit": "business",
        "contract_start": str(today),
        "contract_end": str(today + timedelta(days=700)),
        "monthly_wage": "18000.00",
        "phone": f"138{number}",
        "email": f"{surname.lower()}@example.edu",
    } | values


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
        while not done():
            moved = 0
            for person in self.people.values():
                for view in ("group", "mine"):
                    for item in person.tasks(view):
                        if item["kind"] in skip or item["state"] == "suspended" or leave(item):
                            continue
                        if (
                            wanted is not None
                            and item["process_kind"] == "enrolment"
                            and item["process_id"] not in wanted
                        ):
                            continue
                        chosen = choose(item)
                        answer = (
                            person.complete(item["id"], *chosen[:1], **chosen[1])
                            if chosen
                            else person.complete(item["id"])
                        )
                        assert answer.status_code in (200, 202, 403, 409), f"{item['kind']}: {answer.text}"
                        moved += answer.status_code == 200
            completed += moved
            if not moved:
                time.sleep(0.3)
            if time.monotonic() > end:
                raise AssertionError(f"not done after {seconds} s; {self.standing()}")
        return completed

    def processes(self, **query: str) -> list[Json]:
        """All processes of a query, over all pages, as the supervisor sees them."""
        items: list[Json] = []
        cursor = ""
        words = "&".join(f"{k}={v}" for k, v in query.items())
        while True:
            page = self["supervisor"].get(f"/processes?limit=100&{words}" + (f"&cursor={cursor}" if cursor else ""))
            items += page["items"]
            if not (cursor := page.get("next_cursor") or ""):
                return items

    def start(self, **values: Any) -> str:
        """One enrolment of a person made up here, by the contract; gives the process's id."""
        clerk = self["clerk"]
        kinds = {k["kind"]: k for k in clerk.http.get("/process-kinds").json()}
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
