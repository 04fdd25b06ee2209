"""The gateway to the agencies' interfaces: applications, their progress and withdrawal, visibility, bills, payments.

Invariants:
- Every hand-in carries the key `{process_id}:{agency}:{attempt}`; what the agency gave back is stored before the
  activity ends, and an attempt that has its receipt is never sent again: crash and retry never submit twice.
- No transaction is open while an agency is asked; reading, asking and storing are three steps.
- Nothing personal leaves here: arguments and results are ids, counts and codes; numbers go from the agency straight
  into the store. Error sentences quote no person's data.
- An outage is retryable for as long as it takes (the caller's retry policy); a refusal of the data by the interface
  counts as a refusal of the application, so that a clerk corrects it; any other refusal is not retryable and becomes an
  incident.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import bureau_books as books
from activities.agency_client import Agency, AgencyRefused, AgencyUnavailable
from activities.final import final
from runtime.settings import get_settings
from schemas.base import Text
from schemas.bureaus import (
    AgencyState,
    ApplicationAnswer,
    BillAnswer,
    Done,
    FoundApplications,
    MissingPersons,
    PaymentAnswer,
    Receipt,
)
from schemas.calls import BillArg, PollAnswer, RegistrationArg, SubmitAnswer, Visibility
from store.bill_files import UnreadableBill

TAX_OFFICE = "tax_office"
# Which field the interface could not read -> the refusal code a clerk knows (policies/rejection_reasons.yaml).
UNREADABLE_FIELD = {
    "name": "R01", "id_number": "R02", "country": "R02", "start_month": "R14", "base": "R12", "insurances": "R13",
}  # fmt: skip
UNREADABLE_FORM = "R07"


def key_of(arg: RegistrationArg, attempt: int | None = None) -> str:
    """The idempotency key of one attempt's hand-in."""
    return f"{arg.process_id}:{arg.agency}:{attempt or arg.attempt}"


@asynccontextmanager
async def failures_sorted() -> AsyncIterator[None]:
    """Turns the client's two failures into what Temporal retries or hands to an administrator."""
    try:
        yield
    except AgencyUnavailable as error:
        raise ApplicationError(str(error), type="AgencyUnavailable") from None
    except AgencyRefused as error:
        raise ApplicationError(str(error), type="AgencyRefused", non_retryable=True) from None


def gateway(agency: str, offset_seconds: float = 0.0) -> Agency:
    """The client of one agency at the address of the settings."""
    return Agency(agency, get_settings().agency_url(agency), offset_seconds)


@activity.defn(name="submit_application")
async def submit_application(arg: RegistrationArg) -> SubmitAnswer:
    """Hands in one attempt and stores the receipt. `receipt` is False when the interface refused the data: the attempt
    is then stored as refused, and `poll_application` gives its code."""
    known = await books.attempt(arg)
    if known is not None and known.refused_code and not known.receipt_no:
        return SubmitAnswer(receipt=False)
    if known is not None and known.receipt_no:
        return SubmitAnswer(receipt=True)
    application = await books.application(arg)
    async with failures_sorted():
        try:
            client = gateway(arg.agency, application.offset_seconds)
            receipt = await client.post("/applications", application.body, Receipt, key_of(arg))
        except AgencyRefused as refused:
            receipt = _receipt_of_first(refused)
            if receipt is None:
                await books.record_refused(arg, _code_of(refused))
                return SubmitAnswer(receipt=False)
    await books.record_receipt(arg, receipt.receipt_no, receipt.submitted_at)
    return SubmitAnswer(receipt=True)


def _receipt_of_first(refused: AgencyRefused) -> Receipt | None:
    """The record changed between a lost answer and the retry: what arrived first stands, under its receipt.

    Other refusals of the data give None; what concerns neither the data nor the key is raised again.
    """
    if refused.code == "key_reused" and refused.extra.get("first_answer"):
        return Receipt.model_validate(refused.extra["first_answer"])
    if refused.status != 422:
        raise refused
    return None


