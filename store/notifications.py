"""The notice to a person whose case is done: what it says, where it goes, who may read it.

Invariants: one notice a case, however often it is asked for; its body is encrypted; the message about it holds no
number and no amount, the mail is the notice with masked numbers; only the person reads the full numbers, in the pages.
A person without a usable address gets it in the pages only, and the notice says so.
"""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain import notices as words
from domain.contributions import to_cent
from domain.tables import contribution_tables
from schemas.base import Text
from schemas.notices import Notice, NoticeAmount, NoticeMonth, NoticeNumber, NoticeView
from store import ledger, messages, outbox, people, registrations, watch_dates
from store.policies import snapshot
from store.policies import texts as rules_in_force
from store.sealed import seal, unseal
from store.tables.ledger import PremiumLine
from store.tables.notices import NoticeRow
from store.tables.outbox import Outgoing
from store.tables.people import User
from store.tables.processes import Process
from store.users import Viewer

QUEUED, NO_MAIL = "queued", "no_mail"
CERTIFICATE_RULE = "DL-TREATY-CERT"
ZERO = Decimal("0.00")


def mail_key(process_id: str) -> str:
    """The outbox key of a case's notice."""
    return f"notice:{process_id}"


# --- what it says ----------------------------------------------------------------------------------------------------


async def gather(session: AsyncSession, process_id: str) -> Notice:
    """Everything the person is told, from the books. UnknownHire when the case has no record."""
    hire = await people.hire_row(session, process_id)
    person = await people.get_person(session, hire.person_id)
    process = await session.get(Process, process_id)
    texts = rules_in_force()
    titles = {name: line.title for name, line in contribution_tables(texts).lines.items()}
    lines = await ledger.lines_of_case(session, process_id)
    months = _months(lines, titles)
    certificate_by = await watch_dates.date_of(session, process_id, "certificate_due")
    return Notice(
        case_no=process.case_no if process else process_id,
        name=person.name if person else "",
        numbers=await _numbers(session, process_id),
        insurances=[titles.get(i, Text(zh=i, en=i)) for i in hire.insurances or []],
        exempt=[titles.get(i, Text(zh=i, en=i)) for i in hire.exempt or []],
        first_month=months[0].month if months else None,
        months=months,
        card=words.card_guide(texts, "foreign"),
        certificate_by=certificate_by,
        certificate_note=snapshot().rule(CERTIFICATE_RULE).consequence if certificate_by else None,
        sample=any("sample" in line.flags for line in lines),
    )


async def _numbers(session: AsyncSession, process_id: str) -> list[NoticeNumber]:
    """The number each agency gave with its approval; a registration that was undone gives none."""
    found: dict[str, str] = {}
    for row in await registrations.of_case(session, process_id):
        number = registrations.number_of(row)
        if row.state == "approved" and number:
            found[row.agency] = number
    return [
        NoticeNumber(agency=agency, title=title, number=found[agency])
        for agency, title in words.NUMBERS.items()
        if agency in found
    ]


def _months(lines: list[PremiumLine], titles: dict[str, Text]) -> list[NoticeMonth]:
    """The person's part by month and insurance, corrections summed in; a line that was reversed is left out."""
    reversed_lines = {line.corrects for line in lines if line.voids}
    sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    for line in lines:
        if not line.voids and line.id not in reversed_lines:
            sums[line.premium_month][line.insurance] += line.person_amount
    order = list(titles)
    found: list[NoticeMonth] = []
    for month, by_insurance in sorted(sums.items()):
        kept = sorted(by_insurance, key=lambda i: order.index(i) if i in order else len(order))
        found.append(
            NoticeMonth(
                month=month,
                amounts=[
                    NoticeAmount(insurance=i, title=titles.get(i, Text(zh=i, en=i)), amount=_money(by_insurance[i]))
                    for i in kept
                ],
                total=_money(sum(by_insurance.values(), ZERO)),
            )
        )
    return found


def _money(amount: Decimal) -> str:
    return f"{to_cent(amount):.2f}"


# --- where it goes ---------------------------------------------------------------------------------------------------


