"""Fills an agency's application from the person's record, as a file of the case.

Invariants: the file of an attempt is made once and stays, whatever the record becomes later. Nothing personal is
returned: the result is a document's id.
"""

import uuid

from temporalio import activity

from activities.final import final
from runtime import clock
from schemas.base import Text
from schemas.calls import RegistrationArg
from store import applications, documents, people
from store.database import session
from store.import_files import XLSX, IncompleteRecord, workbook


@activity.defn(name="fill_application")
async def fill_application(arg: RegistrationArg) -> str:
    """Makes the import file of one attempt and keeps it as a document of the case; the id is the same on every retry.

    Raises a non-retryable ApplicationError of type IncompleteRecord that names what the record lacks.
    """
    form = applications.agency_files().applications[arg.agency]
    document_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{arg.process_id}/{arg.agency}/{arg.attempt}/application"))
    async with session() as s:
        try:
            record = await applications.file_record_of(s, arg.process_id, arg.agency)
        except people.UnknownHire:
            text = Text(zh="该业务没有人员信息，无法填写申请表。", en="This case has no person's record to fill in.")
            raise final("UnknownHire", text) from None
        try:
            content = workbook(form, [record])
        except IncompleteRecord as error:
            raise final("IncompleteRecord", error.text) from None
        document = await documents.store(
            s,
            content,
            filename=form.filename.format(attempt=arg.attempt),
            media_type=XLSX,
            code=form.code,
            uploaded_by="system",
            now=clock.now(),
            process_id=arg.process_id,
            document_id=document_id,
            replaces=True,
        )
        return document.id


ACTIVITIES = [fill_application]
