"""The rules looked up: rates and limits of a month, what a person was charged by which rule, a date by a rule.

Invariants: a page shows what `/api/v1/rules` answers and computes nothing; what is typed is checked by the same types,
and a fault keeps what was typed; a person's number comes in a post and never stands in an address.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, TypeVar

from fastapi import Query
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from api import retirement as retirement_room
from api import rules as room
from api.calculations import NotComputable
from api.problems import BadForm, Problem
from domain.times import month_of
from runtime import clock
from schemas.calculations.base import Day, Month
from schemas.calculations.policy_value import AnyScheme
from schemas.messages_of_fields import message_of
from schemas.retirement import TrackBody
from schemas.rules import DeadlineFound, PeopleFound, PersonMonth, RuleValues
from store import deductions, policies
from store.database import reading
from web.forms import Choice, SaidFault
from web.frame import Guest, Visit, page, posted, sentence, with_query
from web.routes import router as make_router
from web.show import show_percent

router = make_router()
SCHEMES = (AnyScheme.ENTERPRISE, AnyScheme.PUBLIC_INSTITUTION)
T = TypeVar("T")
_MONTH: TypeAdapter[str] = TypeAdapter(Month)
_DAY: TypeAdapter[date] = TypeAdapter(Day)


@dataclass
class Typed:
    """What came with the address, and what is wrong with it."""

    visit: Visit
    faults: list[SaidFault] = field(default_factory=list[SaidFault])

    def read(self, kind: TypeAdapter[T], text: str, label: str) -> T | None:
        """The value of a text; None where it is empty or wrong."""
        if not text.strip():
            return None
        try:
            return kind.validate_python(text.strip())
        except ValidationError as error:
            found = [message_of(e) for e in error.errors()]
            self.faults += [SaidFault(self.visit.t(label), sentence(self.visit, m)) for m in found]
            return None

    def add(self, problem: Problem, labels: dict[str, str]) -> None:
        """What the room found wrong."""
        for pointer, _, text in problem.faults or [("", "", problem.text)]:
            label = labels.get(pointer, "")
            self.faults.append(SaidFault(self.visit.t(label) if label else "", sentence(self.visit, text)))


@router.get("/rules")
async def values(visit: Guest, month: str = "", known_on: str = "", scheme: str = "", insurance: str = "") -> Response:
    """Rates and limits of a month."""
    typed = Typed(visit)
    wanted = typed.read(_MONTH, month, "rules_month") or month_of(clock.today())
    known = typed.read(_DAY, known_on, "rules_known_on")
    chosen = scheme if scheme in SCHEMES else AnyScheme.ENTERPRISE.value
    shown: RuleValues | None = None
    if not typed.faults:
        shown = room.values(wanted, scheme=chosen, known_on=known)
        offered = [Choice(i.insurance, sentence(visit, i.title)) for i in shown.items]
        if insurance:
            shown = shown.model_copy(update={"items": [i for i in shown.items if i.insurance == insurance]})
    else:
        offered = []
    return await _page(
        visit,
        "rules_values.html",
        typed,
        tab="values",
        shown=shown,
        insurances=offered,
        schemes=[Choice(s.value, visit.t(f"choice_scheme_{s.value}")) for s in SCHEMES],
        given={"month": month or wanted, "known_on": known_on, "scheme": chosen, "insurance": insurance},
    )


@router.get("/rules/persons")
async def persons(visit: Guest, q: Annotated[str, Query(max_length=100)] = "") -> Response:
    """Whom to look up; who may read about nobody else goes to the own record."""
    if not deductions.may_search(visit.viewer):
        return visit.go("/rules/persons/me")
    found: PeopleFound | None = None
    if q.strip():
        async with reading() as s:
            found = await room.find_people(s, visit.viewer, q)
    return await _page(visit, "rules_persons.html", Typed(visit), tab="persons", found=found, q=q)


@router.post("/rules/persons")
async def search(visit: Guest) -> Response:
    """Words go back into the address, a number becomes the person it belongs to."""
    form = await posted(visit)
    text = str(form.get("q") or "").strip()[:100]
    if not text:
        return visit.go("/rules/persons")
    async with reading() as s:
        found = await room.find_people(s, visit.viewer, text)
    if len(found.items) == 1:
        return visit.go(f"/rules/persons/{found.items[0].person_id}")
    if found.unknown_number:
        return await _page(visit, "rules_persons.html", Typed(visit), tab="persons", found=found, q="")
    return visit.go(with_query("/rules/persons", "", q=text))


@router.get("/rules/persons/{person_id}")
async def person(visit: Guest, person_id: str, month: str = "", known_on: str = "") -> Response:
    """What one person was charged for a month; by default the newest month with lines."""
    if person_id == room.ME and not visit.viewer.person_id:
        return await _page(visit, "rules_persons.html", Typed(visit), tab="persons", found=None, q="", nobody=True)
    return await _person_page(visit, person_id, Typed(visit), month, known_on)


async def _person_page(
    visit: Visit,
    person_id: str,
    typed: Typed,
    month: str = "",
    known_on: str = "",
    track: dict[str, str] | None = None,
) -> Response:
    """`track`: what was typed to set the track of retirement and is at fault."""
    wanted = typed.read(_MONTH, month, "rules_month")
    known = typed.read(_DAY, known_on, "rules_known_on")
    async with reading() as s:
        retiring = await retirement_room.of_person(s, visit.viewer, person_id)
        shown: PersonMonth = await room.person_month(
            s, visit.viewer, person_id, wanted or await room.newest_month(s, visit.viewer, person_id), known
        )
    return await _page(
        visit,
        "rules_person.html",
        typed,
        tab="persons",
        shown=shown,
        own=shown.person_id == visit.viewer.person_id,
        given={"month": month or shown.month, "known_on": known_on},
        path=f"/rules/persons/{person_id}",
        retiring=retiring,
        track=track or {"track": retiring.track, "ground": ""},
        track_fault=typed.faults[-1].message if track else "",
    )


@router.post("/rules/persons/{person_id}/retirement-track")
async def retirement_track(visit: Guest, person_id: str) -> Response:
    """Sets the track by which the person retires; a fault keeps what was typed."""
    form = await posted(visit)
    given = {name: str(form.get(name) or "").strip() for name in ("track", "ground")}
    typed = Typed(visit)
    try:
        body = TrackBody.model_validate(given)
        await retirement_room.set_track(visit.viewer, person_id, body)
    except ValidationError as error:
        for detail in error.errors():
            label = visit.t(f"rules_track_{detail['loc'][0]}")
            typed.faults.append(SaidFault(label, sentence(visit, message_of(detail))))
    except (BadForm, retirement_room.SameTrack) as problem:
        typed.faults.append(SaidFault(visit.t("rules_track_track"), sentence(visit, problem.text)))
    if typed.faults:
        return await _person_page(visit, person_id, typed, track=given)
    return visit.go(f"/rules/persons/{person_id}", "track_set")


@router.get("/rules/deadlines")
async def deadlines(
    visit: Guest, rule: str = "", anchor: str = "", authority: str = "", known_on: str = ""
) -> Response:
    """All rules; with a rule and a day (or month) the date it gives."""
    typed = Typed(visit)
    known = typed.read(_DAY, known_on, "rules_known_on")
    rules = room.deadline_rules(known_on=known).items
    chosen = next((r for r in rules if r.id == rule), None)
    found: DeadlineFound | None = None
    if chosen is not None and anchor.strip():
        try:
            found = room.deadline(rule, room.anchor_of(anchor), authority or None, known)
            chosen = found.rule
        except (BadForm, NotComputable) as problem:
            typed.add(problem, {"/query/anchor": "rules_anchor", "/query/authority": "authority"})
    agencies = [Choice(a.id, sentence(visit, a.title)) for a in policies.snapshot().agencies]
    return await _page(
        visit,
        "rules_deadlines.html",
        typed,
        tab="deadlines",
        rules=rules,
        chosen=chosen,
        found=found,
        agencies=agencies,
        given={"rule": rule, "anchor": anchor, "authority": authority, "known_on": known_on},
    )


async def _page(visit: Visit, template: str, typed: Typed, **values: Any) -> Response:
    own = bool(visit.viewer.person_id) and not deductions.may_search(visit.viewer)
    return await page(
        visit,
        template,
        422 if typed.faults else 200,
        fault_list=typed.faults,
        own_only=own,
        percent=show_percent,
        **values,
    )
