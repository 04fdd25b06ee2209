"""retirement: the month by law, and whether a chosen one is possible."""

from domain.calculations.base import Calculation, Context, Refused, step
from domain.citation import citation, source_step
from domain.retirement import NOT_FOR_GROUP, REASONS, Choice, Retirement, choose, retirement
from schemas.base import Text
from schemas.calculations.retirement import RetirementAnswer, RetirementFlag, RetirementInput
from schemas.deadlines import DerivationStep


def run(given: RetirementInput, context: Context) -> RetirementAnswer:
    rules = context.rules.retirement
    track = rules.tracks[given.track]
    if not track.fits(given.group):
        raise Refused("/track", "not_for_group", NOT_FOR_GROUP.zh, NOT_FOR_GROUP.en)
    found = retirement(given.birth, rules.groups[given.group], rules, track)
    choice = (
        choose(
            found,
            given.chosen,
            rules,
            contribution_months=given.contribution_months_then,
            agreement=given.agreement,
        )
        if given.chosen
        else None
    )
    return RetirementAnswer(
        delay=found.delay,
        age=found.age,
        retire=found.month,
        min_months=found.min_months,
        elastic=found.elastic,
        allowed=choice.allowed if choice else None,
        reason=choice.reason if choice else None,
        needed=choice.needed if choice else None,
        notice_no_later_than=choice.notice_no_later_than if choice else None,
        written_agreement_no_later_than=choice.written_agreement_no_later_than if choice else None,
        flags=[RetirementFlag.SAMPLE] if track.sample else [],
        steps=[*_found(found, given, track.source), *(_chosen(choice, given.chosen or "") if choice else [])],
    )


def _found(found: Retirement, given: RetirementInput, source: str) -> list[DerivationStep]:
    years, months = divmod(found.age_months - found.delay, 12)
    steps = [
        source_step(source),
        step(
            "result",
            f"{given.birth} 出生，原退休年龄 {years} 岁{f'{months}个月' if months else ''}，"
            f"延迟 {found.delay} 个月，法定退休月份 {found.month}",
            f"Born {given.birth}, age before {years}, later by {found.delay} months: {found.month}",
        ),
        step(
            "result",
            f"{found.month[:4]} 年退休，最低缴费 {found.min_months} 个月",
            f"Retiring in {found.month[:4]} needs {found.min_months} months of contribution",
        ),
    ]
    if found.elastic and found.rule:
        (first, last), law = found.elastic, citation(found.rule.source)
        steps.append(
            step(
                "result",
                f"可选择 {first} 至 {last} 之间退休（{law.zh}）",
                f"May choose from {first} to {last} ({law.en})",
            )
        )
    return steps


def _chosen(choice: Choice, chosen: str) -> list[DerivationStep]:
    if choice.reason is None:
        return [step("result", f"所选月份 {chosen} 可行", f"The chosen month {chosen} is possible")]
    why = REASONS[choice.reason]
    return [step("result", f"所选月份 {chosen} 不可行：{why.zh}", f"{chosen} is not possible: {why.en}")]


CALCULATION = Calculation(
    "retirement",
    Text(zh="退休时间", en="Retirement"),
    Text(
        zh="渐进式延迟退休的法定月份、最低缴费月数、弹性退休的可选月份与告知期限",
        en="Statutory month, minimum months, the months one may choose from, and by when to give notice",
    ),
    RetirementInput,
    RetirementAnswer,
    run,
)
