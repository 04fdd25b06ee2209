"""A program that knows only the contract of the JSON API, and takes cases to their end.

It knows nothing of processes or forms: it asks for a user's lists, sends back what a task already knows, fills a
missing required field from the schema's examples, uploads a small file where a document is required, and takes the
first outcome. What it says is written once, as steps without a transport; `perform` takes them over a plain client
(`tests/e2e`, the running product), `aperform` over one in the test's own event loop (`tests/api`).
"""

import secrets
import uuid
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import httpx2

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n%%EOF\n"
V1 = "/api/v1"
WORKABLE = ("ready", "reserved", "in_progress")
Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One request, below the API's root."""

    method: str
    path: str
    more: Json = field(default_factory=dict[str, Any])


Steps = Generator[Call, httpx2.Response, T]
Choose = Callable[[Json], tuple[str, Json] | None]
"""May name another outcome, with values of its form, for a line of the inbox or a task."""


def perform(http: httpx2.Client, steps: Steps[T]) -> T:
    """Takes the steps one after the other; gives what they come to."""
    try:
        call = next(steps)
        while True:
            call = steps.send(http.request(call.method, V1 + call.path, **call.more))
    except StopIteration as end:
        return end.value


async def aperform(http: httpx2.AsyncClient, steps: Steps[T]) -> T:
    """The same over a client of this event loop."""
    try:
        call = next(steps)
        while True:
            call = steps.send(await http.request(call.method, V1 + call.path, **call.more))
    except StopIteration as end:
        return end.value


def get(path: str) -> Steps[Json]:
    answer = yield Call("GET", path)
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
    return answer.json()


def pages(path: str, **query: str) -> Steps[list[Json]]:
    """All items of a list, over all its pages."""
    items: list[Json] = []
    cursor: dict[str, str] = {}
    while True:
        answer = yield Call("GET", path, {"params": {"limit": "100", **query, **cursor}})
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        page = answer.json()
        items += page["items"]
        if not page.get("next_cursor"):
            return items
        cursor = {"cursor": page["next_cursor"]}


def complete(task_id: str, outcome: str | None = None, **changes: Any) -> Steps[httpx2.Response]:
    """Completes a task, its papers first. `changes` replace single values of the form."""
    task = yield from get(f"/tasks/{task_id}")
    wanted = next(o for o in task["outcomes"] if outcome in (None, o["code"]))
    for slot in task["documents"]:
        if slot["required"] and not slot["received"]:
            yield from provide(task, slot)
    body = {
        "outcome": wanted["code"],
        "data": filled(wanted["schema"], task["data"]) | changes,
        "version": task["version"],
    }
    key = {"Idempotency-Key": str(uuid.uuid4())}
    return (yield Call("POST", f"/tasks/{task_id}/complete", {"json": body, "headers": key}))


def provide(task: Json, slot: Json) -> Steps[None]:
    """Uploads one paper: a PDF, or the agency's bill where a spreadsheet is asked for."""
    content, suffix = (PDF, "pdf") if "pdf" in slot["accept"] else (_sheet(task), "csv")
    assert suffix in slot["accept"], slot
    sent = yield Call(
        "POST",
        f"/tasks/{task['id']}/documents",
        {"data": {"code": slot["code"]}, "files": {"file": (f"{slot['code']}.{suffix}", content)}},
    )
    assert sent.status_code in (200, 201), sent.text


def _sheet(task: Json) -> bytes:
    """An agency's bill that says what the lines of the task's context say."""
    lines = ["个人编号,险种,费款所属期,单位应缴,个人应缴"]
    lines += [
        f"{x['number']},{x['insurance']},{x['premium_month']},{x['unit_amount']},{x['person_amount']}"
        for x in task["context"]["lines"]
    ]
    return "\n".join(lines).encode()


def filled(schema: Json, known: Json) -> Json:
    """What the task knows, and an example for each other required field."""
    properties: Json = schema["properties"]
    data = {name: value for name, value in known.items() if name in properties}
    for name in schema.get("required", []):
        if data.get(name) is None:
            data[name] = properties[name]["examples"][0]
    return data


def work(leave: Callable[[Json], bool], choose: Choose) -> Steps[list[Json]]:
    """One user's turn: completes every task that the user sees and may do; gives those that were taken.

    `leave`: lines of the inbox left alone.
    """
    done: list[Json] = []
    for view in ("group", "mine"):
        for item in (yield from pages("/tasks", view=view)):
            if item["state"] not in WORKABLE or leave(item):
                continue
            outcome, changes = choose(item) or (None, {})
            answer = yield from complete(item["id"], outcome, **changes)
            assert answer.status_code in (200, 202, 403, 409), f"{item['kind']}: {answer.text}"
            if answer.status_code in (200, 202):  # else somebody was quicker, or the process went on
                done.append(item)
    return done


def busy(people: Mapping[str, Collection[str]], leave: Callable[[Json], bool]) -> Steps[list[str]]:
    """Who of `people`, by name with their roles, may have something to do: asked by somebody who sees every open task.

    Whose turn `work` is. To ask for everybody's lists while nothing happens costs more than the cases themselves.
    """
    open_now = yield from pages("/tasks", view="all")
    roles = {role for item in open_now if item["state"] in WORKABLE and not leave(item) for role in item["roles"]}
    return [name for name, own in people.items() if roles & set(own)]


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
