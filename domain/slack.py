"""Planning backwards: by when must work begin, and in which order does an inbox show it.

Slack is stored as an instant, the latest start: time passes, the order of latest starts does not. Negative slack (the
latest start lies in the past while the deadline does not) is "will be late".
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime

from domain.calendar import WorkCalendar
from domain.times import at, day_of
from schemas.deadlines import LEGAL_RANK, Deadline, LegalKind, PlannedStep, StepDuration

WORKDAY_STARTS = "08:30"
# The steps that plans are made of, by the stage in which they are done; a stage that is not named is its own step.
STEPS_OF_STAGE: Mapping[str, tuple[str, ...]] = {
    "social_bureau": ("hand_in", "correction"),
    "medical_bureau": ("hand_in", "correction"),
    "collect": ("freeze",),
    "withholding": ("withhold",),
    "settlement": ("settle",),
}
_NEVER = datetime(9999, 12, 30, tzinfo=UTC)
_NO_RANK = max(LEGAL_RANK.values()) + 1


def days_needed(steps: Iterable[str], durations: Sequence[StepDuration]) -> int:
    """Working days that the steps take, one after the other. ValueError for a step without a duration: leaving it out
    would promise time that is not there."""
    by_step = {d.step: d.working_days for d in durations}
    wanted = list(steps)
    unknown = [s for s in wanted if s not in by_step]
    if unknown:
        raise ValueError(
            f"step_durations.yaml has no line for {', '.join(unknown)}. 步骤工期数据缺少：{'、'.join(unknown)}。"
        )
    return sum(by_step[s] for s in wanted)


def latest_start(
    due_at: datetime, steps: Iterable[str], durations: Sequence[StepDuration], calendar: WorkCalendar
) -> datetime:
    """The instant at which work must have begun for the deadline to be kept.

    `steps` are our own remaining steps before the event that meets the deadline. Let L be the last working day on or
    before the due day and N the working days needed. The answer is 08:30 of the working day such that N working days,
    that day and L included, are there: N = 1 gives L itself. With nothing left to do (N = 0) it is the end of L, or
    `due_at` when that is the same day.
    """
    due_day = day_of(due_at)
    last = calendar.last_working_day_on_or_before(due_day)
    needed = days_needed(steps, durations)
    if needed == 0:
        return due_at if last == due_day else at(last, calendar.closes_at)
    return at(calendar.add_working_days(last, -(needed - 1)), WORKDAY_STARTS)


def plan_back(
    due_at: datetime, steps: Iterable[str], durations: Sequence[StepDuration], calendar: WorkCalendar
) -> list[PlannedStep]:
    """The same planning for each step: when the last must be done, the one before it, and so on to the first, whose
    latest start is that of `latest_start`. A step without days of its own ends where the next begins."""
    by_step = {d.step: d.working_days for d in durations}
    wanted = list(steps)
    days_needed(wanted, durations)  # refuses a step that has no duration
    end = calendar.last_working_day_on_or_before(day_of(due_at))
    planned: list[PlannedStep] = []
    for step in reversed(wanted):
        days = by_step[step]
        begins = calendar.add_working_days(end, -(days - 1)) if days else end
        start = at(begins, WORKDAY_STARTS) if days else at(end, calendar.closes_at)
        planned.append(PlannedStep(step=step, working_days=days, latest_start=start, latest_end=end))
        end = calendar.add_working_days(begins, -1) if days else end
    return planned[::-1]


def slack_days(latest: datetime, today: date, calendar: WorkCalendar) -> int:
    """Working days that are left before work must begin: 0 on the day itself, negative when it has passed. Who is late
    on a rest day begins on the next working day: on the Saturday after a missed Friday one day is missing, not none."""
    last = day_of(latest)
    return calendar.working_days_between(
        calendar.next_working_day(today, include_self=True) if last < today else today, last
    )


def planned_in(stage: str, deadlines: Iterable[Deadline]) -> PlannedStep | None:
    """The step of a stage that must begin first for the open deadlines to be kept; None where none of them has a step
    there. At an agency its own date counts, and before it has one, the date of all agencies."""
    steps = STEPS_OF_STAGE.get(stage, (stage,))
    open_ones = [(d.authority == stage, p) for d in deadlines if d.met_at is None for p in d.plan if p.step in steps]
    own = [p for at_agency, p in open_ones if at_agency] or [p for _, p in open_ones]
    return min(own, key=lambda p: (p.latest_start, p.latest_end), default=None)


UrgencyKey = tuple[date, int, datetime, str]


def urgency_key(deadlines: Iterable[Deadline], case_no: str) -> UrgencyKey:
    """Order of the inbox: Shanghai day of the latest start, then statutory, payment, norm, internal, then the instant,
    then the case number. Met deadlines do not count; a task without any comes last."""
    keys = [
        (day_of(d.latest_start), LEGAL_RANK[d.legal_kind], d.latest_start, case_no)
        for d in deadlines
        if d.met_at is None
    ]
    return min(keys, default=(_NEVER.date(), _NO_RANK, _NEVER, case_no))


def most_urgent(deadlines: Iterable[Deadline]) -> Deadline | None:
    """The unmet deadline that decides the place in the inbox."""
    open_ones = [d for d in deadlines if d.met_at is None]
    return min(open_ones, key=lambda d: (*urgency_key([d], ""), d.id), default=None)


def at_risk(deadline: Deadline, now: datetime) -> bool:
    """Will be late: not late yet, but the latest start has passed."""
    return deadline.met_at is None and deadline.latest_start < now <= deadline.due_at


def limit_of_target(deadlines: Sequence[Deadline], today: date) -> Deadline | None:
    """The nearest open date of the law behind an internal target, which goes no further than its `internal_due`.

    None where none is open. A date that has passed limits nothing any more.
    """
    binding = [d for d in deadlines if d.legal_kind is not LegalKind.INTERNAL and d.met_at is None]
    return min((d for d in binding if d.internal_due >= today), key=lambda d: d.internal_due, default=None)