def _code_of(refused: AgencyRefused) -> str:
    """The refusal code for data that the interface could not read, from the first field it names."""
    if refused.code == "insurance_unknown":
        return UNREADABLE_FIELD["insurances"]
    for fault in refused.extra.get("errors", []):
        field = str(fault.get("pointer", "")).rsplit("/", 1)[-1]
        if field in UNREADABLE_FIELD:
            return UNREADABLE_FIELD[field]
    return UNREADABLE_FORM


@activity.defn(name="poll_application")
async def poll_application(arg: RegistrationArg) -> PollAnswer:
    """Asks how an attempt stands and stores what is new: acceptance, refusal code, or the agency's number."""
    known = await books.attempt(arg)
    if known is None or not (known.receipt_no or known.refused_code):
        text = Text(zh="该申请尚无受理回执，请先提交申请。", en="This application has no receipt; hand it in first.")
        raise final("NoReceipt", text)
    if known.refused_code:
        return PollAnswer(state="refused", code=known.refused_code)
    if known.approved:
        return PollAnswer(state="approved")
    async with failures_sorted():
        answer = await gateway(arg.agency).get(f"/applications/{known.receipt_no}", ApplicationAnswer)
    if answer.state is AgencyState.SUBMITTED:
        return PollAnswer(state="pending")
    if answer.state is AgencyState.WITHDRAWN:
        return PollAnswer(state="refused")
    if answer.state is AgencyState.REFUSED:
        code = answer.code or UNREADABLE_FORM
        await books.record_refused(arg, code, answer)
        return PollAnswer(state="refused", code=code)
    if answer.state is AgencyState.APPROVED and answer.number:
        await books.record_approved(arg, answer)
        return PollAnswer(state="approved")
    await books.record_accepted(arg, answer)
    return PollAnswer(state="accepted")


@activity.defn(name="withdraw_registration")
async def withdraw_registration(arg: RegistrationArg) -> None:
    """Leaves nothing of this case in force at the agency: each attempt is found by its key (its answer may have been
    lost), an open one is withdrawn, an approved one undone. Nothing there is fine."""
    client = gateway(arg.agency, await books.offset_of(arg.process_id))
    async with failures_sorted():
        for attempt in range(1, arg.attempt + 1):
            key = key_of(arg, attempt)
            found = await client.get("/applications", FoundApplications, idempotency_key=key)
            for application in found.items:
                await _withdraw(client, application, key)


async def _withdraw(client: Agency, application: ApplicationAnswer, key: str) -> None:
    number = application.number
    if application.state in (AgencyState.SUBMITTED, AgencyState.ACCEPTED):
        path = f"/applications/{application.receipt_no}/withdraw"
        try:
            await client.post(path, {}, Done, f"{key}:withdraw_application")
        except AgencyRefused as refused:
            if refused.code != "already_approved":
                raise
            number = str(refused.extra["number"])  # approved between our question and our withdrawal
    if number is not None:
        await client.post(f"/registrations/{number}/withdraw", {}, Done, f"{key}:withdraw_registration")


@activity.defn(name="check_visible")
async def check_visible(arg: BillArg) -> Visibility:
    """Whether the tax client shows everyone on the bill (R19). A person without a number counts as missing."""
    bill = await books.bill(arg.bill_id)
    numbers = sorted({p.number for p in bill.persons if p.number})
    async with failures_sorted():
        missing = set(await _missing(bill.levy, numbers))
        if missing and _simulated(bill):
            await _enter_at_counter(bill, missing)
    hidden = [p.person_id for p in bill.persons if not p.number or p.number in missing]
    return Visibility(visible=not hidden, missing=len(hidden), persons=hidden)


async def _missing(levy: str, numbers: list[str]) -> list[str]:
    body = {"levy": levy, "numbers": numbers}
    return (await gateway(TAX_OFFICE).post("/visibility", body, MissingPersons)).missing