async def send(session: AsyncSession, process_id: str, person_id: str, now: datetime) -> bool:
    """Stores the notice, puts a message on the person's page and a mail into the outbox; False when it was done before.

    UnknownHire when the case has no record.
    """
    if await session.get(NoticeRow, process_id) is not None:
        return False
    notice = await gather(session, process_id)
    readers = list(await session.scalars(select(User).where(User.person_id == person_id, User.active)))
    hire = await people.hire_of(session, process_id)
    address = next(filter(None, map(_usable, [hire.email, *(u.email for u in readers)])), None)
    claimed = await session.execute(
        insert(NoticeRow)
        .values(
            process_id=process_id,
            person_id=person_id,
            body=seal(notice.model_dump(mode="json")),
            mail=QUEUED if address else NO_MAIL,
            at=now,
        )
        .on_conflict_do_nothing()
        .returning(NoticeRow.process_id)
    )
    if claimed.scalar_one_or_none() is None:
        return False
    said, link = words.message_text(notice), f"/processes/{process_id}"
    for user in readers:
        key = f"{mail_key(process_id)}:{user.username}"
        await messages.in_pages(session, user.username, said, key=key, link=link, process_id=process_id, now=now)
    if address:
        await outbox.queue(
            session, mail_key(process_id), words.subject(), words.notice_text(notice, masked=True),
            recipient=address, now=now, link=link, process_id=process_id, own=True,
        )  # fmt: skip
    return True


async def renew(session: AsyncSession, process_id: str, amendment_id: str, now: datetime) -> bool:
    """What a notice says that was sent has been amended: it says the new value, and the person is told so.
    False when there is no notice yet: it will say what is right then."""
    row = await session.get(NoticeRow, process_id, with_for_update=True)
    if row is None:
        return False
    notice = await gather(session, process_id)
    row.body = seal(notice.model_dump(mode="json"))
    readers = list(await session.scalars(select(User).where(User.person_id == row.person_id, User.active)))
    hire = await people.hire_of(session, process_id)
    address = next(filter(None, map(_usable, [hire.email, *(u.email for u in readers)])), None)
    said, link = words.amended_text(notice), f"/processes/{process_id}"
    for user in readers:
        key = f"{mail_key(process_id)}:{amendment_id}:{user.username}"
        await messages.in_pages(session, user.username, said, key=key, link=link, process_id=process_id, now=now)
    if address:
        await outbox.queue(
            session, f"{mail_key(process_id)}:{amendment_id}", words.amended_subject(), said,
            recipient=address, now=now, link=link, process_id=process_id,
        )  # fmt: skip
    return True


def _usable(address: str | None) -> str | None:
    """The address, when it is one."""
    if not address:
        return None
    try:
        return validate_email(address, check_deliverability=False).normalized
    except EmailNotValidError:
        return None


# --- who reads it ----------------------------------------------------------------------------------------------------


async def of_case(session: AsyncSession, viewer: Viewer, process_id: str) -> NoticeView | None:
    """The notice of a case that the viewer may see (the caller has checked): full for the person, masked for others."""
    row = await session.get(NoticeRow, process_id)
    return await _view(session, viewer, row) if row is not None else None


async def of_person(session: AsyncSession, viewer: Viewer) -> list[NoticeView]:
    """All notices to the person behind this login, newest first."""
    if viewer.person_id is None:
        return []
    rows = await session.scalars(
        select(NoticeRow).where(NoticeRow.person_id == viewer.person_id).order_by(NoticeRow.at.desc())
    )
    return [await _view(session, viewer, row) for row in rows]


async def _view(session: AsyncSession, viewer: Viewer, row: NoticeRow) -> NoticeView:
    notice = Notice.model_validate(unseal(row.body))
    own = viewer.person_id == row.person_id
    state = await session.scalar(select(Outgoing.state).where(Outgoing.key == mail_key(row.process_id)))
    return NoticeView(
        process_id=row.process_id,
        text=words.notice_text(notice, masked=not own),
        at=row.at,
        mail=row.mail if state in (None, outbox.PENDING) else state,
        masked=not own,
        notice=notice if own else None,
    )
