"""Dates of persons that the office is told of before they come: permits, residence, passports, certificates.

Invariants: a rung of a date is told once (its insert is the claim), a moved date has its rungs again; everything new of
a day reaches a person as one message; a date of a cancelled case, or one that is done, is not told. The dates
themselves are written with the record (`people.watch`) and by the decision on an exemption.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from domain import exemptions
from domain.notices import rungs_reached, watch_line, watch_rules
from domain.times import SHANGHAI
from runtime.logging import logger
from schemas.base import Text
from schemas.enrolment import Certificate, HireKind
from schemas.notices import WatchRule
from schemas.process import ProcessState
from store import case_rules, messages, people, users
from store.policies import calendar, texts
from store.tables.notices import WatchRung
from store.tables.office import Setting
from store.tables.people import Hire, Person, User, WatchDate
from store.tables.processes import Process

log = logger(__name__)
CERTIFICATE_DUE = "certificate_due"  # policies/watch_rules.yaml
LAST_DAY = "watch_dates_told_on"
# A rung on a rest day comes earlier; no run of rest days is longer than this.
LONGEST = timedelta(days=14)  # lint: allow law-number - a bound for a query, longer than any holiday


@dataclass(frozen=True)
class Told:
    """A date whose rung has come: the line to say, and who is responsible for it."""

    line: Text
    org_unit: str | None
    process_id: str | None


def rules() -> dict[str, WatchRule]:
    """The rules in force, by kind. PolicyError when the file is broken."""
    return watch_rules(texts())


async def watch_certificate(session: AsyncSession, hire: Hire, today: date) -> None:
    """Remembers by when the certificate of coverage that a person is waiting for has to be handed in."""
    proposal = exemptions.propose(
        hire.country,
        HireKind(hire.hire_kind),
        Certificate.PENDING,
        hire.permit_issued,
        hire.contract_start,
        today,
        (await case_rules.of_case(session, hire.process_id)).treaties,
    )
    if proposal.certificate_by is not None:
        await people.watch(session, hire.person_id, hire.process_id, CERTIFICATE_DUE, proposal.certificate_by)


async def tell(session: AsyncSession, now: datetime) -> int:
    """Tells clerks and colleges what is coming, once a Shanghai day; returns how many people got a message.

    To be called on working days only, after the hour at which reminders come.
    """
    today = now.astimezone(SHANGHAI).date()
    if not await _first_today(session, today):
        return 0
    found = await due(session, today, now)
    by_user: dict[str, list[Told]] = defaultdict(list)
    named: dict[str, User] = {}
    for told in found:
        for user in await users.with_roles(session, ["clerk", "college"], told.org_unit):
            by_user[user.username].append(told)
            named[user.username] = user
    for name, lines in sorted(by_user.items()):
        cases = {t.process_id for t in lines}
        only = next(iter(cases)) if len(cases) == 1 else None
        await messages.notify(
            session,
            named[name],
            Text(
                zh="\n".join([f"{len(lines)} 个证件日期或期限临近：", *(t.line.zh for t in lines)]),
                en="\n".join([f"Dates coming up ({len(lines)}):", *(t.line.en for t in lines)]),
            ),
            key=f"watch/{today.isoformat()}/{name}",
            link=f"/processes/{only}" if only else "/messages",
            now=now,
        )
    return len(by_user)


async def _first_today(session: AsyncSession, today: date) -> bool:
    """Claims the day; a second run of the day, here or in another worker, finds it taken."""
    await session.execute(insert(Setting).values(key=LAST_DAY, value="").on_conflict_do_nothing())
    row = (await session.execute(select(Setting).where(Setting.key == LAST_DAY).with_for_update())).scalar_one()
    if str(row.value) >= today.isoformat():
        return False
    row.value = today.isoformat()
    return True


async def due(session: AsyncSession, today: date, now: datetime) -> list[Told]:
    """Claims every rung that has come and was not told; one line per date, however many of its rungs have come.

    Two cases of one person that watch the same date give one line.
    """
    by_kind = rules()
    school = calendar("school")
    ahead = max(max(r.days) for r in by_kind.values())
    rows = await session.execute(
        select(WatchDate, Person, Hire, Process)
        .join(Person, Person.id == WatchDate.person_id)
        .outerjoin(Hire, and_(Hire.process_id == WatchDate.process_id, Hire.valid))
        .outerjoin(Process, Process.id == WatchDate.process_id)
        .where(
            WatchDate.done_at.is_(None),
            WatchDate.kind.in_(by_kind),
            WatchDate.on <= today + timedelta(days=ahead) + LONGEST,
            or_(Process.id.is_(None), Process.state != ProcessState.CANCELLED.value),
        )
        .order_by(WatchDate.on, WatchDate.id)
    )
    units = await people.org_units(session)
    found: list[Told] = []
    said: set[tuple[str, str, date]] = set()
    for watched, person, hire, process in rows:
        same = (person.id, watched.kind, watched.on)
        try:
            async with session.begin_nested():  # one bad record stops neither the others nor its own next try
                rule = by_kind[watched.kind]
                reached = rungs_reached(watched.on, rule.days, today, school)
                new = [n for n in reached if await _claim(session, watched, n, now)]
                unit = hire.org_unit if hire else None
                who = _who(process, person, units.get(unit or ""))
                line = watch_line(rule, who, watched.on, today, hire.contract_end if hire else None)
        except DBAPIError:
            raise  # the database, not the record: the whole sweep comes again
        except Exception:
            log.exception("watched_date_not_told", watched=watched.id)
            continue
        if new and same not in said:
            said.add(same)
            found.append(Told(line, unit, watched.process_id))
    return found


async def _claim(session: AsyncSession, watched: WatchDate, days: int, now: datetime) -> bool:
    statement = insert(WatchRung).values(watch_id=watched.id, on=watched.on, days=days, at=now)
    claimed = await session.execute(statement.on_conflict_do_nothing().returning(WatchRung.days))
    return claimed.scalar_one_or_none() is not None


def _who(process: Process | None, person: Person, unit: Text | None) -> Text:
    case = f"{process.case_no} " if process else ""
    name = people.display_name(person)
    return Text(
        zh=f"{case}{name}（{unit.zh}）" if unit else f"{case}{name}",
        en=f"{case}{name} ({unit.en})" if unit else f"{case}{name}",
    )


async def done(session: AsyncSession, process_id: str, kind: str, now: datetime) -> None:
    """A watched date is dealt with (the certificate was handed in): it is told no more."""
    await session.execute(
        update(WatchDate)
        .where(WatchDate.process_id == process_id, WatchDate.kind == kind, WatchDate.done_at.is_(None))
        .values(done_at=now)
    )


async def date_of(session: AsyncSession, process_id: str, kind: str) -> date | None:
    """The open watched date of a case, if any."""
    return await session.scalar(
        select(WatchDate.on).where(
            WatchDate.process_id == process_id, WatchDate.kind == kind, WatchDate.done_at.is_(None)
        )
    )
