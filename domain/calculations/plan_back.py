"""plan-back: planning backwards from a day over given steps, with our calendar or one of one's own."""

from datetime import timedelta

from domain.calculations.base import Calculation, Context, step
from domain.calculations.calendars import calendar_of
from domain.citation import source_step
from domain.day_words import internal_step, provisional_step, skipped
from domain.slack import plan_back, slack_days
from domain.times import at, day_of
from schemas.base import Text
from schemas.calculations.plan_back import PlanBackAnswer, PlanBackInput, StepPlanned
from schemas.deadlines import DerivationStep, StepDuration

_ARTICLE = source_step(
    "国务院令795",
    Text(
        zh="全国年节及纪念日放假办法（国务院令795）与国务院办公厅的放假调休安排确定工作日；倒排为校内计划，不是法定期限",
        en="working days by the State Council's rules on public holidays and its yearly notices; the plan is the "
        "school's own, no limit of the law",
    ),
)


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
    rests = calendar.is_rest(given.due)  # then the due day has a step of its own
    return PlanBackAnswer(
        latest_start=day_of(first),
        slack=slack,
        plan=planned,
        provisional=bool(missing),
        missing_years=missing,
        steps=[
            _ARTICLE,
            *internal_step(given.due, calendar),
            *(
                step(
                    "counted",
                    f"{p.step}：{p.working_days} 个工作日，{p.latest_start} 开始，{p.latest_end} 完成",
                    f"{p.step}: {p.working_days} working days, from {p.latest_start} to {p.latest_end}",
                )
                for p in reversed(planned)
            ),
            *skipped(calendar, day_of(first), given.due - timedelta(days=rests)),
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
