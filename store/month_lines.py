"""Premium lines of a whole month: computed for thousands of people at once and written to the ledger.

Invariants: those of `store/premium_lines.py` (append-only, twice is as once, one writer of the ledger at a time), whose
lines these are; wages and schemes come from the caller's list, amounts from `domain.bulk_contributions` alone. The rows
travel by COPY into a table of this transaction and from there into the ledger in one statement.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.bulk_contributions import CLAMPED, BulkLine, cents, month_lines
from domain.contributions import explanation
from store import rule_tables
from store.premium_lines import UNIT, lock

CHUNK = 5000
_COLUMNS = (
    "process_id, person_id, levy, insurance, declared, scheme, base, unit_rate, person_rate, unit_amount, "
    "person_amount, org_unit, flags, explanation_zh, explanation_en, source"
)
_STAGE = text(
    "CREATE TEMPORARY TABLE month_lines (process_id text, person_id text, levy text, insurance text, "
    "declared numeric, scheme text, base numeric, unit_rate numeric, person_rate numeric, unit_amount numeric, "
    "person_amount numeric, org_unit text, flags text[], "
    "explanation_zh text, explanation_en text, source text) ON COMMIT DROP"
)
_SHARED = "unit, premium_month, payment_month, correction, voids, created_by, created_at"
_WRITE = text(
    f"INSERT INTO premium_lines ({_COLUMNS}, {_SHARED})"  # noqa: S608 - names of columns only
    f" SELECT {_COLUMNS}, :unit, :month, :payment_month, 0, false, :actor, :now FROM month_lines"
    " ON CONFLICT ON CONSTRAINT uq_premium_lines_line DO NOTHING"
)


@dataclass(frozen=True)
class InsuredMonth:
    """One person in a month's list: the process that owns the lines (one a person), the category, the declared wage."""

    process_id: str
    person_id: str
    org_unit: str
    category: str
    declared: Decimal


async def write_month(
    session: AsyncSession,
    staff: Iterable[InsuredMonth],
    *,
    month: str,
    payment_month: str,
    known_on: date,
    now: datetime,
    actor: str,
) -> int:
    """Writes the lines of a month that are not there yet, by the limits and rates known on a day; returns how many.

    `month` and `payment_month` are "YYYY-MM". PolicyGap when limits or rates are missing (nothing is written);
    ValueError for a wage that is no positive number of cents.
    """
    loaded = rule_tables.load()
    by_category: dict[str, list[InsuredMonth]] = defaultdict(list)
    for insured in staff:
        by_category[insured.category].append(insured)
    await lock(session)
    await session.execute(_STAGE)
    connection = await (await session.connection()).get_raw_connection()
    async with connection.driver_connection.cursor() as cursor:  # pyright: ignore[reportOptionalMemberAccess]
        for category, people in by_category.items():
            scheme, insurances = loaded.categories[category]
            wages = cents(p.declared for p in people)
            lines = month_lines(wages, month, insurances, scheme, known_on, loaded.contributions)
            for line in lines:
                async with cursor.copy(f"COPY month_lines ({_COLUMNS}) FROM STDIN") as copy:
                    for chunk in _rows(line, people, month, scheme):
                        await copy.write(chunk)
    written = await session.execute(
        _WRITE, {"unit": UNIT, "month": month, "payment_month": payment_month, "actor": actor, "now": now}
    )
    await session.execute(text("DROP TABLE month_lines"))
    return written.rowcount  # pyright: ignore[reportAttributeAccessIssue]


def _rows(line: BulkLine, people: Sequence[InsuredMonth], month: str, scheme: str) -> Iterator[str]:
    """The rows of one insurance in COPY's text form, some thousands at a time."""
    terms = line.terms
    sentences = [
        explanation(
            terms.line.title, month, terms.limit.floor, terms.limit.cap, clamped, terms.rate.unit, terms.rate.person
        )
        for clamped in CLAMPED
    ]
    # One format string for the fields that all share, so that a row is one call.
    rates = f"{terms.rate.unit}\t{terms.rate.person}"
    flags = "{" + ",".join(terms.flags) + "}"
    source = _field(f"{terms.limit_source}；{terms.rate.source}")
    templates = [
        (
            "{process}\t{who}\t" + f"{terms.line.levy}\t{terms.line.insurance}\t{{declared}}\t{_field(scheme)}\t"
            f"{{base}}\t{rates}\t{{unit}}\t{{person}}\t{{org}}\t{flags.replace('{', '{{').replace('}', '}}')}\t"
            f"{_field(s.zh)}\t{_field(s.en)}\t"
            f"{source.replace('{', '{{').replace('}', '}}')}\n"
        ).format
        for s in sentences
    ]
    columns = zip(
        people, line.base.tolist(), line.unit.tolist(), line.person.tolist(), line.clamped.tolist(), strict=True
    )
    found: list[str] = []
    for insured, base, unit, person, clamped in columns:
        found.append(
            templates[clamped](
                process=_field(insured.process_id),
                who=_field(insured.person_id),
                org=_field(insured.org_unit),
                declared=insured.declared,
                base=base,
                unit=_yuan(unit),
                person=_yuan(person),
            )
        )
        if len(found) == CHUNK:
            yield "".join(found)
            found.clear()
    yield "".join(found)


def _yuan(amount: int) -> str:
    """Cents as yuan with two places."""
    return f"{amount // 100}.{amount % 100:02d}"


def _field(value: str) -> str:
    """A value in COPY's text form."""
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
