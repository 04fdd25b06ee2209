"""Will a case be late? What is left to do, at the speed at which it is usually done, beside the days that are left.

A step's speed is measured: the working days from the opening of its tasks to their end, both days included, of those
finished lately. Until enough are finished the policy's `step_durations` stand in, and the answer says so. "Late" is
judged by the median; the 90th percentile says how sure that is.

Invariants: the forecast is an instant (`late_from`): from it on a case will be late unless it is quicker than usual, so
that lists and counts compare it with the clock as they do latest starts. A deadline without steps of ours has none.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

from domain.calendar import WorkCalendar
from domain.times import at, day_of
from schemas.base import Text
from schemas.deadlines import Deadline, LegalKind, StepDuration
from schemas.forecast import Forecast, StepSpeed

STEP_OF: Mapping[str, str] = {  # a task's kind -> the step of ours that it is
    "enrolment.materials": "materials",
    "enrolment.verification": "verification",
    "enrolment.partial_payment": "decision",
    "registration.hand_in": "hand_in",
    "registration.correction": "correction",
    "tax_payment.freeze": "freeze",
    "tax_payment.confirm": "confirm",
    "tax_payment.approval": "approval",
    "tax_payment.payment": "payment",
    "withholding.confirm": "withhold",
    "reimbursement.voucher": "voucher",
    "reimbursement.approval": "approval",
    "reimbursement.settlement": "settle",
}
NAMES: Mapping[str, Text] = {
    "materials": Text(zh="收集材料", en="collecting the materials"),
    "verification": Text(zh="审核", en="verification"),
    "decision": Text(zh="先缴决定", en="the decision on paying first"),
    "hand_in": Text(zh="向机构提交", en="handing in"),
    "correction": Text(zh="更正", en="correction"),
    "freeze": Text(zh="锁定名单", en="freezing the list"),
    "confirm": Text(zh="核对征集单", en="comparing the bill"),
    "approval": Text(zh="审批", en="approval"),
    "payment": Text(zh="缴款", en="payment"),
    "withhold": Text(zh="代扣确认", en="confirming what is withheld"),
    "voucher": Text(zh="报账单", en="the voucher"),
    "settle": Text(zh="结算", en="settlement"),
}
_MOST = 0.9  # lint: allow law-number - the percentile that is shown, no rule
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class OpenTask:
    """What a forecast knows of an open task."""

    kind: str
    opened_at: datetime


def days_taken(opened_at: datetime, closed_at: datetime, calendar: WorkCalendar) -> int:
    """Working days from opening to end, both included; a step done on one day took one, be it a rest day."""
    return max(1, days_under_way(opened_at, closed_at, calendar))


def days_under_way(opened_at: datetime, now: datetime, calendar: WorkCalendar) -> int:
    """Working days that an open step has had, today included; none where only rest days have gone by."""
    return max(0, calendar.working_days_between(day_of(opened_at) - _DAY, day_of(now)))


def measured(step: str, taken: Sequence[int]) -> StepSpeed:
    """Median and 90th percentile (nearest rank), rounded up to whole days. ValueError without any."""
    ordered = sorted(taken)
    most = ordered[math.ceil(len(ordered) * _MOST) - 1]
    return StepSpeed(step=step, median=math.ceil(median(ordered)), most=most, n=len(ordered), measured=True)


def speeds(found: Mapping[str, StepSpeed], durations: Sequence[StepDuration], enough: int) -> Mapping[str, StepSpeed]:
    """The measured speed of each step where it stands on enough tasks, else the policy's duration."""
    known: dict[str, StepSpeed] = {}
    for d in durations:
        own = found.get(d.step)
        if own is not None and own.n >= enough:
            known[d.step] = own
        else:
            n = own.n if own is not None else 0
            known[d.step] = StepSpeed(step=d.step, median=d.working_days, most=d.working_days, n=n, measured=False)
    return known


