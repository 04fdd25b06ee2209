"""Checks of an answer that its form alone cannot make: against the record, the rules and the books.

Each fault is a pointer, a code and a sentence; the form stays as typed, nothing is lost. What a check needs is read
here; nothing is written.
"""

from datetime import date, timedelta
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from api import money_data, person_alike
from api.problems import StaleVersion
from domain import enrolment_checks
from domain.times import day_of
from runtime import clock
from schemas.amendment import FIELDS, ConfirmAmendmentForm
from schemas.base import Text
from schemas.enrolment import ApproveForm, ForeignHire
from schemas.forms import Form
from schemas.registration import ApprovedForm, HandInForm
from schemas.tax_payment import PaymentForm, TakeOffForm, to_remove
from store import (
    alike,
    amendments,
    case_rules,
    earliest_days,
    ledger,
    people,
    policies,
    recorded,
    registrations,
    retirement_tracks,
    rule_tables,
)
from store.tables.processes import Process, Task

Fault = tuple[str, str, Text]


async def faults_of_answer(s: AsyncSession, task: Task, process: Process, form: Form) -> list[Fault]:
    """What is wrong with an answer whose fields are each well formed; empty when nothing is."""
    today = day_of(clock.now() + timedelta(seconds=process.clock_offset_seconds))
    wrong = _future(form, today) or await _too_early(s, task, process, form, today)
    if wrong:
        return wrong
    if isinstance(form, ForeignHire):
        return await _record(s, process, form)
    if isinstance(form, ApproveForm):
        return [*await _exemption(s, process, form), *await _another_person(s, process, form)]
    if isinstance(form, ApprovedForm):
        return await number_of_another(s, task.authority or "", form.number, process.subject)
    if isinstance(form, PaymentForm):
        return await _payment(s, task, form)
    if isinstance(form, ConfirmAmendmentForm):
        await _amendment(s, task)
    if isinstance(form, TakeOffForm):
        return await _on_the_bill(s, task, form)
    if task.kind == "tax_payment.visible":
        return await _everyone_has_a_number(s, task)
    return []


async def instead(s: AsyncSession, task: Task, outcome: str) -> Text | None:
    """What to do in place of an outcome that the task could offer and does not: nothing of our lines is to be corrected
    where the only difference is who is not on our list."""
    if (task.kind, outcome) != ("tax_payment.confirm", "adjust"):
        return None
    others = await ledger.strangers(s, str(task.spec["data"]["bill_id"]))
    return to_remove(len(others)) if others else None


async def _amendment(s: AsyncSession, task: Task) -> None:
    """What can no longer be put in the old value's place is not confirmed. StaleVersion, with the reason."""
    why = await amendments.refused(s, await amendments.get(s, task.process_id))
    if why is not None:
        raise StaleVersion(why)


_HANDED_IN, _ACCEPTED = FIELDS["registration.handed_in_on"].title, FIELDS["registration.accepted_on"].title
_HAPPENED = ("handed_in_on", "accepted_on", "approved_on", "refused_on", "paid_on", "undone_on")


def _future(form: Form, today: date) -> list[Fault]:
    """What has happened cannot have happened tomorrow: deadlines are met by these dates."""
    text = Text(zh=f"日期不能晚于今天（{today}）。", en=f"The date cannot be after today ({today}).")
    days = {name: getattr(form, name, None) for name in _HAPPENED}
    return [(f"/data/{name}", "future_date", text) for name, day in days.items() if day is not None and day > today]


async def _too_early(s: AsyncSession, task: Task, process: Process, form: Form, today: date) -> list[Fault]:
    """Nor can it have happened before what must have come first."""
    if isinstance(form, PaymentForm):
        why = await earliest_days.payment_fault(s, str(task.spec["data"]["bill_id"]), form.paid_on)
        return [("/data/paid_on", "before_month", why)] if why else []
    if isinstance(form, HandInForm):
        why = await earliest_days.hand_in_fault(s, process, form.handed_in_on, today)
        return [("/data/handed_in_on", "before_begin", why)] if why else []
    if task.authority is None:
        return []
    days = {name: getattr(form, name, None) for name in _HAPPENED}
    given = next(((name, day) for name, day in days.items() if day is not None), None)
    attempt = (await registrations.newest(s, [process.id], task.authority)).get(process.id)
    if given is None or attempt is None:
        return []
    name, day = given
    for title, moment in ((_ACCEPTED, attempt.accepted_at), (_HANDED_IN, attempt.submitted_at)):
        if moment is not None and day < day_of(moment):
            before = day_of(moment)
            text = Text(
                zh=f"日期不能早于{title.zh}（{before}）；{title.zh}登记有误的，请先更正。",
                en=f"The date cannot be before “{title.en}” ({before}): if that is wrong on record, amend it first.",
            )
            return [(f"/data/{name}", "before_hand_in" if title is _HANDED_IN else "before_acceptance", text)]
    return []


