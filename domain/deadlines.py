"""Computing deadlines: anchor event + budget + unit + the authority's calendar -> a date that explains itself.

Invariants: the day of the event is not counted (民法典 art. 201), "within n days" includes the last day, a law that
only says 日 means calendar days. A legal date is not moved over rest days unless its rule says so, and then only over
those of the State Council: an authority's own closing day moves nothing. The internal due day is the last day on or
before it on which both who receives and who acts are at work. A date computed with a year whose calendar is not
published is provisional and names it. Nothing here decides what a breach means for a process: a timeout never
approves, rejects or closes anything. How the days read in a derivation is `domain/day_words.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from domain.calendar import WorkCalendar, work_calendar
from domain.citation import source_step
from domain.day_words import by_calendar, internal_day, internal_step, provisional_step, said_step, skipped
from domain.slack import latest_start, plan_back
from domain.times import add_months, at, day_of, first_day, last_day, month_of
from schemas.base import Text
from schemas.deadlines import (
    Basis,
    Deadline,
    DeadlineRule,
    DerivationStep,
    LegalKind,
    PolicySnapshot,
    ShiftPolicy,
    Unit,
)

FilingTable = Mapping[tuple[str, int], int]
"""Published filing days by month and nominal day: ("2026-01", 15) -> 20 (`policies/tax_filing_due.csv`)."""


class DeadlineError(ValueError):
    """The rule cannot give a date with this anchor; the message says why in both languages."""


@dataclass(frozen=True)
class Counted:
    """A day found by counting, with the steps that led there and the last calendar day that was looked at."""

    day: date
    steps: list[DerivationStep] = field(default_factory=list[DerivationStep])
    calendar_from: date | None = None  # the first day whose kind (working, rest) mattered; None when none did


def add_days(anchor: date, n: int, unit: Unit, calendar: WorkCalendar) -> Counted:
    """`n` days, working days or months after the anchor (before it when negative), the anchor itself not counted."""
    if unit is Unit.CALENDAR_DAYS:
        day = anchor + timedelta(days=n)
        return Counted(day, [_counted(n, "自然日", "calendar days")])
    if unit is Unit.MONTHS:
        day = add_months(anchor, n)
        if n < 0:
            said = said_step("counted", f"{-n} 个月前的对应日", f"the corresponding day {-n} months earlier")
        else:
            said = said_step("counted", f"{n} 个月后的对应日", f"the corresponding day {n} months later")
        return Counted(day, [said])
    if unit is Unit.WORKING_DAYS:
        day = calendar.add_working_days(anchor, n)
        low, high = (anchor + timedelta(days=1), day) if n > 0 else (day, anchor - timedelta(days=1))
        steps = [by_calendar(calendar, _counted(n, "工作日", "working days"))]
        steps += skipped(calendar, low, high)
        return Counted(day, steps, min(low, day))
    raise DeadlineError(f"{unit} is not counted from a day. 单位 {unit} 不能从某一日起算。")


def add_to_month(month: str, n: int | None, unit: Unit, calendar: WorkCalendar) -> Counted:
    """Day `n` of the month (its last day when it is shorter), or the month's last working day."""
    end = last_day(month)
    if unit is Unit.DAY_OF_MONTH and n is not None:
        day = end.replace(day=min(n, end.day))
        return Counted(day, [said_step("counted", f"当月 {day.day} 日", f"day {day.day} of the month")])
    if unit is Unit.LAST_WORKING_DAY_OF_MONTH:
        day = calendar.last_working_day_on_or_before(end)
        steps = [by_calendar(calendar, said_step("counted", "当月最后一个工作日", "the last working day of the month"))]
        return Counted(day, steps + skipped(calendar, day + timedelta(days=1), end), day)
    raise DeadlineError(f"{unit} with n={n} is not a day of a month. 单位 {unit}（n={n}）不能确定月内日期。")


@dataclass(frozen=True)
class TaxDue:
    """`source`: published (the official table) or rule (征管法实施细则 art. 109)."""

    due: date
    source: str
    provisional: bool
    extended_by: int = 0


def tax_due(month: str, nominal_day: int, calendar: WorkCalendar, published: FilingTable) -> TaxDue:
    """The last filing day of a month for taxes due on `nominal_day`. The published table wins over the rule.

    The rule (征管法实施细则 art. 109, in official practice): blocks of a public holiday with at least the calendar's
    `extending_rest_days` between day 1 and the nominal day lengthen the period by their length in working days after
    it; otherwise a rest day as last day moves to the next working day. It is for tax periods; premiums follow it only
    where a rule of the data says so.
    """
    calendar = calendar.statutory
    first = first_day(month)
    if (month, nominal_day) in published:
        return TaxDue(first.replace(day=published[month, nominal_day]), "published", provisional=False)
    nominal = first.replace(day=min(nominal_day, last_day(month).day))
    if calendar.extending_rest_days is None:
        raise DeadlineError(
            "The calendar has no extending_rest_days. 日历缺少 extending_rest_days（细则第109条的天数）。"
        )
    blocks = (len(b) for b in calendar.holiday_blocks(first, nominal))
    extra = sum(n for n in blocks if n >= calendar.extending_rest_days)
    due = calendar.add_working_days(nominal, extra) if extra else calendar.next_working_day(nominal, include_self=True)
    return TaxDue(due, "rule", provisional=bool(calendar.missing_years(first, due)), extended_by=extra)


