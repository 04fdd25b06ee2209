"""The rules looked up: values of a month as known on a day, what a person was charged by which rule, a date by a rule.

Invariants: nothing is stored; values come by the look-ups that bills are computed with; whose amounts a viewer may read
decides `store/deductions.py`, and what is not the viewer's is not found. A person's number comes in a body.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from api import views
from api.calculations import NotComputable
from api.json_body import JsonObjectRoute
from api.problems import BadForm, NotAllowed, NotFound
from api.sign_in import CurrentViewer
from domain import deadlines, policy_origin, rule_values
from domain.contributions import WORK_INJURY, BillingLine, ContributionTables, Limit, PolicyGap, Rate
from domain.times import day_of, month_of
from runtime import clock
from schemas.base import Text
from schemas.calculations.base import Day, Month
from schemas.calculations.insurances import Insurance, Locality
from schemas.calculations.policy_value import AnyScheme
from schemas.deadlines import Deadline, DeadlineRule, Unit
from schemas.rules import (
    DeadlineFound,
    DeadlineRules,
    DeadlineRuleView,
    LedgerLineView,
    LimitView,
    PeopleFound,
    PersonDeadline,
    PersonFound,
    PersonMonth,
    PersonWords,
    RateView,
    ReferenceView,
    RuleValues,
    RuleValueView,
)
from store import deductions, number_search, people, policies, rule_tables
from store.database import reading
from store.deductions import Charged
from store.tables.people import Person
from store.users import Viewer

router = APIRouter(tags=["rules"], route_class=JsonObjectRoute)
ME = "me"
ZERO = Decimal("0.00")
_OF_MONTH = (Unit.DAY_OF_MONTH, Unit.LAST_WORKING_DAY_OF_MONTH)
_ANCHOR = TypeAdapter[date | str](Day), TypeAdapter[str](Month)
_BAD_ANCHOR = Text(
    zh="应为日期（如 2026-11-24）或月份（如 2026-11）。", en="It must be a day like 2026-11-24 or a month like 2026-11."
)


def _references(sources: list[str]) -> list[ReferenceView]:
    known = rule_values.references(policies.texts())
    return [ReferenceView(id=r.id, what=r.what, address=r.address) for r in rule_values.cited(sources, known)]


def values(
    month: str,
    *,
    scheme: str = AnyScheme.ENTERPRISE,
    known_on: date | None = None,
    insurance: str | None = None,
    locality: str | None = None,
    risk_class: int | None = None,
) -> RuleValues:
    """The values of all insurances, or of one, as they were known on a day (today). NotComputable when there is no
    billing line of that name."""
    known_on = known_on or clock.today()
    tables = rule_tables.rules().contributions_of_class(risk_class)
    tables, place = _placed(tables, locality)
    wanted = [insurance] if insurance is not None else list(tables.lines)
    try:
        found = rule_values.rule_values(month, wanted, scheme, known_on, tables)
    except PolicyGap as gap:
        raise NotComputable(gap.text, faults=[("/query/insurance", "no_value", gap.text)]) from gap
    items = [_value_view(v) for v in found]
    return RuleValues(
        month=month,
        scheme=scheme,
        locality=place,
        known_on=known_on,
        items=items,
        references=_references([s for i in items for s in _sources(i)]),
    )


def _placed(tables: ContributionTables, locality: str | None) -> tuple[ContributionTables, str]:
    """The tables as they hold for a place and the wider ones; by default the school's."""
    places = list(tables.localities)
    if locality is None or locality not in places:
        return tables, places[0]
    return replace(tables, localities=places[places.index(locality) :]), locality


def _value_view(value: rule_values.RuleValue) -> RuleValueView:
    line, limit, rate = value.line, value.limit, value.rate
    return RuleValueView(
        insurance=line.insurance,
        title=line.title,
        levy=line.levy,
        limits=line.limits,
        law=line.source,
        limit=None if limit is None else LimitView(floor=limit.floor, cap=limit.cap, **_where_from(limit, line)),
        rate=None
        if rate is None
        else RateView(unit_rate=rate.unit, person_rate=rate.person, **_where_from(rate, line)),
        flags=list(value.flags),
        gaps=list(value.gaps),
    )


