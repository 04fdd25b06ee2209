"""undeclared: a share of last month's amount, until the declaration is made up for."""

from domain.calculations.base import Calculation, Context, step
from domain.citation import source_step
from domain.times import month_of
from domain.undeclared import assessed
from schemas.base import Text
from schemas.calculations.late_fee import FeeFlag
from schemas.calculations.undeclared import UndeclaredAnswer, UndeclaredInput


def run(given: UndeclaredInput, context: Context) -> UndeclaredAnswer:
    month = given.month or month_of(context.today)
    amount, used = assessed(given.last_month, month, context.rules.undeclared, given.known_on or context.today)
    return UndeclaredAnswer(
        amount=amount,
        factor=f"{used.factor.normalize():f}",
        source=used.source,
        flags=[FeeFlag.SAMPLE] if used.sample else [],
        steps=[
            source_step(used.source),
            step(
                "result",
                f"{month} 未申报，暂按上月 {given.last_month} × {used.factor} = {amount} 元；补办申报后按规定结算",
                f"{month} not declared: {given.last_month} x {used.factor} = {amount} yuan, settled once declared",
            ),
        ],
    )


CALCULATION = Calculation(
    "undeclared",
    Text(zh="未按时申报的应缴额", en="Due when nothing was declared"),
    Text(
        zh="未按规定申报的月份，暂按上月缴费额的法定比例确定",
        en="For a month not declared: a share of last month's amount",
    ),
    UndeclaredInput,
    UndeclaredAnswer,
    run,
    dated_by="month",
)