def forecast(
    deadline: Deadline,
    tasks: Iterable[OpenTask],
    known: Mapping[str, StepSpeed],
    calendar: WorkCalendar,
    now: datetime,
) -> Forecast | None:
    """The forecast of one unmet deadline; None where nothing of ours is left before it, or a step is unknown."""
    steps = [known[s] for s in deadline.steps if s in known]
    if deadline.met_at is not None or not steps or len(steps) != len(deadline.steps):
        return None
    opened = min((t.opened_at for t in tasks if STEP_OF.get(t.kind) == steps[0].step), default=None)
    last = deadline.internal_due
    from_median = _late_from(last, [s.median for s in steps], opened, calendar)
    from_most = _late_from(last, [s.most for s in steps], opened, calendar)
    left = calendar.working_days_between(day_of(now), last)
    overdue = deadline.due_at < now
    late = from_median < now and not overdue
    tight = from_most < now and not late and not overdue
    needed = sum(s.median for s in steps)
    taken = None if opened is None else days_under_way(opened, now, calendar)
    return Forecast(
        deadline_id=deadline.id,
        title=deadline.title,
        due=deadline.due,
        late_from=from_median,
        late=late,
        tight=tight,
        days_left=left,
        days_needed=needed,
        days_needed_most=sum(s.most for s in steps),
        steps=steps,
        says=_says(steps, taken, _rest(steps, taken, calendar.is_working_day(day_of(now))), left, late, tight),
    )


def late_from(
    deadlines: Iterable[Deadline],
    tasks: Sequence[OpenTask],
    known: Mapping[str, StepSpeed],
    calendar: WorkCalendar,
    now: datetime,
) -> datetime | None:
    """The earliest instant from which a binding deadline of the case will be missed; None without any forecast."""
    found = (forecast(d, tasks, known, calendar, now) for d in deadlines if d.legal_kind is not LegalKind.INTERNAL)
    return min((f.late_from for f in found if f is not None), default=None)


def _late_from(last: date, days: Sequence[int], opened: datetime | None, calendar: WorkCalendar) -> datetime:
    """`last` is the last working day; `days` those of each step that is left, the first one under way since `opened`.

    Under way and within its usual time, a step ends when it usually does; past that, the earliest it can end is today.
    """
    after = sum(days[1:])
    if opened is None:
        return _end(calendar.add_working_days(last, -(days[0] + after - 1)))
    begun = calendar.next_working_day(day_of(opened), include_self=True)
    usual_end = calendar.add_working_days(begun, days[0] - 1)
    if calendar.add_working_days(usual_end, after) > last:
        return opened
    return _end(calendar.add_working_days(last, -after))


def _end(day: date) -> datetime:
    return at(day + _DAY, "00:00")


def _rest(steps: Sequence[StepSpeed], taken: int | None, works_today: bool) -> int:
    """Working days that are usually needed after today: what was taken is gone, and what took as long as usual can end
    today, or on the next working day. More than are left means late."""
    first, after = steps[0].median, sum(s.median for s in steps[1:])
    if taken is None:
        return first + after - works_today
    return after + (first - taken if taken < first else not works_today)


def _says(steps: Sequence[StepSpeed], taken: int | None, rest: int, left: int, late: bool, tight: bool) -> Text:
    """The reason in words. `taken`: how long the first step is under way; `rest` and `left`: days after today that are
    usually needed, and that there are."""
    zh = "，".join(_step(s).zh for s in steps)
    en = "; ".join(_step(s).en for s in steps)
    if taken is not None:
        name = NAMES[steps[0].step]
        zh += f"；{name.zh}已进行 {taken} 个工作日" if taken else f"；{name.zh}已开始，尚未经过工作日"
        en += f"; {name.en} has " + (f"taken {taken} so far" if taken else "begun, not yet a working day ago")
    zh += f"；今天之后通常还需 {rest} 个工作日"
    en += f"; usually {rest} more working days are needed after today"
    zh += f"，距截止剩 {left} 个工作日" if left >= 0 else "；截止日已过"
    en += f", and {left} are left" if left >= 0 else "; the date has passed"
    if late:
        return Text(zh=f"{zh}：预计逾期。", en=f"{en}: will be late.")
    if tight:
        return Text(zh=f"{zh}：稍慢即逾期。", en=f"{en}: late if it goes slowly.")
    return Text(zh=f"{zh}。", en=f"{en}.")


def _step(s: StepSpeed) -> Text:
    name = NAMES.get(s.step, Text(zh=s.step, en=s.step))
    if not s.measured:
        return Text(
            zh=f"{name.zh}按规定工期需要 {s.median} 个工作日（办结样本 {s.n} 件，尚不足）",
            en=f"{name.en} takes {s.median} working days by the rules ({s.n} finished, too few to measure)",
        )
    return Text(
        zh=f"{name.zh}通常需要 {s.median} 个工作日（90% 在 {s.most} 日内）",
        en=f"{name.en} usually takes {s.median} working days (90 % within {s.most})",
    )