def _where_from(row: Limit | Rate, line: BillingLine) -> dict[str, Any]:
    """The fields of `DatedView`."""
    return {
        "scheme": row.scheme,
        "locality": row.locality,
        "valid_from": row.valid_from,
        "valid_to": row.valid_to,
        "published_on": row.published_on,
        "source": " ".join(s for s in (row.doc, row.source) if s) if isinstance(row, Limit) else row.source,
        "confidence": row.confidence,
        "sample": row.sample or line.sample,
        "review_by": row.review_by,
        "change_id": policy_origin.of_row(row, _file_of(row), policies.in_force()),
    }


def _file_of(row: Limit | Rate) -> str:
    if isinstance(row, Limit):
        return "contribution_limits.csv"
    return "work_injury_rates.csv" if row.insurance == WORK_INJURY else "contribution_rates.csv"


def _sources(item: RuleValueView) -> list[str]:
    return [item.law, *(r.source for r in (item.limit, item.rate) if r is not None)]


# --- a person's month ------------------------------------------------------------------------------------------------


async def find_people(s: AsyncSession, viewer: Viewer, text: str) -> PeopleFound:
    """People by name, or by a number (which is compared by its hash). NotAllowed for who may read about nobody else."""
    if not deductions.may_search(viewer):
        raise NotAllowed
    meant = await number_search.meaning(s, text)
    if meant.personal:
        one = await deductions.person(s, viewer, meant.subject) if meant.subject else None
        rows = [one] if one is not None else []
        return PeopleFound(items=await _people(s, viewer, rows), unknown_number=not rows)
    rows = await deductions.people_named(s, viewer, text)
    more = len(rows) > deductions.MOST
    return PeopleFound(items=await _people(s, viewer, rows[: deductions.MOST]), more=more)


async def _people(s: AsyncSession, viewer: Viewer, rows: list[Person]) -> list[PersonFound]:
    units = await deductions.units_of(s, viewer, [p.id for p in rows])
    names = await people.org_units(s)
    return [
        PersonFound(
            person_id=p.id,
            name=people.display_name(p),
            org_units=[names.get(u, Text(zh=u, en=u)) for u in units.get(p.id, [])],
        )
        for p in rows
    ]


async def person_month(
    s: AsyncSession, viewer: Viewer, person_id: str, month: str, known_on: date | None = None
) -> PersonMonth:
    """What a person was charged for a month and by which rules; "me" is the person behind the login. NotFound."""
    wanted = viewer.person_id if person_id == ME else person_id
    person = await deductions.person(s, viewer, wanted) if wanted else None
    if person is None:
        raise NotFound
    rows = await deductions.charged(s, viewer, person.id, month)
    hire = await deductions.category_in(s, viewer, person.id, month)
    category = hire.category if hire is not None else None
    known = known_on or max((day_of(r.line.created_at) for r in rows), default=clock.today())
    scheme, held = None, None
    if category is not None:
        scheme, insurances = rule_tables.load().categories[category]
        held = _values_of(month, scheme, insurances, known)
    tables = rule_tables.load().contributions
    lines = [_line_view(r, tables) for r in rows]
    return PersonMonth(
        person_id=person.id,
        name=people.display_name(person),
        month=month,
        months=await deductions.months(s, viewer, person.id),
        category=category,
        scheme=scheme,
        known_on=known,
        lines=lines,
        unit_total=sum((r.line.unit_amount for r in rows), ZERO),
        person_total=sum((r.line.person_amount for r in rows), ZERO),
        rules=held,
        deadlines=await _deadlines(s, viewer, person.id, month),
        references=_references([x.source for x in lines]),
    )


async def newest_month(s: AsyncSession, viewer: Viewer, person_id: str) -> str:
    """The newest month with lines that the viewer may read; this month where there are none."""
    wanted = viewer.person_id if person_id == ME else person_id
    found = await deductions.months(s, viewer, wanted) if wanted else []
    return found[0] if found else month_of(clock.today())


def _values_of(month: str, scheme: str, insurances: list[str], known_on: date) -> RuleValues:
    """The values of a category's insurances only."""
    found = values(month, scheme=scheme, known_on=known_on)
    of_category = set(rule_tables.load().contributions.expand(insurances))
    items = [i for i in found.items if i.insurance in of_category]
    return found.model_copy(update={"items": items, "references": _references([s for i in items for s in _sources(i)])})


