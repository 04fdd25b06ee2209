"""The sweep of tasks that nobody may do: each is an incident until somebody may, so that a supervisor sees it.

Invariants: an incident ends with its cause; a role without anybody makes no more than `MOST` of them, the most urgent
first.
"""

from runtime import clock
from store import incidents, nobody
from store.database import session
from store.incidents import Fault
from store.nobody import ENDED_FOUND, ENDED_GONE, KIND
from store.tables.processes import Task

MOST = 200


async def sweep_nobody() -> int:
    """Chore. Returns how many tasks nobody may do, as far as they are shown."""
    async with session() as s:
        found = await nobody.tasks(s, MOST)
        known = {i.task_id or "": i for i in await incidents.open_of(s, KIND)}
        still = {t.id for t in await nobody.tasks(s, len(known), among=list(known))} if known else set[str]()
        for task_id, incident in known.items():
            if task_id not in still:
                task = await s.get_one(Task, task_id)
                ended = ENDED_GONE if task.closed_at is not None else ENDED_FOUND
                await incidents.end(s, incident.id, ended, clock.real_now())
        for task in found[: max(0, MOST - len(still))]:
            if task.id not in still:
                incident_id = await incidents.again(s, KIND, task.id)
                await incidents.failing(
                    s, incident_id, KIND, task.process_id, Fault("NobodyMay", " ".join(task.roles)),
                    clock.real_now(), step=task.kind, activity_id=task.id, task_id=task.id, only_new=True,
                )  # fmt: skip
    return len(found)
