"""exemption: what the agreements' data mean for one person. A person confirms it; this only computes."""

from domain.calculations.base import Calculation, Context, Refused, step
from domain.citation import source_step
from domain.exemptions import REASONS, Exemption, assess
from domain.times import month_of
from schemas.base import Text
from schemas.calculations.exemption import ExemptionAnswer, ExemptionInput, ExemptionReason
from schemas.deadlines import DerivationStep

FOREIGN, REGIONAL = "FOREIGN_WORK_PERMIT", "HMT"


def run(given: ExemptionInput, context: Context) -> ExemptionAnswer:
    rules, table = context.rules, context.rules.treaties
    regional = table.regional is not None and given.country in table.regional.regions
    if given.country not in rules.countries or not (rules.countries[given.country].foreign or regional):
        raise Refused(
            "/country",
            "unknown_country",
            "国家或地区代码不存在或不适用，应为三位字母代码，例如 DEU。",
            "There is no such country or region here: give the three letters, e.g. DEU.",
        )
    if given.paid_from is not None and given.paid_from < month_of(given.permit):
        began = month_of(given.permit)
        raise Refused(
            "/paid_from",
            "paid_before_permit",
            f"缴费起始月 {given.paid_from} 早于办理就业证件（或用工）的月份 {began}，请填写该月或以后的月份。",
            f"Paid since {given.paid_from} lies before the month of the permit (or start of work), {began}; check it "
            "and give that month or a later one.",
        )
    insured = rules.contributions.expand(rules.categories[REGIONAL if regional else FOREIGN][1])
    found = assess(
        given.country, given.kind, given.permit, given.certificate, given.paid_from, insured, table, context.today
    )
    treaty = table.treaties.get(given.country)
    timing_is_sample = not regional and found.since is not None and table.certificate_sample
    sample = timing_is_sample or (treaty is not None and treaty.sample)
    return ExemptionAnswer(
        exempt=list(found.exempt),
        since=found.since,
        refund_months=list(found.refund_months),
        still_due=list(found.still_due),
        max_months=found.max_months,
        reason=ExemptionReason(found.reason) if found.reason else None,
        flags=["sample"] if sample else [],
        steps=_steps(found, context),
    )


def _steps(found: Exemption, context: Context) -> list[DerivationStep]:
    table = context.rules.treaties
    if found.reason:
        why = REASONS[found.reason]
        return [step("result", why.zh, why.en)]
    titles = context.rules.contributions.lines
    zh = "、".join(titles[i].title.zh for i in found.exempt)
    en = ", ".join(titles[i].title.en for i in found.exempt)
    steps = [
        source_step(found.source),
        step("result", f"自 {found.since} 起免缴：{zh}", f"Exempt from {found.since}: {en}"),
    ]
    if found.in_force is not None:
        steps.insert(
            1,
            step(
                "counted",
                f"协议或规定自 {found.in_force} 起生效，此前各月不免缴；此前已提交的证明自该日起算",
                f"In force since {found.in_force}: no month before it is exempt, and a certificate handed in earlier "
                "counts from that day",
            ),
        )
    if found.refund_months:
        span = f"{found.refund_months[0]}–{found.refund_months[-1]}"
        steps.append(
            step(
                "result",
                f"参保证明在 {table.certificate_months} 个月内提交，已缴 {span} 退费",
                f"Handed in within {table.certificate_months} months: {span} is refunded",
            )
        )
    return steps


CALCULATION = Calculation(
    "exemption",
    Text(zh="免缴判断", en="Exemption"),
    Text(
        zh="按双边协议或港澳台规定可免缴的险种、起始月、退费与仍须缴纳的险种",
        en="What is exempt by agreement or for HK/Macao/Taiwan residents, from when, refunds and what is still due",
    ),
    ExemptionInput,
    ExemptionAnswer,
    run,
)
