"""Premiums of one person and month: limits and rates by period and by what was known, base, amounts, flags.

    base          = declared wage, between floor and cap, rounded to whole yuan, half up
    unit amount   = base x unit rate, rounded to the cent, half up       (per insurance; then added, never the other
    way) person amount = base x person rate, rounded to the cent, half up

Invariants: `Decimal` only. Look-ups are bitemporal: `month` is the month the premium is for, `known_on` the day on
which we compute, so that an old bill can be explained with what was published then. Until the year's notice is out
last year's limits stay in use and the amount says so; an expired rate stays in use and the amount says so, both no
longer than the data say and never across a gap (`domain/dated_rows.py`). Every value keeps its source; `sample` on any
of them is a sample on the amount.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from domain.dated_rows import Asked, PolicyGap, look_up
from schemas.base import Text

CENT = Decimal("0.01")
YUAN = Decimal("1")
WORK_INJURY = "work_injury"

SAMPLE = "sample"
LIMIT_OF_LAST_YEAR = "limit_of_last_year"
EXPIRED_RATE_IN_USE = "expired_rate_in_use"
REVIEW_OVERDUE = "review_overdue"
_LIMITS, _RATES = Text(zh="上下限", en="floor and cap"), Text(zh="费率", en="rate")


@dataclass(frozen=True)
class Limit:
    """Floor and cap of an insurance for a period, in yuan a month. `known_from`: the first day we may use it;
    `published_on`: day, month or year of the notice, as exactly as the source says."""

    insurance: str
    scheme: str
    locality: str
    valid_from: date
    valid_to: date | None
    floor: Decimal
    cap: Decimal
    known_from: date
    doc: str
    source: str
    confidence: str
    sample: bool
    review_by: date | None
    published_on: str = ""


@dataclass(frozen=True)
class Rate:
    """Unit and person rate as shares of the base."""

    insurance: str
    scheme: str
    locality: str
    valid_from: date
    valid_to: date | None
    unit: Decimal
    person: Decimal
    known_from: date
    source: str
    confidence: str
    sample: bool
    review_by: date | None
    published_on: str = ""


@dataclass(frozen=True)
class BillingLine:
    """An insurance as it stands on a bill. `limits`: the insurance whose floor and cap apply. `shares`: insurances that
    have no line of their own because they are billed with this one, their rates added before rounding. `source`: why
    it is due at all."""

    insurance: str
    title: Text
    levy: str
    limits: str
    sample: bool
    shares: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class ContributionTables:
    """All rows, as parsed by `domain.tables.contribution_tables`. `localities`: most specific first. `gathered_on`: the
    day on which the values were collected, so that what they hold was published by then. `expired_months`: for so long
    after its end a value stays in use while the next one is not published."""

    limits: Sequence[Limit]
    rates: Sequence[Rate]
    lines: Mapping[str, BillingLine]
    groups: Mapping[str, Sequence[str]]
    localities: Sequence[str]
    expired_months: int
    gathered_on: date = date.min

    def asked(self, value: Text, insurance: str, scheme: str, month: str, known_on: date) -> Asked:
        """A look-up in these tables."""
        return Asked(value, insurance, scheme, month, known_on, self.localities, self.expired_months)

    def expand(self, insurances: Iterable[str]) -> list[str]:
        """Insurances as lines, in the order of the bill: groups such as medical_maternity replaced by their members, a
        member that shares a line by that line."""
        return expand(insurances, self.lines, self.groups)

    def of_levy(self, insurances: Iterable[str], levy: str) -> list[str]:
        """The insurances paid on one levy (social, medical)."""
        return [i for i in self.expand(insurances) if self.lines[i].levy == levy]


def expand(
    insurances: Iterable[str], lines: Mapping[str, BillingLine], groups: Mapping[str, Sequence[str]]
) -> list[str]:
    """See `ContributionTables.expand`. PolicyGap for an insurance that no bill knows."""
    shared = {part: line.insurance for line in lines.values() for part in line.shares}
    wanted = {shared.get(i, i) for name in insurances for i in groups.get(name, (name,))}
    unknown = sorted(wanted - set(lines))
    if unknown:
        raise PolicyGap(
            f"billing_lines.yaml 中没有险种：{'、'.join(unknown)}。",
            f"billing_lines.yaml has no insurance {', '.join(unknown)}.",
        )
    return [i for i in lines if i in wanted]


@dataclass(frozen=True)
class PremiumAmount:
    """One insurance of one person and month, in yuan, with all it was computed from.

    `clamped`: none, floor or cap. `flags`: sample, limit_of_last_year, expired_rate_in_use, review_overdue.
    """

    insurance: str
    title: Text
    levy: str
    month: str
    declared: Decimal
    floor: Decimal
    cap: Decimal
    base: Decimal
    clamped: str
    unit_rate: Decimal
    person_rate: Decimal
    unit_amount: Decimal
    person_amount: Decimal
    flags: tuple[str, ...]
    limit_source: str
    rate_source: str

    @property
    def sample(self) -> bool:
        return SAMPLE in self.flags

    def explain(self) -> Text:
        """How the amounts came about, in one sentence."""
        template = explanation(
            self.title, self.month, self.floor, self.cap, self.clamped, self.unit_rate, self.person_rate
        )
        values = {"declared": self.declared, "base": self.base, "unit": self.unit_amount, "person": self.person_amount}
        return Text(zh=template.zh.format(**values), en=template.en.format(**values))


def explanation(
    title: Text, month: str, floor: Decimal, cap: Decimal, clamped: str, unit_rate: Decimal, person_rate: Decimal
) -> Text:
    """The sentence of `PremiumAmount.explain` with the places {declared}, {base}, {unit} and {person} left open."""
    why_zh = {"floor": f"低于下限，按 {floor}", "cap": f"高于上限，按 {cap}"}.get(clamped, "在上下限之间")
    why_en = {"floor": f"below the floor {floor}", "cap": f"above the cap {cap}"}.get(clamped, "between floor and cap")
    return Text(
        zh=f"{title.zh} {month}：申报工资 {{declared}}，{why_zh}，基数 {{base}}；"
        f"单位 {_percent(unit_rate)} = {{unit}}，个人 {_percent(person_rate)} = {{person}}",
        en=f"{title.en} {month}: declared {{declared}}, {why_en}, base {{base}}; "
        f"unit {_percent(unit_rate)} = {{unit}}, person {_percent(person_rate)} = {{person}}",
    )


@dataclass(frozen=True)
class LineTerms:
    """What the amounts of one insurance and month are computed with, for everybody of a scheme."""

    line: BillingLine
    limit: Limit
    rate: Rate
    flags: tuple[str, ...]

    @property
    def limit_source(self) -> str:
        return " ".join(s for s in (self.limit.doc, self.limit.source) if s)


def to_cent(amount: Decimal) -> Decimal:
    """Rounded to 0.01 yuan, half up."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def to_yuan(amount: Decimal) -> Decimal:
    """Rounded to whole yuan, half up (缴费基数计算到元)."""
    return amount.quantize(YUAN, ROUND_HALF_UP)


