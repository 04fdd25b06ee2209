"""What a clerk recorded of an agency (mode `portal`), and the undoing of a registration (both modes).

Invariants: what is recorded once stays (a receipt, an instant); the agency's number always wins; nothing of a case is
in force at an agency after `undone`.
"""

from datetime import date, datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.final import final
from domain.times import at
from schemas.calls import RegistrationEvent
from schemas.registration import AcceptedForm, ApprovedForm, HandInForm, RefusedForm, UndoneForm
from store import projection, registrations, submissions
from store.database import session
from store.premium_lines import process_now, shanghai_day


@activity.defn(name="record_registration")
async def record_registration(arg: RegistrationEvent) -> None:
    """Takes the recorded event into the attempt's row; a second call changes nothing."""
    async with session() as s:
        await projection.carried(s, arg)
        row = await registrations.ensure(s, arg)
        now = await process_now(s, arg.process_id)
        form = await submissions.read_form(s, arg.submission_id) if arg.submission_id else None
        if arg.event == "handed_in" and isinstance(form, HandInForm):
            registrations.submitted(row, form.receipt_no, _instant(form.handed_in_on, now))
        elif arg.event == "accepted" and isinstance(form, AcceptedForm):
            registrations.accepted(row, _instant(form.accepted_on, now))
        elif arg.event == "approved" and isinstance(form, ApprovedForm):
            try:
                await registrations.approve(s, row, form.number, _instant(form.approved_on, now))
            except registrations.NumberOfAnother:  # the answer was checked: only what came between can be in the way
                raise final("NumberOfAnother") from None
        elif arg.event == "refused" and isinstance(form, RefusedForm):
            registrations.refuse(row, form.code, form.note, _instant(form.refused_on or shanghai_day(now), now))
        elif arg.event == "undone":
            day = form.undone_on if isinstance(form, UndoneForm) else shanghai_day(now)
            for each in await registrations.of_case(s, arg.process_id):
                if each.agency == arg.agency and each.state != "refused":
                    registrations.undo(each, _instant(day, now))
        else:
            raise ApplicationError(
                f"事件 {arg.event} 与表单不符。 The event {arg.event} does not go with its form.",
                type="BadForm",
                non_retryable=True,
            )


def _instant(day: date, now: datetime) -> datetime:
    """The recorded day as an instant: now when it is today, else its noon."""
    return now if day == shanghai_day(now) else at(day, "12:00")


ACTIVITIES = [record_registration]