def _simulated(bill: books.BillBook) -> bool:
    """Whether the tax office and the bureaus of this bill are the simulated ones of a demo."""
    settings = get_settings()
    agencies = {TAX_OFFICE} | {p.registration.agency for p in bill.persons if p.registration}
    return settings.demo and not agencies & set(settings.agency_urls)


async def _enter_at_counter(bill: books.BillBook, missing: set[str]) -> None:
    """The demo only: in mode `portal` a clerk types the application on the bureau's own site, which the simulated
    bureau does not have; without this the simulated tax office would never hear of the person. Applications that went
    through the interface are left alone: they arrive by themselves."""
    for person in bill.persons:
        if person.number not in missing or person.registration is None:
            continue
        client = gateway(person.registration.agency)
        sent = False
        for attempt in range(1, person.registration.attempt + 1):
            key = key_of(person.registration, attempt)
            sent = sent or bool((await client.get("/applications", FoundApplications, idempotency_key=key)).items)
        if not sent:
            application = await books.application(person.registration)
            await client.put(f"/registrations/{person.number}", application.body, Done)


@activity.defn(name="fetch_bill")
async def fetch_bill(arg: BillArg) -> None:
    """Stores the agency's bill beside ours: from the tax office's interface, or from the file that a clerk uploaded.

    Each call of the workflow is a new bill at the tax office (its id is the key), which replaces the unpaid one.
    """
    bill = await books.bill(arg.bill_id)
    try:
        if await books.store_uploaded_bill(bill):
            return
    except UnreadableBill as error:
        raise final("UnreadableBill", error.text) from None
    items = [_bill_item(p) for p in bill.persons if p.number]
    if len(items) < len(bill.persons):
        text = Text(zh="有人员尚无参保编号，无法取征集单。", en="Someone on the bill has no number yet.")
        raise final("NumberMissing", text)
    body = {"unit": bill.unit, "levy": bill.levy, "kind": bill.kind, "items": items}
    async with failures_sorted():
        try:
            client = gateway(TAX_OFFICE, bill.offset_seconds)
            key = f"bill:{arg.bill_id}:{activity.info().activity_id}"
            answer = await client.post("/bills", body, BillAnswer, key)
        except AgencyRefused as refused:
            if refused.code == "not_visible":  # R19: comes by itself once the bureaus' data have arrived
                raise AgencyUnavailable(TAX_OFFICE, "R19 税务端尚未同步 not synchronised yet") from None
            if refused.code == "not_paid_yet":  # the bill that is made up is another payment, still on its way
                raise AgencyUnavailable(TAX_OFFICE, "原征集单尚未缴款 the bill made up is not paid yet") from None
            raise
    await books.store_bill(bill, answer)


def _bill_item(person: books.PersonOnBill) -> dict[str, object]:
    """What is declared for one person: months to pay for the first time, and those made up (补差) by the right wage."""
    made_up = [{"month": month, "base": str(wage)} for month, wage in sorted(person.make_up.items())]
    return {"number": person.number, "months": sorted(person.months), "make_up": made_up}


@activity.defn(name="pay_bill")
async def pay_bill(arg: BillArg) -> None:
    """Pays the agency's bill to the cent and stores the certificate; a bill with a certificate is not paid again."""
    bill = await books.bill(arg.bill_id)
    if bill.certificate_no:
        return
    if not bill.agency_bill_no or bill.agency_total is None:
        text = Text(zh="尚未取得税务征集单，不能缴费。", en="There is no bill of the tax office yet; fetch it first.")
        raise final("NoBill", text)
    client = gateway(TAX_OFFICE, bill.offset_seconds)
    body = {"bill_no": bill.agency_bill_no, "amount": str(bill.agency_total)}
    async with failures_sorted():
        payment = await client.post("/payments", body, PaymentAnswer, f"pay:{arg.bill_id}:{bill.agency_bill_no}")
        content, media_type = await client.download(f"/certificates/{payment.certificate_no}")
    await books.store_payment(bill, payment, content, media_type)


ACTIVITIES = [submit_application, poll_application, withdraw_registration, check_visible, fetch_bill, pay_bill]
