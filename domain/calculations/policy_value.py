"""policy-value: one limit or rate, with where it comes from and whether it was the last year's."""

from dataclasses import replace

from domain.calculations.base import Calculation, Context, Refused
from domain.contributions import WORK_INJURY, limit_for, publication_unsure, rate_for
from domain.times import first_day
from schemas.base import Text
from schemas.calculations.insurances import Flag
from schemas.calculations.policy_value import PolicyValueAnswer, PolicyValueInput, ValueField


def run(given: PolicyValueInput, context: Context) -> PolicyValueAnswer:
    if given.class_ is not None and given.insurance != WORK_INJURY:
        raise Refused(
            "/class",
            "only_work_injury",
            "只有工伤保险分行业风险类别，请删除。",
            "Only work injury has classes: remove it.",
        )
    tables = context.rules.contributions_of_class(given.class_)
    places = list(tables.localities)
    tables = replace(tables, localities=places[places.index(given.locality) :])
    if given.field in (ValueField.FLOOR, ValueField.CAP):
        name = tables.lines[given.insurance].limits
        limit, old = limit_for(name, given.scheme, given.period, given.known_on, tables)
        value = limit.floor if given.field is ValueField.FLOOR else limit.cap
        row, why, source = limit, Flag.LIMIT_OF_LAST_YEAR, " ".join(s for s in (limit.doc, limit.source) if s)
    else:
        rate, old = rate_for(given.insurance, given.scheme, given.period, given.known_on, tables)
        value = rate.unit if given.field is ValueField.UNIT_RATE else rate.person
        row, why, source = rate, Flag.EXPIRED_RATE_IN_USE, rate.source
    flags = {
        Flag.SAMPLE: row.sample,
        why: old,
        Flag.PROVISIONAL: first_day(given.period) > given.known_on
        or (not row.sample and publication_unsure(row, given.known_on, tables)),
    }
    return PolicyValueAnswer(
        value=f"{value.normalize():f}" if value else "0",
        flags=[f for f in Flag if flags.get(f)],
        source=source,
        published_on=row.published_on or None,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
    )


CALCULATION = Calculation(
    "policy-value",
    Text(zh="政策标准查询", en="Look up a limit or rate"),
    Text(
        zh="某险种某月的上下限或费率，以及当时是否已公布",
        en="Floor, cap or rate of an insurance for a month, as it was known on a day",
    ),
    PolicyValueInput,
    PolicyValueAnswer,
    run,
    dated_by="period",
)
