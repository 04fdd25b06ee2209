"""The sweep of answers that were accepted and that their case has not taken: each is an incident until it is.

Temporal names a case as failing only by failures of its own tasks. A program that fails on an answer alone leaves no
such trace: the case looks idle while the answer is sent to it again and again. What people are promised (202) is in our
own table, so that is what is looked at. Invariants: Temporal is not asked here, so an engine that is away hides
nothing; an incident ends with its answer, taken or refused; one answer stops no other.
"""

from datetime import timedelta

from runtime import clock
from runtime.logging import logger
from runtime.settings import get_settings
from store import incidents, submissions
from store.database import session
from store.incidents import Fault
from store.submissions import Untaken

ENDED = {"done": "taken", "refused": "refused"}
log = logger(__name__)


async def sweep_untaken() -> int:
    """Chore. Returns how many answers wait for too long."""
    older = timedelta(seconds=get_settings().untaken_after_seconds)
    async with session() as s:
        waiting = await submissions.untaken(s, clock.real_now(), older)
        known = await incidents.open_of(s, "untaken")
        stands = await submissions.statuses(s, [i.activity_id for i in known])
    for answer in waiting:
        try:
            await _opened(answer)
        except Exception:
            log.exception("untaken_answer_postponed", submission=answer.id)
    for incident in known:
        if stands.get(incident.activity_id) != "pending":
            async with session() as s:
                ended = ENDED.get(stands.get(incident.activity_id, ""), "gone")
                await incidents.end(s, incident.id, ended, clock.real_now())
    return len(waiting)


async def _opened(answer: Untaken) -> None:
    incident = incidents.incident_id("untaken", answer.id)
    async with session() as s:
        await incidents.failing(
            s, incident, "untaken", answer.process_id, Fault("AnswerNotTaken"), answer.created_at,
            step=answer.kind, activity_id=answer.id, task_id=answer.task_id, only_new=True,
        )  # fmt: skip
