"""The projection of processes into the rows that people read: one idempotent activity per transition.

Never a local activity (together with queries these make histories that cannot be replayed).
"""

from temporalio import activity

from runtime import clock
from schemas.process import Transition
from store import projection
from store.database import session


@activity.defn(name="record_transition")
async def record_transition(transition: Transition) -> None:
    """Writes what changed in one transaction; an older revision than the stored one changes nothing."""
    async with session() as s:
        await projection.apply(s, transition, clock.now())


ACTIVITIES = [record_transition]