def clamp(declared: Decimal, floor: Decimal, cap: Decimal) -> tuple[Decimal, str]:
    """The base for a declared wage, in whole yuan, and whether floor or cap decided: none, floor, cap."""
    if declared < floor:
        return to_yuan(floor), "floor"
    if declared > cap:
        return to_yuan(cap), "cap"
    return to_yuan(declared), "none"


def limit_for(
    insurance: str, scheme: str, month: str, known_on: date, tables: ContributionTables
) -> tuple[Limit, bool]:
    """Floor and cap of an insurance for a month as known on a day, and whether they are those of an earlier period
    because the notice of this one was not out. PolicyGap when there is none at all."""
    rows = [r for r in tables.limits if r.insurance == insurance]
    return look_up(rows, tables.asked(_LIMITS, insurance, scheme, month, known_on))


def rate_for(insurance: str, scheme: str, month: str, known_on: date, tables: ContributionTables) -> tuple[Rate, bool]:
    """Unit and person rate of a line for a month as known on a day, and whether a rate in use had expired; those of
    insurances that share the line are added. PolicyGap when there is none at all."""
    parts = (insurance, *tables.lines[insurance].shares) if insurance in tables.lines else (insurance,)
    found = [
        look_up([r for r in tables.rates if r.insurance == p], tables.asked(_RATES, p, scheme, month, known_on))
        for p in parts
    ]
    first, expired = found[0]
    if len(found) == 1:
        return first, expired
    rows = [row for row, _ in found]
    together = replace(
        first,
        unit=sum((r.unit for r in rows), Decimal(0)),
        person=sum((r.person for r in rows), Decimal(0)),
        source="; ".join(dict.fromkeys(r.source for r in rows)),
        sample=any(r.sample for r in rows),
        review_by=min((r.review_by for r in rows if r.review_by), default=None),
    )
    return together, any(e for _, e in found)


