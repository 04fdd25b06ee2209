"""plan-back: planning backwards from a day over given steps, with our calendar or one of one's own."""

from domain.calculations.base import Calculation, Context, step
from domain.calculations.calendars import calendar_of
from domain.day_words import internal_step, provisional_step
from domain.slack import plan_back, slack_days
from domain.times import at, day_of
from schemas.base import Text
from schemas.calculations.plan_back import PlanBackAnswer, PlanBackInput, StepPlanned
from schemas.deadlines import DerivationStep, StepDuration


def run(given: PlanBackInput, context: Context) -> PlanBackAnswer:
    calendar = calendar_of(given.calendar, context)
    today = given.today or context.today
    numbered = [StepDuration(step=str(n), working_days=s.working_days) for n, s in enumerate(given.plan)]
    found = plan_back(at(given.due, calendar.closes_at), [s.step for s in numbered], numbered, calendar)
    planned = [
        StepPlanned(
            step=asked.step,
            working_days=p.working_days,
            latest_start=day_of(p.latest_start),
            latest_end=p.latest_end,
        )
        for asked, p in zip(given.plan, found, strict=True)
    ]
    first = found[0].latest_start
    slack = slack_days(first, today, calendar)
    missing = calendar.missing_years(min(today, day_of(first)), max(today, given.due))
    skipped = [d for d in calendar.rest_days_between(day_of(first), given.due) if d != given.due]
    return PlanBackAnswer(
        latest_start=day_of(first),
        slack=slack,
        plan=planned,
        provisional=bool(missing),
        missing_years=missing,
        steps=[
            *internal_step(given.due, calendar),
            *(
                step(
                    "counted",
                    f"{p.step}：{p.working_days} 个工作日，{p.latest_start} 开始，{p.latest_end} 完成",
                    f"{p.step}: {p.working_days} working days, from {p.latest_start} to {p.latest_end}",
                )
                for p in reversed(planned)
            ),
            *(
                [
                    step(
                        "skipped",
                        f"其间休息 {len(skipped)} 天不计入",
                        f"{len(skipped)} rest days between are not counted",
                    )
                ]
                if skipped
                else []
            ),
            _said(slack, today.isoformat()),
            *provisional_step(missing),
        ],
    )


def _said(slack: int, today: str) -> DerivationStep:
    if slack < 0:
        return step(
            "result", f"{today} 看，已晚 {-slack} 个工作日", f"As of {today} it is {-slack} working days too late"
        )
    return step("result", f"{today} 看，余 {slack} 个工作日", f"As of {today} {slack} working days are left")


CALCULATION = Calculation(
    "plan-back",
    Text(zh="倒排计划", en="Planning backwards"),
    Text(
        zh="由到期日倒推每一步最晚何时开始、还余几个工作日",
        en="When each step must begin for a day to be kept, and the slack",
    ),
    PlanBackInput,
    PlanBackAnswer,
    run,
)
