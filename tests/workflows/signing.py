"""A small process for tests of the verbs: one countersign in a mode of the test's choice, returnable to a first
step."""

from temporalio import workflow

from schemas.base import Text
from schemas.countersign import Signer, SignMode
from schemas.deadlines import Deadline
from schemas.forms import EmptyForm, Outcome, register
from schemas.process import ProcessStart, Stage
from schemas.tasks import TaskResult, TaskSpec
from workflows.countersign import countersign
from workflows.human_task import Returned
from workflows.process import Process
from workflows.returning import AGAIN, target, why

register("test.prepare", Text(zh="准备", en="Prepare"), Outcome("done", Text(zh="完成", en="Done"), EmptyForm))
register(
    "test.sign",
    Text(zh="会签", en="Sign"),
    Outcome("approve", Text(zh="同意", en="Approve"), EmptyForm),
    Outcome("refuse", Text(zh="不同意", en="Refuse"), EmptyForm),
)


@workflow.defn(name="Signing")
class Signing(Process):
    """`start.parameters`: mode, quorum, signers (roles with commas)."""

    kind = "signing"

    @workflow.init
    def __init__(self, start: ProcessStart) -> None:
        super().__init__(start)
        self.verdicts: list[str] = []

    @workflow.run
    async def run(self, start: ProcessStart) -> list[str]:
        await self.run_process()
        return self.verdicts

    def internal_again(self, target: Deadline) -> Deadline:
        """`fault` in the parameters: an error of the program, once, where somebody is asked who has a later target."""
        if self.start.parameters.get("fault") and "faulty" not in self.flags:
            self.flag("faulty")
            raise RuntimeError("a fault of the program")
        return super().internal_again(target)

    def plan_stages(self) -> list[Stage]:
        return [
            Stage(code="prepare", title=Text(zh="准备", en="Prepare"), column=0),
            Stage(code="sign", title=Text(zh="会签", en="Sign"), column=1),
        ]

    async def body(self) -> None:
        prepared: TaskResult | None = None
        back: Returned | None = None
        while True:
            try:
                prepared = await self._prepare(back)
                decision = await self._sign(prepared)
                self.verdicts.append(f"{decision.outcome} by {decision.actor}")
                return
            except Returned as returned:
                back = returned

    async def _prepare(self, back: Returned | None) -> TaskResult:
        async with self.stage("prepare"):
            return await self.desk.ask(
                TaskSpec(
                    key=self.desk.key("prepare"),
                    kind="test.prepare",
                    title=Text(zh="准备", en="Prepare"),
                    roles=["clerk"],
                    stage="prepare",
                    outcomes=["done"],
                    data=dict(why(back)),
                    former=back.former if back else None,
                )
            )

    async def _sign(self, prepared: TaskResult) -> TaskResult:
        parameters = self.start.parameters
        mode: SignMode = parameters["mode"]  # pyright: ignore[reportAssignmentType]
        async with self.stage("sign"):
            return await countersign(
                self,
                "sign",
                [Signer(role=r) for r in parameters["signers"].split(",")],
                TaskSpec(
                    key="sign",
                    kind="test.sign",
                    title=Text(zh="会签", en="Sign"),
                    roles=[],
                    stage="sign",
                    outcomes=["approve", "refuse"],
                    excluded=[prepared.actor],
                    deadlines=[self.internal("approval")],
                    return_to=[target("prepare", "准备", "preparation", AGAIN)],
                    after=self.desk.latest("prepare"),
                ),
                mode=mode,
                quorum=int(parameters["quorum"]) if "quorum" in parameters else None,
            )
