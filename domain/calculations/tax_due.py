"""tax-due: the filing days of a year. The published table wins over the rule, a calendar that is given over both."""

from domain.calculations.base import Calculation, Context
from domain.calculations.calendars import calendar_of
from domain.calendar import WorkCalendar
from domain.citation import source_step
from domain.day_words import provisional_step
from domain.deadlines import FilingTable, TaxDue, tax_due, tax_shift
from domain.times import first_day, last_day
from schemas.base import Text
from schemas.calculations.tax_due import DueSource, TaxDueAnswer, TaxDueInput
from schemas.deadlines import DerivationStep

_ARTICLE = source_step(
    "税收征管法实施细则 art. 109",
    Text(
        zh="税务机关按税收征管法实施细则第109条公布的申报期限；未公布时按该条推算（税款期限，不当然适用于社保费）",
        en="the filing dates published under art. 109 of the tax administration rules, else computed by it "
        "(taxes, not premiums)",
    ),
)


def run(given: TaxDueInput, context: Context) -> TaxDueAnswer:
    calendar = calendar_of(given.calendar, context)
    published: FilingTable = context.rules.filing_table if given.calendar is None else {}
    months = [f"{given.year}-{m:02d}" for m in range(1, 13)]
    found = {month: tax_due(month, given.nominal_day, calendar, published) for month in months}
    missing = sorted(
        {y for m, f in found.items() if f.provisional for y in calendar.missing_years(first_day(m), f.due)}
    )
    said = [_step(m, given.nominal_day, f, calendar) for m, f in found.items()]
    return TaxDueAnswer(
        months=[f.due.day for f in found.values()],
        due=[f.due for f in found.values()],
        sources=[DueSource(f.source) for f in found.values()],
        provisional=bool(missing),
        missing_years=missing,
        steps=[
            _ARTICLE,
            *said,
            *provisional_step(missing),
        ],
    )


def _step(month: str, nominal_day: int, found: TaxDue, calendar: WorkCalendar) -> DerivationStep:
    nominal = first_day(month).replace(day=min(nominal_day, last_day(month).day))
    if found.source == "published":
        text = Text(zh=f"{month}：公布为 {found.due}", en=f"{month}: published as {found.due}")
    elif found.due == nominal:
        text = Text(zh=f"{month}：{found.due}", en=f"{month}: {found.due}")
    else:
        why = tax_shift(found, nominal, calendar)
        text = Text(zh=f"{month}：{why.zh}", en=f"{month}: {why.en}")
    return DerivationStep(kind="result", text=text, days=[found.due.isoformat()])


CALCULATION = Calculation(
    "tax-due",
    Text(zh="申报期限", en="Filing dates"),
    Text(zh="一年十二个月的纳税申报期限日", en="The last filing day of each month of a year"),
    TaxDueInput,
    TaxDueAnswer,
    run,
)
