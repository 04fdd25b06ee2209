"""移出本次缴费: people leave a frozen bill while it is on its way to its payment.

A case that is cancelled wakes us, and the books say who has left; or a clerk takes off who is not visible at the tax
client. Either way what was compared, confirmed and approved was about another sum: `PeopleLeft` ends the step that is
going on, its open tasks are no longer needed, and the bill is compared, confirmed and approved anew. Invariants: the
books are asked once more between approval and payment, so a lost wake-up lets nobody be paid for who has left; from the
payment on nobody leaves: what is paid stays paid.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from temporalio import workflow

from schemas.base import Text
from schemas.calls import BillArg, BillDecision
from schemas.tasks import TaskResult
from schemas.tax_payment import CASE_CANCELLED, BillKind, BillRef
from workflows.human_task import Diverted

if TYPE_CHECKING:
    from workflows.tax_payment import TaxPayment

T = TypeVar("T")
TAKE_OFF = "take_off"
KIND_TITLE = {
    BillKind.REGULAR: Text(zh="当月征集单", en="regular bill"),
    BillKind.SUPPLEMENTARY: Text(zh="补充征集单", en="supplementary bill"),
    BillKind.BACK_PAYMENT: Text(zh="补缴征集单", en="back-payment bill"),
}


class PeopleLeft(Diverted):
    """Leaves the step of a bill that is going on: the bill is another one now."""


async def unless_left(
    process: "TaxPayment",
    step: Callable[[], Coroutine[Any, Any, T]],
    told: Callable[[], bool],
    look: Callable[[], Awaitable[None]],
) -> T:
    """Runs a step to its end. Each time that we are told that somebody has left, `look` asks the books; the PeopleLeft
    that it may raise ends the step."""
    if told():
        await look()
    running = process.spawn(step())
    try:
        while not running.done():
            await workflow.wait_condition(lambda: running.done() or told())
            if not running.done():
                await look()
    except PeopleLeft:
        await process.stop_all([running])
        if not running.cancelled():
            running.exception()  # whatever it came to was about what is no more
        raise
    finally:
        running.cancel()
    return await running


class OpenBill:
    """A bill from its freezing to its payment. `bill` is how it stands now; `missing` whom the tax client did not show
    when it was last asked; `by_hand` that its comparison is read from a file that a clerk uploads."""

    def __init__(self, process: "TaxPayment", bill: BillRef, heard: int) -> None:
        self._process = process
        self._heard = heard  # wake-ups that came before the list was frozen say nothing of it
        self.bill = bill
        self.by_hand = False
        self.missing: list[str] = []
        self.corrections = 0  # of our lines, since it was frozen: the total may be the same again

    @property
    def arg(self) -> BillArg:
        return BillArg(bill_id=self.bill.bill_id)

    @property
    def title(self) -> Text:
        return KIND_TITLE[self.bill.kind]

    async def unless_left(self, step: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs a step of the bill to its end; PeopleLeft as soon as somebody has left the bill."""
        return await unless_left(self._process, step, lambda: self._process.heard_left > self._heard, self._told)

    async def _told(self) -> None:
        """Who has left leaves the bills that wait behind this one as well."""
        for waiting in self._process.waiting:
            await waiting.shrunk()
        await self.look()

    async def look(self) -> None:
        """Asks the books who has left, and takes them off; PeopleLeft when somebody has."""
        if await self.shrunk():
            raise PeopleLeft

    async def shrunk(self) -> bool:
        """Takes off who has left by the books; whether somebody has."""
        process = self._process
        self._heard = process.heard_left
        found = await process.calls.take_off_leavers(self.arg, process.next_question())
        return self._became(found, CASE_CANCELLED, None)

    async def take_off(self, chosen: TaskResult) -> NoReturn:
        """Takes off whom a clerk has chosen; raises PeopleLeft."""
        process = self._process
        decision = BillDecision(
            bill_id=self.bill.bill_id,
            submission_id=chosen.submission_id,
            actor=chosen.actor,
            outcome=chosen.outcome,
        )
        found = await process.calls.take_off(decision, process.next_question())
        reason = str(chosen.data.get("reason") or "")
        self._became(found, Text(zh=reason, en=reason), chosen.actor)
        raise PeopleLeft

    def void(self) -> None:
        """Nobody is left on the bill: it ends, and nothing is paid."""
        self._process.note(
            "bill_void",
            Text(
                zh=f"{self.title.zh}人员已全部移出，本单作废，不缴款；税务端如已生成征集单，请在税务端作废",
                en=f"Everybody was taken off the {self.title.en}: it is void and nothing is paid; where the tax office "
                "has made its bill already, cancel it there",
            ),
            data={"bill_id": self.bill.bill_id},
        )
        self._process.touch()

    def _became(self, found: BillRef, why: Text, actor: str | None) -> bool:
        """Tells the difference to the bill as we knew it; whether there is one."""
        before, process = self.bill, self._process
        if found.taken_off == before.taken_off:
            return False
        self.bill = found
        self.missing = []
        off, left, total = before.persons - found.persons, found.persons, found.total
        process.note(
            "taken_off",
            Text(
                zh=f"{self.title.zh}：移出 {off} 人（{why.zh}），余 {left} 人、{total} 元；须重新核对、确认和审批",
                en=f"{self.title.en}: {off} persons taken off ({why.en}), {left} persons and {total} yuan are left; "
                "it is compared, confirmed and approved anew",
            ),
            actor=actor,
            data={"bill_id": found.bill_id, "persons": off},
        )
        process.touch()
        return True
