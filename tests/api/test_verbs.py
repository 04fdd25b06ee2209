"""Every verb of a human task against every state of it and every kind of person: the answer, and what pages offer.

One table, by HTTP on a real database; what a process itself says of an Update is in `tests/workflows`. A cell is `ok`
or a word of `SAYS`. The same run proves that an action is offered exactly where it is taken, but for `UNOFFERED`.
"""

import uuid
from datetime import UTC, datetime
from typing import Any

import httpx2
from sqlalchemy import select, update

from runtime import clock
from schemas.base import Text
from schemas.countersign import Seat, SeatState, Signer, SignGroup
from schemas.deadlines import LegalKind
from schemas.steps import ReturnTarget
from schemas.tasks import DocumentRequest
from store import policies
from store.database import session
from store.sealed import seal
from store.tables.processes import Task
from tests.api.conftest import Office, days, deadline

PDF = b"%PDF-1.7\n1 0 obj\n"
PEOPLE = ("clerk", "clerk2", "college", "supervisor")
SAYS = {
    "no": (403, "not_allowed"), "4eyes": (403, "four_eyes"), "held": (409, "task_held"), "lent": (409, "delegated"),
    "closed": (409, "task_closed"), "susp": (409, "task_suspended"), "now": (409, "not_allowed_now"),
    "form": (422, "bad_form"), "unseen": (404, "not_found"),
}  # fmt: skip
WORD = {answer: word for word, answer in SAYS.items()}
CLOSED_AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
CLOSED = {"holder": None, "completed_by": "clerk", "closed_at": CLOSED_AT, "outcome": "approve"}
STATES: dict[str, dict[str, Any]] = {
    "ready": {},
    "reserved": {"holder": "clerk"},
    "in_progress": {"holder": "clerk", "draft": b""},
    "lent": {"holder": "clerk2", "owner": "clerk"},
    "suspended": {"holder": "clerk", "state": "suspended"},
    "four_eyes": {"excluded": ["clerk"]},
    "completed": CLOSED | {"state": "completed"},
    "returned": CLOSED | {"state": "returned"},
    "obsolete": {"state": "obsolete", "closed_at": CLOSED_AT},
}
# What is taken although no button offers it, and why.
UNOFFERED = {
    "claim": "who holds it already, or the same click again: nothing changes",
    "take_over": "who holds it already",
    "draft": "kept by the form itself while typing",
    "attach": "a comment with a file, offered with the comment",
    "remove_signer": "offered at the signature, not as an action of the task; whether too late, the process says",
    "return returned": "the same click again",
    "withdraw completed": "nothing is open that the answer led to: the process refuses it",
    "withdraw returned": "the process refuses it",
}


def why() -> dict[str, str]:
    return {"reason": "手头任务较多"}


class Matrix:
    """One task, set to each state in turn."""

    def __init__(self, office: Office, task: str, pristine: dict[str, Any]) -> None:
        self.office, self.task, self.pristine = office, task, pristine

    async def set(self, state: str) -> None:
        change = dict(STATES[state])
        if "draft" in change:
            change |= {"draft": seal({"remark": "x"}), "draft_at": clock.real_now()}
        async with session() as s:
            await s.execute(update(Task).where(Task.id == self.task).values(self.pristine | change))

    async def send(self, client: httpx2.AsyncClient, name: str, verb: str, holder: str | None) -> httpx2.Response:
        base, to = f"/api/v1/tasks/{self.task}", "clerk" if holder == "clerk2" or name == "clerk2" else "clerk2"
        later = policies.calendar("school").next_working_day(days(30)).isoformat()
        bodies: dict[str, dict[str, Any]] = {
            "complete": {"outcome": "approve", "data": {}, "version": 1},
            "return": {"to": "materials", "way": "again", "version": 1, **why()},
            "withdraw": why(), "transfer": {"to": to, **why()}, "delegate": {"to": to, **why()},
            "reassign": {"to": to, **why()}, "return_delegated": {"note": "已核对"}, "recall": why(),
            "take_over": why(),
            "urge": {}, "extend": {"deadline": "INT-VERIFICATION/1", "due": later, "ground": "other", **why()},
            "add_signer": {"username": "head", "where": "before", "version": 1, **why()},
            "remove_signer": {"seat": "2", **why()}, "comment": {"text": "已联系"}, "copy": {"usernames": ["head"]},
        }  # fmt: skip
        paths = {
            "copy": "copies",
            "add_signer": "countersign",
            "remove_signer": "countersign/remove",
            "extend": "deadlines/extend",
        }
        if verb == "draft":
            return await client.put(f"{base}/draft", json={"data": {"remark": "y"}})
        if verb in ("upload", "attach"):
            path, data = ("documents", {"code": "M01"}) if verb == "upload" else ("attachments", {"text": "见附件"})
            return await client.post(f"{base}/{path}", data=data, files={"file": ("a.pdf", PDF)})
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return await client.post(f"{base}/{paths.get(verb, verb)}", json=bodies.get(verb), headers=headers)

    async def actions(self, name: str) -> list[str]:
        client = await self.office.sign_in(name)
        answer = await client.get(f"/api/v1/tasks/{self.task}")
        return answer.json()["actions"] if answer.status_code == 200 else []


