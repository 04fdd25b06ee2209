"""The cut-offs of a case and of its tasks (`domain/cut_off.py`), for the API and the pages. Reads only.

Computed when asked and stored nowhere: it follows the case's clock, its record and the rules of today. A case that has
ended has none.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from domain.cut_off import cut_off
from schemas.deadlines import CutOff, Deadline
from schemas.enrolment import KIND
from store import people, policies
from store.tables.processes import Process, Task

STEPS = ("materials", "verification", "hand_in")
_WITHOUT_AGENCY = ("enrolment.materials", "enrolment.verification")


async def of_case(s: AsyncSession, process: Process, moment: datetime) -> list[CutOff]:
    """One for each agency that has a cut-off day."""
    if process.kind != KIND or process.closed_at is not None:
        return []
    try:
        begins = (await people.hire_row(s, process.id)).contract_start
    except people.UnknownHire:
        return []
    current = next((step for step in STEPS if step in process.active_stages), STEPS[-1])
    steps = STEPS[STEPS.index(current) :]
    handed_in = {d.id: d.met_at for d in map(Deadline.model_validate, process.deadlines)}
    policy = policies.snapshot()
    found = [
        cut_off(agency, begins, moment, steps, policy, handed_in.get(f"DL-REG-FOR@{agency.id}"))
        for agency in policy.agencies
    ]
    return [c for c in found if c is not None]


async def of_task(s: AsyncSession, task: Task, process: Process, moment: datetime) -> list[CutOff]:
    """Those that the task leads to: both agencies' before the hand-in, afterwards its own."""
    if task.closed_at is not None or not (task.authority or task.kind in _WITHOUT_AGENCY):
        return []
    found = await of_case(s, process, moment)
    return [c for c in found if c.agency == task.authority or task.kind in _WITHOUT_AGENCY]
