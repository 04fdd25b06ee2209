"""How fast steps are, measured from finished tasks, and the instant from which each open case will be late.

Invariants: `step_speeds` is written here alone, by a chore, so that no click pays for measuring. A transition that
moves the dates or tasks of a case writes `late_from` and `forecast_revision` with them (`store/projection.py`), so that
lists agree with the case's page and nothing is forecast twice. The chore forecasts what no transition did: every open
case after a speed has changed (`forecast_revision` is then -1). Working days are the school's.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import ValidationError
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain import forecast
from runtime import clock
from runtime.logging import logger
from schemas.deadlines import Deadline
from schemas.forecast import StepSpeed
from store import policies
from store.database import session as transaction
from store.tables.forecast import StepSpeedRow
from store.tables.processes import Process, Task

_MONTH = timedelta(days=30)  # lint: allow law-number - how far back one looks, no rule
_SAMPLE = 2000  # of one kind of task, the newest: more make a measure slower and not truer
_BATCH = 500
_MEASURED = select(StepSpeedRow.step, StepSpeedRow.median, StepSpeedRow.most, StepSpeedRow.n)
log = logger(__name__)


async def speeds(s: AsyncSession) -> Mapping[str, StepSpeed]:
    """What a forecast counts with now."""
    rows = await s.execute(_MEASURED)
    found = {step: StepSpeed(step=step, median=median, most=most, n=n, measured=True) for step, median, most, n in rows}
    return forecast.speeds(found, policies.snapshot().durations, policies.setting("forecast_enough"))


async def measure() -> int:
    """Measures every step anew; where a speed differs, all open cases are forecast again. A chore; how many differ."""
    school = policies.calendar("school")
    since = clock.now() - policies.setting("forecast_months") * _MONTH
    taken: dict[str, list[int]] = defaultdict(list)
    async with transaction() as s:
        for kind, step in forecast.STEP_OF.items():
            finished = (
                select(Task.opened_at, Task.closed_at)
                .where(Task.kind == kind, Task.state == "completed", Task.closed_at >= since)
                .order_by(Task.closed_at.desc())
                .limit(_SAMPLE)
            )
            for opened_at, closed_at in await s.execute(finished):
                if closed_at is not None:
                    taken[step].append(forecast.days_taken(opened_at, closed_at, school))
        before = await speeds(s)
        for step, days in taken.items():
            one = forecast.measured(step, days)
            values = {"median": one.median, "most": one.most, "n": one.n, "measured_at": clock.now()}
            statement = insert(StepSpeedRow).values(step=step, **values)
            await s.execute(statement.on_conflict_do_update(index_elements=["step"], set_=values))
        await s.flush()
        after = await speeds(s)
        changed = [k for k in after if _days(after[k]) != _days(before.get(k))]
        if changed:
            await s.execute(update(Process).where(Process.closed_at.is_(None)).values(forecast_revision=-1))
    return len(changed)


def _days(speed: StepSpeed | None) -> tuple[int, int] | None:
    return (speed.median, speed.most) if speed is not None else None


async def sweep() -> int:
    """Forecasts the open cases whose forecast is none, or by former speeds. A chore; how many there were."""
    done = 0
    while True:
        async with transaction() as s:
            n = await _batch(s)
        done += n
        if n < _BATCH:
            return done


async def _batch(s: AsyncSession) -> int:
    stale = (
        select(Process)
        .where(Process.closed_at.is_(None), Process.forecast_revision != Process.revision)
        .order_by(Process.id)
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    cases = list(await s.scalars(stale))
    if not cases:
        return 0
    tasks = await open_tasks(s, [c.id for c in cases])
    known = await speeds(s)
    for case in cases:
        case.forecast_revision = case.revision
        try:
            deadlines = [Deadline.model_validate(d) for d in case.deadlines]
        except ValidationError:  # a row that cannot be read stops no other
            log.exception("no_forecast", process=case.id)
            case.late_from = None
            continue
        case.late_from = late_from(case.id, deadlines, tasks.get(case.id, []), known)
    return len(cases)


def late_from(
    case_id: str, deadlines: Sequence[Deadline], tasks: Sequence[forecast.OpenTask], known: Mapping[str, StepSpeed]
) -> datetime | None:
    """From when on the case will be late; None where that cannot be said."""
    try:
        return forecast.late_from(deadlines, tasks, known, policies.calendar("school"), clock.now())
    except Exception:  # a case that cannot be forecast stops neither itself nor another; the next move tries again
        log.exception("no_forecast", process=case_id)
        return None


async def open_tasks(s: AsyncSession, case_ids: list[str]) -> dict[str, list[forecast.OpenTask]]:
    """The open tasks of these cases, as a forecast knows them."""
    rows = await s.execute(
        select(Task.process_id, Task.kind, Task.opened_at).where(
            Task.process_id.in_(case_ids), Task.closed_at.is_(None)
        )
    )
    found: dict[str, list[forecast.OpenTask]] = defaultdict(list)
    for case_id, kind, opened_at in rows:
        found[case_id].append(forecast.OpenTask(kind, opened_at))
    return found


async def waiting(s: AsyncSession) -> int:
    """How many open cases wait for the chore."""
    stale = (Process.closed_at.is_(None), Process.forecast_revision != Process.revision)
    return (await s.execute(select(func.count()).select_from(Process).where(*stale))).scalar_one()