def compute(
    rule: DeadlineRule,
    anchor: date | str,
    policy: PolicySnapshot,
    *,
    remaining_steps: Sequence[str],
    generation: int = 1,
    authority: str | None = None,
    filing_table: FilingTable | None = None,
    number: int | None = None,
) -> Deadline:
    """The deadline that a rule gives for an anchor: a Shanghai date, or a month "YYYY-MM" for rules of a month.

    `remaining_steps` are our own steps still to do before the event that meets it (see `domain.slack`). `authority`,
    when given, is the agency the rule is applied to: its calendar and closing hour count, and id and `met_by` get its
    name as suffix ("DL-REG-FOR:social_bureau", "handed_in:social_bureau"), so that two agencies in one case stay apart.
    `number` is counted instead of the rule's own, for a date that is counted again as it was.
    DeadlineError when rule and anchor do not fit.
    """
    whose = authority or rule.authority
    calendar = work_calendar(policy.calendar(whose))
    n = number if number is not None else number_of(rule, policy, whose)
    counted = _count(rule, n, anchor, calendar)
    due, shift, shifted_from = shifted(rule.shift_policy, counted.day, calendar, filing_table or {})
    days_used = [d for d in (counted.calendar_from, shifted_from) if d is not None]
    suffix = f":{authority}" if authority else ""
    head = [source_step(rule.source), _anchor_step(rule, anchor)]
    return _assemble(
        Deadline(
            id=rule.id + suffix,
            title=rule.title,
            legal_kind=rule.legal_kind,
            authority=whose,
            due=due,
            due_at=at(due, calendar.closes_at),
            internal_due=due,
            latest_start=at(due, calendar.closes_at),
            sample=rule.sample,
            met_by=rule.met_by + suffix,
            source=rule.source,
            consequence=rule.consequence,
            anchored_on=anchor if isinstance(anchor, date) and anchor < due else None,
            generation=generation,
            basis=Basis(
                rule=rule.id,
                anchor=str(anchor),
                n=n,
                unit=rule.unit,
                shift_policy=rule.shift_policy,
                steps=list(remaining_steps),
            ),
            derivation=[*head, *counted.steps, *shift],
        ),
        policy,
        remaining_steps,
        used_from=min(days_used, default=None),
    )


def replan(deadline: Deadline, policy: PolicySnapshot, *, remaining_steps: Sequence[str]) -> Deadline:
    """The same deadline with fewer (or again more) of our own steps before it: only the latest start changes. The date,
    the generation and so the reminders stay."""
    school = work_calendar(policy.calendar("school"))
    end = _planning_end(deadline, policy)
    start = latest_start(end, remaining_steps, policy.durations, school)
    plan = plan_back(end, remaining_steps, policy.durations, school)
    return deadline.model_copy(update={"latest_start": start, "plan": plan})


def moved(
    deadline: Deadline,
    due: date,
    policy: PolicySnapshot,
    *,
    remaining_steps: Sequence[str],
    why: Text,
    kind: str = "extended",
) -> Deadline:
    """The deadline on another day, with the reason in its derivation and the generation counted up, so that the ladder
    moves along. For statutory and payment deadlines call it only with a corrected anchor, a published calendar or the
    authority's written decision; this function cannot know."""
    calendar = work_calendar(policy.calendar(deadline.authority))
    history = [s for s in deadline.derivation if s.kind not in ("result", "provisional")]
    step = DerivationStep(kind=kind, text=why, days=[deadline.due.isoformat(), due.isoformat()])
    fresh = deadline.model_copy(
        update={
            "due": due,
            "due_at": at(due, calendar.closes_at),
            "generation": deadline.generation + 1,
            "breached": False,
            "basis": None,
            "derivation": [*history, step],
        }
    )
    return _assemble(fresh, policy, remaining_steps, used_from=None)


