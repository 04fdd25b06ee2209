"""medical-years: with the rule that is given, or that of this place."""

from domain.calculations.base import Calculation, Context, step
from domain.citation import source_step
from domain.dated_rows import PolicyGap, newest
from domain.medical_years import MedicalYears, MedicalYearsRule, Period, medical_years
from schemas.base import Text
from schemas.calculations.medical_years import MedicalYearsAnswer, MedicalYearsInput
from schemas.deadlines import DerivationStep


def run(given: MedicalYearsInput, context: Context) -> MedicalYearsAnswer:
    of_place = next(iter(context.rules.medical_years.values()))
    local = newest(of_place, context.today)
    if local is None:
        raise PolicyGap(
            f"medical_years.yaml 中没有 {context.today} 适用的规则。",
            f"medical_years.yaml has no rule for {context.today}.",
        )
    own = given.rule
    rule = (
        MedicalYearsRule(
            own.continuous_months, own.cumulative_months, own.gap_tolerance_months, own.first_insured_on_or_after
        )
        if own
        else local.rule
    )
    found = medical_years(rule, [Period(first, last) for first, last in given.periods], backpaid=given.backpaid)
    return MedicalYearsAnswer(
        paid_before_gap=found.paid_before_gap,
        gap_months=found.gap_months,
        continuous_reached=found.continuous_reached,
        cumulative_reached=found.cumulative_reached,
        eligible_from_contribution_month=found.eligible,
        without_gap=found.without_gap,
        delay_months=found.delay_months,
        continuity_kept=found.continuity_kept,
        reason=None if found.applies else "first_insured_earlier",
        flags=["sample"] if local.sample and not own else [],
        steps=[
            step("article", "依据：输入的规则", "Source: the rule given") if own else source_step(local.source),
            *_steps(found, rule),
        ],
    )


def _steps(found: MedicalYears, rule: MedicalYearsRule) -> list[DerivationStep]:
    if not found.applies:
        return [
            step(
                "result",
                f"首次参保早于 {rule.first_insured_on_or_after}，不适用本规则，请按当地规定认定",
                f"First insured before {rule.first_insured_on_or_after}: the rule is not for this cohort",
            )
        ]
    kept = ("连续性保留", "continuity is kept") if found.continuity_kept else ("连续性中断", "continuity is broken")
    return [
        step(
            "counted",
            f"中断前缴费 {found.paid_before_gap} 个月，间隔 {found.gap_months} 个月"
            f"（不超过 {rule.gap_tolerance_months} 个月或已补缴的不算中断）：{kept[0]}",
            f"{found.paid_before_gap} months, then a gap of {found.gap_months} (up to {rule.gap_tolerance_months}, "
            f"or paid back, it does not count): {kept[1]}",
        ),
        step(
            "result",
            f"连续 {rule.continuous_months} 个月于 {found.continuous_reached or '—'} 达到，"
            f"累计 {rule.cumulative_months} 个月于 {found.cumulative_reached or '—'} 达到，以先到者为准；"
            f"如无中断为 {found.without_gap or '—'}",
            f"{rule.continuous_months} without a break in {found.continuous_reached or '-'}, "
            f"{rule.cumulative_months} added up in {found.cumulative_reached or '-'}, whichever is first; "
            f"without a gap in {found.without_gap or '-'}",
        ),
    ]


CALCULATION = Calculation(
    "medical-years",
    Text(zh="医保缴费年限", en="Medical years"),
    Text(
        zh="退休后享受医保待遇所需缴费年限何时达到，中断推迟多久",
        en="When the months for medical benefit in retirement are reached, and what a gap costs",
    ),
    MedicalYearsInput,
    MedicalYearsAnswer,
    run,
)
