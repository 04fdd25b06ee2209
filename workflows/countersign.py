"""会签 for every process in a few lines: who signs, in which mode, and what each is asked.

    decision = await countersign(self, "approval", [Signer(role="supervisor"), Signer(role="head")], spec,
    mode="in_turn")

The rule of refusal of each mode stands in `schemas/countersign.py`. A single signer is a countersign of one: somebody
can be added to it (加签) all the same. Invariants: nobody signs twice, in whatever role (who signed is excluded from
the rest); a decision closes the tasks that are still open; a return (退回) out of one signature ends all of them, and
after it everybody signs anew, because what they signed has changed; the commands of a single signer are those of a
plain `Desk.ask`.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from temporalio import workflow

from schemas.base import Text
from schemas.countersign import AddSigner, RemoveSigner, Seat, SeatState, Signer, SignGroup, SignMode
from schemas.deadlines import Deadline, LegalKind
from schemas.tasks import Refusal, TaskResult, TaskSpec
from workflows.human_task import Desk, HumanTask, Returned, refusal, refuse_now
from workflows.returning import reopen

if TYPE_CHECKING:
    from workflows.process import Process

SIGN = "@countersign"  # no step: where an open signature goes back to when its countersign has changed
ENDED = (SeatState.APPROVED, SeatState.REMOVED)
UNSIGNED = (SeatState.WAITING, SeatState.OPEN)


async def countersign(
    process: "Process",
    name: str,
    signers: Sequence[Signer],
    spec: TaskSpec,
    *,
    mode: SignMode = "all",
    quorum: int | None = None,
) -> TaskResult:
    """Asks all signers and returns the answer that decided: an approval (the first outcome of `spec`), or a refusal.

    `spec` is what each is asked; its key and roles are set here. Returned passes through.
    """
    return await Countersign(process, name, signers, spec, mode, quorum).run()


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
    ) -> None:
        need = {"any": 1, "quorum": quorum or len(signers)}.get(mode, len(signers))
        if not 1 <= need <= len(signers):
            raise ValueError(f"{need} of {len(signers)} signatures")
        self._process = process
        self._name = name
        self._spec = spec
        self._made = 0
        self.group = SignGroup(id=process.desk.key(f"{name}.sign"), mode=mode, need=need)
        for place, signer in enumerate(signers, 1):
            self.group.seats.append(self._seat(place, signer, None))
        self._results: dict[str, TaskResult] = {}
        self._tasks: dict[str, str] = {}  # seat -> the newest key of its task

    def _seat(self, place: int, signer: Signer, added_by: str | None) -> Seat:
        self._made += 1
        return Seat(id=str(self._made), place=place, signer=signer, added_by=added_by)

    async def run(self) -> TaskResult:
        self._process.desk.countersigns[self.group.id] = self
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
        lines = [process.spawn(self._sign([p])) for p in places]
        try:
            await workflow.wait_condition(lambda: self._approved() or self._refused() or any(_failed(t) for t in lines))
        except asyncio.CancelledError:
            for line in lines:
                line.cancel()
            raise
        failed = [t for t in lines if _failed(t)]
        await process.stop_all(lines)
        for line in failed:
            await line  # raises: a return, or an error that `supervised` takes

    async def _sign(self, places: Sequence[int]) -> bool:
        """The people of these places, one after the other; True when each has approved."""
        while True:
            seat = next((s for s in self.group.seats if s.place in places and s.state not in ENDED), None)
            if seat is None:
                return True
            if not await self._sit(seat):
                return False

    async def _sit(self, seat: Seat) -> bool:
        """Asks one person. True: approved, or the countersign has changed and is looked at again."""
        desk = self._process.desk
        key = desk.key(self._name)
        before = self._previous(seat)
        spec = self._spec.model_copy(
            update={
                "key": key,
                "deadlines": self._deadlines(),
                "roles": [seat.signer.group],
                "excluded": [*self._spec.excluded, *(s.actor for s in self.group.seats if s.actor)],
                "sign": self.group,
                "after": self._spec.after if before is None else self._tasks[before.id],
            }
        )
        seat.state, seat.task_id = SeatState.OPEN, desk.id_of(key)
        self._tasks[seat.id] = key
        self._show()
        try:
            result = await desk.ask(spec)
        except Returned as back:
            seat.state, seat.task_id = (seat.state if seat.state in ENDED else SeatState.WAITING), None
            self._show()
            if back.to == SIGN:
                return True
            if back.withdrawn and before is not None:
                before.state, before.actor = SeatState.WAITING, None
                return True
            raise
        self._results[seat.id] = result
        approved = result.outcome == spec.outcomes[0]
        seat.state, seat.actor = (SeatState.APPROVED if approved else SeatState.REFUSED), result.actor
        for task in self._open():
            if result.actor not in task.spec.excluded:  # nobody signs twice
                task.spec.excluded.append(result.actor)
        self._show()
        return approved

    def _deadlines(self) -> list[Deadline]:
        """Dates of the matter as they stand; whoever is asked later has a target of their own, with its own
        reminders."""
        process, given = self._process, self._spec.deadlines
        if not self._tasks:
            return given
        return [
            process.internal_again(d) if d.legal_kind is LegalKind.INTERNAL else process.deadlines.get(d.id, d)
            for d in given
        ]

    def _previous(self, seat: Seat) -> Seat | None:
        """Whose approval led to this seat: the one before in the same place, or in the place before when in turn."""
        earlier = self.group.seats[: self.group.seats.index(seat)]
        if self.group.mode != "in_turn":
            earlier = [s for s in earlier if s.place == seat.place]
        signed = [s for s in earlier if s.state is SeatState.APPROVED]
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

    def _decided(self) -> None:
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
