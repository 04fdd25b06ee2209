"""Every Update that people send, in every state of task and case: what the process itself answers.

The API checks before it sends, and races with the engine; what is proved here is that the process needs no such help. A
cell is `ok` or a word of `SAYS`; a refusal leaves no trace. Who holds a task (claim, transfer, delegate, urge) no
process knows: that is one transaction of the inbox (`tests/api/test_handover.py`). The tables are held against the
API's own (`tests/api/test_verbs.py`) and against the commands that pages offer.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from api.incidents import ways
from api.permissions import process_actions
from schemas.amendment import Amended
from schemas.base import Text
from schemas.countersign import AddSigner, RemoveSigner
from schemas.dates import DateDecision, ExtendTarget
from schemas.deadlines import LegalKind
from schemas.incident_steps import Way
from schemas.incidents import StepDecision
from schemas.process import PolicyUpdate, ProcessCommand, ProcessSnapshot, Transition
from schemas.steps import Returning, Withdrawal
from schemas.tasks import Completion, TaskSnapshot
from store.tables.incidents import Incident
from store.tables.processes import Process
from store.users import Viewer
from tests.api import test_verbs as api
from tests.workflows.conftest import Stage
from tests.workflows.office import Office, filled, shanghai

pytestmark = pytest.mark.asyncio(loop_scope="session")
Open = Callable[..., Any]
START = shanghai("2026-09-16 09:00")
BY_HAND = {"social_bureau": "portal", "medical_bureau": "portal"}
TRIED = "fill_application/medical_bureau/1"  # the call that the machine tries again and again
SAYS = {
    "susp": "TaskSuspended", "closed": "TaskClosed", "now": "NotAllowedNow", "target": "BadTarget", "late": "TooLate",
}  # fmt: skip
WORD = {kind: word for word, kind in SAYS.items()}

# The task is the hand-in at one bureau, which stands on the answer to the verification; while a case is cancelled it
# is the task that undoes the registration. `ended`: the last rows of a cancelled case are not written yet.
ENROLMENT = """
verb            ready  suspended  completed  returned  obsolete  cancelling  ended   gone
complete        ok     susp       closed     closed    closed    ok          closed  gone
return          ok     susp       closed     closed    closed    target      closed  gone
withdraw        ok     susp       late       late      now       late        late    gone
extend          ok     susp       closed     closed    closed    target      closed  gone
add_signer      now    susp       closed     closed    closed    now         closed  gone
remove_signer   now    susp       now        now       now       now         now     gone
decide_date     ok     ok         ok         ok        target    now         now     gone
decide_step     ok     now        ok         ok        now       now         now     gone
take_amendment  ok     ok         ok         ok        ok        now         now     gone
update_policy   ok     ok         ok         ok        ok        ok          now     gone
suspend         ok     now        ok         ok        ok        now         now     gone
resume          now    ok         now        now       now       now         now     gone
cancel          ok     ok         ok         ok        ok        now         now     gone
"""
# The task is one of two signatures side by side, after which somebody was added who is not asked yet.
SIGNING = """
verb            ready  suspended  completed  returned  ended   gone
complete        ok     susp       closed     closed    closed  gone
return          ok     susp       closed     closed    closed  gone
withdraw        ok     susp       late       late      late    gone
extend          ok     susp       closed     closed    closed  gone
add_signer      ok     susp       closed     closed    closed  gone
remove_signer   ok     susp       ok         late      late    gone
"""
QUIET = ("update_policy", "take_amendment", "extend", "decide_date", "add_signer", "remove_signer", "decide_step")
# Where the API lets through what the process then refuses, and why.
ASKED = {
    "withdraw": "whether anything followed, the process knows",
    "remove_signer": "whether it is too late, the process knows",
    "return returned": "the same click again has the same answer",
}


class SlowEnd(Office):
    """An office that writes the last rows of a case when it is told to."""

    def __init__(self) -> None:
        super().__init__(BY_HAND)
        self.fail["fill_application:medical_bureau:1"] = [ConnectionError("away") for _ in range(9999)]
        self.held: set[str] = set()

    @activity.defn(name="record_transition")
    async def record_transition(self, transition: Transition) -> None:
        if transition.process.id in self.held and transition.process.closed_at is not None:
            raise ConnectionError("the database is away")
        await super().record_transition(transition)


@dataclass
class Situation:
    """A process in a state, with the task that the verbs are about and the task whose answer led to it."""

    office: SlowEnd
    handle: WorkflowHandle[Any, Any]
    task: TaskSnapshot
    answered: TaskSnapshot
    seat: str = "1"

    def mine(self, more: Callable[[TaskSnapshot], bool] = lambda t: True) -> Callable[[TaskSnapshot], bool]:
        return lambda t: t.process_id == self.handle.id and more(t)

    def other(self) -> "Situation":
        """The same with the other signature that is asked for."""
        asked = self.office.open_tasks(self.handle.id)
        return replace(self, task=next(t for t in asked if t.id != self.task.id))

    def row(self) -> ProcessSnapshot:
        """What was last written of the case."""
        return next(t.process for t in reversed(self.office.transitions) if t.process.id == self.handle.id)

    async def do(self, verb: str) -> None:
        """Sends it and waits until it is done."""
        name, argument = self.call(verb)
        await self.handle.execute_update(name, argument)

    def call(self, verb: str) -> tuple[str, Any]:
        """Name and argument of the Update, as the API would send it now."""
        task = self.office.tasks[self.task.id]
        about: dict[str, Any] = {"task_id": task.id, "reason": "测试"}
        command = ProcessCommand(reason=f"{verb} 的理由", actor="supervisor")
        target = next((d for d in task.deadlines if d.legal_kind is LegalKind.INTERNAL), None)
        outcome = task.spec.outcomes[0]
        later = {
            "deadline": target.id if target else "INT-HAND-IN/1",
            "due": target.due + timedelta(days=1) if target else date(2026, 9, 30),
        }
        to = task.spec.return_to[0].step if task.spec.return_to else "materials"
        new, one = str(uuid.uuid4()), task.version
        amended = Amended(id=new, field="registration.receipt_no", of="social_bureau/1", actor="clerk")
        order = PolicyUpdate(id=new, scope="all", reason=Text(zh="新规则", en="new rules"), actor="policy")
        decision = DateDecision(
            id=new, deadline="DL-REG-FOR@medical_bureau", due=date(2026, 11, 2), number="函88号", reason="停机",
            document="d", actor="supervisor",
        )  # fmt: skip
        answer = Completion(
            task_id=task.id, outcome=outcome, data=filled(task, outcome), version=one, actor="a", submission_id=new
        )
        calls: dict[str, tuple[str, Any]] = {
            "complete": ("complete_task", answer),
            "return": ("return_task", Returning(**about, to=to, way="again", version=one, actor="a")),
            "withdraw": ("withdraw_task", Withdrawal(task_id=self.answered.id, reason="漏传", actor="clerk")),
            "extend": ("extend_target", ExtendTarget(**about, **later, ground="person", actor="supervisor")),
            "add_signer": ("add_signer", AddSigner(**about, username="y", where="after", version=one, actor="a")),
            "remove_signer": ("remove_signer", RemoveSigner(**about, seat=self.seat, actor="a")),
            "decide_date": ("decide_date", decision),
            "decide_step": ("decide_step", StepDecision(activity_id=TRIED, way=Way.SKIP, reason="停机", actor="a")),
            "take_amendment": ("take_amendment", amended),
            "update_policy": ("update_policy", order),
        }
        return calls.get(verb, (verb, command))

    async def said(self, verb: str) -> str:
        """The word of the answer."""
        return await word_of(self.do(verb))


async def word_of(attempt: Awaitable[Any]) -> str:
    try:
        await attempt
    except WorkflowUpdateFailedError as error:
        kind = str(error.cause.type) if isinstance(error.cause, ApplicationError) else repr(error.cause)
        return WORD.get(kind, kind)
    except RPCError as error:
        return "gone" if error.status is RPCStatusCode.NOT_FOUND else error.status.name
    return "ok"


async def enrolment(s: Stage, state: str) -> Situation:
    """An enrolment whose one bureau waits for its hand-in, and for the other a form that cannot be made."""
    office: SlowEnd = s.office  # type: ignore[assignment]
    handle = await s.begin(at=START)
    mine = lambda t: t.process_id == handle.id  # noqa: E731
    materials = await office.task("enrolment.materials", where=mine)
    found = Situation(office, handle, materials, materials)
    await found.do("complete")
    found.answered = found.task = await office.task("enrolment.verification", where=mine)
    name, answer = found.call("complete")
    await handle.execute_update(name, answer.model_copy(update={"actor": "clerk"}))
    found.task = await office.task("registration.hand_in", where=mine)
    if state == "suspended":
        await found.do("suspend")
    if state in ("completed", "cancelling"):
        await found.do("complete")
        await office.task("registration.acceptance", where=mine)
    if state == "returned":
        await found.do("return")
        await office.task("enrolment.materials", where=mine)
    if state == "obsolete":
        await found.do("withdraw")
        await office.task("enrolment.verification", where=mine)
    if state == "cancelling":
        await found.do("cancel")
        found.task = await office.task("registration.undo", where=mine)
    return await over(found, state)


async def signing(s: Stage, state: str) -> Situation:
    """A preparation, and two who sign it; in the state `last` the one signature decides."""
    office: SlowEnd = s.office  # type: ignore[assignment]
    mode, signers = ("any", "a") if state == "last" else ("all", "a,b")
    handle = await s.begin("Signing", at=START, mode=mode, signers=signers)
    mine = lambda t: t.process_id == handle.id  # noqa: E731
    prepared = await office.task("test.prepare", where=mine)
    found = Situation(office, handle, prepared, prepared)
    name, answer = found.call("complete")
    await handle.execute_update(name, answer.model_copy(update={"actor": "clerk"}))
    found.task = await office.task("test.sign", where=found.mine(lambda t: t.spec.roles == ["a"]))
    if state == "last":
        return found
    adding = found.call("add_signer")[1].model_copy(update={"username": "z"})
    await handle.execute_update("add_signer", adding)
    group = office.tasks[found.task.id].spec.sign
    found.seat = next(x.id for x in group.seats if x.signer.username == "z") if group else ""
    if state == "suspended":
        await found.do("suspend")
    if state == "completed":
        await found.do("complete")
        await office.task("test.sign", where=found.mine(lambda t: t.spec.roles == ["@z"]))
    if state == "returned":
        await found.do("return")
        await office.task("test.prepare", where=mine)
    return await over(found, state)


async def over(found: Situation, state: str) -> Situation:
    """Cancels it for the two states after its end."""
    if state in ("ended", "gone"):
        found.office.held.add(found.handle.id)
        name, argument = found.call("cancel")
        await found.handle.start_update(name, argument, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    if state == "gone":
        found.office.held.discard(found.handle.id)
        await found.handle.result()
    return found


def cells(table: str) -> dict[str, dict[str, str]]:
    """state -> verb -> the answer."""
    head, *lines = [line.split() for line in table.strip().splitlines()]
    return {state: {line[0]: line[n] for line in lines} for n, state in enumerate(head) if n}


async def column(s: Stage, make: Callable[..., Awaitable[Situation]], state: str, want: dict[str, str]) -> list[str]:
    """What is wrong in one state. What changes nothing but itself is sent to one process, each other to its own."""
    found = await make(s, state)
    before = await s.quiet(found.handle)
    got = {verb: await found.said(verb) for verb, answer in want.items() if answer != "ok"}
    wrong: list[str] = []
    if await s.quiet(found.handle) != before:
        wrong.append(f"{state}: a refusal left a trace")
    wrong += offered(found, state, want)
    taken = [verb for verb, answer in want.items() if answer == "ok"]
    for verb in sorted(set(taken) & set(QUIET), key=QUIET.index):
        got[verb] = await found.said(verb)
    for verb in [v for v in taken if v not in QUIET]:
        got[verb] = await (found if verb == taken[-1] else await make(s, state)).said(verb)
    return wrong + [f"{verb} {state}: {got[verb]}, not {want[verb]}" for verb in want if got[verb] != want[verb]]


def offered(found: Situation, state: str, want: dict[str, str]) -> list[str]:
    """Where pages offer a command to the case that it refuses, or the other way round."""
    if state in ("ended", "gone") or "suspend" not in want:
        return []
    clerk = Viewer("clerk", Text(zh="经办", en="Clerk"), frozenset({"clerk", "supervisor"}))
    case = found.row()
    actions = process_actions(clerk, case.kind, case.state, case.flags)
    wrong = [f"{v} {state}: offered {v in actions}" for v in ("suspend", "resume", "cancel")
             if (v in actions) != (want[v] == "ok")]  # fmt: skip
    if ("decide_date" in actions) != (want["decide_date"] in ("ok", "target")):
        wrong.append(f"decide_date {state}: offered {actions}")
    tried = state in ("ready", "suspended", "completed", "returned")
    row = Incident(kind="retrying", step="fill_application", closed_at=None)
    if tried and (Way.SKIP in ways(clerk, row, Process(state=case.state))) != (want["decide_step"] == "ok"):
        wrong.append(f"decide_step {state}: offered by the desk")
    return wrong


@pytest.mark.timeout(300)
async def test_each_verb_in_each_state(stage: Open) -> None:
    async with stage(SlowEnd()) as s:
        columns = [(enrolment, *item) for item in cells(ENROLMENT).items()]
        columns += [(signing, *item) for item in cells(SIGNING).items()]
        wrong = [line for found in await asyncio.gather(*(column(s, *c) for c in columns)) for line in found]
    assert not wrong, "\n".join(wrong)


async def test_the_api_says_the_same_as_the_process() -> None:
    """Where somebody is let through by the API the process accepts, and where it refuses somebody hears its word."""
    table, wrong = api.expected(), list[str]()
    for columns in (cells(ENROLMENT), cells(SIGNING)):
        for verb, state, answer in [(v, state, a) for state, verbs in columns.items() for v, a in verbs.items()]:
            said = table.get((verb, state))
            # `now`: a task that nobody countersigns, which the API's is
            if said is None or answer == "now" or {verb, f"{verb} {state}"} & ASKED.keys():
                continue
            if ("ok" in said) != (answer == "ok") or answer not in said:
                wrong.append(f"{verb} {state}: the API says {said}, the process {answer}")
    assert not wrong, "\n".join(wrong)


Verb = tuple[Situation, str]


async def together(stage: Open, s: Stage, pairs: list[tuple[Verb, Verb]]) -> list[list[str]]:
    """Sends two verbs to each process while nobody works on it, so that they meet in one step; gives their answers."""
    sent: list[list[asyncio.Task[str]]] = []
    for pair in pairs:
        sent.append([])
        for situation, verb in pair:
            (name, argument), ident = situation.call(verb), str(uuid.uuid4())
            attempt = situation.handle.execute_update(name, argument, id=ident)
            sent[-1].append(asyncio.create_task(word_of(attempt)))
            await s.arrived(situation.handle, ident)
    async with stage(s.office, queue=s.queue):
        answers = [[await one for one in pair] for pair in sent]
        for (situation, _), _ in pairs:
            await s.quiet(situation.handle)
    return answers


async def test_what_two_people_do_at_the_same_moment_has_one_result(stage: Open) -> None:
    async with stage(SlowEnd(), max_cached_workflows=0) as s:
        states = ("suspended", "ready", "ready", "ready", "last", "ready", "ready", "ready", "ready")
        found = await asyncio.gather(*(signing(s, state) for state in states))
    stopped, closing, leaving, losing, last, one_back, two_back, withdrawn, answered = found
    meetings = [
        ((stopped, "cancel"), (stopped, "resume"), ["ok", "now"]),
        ((closing, "cancel"), (closing, "complete"), ["ok", "closed"]),
        ((leaving, "cancel"), (leaving, "withdraw"), ["ok", "now"]),
        ((losing, "cancel"), (losing, "remove_signer"), ["ok", "now"]),
        ((last, "complete"), (last, "cancel"), ["ok", "ok"]),
        ((one_back, "return"), (one_back.other(), "complete"), ["ok", "ok"]),
        ((two_back, "return"), (two_back.other(), "return"), ["ok", "ok"]),
        ((withdrawn, "withdraw"), (withdrawn, "complete"), ["ok", "closed"]),
        ((answered, "complete"), (answered, "withdraw"), ["ok", "late"]),
    ]
    got = await together(stage, s, [(one, other) for one, other, _ in meetings])
    assert got == [want for _, _, want in meetings]
    office = stopped.office
    # A cancelled case is cancelled, for the reason given, and nothing of it stays open or half done.
    for case in (stopped, closing, leaving, losing, last):
        row = case.row()
        assert (row.state, row.reason, row.flags) == ("cancelled", "cancel 的理由", [])
        assert office.open_tasks(case.handle.id) == []
    assert "resumed" not in office.kinds(stopped.handle.id)
    # However many send it back, the step before is asked once, and nobody signs what will change.
    for case in (one_back, two_back, withdrawn):
        assert [t.spec.key for t in office.open_tasks(case.handle.id)] == ["prepare/2"]
    assert {t.spec.roles[0] for t in office.open_tasks(answered.handle.id)} == {"@z", "b"}
