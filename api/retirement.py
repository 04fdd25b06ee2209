"""When a person retires, and the track that counts for it: read by whoever may read the person, set by the office.

Invariants: the sum is `domain/retirement.py`'s; a track is set (at the person, or with the start of the person's first
case) with a ground and never without a line in the audit
trail; one that the rules do not offer for the person's group is refused.
"""

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy.ext.asyncio import AsyncSession

from api.json_body import JsonObjectRoute
from api.permissions import COMMANDERS, require_role
from api.problems import BadForm, NotFound, Problem
from api.rules import ME
from api.sign_in import CurrentViewer
from domain.retirement import NOT_FOR_GROUP, STANDARD, Track, retirement
from domain.times import month_of
from runtime import clock
from schemas.base import Text
from schemas.retirement import PersonRetirement, TrackBody, TrackOffer, TrackSet
from store import audit, deductions, retirement_tracks, rule_tables
from store.database import reading, session
from store.people import vital
from store.tables.people import Person
from store.users import Viewer

router = APIRouter(prefix="/rules/persons/{person_id}", tags=["rules"], route_class=JsonObjectRoute)
PersonId = Annotated[str, Path(description='The id of a person, or "me"')]


class SameTrack(Problem):
    status, code = 409, "same_track"
    text = Text(zh="该人员已按此口径登记，无需重复。", en="This track is set for the person already.")


async def _readable(s: AsyncSession, viewer: Viewer, person_id: str) -> Person:
    wanted = viewer.person_id if person_id == ME else person_id
    person = await deductions.person(s, viewer, wanted) if wanted else None
    if person is None:
        raise NotFound
    return person


async def of_person(s: AsyncSession, viewer: Viewer, person_id: str) -> PersonRetirement:
    """The month by law of a person, by the track set. NotFound for whoever may not read the person."""
    person = await _readable(s, viewer, person_id)
    loaded = rule_tables.load()
    sex, birth = vital(person)
    group, rules = loaded.checks.ages[sex], loaded.retirement
    settings = await retirement_tracks.history(s, person.id)
    track = rules.tracks.get(settings[0].track if settings else STANDARD) or rules.tracks[STANDARD]
    found = retirement(month_of(birth), group, rules, track)
    return PersonRetirement(
        person_id=person.id,
        group=group.code,
        track=track.id,
        title=track.title,
        source=track.source,
        sample=track.sample,
        retire=found.month,
        age=found.age,
        min_months=found.min_months,
        elastic=found.elastic,
        history=[
            TrackSet(
                track=row.track,
                title=rules.tracks[row.track].title if row.track in rules.tracks else Text(zh=row.track, en=row.track),
                ground=row.ground,
                set_by=row.set_by,
                set_at=row.set_at,
            )
            for row in settings
        ],
        offers=[_offer(t) for t in rules.tracks.values() if t.fits(group.code)],
        may_set=viewer.has(*COMMANDERS),
    )


def _offer(track: Track) -> TrackOffer:
    return TrackOffer(track=track.id, title=track.title, sample=track.sample)


async def set_track(viewer: Viewer, person_id: str, body: TrackBody) -> PersonRetirement:
    """Sets the track. NotAllowed, NotFound, BadForm for one that is not for the person's group, SameTrack."""
    require_role(viewer, *COMMANDERS)
    async with session() as s:
        person = await _readable(s, viewer, person_id)
        await s.refresh(person, with_for_update=True)  # two at once: the second sees what the first has set
        before = await of_person(s, viewer, person.id)
        if body.track not in {o.track for o in before.offers}:
            raise BadForm(NOT_FOR_GROUP, faults=[("/track", "not_for_group", NOT_FOR_GROUP)])
        if not await keep(s, viewer, person.id, body):
            raise SameTrack
        return await of_person(s, viewer, person.id)


async def keep(s: AsyncSession, viewer: Viewer, person_id: str, body: TrackBody) -> bool:
    """Writes a track that was found to fit, with its line in the audit trail; False where it is set already."""
    before = (await retirement_tracks.of_people(s, [person_id])).get(person_id, STANDARD)
    if before == body.track:
        return False
    await retirement_tracks.add(s, person_id, body.track, body.ground, viewer.username, clock.now())
    audit.record(s, viewer.username, "retirement.track", person_id, old=before, new=body.track.value)
    return True


def at_start(viewer: Viewer, sex: str, body: TrackBody) -> Track:
    """The track that the office names for somebody who is being started. NotAllowed, BadForm for one that is not for
    the group."""
    require_role(viewer, *COMMANDERS)
    loaded = rule_tables.load()
    track = loaded.retirement.tracks.get(body.track)
    if track is None or not track.fits(loaded.checks.ages[sex].code):
        raise BadForm(NOT_FOR_GROUP, faults=[("/retirement/track", "not_for_group", NOT_FOR_GROUP)])
    return track


@router.get("/retirement", summary="When a person retires by law and by the track set at the person")
async def get_retirement(viewer: CurrentViewer, person_id: PersonId) -> PersonRetirement:
    async with reading() as s:
        return await of_person(s, viewer, person_id)


@router.post("/retirement-track", summary="Set the track by which a person retires, with its ground")
async def post_track(viewer: CurrentViewer, person_id: PersonId, body: TrackBody) -> PersonRetirement:
    return await set_track(viewer, person_id, body)
