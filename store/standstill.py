"""Who is told that a case stands still, and that it goes on: whoever has work of it in hand.

Invariants: each person is told of one suspension once, and once of its end, however much of the case is in that
person's hands; who gave the command knows; the reason that somebody typed stands in the timeline, never in a message
(which may leave the house). A task that is done while the case is suspended (`runs_on`) is none of it.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.base import Text
from schemas.process import Transition
from schemas.tasks import OPEN_STATES
from store import reminders
from store.messages import subject_of
from store.sent_back import inform
from store.tables.processes import Process, Task

_WORDS = {  # line of the timeline -> what is said of it
    "suspended": Text(
        zh="业务已中止，您手上的任务待恢复后再办（法定与缴费期限继续计算），原因见流程记录",
        en="the case is suspended: what you hold of it waits until it is resumed (statutory and payment dates run on); "
        "the timeline says why",
    ),
    "resumed": Text(
        zh="业务已恢复，您手上的任务请继续办理，期限以任务所示为准",
        en="the case goes on, and so does what you hold of it; its dates stand on the task",
    ),
}


async def tell(session: AsyncSession, process: Process, transition: Transition, now: datetime) -> None:
    """Tells the holders of what was stopped or goes on, those who lent it to them, and today's substitutes of each."""
    case = subject_of(process)
    for entry in transition.timeline:
        words = _WORDS.get(entry.kind)
        if words is None:
            continue
        said = Text(zh=f"{case.zh}：{words.zh}", en=f"{case.en}: {words.en}")
        concerned = [t.id for t in transition.tasks if t.state in OPEN_STATES and not t.spec.runs_on]
        hands = await session.execute(select(Task.holder, Task.owner).where(Task.id.in_(concerned)))
        names = {name for row in hands for name in row if name is not None and name != entry.actor}
        people = await reminders.named(session, sorted(names)) if names else []
        others = [person for person in people if person[0].username != entry.actor]
        await inform(session, process, others, said, f"{entry.kind}/{process.id}/{entry.seq}", now)