def resumed(deadline: Deadline, suspended_on: date, resumed_on: date, policy: PolicySnapshot) -> Deadline:
    """A deadline after a suspension: an internal target keeps the working days that it had left for its own step, one
    at least, so that none ends while nobody could work on it; any other kind does not move (return, transfer and
    suspension never stop a legal date). What had passed before the suspension stays as it was."""
    if deadline.legal_kind is not LegalKind.INTERNAL or deadline.met_at is not None:
        return deadline
    if resumed_on <= suspended_on or deadline.due < suspended_on:
        return deadline
    calendar = work_calendar(policy.calendar(deadline.authority))
    left = max(calendar.working_days_between(suspended_on, deadline.due), 1)
    due = calendar.add_working_days(resumed_on, left)
    if due == deadline.due:
        return deadline
    why = Text(
        zh=f"中止期间（{suspended_on} 至 {resumed_on}）不计入校内时限，剩余 {left} 个工作日顺延",
        en=f"Suspended from {suspended_on} to {resumed_on}: the {left} working days left are kept",
    )
    again = moved(deadline, due, policy, remaining_steps=[deadline.met_by], why=why)
    left_over = {"anchor": str(resumed_on), "n": left, "unit": Unit.WORKING_DAYS, "kept": True}
    return again.model_copy(update={"basis": deadline.basis and deadline.basis.model_copy(update=left_over)})


def renewed(known: Deadline, computed: Deadline) -> Deadline:
    """A known deadline computed anew (a corrected anchor, fewer steps left): what has happened to it stays. On another
    day it is a new generation, with a ladder of its own and no breach yet; one that was met was in time or late by the
    new day."""
    changed = known.due_at != computed.due_at
    breached = known.breached and not changed if known.met_at is None else known.met_at > computed.due_at
    return computed.model_copy(
        update={
            "generation": known.generation + changed,
            "breached": breached,
            "met_at": known.met_at,
        }
    )


def met(deadline: Deadline, when: datetime) -> Deadline:
    """The deadline, met at that instant: breached when that was late. What was done in time and recorded later was no
    breach, whatever the clock had said."""
    return deadline.model_copy(update={"met_at": when, "breached": when > deadline.due_at})


def reopened(deadline: Deadline) -> Deadline:
    """The deadline open again with its old date, after the authority refused what had met it."""
    return deadline.model_copy(update={"met_at": None})


def is_overdue(deadline: Deadline, now: datetime) -> bool:
    """Whether the due day has ended without the event that meets it."""
    return deadline.met_at is None and now > deadline.due_at


def number_of(rule: DeadlineRule, policy: PolicySnapshot, whose: str) -> int | None:
    """The number that counts: an agency's own norm wins over the rule's."""
    if rule.legal_kind is LegalKind.NORM and rule.anchor == "agency_accepted" and whose != "school":
        return policy.agency(whose).norm_working_days
    return rule.n


def _count(rule: DeadlineRule, n: int | None, anchor: date | str, calendar: WorkCalendar) -> Counted:
    if rule.unit in (Unit.DAY_OF_MONTH, Unit.LAST_WORKING_DAY_OF_MONTH):
        month = anchor if isinstance(anchor, str) else month_of(anchor)
        return add_to_month(month, n, rule.unit, calendar)
    if isinstance(anchor, str):
        raise DeadlineError(
            f"{rule.id} is counted from a day, not from the month {anchor}. "
            f"{rule.id} 应从具体日期起算，不能用月份 {anchor}。"
        )
    if n is None:
        raise DeadlineError(
            f"{rule.id}: the law names no number of days, so no date can be computed. "
            f"{rule.id}：法律未规定天数，无法计算期限。"
        )
    return add_days(anchor, n, rule.unit, calendar)


def shifted(
    policy: ShiftPolicy, day: date, calendar: WorkCalendar, table: FilingTable
) -> tuple[date, list[DerivationStep], date | None]:
    """The due day after shifting it over rest days by a policy, its steps, and the first day whose kind mattered."""
    if policy is ShiftPolicy.NONE:
        return day, [], None
    calendar = calendar.statutory
    if policy is ShiftPolicy.NEXT_WORKING_DAY:
        due = calendar.next_working_day(day, include_self=True)
        if due == day:
            return day, [], day
        name = calendar.name(day) or Text(zh="休息日", en="rest day")
        text = Text(
            zh=f"按民法典第203条，{day} 为{name.zh}，顺延至 {due}",
            en=f"By art. 203 of the Civil Code: {day} is {name.en}, moved to {due}",
        )
        return due, [DerivationStep(kind="shift", text=text, days=[day.isoformat(), due.isoformat()])], day
    found = tax_due(month_of(day), day.day, calendar, table)
    used = None if found.source == "published" else day.replace(day=1)
    if found.source == "rule" and found.due == day:
        return day, [], used
    if found.source == "published":
        zh = "按税务机关公布的申报期限（征管法实施细则第109条）"
        en = "the filing date as published (art. 109 of the tax administration rules)"
    else:
        moved_by = tax_shift(found, day, calendar)
        zh = f"按征管法实施细则第109条，{moved_by.zh}"
        en = f"by art. 109 of the tax administration rules: {moved_by.en}"
    step = DerivationStep(kind="shift", text=Text(zh=zh, en=en), days=[day.isoformat(), found.due.isoformat()])
    return found.due, [step], used


