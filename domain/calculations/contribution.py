"""contribution: base and premium lines of one person and month, by the rules or by limits and rates that are given."""

import re

from domain.calculations.base import Calculation, Context, step
from domain.citation import citation
from domain.contributions import PremiumAmount, line_terms, premium_of, publication_unsure, totals
from domain.premium_overrides import with_limits, with_rates
from domain.times import first_day, month_of
from schemas.base import Text
from schemas.calculations.contribution import ContributionAnswer, ContributionInput
from schemas.calculations.insurances import Flag, Insurance
from schemas.deadlines import DerivationStep


def run(given: ContributionInput, context: Context) -> ContributionAnswer:
    known_on = given.known_on or context.today
    period = given.period or month_of(context.today)
    scheme, insurances = context.rules.categories[given.category]
    tables = context.rules.contributions
    if given.rates is not None:
        tables = with_rates(tables, {i.value: pair for i, pair in given.rates.items()})
        insurances = list(given.rates)
    if given.limits is not None:
        tables = with_limits(tables, *given.limits)
    terms = line_terms(period, insurances, scheme, known_on, tables)
    amounts = premium_of(given.declared, period, terms)
    found = {flag for a in amounts for flag in a.flags}
    by_rules = given.limits is None or given.rates is None
    begun = first_day(period) <= known_on
    unsure = [r for t in terms for r in (t.limit, t.rate) if publication_unsure(r, known_on, tables)]
    if (by_rules and not begun) or not all(row.sample for row in unsure):  # of a sample everything is unsure
        found.add(Flag.PROVISIONAL)
    flags = [f for f in Flag if f in found]
    bases = {Insurance(a.insurance): a.base for a in amounts}
    return ContributionAnswer(
        base=next(iter(bases.values())) if len(set(bases.values())) == 1 else None,
        bases=bases,
        lines={Insurance(a.insurance): (a.unit_amount, a.person_amount) for a in amounts},
        total=totals(amounts),
        flags=flags,
        steps=[
            *_steps(amounts, context.rules.category_titles[given.category], flags, begun=begun),
            *([_UNSURE] if unsure else []),
        ],
    )


def _steps(amounts: list[PremiumAmount], category: Text, flags: list[Flag], *, begun: bool) -> list[DerivationStep]:
    steps = [
        step(
            "article",
            "依据：社会保险法第12、23、35、44、53条；基数计算到元，每行四舍五入到分后相加",
            "Source: Social Insurance Law arts 12, 23, 35, 44, 53; whole-yuan base, lines to the cent, then added",
        )
    ]
    if not amounts:
        return [*steps, step("result", f"{category.zh}不参加社会保险", f"{category.en}: part of no insurance")]
    for amount in amounts:
        said = amount.explain()
        zh, en = _by(amount)
        steps.append(step("amount", f"{said.zh}{zh}", f"{said.en}{en}"))
    return [*steps, *(_FLAG_STEPS[f] for f in flags if f is not Flag.PROVISIONAL or not begun)]


def _by(amount: PremiumAmount) -> tuple[str, str]:
    """The numbered documents of limits and rates in brackets; nothing where the data know none."""
    if not amount.limit_source and not amount.rate_source:
        return "（输入的标准）", " (as given)"
    said = citation("、".join(dict.fromkeys(_DOCUMENT.findall(f"{amount.limit_source} {amount.rate_source}"))))
    return (f"（{said.zh}）", f" ({said.en.replace('、', ', ')})") if said.zh else ("", "")


_DOCUMENT = re.compile(r"[\u3400-\u9fff]+〔\d{4}〕\d+号")
_FLAG_STEPS = {
    Flag.SAMPLE: step(
        "provisional", "含示例值，正式使用前须向经办机构确认", "Holds sample values: confirm them with the agency first"
    ),
    Flag.EXPIRED_RATE_IN_USE: step(
        "provisional", "新费率公布前沿用已到期的费率", "The expired rate stays in use until a new one is published"
    ),
    Flag.LIMIT_OF_LAST_YEAR: step(
        "provisional",
        "当年上下限公布前沿用上年标准，公布后补差",
        "Last year's limits stay in use until this year's are published; the difference is made up then",
    ),
    Flag.PROVISIONAL: step(
        "provisional", "所属期尚未开始，结果为暂定", "The month has not begun: the result is provisional"
    ),
}
_UNSURE = step(
    "provisional",
    "所用标准只知公布的年或月，所问日期时是否已公布不能确定",
    "Of a value used only the year or month of publication is known: whether it was out on that day is not certain",
)

CALCULATION = Calculation(
    "contribution",
    Text(zh="缴费基数与应缴额", en="Contribution base and premium"),
    Text(
        zh="一人一月各险种的缴费基数、单位与个人应缴额",
        en="Base of one person and month, and what unit and person pay for each insurance",
    ),
    ContributionInput,
    ContributionAnswer,
    run,
    dated_by="period",
)
