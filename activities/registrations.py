"""What a clerk recorded of an agency (mode `portal`), and the undoing of a registration (both modes)."""

from datetime import datetime

from temporalio import activity

from schemas.calls import RegistrationEvent
from schemas.registration import ApprovedForm, HandInForm, RefusedForm
from store import registrations, submissions
from store.database import session
from store.ledger import process_now


@activity.defn(name="record_registration")
async def record_registration(arg: RegistrationEvent) -> None:
    """Takes the recorded event into the attempt's row; a second call changes nothing."""
    async with session() as s:
        row = await registrations.ensure(s, arg)
        now: datetime = await process_now(s, arg.process_id)
        form = await submissions.read_form(s, arg.submission_id) if arg.submission_id else None
        if arg.event == "handed_in" and isinstance(form, HandInForm):
            registrations.submitted(row, form.receipt_no, now)
        elif arg.event == "accepted":
            registrations.accepted(row, now)
        elif arg.event == "approved" and isinstance(form, ApprovedForm):
            registrations.approve(row, form.number, now)
        elif arg.event == "refused" and isinstance(form, RefusedForm):
            registrations.refuse(row, form.code, form.note, now)
        elif arg.event == "undone":
            for each in await registrations.of_case(s, arg.process_id):
                if each.agency == arg.agency and each.state != "refused":
                    registrations.undo(each, now)
        else:
            raise ValueError(f"event {arg.event} does not go with its form")


ACTIVITIES = [record_registration]