def tax_shift(found: TaxDue, nominal: date, calendar: WorkCalendar) -> Text:
    """Why the rule gives another day than the nominal one: holidays within the period, or a rest day at its end."""
    if found.extended_by:
        return Text(
            zh=f"期限内有连续三日以上的法定休假，顺延 {found.extended_by} 个工作日至 {found.due}",
            en=f"holidays of three days or more within it, longer by {found.extended_by} working days: {found.due}",
        )
    name = calendar.statutory.name(nominal) or Text(zh="休息日", en="rest day")
    return Text(zh=f"{nominal} 为{name.zh}，顺延至 {found.due}", en=f"{nominal} is {name.en}, moved to {found.due}")


def _planning_end(deadline: Deadline, policy: PolicySnapshot) -> datetime:
    """The end of the day up to which we plan: the internal due day, or the instant itself when it is the same day."""
    if deadline.internal_due == day_of(deadline.due_at):
        return deadline.due_at
    return at(deadline.internal_due, work_calendar(policy.calendar(deadline.authority)).closes_at)


def _assemble(
    deadline: Deadline, policy: PolicySnapshot, remaining_steps: Sequence[str], used_from: date | None
) -> Deadline:
    """Fills internal due day, latest start, provisional years and the last lines of the derivation."""
    calendar = work_calendar(policy.calendar(deadline.authority))
    at_work = [calendar]
    if deadline.legal_kind is not LegalKind.NORM:  # an agency keeps its own norm; all else the school has to do
        at_work.append(work_calendar(policy.calendar("school")))
    internal = internal_day(deadline.due, *at_work)
    planned = replan(deadline.model_copy(update={"internal_due": internal}), policy, remaining_steps=remaining_steps)
    looked_from = min(d for d in (used_from, internal, day_of(planned.latest_start)) if d is not None)
    missing = calendar.missing_years(looked_from, deadline.due)
    steps = [*deadline.derivation, *internal_step(deadline.due, *at_work)]
    steps.append(
        said_step(
            "result", f"到期：{deadline.due} {calendar.closes_at} 止", f"Due {deadline.due}, until {calendar.closes_at}"
        )
    )
    steps += provisional_step(missing)
    return planned.model_copy(update={"provisional": bool(missing), "missing_years": missing, "derivation": steps})


def _counted(n: int, zh: str, en: str) -> DerivationStep:
    if n < 0:
        return said_step("counted", f"从前一日起倒数 {-n} 个{zh}", f"{-n} {en}, counted back from the day before")
    return said_step("counted", f"次日起算，共 {n} 个{zh}", f"{n} {en}, counted from the next day")


def _anchor_step(rule: DeadlineRule, anchor: date | str) -> DerivationStep:
    event = anchor_name(rule.anchor)
    return said_step("anchor", f"起算：{event.zh} {anchor}", f"From: {event.en} {anchor}")


def anchor_name(anchor: str) -> Text:
    """The event that a rule counts from, in words; the code itself where it has none."""
    zh, en = _ANCHORS.get(anchor, (anchor, anchor.replace("_", " ")))
    return Text(zh=zh, en=en)


_ANCHORS = {
    "employment_start": ("用工之日", "start of employment"),
    "work_permit_issued": ("办理就业证件之日", "work permit issued"),
    "employment_end": ("终止、解除劳动关系之日", "end of employment"),
    "agency_accepted": ("经办机构受理之日", "accepted by the agency"),
    "agency_accepted_injury": ("受理工伤认定申请之日", "application for the work injury accepted"),
    "accepted": ("受理之日", "accepted by the agency"),
    "stage_opened": ("本环节开始之日", "step opened"),
    "month": ("费款所属月", "month"),
    "payment_month": ("缴费当月", "month of payment"),
    "unit_changed": ("单位登记事项变更之日", "change of the unit's registration items"),
    "data_changed": ("个人参保信息变更之日", "change of the insured person's data"),
    "accident": ("事故发生或职业病诊断之日", "accident or diagnosis"),
    "ability_application": ("提出劳动能力鉴定申请之日", "application for capacity assessment"),
    "ability_result": ("收到鉴定结论之日", "receipt of the assessment"),
    "benefit_ended": ("待遇终止情形发生之日", "event ending a benefit"),
    "retirement_date": ("退休时间", "retirement date"),
    "birth": ("生育之日", "birth"),
    "entry": ("入境之日", "entry"),
    "rate_decided": ("费率确定之日", "rate decided"),
    "payment_due_missed": ("逾期未缴之日", "payment due date missed"),
    "year": ("每年", "each year"),
}