async def matrix(office: Office) -> Matrix:
    seats = [
        Seat(id="1", place=1, signer=Signer(role="clerk"), state=SeatState.OPEN),
        Seat(id="2", place=1, signer=Signer(username="payroll"), added_by="clerk"),
    ]
    target = deadline(days(3), ident="INT-VERIFICATION/1", kind=LegalKind.INTERNAL)
    task = await office.task(
        await office.case(),
        deadlines=[target],
        documents=[DocumentRequest(code="M01", title=Text(zh="护照", en="Passport"), required=False, accept=["pdf"])],
        return_to=[ReturnTarget(step="materials", title=Text(zh="材料", en="Materials"), ways=["straight", "again"])],
        sign=SignGroup(id="sign/1", mode="all", need=1, seats=seats),
    )
    async with session() as s:
        row = (await s.execute(select(Task.__table__).where(Task.id == task))).mappings().one()
    return Matrix(office, task, {k: v for k, v in row.items() if k != "id"})


def said(answer: httpx2.Response) -> str:
    if answer.status_code < 300:
        return "ok"
    assert answer.status_code < 500, answer.text
    problem = answer.json()
    return WORD.get((answer.status_code, problem["code"]), f"{answer.status_code}:{problem['code']}")


TABLE = """
verb              who         ready  reserved  in_progress  lent  suspended  four_eyes  completed  returned  obsolete
claim             clerk       ok     ok        ok           lent  susp       4eyes      closed     closed    closed
claim             clerk2      ok     held      held         ok    susp       ok         closed     closed    closed
claim             college     no     no        no           no    no         no         no         no        no
claim             supervisor  no     no        no           no    no         no         no         no        no
release           clerk       now    ok        ok           no    ok         no         closed     closed    closed
release           clerk2      now    no        no           lent  no         now        closed     closed    closed
release           college     no     no        no           no    no         no         closed     closed    closed
release           supervisor  now    ok        ok           lent  ok         now        closed     closed    closed
draft             clerk       ok     ok        ok           lent  susp       4eyes      closed     closed    closed
draft             clerk2      ok     held      held         ok    susp       ok         closed     closed    closed
draft             college     no     no        no           no    no         no         no         no        no
draft             supervisor  no     no        no           no    no         no         no         no        no
complete          clerk       ok     ok        ok           lent  susp       4eyes      closed     closed    closed
complete          clerk2      ok     held      held         lent  susp       ok         closed     closed    closed
complete          college     no     no        no           no    no         no         no         no        no
complete          supervisor  no     no        no           no    no         no         no         no        no
return            clerk       ok     ok        ok           lent  susp       4eyes      closed     ok        closed
return            clerk2      ok     held      held         lent  susp       ok         closed     closed    closed
return            college     no     no        no           no    no         no         no         no        no
return            supervisor  no     no        no           no    no         no         no         no        no
withdraw          clerk       now    now       now          now   now        now        ok         ok        no
withdraw          clerk2      now    now       now          now   now        now        no         no        no
withdraw          college     now    now       now          now   now        now        no         no        no
withdraw          supervisor  now    now       now          now   now        now        no         no        no
transfer          clerk       now    ok        ok           lent  susp       4eyes      closed     closed    closed
transfer          clerk2      now    held      held         lent  susp       now        closed     closed    closed
transfer          college     no     no        no           no    susp       no         closed     closed    closed
transfer          supervisor  no     no        no           no    susp       no         closed     closed    closed
delegate          clerk       now    ok        ok           lent  susp       4eyes      closed     closed    closed
delegate          clerk2      now    held      held         lent  susp       now        closed     closed    closed
delegate          college     no     no        no           no    susp       no         closed     closed    closed
delegate          supervisor  no     no        no           no    susp       no         closed     closed    closed
return_delegated  clerk       now    now       now          no    susp       now        closed     closed    closed
return_delegated  clerk2      now    now       now          ok    susp       now        closed     closed    closed
return_delegated  college     now    now       now          no    susp       now        closed     closed    closed
return_delegated  supervisor  now    now       now          no    susp       now        closed     closed    closed
recall            clerk       now    now       now          ok    susp       now        closed     closed    closed
recall            clerk2      now    now       now          no    susp       now        closed     closed    closed
recall            college     now    now       now          no    susp       now        closed     closed    closed
recall            supervisor  now    now       now          ok    susp       now        closed     closed    closed
reassign          clerk       no     no        no           no    no         no         no         no        no
reassign          clerk2      no     no        no           no    no         no         no         no        no
reassign          college     no     no        no           no    no         no         no         no        no
reassign          supervisor  ok     ok        ok           ok    susp       ok         closed     closed    closed
take_over         clerk       no     no        no           no    no         no         no         no        no
take_over         clerk2      no     no        no           no    no         no         no         no        no
take_over         college     no     no        no           no    no         no         no         no        no
take_over         supervisor  ok     ok        ok           ok    susp       ok         closed     closed    closed
urge              clerk       no     no        no           ok    susp       ok         closed     closed    closed
urge              clerk2      no     ok        ok           no    susp       no         closed     closed    closed
urge              college     no     no        no           no    susp       no         closed     closed    closed
urge              supervisor  ok     ok        ok           ok    susp       ok         closed     closed    closed
extend            clerk       no     no        no           no    no         no         no         no        no
extend            clerk2      no     no        no           no    no         no         no         no        no
extend            college     no     no        no           no    no         no         no         no        no
extend            supervisor  ok     ok        ok           ok    susp       ok         closed     closed    closed
add_signer        clerk       ok     ok        ok           lent  susp       no         closed     closed    closed
add_signer        clerk2      ok     no        no           lent  susp       ok         closed     closed    closed
add_signer        college     no     no        no           no    susp       no         closed     closed    closed
add_signer        supervisor  ok     ok        ok           lent  susp       ok         closed     closed    closed
remove_signer     clerk       ok     ok        ok           ok    ok         ok         ok         ok        ok
remove_signer     clerk2      no     no        no           no    no         no         no         no        no
remove_signer     college     no     no        no           no    no         no         no         no        no
remove_signer     supervisor  ok     ok        ok           ok    ok         ok         ok         ok        ok
upload            clerk       ok     ok        ok           lent  susp       4eyes      closed     closed    closed
upload            clerk2      ok     held      held         ok    susp       ok         closed     closed    closed
upload            college     no     no        no           no    no         no         no         no        no
upload            supervisor  no     no        no           no    no         no         no         no        no
comment           clerk       ok     ok        ok           ok    ok         ok         ok         ok        ok
comment           clerk2      ok     ok        ok           ok    ok         ok         ok         ok        ok
comment           college     ok     ok        ok           ok    ok         ok         ok         ok        ok
comment           supervisor  ok     ok        ok           ok    ok         ok         ok         ok        ok
attach            clerk       ok     ok        ok           ok    ok         ok         ok         ok        ok
attach            clerk2      ok     ok        ok           ok    ok         ok         ok         ok        ok
attach            college     ok     ok        ok           ok    ok         ok         ok         ok        ok
attach            supervisor  ok     ok        ok           ok    ok         ok         ok         ok        ok
copy              clerk       ok     ok        ok           ok    ok         ok         ok         ok        ok
copy              clerk2      ok     ok        ok           ok    ok         ok         ok         ok        ok
copy              college     ok     ok        ok           ok    ok         ok         ok         ok        ok
copy              supervisor  ok     ok        ok           ok    ok         ok         ok         ok        ok
"""


