"""Who may read which lines of the ledger about whom, and those lines with what became of them.

Invariants: every query here goes through `readable`: offices that pay and control see all, a college the lines of its
own people, an employee the own record; a substitute sees what the absent person's office sees, never that person's own
record. Sums of append-only lines, nothing is computed or written.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, false, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from domain.times import last_day
from store.inbox import SEES_ALL, SEES_MONEY, process_visible
from store.tables.ledger import Bill, BillLine, PremiumLine, Withholding
from store.tables.people import Hire, Person
from store.tables.processes import Process
from store.users import Viewer

OFFICES = (*SEES_ALL, *SEES_MONEY)
MOST = 20


@dataclass(frozen=True)
class Charged:
    """A line, the bill it stands on, how payroll takes the person's part, and the case if the viewer may open it."""

    line: PremiumLine
    bill: Bill | None
    withheld: str | None
    process_id: str | None


def _reads_all(viewer: Viewer) -> bool:
    return any(hat.has(*OFFICES) for hat in viewer.hats)


def _own_id(viewer: Viewer) -> str | None:
    """The person whom an employee reads about: themselves."""
    return viewer.person_id if viewer.has("employee") else None


def readable(viewer: Viewer) -> ColumnElement[bool]:
    """The lines of the ledger that the viewer may read."""
    if _reads_all(viewer):
        return true()
    allowed: list[ColumnElement[bool]] = [false()]
    units = _colleges(viewer)
    if units:
        allowed.append(PremiumLine.org_unit.in_(units))
    if own := _own_id(viewer):
        allowed.append(PremiumLine.person_id == own)
    return or_(*allowed)


def _colleges(viewer: Viewer) -> list[str]:
    return sorted({unit for hat in viewer.hats if hat.has("college") for unit in hat.org_units})


def may_search(viewer: Viewer) -> bool:
    """Whether there are other people than oneself to look up."""
    return any(hat.has(*OFFICES, "college") for hat in viewer.hats)


def _person_readable(viewer: Viewer) -> ColumnElement[bool]:
    """People of whom the viewer may read at least the record or a line."""
    if _reads_all(viewer):
        return true()
    allowed: list[ColumnElement[bool]] = [
        exists().where(PremiumLine.person_id == Person.id, readable(viewer)),
        exists().where(Hire.person_id == Person.id, Hire.valid, _hire_readable(viewer)),
    ]
    if own := _own_id(viewer):
        allowed.append(Person.id == own)
    return or_(*allowed)


def _hire_readable(viewer: Viewer) -> ColumnElement[bool]:
    if _reads_all(viewer):
        return true()
    own = _own_id(viewer)
    return or_(Hire.org_unit.in_(_colleges(viewer)), Hire.person_id == own if own else false())


async def person(session: AsyncSession, viewer: Viewer, person_id: str) -> Person | None:
    """The person, if the viewer may read about them."""
    return await session.scalar(select(Person).where(Person.id == person_id, _person_readable(viewer)))


async def people_named(session: AsyncSession, viewer: Viewer, words: str) -> list[Person]:
    """People whose name, pinyin or initials hold each of the words, by name; one more than `MOST` when there are."""
    found = select(Person).where(_person_readable(viewer))
    for word in words.lower().split():
        found = found.where(
            or_(
                *(
                    column.icontains(word, autoescape=True)
                    for column in (Person.name, Person.name_zh, Person.pinyin, Person.initials)
                )
            )
        )
    return list(await session.scalars(found.order_by(Person.pinyin, Person.id).limit(MOST + 1)))


async def units_of(session: AsyncSession, viewer: Viewer, person_ids: list[str]) -> dict[str, list[str]]:
    """The colleges of people by their records, those that the viewer may read."""
    rows = await session.execute(
        select(Hire.person_id, Hire.org_unit)
        .where(Hire.person_id.in_(person_ids), Hire.valid, _hire_readable(viewer))
        .distinct()
        .order_by(Hire.person_id, Hire.org_unit)
    )
    found: dict[str, list[str]] = {}
    for person_id, unit in rows:
        found.setdefault(person_id, []).append(unit)
    return found


async def category_in(session: AsyncSession, viewer: Viewer, person_id: str, month: str) -> Hire | None:
    """The record that says a person's category in a month: the latest that had begun by then, else the first."""
    rows = list(
        await session.scalars(
            select(Hire)
            .where(Hire.person_id == person_id, Hire.valid, _hire_readable(viewer))
            .order_by(Hire.contract_start, Hire.id)
        )
    )
    begun = [r for r in rows if r.contract_start <= last_day(month)]
    return begun[-1] if begun else (rows[0] if rows else None)


async def months(session: AsyncSession, viewer: Viewer, person_id: str) -> list[str]:
    """The months for which there are lines, newest first."""
    rows = await session.scalars(
        select(PremiumLine.premium_month)
        .where(PremiumLine.person_id == person_id, readable(viewer))
        .distinct()
        .order_by(PremiumLine.premium_month.desc())
    )
    return list(rows)


async def charged(session: AsyncSession, viewer: Viewer, person_id: str, month: str) -> list[Charged]:
    """The lines for a month, corrections included, in the order in which they were written."""
    rows = await session.execute(
        select(PremiumLine, Bill, Withholding.how, Process.id)
        .outerjoin(BillLine, BillLine.line_id == PremiumLine.id)
        .outerjoin(Bill, Bill.id == BillLine.bill_id)
        .outerjoin(
            Withholding, and_(Withholding.bill_id == Bill.id, Withholding.person_id == PremiumLine.person_id)
        )
        .outerjoin(Process, and_(Process.id == PremiumLine.process_id, process_visible(viewer)))
        .where(PremiumLine.person_id == person_id, PremiumLine.premium_month == month, readable(viewer))
        .order_by(PremiumLine.id)
    )  # fmt: skip
    return [Charged(*row) for row in rows]


async def cases_of(session: AsyncSession, viewer: Viewer, person_id: str) -> list[Process]:
    """The person's cases that the viewer may open, oldest first."""
    rows = await session.scalars(
        select(Process)
        .where(Process.subject == person_id, process_visible(viewer))
        .order_by(Process.started_at, Process.id)
    )
    return list(rows)
