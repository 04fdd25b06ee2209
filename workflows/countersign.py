"""会签 for every process in a few lines: who signs, in which mode, and what each is asked.

    decision = await countersign(self, "approval", [Signer(role="supervisor"), Signer(role="head")], spec,
    mode="in_turn")

The rule of refusal of each mode stands in `schemas/countersign.py`. A single signer is a countersign of one: somebody
can be added to it (加签) all the same. Invariants: nobody signs twice, in whatever role (who signed is excluded from
the rest); a decision closes the tasks that are still open; who withdraws reopens the own seat and nobody else's; a
return (退回) out of one signature closes all open ones. When the work comes straight back and what was signed is
unchanged, the countersign goes on where it was; else everybody signs anew. A seat that is asked again keeps its target,
its holder and their draft. The commands of a single signer are those of a plain `Desk.ask`.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from temporalio import workflow

from schemas.base import Text
from schemas.countersign import SIGN, UNSIGNED, AddSigner, RemoveSigner, Seat, SeatState, Signer, SignGroup, SignMode
from schemas.deadlines import Deadline, is_target
from schemas.tasks import Refusal, TaskResult, TaskSpec
from workflows.human_task import Desk, HumanTask, Returned, refusal, refuse_now
from workflows.returning import reopen, why

if TYPE_CHECKING:
    from workflows.process import Process

ENDED = (SeatState.APPROVED, SeatState.REMOVED)


async def countersign(
    process: "Process",
    name: str,
    signers: Sequence[Signer],
    spec: TaskSpec,
    *,
    mode: SignMode = "all",
    quorum: int | None = None,
    back: Returned | None = None,
    signed: object = None,
) -> TaskResult:
    """Asks all signers and returns the answer that decided: an approval (the first outcome of `spec`), or a refusal.

    `spec` is what each is asked; its key and roles are set here. Returned passes through. `signed` is what they put
    their names to, and `back` the way on which the process has come here again: both say whether an earlier countersign
    of this goes on.
    """
    earlier = _earlier(process.desk, back)
    if earlier is not None and back is not None and earlier.goes_on(spec, back, signed):
        return await earlier.run()
    _tell_left_out(process, name, spec)
    return await Countersign(process, name, signers, spec, mode, quorum, signed).run()


def _tell_left_out(process: "Process", name: str, spec: TaskSpec) -> None:
    """Everybody signs anew, as it was decided who signs: whoever was added to the countersign before is not among them,
    and that is said."""
    same = [c for c in process.desk.countersigns.values() if c.name == name and c.about == spec.data.get("bill_id")]
    for seat in same[-1].group.seats if same else ():
        if seat.added_by is None or seat.state is SeatState.REMOVED:
            continue
        who = seat.signer.username
        process.note(
            "signer_left_out",
            Text(
                zh=f"{spec.title.zh}：重新审批，不再请加签人 {who} 签署；如仍需其签署，请重新加签",
                en=f"{spec.title.en}: it is signed anew, and {who} who had been added is not asked any more; add the "
                "person again where the signature is still needed",
            ),
            data={"signer": who},
        )


def _earlier(desk: Desk, back: Returned | None) -> "Countersign | None":
    """The countersign out of which the process has gone back, or whose last signature was taken back."""
    came = None if back is None else desk.tasks.get(desk.id_of(back.task_key))
    if back is None or came is None or (came.spec.sign is None and not back.withdrawn):
        return None
    return desk.countersign_of(came)


class Countersign:
    """One countersign while it runs."""

    def __init__(
        self,
        process: "Process",
        name: str,
        signers: Sequence[Signer],
        spec: TaskSpec,
        mode: SignMode,
        quorum: int | None,
        signed: object,
    ) -> None:
        need = {"any": 1, "quorum": quorum or len(signers)}.get(mode, len(signers))
        if not 1 <= need <= len(signers):
            raise ValueError(f"{need} of {len(signers)} signatures")
        self._process = process
        self.name = name
        self._spec = spec
        self._signed = signed
        self._made = 0
        self._running = False
        self._lines: list[asyncio.Task[bool]] = []  # places that sign side by side
        self.group = SignGroup(id=process.desk.key(f"{name}.sign"), mode=mode, need=need)
        for place, signer in enumerate(signers, 1):
            self.group.seats.append(self._seat(place, signer, None))
        self._results: dict[str, TaskResult] = {}
        self._tasks: dict[str, str] = {}  # seat -> the newest key of its task
        self._counting: set[str] = set()  # seats whose target goes on when they are asked again
        self._target_is_new = True  # the one that came with `spec`: whoever is asked first has it
        self._former: dict[str, Returned] = {}  # seat -> how its answer was taken back
        self._settled_before: set[str] = set()  # seats that signed before an earlier step was done once more

    def _seat(self, place: int, signer: Signer, added_by: str | None) -> Seat:
        self._made += 1
        return Seat(id=str(self._made), place=place, signer=signer, added_by=added_by)

    @property
    def about(self) -> object:
        """The bill that is signed, where it is one."""
        return self._spec.data.get("bill_id")

    @property
    def signers(self) -> list[str]:
        """Who has approved so far."""
        return [s.actor for s in self.group.seats if s.state is SeatState.APPROVED and s.actor]

    async def run(self) -> TaskResult:
        self._process.desk.countersigns[self.group.id] = self
        self._running = True
        places = sorted({s.place for s in self.group.seats})
        try:
            if self.group.mode == "in_turn" or len(places) == 1:
                await self._sign(places)
            else:
                await self._side_by_side(places)
        except (Returned, asyncio.CancelledError):
            self._decided()
            raise
        self._decided()
        deciding = SeatState.REFUSED if self._refused() else SeatState.APPROVED
        return max((self._results[s.id] for s in self.group.seats if s.state is deciding), key=lambda r: r.at)

    async def _side_by_side(self, places: Sequence[int]) -> None:
        process = self._process
        self._lines = [process.spawn(self._sign([p])) for p in places]
        try:
            await workflow.wait_condition(self._ended)
        except asyncio.CancelledError:
            for line in self._lines:
                line.cancel()
            raise
        failed = [t for t in self._lines if _failed(t)]
        await process.stop_all(self._lines)
        for line in failed:
            await line  # raises: a return, or an error that `supervised` takes

    def _ended(self) -> bool:
        return self._approved() or self._refused() or any(_failed(t) for t in self._lines)

    async def _sign(self, places: Sequence[int]) -> bool:
        """The people of these places, one after the other; True when each has approved."""
        while True:
            seat = next((s for s in self.group.seats if s.place in places and s.state not in ENDED), None)
            if seat is None:
                return True
            if not await self._process.supervised(self._spec.title, partial(self._sit, seat), self._spec.stage):
                return False

    async def _sit(self, seat: Seat) -> bool:
        """Asks one person. True: approved, or the countersign has changed and is looked at again."""
        desk = self._process.desk
        key = desk.key(self.name)
        before = self._previous(seat)
        taken_back = self._former.get(seat.id)
        spec = self._spec.model_copy(
            update={
                "key": key,
                "deadlines": self._deadlines(seat),
                "data": {**self._spec.data, **why(taken_back)},
                "former": taken_back.former if taken_back else self._spec.former,
                "again": self._tasks.get(seat.id),
                "roles": [seat.signer.group],
                "excluded": [*self._spec.excluded, *(s.actor for s in self.group.seats if s.actor)],
                "sign": self.group,
                "after": self._spec.after if before is None else self._tasks[before.id],
            }
        )
        seat.state, seat.task_id = SeatState.OPEN, desk.id_of(key)
        self._tasks[seat.id] = key
        self._former.pop(seat.id, None)
        self._show()
        try:
            result = await desk.ask(spec)
        except Returned as back:
            seat.state, seat.task_id = (seat.state if seat.state in ENDED else SeatState.WAITING), None
            self._show()
            if back.to == SIGN or self._taken_back(back):
                return True
            if not back.withdrawn:
                seat.state, seat.actor = SeatState.RETURNED, back.actor
            raise
        self._results[seat.id] = result
        approved = result.outcome == spec.outcomes[0]
        seat.state, seat.actor = (SeatState.APPROVED if approved else SeatState.REFUSED), result.actor
        for task in self._open():
            if result.actor not in task.spec.excluded:  # nobody signs twice
                task.spec.excluded.append(result.actor)
        self._show()
        return approved

    def _taken_back(self, back: Returned) -> bool:
        """Reopens the seat whose answer was taken back, if it was one of this countersign."""
        if not back.withdrawn:
            return False
        key = self._process.desk.tasks[self._process.desk.id_of(back.task_key)].spec.after
        seat = next((s for s in self.group.seats if self._tasks.get(s.id) == key), None)
        if seat is not None:
            self._reopen(seat, back)
        return seat is not None

    def _reopen(self, seat: Seat, back: Returned) -> None:
        seat.state, seat.actor, seat.task_id = SeatState.WAITING, None, None
        self._former[seat.id] = back

    def _deadlines(self, seat: Seat) -> list[Deadline]:
        """Dates of the matter as they stand; whoever is asked later has a target of their own, with its own
        reminders, and who is asked again goes on with it."""
        process, given = self._process, self._spec.deadlines
        if seat.id in self._counting:
            before = process.desk.tasks[process.desk.id_of(self._tasks[seat.id])]
            return [
                process.desk.going_on(d, before.closed_at) if is_target(d) else process.deadlines.get(d.id, d)
                for d in before.deadlines
            ]
        if not self._target_is_new:
            given = [process.internal_again(d) if is_target(d) else process.deadlines.get(d.id, d) for d in given]
        self._target_is_new = False
        self._counting.add(seat.id)
        return given

    def _previous(self, seat: Seat) -> Seat | None:
        """Whose approval led to this seat: the one before in the same place, or in the place before when in turn."""
        earlier = self.group.seats[: self.group.seats.index(seat)]
        if self.group.mode != "in_turn":
            earlier = [s for s in earlier if s.place == seat.place]
        signed = [s for s in earlier if s.state is SeatState.APPROVED and s.id not in self._settled_before]
        return signed[-1] if signed else None

    def _open(self) -> list[HumanTask]:
        return [t for t in self._process.desk.open_tasks if t.spec.sign is self.group]

    def _approved(self) -> bool:
        return self._settled(True) >= self.group.need

    def _refused(self) -> bool:
        return self._settled(False) > self._places() - self.group.need

    def _places(self) -> int:
        return len({s.place for s in self.group.seats})

    def _settled(self, approved: bool) -> int:
        """Places that have approved, or refused."""
        found = 0
        for place in {s.place for s in self.group.seats}:
            states = {s.state for s in self.group.seats if s.place == place}
            refused = SeatState.REFUSED in states
            found += refused if not approved else (not refused and states <= set(ENDED))
        return found

    # --- 撤回, and 退回 that comes back ------------------------------------------------------------------------------

    def waits_beside(self, task: HumanTask) -> bool:
        """Whether this signature led to nothing yet, because the others sign beside it."""
        return bool(self._lines) and self._running and not self._ended() and task.spec.key in self._tasks.values()

    def withdraw(self, task: HumanTask, back: Returned) -> None:
        """Asks a seat again while the others go on."""
        seat = next(s for s in self.group.seats if self._tasks.get(s.id) == task.spec.key)
        for other in self._open():
            if seat.actor in other.spec.excluded and seat.actor not in self._spec.excluded:
                other.spec.excluded.remove(seat.actor)
        self._reopen(seat, back)
        self._lines.append(self._process.spawn(self._sign([seat.place])))
        self._show()

    def goes_on(self, spec: TaskSpec, back: Returned, signed: object) -> bool:
        """Whether it goes on where it was: what was signed is unchanged, and nobody has signed who then took part in
        what is decided. Made ready for that; else it is told whose signatures are void."""
        if not back.withdrawn and back.way != "straight":
            return False
        if signed != self._signed or set(self.signers) & set(spec.excluded):
            self._void()
            return False
        self._spec = spec
        for seat in self.group.seats:
            if seat.state in (SeatState.NOT_NEEDED, SeatState.RETURNED):
                seat.state, seat.actor = SeatState.WAITING, None
        if not self._taken_back(back):  # an earlier step was done once more
            self._settled_before = {s.id for s in self.group.seats if s.state is SeatState.APPROVED}
            self._counting.clear()
            self._target_is_new = True
        return True

    def _void(self) -> None:
        if not self.signers:
            return
        title = self._spec.title
        self._process.note(
            "signatures_void",
            Text(
                zh=f"{title.zh}：所签内容已更改，已签的意见作废，须重新会签",
                en=f"{title.en}: what was signed has changed, the signatures are void and everybody signs anew",
            ),
            data={"signers": self.signers},
        )

    def _decided(self) -> None:
        self._running = False
        for seat in self.group.seats:
            if seat.state in UNSIGNED:
                seat.state = SeatState.NOT_NEEDED
        self._show(everything=True)

    def _show(self, *, everything: bool = False) -> None:
        """Who signed and who is open stands with every open task; at the end with all of them."""
        if len(self.group.seats) == 1:
            return
        tasks = self._process.desk.tasks.values() if everything else self._process.desk.open_tasks
        self._process.touch(*[t for t in tasks if t.spec.sign is self.group])

    # --- 加签, 减签 ---------------------------------------------------------------------------------------------------

    def add(self, task: HumanTask, adding: AddSigner) -> None:
        """Adds a person to the place of an open task; before, the task itself is asked again afterwards."""
        at = next(i for i, s in enumerate(self.group.seats) if s.task_id == task.id)
        seat = self._seat(self.group.seats[at].place, Signer(username=adding.username), adding.actor)
        self.group.seats.insert(at if adding.where == "before" else at + 1, seat)
        zh, en = {"before": ("前加签", "before"), "after": ("后加签", "after")}[adding.where]
        # The login stands in the text where pages show the name (`api/views.py`): no names of people in a history.
        self._process.note(
            "signer_added",
            Text(
                zh=f"{task.spec.title.zh}：{zh} {adding.username}。{adding.reason}",
                en=f"{task.spec.title.en}: {adding.username} signs {en} this. {adding.reason}",
            ),
            actor=adding.actor,
            task_id=task.id,
            data={"signer": adding.username, "where": adding.where},
        )
        if adding.where == "before":
            reopen(
                self._process.desk,
                task,
                Text(
                    zh=f"待加签人办理后再回到：{task.spec.title.zh}",
                    en=f"Comes back after the added signer: {task.spec.title.en}",
                ),
                SIGN,
                adding.actor,
                comes_back=True,
            )
        self._show()

    def remove(self, task: HumanTask, removing: RemoveSigner) -> None:
        """Takes an added person off; an open task of theirs is no longer needed."""
        seat = next(s for s in self.group.seats if s.id == removing.seat)
        theirs = next((t for t in self._open() if t.id == seat.task_id), None)
        seat.state = SeatState.REMOVED
        who = seat.signer.username
        words = Text(
            zh=f"{task.spec.title.zh}：减签 {who}。{removing.reason}",
            en=f"{task.spec.title.en}: {who} no longer signs. {removing.reason}",
        )
        self._process.note("signer_removed", words, actor=removing.actor, task_id=task.id, data={"signer": who})
        if theirs is not None:
            reopen(
                self._process.desk,
                theirs,
                Text(zh=f"不再需要：{theirs.spec.title.zh}", en=f"No longer needed: {theirs.spec.title.en}"),
                SIGN,
                removing.actor,
            )
        self._show()


def _failed(line: "asyncio.Task[bool]") -> bool:
    return line.done() and not line.cancelled() and line.exception() is not None


def running(desk: Desk, task: HumanTask) -> Countersign:
    """The countersign of a task. NotAllowedNow where it has none."""
    if task.spec.sign is None or task.spec.sign.id not in desk.countersigns:
        raise refusal(Refusal.NOT_ALLOWED_NOW, "nobody countersigns this task")
    return desk.countersigns[task.spec.sign.id]


def check_adding(desk: Desk, adding: AddSigner) -> tuple[HumanTask, Countersign]:
    """The validator of `add_signer`; changes nothing."""
    task = desk.open_task(adding.task_id, adding.version)
    found = running(desk, task)
    if adding.username in task.spec.excluded:
        raise refusal(Refusal.FOUR_EYES, "took part in what is decided")
    named = [s for s in found.group.seats if s.signer.username == adding.username and s.state in UNSIGNED]
    if named or adding.username == adding.actor:
        raise refusal(Refusal.SIGNS_ALREADY, f"{adding.username} signs already")
    return task, found


def check_removing(desk: Desk, removing: RemoveSigner) -> tuple[HumanTask, Countersign]:
    """The validator of `remove_signer`; changes nothing."""
    task = desk.tasks.get(removing.task_id)
    if task is None:
        raise refusal(Refusal.TASK_UNKNOWN, "no such task in this process yet")
    if desk.process.stopping:
        raise refuse_now("the case is being cancelled")
    if desk.process.suspended:
        raise refusal(Refusal.TASK_SUSPENDED, "the case is suspended")
    found = running(desk, task)
    seat = next((s for s in found.group.seats if s.id == removing.seat), None)
    if seat is None or seat.added_by is None:
        raise refusal(Refusal.SIGNER_REQUIRED, "only an added signer can be taken off")
    if seat.state not in UNSIGNED:
        raise refusal(Refusal.TOO_LATE, "signed already")
    return task, found