def expected() -> dict[tuple[str, str], list[str]]:
    """(verb, state) -> the answer to each of PEOPLE."""
    head, *lines = [line.split() for line in TABLE.strip().splitlines()]
    found: dict[tuple[str, str], list[str]] = {}
    for verb, _, *cells in lines:
        for state, cell in zip(head[2:], cells, strict=True):
            found.setdefault((verb, state), []).append(cell)
    return found


async def test_each_verb_in_each_state_by_each_person(office: Office) -> None:
    table = expected()
    verbs = list(dict.fromkeys(verb for verb, _ in table))
    made = await matrix(office)
    wrong: list[str] = []
    offered: dict[tuple[str, str, str], bool] = {}
    mute: set[str] = set()
    for state in STATES:
        await made.set(state)
        for name in PEOPLE:
            actions = await made.actions(name)
            for verb in verbs:
                offered[verb, state, name] = verb in actions
        for verb in verbs:
            for n, name in enumerate(PEOPLE):
                client = await office.sign_in(name)
                answer = await made.send(client, name, verb, STATES[state].get("holder"))
                got, want = said(answer), table[verb, state][n]
                if got == "ok":
                    await made.set(state)
                elif not any(ord(c) > 0x4E00 for c in answer.json()["detail"]):
                    mute.add(answer.json()["code"])
                if got != want:
                    wrong.append(f"{verb} {state} {name}: {got}, not {want}")
                if offered[verb, state, name] and got != "ok":
                    wrong.append(f"{verb} {state} {name}: offered, and refused with {got}")
                if got == "ok" and not offered[verb, state, name] and not {verb, f"{verb} {state}"} & UNOFFERED.keys():
                    wrong.append(f"{verb} {state} {name}: taken, and never offered")
    assert not wrong, "\n".join(wrong)
    assert not mute, f"no Chinese sentence: {mute}"


async def test_who_only_reads_does_nothing_and_who_may_not_see_finds_nothing(office: Office) -> None:
    made = await matrix(office)
    auditor, college2 = await office.sign_in("auditor"), await office.sign_in("college2")
    for verb in dict.fromkeys(verb for verb, _ in expected()):
        assert said(await made.send(college2, "college2", verb, None)) in ("unseen", "no"), verb
        assert said(await made.send(auditor, "auditor", verb, None)) in ("no", "now"), verb
