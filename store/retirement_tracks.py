"""The track of retirement set at a person (women with senior titles): what counts now, and everything that was set.

Invariants: a row is only added, with who, when and on what ground; the newest counts; who has none retires by the own
post. Whether a track may be set for somebody is the rules' question (`domain/retirement.py`), not asked here.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.retirement import STANDARD, Track
from store import rule_tables
from store.sealed import number_hash
from store.tables.people import Person, RetirementTrackRow


async def history(session: AsyncSession, person_id: str) -> list[RetirementTrackRow]:
    """Everything that was set, the newest first."""
    rows = await session.scalars(
        select(RetirementTrackRow)
        .where(RetirementTrackRow.person_id == person_id)
        .order_by(RetirementTrackRow.id.desc())
    )
    return list(rows)


async def of_people(session: AsyncSession, person_ids: Iterable[str]) -> dict[str, str]:
    """The track that counts now, of those who have one."""
    rows = await session.execute(
        select(RetirementTrackRow.person_id, RetirementTrackRow.track)
        .where(RetirementTrackRow.person_id.in_(set(person_ids)))
        .order_by(RetirementTrackRow.id)
    )
    return {str(row[0]): str(row[1]) for row in rows}  # the last one wins


async def of_person(session: AsyncSession, person_id: str | None) -> Track | None:
    """The track of one person as the rules describe it; None where it is the own post, or the rules know it no more."""
    track = (await of_people(session, [person_id] if person_id else [])).get(person_id or "", STANDARD)
    return None if track == STANDARD else rule_tables.load().retirement.tracks.get(track)


async def of_number(session: AsyncSession, id_number: str) -> Track | None:
    """As `of_person`, by document number; None also where the number is nobody's."""
    return await of_person(
        session, await session.scalar(select(Person.id).where(Person.id_hash == number_hash(id_number)))
    )


async def by_number(session: AsyncSession) -> dict[str, Track]:
    """All tracks that are not the own post, by the hash of the person's number."""
    tracks = rule_tables.load().retirement.tracks
    rows = await session.execute(
        select(Person.id_hash, RetirementTrackRow.track)
        .join(Person, Person.id == RetirementTrackRow.person_id)
        .order_by(RetirementTrackRow.id)
    )
    newest = {str(row[0]): str(row[1]) for row in rows}
    return {number: tracks[track] for number, track in newest.items() if track in tracks and track != STANDARD}


async def add(session: AsyncSession, person_id: str, track: str, ground: str, actor: str, now: datetime) -> None:
    """Sets the track from now on."""
    session.add(RetirementTrackRow(person_id=person_id, track=track, ground=ground, set_by=actor, set_at=now))
    await session.flush()
