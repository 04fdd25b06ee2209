"""Reminder ladders: which rung fires when.

Invariants: a rung's key is `{deadline id}:{generation}:{rung id}`; a rung fires once per key; moving the deadline
counts the generation up and so moves the ladder. No rung falls on a rest day of the school. A rung informs, it decides
nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from domain.calendar import WorkCalendar, work_calendar
from domain.times import at, day_of
from schemas.base import Text
from schemas.deadlines import Deadline, LegalKind, PolicySnapshot, Rung, RungInstant

CHASE = "chase"
_MORNING = "08:30"


def rung_key(deadline: Deadline, rung_id: str) -> str:
    return f"{deadline.id}:{deadline.generation}:{rung_id}"


def deadline_of(key: str) -> str:
    """The deadline of a rung's key."""
    return key.rsplit(":", 2)[0]


def rungs(deadlines: Sequence[Deadline], ladder: Sequence[Rung], policy: PolicySnapshot) -> list[RungInstant]:
    """All rungs of the unmet deadlines, in the order in which they fire; those in the past included.

    Days before are counted back from the last working day on or before the due day, days after from the due day itself,
    both by the school's calendar, because the people reminded work there. A breach fires at the end of the due day,
    or at the rung's hour of the next working day when that is a rest day. A norm deadline of an agency has one more
    rung, `chase`, to the holder: so many working days after the acceptance as `agencies.yaml` says. Rungs that would
    fall on the day the deadline is counted from, or before it, are left out: a target of one day has no reminder
    seven days ahead. A breach is told all the same, and to each recipient of that ladder who would hear nothing at all
    because every rung of theirs was left out: their last rung fires with the breach.
    """
    school = work_calendar(policy.calendar("school"))
    found: list[RungInstant] = []
    for deadline in deadlines:
        if deadline.met_at is not None:
            continue
        found += _of_ladder(deadline, [r for r in ladder if deadline.legal_kind in r.kinds], school)
        if deadline.legal_kind is LegalKind.NORM and deadline.authority != "school":
            chase = _instant(deadline, CHASE, "holder", _chase_at(deadline, policy, school))
            found += [chase] if _after_anchor(chase, deadline) else []
    return sorted(found, key=lambda r: (r.at, r.deadline_id, r.key))


def due_rungs(rungs: Iterable[RungInstant], fired: Collection[str], now: datetime) -> list[RungInstant]:
    """The rungs whose instant has come and that have not fired yet, in order: after an outage, all the missed ones."""
    return sorted((r for r in rungs if r.at <= now and r.key not in fired), key=lambda r: (r.at, r.deadline_id, r.key))


def next_rung(rungs: Iterable[RungInstant], fired: Collection[str], now: datetime) -> RungInstant | None:
    """The next rung that fires after `now`; None when the ladder is at its end."""
    later = [r for r in rungs if r.at > now and r.key not in fired]
    return min(later, key=lambda r: (r.at, r.deadline_id, r.key), default=None)


def last_of_each(past: Iterable[RungInstant]) -> list[RungInstant]:
    """Of rungs that are past, what still has to be said: of each deadline, to each recipient, the last one."""
    ordered = sorted(past, key=lambda r: (r.at, r.deadline_id, r.key))
    last = {(r.deadline_id, r.to): r for r in ordered}.values()
    return [r for r in ordered if r in last]


def told_at_once(
    past: Sequence[RungInstant], fired: Collection[str], old: Deadline, new: Deadline, now: datetime
) -> list[RungInstant]:
    """Of the rungs behind a date that was moved into the past, those to be fired now: each recipient's last one.

    A date that had passed before it moved has been told of: then only what had not come yet on the old day.
    """
    if new.due_at > now:
        return []
    return [r for r in last_of_each(past) if old.due_at > now or rung_key(old, r.rung) not in fired]


def when(rung_id: str, ladder: Sequence[Rung], *, with_breach: bool = False) -> Text:
    """Where a rung stands to the due day, in words: two reminders of one deadline do not read alike. `with_breach`: it
    was to come before the due day, and fired with the breach."""
    rung = next((r for r in ladder if r.id == rung_id), None)
    if rung is None:  # `chase`, which the agency's norm brings and not the ladder
        return Text(zh="办理期限将满", en="its norm is nearly used up")
    if rung.on_breach or (with_breach and rung.offset >= 0):
        return Text(zh="到期未完成", en="not done when it was due")
    days = abs(rung.offset)
    counted = "working day" if days == 1 else "working days"
    if rung.offset > 0:
        return Text(zh=f"到期前 {days} 个工作日", en=f"{days} {counted} before it is due")
    if rung.offset < 0:
        return Text(zh=f"到期后第 {days} 个工作日", en=f"{days} {counted} after it was due")
    return Text(zh="到期当日", en="on the day it is due")


def _of_ladder(deadline: Deadline, ladder: Sequence[Rung], school: WorkCalendar) -> list[RungInstant]:
    """The rungs of the ladder of a deadline's legal kind."""
    all_of_it = [_instant(deadline, r.id, r.to, _fires_at(deadline, r, school)) for r in ladder]
    breaches = {rung_key(deadline, r.id) for r in ladder if r.on_breach}
    kept = [r for r in all_of_it if r.key in breaches or _after_anchor(r, deadline)]
    breach = min((r.at for r in all_of_it if r.key in breaches), default=None)
    if breach is None:
        return kept
    heard = {r.to for r in kept}
    silent = [r for r in last_of_each(all_of_it) if r.to not in heard]
    return kept + [r.model_copy(update={"at": breach}) for r in silent]


def _after_anchor(rung: RungInstant, deadline: Deadline) -> bool:
    return deadline.anchored_on is None or day_of(rung.at) > deadline.anchored_on


def _instant(deadline: Deadline, rung_id: str, to: str, when: datetime) -> RungInstant:
    return RungInstant(key=rung_key(deadline, rung_id), deadline_id=deadline.id, rung=rung_id, to=to, at=when)


def _fires_at(deadline: Deadline, rung: Rung, school: WorkCalendar) -> datetime:
    if rung.on_breach:
        ends_on = day_of(deadline.due_at)
        if school.is_working_day(ends_on):
            return deadline.due_at
        return at(school.next_working_day(ends_on), rung.at)
    if rung.offset < 0:
        return at(school.add_working_days(deadline.due, -rung.offset), rung.at)
    last = school.last_working_day_on_or_before(deadline.due)
    return at(school.add_working_days(last, -rung.offset), rung.at)


def _chase_at(deadline: Deadline, policy: PolicySnapshot, school: WorkCalendar) -> datetime:
    agency = policy.agency(deadline.authority)
    theirs = work_calendar(policy.calendar(deadline.authority))
    last = theirs.last_working_day_on_or_before(deadline.due)
    day = theirs.add_working_days(last, agency.chase_working_days - agency.norm_working_days)
    # Before the due day, so a rest day of the school moves it forward in time, never behind the date it warns of.
    return at(school.last_working_day_on_or_before(day), _MORNING)