def publication_unsure(row: Limit | Rate, known_on: date, tables: ContributionTables) -> bool:
    """Whether nobody can tell if the value was out on `known_on`: of its publication only the year or the month is
    known, and the day asked about lies in it. On the day on which the values were gathered it was out."""
    imprecise = 0 < len(row.published_on) < len("YYYY-MM-DD")
    return imprecise and known_on < tables.gathered_on and known_on.isoformat().startswith(row.published_on)


def premium(
    declared: Decimal, month: str, insurances: Iterable[str], scheme: str, known_on: date, tables: ContributionTables
) -> list[PremiumAmount]:
    """The amounts of one person for the month "YYYY-MM", one an insurance, in the order of the bill.

    `declared` is the declared monthly wage in yuan, `scheme` enterprise or public_institution, `insurances` codes or
    groups. ValueError when the wage is not positive or no Decimal; PolicyGap when limits or rates are missing.
    """
    return premium_of(declared, month, line_terms(month, insurances, scheme, known_on, tables))


def premium_of(declared: Decimal, month: str, lines: Iterable[LineTerms]) -> list[PremiumAmount]:
    """The amounts of one person for the month by limits and rates looked up before. ValueError when the wage is not
    positive or no Decimal. 社会保险法 arts 12, 23, 35, 44, 53."""
    if not isinstance(declared, Decimal) or not declared.is_finite() or declared <= 0:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"Declared wage must be a positive Decimal, not {declared!r}. 申报工资必须是大于零的金额。")
    found: list[PremiumAmount] = []
    for terms in lines:
        base, clamped = clamp(declared, terms.limit.floor, terms.limit.cap)
        found.append(
            PremiumAmount(
                insurance=terms.line.insurance,
                title=terms.line.title,
                levy=terms.line.levy,
                month=month,
                declared=declared,
                floor=terms.limit.floor,
                cap=terms.limit.cap,
                base=base,
                clamped=clamped,
                unit_rate=terms.rate.unit,
                person_rate=terms.rate.person,
                unit_amount=to_cent(base * terms.rate.unit),
                person_amount=to_cent(base * terms.rate.person),
                flags=terms.flags,
                limit_source=terms.limit_source,
                rate_source=terms.rate.source,
            )
        )
    return found


def line_terms(
    month: str, insurances: Iterable[str], scheme: str, known_on: date, tables: ContributionTables
) -> list[LineTerms]:
    """Limits, rates and flags of each insurance for the month as known on a day, in the order of the bill. PolicyGap
    when limits or rates are missing."""
    found: list[LineTerms] = []
    for insurance in tables.expand(insurances):
        line = tables.lines[insurance]
        limit, old_limit = limit_for(line.limits, scheme, month, known_on, tables)
        rate, expired = rate_for(insurance, scheme, month, known_on, tables)
        flags = {
            SAMPLE: line.sample or limit.sample or rate.sample,
            LIMIT_OF_LAST_YEAR: old_limit,
            EXPIRED_RATE_IN_USE: expired,
            REVIEW_OVERDUE: any(v.review_by is not None and known_on > v.review_by for v in (limit, rate)),
        }
        found.append(LineTerms(line, limit, rate, tuple(f for f, on in flags.items() if on)))
    return found


def totals(amounts: Iterable[PremiumAmount]) -> tuple[Decimal, Decimal]:
    """Unit and person total: rounded amounts added, so that bills agree to the cent."""
    listed = list(amounts)
    return (
        sum((a.unit_amount for a in listed), Decimal("0.00")),
        sum((a.person_amount for a in listed), Decimal("0.00")),
    )


def _percent(rate: Decimal) -> str:
    return f"{(rate * 100).normalize():f}%"
