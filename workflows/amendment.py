"""Amendment 更正: a second person's word on a value that another person wants to change on record.

A process of its own beside the case, so that it works the same while the case runs, is suspended or has long ended. The
values stay in the books and never come here; what is decided is written there by one activity, and the processes that
count by the value are told by another. Cancelling it withdraws the proposal.
"""

from temporalio import workflow

from schemas.amendment import CONFIRM, FIELDS, AmendmentArg, AmendmentDecided, AmendmentDecision
from schemas.base import Text
from schemas.process import ProcessStart, Stage
from schemas.tasks import TaskResult, TaskSpec
from workflows.process import Process

CONFIRMING = Text(zh="确认更正", en="confirmation of an amendment")
SAYS = {
    "applied": Text(zh="已更正", en="Amended"),
    "rejected": Text(zh="不予更正，原值不变", en="Not amended: the old value stays"),
    "withdrawn": Text(zh="更正已撤回，原值不变", en="Withdrawn: the old value stays"),
    "void": Text(
        zh="未能更正：登记的值已有变化或不能再更正，原因见个案的更正记录",
        en="Could not be amended: the value has changed or is past amending; the case's list of amendments says why",
    ),
}


@workflow.defn(name="Amendment")
class Amendment(Process):
    """Of one value. `start.parameters`: of (the case), field, excluded (logins), what_zh, what_en."""

    kind = "amendment"

    @workflow.init
    def __init__(self, start: ProcessStart) -> None:
        super().__init__(start)
        self.field = FIELDS[start.parameters["field"]]
        self.what = Text(zh=start.parameters["what_zh"], en=start.parameters["what_en"])

    @workflow.run
    async def run(self, start: ProcessStart) -> None:
        await self.run_process()

    def plan_stages(self) -> list[Stage]:
        return [
            Stage(code="confirmation", title=Text(zh="复核", en="Confirmation"), column=0),
            Stage(code="record", title=Text(zh="登记", en="Record"), column=1),
        ]

    async def body(self) -> None:
        async with self.stage("confirmation"):
            result = await self.supervised(CONFIRMING, self._ask, "confirmation")
        async with self.stage("record"):
            decided = await self.calls.decide_amendment(
                AmendmentDecision(
                    id=self.id,
                    outcome="confirm" if result.outcome == "confirm" else "reject",
                    actor=result.actor,
                    submission_id=result.submission_id,
                )
            )
            self._say(decided, result.actor)
            if decided.state == "applied":
                await self.calls.tell_amended(AmendmentArg(id=self.id))
                for scope in decided.pay:
                    await self.calls.start_tax_payment(scope)

    async def _ask(self) -> TaskResult:
        return await self.desk.ask(
            TaskSpec(
                key=self.desk.key("confirm"),
                kind=CONFIRM,
                title=Text(zh=f"确认更正：{self.what.zh}", en=f"Confirm an amendment: {self.what.en}"),
                roles=list(self.field.confirmed_by),
                stage="confirmation",
                outcomes=["confirm", "reject"],
                excluded=self.start.parameters["excluded"].split(),
                deadlines=[self.internal("approval")],
                data={"of": self.start.parameters["of"], "field": self.field.code},
            )
        )

    async def undo(self) -> None:
        """A proposal that was cancelled is withdrawn; what is applied already stays, and is amended anew."""
        actor = self.cancelling.actor if self.cancelling else self.start.started_by
        arg = AmendmentDecision(id=self.id, outcome="withdraw", actor=actor)
        self._say(await self.calls.decide_amendment(arg), actor)

    def _say(self, decided: AmendmentDecided, actor: str) -> None:
        self.note(f"amend_{decided.state}", SAYS[decided.state], actor=actor)
        self.touch()
