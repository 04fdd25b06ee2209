"""The notice to the person at the end of a case: in the pages and by mail. Nothing personal goes back."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from schemas.calls import CaseArg
from store import notifications
from store.database import session
from store.ledger import process_now
from store.people import UnknownHire


@activity.defn(name="send_notice")
async def send_notice(arg: CaseArg) -> None:
    """One notice a case, however often this runs. A case without a record is a mistake that no retry mends."""
    async with session() as s:
        now = await process_now(s, arg.process_id)
        try:
            sent = await notifications.send(s, arg.process_id, arg.person_id, now)
        except UnknownHire:
            raise ApplicationError(
                f"The case {arg.process_id} has no record of a hire.", type="UnknownHire", non_retryable=True
            ) from None
    if not sent:
        activity.logger.info("%s: the notice was sent before", arg.process_id)


ACTIVITIES = [send_notice]