def _line_view(row: Charged, tables: ContributionTables) -> LedgerLineView:
    line, bill = row.line, row.bill
    known = tables.lines.get(line.insurance)
    return LedgerLineView(
        id=line.id,
        insurance=line.insurance,
        title=known.title if known is not None else Text(zh=line.insurance, en=line.insurance),
        levy=line.levy,
        payment_month=line.payment_month,
        base=line.base,
        unit_rate=line.unit_rate,
        person_rate=line.person_rate,
        unit_amount=line.unit_amount,
        person_amount=line.person_amount,
        explanation=Text(zh=line.explanation_zh, en=line.explanation_en),
        source=line.source,
        flags=line.flags,
        corrects=line.corrects,
        voids=line.voids,
        reason=line.reason,
        standing=bill.status if bill is not None else "open",
        paid_on=bill.paid_on if bill is not None else None,
        certificate_no=bill.certificate_no if bill is not None else None,
        withheld=row.withheld,
        written_at=line.created_at,
        process_id=row.process_id,
    )


async def _deadlines(s: AsyncSession, viewer: Viewer, person_id: str, month: str) -> list[PersonDeadline]:
    found: list[PersonDeadline] = []
    for process in await deductions.cases_of(s, viewer, person_id):
        moment = clock.now() + timedelta(seconds=process.clock_offset_seconds)
        for stored in process.deadlines:
            deadline = Deadline.model_validate(stored)
            if deadline.due.isoformat().startswith(f"{month}-"):
                shown = views.deadline_view(deadline, moment).model_dump()
                found.append(PersonDeadline(**shown, process_id=process.id))
    return sorted(found, key=lambda d: (d.due_at, d.id))


# --- dates by rule ---------------------------------------------------------------------------------------------------


def _rule_view(rule: DeadlineRule) -> DeadlineRuleView:
    wants = "month" if rule.unit in _OF_MONTH else "day"
    address = ("deadlines.yaml", f"rules[{rule.id}]")
    computable = rule.n is not None or rule.unit is Unit.LAST_WORKING_DAY_OF_MONTH
    return DeadlineRuleView(
        **rule.model_dump(),
        event=deadlines.anchor_name(rule.anchor),
        wants=wants if computable else None,
        change_id=next(
            (
                c.id
                for c in reversed(policies.in_force())
                if (c.file, c.key) == address and c.new.get("valid_from") in (None, "", str(rule.valid_from))
            ),
            None,
        ),
    )


def deadline_rules(on: date | None = None, known_on: date | None = None) -> DeadlineRules:
    """Each rule as it is in force for events of a day (today) and as known on another, in the order of the data."""
    snapshot, today = policies.snapshot(), clock.today()
    found = [
        snapshot.rule_known(i, on or today, known_on or today) for i in dict.fromkeys(r.id for r in snapshot.rules)
    ]
    return DeadlineRules(items=[_rule_view(r) for r in found if r is not None])


def find_rule(rule_id: str, event: date | str, known_on: date) -> DeadlineRule:
    """The rule in force for the event as known on a day. NotFound when there is none of that name, NotComputable when
    the data hold nothing for that day."""
    snapshot = policies.snapshot()
    if all(r.id != rule_id for r in snapshot.rules):
        raise NotFound(
            Text(
                zh="没有这条期限规则，编号见 GET /rules/deadlines。",
                en="There is no such rule; GET /rules/deadlines lists them.",
            )
        )
    rule = snapshot.rule_known(rule_id, event, known_on)
    if rule is None:
        text = Text(
            zh=f"规则数据中没有 {event} 适用的这条期限（按 {known_on} 已公布的规定），请换一个日期。",
            en=f"The rules hold nothing of this deadline for {event} as known on {known_on}; ask for another day.",
        )
        raise NotComputable(text, faults=[("/query/anchor", "no_value", text)])
    return rule


def anchor_of(text: str) -> date | str:
    """A day or a month as typed. BadForm."""
    for kind in _ANCHOR:
        with suppress(ValidationError):
            return kind.validate_python(text.strip())
    raise BadForm(faults=[("/query/anchor", "bad_anchor", _BAD_ANCHOR)])


