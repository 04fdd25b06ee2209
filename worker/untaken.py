"""The sweep of what was promised and is not taken by its case (`store/untaken.py`): each is an incident until it is.

Temporal names a case as failing only by failures of its own tasks. A program that fails on an answer alone leaves no
such trace: the case looks idle while the answer is sent to it again and again; and of a start that the engine does not
take it knows nothing. What people are promised is in our own tables, so that is what is looked at. Invariants:
Temporal is not asked here, so an engine that is away hides nothing; an incident ends with its cause, taken or refused;
one stops no other.
"""

from datetime import timedelta

from runtime import clock
from runtime.logging import logger
from runtime.settings import get_settings
from store import incidents, untaken
from store.database import session
from store.incidents import Fault
from store.untaken import KIND, Untaken

log = logger(__name__)


async def sweep_untaken() -> int:
    """Chore. Returns how many answers, starts and orders wait for too long."""
    older = timedelta(seconds=get_settings().untaken_after_seconds)
    async with session() as s:
        waiting = await untaken.waiting(s, older, real_now=clock.real_now(), office_now=clock.now())
        known = await incidents.open_of(s, KIND)
        stands = await untaken.stands(s, known)
    for one in waiting:
        try:
            await _opened(one)
        except Exception:
            log.exception("untaken_postponed", step=one.step, of=one.id)
    for incident in known:
        stand = stands.get(incident.id)
        ended = stand.ended if stand else "gone"
        if ended is not None:
            async with session() as s:
                await incidents.end(s, incident.id, ended, clock.real_now())
    return len(waiting)


async def _opened(one: Untaken) -> None:
    incident = incidents.incident_id(KIND, one.id)
    async with session() as s:
        await incidents.failing(
            s, incident, KIND, one.process_id, Fault("NotTaken"), one.since,
            step=one.step, activity_id=one.id, task_id=one.task_id, only_new=True,
        )  # fmt: skip