async def _record(s: AsyncSession, process: Process, form: ForeignHire) -> list[Fault]:
    """The checks that an uploaded row goes through, on the record as the college or the clerk left it."""
    found: list[Fault] = []
    if form.org_unit not in await people.org_units(s):
        text = Text(zh=f"没有这个学院：{form.org_unit[:40]}。", en=f"There is no college {form.org_unit[:40]!r}.")
        found.append(("/data/org_unit", "unknown_org_unit", text))
    other = await people.find_person(s, form.id_number)
    if other is not None and other.id != process.subject:
        found.append(("/data/id_number", "number_taken", enrolment_checks.NUMBER_TAKEN))
    if form.id_number in await people.replaced_numbers(s, process.id):
        found.append(("/data/id_number", "document_replaced", person_alike.DOCUMENT_REPLACED))
    rules = rule_tables.load().checks
    track = await retirement_tracks.of_person(s, process.subject)
    findings = enrolment_checks.check(enrolment_checks.HireFacts.of(form), day_of(clock.now()), rules, track)
    found += [(f"/data/{f.field}", f.code, f.message) for f in enrolment_checks.faults(findings)]
    return found


async def _another_person(s: AsyncSession, process: Process, form: ApproveForm) -> list[Fault]:
    """Who looks like the person of another case is approved with a remark that tells the two apart."""
    if form.remark.strip():
        return []
    hire = await people.hire_of(s, process.id)
    twins = await alike.cases(s, hire, besides=process.subject)
    return [("/data/remark", person_alike.ALIKE, person_alike.unsaid(twins))] if twins else []


async def number_of_another(s: AsyncSession, agency: str, number: str, person: str | None) -> list[Fault]:
    """An agency gives a number to one person."""
    if not await registrations.held_by_another(s, agency, number, person or ""):
        return []
    return [("/data/number", "number_of_another", recorded.NUMBER_OF_ANOTHER)]


async def _exemption(s: AsyncSession, process: Process, form: ApproveForm) -> list[Fault]:
    """Only what some agreement of the case's version exempts can be exempt: never medical, never work injury."""
    treaties = (await case_rules.of_version(s, process.policy_version)).treaties
    possible = sorted({i for t in treaties.treaties.values() for i in t.exempt})
    wrong = [i for i in form.exempt if i not in possible]
    if not wrong:
        return []
    text = Text(
        zh=f"{'、'.join(wrong)} 不能免缴；互免协议只涉及：{'、'.join(possible)}。",
        en=f"{', '.join(wrong)} cannot be exempt; agreements concern only {', '.join(possible)}.",
    )
    return [("/data/exempt", "not_exemptible", text)]


async def _payment(s: AsyncSession, task: Task, form: PaymentForm) -> list[Fault]:
    """The amount paid is the bill's, to the cent; a late fee charged by the tax office is not part of it."""
    ref = await ledger.bill_ref(s, str(task.spec["data"]["bill_id"]))
    total = Decimal(ref.unit_total) + Decimal(ref.person_total)
    if form.amount == total:
        return []
    text = Text(
        zh=f"缴款金额 {form.amount} 元与征集单合计 {total} 元不一致，请核对。",
        en=f"The amount {form.amount} is not the bill's total of {total} yuan; please check.",
    )
    return [("/data/amount", "amount_differs", text)]


async def _on_the_bill(s: AsyncSession, task: Task, form: TakeOffForm) -> list[Fault]:
    """Who is taken off stands on the bill."""
    on_it = {line.person_id for line in await ledger.lines_of_bill(s, str(task.spec["data"]["bill_id"]))}
    strangers = len(set(form.persons) - on_it)
    if not strangers:
        return []
    text = Text(
        zh=f"所选人员中有 {strangers} 人不在本征集单上（可能已被移出），请刷新后重新选择。",
        en=f"{strangers} of those chosen are not on this bill (they may have been taken off): reload and choose again.",
    )
    return [("/data/persons", "not_on_bill", text)]


async def _everyone_has_a_number(s: AsyncSession, task: Task) -> list[Fault]:
    """The tax office is asked by numbers: whoever has none cannot be visible there. By hand people look themselves."""
    if policies.snapshot().agency("tax_office").mode == "portal":
        return []
    names = await money_data.without_number(s, str(task.spec["data"]["bill_id"]))
    if not names:
        return []
    text = Text(
        zh=f"{'、'.join(names)} 尚无参保编号，税务端不可能可见：请移出本次缴费，或待取得编号后再确认。",
        en=f"{', '.join(names)} has no number yet and cannot be visible at the tax client: take off the bill who has "
        "none, or wait for the number.",
    )
    return [("/outcome", "number_missing", text)]