def deadline(
    rule_id: str, anchor: date | str, authority: str | None = None, known_on: date | None = None
) -> DeadlineFound:
    """The date that a rule gives, counted from a day or a month, by what was in force then and known on a day (today).
    NotFound, BadForm, NotComputable."""
    rule = find_rule(rule_id, anchor, known_on or clock.today())
    snapshot = policies.snapshot_known(known_on) if known_on else policies.snapshot()
    agencies = {a.id for a in snapshot.agencies}
    if authority is not None and authority not in agencies:
        names = sorted(agencies)
        text = Text(zh=f"应为以下之一：{'、'.join(names)}。", en=f"It must be one of: {', '.join(names)}.")
        raise BadForm(faults=[("/query/authority", "unknown_authority", text)])
    view = _rule_view(rule)
    if view.wants is None:
        text = Text(
            zh="该规定没有写明天数，不能推算日期。", en="The law names no number of days, so no date can be computed."
        )
        raise NotComputable(text, faults=[("", "no_number", text)])
    if view.wants == "day" and isinstance(anchor, str):
        text = Text(
            zh="该规则从某一天起算，请填写日期，例如 2026-11-24。",
            en="This rule is counted from a day: write a date like 2026-11-24.",
        )
        raise BadForm(faults=[("/query/anchor", "day_wanted", text)])
    found = deadlines.compute(
        rule,
        anchor,
        snapshot,
        remaining_steps=[],
        filing_table=rule_tables.rules().filing_table,
        authority=authority if authority != rule.authority else None,
    )
    return DeadlineFound(
        rule=view,
        anchor=str(anchor),
        authority=found.authority,
        n=found.basis.n if found.basis is not None else rule.n,
        due=found.due,
        due_at=found.due_at,
        internal_due=found.internal_due,
        provisional=found.provisional,
        missing_years=found.missing_years,
        sample=found.sample,
        derivation=found.derivation,
        references=_references([rule.source]),
    )


# --- routes ----------------------------------------------------------------------------------------------------------


@router.get("/rules/values", summary="Floors, caps and rates of a month, as known on a day")
async def get_values(
    viewer: CurrentViewer,
    month: Annotated[Month, Query()],
    scheme: AnyScheme = AnyScheme.ENTERPRISE,
    known_on: Annotated[Day | None, Query()] = None,
    insurance: Insurance | None = None,
    locality: Locality | None = None,
    risk_class: Annotated[int | None, Query(ge=1, le=8)] = None,
) -> RuleValues:
    del viewer
    return values(
        month, scheme=scheme, known_on=known_on, insurance=insurance, locality=locality, risk_class=risk_class
    )


@router.get("/rules/deadlines", summary="All rules of deadlines, as in force on a day")
async def get_deadline_rules(
    viewer: CurrentViewer, on: Annotated[Day | None, Query()] = None, known_on: Annotated[Day | None, Query()] = None
) -> DeadlineRules:
    del viewer
    return deadline_rules(on, known_on)


@router.get("/rules/deadlines/{rule_id}", summary="The date that a rule gives, with its derivation")
async def get_deadline(
    viewer: CurrentViewer,
    rule_id: str,
    anchor: Annotated[str, Query(max_length=20, examples=["2026-11-24", "2026-11"])],
    authority: str | None = None,
    known_on: Annotated[Day | None, Query()] = None,
) -> DeadlineFound:
    del viewer
    return deadline(rule_id, anchor_of(anchor), authority, known_on)


@router.post("/rules/persons/search", summary="People whose amounts may be read, by name or number")
async def search_people(viewer: CurrentViewer, body: PersonWords) -> PeopleFound:
    async with reading() as s:
        return await find_people(s, viewer, body.q)


@router.get("/rules/persons/{person_id}/months/{month}", summary="What a person was charged for a month, by which rule")
async def get_person_month(
    viewer: CurrentViewer,
    person_id: Annotated[str, Path(description='The id of a person, or "me"')],
    month: Annotated[Month, Path()],
    known_on: Annotated[Day | None, Query()] = None,
) -> PersonMonth:
    async with reading() as s:
        return await person_month(s, viewer, person_id, month, known_on)
