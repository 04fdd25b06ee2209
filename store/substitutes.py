"""代理: who does whose tasks, from which day to which.

Invariants: an absent person has one substitute on a day, and a substitute is not absent on the days he stands in; both
are kept by locking the two people's rows before the check. Nothing is copied or moved: the absent person keeps his
tasks, and the right of the substitute ends with the last day by itself.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import BindParameter, ColumnElement, all_, and_, any_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from store.tables.desk import Substitution
from store.tables.people import User
from store.users import substitution_in_force


class Clash(StrEnum):
    """Why an arrangement is impossible."""

    ABSENT_HAS_ONE = "absent_has_one"
    SUBSTITUTE_IS_ABSENT = "substitute_is_absent"
    ABSENT_STANDS_IN = "absent_stands_in"


class Clashing(ValueError):
    """Another arrangement of the same days stands against it."""

    def __init__(self, clash: Clash, other: Substitution) -> None:
        super().__init__(clash.value)
        self.clash, self.other = clash, other


async def in_force(session: AsyncSession, today: date) -> dict[str, str]:
    """absent -> substitute, today."""
    statement = select(Substitution.absent, Substitution.substitute).where(substitution_in_force(today))
    return {row.absent: row.substitute for row in await session.execute(statement)}


def free_of(excluded: BindParameter[Sequence[str]], today: date | BindParameter[date]) -> ColumnElement[bool]:
    """Four eyes: neither one of the excluded, nor who stands in for one of them today."""
    stands_in = select(Substitution.substitute).where(
        Substitution.absent == any_(excluded), substitution_in_force(today)
    )
    return and_(User.username != all_(excluded), User.username.not_in(stands_in.correlate(None)))


def reached(
    meant: ColumnElement[bool], today: date | BindParameter[date], excluded: BindParameter[Sequence[str]]
) -> ColumnElement[bool]:
    """The active people who are meant, and whoever stands in for one of them today: what must reach the one reaches the
    other too, unless four eyes keep him from it."""
    absent = select(User.username).where(User.active, meant).correlate(None)
    standing_in = select(Substitution.substitute).where(Substitution.absent.in_(absent), substitution_in_force(today))
    return User.active & or_(meant, and_(User.username.in_(standing_in), free_of(excluded, today)))


async def add(
    session: AsyncSession,
    absent: str,
    substitute: str,
    first_day: date,
    last_day: date,
    *,
    reason: str,
    set_by: str,
    now: datetime,
) -> Substitution:
    """A new arrangement. Clashing."""
    await session.execute(
        select(User.username).where(User.username.in_([absent, substitute])).order_by(User.username).with_for_update()
    )
    checks = (
        (Clash.ABSENT_HAS_ONE, Substitution.absent == absent),
        (Clash.SUBSTITUTE_IS_ABSENT, Substitution.absent == substitute),
        (Clash.ABSENT_STANDS_IN, Substitution.substitute == absent),
    )
    for clash, whose in checks:
        other = await session.scalar(
            select(Substitution)
            .where(
                whose,
                Substitution.ended_at.is_(None),
                Substitution.first_day <= last_day,
                Substitution.last_day >= first_day,
            )
            .limit(1)
        )
        if other is not None:
            raise Clashing(clash, other)
    row = Substitution(
        absent=absent,
        substitute=substitute,
        first_day=first_day,
        last_day=last_day,
        reason=reason,
        set_by=set_by,
        set_at=now,
    )
    session.add(row)
    await session.flush()
    return row


async def get(session: AsyncSession, substitution_id: int) -> Substitution | None:
    """The arrangement, its row locked."""
    return await session.scalar(select(Substitution).where(Substitution.id == substitution_id).with_for_update())


def end(row: Substitution, by: str, now: datetime) -> None:
    """Ends an arrangement early; what is ended stays ended."""
    if row.ended_at is None:
        row.ended_at, row.ended_by = now, by


async def arranged(session: AsyncSession, today: date, usernames: Collection[str] | None) -> list[Substitution]:
    """Arrangements that are in force or to come, of these people (either side) or of all, soonest first."""
    statement = select(Substitution).where(Substitution.ended_at.is_(None), Substitution.last_day >= today)
    if usernames is not None:
        statement = statement.where(or_(Substitution.absent.in_(usernames), Substitution.substitute.in_(usernames)))
    return list(await session.scalars(statement.order_by(Substitution.first_day, Substitution.id)))
